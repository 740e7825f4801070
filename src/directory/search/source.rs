//! One resource type of a search: its filter understood, its rows read, and what an answer shows
//! besides them.

use std::collections::HashMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::groups::{Found as FoundGroup, Members};
use super::super::membership;
use super::super::users::Found as FoundUser;
use super::{Caller, Found, Search};
use crate::error::Result;
use crate::ids::{GroupId, UserId};
use crate::scim::filter::{self, Filter};
use crate::scim::path::Resolved;
use crate::scim::resource::{self, Meta};
use crate::scim::schema::{Purpose, ResourceType};
use crate::scim::sort::{self, Direction, Key};
use crate::store::filter_sql::Condition;
use crate::store::groups::{Belongs, Shown};
use crate::store::memberships;
use crate::store::search::{self as rows, From, Order, Selection, Stored};
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::store::workspaces::{self, Role};

/// How many resources are read at a time.
const BATCH: i64 = 200;

/// One resource type of a search.
pub(super) struct Source {
    pub(super) kind: &'static ResourceType,
    with: Members,
    place: Place,
    base_url: String,
    pub(super) condition: Option<Condition>,
    /// The filter, where the database cannot answer it by itself.
    pub(super) evaluated: Option<Filter>,
    /// What the type is sorted by.
    sorted_by: Option<Resolved>,
    order: Option<Order>,
    /// Whether groups or members must be known to decide or to sort.
    needs_relations: bool,
}

/// A row of any resource type.
#[derive(Debug, Clone)]
pub(super) enum Row {
    Stored(Stored),
    Role(Role),
}

impl Row {
    pub(super) fn id(&self) -> Uuid {
        match self {
            Self::Stored(stored) => stored.id(),
            Self::Role(role) => role.id.0,
        }
    }
}

impl Source {
    /// The sources of a search. A filter is read for each type; an attribute that one type has and
    /// another has not is absent there (RFC 7644 section 3.4.2.1), one that no type has is refused.
    pub(super) fn all(caller: &Caller, search: &Search) -> Result<Vec<Self>> {
        let kinds: Vec<_> = search.kinds.iter().map(|(kind, _)| *kind).collect();
        let filters: Vec<Option<Filter>> = match (&search.filter, &kinds[..]) {
            (None, _) => vec![None; kinds.len()],
            (Some(text), [kind]) => vec![Some(filter::parse(text, kind)?)],
            (Some(text), _) => filter::parse_for_all(text, &kinds)?
                .into_iter()
                .map(Some)
                .collect(),
        };
        let mut sorted_by = Vec::with_capacity(kinds.len());
        for kind in &kinds {
            let path = search.sort.as_ref().map(|sort| sort.resolve(kind));
            sorted_by.push(path.transpose()?.flatten());
        }
        if search.sort.is_some() && sorted_by.iter().all(Option::is_none) {
            return Err(crate::error::Error::value(
                "sortBy names an attribute that the resource type does not have",
            ));
        }
        let direction = search.sort.as_ref().map(|sort| sort.direction);
        let sources = search.kinds.iter().zip(filters).zip(sorted_by);
        Ok(sources
            .map(|(((kind, with), filter), sorted_by)| {
                let base_url = search.base_url.clone();
                Self::of(
                    (caller, base_url),
                    kind,
                    *with,
                    filter,
                    sorted_by,
                    direction,
                )
            })
            .collect())
    }

    fn of(
        (caller, base_url): (&Caller, String),
        kind: &'static ResourceType,
        with: Members,
        filter: Option<Filter>,
        sorted_by: Option<Resolved>,
        direction: Option<Direction>,
    ) -> Self {
        let condition = filter.as_ref().map(|filter| Condition::of(filter, kind));
        let is_exact = condition.as_ref().is_none_or(|it| it.is_exact);
        let relations = |name: &str| matches!(name, "groups" | "members");
        let has_relations = matches!(kind.purpose, Purpose::User | Purpose::Group);
        let needs_relations = has_relations
            && (filter.as_ref().is_some_and(|it| it.mentions(relations))
                || sorted_by.is_some_and(|path| relations(&path.attribute_key())));
        // Roles are few, and are always looked at one by one.
        let is_role = kind.purpose == Purpose::Role;
        let order = sorted_by
            .zip(direction)
            .filter(|_| !is_role)
            .and_then(|(path, direction)| Order::of(kind, path, direction));
        let always = is_role.then(|| Filter::And(Vec::new()));
        Self {
            kind,
            with,
            place: caller.place(),
            base_url,
            evaluated: filter.filter(|_| !is_exact || is_role).or(always),
            condition,
            sorted_by,
            order,
            needs_relations,
        }
    }

