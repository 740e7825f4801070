//! What a workspace is called, and what holds for all of it.

use serde::Deserialize;
use serde_json::json;

use super::keys::{Permission, Scopes};
use super::{Workspace, permissions, roles};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::scim::fold;
use crate::store::tx::Tx;
use crate::store::{access, workspaces as rows};

/// What of a workspace is to be another; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WorkspaceEdit")]
#[schemars(extend("examples" = [{"admins_in_all_teams": true}]))]
pub struct Edit {
    /// Its name for people; for operators.
    pub name: Option<String>,
    /// Whether admins have access in every enabled team, or in those alone that they are in.
    pub admins_in_all_teams: Option<bool>,
}

/// Changes a workspace. Whoever may not do so, or may do less than the admins whose access it
/// changes, is [`Error::Forbidden`].
pub async fn edit(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: &Workspace,
    edit: Edit,
) -> Result<()> {
    let (act, scopes) = (Act::of(app, origin, workspace.id), scopes.clone());
    if edit == Edit::default() {
        return Ok(());
    }
    app.write(move |tx| {
        let (act, scopes, edit) = (act.clone(), scopes.clone(), edit.clone());
        Box::pin(async move { edit_within(tx, (&act, &scopes), &edit).await })
    })
    .await?;
    app.credentials.invalidate_all();
    app.api_keys.invalidate_all();
    Ok(())
}

/// The same in the transaction of a wider change.
pub async fn edit_within(tx: &mut Tx, (act, scopes): (&Act, &Scopes), edit: &Edit) -> Result<()> {
    rows::lock(tx, act.workspace).await?;
    if let Some(name) = &edit.name {
        rename(tx, (act, scopes), name.trim()).await?;
    }
    if let Some(in_all_teams) = edit.admins_in_all_teams {
        widen(tx, (act, scopes), in_all_teams).await?;
    }
    Ok(())
}

async fn rename(tx: &mut Tx, (act, scopes): (&Act, &Scopes), name: &str) -> Result<()> {
    if !scopes.allow(Permission::Everything) {
        return Err(Error::Forbidden);
    }
    fold::check_name(name, "name")?;
    if !rows::update_name(tx, act.workspace, name).await? {
        return Ok(());
    }
    tell(tx, act, "workspace.renamed", &json!({"name": name})).await
}

async fn widen(tx: &mut Tx, (act, scopes): (&Act, &Scopes), in_all_teams: bool) -> Result<()> {
    if !scopes.allow(Permission::WorkspaceManage) {
        return Err(Error::Forbidden);
    }
    let admin = access::find(tx, act.workspace).await?.admin;
    let theirs = roles::permissions_of(tx, act.workspace, admin).await?;
    permissions::check_over_these(scopes, &theirs)?;
    if !access::update(tx, act.workspace, in_all_teams).await? {
        return Ok(());
    }
    let detail = json!({"admins_in_all_teams": in_all_teams});
    tell(tx, act, "workspace.access_set", &detail).await
}

async fn tell(tx: &mut Tx, act: &Act, kind: &str, detail: &serde_json::Value) -> Result<()> {
    let subject = ("workspace", act.workspace.0);
    let change = act.change(kind, subject, None, detail);
    changes::record(tx, act.workspace, &[change]).await
}
