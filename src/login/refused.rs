//! Why somebody is not signed in.

use crate::admission::first_login::Why;
use crate::error::Error;
use crate::ids::MemberId;
use crate::store::error::DbError;

/// Why a login ends without a session.
#[derive(Debug)]
pub enum Refused {
    /// What came back belongs to no login that is under way here.
    State,
    /// It began in another browser.
    Browser,
    /// It came back at another connection than it began at, or that was set otherwise meanwhile.
    Connection,
    /// The answer is of another issuer, or does not name its own.
    Issuer,
    /// The provider says no.
    Provider {
        /// The code that it gives, if it gives one that is one.
        code: String,
        /// What it says to people, shortened.
        text: String,
    },
    /// The provider cannot be asked.
    Away,
    /// The provider exchanged no code for tokens; the code of its error, if it gave one.
    Exchange(Option<String>),
    /// The ID token does not hold; which check it is that failed.
    Token(&'static str),
    /// What `userinfo` says is not about the same person, or cannot be read.
    UserInfo,
    /// A claim is missing or not what it must be; its name.
    Claim(&'static str),
    /// The tenant or domain is not among those that may come in.
    Tenant,
    /// The person proved too little, or too long ago, who it is.
    Weak,
    /// The provider vouches for the person, and the workspace does not let it in.
    Person {
        /// Why.
        why: Why,
        /// Whom the identity is linked to, if it is.
        member: Option<MemberId>,
    },
    /// Something else.
    Other(Error),
}

impl Refused {
    /// What the log of changes calls it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Browser => "browser",
            Self::Connection => "connection",
            Self::Issuer => "issuer",
            Self::Provider { .. } => "provider",
            Self::Away => "away",
            Self::Exchange(_) => "exchange",
            Self::Token(check) => check,
            Self::UserInfo => "userinfo",
            Self::Claim(name) => name,
            Self::Tenant => "tenant",
            Self::Weak => "weak",
            Self::Person { why, .. } => why.code(),
            Self::Other(_) => "other",
        }
    }

    /// What the provider says of it: a code of OAuth 2.0.
    pub fn provider_said(&self) -> Option<&str> {
        match self {
            Self::Provider { code, .. } => Some(code),
            Self::Exchange(code) => code.as_deref(),
            _ => None,
        }
    }
}

impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Other(error.into())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}
