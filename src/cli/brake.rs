//! `gatehouse brake …`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Settings, table};
use crate::admission::brake::{self, Mode, Which};
use crate::app::App;
use crate::changes::Origin;
use crate::ids::WorkspaceId;
use crate::workspace::keys::Scopes;
use crate::workspace::{self, members};

/// How many are read at a time.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show how the brake of a workspace stands.
    Show {
        /// The workspace's slug.
        workspace: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Set past how many people who lose access within an hour the rest waits.
    Set {
        /// The workspace's slug.
        workspace: String,
        /// What becomes of the rest: hold, alert (it happens and is told) or off.
        #[arg(long, value_parser = mode)]
        mode: Option<Mode>,
        /// So many people may lose something within an hour, …
        #[arg(long)]
        people: Option<i64>,
        /// … or so many of a hundred active ones, whichever is more.
        #[arg(long)]
        percent: Option<i64>,
        /// How long the rest waits until it is carried out, in minutes.
        #[arg(long)]
        hold_minutes: Option<i64>,
        #[command(flatten)]
        settings: Settings,
    },
    /// List those who are held, with what they are to lose.
    List {
        /// The workspace's slug.
        workspace: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Carry out what waits, now.
    Release {
        #[command(flatten)]
        about: About,
        #[command(flatten)]
        settings: Settings,
    },
    /// Reject what waits: who was to lose something keeps it, by your word, until its directory or the
    /// rules say something else or an admin ends it.
    Reject {
        #[command(flatten)]
        about: About,
        #[command(flatten)]
        settings: Settings,
    },
    /// Let what waits go on waiting, without a deadline.
    Wait {
        #[command(flatten)]
        about: About,
        #[command(flatten)]
        settings: Settings,
    },
}

/// Whom it is about.
#[derive(Debug, Args)]
pub(super) struct About {
    /// The workspace's slug.
    workspace: String,
    /// Members, by id or address.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    members: Vec<String>,
    /// Everybody who is held.
    #[arg(long)]
    all: bool,
}

impl About {
    async fn which(&self, app: &App) -> anyhow::Result<(WorkspaceId, Which)> {
        let workspace = workspace::find(app, &self.workspace).await?.id;
        if self.all {
            return Ok((workspace, Which::All));
        }
        let mut ids = Vec::with_capacity(self.members.len());
        for member in &self.members {
            ids.push(members::find(app, workspace, member).await?.id);
        }
        Ok((workspace, Which::These(ids)))
    }
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Show {
                workspace,
                settings,
            } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &workspace).await?.id;
                show(&app, workspace, &settings).await?;
            }
            Self::Set {
                workspace,
                mode,
                people,
                percent,
                hold_minutes,
                settings,
            } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &workspace).await?.id;
                let mut setting = brake::show(&app, workspace).await?.setting;
                setting.mode = mode.unwrap_or(setting.mode);
                setting.people = people.unwrap_or(setting.people);
                setting.percent = percent.unwrap_or(setting.percent);
                setting.hold_minutes = hold_minutes.unwrap_or(setting.hold_minutes);
                brake::set(&app, &Origin::cli(), workspace, setting).await?;
                show(&app, workspace, &settings).await?;
            }
            Self::List {
                workspace,
                settings,
            } => list(&workspace, &settings).await?,
            Self::Release { about, settings } => {
                let app = settings.open().await?;
                let (workspace, which) = about.which(&app).await?;
                let outcome = brake::release(&app, &Origin::cli(), workspace, which).await?;
                settings.print(&outcome, || match outcome.kept {
                    0 => format!("{} released", outcome.released),
                    kept => format!(
                        "{} released; {kept} kept: the last admin, or a protected one",
                        outcome.released
                    ),
                })?;
            }
            Self::Reject { about, settings } => {
                let app = settings.open().await?;
                let (workspace, which) = about.which(&app).await?;
                let (origin, scopes) = (Origin::cli(), Scopes::everything());
                let rejected = brake::reject(&app, (&origin, &scopes), workspace, which).await?;
                let body = serde_json::json!({"rejected": rejected});
                settings.print(&body, || format!("{rejected} keep what they were to lose"))?;
            }
            Self::Wait { about, settings } => {
                let app = settings.open().await?;
                let (workspace, which) = about.which(&app).await?;
                let waiting = brake::wait(&app, &Origin::cli(), workspace, which).await?;
                let body = serde_json::json!({"waiting": waiting});
                settings.print(&body, || format!("{waiting} wait until they are released"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn show(app: &App, workspace: WorkspaceId, settings: &Settings) -> anyhow::Result<()> {
    let shown = brake::show(app, workspace).await?;
    let setting = shown.setting;
    settings.print(&shown, || match setting.mode {
        Mode::Off => "the brake is off".to_owned(),
        mode => format!(
            "{} of {} people lost something in the last hour, past that {}; {} are held",
            shown.lost,
            shown.threshold,
            match mode {
                Mode::Hold => format!("the rest waits {} minutes", setting.hold_minutes),
                _ => "it is told".to_owned(),
            },
            shown.held
        ),
    })
}

async fn list(workspace: &str, settings: &Settings) -> anyhow::Result<()> {
    let app = settings.open().await?;
    let workspace = workspace::find(&app, workspace).await?.id;
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|held: &brake::Held| held.member);
        let page = brake::held(&app, workspace, after, PAGE).await?;
        let is_last = page.is_empty();
        all.extend(page);
        if is_last {
            break;
        }
    }
    settings.print(&all, || {
        let rows = all.iter().map(|held| {
            let name = held.user_name.as_ref().or(held.email.as_ref());
            let what = held
                .wants
                .map(|wants| format!("is {wants:?}").to_lowercase());
            let loses = held.loses.iter().map(|lost| {
                let kind = format!("{:?}", lost.kind).to_lowercase();
                format!("{kind} {}", lost.name)
            });
            vec![
                held.member.to_string(),
                name.or(held.display_name.as_ref())
                    .cloned()
                    .unwrap_or_default(),
                what.into_iter().chain(loses).collect::<Vec<_>>().join(", "),
                held.until
                    .map_or_else(|| "an admin".to_owned(), |it| it.to_string()),
            ]
        });
        table(&["member", "name", "loses", "until"], rows)
    })
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "hold" => Ok(Mode::Hold),
        "alert" => Ok(Mode::Alert),
        "off" => Ok(Mode::Off),
        _ => Err("expected hold, alert or off".to_owned()),
    }
}
