//! What rules look at.

use crate::ids::DirectoryId;

/// What a rule looks at.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RuleSource {
    /// Groups of a directory, and the attributes of its users.
    #[default]
    Directory,
    /// What members show of themselves, whatever way they came.
    Profile,
}

impl RuleSource {
    /// The source of a rule that has such a directory.
    pub fn of(directory: Option<DirectoryId>) -> Self {
        directory.map_or(Self::Profile, |_| Self::Directory)
    }
}
