//! Filters, paths and queries: their literals are values too.

use std::fmt::Write;

use url::form_urlencoded;

use super::{Kinds, REDACTED, is_secret, kind_at};
use crate::scim::filter::{self, Selection};
use crate::scim::path::{AttributePath, is_path_char};
use crate::scim::schema::{Attribute, ResourceType};

/// Longest value of a query parameter that is kept, in characters.
const LONGEST: usize = 4096;

/// The query of a request to a path below the base URL, decoded and as it may be kept. Parameters
/// that are not of SCIM keep their names alone: a token may be among them (C016).
///
/// ```
/// use gatehouse::scim::{redact, schema};
///
/// let kept = redact::query(&[schema::user()], "/Users", "access_token=abc&filter=title+pr");
/// assert_eq!(kept, "access_token=«redacted»&filter=title pr");
/// ```
#[must_use]
pub fn query(kinds: Kinds<'_>, path: &str, raw: &str) -> String {
    let endpoint = path.split('/').find(|part| !part.is_empty());
    let kind = endpoint.and_then(|endpoint| kind_at(kinds, endpoint));
    let mut kept = String::new();
    for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
        let shown = match name.to_ascii_lowercase().as_str() {
            _ if value.is_empty() => String::new(),
            "filter" => match kind {
                Some(kind) => shown_filter(&[kind], &value),
                None => shown_filter(kinds, &value),
            },
            "attributes" | "excludedattributes" | "sortby" => shown_names(&value),
            "startindex" | "count" | "sortorder" | "cursor" => value.into_owned(),
            _ => REDACTED.to_owned(),
        };
        let join = if kept.is_empty() { "" } else { "&" };
        let shown: String = shown.chars().take(LONGEST).collect();
        let _ = write!(kept, "{join}{name}={shown}");
    }
    kept
}

/// A filter as it was sent where each of these types can show what it names; else without its
/// literals.
pub(super) fn shown_filter(kinds: Kinds<'_>, text: &str) -> String {
    let is_known = |kind: &&'static ResourceType| {
        filter::parse(text, kind).is_ok() && !names_a_secret(kind, text)
    };
    if !kinds.is_empty() && kinds.iter().all(is_known) {
        text.to_owned()
    } else {
        without_literals(text)
    }
}

/// A path of PATCH, without the literals of its filter where that names what is secret or unknown.
pub(super) fn shown_path(kind: &'static ResourceType, text: &str) -> String {
    let is_known = if text.contains('[') {
        Selection::parse(text).is_ok_and(|selection| {
            let found = selection.path.resolve(kind).known();
            found.is_some_and(|found| selection.filter_of(found).is_ok())
        }) && !names_a_secret(kind, text)
    } else {
        AttributePath::parse(text).is_ok()
    };
    if is_known {
        text.to_owned()
    } else {
        without_literals(text)
    }
}

/// The key of an object; one that is a path with a filter may hold literals.
pub(super) fn shown_name(name: String) -> String {
    if name.chars().all(is_path_char) {
        name
    } else {
        without_literals(&name)
    }
}

/// Names of attributes, apart by commas.
pub(super) fn shown_names(text: &str) -> String {
    if text
        .chars()
        .all(|c| is_path_char(c) || c == ',' || c == ' ')
    {
        text.to_owned()
    } else {
        REDACTED.to_owned()
    }
}

/// Whether the name of a secret attribute stands anywhere in the text; rather once too often.
fn names_a_secret(kind: &ResourceType, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let own = kind.schema.attributes.iter();
    let extended = kind
        .extensions()
        .flat_map(|schema| schema.attributes.iter());
    own.chain(extended).any(|known| named_secret(known, &text))
}

fn named_secret(known: &Attribute, text: &str) -> bool {
    let is_named = is_secret(known) && text.contains(&known.name.to_ascii_lowercase());
    is_named
        || known
            .sub_attributes
            .iter()
            .any(|sub| named_secret(sub, text))
}

/// What the next word of a filter stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Name,
    Operator,
    Literal,
    /// Behind a whole term.
    Join,
}

/// A filter or path of any form: names, operators and brackets stay, everything else goes.
fn without_literals(text: &str) -> String {
    let mut kept = String::new();
    let mut place = Place::Name;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, after) = rest.split_at(token_length(rest));
        rest = after;
        match first {
            '"' => {
                kept.push_str(REDACTED);
                place = Place::Join;
            }
            '(' | '[' => {
                kept.push(first);
                place = Place::Name;
            }
            ')' | ']' => {
                kept.push(first);
                place = Place::Join;
            }
            first if first.is_whitespace() => kept.push(' '),
            _ => {
                let (is_kept, next) = word(token, place);
                kept.push_str(if is_kept { token } else { REDACTED });
                place = next;
            }
        }
    }
    kept
}

/// Whether a word in that place is kept, and what comes behind it.
fn word(token: &str, place: Place) -> (bool, Place) {
    let is = |known: &[&str]| known.iter().any(|known| token.eq_ignore_ascii_case(known));
    let is_name = token.len() <= 200 && token.chars().all(is_path_char);
    match place {
        Place::Literal => (false, Place::Join),
        _ if is(&["and", "or", "not"]) => (true, Place::Name),
        Place::Name => (is_name, Place::Operator),
        Place::Operator if is(&["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]) => {
            (true, Place::Literal)
        }
        Place::Operator if is(&["pr"]) => (true, Place::Join),
        Place::Operator => (false, Place::Operator),
        // `.value` behind a bracket.
        Place::Join if token.starts_with('.') => (is_name, Place::Operator),
        Place::Join => (false, Place::Join),
    }
}

/// The length in bytes of what comes first: a quoted text, a bracket, a run of blanks, or a word.
fn token_length(text: &str) -> usize {
    let ends_word = |c: char| c.is_whitespace() || matches!(c, '"' | '(' | ')' | '[' | ']');
    let length_while =
        |holds: &dyn Fn(char) -> bool| text.find(|c: char| !holds(c)).unwrap_or(text.len());
    match text.chars().next() {
        None => 0,
        Some('"') => {
            let mut is_escaped = false;
            for (at, c) in text.char_indices().skip(1) {
                match c {
                    '"' if !is_escaped => return at + 1,
                    '\\' => is_escaped = !is_escaped,
                    _ => is_escaped = false,
                }
            }
            text.len()
        }
        Some('(' | ')' | '[' | ']') => 1,
        Some(first) if first.is_whitespace() => length_while(&char::is_whitespace),
        Some(_) => length_while(&|c| !ends_word(c)),
    }
}
