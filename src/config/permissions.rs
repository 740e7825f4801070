//! The permissions that the apps of this deployment know.

use serde::Deserialize;

use super::problems::Problems;
use super::server::names;

/// The permissions that the apps of this deployment know, beside those of Gatehouse itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permissions {
    /// Their names, such as `chats.transfer`.
    #[serde(deserialize_with = "names")]
    pub catalogue: Vec<String>,
}

impl Permissions {
    pub(super) fn check(&self, problems: &mut Problems) {
        for name in &self.catalogue {
            let is_word = |word: &str| {
                let is_letter = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
                !word.is_empty() && word.bytes().all(is_letter)
            };
            if name.len() > 64 || !name.split('.').all(is_word) {
                let problem = format!(
                    "`{name}` must be words of a-z, 0-9, _ and - with dots between, 64 at most"
                );
                problems.add("permissions.catalogue", &problem);
            }
        }
    }
}
