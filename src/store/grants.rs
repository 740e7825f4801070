//! The ledger's rows, and the facts that rules are held against.

use uuid::Uuid;

use super::error::Result;
use super::requested::Requested;
use super::tx::Tx;
use super::values::{MOST, is_usual, list as placeholders, pad, rows};
use crate::clock::Timestamp;
use crate::ids::{
    CauseId, ChangeId, DirectoryId, GrantId, GroupId, MemberId, RuleId, RunId, WorkspaceId,
};

/// What a grant gives.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
    sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum GrantKind {
    /// Membership of a team.
    Team,
    /// A role.
    Role,
    /// A single permission.
    Permission,
}

/// A grant that has not ended.
#[derive(Debug, Clone, sqlx::FromRow)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "columns of a row, each on its own"
)]
pub struct LiveGrant {
    /// Its id.
    pub id: GrantId,
    /// Who has it.
    pub member: MemberId,
    /// What it gives.
    pub kind: GrantKind,
    /// The team, role or permission.
    pub target: Uuid,
    /// Because of what.
    pub cause: CauseId,
    /// Whether it is kept although it should end: it is the last admin's, or the brake keeps it.
    pub is_kept: bool,
    /// Whether the brake keeps it.
    pub is_braked: bool,
    /// Whether it gives its right to a member who is in.
    pub is_effective: bool,
    /// Whether an admin gave it because a rule did not any more, and the brake held that.
    pub is_rejection: bool,
}

/// A grant to be written.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// Its id.
    pub id: GrantId,
    /// Who gets it.
    pub member: MemberId,
    /// What it gives.
    pub kind: GrantKind,
    /// The team, role or permission.
    pub target: Uuid,
    /// Because of what.
    pub cause: CauseId,
    /// The change that tells of it.
    pub begun_change: ChangeId,
}

/// An effective right of a member.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Effective {
    /// Who has it.
    pub member: MemberId,
    /// What it is.
    pub kind: GrantKind,
    /// The team, role or permission.
    pub target: Uuid,
}

/// A grant with its cause and the request that brought it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Explained {
    /// The grant.
    pub id: GrantId,
    /// What it gives.
    pub kind: GrantKind,
    /// The team, role or permission.
    pub target: Uuid,
    /// Since when.
    pub from_at: Timestamp,
    /// What kind of cause it has.
    pub cause_kind: String,
    /// When its cause ended, if it did.
    pub cause_ended_at: Option<Timestamp>,
    /// Whether it is kept although it should end: it is the last admin's, or the brake keeps it.
    pub is_kept: bool,
    /// Whether the brake keeps it.
    pub is_braked: bool,
    /// Whether it is of a team that is put away.
    pub is_away: bool,
    /// The rule.
    pub rule: Option<RuleId>,
    /// The rule's version.
    pub rule_version: Option<i64>,
    /// The rule that gave it before an admin did, who rejected its end, and that rule's version.
    pub kept_rule: Option<RuleId>,
    pub kept_version: Option<i64>,
    /// The request that brought it.
    #[sqlx(flatten)]
    pub requested: Requested,
}

/// A group that a rule asks for and a member is in, itself or through groups within.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Fact {
    /// The member.
    pub member: MemberId,
    /// The group.
    pub group_id: GroupId,
}

/// What a directory says about a member.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Said {
    /// The member.
    pub member: MemberId,
    /// The directory.
    pub directory: DirectoryId,
    /// The User's document, as JSON text.
    pub document: String,
}

/// The documents of the Users that locked members are linked to.
pub async fn list_said(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Said>> {
    let mut said = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT u.member, u.directory, u.document FROM users u \
             WHERE u.workspace = $1 AND u.member IN ({})",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        said.extend(query.fetch_all::<Said>().await?);
    }
    Ok(said)
}

