//! Upgrades: broken off, by several at once, from older schemas; and the way back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Child, Stdio};
use std::str::FromStr;
use std::time::Duration;

use gatehouse::workspace::keys::Permission;
use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::deployment::{Deployment, KEY};
use crate::with_directory;

/// A connection to a file that sorts as the program does.
async fn sqlite(url: &str) -> SqliteConnection {
    let file = SqliteConnectOptions::from_str(url).unwrap();
    let file = file.create_if_missing(true).collation("C", Ord::cmp);
    SqliteConnection::connect_with(&file).await.unwrap()
}

/// Runs statements on a database, whichever it is.
async fn run(deployment: &Deployment, statements: &[String]) {
    let url = deployment.url();
    for sql in statements {
        let sql = AssertSqlSafe(sql.clone());
        if url.starts_with("sqlite:") {
            let mut conn = sqlite(url).await;
            sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
            conn.close().await.unwrap();
        } else {
            let mut conn = PgConnection::connect(url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
            conn.close().await.unwrap();
        }
    }
}

/// The numbers that a statement finds.
async fn numbers(deployment: &Deployment, sql: &'static str) -> Vec<i64> {
    let url = deployment.url();
    if url.starts_with("sqlite:") {
        let mut conn = sqlite(url).await;
        sqlx::query_scalar(sql).fetch_all(&mut conn).await.unwrap()
    } else {
        let mut conn = PgConnection::connect(url).await.unwrap();
        sqlx::query_scalar(sql).fetch_all(&mut conn).await.unwrap()
    }
}

/// The steps that a database has taken.
async fn steps(deployment: &Deployment) -> Vec<i64> {
    let sql = "SELECT version FROM _sqlx_migrations ORDER BY version";
    numbers(deployment, sql).await
}

/// The steps of the schema, up to one.
async fn migrator(last: i64) -> Migrator {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let all = Migrator::new(std::path::Path::new(folder)).await.unwrap();
    let steps = all.iter().filter(|step| step.version <= last).cloned();
    Migrator::with_migrations(steps.collect())
}

/// The id of the workspace of [`old`] in SQL, and of all else that is in there.
fn workspace(deployment: &Deployment) -> &'static str {
    if deployment.url().starts_with("sqlite:") {
        "x'019aa000000070008000000000000001'"
    } else {
        "'019aa000000070008000000000000001'"
    }
}

