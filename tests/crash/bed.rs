//! What every scenario begins with, and what is held against the database at its end.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::str::FromStr;

use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::client::{Client, patch};
use crate::deployment::{Deployment, Server};
use crate::writer::{Groups, Writer};

/// How many writers there are at once.
const WRITERS: usize = 8;

/// What every user has beside its row, in the same transaction or not at all.
const HALVES: [(&str, &str); 5] = [
    (
        "a user without a record of its making",
        "SELECT COUNT(*) FROM users u WHERE NOT EXISTS (SELECT c.id FROM changes c \
         WHERE c.workspace = u.workspace AND c.subject = u.id AND c.kind = 'user.created')",
    ),
    (
        "a record of a making without user or record of its end",
        "SELECT COUNT(*) FROM changes c WHERE c.kind = 'user.created' AND NOT EXISTS \
         (SELECT u.id FROM users u WHERE u.workspace = c.workspace AND u.id = c.subject) \
         AND NOT EXISTS (SELECT d.id FROM changes d WHERE d.workspace = c.workspace \
         AND d.subject = c.subject AND d.kind = 'user.deleted')",
    ),
    (
        "a user whose last record has another version",
        "SELECT COUNT(*) FROM users u WHERE u.version <> (SELECT MAX(c.subject_version) \
         FROM changes c WHERE c.workspace = u.workspace AND c.subject = u.id)",
    ),
    (
        "a user that was made twice",
        "SELECT COUNT(*) FROM (SELECT c.subject FROM changes c WHERE c.kind = 'user.created' \
         GROUP BY c.workspace, c.subject HAVING COUNT(*) > 1) doubled",
    ),
    (
        "a group whose touches have no record",
        "SELECT COUNT(*) FROM user_groups g WHERE g.deleted_at IS NULL AND NOT EXISTS \
         (SELECT c.id FROM changes c WHERE c.workspace = g.workspace AND c.subject = g.id \
         AND c.kind = 'group.created')",
    ),
];

/// A deployment with one directory.
pub(crate) struct Bed {
    pub(crate) deployment: Deployment,
    pub(crate) token: String,
}

