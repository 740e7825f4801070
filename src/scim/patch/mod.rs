//! PATCH (RFC 7644 section 3.5.2) with the dialects that identity providers speak.
//!
//! A request is read once and applied to a copy: on an error nothing has happened. Members are not
//! part of a document, so what is said of them comes out as operations for whoever keeps them, in
//! order. Where the standard and the clients differ:
//!
//! * `remove` of a multi-valued attribute with a list removes what is listed, never more.
//! * A value path that selects nothing creates an entry from its `eq` terms, or removes nothing.
//! * Null and empty text clear; a single-valued attribute is replaced by `add` too.
//! * Unknown attributes are skipped and noted, except below `members`, `active` and `roles`, where
//!   being told "done" while nothing happened would leave somebody with access.
//! * The parts of a complex attribute are merged, except where it has a `value`, as `manager` has:
//!   another value is another thing, whose old parts would be wrong.
//! * A body with `members` instead of operations is the PATCH of SCIM 1.1, as `OneLogin` sends it.

mod apply;
mod entries;
mod members;
mod request;

use serde_json::{Map, Value};

pub use self::apply::apply;
pub use self::request::parse;
use crate::error::{Error, Invalid};
use crate::scim::filter::{Filter, Selection};
use crate::scim::path::AttributePath;
use crate::scim::resource::{MemberRef, Note};

/// URN of a PATCH request.
pub const REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// Most operations in a request.
pub const OPERATIONS: usize = 2000;

/// A PATCH request, well-formed but not yet looked up in any schema.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchRequest {
    /// What is to be done, in order.
    pub operations: Vec<Operation>,
}

/// One operation of a PATCH request.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// What is done.
    pub op: Op,
    /// Where; none means that the keys of the value say it.
    pub path: Option<PatchPath>,
    /// With what; a given null is not the same as none.
    pub value: Option<Value>,
}

/// What a PATCH operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Adds values.
    Add,
    /// Replaces values.
    Replace,
    /// Removes values.
    Remove,
}

/// Where a PATCH operation acts.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchPath(Place);

#[derive(Debug, Clone, PartialEq)]
enum Place {
    Attribute(AttributePath),
    Selection(Selection),
}

/// What a PATCH did to a document, and what is left to do to the members.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// Whether the document is another one now. Says nothing of members.
    pub changed: bool,
    /// The attributes that differ, extension attributes by their URN.
    pub changed_attributes: Vec<String>,
    /// What is to be done to the members, in order.
    pub members: Vec<MembersOperation>,
    /// What was left out.
    pub notes: Vec<Note>,
    /// The value of `active`, if the request speaks of it.
    pub active: Option<bool>,
}

/// A change of the members of a group.
#[derive(Debug, Clone, PartialEq)]
pub enum MembersOperation {
    /// These become members, if they are not already.
    Add(Vec<MemberRef>),
    /// These are no longer members, if they were.
    Remove(Vec<MemberRef>),
    /// Whoever satisfies the filter is no longer a member. It is over elements with `value`,
    /// `display`, `type` and `$ref`, for [`crate::scim::evaluate::matches_element`].
    RemoveMatching(Filter),
    /// Nobody is a member any more.
    Clear,
    /// Exactly these are members.
    Replace(Vec<MemberRef>),
}

type Document = Map<String, Value>;

fn bad_path(detail: &str) -> Error {
    Error::invalid(Invalid::Path, detail)
}

fn no_target(detail: &str) -> Error {
    Error::invalid(Invalid::NoTarget, detail)
}

#[cfg(test)]
mod tests;
