//! What a rule says, in ids, as it is kept.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::reach::Scope;
use super::settle::Rules;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{CauseId, DirectoryId, GroupId, RuleId, WorkspaceId};
use crate::mapping::examples::Example;
use crate::mapping::profile::Gives;
use crate::scim::filter;
use crate::scim::schema::{self, ResourceType};
use crate::store::grants::GrantKind;
use crate::store::live_rules::LiveRule;
use crate::store::rule_sources::RuleSource;
use crate::store::rules::{self as rows, LinePolicy, Phase, Rule, RuleGroup, RuleState, Terms};
use crate::store::tx::Tx;
use crate::workspace::name_key;

/// A group of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OfGroup {
    /// The name that it was given.
    pub name: String,
    /// The group, once there is one.
    pub id: Option<GroupId>,
}

/// A team or role that is made with the rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    /// What it is.
    pub kind: GrantKind,
    /// The id that it gets.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// What a rule says, in ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Definition {
    /// The directory whose groups and users it looks at; none where it looks at members' profiles.
    #[serde(default)]
    pub directory: Option<DirectoryId>,
    /// The groups that must all hold.
    pub groups: Vec<OfGroup>,
    /// What must hold of the user's own attributes, or of the member's profile, in canonical text.
    pub when: Option<String>,
    /// What it gives.
    pub grants: BTreeSet<(GrantKind, Uuid)>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Its place among the rules.
    pub priority: i64,
    /// Whether later rules are not looked at for whom it holds.
    pub stop: bool,
    /// Since when it has effect.
    pub from: Option<Timestamp>,
    /// Until when it has effect.
    pub until: Option<Timestamp>,
    /// The line that it fills in.
    pub line: Option<LinePolicy>,
    /// The language that it fills in.
    pub language: Option<String>,
    /// What is expected of it.
    pub examples: Vec<Example>,
    /// Whether a group of it was deleted.
    #[serde(default)]
    pub broken: bool,
    /// Of what it gives, what is not there before the plan is applied that this is kept by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<Made>,
}

impl Definition {
    /// A rule that looks at attributes alone and says nothing else.
    pub(super) fn of_attributes(
        directory: DirectoryId,
        when: String,
        grants: BTreeSet<(GrantKind, Uuid)>,
    ) -> Self {
        Self {
            directory: Some(directory),
            groups: Vec::new(),
            when: Some(when),
            grants,
            enabled: true,
            priority: 0,
            stop: false,
            from: None,
            until: None,
            line: None,
            language: None,
            examples: Vec::new(),
            broken: false,
            made: Vec::new(),
        }
    }

    /// A rule as it is kept.
    pub(super) async fn stored(tx: &mut Tx, workspace: WorkspaceId, rule: &Rule) -> Result<Self> {
        let groups = rows::list_groups(tx, workspace).await?.into_iter();
        let groups = groups.filter(|group| group.rule == rule.id).collect();
        let grants = rows::list_grants(tx, workspace).await?.into_iter();
        let grants = grants.filter(|grant| grant.rule == rule.id);
        let grants = grants.map(|grant| (grant.kind, grant.target)).collect();
        Ok(Self::of(rule, groups, grants))
    }

