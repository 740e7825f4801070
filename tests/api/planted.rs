//! `gatehouse verify` finds what must not be, planted at the database: one violation of each promise
//! that stored data can break.

use gatehouse::store::verify::{CHECKS, count_faults};
use gatehouse::workspace::keys::Permission;
use gatehouse::workspace::seats::SeatPolicy;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::gateway::{Gateway, member, users};

/// A gateway in which there is something of everything.
async fn furnished() -> Gateway {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let made = users(&scim, "u", 3).await;
    let crew = json!({"displayName": "Crew", "members": [member(&made[0]), member(&made[1])]});
    scim.created("/Groups", &crew).await;
    gateway.rule(&["Crew"], "Sailors").await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let id = gateway.member("u0@acme.example").await.id;
    let admin = format!("/members/{id}/roles/admin");
    let given = gateway.about(&key, "PUT", &admin, Value::Null).await;
    assert_eq!(given.status, 204, "{}", given.text);
    gateway.limit(Some(10), SeatPolicy::Refuse).await;
    let other = gateway.other_workspace().await;
    users(&other, "other", 1).await;
    gateway.check().await;
    gateway
}

/// What `gatehouse verify` finds once these statements were sent.
async fn found(statements: &'static [&'static str]) -> Vec<(u8, &'static str)> {
    let gateway = furnished().await;
    let planted = gateway.app.write(move |tx| {
        Box::pin(async move {
            for sql in statements {
                let rows = tx.query(AssertSqlSafe(*sql)).execute().await?;
                assert!(rows > 0, "nothing was planted by {sql}");
            }
            Ok(())
        })
    });
    planted.await.unwrap();
    let mut tx = gateway.app.db.read().await.unwrap();
    let mut found = Vec::new();
    for check in CHECKS {
        if count_faults(&mut tx, check).await.unwrap() > 0 {
            found.push((check.promise, check.holds));
        }
    }
    found
}

/// What is planted: the promise that it breaks, what the check says, and the statements.
const PLANTED: &[(u8, &str, &[&str])] = &[
    (
        9,
        "are suspended and keep theirs",
        &["UPDATE members SET seat_kept_at = 1 WHERE user_name = 'u0@acme.example'"],
    ),
    (
        1,
        "of the same workspace",
        &[
            "UPDATE grants SET target = (SELECT r.id FROM roles r WHERE r.workspace <> \
           grants.workspace ORDER BY r.id LIMIT 1) WHERE kind = 'role'",
        ],
    ),
    (
        1,
        "groups of its own directory",
        &[
            "UPDATE rule_groups SET directory = (SELECT d.id FROM directories d \
           WHERE d.workspace <> rule_groups.workspace)",
        ],
    ),
    (
        2,
        "one person",
        &[
            "UPDATE members SET person = (SELECT m.person FROM members m \
           WHERE m.user_name = 'u0@acme.example') WHERE user_name = 'u1@acme.example'",
        ],
    ),
    (
        2,
        "one live user",
        &[
            "UPDATE users SET member = (SELECT m.id FROM members m WHERE m.user_name = 'u0@acme.example') \
           WHERE user_name_key = 'u1@acme.example'",
        ],
    ),
    (
        3,
        "whose login its name opens",
        &["DELETE FROM login_names WHERE key = 'u2@acme.example'"],
    ),
    (
        3,
        "a directory that collects",
        &["UPDATE directories SET mode = 'collect' WHERE ended_at IS NULL"],
    ),
    (
        3,
        "every login name has a source",
        &["UPDATE login_names SET sources = 2 WHERE key = 'u2@acme.example'"],
    ),
    (
        4,
        "wanted by its groups",
        &[
            "DELETE FROM memberships WHERE user_id = (SELECT u.id FROM users u \
           WHERE u.user_name_key = 'u1@acme.example')",
        ],
    ),
    (
        4,
        "by a rule over profiles",
        &[
            "DELETE FROM rule_groups",
            "UPDATE rules SET directory = NULL, when_text = 'user_id pr'",
            "UPDATE members SET status = 'removed' WHERE user_name = 'u1@acme.example'",
        ],
    ),
    (
        4,
        "has its grants",
        &[
            "UPDATE grants SET to_at = from_at, ended_change = begun_change WHERE kind = 'team' AND member = \
           (SELECT m.id FROM members m WHERE m.user_name = 'u1@acme.example')",
        ],
    ),
    (
        5,
        "active only while",
        &["UPDATE users SET active = FALSE WHERE user_name_key = 'u2@acme.example'"],
    ),
    (
        5,
        "access epoch",
        &[
            "UPDATE api_keys SET member_epoch = 99, member = (SELECT m.id FROM members m \
           WHERE m.user_name = 'u2@acme.example') WHERE workspace IS NOT NULL",
        ],
    ),
    (
        6,
        "the totals",
        &["UPDATE counters SET total = total + 1 WHERE kind = 'users' AND slot = 3"],
    ),
    (
        7,
        "each number once",
        &[
            "UPDATE changes SET number = number + 1 WHERE number = (SELECT h.number \
           FROM change_heads h WHERE h.workspace = changes.workspace)",
        ],
    ),
    (7, "each number once", &["DELETE FROM change_heads"]),
    (
        8,
        "an admin is in",
        &[
            "UPDATE grants SET hold = 'last_admin' WHERE kind = 'role'",
            "UPDATE members SET status = 'suspended' WHERE user_name = 'u0@acme.example'",
        ],
    ),
    (9, "seats", &["UPDATE seats SET taken = taken + 1"]),
];

#[tokio::test]
async fn verify_finds_a_planted_violation_of_each_promise() {
    for (promise, holds, statements) in PLANTED {
        let found = found(statements).await;
        let is_it = |(of, what): &(u8, &str)| of == promise && what.contains(holds);
        assert!(found.iter().any(is_it), "{statements:?}: {found:?}");
    }
}
