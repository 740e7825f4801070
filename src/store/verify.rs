//! Checks over the whole database, each one statement that finds what must not be.

use super::error::Result;
use super::tx::Tx;

/// A check: the promise of the design that it belongs to, what it says, and what counts faults.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// The number of the promise.
    pub promise: u8,
    /// What must hold.
    pub holds: &'static str,
    /// Counts the rows for which it does not.
    pub faults: &'static str,
}

/// Which groups are in which, through however many others.
macro_rules! above {
    () => {
        "WITH RECURSIVE above (workspace, directory, member_id, group_id) AS \
         (SELECT n.workspace, n.directory, n.member_id, n.group_id FROM nestings n \
         UNION SELECT a.workspace, a.directory, a.member_id, n.group_id FROM above a \
         CROSS JOIN nestings n WHERE n.workspace = a.workspace \
         AND n.directory = a.directory AND n.member_id = a.group_id) "
    };
}

/// All checks.
pub const CHECKS: &[Check] = &[
    Check {
        promise: 1,
        holds: "every user and group belongs to a directory of its workspace",
        faults: "SELECT (SELECT COUNT(*) FROM users u WHERE NOT EXISTS (SELECT d.id \
                 FROM directories d WHERE d.workspace = u.workspace AND d.id = u.directory)) + \
                 (SELECT COUNT(*) FROM user_groups g WHERE NOT EXISTS (SELECT d.id \
                 FROM directories d WHERE d.workspace = g.workspace AND d.id = g.directory))",
    },
    Check {
        promise: 1,
        holds: "memberships join a user and a group of one directory",
        faults: "SELECT COUNT(*) FROM memberships m WHERE NOT EXISTS (SELECT u.id FROM users u \
                 WHERE u.workspace = m.workspace AND u.directory = m.directory \
                 AND u.id = m.user_id) OR NOT EXISTS (SELECT g.id FROM user_groups g \
                 WHERE g.workspace = m.workspace AND g.directory = m.directory \
                 AND g.id = m.group_id)",
    },
    Check {
        promise: 1,
        holds: "a group is a member of live groups of its own directory alone",
        faults: "SELECT COUNT(*) FROM nestings n WHERE NOT EXISTS (SELECT g.id FROM user_groups g \
                 WHERE g.workspace = n.workspace AND g.directory = n.directory \
                 AND g.id = n.group_id AND g.deleted_at IS NULL) OR NOT EXISTS (SELECT g.id \
                 FROM user_groups g WHERE g.workspace = n.workspace \
                 AND g.directory = n.directory AND g.id = n.member_id AND g.deleted_at IS NULL)",
    },
    Check {
        promise: 9,
        holds: "as many seats are taken as members are in and do not wait for one, or are suspended \
                and keep theirs",
        faults: "SELECT COUNT(*) FROM workspaces w LEFT JOIN seats s ON s.workspace = w.id \
                 WHERE (w.seat_limit IS NULL) <> (s.workspace IS NULL) OR s.taken <> \
                 (SELECT COUNT(*) FROM members m WHERE m.workspace = w.id \
                 AND (m.status = 'active' AND m.waiting_at IS NULL \
                 OR m.seat_kept_at IS NOT NULL)) OR EXISTS (SELECT k.id FROM members k \
                 WHERE k.workspace = w.id AND k.seat_kept_at IS NOT NULL \
                 AND (k.status <> 'suspended' OR w.seat_release <> 'on_remove' \
                 OR w.seat_limit IS NULL))",
    },
    Check {
        promise: 4,
        holds: "no group is a member of itself, through however many others",
        faults: concat!(
            above!(),
            "SELECT COUNT(*) AS faults FROM above a WHERE a.group_id = a.member_id"
        ),
    },
    Check {
        promise: 1,
        holds: "a rule looks at groups of its own directory",
        faults: "SELECT COUNT(*) FROM rule_groups r JOIN user_groups g \
                 ON g.id = r.group_id WHERE g.workspace <> r.workspace \
                 OR g.directory <> r.directory",
    },
    Check {
        promise: 1,
        holds: "whoever has a right has it to a team, role or permission of the same workspace",
        faults: "SELECT COUNT(*) FROM grants g JOIN causes c ON c.workspace = g.workspace \
                 AND c.id = g.cause WHERE g.to_at IS NULL AND c.ended_at IS NULL \
                 AND NOT EXISTS (SELECT t.id FROM teams t WHERE t.workspace = g.workspace \
                 AND t.id = g.target) AND NOT EXISTS (SELECT r.id FROM roles r \
                 WHERE r.workspace = g.workspace AND r.id = g.target) \
                 AND NOT EXISTS (SELECT p.id FROM permissions p WHERE p.workspace = g.workspace \
                 AND p.id = g.target)",
    },
    Check {
        promise: 2,
        holds: "no two members are one person",
        faults: "SELECT COUNT(*) FROM (SELECT m.person FROM members m WHERE m.status <> 'removed' \
                 GROUP BY m.workspace, m.person HAVING COUNT(*) > 1) doubled",
    },
    Check {
        promise: 2,
        holds: "a directory has one live user for a member",
        faults: "SELECT COUNT(*) FROM (SELECT u.member FROM users u WHERE u.member IS NOT NULL \
                 GROUP BY u.workspace, u.directory, u.member HAVING COUNT(*) > 1) doubled",
    },
    Check {
        promise: 3,
        holds: "every user of a live directory has a member whose login its name opens, or a member \
                stands in its way, or it found no seat, or a run is due",
        faults: "SELECT COUNT(*) FROM users u JOIN directories d ON d.workspace = u.workspace \
                 AND d.id = u.directory WHERE d.mode = 'live' AND (u.member IS NULL \
                 AND u.refused IS NULL \
                 AND NOT EXISTS (SELECT c.member FROM conflicts c WHERE c.workspace = u.workspace \
                 AND c.directory = u.directory AND c.user_name_key = u.user_name_key) \
                 AND NOT EXISTS (SELECT r.id FROM directory_runs r WHERE r.workspace = u.workspace \
                 AND r.directory = u.directory AND r.state <> 'done') \
                 OR u.member IS NOT NULL AND NOT EXISTS \
                 (SELECT l.key FROM login_names l WHERE l.workspace = u.workspace \
                 AND l.key = u.user_name_key AND l.member = u.member))",
    },
    Check {
        promise: 3,
        holds: "no user of a directory that collects has a member, but while a run lets it go",
        faults: "SELECT COUNT(*) FROM users u JOIN directories d ON d.workspace = u.workspace \
                 AND d.id = u.directory WHERE d.mode = 'collect' AND u.member IS NOT NULL \
                 AND NOT EXISTS (SELECT r.id FROM directory_runs r WHERE r.workspace = u.workspace \
                 AND r.directory = u.directory AND r.state <> 'done' \
                 AND r.kind IN ('undo_live', 'end'))",
    },
    Check {
        promise: 3,
        holds: "every login name has a source",
        faults: "SELECT COUNT(*) FROM login_names l WHERE l.sources <> (SELECT COUNT(*) \
                 FROM users u WHERE u.workspace = l.workspace AND u.member = l.member \
                 AND u.user_name_key = l.key) + (SELECT COUNT(*) FROM identities i \
                 WHERE i.workspace = l.workspace AND i.member = l.member \
                 AND i.address_key = l.key)",
    },
    Check {
        promise: 3,
        holds: "nobody who left is known by a connection",
        faults: "SELECT COUNT(*) FROM identities i JOIN members m ON m.workspace = i.workspace \
                 AND m.id = i.member WHERE m.status = 'removed'",
    },
    Check {
        promise: 4,
        holds: "every grant has a cause",
        faults: "SELECT COUNT(*) FROM grants g WHERE NOT EXISTS (SELECT c.id FROM causes c \
                 WHERE c.workspace = g.workspace AND c.id = g.cause)",
    },
    Check {
        promise: 4,
        // While a run is paused, what the brake did not let end at once goes on until the run comes by;
        // and whom it has yet to come to nobody else settles.
        holds: "every effective grant of a rule is wanted by its groups, or a run is to end it",
        faults: concat!(
            above!(),
            "SELECT COUNT(*) AS faults FROM grants g JOIN causes c ON c.workspace = g.workspace \
                 AND c.id = g.cause JOIN rule_groups r ON r.workspace = c.workspace \
                 AND r.rule = c.rule WHERE g.to_at IS NULL AND g.hold IS NULL \
                 AND c.kind = 'rule' AND c.ended_at IS NULL AND NOT EXISTS (SELECT o.id FROM runs o \
                 WHERE o.workspace = c.workspace AND o.state <> 'done' AND o.old_cause = c.id) \
                 AND NOT EXISTS (SELECT u.id FROM users u \
                 JOIN memberships m ON m.workspace = u.workspace AND m.directory = u.directory \
                 AND m.user_id = u.id WHERE u.workspace = g.workspace AND u.member = g.member \
                 AND m.group_id = r.group_id) AND NOT EXISTS (SELECT u.id FROM users u \
                 JOIN memberships m ON m.workspace = u.workspace AND m.directory = u.directory \
                 AND m.user_id = u.id JOIN above a ON a.workspace = m.workspace \
                 AND a.directory = m.directory AND a.member_id = m.group_id \
                 WHERE u.workspace = g.workspace AND u.member = g.member \
                 AND a.group_id = r.group_id) AND NOT EXISTS (SELECT p.id FROM members m \
                 JOIN workspaces w ON w.id = m.workspace JOIN runs p ON p.workspace = m.workspace \
                 WHERE m.workspace = g.workspace AND m.id = g.member \
                 AND m.rules_version < w.rules_floor AND p.state = 'applying' \
                 AND p.paused_at IS NOT NULL)"
        ),
    },
    Check {
        promise: 4,
        // What a rule over profiles gives to those who have not left `admission::check` holds against
        // the evaluator.
        holds: "who has left has nothing by a rule over profiles",
        faults: "SELECT COUNT(*) FROM rules r JOIN causes c ON c.workspace = r.workspace \
                 AND c.id = r.cause JOIN grants g ON g.workspace = c.workspace AND g.cause = c.id \
                 JOIN members m ON m.workspace = g.workspace AND m.id = g.member \
                 WHERE r.directory IS NULL AND g.to_at IS NULL AND g.hold IS NULL \
                 AND c.ended_at IS NULL AND m.status = 'removed'",
    },
    Check {
        promise: 4,
        // A rule that looks at attributes, or that another one may keep from being looked at, is held
        // against the evaluator by `admission::check`.
        holds: "whoever is in the groups of a live rule has its grants, or a run or sweep is due",
        // Begins with who is in which group: held the other way, every user against every rule,
        // it would cost their product.
        faults: concat!(
            above!(),
            ", facts (workspace, directory, user_id, group_id) AS (SELECT m.workspace, \
             m.directory, m.user_id, m.group_id FROM memberships m WHERE EXISTS (SELECT q.rule \
             FROM rule_groups q WHERE q.workspace = m.workspace AND q.group_id = m.group_id) \
             UNION SELECT m.workspace, m.directory, m.user_id, a.group_id FROM memberships m \
             JOIN above a ON a.workspace = m.workspace AND a.directory = m.directory \
             AND a.member_id = m.group_id), \
             held (workspace, directory, user_id, rule, groups) AS MATERIALIZED (\
             SELECT f.workspace, f.directory, f.user_id, q.rule, COUNT(*) FROM facts f \
             JOIN rule_groups q ON q.workspace = f.workspace AND q.group_id = f.group_id \
             GROUP BY f.workspace, f.directory, f.user_id, q.rule), \
             due (workspace, rule, member, cause) AS MATERIALIZED (SELECT h.workspace, h.rule, \
             (SELECT u.member FROM users u WHERE u.workspace = h.workspace \
             AND u.directory = h.directory AND u.id = h.user_id), \
             (SELECT r.cause FROM rules r JOIN workspaces w ON w.id = r.workspace \
             WHERE r.workspace = h.workspace AND r.id = h.rule AND r.state = 'live' \
             AND r.enabled AND r.phase = 'open' AND r.when_text IS NULL \
             AND NOT EXISTS (SELECT s.id FROM rules s WHERE s.workspace = r.workspace AND s.stop) \
             AND w.rules_swept >= w.rules_floor) FROM held h \
             WHERE h.groups = (SELECT COUNT(*) FROM rule_groups q \
             WHERE q.workspace = h.workspace AND q.rule = h.rule)) \
             SELECT COUNT(*) AS faults FROM due d JOIN rule_grants t \
             ON t.workspace = d.workspace AND t.rule = d.rule WHERE d.member IS NOT NULL \
             AND d.cause IS NOT NULL AND NOT EXISTS (SELECT o.id FROM runs o \
             WHERE o.workspace = d.workspace AND o.state <> 'done') \
             AND (SELECT COUNT(*) FROM grants g WHERE g.workspace = d.workspace \
             AND g.member = d.member AND g.kind = t.kind AND g.target = t.target \
             AND g.cause = d.cause AND g.to_at IS NULL) = 0"
        ),
    },
    Check {
        promise: 5,
        holds: "a member is active only while a directory that holds it says so",
        faults: "SELECT COUNT(*) FROM members m WHERE m.source = 'directory' \
                 AND m.status = 'active' AND m.brake_wants IS NULL AND m.brake_rejected IS NULL \
                 AND EXISTS (SELECT u.id FROM users u \
                 WHERE u.workspace = m.workspace AND u.member = m.id) \
                 AND NOT EXISTS (SELECT u.id FROM users u \
                 WHERE u.workspace = m.workspace AND u.member = m.id AND u.active)",
    },
    Check {
        promise: 5,
        holds: "no key hangs on an access epoch that its member has not come to",
        faults: "SELECT COUNT(*) FROM api_keys k JOIN members m ON m.workspace = k.workspace \
                 AND m.id = k.member WHERE k.member_epoch > m.access_epoch",
    },
    Check {
        promise: 8,
        holds: "where somebody is kept as the last admin, an admin is in",
        faults: "SELECT COUNT(*) FROM workspaces w WHERE EXISTS (SELECT g.id FROM grants g \
                 WHERE g.workspace = w.id AND g.hold = 'last_admin' AND g.to_at IS NULL) \
                 AND NOT EXISTS (SELECT g.id FROM grants g JOIN causes c \
                 ON c.workspace = g.workspace AND c.id = g.cause JOIN members m \
                 ON m.workspace = g.workspace AND m.id = g.member JOIN roles r \
                 ON r.workspace = g.workspace AND r.id = g.target WHERE g.workspace = w.id \
                 AND g.kind = 'role' AND r.name_key = 'admin' AND g.to_at IS NULL \
                 AND (c.ended_at IS NULL OR g.hold IS NOT NULL) AND m.status = 'active')",
    },
    Check {
        promise: 5,
        holds: "what the brake keeps is of a member whom it holds, and may be carried out; what an \
                admin rejected is of one who is in, and had by that admin's word",
        faults: "SELECT (SELECT COUNT(*) FROM members m WHERE m.brake_rejected IS NOT NULL \
                 AND m.status <> 'active') + (SELECT COUNT(*) FROM causes c \
                 WHERE c.keeps IS NOT NULL AND (c.kind NOT IN ('admin', 'api_key') \
                 OR NOT EXISTS (SELECT k.id FROM causes k WHERE k.workspace = c.workspace \
                 AND k.id = c.keeps AND k.kind = 'rule'))) + (SELECT COUNT(*) FROM grants g JOIN members m \
                 ON m.workspace = g.workspace AND m.id = g.member WHERE g.hold = 'brake' \
                 AND g.to_at IS NULL AND m.braked_at IS NULL) + (SELECT COUNT(*) FROM members m \
                 WHERE m.braked_at IS NULL AND (m.brake_until IS NOT NULL \
                 OR m.brake_wants IS NOT NULL))",
    },
    Check {
        promise: 6,
        holds: "the totals of a directory are what it has",
        faults: "SELECT COUNT(*) FROM directories d WHERE (SELECT SUM(c.total) FROM counters c \
                 WHERE c.workspace = d.workspace AND c.directory = d.id AND c.kind = 'users') <> \
                 (SELECT COUNT(*) FROM users u WHERE u.workspace = d.workspace \
                 AND u.directory = d.id) OR (SELECT SUM(c.total) FROM counters c \
                 WHERE c.workspace = d.workspace AND c.directory = d.id AND c.kind = 'groups') <> \
                 (SELECT COUNT(*) FROM user_groups g WHERE g.workspace = d.workspace \
                 AND g.directory = d.id AND g.deleted_at IS NULL)",
    },
    Check {
        promise: 7,
        holds: "changes are numbered from 1 to the head, each number once",
        faults: "SELECT COUNT(*) FROM (SELECT c.workspace, COUNT(*) AS rows, \
                 COUNT(DISTINCT c.number) AS numbers, MIN(c.number) AS lowest, \
                 MAX(c.number) AS highest FROM changes c WHERE c.number IS NOT NULL \
                 GROUP BY c.workspace) log FULL JOIN change_heads h ON h.workspace = log.workspace \
                 WHERE COALESCE(log.highest, 0) <> COALESCE(h.number, 0) \
                 OR log.rows <> log.highest OR log.numbers <> log.highest OR log.lowest <> 1",
    },
    Check {
        promise: 7,
        holds: "versions of a subject ascend with the numbers",
        faults: "SELECT COUNT(*) FROM (SELECT c.subject_version AS version, \
                 LAG(c.subject_version) OVER (PARTITION BY c.workspace, c.subject \
                 ORDER BY c.number) AS before FROM changes c WHERE c.number IS NOT NULL \
                 AND c.subject_version IS NOT NULL) versions \
                 WHERE versions.before >= versions.version",
    },
];

