//! From syntax to filter: paths are looked up, literals fitted to their attributes.

use super::grammar::{Syntax, Test, Word};
use super::{Filter, Literal, Operator};
use crate::clock::Timestamp;
use crate::scim::path::{AttributePath, Resolution, Resolved};
use crate::scim::schema::{Attribute, Kind, ResourceType, Returned};

pub(super) const UNKNOWN: &str =
    "the filter names an attribute that the resource type does not have";
const COMPLEX: &str = "expected a sub-attribute: a complex attribute has no value of its own";

/// A filter over resources.
pub(super) fn filter(syntax: Syntax, kind: &'static ResourceType) -> Result<Filter, &'static str> {
    build(syntax, &|path| match path.resolve(kind) {
        // What is never returned is not told apart from what does not exist (C031).
        Resolution::Known(found) if !found.is_never_returned() => Ok(found),
        _ => Err(UNKNOWN),
    })
}

/// A filter over resources of each of several types.
pub(super) fn filters(
    syntax: &Syntax,
    kinds: &[&'static ResourceType],
) -> Result<Vec<Filter>, &'static str> {
    let mut terms = Vec::new();
    collect(syntax, &mut terms);
    for term in terms {
        let mut refusals = Vec::new();
        for kind in kinds {
            refusals.extend(filter(term.clone(), kind).err());
        }
        if refusals.len() == kinds.len() {
            let telling = refusals.iter().find(|refusal| **refusal != UNKNOWN);
            return Err(telling.copied().unwrap_or(UNKNOWN));
        }
    }
    let fits = |term: &Syntax, kind: &'static ResourceType| filter(term.clone(), kind).is_ok();
    let kinds = kinds.iter();
    kinds
        .map(|kind| filter(without(syntax.clone(), &|term| fits(term, kind)), kind))
        .collect()
}

/// The terms of a filter that look at an attribute.
fn collect<'s>(syntax: &'s Syntax, terms: &mut Vec<&'s Syntax>) {
    match syntax {
        Syntax::And(inner) | Syntax::Or(inner) => {
            for term in inner {
                collect(term, terms);
            }
        }
        Syntax::Not(inner) => collect(inner, terms),
        Syntax::Compare(..) | Syntax::Present(_) | Syntax::ValuePath { .. } => terms.push(syntax),
    }
}

/// The filter where attributes that the type does not have, or not so, have no value: nothing is
/// equal to them, and they differ from everything but null.
fn without(syntax: Syntax, fits: &dyn Fn(&Syntax) -> bool) -> Syntax {
    let each = |terms: Vec<Syntax>| {
        let terms = terms.into_iter().map(|term| without(term, fits));
        terms.collect()
    };
    let is_null =
        |word: &Word| matches!(word, Word::Bare(text) if text.eq_ignore_ascii_case("null"));
    match syntax {
        Syntax::And(terms) => Syntax::And(each(terms)),
        Syntax::Or(terms) => Syntax::Or(each(terms)),
        Syntax::Not(inner) => Syntax::Not(Box::new(without(*inner, fits))),
        term if fits(&term) => term,
        Syntax::Compare(_, Operator::Eq, word) if is_null(&word) => Syntax::And(Vec::new()),
        Syntax::Compare(_, Operator::Ne, word) if !is_null(&word) => Syntax::And(Vec::new()),
        _ => Syntax::Or(Vec::new()),
    }
}

/// A filter over the elements of one attribute.
pub(super) fn element_filter(syntax: Syntax, outer: Resolved) -> Result<Filter, &'static str> {
    build(syntax, &|path| {
        let name = path.to_string();
        if outer.attribute.kind != Kind::Complex && name.eq_ignore_ascii_case("value") {
            return Ok(outer);
        }
        shown(outer.attribute, &name).map(|sub| outer.with_sub(sub))
    })
}

/// The part of that name, unless no answer ever shows it (C031).
fn shown(attribute: &'static Attribute, name: &str) -> Result<&'static Attribute, &'static str> {
    let sub = attribute.sub(name);
    sub.filter(|sub| sub.returned != Returned::Never)
        .ok_or(UNKNOWN)
}

type Lookup<'a> = &'a dyn Fn(&AttributePath) -> Result<Resolved, &'static str>;

