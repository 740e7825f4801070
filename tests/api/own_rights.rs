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

    /// The id of a member.
    async fn named(&self, key: &str, name: &str) -> MemberId {
        let email = format!("{name}@acme.example");
        let listed = self.asked(key, ("GET", "/members"), Value::Null, 200).await;
        let mut listed = listed["items"].as_array().unwrap().iter();
        let found = listed.find(|it| it["email"] == *email).unwrap();
        found["id"].as_str().unwrap().parse().unwrap()
    }

    /// Gives a member what a path names.
    async fn put(&self, key: &str, member: MemberId, name: &str) {
        let path = right(member, name);
        self.asked(key, ("PUT", &path), Value::Null, 204).await;
    }

    /// A member's own key.
    async fn own(&self, member: MemberId, scopes: &[Permission]) -> String {
        let new = NewKey {
            member: Some(member),
            ..new_key(scopes)
        };
        self.key_of(Some(&self.workspace), new).await.1
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

/// The path of what a member has or is to become.
fn right(member: MemberId, name: &str) -> String {
    format!("/members/{member}/{name}")
}

/// A workspace whose app knows permissions, with Ada and Bob, a group `G`, a team
/// `T`, a role for each permission, and a key of its own.
async fn of_chats() -> (Gateway, String) {
    let gateway = Gateway::with(|config| {
        config.permissions.catalogue = ["chats.transfer", "chats.close"].map(str::to_owned).into();
    })
    .await;
    let scim = gateway.scim().await;
    let all = gateway.key(&Permission::OF_WORKSPACE).await;
    let ada = json!({"userName": "ada@acme.example", "emails": [{"value": "ada@acme.example"}]});
    scim.created("/Users", &ada).await;
    scim.created("/Groups", &json!({"displayName": "G"})).await;
    let bob = json!({"userName": "bob@acme.example", "emails": [{"value": "bob@acme.example"}]});
    scim.created("/Users", &bob).await;
    for (name, permission) in [("Mover", "chats.transfer"), ("Closer", "chats.close")] {
        let role = json!({"name": name, "permissions": [permission]});
        gateway.asked(&all, ("POST", "/roles"), role, 201).await;
    }
    gateway
        .asked(&all, ("POST", "/teams"), json!({"name": "T"}), 201)
        .await;
    (gateway, all)
}

// C083: of the permissions of apps too
#[tokio::test]
async fn a_person_gives_and_takes_only_the_permissions_that_it_has() {
    let (gateway, all) = of_chats().await;
    let (ada, bob) = (
        gateway.named(&all, "ada").await,
        gateway.named(&all, "bob").await,
    );
    // The key of the workspace is nobody's own and passes on what it could not have.
    for name in [
        "permissions/members.manage",
        "permissions/rules.manage",
        "permissions/chats.close",
    ] {
        gateway.put(&all, ada, name).await;
    }
    for name in ["roles/Mover", "permissions/chats.transfer"] {
        gateway.put(&all, bob, name).await;
    }
    let scopes = [Permission::MembersManage, Permission::RulesManage];
    let own = gateway.own(ada, &scopes).await;
    let changes = "changes WHERE kind <> 'request.refused'";
    let before = gateway.count(changes).await;
    let wide = json!({"directory": "idp", "groups": ["G"], "roles": ["Mover"]});
    for (method, path) in [
        ("PUT", right(ada, "permissions/chats.transfer")),
        ("PUT", right(ada, "roles/Mover")),
        ("DELETE", right(bob, "permissions/chats.transfer")),
        ("DELETE", right(bob, "roles/Mover")),
    ] {
        gateway.refused(&own, (method, &path), Value::Null).await;
    }
    gateway.refused(&own, ("POST", "/rules"), wide).await;
    assert_eq!(gateway.count(changes).await, before, "nothing happened");
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

// C083: apps' permissions are the workspace's to hand out, its own are not
#[tokio::test]
async fn whoever_manages_roles_hands_out_permissions_of_apps_without_having_them() {
    let (gateway, all) = of_chats().await;
    let (ada, bob) = (
        gateway.named(&all, "ada").await,
        gateway.named(&all, "bob").await,
    );
    for name in ["members", "roles", "rules"] {
        let name = format!("permissions/{name}.manage");
        gateway.put(&all, ada, &name).await;
    }
    let scopes = [
        Permission::MembersManage,
        Permission::RolesManage,
        Permission::RulesManage,
    ];
    let own = gateway.own(ada, &scopes).await;
    let both = json!({"permissions": ["chats.close", "chats.transfer"]});
    let role = |name: &str, permission: &str| json!({"name": name, "permissions": [permission]});
    let made = role("Burner", "chats.transfer");
    let made = gateway.asked(&own, ("POST", "/roles"), made, 201).await;
    let burner = format!("/roles/{}", made["id"].as_str().unwrap());
    let wide = json!({"directory": "idp", "groups": ["G"], "roles": ["Mover"]});
    for (method, path, body, status) in [
        ("PATCH", burner.clone(), both, 200),
        ("PUT", right(bob, "roles/Burner"), Value::Null, 204),
        (
            "PUT",
            right(bob, "permissions/chats.close"),
            Value::Null,
            204,
        ),
        (
            "DELETE",
            right(bob, "permissions/chats.close"),
            Value::Null,
            204,
        ),
        ("DELETE", right(bob, "roles/Burner"), Value::Null, 204),
        ("DELETE", burner, Value::Null, 204),
        ("POST", "/rules".to_owned(), wide, 201),
    ] {
        gateway.asked(&own, (method, &path), body, status).await;
    }
    for (method, path, body) in [
        ("POST", "/roles".to_owned(), role("X", "data.export")),
        ("PUT", right(ada, "roles/admin"), Value::Null),
        ("PUT", right(bob, "permissions/keys.manage"), Value::Null),
    ] {
        gateway.refused(&own, (method, &path), body).await;
    }
    gateway.check().await;
}

// C083: an admin does the work of a workspace, and operators' work is theirs
#[tokio::test]
async fn an_admins_own_key_does_everything_in_the_workspace_and_nothing_of_operators() {
    let (gateway, all) = of_chats().await;
    let (ada, bob) = (
        gateway.named(&all, "ada").await,
        gateway.named(&all, "bob").await,
    );
    let keeper = json!({"name": "Keeper", "permissions": ["rules.manage", "teams.manage"]});
    gateway.asked(&all, ("POST", "/roles"), keeper, 201).await;
    let eve = gateway.made(&all, "eve@acme.example").await;
    for member in [bob, eve] {
        gateway.put(&all, member, "roles/Keeper").await;
    }
    gateway.put(&all, ada, "roles/admin").await;
    let own = gateway.own(ada, &Permission::OF_WORKSPACE).await;
    for path in [
        "/rules",
        "/runs",
        "/directories",
        "/brake",
        "/domains",
        "/api-keys",
        "/brake/held",
    ] {
        gateway.asked(&own, ("GET", path), Value::Null, 200).await;
    }
    let key = json!({"name": "sync", "scopes": ["members.read"]});
    let rule = json!({"directory": "idp", "groups": ["G"], "roles": ["Mover"]});
    let settings = json!({"admins_in_all_teams": true});
    for (method, path, body, status) in [
        ("POST", "/teams".to_owned(), json!({"name": "Night"}), 201),
        ("POST", "/api-keys".to_owned(), key, 201),
        ("POST", "/rules".to_owned(), rule, 201),
        ("PATCH", String::new(), settings, 200),
        ("PUT", right(bob, "roles/Mover"), Value::Null, 204),
        (
            "PUT",
            right(bob, "permissions/chats.close"),
            Value::Null,
            204,
        ),
        ("POST", right(bob, "suspend"), Value::Null, 200),
        ("DELETE", format!("/members/{eve}"), Value::Null, 204),
    ] {
        gateway.asked(&own, (method, &path), body, status).await;
    }
    let seats = json!({"limit": 5, "policy": "refuse"});
    for (method, path, body) in [
        ("PUT", "/seats", seats),
        ("PATCH", "", json!({"name": "Mine"})),
        ("DELETE", "", Value::Null),
        ("POST", "/suspend", Value::Null),
    ] {
        gateway.refused(&own, (method, path), body).await;
    }
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
