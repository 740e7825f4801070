//! How many requests a second a workspace may make, over all nodes together.

use std::time::Duration;

use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::WorkspaceId;
use crate::store::quotas;

/// Counts a request against `rate` a second, kept in the database so that every node counts the
/// same; [`Error::TooManyRequests`] above it. A second's worth may come at once.
pub async fn take(app: &App, workspace: WorkspaceId, rate: u32) -> Result<()> {
    let now = app.clock.now();
    let interval = 1_000_000 / i64::from(rate.max(1));
    let is_within = app
        .write(move |tx| {
            Box::pin(async move { Ok(quotas::take(tx, workspace, now, interval).await?) })
        })
        .await?;
    if is_within {
        Ok(())
    } else {
        Err(Error::TooManyRequests {
            retry_after: Duration::from_secs(1),
        })
    }
}
