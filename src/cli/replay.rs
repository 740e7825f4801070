//! `gatehouse directory replay`: a request of the log is sent again.

use std::process::ExitCode;

use clap::Args;

use super::Settings;
use crate::changes::Origin;
use crate::directory::request_log;
use crate::error::Error;
use crate::http::scim::replay;
use crate::ids::RequestId;

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The request, by the id that its answer carried as X-Request-Id.
    #[arg(value_name = "ID")]
    request: RequestId,
    /// Do it; without this nothing of it is kept.
    #[arg(long)]
    for_real: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Replay {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let app = self.settings.open().await?;
        let mut found = None;
        for directory in request_log::directories(&app).await? {
            let entry = request_log::find(&app, directory, self.request).await?;
            found = found.or(entry);
        }
        let entry = found.ok_or(Error::NotFound("request"))?;
        let origin = Origin::cli();
        let done = replay::replay(&app, &origin, &entry, !self.for_real);
        let done = Box::pin(done).await?;
        self.settings.print(&done, || {
            let kept = if self.for_real {
                format!("it is request {} now", done.request)
            } else {
                "nothing of it was kept; --for-real does it".to_owned()
            };
            let mut lines = vec![format!(
                "{} before, {} now; {kept}",
                done.before, done.status
            )];
            lines.extend(done.answer["detail"].as_str().map(str::to_owned));
            let changes = done.changes.iter();
            lines.extend(changes.map(|change| format!("  {}  {}", change.kind, change.subject)));
            lines.join("\n")
        })?;
        app.db.close().await;
        Ok(ExitCode::SUCCESS)
    }
}
