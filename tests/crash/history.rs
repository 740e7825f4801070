//! Whether what clients saw of one user could have come from one copy of it, changed by one act
//! after the other: an order of the acts is searched that fits their answers and the times at which
//! they were sent and answered (Wing and Gong, with the memory of Lowe).

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

/// What a client asked of a user; a user is named by its id where it has one.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// With a title.
    Create(String),
    Retitle(String, String),
    Activate(String, bool),
    /// Replaces title and activity.
    Put(String, String, bool),
    Delete(String),
    Get(String),
    /// By its name.
    Find,
}

/// What the answer said.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// It was done, or this is what is there.
    User(State),
    /// It was deleted.
    Gone,
    /// There is none, by this id or by this name.
    Nothing,
    /// There is one already.
    Taken,
    /// Nothing was told: it was done at some time after it was sent, or never.
    Unknown,
}

/// A user as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) is_active: bool,
}

/// One act.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) asked: Asked,
    pub(crate) told: Told,
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

/// The id of a user whose making was not answered, until somebody sees it.
fn unseen(event: usize) -> String {
    format!("unseen {event}")
}

/// The state after an act, if the answer fits the state before it.
#[expect(clippy::option_option, reason = "the outer one says whether it fits")]
fn after(
    state: Option<&State>,
    at: usize,
    event: &Event,
    made: &BTreeSet<String>,
) -> Option<Option<State>> {
    let is_named = |id: &String| {
        state.is_some_and(|state| {
            // An id that no answer gave is that of a making whose answer was lost.
            state.id == *id || (state.id.starts_with("unseen") && !made.contains(id))
        })
    };
    let changed = |id: &String, change: &dyn Fn(&mut State)| {
        let mut changed = state.cloned()?;
        changed.id.clone_from(id);
        change(&mut changed);
        Some(changed)
    };
    let new = match &event.asked {
        Asked::Create(_) if state.is_some() => {
            let fits = matches!(event.told, Told::Taken | Told::Unknown);
            return fits.then(|| state.cloned());
        }
        Asked::Create(title) => Some(State {
            id: match &event.told {
                Told::User(told) => told.id.clone(),
                _ => unseen(at),
            },
            title: title.clone(),
            is_active: true,
        }),
        Asked::Find => {
            return match (&event.told, state) {
                (Told::Nothing, None) => Some(None),
                (Told::User(told), Some(_)) if is_named(&told.id) => {
                    let seen = changed(&told.id, &|_| ())?;
                    (seen == *told).then_some(Some(seen))
                }
                (Told::Unknown, _) => Some(state.cloned()),
                _ => None,
            };
        }
        Asked::Retitle(id, ..)
        | Asked::Activate(id, _)
        | Asked::Put(id, ..)
        | Asked::Delete(id)
        | Asked::Get(id)
            if !is_named(id) =>
        {
            let fits = matches!(event.told, Told::Nothing | Told::Unknown);
            return fits.then(|| state.cloned());
        }
        Asked::Retitle(id, title) => changed(id, &|state| state.title.clone_from(title)),
        Asked::Activate(id, active) => changed(id, &|state| state.is_active = *active),
        Asked::Put(id, title, active) => changed(id, &|state| {
            state.title.clone_from(title);
            state.is_active = *active;
        }),
        Asked::Get(id) => changed(id, &|_| ()),
        Asked::Delete(_) => {
            return matches!(event.told, Told::Gone | Told::Unknown).then_some(None);
        }
    };
    match &event.told {
        Told::User(told) => (new.as_ref() == Some(told)).then_some(new),
        Told::Unknown => Some(new),
        Told::Gone | Told::Nothing | Told::Taken => None,
    }
}

