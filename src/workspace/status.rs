//! An admin shuts a member out, lets it in again or takes it out of the workspace. Who may do less than
//! the member is [`Error::Forbidden`].

use serde_json::json;

use super::edit::{lock, profile_of};
use super::keys::Scopes;
use super::{At, guard, manual, permissions, seats};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::scim::etag::Precondition;
use crate::store::details;
use crate::store::members::{self, Hold, Member, Status};
use crate::store::tx::Tx;

/// Shuts a member out until an admin lets it in again, whatever its directory says: off with the
/// commit, for its access epoch rises. One who was never in, the last admin and a protected one are
/// [`Error::Conflict`].
pub async fn suspend(
    app: &App,
    by: (&Origin, &Scopes),
    which: impl Into<At<MemberId>>,
) -> Result<()> {
    act(app, by, which.into(), |tx, act, member| {
        Box::pin(async move {
            if member.barred_at.is_some() {
                return Ok(());
            }
            if !matches!(member.status, Status::Active | Status::Suspended) {
                return Err(Error::Conflict(
                    "this member has not come in yet; remove it instead".to_owned(),
                ));
            }
            guard::refuse_protected(member.protected)?;
            guard::spare(tx, act.workspace, member.id).await?;
            details::update_barred(tx, act.workspace, member.id, Some(act.at)).await?;
            // Held by a restore as well: to be let in takes an admin's word in any case.
            write(tx, act, member, (Status::Suspended, Hold::End)).await?;
            tell(tx, act, member, "member.suspended", Status::Suspended).await
        })
    })
    .await
}

/// Lets a member in again. While every directory that has it says that it is out, that is theirs to
/// say: [`Error::Conflict`].
pub async fn activate(
    app: &App,
    by: (&Origin, &Scopes),
    which: impl Into<At<MemberId>>,
) -> Result<()> {
    act(app, by, which.into(), |tx, act, member| {
        Box::pin(async move {
            if member.status == Status::Active && member.held_at.is_none() {
                return Ok(());
            }
            if !matches!(member.status, Status::Active | Status::Suspended) {
                return Err(Error::Conflict(
                    "this member has not come in yet; it does so by its invite".to_owned(),
                ));
            }
            let holders = details::list_holders(tx, act.workspace, member.id).await?;
            if let Some(holder) = holders.first()
                && holders.iter().all(|holder| !holder.active)
            {
                return Err(Error::Conflict(format!(
                    "the directory \"{}\" says that this person is out; it comes in again there",
                    holder.name
                )));
            }
            details::update_barred(tx, act.workspace, member.id, None).await?;
            write(tx, act, member, (Status::Active, Hold::End)).await?;
            tell(tx, act, member, "member.reactivated", Status::Active).await?;
            guard::let_go(tx, act).await
        })
    })
    .await
}

/// Takes a member out of the workspace: its id and history stay, its grants end for good. A member
/// whom a directory has, the last admin and a protected one are [`Error::Conflict`].
pub async fn remove(
    app: &App,
    by: (&Origin, &Scopes),
    (workspace, member): (WorkspaceId, MemberId),
    precondition: Precondition,
) -> Result<()> {
    let which = (workspace, member, precondition).into();
    act(app, by, which, |tx, act, member| {
        Box::pin(async move { take_out(tx, act, member).await })
    })
    .await
}

/// Takes a locked member out, on the terms of [`remove`].
pub async fn take_out(tx: &mut Tx, act: &Act, member: &Member) -> Result<()> {
    let holders = details::list_holders(tx, act.workspace, member.id).await?;
    if let Some(holder) = holders.first() {
        return Err(Error::Conflict(format!(
            "the directory \"{}\" has this person; take it out there, or suspend it here",
            holder.name
        )));
    }
    guard::refuse_protected(member.protected)?;
    guard::spare(tx, act.workspace, member.id).await?;
    details::update_barred(tx, act.workspace, member.id, None).await?;
    write(tx, act, member, (Status::Removed, Hold::End)).await?;
    tell(tx, act, member, "member.removed", Status::Removed).await?;
    let mut member = member.clone();
    member.version += 1;
    manual::end_everything(tx, act, &member).await
}

/// Says that no directory and no other admin takes this one away, or takes that back; for operators.
pub async fn protect(
    app: &App,
    origin: &Origin,
    (workspace, member): (WorkspaceId, MemberId),
    protected: bool,
) -> Result<()> {
    act(
        app,
        (origin, &Scopes::everything()),
        (workspace, member).into(),
        move |tx, act, member| {
            Box::pin(async move {
                if member.protected == protected {
                    return Ok(());
                }
                details::update_protected(tx, act.workspace, member.id, protected).await?;
                write(tx, act, member, (member.status, Hold::Keep)).await?;
                let kind = if protected {
                    "member.protected"
                } else {
                    "member.unprotected"
                };
                tell(tx, act, member, kind, member.status).await?;
                if protected {
                    return Ok(());
                }
                // What was kept of it ends, unless it is the last admin's.
                guard::let_go(tx, act).await
            })
        },
    )
    .await
}

/// One transaction about one locked member, who may do no more than whoever acts.
async fn act<F>(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    which: At<MemberId>,
    work: F,
) -> Result<()>
where
    F: for<'t> Fn(
            &'t mut Tx,
            &'t Act,
            &'t Member,
        ) -> futures_util::future::BoxFuture<'t, Result<()>>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let (act, scopes) = (Act::of(app, origin, which.workspace), scopes.clone());
    app.write(move |tx| {
        let (act, scopes, work) = (act.clone(), scopes.clone(), work.clone());
        let which = which.clone();
        Box::pin(async move {
            let member = lock(tx, &act, which.id).await?;
            which.precondition.check_match(member.version)?;
            permissions::check_over(tx, which.workspace, &scopes, member.id).await?;
            work(tx, &act, &member).await
        })
    })
    .await
}

async fn write(tx: &mut Tx, act: &Act, member: &Member, outcome: (Status, Hold)) -> Result<()> {
    let mut profile = profile_of(member);
    if outcome.0 == Status::Removed {
        // A member who left is not found by address.
        profile.email_key = None;
    }
    members::update(tx, act.workspace, member.id, &profile, outcome, act.at).await?;
    seats::follow(tx, act, member.id, Some(member), outcome.0).await
}

async fn tell(tx: &mut Tx, act: &Act, member: &Member, kind: &str, status: Status) -> Result<()> {
    let subject = ("member", member.id.0);
    let detail = json!({"status": status});
    let change = act.change(kind, subject, Some(member.version + 1), &detail);
    changes::record(tx, act.workspace, &[change]).await
}
