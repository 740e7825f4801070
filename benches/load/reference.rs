//! The bare reference: the least a durable user directory has to do, on the same stack.
//!
//! axum and sqlx on the gateway's own tables and indexes, with the rows that a created user costs
//! it, and nothing of what a gateway is for: no token, no validation, no rules, no check of who is
//! who. It shows what the machine can do.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use gatehouse::app::App;
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::config::Config;
use gatehouse::directory::{self, DirectoryKind, Mode, NewDirectory};
use gatehouse::workspace;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, PgPool, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;
use uuid::Uuid;

// What a created user costs the gateway: its row, and those of its member, its key, its login name,
// its address and two changes, and one more in a counter. Their indexes are those of the schema.
const INSERT_PERSON: &str = "INSERT INTO person_keys (workspace, id, sealed) VALUES ($1, $2, $3)";
const INSERT_MEMBER: &str = "INSERT INTO members (workspace, id, status, source, person, user_name, \
     display_name, email, email_key, access_epoch, rules_version, version, created_at, updated_at, \
     user_name_key, display_key, activated_at) VALUES ($1, $2, 'active', 'directory', $3, $4, $5, \
     $6, $6, 1, 1, 1, $7, $7, $4, $5, $7)";
const INSERT_USER: &str = "INSERT INTO users (workspace, directory, id, user_name_key, external_id, \
     display_key, display, active, document, member, person, version, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $6, TRUE, $7, $8, $9, 1, $10, $10)";
const INSERT_NAME: &str =
    "INSERT INTO login_names (workspace, key, member, sources) VALUES ($1, $2, $3, 1)";
const INSERT_EMAIL: &str = "INSERT INTO user_emails (workspace, directory, user_id, value_key) \
     VALUES ($1, $2, $3, $4)";
const INSERT_CHANGE: &str = "INSERT INTO changes (workspace, id, kind, subject_kind, subject, \
     subject_version, directory, detail, person, sealed, request, at) \
     VALUES ($1, $2, $3, $4, $5, 1, $6, '{}', $7, $8, $9, $10)";
const COUNT: &str = "UPDATE counters SET total = total + 1 WHERE workspace = $1 \
     AND directory = $2 AND kind = 'users' AND slot = $3";
const FIND_BY_NAME: &str = "SELECT document FROM users WHERE workspace = $1 AND directory = $2 \
     AND user_name_key = $3";
const FIND: &str = "SELECT document FROM users WHERE workspace = $1 AND directory = $2 AND id = $3";
const UPDATE: &str = "UPDATE users SET document = $4, version = version + 1, updated_at = $5 \
     WHERE workspace = $1 AND directory = $2 AND id = $3";
/// As long as a person's key and the personal values of a change are once they are sealed.
const SEALED: [u8; 64] = [7; 64];

/// Serves until the process ends.
pub(crate) async fn serve(database: &str, listen: SocketAddr) -> Result<()> {
    let store = Arc::new(Store::open(database).await?);
    let app = Router::new()
        .route("/readyz", get(async || "ready"))
        .route("/scim/v2/Users", post(create).get(lookup))
        .route("/scim/v2/Users/{id}", get(read).patch(change).put(replace))
        .with_state(store);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, app).await?;
    Ok(())
}

struct Store {
    workspace: Uuid,
    directory: Uuid,
    pool: Pool,
}

enum Pool {
    Sqlite {
        writer: Mutex<SqliteConnection>,
        reader: SqlitePool,
    },
    Postgres(PgPool),
}

impl Store {
    async fn open(url: &str) -> Result<Self> {
        let (workspace, directory) = make(url).await?;
        let pool = Pool::open(url).await?;
        Ok(Self {
            workspace,
            directory,
            pool,
        })
    }
}

