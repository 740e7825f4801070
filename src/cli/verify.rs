//! `gatehouse verify`: checks over the whole database, by the number of the promise.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{Settings, table};
use crate::admission::check;
use crate::app::App;
use crate::changes::sequencer::verify_chain;
use crate::directory::{self, request_log};
use crate::error::Result;
use crate::store::verify::{CHECKS, OWNED, count_faults, count_ownerless};
use crate::workspace;

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    settings: Settings,
}

/// What a check found.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// The number of the promise.
    promise: u8,
    /// What must hold.
    pub(super) holds: String,
    /// How many times it does not.
    pub(super) faults: i64,
}

impl Verify {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let app = self.settings.open().await?;
        let findings = verify(&app).await?;
        let is_clean = findings.iter().all(|finding| finding.faults == 0);
        self.settings.print(&findings, || {
            let rows = findings.iter().map(|finding| {
                let outcome = match finding.faults {
                    0 => "holds".to_owned(),
                    faults => format!("{faults} faults"),
                };
                vec![finding.promise.to_string(), finding.holds.clone(), outcome]
            });
            table(&["promise", "what must hold", ""], rows)
        })?;
        Ok(if is_clean {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(5)
        })
    }
}

/// Rows that belong to no workspace: table by table.
pub(super) async fn ownerless(app: &App) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut tx = app.db.read().await?;
    for table in OWNED {
        findings.push(Finding {
            promise: 1,
            holds: format!("every row of {table} belongs to a workspace"),
            faults: count_ownerless(&mut tx, table).await?,
        });
    }
    drop(tx);
    findings.push(Finding {
        promise: 1,
        holds: "every request that is logged belongs to a directory of its workspace".to_owned(),
        faults: count_foreign_logs(app).await?,
    });
    Ok(findings)
}

/// The request log may lie in a file of its own, which no statement can hold against the database.
async fn count_foreign_logs(app: &App) -> Result<i64> {
    let mut count = 0;
    for (workspace, logged) in request_log::directories(app).await? {
        let known = directory::list(app, workspace).await?;
        if !known.iter().any(|directory| directory.id == logged) {
            count += 1;
        }
    }
    Ok(count)
}

/// Runs every check, each on a snapshot of its own.
pub(super) async fn verify(app: &App) -> Result<Vec<Finding>> {
    let mut findings = ownerless(app).await?;
    for check in CHECKS {
        let mut tx = app.db.read().await?;
        findings.push(Finding {
            promise: check.promise,
            holds: check.holds.to_owned(),
            faults: count_faults(&mut tx, check).await?,
        });
    }
    let mut broken = 0;
    let mut unsettled = 0;
    for workspace in workspace::list(app).await? {
        unsettled += check::count_unsettled(app, workspace.id).await?;
        if !verify_chain(app, workspace.id).await? {
            broken += 1;
        }
    }
    findings.push(Finding {
        promise: 4,
        holds: "members have what the live rules want, or a run or sweep is due".to_owned(),
        faults: unsettled,
    });
    findings.push(Finding {
        promise: 7,
        holds: "the hash chain of every workspace is whole".to_owned(),
        faults: broken,
    });
    Ok(findings)
}
