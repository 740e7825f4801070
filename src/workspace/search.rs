//! Members that a filter in the SCIM language selects, in the names that their JSON has
//! (`schemas/member.json`). What has a column the database answers; the rest is looked at one by one.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use super::members::{self, Full, Listed, Member};
use crate::app::App;
use crate::app::scan::{self, Deadline, Rows};
use crate::error::{Error, Invalid, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::scim::evaluate;
use crate::scim::filter::{self, Filter};
use crate::scim::schema;
use crate::store::details;
use crate::store::filter_sql::Condition;
use crate::store::member_search::{self as rows, Selection};
use crate::store::tx::Tx;

pub use crate::store::member_search::{By, Order, Spot};

/// How many members are looked at in a statement.
const BATCH: i64 = 200;

/// The orders by their names, which are those of the fields.
pub const BY: [(&str, By); 4] = [
    ("created_at", By::Made),
    ("display_name", By::DisplayName),
    ("email", By::Email),
    ("status", By::Status),
];

impl FromStr for By {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = BY.into_iter().find(|(name, _)| *name == text);
        let found = found.map(|(_, by)| by);
        found.ok_or_else(|| {
            let names = BY.map(|(name, _)| name).join(", ");
            Error::value(format!("sortBy must be one of {names}"))
        })
    }
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The filter's text; without one, whoever is not removed.
    pub filter: Option<String>,
    /// The order of the members.
    pub order: Order,
    /// The place before the page.
    pub after: Option<Spot>,
    /// How many members the page has at most.
    pub most: usize,
    /// Whether to tell how many there are on all pages.
    pub counts: bool,
}

/// A page of members.
#[derive(Debug, Clone)]
pub struct Found {
    /// The members.
    pub members: Vec<Listed>,
    /// After which place the next page begins; none where this is the last.
    pub next: Option<Spot>,
    /// How many there are on all pages, where that was asked for.
    pub total: Option<i64>,
}

/// A page of the members that a filter selects. Those who are removed are left out, unless the
/// filter speaks of `status`. A page may be short, or empty, before the last one: where a filter is
/// rare it ends when its time is over. To count by such a filter may be [`Invalid::TooMany`].
pub async fn search(app: &App, workspace: WorkspaceId, search: Search) -> Result<Found> {
    let filter = search.filter.as_deref().map(parse).transpose()?;
    let with_removed = filter
        .as_ref()
        .is_some_and(|filter| filter.mentions(|name| name == "status"));
    let condition = filter.as_ref().map(|filter| {
        if with_removed {
            Condition::of_all_members(filter)
        } else {
            Condition::of_members(filter)
        }
    });
    let selection = Selection {
        workspace,
        condition: condition.as_ref(),
        with_removed,
    };
    let evaluated = filter.as_ref();
    let evaluated = evaluated.filter(|_| condition.as_ref().is_some_and(|it| !it.is_exact));
    let room = i64::try_from(search.most).unwrap_or(i64::MAX);
    let mut tx = app.db.read().await?;
    let names = members::names(&mut tx, workspace).await?;
    let deadline = Deadline::of(app);
    let (page, next, total) = match evaluated {
        Some(filter) => {
            let mut scanned = Scanned::new(selection, filter, &names);
            scanned.order = search.order;
            let mut total = None;
            if search.counts {
                total = Some(scan::window(&mut tx, &scanned, 0, 0, &deadline).await?.0);
            }
            let after = search.after.as_ref().map(|spot| spot.id.0);
            scanned.first = Mutex::new(search.after.clone());
            let found = scan::some(&mut tx, &scanned, after, room, &deadline).await?;
            let next = match found.stopped_at {
                Some(id) => spot(&mut tx, workspace, search.order, MemberId(id)).await?,
                None => None,
            };
            (found.rows, next, total)
        }
        None => {
            let mut total = None;
            if search.counts {
                total = Some(rows::count(&mut tx, selection).await?);
            }
            // One more than fits tells whether there is another page.
            let more = room.saturating_add(1);
            let (order, after) = (search.order, search.after.as_ref());
            let mut found = rows::list_in_order(&mut tx, selection, order, after, more).await?;
            let is_more = found.len() > search.most;
            found.truncate(search.most);
            let next = match found.last().filter(|_| is_more) {
                Some(last) => spot(&mut tx, workspace, search.order, last.id).await?,
                None => None,
            };
            (found, next, total)
        }
    };
    Ok(Found {
        members: members::with_rights(&mut tx, workspace, &names, page).await?,
        next,
        total,
    })
}

