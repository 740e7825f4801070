//! Workspaces, and the names that they give: teams and roles.

use uuid::Uuid;

use super::error::Result;
use super::tx::{Lock, Tx};
use super::users::Place;
use crate::clock::Timestamp;
use crate::ids::{GroupId, RoleId, TeamId, WorkspaceId};

/// A workspace.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name in URLs and commands, unique in the deployment.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// `active`, `suspended` or `deleted`.
    pub status: String,
    /// Whether admins have access in every enabled team, or in those alone that they are in.
    pub admins_in_all_teams: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Which rules a workspace has now.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct RulesMark {
    /// Names this very set of rules.
    pub rules_tag: Uuid,
    /// Counts up with each set.
    pub rules_version: i64,
    /// How many of its live rules look at attributes of users.
    pub rules_when: i64,
}

/// A team or a role.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Named {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// One whose rows are gone is known by its slug alone, and found no more.
const COLUMNS: &str = "SELECT id, slug, name, CASE WHEN deleted_at IS NULL THEN status \
                       ELSE 'deleted' END AS status, admins_in_all_teams, created_at FROM workspaces \
                       WHERE purged_at IS NULL";

/// Makes a workspace.
pub async fn insert(tx: &mut Tx, workspace: &Workspace, tag: Uuid) -> Result<()> {
    tx.query(
        "INSERT INTO workspaces (id, slug, name, status, access_epoch, rules_tag, rules_version, \
         rules_floor, rules_swept, rules_when, created_at) \
         VALUES ($1, $2, $3, $4, 1, $5, 1, 1, 1, 0, $6)",
    )
    .bind(workspace.id)
    .bind(workspace.slug.clone())
    .bind(workspace.name.clone())
    .bind(workspace.status.clone())
    .bind(tag)
    .bind(workspace.created_at)
    .execute()
    .await?;
    tx.query("INSERT INTO change_heads (workspace, number, hash) VALUES ($1, 0, $2)")
        .bind(workspace.id)
        .bind(Vec::<u8>::new())
        .execute()
        .await?;
    Ok(())
}

/// A workspace.
pub async fn find(tx: &mut Tx, workspace: WorkspaceId) -> Result<Option<Workspace>> {
    tx.query(sqlx::AssertSqlSafe(format!("{COLUMNS} AND id = $1")))
        .bind(workspace)
        .fetch_optional()
        .await
}

/// The workspace of that slug.
pub async fn find_by_slug(tx: &mut Tx, slug: &str) -> Result<Option<Workspace>> {
    tx.query(sqlx::AssertSqlSafe(format!("{COLUMNS} AND slug = $1")))
        .bind(slug.to_owned())
        .fetch_optional()
        .await
}

/// All workspaces, by slug.
pub async fn list(tx: &mut Tx) -> Result<Vec<Workspace>> {
    tx.query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY slug")))
        .fetch_all()
        .await
}

/// Suspends a locked workspace, which raises its access epoch, or opens it; false if it is so already.
pub async fn update_status(tx: &mut Tx, workspace: WorkspaceId, status: &str) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE workspaces SET status = $2, access_epoch = access_epoch \
             + CASE WHEN $2 = 'suspended' THEN 1 ELSE 0 END WHERE id = $1 AND status <> $2 \
             AND deleted_at IS NULL",
        )
        .bind(workspace)
        .bind(status.to_owned())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Gives a locked workspace another name; false if it has it already.
pub async fn update_name(tx: &mut Tx, workspace: WorkspaceId, name: &str) -> Result<bool> {
    let rows = tx
        .query("UPDATE workspaces SET name = $2 WHERE id = $1 AND name <> $2")
        .bind(workspace)
        .bind(name.to_owned())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Which rules the workspace has now.
pub async fn find_rules_mark(tx: &mut Tx, workspace: WorkspaceId) -> Result<RulesMark> {
    tx.query("SELECT rules_tag, rules_version, rules_when FROM workspaces WHERE id = $1")
        .bind(workspace)
        .fetch_one()
        .await
}

/// The rules mark of a group's workspace, and whether the group is a member of others, by whose
/// rules its users are concerned as well.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct GroupMark {
    /// Which rules the workspace has now.
    #[sqlx(flatten)]
    pub mark: RulesMark,
    /// Whether another group holds the group.
    pub is_held: bool,
}

