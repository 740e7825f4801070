//! Every statement of what an operator does fails once, before it and after it: a token is there or
//! not, revoked or not, a rule likewise, and the record of it with it.

use gatehouse::admission::rules::{self, NewRule};
use gatehouse::changes::Origin;
use gatehouse::directory::credentials;
use gatehouse::error::Result;
use gatehouse::store::faults::{Fault, Point};

use crate::gateway::{Gateway, Scim};

/// No act has more statements than this.
const MOST: u32 = 40;

const ACTS: [&str; 3] = ["issue a token", "revoke a token", "add a rule"];

async fn act(gateway: &Gateway, scim: &Scim, name: &str) -> Result<()> {
    let (app, origin, directory) = (&gateway.app, Origin::cli(), &scim.directory);
    let workspace = &gateway.workspace;
    let rule = || NewRule {
        directory: "idp".to_owned(),
        groups: vec!["Crew".to_owned()],
        teams: vec!["Team".to_owned()],
        ..NewRule::default()
    };
    match name {
        "issue a token" => credentials::issue(app, &origin, directory, None)
            .await
            .map(|_| ()),
        "revoke a token" => {
            let known = credentials::list(app, directory).await?;
            let live = known.iter().filter(|token| token.revoked_at.is_none());
            let newest = live.last().expect("a live token").id;
            credentials::revoke(app, &origin, directory, newest).await
        }
        _ => rules::add(app, &origin, workspace, rule())
            .await
            .map(|_| ()),
    }
}

/// Live tokens, rules with what they grant, and records.
async fn state(gateway: &Gateway, scim: &Scim) -> (usize, [i64; 4]) {
    let known = credentials::list(&gateway.app, &scim.directory).await;
    let known = known.expect("listed");
    let live = known.iter().filter(|token| token.revoked_at.is_none());
    let mut rows = [0; 4];
    for (rows, table) in rows
        .iter_mut()
        .zip(["rules", "rule_groups", "teams", "changes"])
    {
        *rows = gateway.count(table).await;
    }
    (live.count(), rows)
}

// C220
#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_does_is_done_whole_or_not_at_all() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    for point in [Point::Before as fn(u32) -> Point, Point::After] {
        for name in ACTS {
            for statement in 1.. {
                assert!(statement < MOST, "{name} has an end");
                let before = state(&gateway, &scim).await;
                gateway
                    .app
                    .db
                    .faults()
                    .arm_at(point(statement), Fault::Error);
                let done = act(&gateway, &scim, name).await;
                if gateway.app.db.faults().disarm() {
                    assert!(done.is_ok(), "{name}: {done:?}");
                    assert_ne!(state(&gateway, &scim).await, before, "{name}");
                    assert!(statement > 2, "{name} must have statements");
                    break;
                }
                assert!(done.is_err(), "{name}, statement {statement}");
                assert_eq!(
                    state(&gateway, &scim).await,
                    before,
                    "{name}, statement {statement}"
                );
            }
        }
    }
    gateway.check().await;
}
