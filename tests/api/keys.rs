//! API keys: what they may do, how long, and what ends them.

use std::time::Duration;

use gatehouse::admission::rules::{self, NewRule};
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::error::Error;
use gatehouse::ids::{ApiKeyId, MemberId};
use gatehouse::workspace::keys::{self, LIFE, LONGEST_LIFE, MOST, NewKey, Permission, Scopes};
use gatehouse::workspace::manual::{self, Right};
use gatehouse::workspace::{Workspace, members};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::gateway::{Answer, Gateway, member, operations};

/// A key that may do that, of the workspace itself.
pub(crate) fn new_key(scopes: &[Permission]) -> NewKey {
    NewKey {
        name: "a key".to_owned(),
        scopes: scopes.iter().copied().collect(),
        member: None,
        life: None,
    }
}

impl Gateway {
    /// Makes a key as the command line does; gives its id and text.
    pub(crate) async fn key_of(
        &self,
        workspace: Option<&Workspace>,
        new: NewKey,
    ) -> (ApiKeyId, String) {
        let workspace = workspace.map(|workspace| workspace.id);
        let scopes = Scopes::everything();
        let issued = keys::issue(&self.app, &Origin::cli(), workspace, &scopes, new).await;
        let issued = issued.expect("issued");
        (issued.key.id, issued.text.expose_secret().to_owned())
    }

    /// The text of a key of the gateway's own workspace.
    pub(crate) async fn key(&self, scopes: &[Permission]) -> String {
        let new = new_key(scopes);
        self.key_of(Some(&self.workspace), new).await.1
    }

    /// Sends a request to the API with a key.
    pub(crate) async fn api(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let path = format!("/api/v1{path}");
        let bearer = format!("Bearer {key}");
        let body = body.map(ToString::to_string);
        self.call_text(method, &path, &[&bearer], "application/json", body)
            .await
    }
}

const KEYS: &str = "/workspaces/acme/api-keys";

