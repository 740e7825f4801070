//! The client of a run: it sends, keeps what was made to remove it, and knows what is offered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName};
use serde_json::Value;
use uuid::Uuid;

use super::reply::{Checked, Reply, skipped};
use super::report::{Cleanup, Exchange, excerpt};
use super::{NotRun, Profile};
use crate::virtual_idp::client::{Connection, Message, headers};
use crate::virtual_idp::{Error, Request};

/// One run against one service.
pub(super) struct Session {
    pub(super) profile: Profile,
    connection: Connection,
    token: String,
    /// What every name of this run holds.
    run: String,
    offers: Offers,
    state: Mutex<State>,
}

/// What the service says of itself; `Null` where it does not.
#[derive(Default)]
struct Offers {
    config: Value,
    resource_types: Vec<Value>,
}

#[derive(Default)]
struct State {
    named: usize,
    /// The paths of what was made, oldest first.
    made: Vec<String>,
    last: Option<Arc<Exchange>>,
}

impl Session {
    /// Connects, and sees that a SCIM service answers there.
    pub(super) async fn open(
        base_url: &str,
        token: &str,
        profile: Profile,
        timeout: Duration,
    ) -> Result<Self, NotRun> {
        let always = match profile.dialect() {
            Some(dialect) => headers(dialect),
            None => vec![(ACCEPT, "application/scim+json")],
        };
        let connection = Connection::new(base_url, token, &always, timeout)?;
        let run = Uuid::new_v4().simple().to_string();
        let mut session = Self {
            profile,
            connection,
            token: token.to_owned(),
            run: run[..8].to_owned(),
            offers: Offers::default(),
            state: Mutex::default(),
        };
        session.see_that_scim_answers().await?;
        session.offers = session.ask_for_offers().await?;
        Ok(session)
    }

    async fn see_that_scim_answers(&self) -> Result<(), NotRun> {
        let reply = self
            .exchange(&message(Method::GET, "/Users?count=1&startIndex=1"))
            .await?;
        let told = match reply.status {
            401 | 403 => format!("the token is refused with {}", reply.status),
            _ if !reply.body.is_object() => format!(
                "no SCIM service: {} is answered {} with {} that is no JSON object",
                reply.exchange.path,
                reply.status,
                reply.exchange.content_type.as_deref().unwrap_or("a body"),
            ),
            200..300 => return Ok(()),
            status => format!(
                "users cannot be listed: {status} {}",
                reply.exchange.answered
            ),
        };
        Err(NotRun::NoService(told))
    }

    async fn ask_for_offers(&self) -> Result<Offers, Error> {
        let config = self
            .exchange(&message(Method::GET, "/ServiceProviderConfig"))
            .await?;
        let types = self
            .exchange(&message(Method::GET, "/ResourceTypes"))
            .await?;
        let listed = match types.body {
            Value::Object(ref list) => list.get("Resources").cloned().unwrap_or_default(),
            other => other,
        };
        Ok(Offers {
            config: if config.status == 200 {
                config.body
            } else {
                Value::Null
            },
            resource_types: listed.as_array().cloned().unwrap_or_default(),
        })
    }

    /// Sends a request as the profile's client writes it.
    pub(super) async fn request(&self, request: &Request) -> Checked<Reply> {
        self.send(&Message::from(request)).await
    }

    pub(super) async fn get(&self, path: impl Into<String>) -> Checked<Reply> {
        self.request(&Request::get(path)).await
    }

    pub(super) async fn delete(&self, path: impl Into<String>) -> Checked<Reply> {
        self.request(&Request::delete(path)).await
    }

    pub(super) async fn post(&self, path: impl Into<String>, body: Value) -> Checked<Reply> {
        self.request(&Request::write(Method::POST, path, body))
            .await
    }

    pub(super) async fn put(&self, path: impl Into<String>, body: Value) -> Checked<Reply> {
        self.request(&Request::write(Method::PUT, path, body)).await
    }

