//! Filters: what is accepted prints to a text that reads back to an equal tree and decides, over
//! any resource, without a panic; its negation decides the opposite.

#![no_main]

use std::sync::LazyLock;

use gatehouse::scim::evaluate;
use gatehouse::scim::filter::{self, BYTES, Filter};
use gatehouse::scim::schema::ResourceType;
use gatehouse_fuzz::{choice, kind, resources};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static RESOURCES: LazyLock<[Value; 3]> = LazyLock::new(resources);

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = choice(input) else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let kind = kind(choice);
    let filter = match filter::parse(text, kind) {
        Ok(filter) => filter,
        Err(error) => {
            // Refusals are fixed texts: nothing of the input is echoed. The one that lists the
            // attributes that there are is the same for each that there is not.
            let refusal = error.to_string();
            assert!(refusal.len() < 100 || refusal == unknown(kind), "{refusal}");
            return;
        }
    };
    assert!(text.len() <= BYTES);
    let printed = filter.to_string();
    // Names in full may be longer than what was sent.
    if printed.len() <= BYTES {
        match filter::parse(&printed, kind) {
            Ok(again) => assert_eq!(again, filter, "{text:?} prints {printed:?}"),
            Err(error) => panic!("{text:?} prints {printed:?}: {error}"),
        }
    }
    let opposite = Filter::Not(Box::new(filter.clone()));
    for resource in RESOURCES.iter() {
        let holds = evaluate::matches(&filter, resource);
        assert_ne!(evaluate::matches(&opposite, resource), holds);
    }
});

fn unknown(kind: &'static ResourceType) -> String {
    let refusal = filter::parse("noSuchAttribute pr", kind);
    refusal.expect_err("there is none of that name").to_string()
}