    /// Whether the database answers filter and order by itself.
    pub(super) fn is_ordered(&self) -> bool {
        self.evaluated.is_none() && self.order.is_some()
    }

    fn selection(&self, order: Option<Order>) -> Selection<'_> {
        Selection {
            place: self.place,
            kind: self.kind,
            condition: self.condition.as_ref(),
            order,
        }
    }

    /// Rows in the order of the search; exact only where nothing is left to evaluate.
    pub(super) async fn list(&self, tx: &mut Tx, from: From, most: i64) -> Result<Vec<Row>> {
        self.read(tx, self.order, from, most).await
    }

    /// Some rows in the order of their making, for whoever looks at each of them.
    pub(super) async fn stream(&self, tx: &mut Tx, from: From) -> Result<Vec<Row>> {
        let is_heavy = self.needs_relations && self.kind.has_members();
        let batch = if is_heavy { 1 } else { BATCH };
        self.read(tx, None, from, batch).await
    }

    async fn read(
        &self,
        tx: &mut Tx,
        order: Option<Order>,
        from: From,
        most: i64,
    ) -> Result<Vec<Row>> {
        if self.kind.purpose == Purpose::Role {
            let after = match from {
                From::After(_, id) => Some(id),
                From::Skipping(_) => None,
            };
            let roles = workspaces::list_roles(tx, self.place.workspace).await?;
            let roles = roles
                .into_iter()
                .filter(|role| after.is_none_or(|id| role.id.0 > id));
            return Ok(roles.map(Row::Role).collect());
        }
        let found = rows::list(tx, self.selection(order), from, most).await?;
        Ok(found.into_iter().map(Row::Stored).collect())
    }

    /// How many rows the database selects.
    pub(super) async fn count(&self, tx: &mut Tx) -> Result<i64> {
        use crate::store::directories;
        let place = (self.place.workspace, self.place.directory);
        Ok(match (&self.condition, self.kind.purpose) {
            (None, Purpose::User) => directories::count(tx, place, "users").await?,
            (None, Purpose::Group) => directories::count(tx, place, "groups").await?,
            _ => rows::count(tx, self.selection(None)).await?,
        })
    }

    /// The rows of these ids.
    pub(super) async fn list_by_ids(&self, tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<Row>> {
        if self.kind.purpose == Purpose::Role {
            let roles = workspaces::list_roles(tx, self.place.workspace).await?;
            let roles = roles.into_iter().filter(|role| ids.contains(&role.id.0));
            return Ok(roles.map(Row::Role).collect());
        }
        let found = rows::list_by_ids(tx, self.selection(None), ids).await?;
        Ok(found.into_iter().map(Row::Stored).collect())
    }

    /// What a row is sorted by, as the database sees it.
    pub(super) fn order_key(&self, row: &Row) -> Option<Key> {
        match (self.order, row) {
            (Some(order), Row::Stored(stored)) => Some(order.key(stored)),
            _ => None,
        }
    }

    /// What a resource is sorted by.
    pub(super) fn key(&self, resource: &Value) -> Key {
        sort::key(self.sorted_by, resource)
    }

    /// Rows as the evaluator looks at them: what is answered.
    pub(super) async fn wholes(&self, tx: &mut Tx, rows: &[Row]) -> Result<Vec<Value>> {
        let mut wholes = rows
            .iter()
            .map(|row| self.whole(row))
            .collect::<Result<Vec<_>>>()?;
        if self.needs_relations {
            for (document, relations) in wholes.iter_mut().zip(self.relations(tx, rows).await?) {
                let name = if self.kind.has_members() {
                    "members"
                } else {
                    "groups"
                };
                document[name] = relations;
            }
        }
        Ok(wholes)
    }

    /// A resource as it is answered, but for what is kept in rows.
    fn whole(&self, row: &Row) -> Result<Value> {
        let id = row.id().to_string();
        let location = format!("{}{}/{id}", self.base_url, self.kind.endpoint);
        let stored = match row {
            Row::Stored(stored) => stored,
            Row::Role(role) => {
                let mut document = super::super::roles::document(role);
                document["meta"]["location"] = location.into();
                return Ok(document);
            }
        };
        let (created, last_modified) = stored.times();
        let meta = Meta {
            created,
            last_modified,
            location,
            version: stored.version(),
        };
        let text = resource::render(self.kind, &id, stored.document(), &[], &meta);
        serde_json::from_str(&text).map_err(crate::error::Error::internal)
    }

    /// Groups of users, or members of groups.
    async fn relations(&self, tx: &mut Tx, rows: &[Row]) -> Result<Vec<Value>> {
        let mut found: HashMap<Uuid, Vec<Value>> = HashMap::new();
        match self.kind.purpose {
            Purpose::User => {
                let ids: Vec<UserId> = rows.iter().map(|row| UserId(row.id())).collect();
                for group in memberships::list_belongs(tx, self.place, &ids).await? {
                    let value = json!({
                        "value": group.group_id,
                        "$ref": format!("{}/Groups/{}", self.base_url, group.group_id),
                        "display": group.display,
                        "type": group.kind(),
                    });
                    found.entry(group.user_id.0).or_default().push(value);
                }
            }
            Purpose::Group => {
                // A batch is one group then: it may have very many members.
                for row in rows {
                    let id = GroupId(row.id());
                    let members = membership::present(tx, self.place, id).await?;
                    let elements = members.iter().map(|member| {
                        let mut element = membership::element(member);
                        let address = format!("{}/{}s/{}", self.base_url, member.kind(), member.id);
                        element["$ref"] = address.into();
                        element
                    });
                    found.insert(id.0, elements.collect());
                }
            }
            Purpose::Role | Purpose::Custom => {}
        }
        let relations = rows
            .iter()
            .map(|row| found.remove(&row.id()).unwrap_or_default());
        Ok(relations.map(Value::Array).collect())
    }
}

