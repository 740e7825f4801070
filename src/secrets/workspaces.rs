//! Keys of workspaces: derived, so that nothing is stored that could be lost or moved.

use aws_lc_rs::aead::RandomizedNonceKey;
use zeroize::Zeroizing;

use super::{Keyring, aead, derive, open, seal};
use crate::error::Result;
use crate::ids::WorkspaceId;

/// The key under which one workspace's records of one kind are sealed. It does not print.
pub struct WorkspaceKey {
    key: RandomizedNonceKey,
    id: u8,
}

impl Keyring {
    /// The key of a workspace for a purpose, such as `request log`.
    pub fn of_workspace(&self, workspace: WorkspaceId, purpose: &str) -> Result<WorkspaceKey> {
        let parts = [workspace.0.as_bytes().as_slice(), purpose.as_bytes()];
        Ok(WorkspaceKey {
            key: aead(&*derive(&self.workspaces, &parts)?)?,
            id: self.id,
        })
    }
}

impl WorkspaceKey {
    /// Seals a value for the row that `aad` names.
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        seal(&self.key, self.id, aad, plain)
    }

    /// Opens a value of that row.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        open(&self.key, self.id, aad, sealed)
    }
}

impl std::fmt::Debug for WorkspaceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WorkspaceKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Keyring;
    use crate::ids::WorkspaceId;

    #[test]
    fn what_a_workspace_sealed_opens_for_it_alone() {
        let keyring = Keyring::from_master(&[7; 32]).unwrap();
        let (one, other) = (WorkspaceId::new(), WorkspaceId::new());
        let key = |workspace, purpose| keyring.of_workspace(workspace, purpose).unwrap();
        let sealed = key(one, "log").seal(b"row 1", b"ada").unwrap();
        let opened = key(one, "log").open(b"row 1", &sealed).unwrap();
        assert_eq!(opened.as_slice(), b"ada");
        assert!(key(one, "log").open(b"row 2", &sealed).is_err());
        assert!(key(one, "plan").open(b"row 1", &sealed).is_err());
        assert!(key(other, "log").open(b"row 1", &sealed).is_err());
        let changed = Keyring::from_master(&[8; 32]).unwrap();
        let key = changed.of_workspace(one, "log").unwrap();
        assert!(key.open(b"row 1", &sealed).is_err());
    }

    // C211
    #[test]
    fn the_key_does_not_print() {
        let keyring = Keyring::from_master(&[7; 32]).unwrap();
        let key = keyring.of_workspace(WorkspaceId::new(), "log").unwrap();
        assert_eq!(format!("{key:?}"), "WorkspaceKey(***)");
    }
}
