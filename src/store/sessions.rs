//! Sessions of people. They cross workspaces: a browser shows a secret, and the session names the
//! members that it opens. A session is valid only while every epoch is the one that it began with.

use uuid::Uuid;

use super::error::Result;
use super::tx::Tx;
use crate::clock::Timestamp;
use crate::ids::{ConnectionId, MemberId, SessionId, WorkspaceId};

/// A session as it begins.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// The hash of its token.
    pub hash: [u8; 32],
    /// Whether it is an operator's.
    pub operator: bool,
    /// What the browser says it is.
    pub browser: Option<String>,
    /// When it begins.
    pub at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

/// A session that is valid.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Live {
    /// Its id.
    pub id: SessionId,
    /// Whether it is an operator's.
    pub operator: bool,
    /// When it was last seen, to the minute.
    pub seen_at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

/// A member that a session opens a workspace as.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
pub struct Opened {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Its slug.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The member.
    pub member: MemberId,
    /// When the person last proved who it is.
    pub auth_time: Timestamp,
    /// How (RFC 8176), space-separated.
    pub amr: String,
    /// By which connection; none by a link.
    pub connection: Option<ConnectionId>,
}

/// A session as its owner sees it.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema, sqlx::FromRow)]
#[schemars(rename = "Session")]
pub struct Listed {
    /// Its id.
    pub id: SessionId,
    /// What the browser said it is.
    pub browser: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last seen, to the minute.
    pub seen_at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

/// How somebody came in.
#[derive(Debug, Clone)]
pub struct Way {
    /// When the person last proved who it is.
    pub auth_time: Timestamp,
    /// How (RFC 8176), space-separated.
    pub amr: String,
    /// By which connection, and its epoch; none by a link.
    pub connection: Option<(ConnectionId, i64)>,
    /// The session at the connection's provider, where it has a name.
    pub provider_session: Option<String>,
}

/// What the time is, and what holds where a workspace has no policy of its own.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Now.
    pub now: Timestamp,
    /// After how long without a request a session opens nothing, in seconds.
    pub idle_seconds: i64,
    /// After how long it opens nothing in any case, in seconds.
    pub absolute_seconds: i64,
}

/// What must hold by the policy of a workspace: of a session `s`, by which a member is in by `o`.
const MEETS: &str = "s.seen_at + COALESCE(p.idle_seconds, $4) * 1000000 > $3 \
     AND COALESCE(o.begun_at, s.created_at) + COALESCE(p.absolute_seconds, $5) * 1000000 > $3 \
     AND (p.workspace IS NULL OR NOT p.sso_enforced OR o.connection IS NOT NULL)";

/// Begins a session that hangs on the deployment's epoch of now.
pub async fn insert(tx: &mut Tx, session: &NewSession) -> Result<()> {
    tx.query(
        "INSERT INTO sessions (id, hash, operator, deployment_epoch, browser, created_at, seen_at, \
         expires_at) SELECT $1, $2, $3, d.access_epoch, $4, $5, $5, $6 FROM deployment d \
         WHERE d.id = 1",
    )
    .bind(session.id)
    .bind(session.hash.to_vec())
    .bind(session.operator)
    .bind(session.browser.clone())
    .bind(session.at)
    .bind(session.expires_at)
    .execute()
    .await?;
    Ok(())
}

/// Lets a session open a workspace as a member who is in, by the epochs of now; false if the member
/// is not in. The member is locked, or kept as it is.
pub async fn open(
    tx: &mut Tx,
    session: SessionId,
    (workspace, member): (WorkspaceId, MemberId),
    way: &Way,
) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO session_members (workspace, session, member, workspace_epoch, \
             member_epoch, auth_time, amr, connection, connection_epoch, \
             provider_session) \
             SELECT m.workspace, $1, m.id, w.access_epoch, m.access_epoch, $2, $3, $6, $7, $8 \
             FROM members m JOIN workspaces w ON w.id = m.workspace \
             WHERE m.workspace = $4 AND m.id = $5 AND m.status = 'active' AND w.status = 'active' \
             AND w.deleted_at IS NULL",
        )
        .bind(session)
        .bind(way.auth_time)
        .bind(way.amr.clone())
        .bind(workspace)
        .bind(member)
        .bind(way.connection.map(|(id, _)| id))
        .bind(way.connection.map(|(_, epoch)| epoch))
        .bind(way.provider_session.clone())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The session of that hash, if neither it nor its time is over, and the deployment's epoch is the one
