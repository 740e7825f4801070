//! Entity tags: a list that is accepted reads the same when it is written plainly, and a version is
//! written or not exactly as the two lists say. The lines of the input are the two headers.

#![no_main]

use gatehouse::scim::etag::{Precondition, Tags};
use gatehouse_fuzz::choice;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = choice(input) else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let version = i64::from(choice);
    let (matches, none_match) = match text.split_once('\n') {
        Some((matches, none_match)) => (Some(matches), Some(none_match)),
        None => (Some(text), None),
    };
    let lists = [matches, none_match].map(|text| text.map(Tags::parse));
    for list in lists.iter().flatten().flatten() {
        check(list, version);
    }
    let is_read = lists.iter().flatten().all(Result::is_ok);
    let precondition = Precondition::parse(matches, none_match);
    assert_eq!(precondition.is_ok(), is_read);
    if let Ok(precondition) = precondition {
        let [wanted, unwanted] =
            lists.map(|list| list.and_then(Result::ok).map(|list| list.include(version)));
        assert_eq!(precondition.is_unmodified(version), unwanted == Some(true));
        let is_met = wanted != Some(false) && unwanted != Some(true);
        assert_eq!(precondition.check(version).is_ok(), is_met);
        assert!(!precondition.is_none());
    }
});

fn check(tags: &Tags, version: i64) {
    let Tags::Listed(listed) = tags else {
        assert!(tags.include(version));
        return;
    };
    assert!(!listed.is_empty());
    let own = version.to_string();
    assert_eq!(tags.include(version), listed.contains(&own));
    let plain: Vec<_> = listed.iter().map(|tag| format!("\"{tag}\"")).collect();
    let plain = plain.join(",");
    // The quotes alone of the shortest list are no longer than what was sent.
    match Tags::parse(&plain) {
        Ok(again) => assert_eq!(again, *tags),
        Err(error) => panic!("{plain}: {error}"),
    }
}
