//! Databases that have the schema: it is made once, then copied. Making it takes longer than most tests.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use gatehouse::config::Config;
use gatehouse::store::db::Options;
use gatehouse::store::migrate;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::database::{Database, url_of};

/// Whose turn it is to make one at a server: any number that nobody else locks.
const TURN: i64 = 0x6761_7465;

/// A database with the schema and nothing else; a file lies in that folder.
pub(crate) async fn database(folder: &Path) -> Database {
    match Database::server() {
        None => {
            fs::copy(file().await, folder.join("gatehouse.db")).expect("copied");
            Database::new(folder, "").await
        }
        Some(server) => {
            let name = at(&server).await;
            Database::new(folder, &format!("TEMPLATE {name}")).await
        }
    }
}

/// The file to copy.
async fn file() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("{}.db", name()));
    if !file.exists() {
        // Several tests may begin by making it: the last one's stays, and all are the same.
        let new = tempfile::tempdir_in(folder).expect("a folder");
        let own = new.path().join("gatehouse.db");
        migrate(&format!("sqlite:{}", own.display())).await;
        fs::rename(own, &file).expect("in its place");
    }
    file
}

/// The name of the database to copy.
async fn at(server: &str) -> String {
    let name = name();
    let mut conn = PgConnection::connect(server)
        .await
        .expect("the server is there");
    if is_there(&mut conn, &name).await {
        return name;
    }
    let turn = sqlx::query("SELECT pg_advisory_lock($1)").bind(TURN);
    turn.execute(&mut conn).await.expect("a turn");
    if !is_there(&mut conn, &name).await {
        let new = format!("{name}_new");
        for sql in [
            format!("DROP DATABASE IF EXISTS {new}"),
            format!("CREATE DATABASE {new}"),
        ] {
            let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await;
            done.expect("made");
        }
        migrate(&url_of(server, &new)).await;
        let sql = format!("ALTER DATABASE {new} RENAME TO {name}");
        let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await;
        done.expect("renamed");
    }
    name
}

async fn is_there(conn: &mut PgConnection, name: &str) -> bool {
    let found = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(name);
    let found = found.fetch_optional(conn).await.expect("found out");
    found.is_some()
}

async fn migrate(url: &str) {
    let options = Options::from(&Config::for_tests(url).database);
    migrate::run(&options).await.expect("migrated");
}

/// Another one for each schema.
fn name() -> String {
    let mut hasher = DefaultHasher::new();
    for step in migrate::known() {
        (step.version, step.checksum).hash(&mut hasher);
    }
    format!("schema_{:016x}", hasher.finish())
}