/// that it began with. `seen_since` is when it must have been seen last.
pub async fn find(
    tx: &mut Tx,
    hash: &[u8; 32],
    now: Timestamp,
    seen_since: Timestamp,
) -> Result<Option<Live>> {
    tx.query(
        "SELECT s.id, s.operator, s.seen_at, s.expires_at FROM sessions s \
         JOIN deployment d ON d.id = 1 AND d.access_epoch = s.deployment_epoch \
         WHERE s.hash = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.seen_at > $3",
    )
    .bind(hash.to_vec())
    .bind(now)
    .bind(seen_since)
    .fetch_optional()
    .await
}

/// The workspaces that a valid session opens now: of whoever is in there still, by the same epochs
/// and the policy of now.
pub async fn list_opened(tx: &mut Tx, session: SessionId, times: Times) -> Result<Vec<Opened>> {
    let sql = format!(
        "SELECT o.workspace, w.slug, w.name, o.member, o.auth_time, o.amr, o.connection \
         FROM session_members o JOIN sessions s ON s.id = o.session \
         LEFT JOIN sign_in_policies p ON p.workspace = o.workspace \
         JOIN workspaces w ON w.id = o.workspace AND w.access_epoch = o.workspace_epoch \
         AND w.status = 'active' AND w.deleted_at IS NULL \
         JOIN members m ON m.workspace = o.workspace AND m.id = o.member \
         AND m.access_epoch = o.member_epoch AND m.status = 'active' AND m.held_at IS NULL \
         AND m.waiting_at IS NULL \
         WHERE o.session = $1 AND s.expires_at > $2 AND {MEETS} \
         AND (o.connection IS NULL OR EXISTS (SELECT c.id FROM connections c \
         WHERE c.workspace = o.workspace AND c.id = o.connection \
         AND c.access_epoch = o.connection_epoch AND c.removed_at IS NULL)) \
         ORDER BY w.name, w.slug"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(session)
        .bind(times.now)
        .bind(times.now)
        .bind(times.idle_seconds)
        .bind(times.absolute_seconds)
        .fetch_all()
        .await
}

/// Notes that a session was seen.
pub async fn touch(tx: &mut Tx, session: SessionId, at: Timestamp) -> Result<()> {
    tx.query("UPDATE sessions SET seen_at = $2 WHERE id = $1 AND seen_at < $2")
        .bind(session)
        .bind(at)
        .execute()
        .await?;
    Ok(())
}

/// Ends a session; false if it is over already.
pub async fn end(tx: &mut Tx, session: SessionId, at: Timestamp) -> Result<bool> {
    let rows = tx
        .query("UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL")
        .bind(session)
        .bind(at)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The live sessions by which a member is in a workspace, the newest first.
pub async fn list_of_member(
    tx: &mut Tx,
    (workspace, member): (WorkspaceId, MemberId),
    times: Times,
) -> Result<Vec<Listed>> {
    let sql = format!(
        "SELECT s.id, s.browser, s.created_at, s.seen_at, s.expires_at FROM session_members o \
         JOIN sessions s ON s.id = o.session \
         JOIN members m ON m.workspace = o.workspace AND m.id = o.member \
         AND m.access_epoch = o.member_epoch \
         LEFT JOIN sign_in_policies p ON p.workspace = o.workspace \
         WHERE o.workspace = $1 AND o.member = $2 AND s.ended_at IS NULL AND s.expires_at > $3 \
         AND {MEETS} ORDER BY s.created_at DESC, s.id DESC"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(member)
        .bind(times.now)
        .bind(times.idle_seconds)
        .bind(times.absolute_seconds)
        .fetch_all()
        .await
}

/// Lets no session open a workspace as a member any more, but for the `spared` newest ones and for one;
/// tells how many did. What else they open is nobody's business there.
pub async fn end_of_member(
    tx: &mut Tx,
    (workspace, member): (WorkspaceId, MemberId),
    (spared, but): (i64, Option<SessionId>),
) -> Result<u64> {
    tx.query(
        "DELETE FROM session_members WHERE workspace = $1 AND session <> $4 AND session IN ( \
         SELECT o.session FROM session_members o JOIN sessions s ON s.id = o.session \
         WHERE o.workspace = $1 AND o.member = $2 AND s.ended_at IS NULL \
         ORDER BY s.created_at DESC, s.id DESC LIMIT 1000000 OFFSET $3)",
    )
    .bind(workspace)
    .bind(member)
    .bind(spared)
    .bind(but.map_or_else(Uuid::nil, |session| session.0))
    .execute()
    .await
}

/// Lets one session open a workspace as a member no more; false if it does not.
pub async fn close(
    tx: &mut Tx,
    (workspace, member): (WorkspaceId, MemberId),
    session: SessionId,
) -> Result<bool> {
    let rows = tx
        .query("DELETE FROM session_members WHERE workspace = $1 AND session = $2 AND member = $3")
        .bind(workspace)
        .bind(session)
        .bind(member)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Lets no session that began by a connection open the workspace as a member any more, or none of one
/// session at its provider; tells how many did.
pub async fn end_by_connection(
    tx: &mut Tx,
    (workspace, member, connection): (WorkspaceId, MemberId, ConnectionId),
    provider_session: Option<&str>,
) -> Result<u64> {
    tx.query(
        "DELETE FROM session_members WHERE workspace = $1 AND member = $2 AND connection = $3 \
         AND ($5 OR provider_session = $4) AND session IN (SELECT s.id FROM sessions s \
         WHERE s.id = session_members.session AND s.ended_at IS NULL)",
    )
    .bind(workspace)
    .bind(member)
    .bind(connection)
    .bind(provider_session.unwrap_or_default().to_owned())
    .bind(provider_session.is_none())
    .execute()
    .await
}

/// Lets no session open a workspace that opened it by a link; tells how many did.
pub async fn end_by_links(tx: &mut Tx, workspace: WorkspaceId) -> Result<u64> {
    tx.query("DELETE FROM session_members WHERE workspace = $1 AND connection IS NULL")
        .bind(workspace)
        .execute()
        .await
}

/// Lets a session open what another opens now, but for one workspace.
pub async fn carry(
    tx: &mut Tx,
    (from, to): (SessionId, SessionId),
    but: WorkspaceId,
    times: Times,
) -> Result<u64> {
    let sql = format!(
        "INSERT INTO session_members (workspace, session, member, workspace_epoch, member_epoch, \
         auth_time, amr, connection, connection_epoch, provider_session, begun_at) \
         SELECT o.workspace, $6, o.member, o.workspace_epoch, o.member_epoch, o.auth_time, o.amr, \
         o.connection, o.connection_epoch, o.provider_session, COALESCE(o.begun_at, s.created_at) \
         FROM session_members o JOIN sessions s ON s.id = o.session \
         LEFT JOIN sign_in_policies p ON p.workspace = o.workspace \
         WHERE o.session = $1 AND o.workspace <> $2 AND {MEETS}"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(from)
        .bind(but)
        .bind(times.now)
        .bind(times.idle_seconds)
        .bind(times.absolute_seconds)
        .bind(to)
        .execute()
        .await
}

/// Closes what a session opened and opens no more by the policies of now: to be seen again elsewhere
/// does not open it anew.
pub async fn close_over(tx: &mut Tx, session: SessionId, times: Times) -> Result<u64> {
    let sql = format!(
        "DELETE FROM session_members WHERE session = $1 AND workspace IN (SELECT o.workspace \
         FROM session_members o JOIN sessions s ON s.id = o.session \
         LEFT JOIN sign_in_policies p ON p.workspace = o.workspace \
         WHERE o.session = $2 AND NOT ({MEETS}))"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(session)
        .bind(session)
        .bind(times.now)
        .bind(times.idle_seconds)
        .bind(times.absolute_seconds)
        .execute()
        .await
}

/// Forgets up to so many sessions whose time was over before an instant, with what they opened.
pub async fn delete_old(tx: &mut Tx, before: Timestamp, most: i64) -> Result<u64> {
    let old = "SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at, id LIMIT $2";
    let mut rows = 0;
    for sql in [
        format!("DELETE FROM session_members WHERE session IN ({old})"),
        format!("DELETE FROM sessions WHERE id IN ({old})"),
    ] {
        let query = tx.query(sqlx::AssertSqlSafe(sql)).bind(before).bind(most);
        rows = query.execute().await?;
    }
    Ok(rows)
}

/// Forgets by what a member who is erased was in, and what its browsers said they are.
pub async fn delete_of_member(tx: &mut Tx, workspace: WorkspaceId, member: MemberId) -> Result<()> {
    for sql in [
        "UPDATE sessions SET browser = NULL WHERE id IN \
         (SELECT session FROM session_members WHERE workspace = $1 AND member = $2)",
        "DELETE FROM session_members WHERE workspace = $1 AND member = $2",
    ] {
        let query = tx.query(sql).bind(workspace).bind(member);
        query.execute().await?;
    }
    Ok(())
}
