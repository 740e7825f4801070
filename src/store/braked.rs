//! Members and grants that the brake keeps.

use super::brake::given;
use super::error::Result;
use super::grants::GrantKind;
use super::members::Status;
use super::requested::Requested;
use super::tx::Tx;
use super::values::{MOST, list as placeholders, pad};
use crate::clock::Timestamp;
use crate::ids::{GrantId, MemberId, RunId, WorkspaceId};

/// A member for whom something waits.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Braked {
    /// Who it is.
    pub id: MemberId,
    /// The member's version now.
    pub version: i64,
}

/// Lets locked members keep what they have, from `at` until then, and raises their versions; of who
/// is held already the deadline stays. A status that waits replaces one that waited.
pub async fn hold(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    (at, until): (Timestamp, Timestamp),
    wants: Option<Status>,
) -> Result<Vec<Braked>> {
    let mut held = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "UPDATE members SET brake_until = CASE WHEN braked_at IS NULL OR (brake_until IS NULL \
             AND COALESCE(brake_wants, '') <> COALESCE($4, brake_wants, '')) THEN $3 \
             ELSE brake_until END, braked_at = COALESCE(braked_at, $2), \
             brake_wants = COALESCE($4, brake_wants), version = version + 1, updated_at = $2 \
             WHERE workspace = $1 AND id IN ({}) RETURNING id, version",
            placeholders(5, members.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(at)
            .bind(until)
            .bind(wants);
        for member in pad(members) {
            query = query.bind(member);
        }
        held.extend(query.fetch_all::<Braked>().await?);
    }
    Ok(held)
}

/// No status of a locked member waits any more.
pub async fn update_wants(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    wants: Option<Status>,
) -> Result<()> {
    tx.query("UPDATE members SET brake_wants = $3 WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(member)
        .bind(wants)
        .execute()
        .await?;
    Ok(())
}

/// That a directory wants a status of a locked member is rejected, or no longer.
pub async fn update_rejected(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
    rejected: Option<Status>,
) -> Result<()> {
    tx.query("UPDATE members SET brake_rejected = $3 WHERE workspace = $1 AND id = $2")
        .bind(workspace)
        .bind(member)
        .bind(rejected)
        .execute()
        .await?;
    Ok(())
}

/// What waits for these locked members is rejected: nothing of them is held any more, and the status
/// that waits is not to come. Raises their versions.
pub async fn reject(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    at: Timestamp,
) -> Result<Vec<Braked>> {
    let mut rejected = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "UPDATE members SET brake_rejected = CASE WHEN status = 'active' \
             THEN COALESCE(brake_wants, brake_rejected) END, version = version + 1, updated_at = $2 WHERE workspace = $1 AND id IN ({}) \
             RETURNING id, version",
            placeholders(3, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace).bind(at);
        for member in pad(members) {
            query = query.bind(member);
        }
        rejected.extend(query.fetch_all::<Braked>().await?);
    }
    free(tx, workspace, members).await?;
    Ok(rejected)
}

/// Keeps grants that would end (`is_held`), or says that they are wanted again.
pub async fn update_grants(
    tx: &mut Tx,
    workspace: WorkspaceId,
    grants: &[GrantId],
    is_held: bool,
) -> Result<()> {
    for grants in grants.chunks(MOST) {
        let sql = format!(
            "UPDATE grants SET hold = $2 WHERE workspace = $1 AND to_at IS NULL \
             AND COALESCE(hold, 'brake') = 'brake' AND id IN ({})",
            placeholders(3, grants.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(is_held.then(|| "brake".to_owned()));
        for grant in pad(grants) {
            query = query.bind(grant);
        }
        query.execute().await?;
    }
    Ok(())
}

/// The grants of members that a run over a rule gave and that have not ended.
pub async fn list_undone(
    tx: &mut Tx,
    workspace: WorkspaceId,
    run: RunId,
    members: &[MemberId],
) -> Result<Vec<GrantId>> {
    let mut undone = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT g.id FROM grants g JOIN causes c ON c.workspace = g.workspace \
             AND c.id = g.cause WHERE g.workspace = $1 AND g.member IN ({}) AND g.to_at IS NULL \
             AND {}",
            placeholders(3, members.len()),
            given("c", 2)
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace).bind(run);
        for member in pad(members) {
            query = query.bind(member);
        }
        let rows: Vec<(GrantId,)> = query.fetch_all().await?;
        undone.extend(rows.into_iter().map(|row| row.0));
    }
    Ok(undone)
}

/// Members for whom the brake keeps something that a run over a rule gave.
pub async fn list_keeping(
    tx: &mut Tx,
    workspace: WorkspaceId,
    run: RunId,
) -> Result<Vec<MemberId>> {
    let sql = format!(
        "SELECT m.id FROM members m WHERE m.workspace = $1 AND m.braked_at IS NOT NULL \
         AND EXISTS (SELECT g.id FROM grants g JOIN causes c ON c.workspace = g.workspace \
         AND c.id = g.cause WHERE g.workspace = $1 AND g.member = m.id AND g.to_at IS NULL \
         AND g.hold = 'brake' AND {})",
        given("c", 2)
    );
    let query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace).bind(run);
    let rows: Vec<(MemberId,)> = query.fetch_all().await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Ends the hold of those of the members of whom nothing waits any more; raises their versions.
pub async fn lift(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Braked>> {
    let mut lifted = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "UPDATE members SET braked_at = NULL, brake_until = NULL, version = version + 1 \
             WHERE workspace = $1 AND braked_at IS NOT NULL AND brake_wants IS NULL \
             AND NOT EXISTS (SELECT g.id FROM grants g WHERE g.workspace = members.workspace \
             AND g.member = members.id AND g.hold = 'brake' AND g.to_at IS NULL) \
             AND id IN ({}) RETURNING id, version",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        lifted.extend(query.fetch_all::<Braked>().await?);
    }
    Ok(lifted)
}

