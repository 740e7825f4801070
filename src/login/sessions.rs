//! Sessions of members, as admins see and end them.

use crate::accounts::sessions::{self, Listed};
use crate::app::App;
use crate::changes::Origin;
use crate::error::Result;
use crate::ids::{MemberId, SessionId, WorkspaceId};
use crate::workspace::keys::Scopes;
use crate::workspace::{members, permissions};

/// The live sessions of a member, the newest first.
pub async fn list(app: &App, whose: (WorkspaceId, MemberId)) -> Result<Vec<Listed>> {
    members::show(app, whose.0, whose.1).await?;
    sessions::list(app, whose).await
}

/// Ends one session of a member. A member who may do more than `scopes` is
/// [`crate::error::Error::Forbidden`].
pub async fn end(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    whose: (WorkspaceId, MemberId),
    session: SessionId,
) -> Result<()> {
    check_over(app, scopes, whose).await?;
    sessions::end(app, origin, whose, session).await
}

/// Ends all sessions of a member; tells how many. A member who may do more than `scopes` is
/// [`crate::error::Error::Forbidden`].
pub async fn end_all(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    whose: (WorkspaceId, MemberId),
) -> Result<u64> {
    check_over(app, scopes, whose).await?;
    sessions::end_all(app, origin, whose, None).await
}

async fn check_over(
    app: &App,
    scopes: &Scopes,
    (workspace, member): (WorkspaceId, MemberId),
) -> Result<()> {
    members::show(app, workspace, member).await?;
    let mut tx = app.db.read().await?;
    permissions::check_over(&mut tx, workspace, scopes, member).await
}
