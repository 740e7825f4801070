//! `gatehouse verify`: checks over the whole database, by the number of the promise.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{Settings, table};
use crate::admission::check;
use crate::app::App;
use crate::changes::receipts::{self, Receipt};
use crate::changes::sequencer::verify_chain;
use crate::directory::{self, request_log};
use crate::error::Result;
use crate::store::verify::{CHECKS, OWNED, count_faults, count_ownerless};
use crate::workspace;

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A receipt that `verify` or `backup` printed: the log must still hold what it says.
    #[arg(long = "receipt", value_name = "SLUG:NUMBER:HASH")]
    receipts: Vec<Receipt>,
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
    /// The first of them, where it has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    /// Where the log of each workspace ends now, to be kept elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    receipts: Vec<Receipt>,
}

impl Finding {
    fn new(promise: u8, holds: impl Into<String>, faults: i64) -> Self {
        Self {
            promise,
            holds: holds.into(),
            faults,
            first: None,
            receipts: Vec::new(),
        }
    }
}

impl Verify {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let app = self.settings.open().await?;
        let mut findings = verify(&app).await?;
        findings.extend(receipted(&app, &self.receipts).await?);
        let is_clean = findings.iter().all(|finding| finding.faults == 0);
        self.settings.print(&findings, || {
            let rows = findings.iter().map(|finding| {
                let outcome = match finding.faults {
                    0 => "holds".to_owned(),
                    faults => match &finding.first {
                        Some(first) => format!("{faults} faults: {first}"),
                        None => format!("{faults} faults"),
                    },
                };
                vec![finding.promise.to_string(), finding.holds.clone(), outcome]
            });
            let receipts = findings.iter().flat_map(|finding| &finding.receipts);
            let receipts = receipts.map(|receipt| format!("receipt {receipt}"));
            let text = table(&["promise", "what must hold", ""], rows);
            std::iter::once(text)
                .chain(receipts)
                .collect::<Vec<_>>()
                .join("\n")
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
        let holds = format!("every row of {table} belongs to a workspace");
        let faults = count_ownerless(&mut tx, table).await?;
        findings.push(Finding::new(1, holds, faults));
    }
    drop(tx);
    findings.push(Finding::new(
        1,
        "every request that is logged belongs to a directory of its workspace",
        count_foreign_logs(app).await?,
    ));
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
        let faults = count_faults(&mut tx, check).await?;
        findings.push(Finding::new(check.promise, check.holds, faults));
    }
    let mut broken = Vec::new();
    let mut unsettled = 0;
    for workspace in workspace::list(app).await? {
        unsettled += check::count_unsettled(app, workspace.id).await?;
        if let Some(bad) = verify_chain(app, workspace.id).await? {
            broken.push(format!(
                "{}: change {} {}",
                workspace.slug, bad.number, bad.what
            ));
        }
    }
    findings.push(Finding::new(
        4,
        "members have what the live rules want, or a run or sweep is due",
        unsettled,
    ));
    let faults = i64::try_from(broken.len()).unwrap_or(i64::MAX);
    let mut chain = Finding::new(7, "the hash chain of every workspace is whole", faults);
    chain.first = broken.into_iter().next();
    chain.receipts = receipts::list(&mut app.db.one().await?).await?;
    findings.push(chain);
    Ok(findings)
}

/// Whether the logs still hold what receipts say: a tail that was cut off with the head is found by
/// them alone.
async fn receipted(app: &App, given: &[Receipt]) -> Result<Option<Finding>> {
    if given.is_empty() {
        return Ok(None);
    }
    let mut tx = app.db.one().await?;
    let mut finding = Finding::new(7, "the logs hold what the receipts say", 0);
    for receipt in given {
        if !receipts::holds(&mut tx, receipt).await? {
            finding.faults += 1;
            let told = || format!("{}: change {}", receipt.workspace, receipt.number);
            finding.first.get_or_insert_with(told);
        }
    }
    Ok(Some(finding))
}