/// A token, and its id.
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Bed {
    pub(crate) async fn new() -> Self {
        Self::on(Deployment::new().await)
    }

    pub(crate) fn on(deployment: Deployment) -> Self {
        deployment.json(&["workspace", "create", "acme", "--name", "Acme"]);
        let made = deployment.json(&[
            "directory",
            "create",
            "--workspace",
            "acme",
            "--name",
            "idp",
            "--kind",
            "generic",
        ]);
        let token = made["token"].as_str().expect("a token").to_owned();
        deployment.json(&[
            "rule",
            "add",
            "--workspace",
            "acme",
            "--directory",
            "idp",
            "--group",
            "Crew",
            "--team",
            "Crew",
        ]);
        Self { deployment, token }
    }

    pub(crate) fn client(&self, server: &Server) -> Client {
        Client::new(&server.url, &self.token)
    }

    /// Writers with two groups each and one that is everybody's, where seats are counted.
    pub(crate) async fn writers(&self, server: &Server, seed: u64) -> Vec<Writer> {
        let client = self.client(server);
        let key = self.key(None);
        self.deployment
            .json(&["workspace", "seats", "acme", "--limit", "10000"]);
        let crew = client
            .created("/Groups", &json!({"displayName": "Crew"}))
            .await;
        let mut writers = Vec::new();
        for at in 0..WRITERS {
            let own = json!({"displayName": format!("Own {at}")});
            let inner = json!({"displayName": format!("Inner {at}")});
            let groups = Groups {
                own: client.created("/Groups", &own).await,
                inner: client.created("/Groups", &inner).await,
                crew: crew.clone(),
            };
            let nested = patch("add", "members", json!([{"value": groups.inner}]));
            let path = format!("/Groups/{crew}");
            let nested = client.call("PATCH", &path, Some(&nested)).await;
            assert!([200, 204].contains(&nested.status), "{}", nested.body);
            writers.push(Writer::new(at, groups, key.clone(), seed));
        }
        writers
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.deployment.database.url.starts_with("sqlite:")
    }

    /// The database's file.
    pub(crate) fn file(&self) -> PathBuf {
        let url = &self.deployment.database.url;
        PathBuf::from(url.strip_prefix("sqlite:").expect("SQLite"))
    }

    /// Everything that the design promises of a database holds, and no act is half done.
    pub(crate) async fn check(&self) {
        let verified = self.deployment.run(&["verify"]);
        let told = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(verified.status.success(), "{told}");
        for (what, sql) in HALVES {
            assert_eq!(self.count(sql).await, 0, "{what}");
        }
        if self.is_sqlite() {
            assert_eq!(integrity(&self.deployment.database.url).await, "ok");
        }
    }

    /// A key for the management API: a member's own, or one of the operators that may do everything.
    pub(crate) fn key(&self, own: Option<(&str, &[&str])>) -> String {
        let mut create = vec!["api-key", "create", "--name", "key"];
        match own {
            Some((member, scopes)) => {
                create.extend(["--workspace", "acme", "--member", member]);
                create.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
            }
            None => create.extend(["--operator", "--scope", "*"]),
        }
        let made = self.deployment.json(&create);
        made["key"].as_str().expect("a key").to_owned()
    }

    /// One server, and on a database that bears it another one: two clients in any case.
    pub(crate) async fn nodes(&self) -> (Vec<Server>, [Client; 2]) {
        let mut servers = vec![self.deployment.serve().await];
        if !self.is_sqlite() {
            servers.push(self.deployment.serve().await);
        }
        let last = servers.len() - 1;
        let clients = [0, last].map(|at| self.client(&servers[at]));
        (servers, clients)
    }

    /// Makes a further token of the directory.
    pub(crate) fn rotate(&self) -> Token {
        self.rotate_with(&[])
    }

    pub(crate) fn rotate_with(&self, arguments: &[&str]) -> Token {
        let rotate = [
            "directory",
            "rotate-token",
            "--workspace",
            "acme",
            "--name",
            "idp",
        ];
        let made = self.deployment.json(&[&rotate[..], arguments].concat());
        let text = |key: &str| made[key].as_str().expect("text").to_owned();
        Token {
            id: text("token_id"),
            token: text("token"),
        }
    }

    /// Revokes a token.
    pub(crate) fn revoke(&self, id: &str) {
        let revoke = [
            "directory",
            "revoke-token",
            "--workspace",
            "acme",
            "--name",
            "idp",
        ];
        self.deployment
            .json(&[&revoke[..], &["--token", id]].concat());
    }

    /// `gatehouse verify` on another file.
    pub(crate) fn verify_at(&self, url: &str) -> Output {
        let mut verify = self.deployment.command_on(url, &[], &["verify"]);
        verify.output().expect("the program starts")
    }

    /// Reads a number by SQL of the test's own.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let url = &self.deployment.database.url;
        let sql = AssertSqlSafe(sql.to_owned());
        let row: (i64,) = if self.is_sqlite() {
            let mut conn = sqlite(url).await.expect("opens");
            sqlx::query_as(sql).fetch_one(&mut conn).await
        } else {
            let mut conn = PgConnection::connect(url).await.expect("connects");
            sqlx::query_as(sql).fetch_one(&mut conn).await
        }
        .expect("a row");
        row.0
    }
}

/// A connection to a file as the product has them.
pub(crate) async fn sqlite(url: &str) -> sqlx::Result<SqliteConnection> {
    let options = SqliteConnectOptions::from_str(url)?
        .busy_timeout(std::time::Duration::from_secs(10))
        .collation("C", Ord::cmp);
    SqliteConnection::connect_with(&options).await
}

/// What `SQLite` says of its file.
pub(crate) async fn integrity(url: &str) -> String {
    let mut conn = sqlite(url).await.expect("opens");
    let row: (String,) = sqlx::query_as("PRAGMA integrity_check")
        .fetch_one(&mut conn)
        .await
        .expect("a row");
    conn.close().await.expect("closed");
    row.0
}

/// Sends a signal to a server.
pub(crate) fn signal(server: &Server, name: &str) {
    let pid = server.child.id().to_string();
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid])
        .status();
    assert!(sent.expect("kill is there").success());
}

/// A number that the environment may set.
pub(crate) fn knob(name: &str, otherwise: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how the long run asks for more")]
    let set = std::env::var(name).ok();
    set.map_or(otherwise, |set| set.parse().expect("a number"))
}

/// The seed of a scenario: a new one each time, printed so that it can be set.
pub(crate) fn seed() -> u64 {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let seed = knob("CRASH_SEED", random);
    println!("CRASH_SEED={seed}");
    seed
}

/// Waits so long: a moment for another process to be in the middle of something.
pub(crate) async fn pause(milliseconds: u64) {
    #[expect(
        clippy::disallowed_methods,
        reason = "other processes are worked against"
    )]
    tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
}