/// The facts of locked members: of the live groups that some rule looks at, those that they are in,
/// themselves or through groups within. The form keeps `SQLite` from beginning with all memberships
/// of the workspace, and asks nothing of each membership where no group is within another. A hidden
/// group is in no other, so that it passes nothing on.
pub async fn list_facts(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Fact>> {
    let mut facts = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "WITH RECURSIVE own AS MATERIALIZED (SELECT u.directory, u.id, u.member FROM users u \
             WHERE u.workspace = $1 AND u.member IN ({})), \
             up (member, directory, group_id) AS (\
             SELECT own.member, own.directory, n.group_id FROM own CROSS JOIN memberships m \
             CROSS JOIN nestings n WHERE EXISTS (SELECT e.group_id FROM nestings e \
             WHERE e.workspace = $1) AND m.workspace = $1 AND m.directory = own.directory \
             AND m.user_id = own.id AND n.workspace = $1 AND n.directory = own.directory \
             AND n.member_id = m.group_id \
             UNION SELECT up.member, up.directory, n.group_id FROM up CROSS JOIN nestings n \
             WHERE n.workspace = $1 AND n.directory = up.directory AND n.member_id = up.group_id) \
             SELECT own.member, m.group_id FROM own CROSS JOIN memberships m \
             WHERE m.workspace = $1 AND m.directory = own.directory AND m.user_id = own.id \
             AND (SELECT COUNT(*) FROM rule_groups r WHERE r.workspace = m.workspace \
             AND r.group_id = m.group_id) > 0 \
             AND (SELECT g.deleted_at FROM user_groups g WHERE g.workspace = m.workspace \
             AND g.directory = m.directory AND g.id = m.group_id) IS NULL \
             UNION ALL SELECT up.member, up.group_id FROM up \
             WHERE (SELECT COUNT(*) FROM rule_groups r WHERE r.workspace = $1 \
             AND r.group_id = up.group_id) > 0",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        facts.extend(query.fetch_all::<Fact>().await?);
    }
    Ok(facts)
}

