//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a POST that comes again under the
//! same key is carried out once. Only what was carried out is remembered; what was refused changed
//! nothing, and is decided anew.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::body;
use super::caller::{ApiCaller, Known};
use super::problem::Problem;
use crate::app::App;
use crate::app::repeats::{self, Answer, Begun, Mark};
use crate::error::{Error, Invalid, Result};
use crate::http::{Shared, to_its_end};
use crate::secrets::Digest;

/// The longest key, in characters.
pub(super) const LENGTH: usize = 255;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The headers that belong to what is answered.
const KEPT: [HeaderName; 3] = [CONTENT_TYPE, ETAG, LOCATION];

/// The layer around routes that take POST.
pub(super) async fn once(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    match carried_out(shared, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn carried_out(shared: Shared, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = ApiCaller::from_request_parts(&mut parts, &shared).await?;
    let key = key(&parts.headers)?;
    let limit = body::largest(&shared.app.config.limits, parts.uri.path());
    let bytes = body::bytes(&shared, &parts.headers, body, limit).await?;
    let place = caller.repeats_at(&key);
    let request_id = caller.origin.request;
    let mark = match repeats::begin(&shared.app, place, print(&parts, &bytes), request_id).await? {
        Begun::First(mark) => mark,
        Begun::Again(answer) => return replayed(answer),
        Begun::InFlight => return Err(Problem::in_flight()),
        Begun::Other => return Err(Problem::key_reused()),
        Begun::Unknown => return Err(Problem::outcome_unknown()),
    };
    parts.extensions.insert(Known::new(caller));
    let request = Request::from_parts(parts, Body::from(bytes));
    let work = async move {
        let response = repeats::marked(mark, next.run(request)).await;
        kept(&shared.app, mark, response).await
    };
    // Who goes away before the answer is the one who asks again.
    to_its_end(work).await.map_err(Error::internal)?
}

/// Keeps an answer of what was carried out.
async fn kept(app: &App, mark: Mark, response: Response) -> Result<Response, Problem> {
    if !response.status().is_success() {
        repeats::give_up(app, mark).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.map_err(Error::internal)?;
    let headers = KEPT.iter().filter_map(|name| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    });
    let answer = Answer {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: String::from_utf8(bytes.to_vec()).map_err(Error::internal)?,
    };
    // What is done is done: the client learns of it even where its answer cannot be kept.
    if let Err(error) = repeats::keep(app, mark, &answer).await {
        tracing::warn!(error = ?error, "an answer under an Idempotency-Key is not kept");
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn replayed(answer: Answer) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(answer.status).map_err(Error::internal)?;
    let mut response = (status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.clear();
    for (name, value) in answer.headers {
        let name: HeaderName = name.parse().map_err(Error::internal)?;
        headers.insert(name, value.parse().map_err(Error::internal)?);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The one key, with or without the quotes of a structured header.
fn key(headers: &HeaderMap) -> Result<String> {
    let mut given = headers.get_all(KEY).iter();
    let (first, others) = (given.next(), given.count());
    let text = first
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let text = text.trim();
    let bare = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let text = bare.unwrap_or(text);
    let fits = (1..=LENGTH).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
    if fits && others == 0 {
        return Ok(text.to_owned());
    }
    let detail = format!("Idempotency-Key must be one of 1 to {LENGTH} visible characters");
    Err(Error::invalid(Invalid::Value, detail))
}

/// What of a request must be the same when it comes again.
fn print(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let query = parts.uri.query().unwrap_or_default();
    let version = parts.headers.get(axum::http::header::IF_MATCH);
    let mut digest = Digest::new();
    for part in [
        parts.method.as_str().as_bytes(),
        parts.uri.path().as_bytes(),
        query.as_bytes(),
        version.map_or(&b""[..], HeaderValue::as_bytes),
        body,
    ] {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.bytes()
}
