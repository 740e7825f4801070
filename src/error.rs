//! What can go wrong, in the words of the domain. Each HTTP surface renders it its own way.

use std::time::Duration;

/// Why a request's input was refused: one variant for each `scimType` of RFC 7644 table 9 and
/// RFC 9865 table 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// `invalidFilter`: the filter is malformed or names an attribute that does not exist.
    Filter,
    /// `invalidPath`: the path of a PATCH operation is malformed.
    Path,
    /// `invalidValue`: a required value is missing or a value does not fit its attribute.
    Value,
    /// `invalidSyntax`: the body is no well-formed message.
    Syntax,
    /// `mutability`: the attribute is not the client's to write.
    Mutability,
    /// `noTarget`: the path selects nothing that could be changed.
    NoTarget,
    /// `tooMany`: the filter would cost more than a request may.
    TooMany,
    /// `invalidCursor`: the cursor is none of this query (RFC 9865).
    Cursor,
    /// `expiredCursor`: the cursor is too old.
    ExpiredCursor,
    /// `invalidCount`: the page size is another than that of the first page.
    Count,
}

/// What went wrong. `Display` is for the client and never prints its source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or the caller may not see it.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// A unique value is in use.
    #[error("{0} is already taken")]
    Taken(&'static str),
    /// The request would break a rule of state other than uniqueness.
    #[error("{0}")]
    Conflict(String),
    /// The input is malformed; `detail` names the attribute or key and what was expected.
    #[error("{detail}")]
    Invalid {
        /// Which kind of fault it is.
        kind: Invalid,
        /// What was expected, lower case, without a full stop.
        detail: String,
    },
    /// The resource is not at the version that the caller named.
    #[error("the resource is not at a version that the precondition allows")]
    VersionMismatch,
    /// No credential, or one that is not valid.
    #[error("authentication required")]
    Unauthenticated,
    /// A valid credential that does not allow this.
    #[error("this goes beyond what whoever asks may do, or over a member who may do more")]
    Forbidden,
    /// Above the caller's quota.
    #[error("too many requests")]
    TooManyRequests {
        /// When to come back.
        retry_after: Duration,
    },
    /// The body is larger than its limit in bytes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// More operations in a Bulk request than it may have.
    #[error("a bulk request has at most {0} operations")]
    TooManyOperations(usize),
    /// Asked of something that does not exist here.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// Overloaded, or a dependency is away for the moment.
    #[error("temporarily unavailable")]
    Unavailable,
    /// The database asks for another try of the whole transaction.
    #[error("temporarily unavailable")]
    Retry(#[source] anyhow::Error),
    /// The cause is logged; the client learns nothing of it.
    #[error("internal error")]
    Internal(#[source] anyhow::Error),
}

/// The result of a use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Invalid`] of that kind.
    pub fn invalid(kind: Invalid, detail: impl Into<String>) -> Self {
        Self::Invalid {
            kind,
            detail: detail.into(),
        }
    }

    /// An invalid value (`invalidValue`).
    pub fn value(detail: impl Into<String>) -> Self {
        Self::invalid(Invalid::Value, detail)
    }

    /// A fault of ours, with what led to it.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::Internal(cause.into())
    }
}
