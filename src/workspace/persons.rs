//! Persons: a key for each, under which what is personal is sealed. Who destroys the key has erased
//! the person.

use crate::app::App;
use crate::error::Result;
use crate::ids::{PersonId, WorkspaceId};
use crate::secrets::PersonKey;
use crate::store::error::DbError;
use crate::store::tx::Tx;
use crate::store::users;

/// A new person, and its key.
pub async fn make(tx: &mut Tx, app: &App, workspace: WorkspaceId) -> Result<(PersonId, PersonKey)> {
    let person = PersonId::new();
    let key = PersonKey::generate()?;
    let sealed = key.sealed(&app.keys, &binding(workspace, person))?;
    users::insert_person(tx, workspace, person, sealed).await?;
    Ok((person, key))
}

/// The key of a person, which must be there.
pub async fn key(
    tx: &mut Tx,
    app: &App,
    workspace: WorkspaceId,
    person: PersonId,
) -> Result<PersonKey> {
    let found = find(tx, app, workspace, person).await?;
    Ok(found.ok_or(DbError::NotFound)?)
}

/// The key of a person, unless it was destroyed.
pub async fn find(
    tx: &mut Tx,
    app: &App,
    workspace: WorkspaceId,
    person: PersonId,
) -> Result<Option<PersonKey>> {
    let sealed = users::find_person(tx, workspace, person).await?;
    let opened = sealed
        .map(|sealed| PersonKey::open_sealed(&app.keys, &binding(workspace, person), &sealed));
    opened.transpose()
}

fn binding(workspace: WorkspaceId, person: PersonId) -> Vec<u8> {
    let mut aad = b"person_keys.sealed".to_vec();
    aad.extend_from_slice(workspace.0.as_bytes());
    aad.extend_from_slice(person.0.as_bytes());
    aad
}
