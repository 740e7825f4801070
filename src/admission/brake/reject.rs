//! What waits is rejected: whoever was to lose something has it from now on because an admin says so.
//! A status that a directory wants does not come, however often it says the same. It ends when the
//! fact changes again, by which it is the directory's and the rules' once more, or when an admin ends
//! it as anything that was given by hand.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use uuid::Uuid;

use super::release::{BATCH, Which};
use crate::admission::defining::check_rights;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::Result;
use crate::ids::{CauseId, MemberId, WorkspaceId};
use crate::store::braked as rows;
use crate::store::causes::{self, CauseKind};
use crate::store::grants::{self, GrantKind, LiveGrant};
use crate::store::members::{self, Member};
use crate::store::tx::Tx;
use crate::workspace::keys::Scopes;
use crate::workspace::ledger::{self, Difference};
use crate::workspace::permissions;

/// Rejects what waits for members, who keep what they were to lose; of one for whom nothing waits there
/// is nothing to do. Tells for how many it was rejected. What `scopes` do not cover is
/// [`crate::error::Error::Forbidden`]: nobody keeps by somebody what that one could not give.
pub async fn reject(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    which: Which,
) -> Result<usize> {
    let mut count = 0;
    match which {
        Which::These(members) => {
            for members in members.chunks(BATCH) {
                count += batch(app, (origin, scopes), workspace, members.to_vec()).await?;
            }
        }
        Which::All => {
            let mut after = None;
            loop {
                let mut tx = app.db.one().await?;
                let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
                let held = rows::list_held(&mut tx, workspace, after, most, None).await?;
                drop(tx);
                let Some(last) = held.last() else { break };
                after = Some(*last);
                count += batch(app, (origin, scopes), workspace, held).await?;
            }
        }
    }
    Ok(count)
}

async fn batch(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    members: Vec<MemberId>,
) -> Result<usize> {
    let (act, scopes) = (Act::of(app, origin, workspace), scopes.clone());
    app.write(move |tx| {
        let (act, scopes, members) = (act.clone(), scopes.clone(), members.clone());
        Box::pin(async move { within(tx, (&act, &scopes), &members).await })
    })
    .await
}

async fn within(tx: &mut Tx, (act, scopes): (&Act, &Scopes), ids: &[MemberId]) -> Result<usize> {
    let mut locked = members::lock(tx, act.workspace, ids).await?;
    locked.retain(|member| member.braked_at.is_some());
    let ids: Vec<MemberId> = locked.iter().map(|member| member.id).collect();
    let mut had: BTreeMap<MemberId, BTreeSet<(GrantKind, Uuid)>> = BTreeMap::new();
    let mut kept: BTreeMap<MemberId, Vec<LiveGrant>> = BTreeMap::new();
    for grant in grants::list_standing(tx, act.workspace, &ids).await? {
        if grant.is_braked {
            kept.entry(grant.member).or_default().push(grant);
        } else if grant.is_effective {
            let of = had.entry(grant.member).or_default();
            of.insert((grant.kind, grant.target));
        }
    }
    let rights = kept.values().flatten();
    let rights = rights.map(|grant| (grant.kind, grant.target)).collect();
    check_rights(tx, act.workspace, scopes, &rights).await?;
    for member in &ids {
        permissions::check_over(tx, act.workspace, scopes, *member).await?;
    }
    let rejected = rows::reject(tx, act.workspace, &ids, act.at).await?;
    let versions: BTreeMap<MemberId, i64> = rejected.iter().map(|it| (it.id, it.version)).collect();
    let told: Vec<_> = locked
        .iter()
        .map(|member| {
            let detail = json!({"wants": member.brake_wants, "held_at": member.braked_at});
            let (subject, version) = (("member", member.id.0), versions.get(&member.id).copied());
            act.change("member.brake_rejected", subject, version, &detail)
        })
        .collect();
    changes::record(tx, act.workspace, &told).await?;
    let mut causes: BTreeMap<CauseId, CauseId> = BTreeMap::new();
    for member in &locked {
        let (Some(grants), Some(version)) = (kept.remove(&member.id), versions.get(&member.id))
        else {
            continue;
        };
        let had = had.remove(&member.id).unwrap_or_default();
        give(tx, act, (member, *version), (grants, &had), &mut causes).await?;
    }
    Ok(ids.len())
}

/// What rules gave is the admin's to give, and theirs no more; each of their causes has one of its own
/// for it.
async fn give(
    tx: &mut Tx,
    act: &Act,
    (member, version): (&Member, i64),
    (kept, had): (Vec<LiveGrant>, &BTreeSet<(GrantKind, Uuid)>),
    causes: &mut BTreeMap<CauseId, CauseId>,
) -> Result<()> {
    let kind = if act.origin.credential.is_some() {
        CauseKind::ApiKey
    } else {
        CauseKind::Admin
    };
    let actor = act.origin.actor.as_deref().unwrap_or("api key");
    let mut begun: BTreeMap<(GrantKind, Uuid), CauseId> = BTreeMap::new();
    let is_new = |grant: &&LiveGrant| !had.contains(&(grant.kind, grant.target));
    for grant in kept.iter().filter(is_new) {
        let known = causes.get(&grant.cause).copied();
        let cause = known.unwrap_or_else(CauseId::new);
        if known.is_none() {
            let of = (cause, grant.cause);
            causes::insert_keeping(tx, act.workspace, of, kind, actor, act.at).await?;
            causes.insert(grant.cause, cause);
        }
        begun.entry((grant.kind, grant.target)).or_insert(cause);
    }
    let begun = begun.into_iter();
    let begun = begun.map(|((kind, target), cause)| (kind, target, cause));
    let difference = Difference::of(begun.collect(), kept);
    let differences = BTreeMap::from([(member.id, (version, difference))]);
    ledger::apply(tx, act, &differences, member.rules_version, None).await
}
