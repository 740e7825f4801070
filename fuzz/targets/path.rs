//! Attribute paths and PATCH paths: a path prints as it was sent, means the same in any letter case,
//! and the name of what it means leads back to it. The lists of a projection are made of them.

#![no_main]

use std::sync::LazyLock;

use gatehouse::scim::patch::PatchPath;
use gatehouse::scim::path::{AttributePath, LIMIT, Resolution};
use gatehouse::scim::projection::Projection;
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
    if let Ok(path) = AttributePath::parse(text) {
        assert!(text.len() <= LIMIT);
        assert_eq!(path.to_string(), text);
        check(&path, kind);
        for other in [text.to_uppercase(), text.to_lowercase()] {
            match AttributePath::parse(&other) {
                Ok(other) => assert_eq!(other.resolve(kind), path.resolve(kind), "{text:?}"),
                Err(error) => panic!("{text:?} in another letter case: {error}"),
            }
        }
    }
    match PatchPath::parse(text) {
        Ok(path) => {
            assert!(text.len() <= LIMIT);
            check(path.attribute(), kind);
        }
        Err(error) => assert!(error.to_string().len() < 100, "nothing is echoed"),
    }
    // Which list it is in, one bit says.
    let (attributes, excluded) = if choice & 4 == 0 {
        (Some(text), None)
    } else {
        (None, Some(text))
    };
    if let Ok(projection) = Projection::parse(kind, attributes, excluded) {
        let resource = &RESOURCES[usize::from(choice & 3).min(2)];
        let shown = projection.apply(resource.clone());
        let has_id = shown["id"] == resource["id"];
        assert!(has_id, "{text:?}: the id is always there");
        assert_eq!(projection.apply(shown.clone()), shown, "{text:?}");
    }
});

/// What a path means is named by a path that means it.
fn check(path: &AttributePath, kind: &'static ResourceType) {
    if let Resolution::Known(found) = path.resolve(kind) {
        let key = found.key();
        match AttributePath::parse(&key) {
            Ok(again) => assert_eq!(again.resolve(kind), Resolution::Known(found), "{key}"),
            Err(error) => panic!("{key}: {error}"),
        }
    }
}
