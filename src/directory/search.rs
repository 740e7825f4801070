//! Lists: filtered, paged, in the order of making, with a total.

use std::hash::{BuildHasher, Hash};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::groups::Members;
use super::{Caller, groups, users};
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Invalid, Result};
use crate::ids::{GroupId, UserId};
use crate::scim::evaluate;
use crate::scim::filter::{self, Filter};
use crate::scim::messages::DEFAULT_RESULTS;
use crate::scim::resource::{self, Meta};
use crate::scim::schema::{self, ResourceType};
use crate::store::db::Tx;
use crate::store::filter_sql::Condition;
use crate::store::groups::Shown;
use crate::store::search::{self as rows, From};
use crate::store::users::Place;
use crate::store::{directories, memberships};

/// How long a filter may take that the database cannot answer by itself.
const TIME: Duration = Duration::from_secs(5);
/// How many resources are read at a time for such a filter.
const BATCH: i64 = 200;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Search {
    /// The filter's text.
    pub filter: Option<String>,
    /// The place of the first resource, from 1.
    pub start_index: i64,
    /// How many resources at most; the page size if it is left out or larger.
    pub count: Option<i64>,
    /// What of the groups of users, or of the members of groups, is wanted as well.
    pub with: Members,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// How many resources the filter selects.
    pub total: i64,
    /// The place of the first one of the page.
    pub start_index: i64,
    /// The page.
    pub resources: Vec<T>,
}

/// A page of Users.
pub async fn users(app: &App, caller: &Caller, search: Search) -> Result<Page<users::Found>> {
    let plan = Plan::of(app, caller, schema::user(), &search)?;
    let mut tx = plan.open(app).await?;
    let (total, found) = match &plan.evaluated {
        Some(filter) => scan_users(&mut tx, &plan, filter).await?,
        None => {
            let page = plan.page(app);
            let condition = plan.condition.as_ref();
            let found = rows::list_users(&mut tx, plan.place, condition, page, plan.most).await?;
            plan.remember(app, found.last().map(|user| user.id.0), found.len());
            let total = plan.total(&mut tx, "users", found.len()).await?;
            (total, found)
        }
    };
    let ids: Vec<UserId> = found.iter().map(|user| user.id).collect();
    let groups = match search.with {
        Members::None => Vec::new(),
        _ => memberships::list_belongs(&mut tx, plan.place, &ids).await?,
    };
    let resources = found
        .into_iter()
        .map(|user| {
            let start = groups.partition_point(|group| group.user_id < user.id);
            let own = groups[start..]
                .iter()
                .take_while(|group| group.user_id == user.id)
                .map(|group| (group.group_id, group.display.clone()));
            let groups = own.collect();
            users::Found { user, groups }
        })
        .collect();
    Ok(plan.answer(total, resources))
}

/// A page of Groups.
pub async fn groups(app: &App, caller: &Caller, search: Search) -> Result<Page<groups::Found>> {
    let plan = Plan::of(app, caller, schema::group(), &search)?;
    let mut tx = plan.open(app).await?;
    let (total, found) = match &plan.evaluated {
        Some(filter) => scan_groups(&mut tx, &plan, filter).await?,
        None => {
            let page = plan.page(app);
            let condition = plan.condition.as_ref();
            let found = rows::list_groups(&mut tx, plan.place, condition, page, plan.most).await?;
            plan.remember(app, found.last().map(|group| group.id.0), found.len());
            let total = plan.total(&mut tx, "groups", found.len()).await?;
            (total, found)
        }
    };
    let ids: Vec<GroupId> = found.iter().map(|group| group.id).collect();
    let members = match search.with {
        Members::None => Vec::new(),
        Members::Ids => memberships::list_of(&mut tx, plan.place, &ids).await?,
        Members::Names => memberships::list_shown_of(&mut tx, plan.place, &ids).await?,
    };
    // Both are in the order of the groups' ids.
    let mut members = members.into_iter().peekable();
    let resources = found
        .into_iter()
        .map(|group| {
            let mut own = Vec::new();
            while let Some(member) = members.next_if(|member| member.group_id == group.id) {
                own.push(Shown {
                    user_id: member.user_id,
                    display: member.display,
                });
            }
            let members = (search.with != Members::None).then_some(own);
            groups::Found { group, members }
        })
        .collect();
    Ok(plan.answer(total, resources))
}

