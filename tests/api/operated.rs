//! What an operator does leaves its record, and is done whole or not at all: each statement fails
//! once, before it and after it.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse::admission::rules::{self, NewRule};
use gatehouse::changes::Origin;
use gatehouse::directory::{self, credentials};
use gatehouse::error::Result;
use gatehouse::ids::CredentialId;
use gatehouse::store::faults::{Fault, Point};
use gatehouse::workspace::keys::{self, Permission, Scopes};
use gatehouse::workspace::{self, schemas};
use serde_json::json;

use crate::gateway::{Gateway, Scim};
use crate::keys::new_key;

/// No act has more statements than this.
const MOST: u32 = 40;

const ACTS: [&str; 5] = [
    "issue a token",
    "revoke a token",
    "add a rule",
    "issue a key",
    "revoke a key",
];

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
            let mut live = known.iter().filter(|token| token.revoked_at.is_none());
            let newest = live.next_back().expect("a live token").id;
            credentials::revoke(app, &origin, directory, newest).await
        }
        "issue a key" => {
            let new = new_key(&[Permission::MembersRead]);
            let scopes = Scopes::everything();
            let issued = keys::issue(app, &origin, Some(workspace.id), &scopes, new).await;
            issued.map(|_| ())
        }
        "revoke a key" => {
            let known = keys::list(app, Some(workspace.id)).await?;
            let mut live = known.iter().filter(|key| key.revoked_at.is_none());
            let newest = live.next_back().expect("a live key").id;
            keys::revoke(app, &origin, Some(workspace.id), newest).await
        }
        _ => rules::add(app, &origin, workspace, rule())
            .await
            .map(|_| ()),
    }
}

/// Live tokens, rules with what they grant, and records.
async fn state(gateway: &Gateway, scim: &Scim) -> (usize, [i64; 5]) {
    let known = credentials::list(&gateway.app, &scim.directory).await;
    let known = known.expect("listed");
    let live = known.iter().filter(|token| token.revoked_at.is_none());
    let mut rows = [0; 5];
    let live_keys = "api_keys WHERE revoked_at IS NULL";
    for (rows, table) in
        rows.iter_mut()
            .zip(["rules", "rule_groups", "teams", "changes", live_keys])
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

/// How many records there are of each kind, by whom.
async fn records(gateway: &Gateway) -> BTreeMap<String, usize> {
    let mut records = BTreeMap::new();
    let kinds = gateway.texts("changes", "kind || ' by ' || actor").await;
    for kind in kinds {
        *records.entry(kind).or_default() += 1;
    }
    records
}

// C212
#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_does_is_told_once_with_who_did_it() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (app, origin) = (&gateway.app, Origin::cli());
    let mut before = records(&gateway).await;
    let mut tells = async |kind: &str| {
        let after = records(&gateway).await;
        *before.entry(format!("{kind} by cli")).or_default() += 1;
        assert_eq!(after, before);
    };
    for (name, kind) in ACTS.into_iter().zip([
        "directory.token_issued",
        "directory.token_revoked",
        "rule.added",
        "api_key.issued",
        "api_key.revoked",
    ]) {
        act(&gateway, &scim, name).await.unwrap();
        tells(kind).await;
    }
    let mut directory = scim.directory.clone();
    directory.strict = true;
    directory::update(app, &origin, &directory).await.unwrap();
    tells("directory.updated").await;
    let issued = credentials::issue(app, &origin, &directory, None).await;
    tells("directory.token_issued").await;
    let kept = issued.unwrap().credential.id;
    let overlap = Duration::from_hours(1);
    credentials::limit_others(app, &origin, &directory, kept, overlap)
        .await
        .unwrap();
    tells("directory.tokens_limited").await;
    let schema = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": "urn:acme:Badge", "name": "Badge",
        "attributes": [{"name": "number", "type": "string"}],
    });
    schemas::add(app, &origin, &gateway.workspace, vec![schema])
        .await
        .unwrap();
    tells("schemas.registered").await;
    schemas::remove(app, &origin, &gateway.workspace, "urn:acme:Badge")
        .await
        .unwrap();
    tells("schemas.removed").await;
    // What is refused changes nothing, and says nothing of a change.
    let unknown = credentials::revoke(app, &origin, &directory, CredentialId::new()).await;
    assert!(unknown.is_err());
    assert!(
        workspace::create(app, &origin, "acme", "Again")
            .await
            .is_err()
    );
    assert_eq!(records(&gateway).await, before);
}
