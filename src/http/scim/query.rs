//! Query parameters, read as leniently as IdPs write them: names in any case, unknown ones ignored,
//! `+` for a blank, stray separators.

use serde_json::Value;
use url::form_urlencoded;

use super::show::View;
use crate::error::{Error, Invalid, Result};
use crate::http::quotes;
use crate::scim::projection::Projection;
use crate::scim::schema::ResourceType;

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
    /// `count`, as it was sent.
    pub count: Option<i64>,
    /// `cursor`; empty for the first page.
    pub cursor: Option<String>,
    /// `sortBy`.
    pub sort_by: Option<String>,
    /// `sortOrder`.
    pub sort_order: Option<String>,
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
                query.count = Some(integer(&value, "count")?);
            } else if is("cursor") {
                query.cursor = Some(value.trim().to_owned());
            } else if is("sortBy") {
                query.sort_by = some(&value);
            } else if is("sortOrder") {
                query.sort_order = some(&value);
            }
        }
        Ok(query)
    }

    /// Reads the body of a search request (RFC 7644 section 3.4.3). A value of another type than
    /// the parameter's is refused, an unknown one ignored.
    pub fn from_body(body: Value) -> Result<Self> {
        let Value::Object(body) = body else {
            return Err(Error::invalid(Invalid::Syntax, "expected a JSON object"));
        };
        let mut query = Self {
            start_index: 1,
            ..Self::default()
        };
        for (name, value) in body {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if value.is_null() || is("schemas") {
            } else if is("filter") {
                query.filter = some(&text(value, "filter")?);
            } else if is("attributes") {
                query.attributes = some(&list(value, "attributes")?);
            } else if is("excludedAttributes") {
                query.excluded_attributes = some(&list(value, "excludedAttributes")?);
            } else if is("startIndex") {
                query.start_index = number(&value, "startIndex")?.max(1);
            } else if is("count") {
                query.count = Some(number(&value, "count")?);
            } else if is("cursor") {
                query.cursor = Some(text(value, "cursor")?.trim().to_owned());
            } else if is("sortBy") {
                query.sort_by = some(&text(value, "sortBy")?);
            } else if is("sortOrder") {
                query.sort_order = some(&text(value, "sortOrder")?);
            }
        }
        Ok(query)
    }

    /// How resources of a type are shown.
    pub(super) fn view<'a>(
        &self,
        kind: &'static ResourceType,
        base_url: &'a str,
    ) -> Result<View<'a>> {
        let (attributes, excluded) = (&self.attributes, &self.excluded_attributes);
        let projection = Projection::parse(kind, attributes.as_deref(), excluded.as_deref())?;
        Ok(View {
            base_url,
            projection,
        })
    }
}

fn text(value: Value, name: &str) -> Result<String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Error::value(format!("{name} must be text"))),
    }
}

/// A list of names, which some clients write as in a query.
fn list(value: Value, name: &str) -> Result<String> {
    match value {
        Value::Array(names) => {
            let names = names.into_iter().map(|it| text(it, name));
            Ok(names.collect::<Result<Vec<_>>>()?.join(","))
        }
        one => text(one, name),
    }
}

fn number(value: &Value, name: &str) -> Result<i64> {
    match value {
        Value::String(text) => integer(text, name),
        value => value
            .as_i64()
            .ok_or_else(|| Error::value(format!("{name} must be a 64-bit integer"))),
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
        assert_eq!(query.count, Some(-1));
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
