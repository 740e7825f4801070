//! Who is this? A directory brings somebody: new, known of old, or a member of another way.

use serde_json::json;

use super::brake;
use crate::app::App;
use crate::changes::{self, Act, Change};
use crate::error::{Error, Result};
use crate::ids::{MemberId, PersonId};
use crate::secrets::PersonKey;
use crate::store::directories::Mode;
use crate::store::error::DbError;
use crate::store::login_names;
use crate::store::members::{self, Hold, Member, Profile, Source, Status};
use crate::store::tx::Tx;
use crate::store::users::{self, Known, Place};
use crate::workspace::persons;

/// What a directory says about somebody who arrives.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// The folded userName.
    pub user_name_key: String,
    /// The IdP's own id for the person.
    pub external_id: Option<String>,
    /// Whether the IdP lets the person in.
    pub active: bool,
    /// What the member shows.
    pub profile: Profile,
}

/// What became of somebody who arrived.
pub enum Arrival {
    /// Admitted: the User may be stored.
    Admitted(Admitted),
    /// A member of another way has that name; a conflict row was written.
    Conflict,
}

/// Somebody whose User may be stored.
pub struct Admitted {
    /// The member, in a live directory.
    pub member: Option<MemberId>,
    /// Whether the member is let in now, and so needs a seat.
    pub is_in: bool,
    /// Whether the member is to be settled once its User is stored.
    pub is_to_settle: bool,
    /// The person's key, for values that go into changes.
    pub person: (PersonId, PersonKey),
    /// What is to be told with the User's own change.
    pub changes: Vec<Change>,
}

/// Admits a newcomer by the table of arrivals: nothing known makes a member, a tombstone of the
/// same externalId is revived, a member of another way is a conflict. In mode `collect` nobody
/// becomes a member.
pub async fn arrive(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    (place, mode): (Place, Mode),
    known: &Known,
    newcomer: &Newcomer,
) -> Result<Arrival> {
    if let Some(holder) = known.holder {
        note_conflict(tx, act, place, newcomer, holder).await?;
        if mode == Mode::Live {
            return Ok(Arrival::Conflict);
        }
    }
    if mode == Mode::Collect {
        let person = persons::make(tx, app, act.workspace).await?;
        return Ok(Arrival::Admitted(Admitted {
            member: None,
            is_in: false,
            is_to_settle: false,
            person,
            changes: Vec::new(),
        }));
    }
    let admitted = match known.buried {
        Some(member) if known.tombstones == 1 => {
            match revive(tx, app, act, (place, known), member, newcomer).await? {
                Some(admitted) => admitted,
                None => {
                    note_conflict(tx, act, place, newcomer, member).await?;
                    return Ok(Arrival::Conflict);
                }
            }
        }
        _ => make(tx, app, act, known, newcomer).await?,
    };
    let member = admitted.member.ok_or(DbError::NotFound)?;
    let key = &newcomer.user_name_key;
    if login_names::insert(tx, act.workspace, key, member).await? {
        Ok(Arrival::Admitted(admitted))
    } else {
        // Somebody else took the name since it was looked up: look again.
        Err(Error::Retry(anyhow::anyhow!(
            "a login name was taken meanwhile"
        )))
    }
}

/// Writes down that a directory asked for a name that a member of another way has.
pub async fn note_conflict(
    tx: &mut Tx,
    act: &Act,
    place: Place,
    newcomer: &Newcomer,
    holder: MemberId,
) -> Result<()> {
    let external_id = newcomer.external_id.as_deref();
    users::insert_conflict(
        tx,
        place,
        &newcomer.user_name_key,
        external_id,
        holder,
        act.at,
    )
    .await?;
    Ok(())
}

async fn make(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    known: &Known,
    newcomer: &Newcomer,
) -> Result<Admitted> {
    let person = persons::make(tx, app, act.workspace).await?;
    let profile = newcomer.profile.clone();
    let member = Member {
        id: MemberId::new(),
        status: status(newcomer.active),
        source: Source::Directory,
        person: person.0,
        user_name: profile.user_name,
        display_name: profile.display_name,
        given_name: profile.given_name,
        family_name: profile.family_name,
        email: profile.email,
        rules_version: known.rules_version,
        version: 1,
        created_at: act.at,
        updated_at: act.at,
        held_at: None,
        barred_at: None,
        waiting_at: None,
        braked_at: None,
        brake_until: None,
        brake_wants: None,
        protected: false,
        manual: String::new(),
        ruled: String::new(),
    };
    members::insert(tx, act.workspace, &member, profile.email_key.as_deref()).await?;
    let detail = json!({"status": member.status, "source": member.source});
    let change = act.change("member.added", ("member", member.id.0), Some(1), &detail);
    let change = changes::seal(
        change,
        act.workspace,
        (person.0, &person.1),
        &shown(newcomer),
    )?;
    Ok(Admitted {
        member: Some(member.id),
        is_in: member.status == Status::Active,
        is_to_settle: known.rules_when > 0,
        person,
        changes: vec![change],
    })
}

/// The same person is back: id and history go on, grants, credentials and links do not. None if an
/// admin has brought the person in again meanwhile: what waits for the person there is not the
/// directory's to set free.
async fn revive(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    (place, known): (Place, &Known),
    member: MemberId,
    newcomer: &Newcomer,
) -> Result<Option<Admitted>> {
    let member = members::lock(tx, act.workspace, &[member])
        .await?
        .pop()
        .ok_or(DbError::NotFound)?;
    if users::is_linked(tx, place, member.id).await? {
        // Another create of the same externalId was first: look again.
        let cause = anyhow::anyhow!("the member was revived meanwhile");
        return Err(Error::Retry(cause));
    }
    if matches!(member.status, Status::Draft | Status::Invited) {
        return Ok(None);
    }
    let key = persons::key(tx, app, act.workspace, member.person).await?;
    // One whom an admin shut out does not come in by being made anew.
    let wanted = status(newcomer.active && member.barred_at.is_none());
    let mut member = member;
    let status = match wanted {
        // The directory had taken the person away, which waits: now it waits for something else.
        Status::Suspended if brake::holds(tx, act, &mut member, wanted).await? => Status::Active,
        _ => {
            brake::reverse(tx, act, &mut member).await?;
            wanted
        }
    };
    // Another directory may have the member in as it did at the time of a backup.
    let hold = if newcomer.active {
        Hold::End
    } else {
        Hold::Keep
    };
    members::update(
        tx,
        act.workspace,
        member.id,
        &newcomer.profile,
        (status, hold),
        act.at,
    )
    .await?;
    if let Some(external_id) = &newcomer.external_id {
        users::delete_tombstones(tx, place, external_id).await?;
    }
    let detail = json!({"status": status});
    let version = Some(member.version + 1);
    let change = act.change("member.revived", ("member", member.id.0), version, &detail);
    let change = changes::seal(
        change,
        act.workspace,
        (member.person, &key),
        &shown(newcomer),
    )?;
    Ok(Some(Admitted {
        member: Some(member.id),
        is_in: status == Status::Active && member.status != Status::Active,
        // One who was settled under newer rules than were known had no User then.
        is_to_settle: known.rules_when > 0 || member.rules_version > known.rules_version,
        person: (member.person, key),
        changes: vec![change],
    }))
}

fn status(active: bool) -> Status {
    if active {
        Status::Active
    } else {
        Status::Suspended
    }
}

fn shown(newcomer: &Newcomer) -> serde_json::Value {
    json!({
        "user_name": newcomer.profile.user_name,
        "display_name": newcomer.profile.display_name,
        "email": newcomer.profile.email,
    })
}
