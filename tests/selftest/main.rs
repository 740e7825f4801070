//! The self test: every profile passes against the real gateway, and every fault that is built into
//! a server is found by the cases that are about it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod command;
#[path = "../support/database.rs"]
mod database;
mod faults;
mod proxy;
mod service;

use std::time::Duration;

use gatehouse::directory::DirectoryKind;
use gatehouse::virtual_idp::selftest::{self, CaseReport, Options, Profile, Report, Verdict};
use service::Service;
use tokio_util::sync::CancellationToken;

/// Runs cases of a profile, all if none is named.
pub(crate) async fn run(base_url: &str, token: &str, profile: Profile, only: &[&str]) -> Report {
    let options = options(base_url, token, profile, only);
    selftest::run(&options, &CancellationToken::new(), |_| {})
        .await
        .unwrap()
}

fn options(base_url: &str, token: &str, profile: Profile, only: &[&str]) -> Options {
    Options {
        base_url: base_url.to_owned(),
        token: token.to_owned(),
        profile,
        only: only.iter().map(|id| (*id).to_owned()).collect(),
        timeout: Duration::from_secs(30),
    }
}

/// The cases that failed, with why and by what.
pub(crate) fn failures(report: &Report) -> Vec<String> {
    let told = |case: &CaseReport| {
        let exchange = case.exchange.as_ref().map(ToString::to_string);
        format!(
            "{} {}: {}\n{}",
            case.id,
            case.name,
            case.reason.clone().unwrap_or_default(),
            exchange.unwrap_or_default()
        )
    };
    let failed = report
        .cases
        .iter()
        .filter(|case| case.verdict == Verdict::Failed);
    failed.map(told).collect()
}

async fn passes(kind: DirectoryKind, profile: Profile) {
    let service = Service::new(kind).await;
    let report = run(&service.base_url, &service.token, profile, &[]).await;
    assert_eq!(failures(&report), Vec::<String>::new());
    assert!(report.passed > 60, "{} passed", report.passed);
    let skipped = report
        .cases
        .iter()
        .filter(|case| case.verdict == Verdict::Skipped);
    for case in skipped {
        // A young directory has no hundred users; all else is offered.
        assert_eq!(case.id, "13-15f", "{:?}", case.reason);
    }
    assert!(report.cleanup.made > 50);
    assert_eq!(report.cleanup.left, Vec::<String>::new());
    assert_eq!(
        service.totals().await,
        (0, 0),
        "everything that was made is gone"
    );
}

#[tokio::test]
async fn the_gateway_passes_as_the_rfcs_have_it() {
    passes(DirectoryKind::Generic, Profile::Rfc).await;
}

#[tokio::test]
async fn the_gateway_passes_as_entra_wants_it() {
    passes(DirectoryKind::Entra, Profile::Entra).await;
}

#[tokio::test]
async fn the_gateway_passes_as_okta_wants_it() {
    passes(DirectoryKind::Okta, Profile::Okta).await;
}
