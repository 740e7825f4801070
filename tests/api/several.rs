//! One browser in several workspaces, each by its own connection and policy.

use std::time::Duration;

use gatehouse::accounts::sessions;
use gatehouse::changes::Origin;
use gatehouse::ids::WorkspaceId;
use gatehouse::login::connections::Shown;
use gatehouse::login::policy::{self, Edit as PolicyEdit};
use gatehouse::login::settings::{Edit, FirstLogin};
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::{self, Workspace, domains, members, status};
use serde_json::json;

use crate::gateway::Gateway;
use crate::provider::Provider;
use crate::visitors::{Browser, ada, edit, opened, way};

/// `ada` may sign in to two workspaces, at a provider of each.
struct Two {
    gateway: Gateway,
    acme: (Provider, Shown),
    beta: (Provider, Shown),
    other: Workspace,
}

impl Two {
    async fn new() -> Self {
        let (gateway, provider, open) = opened().await;
        let (app, origin) = (&gateway.app, Origin::cli());
        let other = workspace::create(app, &origin, "beta", "Beta")
            .await
            .unwrap();
        domains::add(app, &origin, other.id, "beta.example")
            .await
            .unwrap();
        domains::attest(app, &origin, other.id, "beta.example")
            .await
            .unwrap();
        let second = Provider::new(&app.clock).await;
        second.person(json!({"sub": "root"}));
        let newcomers = Edit {
            first_login: Some(FirstLogin::ProvedDomains),
            ..edit(&second)
        };
        let there = gateway.open_in(&other, &second, &newcomers).await;
        let mut person = ada();
        (person["sub"], person["email"]) = (json!("b1"), json!("ada@beta.example"));
        second.person(person);
        Self {
            gateway,
            acme: (provider, open),
            beta: (second, there),
            other,
        }
    }

    async fn come_to_acme(&self, browser: &mut Browser) {
        let path = way(&self.acme.1);
        let answer = browser.through(&self.gateway, &self.acme.0, &path).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
    }

    async fn come_to_beta(&self, browser: &mut Browser) {
        let path = format!("/w/beta/sign-in/{}", self.beta.1.id);
        let answer = browser.through(&self.gateway, &self.beta.0, &path).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
    }

    /// The workspaces that the browser's session opens.
    async fn open_to(&self, browser: &Browser) -> Vec<String> {
        opened_by(&self.gateway, &cookie(browser)).await
    }

    async fn say(&self, workspace: WorkspaceId, edit: PolicyEdit) {
        let by = (&Origin::cli(), &Scopes::everything());
        policy::edit(&self.gateway.app, by, workspace, edit)
            .await
            .unwrap();
    }
}

fn cookie(browser: &Browser) -> String {
    let shown = browser.shown();
    let mut all = shown.split("; ");
    let found = all.find_map(|it| it.strip_prefix("__Host-gatehouse-session="));
    found.expect("a session").to_owned()
}

async fn opened_by(gateway: &Gateway, token: &str) -> Vec<String> {
    match sessions::present(&gateway.app, token).await {
        Ok(present) => present.opened.into_iter().map(|it| it.slug).collect(),
        Err(_) => Vec::new(),
    }
}

#[tokio::test]
async fn a_browser_is_in_every_workspace_that_it_signed_in_to() {
    let two = Two::new().await;
    let mut browser = Browser::default();
    two.come_to_acme(&mut browser).await;
    assert_eq!(two.open_to(&browser).await, ["acme"]);
    let former = cookie(&browser);
    two.come_to_beta(&mut browser).await;
    assert_eq!(two.open_to(&browser).await, ["acme", "beta"]);
    assert!(opened_by(&two.gateway, &former).await.is_empty(), "rotated");
    let me = browser.get(&two.gateway, "/me").await;
    assert!(me.text.contains("Beta"), "{}", me.text);

    // What an admin of one ends is over there alone, and so is what a status ends.
    let everything = Scopes::everything();
    let by = (&Origin::cli(), &everything);
    let (app, acme) = (&two.gateway.app, two.gateway.workspace.id);
    let ada = members::find(app, acme, "ada@acme.example").await.unwrap();
    let ended = gatehouse::login::sessions::end_all(app, by, (acme, ada.id)).await;
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(two.open_to(&browser).await, ["beta"]);
    two.come_to_acme(&mut browser).await;
    assert_eq!(two.open_to(&browser).await, ["acme", "beta"]);
    two.gateway.admin_of("root@acme.example").await;
    status::suspend(app, by, (acme, ada.id)).await.unwrap();
    assert_eq!(two.open_to(&browser).await, ["beta"]);
    // Whoever signs out is out everywhere.
    let token = cookie(&browser);
    browser.send(&two.gateway, "POST", "/sign-out").await;
    assert!(opened_by(&two.gateway, &token).await.is_empty());
    two.gateway.check().await;
}

#[tokio::test]
async fn each_workspace_ends_by_its_own_policy() {
    let two = Two::new().await;
    let idle = PolicyEdit {
        idle_seconds: Some(300),
        ..PolicyEdit::default()
    };
    two.say(two.gateway.workspace.id, idle).await;
    let mut browser = Browser::default();
    two.come_to_acme(&mut browser).await;
    two.come_to_beta(&mut browser).await;
    let clock = &two.gateway.app.clock;
    clock.advance(Duration::from_secs(301));
    assert_eq!(two.open_to(&browser).await, ["beta"]);
    // To be seen at one does not open the other anew.
    assert_eq!(two.open_to(&browser).await, ["beta"]);
    clock.advance(Duration::from_secs(61));
    assert_eq!(two.open_to(&browser).await, ["beta"]);

    // The time of one is not prolonged by signing in to the other.
    let absolute = PolicyEdit {
        absolute_seconds: Some(600),
        ..PolicyEdit::default()
    };
    two.say(two.gateway.workspace.id, absolute).await;
    two.come_to_acme(&mut browser).await;
    clock.advance(Duration::from_secs(290));
    assert_eq!(two.open_to(&browser).await, ["acme", "beta"]);
    clock.advance(Duration::from_secs(290));
    two.come_to_beta(&mut browser).await;
    assert_eq!(two.open_to(&browser).await, ["acme", "beta"]);
    clock.advance(Duration::from_secs(21));
    assert_eq!(two.open_to(&browser).await, ["beta"]);
    // A workspace that takes connections alone is not opened by what opens another.
    let alone = PolicyEdit {
        sso_enforced: Some(true),
        ..PolicyEdit::default()
    };
    two.say(two.other.id, alone).await;
    assert_eq!(two.open_to(&browser).await, ["beta"]);
    let mut by_link = two.gateway.admin().await;
    assert_eq!(two.open_to(&by_link).await, ["acme"]);
    two.come_to_beta(&mut by_link).await;
    assert_eq!(two.open_to(&by_link).await, ["acme", "beta"]);
}

#[tokio::test]
async fn what_a_provider_is_to_ask_is_handed_on() {
    let (gateway, _, open) = opened().await;
    for (prompt, asked) in [
        ("login", "prompt=login"),
        ("select_account", "prompt=select_account"),
        ("none", ""),
        ("x%26scope=y", ""),
    ] {
        let path = format!("{}?prompt={prompt}&login_hint=ada", way(&open));
        let url = Browser::default().led(&gateway, &path).await;
        assert!(url.contains("login_hint=ada"), "{url}");
        if asked.is_empty() {
            assert!(!url.contains("prompt="), "{url}");
        } else {
            assert!(url.contains(asked), "{url}");
        }
    }
}
