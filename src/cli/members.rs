//! `gatehouse members …`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Settings, export, import, person, table};
use crate::admission::editing;
use crate::admission::entry::{self, Entrant, Outcome};
use crate::admission::holds;
use crate::app::App;
use crate::changes::Origin;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::ids::MemberId;
use crate::scim::etag::Precondition;
use crate::workspace::keys::Scopes;
use crate::workspace::manual::{self, Right};
use crate::workspace::members::{self, GrantKind, Member, Source};
use crate::workspace::profile::{Edit, Line, Say};
use crate::workspace::search::{self, By, Order, Search};
use crate::workspace::{self, Workspace, status};

/// How many members are read at a time.
const PAGE: usize = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List members with their teams and roles.
    List {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        /// As they were at an instant, such as 2026-05-03T12:00:00Z.
        #[arg(long, value_name = "INSTANT", value_parser = person::instant)]
        as_of: Option<Timestamp>,
        /// Only those whom a filter in the SCIM language selects: `teams eq "Support"`.
        #[arg(long)]
        filter: Option<String>,
        /// By what they are put in order: `created_at`, `display_name`, email or status.
        #[arg(
            long,
            value_name = "FIELD",
            conflicts_with = "as_of",
            default_value = "created_at"
        )]
        sort_by: By,
        /// Begin with the last.
        #[arg(long, conflicts_with = "as_of")]
        descending: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Add somebody who is not told yet; one who is expected already or has left is found by the
    /// address.
    Add {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        #[command(flatten)]
        fields: Fields,
        #[command(flatten)]
        rights: Rights,
        #[command(flatten)]
        settings: Settings,
    },
    /// Bring members in from a table: CSV as spreadsheets write it, or JSON.
    Import(import::Import),
    /// Write all members as a table, which an import reads.
    ExportAll(export::Export),
    /// Write what a member shows.
    Edit {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        fields: Fields,
        /// A field to clear, such as `phone`.
        #[arg(long = "clear", value_name = "FIELD")]
        clear: Vec<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Shut a member out until an admin lets it in again, whatever its directory says.
    Suspend {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        settings: Settings,
    },
    /// Let a member in again.
    Activate {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        settings: Settings,
    },
    /// Take a member out of the workspace; id and history stay.
    Remove {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        settings: Settings,
    },
    /// Let no directory and no other admin take this member away.
    Protect {
        #[command(flatten)]
        who: Who,
        /// Take that back.
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Give teams, roles and permissions by hand.
    Grant {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        rights: Rights,
        #[command(flatten)]
        settings: Settings,
    },
    /// Take away what was given by hand.
    Revoke {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        rights: Rights,
        #[command(flatten)]
        settings: Settings,
    },
    /// All of one person, and members as they were.
    #[command(flatten)]
    Person(person::Command),
    /// Give members whom a restore holds their rights again.
    Release {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        /// The member: id, address or user name.
        #[arg(long, value_name = "ID_OR_EMAIL", required_unless_present = "all")]
        member: Option<String>,
        /// Every member of the workspace. They have the rights of the groups that they were in at
        /// the time of the backup: let their directory send everything again first.
        #[arg(long, conflicts_with = "member")]
        all: bool,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Args)]
pub(super) struct Who {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// The member: id, address or user name.
    #[arg(long, value_name = "ID_OR_EMAIL")]
    member: String,
}

#[derive(Debug, Args)]
pub(super) struct Rights {
    /// A team, by name or id.
    #[arg(long = "team", value_name = "NAME")]
    teams: Vec<String>,
    /// A role, by name or id.
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
    /// A permission.
    #[arg(long = "permission", value_name = "NAME")]
    permissions: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Fields {
    /// The address.
    #[arg(long)]
    email: Option<String>,
    /// First name.
    #[arg(long)]
    given_name: Option<String>,
    /// Last name.
    #[arg(long)]
    family_name: Option<String>,
    /// The name for people.
    #[arg(long)]
    display_name: Option<String>,
    /// The workspace's own id for the member.
    #[arg(long)]
    user_id: Option<String>,
    /// A phone number with its country code.
    #[arg(long)]
    phone: Option<String>,
    /// The line: its number with the country code, or `numberless`.
    #[arg(long)]
    line: Option<String>,
    /// A language, such as en or pt-BR.
    #[arg(long)]
    language: Option<String>,
    /// A time zone, such as Europe/Vienna.
    #[arg(long)]
    time_zone: Option<String>,
    /// Whom the member reports to: id, address or user name.
    #[arg(long, value_name = "ID_OR_EMAIL")]
    manager: Option<String>,
    /// The address of a picture.
    #[arg(long, value_name = "URL")]
    picture: Option<String>,
}

impl Rights {
    fn list(self) -> Vec<Right> {
        let of = |kind, names: Vec<String>| names.into_iter().map(move |name| Right { kind, name });
        of(GrantKind::Team, self.teams)
            .chain(of(GrantKind::Role, self.roles))
            .chain(of(GrantKind::Permission, self.permissions))
            .collect()
    }
}

impl Fields {
    async fn edit(self, app: &App, workspace: &Workspace) -> anyhow::Result<Edit> {
        let say = |text: Option<String>| text.map_or(Say::Nothing, Say::Set);
        let manager = match self.manager {
            Some(manager) => Say::Set(members::find(app, workspace.id, &manager).await?.id),
            None => Say::Nothing,
        };
        let line = match self.line {
            None => Say::Nothing,
            Some(line) if line == "numberless" => Say::Set(Line::Numberless),
            Some(number) => Say::Set(Line::Numbered {
                number: Some(number),
            }),
        };
        Ok(Edit {
            display_name: say(self.display_name),
            given_name: say(self.given_name),
            family_name: say(self.family_name),
            email: say(self.email),
            user_id: say(self.user_id),
            phone: say(self.phone),
            line,
            language: say(self.language),
            time_zone: say(self.time_zone),
            manager,
            picture: say(self.picture),
        })
    }
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let by = (&Origin::cli(), &Scopes::everything());
        match self {
            Self::List {
                workspace,
                as_of,
                filter,
                sort_by,
                descending,
                settings,
            } => match as_of {
                Some(at) => person::list_as_of(&workspace, at, &settings).await?,
                None => {
                    let order = Order {
                        by: sort_by,
                        is_descending: descending,
                    };
                    list(&workspace, (filter, order), &settings).await?;
                }
            },
            Self::Add {
                workspace,
                fields,
                rights,
                settings,
            } => add(&workspace, fields, rights, &settings).await?,
            Self::Import(import) => return import.run().await,
            Self::ExportAll(export) => export.run().await?,
            Self::Edit {
                who,
                fields,
                clear,
                settings,
            } => {
                let (app, workspace, member) = open(&who, &settings).await?;
                let written = fields.edit(&app, &workspace).await?;
                let written = cleared(written, clear)?;
                let which = (workspace.id, member.id);
                editing::edit(&app, by, which, Precondition::default(), written).await?;
                say(&settings, member.id, "is written")?;
            }
            Self::Suspend { who, settings } => {
                let (app, workspace, member) = open(&who, &settings).await?;
                status::suspend(&app, by, (workspace.id, member.id)).await?;
                say(&settings, member.id, "is out until it is activated")?;
            }
            Self::Activate { who, settings } => {
                let (app, workspace, member) = open(&who, &settings).await?;
                status::activate(&app, by, (workspace.id, member.id)).await?;
                say(&settings, member.id, "is in")?;
            }
            Self::Remove { who, settings } => {
                let (app, workspace, member) = open(&who, &settings).await?;
                status::remove(&app, by, (workspace.id, member.id), Precondition::default())
                    .await?;
                say(&settings, member.id, "is removed")?;
            }
            Self::Protect { who, off, settings } => {
                let (app, workspace, member) = open(&who, &settings).await?;
                let which = (workspace.id, member.id);
                status::protect(&app, &Origin::cli(), which, !off).await?;
                let told = if off {
                    "is protected no longer"
                } else {
                    "is protected"
                };
                say(&settings, member.id, told)?;
            }
            Self::Grant {
                who,
                rights,
                settings,
            } => {
                let (app, workspace, member) = open(&who, &settings).await?;
                let which = (workspace.id, member.id);
                let given = manual::give(&app, by, which, rights.list()).await?;
                let value = json!({"member": member.id, "given": given});
                settings.print(&value, || format!("{given} rights are new"))?;
            }
            Self::Revoke {
                who,
                rights,
                settings,
            } => {
                let (app, workspace, member) = open(&who, &settings).await?;
                let which = (workspace.id, member.id);
                manual::take(&app, by, which, rights.list()).await?;
                say(&settings, member.id, "has these rights no longer")?;
            }
            Self::Person(command) => command.run().await?,
            Self::Release {
                workspace,
                member,
                settings,
                ..
            } => release(&workspace, member.as_deref(), &settings).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The edit with fields that are to be cleared.
fn cleared(edit: Edit, names: Vec<String>) -> anyhow::Result<Edit> {
    let said = names
        .into_iter()
        .map(|name| (name, serde_json::Value::Null));
    let clear: serde_json::Map<_, _> = said.collect();
    let clear: Edit = serde_json::from_value(clear.into())
        .map_err(|error| Error::value(format!("--clear: {error}")))?;
    Ok(edit.and(clear))
}

pub(super) async fn open(
    who: &Who,
    settings: &Settings,
) -> anyhow::Result<(App, Workspace, Member)> {
    let app = settings.open().await?;
    let workspace = workspace::find(&app, &who.workspace).await?;
    let member = members::find(&app, workspace.id, &who.member).await?;
    Ok((app, workspace, member))
}

fn say(settings: &Settings, member: MemberId, told: &str) -> anyhow::Result<()> {
    settings.print(&json!({"member": member}), || {
        format!("member {member} {told}")
    })
}

async fn add(
    workspace: &str,
    fields: Fields,
    rights: Rights,
    settings: &Settings,
) -> anyhow::Result<()> {
    let app = settings.open().await?;
    let workspace = workspace::find(&app, workspace).await?;
    let entrant = Entrant {
        edit: fields.edit(&app, &workspace).await?,
        rights: rights.list(),
    };
    let by = (&Origin::cli(), &Scopes::everything());
    let entered = entry::enter(&app, by, workspace.id, Source::Api, entrant).await?;
    settings.print(&entered, || {
        let told = match entered.outcome {
            Outcome::Created => "is new",
            Outcome::Merged => "was expected already",
            Outcome::Revived => "is back",
        };
        format!("member {} {told}", entered.member)
    })
}

async fn list(
    workspace: &str,
    (filter, order): (Option<String>, Order),
    settings: &Settings,
) -> anyhow::Result<()> {
    let app = settings.open().await?;
    let workspace = workspace::find(&app, workspace).await?;
    let mut listed = Vec::new();
    let mut search = Search {
        filter,
        order,
        most: PAGE,
        ..Search::default()
    };
    loop {
        let page = search::search(&app, workspace.id, search.clone()).await?;
        listed.extend(page.members);
        search.after = page.next;
        if search.after.is_none() {
            break;
        }
    }
    settings.print(&listed, || {
        let rows = listed.iter().map(|member| {
            let name = member.user_name.as_ref().or(member.email.as_ref());
            vec![
                name.or(member.display_name.as_ref())
                    .cloned()
                    .unwrap_or_default(),
                match (member.held_at, member.waiting_at) {
                    (Some(_), _) => "held".to_owned(),
                    (None, Some(_)) => "waiting".to_owned(),
                    (None, None) => format!("{:?}", member.status).to_lowercase(),
                },
                member.teams.iter().cloned().collect::<Vec<_>>().join(", "),
                member.roles.iter().cloned().collect::<Vec<_>>().join(", "),
                member
                    .access
                    .iter()
                    .map(|access| access.team.clone())
                    .collect::<Vec<_>>()
                    .join(", "),
            ]
        });
        table(&["user name", "status", "teams", "roles", "access"], rows)
    })
}

async fn release(workspace: &str, member: Option<&str>, settings: &Settings) -> anyhow::Result<()> {
    let app = settings.open().await?;
    let workspace = workspace::find(&app, workspace).await?;
    let origin = Origin::cli();
    let released = if let Some(member) = member {
        let member = members::find(&app, workspace.id, member).await?;
        holds::release(&app, &origin, workspace.id, member.id).await?;
        1
    } else {
        holds::release_all(&app, &origin, workspace.id).await?
    };
    let value = json!({"released": released});
    settings.print(&value, || {
        format!("{released} members have their rights again")
    })
}
