//! `gatehouse members activity`, `export` and `erase`: all of one person; and members as they were.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::members::{Who, open};
use super::{Settings, private_file, table};
use crate::admission::restoration;
use crate::app::App;
use crate::changes::Origin;
use crate::clock::Timestamp;
use crate::directory::{Directory, erasure, export, restore};
use crate::ids::WorkspaceId;
use crate::workspace::activity::{self, Activity, Spot};
use crate::workspace::history::{self, Changed, Difference, Rights, Then};
use crate::workspace::keys::Scopes;
use crate::workspace::members::{self, Member, Status};
use crate::workspace::past_names::{self, RoleThen, TeamThen};
use crate::workspace::{self, Workspace};

/// How many members are read at a time.
const PAGE: i64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what differs between two instants: status, fields, rights that began and ended; and which
    /// teams and roles are others.
    Diff {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        /// The earlier instant, such as 2026-05-03T12:00:00Z.
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        from: Timestamp,
        /// The later one; now if it is not given.
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        to: Option<Timestamp>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show in which teams a member has access now, and why.
    Access {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show what happened to a member: changes, grants, syncs, newest first.
    Activity {
        #[command(flatten)]
        who: Who,
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
        #[command(flatten)]
        settings: Settings,
    },
    /// Write everything that is held of a member as JSON.
    Export {
        #[command(flatten)]
        who: Who,
        /// The file to make; standard output if it is not given.
        #[arg(long)]
        file: Option<PathBuf>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Put a member back to what it was at an instant: rights given by hand, and what admins keep of it.
    Restore {
        #[command(flatten)]
        who: Who,
        /// The instant, such as 2026-05-03T12:00:00Z.
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        as_of: Timestamp,
        #[command(flatten)]
        settings: Settings,
    },
    /// Destroy what is personal of a member who left, for good: no backup brings it back.
    Erase {
        #[command(flatten)]
        who: Who,
        /// Remove the member first, where it has not left yet.
        #[arg(long)]
        remove: bool,
        #[command(flatten)]
        settings: Settings,
    },
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Diff {
                workspace,
                from,
                to,
                settings,
            } => diff(&workspace, (from, to), &settings).await,
            Self::Access { who, settings } => {
                let (app, workspace, member) = open(&who, &settings).await?;
                let access = members::show(&app, workspace.id, member.id).await?;
                let access = access.listed.access;
                settings.print(&access, || {
                    let rows = access
                        .iter()
                        .map(|it| vec![it.team.clone(), it.because.told().to_owned()]);
                    table(&["team", "because the member"], rows)
                })
            }
            Self::Activity {
                who,
                limit,
                settings,
            } => {
                let (app, workspace, member) = open(&who, &settings).await?;
                activity((app, workspace.id, member), limit, &settings).await
            }
            Self::Export {
                who,
                file,
                settings,
            } => export(open(&who, &settings).await?, file.as_deref(), &settings).await,
            Self::Restore {
                who,
                as_of,
                settings,
            } => {
                let (app, workspace, member) = open(&who, &settings).await?;
                let by = (&Origin::cli(), &Scopes::everything());
                let which = (workspace.id, member.id);
                let done = restoration::restore(&app, by, which, as_of).await?;
                settings.print(&done, || {
                    let (given, taken) = (done.given, done.taken);
                    let fields = done.fields.len();
                    let mut lines = vec![format!(
                        "{given} rights are back, {taken} went, {fields} fields are as before"
                    )];
                    let left = done.fields_left.iter();
                    lines.extend(
                        left.map(|it| format!("  {} is not: {}", it.field.name(), it.why.told())),
                    );
                    let left = done.rights_left.iter();
                    lines.extend(left.map(|it| {
                        format!("  {} is not: it is archived or there no longer", it.name)
                    }));
                    lines.join("\n")
                })
            }
            Self::Erase {
                who,
                remove,
                settings,
            } => {
                let (app, workspace, member) = open(&who, &settings).await?;
                erase((app, workspace.id, member), remove, &settings).await
            }
        }
    }
}