fn build(syntax: Syntax, lookup: Lookup<'_>) -> Result<Filter, &'static str> {
    match syntax {
        Syntax::And(terms) => build_all(terms, lookup).map(Filter::all),
        Syntax::Or(terms) => build_all(terms, lookup).map(Filter::any),
        Syntax::Not(inner) => Ok(Filter::Not(Box::new(build(*inner, lookup)?))),
        Syntax::Present(path) => Ok(Filter::Present {
            path: lookup(&path)?,
        }),
        Syntax::Compare(path, operator, word) => {
            let path = comparable(lookup(&path)?)?;
            let value = literal(path.definition(), operator, word)?;
            Ok(Filter::Compare {
                path,
                operator,
                value,
            })
        }
        Syntax::ValuePath {
            path,
            filter,
            sub,
            test,
        } => value_path(lookup(&path)?, *filter, sub, test),
    }
}

fn build_all(terms: Vec<Syntax>, lookup: Lookup<'_>) -> Result<Vec<Filter>, &'static str> {
    terms.into_iter().map(|term| build(term, lookup)).collect()
}

fn value_path(
    path: Resolved,
    filter: Syntax,
    sub: Option<String>,
    test: Option<Test>,
) -> Result<Filter, &'static str> {
    if path.sub.is_some() || !(path.attribute.multi_valued || path.attribute.kind == Kind::Complex)
    {
        return Err("expected brackets after a multi-valued attribute only");
    }
    let filter = Box::new(element_filter(filter, path)?);
    let sub = match (sub, &test) {
        (Some(name), _) => Some(shown(path.attribute, &name)?),
        // `emails[…] eq "x"` means the value of the element.
        (None, Some(Test::Compare(..))) => Some(path.attribute.value().ok_or(COMPLEX)?),
        (None, _) => None,
    };
    let comparison = match (sub, test) {
        (Some(sub), Some(Test::Compare(operator, word))) => {
            Some((operator, literal(sub, operator, word)?))
        }
        _ => None,
    };
    Ok(Filter::ValuePath {
        path,
        filter,
        sub,
        comparison,
    })
}

/// A complex attribute stands for its `value`, as in `emails eq "x"` or `manager eq "id"`.
fn comparable(path: Resolved) -> Result<Resolved, &'static str> {
    if path.definition().kind != Kind::Complex {
        return Ok(path);
    }
    match (path.sub, path.attribute.value()) {
        (None, Some(value)) => Ok(path.with_sub(value)),
        _ => Err(COMPLEX),
    }
}

/// The literal as a value of the attribute's type (RFC 7644 section 3.4.2.2, table 3).
fn literal(attribute: &Attribute, operator: Operator, word: Word) -> Result<Literal, &'static str> {
    use Operator::{Co, Eq, Ew, Ne, Sw};
    if matches!(&word, Word::Bare(text) if text.eq_ignore_ascii_case("null")) {
        return match operator {
            Eq | Ne => Ok(Literal::Null),
            _ => Err("expected null with eq or ne only"),
        };
    }
    let (Word::Quoted(text) | Word::Bare(text)) = word;
    match attribute.kind {
        Kind::Boolean => {
            if !matches!(operator, Eq | Ne) {
                return Err("expected eq or ne with a boolean attribute");
            }
            boolean(&text)
                .map(Literal::Boolean)
                .ok_or("expected true or false")
        }
        Kind::Integer | Kind::Decimal => {
            if matches!(operator, Co | Sw | Ew) {
                return Err("expected a comparison of numbers");
            }
            text.parse()
                .map(Literal::Number)
                .map_err(|_| "expected a number")
        }
        Kind::DateTime => {
            if matches!(operator, Co | Sw | Ew) {
                return Err("expected a comparison of instants");
            }
            match Timestamp::parse(&text) {
                Some(_) => Ok(Literal::String(text)),
                None => Err("expected an RFC 3339 date-time"),
            }
        }
        Kind::Binary if !matches!(operator, Eq | Ne | Co | Sw | Ew) => {
            Err("expected no order with a binary attribute")
        }
        Kind::String | Kind::Reference | Kind::Binary => Ok(Literal::String(text)),
        Kind::Complex => Err(COMPLEX),
    }
}

/// A boolean written as text in any letter case, as Entra does.
pub(in crate::scim) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}
