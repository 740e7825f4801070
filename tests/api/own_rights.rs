//! What a person may pass on by its own API key: what it has, apps' permissions included.

use gatehouse::ids::MemberId;
use gatehouse::workspace::keys::{NewKey, Permission};
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::keys::new_key;

impl Gateway {
    /// A member made by hand, of that address.
    async fn made(&self, key: &str, email: &str) -> MemberId {
        let new = json!({"profile": {"email": email}});
        let made = self.asked(key, ("POST", "/members"), new, 201).await;
        made["member"]["id"].as_str().unwrap().parse().unwrap()
    }

    /// The key may not do that.
    async fn refused(&self, key: &str, (method, path): (&str, &str), body: Value) {
        let refused = self.ask(key, method, path, body).await;
        let (status, text) = (refused.status, &refused.text);
        assert_eq!(status, 403, "{method} {path}: {text}");
        assert_eq!(
            refused.body["code"], "insufficient_scope",
            "{method} {path}"
        );
    }
}

// C083: of the permissions of apps too
#[tokio::test]
async fn a_person_gives_and_takes_only_the_permissions_that_it_has() {
    let gateway = Gateway::with(|config| {
        config.permissions.catalogue = ["chats.transfer", "chats.close"].map(str::to_owned).into();
    })
    .await;
    let scim = gateway.scim().await;
    let all = gateway.key(&Permission::ALL[..9]).await;
    scim.created("/Users", &json!({"userName": "ada@acme.example"}))
        .await;
    let listed = gateway
        .asked(&all, ("GET", "/members"), Value::Null, 200)
        .await;
    let ada: MemberId = listed["items"][0]["id"].as_str().unwrap().parse().unwrap();
    let bob = gateway.made(&all, "bob@acme.example").await;
    let right = |member: MemberId, name: &str| format!("/members/{member}/{name}");
    // The key of the workspace is nobody's own and passes on what it could not have.
    for name in [
        "roles/admin",
        "permissions/roles.manage",
        "permissions/rules.manage",
        "permissions/chats.close",
    ] {
        let path = right(ada, name);
        gateway.asked(&all, ("PUT", &path), Value::Null, 204).await;
    }
    let role = |name: &str, permission: &str| json!({"name": name, "permissions": [permission]});
    let mover = gateway
        .asked(
            &all,
            ("POST", "/roles"),
            role("Mover", "chats.transfer"),
            201,
        )
        .await;
    let mover = format!("/roles/{}", mover["id"].as_str().unwrap());
    gateway
        .asked(&all, ("POST", "/teams"), json!({"name": "T"}), 201)
        .await;
    for name in ["roles/Mover", "permissions/chats.transfer"] {
        let path = right(bob, name);
        gateway.asked(&all, ("PUT", &path), Value::Null, 204).await;
    }
    let scopes = [
        Permission::MembersManage,
        Permission::RolesManage,
        Permission::RulesManage,
    ];
    let own = NewKey {
        member: Some(ada),
        ..new_key(&scopes)
    };
    let (_, own) = gateway.key_of(Some(&gateway.workspace), own).await;
    let closer = gateway
        .asked(&own, ("POST", "/roles"), role("Closer", "chats.close"), 201)
        .await;
    let closer = format!("/roles/{}", closer["id"].as_str().unwrap());
    let before = gateway.count("changes").await;
    let both = json!({"permissions": ["chats.close", "chats.transfer"]});
    let wide = json!({"directory": "idp", "groups": ["G"], "roles": ["Mover"]});
    let user = json!({"userName": "eve@acme.example"});
    let group = json!({"displayName": "G"});
    for (method, path, body) in [
        ("POST", "/roles".to_owned(), role("X", "chats.transfer")),
        ("PATCH", closer.clone(), both),
        ("PATCH", mover.clone(), json!({"permissions": []})),
        ("DELETE", mover, Value::Null),
        ("PUT", right(ada, "permissions/chats.transfer"), Value::Null),
        ("PUT", right(ada, "roles/Mover"), Value::Null),
        (
            "DELETE",
            right(bob, "permissions/chats.transfer"),
            Value::Null,
        ),
        ("DELETE", right(bob, "roles/Mover"), Value::Null),
    ] {
        gateway.refused(&own, (method, &path), body).await;
    }
    assert_eq!(gateway.count("changes").await, before, "nothing happened");
    scim.created("/Groups", &group).await;
    scim.created("/Users", &user).await;
    gateway.refused(&own, ("POST", "/rules"), wide).await;
    // What the person has it passes on, and who answers chats is looked after like everybody.
    for (method, path, body, status) in [
        ("PUT", right(bob, "roles/Closer"), Value::Null, 204),
        ("PUT", right(bob, "teams/T"), Value::Null, 204),
        ("DELETE", right(bob, "teams/T"), Value::Null, 204),
        ("DELETE", right(bob, "roles/Closer"), Value::Null, 204),
        (
            "PATCH",
            format!("/members/{bob}"),
            json!({"phone": "+442079460958"}),
            200,
        ),
    ] {
        gateway.asked(&own, (method, &path), body, status).await;
    }
    // It has no more than that once it has lost it.
    let path = right(ada, "permissions/chats.close");
    gateway
        .asked(&all, ("DELETE", &path), Value::Null, 204)
        .await;
    let path = right(bob, "roles/Closer");
    gateway.refused(&own, ("PUT", &path), Value::Null).await;
    gateway.check().await;
}

// C083: whoever may do more is put into no team and out of none
#[tokio::test]
async fn a_helper_moves_no_admin_between_teams() {
    let gateway = Gateway::new().await;
    let all = gateway.key(&Permission::ALL[..9]).await;
    let helper = gateway.key(&[Permission::MembersManage]).await;
    for name in ["In", "Out"] {
        gateway
            .asked(&all, ("POST", "/teams"), json!({"name": name}), 201)
            .await;
    }
    let ada = gateway.made(&all, "ada@acme.example").await;
    let bob = gateway.made(&all, "bob@acme.example").await;
    let path = |member: MemberId, name: &str| format!("/members/{member}/{name}");
    for path in [path(ada, "roles/admin"), path(ada, "teams/In")] {
        gateway.asked(&all, ("PUT", &path), Value::Null, 204).await;
    }
    for (method, team) in [("DELETE", "teams/In"), ("PUT", "teams/Out")] {
        let refused = gateway
            .ask(&helper, method, &path(ada, team), Value::Null)
            .await;
        assert_eq!(refused.status, 403, "{method} {team}: {}", refused.text);
        let path = path(bob, "teams/In");
        gateway
            .asked(&helper, ("PUT", &path), Value::Null, 204)
            .await;
    }
    gateway.check().await;
}
