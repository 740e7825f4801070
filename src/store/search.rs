//! Pages of resources: in the order of their making, or of a column.

use uuid::Uuid;

use super::error::Result;
use super::filter_sql::{Bind, Condition, FIRST, updated_column};
use super::groups::Group;
use super::resources::Resource;
use super::tx::{Query, Row, Tx};
use super::users::{Place, User};
use super::values::{list as placeholders, pad};
use crate::scim::path::Resolved;
use crate::scim::schema::{Purpose, ResourceType};
use crate::scim::sort::{Direction, Key};

/// What a list is made of.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// The directory.
    pub place: Place,
    /// The resource type.
    pub kind: &'static ResourceType,
    /// Which of its resources; all if there is none.
    pub condition: Option<&'a Condition>,
    /// In which order; that of their making if there is none.
    pub order: Option<Order>,
}

/// The order of a column.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    column: Column,
    direction: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Id,
    UserName,
    DisplayName,
    ExternalId,
    Created,
    Updated,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq)]
pub enum From {
    /// After the resource of that id, which is sorted by that key if the list is.
    After(Option<Key>, Uuid),
    /// After so many resources.
    Skipping(i64),
}

/// A resource of any type, as it is stored.
#[derive(Debug, Clone)]
pub enum Stored {
    /// A User.
    User(User),
    /// A Group.
    Group(Group),
    /// A resource of a registered type.
    Resource(Resource),
}

impl Order {
    /// The order by an attribute, where a column has it.
    pub fn of(kind: &ResourceType, path: Resolved, direction: Direction) -> Option<Self> {
        let has_name = matches!(kind.purpose, Purpose::User | Purpose::Group);
        let column = match path.key().as_str() {
            "id" => Column::Id,
            "userName" if kind.purpose == Purpose::User => Column::UserName,
            "displayName" if has_name => Column::DisplayName,
            "externalId" => Column::ExternalId,
            "meta.created" => Column::Created,
            "meta.lastModified" => Column::Updated,
            _ => return None,
        };
        Some(Self { column, direction })
    }

    /// What a stored resource is sorted by.
    pub fn key(self, stored: &Stored) -> Key {
        let text = |text: Option<&String>| text.map_or(Key::None, |it| Key::Text(it.clone()));
        let time = Key::Integer;
        match (self.column, stored) {
            (Column::Id, _) => Key::Text(stored.id().to_string()),
            (Column::UserName, Stored::User(user)) => text(Some(&user.user_name_key)),
            (Column::DisplayName, Stored::User(user)) => text(user.display_key.as_ref()),
            (Column::DisplayName, Stored::Group(group)) => text(Some(&group.display_key)),
            (Column::ExternalId, Stored::User(user)) => text(user.external_id.as_ref()),
            (Column::ExternalId, Stored::Group(group)) => text(group.external_id.as_ref()),
            (Column::ExternalId, Stored::Resource(it)) => text(it.external_id.as_ref()),
            (Column::Created, _) => time(stored.times().0.0),
            (Column::Updated, _) => time(stored.times().1.0),
            (Column::UserName | Column::DisplayName, _) => Key::None,
        }
    }

