//! Rules: which groups and attributes must hold, and what they give.

use uuid::Uuid;

use super::error::Result;
use super::grants::GrantKind;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{CauseId, DirectoryId, GroupId, RuleId, RunId, WorkspaceId};

/// How far a rule is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
    sqlx::Type,
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

/// Where a rule stands in its time.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Phase {
    /// Its `from` is to come.
    Ahead,
    /// It has effect.
    Open,
    /// Its `until` is past.
    Over,
}

/// The line that a rule gives.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    sqlx::Type,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum LinePolicy {
    /// Without a number.
    Numberless,
    /// With a number, which an admin assigns.
    Numbered,
}

/// A rule.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// The directory whose groups and users it looks at; none where it looks at members' profiles.
    pub directory: Option<DirectoryId>,
    /// Counts its versions.
    pub version: i64,
    /// How far it is.
    pub state: RuleState,
    /// The cause of the grants of this version.
    pub cause: CauseId,
    /// What must hold of the user's own attributes, or of the member's profile: a filter in canonical
    /// text.
    #[sqlx(rename = "when_text")]
    pub when: Option<String>,
    /// The run that brings it to life, where it was planned.
    pub run: Option<RunId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When and in which order it has effect, and what it fills in.
    #[sqlx(flatten)]
    pub terms: Terms,
}

/// What a rule says beside whom it is for and what it gives.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Terms {
    /// Whether it is switched on.
    pub enabled: bool,
    /// Rules of a higher priority come first; among equals, older ones.
    pub priority: i64,
    /// Whether later rules are not looked at for whom it holds.
    pub stop: bool,
    /// Since when it has effect.
    #[sqlx(rename = "from_at")]
    pub from: Option<Timestamp>,
    /// Until when it has effect.
    #[sqlx(rename = "until_at")]
    pub until: Option<Timestamp>,
    /// Where it stands between the two.
    pub phase: Phase,
    /// The line of members who have none of an admin's choice.
    pub line: Option<LinePolicy>,
    /// The language of members who have none of an admin's choice.
    pub language: Option<String>,
    /// What its maker expects of it, as JSON.
    pub examples: String,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            enabled: true,
            priority: 0,
            stop: false,
            from: None,
            until: None,
            phase: Phase::Open,
            line: None,
            language: None,
            examples: "[]".to_owned(),
        }
    }
}

impl Terms {
    /// When its phase is to be moved on.
    fn due_at(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Ahead => self.from,
            Phase::Open => self.until,
            Phase::Over => None,
        }
    }
}

