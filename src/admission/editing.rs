//! An admin writes what a member shows, and rules over profiles are held against it at once.

use super::shown::{Before, Doubted};
use crate::app::App;
use crate::changes::{Act, Origin};
use crate::error::Result;
use crate::ids::{MemberId, WorkspaceId};
use crate::scim::etag::Precondition;
use crate::store::workspaces;
use crate::workspace::keys::Scopes;
use crate::workspace::profile::Edit;
use crate::workspace::{edit, permissions};

/// Writes fields of a member, at a version that the precondition allows; else
/// [`crate::error::Error::VersionMismatch`]. A field that a directory keeps is
/// [`crate::error::Error::Conflict`], which names the directory; so is a manager who reports to the
/// member, and what would take the last admin away by a rule over profiles. A `UserID` of another member
/// is [`crate::error::Error::Taken`]. A member who may do more than `scopes` is
/// [`crate::error::Error::Forbidden`], and so is what rules would give or take with it beyond them.
pub async fn edit(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    (workspace, member): (WorkspaceId, MemberId),
    precondition: Precondition,
    edit: Edit,
) -> Result<()> {
    let written = edit.checked()?;
    let act = Act::of(app, origin, workspace);
    let (app_, scopes) = (app.clone(), scopes.clone());
    app.write(move |tx| {
        let (app, act, written) = (app_.clone(), act.clone(), written.clone());
        let (precondition, scopes) = (precondition.clone(), scopes.clone());
        Box::pin(async move {
            if written.manager.set().is_some() {
                // Two who make each other manager at once would both find no circle.
                workspaces::lock(tx, act.workspace).await?;
            }
            let member = edit::lock(tx, &act, member).await?;
            precondition.check_match(member.version)?;
            permissions::check_over(tx, act.workspace, &scopes, member.id).await?;
            let before = Before::of(tx, &app, &act, Some(&member), Doubted::Seen).await?;
            edit::write(tx, &app, &act, &member, &written).await?;
            match before {
                Some(before) => before.settle(tx, (&act, &scopes), member.id).await,
                None => Ok(()),
            }
        })
    })
    .await
}
