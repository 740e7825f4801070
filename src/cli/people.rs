//! `gatehouse rule …` and `gatehouse explain`.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Settings, table};
use crate::admission::rules::{self, NewRule};
use crate::admission::runs::{self, RunState};
use crate::admission::templates::{self, Mapped, Template};
use crate::app::App;
use crate::changes::Origin;
use crate::ids::{RunId, WorkspaceId};
use crate::mapping;
use crate::mapping::explain::{self, Explanation};
use crate::worker::{self, Round, Worker};
use crate::workspace::{self, members};

#[derive(Debug, Subcommand)]
pub(super) enum RuleCommand {
    /// Say that who is in all these groups, and whose attributes hold, gets these teams and roles.
    Add(AddRule),
    /// List a workspace's rules.
    List {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Args)]
pub(super) struct AddRule {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// The directory whose groups and users the rule looks at.
    #[arg(long)]
    directory: String,
    /// A group; repeated, all must hold. A name that no group has yet waits for one.
    #[arg(long = "group", value_name = "NAME", required_unless_present_any = ["when", "template"])]
    groups: Vec<String>,
    /// A SCIM filter that must hold of the user's own attributes, such as `title eq "Lead"`.
    #[arg(long, value_name = "FILTER")]
    when: Option<String>,
    /// A team that it gives; made where it is missing.
    #[arg(long = "team", value_name = "NAME")]
    teams: Vec<String>,
    /// A role that it gives; made, empty, where it is missing.
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
    /// Add a rule for each role instead, for who has it in `roles`; without --role, for all but `admin`.
    #[arg(long, value_enum, conflicts_with_all = ["groups", "when", "teams"])]
    template: Option<TemplateName>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TemplateName {
    /// `roles.value` is the id of the role.
    OktaRoles,
    /// `roles.value` is the name of the role.
    EntraRoles,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    /// The member: id, address or user name.
    #[arg(long, value_name = "ID_OR_EMAIL")]
    member: String,
    #[command(flatten)]
    settings: Settings,
}

impl RuleCommand {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add(add) => add.run().await?,
            Self::List {
                workspace,
                settings,
            } => {
                let app = settings.open().await?;
                let workspace = workspace::find(&app, &workspace).await?;
                let rules = mapping::rules::list(&app, workspace.id).await?;
                settings.print(&rules, || {
                    let rows = rules.iter().map(|rule| {
                        vec![
                            rule.id.to_string(),
                            format!("{:?}", rule.state).to_lowercase(),
                            rule.groups.join(", "),
                            rule.when.clone().unwrap_or_default(),
                            rule.grants.join(", "),
                        ]
                    });
                    table(&["id", "state", "groups", "when", "gives"], rows)
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl AddRule {
    async fn run(self) -> anyhow::Result<()> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        if let Some(name) = self.template {
            let template = match name {
                TemplateName::OktaRoles => Template::OktaRoles,
                TemplateName::EntraRoles => Template::EntraRoles,
            };
            let of = (template, self.directory.as_str());
            let mapped = templates::add(&app, &Origin::cli(), &workspace, of, &self.roles).await?;
            if let Some(run) = mapped
                .iter()
                .filter(|rule| rule.added)
                .find_map(|rule| rule.run)
            {
                work_off(&app, workspace.id, run).await?;
            }
            return self.settings.print(&mapped, || mapping_text(&mapped));
        }
        let new = NewRule {
            directory: self.directory,
            groups: self.groups,
            when: self.when,
            teams: self.teams,
            roles: self.roles,
        };
        let added = rules::add(&app, &Origin::cli(), &workspace, new).await?;
        if let Some(run) = added.run {
            work_off(&app, workspace.id, run).await?;
        }
        self.settings.print(&added, || {
            let bound = if added.bound {
                "bound"
            } else {
                "waits for its group"
            };
            format!(
                "rule {} is there: {bound}, {} members changed",
                added.id, added.changed
            )
        })
    }
}

fn mapping_text(mapped: &[Mapped]) -> String {
    let rows = mapped.iter().map(|rule| {
        let is_new = if rule.added { "added" } else { "was there" };
        vec![
            rule.id.to_string(),
            is_new.to_owned(),
            rule.when.clone(),
            rule.role.clone(),
        ]
    });
    table(&["id", "", "when", "gives role"], rows)
}

/// Works a run off where no server holds the lease; where one does, it has the run already.
async fn work_off(app: &App, workspace: WorkspaceId, id: RunId) -> anyhow::Result<()> {
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} members settled",
    )?);
    let mut worker = Worker::new(app.clone());
    loop {
        let round = worker.round().await?;
        let Some(run) = runs::find(app, workspace, id).await? else {
            break;
        };
        bar.set_length(u64::try_from(run.total).unwrap_or(0));
        bar.set_position(u64::try_from(run.processed).unwrap_or(0));
        if run.state == RunState::Done || round == Round::Elsewhere {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(worker::release(app).await?)
}

impl Explain {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        let member = members::find(&app, workspace.id, &self.member).await?;
        let explanation = explain::explain(&app, workspace.id, &member).await?;
        self.settings.print(&explanation, || text(&explanation))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// An explanation in sentences.
pub(super) fn text(explanation: &Explanation) -> String {
    let name = explanation.user_name.as_deref().unwrap_or("this member");
    let status = format!("{:?}", explanation.status).to_lowercase();
    let held = explanation
        .held_at
        .map(|at| format!(", held since {at} by a restore,"));
    let held = held.unwrap_or_default();
    let mut lines = vec![format!(
        "{name} is {status}{held} and has {} grants",
        explanation.grants.len()
    )];
    for why in &explanation.grants {
        let kind = format!("{:?}", why.kind).to_lowercase();
        let groups: Vec<_> = why
            .rule
            .iter()
            .flat_map(|rule| &rule.groups)
            .map(|group| {
                let id = group.id.map(|id| id.to_string()).unwrap_or_default();
                let through: Vec<_> = group
                    .through
                    .iter()
                    .map(|name| format!(" through \"{name}\""))
                    .collect();
                format!("\"{}\" ({id}){}", group.name, through.concat())
            })
            .collect();
        let cause = match &why.rule {
            Some(rule) => {
                let groups = (!groups.is_empty())
                    .then(|| format!("being in group {}", groups.join(" and ")));
                let when = rule.when.as_ref().map(|when| format!("having {when}"));
                let parts = [
                    Some(format!("rule {} version {}", rule.id, rule.version)),
                    groups,
                    when,
                ];
                parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
            }
            None => why.cause.clone(),
        };
        let request = match (&why.request.method, &why.request.path) {
            (Some(method), Some(path)) => format!("{method} {path}"),
            _ => "the command line or the worker".to_owned(),
        };
        lines.push(format!("  {kind} \"{}\" since {}", why.name, why.since));
        lines.push(format!("    because of {cause}"));
        for (attribute, values) in why.rule.iter().flat_map(|rule| &rule.satisfied_by) {
            let values: Vec<_> = values.iter().map(ToString::to_string).collect();
            let values = if values.is_empty() {
                "nothing".to_owned()
            } else {
                values.join(", ")
            };
            lines.push(format!("      where {attribute} is {values}"));
        }
        lines.push(format!("    through {request}, request {}", why.request.id));
        lines.push(format!("    ends with {}", why.ends_with.join(", or ")));
    }
    lines.join("\n")
}
