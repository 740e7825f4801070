//! How long what is kept.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::Config;

/// How long what is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// After how many days a removed member is erased; never if not set.
    pub removed_members_days: Option<u32>,
    /// For how many days a User that its directory deleted is known again; without an end if not
    /// set. What one was that never had a member is kept as long, and for 30 days if not set: nobody
    /// knows it again.
    pub tombstones_days: Option<u32>,
    /// How many days a conflict is listed after it came up last.
    pub conflicts_days: u32,
    /// How many days a deleted workspace can be had back.
    pub deleted_workspaces_days: u32,
    /// How many days the end of a directory can be undone; what it said is deleted after it.
    pub ended_directories_days: u32,
    /// The file that lists who was erased; beside the file of an SQLite database if not set.
    pub erasure_list: Option<PathBuf>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            removed_members_days: None,
            tombstones_days: None,
            conflicts_days: 90,
            deleted_workspaces_days: 30,
            ended_directories_days: 7,
            erasure_list: None,
        }
    }
}

impl Retention {
    /// So many days.
    pub fn span(days: u32) -> Duration {
        Duration::from_hours(24) * days
    }

    /// What a limit of each setting is held against: its key, value, floor and ceiling.
    pub(super) fn ranges(&self) -> Vec<(&'static str, u64, u64, u64)> {
        let mut ranges = vec![
            ("retention.conflicts_days", self.conflicts_days, 1, 3_650),
            (
                "retention.deleted_workspaces_days",
                self.deleted_workspaces_days,
                1,
                365,
            ),
            (
                "retention.ended_directories_days",
                self.ended_directories_days,
                1,
                365,
            ),
        ];
        let optional = [
            ("retention.removed_members_days", self.removed_members_days),
            ("retention.tombstones_days", self.tombstones_days),
        ];
        for (key, days) in optional {
            ranges.extend(days.map(|days| (key, days, 1, 3_650)));
        }
        let wide =
            |(key, days, lowest, highest): (_, u32, _, _)| (key, u64::from(days), lowest, highest);
        ranges.into_iter().map(wide).collect()
    }
}

impl Config {
    /// The file that lists who was erased; none where nothing says where it is to be.
    pub fn erasure_list(&self) -> Option<PathBuf> {
        if let Some(path) = &self.retention.erasure_list {
            return Some(path.clone());
        }
        let path = self.database.url.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = path.split('?').next().unwrap_or(path);
        Some(PathBuf::from(format!("{path}.erased")))
    }
}
