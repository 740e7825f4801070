//! The roles of a workspace: `admin` and `user`, which every workspace has, and its own. A role is a
//! set of permissions.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::json;

use super::keys::Scopes;
use super::{At, name_key, permissions};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{RoleId, WorkspaceId};
use crate::store::error::OnDuplicate;
use crate::store::tx::Tx;
use crate::store::{roles as rows, workspaces};

pub use crate::store::workspaces::Role;

/// A role with its permissions.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "Role")]
pub struct Full {
    /// The role.
    #[serde(flatten)]
    pub role: Role,
    /// What who has it may do.
    pub permissions: BTreeSet<String>,
}

/// What a role is made of, or changed to; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"name": "Lead", "permissions": ["members.manage"]}]))]
pub struct RoleEdit {
    /// Its name.
    pub name: Option<String>,
    /// All its permissions.
    pub permissions: Option<BTreeSet<String>>,
}

/// The roles of a workspace, oldest first.
pub async fn list(app: &App, workspace: WorkspaceId) -> Result<Vec<Role>> {
    let mut tx = app.db.one().await?;
    Ok(workspaces::list_roles(&mut tx, workspace).await?)
}

/// The roles of a workspace with their permissions, oldest first.
pub async fn list_full(app: &App, workspace: WorkspaceId) -> Result<Vec<Full>> {
    let mut tx = app.db.read().await?;
    list_within(&mut tx, workspace).await
}

