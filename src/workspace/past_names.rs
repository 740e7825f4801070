//! Teams and roles as they were at an instant: names, and what they were made of, by the changes that
//! tell of them. One that was deleted since is not shown; one of which no change tells until then is
//! shown as it is now.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::history::{self, LEEWAY, Moment};
use super::{roles, teams};
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::{RoleId, TeamId, WorkspaceId};
use crate::store::changes as log;
use crate::store::tx::Tx;

/// A team as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct TeamThen {
    /// Its id.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// Whether the app worked with it.
    pub enabled: bool,
    /// Whether it was put away.
    pub archived: bool,
}

/// A role as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RoleThen {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: String,
    /// What who had it could do.
    pub permissions: BTreeSet<String>,
}

/// The teams that there were, oldest first.
pub async fn teams(app: &App, workspace: WorkspaceId, moment: Moment) -> Result<Vec<TeamThen>> {
    let mut all = teams::list(app, workspace).await?;
    all.retain(|team| team.created_at <= moment.at);
    let ids: Vec<Uuid> = all.iter().map(|team| team.id.0).collect();
    let mut tx = app.db.one().await?;
    let told = told(&mut tx, workspace, &ids, moment).await?;
    drop(tx);
    let then = all.into_iter().map(|team| {
        let told = told.get(&team.id.0).unwrap_or(&Value::Null);
        TeamThen {
            id: team.id,
            name: text(&told["name"]).unwrap_or(team.name),
            enabled: told["enabled"].as_bool().unwrap_or(team.enabled),
            archived: told["archived"]
                .as_bool()
                .unwrap_or(team.archived_at.is_some_and(|at| at <= moment.at)),
        }
    });
    Ok(then.collect())
}

/// The roles that there were, oldest first.
pub async fn roles(app: &App, workspace: WorkspaceId, moment: Moment) -> Result<Vec<RoleThen>> {
    let mut all = roles::list_full(app, workspace).await?;
    all.retain(|full| full.role.created_at <= moment.at);
    let ids: Vec<Uuid> = all.iter().map(|full| full.role.id.0).collect();
    let mut tx = app.db.one().await?;
    let told = told(&mut tx, workspace, &ids, moment).await?;
    drop(tx);
    let then = all.into_iter().map(|full| {
        let told = told.get(&full.role.id.0).unwrap_or(&Value::Null);
        let permissions = serde_json::from_value(told["permissions"].clone());
        RoleThen {
            id: full.role.id,
            name: text(&told["name"]).unwrap_or(full.role.name),
            permissions: permissions.unwrap_or(full.permissions),
        }
    });
    Ok(then.collect())
}

/// A team that was another at last than at first.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct TeamChanged {
    /// Its id.
    pub id: TeamId,
    /// What it was at first; null where it was not made yet.
    pub from: Option<TeamThen>,
    /// What it was at last.
    pub to: Option<TeamThen>,
}

/// A role that was another at last than at first.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct RoleChanged {
    /// Its id.
    pub id: RoleId,
    /// What it was at first; null where it was not made yet.
    pub from: Option<RoleThen>,
    /// What it was at last.
    pub to: Option<RoleThen>,
}

/// The teams that differ between two instants, oldest first.
pub async fn changed_teams(
    app: &App,
    workspace: WorkspaceId,
    (from, to): (Moment, Moment),
) -> Result<Vec<TeamChanged>> {
    history::check((from, to))?;
    let before = teams(app, workspace, from).await?;
    let mut before: HashMap<_, _> = before.into_iter().map(|it| (it.id, it)).collect();
    let after = teams(app, workspace, to).await?;
    let changed = after.into_iter().map(|after| TeamChanged {
        id: after.id,
        from: before.remove(&after.id),
        to: Some(after),
    });
    Ok(changed.filter(|it| it.from != it.to).collect())
}

/// The roles that differ between two instants, oldest first.
pub async fn changed_roles(
    app: &App,
    workspace: WorkspaceId,
    (from, to): (Moment, Moment),
) -> Result<Vec<RoleChanged>> {
    history::check((from, to))?;
    let before = roles(app, workspace, from).await?;
    let mut before: HashMap<_, _> = before.into_iter().map(|it| (it.id, it)).collect();
    let after = roles(app, workspace, to).await?;
    let changed = after.into_iter().map(|after| RoleChanged {
        id: after.id,
        from: before.remove(&after.id),
        to: Some(after),
    });
    Ok(changed.filter(|it| it.from != it.to).collect())
}

/// What teams and roles were called, those included that were deleted since; one of which no change
/// tells until then is not in it.
pub async fn names(
    tx: &mut Tx,
    workspace: WorkspaceId,
    ids: &[Uuid],
    moment: Moment,
) -> Result<HashMap<Uuid, String>> {
    let told = told(tx, workspace, ids, moment).await?;
    Ok(told
        .into_iter()
        .filter_map(|(id, told)| Some((id, text(&told["name"])?)))
        .collect())
}

/// What the last change until then says of each.
async fn told(
    tx: &mut Tx,
    workspace: WorkspaceId,
    ids: &[Uuid],
    moment: Moment,
) -> Result<HashMap<Uuid, Value>> {
    let until = moment.at.after(LEEWAY);
    let changes = log::list_of_subjects(tx, workspace, ids, until).await?;
    let mut told = HashMap::new();
    for numbered in changes.iter().filter(|it| it.number <= moment.number) {
        let detail: Value =
            serde_json::from_str(&numbered.change.detail).map_err(Error::internal)?;
        if detail["name"].is_string() {
            told.insert(numbered.change.subject, detail);
        }
    }
    Ok(told)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
