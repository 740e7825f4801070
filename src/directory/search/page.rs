//! Pages of one resource type after the other.

use super::source::{Row, Source};
use super::{Begin, Cursor, Query, Taken};
use crate::app::App;
use crate::app::scan::{self, Deadline};
use crate::error::Result;
use crate::scim::cursor;
use crate::store::search::From;
use crate::store::tx::Tx;

/// A connection to read with. A look-up of the few needs no snapshot, since its total is what it
/// finds.
pub(super) async fn open(app: &App, sources: &[Source], begin: &Begin) -> Result<Tx> {
    let is_narrow = |source: &Source| source.condition.as_ref().is_some_and(|it| it.is_narrow);
    match (sources, begin) {
        ([source], Begin::Index(1)) if is_narrow(source) => Ok(app.db.one().await?),
        _ => Ok(app.db.read().await?),
    }
}

/// The page at a place.
pub(super) async fn by_index(
    tx: &mut Tx,
    app: &App,
    sources: &[Source],
    query: &Query,
    index: i64,
    count: i64,
) -> Result<Taken> {
    let (mut skip, mut total) = (index - 1, 0);
    let mut rows: Vec<(usize, Row)> = Vec::new();
    let deadline = Deadline::of(app);
    for (at, source) in sources.iter().enumerate() {
        let taken = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let room = count - taken;
        let (selected, found) = if source.evaluated.is_some() {
            scan::window(tx, source, skip, room, &deadline).await?
        } else {
            // Where the last page of this very query ended, this one begins.
            let known = (sources.len() == 1 && index > 1)
                .then(|| app.pages.get(&(query.name, index)))
                .flatten();
            let from = known.map_or(From::Skipping(skip), |(key, id)| From::After(key, id));
            let found = source.list(tx, from, room).await?;
            let length = i64::try_from(found.len()).unwrap_or(i64::MAX);
            // A page that is not full has none after it.
            if let (Some(last), [_], true) = (found.last(), sources, length == room) {
                let next = index.saturating_add(length);
                let end = (source.order_key(last), last.id());
                app.pages.insert((query.name, next), end);
            }
            let is_all = skip == 0 && length < room;
            let selected = if is_all {
                length
            } else {
                source.count(tx).await?
            };
            (selected, found)
        };
        rows.extend(found.into_iter().map(|row| (at, row)));
        total += selected;
        skip = (skip - selected).max(0);
    }
    Ok(Taken {
        total: Some(total),
        rows,
        next: None,
    })
}

/// The page after a cursor.
pub(super) async fn by_cursor(
    tx: &mut Tx,
    app: &App,
    sources: &[Source],
    cursor: Cursor,
    count: i64,
) -> Result<Taken> {
    if cursor.kind >= sources.len() {
        return Err(cursor::invalid());
    }
    let mut taken = Taken {
        total: total(tx, sources).await?,
        rows: Vec::new(),
        next: None,
    };
    if count == 0 {
        return Ok(taken);
    }
    let deadline = Deadline::of(app);
    let mut after = cursor.after.map(|id| (cursor.key.clone(), id));
    for (at, source) in sources.iter().enumerate().skip(cursor.kind) {
        let room = count - i64::try_from(taken.rows.len()).unwrap_or(count);
        if room <= 0 {
            taken.next = Some((at, None));
            return Ok(taken);
        }
        let after = after.take();
        if source.evaluated.is_some() {
            let after = after.map(|(_, id)| id);
            let found = scan::some(tx, source, after, room, &deadline).await?;
            taken
                .rows
                .extend(found.rows.into_iter().map(|row| (at, row)));
            if let Some(id) = found.stopped_at {
                taken.next = Some((at, Some((None, id))));
                return Ok(taken);
            }
            continue;
        }
        let from = match after {
            Some((key, id)) => From::After(key, id),
            None => From::Skipping(0),
        };
        // One more than fits tells whether there is another page.
        let mut found = source.list(tx, from, room + 1).await?;
        let is_more = i64::try_from(found.len()).is_ok_and(|found| found > room);
        if is_more {
            found.pop();
            let end = found.last().map(|row| (source.order_key(row), row.id()));
            taken.next = Some((at, end));
        }
        taken.rows.extend(found.into_iter().map(|row| (at, row)));
        if is_more {
            return Ok(taken);
        }
    }
    Ok(taken)
}

/// How many resources there are on all pages, where the database can tell: to find it out by
/// looking at each would make every page as dear as the whole list (RFC 9865 section 2).
async fn total(tx: &mut Tx, sources: &[Source]) -> Result<Option<i64>> {
    if sources.iter().any(|source| source.evaluated.is_some()) {
        return Ok(None);
    }
    let mut total = 0;
    for source in sources {
        total += source.count(tx).await?;
    }
    Ok(Some(total))
}