/// The gateway's own tables and indexes, with a workspace and a directory.
async fn make(url: &str) -> Result<(Uuid, Uuid)> {
    let app = App::open(Config::for_tests(url), Clock::system()).await?;
    let origin = Origin::cli();
    let workspace = workspace::create(&app, &origin, "load", "Load").await?;
    let new = NewDirectory {
        name: "idp".to_owned(),
        kind: DirectoryKind::Entra,
        mode: Mode::Live,
        strict: false,
        restore_inactive: false,
    };
    let directory = directory::create(&app, &origin, &workspace, new).await?;
    app.db.close().await;
    Ok((workspace.id.0, directory.id.0))
}

impl Pool {
    async fn open(url: &str) -> Result<Self> {
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .collation("C", Ord::cmp)
                .busy_timeout(Duration::from_secs(5));
            let writer = SqliteConnection::connect_with(&options).await?;
            let reader = SqlitePoolOptions::new()
                .max_connections(4)
                .connect_with(options)
                .await?;
            return Ok(Self::Sqlite {
                writer: Mutex::new(writer),
                reader,
            });
        }
        let pool = PgPoolOptions::new().max_connections(16).connect(url);
        Ok(Self::Postgres(pool.await?))
    }
}

/// The same statements in a transaction of either engine.
macro_rules! in_transaction {
    ($store:expr, |$tx:ident| $work:block) => {
        match &$store.pool {
            Pool::Sqlite { writer, .. } => {
                let mut writer = writer.lock().await;
                let mut $tx = writer.begin().await?;
                let result = $work;
                $tx.commit().await?;
                result
            }
            Pool::Postgres(pool) => {
                let mut $tx = pool.begin().await?;
                let result = $work;
                $tx.commit().await?;
                result
            }
        }
    };
}

/// The same read on either engine.
macro_rules! read_one {
    ($store:expr, $query:expr) => {
        match &$store.pool {
            Pool::Sqlite { reader, .. } => $query.fetch_optional(reader).await?,
            Pool::Postgres(pool) => $query.fetch_optional(pool).await?,
        }
    };
}

/// A row of the log.
macro_rules! log {
    ($tx:ident, $store:ident, ($kind:literal, $subject_kind:literal, $subject:ident), $person:ident, $now:ident) => {
        sqlx::query(INSERT_CHANGE)
            .bind($store.workspace)
            .bind(Uuid::now_v7())
            .bind($kind)
            .bind($subject_kind)
            .bind($subject)
            .bind($store.directory)
            .bind($person)
            .bind(&SEALED[..])
            .bind(Uuid::now_v7())
            .bind($now)
            .execute(&mut *$tx)
            .await?
    };
}

async fn create(
    State(store): State<Arc<Store>>,
    body: axum::body::Bytes,
) -> Result<Response, Failure> {
    let mut document: Value = serde_json::from_slice(&body)?;
    let (id, member, now) = (Uuid::now_v7(), Uuid::now_v7(), now());
    document["id"] = json!(id);
    let text = |key: &str| document[key].as_str().unwrap_or_default().to_lowercase();
    let (user_name, display, email) = (
        text("userName"),
        text("displayName"),
        document["emails"][0]["value"].as_str(),
    );
    let (workspace, directory, person) = (store.workspace, store.directory, Uuid::now_v7());
    in_transaction!(store, |tx| {
        sqlx::query(INSERT_PERSON)
            .bind(workspace)
            .bind(person)
            .bind(&SEALED[..])
            .execute(&mut *tx)
            .await?;
        sqlx::query(INSERT_MEMBER)
            .bind(workspace)
            .bind(member)
            .bind(person)
            .bind(&user_name)
            .bind(&display)
            .bind(email)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        sqlx::query(INSERT_USER)
            .bind(workspace)
            .bind(directory)
            .bind(id)
            .bind(&user_name)
            .bind(document["externalId"].as_str())
            .bind(&display)
            .bind(document.to_string())
            .bind(member)
            .bind(person)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        sqlx::query(INSERT_NAME)
            .bind(workspace)
            .bind(&user_name)
            .bind(member)
            .execute(&mut *tx)
            .await?;
        sqlx::query(INSERT_EMAIL)
            .bind(workspace)
            .bind(directory)
            .bind(id)
            .bind(email.unwrap_or_default())
            .execute(&mut *tx)
            .await?;
        log!(tx, store, ("member.added", "member", member), person, now);
        log!(tx, store, ("user.created", "user", id), person, now);
        sqlx::query(COUNT)
            .bind(workspace)
            .bind(directory)
            .bind(i64::from(id.as_bytes()[15] & 15))
            .execute(&mut *tx)
            .await?;
    });
    Ok((StatusCode::CREATED, Json(document)).into_response())
}

