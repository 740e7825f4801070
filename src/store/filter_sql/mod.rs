//! From a SCIM filter to SQL: what has a column or a side table is answered by the database, any
//! other part is narrowed to a superset that the evaluator then decides. A property test holds the
//! two against each other.

mod holders;
mod members;

use uuid::Uuid;

pub(super) use holders::Holders;

use super::tx::Query;
use crate::clock::Timestamp;
use crate::scim::filter::{Filter, Literal, Operator};
use crate::scim::fold;
use crate::scim::path::Resolved;
use crate::scim::schema::{Purpose, ResourceType};

/// A condition over the rows `u` of users, groups or members.
#[derive(Debug, Clone)]
pub struct Condition {
    sql: String,
    binds: Vec<Bind>,
    /// Whether the condition is the filter, and not only a superset of what it selects.
    pub is_exact: bool,
    /// Whether an index finds the few rows that it selects.
    pub is_narrow: bool,
    /// Holders of a right, where whoever it selects is one of them and no index finds fewer.
    pub(super) holders: Option<Holders>,
}

/// A value to be bound.
#[derive(Debug, Clone)]
pub(super) enum Bind {
    Id(Uuid),
    Text(String),
    Integer(i64),
    Boolean(bool),
}

impl Bind {
    /// Binds it as the next placeholder.
    pub(super) fn to(self, query: Query<'_>) -> Query<'_> {
        match self {
            Self::Id(id) => query.bind(id),
            Self::Text(text) => query.bind(text),
            Self::Integer(number) => query.bind(number),
            Self::Boolean(boolean) => query.bind(boolean),
        }
    }
}

/// The first placeholder of a condition; those before it are the statement's own.
pub(super) const FIRST: usize = 3;

impl Condition {
    /// The condition of a filter on resources of that type.
    pub fn of(filter: &Filter, kind: &'static ResourceType) -> Self {
        Self::compiled(filter, Table::Resources(kind.purpose))
    }

    fn compiled(filter: &Filter, table: Table) -> Self {
        let mut compiler = Compiler {
            table,
            binds: Vec::new(),
        };
        let part = compiler.part(filter);
        Self {
            sql: part.sql,
            binds: compiler.binds,
            is_exact: part.is_exact,
            is_narrow: part.is_narrow,
            holders: part.holders.filter(|_| !part.is_narrow),
        }
    }

    /// Its SQL, over all members or resources.
    pub(super) fn sql(&self) -> String {
        holders::everywhere(&self.sql)
    }

    /// Its SQL where members after one and up to another are asked for; both are placeholders.
    pub(super) fn sql_within(&self, after: &str, through: &str) -> String {
        holders::within(&self.sql, after, through)
    }

    /// What its text asks to be bound, in order.
    pub(super) fn binds(&self) -> &[Bind] {
        &self.binds
    }
}

/// What the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    /// Resources of a type.
    Resources(Purpose),
    /// Members who are not removed.
    Members,
    /// All members.
    AllMembers,
}

struct Compiler {
    table: Table,
    binds: Vec<Bind>,
}

struct Part {
    sql: String,
    is_exact: bool,
    is_narrow: bool,
    holders: Option<Holders>,
}

impl Part {
    fn exact(sql: String) -> Self {
        Self {
            sql,
            is_exact: true,
            is_narrow: false,
            holders: None,
        }
    }

    fn narrow(sql: String) -> Self {
        Self {
            sql,
            is_exact: true,
            is_narrow: true,
            holders: None,
        }
    }

    /// Everything; the evaluator decides.
    fn unknown() -> Self {
        Self {
            sql: "TRUE".to_owned(),
            is_exact: false,
            is_narrow: false,
            holders: None,
        }
    }

    fn superset(mut self) -> Self {
        self.is_exact = false;
        self
    }
}

impl Compiler {
    fn is_user(&self) -> bool {
        self.table == Table::Resources(Purpose::User)
    }

    fn is_group(&self) -> bool {
        self.table == Table::Resources(Purpose::Group)
    }