/// A database of the first schema, with a workspace in it.
async fn old() -> Deployment {
    let deployment = Deployment::new().await;
    let url = deployment.url();
    let steps = migrator(1).await;
    if url.starts_with("sqlite:") {
        let mut conn = sqlite(url).await;
        steps.run(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    } else {
        let mut conn = PgConnection::connect(url).await.unwrap();
        steps.run(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }
    let config = gatehouse::config::Config {
        secrets: gatehouse::config::Secrets {
            key: Some(KEY.into()),
            key_file: None,
        },
        ..Default::default()
    };
    let check = gatehouse::secrets::load(&config).unwrap().key_check();
    let check = data_encoding::HEXLOWER.encode(&check);
    let id = workspace(&deployment);
    let (check, empty) = if url.starts_with("sqlite:") {
        (format!("x'{check}'"), "x''")
    } else {
        (format!("'\\x{check}'"), "''")
    };
    run(
        &deployment,
        &[
            format!(
                "INSERT INTO deployment (id, key_check, access_epoch, created_at) \
                 VALUES (1, {check}, 1, 1)"
            ),
            format!(
                "INSERT INTO workspaces (id, slug, name, status, access_epoch, rules_tag, \
                 rules_version, rules_floor, rules_swept, rules_when, created_at) \
                 VALUES ({id}, 'acme', 'Acme', 'active', 1, {id}, 0, 0, 0, 0, 1)"
            ),
            format!("INSERT INTO change_heads VALUES ({id}, 0, {empty})"),
            format!(
                "INSERT INTO roles (workspace, id, name, name_key, built_in, created_at) \
                 VALUES ({id}, {id}, 'admin', 'admin', TRUE, 1)"
            ),
            format!(
                "INSERT INTO role_permissions VALUES ({id}, {id}, 'members.manage'), \
                 ({id}, {id}, 'data.export')"
            ),
        ],
    )
    .await;
    deployment
}

/// The newest step of this program on that engine.
async fn newest(deployment: &Deployment) -> Vec<i64> {
    let fresh = if deployment.url().starts_with("sqlite:") {
        Deployment::embedded()
    } else {
        Deployment::new().await
    };
    fresh.json(&["migrate"]);
    steps(&fresh).await
}

// C240
#[tokio::test]
async fn of_nodes_that_start_together_one_makes_the_schema_and_all_go_on() {
    for deployment in [Deployment::new().await, old().await] {
        let mut nodes: Vec<_> = (0..4)
            .map(|_| {
                let mut command = deployment.command(&["workspace", "list"]);
                command.stdout(Stdio::null()).stderr(Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        for node in nodes.drain(..) {
            let output = node.wait_with_output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{error}");
        }
        assert_eq!(steps(&deployment).await, newest(&deployment).await);
        deployment.json(&["verify"]);
    }
}

// C240
#[tokio::test]
async fn an_upgrade_that_is_killed_goes_on_with_the_next_start() {
    for round in 0..12_u64 {
        let deployment = if round % 2 == 0 {
            Deployment::new().await
        } else {
            old().await
        };
        let mut child = migrating(&deployment);
        #[expect(clippy::disallowed_methods, reason = "another process gets so far")]
        tokio::time::sleep(Duration::from_millis(round * 8)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        deployment.json(&["migrate"]);
        deployment.json(&["verify"]);
    }
}

#[tokio::test]
async fn admins_of_before_may_do_what_admins_may() {
    let deployment = old().await;
    deployment.json(&["migrate"]);
    let roles = deployment.json(&["role", "list", "--workspace", "acme"]);
    let mut all: Vec<_> = Permission::OF_WORKSPACE.map(Permission::name).into();
    all.sort_unstable();
    assert_eq!(roles[0]["permissions"], json!(all), "{roles}");
    deployment.json(&["verify"]);
}

#[tokio::test]
async fn rules_and_runs_of_before_are_as_they_were() {
    let deployment = old().await;
    let id = workspace(&deployment);
    let statements = [
        format!(
            "INSERT INTO directories (workspace, id, name, name_key, kind, mode, strict, \
             restore_inactive, created_at) VALUES ({id}, {id}, 'idp', 'idp', 'generic', 'live', \
             FALSE, FALSE, 1)"
        ),
        format!(
            "INSERT INTO causes (workspace, id, kind, rule, rule_version, created_at) \
             VALUES ({id}, {id}, 'rule', {id}, 1, 1)"
        ),
        format!(
            "INSERT INTO rules (workspace, id, directory, version, state, cause, when_text, \
             created_at) VALUES ({id}, {id}, {id}, 1, 'pending', {id}, 'title pr', 1)"
        ),
        format!(
            "INSERT INTO rule_groups (workspace, rule, position, directory, name, name_key) \
             VALUES ({id}, {id}, 0, {id}, 'Sales', 'sales')"
        ),
        format!(
            "INSERT INTO rule_grants (workspace, rule, kind, target) VALUES ({id}, {id}, 'role', {id})"
        ),
        format!(
            "INSERT INTO runs (workspace, id, kind, state, directory, total, processed, request, \
             created_at, finished_at) VALUES ({id}, {id}, 'rule', 'done', {id}, 7, 7, {id}, 1, 2)"
        ),
    ];
    run(&deployment, &statements).await;
    deployment.json(&["migrate"]);
    let all = "019aa000-0000-7000-8000-000000000001";
    let rules = deployment.json(&["rule", "list", "--workspace", "acme"]);
    assert_eq!(
        (&rules[0]["source"], &rules[0]["directory"]),
        (&json!("directory"), &json!(all))
    );
    assert_eq!(
        (&rules[0]["groups"], &rules[0]["when"], &rules[0]["grants"]),
        (
            &json!(["Sales"]),
            &json!("title pr"),
            &json!(["role admin"])
        )
    );
    let runs = deployment.json(&["run", "list", "--workspace", "acme"]);
    assert_eq!(
        (&runs[0]["id"], &runs[0]["directory"], &runs[0]["processed"]),
        (&json!(all), &json!(all), &json!(7))
    );
    deployment.json(&["verify"]);
}

/// Kills an upgrade of a file while it writes to it, which it does from before the first step to
/// after the last.
async fn kill_while_it_writes(deployment: &Deployment) {
    let file = SqliteConnectOptions::from_str(deployment.url()).unwrap();
    let file = file.busy_timeout(Duration::ZERO);
    let mut conn = SqliteConnection::connect_with(&file).await.unwrap();
    let mut child = migrating(deployment);
    while sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK")
        .execute(&mut conn)
        .await
        .is_ok()
        && child.try_wait().unwrap().is_none()
    {
        moment().await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Kills an upgrade at a server in the middle of its second step, of which it has done a part.
async fn kill_while_it_waits(deployment: &Deployment) {
    let mut conn = PgConnection::connect(deployment.url()).await.unwrap();
    let locked = "BEGIN; LOCK TABLE members IN ACCESS SHARE MODE";
    sqlx::raw_sql(locked).execute(&mut conn).await.unwrap();
    let mut child = migrating(deployment);
    let waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND \
                   relation = 'members'::regclass";
    while numbers(deployment, waiting).await == [0] {
        assert!(child.try_wait().unwrap().is_none(), "it waits for the lock");
        moment().await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    conn.close().await.unwrap();
    let connected = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                     AND application_name = 'gatehouse'";
    while numbers(deployment, connected).await != [0] {
        moment().await;
    }
}

fn migrating(deployment: &Deployment) -> Child {
    let mut command = deployment.command(&["migrate"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

async fn moment() {
    #[expect(clippy::disallowed_methods, reason = "another process gets so far")]
    tokio::time::sleep(Duration::from_millis(1)).await;
}

// C240
#[tokio::test]
async fn an_upgrade_that_is_killed_within_a_step_leaves_nothing_of_it() {
    let mut within = 0;
    for _ in 0..20 {
        let deployment = old().await;
        let is_file = deployment.url().starts_with("sqlite:");
        let added = if is_file {
            // As every file is that was served from; else the upgrade would write for that alone.
            run(&deployment, &["PRAGMA journal_mode = WAL".to_owned()]).await;
            kill_while_it_writes(&deployment).await;
            "SELECT COUNT(*) FROM pragma_table_info('credentials') WHERE name = 'held_at'"
        } else {
            kill_while_it_waits(&deployment).await;
            "SELECT COUNT(*) FROM information_schema.columns \
             WHERE table_name = 'credentials' AND column_name = 'held_at'"
        };
        let whole = newest(&deployment).await;
        if steps(&deployment).await == [1] {
            within += 1;
            assert_eq!(numbers(&deployment, added).await, [0]);
        } else {
            // The file was written to the end before the kill came.
            assert_eq!(steps(&deployment).await, whole);
        }
        deployment.json(&["migrate"]);
        assert_eq!(steps(&deployment).await, whole);
        assert_eq!(numbers(&deployment, added).await, [1]);
        deployment.json(&["verify"]);
        if within == 3 {
            return;
        }
    }
    panic!("{within} of 20 kills fell within the upgrade");
}

// C240
#[tokio::test]
async fn a_backup_of_an_old_schema_leaves_it_so_and_is_taken_back_into_the_new_one() {
    let deployment = old().await;
    let made = deployment.json(&["backup", "old.gatehouse"]);
    assert_eq!(
        (&made["schema"], &made["verified"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(steps(&deployment).await, [1]);
    let file = deployment.folder().join("old.gatehouse");
    for target in [Deployment::new().await, Deployment::embedded()] {
        target.json(&["restore", &file.display().to_string()]);
        assert_eq!(steps(&target).await, newest(&target).await);
        assert_eq!(target.json(&["workspace", "list"])[0]["slug"], "acme");
        target.json(&["verify"]);
    }
}

// C240, C241
#[tokio::test]
async fn an_old_program_goes_on_beside_a_newer_schema_but_does_not_start_on_it() {
    let (deployment, directory) = with_directory("generic").await;
    let server = deployment.serve().await;
    let token = directory["token"].as_str().unwrap();
    let users = format!("{}/scim/v2/Users", server.url);
    let ada = json!({"userName": "ada", "displayName": "Ada"});
    let (_, made) = server.send("POST", &users, token, Some(&ada)).await;
    let checksum = if deployment.url().starts_with("sqlite:") {
        "x'00'"
    } else {
        "'\\x00'"
    };
    run(
        &deployment,
        &[
            "ALTER TABLE users ADD COLUMN newer TEXT".to_owned(),
            "UPDATE users SET newer = 'kept'".to_owned(),
            format!(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
                 execution_time) VALUES (9999, 'newer', TRUE, {checksum}, 0)"
            ),
        ],
    )
    .await;
    let url = format!("{users}/{}", made["id"].as_str().unwrap());
    let ada = json!({"userName": "ada", "displayName": "Ada L."});
    let (status, body) = server.send("PUT", &url, token, Some(&ada)).await;
    assert_eq!((status, &body["displayName"]), (200, &json!("Ada L.")));
    let kept = "SELECT COUNT(*) FROM users WHERE newer = 'kept'";
    assert_eq!(numbers(&deployment, kept).await, [1]);
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["migrate"],
        &["verify"],
        &["backup", "x"],
    ] {
        let output = deployment.run(command);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(6), "{command:?}: {error}");
        assert!(error.contains("version 9999"), "{error}");
        assert!(error.contains("a newer Gatehouse"), "{error}");
    }
    server.stop();
}

// C240
#[tokio::test]
async fn the_way_back_from_a_newer_schema_is_the_backup_from_before() {
    let (deployment, _) = with_directory("generic").await;
    deployment.json(&["backup", "before.gatehouse"]);
    let is_file = deployment.url().starts_with("sqlite:");
    let checksum = if is_file { "x'00'" } else { "'\\x00'" };
    run(
        &deployment,
        &[
            "CREATE TABLE lockers (workspace UUID NOT NULL REFERENCES workspaces (id), \
             taken BIGINT NOT NULL)"
                .to_owned(),
            "CREATE TABLE \"locker \"\"kinds\"\"\" (locker BIGINT)".to_owned(),
            "CREATE VIEW lockers_taken AS SELECT taken FROM lockers".to_owned(),
            "INSERT INTO lockers SELECT id, 5 FROM workspaces".to_owned(),
            format!(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
                 execution_time) VALUES (9999, 'lockers', TRUE, {checksum}, 0)"
            ),
        ],
    )
    .await;
    let restore = ["restore", "before.gatehouse", "--replace"];
    let back = if is_file {
        deployment.json(&restore);
        let left = "SELECT COUNT(*) FROM sqlite_schema WHERE name LIKE 'locker%'";
        assert_eq!(numbers(&deployment, left).await, [0]);
        deployment
    } else {
        // A server may hold tables of others, so that nothing is dropped on a guess.
        let output = deployment.run(&restore);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(6), "{error}");
        assert!(error.contains("step 9999"), "{error}");
        assert!(error.contains("make an empty database"), "{error}");
        let kept = "SELECT taken FROM lockers JOIN workspaces ON id = workspace";
        assert_eq!(numbers(&deployment, kept).await, [5]);
        let empty = Deployment::new().await;
        let file = deployment.folder().join("before.gatehouse");
        empty.json(&["restore", &file.display().to_string()]);
        empty
    };
    assert_eq!(steps(&back).await, newest(&back).await);
    assert_eq!(back.json(&["workspace", "list"])[0]["slug"], "acme");
    back.json(&["verify"]);
}

#[tokio::test]
async fn a_file_of_something_else_is_neither_filled_nor_replaced() {
    let (deployment, _) = with_directory("generic").await;
    deployment.json(&["backup", "one.gatehouse"]);
    let file = deployment.folder().join("one.gatehouse");
    let file = file.display().to_string();
    let other = Deployment::embedded();
    let notes = [
        "CREATE TABLE notes (text TEXT)",
        "INSERT INTO notes VALUES ('kept')",
    ];
    run(&other, &notes.map(str::to_owned)).await;
    for restore in [&["restore", &file][..], &["restore", &file, "--replace"]] {
        let output = other.run(restore);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{error}");
        assert!(error.contains("of something else"), "{error}");
    }
    let kept = "SELECT COUNT(*) FROM notes WHERE text = 'kept'";
    assert_eq!(numbers(&other, kept).await, [1]);
}
