//! Why somebody is in or not: what is kept of them, and what the request log has of a refusal.

use super::request_log::{self, refused};
use crate::admission::absence;
use crate::admission::reasons::Explanation;
use crate::app::App;
use crate::error::Result;
use crate::ids::WorkspaceId;
use crate::scim::fold;
use crate::store::refusals::{self, Person};
use crate::workspace::keys::{Permission, Scopes};

/// Why somebody of that address, userName, `UserID`, externalId or member's id is in or is not. Of
/// whoever is not, the last request about them that was refused is looked for among the newest ones of
/// each directory, if `scopes` allow to read these.
pub async fn explain(
    app: &App,
    scopes: &Scopes,
    workspace: WorkspaceId,
    person: &str,
) -> Result<Explanation> {
    let mut told = absence::explain(app, workspace, person).await?;
    if told.is_in || !scopes.allow(Permission::DirectoriesManage) {
        return Ok(told);
    }
    // The first requests of all may be on their way into the log.
    request_log::flush(app).await;
    if !app.db.has_request_log() {
        return Ok(told);
    }
    let who = Person {
        text: told.person.clone(),
        key: fold::key(&told.person),
    };
    let mut tx = app.db.one().await?;
    let sent = refusals::list_sent(&mut tx, workspace, &who).await?;
    drop(tx);
    let users: Vec<_> = sent.into_iter().map(|user| user.user_id).collect();
    let found = refused::last(app, workspace, (&who, &users)).await?;
    if let Some((directory, refusal)) = found {
        told.add_refusal(directory, refusal);
    }
    told.requests_searched = Some(refused::NEWEST);
    Ok(told)
}