/// Shows the latest so many things that happened to a member.
async fn activity(
    (app, workspace, member): (App, WorkspaceId, Member),
    most: i64,
    settings: &Settings,
) -> anyhow::Result<()> {
    let found = activity::list(&app, workspace, member.id, Spot::newest(), most).await?;
    settings.print(&found, || told(&found))
}

fn told(found: &Activity) -> String {
    let seen = found
        .last_seen
        .map_or("never".to_owned(), |at| at.to_string());
    let rows = found.events.iter().map(|event| {
        let by = &event.by;
        let through = match (&by.actor, &by.method, &by.path) {
            (Some(actor), Some(method), Some(path)) => format!("{actor}: {method} {path}"),
            (None, Some(method), Some(path)) => format!("{method} {path}"),
            (actor, ..) => actor.clone().unwrap_or_default(),
        };
        let personal = match (&event.personal, event.erased) {
            (Some(personal), _) => personal.to_string(),
            (None, true) => "erased".to_owned(),
            (None, false) => String::new(),
        };
        vec![event.at.to_string(), event.kind.clone(), through, personal]
    });
    format!(
        "last seen: {seen}\n{}",
        table(&["when", "what", "through", "values"], rows)
    )
}

/// Writes everything that is held of a member into a new file that its owner alone reads, or to
/// standard output.
async fn export(
    (app, workspace, member): (App, Workspace, Member),
    file: Option<&Path>,
    settings: &Settings,
) -> anyhow::Result<()> {
    let Some(file) = file else {
        let out = &mut std::io::stdout().lock();
        return write(&app, &workspace, &member, out).await;
    };
    let mut out = private_file(file)?;
    write(&app, &workspace, &member, &mut out).await?;
    out.sync_all()?;
    let value = json!({"member": member.id, "file": file});
    settings.print(&value, || {
        format!("member {} is written to {}", member.id, file.display())
    })
}

async fn write(
    app: &App,
    workspace: &Workspace,
    member: &Member,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut export = export::begin(app, &Origin::cli(), workspace, member.id).await?;
    while let Some(part) = export.next().await? {
        out.write_all(part.as_bytes())?;
    }
    Ok(out.flush()?)
}

/// Destroys what is personal of a member.
async fn erase(
    (app, workspace, member): (App, WorkspaceId, Member),
    remove: bool,
    settings: &Settings,
) -> anyhow::Result<()> {
    let by = (&Origin::cli(), &Scopes::everything());
    let at = erasure::erase(&app, by, (workspace, member.id), remove).await?;
    let list = app.config.erasure_list();
    let value = json!({"member": member.id, "erased_at": at, "list": list});
    settings.print(&value, || {
        let kept = match list {
            Some(list) => format!("{} keeps it erased after a restore", list.display()),
            None => {
                "set retention.erasure_list to keep it erased after a restore elsewhere".to_owned()
            }
        };
        format!("member {} is erased since {at}; {kept}", member.id)
    })
}

/// Reads an instant.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "expected an RFC 3339 date-time".to_owned())
}

