//! Bulk: every operation is done once, whatever it refers to is made or has its id before it, and no
//! reference is left where its id is known.

#![no_main]

use std::collections::HashMap;

use gatehouse::scim::bulk::{self, Method, Operation, Task};
use gatehouse::scim::json;
use gatehouse_fuzz::registry;
use libfuzzer_sys::fuzz_target;

const MOST: usize = 50;

fuzz_target!(|input: &[u8]| {
    let Ok(body) = json::parse(input) else {
        return;
    };
    let Ok(request) = bulk::parse(body, MOST, registry()) else {
        return;
    };
    let operations = &request.operations;
    assert!(operations.len() <= MOST);
    let plan = request.plan();
    let mut places = vec![None; operations.len()];
    for (place, step) in plan.iter().enumerate() {
        assert_eq!(places[step.index].replace(place), None, "done twice");
    }
    assert!(places.iter().all(Option::is_some), "not done at all");
    let makers: HashMap<&str, usize> = (0..operations.len())
        .filter_map(|index| Some((made_by(&operations[index])?, index)))
        .collect();
    let ids: HashMap<String, String> = makers
        .iter()
        .map(|(bulk_id, index)| ((*bulk_id).to_owned(), format!("id-{index}")))
        .collect();
    for step in &plan {
        let Ok(task) = &operations[step.index].task else {
            continue;
        };
        check(task);
        let references = task.references();
        for need in references.iter().filter_map(|id| makers.get(id)) {
            let is_early = places[*need] < places[step.index];
            assert!(is_early || plan.iter().any(|it| it.index == *need && it.is_circular));
        }
        let are_known = references.iter().all(|id| ids.contains_key(*id));
        let mut resolved = task.clone();
        assert_eq!(resolved.resolve(&ids).is_ok(), are_known);
        if are_known {
            assert!(resolved.references().is_empty());
        }
    }
});

fn made_by(operation: &Operation) -> Option<&str> {
    let task = operation.task.as_ref().ok()?;
    let bulk_id = operation.bulk_id.as_deref()?;
    (task.method == Method::Post).then_some(bulk_id)
}

/// What a path means is below the base address.
fn check(task: &Task) {
    for text in [Some(task.endpoint.as_str()), task.id.as_deref()]
        .into_iter()
        .flatten()
    {
        assert!(!text.is_empty() && text.len() <= 200);
        assert!(!text.contains(['/', '.', '%', '?', '#', ' ', '\\']));
    }
    assert_eq!(task.id.is_none(), task.method == Method::Post);
    assert!(task.method == Method::Delete || task.data.is_object());
}
