//! What operators, and whoever may manage directories, make and say through the management API.

use gatehouse::ids::MemberId;
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::keys::new_key;
use crate::members::{person, role};

impl Gateway {
    async fn operator(&self) -> String {
        let key = self.key_of(None, new_key(&[Permission::Everything])).await;
        key.1
    }

    /// What the SCIM API answers to a token that lists users.
    async fn opens(&self, token: &str) -> u16 {
        let bearer = format!("Bearer {token}");
        let listed = self.call("GET", "/scim/v2/Users", &[&bearer], None).await;
        listed.status
    }
}

#[tokio::test]
async fn a_workspace_its_directory_and_tokens_are_made_over_http() {
    let gateway = Gateway::new().await;
    let (operator, own) = (
        gateway.operator().await,
        gateway.key(&Permission::OF_WORKSPACE).await,
    );
    let post = async |key: &str, path: &str, body: Value, status: u16| {
        let answer = gateway.api(key, "POST", path, Some(&body)).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        answer.body
    };
    let new = json!({"slug": "globex", "name": "Globex"});
    let refused = post(&own, "/workspaces", new.clone(), 403).await;
    assert_eq!(refused["code"], "insufficient_scope");
    let made = post(&operator, "/workspaces", new.clone(), 201).await;
    assert_eq!(
        (&made["slug"], &made["status"]),
        (&json!("globex"), &json!("active"))
    );
    assert_eq!(
        post(&operator, "/workspaces", new, 409).await["code"],
        "taken"
    );
    post(
        &operator,
        "/workspaces",
        json!({"slug": "-", "name": "X"}),
        400,
    )
    .await;

    let okta = json!({"name": "okta", "kind": "okta"});
    let made = post(&operator, "/workspaces/globex/directories", okta, 201).await;
    assert_eq!(made["mode"], "live", "{made}");
    let base = made["scim_base_url"].as_str().unwrap();
    assert!(base.contains(made["id"].as_str().unwrap()), "{base}");
    let tokens = "/workspaces/globex/directories/okta/tokens";
    let first = post(&operator, tokens, json!({"expires_in_days": 30}), 201).await;
    let text = first["token"].as_str().unwrap();
    assert_eq!(gateway.opens(text).await, 200);
    assert!(!gateway.told(text).await, "it is written nowhere");
    let second = post(&operator, tokens, json!({"overlap_hours": 0}), 201).await;
    assert_eq!(gateway.opens(text).await, 401);
    let text = second["token"].as_str().unwrap();
    assert_eq!(gateway.opens(text).await, 200);
    let listed = gateway.api(&operator, "GET", tokens, None).await;
    let listed = listed.body["items"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|it| it.get("token").is_none()));
    let path = format!("{tokens}/{}", second["id"].as_str().unwrap());
    let ended = gateway.api(&operator, "DELETE", &path, None).await;
    assert_eq!(ended.status, 204, "{}", ended.text);
    assert_eq!(gateway.opens(text).await, 401);
    for wrong in [
        json!({"expires_in_days": 0}),
        json!({"expires_in_days": 100_000}),
        json!({"overlap_hours": 9_000}),
        json!({"only_endpoint": "Nothing"}),
    ] {
        post(&operator, tokens, wrong, 400).await;
    }
    gateway.check().await;
}

// C083: what a token writes, rules turn into rights
#[tokio::test]
async fn a_token_that_writes_is_made_by_whoever_has_every_right() {
    let gateway = Gateway::new().await;
    let weak = gateway.key(&[Permission::DirectoriesManage]).await;
    let all = gateway.key(&Permission::OF_WORKSPACE).await;
    let new = json!({"name": "hr", "kind": "generic", "mode": "collect"});
    gateway
        .asked(&weak, ("POST", "/directories"), new, 201)
        .await;
    let tokens = "/directories/hr/tokens";
    gateway.asked(&weak, ("POST", tokens), json!({}), 403).await;
    let reads = json!({"read_only": true});
    let made = gateway.asked(&weak, ("POST", tokens), reads, 201).await;
    let text = made["token"].as_str().unwrap();
    assert_eq!(gateway.opens(text).await, 200);
    let bearer = format!("Bearer {text}");
    let ada = json!({"userName": "ada"});
    let refused = gateway
        .call("POST", "/scim/v2/Users", &[&bearer], Some(ada))
        .await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    gateway.asked(&all, ("POST", tokens), json!({}), 201).await;
    gateway.check().await;
}