/// How a list is made.
struct Plan {
    place: Place,
    condition: Option<Condition>,
    /// The filter, where the database cannot answer it by itself.
    evaluated: Option<Filter>,
    /// Names the query, to continue where its last page ended.
    name: u64,
    start_index: i64,
    most: i64,
}

impl Plan {
    fn of(
        app: &App,
        caller: &Caller,
        kind: &'static ResourceType,
        search: &Search,
    ) -> Result<Self> {
        let filter = match &search.filter {
            Some(text) => Some(filter::parse(text, kind)?),
            None => None,
        };
        let condition = filter.as_ref().map(|filter| Condition::of(filter, kind));
        let is_exact = condition
            .as_ref()
            .is_none_or(|condition| condition.is_exact);
        let place = caller.place();
        let name = app.page_names.hash_one(Named {
            place,
            kind: kind.name,
            filter: search.filter.as_deref(),
        });
        let most = i64::try_from(app.config.limits.page_size).unwrap_or(i64::MAX);
        Ok(Self {
            place,
            evaluated: filter.filter(|_| !is_exact),
            condition,
            name,
            start_index: search.start_index,
            most: search.count.unwrap_or(DEFAULT_RESULTS.into()).min(most),
        })
    }

    /// A look-up of the few needs no snapshot, since its total is what it finds.
    async fn open(&self, app: &App) -> Result<Tx> {
        let is_narrow = self
            .condition
            .as_ref()
            .is_some_and(|condition| condition.is_narrow);
        if is_narrow && self.start_index == 1 {
            Ok(app.db.one().await?)
        } else {
            Ok(app.db.read().await?)
        }
    }

    fn page(&self, app: &App) -> From {
        match app.pages.get(&(self.name, self.start_index)) {
            Some(last) if self.start_index > 1 => From::After(last),
            _ => From::Skipping(self.start_index - 1),
        }
    }

    fn remember(&self, app: &App, last: Option<Uuid>, found: usize) {
        if let Some(last) = last
            && let Ok(found) = i64::try_from(found)
        {
            let next = self.start_index.saturating_add(found);
            app.pages.insert((self.name, next), last);
        }
    }

    async fn total(&self, tx: &mut Tx, kind: &'static str, found: usize) -> Result<i64> {
        let found = i64::try_from(found).unwrap_or(i64::MAX);
        let place = (self.place.workspace, self.place.directory);
        match &self.condition {
            _ if self.start_index == 1 && found < self.most => Ok(found),
            None => Ok(directories::count(tx, place, kind).await?),
            Some(condition) if kind == "users" => {
                Ok(rows::count_users(tx, self.place, condition).await?)
            }
            Some(condition) => Ok(rows::count_groups(tx, self.place, condition).await?),
        }
    }

    fn answer<T>(&self, total: i64, resources: Vec<T>) -> Page<T> {
        Page {
            total,
            start_index: self.start_index,
            resources,
        }
    }
}

#[derive(Hash)]
struct Named<'a> {
    place: Place,
    kind: &'a str,
    filter: Option<&'a str>,
}

/// Keeps of a stream what matches: the total, and the one page that was asked for.
struct Kept<T> {
    total: i64,
    first: i64,
    most: i64,
    page: Vec<T>,
    deadline: Instant,
}

impl<T> Kept<T> {
    fn of(plan: &Plan) -> Self {
        Self {
            total: 0,
            first: plan.start_index,
            most: plan.most,
            page: Vec::new(),
            deadline: Instant::now() + TIME,
        }
    }

