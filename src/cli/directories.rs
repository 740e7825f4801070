//! `gatehouse directory …`

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::adoption::{AdoptOne, Adoption};
use super::directory_runs::{OneRun, Runs};
use super::group_restores::{DeletedGroups, RestoreGroup};
use super::passages::{GoLive, SwitchOff, TakeBack};
use super::replay::Replay;
use super::request_log::Log;
use super::{Settings, person, table};
use crate::app::App;
use crate::changes::Origin;
use crate::clock::Timestamp;
use crate::directory::credentials::{self, Issued};
use crate::directory::{self, Access, Directory, DirectoryKind, Mode, NewDirectory, scim_base_url};
use crate::ids::CredentialId;
use crate::workspace;

/// A day.
const DAY: Duration = Duration::from_hours(24);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a directory with its first token.
    Create(Create),
    /// List a workspace's directories.
    List {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show a directory, its totals and its tokens.
    Show {
        #[command(flatten)]
        named: Named,
    },
    /// Make a further token; those that are live stay so until they are revoked, or for an overlap.
    RotateToken {
        #[command(flatten)]
        named: Named,
        /// How many days the new token is good for.
        #[arg(long, value_name = "DAYS")]
        days: Option<u32>,
        /// Let it read and nothing else.
        #[arg(long)]
        read_only: bool,
        /// Let it reach one resource type alone, by its endpoint, such as `Users`.
        #[arg(long, value_name = "ENDPOINT")]
        only: Option<String>,
        /// Let the tokens that are live now end after so many hours; 0 ends them at once.
        #[arg(long, value_name = "HOURS")]
        overlap_hours: Option<u32>,
    },
    /// Give back what a directory took away between two instants, up to 30 days later.
    Restore {
        #[command(flatten)]
        named: Named,
        /// The instant before, such as 2026-05-03T12:00:00Z.
        #[arg(long, value_name = "INSTANT", value_parser = person::instant)]
        from: Timestamp,
        /// The instant after; now if it is not given.
        #[arg(long, value_name = "INSTANT", value_parser = person::instant)]
        to: Option<Timestamp>,
    },
    /// List groups that were deleted and can be given back.
    DeletedGroups(DeletedGroups),
    /// Show what it would come to if a group was put back to an instant, or put it back so.
    RestoreGroup(RestoreGroup),
    /// Change how a directory treats what its IdP sends.
    Set {
        #[command(flatten)]
        named: Named,
        /// Refuse unknown attributes and members instead of skipping them.
        #[arg(long, value_name = "BOOL")]
        strict: Option<bool>,
        /// Let a create for an inactive user bring that user back.
        #[arg(long, value_name = "BOOL")]
        restore_inactive: Option<bool>,
    },
    /// Show what it would come to if a directory that collects went live, or let it go live so.
    Live(GoLive),
    /// Switch a directory off, and say what becomes of its members.
    End(SwitchOff),
    /// Take the end of a directory back.
    UndoEnd(TakeBack),
    /// List the last runs over a directory, newest first.
    Runs(Runs),
    /// Let a run wait by which a directory goes live.
    PauseRun(OneRun),
    /// Let a paused run go on.
    ResumeRun(OneRun),
    /// Take back that a directory went live: it collects again, and its members are what they were.
    UndoLive(OneRun),
    /// List who is who: conflicts, matched and new Users, members whom the directory does not have.
    Adoption(Adoption),
    /// Say that a User is a member, where names and addresses alone must not.
    Adopt(AdoptOne),
    /// Show what the client sent and was answered, without secrets.
    Log(Box<Log>),
    /// Send a request of the log again: for rehearsal, or for real.
    Replay(Replay),
    /// Let a token that a restore holds open its directory again.
    ReleaseToken {
        #[command(flatten)]
        named: Named,
        /// The token's id, as `restore` and `show` list it.
        #[arg(long, value_name = "ID")]
        token: CredentialId,
    },
    /// End a token at once.
    RevokeToken {
        #[command(flatten)]
        named: Named,
        /// The token's id, as `show` lists it.
        #[arg(long, value_name = "ID")]
        token: CredentialId,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// The directory's name.
    #[arg(long)]
    name: String,
    /// Whose dialect it speaks.
    #[arg(long, value_enum)]
    kind: KindName,
    /// What becomes of its facts.
    #[arg(long, value_enum, default_value = "live")]
    mode: ModeName,
    /// Refuse unknown attributes and members instead of skipping them.
    #[arg(long)]
    strict: bool,
    /// Let a create for an inactive user bring that user back.
    #[arg(long)]
    restore_inactive: bool,
    /// How many days the token is good for.
    #[arg(long, value_name = "DAYS")]
    token_days: Option<u32>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// The directory's name.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    pub(super) settings: Settings,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindName {
    Okta,
    Entra,
    Generic,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeName {
    Live,
    Collect,
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create(create) => create.run().await?,
            Self::List {
                workspace,
                settings,
            } => list(&workspace, &settings).await?,
            Self::Show { named } => show(&named).await?,
            Self::RotateToken {
                named,
                days,
                read_only,
                only,
                overlap_hours,
            } => {
                let access = Access {
                    read_only,
                    only_endpoint: only,
                };
                rotate(&named, access, days, overlap_hours).await?;
            }
            Self::Restore { named, from, to } => {
                let (app, directory) = named.find().await?;
                person::restore(&app, &directory, (from, to), &named.settings).await?;
            }
            Self::Set {
                named,
                strict,
                restore_inactive,
            } => {
                let (app, directory) = named.find().await?;
                let directory = Directory {
                    strict: strict.unwrap_or(directory.strict),
                    restore_inactive: restore_inactive.unwrap_or(directory.restore_inactive),
                    ..directory
                };
                directory::update(&app, &Origin::cli(), &directory).await?;
                let value = told(&app, &directory, None).await?;
                named.settings.print(&value, || text(&value))?;
            }
            Self::DeletedGroups(deleted) => deleted.run().await?,
            Self::RestoreGroup(restore) => restore.run().await?,
            Self::Live(live) => live.run().await?,
            Self::End(end) => end.run().await?,
            Self::UndoEnd(undo) => undo.run().await?,
            Self::Runs(runs) => runs.run().await?,
            Self::PauseRun(run) => run.pause().await?,
            Self::ResumeRun(run) => run.resume().await?,
            Self::UndoLive(run) => run.undo().await?,
            Self::Adoption(adoption) => adoption.run().await?,
            Self::Adopt(adopt) => adopt.run().await?,
            Self::Replay(replay) => return replay.run().await,
            Self::Log(log) => return log.run().await,
            Self::ReleaseToken { named, token } => {
                let (app, directory) = named.find().await?;
                credentials::release(&app, &Origin::cli(), &directory, token).await?;
                let value = json!({"id": token, "released": true});
                named
                    .settings
                    .print(&value, || format!("token {token} is good again"))?;
            }
            Self::RevokeToken { named, token } => {
                let (app, directory) = named.find().await?;
                credentials::revoke(&app, &Origin::cli(), &directory, token).await?;
                let value = json!({"id": token, "revoked": true});
                named
                    .settings
                    .print(&value, || format!("token {token} is revoked"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Create {
    async fn run(self) -> anyhow::Result<()> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        let new = NewDirectory {
            name: self.name,
            kind: match self.kind {
                KindName::Okta => DirectoryKind::Okta,
                KindName::Entra => DirectoryKind::Entra,
                KindName::Generic => DirectoryKind::Generic,
            },
            mode: match self.mode {
                ModeName::Live => Mode::Live,
                ModeName::Collect => Mode::Collect,
            },
            strict: self.strict,
            restore_inactive: self.restore_inactive,
        };
        let origin = Origin::cli();
        let directory = directory::create(&app, &origin, &workspace, new).await?;
        let life = self.token_days.map(|days| DAY * days);
        let issued = credentials::issue(&app, &origin, &directory, life).await?;
        let value = told(&app, &directory, Some(&issued)).await?;
        self.settings.print(&value, || text(&value))
    }
}

impl Named {
    pub(super) async fn find(&self) -> anyhow::Result<(App, Directory)> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        let directory = directory::find(&app, workspace.id, &self.name).await?;
        Ok((app, directory))
    }
}

async fn list(workspace: &str, settings: &Settings) -> anyhow::Result<()> {
    let app = settings.open().await?;
    let workspace = workspace::find(&app, workspace).await?;
    let directories = directory::list(&app, workspace.id).await?;
    settings.print(&directories, || {
        let rows = directories.iter().map(|directory| {
            let kind = format!("{:?}", directory.kind).to_lowercase();
            let mode = match directory.ended_at {
                Some(_) => "off".to_owned(),
                None => format!("{:?}", directory.mode).to_lowercase(),
            };
            vec![directory.name.clone(), kind, mode, directory.id.to_string()]
        });
        table(&["name", "kind", "mode", "id"], rows)
    })
}

async fn show(named: &Named) -> anyhow::Result<()> {
    let (app, directory) = named.find().await?;
    let mut value = told(&app, &directory, None).await?;
    let (users, groups) = directory::totals(&app, &directory).await?;
    value["users"] = users.into();
    value["groups"] = groups.into();
    value["tokens"] = serde_json::to_value(credentials::list(&app, &directory).await?)?;
    named.settings.print(&value, || text(&value))
}

async fn rotate(
    named: &Named,
    access: Access,
    days: Option<u32>,
    overlap_hours: Option<u32>,
) -> anyhow::Result<()> {
    let (app, directory) = named.find().await?;
    let life = days.map(|days| DAY * days);
    let origin = Origin::cli();
    let issued = credentials::issue_for(&app, &origin, &directory, access, life).await?;
    if let Some(hours) = overlap_hours {
        let (kept, overlap) = (issued.credential.id, Duration::from_hours(hours.into()));
        credentials::limit_others(&app, &origin, &directory, kept, overlap).await?;
    }
    let value = told(&app, &directory, Some(&issued)).await?;
    named.settings.print(&value, || text(&value))
}

/// A directory as the commands show it; a token is shown when it is made and never again.
async fn told(app: &App, directory: &Directory, issued: Option<&Issued>) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(directory)?;
    let public_url = app.public_url().await?;
    value["scim_base_url"] = scim_base_url(&public_url, directory.id).into();
    if let Some(issued) = issued {
        value["token_id"] = issued.credential.id.to_string().into();
        value["token"] = issued.token.expose_secret().into();
    }
    Ok(value)
}

fn text(value: &Value) -> String {
    let rows = value.as_object().into_iter().flatten().map(|(key, value)| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        vec![key.clone(), value]
    });
    table(&["", ""], rows)
}
