//! The rows of the change log.

use uuid::Uuid;

use super::error::Result;
use super::tx::Tx;
use super::values::{MOST, is_usual, list, pad, rows};
use crate::clock::Timestamp;
use crate::ids::{ChangeId, CredentialId, DirectoryId, MemberId, PersonId, RequestId, WorkspaceId};

/// A change as it is written: without a number.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Change {
    /// Its id.
    pub id: ChangeId,
    /// What happened, such as `user.created`.
    pub kind: String,
    /// What it happened to, such as `member`.
    pub subject_kind: String,
    /// The id of that.
    pub subject: Uuid,
    /// That thing's version after the change; none for deltas of a group's members.
    pub subject_version: Option<i64>,
    /// The directory that it came through.
    pub directory: Option<DirectoryId>,
    /// What changed, as JSON without personal values.
    pub detail: String,
    /// Whose key the sealed part is under.
    pub person: Option<PersonId>,
    /// Personal values, sealed.
    pub sealed: Option<Vec<u8>>,
    /// The request that it came with.
    pub request: RequestId,
    /// The credential of that request.
    pub credential: Option<CredentialId>,
    /// Who acted, where it was no credential.
    pub actor: Option<String>,
    /// The method of that request.
    pub method: Option<String>,
    /// The path of that request.
    pub path: Option<String>,
    /// When it happened.
    pub at: Timestamp,
}

/// A change with its number and its link of the chain.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Numbered {
    /// Its place in the workspace's log, from 1.
    pub number: i64,
    /// The hash over the one before and this one.
    pub hash: Vec<u8>,
    /// The change.
    #[sqlx(flatten)]
    pub change: Change,
}

/// The end of a workspace's numbered log.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Head {
    /// The last number; 0 when nothing is numbered.
    pub number: i64,
    /// Its hash; empty when nothing is numbered.
    pub hash: Vec<u8>,
}

pub(super) const COLUMNS: &str = "id, kind, subject_kind, subject, subject_version, directory, detail, \
                       person, sealed, request, credential, actor, method, path, at";

/// Writes changes, without numbers.
pub async fn insert(tx: &mut Tx, workspace: WorkspaceId, changes: &[Change]) -> Result<()> {
    for changes in changes.chunks(MOST) {
        let sql = format!(
            "INSERT INTO changes (workspace, {COLUMNS}) VALUES {}",
            rows(changes.len(), 16)
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql));
        if !is_usual(changes.len()) {
            query = query.once();
        }
        for change in changes {
            query = query
                .bind(workspace)
                .bind(change.id)
                .bind(change.kind.clone())
                .bind(change.subject_kind.clone())
                .bind(change.subject)
                .bind(change.subject_version)
                .bind(change.directory)
                .bind(change.detail.clone())
                .bind(change.person)
                .bind(change.sealed.clone())
                .bind(change.request)
                .bind(change.credential)
                .bind(change.actor.clone())
                .bind(change.method.clone())
                .bind(change.path.clone())
                .bind(change.at);
        }
        query.execute().await?;
    }
    Ok(())
}

/// Workspaces that have changes without a number. One look into the index of those for each of
/// them: asked workspace by workspace whether there is one, SQLite walks all changes of each.
pub async fn list_unnumbered_workspaces(tx: &mut Tx) -> Result<Vec<WorkspaceId>> {
    let rows: Vec<(WorkspaceId,)> = tx
        .query(
            "WITH RECURSIVE due (workspace) AS (SELECT (SELECT workspace FROM changes \
             WHERE number IS NULL ORDER BY workspace, at, id LIMIT 1) \
             UNION ALL SELECT (SELECT c.workspace FROM changes c WHERE c.number IS NULL \
             AND c.workspace > due.workspace ORDER BY c.workspace, c.at, c.id LIMIT 1) \
             FROM due WHERE due.workspace IS NOT NULL) \
             SELECT workspace FROM due WHERE workspace IS NOT NULL",
        )
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Changes without a number, oldest first.
pub async fn list_unnumbered(
    tx: &mut Tx,
    workspace: WorkspaceId,
    most: i64,
) -> Result<Vec<Change>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM changes WHERE workspace = $1 AND number IS NULL \
         ORDER BY at, id LIMIT $2"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(most)
        .fetch_all()
        .await
}

