//! The rules of a document.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::effect::{Action, Difference, Kind};
use super::plan::{Planned, Step, differences};
use crate::admission::rules::RuleEdit;
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{RuleId, WorkspaceId};
use crate::mapping::examples::Example;
use crate::mapping::{profile, rules as known, when};
use crate::scim::fold;
use crate::store::directories::Directory;
use crate::store::rule_sources::RuleSource;
use crate::store::rules::LinePolicy;
use crate::store::tx::Tx;
use crate::workspace::profile::{Edit, Say};
use crate::workspace::schemas;

/// A rule. Who is in all its groups, and has the attributes that it asks for, gets what it gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "ConfiguredRule")]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// What it looks at: a directory where nothing is said.
    #[serde(skip_serializing_if = "is_usual")]
    pub source: RuleSource,
    /// The name of the directory whose groups and users it looks at; a rule over profiles has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub directory: String,
    /// The names of the groups that must all hold.
    pub groups: BTreeSet<String>,
    /// What must hold of the user's own attributes, or of the member's profile: a filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The names of the teams that it gives.
    pub teams: BTreeSet<String>,
    /// The names of the roles that it gives.
    pub roles: BTreeSet<String>,
    /// The permissions that it gives.
    pub permissions: BTreeSet<String>,
    /// Whether it is switched off.
    #[serde(skip_serializing_if = "is_not")]
    pub disabled: bool,
    /// Rules of a higher priority come first.
    pub priority: i64,
    /// Whether later rules are not looked at for whom it holds.
    #[serde(skip_serializing_if = "is_not")]
    pub stop: bool,
    /// Since when it has effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when it has effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The line of members who have none of an admin's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<LinePolicy>,
    /// The language of members who have none of an admin's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What is expected of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_not(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_usual(source: &RuleSource) -> bool {
    *source == RuleSource::default()
}

/// What a rule is known by.
type Identity = (RuleSource, String, BTreeSet<String>, Option<String>);

fn keys(names: &BTreeSet<String>) -> BTreeSet<String> {
    names.iter().map(|name| fold::key(name)).collect()
}

impl Rule {
    fn identity(&self) -> Identity {
        let directory = fold::key(&self.directory);
        (
            self.source,
            directory,
            keys(&self.groups),
            self.when.clone(),
        )
    }

    /// For people.
    fn name(&self) -> String {
        let groups: Vec<_> = self.groups.iter().map(String::as_str).collect();
        let when = self.when.as_ref().map(|when| format!(" when {when}"));
        let (groups, when) = (groups.join(" + "), when.unwrap_or_default());
        match self.source {
            RuleSource::Directory => format!("{}: {groups}{when}", self.directory),
            RuleSource::Profile => format!("profiles: {groups}{when}"),
        }
    }

    fn edit(&self) -> RuleEdit {
        fn say<T: Clone>(value: Option<&T>) -> Say<T> {
            value.map_or(Say::Clear, |value| Say::Set(value.clone()))
        }
        let list = |names: &BTreeSet<String>| Some(names.iter().cloned().collect());
        RuleEdit {
            teams: list(&self.teams),
            roles: list(&self.roles),
            permissions: list(&self.permissions),
            enabled: Some(!self.disabled),
            priority: Some(self.priority),
            stop: Some(self.stop),
            from: say(self.from.as_ref()),
            until: say(self.until.as_ref()),
            line: say(self.line.as_ref()),
            language: say(self.language.as_ref()),
            examples: Some(self.examples.clone()),
            ..RuleEdit::default()
        }
    }

    fn differences(&self, to: &Self) -> Vec<Difference> {
        let names = |from: &BTreeSet<String>, to: &BTreeSet<String>| {
            // Names that differ in case alone are the same.
            let is_same = keys(from) == keys(to);
            (json!(if is_same { to } else { from }), json!(to))
        };
        let (teams, roles) = (names(&self.teams, &to.teams), names(&self.roles, &to.roles));
        differences([
            ("teams", teams.0, teams.1),
            ("roles", roles.0, roles.1),
            (
                "permissions",
                json!(self.permissions),
                json!(to.permissions),
            ),
            ("disabled", json!(self.disabled), json!(to.disabled)),
            ("priority", json!(self.priority), json!(to.priority)),
            ("stop", json!(self.stop), json!(to.stop)),
            ("from", json!(self.from), json!(to.from)),
            ("until", json!(self.until), json!(to.until)),
            ("line", json!(self.line), json!(to.line)),
            ("language", json!(self.language), json!(to.language)),
            ("examples", json!(self.examples), json!(to.examples)),
        ])
    }
}

