//! Rules: which groups and attributes must hold, and what they give.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::error::Result;
use super::grants::GrantKind;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{CauseId, DirectoryId, GroupId, RuleId, RunId, WorkspaceId};
use crate::scim::filter::{self, Filter};
use crate::scim::schema::ResourceType;

/// How far a rule is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum RuleState {
    /// A group that it names does not exist yet.
    Pending,
    /// A run will bring it to life.
    Planned,
    /// It gives rights.
    Live,
    /// A group of it was deleted; it gives nothing until an admin binds it anew.
    Broken,
}

/// A rule.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// The directory whose groups and users it looks at.
    pub directory: DirectoryId,
    /// Counts its versions.
    pub version: i64,
    /// How far it is.
    pub state: RuleState,
    /// The cause of the grants of this version.
    pub cause: CauseId,
    /// What must hold of the user's own attributes: a filter in canonical text.
    #[sqlx(rename = "when_text")]
    pub when: Option<String>,
    /// The run that brings it to life, where it was planned.
    pub run: Option<RunId>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A group that a rule asks for.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct RuleGroup {
    /// The rule.
    pub rule: RuleId,
    /// Its place among the rule's groups.
    pub position: i64,
    /// The name that it was given when the rule was made.
    pub name: String,
    /// The name, folded.
    pub name_key: String,
    /// The group, once bound.
    pub group_id: Option<GroupId>,
}

/// A rule that gives rights now.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRule {
    /// The rule.
    pub id: RuleId,
    /// The directory whose groups and users it looks at.
    pub directory: DirectoryId,
    /// Its cause.
    pub cause: CauseId,
    /// The groups that must all hold.
    pub groups: Vec<GroupId>,
    /// What must hold of the user's own attributes.
    pub when: Option<Filter>,
    /// What it gives.
    pub grants: Vec<(GrantKind, Uuid)>,
}

/// One part of a live rule: a group that must hold, or something that it gives.
#[derive(Debug, sqlx::FromRow)]
struct LivePart {
    rule: RuleId,
    directory: DirectoryId,
    cause: CauseId,
    when_text: Option<String>,
    kind: String,
    target: Uuid,
}

/// Makes a rule with its groups and what it gives.
pub async fn insert(
    tx: &mut Tx,
    workspace: WorkspaceId,
    rule: &Rule,
    groups: &[RuleGroup],
    grants: &[(GrantKind, Uuid)],
) -> Result<()> {
    tx.query(
        "INSERT INTO rules (workspace, id, directory, version, state, cause, when_text, run, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(workspace)
    .bind(rule.id)
    .bind(rule.directory)
    .bind(rule.version)
    .bind(rule.state)
    .bind(rule.cause)
    .bind(rule.when.clone())
    .bind(rule.run)
    .bind(rule.created_at)
    .execute()
    .await?;
    for group in groups {
        tx.query(
            "INSERT INTO rule_groups (workspace, rule, position, directory, name, name_key, \
             group_id) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(workspace)
        .bind(rule.id)
        .bind(group.position)
        .bind(rule.directory)
        .bind(group.name.clone())
        .bind(group.name_key.clone())
        .bind(group.group_id)
        .execute()
        .await?;
    }
    for (kind, target) in grants {
        tx.query(
            "INSERT INTO rule_grants (workspace, rule, kind, target) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING",
        )
        .bind(workspace)
        .bind(rule.id)
        .bind(*kind)
        .bind(*target)
        .execute()
        .await?;
    }
    Ok(())
}

/// Makes the cause of a rule's version.
pub async fn insert_cause(
    tx: &mut Tx,
    workspace: WorkspaceId,
    rule: &Rule,
    actor: &str,
) -> Result<()> {
    tx.query(
        "INSERT INTO causes (workspace, id, kind, rule, rule_version, actor, created_at) \
         VALUES ($1, $2, 'rule', $3, $4, $5, $6)",
    )
    .bind(workspace)
    .bind(rule.cause)
    .bind(rule.id)
    .bind(rule.version)
    .bind(actor.to_owned())
    .bind(rule.created_at)
    .execute()
    .await?;
    Ok(())
}

/// Every live rule of a workspace, read in one statement and so of one moment. Filters are over the
/// workspace's type of Users.
pub async fn list_live(
    tx: &mut Tx,
    workspace: WorkspaceId,
    user: &'static ResourceType,
) -> Result<Vec<LiveRule>> {
    let parts: Vec<LivePart> = tx
        .query(
            "SELECT r.id AS rule, r.directory, r.cause, r.when_text, 'group' AS kind, \
             g.group_id AS target FROM rules r \
             JOIN rule_groups g ON g.workspace = r.workspace AND g.rule = r.id \
             WHERE r.workspace = $1 AND r.state = 'live' AND g.group_id IS NOT NULL \
             UNION ALL \
             SELECT r.id AS rule, r.directory, r.cause, r.when_text, t.kind, t.target \
             FROM rules r \
             JOIN rule_grants t ON t.workspace = r.workspace AND t.rule = r.id \
             WHERE r.workspace = $1 AND r.state = 'live'",
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
            _ => rule.groups.push(GroupId(part.target)),
        }
    }
    // A rule whose groups are not all there must give nothing.
    Ok(rules
        .into_values()
        .flatten()
        .filter(|rule| !rule.groups.is_empty() || rule.when.is_some())
        .collect())
}

/// A live rule without its groups and grants. One whose filter cannot be read any more, because an
/// attribute that it names is gone, gives nothing.
fn begin(part: &LivePart, user: &'static ResourceType) -> Option<LiveRule> {
    let when = part.when_text.as_deref();
    let when = when.map(|text| filter::parse(text, user));
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
    })
}

