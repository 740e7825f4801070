//! The bare reference: the least a durable user directory has to do, on the same stack.
//!
//! axum and sqlx with the rows and indexes a created user costs the gateway, and nothing of what
//! a gateway is for: no token, no validation, no rules, no audit. It shows what the machine can do.

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
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, PgPool, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;
use uuid::Uuid;

const SCHEMA: &str = "
CREATE TABLE users (
    directory UUID NOT NULL, id UUID NOT NULL, user_name_key TEXT NOT NULL, external_id TEXT,
    display_key TEXT, active BOOLEAN NOT NULL, document TEXT NOT NULL, member UUID NOT NULL,
    version BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
    PRIMARY KEY (directory, id)
);
CREATE UNIQUE INDEX users_by_name ON users (directory, user_name_key);
CREATE INDEX users_by_external_id ON users (directory, external_id);
CREATE INDEX users_by_display ON users (directory, display_key);
CREATE INDEX users_by_created ON users (directory, created_at);
CREATE INDEX users_by_member ON users (directory, member);
CREATE TABLE members (
    id UUID PRIMARY KEY, status TEXT NOT NULL, user_name TEXT, display_name TEXT, email_key TEXT,
    version BIGINT NOT NULL, created_at BIGINT NOT NULL
);
CREATE TABLE log (
    id UUID PRIMARY KEY, kind TEXT NOT NULL, subject UUID NOT NULL, detail TEXT NOT NULL,
    at BIGINT NOT NULL
);
";
const INSERT_USER: &str = "INSERT INTO users (directory, id, user_name_key, external_id, \
     display_key, active, document, member, version, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, TRUE, $6, $7, 1, $8, $8)";
const INSERT_MEMBER: &str = "INSERT INTO members (id, status, user_name, display_name, \
     email_key, version, created_at) VALUES ($1, 'active', $2, $3, $4, 1, $5)";
const INSERT_LOG: &str =
    "INSERT INTO log (id, kind, subject, detail, at) VALUES ($1, $2, $3, '{}', $4)";
const FIND_BY_NAME: &str = "SELECT document FROM users WHERE directory = $1 AND user_name_key = $2";
const FIND: &str = "SELECT document FROM users WHERE directory = $1 AND id = $2";
const UPDATE: &str = "UPDATE users SET document = $3, version = version + 1, updated_at = $4 \
     WHERE directory = $1 AND id = $2";
const DIRECTORY: Uuid = Uuid::from_u128(1);

/// Serves until the process ends.
pub(crate) async fn serve(database: &str, listen: SocketAddr) -> Result<()> {
    let store = Arc::new(Store::open(database).await?);
    let app = Router::new()
        .route("/readyz", get(async || "ready"))
        .route("/scim/v2/Users", post(create).get(lookup))
        .route("/scim/v2/Users/{id}", get(read).patch(change))
        .with_state(store);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, app).await?;
    Ok(())
}

enum Store {
    Sqlite {
        writer: Mutex<SqliteConnection>,
        reader: SqlitePool,
    },
    Postgres(PgPool),
}

impl Store {
    async fn open(url: &str) -> Result<Self> {
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(5));
            let mut writer = SqliteConnection::connect_with(&options).await?;
            sqlx::raw_sql(SCHEMA).execute(&mut writer).await?;
            let reader = SqlitePoolOptions::new()
                .max_connections(4)
                .connect_with(options)
                .await?;
            return Ok(Self::Sqlite {
                writer: Mutex::new(writer),
                reader,
            });
        }
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .connect(url)
            .await?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        Ok(Self::Postgres(pool))
    }
}

/// The same statements in a transaction of either engine.
macro_rules! in_transaction {
    ($store:expr, |$tx:ident| $work:block) => {
        match &*$store {
            Store::Sqlite { writer, .. } => {
                let mut writer = writer.lock().await;
                let mut $tx = writer.begin().await?;
                let result = $work;
                $tx.commit().await?;
                result
            }
            Store::Postgres(pool) => {
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
        match &*$store {
            Store::Sqlite { reader, .. } => $query.fetch_optional(reader).await?,
            Store::Postgres(pool) => $query.fetch_optional(pool).await?,
        }
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
    in_transaction!(store, |tx| {
        sqlx::query(INSERT_USER)
            .bind(DIRECTORY)
            .bind(id)
            .bind(&user_name)
            .bind(document["externalId"].as_str())
            .bind(&display)
            .bind(document.to_string())
            .bind(member)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        sqlx::query(INSERT_MEMBER)
            .bind(member)
            .bind(&user_name)
            .bind(&display)
            .bind(email)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        sqlx::query(INSERT_LOG)
            .bind(Uuid::now_v7())
            .bind("user.created")
            .bind(id)
            .bind(now)
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
            .bind(DIRECTORY)
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
    let found: Option<String> = read_one!(store, sqlx::query_scalar(FIND).bind(DIRECTORY).bind(id));
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
    let document = in_transaction!(store, |tx| {
        let text: String = sqlx::query_scalar(FIND)
            .bind(DIRECTORY)
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
            .bind(DIRECTORY)
            .bind(id)
            .bind(document.to_string())
            .bind(now)
            .execute(&mut *tx)
            .await?;
        sqlx::query(INSERT_LOG)
            .bind(Uuid::now_v7())
            .bind("user.changed")
            .bind(id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        document
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