    fn keep(&mut self, item: T) {
        self.total += 1;
        let is_room = i64::try_from(self.page.len()).is_ok_and(|kept| kept < self.most);
        if self.total >= self.first && is_room {
            self.page.push(item);
        }
    }

    fn check_time(&self) -> Result<()> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        let detail = "the filter takes too long; add a comparison of an indexed attribute";
        Err(Error::invalid(Invalid::TooMany, detail))
    }
}

async fn scan_users(tx: &mut Tx, plan: &Plan, filter: &Filter) -> Result<(i64, Vec<users::User>)> {
    let needs_groups = mentions(filter, "groups");
    let mut kept = Kept::of(plan);
    let mut from = From::Skipping(0);
    loop {
        let condition = plan.condition.as_ref();
        let batch = rows::list_users(tx, plan.place, condition, from, BATCH).await?;
        let Some(last) = batch.last().map(|user| user.id.0) else {
            return Ok((kept.total, kept.page));
        };
        from = From::After(last);
        let ids: Vec<UserId> = batch.iter().map(|user| user.id).collect();
        let groups = if needs_groups {
            memberships::list_belongs(tx, plan.place, &ids).await?
        } else {
            Vec::new()
        };
        for user in batch {
            let times = (user.created_at, user.updated_at);
            let id = user.id.to_string();
            let mut document = whole(schema::user(), &id, &user.document, times)?;
            if needs_groups {
                let own = groups.iter().filter(|group| group.user_id == user.id);
                let own: Vec<_> = own
                    .map(|group| json!({"value": group.group_id, "display": group.display, "type": "direct"}))
                    .collect();
                document["groups"] = Value::Array(own);
            }
            if evaluate::matches(filter, &document) {
                kept.keep(user);
            }
        }
        kept.check_time()?;
    }
}

async fn scan_groups(
    tx: &mut Tx,
    plan: &Plan,
    filter: &Filter,
) -> Result<(i64, Vec<groups::Group>)> {
    let needs_members = mentions(filter, "members");
    let mut kept = Kept::of(plan);
    let mut from = From::Skipping(0);
    loop {
        let condition = plan.condition.as_ref();
        let batch = rows::list_groups(tx, plan.place, condition, from, BATCH).await?;
        let Some(last) = batch.last().map(|group| group.id.0) else {
            return Ok((kept.total, kept.page));
        };
        from = From::After(last);
        for group in batch {
            let times = (group.created_at, group.updated_at);
            let id = group.id.to_string();
            let mut document = whole(schema::group(), &id, &group.document, times)?;
            if needs_members {
                let members = memberships::list_shown(tx, plan.place, group.id).await?;
                let members: Vec<_> = members
                    .iter()
                    .map(|member| json!({"value": member.user_id, "display": member.display, "type": "User"}))
                    .collect();
                document["members"] = Value::Array(members);
            }
            if evaluate::matches(filter, &document) {
                kept.keep(group);
            }
            kept.check_time()?;
        }
    }
}

/// A resource as the evaluator looks at it: what is answered, but for what is kept in rows.
fn whole(
    kind: &'static ResourceType,
    id: &str,
    stored: &str,
    (created, last_modified): (Timestamp, Timestamp),
) -> Result<Value> {
    let meta = Meta {
        created,
        last_modified,
        location: String::new(),
        version: 0,
    };
    let text = resource::render(kind, id, stored, &[], &meta);
    serde_json::from_str(&text).map_err(Error::internal)
}

/// Whether a filter looks at an attribute that is rows and not part of the document.
fn mentions(filter: &Filter, attribute: &str) -> bool {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => {
            filters.iter().any(|filter| mentions(filter, attribute))
        }
        Filter::Not(filter) => mentions(filter, attribute),
        Filter::Compare { path, .. }
        | Filter::Present { path }
        | Filter::ValuePath { path, .. } => path.attribute_key() == attribute,
    }
}
