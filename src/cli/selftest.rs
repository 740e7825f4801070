//! `gatehouse selftest`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::{print_line, serve};
use crate::virtual_idp::selftest::{self, CaseReport, Options, Profile, Report, Verdict};

#[derive(Debug, Args)]
pub(super) struct Selftest {
    /// Where the SCIM service is, as an identity provider is given it.
    #[arg(long, value_name = "URL", required_unless_present = "list")]
    base_url: Option<String>,
    /// The bearer token; other users of this machine can see it here, but not in the environment
    /// or a file.
    #[arg(
        long,
        env = "GATEHOUSE_SELFTEST_TOKEN",
        hide_env_values = true,
        required_unless_present_any = ["token_file", "list"]
    )]
    token: Option<String>,
    /// A file that holds the token.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// As whose client: `rfc`, `entra` or `okta`.
    #[arg(long)]
    profile: Profile,
    /// Run only this case; may be given several times.
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
    /// List the profile's cases and run none.
    #[arg(long)]
    list: bool,
    /// How many seconds an answer may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Also write the report as `JUnit` XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Selftest {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        if self.list {
            return self.list();
        }
        let options = Options {
            base_url: self.base_url.clone().unwrap_or_default(),
            token: self.token()?,
            profile: self.profile,
            only: self.only.clone(),
            timeout: Duration::from_secs(self.timeout),
        };
        let mut broken = Ok(());
        let report = selftest::run(&options, &serve::stopped(), |case| {
            if !self.json && broken.is_ok() {
                broken = print_line(line(case));
            }
        })
        .await?;
        broken?;
        if let Some(file) = &self.junit {
            std::fs::write(file, report.to_junit()?)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        print_line(if self.json {
            serde_json::to_string_pretty(&report)?
        } else {
            summary(&report)
        })?;
        if let Some(reason) = &report.aborted {
            anyhow::bail!("the run ended early: {reason}");
        }
        Ok(if report.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(5)
        })
    }

    fn list(&self) -> anyhow::Result<ExitCode> {
        let cases: Vec<_> = selftest::cases(self.profile).collect();
        print_line(if self.json {
            let cases = cases
                .iter()
                .map(|case| serde_json::json!({"id": case.id, "name": case.name}));
            serde_json::to_string_pretty(&cases.collect::<Vec<_>>())?
        } else {
            let lines = cases
                .iter()
                .map(|case| format!("{:15} {}", case.id, case.name));
            lines.collect::<Vec<_>>().join("\n")
        })?;
        Ok(ExitCode::SUCCESS)
    }

    fn token(&self) -> anyhow::Result<String> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        let file = self.token_file.as_deref().context("expected a token")?;
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        Ok(text.trim().to_owned())
    }
}

/// One case: a line, and what decided below it where it failed.
fn line(case: &CaseReport) -> String {
    let verdict = match case.verdict {
        Verdict::Passed => "ok  ",
        Verdict::Failed => "FAIL",
        Verdict::Skipped => "skip",
    };
    let mut text = format!("{verdict}  {:15} {}", case.id, case.name);
    if let Some(reason) = &case.reason {
        text.push_str("\n        ");
        text.push_str(reason);
    }
    if case.verdict == Verdict::Failed
        && let Some(exchange) = &case.exchange
    {
        for line in exchange.to_string().lines() {
            text.push_str("\n        ");
            text.push_str(line);
        }
    }
    text
}

/// The last lines: counts, and what is left behind.
fn summary(report: &Report) -> String {
    let cleanup = &report.cleanup;
    let mut text = format!(
        "\n{} passed, {} failed, {} skipped by {} requests in {:.1} s as {}; {} of {} resources removed",
        report.passed,
        report.failed,
        report.skipped,
        report.requests,
        report.seconds,
        report.profile,
        cleanup.removed,
        cleanup.made,
    );
    for path in &cleanup.left {
        text.push_str("\nleft behind: ");
        text.push_str(path);
    }
    text
}
