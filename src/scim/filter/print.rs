//! Canonical text of a filter, which reads back to an equal tree.

use std::fmt;

use super::{Filter, Literal, Operator};
use crate::scim::path::Resolved;

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_filter(f, self, Place::Resource)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        })
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Self::Number(number) => write!(f, "{number}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Null => f.write_str("null"),
        }
    }
}

/// Whether paths are printed in full or, inside brackets, by their sub-attribute.
#[derive(Clone, Copy)]
enum Place {
    Resource,
    Element,
}

fn write_filter(f: &mut fmt::Formatter<'_>, filter: &Filter, place: Place) -> fmt::Result {
    match filter {
        Filter::And(inner) => write_joined(f, inner, " and ", place),
        Filter::Or(inner) => write_joined(f, inner, " or ", place),
        Filter::Not(inner) => {
            f.write_str("not (")?;
            write_filter(f, inner, place)?;
            f.write_str(")")
        }
        Filter::Compare {
            path,
            operator,
            value,
        } => {
            write_path(f, *path, place)?;
            write!(f, " {operator} {value}")
        }
        Filter::Present { path } => {
            write_path(f, *path, place)?;
            f.write_str(" pr")
        }
        Filter::ValuePath {
            path,
            filter,
            sub,
            comparison,
        } => {
            write!(f, "{path}[")?;
            write_filter(f, filter, Place::Element)?;
            f.write_str("]")?;
            if let Some(sub) = sub {
                write!(f, ".{}", sub.name)?;
                match comparison {
                    Some((operator, value)) => write!(f, " {operator} {value}")?,
                    None => f.write_str(" pr")?,
                }
            }
            Ok(())
        }
    }
}

fn write_joined(
    f: &mut fmt::Formatter<'_>,
    filters: &[Filter],
    word: &str,
    place: Place,
) -> fmt::Result {
    for (index, filter) in filters.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        // `or` binds weaker than `and`, so it alone needs parentheses.
        if matches!(filter, Filter::Or(_)) {
            f.write_str("(")?;
            write_filter(f, filter, place)?;
            f.write_str(")")?;
        } else {
            write_filter(f, filter, place)?;
        }
    }
    Ok(())
}

fn write_path(f: &mut fmt::Formatter<'_>, path: Resolved, place: Place) -> fmt::Result {
    match (place, path.sub) {
        (Place::Resource, _) => write!(f, "{path}"),
        (Place::Element, Some(sub)) => f.write_str(&sub.name),
        // An element that is no object is its own value.
        (Place::Element, None) => f.write_str("value"),
    }
}
