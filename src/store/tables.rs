//! What tables there are and what they hold, as the database itself tells: so that a backup has
//! all of it, whichever engine it comes from and whatever later versions add.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::error::{DbError, Result};
use super::migrate;
use super::tx::Tx;
use super::values;

/// What belongs to running processes, or is not kept for long: in no backup.
const PASSING: &[&str] = &[
    "idempotency_keys",
    "import_rows",
    "imports",
    "leases",
    "login_flows",
    "one_time_links",
    "quotas",
    "request_log",
    "session_members",
    "sessions",
    "spent_tokens",
];
/// The most values of one statement; both engines take more.
const VALUES: usize = 3_000;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An id.
    Uuid,
    /// Bytes.
    Bytea,
    /// A number or an instant.
    Bigint,
    /// Text.
    Text,
    /// Yes or no.
    Boolean,
}

/// A table, with its columns in the order in which it has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<(String, Kind)>,
    /// The columns of its key.
    key: Vec<String>,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// An id.
    Uuid(Uuid),
    /// Bytes.
    Bytea(Vec<u8>),
    /// A number or an instant.
    Bigint(i64),
    /// Text.
    Text(String),
    /// Yes or no.
    Boolean(bool),
}

/// What the catalogs say of a column.
#[derive(sqlx::FromRow)]
struct Described {
    table_name: String,
    column_name: String,
    kind: String,
    /// Its place in the key; 0 if it is not in it.
    key_place: i64,
}

const POSTGRES_COLUMNS: &str = "SELECT CAST(c.relname AS TEXT) AS table_name, \
     CAST(a.attname AS TEXT) AS column_name, format_type(a.atttypid, NULL) AS kind, \
     CAST(COALESCE(array_position(CAST(i.indkey AS INT2[]), a.attnum) + 1, 0) AS BIGINT) \
     AS key_place FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
     AND NOT a.attisdropped LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
     WHERE c.relkind = 'r' AND c.relnamespace = CAST(current_schema() AS REGNAMESPACE) \
     ORDER BY c.relname, a.attnum";
const SQLITE_COLUMNS: &str = "SELECT m.name AS table_name, c.name AS column_name, \
     lower(c.type) AS kind, c.pk AS key_place FROM sqlite_schema m \
     JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid";
const POSTGRES_REFERENCES: &str = "SELECT CAST(f.relname AS TEXT) AS table_name, \
     CAST(t.relname AS TEXT) AS other FROM pg_constraint r JOIN pg_class f ON f.oid = r.conrelid \
     JOIN pg_class t ON t.oid = r.confrelid WHERE r.contype = 'f' \
     AND f.relnamespace = CAST(current_schema() AS REGNAMESPACE)";
const SQLITE_REFERENCES: &str = "SELECT m.name AS table_name, r.\"table\" AS other \
     FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) r WHERE m.type = 'table'";

/// The tables that a backup holds, each after those that it refers to.
pub async fn list(tx: &mut Tx) -> Result<Vec<Table>> {
    let ours: BTreeSet<_> = migrate::tables().into_iter().collect();
    let sql = by_engine(tx, POSTGRES_COLUMNS, SQLITE_COLUMNS);
    let described: Vec<Described> = tx.query(sql).fetch_all().await?;
    let mut tables: BTreeMap<String, (Table, Vec<(i64, String)>)> = BTreeMap::new();
    for column in described {
        if !ours.contains(&column.table_name) || PASSING.contains(&column.table_name.as_str()) {
            continue;
        }
        let kind = kind(&column.kind).ok_or_else(|| {
            DbError::Catalog(format!("{} is of no known type", column.column_name))
        })?;
        let name = column.table_name.clone();
        let (table, key) = tables.entry(column.table_name).or_insert_with(|| {
            let (columns, key) = (Vec::new(), Vec::new());
            (Table { name, columns, key }, Vec::new())
        });
        if column.key_place > 0 {
            key.push((column.key_place, column.column_name.clone()));
        }
        table.columns.push((column.column_name, kind));
    }
    let sql = by_engine(tx, POSTGRES_REFERENCES, SQLITE_REFERENCES);
    let references: Vec<(String, String)> = tx.query(sql).fetch_all().await?;
    let mut waiting: Vec<Table> = tables
        .into_values()
        .map(|(mut table, mut key)| {
            key.sort();
            table.key = key.into_iter().map(|(_, name)| name).collect();
            table
        })
        .collect();
    let mut listed: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let names: BTreeSet<_> = waiting.iter().map(|table| table.name.clone()).collect();
        let is_free = |table: &Table| {
            let mut own = references.iter().filter(|(from, _)| *from == table.name);
            own.all(|(from, to)| from == to || !names.contains(to))
        };
        let (free, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_free);
        if free.is_empty() {
            return Err(DbError::Catalog("tables refer to each other".to_owned()));
        }
        listed.extend(free);
        waiting = rest;
    }
    Ok(listed)
}

/// The names of the tables whose rows belong to a workspace and go with it, each after those that it
/// refers to. Who was erased stays known: a backup may bring the workspace back.
pub async fn list_owned(tx: &mut Tx) -> Result<Vec<String>> {
    let listed = list(tx).await?.into_iter();
    let owned = listed.filter(|table| {
        let mut columns = table.columns.iter();
        table.name != "erasures" && columns.any(|(name, _)| name == "workspace")
    });
    Ok(owned.map(|table| table.name).collect())
}

