//! Lists, a page at a time: `limit` and `cursor`. A cursor is sealed, and good for the list that it
//! was made for and for a key of the same workspace.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::error::{Error, Result};
use crate::scim::cursor;

/// How many items a page has if nobody says.
pub(super) const USUAL: usize = 50;
/// How many it may have.
pub(super) const MOST: usize = 200;

/// A page that is asked for.
pub(super) struct Page {
    app: App,
    binding: String,
    /// How many items it has at most.
    limit: usize,
    /// The key of the last item before it.
    pub(super) after: Option<String>,
}

/// A page as it is answered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
pub(super) struct Items<T> {
    /// What is on this page.
    items: Vec<T>,
    /// Where the next page begins; none after the last one.
    next_cursor: Option<String>,
    /// How many items there are on all pages, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
}

impl Page {
    /// Reads the query, which has no parameter beside these and `others`.
    pub(super) fn parse(
        app: &App,
        query: &[(String, String)],
        others: &[&str],
        binding: String,
    ) -> Result<Self> {
        let (mut limit, mut given) = (None, None);
        for (name, value) in query {
            let place = match name.as_str() {
                "limit" => &mut limit,
                "cursor" => &mut given,
                name if others.contains(&name) => continue,
                _ => {
                    let known = [&["limit", "cursor"], others].concat().join(", ");
                    let detail = format!("unknown parameter {name:?}, expected one of {known}");
                    return Err(Error::value(detail));
                }
            };
            if place.replace(value.as_str()).is_some() {
                return Err(Error::value(format!("{name} is given twice")));
            }
        }
        let limit = match limit {
            None => USUAL,
            Some(text) => {
                let number = text.parse().ok();
                let number = number.filter(|number| (1..=MOST).contains(number));
                number.ok_or_else(|| Error::value(format!("limit must be 1 to {MOST}")))?
            }
        };
        let after = given.map(|text| {
            let fits = text.len() <= cursor::BYTES;
            let opened = fits.then(|| app.keys.open_cursor(binding.as_bytes(), text));
            let plain = opened.flatten().ok_or_else(invalid)?;
            String::from_utf8(plain.to_vec()).map_err(|_| invalid())
        });
        Ok(Self {
            app: app.clone(),
            limit,
            after: after.transpose()?,
            binding,
        })
    }

    /// How many items it has at most.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// How many items to read: one more than fits tells whether there is another page.
    pub(super) fn most(&self) -> i64 {
        i64::try_from(self.limit + 1).unwrap_or(i64::MAX)
    }

    /// The page of items that were read from its beginning on.
    pub(super) fn of<T>(self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Result<Items<T>> {
        let is_more = i64::try_from(items.len()).is_ok_and(|read| read >= self.most());
        items.truncate(self.limit);
        let next = items.last().filter(|_| is_more).map(key);
        self.with(items, next, None)
    }

    /// The page of these items, after whose key `next` another one begins.
    pub(super) fn with<T>(
        self,
        items: Vec<T>,
        next: Option<String>,
        total: Option<i64>,
    ) -> Result<Items<T>> {
        let next_cursor = next.map(|key| {
            let binding = self.binding.as_bytes();
            self.app.keys.seal_cursor(binding, key.as_bytes())
        });
        Ok(Items {
            next_cursor: next_cursor.transpose()?,
            items,
            total,
        })
    }

    /// The page out of all items of a short list, the greatest key first: of what was made over time,
    /// the newest.
    pub(super) fn newest<T>(
        self,
        mut items: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<Items<T>> {
        items.sort_by_key(|item| Reverse(key(item)));
        if let Some(after) = &self.after {
            items.retain(|item| key(item) < *after);
        }
        self.of(items, key)
    }

    /// The page out of all items of a short list, in the order of their keys.
    pub(super) fn cut<T>(self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Result<Items<T>> {
        items.sort_by_key(&key);
        if let Some(after) = &self.after {
            items.retain(|item| key(item) > *after);
        }
        self.of(items, key)
    }
}

/// A cursor that was not made here, or not for this list.
pub(super) fn invalid() -> Error {
    let detail = "expected the next_cursor of this very list";
    Error::invalid(crate::error::Invalid::Cursor, detail)
}