    /// All rules of a workspace as they are kept.
    pub(super) async fn all(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<(Rule, Self)>> {
        let mut groups: HashMap<RuleId, Vec<RuleGroup>> = HashMap::new();
        for group in rows::list_groups(tx, workspace).await? {
            groups.entry(group.rule).or_default().push(group);
        }
        let mut grants: HashMap<RuleId, BTreeSet<(GrantKind, Uuid)>> = HashMap::new();
        for grant in rows::list_grants(tx, workspace).await? {
            let of = grants.entry(grant.rule).or_default();
            of.insert((grant.kind, grant.target));
        }
        let rules = rows::list(tx, workspace).await?.into_iter();
        let all = rules.map(|rule| {
            let groups = groups.remove(&rule.id).unwrap_or_default();
            let grants = grants.remove(&rule.id).unwrap_or_default();
            let definition = Self::of(&rule, groups, grants);
            (rule, definition)
        });
        Ok(all.collect())
    }

    fn of(rule: &Rule, groups: Vec<RuleGroup>, grants: BTreeSet<(GrantKind, Uuid)>) -> Self {
        let terms = rule.terms.clone();
        let groups = groups.into_iter().map(|group| OfGroup {
            name: group.name,
            id: group.group_id,
        });
        Self {
            directory: rule.directory,
            groups: groups.collect(),
            when: rule.when.clone(),
            grants,
            enabled: terms.enabled,
            priority: terms.priority,
            stop: terms.stop,
            from: terms.from,
            until: terms.until,
            line: terms.line,
            language: terms.language,
            examples: serde_json::from_str(&terms.examples).unwrap_or_default(),
            broken: rule.state == RuleState::Broken,
            made: Vec::new(),
        }
    }

    /// Where those are found whom it can concern.
    pub(super) fn scope(&self) -> Result<Scope> {
        Scope::of(self.directory, self.bound(), self.when.as_deref())
    }

    /// What comes of it where it holds. One that stops gives and takes what the rules after it give.
    pub(super) fn gives(&self) -> Gives {
        if self.grants.is_empty() && !self.stop {
            Gives::Fields
        } else {
            Gives::Rights
        }
    }

    /// What its filter is over; given is the workspace's type of Users.
    pub(super) fn looks_at(&self, user: &'static ResourceType) -> &'static ResourceType {
        self.directory.map_or_else(schema::member, |_| user)
    }

    /// Its groups that are there.
    pub(super) fn bound(&self) -> Vec<GroupId> {
        self.groups.iter().filter_map(|group| group.id).collect()
    }

    /// How far a rule is that says this, unless a run is to bring it to life.
    pub(super) fn state(&self) -> RuleState {
        if self.broken {
            RuleState::Broken
        } else if self.groups.iter().all(|group| group.id.is_some()) {
            RuleState::Live
        } else {
            RuleState::Pending
        }
    }

    fn phase(&self, at: Timestamp) -> Phase {
        if self.until.is_some_and(|until| until <= at) {
            Phase::Over
        } else if self.from.is_some_and(|from| from > at) {
            Phase::Ahead
        } else {
            Phase::Open
        }
    }

    /// Whether it would give rights at that time.
    pub(super) fn has_effect(&self, at: Timestamp) -> bool {
        self.state() == RuleState::Live && self.enabled && self.phase(at) == Phase::Open
    }

    /// The rows of its terms, at that time.
    pub(super) fn terms(&self, at: Timestamp) -> Terms {
        Terms {
            enabled: self.enabled,
            priority: self.priority,
            stop: self.stop,
            from: self.from,
            until: self.until,
            phase: self.phase(at),
            line: self.line,
            language: self.language.clone(),
            examples: json!(self.examples).to_string(),
        }
    }

    /// The rows of its groups.
    pub(super) fn rows(&self, rule: RuleId) -> Result<Vec<RuleGroup>> {
        let rows = (0..).zip(&self.groups).map(|(position, group)| {
            Ok(RuleGroup {
                rule,
                position,
                name: group.name.clone(),
                name_key: name_key(&group.name, "group")?,
                group_id: group.id,
            })
        });
        rows.collect()
    }

    /// The rule as it is evaluated, if it would give rights at that time.
    pub(super) fn live(
        &self,
        id: RuleId,
        at: Timestamp,
        user: &'static ResourceType,
    ) -> Result<Option<LiveRule>> {
        if !self.has_effect(at) {
            return Ok(None);
        }
        let kind = self.looks_at(user);
        let when = self.when.as_deref().map(|text| filter::parse(text, kind));
        Ok(Some(LiveRule {
            id,
            directory: self.directory,
            cause: CauseId::new(),
            groups: self.bound(),
            when: when.transpose()?,
            grants: self.grants.iter().copied().collect(),
            priority: self.priority,
            stop: self.stop,
            line: self.line,
            language: self.language.clone(),
        }))
    }

    /// Whether whoever has something by `before` keeps all of it by this one, and is found by the
    /// same conditions.
    pub(super) fn keeps_all_of(&self, before: &Self, at: Timestamp) -> bool {
        self.has_effect(at)
            && self.bound() == before.bound()
            && self.when == before.when
            && self.priority >= before.priority
            && self.grants.is_superset(&before.grants)
    }

    /// What the log keeps of it.
    pub(super) fn told(&self) -> Value {
        let grants = self.grants.iter();
        let grants = grants.map(|(kind, id)| json!({"kind": kind, "target": id}));
        json!({
            "source": RuleSource::of(self.directory), "directory": self.directory,
            "groups": self.bound(), "when": self.when,
            "grants": grants.collect::<Vec<_>>(), "enabled": self.enabled,
            "priority": self.priority, "stop": self.stop, "from": self.from, "until": self.until,
            "line": self.line, "language": self.language, "state": self.state(),
        })
    }
}

/// The rules that have effect now, with one rule taken out and, where it would give rights, put in
/// again as it is to be.
pub(super) fn with(rules: &Rules, id: RuleId, after: Option<LiveRule>) -> Vec<LiveRule> {
    let mut all: Vec<LiveRule> = rules.live.iter().cloned().collect();
    all.retain(|rule| rule.id != id);
    all.extend(after);
    all.sort_by_key(LiveRule::place);
    all
}
