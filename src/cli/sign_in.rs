//! `gatehouse workspace sign-in …` and `gatehouse workspace session …`

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Settings, table};
use crate::app::App;
use crate::changes::Origin;
use crate::ids::{MemberId, SessionId, WorkspaceId};
use crate::login::policy::{self, Edit, Shown};
use crate::login::sessions;
use crate::workspace::keys::Scopes;
use crate::workspace::{self, members};

/// How people may sign in to a workspace, and for how long: shown, or set.
#[derive(Debug, Args)]
pub(super) struct SignIn {
    /// The workspace's slug.
    slug: String,
    /// Whether people come in through a connection alone.
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
    sso_enforced: Option<bool>,
    /// After how many minutes without a request a session is over.
    #[arg(long)]
    idle_minutes: Option<i64>,
    /// After how many minutes it is over in any case.
    #[arg(long)]
    absolute_minutes: Option<i64>,
    #[command(flatten)]
    settings: Settings,
}

impl SignIn {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.slug).await?;
        let seconds = |minutes: Option<i64>| minutes.map(|it| it.saturating_mul(60));
        let edit = Edit {
            sso_enforced: self.sso_enforced,
            idle_seconds: seconds(self.idle_minutes),
            absolute_seconds: seconds(self.absolute_minutes),
        };
        let by = (&Origin::cli(), &Scopes::everything());
        let shown = policy::edit(&app, by, workspace.id, edit).await?;
        self.settings.print(&shown, || text(&self.slug, &shown))
    }
}

fn text(slug: &str, shown: &Shown) -> String {
    let how = if shown.sso_enforced {
        "through a connection alone"
    } else {
        "through a connection, or by a link of an operator's"
    };
    let (idle, absolute) = (shown.idle_seconds / 60, shown.absolute_seconds / 60);
    format!(
        "people come in to {slug} {how}\na session is over after {idle} minutes without a request, \
         and after {absolute} minutes in any case"
    )
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the live sessions of a member.
    List(Named),
    /// End the sessions of a member, or one of them.
    End {
        #[command(flatten)]
        named: Named,
        /// The one session, by its id.
        #[arg(long)]
        session: Option<SessionId>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// The member: id, address or user name.
    #[arg(long, value_name = "ID_OR_EMAIL")]
    member: String,
    #[command(flatten)]
    settings: Settings,
}

impl Named {
    async fn open(&self) -> anyhow::Result<(App, (WorkspaceId, MemberId))> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        let member = members::find(&app, workspace.id, &self.member).await?;
        Ok((app, (workspace.id, member.id)))
    }
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (origin, everything) = (Origin::cli(), Scopes::everything());
        let by = (&origin, &everything);
        match self {
            Self::List(named) => {
                let (app, whose) = named.open().await?;
                let all = sessions::list(&app, whose).await?;
                named.settings.print(&all, || {
                    let rows = all.iter().map(|it| {
                        vec![
                            it.id.to_string(),
                            it.created_at.to_string(),
                            it.seen_at.to_string(),
                            it.browser.clone().unwrap_or_default(),
                        ]
                    });
                    table(&["session", "begun", "last seen", "browser"], rows)
                })
            }
            Self::End { named, session } => {
                let (app, whose) = named.open().await?;
                let ended = match session {
                    Some(session) => {
                        sessions::end(&app, by, whose, session).await?;
                        1
                    }
                    None => sessions::end_all(&app, by, whose).await?,
                };
                let value = json!({"member": whose.1, "ended": ended});
                named
                    .settings
                    .print(&value, || format!("{ended} sessions ended"))
            }
        }
    }
}
