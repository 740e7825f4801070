//! Filters that the database cannot answer: rows are looked at one by one, a batch at a time, in
//! bounded memory and time.

use std::future::Future;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::App;
use crate::error::{Error, Invalid, Result};
use crate::store::tx::Tx;

/// Rows that are looked at in the order of their ids.
pub trait Rows {
    /// One of them.
    type Row: Send;

    /// Its id.
    fn id(row: &Self::Row) -> Uuid;

    /// The next few after that id, each with whether the filter selects it; none at the end.
    fn next(
        &self,
        tx: &mut Tx,
        after: Option<Uuid>,
    ) -> impl Future<Output = Result<Vec<(Self::Row, bool)>>> + Send;
}

/// When a request has looked long enough.
pub struct Deadline(Instant);

impl Deadline {
    /// The time that a search has from now on.
    pub fn of(app: &App) -> Self {
        let most = app.config.limits.search_milliseconds;
        Self(Instant::now() + Duration::from_millis(most))
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.0
    }

    /// [`Invalid::TooMany`] once it is over.
    pub fn check(&self) -> Result<()> {
        if self.is_over() {
            return Err(too_many(
                "the filter or order takes too long; add a comparison of an indexed attribute, \
                 or page by cursor",
            ));
        }
        Ok(())
    }
}

/// What a scan found before it had enough.
pub struct Part<R> {
    /// The rows that the filter selects.
    pub rows: Vec<R>,
    /// The last row that was looked at; none at the end of the list.
    pub stopped_at: Option<Uuid>,
}

/// How many rows the filter selects, and those of one page.
pub async fn window<S: Rows>(
    tx: &mut Tx,
    rows: &S,
    skip: i64,
    room: i64,
    deadline: &Deadline,
) -> Result<(i64, Vec<S::Row>)> {
    let (mut total, mut page) = (0_i64, Vec::new());
    let mut after = None;
    loop {
        let batch = rows.next(tx, after).await?;
        let Some((last, _)) = batch.last() else {
            return Ok((total, page));
        };
        after = Some(S::id(last));
        for (row, is_match) in batch {
            if is_match {
                total += 1;
                let is_room = i64::try_from(page.len()).is_ok_and(|kept| kept < room);
                if total > skip && is_room {
                    page.push(row);
                }
            }
        }
        deadline.check()?;
    }
}

/// The next few rows that the filter selects. When time is over, what was found so far is a page
/// too.
pub async fn some<S: Rows>(
    tx: &mut Tx,
    rows: &S,
    mut after: Option<Uuid>,
    room: i64,
    deadline: &Deadline,
) -> Result<Part<S::Row>> {
    let mut found = Vec::new();
    loop {
        let batch = rows.next(tx, after).await?;
        let Some((last, _)) = batch.last() else {
            return Ok(Part {
                rows: found,
                stopped_at: None,
            });
        };
        let last = S::id(last);
        after = Some(last);
        for (row, is_match) in batch {
            if is_match {
                let id = S::id(&row);
                found.push(row);
                if i64::try_from(found.len()).is_ok_and(|kept| kept >= room) {
                    return Ok(Part {
                        rows: found,
                        stopped_at: Some(id),
                    });
                }
            }
        }
        if deadline.is_over() {
            return Ok(Part {
                rows: found,
                stopped_at: Some(last),
            });
        }
    }
}

/// A request that would cost more than one may.
pub fn too_many(detail: &str) -> Error {
    Error::invalid(Invalid::TooMany, detail)
}
