//! A transaction or connection, and the statements on it: one text for both engines.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, TryStreamExt};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{
    Connection, Encode, FromRow, Postgres, SqlSafeStr, Sqlite, Transaction, Type,
    query::Query as Raw,
};

use super::begun::Begun;
use super::error::{DbError, Result};
use super::faults::{Around, Faults, within};
use super::stats::Stats;
use super::stock::Kept;
use super::values::nameless;

/// A value that both engines can store.
pub trait Value:
    for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres>
{
}
impl<T> Value for T where
    T: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres>
{
}

/// A type that both engines can build from a result row; `#[derive(FromRow)]` is enough.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}

/// A transaction or connection on either engine; the only handle that storage functions take.
pub struct Tx {
    pub(super) conn: Conn,
    statements: u32,
    pub(super) stats: Arc<Stats>,
    faults: Option<Arc<Faults>>,
    is_trial: bool,
    /// What is told once this is committed, and how much of it was there when a part began.
    notices: Vec<Notice>,
    before_part: usize,
}

/// Something that is told outside the database.
pub(super) type Notice = Box<dyn FnOnce() + Send + Sync>;

pub(super) enum Conn {
    /// The writer task's connection, inside a savepoint.
    Shared(SqliteConnection),
    Sqlite(Begun<Sqlite>),
    SqliteOne(Kept<Sqlite>),
    /// With how long an answer is waited for, as the next two.
    Postgres(Begun<Postgres>, Duration),
    PostgresOne(Kept<Postgres>, Duration),
    /// With nobody else on the database, as the next one; parts of it may be undone alone.
    SqliteAlone(Transaction<'static, Sqlite>),
    PostgresAlone(Transaction<'static, Postgres>, Duration),
}

/// How rows are locked on PostgreSQL; SQLite has one writer and needs no row locks.
#[derive(Debug, Clone, Copy)]
pub enum Lock {
    /// Nobody else may change or lock the row.
    Update,
    /// Nobody else may change the row; rows that refer to it may still be written.
    NoKeyUpdate,
    /// The row may change but not go away, nor be locked for update.
    KeyShare,
}

impl Tx {
    pub(super) fn new(conn: Conn, faults: Option<Arc<Faults>>, stats: Arc<Stats>) -> Self {
        Self {
            conn,
            statements: 0,
            stats,
            faults,
            is_trial: false,
            notices: Vec::new(),
            before_part: 0,
        }
    }

    /// Tells something outside the database, such as a log, once this is committed; what is undone,
    /// as where it is only tried, tells nothing.
    pub fn on_commit(&mut self, notice: impl FnOnce() + Send + Sync + 'static) {
        self.notices.push(Box::new(notice));
    }

    /// What is to be told once this is committed.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Starts a query. A `&'static str` passes as it is; built SQL must be vouched for with
    /// [`sqlx::AssertSqlSafe`].
    pub fn query(&mut self, sql: impl SqlSafeStr) -> Query<'_> {
        self.statements += 1;
        self.stats.statement();
        let sql = sql.into_sql_str();
        let faults = self.faults.as_ref();
        let fault = faults.and_then(|faults| faults.around(self.statements));
        let limit = self.conn.limit();
        let mut is_sound = None;
        let plain = (!self.is_postgres()).then(|| nameless(sql.as_str()));
        let sql = match plain.flatten() {
            Some(plain) => sqlx::AssertSqlSafe(plain).into_sql_str(),
            None => sql,
        };
        let raw = match &mut self.conn {
            Conn::Shared(conn) => RawQuery::Sqlite(&mut *conn, sqlx::query(sql)),
            Conn::Sqlite(tx) => RawQuery::Sqlite(&mut *tx, sqlx::query(sql)),
            Conn::SqliteAlone(tx) => RawQuery::Sqlite(&mut *tx, sqlx::query(sql)),
            Conn::SqliteOne(kept) => {
                let (conn, sound) = kept.parts();
                is_sound = Some(sound);
                RawQuery::Sqlite(conn, sqlx::query(sql))
            }
            Conn::Postgres(tx, _) => RawQuery::Postgres(&mut *tx, sqlx::query(sql)),
            Conn::PostgresAlone(tx, _) => RawQuery::Postgres(&mut *tx, sqlx::query(sql)),
            Conn::PostgresOne(kept, _) => {
                let (conn, sound) = kept.parts();
                is_sound = Some(sound);
                RawQuery::Postgres(conn, sqlx::query(sql))
            }
        };
        let around = Around {
            fault,
            limit,
            is_sound,
        };
        Query { raw, around }
    }

    /// Like [`Tx::query`], with the rows locked on PostgreSQL. `of` names the table to lock, which
    /// `FOR UPDATE` of a join needs.
    pub fn locked(&mut self, sql: &'static str, lock: Lock, of: &'static str) -> Query<'_> {
        if matches!(self.conn, Conn::Postgres(..)) {
            self.locked_list(sql, lock, of)
        } else {
            self.query(sql)
        }
    }

