//! What an operator reads of a running server: metrics on a listener of their own, and traces at a
//! collector.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use gatehouse::telemetry::{Kind, METRICS};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

use crate::deployment::{Server, free_port};
use crate::with_directory;

/// What a scrape says: each sample with its labels.
pub(crate) struct Scrape {
    text: String,
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Scrape {
    pub(crate) async fn of(address: &str) -> Self {
        let answer = reqwest::get(format!("http://{address}/metrics")).await;
        let text = answer.unwrap().text().await.unwrap();
        let lines = text.lines().filter(|line| !line.is_empty());
        let samples = lines
            .filter(|line| !line.starts_with('#'))
            .map(sample)
            .collect();
        Self { text, samples }
    }

    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found = self.samples.iter().find(|(found, with, _)| {
            found == name
                && labels
                    .iter()
                    .all(|(label, value)| with.get(*label).is_some_and(|it| it == value))
        });
        found.map(|(_, _, value)| *value)
    }
}

/// `name{label="value",…} number`
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (what, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = what.split_once('{').unwrap_or((what, "}"));
    let labels = labels.trim_end_matches('}').split("\",");
    let labels = labels.filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once("=\"").unwrap();
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    (name.to_owned(), labels.collect(), value.parse().unwrap())
}

// C215
#[tokio::test]
async fn every_metric_is_there_after_some_traffic_and_none_tells_of_a_person() {
    let (deployment, directory) = with_directory("generic").await;
    let address = format!("127.0.0.1:{}", free_port());
    let server = deployment
        .serve_with(&[("GATEHOUSE__SERVER__METRICS_LISTEN", &address)])
        .await;
    let base = format!("{}/scim/v2", server.url);
    let token = directory["token"].as_str().unwrap();
    let mut ids = Vec::new();
    for name in ["ada@example.com", "bea@example.com"] {
        let body = json!({"userName": name});
        let users = format!("{base}/Users");
        let (status, made) = server.send("POST", &users, token, Some(&body)).await;
        assert_eq!(status, 201);
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    let filter = format!("{base}/Users/?filter=userName%20eq%20%22ada@example.com%22");
    assert_eq!(server.send("GET", &filter, token, None).await.0, 200);
    let one = format!("{base}/Users/{}", ids[0]);
    assert_eq!(server.send("GET", &one, token, None).await.0, 200);
    assert_eq!(server.send("GET", &one, "ghs_no", None).await.0, 401);
    assert_eq!(server.send("ADA", &one, token, None).await.0, 405);
    let nowhere = format!("{}/ada@example.com/{}", server.url, ids[0]);
    assert_eq!(server.send("GET", &nowhere, token, None).await.0, 404);

    let scrape = async || Scrape::of(&address).await;
    server
        .until("the changes are numbered and told of", async || {
            let scrape = scrape().await;
            let numbered = scrape.value("gatehouse_changes_numbered_total", &[]);
            numbered >= Some(2.0) && scrape.value("gatehouse_users", &[]).is_some()
        })
        .await;
    let scrape = scrape().await;

    let (mut known, mut missing) = (BTreeSet::new(), Vec::new());
    for metric in METRICS {
        let suffixes: &[&str] = match metric.kind {
            Kind::Histogram(_) => &["_bucket", "_count", "_sum"],
            Kind::Counter | Kind::Gauge => &[""],
        };
        for suffix in suffixes {
            let name = format!("{}{suffix}", metric.name);
            if scrape.value(&name, &[]).is_none() {
                missing.push(name.clone());
            }
            known.insert(name);
        }
        let help = format!("# HELP {} {}", metric.name, metric.help);
        assert!(scrape.text.contains(&help), "{help}");
    }
    assert!(missing.is_empty(), "{missing:?}");
    let may_be = [
        "le", "method", "outcome", "reason", "route", "status", "surface", "task", "version",
    ];
    for (name, labels, _) in &scrape.samples {
        assert!(known.contains(name), "{name} is not described");
        for (label, value) in labels {
            assert!(may_be.contains(&label.as_str()), "{name} by {label}");
            let is_id = value
                .split('/')
                .any(|part| part.parse::<uuid::Uuid>().is_ok());
            assert!(!is_id && !value.contains('@') && value != "ADA", "{value}");
        }
    }
    let requests = |method, route, status| {
        let labels = [("method", method), ("route", route), ("status", status)];
        scrape.value("gatehouse_request_seconds_count", &labels)
    };
    assert_eq!(requests("POST", "/scim/v2/{type}", "2xx"), Some(2.0));
    assert_eq!(requests("GET", "/scim/v2/{type}", "2xx"), Some(1.0));
    assert_eq!(requests("GET", "/scim/v2/{type}/{id}", "4xx"), Some(1.0));
    assert_eq!(requests("_OTHER", "/scim/v2/{type}/{id}", "4xx"), Some(1.0));
    assert_eq!(requests("GET", "none", "4xx"), Some(1.0));
    let refused = scrape.value("gatehouse_refusals_total", &[("reason", "auth")]);
    assert_eq!(refused, Some(1.0));
    assert_eq!(scrape.value("gatehouse_requests_in_flight", &[]), Some(0.0));
    assert_eq!(scrape.value("gatehouse_worker_lease_held", &[]), Some(1.0));
    assert!(scrape.value("gatehouse_commit_seconds_count", &[]) >= Some(2.0));
    assert!(scrape.value("process_resident_memory_bytes", &[]) > Some(1e6));

    for (url, status) in [
        (format!("{}/metrics", server.url), 404),
        (format!("http://{address}/scim/v2/Users"), 404),
        (format!("http://{address}/healthz"), 404),
        (format!("http://{address}/metrics"), 200),
    ] {
        assert_eq!(
            server.send("GET", &url, token, None).await.0,
            status,
            "{url}"
        );
    }
    server.stop();
}

/// What came to a collector.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Sent>>>);

#[derive(Clone)]
struct Sent {
    path: String,
    media: String,
    body: Bytes,
}

impl Collector {
    /// A collector on a free port, and its URL.
    async fn new() -> (Self, String) {
        let collector = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(take).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (collector, url)
    }

    fn sent(&self) -> Vec<Sent> {
        self.0.lock().unwrap().clone()
    }

    fn spans(&self) -> Vec<Span> {
        let sent = self.sent().into_iter();
        let requests = sent.map(|sent| ExportTraceServiceRequest::decode(sent.body).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        resources
            .inspect(|spans| {
                let resource = spans.resource.as_ref().unwrap();
                assert_eq!(text(&resource.attributes, "service.name"), "gate");
            })
            .flat_map(|spans| spans.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }
}

async fn take(
    State(collector): State<Collector>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> &'static str {
    let media = headers["content-type"].to_str().unwrap().to_owned();
    let path = uri.path().to_owned();
    collector.0.lock().unwrap().push(Sent { path, media, body });
    ""
}

/// An attribute as text.
fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|found| found.key == key);
    let value = found.and_then(|found| found.value.clone()?.value);
    match value {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Creates somebody as a part of a trace and looks for them, and waits for the background work.
async fn traffic(server: &Server, token: &str) {
    let url = format!("{}/scim/v2/Users", server.url);
    let http = reqwest::Client::new();
    let created = http
        .post(&url)
        .bearer_auth(token)
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .header("content-type", "application/scim+json")
        .body(json!({"userName": "lovelace@example.com"}).to_string());
    assert_eq!(created.send().await.unwrap().status(), 201);
    let filter = format!("{url}?filter=userName%20eq%20%22lovelace@example.com%22");
    assert_eq!(server.send("GET", &filter, token, None).await.0, 200);
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

// The collector answers while the server is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_a_trace_at_the_collector_with_its_parts_and_without_its_values() {
    let (deployment, directory) = with_directory("generic").await;
    let token = directory["token"].as_str().unwrap();
    let (collector, url) = Collector::new().await;
    let server = deployment
        .serve_with(&[
            ("GATEHOUSE__TELEMETRY__OTLP_ENDPOINT", &url),
            ("GATEHOUSE__TELEMETRY__SAMPLE_RATIO", "1.0"),
            ("GATEHOUSE__TELEMETRY__SERVICE_NAME", "gate"),
            ("GATEHOUSE__TELEMETRY__TRUST_TRACEPARENT", "true"),
        ])
        .await;
    traffic(&server, token).await;
    server.wait_until_numbered(&deployment).await;
    // What waits is sent before the server ends.
    server.stop();

    for sent in collector.sent() {
        assert_eq!(sent.path, "/v1/traces");
        assert_eq!(sent.media, "application/x-protobuf");
        let all = String::from_utf8_lossy(&sent.body).into_owned();
        for secret in [token, "lovelace", "filter=", "userName"] {
            assert!(!all.contains(secret), "{secret}");
        }
    }
    let spans = collector.spans();
    let named = |name: &str| -> &Span {
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("{name} among {:?}", names(&spans)))
    };
    let create = named("POST /scim/v2/{type}");
    assert_eq!(hex(&create.trace_id), TRACE);
    assert_eq!(hex(&create.parent_span_id), PARENT);
    assert_eq!(create.kind, 2, "a server's span");
    let of = |key| text(&create.attributes, key);
    assert_eq!(of("http.request.method"), "POST");
    assert_eq!(of("http.route"), "/scim/v2/{type}");
    assert_eq!(of("http.response.status_code"), "201");
    assert!(of("db.statements").parse::<u32>().unwrap() > 2);

    let child = |name: &str, parent: &Span| -> Span {
        let mut all = spans.iter();
        let found = all.find(|span| span.name == name && span.parent_span_id == parent.span_id);
        let found = found.unwrap_or_else(|| panic!("{name} below {}", parent.name));
        assert_eq!(found.trace_id, parent.trace_id);
        found.clone()
    };
    let use_case = child("create user", create);
    let write = child("write", &use_case);
    assert!(
        text(&write.attributes, "db.statements")
            .parse::<u32>()
            .unwrap()
            > 1
    );
    child("wait", &write);
    child("commit", &write);
    let list = named("GET /scim/v2/{type}");
    assert!(list.parent_span_id.is_empty());
    assert_ne!(list.trace_id, create.trace_id);
    child("search", list);
    child("write", named("number changes"));
}

fn names(spans: &[Span]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

// The collector answers while the server is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_outside_does_not_say_what_is_traced() {
    let (deployment, directory) = with_directory("generic").await;
    let (collector, url) = Collector::new().await;
    let server = deployment
        .serve_with(&[
            ("GATEHOUSE__TELEMETRY__OTLP_ENDPOINT", &url),
            ("GATEHOUSE__TELEMETRY__SAMPLE_RATIO", "1.0"),
            ("GATEHOUSE__TELEMETRY__SERVICE_NAME", "gate"),
        ])
        .await;
    traffic(&server, directory["token"].as_str().unwrap()).await;
    server.stop();
    let spans = collector.spans();
    let create = spans.iter().find(|span| span.name.starts_with("POST"));
    let create = create.unwrap();
    assert_ne!(hex(&create.trace_id), TRACE);
    assert!(create.parent_span_id.is_empty());
}

#[tokio::test]
async fn a_collector_that_is_away_hurts_nobody() {
    let (deployment, directory) = with_directory("generic").await;
    let token = directory["token"].as_str().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let away = format!("http://127.0.0.1:{}", free_port());
    let server = deployment
        .serve_with(&[
            ("GATEHOUSE__SERVER__METRICS_LISTEN", &address),
            ("GATEHOUSE__TELEMETRY__OTLP_ENDPOINT", &away),
            ("GATEHOUSE__TELEMETRY__SAMPLE_RATIO", "1.0"),
        ])
        .await;
    traffic(&server, token).await;
    server
        .until("spans are dropped", async || {
            let scrape = Scrape::of(&address).await;
            scrape.value("gatehouse_spans_dropped_total", &[]) > Some(0.0)
        })
        .await;
    let url = format!("{}/scim/v2/Users", server.url);
    assert_eq!(server.send("GET", &url, token, None).await.0, 200);
    server.stop();
}
