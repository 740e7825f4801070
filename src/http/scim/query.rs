//! Query parameters, read as leniently as IdPs write them: names in any case, unknown ones ignored,
//! `+` for a blank, stray separators.

use url::form_urlencoded;

use crate::error::{Error, Result};
use crate::http::quotes;

/// The parameters of a SCIM request (RFC 7644 section 3.4.2).
#[derive(Debug, Default, Clone)]
pub struct Query {
    /// `filter`.
    pub filter: Option<String>,
    /// `attributes`.
    pub attributes: Option<String>,
    /// `excludedAttributes`.
    pub excluded_attributes: Option<String>,
    /// `startIndex`, 1 if it is lower or missing.
    pub start_index: i64,
    /// `count`, 0 if it is negative.
    pub count: Option<i64>,
}

impl Query {
    /// Reads a raw query string.
    pub fn parse(raw: &str) -> Result<Self> {
        let mut query = Self {
            start_index: 1,
            ..Self::default()
        };
        for (name, value) in form_urlencoded::parse(quotes::restore(raw).as_bytes()) {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("filter") {
                query.filter = some(&value);
            } else if is("attributes") {
                query.attributes = some(&value);
            } else if is("excludedAttributes") {
                query.excluded_attributes = some(&value);
            } else if is("startIndex") {
                query.start_index = integer(&value, "startIndex")?.max(1);
            } else if is("count") {
                query.count = Some(integer(&value, "count")?.max(0));
            }
        }
        Ok(query)
    }
}

fn some(value: &str) -> Option<String> {
    (!value.trim().is_empty()).then(|| value.to_owned())
}

fn integer(value: &str, name: &str) -> Result<i64> {
    value
        .trim()
        .parse()
        .map_err(|_| Error::value(format!("{name} must be a 64-bit integer")))
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn names_are_read_in_any_case_and_unknown_ones_ignored() {
        let query = Query::parse("aadOptscim062020&STARTINDEX=0&Count=-1&filter=a+eq+%22b%22&")
            .expect("lenient");
        assert_eq!(query.start_index, 1);
        assert_eq!(query.count, Some(0));
        assert_eq!(query.filter.as_deref(), Some(r#"a eq "b""#));
    }

    // C056
    #[test]
    fn what_is_no_64_bit_integer_is_refused() {
        for raw in [
            "count=abc",
            "startIndex=1.5",
            "startIndex=9223372036854775808",
        ] {
            assert!(Query::parse(raw).is_err(), "{raw}");
        }
        assert!(Query::parse("startIndex=9223372036854775807").is_ok());
    }
}
