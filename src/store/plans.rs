//! Plans, and what they are made of.

use uuid::Uuid;

use super::candidates::Unlinked;
use super::error::Result;
use super::grants::Fact;
use super::tx::{Lock, Tx};
use super::users::{Linked, Place};
use super::values::{MOST, list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{GroupId, MemberId, RuleId, RunId, UserId, WorkspaceId};

/// What a plan is about.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
    sqlx::Type,
)]
#[schemars(rename = "PlanAction")]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Action {
    /// A new rule.
    Add,
    /// A further version of a rule.
    Change,
    /// The end of a rule.
    End,
    /// A group that its directory would delete.
    DeleteGroup,
    /// A directory that would go live.
    Live,
}

/// A plan.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Plan {
    /// Its id.
    pub id: Uuid,
    /// What it is about.
    pub action: Action,
    /// The rule.
    pub rule: Option<RuleId>,
    /// The version of the rule that it goes out from; none for a new rule.
    pub rule_version: Option<i64>,
    /// The rule as it is to be, as JSON; none where it is to end.
    pub body: Option<String>,
    /// Counts and a sample, as JSON.
    pub effects: String,
    /// Who would be concerned, with a digest of how.
    pub digests: Vec<u8>,
    /// The hash over them.
    pub hash: String,
    /// Who made it.
    pub actor: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be applied.
    pub expires_at: Timestamp,
    /// When it was applied.
    pub applied_at: Option<Timestamp>,
    /// The run that applies it.
    pub run: Option<RunId>,
}

/// Of a change of rules.
const COLUMNS: &str = "SELECT id, action, rule, rule_version, body, effects, digests, hash, actor, \
                       created_at, expires_at, applied_at, run FROM plans \
                       WHERE workspace = $1 AND id = $2 AND action <> 'live'";

/// Keeps a plan, and lets those of the workspace go that are over.
pub async fn insert(tx: &mut Tx, workspace: WorkspaceId, plan: &Plan) -> Result<()> {
    tx.query("DELETE FROM plans WHERE workspace = $1 AND expires_at <= $2")
        .bind(workspace)
        .bind(plan.created_at)
        .execute()
        .await?;
    tx.query(
        "INSERT INTO plans (workspace, id, action, rule, rule_version, body, effects, digests, \
         hash, actor, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
         $11, $12)",
    )
    .bind(workspace)
    .bind(plan.id)
    .bind(plan.action)
    .bind(plan.rule)
    .bind(plan.rule_version)
    .bind(plan.body.clone())
    .bind(plan.effects.clone())
    .bind(plan.digests.clone())
    .bind(plan.hash.clone())
    .bind(plan.actor.clone())
    .bind(plan.created_at)
    .bind(plan.expires_at)
    .execute()
    .await?;
    Ok(())
}

/// The plan of that id.
pub async fn find(tx: &mut Tx, workspace: WorkspaceId, id: Uuid) -> Result<Option<Plan>> {
    tx.query(COLUMNS)
        .bind(workspace)
        .bind(id)
        .fetch_optional()
        .await
}

/// The newest plan of that hash by which a directory would go live.
pub async fn find_live(tx: &mut Tx, workspace: WorkspaceId, hash: &str) -> Result<Option<Plan>> {
    tx.query(
        "SELECT id, action, rule, rule_version, body, effects, digests, hash, actor, created_at, \
         expires_at, applied_at, run FROM plans WHERE workspace = $1 AND hash = $2 \
         AND action = 'live' ORDER BY created_at DESC, id DESC LIMIT 1",
    )
    .bind(workspace)
    .bind(hash.to_owned())
    .fetch_optional()
    .await
}

/// The plan of that id, locked.
pub async fn lock(tx: &mut Tx, workspace: WorkspaceId, id: Uuid) -> Result<Option<Plan>> {
    tx.locked(COLUMNS, Lock::Update, "plans")
        .bind(workspace)
        .bind(id)
        .fetch_optional()
        .await
}

/// Says that a plan is applied; false if it was.
pub async fn update_applied(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: Uuid,
    at: Timestamp,
    run: Option<RunId>,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE plans SET applied_at = $3, run = $4 WHERE workspace = $1 AND id = $2 \
             AND applied_at IS NULL",
        )
        .bind(workspace)
        .bind(id)
        .bind(at)
        .bind(run)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// What shows whether anything moved in a workspace that a plan can hang on.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Mark {
    /// Names the set of rules.
    pub rules_tag: Uuid,
    /// How many changes were committed, with a number or without.
    pub changes: i64,
    /// How many users open runs have worked off.
    pub processed: i64,
}

/// How a workspace stands: whatever is committed in it later makes this another mark.
pub async fn find_mark(tx: &mut Tx, workspace: WorkspaceId) -> Result<Mark> {
    tx.query(
        "SELECT w.rules_tag, h.number + (SELECT COUNT(*) FROM changes c WHERE c.workspace = $1 \
         AND c.number IS NULL AND c.at >= 0) AS changes, (SELECT CAST(COALESCE(SUM(r.processed), 0) AS BIGINT) \
         FROM runs r WHERE r.workspace = $1 AND r.state <> 'done') AS processed \
         FROM workspaces w JOIN change_heads h ON h.workspace = w.id WHERE w.id = $1",
    )
    .bind(workspace)
    .fetch_one()
    .await
}

