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

/// Below this length of a statement its names cost nothing to speak of, in bytes.
const SHORT: usize = 256;

/// The statement with nameless placeholders, where they are used in order and once each. To bind
/// a value SQLite's driver looks for the name of its placeholder in a list of all names: `$1` to
/// `$3000` cost more than the rows that they stand for.
pub(super) fn nameless(sql: &str) -> Option<String> {
    if sql.len() < SHORT {
        return None;
    }
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    let mut next = 1;
    while let Some(at) = rest.find(['$', '\'']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        if let Some(quoted) = from.strip_prefix('\'') {
            let end = quoted.find('\'')? + 2;
            text.push_str(&from[..end]);
            rest = &from[end..];
            continue;
        }
        let digits = from[1..].find(|it: char| !it.is_ascii_digit());
        let end = digits.map_or(from.len(), |digits| digits + 1);
        if from[1..end].parse() != Ok(next) {
            return None;
        }
        next += 1;
        text.push('?');
        rest = &from[end..];
    }
    text.push_str(rest);
    Some(text)
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
    use super::{list, nameless, pad, rows};

    #[test]
    fn lists_are_padded_to_few_lengths() {
        assert_eq!(list(3, 1), "$3");
        assert_eq!(list(3, 3), "$3, $4, $5, $6");
        assert_eq!(pad(&[7, 8, 9]).collect::<Vec<_>>(), [7, 8, 9, 9]);
        assert_eq!(pad(&[0; 300]).count(), 500);
        assert_eq!(pad::<u8>(&[]).count(), 0);
    }

    #[test]
    fn names_are_left_out_where_the_order_says_it_all() {
        let values = rows(30, 3);
        let sql =
            format!("INSERT INTO a VALUES {values} ON CONFLICT (b) WHERE c = '$x' DO NOTHING");
        let expected = sql
            .replace(|it: char| it.is_ascii_digit(), "")
            .replace('$', "?");
        assert_eq!(
            nameless(&sql).as_deref(),
            Some(&*expected.replace("?x", "$x"))
        );
        assert_eq!(nameless(&format!("{sql} RETURNING $1")), None);
        assert_eq!(nameless(&format!("{sql} RETURNING $92")), None);
        assert_eq!(nameless("SELECT $1"), None);
    }

    #[test]
    fn rows_number_their_placeholders() {
        assert_eq!(rows(2, 2), "($1, $2), ($3, $4)");
    }
}
