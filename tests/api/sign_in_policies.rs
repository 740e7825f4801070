//! How people may sign in to a workspace, for how long, and who ends it.

use std::time::Duration;

use gatehouse::changes::Origin;
use gatehouse::error::Error;
use gatehouse::login::policy::{self, Edit};
use gatehouse::login::{connections, first_door};
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::members;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::visitors::{Browser, opened, way};
use crate::walk::Walk;

/// Every call about policy and sessions, each with what it must leave in the log.
pub(crate) async fn walked(walk: &mut Walk<'_>) {
    let gateway = walk.gateway;
    let edit = json!({"idle_seconds": 600});
    let kinds: &[&str] = &["sign_in_policy.updated"];
    walk.admin(("PATCH", "/sign-in-policy"), &[], edit, kinds)
        .await;
    for _ in 0..2 {
        let mut browser = gateway.admin().await;
        assert!(browser.is_in(gateway).await);
    }
    let (app, workspace) = (&gateway.app, gateway.workspace.id);
    let member = members::find(app, workspace, "root@acme.example");
    let member = member.await.unwrap().id;
    let live = gatehouse::login::sessions::list(app, (workspace, member));
    let one = live.await.unwrap()[0].id.to_string();
    let (all, member) = ("/members/{id}/sessions", member.to_string());
    let end = format!("{all}/{{session}}");
    walk.admin(
        ("DELETE", &end),
        &[&member, &one],
        Value::Null,
        &["session.ended"],
    )
    .await;
    walk.admin(
        ("DELETE", all),
        &[&member],
        Value::Null,
        &["session.all_ended"],
    )
    .await;
}

impl Gateway {
    async fn policy(&self, edit: Edit) -> Result<policy::Shown, Error> {
        let by = (&Origin::cli(), &Scopes::everything());
        policy::edit(&self.app, by, self.workspace.id, edit).await
    }
}

fn enforced(on: bool) -> Edit {
    Edit {
        sso_enforced: Some(on),
        ..Edit::default()
    }
}

#[tokio::test]
async fn connections_alone_are_for_whoever_has_one_that_works() {
    let (gateway, provider, open) = opened().await;
    let by = (&Origin::cli(), &Scopes::everything());
    let (app, workspace) = (&gateway.app, gateway.workspace.id);
    connections::disable(app, by, workspace, "Okta")
        .await
        .unwrap();
    let early = gateway.policy(enforced(true)).await;
    assert!(matches!(early, Err(Error::Conflict(_))));
    connections::enable(app, by, workspace, "Okta")
        .await
        .unwrap();

    let mut root = gateway.admin().await;
    let origin = Origin::cli();
    let link = || first_door::admin_link(app, &origin, workspace, "root@acme.example");
    let made = link().await.unwrap().link.url;
    let made = url::Url::parse(made.expose_secret()).unwrap();
    let mut browser = Browser::default();
    browser.through(&gateway, &provider, &way(&open)).await;
    assert!(root.is_in(&gateway).await && browser.is_in(&gateway).await);
    assert!(gateway.policy(enforced(true)).await.unwrap().sso_enforced);
    // At once: what began by a link is over, what a link would open stays shut, and none is made.
    assert!(!root.is_in(&gateway).await);
    assert!(browser.is_in(&gateway).await);
    for method in ["GET", "POST"] {
        let shut = root.send(&gateway, method, made.path()).await;
        assert_eq!(shut.status, 410, "{method}: {}", shut.text);
    }
    assert!(matches!(link().await, Err(Error::Conflict(_))));
    // The last way in stays.
    let off = connections::disable(app, by, workspace, "Okta").await;
    assert!(matches!(off, Err(Error::Conflict(_))));
    let gone = connections::remove(app, by, workspace, "Okta").await;
    assert!(matches!(gone, Err(Error::Conflict(_))));
    assert!(browser.is_in(&gateway).await);
    // The command line lifts it.
    gateway.policy(enforced(false)).await.unwrap();
    assert!(!root.is_in(&gateway).await, "it is over for good");
    let answer = root.send(&gateway, "POST", made.path()).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert!(root.is_in(&gateway).await);
    gateway.check().await;
}

