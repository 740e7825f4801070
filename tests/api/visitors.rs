//! People with browsers, and the provider at which they sign in.

use std::collections::BTreeMap;

use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::ids::ConnectionId;
use gatehouse::login::connections::{self, ConnectionKind, Shown};
use gatehouse::login::first_door;
use gatehouse::login::settings::Edit;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::{Workspace, domains};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway};
use crate::provider::{CLIENT, Provider, SECRET};

/// What a browser keeps.
#[derive(Default)]
pub(crate) struct Browser(BTreeMap<String, String>);

impl Browser {
    pub(crate) async fn get(&mut self, gateway: &Gateway, path: &str) -> Answer {
        self.send(gateway, "GET", path).await
    }

    pub(crate) async fn send(&mut self, gateway: &Gateway, method: &str, path: &str) -> Answer {
        let shown = self.shown();
        let answer = gateway
            .exchange(method, path, &[("cookie", &shown)], None)
            .await;
        let set = answer.header("set-cookie");
        if let Some((name, value)) = set.split(';').next().and_then(|it| it.split_once('=')) {
            self.0.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// What it sends.
    pub(crate) fn shown(&self) -> String {
        let shown = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        shown.collect::<Vec<_>>().join("; ")
    }

    /// Where a page leads on to.
    pub(crate) async fn led(&mut self, gateway: &Gateway, path: &str) -> String {
        let answer = self.get(gateway, path).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.text);
        answer.header("location").to_owned()
    }

    /// Goes to a provider by a path of ours, signs in there and comes back.
    pub(crate) async fn through(
        &mut self,
        gateway: &Gateway,
        provider: &Provider,
        path: &str,
    ) -> Answer {
        let url = self.led(gateway, path).await;
        let back = provider.sign_in(&url);
        self.get(gateway, &back).await
    }

    /// Whether the browser has a session.
    pub(crate) async fn is_in(&mut self, gateway: &Gateway) -> bool {
        self.get(gateway, "/me").await.status == 200
    }
}

/// A gateway whose operator lets providers be on this machine.
pub(crate) async fn gateway() -> (Gateway, Provider) {
    gateway_within(1_000).await
}

/// The same, which waits that many milliseconds for providers.
async fn gateway_within(milliseconds: u64) -> (Gateway, Provider) {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), move |config| {
        let network = "127.0.0.0/8".parse().unwrap();
        config.outbound.open_networks.push(network);
        config.outbound.call_milliseconds = milliseconds;
    });
    (gateway.await, Provider::new(&clock).await)
}

/// The same with a connection by which `ada` may sign in, who is a member.
pub(crate) async fn opened() -> (Gateway, Provider, Shown) {
    opened_within(1_000).await
}

/// The same, which waits that many milliseconds for providers.
pub(crate) async fn opened_within(milliseconds: u64) -> (Gateway, Provider, Shown) {
    let (gateway, provider) = gateway_within(milliseconds).await;
    gateway.proves("acme.example").await;
    gateway.admin_of("ada@acme.example").await;
    provider.person(ada());
    let open = gateway.open(&provider, &edit(&provider)).await;
    (gateway, provider, open)
}

/// What an admin says of a provider's connection.
pub(crate) fn edit(provider: &Provider) -> Edit {
    Edit {
        kind: Some(ConnectionKind::Oidc),
        name: Some("Okta".to_owned()),
        issuer: Some(provider.base.clone()),
        client_id: Some(CLIENT.to_owned()),
        client_secret: Some(SECRET.to_owned().into()),
        ..Edit::default()
    }
}

impl Gateway {
    pub(crate) async fn connection(&self, edit: &Edit) -> Shown {
        self.connection_in(&self.workspace, edit).await
    }

    async fn connection_in(&self, workspace: &Workspace, edit: &Edit) -> Shown {
        let everything = Scopes::everything();
        let by = (&Origin::cli(), &everything);
        let made = connections::create(&self.app, by, workspace.id, edit).await;
        made.unwrap()
    }

