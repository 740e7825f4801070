//! Members whom a restore brought back, and who may have been shut out since the backup: they are
//! held until their directory says that they are in, or an admin does. A User's own `active` is no
//! such word, since it came out of the backup too: only a request that writes `active` is one.
//!
//! Groups and who is in them are those of the backup until the directory sends them again, and
//! nothing holds them: whoever is released has the rights of the groups as they are stored.

use serde_json::json;

use crate::app::App;
use crate::changes::{self, Act, Change, Origin};
use crate::error::{Error, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::store::members;
use crate::store::tx::Tx;
use crate::workspace::guard;

/// How many members a transaction releases.
const BATCH: i64 = 500;

/// What stands in a User about whether its person is in, and who put it there.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// Whether the person is in.
    pub active: bool,
    /// Whether this request says so; otherwise it stands from before, and perhaps from a backup.
    pub is_written: bool,
}

impl Word {
    /// Whether the directory says now that the person is in.
    #[must_use]
    pub fn lets_in(self) -> bool {
        self.active && self.is_written
    }
}

/// A User was written and is as it was: where the request says that it is in, its member has its
/// rights again. Gives the change to be told, if the member was held.
pub async fn confirm(
    tx: &mut Tx,
    act: &Act,
    member: MemberId,
    word: Word,
) -> Result<Option<Change>> {
    if !word.lets_in() {
        return Ok(None);
    }
    Ok(free(tx, act, &[member]).await?.pop())
}

/// An admin says that a member is in.
pub async fn release(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<()> {
    let act = Act::of(app, origin, workspace);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let told = free(tx, &act, &[member]).await?;
            if told.is_empty() {
                return Err(Error::NotFound("held member"));
            }
            changes::record(tx, workspace, &told).await
        })
    })
    .await
}

/// An admin says that every member of a workspace is in who is held; tells how many those were.
pub async fn release_all(app: &App, origin: &Origin, workspace: WorkspaceId) -> Result<usize> {
    let act = Act::of(app, origin, workspace);
    let (mut count, mut after) = (0, None);
    loop {
        let act = act.clone();
        let released = app.write(move |tx| {
            let act = act.clone();
            Box::pin(async move {
                let held = members::lock_held(tx, workspace, after, BATCH).await?;
                let told = free(tx, &act, &held).await?;
                changes::record(tx, workspace, &told).await?;
                Ok((told.len(), held.last().copied()))
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

/// Gives members back what they have; gives the changes to be told of those who were held.
async fn free(tx: &mut Tx, act: &Act, members: &[MemberId]) -> Result<Vec<Change>> {
    let released = members::release(tx, act.workspace, members, act.at).await?;
    let told = released.into_iter().map(|member| {
        let subject = ("member", member.id.0);
        let detail = json!({"status": member.status});
        act.change("member.released", subject, Some(member.version), &detail)
    });
    let told: Vec<_> = told.collect();
    if !told.is_empty() {
        guard::let_go(tx, act).await?;
    }
    Ok(told)
}
