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
            figures.map(|it| it.0.unnumbered),
        ),
        ("gatehouse_runs_open", figures.map(|it| it.0.runs)),
        (
            "gatehouse_workspaces_unswept",
            figures.map(|it| it.0.unswept),
        ),
        ("gatehouse_tokens_ending", figures.map(|it| it.0.ending)),
        ("gatehouse_workspaces", figures.map(|it| it.0.workspaces)),
        ("gatehouse_directories", figures.map(|it| it.0.directories)),
        ("gatehouse_users", figures.map(|it| it.0.users)),
        ("gatehouse_groups", figures.map(|it| it.0.groups)),
    ];
    for (name, value) in values {
        gauge!(name).set(value.map_or(f64::NAN, number));
    }
    let seconds = [
        (
            "gatehouse_changes_unnumbered_age_seconds",
            figures.map(|it| it.0.oldest.map_or(0, age)),
        ),
        ("gatehouse_clock_skew_seconds", figures.map(|it| it.1)),
    ];
    for (name, micros) in seconds {
        gauge!(name).set(micros.map_or(f64::NAN, |micros| number(micros) / 1e6));
    }
    read.map(drop)
}

async fn read(app: &App) -> Result<(figures::Figures, i64)> {
    let mut tx = app.db.one().await?;
    let figures = figures::find(&mut tx, app.clock.now()).await?;
    let before = app.clock.now();
    let theirs = tx.server_time().await?;
    let between = before.0.midpoint(app.clock.now().0);
    // The file of an embedded database has no clock of its own.
    let skew = theirs.map_or(0, |theirs| theirs.0 - between);
    Ok((figures, skew))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a floating-point number"
)]
fn number(count: i64) -> f64 {
    count as f64
}
