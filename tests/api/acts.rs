//! The ten most critical acts of a directory, and two more: a request each, on what it needs.

use gatehouse::admission::rules::{self, NewRule};
use gatehouse::changes::Origin;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};

/// A request on a prepared gateway, and how to read back what it is about.
pub(crate) struct Act {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    /// Everything that it is about.
    pub(crate) about: Vec<String>,
}

/// Makes what an act needs and names the act; `round` keeps names apart.
pub(crate) async fn prepared(gateway: &Gateway, scim: &Scim, name: &str, round: &str) -> Act {
    // A rule that each act's group has, whose people are admins by it, and one that a group's making
    // binds.
    admins(gateway, &format!("Group {name} {round}"), "Team").await;
    if name == "create-group" {
        admins(gateway, &format!("Waited for {round}"), "Waiting").await;
    }
    let ids = users(scim, &format!("{name}-{round}-"), 3).await;
    let members: Vec<_> = ids[..2].iter().map(|id| member(id)).collect();
    let group = json!({"displayName": format!("Group {name} {round}"), "members": members});
    let group = scim.created("/Groups", &group).await;
    let (user, group) = (format!("/Users/{}", ids[0]), format!("/Groups/{group}"));
    let mut about = vec![user.clone(), group.clone()];
    let new = format!("new-{name}-{round}@acme.example");
    let changed = |value: Value| Some(operations(value));
    let (method, path, sent) = match name {
        "create-user" => {
            let email = json!([{"value": new, "type": "work"}]);
            (
                "POST",
                "/Users".to_owned(),
                Some(json!({"userName": new, "emails": email, "title": "Lead"})),
            )
        }
        "deactivate" => {
            let active = json!([{"op": "replace", "path": "active", "value": false}]);
            ("PATCH", user, changed(active))
        }
        "retitle" => {
            let title = json!([{"op": "replace", "path": "title", "value": "Lead"}]);
            ("PATCH", user, changed(title))
        }
        "rename" => {
            let rename = json!([{"op": "replace", "path": "userName", "value": new}]);
            ("PATCH", user, changed(rename))
        }
        "delete-user" => ("DELETE", user, None),
        "create-group" => {
            let group = json!({"displayName": format!("Waited for {round}"), "members": members});
            ("POST", "/Groups".to_owned(), Some(group))
        }
        "add-member" => {
            let add = json!([{"op": "add", "path": "members", "value": [member(&ids[2])]}]);
            ("PATCH", group, changed(add))
        }
        "remove-member" => {
            let target = format!("members[value eq \"{}\"]", ids[0]);
            (
                "PATCH",
                group,
                changed(json!([{"op": "remove", "path": target}])),
            )
        }
        "replace-members" => {
            let all = json!([{"op": "replace", "path": "members", "value": [member(&ids[2])]}]);
            ("PATCH", group, changed(all))
        }
        "nest-group" | "delete-nested-group" => {
            let inner = format!("Inner {name} {round}");
            let inner = json!({"displayName": inner, "members": [member(&ids[2])]});
            let inner = scim.created("/Groups", &inner).await;
            about.push(format!("/Users/{}", ids[2]));
            let nest = json!([{"op": "add", "path": "members", "value": [member(&inner)]}]);
            let nest = changed(nest);
            if name == "nest-group" {
                ("PATCH", group, nest)
            } else {
                let nested = scim.send("PATCH", &group, nest.as_ref()).await;
                assert_eq!(nested.0, 200);
                ("DELETE", format!("/Groups/{inner}"), None)
            }
        }
        _ => ("DELETE", group, None),
    };
    Act {
        method,
        path,
        body: sent,
        about,
    }
}

/// Adds a rule: who is in the group is an admin and gets the team.
async fn admins(gateway: &Gateway, group: &str, team: &str) {
    let rule = NewRule {
        directory: "idp".to_owned(),
        groups: vec![group.to_owned()],
        teams: vec![team.to_owned()],
        roles: vec!["admin".to_owned()],
        ..NewRule::default()
    };
    rules::add(&gateway.app, &Origin::cli(), &gateway.workspace, rule)
        .await
        .expect("added");
}

pub(crate) const ACTS: [&str; 12] = [
    "create-user",
    "deactivate",
    "retitle",
    "rename",
    "delete-user",
    "create-group",
    "add-member",
    "remove-member",
    "replace-members",
    "nest-group",
    "delete-nested-group",
    "delete-group",
];

impl Act {
    pub(crate) async fn send(&self, scim: &Scim) -> (u16, Value) {
        scim.send(self.method, &self.path, self.body.as_ref()).await
    }

    /// What can be read of everything that the act is about.
    pub(crate) async fn state(&self, scim: &Scim) -> Vec<(u16, Value)> {
        let mut state = Vec::new();
        for path in &self.about {
            state.push(scim.send("GET", path, None).await);
        }
        for list in ["/Users?count=0", "/Groups?count=0"] {
            state.push(scim.send("GET", list, None).await);
        }
        state
    }
}
