//! Filters (RFC 7644 section 3.4.2.2): the tree, reading it from text and printing it.
//!
//! A filter is read for one resource type: each path in the tree is an attribute that the type
//! has and may show, and each literal fits its attribute. Whoever evaluates or compiles a filter
//! therefore needs no checks of its own.

mod grammar;
mod print;
mod resolve;

#[cfg(test)]
mod tests;

pub(super) use self::resolve::boolean;
use crate::error::{Error, Invalid, Result};
use crate::scim::path::{AttributePath, Resolved};
use crate::scim::schema::{Attribute, ResourceType, Returned};

/// Longest filter in bytes.
pub const BYTES: usize = 4096;
/// Most comparisons in a filter.
pub const TERMS: usize = 100;
/// Most parentheses and brackets within each other.
pub const DEPTH: usize = 20;

/// A filter over one resource type. `And` and `Or` hold two or more filters, none of their own kind;
/// or none at all, where the filter does not depend on the resource: all of nothing holds, any of
/// nothing does not.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All hold.
    And(Vec<Filter>),
    /// At least one holds.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// An attribute compared with a literal.
    Compare {
        /// The attribute; never a complex one.
        path: Resolved,
        /// How it is compared.
        operator: Operator,
        /// What it is compared with; of the attribute's type, or null with `eq` and `ne`.
        value: Literal,
    },
    /// `pr`: the attribute has a value that is not empty.
    Present {
        /// The attribute.
        path: Resolved,
    },
    /// `emails[type eq "work"]`: one element satisfies the filter, and the comparison if any.
    ValuePath {
        /// The multi-valued or complex attribute.
        path: Resolved,
        /// Over one element; its paths carry the sub-attribute.
        filter: Box<Filter>,
        /// The part of the same element that must be present or compare (Entra's
        /// `emails[type eq "work"].value eq "x"`).
        sub: Option<&'static Attribute>,
        /// How the part is compared; none means that it must be present.
        comparison: Option<(Operator, Literal)>,
    },
}

/// How an attribute is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
}

/// What an attribute is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Text; for a `dateTime` an instant in RFC 3339.
    String(String),
    /// A number.
    Number(serde_json::Number),
    /// True or false.
    Boolean(bool),
    /// No value.
    Null,
}

/// Reads a filter for a resource type; what is wrong with it is `invalidFilter`.
///
/// ```
/// use gatehouse::scim::{filter, schema};
///
/// let filter = filter::parse(r#"USERNAME Eq bjensen and not(active eq "True")"#, schema::user())?;
/// assert_eq!(filter.to_string(), r#"userName eq "bjensen" and not (active eq true)"#);
/// # Ok::<(), gatehouse::error::Error>(())
/// ```
pub fn parse(text: &str, kind: &'static ResourceType) -> Result<Filter> {
    let syntax = grammar::filter(text).map_err(invalid)?;
    resolve::filter(syntax, kind).map_err(|detail| refused(detail, &[kind]))
}

/// Reads a filter for several resource types, one filter for each. An attribute that a type does
/// not have is absent there; one that no type has is `invalidFilter`.
pub fn parse_for_all(text: &str, kinds: &[&'static ResourceType]) -> Result<Vec<Filter>> {
    let syntax = grammar::filter(text).map_err(invalid)?;
    resolve::filters(&syntax, kinds).map_err(|detail| refused(detail, kinds))
}

/// `attribute[filter].sub` of a PATCH path, before the attribute is looked up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selection {
    pub(super) path: AttributePath,
    pub(super) sub: Option<String>,
    filter: grammar::Syntax,
}

impl Selection {
    /// Reads a path that has a bracket in it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (path, filter, sub) = grammar::value_path(text)?;
        Ok(Self { path, sub, filter })
    }

    /// The filter over the elements of that attribute.
    pub(super) fn filter_of(&self, path: Resolved) -> Result<Filter, &'static str> {
        resolve::element_filter(self.filter.clone(), path)
    }
}

impl Filter {
    /// All of them, flat; a single one stands for itself.
    #[must_use]
    pub fn all(filters: Vec<Self>) -> Self {
        let flat = filters.into_iter().flat_map(|filter| match filter {
            Self::And(inner) => inner,
            other => vec![other],
        });
        Self::single_or(flat.collect(), Self::And)
    }

    /// Any of them, flat; a single one stands for itself.
    #[must_use]
    pub fn any(filters: Vec<Self>) -> Self {
        let flat = filters.into_iter().flat_map(|filter| match filter {
            Self::Or(inner) => inner,
            other => vec![other],
        });
        Self::single_or(flat.collect(), Self::Or)
    }

    /// Whether it looks at an attribute of such a name.
    pub fn mentions(&self, is_it: fn(&str) -> bool) -> bool {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                filters.iter().any(|filter| filter.mentions(is_it))
            }
            Self::Not(filter) => filter.mentions(is_it),
            Self::Compare { path, .. } | Self::Present { path } | Self::ValuePath { path, .. } => {
                is_it(&path.attribute_key())
            }
        }
    }

    fn single_or(mut filters: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        match filters.len() {
            1 => filters.remove(0),
            _ => join(filters),
        }
    }
}

/// What is wrong with a filter; where it is an attribute, those that there are.
fn refused(detail: &'static str, kinds: &[&'static ResourceType]) -> Error {
    if detail != resolve::UNKNOWN {
        return invalid(detail);
    }
    let attributes = kinds.iter().flat_map(|kind| &kind.schema.attributes);
    let mut known = Vec::new();
    for attribute in attributes.filter(|it| it.returned != Returned::Never) {
        if !known.contains(&attribute.name.as_str()) {
            known.push(attribute.name.as_str());
        }
    }
    let detail = format!("{detail}; expected one such as {}", known.join(", "));
    Error::invalid(Invalid::Filter, detail)
}

fn invalid(detail: &'static str) -> Error {
    Error::invalid(Invalid::Filter, detail)
}