    /// Whether names are kept in columns, and not in the document alone.
    fn has_columns(&self) -> bool {
        self.is_user() || self.is_group()
    }

    fn part(&mut self, filter: &Filter) -> Part {
        match filter {
            Filter::And(filters) => {
                let parts: Vec<_> = filters.iter().map(|filter| self.part(filter)).collect();
                let is_narrow = parts.iter().any(|part| part.is_narrow);
                Part {
                    holders: parts.iter().find_map(|part| part.holders.clone()),
                    ..joined(&parts, " AND ", is_narrow)
                }
            }
            Filter::Or(filters) => {
                let parts: Vec<_> = filters.iter().map(|filter| self.part(filter)).collect();
                let is_narrow = parts.iter().all(|part| part.is_narrow);
                joined(&parts, " OR ", is_narrow)
            }
            Filter::Not(filter) => {
                let held = self.binds.len();
                let part = self.part(filter);
                if part.is_exact {
                    Part::exact(format!("NOT ({})", part.sql))
                } else {
                    // Not of a superset is no superset of not.
                    self.binds.truncate(held);
                    Part::unknown()
                }
            }
            Filter::Compare {
                path,
                operator,
                value,
            } => self.compare(*path, *operator, value),
            Filter::Present { path } => self.present(*path),
            Filter::ValuePath {
                path,
                filter,
                sub,
                comparison,
            } => {
                let inner = self.element(filter);
                let outer = match (sub, comparison) {
                    (Some(sub), Some((operator, value))) => {
                        self.compare(path.with_sub(sub), *operator, value)
                    }
                    _ => Part::unknown(),
                };
                let is_narrow = inner.is_narrow || outer.is_narrow;
                joined(&[inner, outer], " AND ", is_narrow).superset()
            }
        }
    }

    /// What one element satisfies, some element of the resource satisfies; but not so for `not`.
    fn element(&mut self, filter: &Filter) -> Part {
        match filter {
            Filter::Compare {
                operator: Operator::Ne,
                ..
            }
            | Filter::Not(_)
            | Filter::ValuePath { .. } => Part::unknown(),
            Filter::And(filters) => {
                let parts: Vec<_> = filters.iter().map(|filter| self.element(filter)).collect();
                let is_narrow = parts.iter().any(|part| part.is_narrow);
                joined(&parts, " AND ", is_narrow).superset()
            }
            Filter::Or(filters) => {
                let parts: Vec<_> = filters.iter().map(|filter| self.element(filter)).collect();
                let is_narrow = parts.iter().all(|part| part.is_narrow);
                joined(&parts, " OR ", is_narrow).superset()
            }
            other => self.part(other).superset(),
        }
    }

    fn compare(&mut self, path: Resolved, operator: Operator, value: &Literal) -> Part {
        let Table::Resources(purpose) = self.table else {
            return self.compare_member(path, operator, value);
        };
        let key = path.key();
        match (key.as_str(), value) {
            ("id", Literal::String(text)) => self.id("u.id", operator, text),
            ("userName", Literal::String(text)) if self.is_user() => {
                self.text("u.user_name_key", operator, fold::key(text), Case::Folded)
            }
            ("displayName", Literal::String(text)) if self.has_columns() => {
                self.text("u.display_key", operator, fold::key(text), Case::Folded)
            }
            ("externalId", Literal::String(text)) => {
                self.text("u.external_id", operator, text.clone(), Case::Exact)
            }
            ("active", Literal::Boolean(value)) if self.is_user() => match operator {
                Operator::Eq => Part::exact(format!("u.active = {}", self.boolean(*value))),
                Operator::Ne => Part::exact(format!("u.active = {}", self.boolean(!*value))),
                _ => Part::unknown(),
            },
            ("meta.created", Literal::String(text)) => self.time("u.created_at", operator, text),
            ("meta.lastModified", Literal::String(text)) => {
                let column = updated_column(purpose);
                self.time(column, operator, text)
            }
            ("emails.value", Literal::String(text)) if self.is_user() => self.email(operator, text),
            ("members.value", Literal::String(text)) if self.is_group() => {
                self.member(operator, text)
            }
            ("groups.value", Literal::String(text)) if self.is_user() => self.group(operator, text),
            _ => Part::unknown(),
        }
    }