    /// Sends a request with headers of its own, and a body that need not be JSON.
    pub(super) async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: Option<&str>,
    ) -> Checked<Reply> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), (*value).to_owned()));
        let message = Message {
            headers: headers.collect(),
            body: body.map(str::to_owned),
            ..message(method, path)
        };
        self.send(&message).await
    }

    /// Lists a user with the token alone in the header, as Okta's header mode sends it.
    pub(super) async fn send_bare(&self) -> Checked<Reply> {
        let bare = [(AUTHORIZATION, self.token.as_str())];
        self.send_with(Method::GET, "/Users?startIndex=1&count=1", &bare, None)
            .await
    }

    async fn send(&self, message: &Message) -> Checked<Reply> {
        Ok(self.exchange(message).await?)
    }

    async fn exchange(&self, message: &Message) -> Result<Reply, Error> {
        let started = Instant::now();
        let answer = self.connection.send(message).await?;
        let text = String::from_utf8_lossy(&answer.body);
        let content_type = answer.headers.get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let exchange = Arc::new(Exchange {
            method: message.method.to_string(),
            path: message.path.clone(),
            sent: message.body.as_deref().map(excerpt),
            status: answer.status.as_u16(),
            content_type: content_type.map(str::to_owned),
            answered: excerpt(&text),
        });
        let reply = Reply {
            status: exchange.status,
            body: serde_json::from_str(&text).unwrap_or_default(),
            headers: answer.headers,
            exchange,
            took: started.elapsed(),
        };
        let mut state = self.state();
        if let Some(path) = made(message, &reply) {
            state.made.push(path);
        }
        state.last = Some(reply.exchange.clone());
        Ok(reply)
    }

    /// What the last request and its answer were, since this was last asked.
    pub(super) fn take_last(&self) -> Option<Arc<Exchange>> {
        self.state().last.take()
    }

    pub(super) fn requests(&self) -> u64 {
        self.connection.requests()
    }

    /// Remembers to remove a resource that was not made by a POST to its endpoint.
    pub(super) fn remember(&self, path: String) {
        self.state().made.push(path);
    }

    /// A name that nothing has, here or in another run.
    pub(super) fn unique(&self) -> String {
        let mut state = self.state();
        state.named += 1;
        format!("selftest-{}-{}", self.run, state.named)
    }

    /// Removes what was made, last first, as far as the service lets that happen.
    pub(super) async fn clean_up(&self) -> Cleanup {
        let made = std::mem::take(&mut self.state().made);
        let mut cleanup = Cleanup {
            made: made.len(),
            ..Cleanup::default()
        };
        for path in made.into_iter().rev() {
            match self.exchange(&message(Method::DELETE, &path)).await {
                Ok(reply) if reply.status < 300 || reply.status == 404 => cleanup.removed += 1,
                _ => cleanup.left.push(path),
            }
        }
        cleanup
    }

    /// The service's own word on a feature, by a pointer into `ServiceProviderConfig`.
    pub(super) fn offers(&self, pointer: &str) -> Option<bool> {
        self.offers.config.pointer(pointer).and_then(Value::as_bool)
    }

    /// A number in `ServiceProviderConfig`.
    pub(super) fn limit(&self, pointer: &str) -> Option<u64> {
        self.offers.config.pointer(pointer).and_then(Value::as_u64)
    }

    /// Skips the case unless the service says that it supports this.
    pub(super) fn needs(&self, feature: &str) -> Checked {
        match self.offers(&format!("/{feature}/supported")) {
            Some(true) => Ok(()),
            _ => skipped(format!("ServiceProviderConfig does not offer {feature}")),
        }
    }

    /// Skips the case if the service says that it does not support this. Only the plain profile
    /// asks: an identity provider sends its PATCH and its filter whatever is said.
    pub(super) fn may(&self, feature: &str) -> Checked {
        let is_refused = self.offers(&format!("/{feature}/supported")) == Some(false);
        if is_refused && self.profile == Profile::Rfc {
            return skipped(format!("ServiceProviderConfig does not offer {feature}"));
        }
        Ok(())
    }

    /// Skips the case if the service lists its resource types and groups are none of them.
    pub(super) fn needs_groups(&self) -> Checked {
        let types = &self.offers.resource_types;
        if types.is_empty() || types.iter().any(|kind| kind["endpoint"] == "/Groups") {
            return Ok(());
        }
        skipped("ResourceTypes does not list groups")
    }

    /// Skips the case if the service lists its resource types and users have no such extension.
    pub(super) fn needs_extension(&self, urn: &str) -> Checked {
        let types = &self.offers.resource_types;
        let users = types.iter().find(|kind| kind["endpoint"] == "/Users");
        let extensions = users.and_then(|users| users["schemaExtensions"].as_array());
        let is_listed = |list: &Vec<Value>| list.iter().any(|extension| extension["schema"] == urn);
        if users.is_none() || extensions.is_some_and(is_listed) {
            return Ok(());
        }
        skipped(format!("ResourceTypes does not list {urn} for users"))
    }

    /// The endpoints that are neither users nor groups.
    pub(super) fn other_endpoints(&self) -> Vec<String> {
        let types = self.offers.resource_types.iter();
        let endpoints = types.filter_map(|kind| kind["endpoint"].as_str());
        endpoints
            .filter(|endpoint| !["/Users", "/Groups"].contains(endpoint))
            .map(str::to_owned)
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn message(method: Method, path: &str) -> Message {
    Message {
        method,
        path: path.to_owned(),
        headers: Vec::new(),
        body: None,
    }
}

/// The path of what a message has just made.
fn made(message: &Message, reply: &Reply) -> Option<String> {
    let path = message.path.split('?').next().unwrap_or_default();
    let is_create = message.method == Method::POST
        && ["/Users", "/Groups"].contains(&path.trim_end_matches('/'))
        && (200..300).contains(&reply.status);
    let id = match reply.body["id"].as_str() {
        Some(id) => id.to_owned(),
        None => reply.header("location").rsplit('/').next()?.to_owned(),
    };
    (is_create && !id.is_empty()).then(|| format!("{}/{id}", path.trim_end_matches('/')))
}
