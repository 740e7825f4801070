//! Lists of members: pages in the order of their making, what filters select, and counts.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::api::Call;
use crate::mapping::Bench;
use crate::measure::{Figures, Taken, measure};
use crate::plans::Planned;

const PAGE: usize = 100;
/// How often a page is asked for.
const TIMES: usize = 20;

/// The lists while the rules of everybody are there.
pub(crate) async fn lists(
    bench: &Bench<'_>,
    planned: &Planned,
    figures: &mut Vec<Figures>,
) -> Result<()> {
    let team = format!("teams eq \"{}\"", planned.team);
    for (name, filter, least) in [
        ("members", "", 1.0),
        ("members of a team of all", team.as_str(), 1.0),
        ("members by the role of a tenth", "roles eq \"user\"", 0.1),
        ("members by status", "status eq \"active\"", 1.0),
    ] {
        pages(bench, (name, filter, least), figures).await?;
    }
    Ok(())
}

/// The first page, a walk, the last page and the first one with the count of all.
async fn pages(
    bench: &Bench<'_>,
    (name, filter, share): (&str, &str, f64),
    figures: &mut Vec<Figures>,
) -> Result<()> {
    let (api, watch) = (&bench.api, &bench.target.watch);
    let mut path = format!("/members?limit={PAGE}");
    if !filter.is_empty() {
        path.push_str("&filter=");
        path.extend(utf8_percent_encode(filter, NON_ALPHANUMERIC));
    }
    let scenario = format!("{name}: first page");
    let first = vec![Call::get(path.clone()); TIMES];
    api.run((watch, figures), &scenario, first).await?;
    let scenario = format!("{name}: a walk");
    let work = walk(bench, &path);
    let (figure, (seen, last)) = measure(watch, &scenario, 1, work).await?;
    figures.push(figure);
    let scenario = format!("{name}: last page");
    let last = vec![Call::get(last); TIMES];
    api.run((watch, figures), &scenario, last).await?;
    let scenario = format!("{name}: first page with the count");
    let counted = vec![Call::get(format!("{path}&count=true")); TIMES];
    let answers = api.run((watch, figures), &scenario, counted).await?;
    let answer: Value = serde_json::from_slice(&answers[0])?;
    let total = answer["total"].as_u64().context("it should be counted")?;
    ensure!(
        usize::try_from(total)? == seen,
        "a walk saw {seen} of {total}"
    );
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (listed, due) = (seen as f64, bench.users.len() as f64 * share);
    ensure!(
        listed >= due.floor(),
        "{name}: only {listed} where {due} are"
    );
    Ok(())
}

/// Goes through all pages; tells how many members there are, and the path of the last page.
async fn walk(bench: &Bench<'_>, path: &str) -> Result<Taken<(usize, String)>> {
    let started = Instant::now();
    let (mut latencies, mut seen) = (Vec::new(), 0);
    let mut at = path.to_owned();
    loop {
        let sent = Instant::now();
        let answer: Bytes = bench.api.send(&Call::get(at.clone())).await?;
        latencies.push(sent.elapsed());
        let page: Value = serde_json::from_slice(&answer)?;
        seen += page["items"].as_array().map_or(0, Vec::len);
        match page["next_cursor"].as_str() {
            Some(next) => at = format!("{path}&cursor={next}"),
            None => break,
        }
    }
    Ok(Taken {
        requests: latencies.len(),
        latencies,
        elapsed: started.elapsed(),
        result: (seen, at),
    })
}