/// Rows with the groups and members that are wanted, in their order.
pub(super) async fn complete(
    tx: &mut Tx,
    sources: &[Source],
    taken: Vec<(usize, Row)>,
) -> Result<Vec<Found>> {
    let mut groups: HashMap<UserId, Vec<Belongs>> = HashMap::new();
    let mut members: HashMap<GroupId, Vec<Shown>> = HashMap::new();
    for (at, source) in sources.iter().enumerate() {
        let own = || taken.iter().filter(move |(of, _)| *of == at);
        let ids: Vec<Uuid> = own().map(|(_, row)| row.id()).collect();
        match (source.kind.purpose, source.with) {
            (_, Members::None) | (Purpose::Role | Purpose::Custom, _) => {}
            (Purpose::User, _) => {
                let ids: Vec<UserId> = ids.into_iter().map(UserId).collect();
                for group in memberships::list_belongs(tx, source.place, &ids).await? {
                    let own = groups.entry(group.user_id).or_default();
                    own.push(group);
                }
            }
            (Purpose::Group, with) => {
                let ids: Vec<GroupId> = ids.into_iter().map(GroupId).collect();
                let shown = match with {
                    Members::Names => memberships::list_shown_of(tx, source.place, &ids).await?,
                    _ => memberships::list_of(tx, source.place, &ids).await?,
                };
                for member in shown {
                    let own = members.entry(member.group_id).or_default();
                    own.push(member.member);
                }
            }
        }
    }
    let found = taken.into_iter().map(|(at, row)| {
        let source = &sources[at];
        match row {
            Row::Role(role) => Found::Role(role),
            Row::Stored(Stored::User(user)) => {
                let groups = groups.remove(&user.id).unwrap_or_default();
                Found::User(FoundUser { user, groups })
            }
            Row::Stored(Stored::Group(group)) => {
                let own = members.remove(&group.id).unwrap_or_default();
                let members = (source.with != Members::None).then_some(own);
                Found::Group(FoundGroup { group, members })
            }
            Row::Stored(Stored::Resource(resource)) => Found::Resource(source.kind, resource),
        }
    });
    Ok(found.collect())
}
