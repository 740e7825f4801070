//! Lists over one or several resource types: filtered, sorted, paged by index or cursor, with a
//! total.
//!
//! What the database can answer by itself it answers, a page at a time (`page`); any other filter
//! or order is decided over a stream of resources in bounded memory and time (`scan`). Resources
//! of several types come one type after the other, unless they are sorted together.

mod page;
mod scan;
mod source;

use uuid::Uuid;

use self::source::Source;
use super::groups::Members;
use super::{Caller, groups, users};
use crate::app::App;
use crate::error::{Error, Invalid, Result};
use crate::scim::cursor::{self, Cursor};
use crate::scim::messages::DEFAULT_RESULTS;
use crate::scim::schema::ResourceType;
use crate::scim::sort::{Key, Sort};
use crate::store::resources::Resource;
use crate::store::workspaces::Role;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Search {
    /// The resource types, and what of groups and members is wanted with each.
    pub kinds: Vec<(&'static ResourceType, Members)>,
    /// The base URL of the addresses that resources have for this client.
    pub base_url: String,
    /// The filter's text.
    pub filter: Option<String>,
    /// The order; that of the making if there is none.
    pub sort: Option<Sort>,
    /// Where the page begins.
    pub start: Start,
    /// How many resources at most; the page size if it is left out or larger, none if it is negative.
    pub count: Option<i64>,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At a place, counted from 1.
    Index(i64),
    /// At the cursor that the page before gave, or with an empty one at the first resource.
    Cursor(String),
}

/// A resource of any type.
#[derive(Debug, Clone)]
pub enum Found {
    /// A User with its groups.
    User(users::Found),
    /// A Group, with its members where they were asked for.
    Group(groups::Found),
    /// A resource of a registered type.
    Resource(&'static ResourceType, Resource),
    /// A role of the workspace.
    Role(Role),
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// How many resources the filter selects; none where only the page was looked for.
    pub total: Option<i64>,
    /// How the page was asked for, and where the next one begins.
    pub next: Next,
    /// The page.
    pub resources: Vec<Found>,
}

/// How a page was asked for, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// By index; the place of the page's first resource.
    Index(i64),
    /// By cursor; that of the next page, if there is one.
    Cursor(Option<String>),
}

/// A page of what was asked for.
pub async fn search(app: &App, caller: &Caller, search: Search) -> Result<Page> {
    let sources = Source::all(caller, &search)?;
    let most = i64::try_from(app.config.limits.page_size).unwrap_or(i64::MAX);
    let count = search.count.unwrap_or(most.min(DEFAULT_RESULTS.into()));
    if matches!(search.start, Start::Cursor(_)) && !(0..=most).contains(&count) {
        // RFC 9865 section 2.1; by index a negative count means 0, and too large a one the most
        // (RFC 7644 section 3.4.2.4).
        let detail = format!("count must be from 0 to {most} for a page by cursor");
        return Err(Error::invalid(Invalid::Count, detail));
    }
    let count = count.clamp(0, most);
    let query = Query::of(app, caller, &search);
    let begin = match &search.start {
        Start::Index(index) => Begin::Index(*index),
        Start::Cursor(text) => Begin::Cursor(query.open(app, text, count)?),
    };
    let is_together = search.sort.is_some() && (sources.len() > 1 || !sources[0].is_ordered());
    let mut tx = page::open(app, &sources, &begin).await?;
    let taken = if is_together {
        let direction = search.sort.map(|sort| sort.direction).unwrap_or_default();
        scan::sorted(&mut tx, app, &sources, &begin, direction, count).await?
    } else {
        match begin {
            Begin::Index(index) => {
                page::by_index(&mut tx, app, &sources, &query, index, count).await?
            }
            Begin::Cursor(from) => page::by_cursor(&mut tx, app, &sources, from, count).await?,
        }
    };
    let next = match search.start {
        Start::Index(index) => Next::Index(index),
        Start::Cursor(_) => {
            let made_at = app.clock.now();
            let sealed = taken
                .next
                .map(|(kind, after)| query.seal(app, kind, after, count, made_at));
            Next::Cursor(sealed.transpose()?)
        }
    };
    let resources = source::complete(&mut tx, &sources, taken.rows).await?;
    Ok(Page {
        total: taken.total,
        next,
        resources,
    })
}

/// Where a page begins, understood.
enum Begin {
    Index(i64),
    Cursor(Cursor),
}

/// What was taken for a page.
struct Taken {
    total: Option<i64>,
    /// The resources, each with the index of its source.
    rows: Vec<(usize, source::Row)>,
    /// Where the next page by cursor begins: in which source, and after what.
    next: Option<(usize, Option<Place>)>,
}

/// A resource in a list: what it is sorted by, where the list is, and its id.
type Place = (Option<Key>, Uuid);

/// What names a query: a page position of one is none of another.
struct Query {
    text: String,
    /// A short name that is good in this process alone.
    name: u64,
}

impl Query {
    fn of(app: &App, caller: &Caller, search: &Search) -> Self {
        use std::hash::BuildHasher;
        let kinds: Vec<_> = search.kinds.iter().map(|(kind, _)| &kind.name).collect();
        let place = caller.place();
        let text = format!(
            "{} {} {kinds:?} {:?} {:?}",
            place.workspace, place.directory, search.filter, search.sort
        );
        let name = app.page_names.hash_one(&text);
        Self { text, name }
    }

    fn open(&self, app: &App, text: &str, count: i64) -> Result<Cursor> {
        let now = app.clock.now();
        if text.is_empty() {
            return Ok(Cursor {
                kind: 0,
                after: None,
                key: None,
                count,
                made_at: now,
            });
        }
        if text.len() > cursor::BYTES {
            return Err(cursor::invalid());
        }
        let opened = app.keys.open_cursor(self.text.as_bytes(), text);
        let opened = opened.ok_or_else(cursor::invalid)?;
        Cursor::from_bytes(&opened, count, now)
    }

    fn seal(
        &self,
        app: &App,
        kind: usize,
        after: Option<Place>,
        count: i64,
        made_at: crate::clock::Timestamp,
    ) -> Result<String> {
        let (key, after) = after.map_or((None, None), |(key, id)| (key, Some(id)));
        let cursor = Cursor {
            kind,
            after,
            key,
            count,
            made_at,
        };
        app.keys
            .seal_cursor(self.text.as_bytes(), &cursor.to_bytes()?)
    }
}