#[derive(Deserialize)]
struct Search {
    filter: String,
}

async fn lookup(
    State(store): State<Arc<Store>>,
    Query(search): Query<Search>,
) -> Result<Response, Failure> {
    let name = search
        .filter
        .split('"')
        .nth(1)
        .unwrap_or_default()
        .to_lowercase();
    let found: Option<String> = read_one!(
        store,
        sqlx::query_scalar(FIND_BY_NAME)
            .bind(store.workspace)
            .bind(store.directory)
            .bind(name.as_str())
    );
    let resources: Vec<Value> = found
        .iter()
        .map(|text| serde_json::from_str(text))
        .collect::<Result<_, _>>()?;
    Ok(Json(json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": resources.len(),
        "startIndex": 1,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    }))
    .into_response())
}

async fn read(State(store): State<Arc<Store>>, Path(id): Path<Uuid>) -> Result<Response, Failure> {
    let found: Option<String> = read_one!(
        store,
        sqlx::query_scalar(FIND)
            .bind(store.workspace)
            .bind(store.directory)
            .bind(id)
    );
    Ok(match found {
        Some(text) => Json(serde_json::from_str::<Value>(&text)?).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

async fn change(
    State(store): State<Arc<Store>>,
    Path(id): Path<Uuid>,
    body: axum::body::Bytes,
) -> Result<Response, Failure> {
    let patch: Value = serde_json::from_slice(&body)?;
    let now = now();
    let nobody: Option<Uuid> = None;
    let document = in_transaction!(store, |tx| {
        let text: String = sqlx::query_scalar(FIND)
            .bind(store.workspace)
            .bind(store.directory)
            .bind(id)
            .fetch_one(&mut *tx)
            .await?;
        let mut document: Value = serde_json::from_str(&text)?;
        for operation in patch["Operations"].as_array().into_iter().flatten() {
            if let Some(path) = operation["path"].as_str() {
                document[path] = operation["value"].clone();
            }
        }
        sqlx::query(UPDATE)
            .bind(store.workspace)
            .bind(store.directory)
            .bind(id)
            .bind(document.to_string())
            .bind(now)
            .execute(&mut *tx)
            .await?;
        log!(tx, store, ("user.updated", "user", id), nobody, now);
        document
    });
    Ok(Json(document).into_response())
}

async fn replace(
    State(store): State<Arc<Store>>,
    Path(id): Path<Uuid>,
    body: axum::body::Bytes,
) -> Result<Response, Failure> {
    let mut document: Value = serde_json::from_slice(&body)?;
    document["id"] = json!(id);
    let (now, nobody): (_, Option<Uuid>) = (now(), None);
    in_transaction!(store, |tx| {
        sqlx::query(UPDATE)
            .bind(store.workspace)
            .bind(store.directory)
            .bind(id)
            .bind(document.to_string())
            .bind(now)
            .execute(&mut *tx)
            .await?;
        log!(tx, store, ("user.replaced", "user", id), nobody, now);
    });
    Ok(Json(document).into_response())
}

fn now() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the reference has no clock of ours"
    )]
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:#}", self.0)).into_response()
    }
}
