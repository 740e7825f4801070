//! What the brake is set to, how it stands, and who is held.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::{Brake, Mode, Setting, WINDOW, rows, threshold};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::store::grants::GrantKind;
use crate::store::tx::Tx;
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
    let mut tx = app.db.read().await?;
    let (brake, lost) = standing(&mut tx, workspace, app.clock.now()).await?;
    Ok(Shown {
        setting: brake.setting,
        threshold: threshold(&brake),
        lost,
        held: braked::count_held(&mut tx, workspace).await?,
    })
}

/// The brake with its threshold as of now, and how many lost something within the window.
async fn standing(tx: &mut Tx, workspace: WorkspaceId, at: Timestamp) -> Result<(Brake, i64)> {
    let since = at.before(WINDOW);
    let mut brake = rows::find(tx, workspace).await?;
    let lost = rows::count_losses(tx, workspace, since).await?;
    if lost == 0 || brake.counted_at < since {
        brake.active = members::count_active(tx, workspace).await?;
    }
    Ok((brake, lost))
}

/// What the brake would do to a loss that is thought of.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[schemars(rename = "BrakeForeseen")]
pub struct Foreseen {
    /// How many would keep what they are to lose.
    pub held: i64,
    /// Until when at the latest; none where nobody would, or until an admin releases it.
    pub until: Option<Timestamp>,
}

/// What the brake would do, as it stands now, if these members lost something: those whom it holds
/// already lose nothing, and of the others as many as the window has room for.
pub(in crate::admission) async fn foresee(
    tx: &mut Tx,
    (workspace, at): (WorkspaceId, Timestamp),
    losing: &[MemberId],
) -> Result<Foreseen> {
    if losing.is_empty() {
        return Ok(Foreseen::default());
    }
    let (brake, lost) = standing(tx, workspace, at).await?;
    let losers = rows::count_losers(tx, workspace, losing, at.before(WINDOW)).await?;
    let room = (threshold(&brake) - lost).max(0);
    let over = match brake.setting.mode {
        Mode::Hold => (losers.fresh - room).max(0),
        Mode::Alert | Mode::Off => 0,
    };
    let minutes = u64::try_from(brake.setting.hold_minutes).unwrap_or(1);
    let until = (over > 0).then(|| at.after(Duration::from_mins(minutes)));
    Ok(Foreseen {
        held: losers.waiting + over,
        until: until.max(losers.until),
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
    /// The teams, roles and permissions that would be lost.
    pub loses: Vec<Lost>,
    /// Since when it waits.
    pub since: Option<Timestamp>,
    /// When it is carried out; none while an admin has it wait.
    pub until: Option<Timestamp>,
}

/// A right that would be lost.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "BrakeLost")]
pub struct Lost {
    /// What it is.
    pub kind: GrantKind,
    /// The team, role or permission.
    pub id: Uuid,
    /// Its name.
    pub name: String,
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
    let mut loses: HashMap<MemberId, Vec<Lost>> = HashMap::new();
    for kept in braked::list_kept(&mut tx, workspace, &ids).await? {
        loses.entry(kept.member).or_default().push(Lost {
            kind: kept.kind,
            id: kept.target,
            name: names.get(&kept.target).cloned().unwrap_or_default(),
        });
    }
    for of in loses.values_mut() {
        of.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
        of.dedup();
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
