//! What the property tests of this folder share.

use proptest::prelude::ProptestConfig;

/// So many cases, or as many as `GATEHOUSE_PROPTEST_CASES` says.
pub(super) fn cases(usual: u32) -> ProptestConfig {
    #[expect(clippy::disallowed_methods, reason = "tests have no Config")]
    let wished = std::env::var("GATEHOUSE_PROPTEST_CASES").ok();
    let count = wished.and_then(|text| text.parse().ok()).unwrap_or(usual);
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(count)
    }
}

/// Runs on a stack of 512 KiB, where unbounded recursion would abort the process.
pub(super) fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(work);
    thread
        .expect("a thread starts")
        .join()
        .expect("the work does not panic");
}