/// Users with their members, not locked. Whether one has a member is not asked: `SQLite` would go
/// through all users who have one.
pub async fn list_linked(tx: &mut Tx, place: Place, ids: &[UserId]) -> Result<Vec<Linked>> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(MOST) {
        let sql = format!(
            "SELECT u.id, u.member FROM users u WHERE u.workspace = $1 AND u.directory = $2 \
             AND u.id IN ({})",
            placeholders(3, ids.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory);
        for id in pad(ids) {
            query = query.bind(id);
        }
        found.extend(query.fetch_all::<Linked>().await?);
    }
    Ok(found)
}

/// The names of a member.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Whose {
    /// Who it is.
    pub id: MemberId,
    /// The name that its directory signs in with.
    pub user_name: Option<String>,
    /// The name for people.
    pub display_name: Option<String>,
}

/// The names of members.
pub async fn list_whose(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Whose>> {
    let mut found = Vec::with_capacity(members.len());
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT id, user_name, display_name FROM members WHERE workspace = $1 AND id IN ({})",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        found.extend(query.fetch_all::<Whose>().await?);
    }
    Ok(found)
}

/// A User who is nobody's member, as its directory wrote it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Stranger {
    /// The User, with what tells what would become of it.
    #[sqlx(flatten)]
    pub of: Unlinked,
    /// What its directory says.
    pub document: String,
}

/// Those of the Users who are nobody's members.
pub async fn list_strangers(tx: &mut Tx, place: Place, ids: &[UserId]) -> Result<Vec<Stranger>> {
    let mut found = Vec::new();
    for ids in ids.chunks(MOST) {
        let sql = format!(
            "SELECT u.id, u.user_name_key, u.active, u.refused, u.document FROM users u \
             WHERE u.workspace = $1 AND u.directory = $2 AND u.member IS NULL AND u.id IN ({})",
            placeholders(3, ids.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(place.workspace)
            .bind(place.directory);
        for id in pad(ids) {
            query = query.bind(id);
        }
        found.extend(query.fetch_all::<Stranger>().await?);
    }
    Ok(found)
}

/// The groups of those of a directory's Users who are nobody's members, on the terms of
/// [`list_facts`].
pub async fn list_facts_of(
    tx: &mut Tx,
    place: Place,
    users: &[UserId],
    named: &[GroupId],
) -> Result<Vec<(UserId, GroupId)>> {
    let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let facts = list_facts_by(tx, place.workspace, &ids, (named, None), Some(place)).await?;
    let facts = facts.into_iter();
    Ok(facts
        .map(|fact| (UserId(fact.member.0), fact.group_id))
        .collect())
}

/// Of the groups that some rule looks at, and of the ones that are named, those live ones that members
/// are in, themselves or through groups within; as if the group `without` were not there.
pub async fn list_facts(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    groups: (&[GroupId], Option<GroupId>),
) -> Result<Vec<Fact>> {
    let ids: Vec<Uuid> = members.iter().map(|member| member.0).collect();
    list_facts_by(tx, workspace, &ids, groups, None).await
}

/// The same by the ids of members, or of Users of one directory.
async fn list_facts_by(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[Uuid],
    (named, without): (&[GroupId], Option<GroupId>),
    of: Option<Place>,
) -> Result<Vec<Fact>> {
    let whose = match of {
        None => "u.member",
        Some(_) => "u.id",
    };
    let without = without.unwrap_or(GroupId(Uuid::nil()));
    // Nobody is in the group that is left out.
    let named = if named.is_empty() { &[without] } else { named };
    let after = 3 + pad(named).count();
    let mut facts = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "WITH RECURSIVE own AS MATERIALIZED (SELECT {2} AS member, m.directory, m.group_id \
             FROM users u CROSS JOIN memberships m WHERE u.workspace = $1 \
             {3} AND {2} IN ({1}) AND m.workspace = $1 AND m.directory = u.directory \
             AND m.user_id = u.id AND m.group_id <> $2), \
             up (member, directory, group_id) AS (SELECT own.member, own.directory, n.group_id \
             FROM own CROSS JOIN nestings n WHERE EXISTS (SELECT e.group_id FROM nestings e \
             WHERE e.workspace = $1) AND n.workspace = $1 AND n.directory = own.directory \
             AND n.member_id = own.group_id AND n.group_id <> $2 \
             UNION SELECT up.member, up.directory, n.group_id FROM up CROSS JOIN nestings n \
             WHERE n.workspace = $1 AND n.directory = up.directory AND n.member_id = up.group_id \
             AND n.group_id <> $2), \
             wanted (id) AS (SELECT r.group_id FROM rule_groups r WHERE r.workspace = $1 \
             AND r.group_id IS NOT NULL UNION SELECT g.id FROM user_groups g \
             WHERE g.workspace = $1 AND g.directory IN (SELECT d.id FROM directories d \
             WHERE d.workspace = $1) AND g.id IN ({0})) \
             SELECT own.member, own.group_id FROM own WHERE own.group_id IN \
             (SELECT w.id FROM wanted w) AND (SELECT g.deleted_at \
             FROM user_groups g WHERE g.workspace = $1 AND g.directory = own.directory \
             AND g.id = own.group_id) IS NULL UNION ALL SELECT up.member, up.group_id FROM up \
             WHERE up.group_id IN (SELECT w.id FROM wanted w)",
            placeholders(3, named.len()),
            placeholders(after, members.len()),
            whose,
            match of {
                None => String::new(),
                Some(_) => format!("AND u.directory = ${}", after + pad(members).count()),
            }
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(without);
        for group in pad(named) {
            query = query.bind(group);
        }
        for member in pad(members) {
            query = query.bind(member);
        }
        if let Some(of) = of {
            query = query.bind(of.directory);
        }
        facts.extend(query.fetch_all::<Fact>().await?);
    }
    Ok(facts)
}
