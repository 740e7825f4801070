//! Places in lists that are ordered by instants and ids, newest first.

use std::str::FromStr;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::Error;

/// A place in such a list: right after what is of that instant and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot<I>(pub Timestamp, pub I);

impl<I: From<Uuid> + std::fmt::Display> Spot<I> {
    /// Before the newest.
    pub fn newest() -> Self {
        Self::at(Timestamp(i64::MAX))
    }

    /// Before the newest of those that are not later than an instant.
    pub fn at(instant: Timestamp) -> Self {
        Self(instant, Uuid::max().into())
    }

    /// As text, which [`FromStr`] reads.
    pub fn to_text(self) -> String {
        format!("{} {}", self.0.0, self.1)
    }
}

impl<I: FromStr> FromStr for Spot<I> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once(' ');
        let read = parts.and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
        let (at, id) = read.ok_or_else(|| Error::value("expected an instant and an id"))?;
        Ok(Self(Timestamp(at), id))
    }
}
