//! A workspace is suspended, comes back, or gets another name.

use serde_json::json;

use super::Workspace;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::scim::fold;
use crate::store::workspaces as rows;

/// What becomes of a workspace.
#[derive(Debug, Clone)]
enum Become {
    Suspended,
    Resumed,
    Named(String),
}

/// Shuts a workspace: its directories' tokens and API keys open nothing from now on, on any node
/// within a second, and its access epoch rises, so that nothing from before is good again later.
/// Whatever is in it stays.
pub async fn suspend(app: &App, origin: &Origin, workspace: &Workspace) -> Result<()> {
    act(app, origin, workspace, Become::Suspended).await
}

/// Opens a suspended workspace again.
pub async fn resume(app: &App, origin: &Origin, workspace: &Workspace) -> Result<()> {
    act(app, origin, workspace, Become::Resumed).await
}

/// Gives a workspace another name for people; its slug stays.
pub async fn rename(app: &App, origin: &Origin, workspace: &Workspace, name: &str) -> Result<()> {
    let name = name.trim().to_owned();
    fold::check_name(&name, "name")?;
    act(app, origin, workspace, Become::Named(name)).await
}

async fn act(app: &App, origin: &Origin, workspace: &Workspace, to: Become) -> Result<()> {
    let (act, id) = (Act::of(app, origin, workspace.id), workspace.id);
    app.write(move |tx| {
        let (act, to) = (act.clone(), to.clone());
        Box::pin(async move {
            rows::lock(tx, id).await?;
            let (kind, is_new) = match &to {
                Become::Suspended => (
                    "workspace.suspended",
                    rows::update_status(tx, id, "suspended").await?,
                ),
                Become::Resumed => (
                    "workspace.resumed",
                    rows::update_status(tx, id, "active").await?,
                ),
                Become::Named(name) => {
                    ("workspace.renamed", rows::update_name(tx, id, name).await?)
                }
            };
            if !is_new {
                let told = match to {
                    Become::Suspended => "this workspace is suspended already",
                    Become::Resumed => "this workspace is active already",
                    Become::Named(_) => return Ok(()),
                };
                return Err(Error::Conflict(told.to_owned()));
            }
            let detail = match to {
                Become::Named(name) => json!({"name": name}),
                _ => json!({}),
            };
            let change = act.change(kind, ("workspace", id.0), None, &detail);
            changes::record(tx, id, &[change]).await
        })
    })
    .await?;
    app.credentials.invalidate_all();
    app.api_keys.invalidate_all();
    Ok(())
}