impl Rule {
    /// Whether it gives rights now.
    pub fn has_effect(&self) -> bool {
        self.state == RuleState::Live && self.terms.enabled && self.terms.phase == Phase::Open
    }
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

/// Makes a rule with its groups and what it gives.
pub async fn insert(
    tx: &mut Tx,
    workspace: WorkspaceId,
    rule: &Rule,
    groups: &[RuleGroup],
    grants: &[(GrantKind, Uuid)],
) -> Result<()> {
    let terms = &rule.terms;
    tx.query(
        "INSERT INTO rules (workspace, id, directory, version, state, cause, when_text, run, \
         created_at, enabled, priority, stop, from_at, until_at, phase, due_at, line, language, \
         examples) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
         $17, $18, $19)",
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
    .bind(terms.enabled)
    .bind(terms.priority)
    .bind(terms.stop)
    .bind(terms.from)
    .bind(terms.until)
    .bind(terms.phase)
    .bind(terms.due_at())
    .bind(terms.line)
    .bind(terms.language.clone())
    .bind(terms.examples.clone())
    .execute()
    .await?;
    insert_parts(tx, workspace, rule, groups, grants).await
}

/// Writes a further version of a rule, with its groups and what it gives.
pub async fn update(
    tx: &mut Tx,
    workspace: WorkspaceId,
    rule: &Rule,
    groups: &[RuleGroup],
    grants: &[(GrantKind, Uuid)],
) -> Result<()> {
    let terms = &rule.terms;
    tx.query(
        "UPDATE rules SET version = $3, state = $4, cause = $5, when_text = $6, run = $7, \
         enabled = $8, priority = $9, stop = $10, from_at = $11, until_at = $12, phase = $13, \
         due_at = $14, line = $15, language = $16, examples = $17 \
         WHERE workspace = $1 AND id = $2",
    )
    .bind(workspace)
    .bind(rule.id)
    .bind(rule.version)
    .bind(rule.state)
    .bind(rule.cause)
    .bind(rule.when.clone())
    .bind(rule.run)
    .bind(terms.enabled)
    .bind(terms.priority)
    .bind(terms.stop)
    .bind(terms.from)
    .bind(terms.until)
    .bind(terms.phase)
    .bind(terms.due_at())
    .bind(terms.line)
    .bind(terms.language.clone())
    .bind(terms.examples.clone())
    .execute()
    .await?;
    delete_parts(tx, workspace, rule.id).await?;
    insert_parts(tx, workspace, rule, groups, grants).await
}

/// Deletes a rule; its causes stay.
pub async fn delete(tx: &mut Tx, workspace: WorkspaceId, id: RuleId) -> Result<bool> {
    delete_parts(tx, workspace, id).await?;
    let rows = tx
        .query("DELETE FROM rules WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(id)
        .execute()
        .await?;
    Ok(rows == 1)
}

async fn delete_parts(tx: &mut Tx, workspace: WorkspaceId, id: RuleId) -> Result<()> {
    for sql in [
        "DELETE FROM rule_groups WHERE workspace = $1 AND rule = $2",
        "DELETE FROM rule_grants WHERE workspace = $1 AND rule = $2",
    ] {
        tx.query(sql).bind(workspace).bind(id).execute().await?;
    }
    Ok(())
}

async fn insert_parts(
    tx: &mut Tx,
    workspace: WorkspaceId,
    rule: &Rule,
    groups: &[RuleGroup],
    grants: &[(GrantKind, Uuid)],
) -> Result<()> {
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
    at: Timestamp,
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
    .bind(at)
    .execute()
    .await?;
    Ok(())
}

/// Ends a cause, and with it at once what it gave; false if it had ended.
pub async fn end_cause(
    tx: &mut Tx,
    workspace: WorkspaceId,
    cause: CauseId,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE causes SET ended_at = $3 WHERE workspace = $1 AND id = $2 AND ended_at IS NULL",
        )
        .bind(workspace)
        .bind(cause)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

const COLUMNS: &str = "SELECT id, directory, version, state, cause, when_text, run, created_at, \
                       enabled, priority, stop, from_at, until_at, phase, line, language, \
                       examples FROM rules";

/// The rules of a workspace, oldest first.
pub async fn list(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Rule>> {
    let sql = format!("{COLUMNS} WHERE workspace = $1 ORDER BY id");
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .fetch_all()
        .await
}

/// The rule of that id.
pub async fn find(tx: &mut Tx, workspace: WorkspaceId, id: RuleId) -> Result<Option<Rule>> {
    let sql = format!("{COLUMNS} WHERE workspace = $1 AND id = $2");
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(id)
        .fetch_optional()
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
    /// What it is.
    pub kind: GrantKind,
    /// The team, role or permission.
    pub target: Uuid,
}

/// What a workspace's rules give.
pub async fn list_grants(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<RuleGrant>> {
    tx.query("SELECT rule, kind, target FROM rule_grants WHERE workspace = $1 ORDER BY rule, kind, target")
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

/// Breaks the rules that look at a group which goes away; tells which, with their causes.
pub async fn update_broken(
    tx: &mut Tx,
    workspace: WorkspaceId,
    group: GroupId,
) -> Result<Vec<(RuleId, CauseId)>> {
    tx.query(
        "UPDATE rules SET state = 'broken' WHERE workspace = $1 AND state <> 'broken' \
             AND id IN (SELECT g.rule FROM rule_groups g WHERE g.workspace = $1 \
             AND g.group_id = $2) RETURNING id, cause",
    )
    .bind(workspace)
    .bind(group)
    .fetch_all()
    .await
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