    fn present(&mut self, path: Resolved) -> Part {
        if !matches!(self.table, Table::Resources(_)) {
            return Self::present_member(path);
        }
        match path.key().as_str() {
            "id" | "meta.created" | "meta.lastModified" => Part::exact("TRUE".to_owned()),
            "userName" | "active" if self.is_user() => Part::exact("TRUE".to_owned()),
            "externalId" => Part::exact("u.external_id IS NOT NULL".to_owned()),
            "displayName" if self.has_columns() => {
                Part::exact("u.display_key IS NOT NULL".to_owned())
            }
            "members" | "members.value" if self.is_group() => Part::exact(HAS_MEMBERS.to_owned()),
            _ => Part::unknown(),
        }
    }

    /// An id of another form names nothing. Other operators compare its text.
    fn id(&mut self, column: &str, operator: Operator, text: &str) -> Part {
        match (operator, canonical(text)) {
            (Operator::Eq, Some(id)) => {
                Part::narrow(format!("{column} = {}", self.bind(Bind::Id(id))))
            }
            (Operator::Eq, None) => Part::narrow("FALSE".to_owned()),
            _ => Part::unknown(),
        }
    }

    /// Groups that have the user or group as a member of their own.
    fn member(&mut self, operator: Operator, text: &str) -> Part {
        // Unlike `id`, these are compared without regard to case.
        let found = self.id("m.user_id", operator, &text.to_ascii_lowercase());
        if !found.is_exact {
            return found;
        }
        let nested = found.sql.replace("m.user_id", "n.member_id");
        let sql = format!(
            "u.id IN (SELECT m.group_id FROM memberships m WHERE m.workspace = $1 \
             AND m.directory = $2 AND {} UNION ALL SELECT n.group_id FROM nestings n \
             WHERE n.workspace = $1 AND n.directory = $2 AND {nested})",
            found.sql
        );
        Part { sql, ..found }
    }

    /// Users who are in the live group, themselves or through groups within.
    fn group(&mut self, operator: Operator, text: &str) -> Part {
        let found = self.id("g.id", operator, &text.to_ascii_lowercase());
        if !found.is_exact {
            return found;
        }
        let sql = format!(
            "u.id IN (WITH RECURSIVE below (id) AS (SELECT g.id FROM user_groups g \
             WHERE g.workspace = $1 AND g.directory = $2 AND g.deleted_at IS NULL AND {} \
             UNION SELECT n.member_id FROM below CROSS JOIN nestings n WHERE n.workspace = $1 \
             AND n.directory = $2 AND n.group_id = below.id) SELECT m.user_id FROM below \
             CROSS JOIN memberships m WHERE m.workspace = $1 AND m.directory = $2 \
             AND m.group_id = below.id)",
            found.sql
        );
        // A group may be everybody.
        Part {
            sql,
            is_narrow: false,
            ..found
        }
    }

    fn text(&mut self, column: &str, operator: Operator, value: String, case: Case) -> Part {
        let pattern = |before: &str, value: &str, after: &str| {
            let mut pattern = before.to_owned();
            for char in value.chars() {
                if matches!(char, '%' | '_' | '\\') {
                    pattern.push('\\');
                }
                pattern.push(char);
            }
            pattern + after
        };
        let sign = match operator {
            Operator::Eq => "=",
            Operator::Ne => {
                let bound = self.bind(Bind::Text(value));
                return Part::exact(format!("({column} IS NULL OR {column} <> {bound})"));
            }
            Operator::Gt => ">",
            Operator::Ge => ">=",
            Operator::Lt => "<",
            Operator::Le => "<=",
            Operator::Co => return self.like(column, pattern("%", &value, "%"), case),
            Operator::Sw => return self.like(column, pattern("", &value, "%"), case),
            Operator::Ew => return self.like(column, pattern("%", &value, ""), case),
        };
        let bound = self.bind(Bind::Text(value));
        let sql = format!("({column} IS NOT NULL AND {column} {sign} {bound})");
        if operator == Operator::Eq {
            Part::narrow(sql)
        } else {
            Part::exact(sql)
        }
    }

