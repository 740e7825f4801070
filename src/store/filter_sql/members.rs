//! Conditions over members. What has no column in the right form is left to the evaluator.

use super::{Bind, Case, Compiler, Condition, Holders, Part, Table};
use crate::scim::filter::{Filter, Literal, Operator};
use crate::scim::fold;
use crate::scim::path::Resolved;
use crate::store::grants::GrantKind;

/// Nobody is shown to report to a member who was removed.
const MANAGER_IS_THERE: &str = "EXISTS (SELECT b.id FROM members b WHERE b.workspace = $1 \
     AND b.id = u.manager AND b.status <> 'removed')";

impl Condition {
    /// The condition of a filter on members who are not removed.
    pub fn of_members(filter: &Filter) -> Self {
        Self::compiled(filter, Table::Members)
    }

    /// The condition of a filter on all members, those who are removed included.
    pub fn of_all_members(filter: &Filter) -> Self {
        Self::compiled(filter, Table::AllMembers)
    }
}

impl Compiler {
    pub(super) fn compare_member(
        &mut self,
        path: Resolved,
        operator: Operator,
        value: &Literal,
    ) -> Part {
        let is_equal = operator == Operator::Eq;
        let key = path.key();
        match (key.as_str(), value) {
            ("id", Literal::String(text)) => self.id("u.id", operator, text),
            ("manager", Literal::String(text)) => {
                let found = self.id("u.manager", operator, text);
                if !found.is_exact {
                    return found;
                }
                let sql = format!("({} AND {MANAGER_IS_THERE})", found.sql);
                Part { sql, ..found }
            }
            ("user_name", Literal::String(text)) if is_equal => {
                let key = self.bind(Bind::Text(fold::key(text)));
                // Older rows have no key yet.
                let sql = format!(
                    "(u.user_name_key = {key} OR (u.user_name_key IS NULL \
                     AND u.user_name IS NOT NULL))"
                );
                Part::narrow(sql).superset()
            }
            // A removed member keeps the address, but no key of it.
            ("email", Literal::String(text)) if self.table == Table::Members => {
                self.text("u.email_key", operator, fold::key(text), Case::Folded)
            }
            ("user_id", Literal::String(text)) => {
                self.text("u.user_id_key", operator, fold::key(text), Case::Folded)
            }
            // Very many may have it.
            ("status" | "source", Literal::String(text)) => {
                let column = format!("u.{key}");
                let found = self.text(&column, operator, fold::key(text), Case::Folded);
                Part::exact(found.sql)
            }
            ("protected", Literal::Boolean(value)) => match operator {
                Operator::Eq => Part::exact(format!("u.protected = {}", self.boolean(*value))),
                Operator::Ne => Part::exact(format!("u.protected = {}", self.boolean(!*value))),
                _ => Part::unknown(),
            },
            ("created_at", Literal::String(text)) => self.time("u.created_at", operator, text),
            ("updated_at", Literal::String(text)) => self.time("u.updated_at", operator, text),
            ("teams", Literal::String(name)) if is_equal => {
                self.holders(GrantKind::Team, fold::key(name))
            }
            ("roles", Literal::String(name)) if is_equal => {
                self.holders(GrantKind::Role, fold::key(name))
            }
            ("permissions", Literal::String(name)) if is_equal => {
                self.holders(GrantKind::Permission, name.clone())
            }
            ("directories", Literal::String(name)) if is_equal => {
                let key = self.bind(Bind::Text(fold::key(name)));
                Part::exact(format!(
                    "u.id IN (SELECT x.member FROM users x JOIN directories d \
                     ON d.workspace = x.workspace AND d.id = x.directory WHERE x.workspace = $1 \
                     AND d.name_key = {key} AND x.member IS NOT NULL)"
                ))
            }
            _ => Part::unknown(),
        }
    }

    fn holders(&mut self, kind: GrantKind, name: String) -> Part {
        let name = Bind::Text(name);
        let holders = Holders {
            kind,
            name: name.clone(),
        };
        let placeholder = self.bind(name);
        Part {
            holders: Some(holders.clone()),
            ..Part::exact(holders.effective(&placeholder))
        }
    }

    pub(super) fn present_member(path: Resolved) -> Part {
        let key = path.key();
        match key.as_str() {
            "id" | "status" | "source" | "protected" | "created_at" | "updated_at" | "version" => {
                Part::exact("TRUE".to_owned())
            }
            "manager" => Part::exact(MANAGER_IS_THERE.to_owned()),
            "held_at" | "waiting_at" | "barred_at" | "invited_at" | "activated_at"
            | "suspended_at" | "removed_at" => Part::exact(format!("u.{key} IS NOT NULL")),
            "user_name" | "email" | "user_id" | "display_name" | "given_name" | "family_name"
            | "phone" | "language" | "time_zone" | "picture" => {
                Part::exact(format!("(u.{key} IS NOT NULL AND u.{key} <> '')"))
            }
            _ => Part::unknown(),
        }
    }
}