    /// [`Tx::locked`] for a statement that was built.
    pub(super) fn locked_list(&mut self, sql: &str, lock: Lock, of: &'static str) -> Query<'_> {
        let clause = match lock {
            _ if !matches!(self.conn, Conn::Postgres(..)) => String::new(),
            Lock::Update => format!(" FOR UPDATE OF {of}"),
            Lock::NoKeyUpdate => format!(" FOR NO KEY UPDATE OF {of}"),
            Lock::KeyShare => format!(" FOR KEY SHARE OF {of}"),
        };
        self.query(sqlx::AssertSqlSafe(format!("{sql}{clause}")))
    }

    /// Whether it is at a server, whose catalog and settings have a language of their own.
    pub(super) fn is_postgres(&self) -> bool {
        matches!(
            self.conn,
            Conn::Postgres(..) | Conn::PostgresOne(..) | Conn::PostgresAlone(..)
        )
    }

    /// Counts fail points from here on: a new use case begins.
    pub(super) fn begin_work(&mut self, stats: Arc<Stats>) {
        self.statements = 0;
        self.stats = stats;
        self.is_trial = false;
        self.notices.clear();
    }

    /// A statement of transaction control, without values, rows or fail points.
    pub(super) async fn command(&mut self, sql: &'static str) -> Result<()> {
        if let Conn::Shared(conn) = &mut self.conn {
            sqlx::query(sql).execute(&mut *conn).await?;
        }
        Ok(())
    }

    /// Begins a part that can be undone alone.
    pub async fn begin_part(&mut self) -> Result<()> {
        self.query("SAVEPOINT part").execute().await?;
        self.before_part = self.notices.len();
        Ok(())
    }

    /// Ends a part whose effects stay, if the transaction does.
    pub async fn keep_part(&mut self) -> Result<()> {
        self.query("RELEASE SAVEPOINT part").execute().await?;
        Ok(())
    }

    /// Ends a part as if it had not been, even one whose last statement failed.
    pub async fn undo_part(&mut self) -> Result<()> {
        self.query("ROLLBACK TO SAVEPOINT part").execute().await?;
        self.notices.truncate(self.before_part);
        self.keep_part().await
    }

    /// Begins a part that is undone in any case. What comes of it for members is looked at beside it, so
    /// that nobody is settled in it.
    pub async fn begin_trial(&mut self) -> Result<()> {
        self.begin_part().await?;
        self.is_trial = true;
        Ok(())
    }

    /// Ends a trial as if it had not been.
    pub async fn undo_trial(&mut self) -> Result<()> {
        self.is_trial = false;
        self.undo_part().await
    }

    /// Whether this is a trial.
    pub fn is_trial(&self) -> bool {
        self.is_trial
    }

    /// Commits a transaction that is not the writer's.
    pub async fn commit(self) -> Result<()> {
        self.stats.round_trip();
        self.at_commit().await?;
        match self.conn {
            Conn::Postgres(tx, limit) => within(Some(limit), pin!(tx.commit())).await?,
            Conn::PostgresAlone(tx, limit) => {
                within(Some(limit), pin!(async { Ok(tx.commit().await?) })).await?;
            }
            Conn::Sqlite(tx) => tx.commit().await?,
            Conn::SqliteAlone(tx) => tx.commit().await?,
            Conn::Shared(_) | Conn::SqliteOne(_) | Conn::PostgresOne(..) => {}
        }
        Ok(())
    }

    /// Commits what the writer's closures have done, by these commands.
    pub(super) async fn commit_shared(&mut self, commit: &'static str) -> Result<()> {
        self.at_commit().await?;
        self.command(commit).await
    }

    async fn at_commit(&self) -> Result<()> {
        match &self.faults {
            Some(faults) => faults.at_commit().await,
            None => Ok(()),
        }
    }

    /// Gives up the writer's connection for a new one: what the old one holds in memory is no
    /// longer known to be what the disk holds.
    pub(super) async fn reopen(&mut self, file: &SqliteConnectOptions) -> Result<()> {
        let conn = SqliteConnection::connect_with(file).await?;
        if let Conn::Shared(old) = std::mem::replace(&mut self.conn, Conn::Shared(conn)) {
            let _ = old.close_hard().await;
        }
        Ok(())
    }

    pub(super) async fn close(self) -> Result<()> {
        if let Conn::Shared(conn) = self.conn {
            conn.close().await?;
        }
        Ok(())
    }
}

impl Conn {
    fn limit(&self) -> Option<Duration> {
        match self {
            Self::Postgres(_, limit)
            | Self::PostgresOne(_, limit)
            | Self::PostgresAlone(_, limit) => Some(*limit),
            Self::Shared(_) | Self::Sqlite(_) | Self::SqliteAlone(_) | Self::SqliteOne(_) => None,
        }
    }
}

enum RawQuery<'c> {
    Sqlite(
        &'c mut SqliteConnection,
        Raw<'static, Sqlite, SqliteArguments>,
    ),
    Postgres(&'c mut PgConnection, Raw<'static, Postgres, PgArguments>),
}