#[tokio::test]
async fn the_text_of_a_key_is_shown_once_and_stored_nowhere() {
    let gateway = Gateway::new().await;
    let maker = gateway
        .key(&[Permission::KeysManage, Permission::MembersRead])
        .await;
    let wanted = json!({"name": "CI", "scopes": ["members.read"], "expires_in_days": 7});
    let made = gateway.api(&maker, "POST", KEYS, Some(&wanted)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let text = made.body["key"].as_str().unwrap();
    let id = made.body["id"].as_str().unwrap();
    assert!(text.starts_with("gha_"));
    let used = gateway.api(text, "GET", "/workspaces/acme", None).await;
    assert_eq!(used.status, 200, "{}", used.text);
    let listed = gateway.api(&maker, "GET", KEYS, None).await;
    let listed_key = &listed.body["items"][1];
    assert_eq!(listed_key["id"], id);
    assert_eq!(listed_key["scopes"], json!(["members.read"]));
    assert!(listed_key["last_used_at"].is_string(), "{listed_key}");
    assert!(!listed.text.contains(text) && !listed.text.contains("hash"));
    for (table, column) in [("api_keys", "name"), ("changes", "detail")] {
        for stored in gateway.texts(table, column).await {
            assert!(!stored.contains(text), "{table}.{column}");
        }
    }
    let ended = gateway
        .api(&maker, "DELETE", &format!("{KEYS}/{id}"), None)
        .await;
    assert_eq!(ended.status, 204);
    let used = gateway.api(text, "GET", "/workspaces/acme", None).await;
    assert_eq!(used.status, 401);
    let again = gateway
        .api(&maker, "DELETE", &format!("{KEYS}/{id}"), None)
        .await;
    assert_eq!(again.status, 404);
    let kinds = gateway.texts("changes", "kind").await;
    let count = |kind: &str| kinds.iter().filter(|known| *known == kind).count();
    assert_eq!((count("api_key.issued"), count("api_key.revoked")), (2, 1));
    // What was refused is told as well.
    assert_eq!(count("request.refused"), 1);
    let actors = gateway.texts("changes", "actor").await;
    assert_eq!(actors.iter().filter(|actor| *actor == "api_key").count(), 3);
    gateway.check().await;
}

#[tokio::test]
async fn what_a_key_is_made_with_has_bounds() {
    let gateway = Gateway::new().await;
    let maker = gateway
        .key(&[Permission::KeysManage, Permission::MembersRead])
        .await;
    let check = async |body: Value, status: u16, named: &str| {
        let answer = gateway.api(&maker, "POST", KEYS, Some(&body)).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        assert!(answer.text.contains(named), "{body}: {}", answer.text);
    };
    let with = |field: &str, value: Value| {
        let mut body = json!({"name": "x", "scopes": ["members.read"]});
        body[field] = value;
        body
    };
    check(with("name", json!("")), 400, "name").await;
    check(with("name", json!("x".repeat(65))), 400, "64").await;
    check(with("name", json!("x".repeat(64))), 201, "gha_").await;
    check(with("scopes", json!([])), 400, "scopes").await;
    check(with("scopes", json!(["*"])), 400, "operators").await;
    check(with("scopes", json!(["all"])), 400, "all").await;
    check(with("expires_in_days", json!(0)), 400, "365").await;
    check(with("expires_in_days", json!(366)), 400, "365").await;
    check(with("expires_in_days", json!(365)), 201, "gha_").await;
    check(with("workspace", json!("other")), 400, "workspace").await;
    assert_eq!(gateway.count("api_keys").await, 3);
}

#[tokio::test]
async fn no_key_gives_on_what_it_does_not_have() {
    let gateway = Gateway::new().await;
    let maker = gateway
        .key(&[Permission::KeysManage, Permission::MembersRead])
        .await;
    let wanted = |scope: &str| json!({"name": "more", "scopes": ["members.read", scope]});
    for scope in ["members.manage", "data.export", "roles.manage"] {
        let answer = gateway
            .api(&maker, "POST", KEYS, Some(&wanted(scope)))
            .await;
        assert_eq!(answer.status, 403, "{scope}: {}", answer.text);
        assert_eq!(answer.body["code"], "insufficient_scope");
    }
    assert_eq!(gateway.count("api_keys").await, 1);
    let answer = gateway
        .api(&maker, "POST", KEYS, Some(&wanted("keys.manage")))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[tokio::test]
async fn a_key_ends_to_the_second_with_its_life() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let usual = gateway.key(&[Permission::MembersRead]).await;
    let mut new = new_key(&[Permission::MembersRead]);
    new.life = Some(LONGEST_LIFE);
    let (_, long) = gateway.key_of(Some(&gateway.workspace), new).await;
    let status = async |key: &str| gateway.api(key, "GET", "/workspaces", None).await.status;
    let second = Duration::from_secs(1);
    clock.advance(LIFE.saturating_sub(second));
    assert_eq!((status(&usual).await, status(&long).await), (200, 200));
    clock.advance(second);
    assert_eq!((status(&usual).await, status(&long).await), (401, 200));
    clock.advance(LONGEST_LIFE.saturating_sub(LIFE));
    assert_eq!(status(&long).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_makers_at_once_the_last_place_is_one_keys() {
    let gateway = Gateway::new().await;
    let operators = gateway.key_of(None, new_key(&[Permission::Everything]));
    operators.await;
    for workspace in [Some(gateway.workspace.id), None] {
        let issue = |app| async move {
            let new = new_key(&[Permission::MembersRead]);
            let (origin, scopes) = (Origin::cli(), Scopes::everything());
            keys::issue(&app, &origin, workspace, &scopes, new).await
        };
        let there = keys::list(&gateway.app, workspace).await.unwrap().len();
        let there = i64::try_from(there).unwrap();
        let mut first = None;
        for _ in there..MOST - 1 {
            first = Some(issue(gateway.app.clone()).await.unwrap().key.id);
        }
        let mut makers = JoinSet::new();
        for _ in 0..20 {
            makers.spawn(issue(gateway.app.clone()));
        }
        let made = makers.join_all().await;
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
        let refused = made.iter().filter_map(|made| made.as_ref().err());
        assert!(refused.clone().all(|it| matches!(it, Error::Conflict(_))));
        let (origin, first) = (Origin::cli(), first.expect("one was made"));
        keys::revoke(&gateway.app, &origin, workspace, first)
            .await
            .unwrap();
        // What ended takes no place.
        assert!(issue(gateway.app.clone()).await.is_ok());
    }
}

/// A member who is an admin through a group, and a key of its own.
async fn own_key(
    gateway: &Gateway,
    scopes: &[Permission],
) -> (crate::gateway::Scim, String, String) {
    let scim = gateway.scim().await;
    let rule = NewRule {
        directory: "idp".to_owned(),
        groups: vec!["Admins".to_owned()],
        roles: vec!["admin".to_owned()],
        ..NewRule::default()
    };
    rules::add(&gateway.app, &Origin::cli(), &gateway.workspace, rule)
        .await
        .unwrap();
    let ada = scim.created("/Users", &json!({"userName": "ada"})).await;
    // Another admin, so that this one can be taken away.
    scim.created("/Users", &json!({"userName": "bob"})).await;
    let bob = members::find(&gateway.app, gateway.workspace.id, "bob").await;
    let admin = Right {
        kind: members::GrantKind::Role,
        name: "admin".to_owned(),
    };
    let by = (&Origin::cli(), &Scopes::everything());
    let bob = (gateway.workspace.id, bob.unwrap().id);
    manual::give(&gateway.app, by, bob, vec![admin])
        .await
        .unwrap();
    let group = json!({"displayName": "Admins", "members": [member(&ada)]});
    scim.created("/Groups", &group).await;
    let found = members::find(&gateway.app, gateway.workspace.id, "ada").await;
    let mut new = new_key(scopes);
    new.member = Some(found.unwrap().id);
    let (_, key) = gateway.key_of(Some(&gateway.workspace), new).await;
    (scim, ada, key)
}

// C069, C072
#[tokio::test]
async fn a_persons_own_key_ends_with_the_persons_access() {
    let gateway = Gateway::new().await;
    let (scim, ada, key) = own_key(&gateway, &[Permission::MembersRead]).await;
    let path = "/workspaces/acme/members";
    let status = async || gateway.api(&key, "GET", path, None).await.status;
    assert_eq!(status().await, 200);
    let active =
        |active: bool| operations(json!([{"op": "replace", "path": "active", "value": active}]));
    let user = format!("/Users/{ada}");
    scim.send("PATCH", &user, Some(&active(false))).await;
    // At once, and for good: no moment of trust, and no way back with the person.
    assert_eq!(status().await, 401);
    scim.send("PATCH", &user, Some(&active(true))).await;
    assert_eq!(status().await, 401);
    gateway.check().await;
}

#[tokio::test]
async fn a_workspaces_key_outlives_its_maker_and_that_is_told_once() {
    let gateway = Gateway::new().await;
    let both = [Permission::KeysManage, Permission::MembersRead];
    let (scim, ada, own) = own_key(&gateway, &both).await;
    let body = json!({"name": "sync", "scopes": ["members.read"]});

    let made = gateway.api(&own, "POST", KEYS, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let key = made.body["key"].as_str().unwrap().to_owned();
    gateway.work().await;
    let told = "changes WHERE kind = 'api_key.maker_out'";
    assert_eq!(gateway.count(told).await, 0);
    let out = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let user = format!("/Users/{ada}");
    scim.send("PATCH", &user, Some(&out)).await;
    gateway.work().await;
    assert_eq!(gateway.count(told).await, 1);
    scim.send("DELETE", &user, None).await;
    gateway.work().await;
    assert_eq!(gateway.count(told).await, 1);
    let path = "/workspaces/acme/members";
    assert_eq!(gateway.api(&key, "GET", path, None).await.status, 200);
    assert_eq!(gateway.api(&own, "GET", path, None).await.status, 401);
    gateway.check().await;
}

#[tokio::test]
async fn what_is_done_to_operators_keys_is_listed() {
    let gateway = Gateway::new().await;
    let (issued, key) = gateway
        .key_of(None, new_key(&[Permission::Everything]))
        .await;
    keys::revoke(&gateway.app, &Origin::cli(), None, issued)
        .await
        .unwrap();
    let refused = keys::revoke(&gateway.app, &Origin::cli(), None, issued).await;
    assert!(refused.is_err());
    let acts = keys::acts(&gateway.app).await.unwrap();
    let kinds: Vec<_> = acts.iter().map(|act| act.kind.as_str()).collect();
    assert_eq!(kinds, ["api_key.revoked", "api_key.issued"]);
    for act in &acts {
        assert_eq!((act.key, act.actor.as_deref()), (issued, Some("cli")));
        assert!(!act.detail.contains(&key), "{}", act.detail);
    }
    let (_, operator) = gateway
        .key_of(None, new_key(&[Permission::Everything]))
        .await;
    let path = "/api-keys/acts?limit=2";
    let page = gateway.api(&operator, "GET", path, None).await.body;
    let kinds: Vec<_> = page["items"].as_array().unwrap().iter().collect();
    let kinds: Vec<_> = kinds
        .iter()
        .map(|act| act["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["api_key.issued", "api_key.revoked"]);
    let path = format!("{path}&cursor={}", page["next_cursor"].as_str().unwrap());
    let page = gateway.api(&operator, "GET", &path, None).await.body;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let weak = gateway.key(&Permission::ALL[..9]).await;
    assert_eq!(
        gateway
            .api(&weak, "GET", "/api-keys/acts", None)
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_persons_own_key_may_do_no_more_than_the_person() {
    let gateway = Gateway::new().await;
    let both = [Permission::MembersRead, Permission::RulesManage];
    let (scim, _, key) = own_key(&gateway, &both).await;
    let get = async |list: &str| {
        let path = format!("/workspaces/acme/{list}");
        gateway.api(&key, "GET", &path, None).await.status
    };
    assert_eq!((get("members").await, get("rules").await), (200, 200));
    assert_eq!(get("api-keys").await, 403);
    let groups = scim.send("GET", "/Groups", None).await.1;
    let group = groups["Resources"][0]["id"].as_str().unwrap();
    let nobody = json!({"displayName": "Admins", "members": []});
    let path = format!("/Groups/{group}");
    assert_eq!(scim.send("PUT", &path, Some(&nobody)).await.0, 200);
    assert_eq!((get("members").await, get("rules").await), (403, 403));
}

#[tokio::test]
async fn a_persons_own_key_names_only_what_the_person_may_do() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    scim.created("/Users", &json!({"userName": "ada"})).await;
    let ada = members::find(&gateway.app, gateway.workspace.id, "ada").await;
    let ada = ada.unwrap().id;
    let by = (&Origin::cli(), &Scopes::everything());
    let right = Right {
        kind: members::GrantKind::Permission,
        name: "members.manage".to_owned(),
    };
    manual::give(&gateway.app, by, (gateway.workspace.id, ada), vec![right])
        .await
        .unwrap();
    let issued = async |scopes: &[Permission]| {
        let mut new = new_key(scopes);
        new.member = Some(ada);
        let workspace = Some(gateway.workspace.id);
        keys::issue(&gateway.app, by.0, workspace, by.1, new).await
    };
    let (manage, read) = (Permission::MembersManage, Permission::MembersRead);
    let beyond = [manage, Permission::RulesManage, Permission::DataExport];
    let refused = issued(&beyond).await.err().unwrap().to_string();
    assert!(
        refused.contains("does not have rules.manage, data.export"),
        "{refused}"
    );
    assert_eq!(gateway.count("api_keys").await, 0, "nothing was made");
    assert!(issued(&[manage, read]).await.is_ok());
    gateway.check().await;
}

#[tokio::test]
async fn only_who_is_in_has_a_key() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let eve = json!({"userName": "eve", "active": false});
    scim.created("/Users", &eve).await;
    let eve = members::find(&gateway.app, gateway.workspace.id, "eve").await;
    for member in [eve.unwrap().id, MemberId::new()] {
        let mut new = new_key(&[Permission::MembersRead]);
        new.member = Some(member);
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let workspace = Some(gateway.workspace.id);
        let issued = keys::issue(&gateway.app, &origin, workspace, &scopes, new).await;
        assert!(matches!(issued, Err(Error::NotFound(_))));
    }
    assert_eq!(gateway.count("api_keys").await, 0);
}

#[tokio::test]
async fn what_was_revoked_or_is_held_opens_nothing_on_any_node() {
    let gateway = Gateway::new().await;
    let mut operator = new_key(&[Permission::Everything]);
    operator.name = "operators".to_owned();
    for (workspace, new) in [
        (
            Some(&gateway.workspace),
            new_key(&[Permission::MembersRead]),
        ),
        (None, operator),
    ] {
        let (id, key) = gateway.key_of(workspace, new).await;
        let opens = async || {
            // No other request's trust is at hand.
            let node = gateway.second_node().await;
            keys::authenticate(&node, &key).await.is_ok()
        };
        assert!(opens().await);
        let held = gateway.app.write(|tx| {
            Box::pin(async move {
                let at = gatehouse::clock::Timestamp(1);
                Ok(gatehouse::store::api_keys::hold_all(tx, at).await?)
            })
        });
        assert_eq!(held.await.unwrap().last().map(|held| held.id), Some(id));
        assert!(!opens().await);
        let (app, origin) = (&gateway.app, Origin::cli());
        let workspace = workspace.map(|workspace| workspace.id);
        keys::release(app, &origin, workspace, id).await.unwrap();
        assert!(opens().await);
        keys::revoke(app, &origin, workspace, id).await.unwrap();
        assert!(!opens().await);
        let released = keys::release(app, &origin, workspace, id).await;
        assert!(matches!(released, Err(Error::NotFound(_))));
    }
}
