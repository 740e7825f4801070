//! What SQLite makes of every statement that a test ran: no walk over a table that grows with a
//! directory, unless it says why. The statements come from sqlx's own log, those of background work
//! too; each is planned on the database of the test that ran it, and how many rows that has does not
//! matter to the plan.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use gatehouse::store::verify::CHECKS;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// Tables that hold few rows however large a directory is.
const SMALL: [&str; 30] = [
    "_sqlx_migrations",
    "adoptions",
    "api_keys",
    "brakes",
    "change_heads",
    "connections",
    "counters",
    "credentials",
    "deployment",
    "directories",
    "directory_runs",
    "domains",
    "imports",
    "join_requests",
    "leases",
    "operator_acts",
    "permissions",
    "plans",
    "quotas",
    "role_permissions",
    "roles",
    "rule_grants",
    "rule_groups",
    "rules",
    "runs",
    "schemas",
    "seats",
    "teams",
    "sign_in_policies",
    "workspaces",
];

/// Indexes that hold but a few rows: what waits to be done, or is kept.
const WAITING: [&str; 9] = [
    "changes_unnumbered",
    "erasures_open",
    "grants_awaiting",
    "grants_kept",
    "members_brake_due",
    "members_braked",
    "members_seat_kept",
    "members_waiting",
    "runs_open",
];

/// What statements have in them that list all members in an order: an index has it, and nothing is
/// sorted for a page.
const ORDERED: [&str; 3] = [
    "u.status <> $2 AND u.display_key ",
    "u.status <> $2 AND COALESCE(u.email_key, u.left_email_key, '') ",
    "u.status <> $2 AND u.status ",
];

/// How statements begin that walk by design.
const WALKS: [(&str, &str); 14] = [
    (
        "SELECT u.",
        "a client's own filter or order, a page at a time",
    ),
    (
        "SELECT COUNT(*) AS total FROM",
        "what such a filter selects",
    ),
    (
        "INSERT INTO seats",
        "all members are counted once, when a limit is set",
    ),
    (
        "SELECT COUNT(*) AS active FROM members",
        "who is active is counted once for an hour in which somebody loses access",
    ),
    (
        "SELECT e.workspace, e.member",
        "who was erased, once at each start and with each erasure",
    ),
    (
        "DELETE FROM import_rows WHERE workspace",
        "the tables that a deleted workspace had imported",
    ),
    (
        "DELETE FROM one_time_links WHERE workspace",
        "the links of a deleted workspace that were not followed",
    ),
    (
        "DELETE FROM login_flows WHERE workspace",
        "the logins at a deleted workspace that did not come back",
    ),
    (
        "DELETE FROM spent_tokens WHERE workspace",
        "the logout tokens of a deleted workspace",
    ),
    (
        "DELETE FROM session_members WHERE workspace",
        "the sessions of a deleted workspace",
    ),
    (
        "WITH gone",
        "a deleted workspace goes as a whole, in batches",
    ),
    (
        "SELECT m.id AS member, m.status",
        "whom a directory has, when it is asked what its end would come to",
    ),
    (
        "SELECT g.member, g.kind, g.target, MIN(",
        "what these have, for the same",
    ),
    (
        "INSERT INTO changes",
        "grants are asked only while a foreign key is broken",
    ),
];

/// How statements begin that the tests themselves send.
const TESTS: [&str; 34] = [
    "DELETE FROM changes WHERE number",
    "INSERT INTO nestings (workspace, directory, group_id, member_id) SELECT",
    "SELECT COALESCE(",
    "SELECT COUNT(*) AS rows FROM",
    "SELECT COUNT(*) FROM changes WHERE",
    "SELECT access_epoch FROM members WHERE user_name",
    "SELECT detail FROM changes",
    "SELECT id, access_epoch FROM members WHERE workspace",
    "SELECT kind, COUNT(*) FROM changes WHERE",
    "SELECT kind, subject, directory, credential",
    "SELECT kind, subject, credential",
    "SELECT subject_kind, subject, credential",
    "UPDATE changes SET",
    "UPDATE directories SET workspace",
    "UPDATE members SET held_at",
    "UPDATE runs SET after_body",
    "UPDATE members SET rules_version = 1 WHERE user_name",
    "UPDATE members SET seat_kept_at = 1 WHERE user_name",
    "UPDATE user_groups SET deleted_at = 1",
    "UPDATE users SET document",
    "UPDATE users SET manager_key = $1 WHERE user_name_key",
    "UPDATE users SET member = (SELECT",
    "UPDATE api_keys SET member_epoch = 99",
    "DELETE FROM login_names WHERE key",
    "DELETE FROM memberships WHERE user_id = (SELECT",
    "UPDATE counters SET total = total + 1 WHERE kind",
    "UPDATE grants SET hold = 'last_admin' WHERE kind",
    "UPDATE grants SET target",
    "UPDATE grants SET to_at = from_at",
    "UPDATE login_names SET sources = 2",
    "UPDATE members SET person",
    "UPDATE members SET status = 'removed' WHERE user_name",
    "UPDATE members SET status = 'suspended' WHERE user_name",
    "UPDATE users SET active = FALSE",
];

