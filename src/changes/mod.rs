//! The change log: what happened, to what, through which request.
//!
//! A change is written without a number in the transaction of what it tells. The sequencer numbers
//! committed changes, one process at a time, so that a reader that keeps its number neither skips
//! nor repeats one, with many writers. A counter row that writers raise themselves was left out:
//! every write of a workspace would queue for it.

pub mod receipts;
pub mod refusals;
pub mod sequencer;

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use uuid::Uuid;

use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{ChangeId, CredentialId, DirectoryId, PersonId, RequestId, WorkspaceId};
use crate::secrets::PersonKey;
use crate::store;
use crate::store::tx::Tx;

pub use crate::store::changes::Change;

/// Who asks, and by which request.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The request's id.
    pub request: RequestId,
    /// The credential that it came with.
    pub credential: Option<CredentialId>,
    /// Who acts, where it is no credential: `cli`, `worker`.
    pub actor: Option<String>,
    /// The HTTP method.
    pub method: Option<String>,
    /// The path, without the query.
    pub path: Option<String>,
    /// What its changes say was skipped, for the request log.
    pub noted: Noted,
}

/// Notes of what a request asked for and was not done, each once.
#[derive(Debug, Clone, Default)]
pub struct Noted(Arc<Mutex<Vec<Value>>>);

/// A list of this many notes says enough.
const NOTES: usize = 100;

impl Noted {
    /// The notes so far.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A use case may run again, so that what is there already is left out.
    fn add(&self, notes: &Value) {
        let Some(notes) = notes.as_array().filter(|notes| !notes.is_empty()) else {
            return;
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for note in notes {
            if known.len() < NOTES && !known.contains(note) {
                known.push(note.clone());
            }
        }
    }
}

impl Origin {
    /// Somebody at the command line.
    pub fn cli() -> Self {
        Self {
            request: RequestId::new(),
            credential: None,
            actor: Some("cli".to_owned()),
            method: None,
            path: None,
            noted: Noted::default(),
        }
    }

    /// The worker, on behalf of the request that planned the work.
    pub fn worker(request: RequestId) -> Self {
        Self {
            request,
            credential: None,
            actor: Some("worker".to_owned()),
            method: None,
            path: None,
            noted: Noted::default(),
        }
    }
}

/// One act of one origin in one workspace, at one instant: what changes have in common.
#[derive(Debug, Clone)]
pub struct Act {
    /// By which request.
    pub origin: Origin,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The directory that it comes through.
    pub directory: Option<DirectoryId>,
    /// When.
    pub at: Timestamp,
}

impl Act {
    /// An act of now that comes through no directory.
    pub fn of(app: &App, origin: &Origin, workspace: WorkspaceId) -> Self {
        Self {
            origin: origin.clone(),
            workspace,
            directory: None,
            at: app.clock.now(),
        }
    }

    /// A change of this act.
    pub fn change(
        &self,
        kind: &str,
        (subject_kind, subject): (&str, Uuid),
        subject_version: Option<i64>,
        detail: &Value,
    ) -> Change {
        self.origin.noted.add(&detail["notes"]);
        Change {
            id: ChangeId::new(),
            kind: kind.to_owned(),
            subject_kind: subject_kind.to_owned(),
            subject,
            subject_version,
            directory: self.directory,
            detail: detail.to_string(),
            person: None,
            sealed: None,
            request: self.origin.request,
            credential: self.origin.credential,
            actor: self.origin.actor.clone(),
            method: self.origin.method.clone(),
            path: self.origin.path.clone(),
            at: self.at,
        }
    }
}

/// Puts personal values into a change, sealed with the person's key.
pub fn seal(
    mut change: Change,
    workspace: WorkspaceId,
    (person, key): (PersonId, &PersonKey),
    personal: &Value,
) -> Result<Change> {
    let aad = binding(workspace, change.id);
    change.person = Some(person);
    change.sealed = Some(key.seal(&aad, personal.to_string().as_bytes())?);
    Ok(change)
}

/// The personal values of a change; none where it has none.
pub fn open(change: &Change, workspace: WorkspaceId, key: &PersonKey) -> Result<Option<Value>> {
    let Some(sealed) = &change.sealed else {
        return Ok(None);
    };
    let opened = key.open(&binding(workspace, change.id), sealed)?;
    serde_json::from_slice(&opened).map_err(Error::internal)
}

/// Writes changes in the transaction of what they tell.
pub async fn record(tx: &mut Tx, workspace: WorkspaceId, changes: &[Change]) -> Result<()> {
    Ok(store::changes::insert(tx, workspace, changes).await?)
}

/// Binds a sealed value to its row, so that it cannot be moved to another.
fn binding(workspace: WorkspaceId, change: ChangeId) -> Vec<u8> {
    let mut aad = b"changes.sealed".to_vec();
    aad.extend_from_slice(workspace.0.as_bytes());
    aad.extend_from_slice(change.0.as_bytes());
    aad
}
