//! Answers that are written as they are read, never whole in memory.

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::caller::ApiCaller;
use super::problem::Problem;
use super::taking::Taking;
use crate::directory::export::Export;
use crate::directory::request_log::bundle::Bundle;
use crate::error::{Error, Result};
use crate::workspace::export_many;

/// What is handed out part by part.
pub(super) trait Parts: Send + 'static {
    /// The next part; none after the last one.
    fn part(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send;
}

impl Parts for export_many::Export {
    async fn part(&mut self) -> Result<Option<Bytes>> {
        Ok(self.next().await?.map(Bytes::from))
    }
}

impl Parts for Export {
    async fn part(&mut self) -> Result<Option<Bytes>> {
        Ok(self.next().await?.map(Bytes::from))
    }
}

impl Parts for Bundle {
    async fn part(&mut self) -> Result<Option<Bytes>> {
        Ok(self.next().await?.map(Bytes::from))
    }
}

/// The parts as a file of that media type and name, of which no character needs quotes. An answer that
/// breaks off was not all of it: so is one to whoever may not have the rest any more (C209).
pub(super) fn streamed(
    parts: impl Parts,
    (caller, taking): (ApiCaller, Taking),
    (media, file): (&'static str, &str),
) -> Result<Response, Problem> {
    let name = format!("attachment; filename=\"{file}\"");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media)),
        (
            CONTENT_DISPOSITION,
            HeaderValue::from_str(&name).map_err(Error::internal)?,
        ),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    // The place among the requests in flight is held until the last part is read.
    let parts = stream::try_unfold(
        (parts, caller, taking),
        |(mut parts, mut caller, taking)| async move {
            let part = async {
                taking.check(&mut caller).await?;
                parts.part().await
            };
            match part.await {
                Ok(part) => Ok(part.map(|part| (part, (parts, caller, taking)))),
                Err(error) => {
                    tracing::error!(error = ?error, "what was handed out broke off");
                    Err(error)
                }
            }
        },
    );
    Ok((headers, Body::from_stream(parts)).into_response())
}
