//! Groups go away, with what rules gave through them.

use serde_json::json;

use super::membership::{self, Done};
use super::nesting::{self, Leaving, Left};
use super::{Caller, groups, unique};
use crate::admission::brake;
use crate::admission::runs::{self, Run, RunKind, RunState};
use crate::admission::settle::{Rules, settle_locked};
use crate::app::App;
use crate::changes;
use crate::error::{Error, Result};
use crate::ids::{GroupId, MemberId, RunId, UserId};
use crate::mapping::rules as mapping_rules;
use crate::scim::etag::Precondition;
use crate::store::groups as rows;
use crate::store::tx::Tx;
use crate::store::users;
use crate::store::{buried_groups, edges, members, memberships, nestings, workspaces};

/// Deletes a Group: who was in it is told with it, so that it can be given back.
pub(super) async fn remove(
    tx: &mut Tx,
    app: &App,
    caller: &Caller,
    id: GroupId,
    precondition: &Precondition,
) -> Result<()> {
    let (act, place) = (caller.act(app), caller.place());
    workspaces::lock(tx, act.workspace).await?;
    let around = nestings::lock_around(tx, place, id).await?;
    let group = rows::find(tx, place, id)
        .await?
        .ok_or(Error::NotFound("group"))?;
    precondition.check(group.version)?;
    unique::release(tx, caller, caller.registry.group(), id.0).await?;
    buried_groups::insert(tx, place, &group, act.at).await?;
    let is_nested = around.len() > 1;
    let total = if is_nested {
        nestings::count_users(tx, place, id).await?
    } else {
        memberships::count(tx, place, id).await?
    };
    let broken = mapping_rules::break_rules(tx, &act, id).await?;
    let run = (total > app.config.scim.run_threshold).then(RunId::new);
    let left = match run {
        _ if is_nested => {
            let leaving = match run {
                Some(_) => Leaving::ByRun,
                None => Leaving::Now,
            };
            nesting::leave(tx, app, &act, place, id, leaving).await?
        }
        Some(_) => Left::default(),
        None => {
            let users = memberships::list_users(tx, place, id, None, total).await?;
            Left {
                linked: users::lock_linked(tx, place, &users).await?,
                ..Left::default()
            }
        }
    };
    let linked = left.linked;
    let mut done = Done {
        removed_groups: left.held,
        ..Done::default()
    };
    // All of them before the first loses something: the brake is locked after members.
    let ids: Vec<MemberId> = linked.iter().filter_map(|user| user.member).collect();
    let locked = members::lock(tx, act.workspace, &ids).await?;
    // What may end at once ends with its cause; else everybody is held against the brake.
    let ends_now = brake::admits(tx, &act, &broken).await?;
    if ends_now {
        mapping_rules::end_broken(tx, &act, id).await?;
    }
    if let Some(run) = run {
        rows::hide(tx, place, id, act.at).await?;
        let run = Run {
            id: run,
            workspace: act.workspace,
            kind: RunKind::GroupDelete,
            state: RunState::Applying,
            directory: Some(place.directory),
            group_id: Some(id),
            position: None,
            total: memberships::count(tx, place, id).await?,
            processed: 0,
            request: act.origin.request,
            created_at: act.at,
            finished_at: None,
            of: runs::Of::default(),
        };
        runs::plan(tx, &run).await?;
    } else {
        let users: Vec<UserId> = linked.iter().map(|user| user.id).collect();
        done.removed = edges::delete(tx, place, id, &users).await?;
        rows::delete(tx, place, id).await?;
    }
    if !linked.is_empty() {
        let rules = Rules::current(tx, app, &act).await?;
        settle_locked(tx, &act, &locked, &rules).await?;
    }
    if !ends_now && run.is_none() {
        mapping_rules::end_broken(tx, &act, id).await?;
    }
    rows::insert_touches(tx, place, &left.holders, act.at).await?;
    let detail = json!({"members": total, "run": run, "groups": left.holders});
    let version = Some(group.version + 1);
    let change = act.change("group.deleted", ("group", id.0), version, &detail);
    changes::record(tx, act.workspace, &[change]).await?;
    membership::record(tx, &act, id, &done).await?;
    groups::count(tx, place, id, -1).await?;
    Ok(())
}