/// Which rules the workspace of a group has now, and whether the group is held by others.
pub async fn find_group_mark(tx: &mut Tx, place: Place, group: GroupId) -> Result<GroupMark> {
    tx.query(
        "SELECT w.rules_tag, w.rules_version, w.rules_when, EXISTS (SELECT n.group_id \
         FROM nestings n \
         WHERE n.workspace = $1 AND n.directory = $2 AND n.member_id = $3) AS is_held \
         FROM workspaces w WHERE w.id = $1",
    )
    .bind(place.workspace)
    .bind(place.directory)
    .bind(group)
    .fetch_one()
    .await
}

/// Keeps changes of the rules of one workspace apart, and of which groups are in which.
pub async fn lock(tx: &mut Tx, workspace: WorkspaceId) -> Result<RulesMark> {
    tx.locked(
        "SELECT rules_tag, rules_version, rules_when FROM workspaces WHERE id = $1",
        Lock::NoKeyUpdate,
        "workspaces",
    )
    .bind(workspace)
    .fetch_one()
    .await
}

/// The same, and nobody is making a member meanwhile.
pub async fn lock_whole(tx: &mut Tx, workspace: WorkspaceId) -> Result<RulesMark> {
    tx.locked(
        "SELECT rules_tag, rules_version, rules_when FROM workspaces WHERE id = $1",
        Lock::Update,
        "workspaces",
    )
    .bind(workspace)
    .fetch_one()
    .await
}

/// Says that the rules changed. With `sweep`, members settled before are to be settled again.
pub async fn update_rules_mark(
    tx: &mut Tx,
    workspace: WorkspaceId,
    tag: Uuid,
    sweep: Sweep,
) -> Result<bool> {
    let sql = match sweep {
        Sweep::Needed => {
            "UPDATE workspaces SET rules_tag = $2, rules_version = rules_version + 1, \
             rules_floor = rules_version + 1, rules_when = (SELECT COUNT(*) FROM rules r \
             WHERE r.workspace = $1 AND r.state = 'live' AND r.when_text IS NOT NULL) \
             WHERE id = $1"
        }
        Sweep::NotNeeded => {
            "UPDATE workspaces SET rules_tag = $2, rules_version = rules_version + 1, \
             rules_when = (SELECT COUNT(*) FROM rules r \
             WHERE r.workspace = $1 AND r.state = 'live' AND r.when_text IS NOT NULL) \
             WHERE id = $1"
        }
    };
    let rows = tx.query(sql).bind(workspace).bind(tag).execute().await?;
    Ok(rows == 1)
}

/// Whether a change of rules can concern members beyond those settled with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// Members are settled again in the background.
    Needed,
    /// Nobody else can be concerned.
    NotNeeded,
}

/// Workspaces whose members were not all settled under the present floor. Where rules look at
/// attributes, a member may also turn up later: made by a request that read the rules before the
/// floor was raised and committed after the sweep. Workspaces with an open run that is not paused are
/// left out.
pub async fn list_unswept(tx: &mut Tx) -> Result<Vec<WorkspaceId>> {
    let rows: Vec<(WorkspaceId,)> = tx
        .query(
            "SELECT w.id FROM workspaces w WHERE (w.rules_swept < w.rules_floor \
             OR (w.rules_when > 0 AND EXISTS (SELECT m.id FROM members m \
             WHERE m.workspace = w.id AND m.rules_version < w.rules_floor))) AND NOT EXISTS \
             (SELECT r.id FROM runs r WHERE r.workspace = w.id AND r.state <> 'done' \
             AND r.paused_at IS NULL)",
        )
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Whether members of a workspace are still to be settled, by a run or by the sweeper.
pub async fn is_unswept(tx: &mut Tx, workspace: WorkspaceId) -> Result<bool> {
    let row: (i64,) = tx
        .query(
            "SELECT COUNT(*) AS due FROM workspaces w WHERE w.id = $1 \
             AND (w.rules_swept < w.rules_floor OR (w.rules_when > 0 AND EXISTS \
             (SELECT m.id FROM members m WHERE m.workspace = w.id \
             AND m.rules_version < w.rules_floor)) OR EXISTS (SELECT r.id FROM runs r WHERE r.workspace = w.id AND r.state <> 'done'))",
        )
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0 > 0)
}

