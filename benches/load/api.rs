//! The management API as an operator's program calls it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use crate::measure::{Figures, Taken, drive, measure};
use crate::process::Watch;

/// A plan over everybody, or an export, is one answer.
const TIMEOUT: Duration = Duration::from_mins(10);
/// How often it is seen how far something is that goes on behind the answers.
const LOOK: Duration = Duration::from_millis(50);

/// One workspace, opened by a key.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base_url: String,
    key: String,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    path: String,
    media: &'static str,
    body: Bytes,
}

impl Call {
    /// A read.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            media: "",
            body: Bytes::new(),
        }
    }

    /// A removal.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::get(path)
        }
    }

    /// A write.
    pub(crate) fn write(method: Method, path: impl Into<String>, body: &Value) -> Self {
        Self {
            method,
            media: "application/json",
            body: Bytes::from(body.to_string()),
            ..Self::get(path)
        }
    }

    /// A table.
    pub(crate) fn table(path: impl Into<String>, text: &Bytes) -> Self {
        Self {
            method: Method::POST,
            media: "text/csv",
            body: text.clone(),
            ..Self::get(path)
        }
    }
}

impl Api {
    /// The workspace of that slug at a server.
    pub(crate) fn new(server: &str, workspace: &str, key: &str) -> Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            base_url: format!("{server}/api/v1/workspaces/{workspace}"),
            key: key.to_owned(),
        })
    }

    /// Sends a request; any answer but 2xx is an error.
    pub(crate) async fn send(&self, call: &Call) -> Result<Bytes> {
        let url = format!("{}{}", self.base_url, call.path);
        let mut request = self.http.request(call.method.clone(), url);
        request = request.bearer_auth(&self.key);
        if !call.media.is_empty() {
            request = request.header(CONTENT_TYPE, call.media);
            request = request.body(call.body.clone());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(
            status.is_success(),
            "{} {} answered {status}: {}",
            call.method,
            call.path,
            String::from_utf8_lossy(&body),
        );
        Ok(body)
    }

    /// The same, for the JSON of the answer.
    pub(crate) async fn ask(&self, call: &Call) -> Result<Value> {
        Ok(serde_json::from_slice(&self.send(call).await?)?)
    }

    /// Sends requests one after the other and says what they cost.
    pub(crate) async fn run(
        &self,
        (watch, figures): (&Watch, &mut Vec<Figures>),
        scenario: &str,
        calls: Vec<Call>,
    ) -> Result<Vec<Bytes>> {
        let (api, calls) = (Arc::new(self.clone()), Arc::new(calls));
        let work = drive(1, calls.len(), move |index| {
            let (api, calls) = (Arc::clone(&api), Arc::clone(&calls));
            async move { api.send(&calls[index]).await }
        });
        let (taken, answers) = measure(watch, scenario, 1, work).await?;
        figures.push(taken);
        Ok(answers)
    }

    /// Looks at `path` until `field` is there and says something.
    pub(crate) async fn wait_for(&self, path: &str, field: &str) -> Result<Value> {
        loop {
            let shown = self.ask(&Call::get(path)).await?;
            if !shown[field].is_null() {
                return Ok(shown);
            }
            #[expect(clippy::disallowed_methods, reason = "the server works meanwhile")]
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// One act: its latency is that of `asked`, its time lasts until what `goes_on` makes of the answer
/// is over.
pub(crate) async fn act<T, F>(
    (watch, figures): (&Watch, &mut Vec<Figures>),
    scenario: &str,
    asked: impl Future<Output = Result<Value>>,
    goes_on: impl FnOnce(Value) -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let work = async {
        let started = Instant::now();
        let answer = asked.await?;
        let latency = started.elapsed();
        let result = goes_on(answer).await?;
        Ok(Taken {
            requests: 1,
            latencies: vec![latency],
            elapsed: started.elapsed(),
            result,
        })
    };
    let (taken, result) = measure(watch, scenario, 1, work).await?;
    figures.push(taken);
    Ok(result)
}

/// Text of an answer.
pub(crate) fn text(answer: &Value, field: &str) -> Result<String> {
    let text = answer[field].as_str().map(str::to_owned);
    text.with_context(|| format!("the answer should have {field}: {answer}"))
}
