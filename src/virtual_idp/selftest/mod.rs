//! The virtual clients as a conformance check against any SCIM service.
//!
//! Owns the cases, their run and its report. A case sends what an identity provider, its
//! conformance suite or RFC 7643 and 7644 would send, and looks from outside at what became of it.
//! Every case makes resources of its own with names nothing else has, and touches no other; what
//! was made is removed at the end of the run. What a service does not advertise is skipped.
//!
//! Ids: `12.1-…` and `P…` the mandatory and preview tests of Microsoft's validator, `12.2-…` its
//! gallery set, `12.3-…` its request collections, `12.4-…` to `12.6-…` Okta's test suites,
//! `C…` Okta's manual test plan, `13-…` what follows from all of them for a service, `7643-…`,
//! `7644-…` and `9865-…` the section of the RFC. A letter tells the facts of one line apart.
//!
//! Not checkable from outside, and therefore no case:
//! - how fast a service is over time, how it limits callers, its 429 and 500 (13-12, 13-18), and
//!   413 other than by Bulk: nobody wants to be flooded by a check;
//! - several live tokens, the life of a token, rotation, revocation and federated sign-in (13-23,
//!   12.2 "validate credentials" and "federated identity", C9341, C21902): they need the service's
//!   admin and an identity provider; of 13-23 only the token without a scheme word is tried;
//! - what is logged, as that a password is not (13-20), and that an attribute has an index or that
//!   excluded members are not read (13-16, 13-17);
//! - that an old password stops (C9301, C9302): it takes a login;
//! - what an identity provider does by itself: steps 1, 2, 3, 5, 7, 9, 10 and 12 of 12.5, C9295 and
//!   C9300 (suspending sends nothing), C9319, C9320, C9323 to C9329 and C9331 (rules and bulk edits
//!   end in the pushes that C9312 to C9333 check), C9307, C9359 to C9361;
//! - an empty directory (12.3): nothing is removed to get one.

mod cases;
mod junit;
mod reply;
mod report;
mod resources;
mod session;

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Dialect, Error};
use reply::{Checked, Stop};
use session::Session;

pub use report::{CaseReport, Cleanup, Exchange, Report, Verdict};

/// How many cases in a row may get no answer before the run ends.
const SILENT: u32 = 2;

/// As whose client a service is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// RFC 7643 and 7644 as they are written.
    Rfc,
    /// Microsoft Entra ID.
    Entra,
    /// Okta.
    Okta,
}

impl Profile {
    /// Whose requests are sent; none for the plain protocol.
    fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Rfc => None,
            Self::Entra => Some(Dialect::Entra),
            Self::Okta => Some(Dialect::Okta),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rfc => "rfc",
            Self::Entra => "entra",
            Self::Okta => "okta",
        })
    }
}

impl FromStr for Profile {
    type Err = NotRun;

