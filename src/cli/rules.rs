//! `gatehouse rule …`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::plans::{plan_text, stale_text};
use super::runs::work_off;
use super::{Settings, table};
use crate::admission::former_rules;
use crate::admission::plans::{self, Applied, Proposal};
use crate::admission::rules::{self, Added, Missing, RuleEdit};
use crate::admission::runs;
use crate::admission::templates::{self, Mapped, Template};
use crate::app::App;
use crate::changes::Origin;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::ids::RuleId;
use crate::mapping::rules::{self as listed, LinePolicy, Listed, RuleSource};
use crate::scim::etag::Precondition;
use crate::workspace::keys::Scopes;
use crate::workspace::profile::Say;
use crate::workspace::{self, Workspace};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say that who is in all these groups, and whose attributes hold, gets these teams and roles.
    Add(Add),
    /// List a workspace's rules.
    List {
        #[command(flatten)]
        at: At,
    },
    /// Show a rule with everything that it says.
    Show {
        #[command(flatten)]
        at: At,
        /// The rule's id.
        #[arg(long, value_name = "ID")]
        rule: RuleId,
    },
    /// Change a rule: a further version; what is not said stays.
    Edit(Edit),
    /// Bind a rule to the groups that have the names of its groups now.
    Rebind {
        #[command(flatten)]
        at: At,
        /// The rule's id.
        #[arg(long, value_name = "ID")]
        rule: RuleId,
    },
    /// End a rule, and with it what it gave.
    End {
        #[command(flatten)]
        at: At,
        /// The rule's id.
        #[arg(long, value_name = "ID")]
        rule: RuleId,
        /// Only tell what would become of it.
        #[arg(long)]
        plan: bool,
    },
    /// Show a plan.
    Plan {
        #[command(flatten)]
        at: At,
        /// The plan's id.
        #[arg(long, value_name = "ID")]
        plan: Uuid,
    },
    /// Apply a plan, if it would still do what it told.
    Apply {
        #[command(flatten)]
        at: At,
        /// The plan's id.
        #[arg(long, value_name = "ID")]
        plan: Uuid,
    },
    /// Tell what would become of it if a directory deleted a group.
    PlanDelete {
        #[command(flatten)]
        at: At,
        /// The directory, by name or id.
        #[arg(long)]
        directory: String,
        /// The group, by name or id.
        #[arg(long)]
        group: String,
    },
}

/// Where it is about.
#[derive(Debug, Args)]
pub(super) struct At {
    /// The workspace's slug.
    #[arg(long)]
    workspace: String,
    #[command(flatten)]
    settings: Settings,
}

/// What a rule says.
#[derive(Debug, Args)]
struct Says {
    /// A group, by name or id; repeated, all must hold. A name that no group has yet waits for one.
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// A SCIM filter that must hold of the user's own attributes, such as `title eq "Lead"`; of a rule
    /// over profiles, of what the member shows.
    #[arg(long, value_name = "FILTER")]
    when: Option<String>,
    /// A team that it gives; made where it is missing.
    #[arg(long = "team", value_name = "NAME")]
    teams: Vec<String>,
    /// A role that it gives; made, empty, where it is missing.
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
    /// A permission that it gives.
    #[arg(long = "permission", value_name = "NAME")]
    permissions: Vec<String>,
    /// Whether it is switched on.
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    /// Its place: rules of a higher priority come first.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    priority: Option<i64>,
    /// Whether later rules are not looked at for whom it holds.
    #[arg(long, value_name = "BOOL")]
    stop: Option<bool>,
    /// Since when it has effect, as 2030-01-31T08:00:00Z; `none` for no such time.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when it has effect; `none` for no such time. Said less than an hour before, the end goes
    /// through the brake.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The line of members who have none of an admin's choice: numberless, numbered or none.
    #[arg(long, value_enum)]
    line: Option<LineName>,
    /// The language of members who have none of an admin's choice; `none` for no language.
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// A file with examples, a JSON list: the rule is refused if one does not come out.
    #[arg(long, value_name = "FILE")]
    examples: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LineName {
    Numberless,
    Numbered,
    None,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    at: At,
    /// The directory whose groups and users the rule looks at.
    #[arg(long, required_unless_present = "profile")]
    directory: Option<String>,
    /// Look at what members show instead, whatever way they came: --when is over their fields, such as
    /// `user_id sw "A-"`.
    #[arg(long, requires = "when", conflicts_with_all = ["directory", "groups", "template"])]
    profile: bool,
    #[command(flatten)]
    says: Says,
    /// Add a rule for each role instead, for who has it in `roles`; without --role, for all but `admin`.
    #[arg(long, value_enum, conflicts_with_all = ["groups", "when", "teams", "plan"])]
    template: Option<TemplateName>,
    /// Only tell what would become of it.
    #[arg(long)]
    plan: bool,
}

#[derive(Debug, Args)]
pub(super) struct Edit {
    #[command(flatten)]
    at: At,
    /// The rule's id.
    #[arg(long, value_name = "ID")]
    rule: RuleId,
    #[command(flatten)]
    says: Says,
    /// Let it ask for no group, or give no team, role or permission.
    #[arg(long = "no", value_enum, value_name = "WHAT")]
    without: Vec<Part>,
    /// Only tell what would become of it.
    #[arg(long)]
    plan: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    Groups,
    Teams,
    Roles,
    Permissions,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TemplateName {
    /// `roles.value` is the id of the role.
    OktaRoles,
    /// `roles.value` is the name of the role.
    EntraRoles,
}

impl At {
    async fn open(&self) -> anyhow::Result<(App, Workspace)> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.workspace).await?;
        Ok((app, workspace))
    }

