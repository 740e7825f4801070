//! Writes differences into the ledger: grants begun and ended, the change that tells of them, and
//! the member's version.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::changes::{self, Act};
use crate::error::Result;
use crate::ids::{CauseId, GrantId, MemberId, RunId};
use crate::store::grants::{GrantKind, LiveGrant, NewGrant};
use crate::store::tx::Tx;
use crate::store::{grants as rows, members};

/// What changes for one member.
#[derive(Debug, Default)]
pub struct Difference {
    /// Grants that begin: what, and because of what.
    pub begun: Vec<(GrantKind, Uuid, CauseId)>,
    /// Grants that end.
    pub ended: Vec<LiveGrant>,
    /// Everything that rules want for the member.
    pub wanted: BTreeSet<(GrantKind, Uuid)>,
    /// Grants that the brake keeps and that are wanted again.
    pub regained: Vec<GrantId>,
    /// What the member has by something else than a rule, or is kept for it, where that was looked at.
    pub standing: BTreeSet<(GrantKind, Uuid)>,
}

impl Difference {
    /// What begins and ends by hand.
    pub fn of(begun: Vec<(GrantKind, Uuid, CauseId)>, ended: Vec<LiveGrant>) -> Self {
        Self {
            begun,
            ended,
            ..Self::default()
        }
    }

    /// Whether nothing changes.
    pub fn is_nothing(&self) -> bool {
        self.begun.is_empty() && self.ended.is_empty() && self.regained.is_empty()
    }

    /// The grants that end and whose rights the member loses by it: no other grant gives them.
    pub fn lost(&self) -> impl Iterator<Item = &LiveGrant> {
        self.ended.iter().filter(|grant| {
            let right = (grant.kind, grant.target);
            let is_had = self.wanted.contains(&right) || self.standing.contains(&right);
            grant.is_effective && !grant.is_braked && !is_had
        })
    }
}

/// Writes the differences of locked members, whose versions are given; each gets one change
/// `member.grants_changed` and the rules version under which it was settled.
pub async fn apply(
    tx: &mut Tx,
    act: &Act,
    differences: &BTreeMap<MemberId, (i64, Difference)>,
    rules_version: i64,
    run: Option<RunId>,
) -> Result<()> {
    let mut changes = Vec::with_capacity(differences.len());
    let mut begun = Vec::new();
    let mut ended = Vec::new();
    for (member, (version, difference)) in differences {
        let change = act.change(
            "member.grants_changed",
            ("member", member.0),
            Some(version + 1),
            &detail(difference, run),
        );
        begun.extend(
            difference
                .begun
                .iter()
                .map(|(kind, target, cause)| NewGrant {
                    id: GrantId::new(),
                    member: *member,
                    kind: *kind,
                    target: *target,
                    cause: *cause,
                    begun_change: change.id,
                }),
        );
        ended.extend(difference.ended.iter().map(|grant| (grant.id, change.id)));
        changes.push(change);
    }
    changes::record(tx, act.workspace, &changes).await?;
    rows::insert(tx, act.workspace, &begun, run, act.at).await?;
    rows::update_ended(tx, act.workspace, &ended, act.at).await?;
    let ids: Vec<_> = differences.keys().copied().collect();
    members::update_versions(tx, act.workspace, &ids, rules_version, act.at).await?;
    Ok(())
}

fn detail(difference: &Difference, run: Option<RunId>) -> Value {
    let begun: Vec<_> = difference
        .begun
        .iter()
        .map(|(kind, target, cause)| json!({"kind": kind, "target": target, "cause": cause}))
        .collect();
    let ended: Vec<_> = difference
        .ended
        .iter()
        .map(|grant| json!({"kind": grant.kind, "target": grant.target, "cause": grant.cause}))
        .collect();
    match run {
        Some(run) => json!({"begun": begun, "ended": ended, "run": run}),
        None => json!({"begun": begun, "ended": ended}),
    }
}