/// Holds nothing of these locked members any more, neither a status nor a grant.
pub async fn free(tx: &mut Tx, workspace: WorkspaceId, members: &[MemberId]) -> Result<()> {
    for members in members.chunks(MOST) {
        for sql in [
            "UPDATE grants SET hold = NULL WHERE workspace = $1 AND hold = 'brake' \
             AND to_at IS NULL AND member IN",
            "UPDATE members SET braked_at = NULL, brake_until = NULL, brake_wants = NULL \
             WHERE workspace = $1 AND id IN",
        ] {
            let sql = format!("{sql} ({})", placeholders(2, members.len()));
            let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
            for member in pad(members) {
                query = query.bind(member);
            }
            query.execute().await?;
        }
    }
    Ok(())
}

/// Lets what is held of members wait until an admin releases it; none named means all. Tells of whom.
pub async fn wait(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    at: Timestamp,
) -> Result<Vec<Braked>> {
    let set = "UPDATE members SET brake_until = NULL, version = version + 1, updated_at = $2 \
               WHERE workspace = $1 AND braked_at IS NOT NULL AND brake_until IS NOT NULL";
    let mut waiting = Vec::new();
    if members.is_empty() {
        return tx
            .query(sqlx::AssertSqlSafe(format!("{set} RETURNING id, version")))
            .bind(workspace)
            .bind(at)
            .fetch_all()
            .await;
    }
    for members in members.chunks(MOST) {
        let sql = format!(
            "{set} AND id IN ({}) RETURNING id, version",
            placeholders(3, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace).bind(at);
        for member in pad(members) {
            query = query.bind(member);
        }
        waiting.extend(query.fetch_all::<Braked>().await?);
    }
    Ok(waiting)
}

/// Members of whom something waits, after one in id order, so many at most; with `due`, those whose
/// deadline is not later.
pub async fn list_held(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: Option<MemberId>,
    most: i64,
    due: Option<Timestamp>,
) -> Result<Vec<MemberId>> {
    let held = "SELECT id FROM members WHERE workspace = $1 AND id > $2 AND braked_at IS NOT NULL";
    let sql = match due {
        Some(_) => format!("{held} AND brake_until <= $4 ORDER BY id LIMIT $3"),
        None => format!("{held} ORDER BY id LIMIT $3"),
    };
    let query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
        .bind(most);
    let query = match due {
        Some(due) => query.bind(due),
        None => query,
    };
    let rows: Vec<(MemberId,)> = query.fetch_all().await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Whether something waits that has a deadline.
pub async fn has_deadline(tx: &mut Tx, workspace: WorkspaceId) -> Result<bool> {
    let row: (bool,) = tx
        .query(
            "SELECT EXISTS (SELECT id FROM members WHERE workspace = $1 \
             AND brake_until IS NOT NULL) AS has_deadline",
        )
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// Of how many members something waits.
pub async fn count_held(tx: &mut Tx, workspace: WorkspaceId) -> Result<i64> {
    let row: (i64,) = tx
        .query("SELECT COUNT(*) FROM members WHERE workspace = $1 AND braked_at IS NOT NULL")
        .bind(workspace)
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// The last request of which something was held of a member; none once that is not kept any more.
pub async fn find_request(
    tx: &mut Tx,
    workspace: WorkspaceId,
    member: MemberId,
) -> Result<Option<Requested>> {
    tx.query(
        "SELECT request, method, path, credential, actor, at FROM changes WHERE workspace = $1 \
         AND subject = $2 AND kind = 'member.brake_held' ORDER BY at DESC, id DESC LIMIT 1",
    )
    .bind(workspace)
    .bind(member)
    .fetch_optional()
    .await
}

/// The workspaces where a deadline has passed.
pub async fn list_due(tx: &mut Tx, at: Timestamp) -> Result<Vec<WorkspaceId>> {
    let rows: Vec<(WorkspaceId,)> = tx
        .query(
            "SELECT DISTINCT m.workspace FROM members m JOIN workspaces w ON w.id = m.workspace \
             WHERE m.brake_until IS NOT NULL AND m.brake_until <= $1 AND w.deleted_at IS NULL",
        )
        .bind(at)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// What a directory says of a member now.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Linked {
    /// The member.
    pub member: MemberId,
    /// Whether it lets the person in.
    pub active: bool,
}

/// What directories say of members now.
pub async fn list_linked(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Linked>> {
    let mut linked = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT member, active FROM users WHERE workspace = $1 AND member IN ({})",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        linked.extend(query.fetch_all::<Linked>().await?);
    }
    Ok(linked)
}

/// A grant that is kept for now.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Kept {
    /// Whose it is.
    pub member: MemberId,
    /// What it gives.
    pub kind: GrantKind,
    /// The team, role or permission.
    pub target: uuid::Uuid,
}

/// The grants of members that are kept for now.
pub async fn list_kept(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<Vec<Kept>> {
    let mut kept = Vec::new();
    for members in members.chunks(MOST) {
        let sql = format!(
            "SELECT member, kind, target FROM grants WHERE workspace = $1 AND hold = 'brake' \
             AND to_at IS NULL AND member IN ({})",
            placeholders(2, members.len())
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql)).bind(workspace);
        for member in pad(members) {
            query = query.bind(member);
        }
        kept.extend(query.fetch_all::<Kept>().await?);
    }
    Ok(kept)
}
