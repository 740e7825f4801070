//! Numbers committed changes and extends the hash chain.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use tracing::Instrument;
use uuid::Uuid;

use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::WorkspaceId;
use crate::store::changes as rows;
use crate::store::changes::{Change, Head};
use crate::store::error::DbError;
use crate::store::tx::Tx;

/// How many changes a transaction numbers.
const BATCH: i64 = 1_000;
/// How far the clocks of two nodes may be apart.
const CLOCK_LEEWAY: Duration = Duration::from_mins(1);

/// Numbers what waits, one batch for each workspace; tells how many changes that were. The caller
/// holds the sequencer's lease; a second sequencer would do no harm but lose its batch.
pub async fn number(app: &App) -> Result<usize> {
    let mut tx = app.db.one().await?;
    let workspaces = rows::list_unnumbered_workspaces(&mut tx).await?;
    drop(tx);
    let (mut numbered, mut failed) = (0, None);
    for workspace in workspaces {
        let at = app.clock.now();
        let outcome = app
            .write(move |tx| Box::pin(async move { number_batch(tx, workspace, at).await }))
            .instrument(tracing::debug_span!(target: "otel", "number changes"))
            .await;
        match outcome {
            Ok(count) => numbered += count,
            // What is wrong with one workspace does not keep the others waiting.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    metrics::counter!("gatehouse_changes_numbered_total").increment(numbered as u64);
    failed.map_or(Ok(numbered), Err)
}

/// Numbers what happened in a workspace up to an instant: who asks how it was then waits for nobody.
pub async fn number_until(app: &App, workspace: WorkspaceId, until: Timestamp) -> Result<()> {
    loop {
        let mut tx = app.db.one().await?;
        let oldest = rows::list_unnumbered(&mut tx, workspace, 1).await?;
        drop(tx);
        if oldest.first().is_none_or(|oldest| oldest.at > until) {
            return Ok(());
        }
        let at = app.clock.now();
        app.write(move |tx| Box::pin(async move { number_batch(tx, workspace, at).await }))
            .await?;
    }
}

async fn number_batch(tx: &mut Tx, workspace: WorkspaceId, at: Timestamp) -> Result<usize> {
    let head = rows::find_head(tx, workspace)
        .await?
        .ok_or(DbError::NotFound)?;
    let mut waiting = rows::list_unnumbered(tx, workspace, BATCH).await?;
    if waiting.len() == usize::try_from(BATCH).unwrap_or(usize::MAX) {
        add_overtaken(tx, workspace, &mut waiting).await?;
    }
    let ordered = in_order(waiting);
    let mut end = head.clone();
    let mut numbers = Vec::with_capacity(ordered.len());
    for change in &ordered {
        end = Head {
            number: end.number + 1,
            hash: link(&end.hash, end.number + 1, change),
        };
        numbers.push((change.id, end.number, end.hash.clone()));
    }
    if !numbers.is_empty() && rows::update_head(tx, workspace, head.number, &end).await? {
        rows::update_numbers(tx, workspace, &numbers, at).await?;
        return Ok(numbers.len());
    }
    Ok(0)
}

/// A batch may end between two versions of a subject whose times are the wrong way round, because
/// the clocks of two nodes differ: those are taken in as well.
async fn add_overtaken(
    tx: &mut Tx,
    workspace: WorkspaceId,
    waiting: &mut Vec<Change>,
) -> Result<()> {
    let Some(last) = waiting.last() else {
        return Ok(());
    };
    let end = (last.at, last.id);
    let mut newest: HashMap<Uuid, i64> = HashMap::new();
    for change in waiting.iter() {
        if let Some(version) = change.subject_version {
            let newest = newest.entry(change.subject).or_insert(version);
            *newest = version.max(*newest);
        }
    }
    let subjects: Vec<Uuid> = newest.keys().copied().collect();
    let until = end.0.after(CLOCK_LEEWAY);
    let later = rows::list_later_versions(tx, workspace, &subjects, end, until).await?;
    waiting.extend(
        later
            .into_iter()
            .filter(|change| change.subject_version < newest.get(&change.subject).copied()),
    );
    Ok(())
}

/// Keeps the order of time and id between subjects, and of versions within each subject.
fn in_order(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_by_key(|change| (change.at, change.id));
    let mut places: HashMap<Uuid, Vec<usize>> = HashMap::new();
    for (at, change) in changes.iter().enumerate() {
        if change.subject_version.is_some() {
            places.entry(change.subject).or_default().push(at);
        }
    }
    let mut order: Vec<usize> = (0..changes.len()).collect();
    for places in places.into_values().filter(|places| places.len() > 1) {
        let mut by_version = places.clone();
        by_version.sort_by_key(|at| changes[*at].subject_version);
        for (place, at) in places.into_iter().zip(by_version) {
            order[place] = at;
        }
    }
    let mut slots: Vec<Option<Change>> = changes.into_iter().map(Some).collect();
    order
        .into_iter()
        .filter_map(|at| slots[at].take())
        .collect()
}

/// One link of the hash chain: the hash before it, the number and what the change says.
pub fn link(before: &[u8], number: i64, change: &Change) -> Vec<u8> {
    let mut hash = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(before);
    part(&number.to_be_bytes());
    part(change.id.0.as_bytes());
    part(change.kind.as_bytes());
    part(change.subject_kind.as_bytes());
    part(change.subject.as_bytes());
    part(&change.subject_version.unwrap_or(-1).to_be_bytes());
    part(change.directory.map_or(Uuid::nil(), |id| id.0).as_bytes());
    part(change.detail.as_bytes());
    part(change.person.map_or(Uuid::nil(), |id| id.0).as_bytes());
    part(change.sealed.as_deref().unwrap_or_default());
    part(change.request.0.as_bytes());
    part(change.credential.map_or(Uuid::nil(), |id| id.0).as_bytes());
    part(change.actor.as_deref().unwrap_or_default().as_bytes());
    part(change.method.as_deref().unwrap_or_default().as_bytes());
    part(change.path.as_deref().unwrap_or_default().as_bytes());
    part(&change.at.0.to_be_bytes());
    hash.finish().as_ref().to_vec()
}

/// The first record of a workspace's log that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// Its number.
    pub number: i64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Walks the hash chain of a workspace from its first change to its head; gives the first record
/// that breaks it. A tail that was cut off together with its head is not seen: a receipt shows it.
pub async fn verify_chain(app: &App, workspace: WorkspaceId) -> Result<Option<Bad>> {
    let mut tx = app.db.read().await?;
    let head = rows::find_head(&mut tx, workspace).await?;
    let mut end = start();
    let bad = |number, what| Ok(Some(Bad { number, what }));
    loop {
        let page = rows::list_numbered(&mut tx, workspace, end.number, BATCH).await?;
        if page.is_empty() {
            return match head {
                None => bad(end.number + 1, "the end of the log is not known any more"),
                Some(head) if head.number > end.number => bad(end.number + 1, "is missing"),
                Some(head) if head.number < end.number => {
                    bad(head.number + 1, "is beyond the end of the log")
                }
                Some(head) if head.hash != end.hash => {
                    bad(end.number, "is not what the end of the log says")
                }
                Some(_) => Ok(None),
            };
        }
        for numbered in page {
            let number = end.number + 1;
            if numbered.number != number {
                return bad(number, "is missing");
            }
            let hash = link(&end.hash, number, &numbered.change);
            if numbered.hash != hash {
                return bad(number, "was changed, or is not the one that stood there");
            }
            end = Head { number, hash };
        }
    }
}

/// The end of a log without a numbered change.
fn start() -> Head {
    Head {
        number: 0,
        hash: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Change, Uuid, in_order};
    use crate::changes::{Act, Origin};
    use crate::clock::Timestamp;
    use crate::ids::WorkspaceId;

    fn change(subject: Uuid, version: i64, at: i64) -> Change {
        let act = Act {
            origin: Origin::cli(),
            workspace: WorkspaceId::new(),
            directory: None,
            at: Timestamp(at),
        };
        act.change(
            "member.updated",
            ("member", subject),
            Some(version),
            &json!({}),
        )
    }

    #[test]
    fn versions_of_a_subject_ascend_even_when_clocks_differ() {
        let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
        let changes = vec![change(one, 3, 10), change(two, 7, 20), change(one, 2, 30)];
        let ordered: Vec<_> = in_order(changes)
            .iter()
            .map(|change| (change.subject, change.subject_version.unwrap_or(0)))
            .collect();
        assert_eq!(ordered, [(one, 2), (two, 7), (one, 3)]);
    }
}