/// Hands on each row of a table in the order of its key; tells how many there were.
pub async fn each_row<E: From<DbError>>(
    tx: &mut Tx,
    table: &Table,
    mut take: impl FnMut(Vec<Cell>) -> Result<(), E>,
) -> Result<u64, E> {
    let columns = names(table).join(", ");
    let key = table.key.join(", ");
    let sql = format!("SELECT {columns} FROM {} ORDER BY {key}", table.name);
    let query = tx.query(sqlx::AssertSqlSafe(sql)).once();
    query
        .each(|Raw(cells): Raw| {
            let typed = cells.into_iter().zip(&table.columns);
            let typed = typed.map(|(cell, (name, kind))| {
                typed_as(cell, *kind).ok_or_else(|| {
                    DbError::Catalog(format!("a value of {name} is of another type"))
                })
            });
            take(typed.collect::<Result<Vec<_>>>()?)
        })
        .await
}

/// How many rows of a table one statement takes.
pub fn rows_at_once(table: &Table) -> usize {
    (VALUES / table.columns.len().max(1)).clamp(1, values::MOST)
}

/// Writes rows as they are.
pub async fn insert(tx: &mut Tx, table: &Table, rows: Vec<Vec<Cell>>) -> Result<u64> {
    if rows.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        "INSERT INTO {} ({}) VALUES {}",
        table.name,
        names(table).join(", "),
        values::rows(rows.len(), table.columns.len())
    );
    let is_usual = rows.len() == rows_at_once(table);
    let mut query = tx.query(sqlx::AssertSqlSafe(sql));
    if !is_usual {
        query = query.once();
    }
    for row in rows {
        for (cell, (_, kind)) in row.into_iter().zip(&table.columns) {
            query = match (cell, kind) {
                (Cell::Uuid(value), _) => query.bind(value),
                (Cell::Bytea(value), _) => query.bind(value),
                (Cell::Bigint(value), _) => query.bind(value),
                (Cell::Text(value), _) => query.bind(value),
                (Cell::Boolean(value), _) => query.bind(value),
                (Cell::Null, Kind::Uuid) => query.bind(None::<Uuid>),
                (Cell::Null, Kind::Bytea) => query.bind(None::<Vec<u8>>),
                (Cell::Null, Kind::Bigint) => query.bind(None::<i64>),
                (Cell::Null, Kind::Text) => query.bind(None::<String>),
                (Cell::Null, Kind::Boolean) => query.bind(None::<bool>),
            };
        }
    }
    query.execute().await
}

/// Lets statements of this transaction take as long as they need.
pub async fn unhurried(tx: &mut Tx) -> Result<()> {
    if tx.is_postgres() {
        tx.query("SET LOCAL statement_timeout = 0")
            .execute()
            .await?;
    }
    Ok(())
}

fn by_engine(tx: &Tx, postgres: &'static str, sqlite: &'static str) -> &'static str {
    if tx.is_postgres() { postgres } else { sqlite }
}

fn names(table: &Table) -> Vec<&str> {
    let names = table.columns.iter().map(|(name, _)| name.as_str());
    names.collect()
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "uuid" => Kind::Uuid,
        "bytea" => Kind::Bytea,
        "bigint" => Kind::Bigint,
        "text" => Kind::Text,
        "boolean" => Kind::Boolean,
        _ => return None,
    })
}

/// SQLite keeps ids as bytes, and yes or no as a number.
fn typed_as(cell: Cell, kind: Kind) -> Option<Cell> {
    Some(match (cell, kind) {
        (Cell::Null, _) => Cell::Null,
        (Cell::Bytea(bytes), Kind::Uuid) => Cell::Uuid(Uuid::from_slice(&bytes).ok()?),
        (Cell::Bigint(number @ (0 | 1)), Kind::Boolean) => Cell::Boolean(number == 1),
        (cell @ Cell::Uuid(_), Kind::Uuid)
        | (cell @ Cell::Bytea(_), Kind::Bytea)
        | (cell @ Cell::Bigint(_), Kind::Bigint)
        | (cell @ Cell::Text(_), Kind::Text)
        | (cell @ Cell::Boolean(_), Kind::Boolean) => cell,
        _ => return None,
    })
}

/// A row as the engine has it.
struct Raw(Vec<Cell>);

impl<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> for Raw {
    fn from_row(row: &'r sqlx::sqlite::SqliteRow) -> sqlx::Result<Self> {
        use sqlx::{Row, TypeInfo, ValueRef};
        let cells = (0..row.len()).map(|at| {
            let value = row.try_get_raw(at)?;
            if value.is_null() {
                return Ok(Cell::Null);
            }
            Ok(match value.type_info().name() {
                "INTEGER" | "BOOLEAN" => Cell::Bigint(row.try_get_unchecked(at)?),
                "TEXT" => Cell::Text(row.try_get_unchecked(at)?),
                _ => Cell::Bytea(row.try_get_unchecked(at)?),
            })
        });
        cells.collect::<sqlx::Result<_>>().map(Self)
    }
}

impl<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> for Raw {
    fn from_row(row: &'r sqlx::postgres::PgRow) -> sqlx::Result<Self> {
        use sqlx::{Row, TypeInfo, ValueRef};
        let cells = (0..row.len()).map(|at| {
            let value = row.try_get_raw(at)?;
            if value.is_null() {
                return Ok(Cell::Null);
            }
            Ok(match value.type_info().name() {
                "UUID" => Cell::Uuid(row.try_get(at)?),
                "INT8" => Cell::Bigint(row.try_get(at)?),
                "BOOL" => Cell::Boolean(row.try_get(at)?),
                "BYTEA" => Cell::Bytea(row.try_get(at)?),
                _ => Cell::Text(row.try_get(at)?),
            })
        });
        cells.collect::<sqlx::Result<_>>().map(Self)
    }
}
