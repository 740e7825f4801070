//! What a run leaves for the next one on the same database.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// A directory with users.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seeded {
    /// The path of its SCIM service.
    pub path: String,
    /// A token for it.
    pub token: String,
    /// Its users, in the order of the company's people.
    pub users: Vec<String>,
    /// Runs on this database; names of what a run adds hold it.
    pub uses: u32,
}

impl Seeded {
    /// Where it lies in the folder of a database.
    pub(crate) fn file(folder: &Path) -> PathBuf {
        folder.join("seeded.json")
    }

    /// What is there, if anything.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let file = Self::file(folder);
        if !file.exists() {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&std::fs::read(file)?)?))
    }

    /// Keeps it.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        std::fs::write(Self::file(folder), serde_json::to_vec(self)?)?;
        Ok(())
    }
}
