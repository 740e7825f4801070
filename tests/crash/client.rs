//! A SCIM client whose server may go away.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Value,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// There was no connection: nothing was sent.
    Refused,
    /// It was sent, or part of it: it may have been done or not.
    Unanswered,
}

/// A client with connections of its own.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_mins(1))
            .build();
        Self {
            http: http.expect("a client"),
            url: url.to_owned(),
            token: token.to_owned(),
        }
    }

    /// The same with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        let token = token.to_owned();
        Self {
            token,
            ..self.clone()
        }
    }

    /// Sends a SCIM request.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Lost> {
        self.ask(method, &format!("/scim/v2{path}"), body).await
    }

    /// Sends a request of the management API about the workspace; it must be answered.
    pub(crate) async fn manage(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let path = format!("/api/v1/workspaces/acme{path}");
        let answer = self.ask(method, &path, body).await;
        answer.unwrap_or_else(|lost| panic!("{method} {path}: {lost:?}"))
    }

    /// Sends a request to any path.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Lost> {
        let method = method.parse::<reqwest::Method>().expect("a method");
        let url = format!("{}{path}", self.url);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| {
            if error.is_connect() {
                Lost::Refused
            } else {
                Lost::Unanswered
            }
        })?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("retry-after");
        let retry_after =
            retry_after.map(|it| it.to_str().expect("text").parse().expect("seconds"));
        let text = answer.text().await.map_err(|_| Lost::Unanswered)?;
        Ok(Answer {
            status,
            retry_after,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
        })
    }

    /// Sends a body as it is; gives the status.
    pub(crate) async fn send_text(
        &self,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<u16, Lost> {
        let method = method.parse::<reqwest::Method>().expect("a method");
        let request = self
            .http
            .request(method, format!("{}/scim/v2{path}", self.url))
            .bearer_auth(&self.token)
            .header("content-type", "application/scim+json")
            .body(body);
        let answer = request.send().await.map_err(|_| Lost::Unanswered)?;
        Ok(answer.status().as_u16())
    }

    /// Sends a request that must be answered.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let answer = self.send(method, path, body).await;
        answer.unwrap_or_else(|lost| panic!("{method} {path}: {lost:?}"))
    }

    /// Creates a resource; gives its id.
    pub(crate) async fn created(&self, path: &str, body: &Value) -> String {
        let answer = self.call("POST", path, Some(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["id"].as_str().expect("an id").to_owned()
    }

    /// The members of a group.
    pub(crate) async fn members(&self, group: &str) -> BTreeSet<String> {
        let answer = self.call("GET", &format!("/Groups/{group}"), None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let members = answer.body["members"].as_array().into_iter().flatten();
        members
            .map(|member| member["value"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// The status of a probe; none without an answer.
    pub(crate) async fn probe(&self, path: &str) -> Option<u16> {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await;
        answer.ok().map(|answer| answer.status().as_u16())
    }
}

/// The body of a PATCH with one operation.
pub(crate) fn patch(op: &str, path: &str, value: Value) -> Value {
    let mut operation = json!({"op": op, "path": path});
    if !value.is_null() {
        operation["value"] = value;
    }
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [operation],
    })
}

/// Random numbers that a seed repeats.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("it fits")
    }
}
