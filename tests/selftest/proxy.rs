//! A proxy in front of the gateway that has one fault built in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use gatehouse::virtual_idp::selftest::Profile;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// The headers that matter on the way to the gateway and back.
const THERE: [&str; 5] = [
    "authorization",
    "content-type",
    "accept",
    "if-match",
    "if-none-match",
];
const BACK: [&str; 4] = ["location", "etag", "www-authenticate", "retry-after"];

/// What a client sent, as far as faults look at it.
pub(crate) struct Call {
    pub(crate) method: String,
    /// The path below the base URL.
    pub(crate) path: String,
    /// The query as it was sent.
    pub(crate) query: String,
    /// The body; `Null` where it is no JSON.
    pub(crate) body: Value,
    /// The headers that go on to the gateway.
    pub(crate) headers: HeaderMap,
    /// What is there before a PUT.
    pub(crate) before: Value,
    /// How many calls came before.
    pub(crate) number: usize,
}

/// What the client will be answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) media: String,
    /// The body; `Null` where it is no JSON.
    pub(crate) body: Value,
    /// Stands instead of the body.
    pub(crate) text: Option<String>,
}

impl Reply {
    pub(crate) fn of(status: u16, body: Value) -> Self {
        Self {
            status,
            media: "application/scim+json".to_owned(),
            body,
            text: None,
        }
    }
}

/// One thing that a server does wrong, and the cases that must find it.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) profile: Profile,
    pub(crate) found_by: &'static [&'static str],
    /// Changes what the gateway is sent, or answers in its place.
    pub(crate) request: fn(&mut Call) -> Option<Reply>,
    /// Changes what the gateway answered.
    pub(crate) answer: fn(&Call, &mut Reply),
}

/// A proxy on a socket; it ends with the test.
pub(crate) struct Proxy {
    pub(crate) base_url: String,
    stop: CancellationToken,
}

struct Inside {
    /// Scheme, host and port of the gateway.
    origin: String,
    http: reqwest::Client,
    fault: Fault,
    calls: AtomicUsize,
}

impl Proxy {
    /// A proxy in front of that base URL.
    pub(crate) async fn new(base_url: &str, fault: Fault) -> Self {
        let at = base_url.find("/d/").unwrap();
        let (origin, below) = base_url.split_at(at);
        let inside = Arc::new(Inside {
            origin: origin.to_owned(),
            http: reqwest::Client::builder().build().unwrap(),
            fault,
            calls: AtomicUsize::new(0),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}{below}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let router = Router::new().fallback(pass).with_state(inside);
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(stopped)
                .await
        });
        Self { base_url, stop }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn pass(State(inside): State<Arc<Inside>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let (base, path) = parts.uri.path().split_once("/scim/v2").unwrap();
    let parsed = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let mut call = Call {
        method: parts.method.to_string(),
        path: path.to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: parsed.clone(),
        headers: passed_on(&parts.headers, &THERE),
        before: Value::Null,
        number: inside.calls.fetch_add(1, Ordering::Relaxed),
    };
    let base = format!("{}{base}/scim/v2", inside.origin);
    if call.method == "PUT" {
        let there = inside.http.get(format!("{base}{path}"));
        let there = there.headers(passed_on(&parts.headers, &["authorization"]));
        let text = there.send().await.unwrap().text().await.unwrap();
        call.before = serde_json::from_str(&text).unwrap_or(Value::Null);
    }
    if let Some(reply) = (inside.fault.request)(&mut call) {
        return respond(reply, HeaderMap::new(), None);
    }
    // What no fault touched goes on as it came.
    let sent = if call.body == parsed {
        bytes
    } else {
        Bytes::from(call.body.to_string())
    };
    let url = match call.query.as_str() {
        "" => format!("{base}{}", call.path),
        query => format!("{base}{}?{query}", call.path),
    };
    let answer = inside
        .http
        .request(parts.method, url)
        .headers(call.headers.clone())
        .body(sent)
        .send()
        .await
        .unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.unwrap();
    let media = headers.get(header::CONTENT_TYPE);
    let media = media.map_or("", |media| media.to_str().unwrap()).to_owned();
    let mut reply = Reply {
        status: status.as_u16(),
        media,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        text: None,
    };
    (inside.fault.answer)(&call, &mut reply);
    respond(reply, passed_on(&headers, &BACK), Some(&bytes))
}

fn passed_on(headers: &HeaderMap, names: &[&str]) -> HeaderMap {
    let kept = headers
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The answer; `came` is what the gateway's body was.
fn respond(reply: Reply, headers: HeaderMap, came: Option<&Bytes>) -> Response {
    let body = match (reply.text, &reply.body) {
        (Some(text), _) => Body::from(text),
        (None, Value::Null) => Body::from(came.cloned().unwrap_or_default()),
        (None, body) => Body::from(body.to_string()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    *response.headers_mut() = headers;
    if !reply.media.is_empty() {
        let media = reply.media.parse().unwrap();
        response.headers_mut().insert(header::CONTENT_TYPE, media);
    }
    response
}
