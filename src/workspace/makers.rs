//! Keys of a workspace go on when whoever made them is out: an app must not stop with a person. But
//! it is told once, so that an admin looks whether the key is still wanted.

use serde_json::json;

use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::Result;
use crate::ids::{MemberId, RequestId};
use crate::store::api_keys::{self as rows, Made};
use crate::store::members::{self, Status};

/// How many keys are looked at in a step.
const MOST: i64 = 500;

/// Tells of live keys of workspaces that members made who are suspended or gone; tells how many those
/// are.
pub async fn alert(app: &App) -> Result<usize> {
    let now = app.clock.now();
    let mut tx = app.db.one().await?;
    let mut out = Vec::new();
    for made in rows::list_made(&mut tx, now, MOST).await? {
        let Some(maker) = maker(&made) else {
            continue;
        };
        let found = members::find(&mut tx, made.workspace, maker).await?;
        let status = found.map_or(Status::Removed, |member| member.status);
        if matches!(status, Status::Suspended | Status::Removed) {
            out.push((made, maker, status));
        }
    }
    drop(tx);
    let count = out.len();
    for (made, maker, status) in out {
        let act = Act::of(app, &Origin::worker(RequestId::new()), made.workspace);
        app.write(move |tx| {
            let (act, made) = (act.clone(), made.clone());
            Box::pin(async move {
                if !rows::update_alerted(tx, made.workspace, made.id, act.at).await? {
                    return Ok(());
                }
                let detail = json!({"name": made.name, "member": maker, "status": status});
                let subject = ("api_key", made.id.0);
                let change = act.change("api_key.maker_out", subject, None, &detail);
                changes::record(tx, act.workspace, &[change]).await
            })
        })
        .await?;
    }
    Ok(count)
}

/// The member whose own key made this one.
fn maker(made: &Made) -> Option<MemberId> {
    let told = made.actor.strip_prefix("member ")?;
    told.split(' ').next()?.parse().ok()
}
