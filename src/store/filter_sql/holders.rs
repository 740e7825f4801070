//! Whoever has a right, a stretch of them at a time: there may be as many as there are members.

use super::Bind;
use crate::store::grants::GrantKind;

/// Stands where a statement is held to a stretch of members: holders beyond it are not gathered.
const STRETCH: &str = "/* stretch */";

/// Those who have a right with a name, whether it has effect or not.
#[derive(Debug, Clone)]
pub(in crate::store) struct Holders {
    /// What kind of right it is.
    pub(in crate::store) kind: GrantKind,
    /// Its name, as it is looked for.
    pub(in crate::store) name: Bind,
}

/// Which rights have effect, but for the kind and what they give.
const EFFECTIVE: &str = "u.status = 'active' AND u.held_at IS NULL AND u.waiting_at IS NULL \
     AND u.id IN (SELECT g.member FROM grants g JOIN causes c ON c.workspace = g.workspace \
     AND c.id = g.cause WHERE g.workspace = $1 AND g.to_at IS NULL \
     AND (c.ended_at IS NULL OR g.hold IS NOT NULL)";

impl Holders {
    /// The condition on members that they are among them with effect; the name is bound as that
    /// placeholder.
    pub(super) fn effective(&self, name: &str) -> String {
        format!("({EFFECTIVE} AND {}{STRETCH}))", self.grants(name))
    }

    /// The condition on grants `g` of the workspace `$1`; the name is bound as that placeholder.
    pub(in crate::store) fn grants(&self, name: &str) -> String {
        match self.kind {
            GrantKind::Team => format!(
                "g.kind = 'team' AND g.target = (SELECT t.id FROM teams t \
                 WHERE t.workspace = $1 AND t.name_key = {name} AND t.archived_at IS NULL)"
            ),
            GrantKind::Role => format!(
                "g.kind = 'role' AND g.target = (SELECT r.id FROM roles r \
                 WHERE r.workspace = $1 AND r.name_key = {name})"
            ),
            GrantKind::Permission => format!(
                "g.kind = 'permission' AND g.target = (SELECT p.id FROM permissions p \
                 WHERE p.workspace = $1 AND p.name = {name})"
            ),
        }
    }
}

/// The condition, held to members after one and up to another, both as placeholders.
pub(super) fn within(sql: &str, after: &str, through: &str) -> String {
    let stretch = format!(" AND g.member > {after} AND g.member <= {through}");
    sql.replace(STRETCH, &stretch)
}

/// The condition on all members.
pub(super) fn everywhere(sql: &str) -> String {
    sql.replace(STRETCH, "")
}
