//! The report in the form that CI systems read.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::report::{CaseReport, Report, Verdict};

impl Report {
    /// The report as `JUnit` XML: one suite, a test for each case.
    pub fn to_junit(&self) -> anyhow::Result<String> {
        let mut suite = TestSuite::new(format!("selftest {}", self.profile));
        suite.add_property(("base_url", self.base_url.as_str()));
        suite.set_time(Duration::from_secs_f64(self.seconds));
        for case in &self.cases {
            suite.add_test_case(test_case(case));
        }
        let mut document = Document::new("gatehouse selftest");
        document.set_time(Duration::from_secs_f64(self.seconds));
        document.add_test_suite(suite);
        Ok(document.to_string()?)
    }
}

fn test_case(case: &CaseReport) -> TestCase {
    let mut status = match case.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Skipped => TestCaseStatus::skipped(),
    };
    if let Some(reason) = &case.reason {
        status.set_message(reason.as_str());
    }
    if case.verdict == Verdict::Failed
        && let Some(exchange) = &case.exchange
    {
        status.set_description(exchange.to_string());
    }
    let mut test = TestCase::new(format!("{} {}", case.id, case.name), status);
    test.set_time(Duration::from_millis(case.milliseconds));
    test
}
