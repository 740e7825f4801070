//! How people may sign in to a workspace, and for how long.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::accounts::sessions::{self, ABSOLUTE_MOST, IDLE_MOST};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::WorkspaceId;
use crate::store::sessions as store_sessions;
use crate::store::sign_in_policies::{self as rows, Policy};
use crate::store::tx::Tx;
use crate::store::{connections, workspaces};
use crate::workspace::keys::Scopes;

/// The shortest time that a session may be left alone, in seconds.
const IDLE_LEAST: i64 = 5 * 60;
/// The shortest time that a session may last, in seconds.
const ABSOLUTE_LEAST: i64 = 10 * 60;

/// What holds for a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "SignInPolicy")]
pub struct Shown {
    /// Whether people come in through a connection alone: one-time links open nothing, and sessions
    /// that began by one are over.
    pub sso_enforced: bool,
    /// After how long without a request a session is over, in seconds.
    pub idle_seconds: i64,
    /// After how long it is over in any case, in seconds.
    pub absolute_seconds: i64,
}

impl From<Policy> for Shown {
    fn from(policy: Policy) -> Self {
        Self {
            sso_enforced: policy.sso_enforced,
            idle_seconds: policy.idle_seconds,
            absolute_seconds: policy.absolute_seconds,
        }
    }
}

/// What is to be another; what is left out stays.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "SignInPolicyEdit")]
pub struct Edit {
    /// Whether people come in through a connection alone.
    pub sso_enforced: Option<bool>,
    /// After how long without a request a session is over, in seconds: 300 to 86,400.
    pub idle_seconds: Option<i64>,
    /// After how long it is over in any case, in seconds: 600 to 2,592,000.
    pub absolute_seconds: Option<i64>,
}

/// What holds for a workspace.
pub async fn find(app: &App, workspace: WorkspaceId) -> Result<Shown> {
    let mut tx = app.db.one().await?;
    Ok(sessions::policy(&mut tx, workspace).await?.into())
}

/// Changes it. It holds for sessions that are under way too. Connections alone are for a workspace in
/// which people sign in by one, which a test login has proved: else [`Error::Conflict`]. Whoever may
/// not do everything in the workspace is [`Error::Forbidden`].
pub async fn edit(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    edit: Edit,
) -> Result<Shown> {
    let (act, is_whole) = (Act::of(app, origin, workspace), scopes.are_all());
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            workspaces::lock(tx, act.workspace).await?;
            let before = sessions::policy(tx, act.workspace).await?;
            let after = Policy {
                sso_enforced: edit.sso_enforced.unwrap_or(before.sso_enforced),
                idle_seconds: edit.idle_seconds.unwrap_or(before.idle_seconds),
                absolute_seconds: edit.absolute_seconds.unwrap_or(before.absolute_seconds),
            };
            if after == before {
                return Ok(Shown::from(after));
            }
            if !is_whole {
                return Err(Error::Forbidden);
            }
            check(&after)?;
            if after.sso_enforced && connections::count_open(tx, act.workspace).await? == 0 {
                return Err(Error::Conflict(
                    "nobody signs in to this workspace by a connection yet; switch one on first"
                        .to_owned(),
                ));
            }
            rows::update(tx, act.workspace, &after, act.at).await?;
            if after.sso_enforced && !before.sso_enforced {
                // For good: they do not come back where it is lifted again.
                store_sessions::end_by_links(tx, act.workspace).await?;
            }
            let shown = Shown::from(after);
            let detail = json!({
                "sso_enforced": shown.sso_enforced, "idle_seconds": shown.idle_seconds,
                "absolute_seconds": shown.absolute_seconds,
            });
            let subject = ("workspace", act.workspace.0);
            let change = act.change("sign_in_policy.updated", subject, None, &detail);
            changes::record(tx, act.workspace, &[change]).await?;
            Ok(shown)
        })
    })
    .await
}

/// Refuses to take the last way in from a locked workspace whose people come in through connections
/// alone.
pub(super) async fn check_way_in(tx: &mut Tx, workspace: WorkspaceId) -> Result<()> {
    let policy = sessions::policy(tx, workspace).await?;
    if policy.sso_enforced && connections::count_open(tx, workspace).await? == 0 {
        return Err(Error::Conflict(
            "people sign in to this workspace by connections alone, and this is the last one; lift \
             that first"
                .to_owned(),
        ));
    }
    Ok(())
}

fn check(policy: &Policy) -> Result<()> {
    let most = |span: std::time::Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    for (name, seconds, least, most) in [
        (
            "idle_seconds",
            policy.idle_seconds,
            IDLE_LEAST,
            most(IDLE_MOST),
        ),
        (
            "absolute_seconds",
            policy.absolute_seconds,
            ABSOLUTE_LEAST,
            most(ABSOLUTE_MOST),
        ),
    ] {
        if !(least..=most).contains(&seconds) {
            return Err(Error::value(format!("{name} must be {least} to {most}")));
        }
    }
    if policy.idle_seconds > policy.absolute_seconds {
        return Err(Error::value(
            "idle_seconds must not be more than absolute_seconds",
        ));
    }
    Ok(())
}
