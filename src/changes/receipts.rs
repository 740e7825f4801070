//! Receipts: where a workspace's log ended when somebody looked. The log alone cannot tell that its
//! tail was cut off together with its head, nor that all of it was written anew; a receipt that is
//! kept elsewhere can.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::store;
use crate::store::tx::Tx;

/// The end of a workspace's log, as `SLUG:NUMBER:HASH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The workspace's slug.
    pub workspace: String,
    /// The last number.
    pub number: i64,
    /// The hash of that change, over all before it.
    pub hash: Vec<u8>,
}

/// The receipts of all workspaces that have a numbered change.
pub async fn list(tx: &mut Tx) -> Result<Vec<Receipt>> {
    let heads = store::changes::list_heads(tx).await?;
    let receipts = heads.into_iter().map(|(workspace, number, hash)| Receipt {
        workspace,
        number,
        hash,
    });
    Ok(receipts.collect())
}

/// Whether the log still has what a receipt says.
pub async fn holds(tx: &mut Tx, receipt: &Receipt) -> Result<bool> {
    let found = store::changes::find_hash(tx, &receipt.workspace, receipt.number).await?;
    Ok(found.is_some_and(|hash| hash == receipt.hash))
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = HEXLOWER.encode(&self.hash);
        write!(f, "{}:{}:{hash}", self.workspace, self.number)
    }
}

impl FromStr for Receipt {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.trim().split(':');
        let all = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(workspace), Some(number), Some(hash), None) = all else {
            return Err(Error::value("a receipt is SLUG:NUMBER:HASH"));
        };
        let number = number.parse().ok();
        let hash = HEXLOWER.decode(hash.as_bytes()).ok();
        match (number, hash) {
            (Some(number), Some(hash)) => Ok(Self {
                workspace: workspace.to_owned(),
                number,
                hash,
            }),
            _ => Err(Error::value("a receipt is SLUG:NUMBER:HASH")),
        }
    }
}

impl Serialize for Receipt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Receipt {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
