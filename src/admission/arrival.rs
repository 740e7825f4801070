//! Who is this? A directory brings somebody: new, known of old, or a member of another way.

use serde_json::{Map, Value, json};

use super::brake;
use super::linking;
use super::recognition::{Allowed, Recognized, recognize};
use crate::app::App;
use crate::changes::{self, Act, Change};
use crate::error::{Error, Result};
use crate::ids::{MemberId, PersonId};
use crate::scim::{fold, resource};
use crate::secrets::PersonKey;
use crate::store::candidates;
use crate::store::directories::Mode;
use crate::store::error::DbError;
use crate::store::exits;
use crate::store::login_names;
use crate::store::members::{self, Hold, Member, Profile, Source, Status};
use crate::store::tx::Tx;
use crate::store::users::{self, Known, Place};
use crate::workspace::{guard, persons, seats, told};

/// What a directory says about somebody who arrives.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// The folded userName.
    pub user_name_key: String,
    /// Every address, folded.
    pub email_keys: Vec<String>,
    /// The IdP's own id for the person.
    pub external_id: Option<String>,
    /// Whether the IdP lets the person in.
    pub active: bool,
    /// What the member shows.
    pub profile: Profile,
    /// The person, if its User is there already; else a new one.
    pub person: Option<PersonId>,
}

impl Newcomer {
    /// What the document of a User that is stored says.
    pub fn of(document: &Map<String, Value>) -> Self {
        let core = resource::user_core(document);
        let mut email_keys: Vec<String> =
            core.emails.iter().map(|it| fold::key(it.value)).collect();
        email_keys.sort_unstable();
        email_keys.dedup();
        let email = core.primary_email().map(str::to_owned);
        Self {
            user_name_key: fold::key(core.user_name),
            email_keys,
            external_id: core.external_id.map(str::to_owned),
            active: core.active,
            profile: Profile {
                user_name: Some(core.user_name.to_owned()),
                display_name: Some(core.shown_name()),
                given_name: core.given_name.map(str::to_owned),
                family_name: core.family_name.map(str::to_owned),
                email_key: email.as_deref().map(fold::key),
                email,
            },
            person: None,
        }
    }

    /// The folded names by which somebody is found, the userName first.
    pub fn keys(&self) -> Vec<&str> {
        let mut keys = vec![self.user_name_key.as_str()];
        let addresses = self.email_keys.iter().map(String::as_str);
        keys.extend(addresses.filter(|key| *key != self.user_name_key));
        keys
    }
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

/// Admits a newcomer by the table of arrivals: nothing known makes a member, one who is expected is
/// linked, a tombstone of the same externalId is revived, a member of another way is linked where that
/// was allowed and else a conflict. In mode `collect` nobody becomes a member.
pub async fn arrive(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    (place, mode): (Place, Mode),
    known: &Known,
    newcomer: &Newcomer,
) -> Result<Arrival> {
    let recognized = recognized(tx, place, known, newcomer).await?;
    if let Recognized::Other(member) = recognized {
        note_conflict(tx, act, place, newcomer, member).await?;
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
    let at = (place, known);
    let admitted = match recognized {
        Recognized::Expected { member, is_proved } => {
            linking::expected(tx, app, act, at, (member, is_proved), newcomer).await?
        }
        Recognized::Adopted(member) => linking::adopted(tx, app, act, at, member, newcomer).await?,
        Recognized::Nobody | Recognized::Other(_) => match known.buried {
            Some(member) if known.tombstones == 1 => {
                revive(tx, app, act, at, member, newcomer).await?
            }
            _ => make(tx, app, act, known, newcomer).await?,
        },
    };
    let member = admitted.member.ok_or(DbError::NotFound)?;
    let keys = newcomer.keys();
    let is_named = if recognized == Recognized::Nobody {
        candidates::insert_name(tx, act.workspace, &keys, member).await?
    } else {
        login_names::insert(tx, act.workspace, &newcomer.user_name_key, member).await?
    };
    if is_named {
        Ok(Arrival::Admitted(admitted))
    } else {
        // Somebody took the name or was announced since it was looked up: look again.
        Err(Error::Retry(anyhow::anyhow!(
            "a login name was taken meanwhile"
        )))
    }
}

/// Who a newcomer is; nothing is asked where nobody has one of its names.
async fn recognized(
    tx: &mut Tx,
    place: Place,
    known: &Known,
    newcomer: &Newcomer,
) -> Result<Recognized> {
    if known.holder.is_none() && !known.is_met {
        return Ok(Recognized::Nobody);
    }
    let found = candidates::list(tx, place, &newcomer.keys()).await?;
    // Those whom the directory has already under an address are other people.
    if found.iter().all(|it| it.is_linked && !it.is_named) {
        return Ok(Recognized::Nobody);
    }
    let adopted = candidates::find_adopted(tx, place, &newcomer.user_name_key).await?;
    let allowed = Allowed::current(tx, place).await?;
    Ok(recognize(&found, adopted, &allowed))
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
    let person = match newcomer.person {
        Some(person) => (person, persons::key(tx, app, act.workspace, person).await?),
        None => persons::make(tx, app, act.workspace).await?,
    };
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
        brake_rejected: None,
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
        &told::profile(&newcomer.profile),
    )?;
    Ok(Admitted {
        member: Some(member.id),
        is_in: member.status == Status::Active,
        is_to_settle: known.rules_when > 0,
        person,
        changes: vec![change],
    })
}

/// The same person is back: id and history go on, grants, credentials and links do not. One whom an
/// admin has brought in again meanwhile is expected, and linked as such.
async fn revive(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    (place, known): (Place, &Known),
    member: MemberId,
    newcomer: &Newcomer,
) -> Result<Admitted> {
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
        // An externalId is a hint and proves nothing.
        let expected = (member.id, false);
        return linking::expected(tx, app, act, (place, known), expected, newcomer).await;
    }
    let key = persons::key(tx, app, act.workspace, member.person).await?;
    // One whom an admin shut out does not come in by being made anew.
    let wanted = status(newcomer.active && member.barred_at.is_none());
    let mut member = member;
    let wanted = if wanted == Status::Suspended && member.status == Status::Active {
        if member.barred_at.is_none()
            && exits::count_others(tx, act.workspace, member.id)
                .await?
                .active
                > 0
        {
            // Another directory keeps the member in.
            Status::Active
        } else {
            guard::refuse_protected(member.protected)?;
            guard::spare(tx, act.workspace, member.id).await?;
            wanted
        }
    } else {
        wanted
    };
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
    if member.status == Status::Active && status != Status::Active {
        seats::follow(tx, act, member.id, Some(&member), status).await?;
    }
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
        &told::profile(&newcomer.profile),
    )?;
    Ok(Admitted {
        member: Some(member.id),
        is_in: status == Status::Active && member.status != Status::Active,
        // One who was settled under newer rules than were known had no User then.
        is_to_settle: known.rules_when > 0 || member.rules_version > known.rules_version,
        person: (member.person, key),
        changes: vec![change],
    })
}

pub(super) fn status(active: bool) -> Status {
    if active {
        Status::Active
    } else {
        Status::Suspended
    }
}
