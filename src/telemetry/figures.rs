//! Gauges: what is read from memory when somebody looks, and what is read from the database now
//! and then.
//!
//! The figures of the database are read by every process on it, not by the one that does the
//! background work: whoever watches that work must not die with it.

use metrics::gauge;

use super::process;
use crate::app::App;
use crate::error::Result;
use crate::store::figures;

/// Sets the gauges that cost nothing: connections, queues, and the process itself.
pub fn observe(app: &App) {
    let pool = app.db.pool();
    gauge!("gatehouse_write_queue").set(number(pool.write_queue));
    gauge!("gatehouse_pool_connections_max").set(number(pool.max));
    gauge!("gatehouse_pool_connections").set(number(pool.open));
    gauge!("gatehouse_pool_connections_idle").set(number(pool.idle));
    gauge!("gatehouse_pool_waiting").set(number(pool.waiting));
    gauge!("gatehouse_request_log_queue").set(number(app.exchanges.waiting()));
    process::observe();
}

/// Reads the figures of the database. Where it does not answer they are not a number: unknown, and
/// not what they were.
pub async fn measure(app: &App) -> Result<()> {
    let read = read(app).await;
    let figures = read.as_ref().ok();
    let now = app.clock.now();
    let age = |at: crate::clock::Timestamp| now.0.saturating_sub(at.0).max(0);
    let values = [
        (
            "gatehouse_changes_unnumbered",
            figures.map(|it| it.unnumbered),
        ),
        ("gatehouse_runs_open", figures.map(|it| it.runs)),
        ("gatehouse_workspaces_unswept", figures.map(|it| it.unswept)),
        ("gatehouse_tokens_ending", figures.map(|it| it.ending)),
        ("gatehouse_workspaces_full", figures.map(|it| it.full)),
        ("gatehouse_members_waiting", figures.map(|it| it.waiting)),
        ("gatehouse_members_braked", figures.map(|it| it.braked)),
        ("gatehouse_workspaces", figures.map(|it| it.workspaces)),
        ("gatehouse_directories", figures.map(|it| it.directories)),
        ("gatehouse_users", figures.map(|it| it.users)),
        ("gatehouse_groups", figures.map(|it| it.groups)),
    ];
    for (name, value) in values {
        gauge!(name).set(value.map_or(f64::NAN, number));
    }
    let oldest = figures.map_or(f64::NAN, |it| number(it.oldest.map_or(0, age)) / 1e6);
    gauge!("gatehouse_changes_unnumbered_age_seconds").set(oldest);
    read.map(drop)
}

async fn read(app: &App) -> Result<figures::Figures> {
    let mut tx = app.db.one().await?;
    Ok(figures::find(&mut tx, app.clock.now()).await?)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a floating-point number"
)]
fn number(count: i64) -> f64 {
    count as f64
}
