//! The HTTP side of a virtual identity provider: one request, its answer, and waiting when told.
//!
//! Knows headers, retries and SCIM's error body; what is asked for is decided elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
    USER_AGENT,
};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::Dialect;

/// How often one request is sent while the server answers 429 or 503. Okta gives up after ten.
const ATTEMPTS: u32 = 10;
/// Okta's limit for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest wait that is obeyed; real providers would put the job aside.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Why an act of a virtual identity provider did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client could not be made.
    #[error("expected a base URL and a token that fit into a request: {0}")]
    Setup(String),
    /// No answer came.
    #[error("{method} {path} got no answer")]
    Unreachable {
        /// What was sent.
        method: Method,
        /// Where to, below the base URL.
        path: String,
        /// What the HTTP client says.
        #[source]
        source: reqwest::Error,
    },
    /// The server said no.
    #[error("{method} {path} answered {status}{}: {detail}", of_type(.scim_type.as_ref()))]
    Refused {
        /// What was sent.
        method: Method,
        /// Where to, below the base URL.
        path: String,
        /// The HTTP status.
        status: u16,
        /// The `scimType` of the error body.
        scim_type: Option<String>,
        /// The `detail` of the error body, or how the body starts.
        detail: String,
    },
    /// The answer is not what the protocol promises.
    #[error("{method} {path} should have answered with {expected}")]
    Unexpected {
        /// What was sent.
        method: Method,
        /// Where to, below the base URL.
        path: String,
        /// What a provider needs there.
        expected: &'static str,
    },
}

fn of_type(scim_type: Option<&String>) -> String {
    scim_type
        .map(|scim_type| format!(" ({scim_type})"))
        .unwrap_or_default()
}

/// A request as one provider writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// Path and query below the base URL, encoded as this provider does it.
    pub path: String,
    /// The JSON body of a write.
    pub body: Option<Value>,
}

impl Request {
    /// A read.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: None,
        }
    }

    /// A removal.
    #[must_use]
    pub fn delete(path: impl Into<String>) -> Self {
        Self {
            method: Method::DELETE,
            path: path.into(),
            body: None,
        }
    }

    /// A write.
    #[must_use]
    pub fn write(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self {
            method,
            path: path.into(),
            body: Some(body),
        }
    }

    /// The error for an answer without what a provider needs.
    #[must_use]
    pub fn unexpected(&self, expected: &'static str) -> Error {
        Error::Unexpected {
            method: self.method.clone(),
            path: self.path.clone(),
            expected,
        }
    }
}

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, not parsed.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; `Null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Seconds the server asks to wait, if it says so in the one form Okta understands.
    fn retry_after(&self) -> Option<Duration> {
        let seconds = self
            .headers
            .get(RETRY_AFTER)?
            .to_str()
            .ok()?
            .trim()
            .parse()
            .ok()?;
        Some(Duration::from_secs(seconds))
    }
}

/// One connection of one provider to one SCIM service.
#[derive(Debug)]
pub struct ScimClient {
    connection: Connection,
    dialect: Dialect,
}

impl ScimClient {
    /// A client that talks to `base_url` (`https://host/scim/v2`) the way `dialect` does.
    pub fn new(base_url: &str, token: &str, dialect: Dialect) -> Result<Self, Error> {
        let headers = headers(dialect);
        Ok(Self {
            connection: Connection::new(base_url, token, &headers, REQUEST_TIMEOUT)?,
            dialect,
        })
    }

    /// Whose habits this client has.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// How many requests were sent so far, repeated ones included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.connection.requests()
    }

    /// How many of them were repeated because the server answered 429 or 503.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.connection.retries.load(Ordering::Relaxed)
    }

    /// Sends once and hands on whatever is answered.
    pub async fn exchange(&self, request: &Request) -> Result<Answer, Error> {
        self.connection.exchange(&Message::from(request)).await
    }

    /// Sends until the server neither says 429 nor 503, and takes any other refusal as an error.
    pub async fn send(&self, request: &Request) -> Result<Answer, Error> {
        let answer = self.connection.send(&Message::from(request)).await?;
        accept(request, answer)
    }
}

/// The headers that a provider sends with every request.
pub(super) fn headers(dialect: Dialect) -> Vec<(HeaderName, &'static str)> {
    match dialect {
        Dialect::Entra => vec![(HeaderName::from_static("adscimversion"), "5.0")],
        Dialect::Okta => vec![
            (ACCEPT, "application/scim+json"),
            (HeaderName::from_static("accept-charset"), "utf-8"),
            (USER_AGENT, "Okta SCIM Client 1.0.0"),
        ],
    }
}

