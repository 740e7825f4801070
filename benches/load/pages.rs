//! Walks through everybody, by page number and by cursor.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use gatehouse::virtual_idp::Request;
use serde_json::Value;

use crate::measure::{Figures, Taken, measure};
use crate::scenarios::Target;

const PAGE: usize = 100;

/// One walk by page number and one by cursor, each in three parts, then jumps to pages nobody asked
/// for before.
pub(crate) async fn walk(target: &Target, figures: &mut Vec<Figures>) -> Result<()> {
    let everybody = target
        .client
        .exchange(&Request::get("/Users?count=0"))
        .await?;
    let total = everybody.json()["totalResults"]
        .as_u64()
        .context("a list should say how many there are")?;
    let total = usize::try_from(total)?;
    let page = |index: usize| Request::get(format!("/Users?startIndex={index}&count={PAGE}"));
    let mut walk: Vec<Request> = (1..=total).step_by(PAGE).map(page).collect();
    let pages = walk.len();
    let tenth = (pages / 10).max(1);
    let last = walk.split_off(pages - tenth);
    let middle = walk.split_off(tenth.min(walk.len()));
    for (part, requests) in [
        ("first tenth", walk),
        ("middle", middle),
        ("last tenth", last),
    ] {
        if !requests.is_empty() {
            let scenario = format!("list page of {PAGE}: {part} of a walk");
            target.run(figures, &scenario, 1, requests).await?;
        }
    }
    let mut cursor = String::new();
    for (part, pages) in [
        ("first tenth", tenth),
        ("middle", pages.saturating_sub(2 * tenth)),
        ("last tenth", tenth),
    ] {
        if pages > 0 {
            let scenario = format!("list page of {PAGE}: {part} by cursor");
            let work = follow(target, &mut cursor, pages);
            figures.push(measure(&target.watch, &scenario, 1, work).await?.0);
        }
    }
    ensure!(cursor.is_empty(), "the walk by cursor should have ended");
    // 7919 is prime, so that the jumps spread over the directory.
    let jumps = (1..=20).map(|jump| page(jump * 7919 % total + 1));
    let scenario = format!("list page of {PAGE}: cold jumps");
    target.run(figures, &scenario, 1, jumps.collect()).await?;
    Ok(())
}

/// So many pages from a cursor on; leaves the next one, empty after the last page.
async fn follow(target: &Target, cursor: &mut String, pages: usize) -> Result<Taken<()>> {
    let started = Instant::now();
    let mut latencies = Vec::with_capacity(pages);
    for _ in 0..pages {
        let request = Request::get(format!("/Users?cursor={cursor}&count={PAGE}"));
        let sent = Instant::now();
        let answer = target.client.exchange(&request).await?;
        latencies.push(sent.elapsed());
        ensure!(answer.status.is_success(), "answered {}", answer.status);
        let body: Value = serde_json::from_slice(&answer.body)?;
        cursor.clear();
        cursor.push_str(body["nextCursor"].as_str().unwrap_or_default());
    }
    Ok(Taken {
        requests: pages,
        latencies,
        elapsed: started.elapsed(),
        result: (),
    })
}
