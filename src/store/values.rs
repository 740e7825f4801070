//! Lists in SQL: placeholders for `IN (…)` and for rows of values.
//!
//! There are no arrays on SQLite, and each length of a list is a statement text of its own. So
//! lists of ids are padded by repeating their last id to the next of a few lengths, and rows are
//! kept prepared only for lengths that are likely to come again.

use std::fmt::Write;

/// The most ids or rows of one statement: both engines take more, but a batch stays a small step.
pub(super) const MOST: usize = 500;

/// `$n, $n+1, …`: as many placeholders as [`pad`] makes of `count` ids, the first being `$first`.
pub(super) fn list(first: usize, count: usize) -> String {
    let mut text = String::new();
    for at in 0..padded(count) {
        let comma = if at == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}${}", first + at);
    }
    text
}

/// The ids with the last one repeated to a length that is likely to come again.
pub(super) fn pad<T: Copy>(ids: &[T]) -> impl Iterator<Item = T> + '_ {
    let last = ids.last().copied();
    ids.iter()
        .copied()
        .chain(last.into_iter().cycle())
        .take(if ids.is_empty() { 0 } else { padded(ids.len()) })
}

/// `($1, $2), ($3, $4), …`: `rows` rows of `columns` placeholders.
pub(super) fn rows(rows: usize, columns: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            let _ = write!(text, "{comma}${}", row * columns + column + 1);
        }
        text.push(')');
    }
    text
}

/// Whether a statement of that many rows is worth keeping prepared.
pub(super) fn is_usual(rows: usize) -> bool {
    rows <= 10 || rows.is_power_of_two() || rows.is_multiple_of(100)
}

fn padded(count: usize) -> usize {
    if count > MOST / 2 {
        count.max(MOST)
    } else {
        count.next_power_of_two()
    }
}

#[cfg(test)]
mod tests {
    use super::{list, pad, rows};

    #[test]
    fn lists_are_padded_to_few_lengths() {
        assert_eq!(list(3, 1), "$3");
        assert_eq!(list(3, 3), "$3, $4, $5, $6");
        assert_eq!(pad(&[7, 8, 9]).collect::<Vec<_>>(), [7, 8, 9, 9]);
        assert_eq!(pad(&[0; 300]).count(), 500);
        assert_eq!(pad::<u8>(&[]).count(), 0);
    }

    #[test]
    fn rows_number_their_placeholders() {
        assert_eq!(rows(2, 2), "($1, $2), ($3, $4)");
    }
}