static HEARD: LazyLock<Mutex<Heard>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Heard {
    fresh: BTreeSet<String>,
    planned: BTreeSet<String>,
}

/// Hears every statement from now on.
pub(crate) fn listen() {
    let _ = tracing::subscriber::set_global_default(Ear);
}

/// Plans what was heard since the last time, and tells what walks.
pub(crate) fn walks(file: &str) -> Vec<String> {
    let file = file.to_owned();
    // A test's own runtime is busy with the end of the test.
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(planned(&file))
    })
    .join()
    .expect("planned")
}

async fn planned(url: &str) -> Vec<String> {
    let fresh = std::mem::take(&mut heard().fresh);
    let options: SqliteConnectOptions = url.parse().expect("a URL");
    let options = options
        .disable_statement_logging()
        .read_only(true)
        .collation("C", Ord::cmp);
    let mut conn = SqliteConnection::connect_with(&options)
        .await
        .expect("there");
    let tables = tables(&mut conn).await;
    let mut walks = Vec::new();
    for sql in fresh {
        if is_known(&sql) || !heard().planned.insert(sql.clone()) {
            continue;
        }
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        // What has no plan, and what speaks of tables that were there for a moment.
        let Ok(steps) = sqlx::query(explain).fetch_all(&mut conn).await else {
            continue;
        };
        let steps: Vec<String> = steps
            .iter()
            .filter_map(|step| step.try_get("detail").ok())
            .collect();
        let walked = steps.iter().filter(|step| is_walk(step, &sql, &tables));
        walks.extend(walked.map(|step| format!("{step}: {sql}")));
    }
    walks
}

async fn tables(conn: &mut SqliteConnection) -> Vec<String> {
    let rows = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(conn)
        .await
        .expect("read");
    let names = rows.iter().map(|row| row.get::<String, _>(0));
    names
        .filter(|name| !SMALL.contains(&name.as_str()))
        .collect()
}

/// Whether a statement may walk: `verify` walks by its nature.
fn is_known(sql: &str) -> bool {
    let mut begins = WALKS.iter().map(|(begin, _)| begin).chain(&TESTS);
    begins.any(|begin| sql.starts_with(begin))
        || ["DELETE FROM grants", "DELETE FROM nestings"].contains(&sql)
        // A whole table, as a backup reads it, and as tests compare it.
        || sql.starts_with("SELECT workspace, ") && sql.contains(" ORDER BY workspace, ")
            && !sql.contains(" WHERE ") && !sql.contains(" LIMIT ")
        || CHECKS.iter().any(|check| check.faults == sql)
        // What a directory said, which is switched off for good.
        || sql.starts_with("DELETE FROM ") && sql.ends_with(" WHERE directory = $2 AND workspace = $1")
}

/// Whether a step of a plan goes over all rows of a table, or over those of a whole workspace or
/// directory.
fn is_walk(step: &str, sql: &str, tables: &[String]) -> bool {
    if step.starts_with("USE TEMP B-TREE FOR") && ORDERED.iter().any(|part| sql.contains(part)) {
        return true;
    }
    let mut words = step.split(' ');
    let (Some(what), Some(name)) = (words.next(), words.next()) else {
        return false;
    };
    let is_wide = what == "SCAN"
        || step.ends_with("(workspace=?)")
        || step.ends_with("(workspace=? AND directory=?)");
    // An EXISTS ends with the first row.
    let is_short = step.contains(" EXISTS ") || WAITING.iter().any(|index| step.contains(index));
    let is_named = |table: &String| table == name || sql.contains(&format!(" {table} {name}"));
    is_wide && !is_short && tables.iter().any(is_named)
}

fn heard() -> std::sync::MutexGuard<'static, Heard> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what sqlx logs, and nothing else.
struct Ear;

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let sql = if text.statement.is_empty() {
            text.summary
        } else {
            text.statement
        };
        heard().fresh.insert(sql.trim().to_owned());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// A statement in the log: a short one is its own summary.
#[derive(Default)]
struct Text {
    summary: String,
    statement: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.statement),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
