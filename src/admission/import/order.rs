//! What the rows of a table have to do with each other: nobody is there twice, and a manager has
//! its turn before those who report to it.

use std::collections::HashMap;

use super::table::Row;
use crate::scim::fold;

/// Finds the managers that the table has itself, refuses whoever is there twice or reports in a
/// circle, and gives each row its turn: the first number is the first row's.
pub(super) fn arrange(rows: &mut [Row]) -> Vec<i64> {
    let places = places(rows);
    let mut above: Vec<Option<usize>> = vec![None; rows.len()];
    for (at, row) in rows.iter_mut().enumerate() {
        let Some(manager) = row.manager.as_deref() else {
            continue;
        };
        let Some(found) = places.get(&fold::key(manager)).copied() else {
            continue;
        };
        if found == at {
            row.refuse(Some("manager"), "nobody reports to oneself");
        } else {
            row.above = Some(number(found));
            above[at] = Some(found);
        }
    }
    let depths = depths(&above);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|at| (depths[*at].unwrap_or(0), *at));
    let mut turns = vec![0; rows.len()];
    for (turn, at) in order.into_iter().enumerate() {
        turns[at] = number(turn);
        if depths[at].is_none() {
            let problem = "manager reports to this row, directly or through others";
            rows[at].refuse(Some("manager"), problem);
        }
    }
    turns
}

fn number(at: usize) -> i64 {
    i64::try_from(at + 1).unwrap_or(i64::MAX)
}

/// Where in the table each id, address and `UserID` is.
fn places(rows: &mut [Row]) -> HashMap<String, usize> {
    let mut places: HashMap<String, usize> = HashMap::new();
    for (at, row) in rows.iter_mut().enumerate() {
        let names = [
            ("id", row.id.as_deref().map(fold::key)),
            ("email", row.email.as_deref().map(fold::key)),
            ("userId", row.user_id.as_deref().map(fold::key)),
        ];
        if names.iter().all(|(_, name)| name.is_none()) {
            row.refuse(None, "a row needs an email, a userId or an id");
        }
        for (field, name) in names {
            let Some(name) = name else {
                continue;
            };
            let first = *places.entry(name).or_insert(at);
            if first != at {
                let problem = format!("row {} is the same", first + 1);
                row.refuse(Some(field), problem);
            }
        }
    }
    places
}

/// How many of the table are above each row; none for those in a circle, and below one.
fn depths(above: &[Option<usize>]) -> Vec<Option<usize>> {
    let mut depths: Vec<Option<Option<usize>>> = vec![None; above.len()];
    for start in 0..above.len() {
        let (mut path, mut at) = (Vec::new(), start);
        let top = loop {
            if let Some(known) = depths[at] {
                break known.map(|depth| depth + 1);
            }
            // A second time on one way up is a circle; its own depth is not known yet.
            depths[at] = Some(None);
            path.push(at);
            match above[at] {
                Some(next) => at = next,
                None => break Some(0),
            }
        };
        let mut depth = top;
        for at in path.into_iter().rev() {
            depths[at] = Some(depth);
            depth = depth.map(|depth| depth + 1);
        }
    }
    depths.into_iter().map(Option::flatten).collect()
}

#[cfg(test)]
mod tests {
    use super::super::table::Row;
    use super::arrange;

    fn row(email: &str, manager: Option<&str>) -> Row {
        Row {
            email: Some(email.to_owned()),
            manager: manager.map(str::to_owned),
            ..Row::default()
        }
    }

    fn faults(rows: &[Row]) -> Vec<usize> {
        let faulty = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.fault.is_some());
        faulty.map(|(at, _)| at).collect()
    }

    #[test]
    fn managers_come_first_wherever_they_stand() {
        let mut rows = [
            row("a@x.example", Some("B@x.example")),
            row("b@x.example", Some("c@x.example")),
            row("c@x.example", None),
            row("d@x.example", Some("elsewhere@x.example")),
        ];
        assert_eq!(arrange(&mut rows), [4, 3, 1, 2]);
        assert_eq!(rows[0].above, Some(2));
        assert_eq!(rows[3].above, None);
        assert!(faults(&rows).is_empty());
    }

    #[test]
    fn circles_and_doubles_are_refused() {
        let mut rows = [
            row("a@x.example", Some("b@x.example")),
            row("b@x.example", Some("a@x.example")),
            // Below a circle, and nowhere else.
            row("c@x.example", Some("a@x.example")),
            row("d@x.example", Some("d@x.example")),
            row("e@x.example", None),
            row("E@X.example", None),
            Row::default(),
        ];
        let mut turns = arrange(&mut rows);
        turns.sort_unstable();
        assert_eq!(turns, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(faults(&rows), [0, 1, 2, 3, 5, 6]);
    }

    #[test]
    fn a_long_line_of_managers_is_no_trouble() {
        let mut rows: Vec<Row> = (0..10_000)
            .map(|at| {
                let manager = format!("{}@x.example", at + 1);
                row(
                    &format!("{at}@x.example"),
                    (at < 9_999).then_some(&*manager),
                )
            })
            .collect();
        let turns = arrange(&mut rows);
        assert_eq!((turns[0], turns[9_999]), (10_000, 1));
    }
}