/// Finds an order; else gives the longest that fits, to look at.
pub(crate) fn check(events: &[Event]) -> Result<(), Vec<Event>> {
    let made: BTreeSet<String> = events
        .iter()
        .filter_map(|event| match (&event.asked, &event.told) {
            (Asked::Create(_), Told::User(told)) => Some(told.id.clone()),
            _ => None,
        })
        .collect();
    let is_open = |event: &Event| matches!(event.told, Told::Unknown);
    // Depth first; what is left to place and the state name a place in the search.
    let mut tried: HashSet<(Vec<bool>, Option<State>)> = HashSet::new();
    let mut stack = vec![(vec![false; events.len()], None::<State>, Vec::new())];
    let mut longest = Vec::new();
    while let Some((placed, state, order)) = stack.pop() {
        if order.len() > longest.len() {
            longest.clone_from(&order);
        }
        let left = || (0..events.len()).filter(|at| !placed[*at]);
        if left().all(|at| is_open(&events[at])) {
            return Ok(());
        }
        // Nothing may come before an act that was answered before it was sent.
        let first_end = left()
            .filter(|at| !is_open(&events[*at]))
            .map(|at| events[at].answered)
            .min();
        // What is popped first is tried first: acts in the order in which they were sent, and those
        // without an answer only where nothing else fits.
        let mut next: Vec<_> = left().collect();
        next.sort_by_key(|at| (!is_open(&events[*at]), Reverse(events[*at].sent)));
        for at in next {
            if first_end.is_some_and(|end| events[at].sent > end) {
                continue;
            }
            let Some(new) = after(state.as_ref(), at, &events[at], &made) else {
                continue;
            };
            if is_open(&events[at]) && new == state {
                continue;
            }
            let mut placed = placed.clone();
            placed[at] = true;
            if tried.insert((placed.clone(), new.clone())) {
                let mut order = order.clone();
                order.push(at);
                stack.push((placed, new, order));
            }
        }
    }
    let mut shown: Vec<Event> = longest.iter().map(|at| events[*at].clone()).collect();
    let mut rest: Vec<_> = (0..events.len())
        .filter(|at| !longest.contains(at))
        .collect();
    rest.sort_by_key(|at| events[*at].sent);
    shown.extend(rest.into_iter().take(6).map(|at| events[at].clone()));
    Err(shown)
}

#[test]
fn a_history_that_no_order_explains_is_found() {
    let start = Instant::now();
    let at = |from: u64, to: u64| {
        let moment = |ms| start + std::time::Duration::from_millis(ms);
        (moment(from), moment(to))
    };
    let event = |asked, told, (sent, answered)| Event {
        asked,
        told,
        sent,
        answered,
    };
    let state = |title: &str| State {
        id: "1".to_owned(),
        title: title.to_owned(),
        is_active: true,
    };
    let (a, b, id) = ("a".to_owned(), "b".to_owned(), "1".to_owned());
    let made = event(Asked::Create(a.clone()), Told::User(state("a")), at(0, 1));
    let retitled = Asked::Retitle(id.clone(), b);
    let slow = event(retitled.clone(), Told::User(state("b")), at(2, 9));
    let get = |title, times| event(Asked::Get(id.clone()), Told::User(state(title)), times);
    assert!(
        check(&[
            made.clone(),
            slow.clone(),
            get("b", at(3, 4)),
            get("b", at(5, 6))
        ])
        .is_ok()
    );
    let back = [made.clone(), slow, get("b", at(3, 4)), get("a", at(5, 6))];
    assert!(check(&back).is_err(), "what was seen is not unseen again");
    let lost = event(retitled, Told::Unknown, at(2, 3));
    assert!(
        check(&[
            made.clone(),
            lost.clone(),
            get("a", at(4, 5)),
            get("b", at(6, 7))
        ])
        .is_ok()
    );
    let twice = event(
        Asked::Create(a),
        Told::User(State {
            id: "2".to_owned(),
            ..state("a")
        }),
        at(8, 9),
    );
    assert!(check(&[made, lost, twice]).is_err(), "one name, made twice");
}
