//! Where a page by cursor goes on (RFC 9865): the plain form, which whoever hands it out seals.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::sort::Key;
use crate::clock::Timestamp;
use crate::error::{Error, Invalid, Result};

/// How long a cursor is good, in seconds.
pub const LIFE_SECONDS: u32 = 24 * 60 * 60;
/// Longest text of a cursor, in bytes.
pub const BYTES: usize = 8 * 1024;

/// A place in the results of a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Which of the resource types that are searched one after the other.
    #[serde(rename = "t")]
    pub kind: usize,
    /// The last resource before the page; none at the start of a resource type.
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    pub after: Option<Uuid>,
    /// What that resource is sorted by, where the query sorts.
    #[serde(rename = "k", skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// How many resources a page of this query has.
    #[serde(rename = "c")]
    pub count: i64,
    /// When it was made.
    #[serde(rename = "m")]
    pub made_at: Timestamp,
}

impl Cursor {
    /// The bytes to seal.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(Error::internal)
    }

    /// Reads opened bytes, and holds them against the query's page size and the time.
    pub fn from_bytes(bytes: &[u8], count: i64, now: Timestamp) -> Result<Self> {
        let cursor: Self = serde_json::from_slice(bytes).map_err(|_| invalid())?;
        let life = std::time::Duration::from_secs(LIFE_SECONDS.into());
        if cursor.made_at.after(life) < now {
            let detail = "the cursor is too old; begin again with an empty one";
            return Err(Error::invalid(Invalid::ExpiredCursor, detail));
        }
        if cursor.count != count {
            let detail = "count must be the same for each page by cursor";
            return Err(Error::invalid(Invalid::Count, detail));
        }
        Ok(cursor)
    }
}

/// A cursor that was not made here, or not for this query.
#[must_use]
pub fn invalid() -> Error {
    let detail = "expected an empty cursor, or the nextCursor of this very query";
    Error::invalid(Invalid::Cursor, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        Cursor {
            kind: 1,
            after: Some(Uuid::nil()),
            key: Some(Key::Text("ada".to_owned())),
            count: 10,
            made_at: Timestamp(1_000_000),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let bytes = cursor().to_bytes().unwrap();
        let now = Timestamp(2_000_000);
        assert_eq!(Cursor::from_bytes(&bytes, 10, now).unwrap(), cursor());
        let bare = Cursor {
            after: None,
            key: None,
            ..cursor()
        };
        let bytes = bare.to_bytes().unwrap();
        assert_eq!(Cursor::from_bytes(&bytes, 10, now).unwrap(), bare);
    }

    #[test]
    fn each_fault_has_its_type() {
        let check = |bytes: &[u8], count: i64, now: i64, expect: Invalid| {
            let error = Cursor::from_bytes(bytes, count, Timestamp(now)).unwrap_err();
            assert!(matches!(error, Error::Invalid { kind, .. } if kind == expect));
        };
        let bytes = cursor().to_bytes().unwrap();
        check(&bytes, 11, 0, Invalid::Count);
        check(&bytes, 10, 86_401_000_001, Invalid::ExpiredCursor);
        check(&bytes[1..], 10, 0, Invalid::Cursor);
        check(b"{}", 10, 0, Invalid::Cursor);
    }
}
