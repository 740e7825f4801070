//! Filters and orders that the database cannot answer: each resource is looked at, a batch at a
//! time, in bounded memory and time.

use std::collections::BinaryHeap;

use uuid::Uuid;

use super::source::{Row, Source};
use super::{Begin, Taken};
use crate::app::App;
use crate::app::scan::{Deadline, Rows, too_many};
use crate::error::Result;
use crate::scim::cursor;
use crate::scim::evaluate;
use crate::scim::filter::Filter;
use crate::scim::sort::{Direction, Key};
use crate::store::search::From;
use crate::store::tx::Tx;

/// How far into a sorted list a page by index may lie; a cursor goes further.
const WINDOW: i64 = 10_000;

impl Rows for Source {
    type Row = Row;

    fn id(row: &Row) -> Uuid {
        row.id()
    }

    async fn next(&self, tx: &mut Tx, after: Option<Uuid>) -> Result<Vec<(Row, bool)>> {
        let from = after.map_or(From::Skipping(0), |id| From::After(None, id));
        let batch = self.stream(tx, from).await?;
        matching(tx, self, batch).await
    }
}

async fn matching(tx: &mut Tx, source: &Source, batch: Vec<Row>) -> Result<Vec<(Row, bool)>> {
    let all = Filter::And(Vec::new());
    let filter = source.evaluated.as_ref().unwrap_or(&all);
    let wholes = source.wholes(tx, &batch).await?;
    let matches = wholes.iter().map(|whole| evaluate::matches(filter, whole));
    Ok(batch.into_iter().zip(matches.collect::<Vec<_>>()).collect())
}

/// A resource on its place in a sorted list.
#[derive(Debug, PartialEq, Eq)]
struct Placed {
    key: Key,
    id: Uuid,
    source: usize,
    direction: Direction,
}

impl Ord for Placed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.direction
            .apply(self.key.cmp(&other.key))
            .then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Placed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A page of a list that is sorted here: of all resources only the best so far are kept, by key
/// and id.
pub(super) async fn sorted(
    tx: &mut Tx,
    app: &App,
    sources: &[Source],
    begin: &Begin,
    direction: Direction,
    count: i64,
) -> Result<Taken> {
    let (skip, after) = match begin {
        Begin::Index(index) => (index - 1, None),
        Begin::Cursor(cursor) => match (&cursor.key, cursor.after) {
            (Some(key), Some(id)) => {
                let place = (key.clone(), id);
                (0, Some(placed(place, cursor.kind, direction)))
            }
            (None, None) => (0, None),
            _ => return Err(cursor::invalid()),
        },
    };
    let keep = skip.saturating_add(count).saturating_add(1);
    if count > 0 && keep > WINDOW {
        return Err(too_many(
            "a page that far into a list sorted by this attribute; page by cursor",
        ));
    }
    let keep = usize::try_from(keep).unwrap_or(0);
    let deadline = Deadline::of(app);
    let mut total = 0;
    let mut best: BinaryHeap<Placed> = BinaryHeap::new();
    for (at, source) in sources.iter().enumerate() {
        let mut from = From::Skipping(0);
        loop {
            let batch = source.stream(tx, from).await?;
            let Some(last) = batch.last().map(Row::id) else {
                break;
            };
            from = From::After(None, last);
            let wholes = source.wholes(tx, &batch).await?;
            for (row, whole) in batch.iter().zip(&wholes) {
                let is_match = source
                    .evaluated
                    .as_ref()
                    .is_none_or(|filter| evaluate::matches(filter, whole));
                if !is_match {
                    continue;
                }
                total += 1;
                let new = placed((source.key(whole), row.id()), at, direction);
                let is_ahead = after.as_ref().is_none_or(|after| new > *after);
                if is_ahead && count > 0 {
                    best.push(new);
                    if best.len() > keep {
                        best.pop();
                    }
                }
            }
            deadline.check()?;
        }
    }
    let mut best = best.into_sorted_vec();
    let mut page = best.split_off(usize::try_from(skip).unwrap_or(0).min(best.len()));
    let most = usize::try_from(count).unwrap_or(0);
    let is_more = page.len() > most;
    page.truncate(most);
    let next = page.last().filter(|_| is_more).map(|last| {
        let after = (Some(last.key.clone()), last.id);
        (last.source, Some(after))
    });
    Ok(Taken {
        total: Some(total),
        rows: read(tx, sources, page).await?,
        next,
    })
}

fn placed((key, id): (Key, Uuid), source: usize, direction: Direction) -> Placed {
    Placed {
        key,
        id,
        source,
        direction,
    }
}

/// The rows of a page, in its order.
async fn read(tx: &mut Tx, sources: &[Source], page: Vec<Placed>) -> Result<Vec<(usize, Row)>> {
    let mut found = std::collections::HashMap::new();
    for (at, source) in sources.iter().enumerate() {
        let own = page.iter().filter(|placed| placed.source == at);
        let ids: Vec<Uuid> = own.map(|placed| placed.id).collect();
        if !ids.is_empty() {
            let rows = source.list_by_ids(tx, &ids).await?;
            found.extend(rows.into_iter().map(|row| (row.id(), row)));
        }
    }
    let rows = page
        .into_iter()
        .filter_map(|placed| Some((placed.source, found.remove(&placed.id)?)));
    Ok(rows.collect())
}
