//! The rules that have effect now, as they are evaluated.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::error::Result;
use super::grants::GrantKind;
use super::rules::LinePolicy;
use super::tx::Tx;
use crate::ids::{CauseId, DirectoryId, GroupId, RuleId, WorkspaceId};
use crate::scim::filter::{self, Filter};
use crate::scim::schema::{self, ResourceType};

/// A rule that gives rights now.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRule {
    /// The rule.
    pub id: RuleId,
    /// The directory whose groups and users it looks at; none where it looks at members' profiles.
    pub directory: Option<DirectoryId>,
    /// Its cause.
    pub cause: CauseId,
    /// The groups that must all hold.
    pub groups: Vec<GroupId>,
    /// What must hold of the user's own attributes, or of the member's profile.
    pub when: Option<Filter>,
    /// What it gives.
    pub grants: Vec<(GrantKind, Uuid)>,
    /// Rules of a higher priority come first; among equals, older ones.
    pub priority: i64,
    /// Whether later rules are not looked at for whom it holds.
    pub stop: bool,
    /// The line of members who have none of an admin's choice.
    pub line: Option<LinePolicy>,
    /// The language of members who have none of an admin's choice.
    pub language: Option<String>,
}

/// One part of a live rule: a group that must hold, something that it gives, or the rule itself.
#[derive(Debug, sqlx::FromRow)]
struct LivePart {
    rule: RuleId,
    directory: Option<DirectoryId>,
    cause: CauseId,
    when_text: Option<String>,
    priority: i64,
    stop: bool,
    line: Option<LinePolicy>,
    language: Option<String>,
    kind: String,
    target: Uuid,
}

/// Every rule of a workspace that has effect, in the order in which they are looked at, read in one
/// statement and so of one moment. Filters are over the workspace's type of Users, or over members.
pub async fn list_live(
    tx: &mut Tx,
    workspace: WorkspaceId,
    user: &'static ResourceType,
) -> Result<Vec<LiveRule>> {
    let parts: Vec<LivePart> = tx
        .query(
            "SELECT r.id AS rule, r.directory, r.cause, r.when_text, r.priority, r.stop, r.line, \
             r.language, p.kind, p.target FROM (SELECT g.workspace, g.rule, 'group' AS kind, \
             g.group_id AS target FROM rule_groups g WHERE g.workspace = $1 \
             AND g.group_id IS NOT NULL UNION ALL SELECT t.workspace, t.rule, t.kind, t.target \
             FROM rule_grants t WHERE t.workspace = $1 UNION ALL SELECT s.workspace, s.id, \
             'rule', s.id FROM rules s WHERE s.workspace = $1) p \
             JOIN rules r ON r.workspace = p.workspace AND r.id = p.rule \
             WHERE r.state = 'live' AND r.enabled AND r.phase = 'open'",
        )
        .bind(workspace)
        .fetch_all()
        .await?;
    let mut rules: BTreeMap<RuleId, Option<LiveRule>> = BTreeMap::new();
    for part in parts {
        let rule = rules.entry(part.rule).or_insert_with(|| begin(&part, user));
        let Some(rule) = rule else {
            continue;
        };
        match part.kind.as_str() {
            "team" => rule.grants.push((GrantKind::Team, part.target)),
            "role" => rule.grants.push((GrantKind::Role, part.target)),
            "permission" => rule.grants.push((GrantKind::Permission, part.target)),
            "group" => rule.groups.push(GroupId(part.target)),
            _ => {}
        }
    }
    // A rule whose groups are not all there must give nothing.
    let mut live: Vec<_> = rules
        .into_values()
        .flatten()
        .filter(|rule| !rule.groups.is_empty() || rule.when.is_some())
        .collect();
    live.sort_by_key(LiveRule::place);
    Ok(live)
}

impl LiveRule {
    /// Its place among all rules, by which they are sorted.
    pub fn place(&self) -> (std::cmp::Reverse<i64>, RuleId) {
        (std::cmp::Reverse(self.priority), self.id)
    }
}

/// A live rule without its groups and grants. One whose filter cannot be read any more, because an
/// attribute that it names is gone, gives nothing.
fn begin(part: &LivePart, user: &'static ResourceType) -> Option<LiveRule> {
    let when = part.when_text.as_deref();
    let kind = part.directory.map_or_else(schema::member, |_| user);
    let when = when.map(|text| filter::parse(text, kind));
    let when = when.transpose().inspect_err(|error| {
        tracing::error!(rule.id = %part.rule, %error, "the filter of a rule cannot be read");
    });
    Some(LiveRule {
        id: part.rule,
        directory: part.directory,
        cause: part.cause,
        groups: Vec::new(),
        when: when.ok()?,
        grants: Vec::new(),
        priority: part.priority,
        stop: part.stop,
        line: part.line,
        language: part.language.clone(),
    })
}