/// The same in a transaction.
pub async fn list_within(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Full>> {
    let roles = workspaces::list_roles(tx, workspace).await?;
    let mut permissions: HashMap<RoleId, BTreeSet<String>> = HashMap::new();
    for row in rows::list_permissions(tx, workspace).await? {
        let of = permissions.entry(row.role).or_default();
        of.insert(row.permission);
    }
    let full = roles.into_iter().map(|role| Full {
        permissions: permissions.remove(&role.id).unwrap_or_default(),
        role,
    });
    Ok(full.collect())
}

/// A role with its permissions.
pub async fn show(app: &App, workspace: WorkspaceId, id: RoleId) -> Result<Full> {
    let all = list_full(app, workspace).await?;
    let found = all.into_iter().find(|full| full.role.id == id);
    found.ok_or(Error::NotFound("role"))
}

/// Makes a role. A taken name is [`Error::Taken`]; what `scopes` do not cover, here and below, is
/// [`Error::Forbidden`].
pub async fn create(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    new: RoleEdit,
) -> Result<Full> {
    let act = Act::of(app, origin, workspace);
    let (app_, scopes) = (app.clone(), scopes.clone());
    app.write(move |tx| {
        let (app, act, scopes, new) = (app_.clone(), act.clone(), scopes.clone(), new.clone());
        Box::pin(async move { create_within(tx, &app, (&act, &scopes), new).await })
    })
    .await
}

/// The same in the transaction of a wider change.
pub async fn create_within(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    new: RoleEdit,
) -> Result<Full> {
    let name = new.name.as_deref().map(str::trim).unwrap_or_default();
    let name_key = name_key(name, "name")?;
    let permissions = new.permissions.unwrap_or_default();
    for permission in &permissions {
        permissions::check(app, permission)?;
    }
    permissions::check_covered(scopes, &permissions)?;
    let role = Role {
        id: RoleId::new(),
        name: name.to_owned(),
        name_key,
        built_in: false,
        created_at: act.at,
        version: 1,
    };
    let names = (role.name.as_str(), role.name_key.as_str());
    if !workspaces::insert_role(tx, act.workspace, role.id, names, false, act.at).await? {
        return Err(Error::Taken("name"));
    }
    let full = Full { role, permissions };
    write_permissions(tx, act, &full).await?;
    tell(tx, act, "role.created", &full).await?;
    Ok(full)
}

/// Renames a role of the workspace's own, or gives it other permissions. Those that every workspace
/// has stay as they are: [`Error::Conflict`].
pub async fn edit(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    which: impl Into<At<RoleId>>,
    edit: RoleEdit,
) -> Result<Full> {
    let At {
        workspace,
        id,
        precondition,
    } = which.into();
    let act = Act::of(app, origin, workspace);
    let (app_, scopes) = (app.clone(), scopes.clone());
    app.write(move |tx| {
        let (app, act, scopes, edit) = (app_.clone(), act.clone(), scopes.clone(), edit.clone());
        let precondition = precondition.clone();
        Box::pin(async move {
            precondition.check_match(own(tx, workspace, id).await?.version)?;
            edit_within(tx, &app, (&act, &scopes), id, edit).await
        })
    })
    .await
}

/// The same in the transaction of a wider change.
pub async fn edit_within(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    id: RoleId,
    edit: RoleEdit,
) -> Result<Full> {
    for permission in edit.permissions.iter().flatten() {
        permissions::check(app, permission)?;
    }
    permissions::check_covered(scopes, edit.permissions.iter().flatten())?;
    let workspace = act.workspace;
    let mut role = own(tx, workspace, id).await?;
    let before = permissions_of(tx, workspace, id).await?;
    permissions::check_covered(scopes, &before)?;
    if let Some(name) = edit.name {
        name.trim().clone_into(&mut role.name);
        role.name_key = name_key(&role.name, "name")?;
    }
    let names = (role.name.as_str(), role.name_key.as_str());
    rows::update(tx, workspace, id, names)
        .await
        .on_duplicate("name")?;
    let permissions = edit.permissions.unwrap_or(before);
    role.version += 1;
    let full = Full { role, permissions };
    rows::delete_permissions(tx, workspace, id).await?;
    write_permissions(tx, act, &full).await?;
    tell(tx, act, "role.updated", &full).await?;
    Ok(full)
}

/// Deletes a role of the workspace's own that nobody has and no rule gives.
pub async fn delete(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    which: impl Into<At<RoleId>>,
) -> Result<()> {
    let At {
        workspace,
        id,
        precondition,
    } = which.into();
    let (act, scopes) = (Act::of(app, origin, workspace), scopes.clone());
    app.write(move |tx| {
        let (act, scopes) = (act.clone(), scopes.clone());
        let precondition = precondition.clone();
        Box::pin(async move {
            // A rule that is added meanwhile would give what is gone.
            workspaces::lock(tx, workspace).await?;
            precondition.check_match(own(tx, workspace, id).await?.version)?;
            delete_within(tx, (&act, &scopes), id).await
        })
    })
    .await
}

/// The same in the transaction of a wider change, which has locked the workspace.
pub async fn delete_within(tx: &mut Tx, (act, scopes): (&Act, &Scopes), id: RoleId) -> Result<()> {
    let workspace = act.workspace;
    let mut role = own(tx, workspace, id).await?;
    permissions::check_covered(scopes, &permissions_of(tx, workspace, id).await?)?;
    if rows::is_used(tx, workspace, id).await? {
        return Err(Error::Conflict(
            "members have this role or a rule gives it; take it from them first".to_owned(),
        ));
    }
    rows::delete_permissions(tx, workspace, id).await?;
    rows::delete(tx, workspace, id).await?;
    role.version += 1;
    let permissions = BTreeSet::new();
    tell(tx, act, "role.deleted", &Full { role, permissions }).await
}

/// The permissions of one role.
pub async fn permissions_of(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: RoleId,
) -> Result<BTreeSet<String>> {
    let all = rows::list_permissions(tx, workspace).await?;
    let of = all.into_iter().filter(|row| row.role == id);
    Ok(of.map(|row| row.permission).collect())
}

async fn own(tx: &mut Tx, workspace: WorkspaceId, id: RoleId) -> Result<Role> {
    let found = rows::lock(tx, workspace, id).await?;
    let role = found.ok_or(Error::NotFound("role"))?;
    if role.built_in {
        return Err(Error::Conflict(
            "this role is built in and stays as it is".to_owned(),
        ));
    }
    Ok(role)
}

async fn write_permissions(tx: &mut Tx, act: &Act, full: &Full) -> Result<()> {
    for permission in &full.permissions {
        workspaces::insert_role_permission(tx, act.workspace, full.role.id, permission).await?;
    }
    Ok(())
}

async fn tell(tx: &mut Tx, act: &Act, kind: &str, full: &Full) -> Result<()> {
    let detail = json!({"name": full.role.name, "permissions": full.permissions});
    let change = act.change(
        kind,
        ("role", full.role.id.0),
        Some(full.role.version),
        &detail,
    );
    changes::record(tx, act.workspace, &[change]).await
}
