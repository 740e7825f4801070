//! A database of its own for a test: a file, or a database at the server that the test runner names.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// A database; it is gone with the test.
pub(crate) struct Database {
    pub(crate) url: String,
    /// What to drop: the server's URL and the name.
    made: Option<(String, String)>,
}

impl Database {
    /// A database: a file in that folder, or one at the server that is made with these options.
    pub(crate) async fn new(folder: &Path, options: &str) -> Self {
        match Self::server() {
            None => Self::file(folder),
            Some(server) => Self::at(server, options).await,
        }
    }

    /// The server that the test runner names; none for files.
    pub(crate) fn server() -> Option<String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "how the test runner names the server"
        )]
        std::env::var("TEST_DATABASE_URL").ok()
    }

    async fn at(server: String, options: &str) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut conn = PgConnection::connect(&server)
            .await
            .expect("the server is there");
        let sql = format!("CREATE DATABASE {name} {options}");
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut conn)
            .await
            .expect("made");
        Self {
            url: url_of(&server, &name),
            made: Some((server, name)),
        }
    }
}

/// The URL of another database at a server.
pub(crate) fn url_of(server: &str, name: &str) -> String {
    let (before, after) = server.split_once("/postgres?").expect("…/postgres?host=…");
    format!("{before}/{name}?{after}")
}

impl Database {
    /// A file in that folder, whatever the test runner names.
    pub(crate) fn file(folder: &Path) -> Self {
        let file = folder.join("gatehouse.db");
        Self {
            url: format!("sqlite:{}", file.display()),
            made: None,
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some((server, name)) = self.made.take() else {
            return;
        };
        let drop = async move {
            if let Ok(mut conn) = PgConnection::connect(&server).await {
                let sql = format!("DROP DATABASE {name} WITH (FORCE)");
                let _ = sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await;
            }
        };
        // The test's own runtime is busy with this drop.
        let _ = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map(|runtime| runtime.block_on(drop))
        })
        .join();
    }
}