/// Says that every member is settled under the floor, if it is still this one.
pub async fn update_swept(tx: &mut Tx, workspace: WorkspaceId, floor: i64) -> Result<bool> {
    let rows = tx
        .query("UPDATE workspaces SET rules_swept = $2 WHERE id = $1 AND rules_floor = $2")
        .bind(workspace)
        .bind(floor)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The version below which members are settled again.
pub async fn find_rules_floor(tx: &mut Tx, workspace: WorkspaceId) -> Result<i64> {
    let row: (i64,) = tx
        .query("SELECT rules_floor FROM workspaces WHERE id = $1")
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Makes a team unless the folded name exists.
pub async fn insert_team(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: TeamId,
    name: &str,
    key: &str,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO teams (workspace, id, name, name_key, enabled, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (workspace, name_key) DO NOTHING",
        )
        .bind(workspace)
        .bind(id)
        .bind(name.to_owned())
        .bind(key.to_owned())
        .bind(true)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Makes a role unless the folded name exists.
pub async fn insert_role(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: RoleId,
    (name, key): (&str, &str),
    built_in: bool,
    at: Timestamp,
) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO roles (workspace, id, name, name_key, built_in, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (workspace, name_key) DO NOTHING",
        )
        .bind(workspace)
        .bind(id)
        .bind(name.to_owned())
        .bind(key.to_owned())
        .bind(built_in)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Gives a permission to a role.
pub async fn insert_role_permission(
    tx: &mut Tx,
    workspace: WorkspaceId,
    role: RoleId,
    permission: &str,
) -> Result<()> {
    tx.query(
        "INSERT INTO role_permissions (workspace, role, permission) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING",
    )
    .bind(workspace)
    .bind(role)
    .bind(permission.to_owned())
    .execute()
    .await?;
    Ok(())
}

/// The team of that folded name.
pub async fn find_team(tx: &mut Tx, workspace: WorkspaceId, key: &str) -> Result<Option<Named>> {
    tx.query(
        "SELECT id, name FROM teams WHERE workspace = $1 AND name_key = $2 AND archived_at IS NULL",
    )
    .bind(workspace)
    .bind(key.to_owned())
    .fetch_optional()
    .await
}

/// The role of that folded name.
pub async fn find_role(tx: &mut Tx, workspace: WorkspaceId, key: &str) -> Result<Option<Named>> {
    tx.query("SELECT id, name FROM roles WHERE workspace = $1 AND name_key = $2")
        .bind(workspace)
        .bind(key.to_owned())
        .fetch_optional()
        .await
}

/// A role.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: String,
    /// Its name, folded.
    #[serde(skip)]
    pub name_key: String,
    /// Whether every workspace has it.
    pub built_in: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts its changes.
    pub version: i64,
}

/// The roles of a workspace, oldest first.
pub async fn list_roles(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Role>> {
    tx.query(
        "SELECT id, name, name_key, built_in, created_at, version FROM roles \
         WHERE workspace = $1 ORDER BY id",
    )
    .bind(workspace)
    .fetch_all()
    .await
}

/// All teams, roles and granted permissions by id, to name what grants point at.
pub async fn list_names(tx: &mut Tx, workspace: WorkspaceId) -> Result<Vec<Named>> {
    tx.query(
        "SELECT id, name FROM teams WHERE workspace = $1 \
         UNION ALL SELECT id, name FROM roles WHERE workspace = $1 \
         UNION ALL SELECT id, name FROM permissions WHERE workspace = $1",
    )
    .bind(workspace)
    .fetch_all()
    .await
}
