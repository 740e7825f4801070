//! What a run found: one verdict a case, and what decided it.

use serde::Serialize;

use super::Profile;

/// How much of a body is kept.
const BODY: usize = 2_000;

/// What a run found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The service that was tested.
    pub base_url: String,
    /// As whose client.
    pub profile: Profile,
    /// How many cases passed.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// How many do not concern this service, or could not be decided.
    pub skipped: usize,
    /// Requests sent, repeated ones included.
    pub requests: u64,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Why the run ended before its last case.
    pub aborted: Option<String>,
    /// What became of the resources that were made.
    pub cleanup: Cleanup,
    /// The cases in the order they ran.
    pub cases: Vec<CaseReport>,
}

impl Report {
    pub(super) fn new(base_url: &str, profile: Profile) -> Self {
        Self {
            base_url: base_url.to_owned(),
            profile,
            passed: 0,
            failed: 0,
            skipped: 0,
            requests: 0,
            seconds: 0.0,
            aborted: None,
            cleanup: Cleanup::default(),
            cases: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, case: CaseReport) {
        match case.verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed => self.failed += 1,
            Verdict::Skipped => self.skipped += 1,
        }
        self.cases.push(case);
    }
}

/// What became of the resources that were made.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Cleanup {
    /// How many there were.
    pub made: usize,
    /// How many are gone.
    pub removed: usize,
    /// The paths of those that are still there, as far as is known.
    pub left: Vec<String>,
}

/// One case and how it went.
#[derive(Debug, Clone, Serialize)]
pub struct CaseReport {
    /// The number of what it checks.
    pub id: &'static str,
    /// What must hold.
    pub name: &'static str,
    /// Whether it does.
    pub verdict: Verdict,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
    /// The request and the answer that decided.
    pub exchange: Option<Exchange>,
    /// How long it took.
    pub milliseconds: u64,
}

/// How a case went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// What must hold, holds.
    Passed,
    /// It does not.
    Failed,
    /// The service does not say that it supports this, or it cannot be told here.
    Skipped,
}

/// A request and its answer. The token is in neither.
#[derive(Debug, Clone, Serialize)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// Path and query below the base URL.
    pub path: String,
    /// The body that was sent, up to 2,000 characters.
    pub sent: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// The media type of the answer.
    pub content_type: Option<String>,
    /// The body of the answer, up to 2,000 characters.
    pub answered: String,
}

/// What a report keeps of a text.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(BODY) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl std::fmt::Display for Exchange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)?;
        if let Some(sent) = &self.sent {
            write!(formatter, "\n{sent}")?;
        }
        let media = self.content_type.as_deref().unwrap_or("no content type");
        write!(formatter, "\nanswered {} ({media})", self.status)?;
        if !self.answered.is_empty() {
            write!(formatter, "\n{}", self.answered)?;
        }
        Ok(())
    }
}