/// A request down to its bytes.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) method: Method,
    pub(super) path: String,
    /// Beside those that go with every request, or instead of them.
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Option<String>,
}

impl From<&Request> for Message {
    fn from(request: &Request) -> Self {
        let body = request.body.as_ref().map(Value::to_string);
        // Both providers name a content type on writes only.
        let media = "application/scim+json; charset=utf-8".to_owned();
        Self {
            method: request.method.clone(),
            path: request.path.clone(),
            headers: body.iter().map(|_| (CONTENT_TYPE, media.clone())).collect(),
            body,
        }
    }
}

/// What carries messages to one SCIM service and counts them.
#[derive(Debug)]
pub(super) struct Connection {
    http: reqwest::Client,
    base_url: String,
    requests: AtomicU64,
    retries: AtomicU64,
}

impl Connection {
    pub(super) fn new(
        base_url: &str,
        token: &str,
        headers: &[(HeaderName, &'static str)],
        timeout: Duration,
    ) -> Result<Self, Error> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Error::Setup("the token holds characters no header can carry".into()))?;
        bearer.set_sensitive(true);
        let mut always = HeaderMap::new();
        always.insert(AUTHORIZATION, bearer);
        for (name, value) in headers {
            always.insert(name, HeaderValue::from_static(value));
        }
        let http = reqwest::Client::builder()
            .default_headers(always)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::Setup(error.to_string()))?;
        Ok(Self {
            http,
            base_url: base_url.trim_end_matches('/').to_owned(),
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        })
    }

    /// How many requests were sent so far, repeated ones included.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Sends once and hands on whatever is answered.
    pub(super) async fn exchange(&self, message: &Message) -> Result<Answer, Error> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let unreachable = |source: reqwest::Error| Error::Unreachable {
            method: message.method.clone(),
            path: message.path.clone(),
            source,
        };
        let url = format!("{}{}", self.base_url, message.path);
        let mut builder = self.http.request(message.method.clone(), url);
        for (name, value) in &message.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &message.body {
            builder = builder.body(body.clone());
        }
        let response = builder.send().await.map_err(unreachable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(unreachable)?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// Sends until the server neither says 429 nor 503.
    ///
    /// `Retry-After` in whole seconds is obeyed. Without it the wait starts at one second and
    /// doubles; Okta would wait five minutes, which nobody wants to watch.
    pub(super) async fn send(&self, message: &Message) -> Result<Answer, Error> {
        let mut pause = Duration::from_secs(1);
        let mut attempt = 1;
        loop {
            let answer = self.exchange(message).await?;
            let busy = matches!(
                answer.status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            );
            if !busy || attempt == ATTEMPTS {
                return Ok(answer);
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            let wait = answer.retry_after().unwrap_or(pause);
            #[expect(
                clippy::disallowed_methods,
                reason = "an IdP waits as long as it is told"
            )]
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
            pause *= 2;
            attempt += 1;
        }
    }
}

fn accept(request: &Request, answer: Answer) -> Result<Answer, Error> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    let body = answer.json();
    let detail = match body["detail"].as_str() {
        Some(detail) => detail.to_owned(),
        None => String::from_utf8_lossy(&answer.body)
            .chars()
            .take(200)
            .collect(),
    };
    Err(Error::Refused {
        method: request.method.clone(),
        path: request.path.clone(),
        status: answer.status.as_u16(),
        scim_type: body["scimType"].as_str().map(str::to_owned),
        detail,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &Value) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.to_string().into(),
        }
    }

    #[test]
    fn a_refusal_says_what_the_server_said() {
        let request = Request::get("/Users/1");
        let body =
            json!({"status": "409", "scimType": "uniqueness", "detail": "userName is taken"});
        let error = accept(&request, answer(409, &body)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "GET /Users/1 answered 409 (uniqueness): userName is taken",
        );
        let error = accept(&request, answer(500, &json!("oops"))).unwrap_err();
        assert_eq!(error.to_string(), "GET /Users/1 answered 500: \"oops\"");
    }

    #[test]
    fn only_whole_seconds_are_a_wait() {
        for (text, expected) in [
            ("7", Some(7)),
            ("0.5", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            let mut answer = answer(429, &Value::Null);
            answer
                .headers
                .insert(RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(
                answer.retry_after(),
                expected.map(Duration::from_secs),
                "{text}"
            );
        }
    }

    #[test]
    fn the_token_does_not_print() {
        let client = ScimClient::new("http://localhost/scim/v2/", "s3cr3t", Dialect::Okta).unwrap();
        assert!(!format!("{client:?}").contains("s3cr3t"));
        assert!(ScimClient::new("http://localhost", "line\nbreak", Dialect::Okta).is_err());
    }
}
