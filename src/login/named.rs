//! What an admin names of a workspace in setting a connection.

use std::collections::BTreeSet;

use super::settings::{Edit, Named};
use crate::app::App;
use crate::directory;
use crate::error::{Error, Result};
use crate::ids::{RoleId, TeamId, WorkspaceId};
use crate::scim::fold;
use crate::store::{roles, teams, workspaces};
use crate::workspace::profile::Say;

/// The directory, teams and roles that an edit names, each by name or id; an empty text names no
/// directory. What is not there is [`Error::NotFound`].
pub(super) async fn find(app: &App, workspace: WorkspaceId, edit: &Edit) -> Result<Named> {
    let directory = match edit.directory.as_deref() {
        None => Say::Nothing,
        Some("") => Say::Clear,
        Some(named) => {
            let found = match named.parse() {
                Ok(id) => directory::find_by_id(app, workspace, id).await?,
                Err(_) => directory::find(app, workspace, named).await?,
            };
            Say::Set(found.id)
        }
    };
    let mut found = Named {
        directory,
        ..Named::default()
    };
    let mut tx = app.db.one().await?;
    if let Some(names) = &edit.newcomer_teams {
        let mut ids = BTreeSet::new();
        for name in names {
            let team = match name.parse() {
                Ok(id) => teams::find_live(&mut tx, workspace, id).await?,
                Err(_) => workspaces::find_team(&mut tx, workspace, &fold::key(name)).await?,
            };
            ids.insert(TeamId(team.ok_or(Error::NotFound("team"))?.id));
        }
        found.teams = Some(ids);
    }
    if let Some(names) = &edit.newcomer_roles {
        let mut ids = BTreeSet::new();
        for name in names {
            let role = match name.parse() {
                Ok(id) => roles::find(&mut tx, workspace, id).await?,
                Err(_) => workspaces::find_role(&mut tx, workspace, &fold::key(name)).await?,
            };
            ids.insert(RoleId(role.ok_or(Error::NotFound("role"))?.id));
        }
        found.roles = Some(ids);
    }
    Ok(found)
}
