//! What the brake is set to, how it stands, and who is held.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;

use super::{Setting, WINDOW, rows, threshold};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::store::{braked, members};
use crate::workspace::members::{Status, names};

/// The most people and minutes that may be set.
const MOST_PEOPLE: i64 = 1_000_000;
const MOST_MINUTES: i64 = 7 * 24 * 60;

/// How the brake of a workspace stands.
#[derive(Debug, Clone, Copy, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "Brake")]
pub struct Shown {
    /// What it is set to.
    #[serde(flatten)]
    pub setting: Setting,
    /// How many people may lose something within an hour.
    pub threshold: i64,
    /// How many did in the last hour.
    pub lost: i64,
    /// Of how many something waits.
    pub held: i64,
}

/// How the brake of a workspace stands.
pub async fn show(app: &App, workspace: WorkspaceId) -> Result<Shown> {
    let since = app.clock.now().before(WINDOW);
    let mut tx = app.db.read().await?;
    let mut brake = rows::find(&mut tx, workspace).await?;
    let lost = rows::count_losses(&mut tx, workspace, since).await?;
    if lost == 0 || brake.counted_at < since {
        brake.active = members::count_active(&mut tx, workspace).await?;
    }
    Ok(Shown {
        setting: brake.setting,
        threshold: threshold(&brake),
        lost,
        held: braked::count_held(&mut tx, workspace).await?,
    })
}

/// Sets the brake. What is held already stays so.
pub async fn set(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    setting: Setting,
) -> Result<()> {
    for (name, value, least, most) in [
        ("people", setting.people, 1, MOST_PEOPLE),
        ("percent", setting.percent, 0, 100),
        ("hold_minutes", setting.hold_minutes, 1, MOST_MINUTES),
    ] {
        if !(least..=most).contains(&value) {
            return Err(Error::value(format!("{name} must be {least} to {most}")));
        }
    }
    let act = Act::of(app, origin, workspace);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let before = rows::lock(tx, workspace).await?;
            if before.setting == setting {
                return Ok(());
            }
            rows::update(tx, workspace, setting).await?;
            let detail = json!({"before": before.setting, "after": setting});
            let subject = ("workspace", workspace.0);
            let change = act.change("workspace.brake_set", subject, None, &detail);
            changes::record(tx, workspace, &[change]).await
        })
    })
    .await
}

/// Somebody of whom something waits.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct Held {
    /// Who it is.
    pub member: MemberId,
    /// The name that the directory signs in with.
    pub user_name: Option<String>,
    /// The name for people.
    pub display_name: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// The status that waits, if one does.
    pub wants: Option<Status>,
    /// The teams and roles that would be lost, by name.
    pub loses: BTreeSet<String>,
    /// Since when it waits.
    pub since: Option<Timestamp>,
    /// When it is carried out; none while an admin has it wait.
    pub until: Option<Timestamp>,
}

/// Those of whom something waits, after one in id order, so many at most.
pub async fn held(
    app: &App,
    workspace: WorkspaceId,
    after: Option<MemberId>,
    most: i64,
) -> Result<Vec<Held>> {
    let mut tx = app.db.read().await?;
    let ids = braked::list_held(&mut tx, workspace, after, most, None).await?;
    let names = names(&mut tx, workspace).await?;
    let mut loses: HashMap<MemberId, BTreeSet<String>> = HashMap::new();
    for kept in braked::list_kept(&mut tx, workspace, &ids).await? {
        let name = names.get(&kept.target).cloned().unwrap_or_default();
        loses.entry(kept.member).or_default().insert(name);
    }
    let found = members::list_by_id(&mut tx, workspace, &ids).await?;
    let held = found.into_iter().map(|member| Held {
        member: member.id,
        user_name: member.user_name,
        display_name: member.display_name,
        email: member.email,
        wants: member.brake_wants,
        loses: loses.remove(&member.id).unwrap_or_default(),
        since: member.braked_at,
        until: member.brake_until,
    });
    Ok(held.collect())
}
