//! Connections as admins see them: set, tested, switched on and off, and for whom they are.

use std::collections::HashSet;

use gatehouse::changes::Origin;
use gatehouse::error::Error;
use gatehouse::login::connections::{self, State};
use gatehouse::login::settings::Edit;
use gatehouse::store::connections as rows;
use gatehouse::workspace::keys::{Permission, Scopes};
use serde_json::{Value, json};

use crate::provider::{CLIENT, SECRET};
use crate::visitors::{Browser, edit, gateway, opened, way};
use crate::walk::Walk;

/// Every call about connections, each with what it must leave in the log.
pub(crate) async fn walked(walk: &mut Walk<'_>) {
    let one = "/connections/{id}";
    let new = json!({
        "kind": "oauth2", "name": "Code", "client_id": "ours",
        "authorization_endpoint": "https://id.example/authorize",
        "token_endpoint": "https://id.example/token",
        "userinfo_endpoint": "https://id.example/user",
    });
    let made = walk
        .admin(("POST", "/connections"), &[], new, &["connection.added"])
        .await;
    let id = made["id"].as_str().unwrap().to_owned();
    let other = json!({"name": "Ours"});
    walk.admin(("PATCH", one), &[&id], other, &["connection.updated"])
        .await;
    let (app, workspace) = (&walk.gateway.app, walk.gateway.workspace.id);
    let (at, connection) = (app.clock.now(), id.parse().unwrap());
    let proved = app.write(move |tx| {
        Box::pin(async move { Ok(rows::update_proved(tx, workspace, connection, 2, at).await?) })
    });
    assert!(proved.await.unwrap());
    for (end, kind) in [
        ("enable", "connection.enabled"),
        ("disable", "connection.disabled"),
    ] {
        let end = format!("{one}/{end}");
        walk.admin(("POST", &end), &[&id], Value::Null, &[kind])
            .await;
    }
    walk.admin(
        ("DELETE", one),
        &[&id],
        Value::Null,
        &["connection.removed"],
    )
    .await;
}

#[tokio::test]
async fn what_says_who_is_who_stays_while_people_sign_in_by_it() {
    let (gateway, provider, open) = opened().await;
    let mut browser = Browser::default();
    let answer = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);

    let everything = Scopes::everything();
    let (by, workspace) = ((&Origin::cli(), &everything), gateway.workspace.id);
    let change = |edit: Edit| {
        let app = gateway.app.clone();
        async move {
            let everything = Scopes::everything();
            let by = (&Origin::cli(), &everything);
            connections::edit(&app, by, workspace, "Okta", &edit).await
        }
    };
    let subject = Edit {
        subject: Some("/email".to_owned()),
        ..Edit::default()
    };
    let refused = Box::pin(change(subject.clone())).await;
    assert!(matches!(refused, Err(Error::Conflict(_))));
    // A new secret is no other provider.
    let secret = Edit {
        client_secret: Some("another".to_owned().into()),
        ..Edit::default()
    };
    let edited = Box::pin(change(secret)).await.unwrap();
    assert_eq!(edited.state, State::Enabled);
    assert!(browser.is_in(&gateway).await);
    assert!(!gateway.told("another").await && !gateway.told(SECRET).await);

    let off = connections::disable(&gateway.app, by, workspace, "Okta").await;
    assert_eq!(off.unwrap().state, State::Proved);
    assert!(!browser.is_in(&gateway).await);
    let edited = Box::pin(change(subject)).await.unwrap();
    assert_eq!(edited.state, State::Untried);
    let again = connections::enable(&gateway.app, by, workspace, "Okta").await;
    assert!(matches!(again, Err(Error::Conflict(_))));

    connections::remove(&gateway.app, by, workspace, "Okta")
        .await
        .unwrap();
    assert_eq!(gateway.count("identities").await, 0);
    assert_eq!(
        gateway.count("connections WHERE secret IS NOT NULL").await,
        0
    );
    // Its name is free again.
    gateway.connection(&edit(&provider)).await;
    gateway.check().await;
}

// C198
#[tokio::test]
async fn a_connection_is_for_whoever_may_do_everything() {
    let (gateway, provider) = gateway().await;
    let path = "/workspaces/acme/connections";
    let body = json!({
        "kind": "oidc", "name": "Okta", "issuer": provider.base, "client_id": CLIENT,
        "client_secret": SECRET,
    });
    let less = gateway.key(&[Permission::WorkspaceManage]).await;
    let refused = gateway.api(&less, "POST", path, Some(&body)).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let whole = gateway.key(&Permission::OF_WORKSPACE).await;
    let made = gateway.api(&whole, "POST", path, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(!made.text.contains(SECRET), "{}", made.text);
    assert_eq!(made.body["state"], "untried");
    assert_eq!(made.body["has_secret"], true);
    let again = gateway.api(&whole, "POST", path, Some(&body)).await;
    assert_eq!(again.status, 409, "{}", again.text);
    let one = format!("{path}/okta");
    for (method, path) in [
        ("PATCH", one.clone()),
        ("DELETE", one.clone()),
        ("POST", format!("{one}/enable")),
        ("POST", format!("{one}/disable")),
    ] {
        let body = (method == "PATCH").then(|| json!({"name": "X"}));
        let refused = gateway.api(&less, method, &path, body.as_ref()).await;
        assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text);
    }
    let seen = gateway.api(&less, "GET", path, None).await;
    assert_eq!(seen.body["items"][0]["name"], "Okta", "{}", seen.text);
    let named = gateway
        .api(&whole, "PATCH", &one, Some(&json!({"name": "Ours"})))
        .await;
    assert_eq!(named.body["name"], "Ours", "{}", named.text);
    let gone = gateway
        .api(&whole, "DELETE", &format!("{path}/ours"), None)
        .await;
    assert_eq!(gone.status, 204, "{}", gone.text);

    // Whatever is wrong with a provider, and with a network inside, is told the same.
    let mut texts = HashSet::new();
    for issuer in [
        "http://127.0.0.1:1",
        "https://localhost",
        "https://10.1.2.3",
        "https://169.254.169.254",
        "http://acme.example",
        &format!("{}/keys", provider.base),
    ] {
        let mut body = body.clone();
        body["issuer"] = issuer.into();
        let refused = gateway.api(&whole, "POST", path, Some(&body)).await;
        assert_eq!(refused.status, 400, "{issuer}: {}", refused.text);
        texts.insert(refused.body["detail"].to_string());
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    for (name, value) in [
        ("issuer", json!("file:///etc/passwd")),
        ("issuer", json!("https://a:b@acme.example")),
        ("issuer", json!(null)),
        ("client_id", json!("")),
        ("scopes", json!(["profile"])),
        ("subject", json!("sub")),
        ("token_endpoint", json!("https://acme.example/token")),
    ] {
        let mut body = body.clone();
        body[name] = value;
        let refused = gateway.api(&whole, "POST", path, Some(&body)).await;
        assert_eq!(refused.status, 400, "{name}: {}", refused.text);
    }
}