    fn from_str(text: &str) -> Result<Self, NotRun> {
        match text {
            "rfc" => Ok(Self::Rfc),
            "entra" => Ok(Self::Entra),
            "okta" => Ok(Self::Okta),
            _ => Err(NotRun::UnknownProfile),
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum NotRun {
    /// No connection.
    #[error(transparent)]
    Client(#[from] Error),
    /// Something else answers there.
    #[error("{0}")]
    NoService(String),
    /// A case was named that the profile does not have.
    #[error("the profile {profile} has no case {id}")]
    UnknownCase {
        /// The profile.
        profile: Profile,
        /// What was named.
        id: String,
    },
    /// No such profile.
    #[error("expected rfc, entra or okta")]
    UnknownProfile,
}

/// What a run is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the service is, as an identity provider is given it.
    pub base_url: String,
    /// Its bearer token.
    pub token: String,
    /// As whose client.
    pub profile: Profile,
    /// The ids of the cases to run; all of the profile if there are none.
    pub only: Vec<String>,
    /// How long an answer may take.
    pub timeout: Duration,
}

type Running<'s> = Pin<Box<dyn Future<Output = Checked> + Send + 's>>;

/// One thing that must hold of a service.
pub struct Case {
    /// The number of what it checks.
    pub id: &'static str,
    /// What must hold.
    pub name: &'static str,
    profiles: &'static [Profile],
    run: for<'s> fn(&'s Session) -> Running<'s>,
}

/// The cases of a profile, in the order they run.
pub fn cases(profile: Profile) -> impl Iterator<Item = &'static Case> {
    let all = cases::ALL.iter().copied().flatten();
    all.filter(move |case| case.profiles.contains(&profile))
}

/// Runs the cases of a profile one after the other, tells of each, and cleans up.
///
/// A case that is cancelled or gets no answer leaves the rest to be cleaned up all the same.
pub async fn run(
    options: &Options,
    stop: &CancellationToken,
    mut progress: impl FnMut(&CaseReport),
) -> Result<Report, NotRun> {
    let started = Instant::now();
    let chosen = choose(options)?;
    let session = Session::open(
        &options.base_url,
        &options.token,
        options.profile,
        options.timeout,
    )
    .await?;
    let mut report = Report::new(&options.base_url, options.profile);
    let mut silent = 0;
    for case in chosen {
        let Some((told, was_silent)) = stop.run_until_cancelled(try_case(&session, case)).await
        else {
            report.aborted = Some("stopped".to_owned());
            break;
        };
        progress(&told);
        report.push(told);
        silent = if was_silent { silent + 1 } else { 0 };
        if silent == SILENT {
            report.aborted = Some("the service stopped answering".to_owned());
            break;
        }
    }
    report.cleanup = session.clean_up().await;
    report.requests = session.requests();
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

fn choose(options: &Options) -> Result<Vec<&'static Case>, NotRun> {
    let profile = options.profile;
    let all: Vec<_> = cases(profile).collect();
    let is_named = |case: &&Case, id: &String| case.id.eq_ignore_ascii_case(id);
    for id in &options.only {
        if !all.iter().any(|case| is_named(case, id)) {
            let id = id.clone();
            return Err(NotRun::UnknownCase { profile, id });
        }
    }
    let is_chosen =
        |case: &&Case| options.only.is_empty() || options.only.iter().any(|id| is_named(case, id));
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// Runs a case; says too whether it got no answer.
async fn try_case(session: &Session, case: &'static Case) -> (CaseReport, bool) {
    let started = Instant::now();
    session.take_last();
    let outcome = (case.run)(session).await;
    let mut exchange = session.take_last();
    let (verdict, reason, was_silent) = match outcome {
        Ok(()) => (Verdict::Passed, None, false),
        Err(Stop::Skipped(reason)) => (Verdict::Skipped, Some(reason), false),
        Err(Stop::Failed(reason, decided)) => {
            exchange = decided.or(exchange);
            (Verdict::Failed, Some(reason), false)
        }
        Err(Stop::Silent(error)) => {
            exchange = None;
            (Verdict::Failed, Some(with_causes(&error)), true)
        }
    };
    let told = CaseReport {
        id: case.id,
        name: case.name,
        verdict,
        reason,
        exchange: exchange.map(|exchange| Exchange::clone(&exchange)),
        milliseconds: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    (told, was_silent)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_case_has_one_id_and_one_name() {
        for profile in [Profile::Rfc, Profile::Entra, Profile::Okta] {
            let all: Vec<_> = cases(profile).collect();
            let ids: HashSet<_> = all.iter().map(|case| case.id).collect();
            assert_eq!(ids.len(), all.len(), "{profile}");
            assert!(all.len() > 60, "{profile} has {}", all.len());
            for case in all {
                assert!(case.name.contains(' '), "{}", case.id);
            }
        }
    }

    /// The numbered lines of the two suites that have numbers, and of the checklist.
    #[test]
    fn no_numbered_line_is_forgotten() {
        let check = |profile: Profile, prefix: &str, numbers: std::ops::RangeInclusive<u32>| {
            for number in numbers {
                let id = format!("{prefix}{number}");
                let is_of_it = |case: &&Case| {
                    let rest = case.id.strip_prefix(id.as_str());
                    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
                };
                assert!(cases(profile).any(|case| is_of_it(&case)), "{id}");
            }
        };
        check(Profile::Entra, "12.1-", 1..=27);
        check(Profile::Entra, "P", 1..=7);
        check(Profile::Okta, "12.4-", 1..=12);
        for profile in [Profile::Entra, Profile::Okta] {
            // 13-18 is about time.
            check(profile, "13-", 1..=17);
            check(profile, "13-", 19..=22);
        }
        check(Profile::Okta, "13-", 23..=23);
    }
}