    /// Plans a change and tells what would become of it.
    async fn tell(&self, proposal: Proposal) -> anyhow::Result<()> {
        let (app, workspace) = self.open().await?;
        let by = (&Origin::cli(), &Scopes::everything());
        let plan = plans::plan(&app, by, workspace.id, (proposal, Missing::Foresee)).await?;
        self.settings.print(&plan, || plan_text(&plan))
    }
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let by = (&origin, &scopes);
        match self {
            Self::Add(add) => Box::pin(add.run()).await?,
            Self::Edit(edit) => Box::pin(edit.run()).await?,
            Self::List { at } => {
                let (app, workspace) = at.open().await?;
                let rules = listed::list(&app, workspace.id).await?;
                at.settings.print(&rules, || list_text(&rules))?;
            }
            Self::Show { at, rule } => {
                let (app, workspace) = at.open().await?;
                match listed::show(&app, workspace.id, rule).await {
                    Err(Error::NotFound(_)) => {
                        let ended = former_rules::show(&app, workspace.id, rule).await?;
                        at.settings.print(&ended, || {
                            format!("rule {} ended at {}", ended.id, ended.ended_at)
                        })?;
                    }
                    found => {
                        let rule = found?;
                        at.settings
                            .print(&rule, || list_text(std::slice::from_ref(&rule)))?;
                    }
                }
            }
            Self::Rebind { at, rule } => {
                let (app, workspace) = at.open().await?;
                let added = rules::rebind(&app, by, (workspace.id, rule)).await?;
                written(&at, &app, &workspace, added).await?;
            }
            Self::End {
                at,
                rule,
                plan: true,
            } => at.tell(Proposal::End { id: rule }).await?,
            Self::End { at, rule, .. } => {
                let (app, workspace) = at.open().await?;
                let which = (workspace.id, rule);
                let ended = rules::end(&app, by, which, Precondition::default()).await?;
                if let Some(run) = ended.run {
                    work_off(&app, workspace.id, run).await?;
                }
                at.settings.print(&ended, || {
                    let held = held_text(i64::try_from(ended.held).unwrap_or(i64::MAX));
                    let changed = ended.changed;
                    format!("rule {rule} has ended: {changed} members changed{held}")
                })?;
            }
            Self::Plan { at, plan } => {
                let (app, workspace) = at.open().await?;
                let plan = plans::find(&app, &scopes, (workspace.id, plan)).await?;
                at.settings.print(&plan, || plan_text(&plan))?;
            }
            Self::Apply { at, plan } => return apply(&at, by, plan).await,
            Self::PlanDelete {
                at,
                directory,
                group,
            } => {
                let (app, workspace) = at.open().await?;
                let what = (directory.as_str(), group.as_str());
                let plan = plans::plan_delete(&app, by, workspace.id, what).await?;
                at.settings.print(&plan, || plan_text(&plan))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Applies a plan; one that would do something else by now is a conflict.
async fn apply(at: &At, by: (&Origin, &Scopes), plan: Uuid) -> anyhow::Result<ExitCode> {
    let (app, workspace) = at.open().await?;
    match plans::apply(&app, by, (workspace.id, plan)).await? {
        Applied::Done(done) => {
            work_off(&app, workspace.id, done.run).await?;
            let run = runs::find(&app, workspace.id, done.run).await?;
            let held = held_text(run.map_or(0, |run| run.of.held));
            at.settings.print(&done, || {
                format!("the plan is applied, as run {}{held}", done.run)
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Applied::Stale(stale) => {
            at.settings.print(&stale, || stale_text(&stale))?;
            Ok(ExitCode::from(4))
        }
    }
}

impl Add {
    async fn run(self) -> anyhow::Result<()> {
        if let Some(name) = self.template {
            return self.map_roles(name).await;
        }
        let mut edit = self.says.edit()?;
        edit.source = self.profile.then_some(RuleSource::Profile);
        edit.directory = self.directory;
        if self.plan {
            return self.at.tell(Proposal::Add { rule: edit }).await;
        }
        let (app, workspace) = self.at.open().await?;
        let by = (&Origin::cli(), &Scopes::everything());
        let added = rules::create(&app, by, workspace.id, edit, Missing::Make).await?;
        written(&self.at, &app, &workspace, added).await
    }

    async fn map_roles(&self, name: TemplateName) -> anyhow::Result<()> {
        let (app, workspace) = self.at.open().await?;
        let template = match name {
            TemplateName::OktaRoles => Template::OktaRoles,
            TemplateName::EntraRoles => Template::EntraRoles,
        };
        let (of, roles) = (
            (template, self.directory.as_deref().unwrap_or_default()),
            &self.says.roles,
        );
        let mapped = templates::add(&app, &Origin::cli(), &workspace, of, roles).await?;
        let mut added = mapped.iter().filter(|rule| rule.added);
        if let Some(run) = added.find_map(|rule| rule.run) {
            work_off(&app, workspace.id, run).await?;
        }
        let settings = &self.at.settings;
        settings.print(&mapped, || mapping_text(&mapped))
    }
}

impl Edit {
    async fn run(self) -> anyhow::Result<()> {
        let mut edit = self.says.edit()?;
        for part in &self.without {
            let named = match part {
                Part::Groups => &mut edit.groups,
                Part::Teams => &mut edit.teams,
                Part::Roles => &mut edit.roles,
                Part::Permissions => &mut edit.permissions,
            };
            *named = Some(Vec::new());
        }
        let id = self.rule;
        if self.plan {
            return self.at.tell(Proposal::Change { id, rule: edit }).await;
        }
        let (app, workspace) = self.at.open().await?;
        let by = (&Origin::cli(), &Scopes::everything());
        let (which, what) = ((workspace.id, id), (edit, Missing::Make));
        let changed = rules::change(&app, by, which, Precondition::default(), what).await?;
        written(&self.at, &app, &workspace, changed).await
    }
}

impl Says {
    fn edit(&self) -> anyhow::Result<RuleEdit> {
        let listed = |of: &Vec<String>| (!of.is_empty()).then(|| of.clone());
        let examples = self.examples.as_ref().map(|path| {
            let name = path.display();
            let text = std::fs::read(path).with_context(|| format!("{name} cannot be read"))?;
            serde_json::from_slice(&text).with_context(|| format!("{name} is no list of examples"))
        });
        Ok(RuleEdit {
            source: None,
            directory: None,
            groups: listed(&self.groups),
            when: said(self.when.as_ref()),
            teams: listed(&self.teams),
            roles: listed(&self.roles),
            permissions: listed(&self.permissions),
            enabled: self.enabled,
            priority: self.priority,
            stop: self.stop,
            from: instant(self.from.as_ref(), "--from")?,
            until: instant(self.until.as_ref(), "--until")?,
            line: match self.line {
                None => Say::Nothing,
                Some(LineName::None) => Say::Clear,
                Some(LineName::Numberless) => Say::Set(LinePolicy::Numberless),
                Some(LineName::Numbered) => Say::Set(LinePolicy::Numbered),
            },
            language: said(self.language.as_ref()),
            examples: examples.transpose()?,
        })
    }
}

fn said(text: Option<&String>) -> Say<String> {
    match text {
        None => Say::Nothing,
        Some(text) if text == "none" => Say::Clear,
        Some(text) => Say::Set(text.clone()),
    }
}

fn instant(text: Option<&String>, name: &str) -> anyhow::Result<Say<Timestamp>> {
    Ok(match said(text) {
        Say::Nothing => Say::Nothing,
        Say::Clear => Say::Clear,
        Say::Set(text) => {
            let read = Timestamp::parse(&text);
            let expected = || Error::value(format!("{name} must be as 2030-01-31T08:00:00Z"));
            Say::Set(read.ok_or_else(expected)?)
        }
    })
}

async fn written(at: &At, app: &App, workspace: &Workspace, added: Added) -> anyhow::Result<()> {
    if let Some(run) = added.run {
        work_off(app, workspace.id, run).await?;
    }
    at.settings.print(&added, || {
        let bound = if added.bound {
            "bound"
        } else {
            "waits for its group"
        };
        format!(
            "rule {} is there: {bound}, {} members changed{}",
            added.id,
            added.changed,
            held_text(i64::try_from(added.held).unwrap_or(i64::MAX))
        )
    })
}

fn held_text(held: i64) -> String {
    match held {
        0 => String::new(),
        held => format!("; the brake holds {held}"),
    }
}

fn list_text(rules: &[Listed]) -> String {
    let rows = rules.iter().map(|rule| {
        let state = format!("{:?}", rule.state).to_lowercase();
        let mut terms = vec![format!("priority {}", rule.priority)];
        terms.extend((rule.source == RuleSource::Profile).then(|| "over profiles".to_owned()));
        terms.extend(rule.stop.then(|| "stops".to_owned()));
        terms.extend((!rule.enabled).then(|| "off".to_owned()));
        terms.extend(rule.from.map(|at| format!("from {at}")));
        terms.extend(rule.until.map(|at| format!("until {at}")));
        let line = rule
            .line
            .map(|line| format!("line {line:?}").to_lowercase());
        let language = rule.language.as_ref().map(|tag| format!("language {tag}"));
        let gives = rule.grants.iter().cloned().chain(line).chain(language);
        vec![
            rule.id.to_string(),
            state,
            rule.groups.join(", "),
            rule.when.clone().unwrap_or_default(),
            gives.collect::<Vec<_>>().join(", "),
            terms.join(", "),
        ]
    });
    table(&["id", "state", "groups", "when", "gives", "terms"], rows)
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