    /// `LIKE` ignores the case of ASCII letters on SQLite: the same for folded text, a superset for
    /// text that is compared exactly.
    fn like(&mut self, column: &str, pattern: String, case: Case) -> Part {
        let bound = self.bind(Bind::Text(pattern));
        let sql = format!("({column} IS NOT NULL AND {column} LIKE {bound} ESCAPE '\\')");
        let part = Part::exact(sql);
        match case {
            Case::Folded => part,
            Case::Exact => part.superset(),
        }
    }

    fn time(&mut self, column: &str, operator: Operator, text: &str) -> Part {
        let sign = match operator {
            Operator::Eq => "=",
            Operator::Ne => "<>",
            Operator::Gt => ">",
            Operator::Ge => ">=",
            Operator::Lt => "<",
            Operator::Le => "<=",
            _ => return Part::unknown(),
        };
        match Timestamp::parse(text) {
            Some(at) => Part::exact(format!(
                "{column} {sign} {}",
                self.bind(Bind::Integer(at.0))
            )),
            None => Part::unknown(),
        }
    }

    fn email(&mut self, operator: Operator, text: &str) -> Part {
        if operator == Operator::Ne {
            return Part::unknown();
        }
        let found = self.text("e.value_key", operator, fold::key(text), Case::Folded);
        let sql = format!(
            "EXISTS (SELECT e.user_id FROM user_emails e WHERE e.workspace = u.workspace \
             AND e.directory = u.directory AND e.user_id = u.id AND {})",
            found.sql
        );
        if operator == Operator::Eq {
            // The few users are found by the address, not by trying each user.
            let sql = format!(
                "u.id IN (SELECT e.user_id FROM user_emails e WHERE e.workspace = $1 \
                 AND e.directory = $2 AND {})",
                found.sql
            );
            return Part::narrow(sql);
        }
        Part::exact(sql)
    }

    fn boolean(&mut self, value: bool) -> String {
        self.bind(Bind::Boolean(value))
    }

    fn bind(&mut self, bind: Bind) -> String {
        self.binds.push(bind);
        format!("${}", FIRST + self.binds.len() - 1)
    }
}

/// How a column's text is compared.
#[derive(Debug, Clone, Copy)]
enum Case {
    Folded,
    Exact,
}

/// Where it stands when a resource was last changed.
pub(super) fn updated_column(purpose: Purpose) -> &'static str {
    if purpose == Purpose::Group {
        GROUP_UPDATED
    } else {
        "u.updated_at"
    }
}

const GROUP_UPDATED: &str = "COALESCE((SELECT MAX(t.at) FROM group_touches t \
     WHERE t.workspace = u.workspace AND t.directory = u.directory AND t.group_id = u.id), \
     u.updated_at)";

const HAS_MEMBERS: &str = "EXISTS (SELECT m.user_id FROM memberships m \
     WHERE m.workspace = u.workspace AND m.directory = u.directory AND m.group_id = u.id) \
     OR EXISTS (SELECT n.member_id FROM nestings n \
     WHERE n.workspace = u.workspace AND n.directory = u.directory AND n.group_id = u.id)";

/// Ids are shown hyphenated in lower case and compared so.
fn canonical(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text)
        .ok()
        .filter(|id| id.to_string() == text)
}

fn joined(parts: &[Part], word: &str, is_narrow: bool) -> Part {
    if parts.is_empty() {
        // All of nothing holds, any of nothing does not.
        let truth = if word == " AND " { "TRUE" } else { "FALSE" };
        return Part::exact(truth.to_owned());
    }
    let sql: Vec<_> = parts.iter().map(|part| format!("({})", part.sql)).collect();
    Part {
        sql: sql.join(word),
        is_exact: parts.iter().all(|part| part.is_exact),
        is_narrow,
        holders: None,
    }
}