/// The rules of a workspace, oldest first.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Rule>> {
    tx.query(
        "SELECT id, directory, version, state, cause, when_text, run, created_at FROM rules \
         WHERE workspace = $1 ORDER BY id",
    )
    .bind(workspace)
    .fetch_all()
    .await
}

/// The groups of a workspace's rules.
pub async fn list_groups(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<RuleGroup>> {
    tx.query(
        "SELECT rule, position, name, name_key, group_id FROM rule_groups \
         WHERE workspace = $1 ORDER BY rule, position",
    )
    .bind(workspace)
    .fetch_all()
    .await
}

/// Something that a rule gives.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct RuleGrant {
    /// The rule.
    pub rule: RuleId,
    /// `team` or `role`.
    pub kind: String,
    /// The team or role.
    pub target: Uuid,
}

/// What a workspace's rules give.
pub async fn list_grants(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<RuleGrant>> {
    tx.query("SELECT rule, kind, target FROM rule_grants WHERE workspace = $1")
        .bind(workspace)
        .fetch_all()
        .await
}

/// Binds what waits for a group of that folded name; tells which rules that were.
pub async fn bind(
    tx: &mut Tx,
    workspace: WorkspaceId,
    directory: DirectoryId,
    name_key: &str,
    group: GroupId,
) -> Result<Vec<RuleId>> {
    let rows: Vec<(RuleId,)> = tx
        .query(
            "UPDATE rule_groups SET group_id = $4 WHERE workspace = $1 AND directory = $2 \
             AND name_key = $3 AND group_id IS NULL RETURNING rule",
        )
        .bind(workspace)
        .bind(directory)
        .bind(name_key.to_owned())
        .bind(group)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Brings pending rules to life whose groups are all bound; tells which.
pub async fn update_bound(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<RuleId>> {
    let rows: Vec<(RuleId,)> = tx
        .query(
            "UPDATE rules SET state = 'live' WHERE workspace = $1 AND state = 'pending' \
             AND NOT EXISTS (SELECT g.rule FROM rule_groups g WHERE g.workspace = rules.workspace \
             AND g.rule = rules.id AND g.group_id IS NULL) RETURNING id",
        )
        .bind(workspace)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Brings the rules to life that a run was planned for; tells how many.
pub async fn update_live(tx: &mut Tx, workspace: WorkspaceId, run: RunId) -> Result<u64> {
    tx.query(
        "UPDATE rules SET state = 'live' WHERE workspace = $1 AND run = $2 AND state = 'planned'",
    )
    .bind(workspace)
    .bind(run)
    .execute()
    .await
}

/// Breaks the rules that look at a group which goes away; tells which.
pub async fn update_broken(
    tx: &mut Tx,
    workspace: WorkspaceId,
    group: GroupId,
) -> Result<Vec<RuleId>> {
    let broken: Vec<(RuleId,)> = tx
        .query(
            "UPDATE rules SET state = 'broken' WHERE workspace = $1 AND state <> 'broken' \
             AND id IN (SELECT g.rule FROM rule_groups g WHERE g.workspace = $1 \
             AND g.group_id = $2) RETURNING id",
        )
        .bind(workspace)
        .bind(group)
        .fetch_all()
        .await?;
    Ok(broken.into_iter().map(|row| row.0).collect())
}

/// Ends the causes of the rules that a group broke; tells how many.
pub async fn end_broken(
    tx: &mut Tx,
    workspace: WorkspaceId,
    group: GroupId,
    at: Timestamp,
) -> Result<u64> {
    tx.query(
        "UPDATE causes SET ended_at = $3 WHERE workspace = $1 AND ended_at IS NULL \
         AND id IN (SELECT r.cause FROM rules r JOIN rule_groups g \
         ON g.workspace = r.workspace AND g.rule = r.id \
         WHERE r.workspace = $1 AND g.group_id = $2 AND r.state = 'broken')",
    )
    .bind(workspace)
    .bind(group)
    .bind(at)
    .execute()
    .await
}