// C185
#[tokio::test]
async fn a_session_lasts_as_long_as_the_workspace_says() {
    let (gateway, provider, open) = opened().await;
    let mut browser = Browser::default();
    browser.through(&gateway, &provider, &way(&open)).await;
    let of = |idle: i64, absolute: i64| Edit {
        idle_seconds: Some(idle),
        absolute_seconds: Some(absolute),
        ..Edit::default()
    };
    // Shorter for those under way too, to the second.
    gateway.policy(of(300, 600)).await.unwrap();
    gateway.app.clock.advance(Duration::from_secs(299));
    assert!(browser.is_in(&gateway).await);
    gateway.app.clock.advance(Duration::from_secs(299));
    assert!(browser.is_in(&gateway).await);
    gateway.app.clock.advance(Duration::from_secs(2));
    assert!(!browser.is_in(&gateway).await);
    browser.through(&gateway, &provider, &way(&open)).await;
    gateway.app.clock.advance(Duration::from_mins(5));
    assert!(!browser.is_in(&gateway).await);
    // Longer for those that begin from now on.
    gateway.policy(of(86_400, 172_800)).await.unwrap();
    browser.through(&gateway, &provider, &way(&open)).await;
    for _ in 0..2 {
        gateway.app.clock.advance(Duration::from_secs(86_399));
        assert!(browser.is_in(&gateway).await);
    }
    gateway.app.clock.advance(Duration::from_secs(2));
    assert!(!browser.is_in(&gateway).await);
    for (idle, absolute) in [
        (299, 600),
        (300, 599),
        (86_401, 172_800),
        (700, 600),
        (300, 2_592_001),
    ] {
        let refused = gateway.policy(of(idle, absolute)).await;
        assert!(
            matches!(refused, Err(Error::Invalid { .. })),
            "{idle} {absolute}"
        );
    }
}

// C185
#[tokio::test]
async fn an_admin_sees_and_ends_the_sessions_of_those_who_may_do_no_more() {
    let (gateway, provider, open) = opened().await;
    let mut browsers = Vec::new();
    for _ in 0..3 {
        let mut browser = Browser::default();
        browser.through(&gateway, &provider, &way(&open)).await;
        browsers.push(browser);
    }
    let ada = members::find(&gateway.app, gateway.workspace.id, "ada@acme.example");
    let ada = ada.await.unwrap().id;
    let path = format!("/workspaces/acme/members/{ada}/sessions");
    let less = gateway.key(&[Permission::MembersManage]).await;
    let whole = gateway.key(&Permission::OF_WORKSPACE).await;
    let seen = gateway.api(&less, "GET", &path, None).await;
    let items = seen.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "{}", seen.text);
    let first = format!("{path}/{}", items[0]["id"].as_str().unwrap());
    for path in [&path, &first] {
        let refused = gateway.api(&less, "DELETE", path, None).await;
        assert_eq!(refused.status, 403, "{}", refused.text);
    }
    let ended = gateway.api(&whole, "DELETE", &first, None).await;
    assert_eq!(ended.status, 204, "{}", ended.text);
    let mut is_in = Vec::new();
    for browser in &mut browsers {
        is_in.push(browser.is_in(&gateway).await);
    }
    assert_eq!(is_in, [false, true, true]);
    let again = gateway.api(&whole, "DELETE", &first, None).await;
    assert_eq!(again.status, 404, "{}", again.text);
    let ended = gateway.api(&whole, "DELETE", &path, None).await;
    assert_eq!(ended.body, json!({"ended": 2}));
    for browser in &mut browsers {
        assert!(!browser.is_in(&gateway).await);
    }
    gateway.check().await;
}