// C027
#[tokio::test]
async fn operators_protect_an_admin_and_release_who_is_held() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (operator, own) = (
        gateway.operator().await,
        gateway.key(&Permission::OF_WORKSPACE).await,
    );
    let mut ids: Vec<MemberId> = Vec::new();
    for name in ["ada", "bob"] {
        let (_, id) = person(&gateway, &scim, name).await;
        gateway.give(id, role("admin")).await.unwrap();
        ids.push(id);
    }
    let protection = format!("/members/{}/protection", ids[0]);
    let suspend = format!("/members/{}/suspend", ids[0]);
    gateway
        .asked(&own, ("PUT", &protection), Value::Null, 403)
        .await;
    gateway
        .asked(&operator, ("PUT", &protection), Value::Null, 204)
        .await;
    let refused = gateway
        .asked(&own, ("POST", &suspend), Value::Null, 409)
        .await;
    assert!(refused["detail"].as_str().unwrap().contains("protected"));
    gateway
        .asked(&own, ("DELETE", &protection), Value::Null, 403)
        .await;
    gateway
        .asked(&operator, ("DELETE", &protection), Value::Null, 204)
        .await;
    gateway
        .asked(&own, ("POST", &suspend), Value::Null, 200)
        .await;

    let (workspace, now) = (gateway.workspace.id, gateway.app.clock.now());
    let held = gateway.app.write(move |tx| {
        Box::pin(async move { Ok(gatehouse::store::members::hold(tx, workspace, now).await?) })
    });
    assert!(held.await.unwrap() > 0);
    let release = ("POST", "/members/release");
    let one = json!({"member": ids[1]});
    gateway.asked(&own, release, one.clone(), 403).await;
    let done = gateway.asked(&operator, release, one.clone(), 200).await;
    assert_eq!(done, json!({"released": 1}));
    gateway.asked(&operator, release, one, 404).await;
    gateway.asked(&operator, release, json!({}), 200).await;
    assert_eq!(gateway.count("members WHERE held_at IS NOT NULL").await, 0);
    gateway.check().await;
}

#[tokio::test]
async fn what_is_left_out_of_the_seats_stays_as_it_is() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    crate::gateway::users(&scim, "u", 2).await;
    let operator = gateway.operator().await;
    let put = async |body: Value| gateway.asked(&operator, ("PUT", "/seats"), body, 200).await;
    let all = json!({
        "limit": 5, "policy": "hold", "release": "on_remove", "grace": 2,
        "contact": "billing@acme.example",
    });
    put(all.clone()).await;
    let now = put(json!({"limit": 6})).await;
    for name in ["policy", "release", "grace", "contact"] {
        assert_eq!(now[name], all[name], "{name}");
    }
    assert_eq!((&now["limit"], &now["taken"]), (&json!(6), &json!(2)));
    let now = put(json!({"limit": null, "contact": null, "grace": 0})).await;
    assert_eq!((&now["contact"], &now["grace"]), (&Value::Null, &json!(0)));
    assert_eq!((&now["policy"], &now["taken"]), (&json!("hold"), &json!(2)));
    // The same of a document.
    let document = json!({"configuration": {"seats": {"limit": 7}}});
    gateway
        .asked(&operator, ("POST", "/configuration/apply"), document, 200)
        .await;
    let now = gateway
        .asked(&operator, ("GET", "/seats"), Value::Null, 200)
        .await;
    assert_eq!((&now["limit"], &now["policy"]), (&json!(7), &json!("hold")));
    gateway.check().await;
}

#[tokio::test]
async fn lists_of_what_was_done_begin_with_the_newest_and_paths_are_told_as_they_were_sent() {
    let gateway = Gateway::new().await;
    let key = gateway.key(&Permission::OF_WORKSPACE).await;
    let mut made = Vec::new();
    for name in ["ada", "bob", "eve"] {
        let table = format!("email\n{name}@acme.example\n");
        let started = gateway.import(&key, "", "text/csv", &table).await;
        assert_eq!(started.status, 200, "{}", started.text);
        made.insert(0, started.body["id"].clone());
    }
    let (mut listed, mut path) = (Vec::new(), "/imports?limit=2".to_owned());
    loop {
        let page = gateway.asked(&key, ("GET", &path), Value::Null, 200).await;
        let items = page["items"].as_array().unwrap().iter();
        listed.extend(items.map(|it| it["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/imports?limit=2&cursor={next}");
    }
    assert_eq!(listed, made);
    let paths = gateway.texts("changes", "path").await;
    assert!(
        paths
            .iter()
            .any(|path| path == "/api/v1/workspaces/acme/imports"),
        "{paths:?}"
    );
}
