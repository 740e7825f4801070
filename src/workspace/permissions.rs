//! Permissions: single rights, named by the product and by the deployment.

use uuid::Uuid;

use super::awaiting;
use super::keys::{Permission, Scopes};
use crate::app::App;
use crate::changes::Act;
use crate::error::{Error, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::store::api_keys;
use crate::store::roles as rows;
use crate::store::tx::Tx;

/// Refuses what neither the product nor the deployment's catalogue names.
pub fn check(app: &App, name: &str) -> Result<()> {
    let own = &app.config.permissions.catalogue;
    if built_in(name).is_some() || own.iter().any(|known| known == name) {
        return Ok(());
    }
    Err(Error::value(format!(
        "\"{name}\" is no permission of this deployment"
    )))
}

/// The permission of Gatehouse itself of that name.
fn built_in(name: &str) -> Option<Permission> {
    let found = name.parse().ok();
    found.filter(|found| *found != Permission::Everything)
}

/// Refuses what would give or take permissions beyond those of whoever acts: [`Error::Forbidden`].
///
/// Of Gatehouse's own permissions nobody gives or takes more than it has: they would be turned against
/// the workspace's own admins. Apps' permissions are the workspace's to hand out: whoever may manage its
/// roles (`roles.manage`) gives any of the deployment's catalogue, and need not answer chats itself to
/// let others answer them. A person without that right passes on those that it has. A key of a workspace
/// or of the operators is nobody's own and can have no app's permission: it passes on apps' permissions
/// with the right to give at all. Whoever may make such keys (`keys.manage`) may therefore do so by one.
pub fn check_covered<'a>(
    scopes: &Scopes,
    names: impl IntoIterator<Item = &'a String>,
) -> Result<()> {
    let mut asked = names.into_iter();
    if asked.all(|name| scopes.hold(name)) {
        Ok(())
    } else {
        Err(Error::Forbidden)
    }
}

/// The same for what is done to a member who has those permissions. Apps' permissions make nobody
/// greater here: an admin looks after people who answer chats without answering any.
pub fn check_over_these<'a>(
    scopes: &Scopes,
    names: impl IntoIterator<Item = &'a String>,
) -> Result<()> {
    let mut theirs = names.into_iter().filter_map(|name| built_in(name));
    if theirs.all(|permission| scopes.allow(permission)) {
        Ok(())
    } else {
        Err(Error::Forbidden)
    }
}

/// Refuses whoever acts upon a member who may do more of what Gatehouse itself lets people do:
/// [`Error::Forbidden`]. Rights count that wait for the member to come in.
pub async fn check_over(
    tx: &mut Tx,
    workspace: WorkspaceId,
    scopes: &Scopes,
    member: MemberId,
) -> Result<()> {
    awaiting::check_over(tx, workspace, scopes, member).await?;
    let rights = api_keys::find_rights(tx, workspace, member).await?;
    if scopes.cover(&rights) {
        Ok(())
    } else {
        Err(Error::Forbidden)
    }
}

/// The id by which grants of this workspace point at a permission; made with the first.
pub async fn find(tx: &mut Tx, app: &App, act: &Act, name: &str) -> Result<Uuid> {
    check(app, name)?;
    rows::insert_permission(tx, act.workspace, Uuid::now_v7(), name).await?;
    Ok(rows::find_permission(tx, act.workspace, name).await?)
}
