//! A workspace is suspended, and comes back.

use serde_json::json;

use super::Workspace;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::store::workspaces as rows;

/// What becomes of a workspace.
#[derive(Debug, Clone, Copy)]
enum Become {
    Suspended,
    Resumed,
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

async fn act(app: &App, origin: &Origin, workspace: &Workspace, to: Become) -> Result<()> {
    let (act, id) = (Act::of(app, origin, workspace.id), workspace.id);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            rows::lock(tx, id).await?;
            let (kind, status) = match to {
                Become::Suspended => ("workspace.suspended", "suspended"),
                Become::Resumed => ("workspace.resumed", "active"),
            };
            if !rows::update_status(tx, id, status).await? {
                return Err(Error::Conflict(format!(
                    "this workspace is {status} already"
                )));
            }
            let change = act.change(kind, ("workspace", id.0), None, &json!({}));
            changes::record(tx, id, &[change]).await
        })
    })
    .await?;
    app.credentials.invalidate_all();
    app.api_keys.invalidate_all();
    Ok(())
}