/// The grants of members that rules gave and that have not ended.
pub async fn list_by_rule(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<LiveGrant>> {
    list_by_cause(tx, workspace, members, "c.kind = 'rule'").await
}

/// The same with what an admin gave for it when rules gave it no more.
pub async fn list_settled(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<LiveGrant>> {
    let condition = "(c.kind = 'rule' OR c.keeps IS NOT NULL)";
    list_by_cause(tx, workspace, members, condition).await
}

/// The grants of locked members that no rule gives and that have not ended.
pub async fn list_by_hand(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<LiveGrant>> {
    list_by_cause(tx, workspace, members, "c.kind <> 'rule'").await
}

/// The grants of members that stay whatever rules want: those by hand, and those that are kept.
pub async fn list_standing(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<LiveGrant>> {
    let condition = "(c.kind <> 'rule' OR g.hold IS NOT NULL)";
    list_by_cause(tx, workspace, members, condition).await
}

async fn list_by_cause(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    condition: &'static str,
) -> Result<Vec<LiveGrant>> {
    let mut grants = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT g.id, g.member, g.kind, g.target, g.cause, \
             g.hold IS NOT NULL AS is_kept, COALESCE(g.hold, '') = 'brake' AS is_braked, \
             (c.ended_at IS NULL OR g.hold IS NOT NULL) AS is_effective, \
             c.keeps IS NOT NULL AS is_rejection FROM grants g JOIN causes c \
             ON c.workspace = g.workspace AND c.id = g.cause WHERE g.workspace = $1 \
             AND g.member IN ({}) AND g.to_at IS NULL AND {condition}",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        grants.extend(query.fetch_all::<LiveGrant>().await?);
    }
    Ok(grants)
}

/// Writes grants; their scope is the workspace.
pub async fn insert(
    tx: &mut Tx,
    workspace: WorkspaceId,
    grants: &[NewGrant],
    run: Option<RunId>,
    at: Timestamp,
) -> Result<()> {
    for grants in grants.chunks(MOST) {
        let sql = format!(
            "INSERT INTO grants (workspace, id, member, kind, target, scope, cause, from_at, \
             begun_change, run) VALUES {}",
            rows(grants.len(), 10)
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql));
        if !is_usual(grants.len()) {
            query = query.once();
        }
        for grant in grants {
            query = query
                .bind(workspace)
                .bind(grant.id)
                .bind(grant.member)
                .bind(grant.kind)
                .bind(grant.target)
                .bind(workspace)
                .bind(grant.cause)
                .bind(at)
                .bind(grant.begun_change)
                .bind(run);
        }
        query.execute().await?;
    }
    Ok(())
}

/// Ends grants of one member's change.
pub async fn update_ended(
    tx: &mut Tx,
    workspace: WorkspaceId,
    ended: &[(GrantId, ChangeId)],
    at: Timestamp,
) -> Result<()> {
    for ended in ended.chunks(MOST) {
        // The change that ends a grant comes beside its id, as rows of values.
        let sql = format!(
            "WITH ended (id, change) AS (VALUES {}) UPDATE grants SET to_at = ${}, \
             ended_change = ended.change FROM ended \
             WHERE grants.workspace = ${} AND grants.id = ended.id",
            rows(ended.len(), 2),
            ended.len() * 2 + 1,
            ended.len() * 2 + 2
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql));
        if !is_usual(ended.len()) {
            query = query.once();
        }
        for (grant, change) in ended {
            query = query.bind(*grant).bind(*change);
        }
        query.bind(at).bind(workspace).execute().await?;
    }
    Ok(())
}

/// The effective rights of members: active, not ended, and the cause not ended or the grant held.
pub async fn list_effective(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Effective>> {
    let mut rights = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT DISTINCT g.member, g.kind, g.target FROM grants g JOIN causes c \
             ON c.workspace = g.workspace AND c.id = g.cause JOIN members m \
             ON m.workspace = g.workspace AND m.id = g.member WHERE g.workspace = $1 \
             AND g.member IN ({}) AND m.status = 'active' AND m.held_at IS NULL AND m.waiting_at IS NULL AND g.to_at IS NULL \
             AND (c.ended_at IS NULL OR g.hold IS NOT NULL) AND NOT EXISTS (SELECT t.id FROM teams t \
             WHERE t.workspace = g.workspace AND t.id = g.target AND t.archived_at IS NOT NULL)",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        rights.extend(query.fetch_all::<Effective>().await?);
    }
    Ok(rights)
}

/// The rights that members have, or will have once they are in: those of teams that are put away
/// left out.
pub async fn list_lasting(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Effective>> {
    let mut rights = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT DISTINCT g.member, g.kind, g.target FROM grants g JOIN causes c \
             ON c.workspace = g.workspace AND c.id = g.cause WHERE g.workspace = $1 \
             AND g.member IN ({}) AND g.to_at IS NULL \
             AND (c.ended_at IS NULL OR g.hold IS NOT NULL) AND NOT EXISTS (SELECT t.id FROM teams t \
             WHERE t.workspace = g.workspace AND t.id = g.target AND t.archived_at IS NOT NULL)",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        rights.extend(query.fetch_all::<Effective>().await?);
    }
    Ok(rights)
}

/// The grants of a member that have not ended, with what brought them.
pub async fn list_explained(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Vec<Explained>> {
    tx.query(
        "SELECT g.id, g.kind, g.target, g.from_at, c.kind AS cause_kind, \
         c.ended_at AS cause_ended_at, g.hold IS NOT NULL AS is_kept, \
         COALESCE(g.hold, '') = 'brake' AS is_braked, t.archived_at IS NOT NULL AS is_away, c.rule, \
         c.rule_version, k.rule AS kept_rule, k.rule_version AS kept_version, h.request, h.method, \
         h.path, h.credential, h.actor, h.at FROM grants g JOIN causes c ON c.workspace = g.workspace \
         AND c.id = g.cause LEFT JOIN causes k ON k.workspace = c.workspace AND k.id = c.keeps \
         JOIN changes h ON h.workspace = g.workspace \
         AND h.id = g.begun_change LEFT JOIN teams t ON t.workspace = g.workspace \
         AND t.id = g.target WHERE g.workspace = $1 AND g.member = $2 \
         AND g.to_at IS NULL ORDER BY g.from_at, g.id",
    )
    .bind(workspace)
    .bind(member)
    .fetch_all()
    .await
}
