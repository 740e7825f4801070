//! A workspace is deleted: it opens nothing from the commit on, on any node within a second, and can
//! be had back for a time. Then its rows go, in batches, each table after those that refer to it;
//! its own row stays with the slug, so that neither slug nor id is given out again.

use serde_json::json;

use super::Workspace;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::config::Retention;
use crate::error::{Error, Result};
use crate::ids::WorkspaceId;
use crate::store::{purge as rows, tables, workspaces};

/// What a deleted workspace's status is.
const DELETED: &str = "deleted";
/// How many rows are deleted in a transaction.
const BATCH: i64 = 500;

/// Refuses a workspace that is deleted.
pub fn refuse_deleted(workspace: &Workspace) -> Result<()> {
    if workspace.status == DELETED {
        return Err(Error::Conflict(format!(
            "the workspace {} is deleted; undelete it first",
            workspace.slug
        )));
    }
    Ok(())
}

/// Deletes a workspace; tells until when it can be had back. Its access epoch rises, so that nothing
/// from before is good again later.
pub async fn delete(app: &App, origin: &Origin, workspace: &Workspace) -> Result<Timestamp> {
    let (act, id) = (Act::of(app, origin, workspace.id), workspace.id);
    let until = act.at.after(grace(app));
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            workspaces::lock(tx, id).await?;
            if !rows::update_deleted(tx, id, act.at).await? {
                return Err(Error::Conflict(
                    "this workspace is deleted already".to_owned(),
                ));
            }
            let detail = json!({"purged_after": until});
            let subject = ("workspace", id.0);
            let change = act.change("workspace.deleted", subject, None, &detail);
            changes::record(tx, id, &[change]).await
        })
    })
    .await?;
    forget(app);
    Ok(until)
}

/// Has a deleted workspace back as it was; none of whose rows has gone yet.
pub async fn undelete(app: &App, origin: &Origin, workspace: &Workspace) -> Result<()> {
    let (act, id) = (Act::of(app, origin, workspace.id), workspace.id);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            workspaces::lock(tx, id).await?;
            if !rows::update_undeleted(tx, id).await? {
                return Err(Error::Conflict(
                    "this workspace is not deleted, or its time of grace is over".to_owned(),
                ));
            }
            let subject = ("workspace", id.0);
            let change = act.change("workspace.undeleted", subject, None, &json!({}));
            changes::record(tx, id, &[change]).await
        })
    })
    .await?;
    forget(app);
    Ok(())
}

fn forget(app: &App) {
    app.credentials.invalidate_all();
    app.api_keys.invalidate_all();
}

fn grace(app: &App) -> std::time::Duration {
    Retention::span(app.config.retention.deleted_workspaces_days)
}

/// Workspaces whose time of grace is over, with rows left.
pub async fn list_due(app: &App) -> Result<Vec<WorkspaceId>> {
    let before = app.clock.now().before(grace(app));
    let mut tx = app.db.one().await?;
    Ok(rows::list_due(&mut tx, before).await?)
}

/// Deletes a batch of rows of each table of a workspace whose time is over, as far as no row refers
/// to them any more; tells how many. With the last one its own row is all that is left.
pub async fn purge(app: &App, workspace: WorkspaceId) -> Result<usize> {
    let at = app.clock.now();
    app.write(move |tx| {
        Box::pin(async move {
            workspaces::lock(tx, workspace).await?;
            Ok(rows::begin(tx, workspace, at).await?)
        })
    })
    .await?;
    let mut tx = app.db.read().await?;
    let mut owned = tables::list_owned(&mut tx).await?;
    drop(tx);
    owned.reverse();
    for table in owned {
        let deleted = app
            .write(move |tx| {
                let table = table.clone();
                Box::pin(async move { Ok(rows::delete(tx, &table, workspace, BATCH).await?) })
            })
            .await?;
        if deleted > 0 {
            return Ok(usize::try_from(deleted).unwrap_or(usize::MAX));
        }
    }
    app.write(move |tx| Box::pin(async move { Ok(rows::end(tx, workspace, at).await?) }))
        .await?;
    tracing::info!(%workspace, "the last row of the deleted workspace {workspace} is gone");
    Ok(1)
}