    fn sql(self, kind: &ResourceType) -> &'static str {
        match self.column {
            Column::Id => "u.id",
            Column::UserName => "u.user_name_key",
            Column::DisplayName => "u.display_key",
            Column::ExternalId => "u.external_id",
            Column::Created => "u.created_at",
            Column::Updated => updated_column(kind.purpose),
        }
    }

    fn may_be_null(self) -> bool {
        matches!(self.column, Column::DisplayName | Column::ExternalId)
    }

    /// `ORDER BY` with resources without a value last, or first where the order is turned round.
    fn clause(self, kind: &ResourceType) -> String {
        let column = self.sql(kind);
        let (way, nulls) = match self.direction {
            Direction::Ascending => ("ASC", "NULLS LAST"),
            Direction::Descending => ("DESC", "NULLS FIRST"),
        };
        match self.column {
            Column::Id => format!("u.id {way}"),
            _ if self.may_be_null() => format!("{column} {way} {nulls}, u.id"),
            _ => format!("{column} {way}, u.id"),
        }
    }

    /// What comes after a resource in this order.
    fn after(self, kind: &ResourceType, key: Key, id: Uuid, binds: &mut Binds) -> String {
        let column = self.sql(kind);
        let sign = match self.direction {
            Direction::Ascending => ">",
            Direction::Descending => "<",
        };
        if self.column == Column::Id {
            return format!("u.id {sign} {}", binds.push(Bind::Id(id)));
        }
        let is_rising = self.direction == Direction::Ascending;
        let value = match key {
            Key::Text(text) => Some(Bind::Text(text)),
            Key::Integer(number) => Some(Bind::Integer(number)),
            Key::Boolean(_) | Key::Number(_) | Key::None => None,
        };
        let id = binds.push(Bind::Id(id));
        let Some(value) = value else {
            let rest = if is_rising { "" } else { " OR u.x IS NOT NULL" };
            let rest = rest.replace("u.x", column);
            return format!("(({column} IS NULL AND u.id > {id}){rest})");
        };
        let value = binds.push(value);
        // One range of the index, where nothing without a value is to follow.
        let rest = format!("({column} {sign} {value} OR u.id > {id})");
        let range = format!("{column} {sign}= {value} AND {rest}");
        if is_rising && self.may_be_null() {
            format!("(({range}) OR {column} IS NULL)")
        } else {
            format!("({range})")
        }
    }
}

impl Stored {
    /// Its id.
    pub fn id(&self) -> Uuid {
        match self {
            Self::User(user) => user.id.0,
            Self::Group(group) => group.id.0,
            Self::Resource(resource) => resource.id.0,
        }
    }

    /// When it was made, and when it last changed.
    pub fn times(&self) -> (crate::clock::Timestamp, crate::clock::Timestamp) {
        match self {
            Self::User(user) => (user.created_at, user.updated_at),
            Self::Group(group) => (group.created_at, group.updated_at),
            Self::Resource(resource) => (resource.created_at, resource.updated_at),
        }
    }

    /// Its version.
    pub fn version(&self) -> i64 {
        match self {
            Self::User(user) => user.version,
            Self::Group(group) => group.version,
            Self::Resource(resource) => resource.version,
        }
    }

    /// Its document as it is stored.
    pub fn document(&self) -> &str {
        match self {
            Self::User(user) => &user.document,
            Self::Group(group) => &group.document,
            Self::Resource(resource) => &resource.document,
        }
    }
}

/// A page of what a selection selects.
pub async fn list(
    tx: &mut Tx,
    selection: Selection<'_>,
    from: From,
    most: i64,
) -> Result<Vec<Stored>> {
    let mut binds = Binds::of(selection.condition);
    let mut sql = selection.sql(&mut binds);
    let order = selection.order;
    let is_narrow = selection.condition.is_some_and(|it| it.is_narrow);
    let mut skipped = None;
    match from {
        From::After(key, id) => {
            let after = match (order, key) {
                (Some(order), Some(key)) => order.after(selection.kind, key, id, &mut binds),
                _ => format!("u.id > {}", binds.push(Bind::Id(id))),
            };
            sql = format!("{sql} AND {after}");
        }
        From::Skipping(count) => skipped = Some(count),
    }
    let mut clause = order.map_or("u.id".to_owned(), |order| order.clause(selection.kind));
    if order.is_none() {
        let (walked, by) = in_id_order(tx, sql, is_narrow);
        sql = walked;
        by.clone_into(&mut clause);
    }
    sql = format!(
        "{sql} ORDER BY {clause} LIMIT {}",
        binds.push(Bind::Integer(most))
    );
    if let Some(count) = skipped {
        sql = format!("{sql} OFFSET {}", binds.push(Bind::Integer(count)));
    }
    fetch(tx, selection, sql, binds).await
}

/// A statement over rows `u`, with what to order it by so that they come in id order.
///
/// Without statistics both engines would walk all rows in id order rather than use the index of a
/// narrow condition. What each is told instead would be dearer, or nothing, to the other.
pub(super) fn in_id_order(tx: &Tx, sql: String, is_narrow: bool) -> (String, &'static str) {
    match (is_narrow, tx.is_postgres()) {
        (false, _) => (sql, "u.id"),
        (true, true) => (
            format!("WITH u AS MATERIALIZED ({sql}) SELECT * FROM u"),
            "u.id",
        ),
        (true, false) => (sql, "+u.id"),
    }
}

