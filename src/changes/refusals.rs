//! What was refused to somebody who is known: it changed nothing, and is told in the log all the
//! same. One record tells of one refusal, up to a bound for each key and minute; of those beyond it
//! one record says how many they were.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Act, Change, Origin, record};
use crate::app::App;
use crate::app::refusals::{More, Who};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{CredentialId, RequestId, WorkspaceId};

pub use crate::app::refusals::{MOST, SPAN};

const KIND: &str = "request.refused";

/// A refusal.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Who asked for what; without a credential it is nobody who could be named.
    pub origin: Origin,
    /// In whose log it is told.
    pub workspace: WorkspaceId,
    /// The template of the path.
    pub route: &'static str,
    /// What it was to be done to; none where the path names nothing.
    pub target: Option<Uuid>,
    /// What was answered.
    pub status: u16,
    /// The permission that was missing, where it was one.
    pub permission: Option<&'static str>,
}

/// Tells of refusals of one request. Whoever was refused is refused however this ends: what cannot
/// be written stands in the text log.
pub async fn tell(app: &App, refused: Vec<Refused>) {
    let at = app.clock.now();
    let mut changes = Vec::new();
    let mut lost = None;
    for refused in refused {
        let Some(credential) = refused.origin.credential else {
            continue;
        };
        let who = (refused.workspace, credential);
        let (is_told, more) = app.refusals.count(who, at);
        if let Some(more) = more {
            changes.push(left(who, more, at));
        }
        lost = Some(who);
        if is_told {
            let workspace = refused.workspace;
            changes.push((workspace, refused.change(credential, at)));
        }
    }
    let told = write(app, changes).await;
    if let (Err(error), Some((workspace, key))) = (told, lost) {
        tracing::error!(%workspace, %key, error = ?error, "a refusal is not in the log of changes");
    }
}

/// Tells how many refusals there were beyond the bound, of minutes that are over.
pub async fn tell_left(app: &App) {
    let at = app.clock.now();
    tell_more(app, app.refusals.take_over(at), at).await;
}

/// The same of all minutes, where the process ends.
pub async fn tell_all_left(app: &App) {
    tell_more(app, app.refusals.take_all(), app.clock.now()).await;
}

async fn tell_more(app: &App, more: Vec<(Who, More)>, at: Timestamp) {
    for ((workspace, key), more) in more {
        let change = left((workspace, key), more, at);
        if let Err(error) = write(app, vec![change]).await {
            let times = more.times;
            tracing::error!(
                %workspace, %key, times, error = ?error,
                "{times} refusals are not in the log of changes"
            );
        }
    }
}

async fn write(app: &App, changes: Vec<(WorkspaceId, Change)>) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    app.write(move |tx| {
        let changes = changes.clone();
        Box::pin(async move {
            for (workspace, change) in changes {
                record(tx, workspace, &[change]).await?;
            }
            Ok(())
        })
    })
    .await
}

impl Refused {
    fn change(self, key: CredentialId, at: Timestamp) -> Change {
        let detail = json!({
            "route": self.route,
            "target": self.target,
            "status": self.status,
            "permission": self.permission,
        });
        change((self.origin, self.workspace, key), &detail, at)
    }
}

fn left((workspace, key): Who, more: More, at: Timestamp) -> (WorkspaceId, Change) {
    let mut origin = Origin::worker(RequestId::new());
    origin.credential = Some(key);
    let detail = json!({"times": more.times, "since": more.since});
    (workspace, change((origin, workspace, key), &detail, at))
}

/// It is about the key: of what it was to be done to, nothing changed.
fn change(
    (origin, workspace, key): (Origin, WorkspaceId, CredentialId),
    detail: &Value,
    at: Timestamp,
) -> Change {
    let act = Act {
        origin,
        workspace,
        directory: None,
        at,
    };
    act.change(KIND, ("api_key", key.0), None, detail)
}
