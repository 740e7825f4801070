//! Somebody is brought in by hand: through the API, the command line or an import. It is the same
//! person who was brought in before or has left; nobody is let in by it, that takes an invite.

use serde_json::json;

use super::shown::{Before, Doubted};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::scim::fold;
use crate::store::members::{self, Hold, Member, Profile, Source, Status};
use crate::store::tx::Tx;
use crate::store::{candidates, details, workspaces};
use crate::workspace::keys::Scopes;
use crate::workspace::manual::{self, Right};
use crate::workspace::profile::Edit;
use crate::workspace::{awaiting, edit, permissions, persons, told};

/// Why an address alone does not say who is meant.
pub(super) const SEVERAL: &str = "several members have this address";

/// Who is brought in, and with which rights.
#[derive(Debug, Clone, Default)]
pub struct Entrant {
    /// What the member shows. Somebody is found again by the address alone.
    pub edit: Edit,
    /// Teams, roles and permissions, which have effect once the person comes in.
    pub rights: Vec<Right>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new member.
    Created,
    /// One who is expected already: fields and rights were added.
    Merged,
    /// One who had left: id and history go on, former rights do not.
    Revived,
}

/// A member, and what became of it.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Entered {
    /// The member.
    pub member: MemberId,
    /// What became of it.
    pub outcome: Outcome,
}

/// Brings somebody in as a draft. One who is in is [`Error::Conflict`]; so is an address that several
/// have. Rights that `scopes` do not cover are [`Error::Forbidden`].
pub async fn enter(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    source: Source,
    entrant: Entrant,
) -> Result<Entered> {
    let written = &entrant.edit;
    let texts = [
        &written.email,
        &written.display_name,
        &written.given_name,
        &written.family_name,
        &written.phone,
        &written.user_id,
    ];
    if texts.iter().all(|text| text.set().is_none()) {
        return Err(Error::value(
            "a member needs an address, a name, a phone number or a user_id",
        ));
    }
    let edit = entrant.edit.checked()?;
    let entrant = Entrant { edit, ..entrant };
    let act = Act::of(app, origin, workspace);
    let (app_, scopes) = (app.clone(), scopes.clone());
    app.write(move |tx| {
        let (app, act, scopes) = (app_.clone(), act.clone(), scopes.clone());
        let entrant = entrant.clone();
        Box::pin(async move { within(tx, &app, (&act, &scopes), source, &entrant).await })
    })
    .await
}

async fn within(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    source: Source,
    entrant: &Entrant,
) -> Result<Entered> {
    // Two who bring in the same address at once would both find nobody; so would a directory.
    let mark = workspaces::lock_whole(tx, act.workspace).await?;
    let email = entrant.edit.email.set();
    let known = known(tx, act, email.map(String::as_str)).await?;
    let before = Before::of(tx, app, act, known.as_ref(), Doubted::Seen).await?;
    let (member, outcome) = match known {
        Some(member) if member.status == Status::Removed => {
            (revive(tx, app, act, member).await?, Outcome::Revived)
        }
        Some(member) => {
            permissions::check_over(tx, act.workspace, scopes, member.id).await?;
            (member, Outcome::Merged)
        }
        None => {
            let version = mark.rules_version;
            let made = make(tx, app, act, source, version).await?;
            (made, Outcome::Created)
        }
    };
    edit::write(tx, app, act, &member, &entrant.edit).await?;
    let locked = edit::lock(tx, act, member.id).await?;
    manual::give_within(tx, app, (act, scopes), &locked, &entrant.rights).await?;
    if let Some(before) = before {
        before.settle(tx, (act, scopes), member.id).await?;
    }
    Ok(Entered {
        member: member.id,
        outcome,
    })
}

/// The one who has that address, whom a directory knows by it too, or who had it and left; locked.
async fn known(tx: &mut Tx, act: &Act, email: Option<&str>) -> Result<Option<Member>> {
    let Some(email) = email else {
        return Ok(None);
    };
    let key = fold::key(email);
    let found = members::find_by_email(tx, act.workspace, &key).await?;
    let id = match found.as_slice() {
        [] => match candidates::list_by_alias(tx, act.workspace, &key).await?[..] {
            [] => details::find_left(tx, act.workspace, &key).await?,
            [one] => Some(one),
            _ => return Err(Error::Conflict(SEVERAL.to_owned())),
        },
        [one] if matches!(one.status, Status::Draft | Status::Invited) => Some(one.id),
        [one] => {
            return Err(Error::Conflict(format!(
                "this person is a member already: {}",
                one.id
            )));
        }
        _ => return Err(Error::Conflict(SEVERAL.to_owned())),
    };
    let Some(id) = id else {
        return Ok(None);
    };
    let locked = members::lock(tx, act.workspace, &[id]).await?.pop();
    match locked {
        // A directory has brought the person back meanwhile.
        Some(member) if matches!(member.status, Status::Active | Status::Suspended) => Err(
            Error::Conflict(format!("this person is a member already: {id}")),
        ),
        locked => Ok(locked),
    }
}

/// A new member, a draft that shows nothing yet.
pub async fn make(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    source: Source,
    rules_version: i64,
) -> Result<Member> {
    let person = persons::make(tx, app, act.workspace).await?;
    let member = Member {
        id: MemberId::new(),
        status: Status::Draft,
        source,
        person: person.0,
        user_name: None,
        display_name: None,
        given_name: None,
        family_name: None,
        email: None,
        rules_version,
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
    members::insert(tx, act.workspace, &member, None).await?;
    let detail = json!({"status": member.status, "source": member.source});
    let change = act.change("member.added", ("member", member.id.0), Some(1), &detail);
    changes::record(tx, act.workspace, &[change]).await?;
    Ok(member)
}

/// Id and history go on; what the member showed before is the new entry's to say.
pub(super) async fn revive(tx: &mut Tx, app: &App, act: &Act, member: Member) -> Result<Member> {
    let Some(key) = persons::find(tx, app, act.workspace, member.person).await? else {
        return Err(Error::Conflict(
            "this member was erased, and is not brought back".to_owned(),
        ));
    };
    awaiting::expect(tx, act.workspace, member.id).await?;
    let profile = Profile {
        display_name: member.display_name.clone(),
        given_name: member.given_name.clone(),
        family_name: member.family_name.clone(),
        ..Profile::default()
    };
    let outcome = (Status::Draft, Hold::End);
    members::update(tx, act.workspace, member.id, &profile, outcome, act.at).await?;
    details::update_barred(tx, act.workspace, member.id, None).await?;
    let version = member.version + 1;
    let detail = json!({"status": Status::Draft});
    let change = act.change(
        "member.revived",
        ("member", member.id.0),
        Some(version),
        &detail,
    );
    let personal = told::profile(&profile);
    let change = changes::seal(change, act.workspace, (member.person, &key), &personal)?;
    changes::record(tx, act.workspace, &[change]).await?;
    Ok(Member {
        status: Status::Draft,
        version,
        user_name: None,
        email: None,
        barred_at: None,
        ..member
    })
}