    /// Makes the member of that address, who is in and an admin.
    pub(crate) async fn admin_of(&self, email: &str) {
        let origin = Origin::cli();
        let made = first_door::admin_link(&self.app, &origin, self.workspace.id, email);
        made.await.unwrap();
    }

    /// An admin's browser.
    pub(crate) async fn admin(&self) -> Browser {
        self.admin_in(&self.workspace).await
    }

    async fn admin_in(&self, workspace: &Workspace) -> Browser {
        let (origin, workspace) = (Origin::cli(), workspace.id);
        let made = first_door::admin_link(&self.app, &origin, workspace, "root@acme.example").await;
        let url = made.unwrap().link.url;
        let url = url::Url::parse(url.expose_secret()).unwrap();
        let mut browser = Browser::default();
        let answer = browser.send(self, "POST", url.path()).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        browser
    }

    /// What a test login of an admin shows.
    pub(crate) async fn test(&self, provider: &Provider, connection: ConnectionId) -> Answer {
        self.test_in(&self.workspace, provider, connection).await
    }

    async fn test_in(
        &self,
        workspace: &Workspace,
        provider: &Provider,
        connection: ConnectionId,
    ) -> Answer {
        let mut admin = self.admin_in(workspace).await;
        let path = format!("/connections/{}/{connection}/test", workspace.id);
        admin.through(self, provider, &path).await
    }

    /// A connection that people sign in by.
    pub(crate) async fn open(&self, provider: &Provider, edit: &Edit) -> Shown {
        self.open_in(&self.workspace, provider, edit).await
    }

    /// The same in another workspace.
    pub(crate) async fn open_in(
        &self,
        workspace: &Workspace,
        provider: &Provider,
        edit: &Edit,
    ) -> Shown {
        let made = self.connection_in(workspace, edit).await;
        let shown = self.test_in(workspace, provider, made.id).await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        let everything = Scopes::everything();
        let (by, name) = ((&Origin::cli(), &everything), &made.name);
        let enabled = connections::enable(&self.app, by, workspace.id, name).await;
        enabled.unwrap()
    }

    /// Proves a domain.
    pub(crate) async fn proves(&self, name: &str) {
        let (origin, id) = (Origin::cli(), self.workspace.id);
        domains::add(&self.app, &origin, id, name).await.unwrap();
        domains::attest(&self.app, &origin, id, name).await.unwrap();
    }

    /// The reasons why logins were refused, oldest first.
    pub(crate) async fn refused_logins(&self) -> Vec<String> {
        let details = self.texts("changes WHERE kind = 'login.refused' ORDER BY id", "detail");
        let details = details.await.into_iter();
        let reason = |detail: String| {
            let detail: Value = serde_json::from_str(&detail).unwrap();
            detail["reason"].as_str().unwrap().to_owned()
        };
        details.map(reason).collect()
    }
}

/// Whether admins see that a connection's provider cannot be relied on.
pub(crate) async fn is_degraded(gateway: &Gateway, connection: &Shown) -> bool {
    let found = connections::find(&gateway.app, gateway.workspace.id, &connection.name);
    found.await.unwrap().degraded_at.is_some()
}

/// Where people begin.
pub(crate) fn way(connection: &Shown) -> String {
    format!("/w/acme/sign-in/{}", connection.id)
}

/// A person as the provider knows it.
pub(crate) fn ada() -> Value {
    json!({
        "sub": "00u1", "email": "ada@acme.example", "email_verified": true, "name": "Ada Lovelace",
        "given_name": "Ada", "family_name": "Lovelace",
    })
}

/// The same as its directory pushes it.
pub(crate) fn pushed() -> Value {
    json!({
        "userName": "ada@acme.example", "externalId": "00u1", "displayName": "Ada L.",
        "emails": [{"value": "ada@acme.example", "primary": true}], "active": true,
    })
}
