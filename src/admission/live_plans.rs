//! Plans by which directories go live, as they are kept for a while: so that whoever applies one that
//! would come to something else by now is told how that differs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::going_live::Plan;
use super::planned::{Count, counts};
use super::plans::LIFE;
use crate::app::App;
use crate::changes::Act;
use crate::error::{Error, Result};
use crate::ids::{UserId, WorkspaceId};
use crate::secrets::sha256;
use crate::store::grants::GrantKind;
use crate::store::plans::{self as rows, Action};
use crate::store::tx::Tx;
use crate::workspace::members::names;

/// How many bytes stand for a User: its id, and a digest of what it comes to.
const DIGEST: usize = 32;
/// For how many Users that is kept.
const KEPT: usize = 20_000;
/// How many Users are named for whom it comes otherwise.
const SAMPLE: usize = 50;

/// How a plan differs from what going live would come to now.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[schemars(rename = "LiveDifference")]
pub struct Difference {
    /// What the plan told.
    pub planned: Counted,
    /// What it would come to now; its hash is what to apply.
    pub now: Plan,
    /// For how many Users it would come otherwise; none where so many are not kept.
    pub differing: Option<usize>,
    /// The first of these Users; 50 at most.
    pub users: Vec<UserId>,
}

/// What a plan told, in counts.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[schemars(rename = "LiveCounted")]
pub struct Counted {
    /// How many would become new members.
    pub new: i64,
    /// How many would be linked to members whom the workspace has.
    pub linked: i64,
    /// How many would be left for an admin to adopt.
    pub conflicts: i64,
    /// How many seats it would take.
    pub seats_needed: i64,
    /// How many would get what by the rules.
    pub gains: Vec<Count>,
    /// How many would lose what.
    pub losses: Vec<Count>,
}

/// The same as it is kept: names are put to it when it is told.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    new: i64,
    linked: i64,
    conflicts: i64,
    seats_needed: i64,
    gains: Vec<(GrantKind, Uuid, i64)>,
    losses: Vec<(GrantKind, Uuid, i64)>,
}

/// What stands for a User and what it comes to, which is a line of text.
pub(super) fn digest(user: UserId, effect: &str) -> [u8; DIGEST] {
    let mut digest = [0; DIGEST];
    digest[..16].copy_from_slice(user.0.as_bytes());
    digest[16..].copy_from_slice(&sha256(effect.as_bytes())[..16]);
    digest
}

/// Keeps a plan.
pub(super) async fn keep(app: &App, act: &Act, plan: &Plan) -> Result<()> {
    let list = |of: &[Count]| of.iter().map(|it| (it.kind, it.id, it.members)).collect();
    let kept = Kept {
        new: plan.new,
        linked: plan.linked,
        conflicts: plan.conflicts,
        seats_needed: plan.seats_needed,
        gains: list(&plan.gains),
        losses: list(&plan.losses),
    };
    let digests = match plan.digests.len() {
        0..=KEPT => plan.digests.as_flattened().to_vec(),
        _ => Vec::new(),
    };
    let row = rows::Plan {
        id: Uuid::now_v7(),
        action: Action::Live,
        rule: None,
        rule_version: None,
        body: None,
        effects: serde_json::to_string(&kept).map_err(Error::internal)?,
        digests,
        hash: plan.hash.clone(),
        actor: act.origin.actor.clone(),
        created_at: act.at,
        expires_at: act.at.after(LIFE),
        applied_at: None,
        run: None,
    };
    let workspace = act.workspace;
    app.write(move |tx| {
        let row = row.clone();
        Box::pin(async move { Ok(rows::insert(tx, workspace, &row).await?) })
    })
    .await
}

/// How the plan of that hash differs from what it would come to now. None that was never told, or is
/// not kept any more, is [`Error::NotFound`].
pub(super) async fn difference(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (hash, now): (&str, Plan),
) -> Result<Difference> {
    let found = rows::find_live(tx, workspace, hash).await?;
    let found = found.ok_or(Error::NotFound("plan"))?;
    let kept: Kept = serde_json::from_str(&found.effects).map_err(Error::internal)?;
    let names = names(tx, workspace).await?;
    let is_kept = !found.digests.is_empty() || kept.new + kept.linked + kept.conflicts == 0;
    let (mut users, mut differing) = (Vec::new(), None);
    if is_kept {
        let before: BTreeSet<&[u8]> = found.digests.chunks_exact(DIGEST).collect();
        let after: BTreeSet<&[u8]> = now.digests.iter().map(|digest| &digest[..]).collect();
        users = before
            .symmetric_difference(&after)
            .filter_map(|digest| Uuid::from_slice(&digest[..16]).ok())
            .map(UserId)
            .collect();
        users.dedup();
        differing = Some(users.len());
        users.truncate(SAMPLE);
    }
    Ok(Difference {
        planned: Counted {
            new: kept.new,
            linked: kept.linked,
            conflicts: kept.conflicts,
            seats_needed: kept.seats_needed,
            gains: counts(&names, kept.gains.into_iter()),
            losses: counts(&names, kept.losses.into_iter()),
        },
        now,
        differing,
        users,
    })
}