/// The resources of these ids that a selection selects, in id order.
pub async fn list_by_ids(
    tx: &mut Tx,
    selection: Selection<'_>,
    ids: &[Uuid],
) -> Result<Vec<Stored>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut binds = Binds::of(None);
    let selection = Selection {
        condition: None,
        ..selection
    };
    let sql = selection.sql(&mut binds);
    let first = FIRST + binds.values.len();
    let sql = format!(
        "{sql} AND u.id IN ({}) ORDER BY u.id",
        placeholders(first, ids.len())
    );
    for id in pad(ids) {
        binds.push(Bind::Id(id));
    }
    fetch(tx, selection, sql, binds).await
}

/// How many resources a selection selects.
pub async fn count(tx: &mut Tx, selection: Selection<'_>) -> Result<i64> {
    let mut binds = Binds::of(selection.condition);
    let table = match selection.kind.purpose {
        Purpose::Group => "user_groups u WHERE u.deleted_at IS NULL AND",
        Purpose::User => "users u WHERE",
        Purpose::Role | Purpose::Custom => "resources u WHERE",
    };
    let condition = selection.conditions(&mut binds);
    let sql = format!("SELECT COUNT(*) AS total FROM {table} {condition}");
    let query = bound(tx, selection.place, sql, binds);
    let row: (i64,) = query.fetch_one().await?;
    Ok(row.0)
}

impl Selection<'_> {
    fn sql(&self, binds: &mut Binds) -> String {
        const USERS: &str = "SELECT u.id, u.user_name_key, u.external_id, u.display_key, \
             u.display, u.active, u.document, u.member, u.person, u.version, u.created_at, \
             u.updated_at FROM users u WHERE";
        let conditions = self.conditions(binds);
        match self.kind.purpose {
            Purpose::User => format!("{USERS} {conditions}"),
            Purpose::Group => format!(
                "{} WHERE u.deleted_at IS NULL AND {conditions}",
                super::groups::COLUMNS
            ),
            Purpose::Role | Purpose::Custom => {
                format!("{} WHERE {conditions}", super::resources::COLUMNS)
            }
        }
    }

    fn conditions(&self, binds: &mut Binds) -> String {
        let mut sql = "u.workspace = $1 AND u.directory = $2".to_owned();
        if let Some(condition) = self.condition {
            sql = format!("{sql} AND ({})", condition.sql());
        }
        if self.kind.purpose == Purpose::Custom {
            let kind = Bind::Text(self.kind.name.to_ascii_lowercase());
            sql = format!("{sql} AND u.kind = {}", binds.push(kind));
        }
        sql
    }
}

/// Values to bind, from the first placeholder that is not the place.
struct Binds {
    values: Vec<Bind>,
}

impl Binds {
    fn of(condition: Option<&Condition>) -> Self {
        Self {
            values: condition.map_or(Vec::new(), |condition| condition.binds().to_vec()),
        }
    }

    fn push(&mut self, value: Bind) -> String {
        self.values.push(value);
        format!("${}", FIRST + self.values.len() - 1)
    }
}

fn bound(tx: &mut Tx, place: Place, sql: String, binds: Binds) -> Query<'_> {
    let query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(place.workspace)
        .bind(place.directory);
    binds
        .values
        .into_iter()
        .fold(query, |query, value| value.to(query))
}

async fn fetch(
    tx: &mut Tx,
    selection: Selection<'_>,
    sql: String,
    binds: Binds,
) -> Result<Vec<Stored>> {
    async fn rows<R: Row>(query: Query<'_>, stored: fn(R) -> Stored) -> Result<Vec<Stored>> {
        Ok(query.fetch_all().await?.into_iter().map(stored).collect())
    }
    let query = bound(tx, selection.place, sql, binds);
    match selection.kind.purpose {
        Purpose::User => rows(query, Stored::User).await,
        Purpose::Group => rows(query, Stored::Group).await,
        Purpose::Role | Purpose::Custom => rows(query, Stored::Resource).await,
    }
}
