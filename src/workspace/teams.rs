//! The teams of a workspace: whose conversations somebody sees.

use serde::Deserialize;
use serde_json::json;

use super::{At, name_key};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{TeamId, WorkspaceId};
use crate::store::error::OnDuplicate;
use crate::store::tx::Tx;
use crate::store::{teams as rows, workspaces};

pub use crate::store::teams::Team;

/// What is to be changed of a team; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"name": "Help desk", "enabled": false}]))]
pub struct TeamEdit {
    /// Its name.
    pub name: Option<String>,
    /// Whether the app works with it.
    pub enabled: Option<bool>,
    /// Whether it is put away: it takes no members any more, and nobody has access through it.
    pub archived: Option<bool>,
}

/// The teams of a workspace, oldest first.
pub async fn list(app: &App, workspace: WorkspaceId) -> Result<Vec<Team>> {
    let mut tx = app.db.one().await?;
    Ok(rows::list(&mut tx, workspace).await?)
}

/// A team.
pub async fn show(app: &App, workspace: WorkspaceId, id: TeamId) -> Result<Team> {
    let mut tx = app.db.one().await?;
    let found = rows::find_full(&mut tx, workspace, id).await?;
    found.ok_or(Error::NotFound("team"))
}

/// Makes a team. A taken name is [`Error::Taken`].
pub async fn create(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    name: &str,
) -> Result<Team> {
    let name = name.trim().to_owned();
    name_key(&name, "name")?;
    let act = Act::of(app, origin, workspace);
    app.write(move |tx| {
        let (act, name) = (act.clone(), name.clone());
        Box::pin(async move { create_within(tx, &act, &name).await })
    })
    .await
}

/// The same in the transaction of a wider change.
pub async fn create_within(tx: &mut Tx, act: &Act, name: &str) -> Result<Team> {
    let name = name.trim().to_owned();
    let key = name_key(&name, "name")?;
    let team = Team {
        id: TeamId::new(),
        name,
        enabled: true,
        archived_at: None,
        created_at: act.at,
        version: 1,
    };
    if !workspaces::insert_team(tx, act.workspace, team.id, &team.name, &key, act.at).await? {
        return Err(Error::Taken("name"));
    }
    tell(tx, act, "team.created", &team).await?;
    Ok(team)
}

/// Renames, enables, disables or archives a team, or takes it out again.
pub async fn edit(
    app: &App,
    origin: &Origin,
    which: impl Into<At<TeamId>>,
    edit: TeamEdit,
) -> Result<Team> {
    let which = which.into();
    let workspace = which.workspace;
    let act = Act::of(app, origin, workspace);
    app.write(move |tx| {
        let (act, edit, which) = (act.clone(), edit.clone(), which.clone());
        Box::pin(async move {
            let found = rows::lock(tx, workspace, which.id).await?;
            let found = found.ok_or(Error::NotFound("team"))?;
            which.precondition.check_match(found.version)?;
            edit_within(tx, &act, which.id, edit).await
        })
    })
    .await
}

/// The same in the transaction of a wider change.
pub async fn edit_within(tx: &mut Tx, act: &Act, id: TeamId, edit: TeamEdit) -> Result<Team> {
    let found = rows::lock(tx, act.workspace, id).await?;
    let before = found.ok_or(Error::NotFound("team"))?;
    let mut team = before.clone();
    if let Some(name) = edit.name {
        name.trim().clone_into(&mut team.name);
    }
    team.enabled = edit.enabled.unwrap_or(team.enabled);
    if let Some(archived) = edit.archived {
        team.archived_at = archived.then(|| team.archived_at.unwrap_or(act.at));
    }
    let is_same = (&team.name, team.enabled, team.archived_at)
        == (&before.name, before.enabled, before.archived_at);
    if is_same {
        return Ok(before);
    }
    let key = name_key(&team.name, "name")?;
    rows::update(tx, act.workspace, &team, &key)
        .await
        .on_duplicate("name")?;
    team.version += 1;
    tell(tx, act, "team.updated", &team).await?;
    Ok(team)
}

async fn tell(tx: &mut Tx, act: &Act, kind: &str, team: &Team) -> Result<()> {
    let detail = json!({
        "name": team.name, "enabled": team.enabled, "archived": team.archived_at.is_some(),
    });
    let change = act.change(kind, ("team", team.id.0), Some(team.version), &detail);
    changes::record(tx, act.workspace, &[change]).await
}