/// The tables whose rows belong to a workspace.
pub const OWNED: &[&str] = &[
    "person_keys",
    "quotas",
    "members",
    "login_names",
    "teams",
    "roles",
    "role_permissions",
    "schemas",
    "directories",
    "credentials",
    "counters",
    "users",
    "user_emails",
    "user_groups",
    "memberships",
    "nestings",
    "group_touches",
    "resources",
    "unique_values",
    "tombstones",
    "former_users",
    "buried_users",
    "buried_groups",
    "conflicts",
    "adoptions",
    "directory_runs",
    "domains",
    "causes",
    "rules",
    "rule_groups",
    "rule_grants",
    "plans",
    "runs",
    "changes",
    "change_heads",
    "grants",
    "brakes",
    "brake_losses",
    "session_members",
    "connections",
    "identities",
    "login_flows",
    "spent_tokens",
    "join_requests",
    "sign_in_policies",
];

/// How many rows of a table belong to no workspace. The schema refuses them; a dump that was loaded
/// without its checks may bring them.
pub async fn count_ownerless(tx: &mut Tx, table: &'static str) -> Result<i64> {
    let sql = format!(
        "SELECT COUNT(*) AS faults FROM {table} t WHERE NOT EXISTS \
         (SELECT w.id FROM workspaces w WHERE w.id = t.workspace)"
    );
    let row: (i64,) = tx.query(sqlx::AssertSqlSafe(sql)).fetch_one().await?;
    Ok(row.0)
}

/// How many rows break a check.
pub async fn count_faults(tx: &mut Tx, check: &Check) -> Result<i64> {
    let row: (i64,) = tx.query(check.faults).fetch_one().await?;
    Ok(row.0)
}
