//! Every statement of the most critical acts fails, panics and hangs once: nothing is half done,
//! and the client's retry brings what it wanted.

use gatehouse::store::faults::{Fault, Point};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};

/// No act has more statements than this.
const MOST: u32 = 60;

/// A request on a prepared gateway, and how to read back what it is about.
struct Act {
    method: &'static str,
    path: String,
    body: Option<Value>,
    about: Vec<String>,
}

/// Makes what an act needs and names the act; `round` keeps names apart.
async fn prepared(scim: &Scim, name: &str, round: &str) -> Act {
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

const ACTS: [&str; 12] = [
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
    async fn send(&self, scim: &Scim) -> (u16, Value) {
        scim.send(self.method, &self.path, self.body.as_ref()).await
    }

    /// What can be read of everything that the act is about.
    async fn state(&self, scim: &Scim) -> Vec<(u16, Value)> {
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

async fn every_statement(fault: Fault, point: fn(u32) -> Point) {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.when("title eq \"Lead\"", "Leads").await;
    for name in ACTS {
        // The rule that a group's making binds, and one that each act's group has.
        let mut statement = 1;
        loop {
            let round = format!("{statement}");
            gateway
                .rule(&[&format!("Group {name} {round}")], "Team")
                .await;
            if name == "create-group" {
                gateway
                    .rule(&[&format!("Waited for {round}")], "Waiting")
                    .await;
            }
            let act = prepared(&scim, name, &round).await;
            let before = act.state(&scim).await;
            gateway.app.db.faults().arm_at(point(statement), fault);
            let answer = act.send(&scim).await;
            if gateway.app.db.faults().disarm() {
                // The act has fewer statements: it was done.
                assert!((200..300).contains(&answer.0), "{name}: {}", answer.1);
                assert!(statement > 3, "{name} must have statements");
                break;
            }
            assert_eq!(answer.0, 500, "{name}, statement {statement}: {}", answer.1);
            assert_eq!(answer.1["detail"], "internal error");
            assert_eq!(
                act.state(&scim).await,
                before,
                "{name}, statement {statement}"
            );
            let retried = act.send(&scim).await;
            assert!((200..300).contains(&retried.0), "{name}: {}", retried.1);
            statement += 1;
            assert!(statement < MOST, "{name} has an end");
        }
        gateway.check().await;
    }
}

// C066, C220
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_leaves_nothing_half_done() {
    every_statement(Fault::Error, Point::Before).await;
}

// C220: what follows the last statement is the commit
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_behind_any_statement_leaves_nothing_half_done() {
    every_statement(Fault::Error, Point::After).await;
}

// C220
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_leaves_nothing() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    for name in ACTS {
        gateway.rule(&[&format!("Group {name} c")], "Team").await;
        let act = prepared(&scim, name, "c").await;
        let before = act.state(&scim).await;
        gateway.app.db.faults().arm_at(Point::Commit, Fault::Error);
        let answer = act.send(&scim).await;
        assert!(!gateway.app.db.faults().disarm(), "{name} commits");
        assert!(answer.0 >= 500, "{name}: {}", answer.1);
        assert_eq!(act.state(&scim).await, before, "{name}");
        let retried = act.send(&scim).await;
        assert!((200..300).contains(&retried.0), "{name}: {}", retried.1);
    }
    gateway.check().await;
}

// C066
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_at_any_statement_ends_that_request_alone() {
    every_statement(Fault::Panic, Point::Before).await;
}

// C245
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_at_any_statement_leaves_all_or_nothing() {
    let gateway = Gateway::new().await;
    if !gateway.app.db.is_shared() {
        // One writer applies what it has begun whether or not the client stays.
        return hang_up_before_the_answer(&gateway).await;
    }
    let scim = gateway.scim().await;
    for name in ACTS {
        let points = [
            Point::Before(1),
            Point::Before(2),
            Point::After(4),
            Point::After(7),
        ];
        for (at, point) in points.into_iter().chain([Point::Commit]).enumerate() {
            let round = format!("h{at}");
            gateway
                .rule(&[&format!("Group {name} {round}")], "Team")
                .await;
            let act = prepared(&scim, name, &round).await;
            let before = act.state(&scim).await;
            gateway.app.db.faults().arm_at(point, Fault::Hang);
            scim.hang_up(act.method, &act.path, act.body.as_ref()).await;
            if !gateway.app.db.faults().disarm() {
                assert_eq!(act.state(&scim).await, before, "{name}, {point:?}");
                let retried = act.send(&scim).await;
                assert!((200..300).contains(&retried.0), "{name}: {}", retried.1);
            }
        }
        gateway.check().await;
    }
}

async fn hang_up_before_the_answer(gateway: &Gateway) {
    let scim = gateway.scim().await;
    for name in ACTS {
        let act = prepared(&scim, name, "gone").await;
        let sent = act.send(&scim);
        // Polled once and dropped: the request is on its way, the client is not.
        let _ = tokio::time::timeout(std::time::Duration::ZERO, sent).await;
        let state = act.state(&scim).await;
        let again = act.send(&scim).await;
        assert!(again.0 < 500, "{name}: {}", again.1);
        assert_eq!(state.len(), act.about.len() + 2);
    }
    gateway.check().await;
}