/// Where a member is in an order.
async fn spot(
    tx: &mut Tx,
    workspace: WorkspaceId,
    order: Order,
    id: MemberId,
) -> Result<Option<Spot>> {
    if order.by == By::Made {
        let key = String::new();
        return Ok(Some(Spot { key, id }));
    }
    Ok(rows::find_spot(tx, workspace, order, id).await?)
}

/// Reads a filter over members.
fn parse(text: &str) -> Result<Filter> {
    let filter = filter::parse(text, schema::member())?;
    // What every resource of SCIM has, and no member.
    if filter.mentions(|name| matches!(name, "schemas" | "externalId" | "meta")) {
        let detail = "the filter names an attribute that members do not have";
        return Err(Error::invalid(Invalid::Filter, detail));
    }
    Ok(filter)
}

/// Members that the evaluator looks at.
struct Scanned<'a> {
    selection: Selection<'a>,
    filter: &'a Filter,
    names: &'a HashMap<Uuid, String>,
    order: Order,
    /// The place before the page, as it was when that page was made.
    first: Mutex<Option<Spot>>,
    /// Whether what stands in other rows must be known to decide.
    needs_rights: bool,
    needs_details: bool,
    needs_directories: bool,
}

impl<'a> Scanned<'a> {
    fn new(selection: Selection<'a>, filter: &'a Filter, names: &'a HashMap<Uuid, String>) -> Self {
        Self {
            selection,
            filter,
            names,
            order: Order::default(),
            first: Mutex::default(),
            needs_rights: filter
                .mentions(|name| matches!(name, "teams" | "roles" | "permissions" | "access")),
            needs_details: filter.mentions(|name| {
                matches!(
                    name,
                    "user_id"
                        | "phone"
                        | "line"
                        | "language"
                        | "time_zone"
                        | "manager"
                        | "picture"
                        | "invited_at"
                        | "activated_at"
                        | "suspended_at"
                        | "removed_at"
                )
            }),
            needs_directories: filter.mentions(|name| name == "directories"),
        }
    }

    /// Members as their JSON shows them, as far as the filter looks.
    async fn wholes(&self, tx: &mut Tx, page: &[Member]) -> Result<Vec<Full>> {
        let workspace = self.selection.workspace;
        let ids: Vec<MemberId> = page.iter().map(|member| member.id).collect();
        let listed: Vec<Listed> = if self.needs_rights {
            members::with_rights(tx, workspace, self.names, page.to_vec()).await?
        } else {
            page.iter().cloned().map(Listed::from).collect()
        };
        let mut kept = HashMap::new();
        if self.needs_details {
            let found = details::list_shown(tx, workspace, &ids).await?;
            kept.extend(found.into_iter().map(|of| (of.id, of.details)));
        }
        let mut directories: HashMap<MemberId, Vec<String>> = HashMap::new();
        if self.needs_directories {
            for (member, name) in details::list_directories(tx, workspace, &ids).await? {
                directories.entry(member).or_default().push(name);
            }
        }
        let wholes = page.iter().cloned().zip(listed).map(|(member, listed)| {
            let details = kept.remove(&member.id).unwrap_or_default();
            let directories = directories.remove(&member.id).unwrap_or_default();
            Full::of(member, listed, details, directories)
        });
        Ok(wholes.collect())
    }
}

impl Rows for Scanned<'_> {
    type Row = Member;

    fn id(row: &Member) -> Uuid {
        row.id.0
    }

    async fn next(&self, tx: &mut Tx, after: Option<Uuid>) -> Result<Vec<(Member, bool)>> {
        // The member may be elsewhere by now, and come by once more.
        let first = self
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let after = match (after.map(MemberId), first) {
            (Some(id), Some(first)) if first.id == id => Some(first),
            (Some(id), _) => spot(tx, self.selection.workspace, self.order, id).await?,
            (None, _) => None,
        };
        let (of, after) = (self.selection, after.as_ref());
        let page = rows::list_in_order(tx, of, self.order, after, BATCH).await?;
        let wholes = self.wholes(tx, &page).await?;
        let mut looked_at = Vec::with_capacity(page.len());
        for (member, whole) in page.into_iter().zip(wholes) {
            let whole = serde_json::to_value(whole).map_err(Error::internal)?;
            looked_at.push((member, evaluate::matches(self.filter, &whole)));
        }
        Ok(looked_at)
    }
}