/// A statement on its way to one of the engines.
#[must_use = "a query does nothing until it is executed or fetched"]
pub struct Query<'c> {
    raw: RawQuery<'c>,
    around: Around<'c>,
}

impl Query<'_> {
    /// Binds the next placeholder.
    pub fn bind(self, value: impl Value) -> Self {
        let raw = match self.raw {
            RawQuery::Sqlite(conn, query) => RawQuery::Sqlite(conn, query.bind(value)),
            RawQuery::Postgres(conn, query) => RawQuery::Postgres(conn, query.bind(value)),
        };
        Self { raw, ..self }
    }

    /// Says that this text will hardly come again, so that it is not kept prepared.
    pub(super) fn once(self) -> Self {
        let raw = match self.raw {
            RawQuery::Sqlite(conn, query) => RawQuery::Sqlite(conn, query.persistent(false)),
            RawQuery::Postgres(conn, query) => RawQuery::Postgres(conn, query.persistent(false)),
        };
        Self { raw, ..self }
    }

    /// Runs the statement and tells how many rows it changed.
    pub async fn execute(self) -> Result<u64> {
        let Self { raw, around } = self;
        let run = async {
            Ok(match raw {
                RawQuery::Sqlite(conn, query) => query.execute(conn).await?.rows_affected(),
                RawQuery::Postgres(conn, query) => query.execute(conn).await?.rows_affected(),
            })
        };
        around.run(pin!(run)).await
    }

    /// All rows.
    pub async fn fetch_all<R: Row>(self) -> Result<Vec<R>> {
        let Self { raw, around } = self;
        let run = async {
            match raw {
                RawQuery::Sqlite(conn, query) => decode(&query.fetch_all(conn).await?),
                RawQuery::Postgres(conn, query) => decode(&query.fetch_all(conn).await?),
            }
        };
        around.run(pin!(run)).await
    }

    /// Hands each row on as it comes, so that no more than one is held; tells how many there were.
    pub(super) async fn each<R: Row, E: From<DbError>>(
        self,
        mut take: impl FnMut(R) -> Result<(), E>,
    ) -> Result<u64, E> {
        let Self { raw, mut around } = self;
        let limit = around.limit;
        around.note(false);
        let mut count = 0;
        let mut one = |row: Result<R, sqlx::Error>| {
            count += 1;
            take(row.map_err(DbError::from)?)
        };
        match raw {
            RawQuery::Sqlite(conn, query) => {
                let mut rows = query.fetch(conn);
                while let Some(row) = rows.try_next().await.map_err(DbError::from)? {
                    one(R::from_row(&row))?;
                }
            }
            RawQuery::Postgres(conn, query) => {
                let mut rows = query.fetch(conn);
                while let Some(row) = within(limit, pin!(next(&mut rows))).await? {
                    one(R::from_row(&row))?;
                }
            }
        }
        around.note(true);
        Ok(count)
    }

    /// The row, if there is one.
    pub async fn fetch_optional<R: Row>(self) -> Result<Option<R>> {
        let Self { raw, around } = self;
        let run = async {
            Ok(match raw {
                RawQuery::Sqlite(conn, query) => {
                    let row = query.fetch_optional(conn).await?;
                    row.map(|row| R::from_row(&row)).transpose()?
                }
                RawQuery::Postgres(conn, query) => {
                    let row = query.fetch_optional(conn).await?;
                    row.map(|row| R::from_row(&row)).transpose()?
                }
            })
        };
        around.run(pin!(run)).await
    }

    /// Like [`Query::fetch_optional`], but a missing row is [`DbError::NotFound`].
    pub async fn fetch_one<R: Row>(self) -> Result<R> {
        self.fetch_optional().await?.ok_or(DbError::NotFound)
    }
}

/// The next row, if there is one.
async fn next<R>(rows: &mut (impl Stream<Item = sqlx::Result<R>> + Unpin)) -> Result<Option<R>> {
    Ok(rows.try_next().await?)
}

fn decode<R, T>(rows: &[R]) -> Result<Vec<T>>
where
    R: sqlx::Row,
    T: for<'r> FromRow<'r, R>,
{
    rows.iter()
        .map(|row| T::from_row(row).map_err(DbError::from))
        .collect()
}