/// Versions of these subjects without a number, after the end of a batch and up to an instant.
///
/// A join of the batch with what waits behind it says the same in one statement; but `PostgreSQL`
/// compares all with all while it knows nothing of the table.
pub async fn list_later_versions(
    tx: &mut Tx,
    workspace: WorkspaceId,
    subjects: &[Uuid],
    (last_at, last_id): (Timestamp, ChangeId),
    until: Timestamp,
) -> Result<Vec<Change>> {
    let mut found = Vec::new();
    for subjects in subjects.chunks(MOST) {
        let sql = format!(
            "SELECT {COLUMNS} FROM changes WHERE workspace = $1 AND number IS NULL \
             AND subject_version IS NOT NULL AND at <= $4 AND (at > $2 OR (at = $2 AND id > $3)) \
             AND subject IN ({})",
            list(5, subjects.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(last_at)
            .bind(last_id)
            .bind(until);
        for subject in pad(subjects) {
            query = query.bind(subject);
        }
        found.extend(query.fetch_all().await?);
    }
    Ok(found)
}

/// The end of the numbered log.
pub async fn find_head(tx: &mut Tx, workspace: WorkspaceId) -> Result<Option<Head>> {
    tx.query("SELECT number, hash FROM change_heads WHERE workspace = $1")
        .bind(workspace)
        .fetch_optional()
        .await
}

/// The end of each workspace's log that has one: slug, number and hash.
pub async fn list_heads(tx: &mut Tx) -> Result<Vec<(String, i64, Vec<u8>)>> {
    tx.query(
        "SELECT w.slug, h.number, h.hash FROM change_heads h JOIN workspaces w \
         ON w.id = h.workspace WHERE h.number > 0 ORDER BY w.slug",
    )
    .fetch_all()
    .await
}

/// The hash of a workspace's change of that number.
pub async fn find_hash(tx: &mut Tx, slug: &str, number: i64) -> Result<Option<Vec<u8>>> {
    let row: Option<(Vec<u8>,)> = tx
        .query(
            "SELECT c.hash FROM changes c JOIN workspaces w ON w.id = c.workspace \
             WHERE w.slug = $1 AND c.number = $2",
        )
        .bind(slug.to_owned())
        .bind(number)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// Moves the end of the log on, if it is still where it was.
pub async fn update_head(
    tx: &mut Tx,
    workspace: WorkspaceId,
    from: i64,
    head: &Head,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE change_heads SET number = $3, hash = $4 WHERE workspace = $1 AND number = $2",
        )
        .bind(workspace)
        .bind(from)
        .bind(head.number)
        .bind(head.hash.clone())
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Gives changes their numbers and hashes. Only whoever moved the end of the log on may do it: the
/// changes are looked up by their key alone, which no plan can turn into a walk over all that wait.
pub async fn update_numbers(
    tx: &mut Tx,
    workspace: WorkspaceId,
    numbers: &[(ChangeId, i64, Vec<u8>)],
    at: Timestamp,
) -> Result<u64> {
    let mut updated = 0;
    for numbers in numbers.chunks(MOST) {
        let sql = format!(
            "WITH given (id, number, hash) AS (VALUES {}) UPDATE changes SET \
             number = given.number, hash = given.hash, numbered_at = ${} FROM given \
             WHERE changes.workspace = ${} AND changes.id = given.id",
            rows(numbers.len(), 3),
            numbers.len() * 3 + 1,
            numbers.len() * 3 + 2
        );
        let mut query = tx.query(sqlx::AssertSqlSafe(sql));
        if !is_usual(numbers.len()) {
            query = query.once();
        }
        for (id, number, hash) in numbers {
            query = query.bind(*id).bind(*number).bind(hash.clone());
        }
        updated += query.bind(at).bind(workspace).execute().await?;
    }
    Ok(updated)
}

/// Numbered changes after a number, in order.
pub async fn list_numbered(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: i64,
    most: i64,
) -> Result<Vec<Numbered>> {
    let sql = format!(
        "SELECT number, hash, {COLUMNS} FROM changes WHERE workspace = $1 AND number > $2 \
         ORDER BY number LIMIT $3"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(after)
        .bind(most)
        .fetch_all()
        .await
}

/// What a change says, without personal values.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Told {
    /// What happened, such as `user.created`.
    pub kind: String,
    /// What it happened to, such as `member`.
    pub subject_kind: String,
    /// The id of that.
    pub subject: Uuid,
    /// What changed, as JSON.
    pub detail: String,
}

/// What a request has told so far, of what is not numbered yet.
pub async fn list_told(
    tx: &mut Tx,
    workspace: WorkspaceId,
    request: RequestId,
) -> Result<Vec<Told>> {
    tx.query(
        "SELECT kind, subject_kind, subject, detail FROM changes WHERE workspace = $1 \
         AND number IS NULL AND request = $2 ORDER BY at, id",
    )
    .bind(workspace)
    .bind(request)
    .fetch_all()
    .await
}

/// How many changes of a kind there are about a subject.
pub async fn count_about(
    tx: &mut Tx,
    workspace: WorkspaceId,
    subject: Uuid,
    kind: &'static str,
) -> Result<i64> {
    let row: (i64,) = tx
        .query("SELECT COUNT(*) FROM changes WHERE workspace = $1 AND subject = $2 AND kind = $3")
        .bind(workspace)
        .bind(subject)
        .bind(kind.to_owned())
        .fetch_one()
        .await?;
    Ok(row.0)
}

/// A change, with its number if it has one by now.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Logged {
    /// Its place in the workspace's log.
    pub number: Option<i64>,
    /// The change.
    #[sqlx(flatten)]
    pub change: Change,
}

/// Changes of a subject before a place, newest first.
pub async fn list_about(
    tx: &mut Tx,
    workspace: WorkspaceId,
    subject: Uuid,
    (before_at, before_id): (Timestamp, ChangeId),
    most: i64,
) -> Result<Vec<Logged>> {
    let sql = format!(
        "SELECT number, {COLUMNS} FROM changes WHERE workspace = $1 AND subject = $2 \
         AND at <= $3 AND (at < $3 OR id < $4) ORDER BY at DESC, id DESC LIMIT $5"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(subject)
        .bind(before_at)
        .bind(before_id)
        .bind(most)
        .fetch_all()
        .await
}

/// Numbered changes of subjects up to an instant, in the order of their numbers. Those of a batch
/// may be some seconds the wrong way round: the number decides.
pub async fn list_of_subjects(
    tx: &mut Tx,
    workspace: WorkspaceId,
    subjects: &[Uuid],
    until: Timestamp,
) -> Result<Vec<Numbered>> {
    let mut found: Vec<Numbered> = Vec::new();
    for subjects in subjects.chunks(MOST) {
        let sql = format!(
            "SELECT number, hash, {COLUMNS} FROM changes WHERE workspace = $1 AND at <= $2 \
             AND subject IN ({}) AND number IS NOT NULL",
            list(3, subjects.len())
        );
        let mut query = tx
            .query(sqlx::AssertSqlSafe(sql))
            .bind(workspace)
            .bind(until);
        for subject in pad(subjects) {
            query = query.bind(subject);
        }
        found.extend(query.fetch_all::<Numbered>().await?);
    }
    found.sort_by_key(|change| change.number);
    Ok(found)
}

/// The last number of a change of a kind about a subject at an instant.
pub async fn find_number(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (subject, kind): (Uuid, &'static str),
    at: Timestamp,
) -> Result<Option<i64>> {
    let row: Option<(i64,)> = tx
        .query(
            "SELECT number FROM changes WHERE workspace = $1 AND subject = $2 AND at = $3 \
             AND kind = $4 AND number IS NOT NULL ORDER BY number DESC LIMIT 1",
        )
        .bind(workspace)
        .bind(subject)
        .bind(at)
        .bind(kind.to_owned())
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// When the change of that number happened.
pub async fn find_instant(
    tx: &mut Tx,
    workspace: WorkspaceId,
    number: i64,
) -> Result<Option<Timestamp>> {
    let row: Option<(Timestamp,)> = tx
        .query("SELECT at FROM changes WHERE workspace = $1 AND number = $2")
        .bind(workspace)
        .bind(number)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// The members after one in id order that changes between two numbers are about.
pub async fn list_changed_members(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (after, until): (i64, i64),
    member: Option<MemberId>,
    most: i64,
) -> Result<Vec<MemberId>> {
    let rows: Vec<(MemberId,)> = tx
        .query(
            "SELECT DISTINCT subject FROM changes WHERE workspace = $1 AND number > $2 \
             AND number <= $3 AND subject_kind = 'member' AND subject > $4 \
             ORDER BY subject LIMIT $5",
        )
        .bind(workspace)
        .bind(after)
        .bind(until)
        .bind(member.map_or(Uuid::nil(), |id| id.0))
        .bind(most)
        .fetch_all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Changes by which a directory took something away, or gave it back, between two numbers.
pub async fn list_of_directory(
    tx: &mut Tx,
    (workspace, directory): (WorkspaceId, DirectoryId),
    (after, until): (i64, i64),
    most: i64,
) -> Result<Vec<Numbered>> {
    let sql = format!(
        "SELECT number, hash, {COLUMNS} FROM changes WHERE workspace = $1 AND number > $2 \
         AND number <= $3 AND directory = $4 AND kind IN ('user.deleted', 'user.updated', \
         'group.members_changed', 'group.deleted') ORDER BY number LIMIT $5"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(after)
        .bind(until)
        .bind(directory)
        .bind(most)
        .fetch_all()
        .await
}

/// By which kinds of change somebody comes into a group or out of it.
const OF_GROUPS: &str = "('user.deleted', 'user.restored', 'group.created', \
                         'group.members_changed', 'group.deleted', 'group.restored')";

/// Changes of a directory's groups and of who is in them, after a number.
pub async fn list_of_groups(
    tx: &mut Tx,
    (workspace, directory): (WorkspaceId, DirectoryId),
    after: i64,
    most: i64,
) -> Result<Vec<Numbered>> {
    let sql = format!(
        "SELECT number, hash, {COLUMNS} FROM changes WHERE workspace = $1 AND number > $2 \
         AND directory = $3 AND kind IN {OF_GROUPS} ORDER BY number LIMIT $4"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(after)
        .bind(directory)
        .bind(most)
        .fetch_all()
        .await
}

/// The same of changes that have no number yet.
pub async fn list_new_of_groups(
    tx: &mut Tx,
    (workspace, directory): (WorkspaceId, DirectoryId),
) -> Result<Vec<Change>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM changes WHERE workspace = $1 AND number IS NULL \
         AND directory = $2 AND kind IN {OF_GROUPS} ORDER BY at, id"
    );
    tx.query(sqlx::AssertSqlSafe(sql))
        .bind(workspace)
        .bind(directory)
        .fetch_all()
        .await
}