/// Lists members as they were at an instant.
pub(super) async fn list_as_of(
    workspace: &str,
    at: Timestamp,
    settings: &Settings,
) -> anyhow::Result<()> {
    let app = settings.open().await?;
    let workspace = workspace::find(&app, workspace).await?;
    let moment = history::moment(&app, workspace.id, at).await?;
    let mut listed: Vec<Then> = Vec::new();
    loop {
        let after = listed.last().map(|then| then.id);
        let page = history::list(&app, workspace.id, moment, after, PAGE).await?;
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    settings.print(&listed, || {
        let rows = listed.iter().map(|then| {
            let name = ["user_name", "email", "display_name"];
            let mut name = name
                .iter()
                .filter_map(|name| then.shown.value(name).as_str());
            vec![
                name.next().unwrap_or_default().to_owned(),
                format!("{:?}", then.status).to_lowercase(),
                joined(&then.teams),
                joined(&then.roles),
            ]
        });
        table(&["user name", "status", "teams", "roles"], rows)
    })
}

/// Shows what differs between two instants.
async fn diff(
    workspace: &str,
    (from, to): (Timestamp, Option<Timestamp>),
    settings: &Settings,
) -> anyhow::Result<()> {
    let app = settings.open().await?;
    let workspace = workspace::find(&app, workspace).await?;
    let to = to.unwrap_or_else(|| app.clock.now());
    let from = history::moment(&app, workspace.id, from).await?;
    let span = (from, history::moment(&app, workspace.id, to).await?);
    let mut listed: Vec<Difference> = Vec::new();
    loop {
        let after = listed.last().map(|it| it.member);
        let page = history::differences(&app, workspace.id, span, after, PAGE).await?;
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    let teams = past_names::changed_teams(&app, workspace.id, span).await?;
    let roles = past_names::changed_roles(&app, workspace.id, span).await?;
    let value = serde_json::json!({"members": listed, "teams": teams, "roles": roles});
    settings.print(&value, || {
        let rows = listed.iter().map(|it| {
            let status = |status: Option<Status>| {
                status.map_or("-".to_owned(), |it| format!("{it:?}").to_lowercase())
            };
            let (from, to) = (status(it.status_from), status(it.status_to));
            let rights = |rights: &Rights| {
                let all = [&rights.teams, &rights.roles, &rights.permissions];
                let all: Vec<_> = all
                    .into_iter()
                    .map(joined)
                    .filter(|it| !it.is_empty())
                    .collect();
                all.join(", ")
            };
            vec![
                it.member.to_string(),
                if from == to {
                    from
                } else {
                    format!("{from} -> {to}")
                },
                rights(&it.began),
                rights(&it.ended),
                it.fields.iter().map(field).collect::<Vec<_>>().join(", "),
            ]
        });
        let mut parts = vec![table(
            &["member", "status", "began", "ended", "fields"],
            rows,
        )];
        if !teams.is_empty() {
            let shown = |team: &TeamThen| {
                let state = match (team.archived, team.enabled) {
                    (true, _) => ", archived",
                    (false, true) => ", enabled",
                    (false, false) => "",
                };
                format!("{}{state}", team.name)
            };
            let rows = teams.iter().map(|it| {
                let both = [&it.from, &it.to];
                both.map(|it| it.as_ref().map_or("-".to_owned(), shown))
                    .to_vec()
            });
            parts.push(table(&["team was", "is"], rows));
        }
        if !roles.is_empty() {
            let shown = |role: &RoleThen| format!("{}: {}", role.name, joined(&role.permissions));
            let rows = roles.iter().map(|it| {
                let both = [&it.from, &it.to];
                both.map(|it| it.as_ref().map_or("-".to_owned(), shown))
                    .to_vec()
            });
            parts.push(table(&["role was", "is"], rows));
        }
        parts.join("\n\n")
    })
}

/// A field with what it showed and what it shows.
fn field(changed: &Changed) -> String {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null => "-".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (from, to) = (text(&changed.from), text(&changed.to));
    format!("{}: {from} -> {to}", changed.field)
}

/// Gives back what a directory took away between two instants.
pub(super) async fn restore(
    app: &App,
    directory: &Directory,
    (from, to): (Timestamp, Option<Timestamp>),
    settings: &Settings,
) -> anyhow::Result<()> {
    let span = (from, to.unwrap_or_else(|| app.clock.now()));
    let by = (&Origin::cli(), &Scopes::everything());
    let restored = restore::restore(app, by, directory, span).await?;
    settings.print(&restored, || {
        let mut lines = vec![format!(
            "{} groups and {} users are there again, {} users are active again, {} memberships \
             are back",
            restored.groups, restored.users, restored.activated, restored.memberships
        )];
        let lost = restored.groups_skipped.iter();
        lines.extend(lost.map(|it| format!("  group {} is not: {}", it.group, it.reason)));
        let skipped = restored.skipped.iter();
        lines.extend(skipped.map(|it| format!("  user {} is not: {}", it.user, it.reason)));
        if restored.groups_lost > 0 || restored.memberships_unknown > 0 {
            lines.push(format!(
                "{} groups and {} memberships are for the IdP to send again",
                restored.groups_lost, restored.memberships_unknown
            ));
        }
        lines.join("\n")
    })
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().cloned().collect::<Vec<_>>().join(", ")
}