/// The rules of a workspace, oldest first.
pub(super) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    directories: &[Directory],
) -> Result<Vec<(RuleId, Rule)>> {
    let listed = known::list_within(tx, workspace).await?;
    let rules = listed.into_iter().map(|rule| {
        let mut of = directories
            .iter()
            .filter(|it| Some(it.id) == rule.directory);
        let names = |named: Vec<known::Named>| named.into_iter().map(|named| named.name).collect();
        let shown = Rule {
            source: rule.source,
            directory: of.next().map(|it| it.name.clone()).unwrap_or_default(),
            groups: rule.groups.into_iter().collect(),
            when: rule.when,
            teams: names(rule.teams),
            roles: names(rule.roles),
            permissions: rule.permissions.into_iter().collect(),
            disabled: !rule.enabled,
            priority: rule.priority,
            stop: rule.stop,
            from: rule.from,
            until: rule.until,
            line: rule.line,
            language: rule.language,
            examples: rule.examples,
        };
        (rule.id, shown)
    });
    Ok(rules.collect())
}

/// The steps to the rules that are wanted; those that end come to `ends`.
pub(super) async fn steps(
    tx: &mut Tx,
    app: &App,
    (workspace, directories): (WorkspaceId, &[Directory]),
    (wanted, prune): (&[Rule], bool),
    ends: &mut Vec<Planned>,
) -> Result<Vec<Planned>> {
    let mut there = list(tx, workspace, directories).await?;
    let mut open = Vec::new();
    for rule in wanted {
        let rule = canonical(tx, app, workspace, rule).await?;
        // Several may look at the same: whoever is there as it is wanted stays.
        let is_it = |known: &Rule| {
            known.identity() == rule.identity() && known.differences(&rule).is_empty()
        };
        match there.iter().position(|(_, known)| is_it(known)) {
            Some(at) => {
                there.remove(at);
            }
            None => open.push(rule),
        }
    }
    let mut steps = Vec::new();
    for rule in open {
        let at = there
            .iter()
            .position(|(_, it)| it.identity() == rule.identity());
        let name = rule.name();
        steps.push(match at {
            Some(at) => {
                let (id, from) = there.remove(at);
                let what = (Action::Change, Kind::Rule, name.as_str());
                let step = Step::EditRule(id, Box::new(rule.edit()));
                Planned::of(what, from.differences(&rule), step)
            }
            None => {
                let what = (Action::Add, Kind::Rule, name.as_str());
                let edit = RuleEdit {
                    source: Some(rule.source),
                    // One that is written with a rule over profiles is refused like any other.
                    directory: (rule.source == RuleSource::Directory || !rule.directory.is_empty())
                        .then(|| rule.directory.clone()),
                    groups: Some(rule.groups.iter().cloned().collect()),
                    when: rule.when.clone().map_or(Say::Nothing, Say::Set),
                    ..rule.edit()
                };
                let differ = Rule::default().differences(&rule);
                Planned::of(what, differ, Step::AddRule(Box::new(edit)))
            }
        });
    }
    if prune {
        let ended = there.into_iter().map(|(id, rule)| {
            let name = rule.name();
            let what = (Action::End, Kind::Rule, name.as_str());
            Planned::of(what, Vec::new(), Step::EndRule(id))
        });
        ends.extend(ended);
    }
    Ok(steps)
}

/// A rule in the form in which it is kept.
async fn canonical(tx: &mut Tx, app: &App, workspace: WorkspaceId, rule: &Rule) -> Result<Rule> {
    let mut rule = rule.clone();
    let told = |rule: &Rule, error: Error| match error {
        Error::Invalid { kind, detail } => {
            Error::invalid(kind, format!("rule \"{}\": {detail}", rule.name()))
        }
        other => other,
    };
    if let Some(text) = &rule.when {
        let text = if rule.source == RuleSource::Profile {
            profile::canonical(text)
        } else {
            let registry = schemas::registry_within(tx, app, workspace).await?;
            when::canonical(text, registry.user())
        };
        rule.when = Some(text.map_err(|error| told(&rule, error))?);
    }
    if let Some(language) = rule.language.take() {
        let edit = Edit {
            language: Say::Set(language),
            ..Edit::default()
        };
        let edit = edit.checked().map_err(|error| told(&rule, error))?;
        rule.language = edit.language.set().cloned();
    }
    Ok(rule)
}
