//! Members whom a restore brought back, and who may have been shut out since the backup: they are
//! held until their directory says that they are in, or an admin does.

use serde_json::json;

use crate::app::App;
use crate::changes::{self, Act, Change, Origin};
use crate::error::{Error, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::store::db::Tx;
use crate::store::members::{self, Member};

/// How many members a transaction releases.
const BATCH: i64 = 500;

/// A directory says of a User that it is as it was: where that is in, its member has its rights
/// again. Gives the change to be told, if the member was held.
pub async fn confirm(
    tx: &mut Tx,
    act: &Act,
    member: MemberId,
    active: bool,
) -> Result<Option<Change>> {
    if !active || !members::is_held(tx, act.workspace, member).await? {
        return Ok(None);
    }
    match members::lock(tx, act.workspace, &[member]).await?.pop() {
        Some(member) => free(tx, act, &member).await,
        None => Ok(None),
    }
}

/// An admin says that a member is in.
pub async fn release(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<()> {
    let act = act(app, origin, workspace);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let locked = members::lock(tx, workspace, &[member]).await?.pop();
            let member = locked.ok_or(Error::NotFound("member"))?;
            let told = free(tx, &act, &member).await?;
            let told = told.ok_or(Error::NotFound("held member"))?;
            changes::record(tx, workspace, &[told]).await
        })
    })
    .await
}

/// An admin says that every member of a workspace is in who is held; tells how many those were.
pub async fn release_all(app: &App, origin: &Origin, workspace: WorkspaceId) -> Result<usize> {
    let act = act(app, origin, workspace);
    let (mut count, mut after) = (0, None);
    loop {
        let act = act.clone();
        let released = app.write(move |tx| {
            let act = act.clone();
            Box::pin(async move {
                let held = members::lock_held(tx, workspace, after, BATCH).await?;
                let mut told = Vec::new();
                for member in &held {
                    told.extend(free(tx, &act, member).await?);
                }
                changes::record(tx, workspace, &told).await?;
                Ok((told.len(), held.last().map(|member| member.id)))
            })
        });
        let (released, last) = released.await?;
        count += released;
        if last.is_none() {
            return Ok(count);
        }
        after = last;
    }
}

fn act(app: &App, origin: &Origin, workspace: WorkspaceId) -> Act {
    Act {
        origin: origin.clone(),
        workspace,
        directory: None,
        at: app.clock.now(),
    }
}

/// Gives a locked member back what it has; gives the change to be told, if it was held.
async fn free(tx: &mut Tx, act: &Act, member: &Member) -> Result<Option<Change>> {
    if !members::release(tx, act.workspace, member.id, act.at).await? {
        return Ok(None);
    }
    let subject = ("member", member.id.0);
    let version = Some(member.version + 1);
    let detail = json!({"status": member.status});
    Ok(Some(act.change(
        "member.released",
        subject,
        version,
        &detail,
    )))
}
