//! Adoption: admins say which User of a directory is which member, where names and addresses alone
//! must not. What stands between the two is listed, and so is who is matched, new and unmatched.

use std::collections::BTreeSet;

use serde_json::json;

use super::going_live;
use super::settle::{Rules, settle};
use super::shown::{Before, Doubted};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, MemberId, WorkspaceId};
use crate::scim::fold;
use crate::store::candidates::{self as rows, Candidate, Unlinked};
use crate::store::directories::{self, Mode};
use crate::store::members::{self, Member, Status};
use crate::store::tx::Tx;
use crate::store::users::{self, Place, User};
use crate::workspace::awaiting::Reason;
use crate::workspace::keys::Scopes;
use crate::workspace::{awaiting, permissions};

pub(super) use super::foreseen::foresee;
pub use super::foreseen::{Foreseen, Outcome, foreseen, matched, unmatched};
pub use crate::store::candidates::{Conflict, Matched, Unmatched};

/// Why a User and a member are not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "AdoptionWhy")]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Another way into the workspace has a member of that name.
    AnotherWay,
    /// The same directory has the member under another name.
    SameDirectory,
    /// Several who are expected have addresses of the User.
    Several,
    /// What stood between them is gone: the next create is admitted.
    Gone,
    /// Nobody stands in the way of the User: no seat was free when its directory went live.
    NoSeat,
}

/// A conflict, and why it is one now.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "AdoptionConflict")]
pub struct Told {
    /// The conflict.
    #[serde(flatten)]
    pub conflict: Conflict,
    /// Why the two are not one.
    pub why: Why,
}

/// The conflicts of a directory that nobody settled, and its Users that found no seat, in the order of
/// their names.
pub async fn conflicts(
    app: &App,
    (workspace, directory): (WorkspaceId, DirectoryId),
    after: Option<&str>,
    most: i64,
) -> Result<Vec<Told>> {
    let place = Place {
        workspace,
        directory,
    };
    let mut tx = app.db.read().await?;
    let mut told = Vec::new();
    for conflict in rows::list_skipped(&mut tx, place, after, most).await? {
        told.push(Told {
            conflict,
            why: Why::NoSeat,
        });
    }
    for conflict in rows::list_conflicts(&mut tx, place, after, most).await? {
        let found = rows::list(&mut tx, place, &[&conflict.user_name]).await?;
        told.push(Told {
            why: why(&found, conflict.member),
            conflict,
        });
    }
    told.sort_by(|one, other| one.conflict.user_name.cmp(&other.conflict.user_name));
    told.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(told)
}

fn why(found: &[Candidate], member: Option<MemberId>) -> Why {
    match found.iter().find(|it| it.is_named) {
        Some(named) if named.is_linked => Why::SameDirectory,
        Some(_) => Why::AnotherWay,
        // By the other addresses of the User, which a conflict does not keep.
        None if found.iter().any(|it| Some(it.member) == member) => Why::Several,
        None => Why::Gone,
    }
}

/// Who is who.
#[derive(Debug, Clone)]
pub enum Adopt {
    /// The User of that name, whose create met a member, is that member; of several who are expected,
    /// or where none is named, whom the conflict names. One whom a live directory has, and in whose way
    /// nobody stands any more, is a new member.
    User {
        /// Its name, as the IdP writes it.
        user_name: String,
        /// Whom it is to be linked to.
        member: Option<MemberId>,
    },
    /// The member, whom a User of the directory is linked to by an address alone, is the one who was
    /// meant: what it was to get by hand begins.
    Member(MemberId),
}

/// Says who is who; gives the member. A User that met nobody, or not that member, is
/// [`Error::NotFound`]; whoever may do less than the member is [`Error::Forbidden`]. The next create of
/// the User links to the member, or the going live of its directory.
pub async fn adopt(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    (workspace, directory): (WorkspaceId, DirectoryId),
    adopt: Adopt,
) -> Result<MemberId> {
    let act = Act {
        directory: Some(directory),
        ..Act::of(app, origin, workspace)
    };
    let (app_, scopes) = (app.clone(), scopes.clone());
    let place = Place {
        workspace,
        directory,
    };
    app.write(move |tx| {
        let (app, act) = (app_.clone(), act.clone());
        let (scopes, adopt) = (scopes.clone(), adopt.clone());
        Box::pin(async move {
            match adopt {
                Adopt::User { user_name, member } => {
                    let key = fold::key(&user_name);
                    if member.is_none()
                        && let Some(new) = take_in(tx, &app, &act, place, &key).await?
                    {
                        return Ok(new);
                    }
                    let member = allow(tx, (&act, &scopes), place, &key, member).await?;
                    link_at_once(tx, &app, &act, place, &key).await?;
                    Ok(member)
                }
                Adopt::Member(member) => confirm(tx, &app, (&act, &scopes), place, member).await,
            }
        })
    })
    .await
}

/// A User that was left unlinked when its directory went live, and in whose way nobody stands any
/// more, comes in as a new member; none if that is not how things are.
async fn take_in(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    place: Place,
    key: &str,
) -> Result<Option<MemberId>> {
    let Some(user) = left(tx, place, key).await? else {
        return Ok(None);
    };
    let unlinked = Unlinked {
        id: user.id,
        user_name_key: user.user_name_key.clone(),
        active: user.active,
        refused: None,
    };
    let foreseen = foresee(tx, place, vec![unlinked], &mut BTreeSet::new()).await?;
    if foreseen.iter().any(|user| user.outcome != Outcome::New) {
        return Ok(None);
    }
    let member = admit(tx, app, act, place, &user).await?;
    rows::delete_conflict(tx, place, key).await?;
    Ok(member)
}

async fn allow(
    tx: &mut Tx,
    (act, scopes): (&Act, &Scopes),
    place: Place,
    key: &str,
    member: Option<MemberId>,
) -> Result<MemberId> {
    let conflict = rows::find_conflict(tx, place, key)
        .await?
        .ok_or(Error::NotFound("conflict"))?;
    let wanted = member.or(conflict.member);
    let wanted = wanted.ok_or(Error::NotFound("conflict"))?;
    let member = lock(tx, act, wanted).await?;
    permissions::check_over(tx, act.workspace, scopes, member.id).await?;
    let found = rows::list(tx, place, &[key]).await?;
    let is_met = found.iter().any(|it| it.member == member.id);
    if !is_met && Some(member.id) != conflict.member {
        return Err(Error::NotFound("conflict"));
    }
    if found
        .iter()
        .any(|it| it.member == member.id && it.is_linked)
    {
        return Err(Error::Conflict(
            "the directory has this member under another name".to_owned(),
        ));
    }
    let actor = act.origin.actor.as_deref();
    rows::insert_adopted(tx, place, key, member.id, (actor, act.at)).await?;
    let subject = ("member", member.id.0);
    let detail = json!({"directory": place.directory});
    let change = act.change("member.adopted", subject, None, &detail);
    changes::record(tx, act.workspace, &[change]).await?;
    Ok(member.id)
}

/// A User that a directory that is live has already is linked now: its create does not come again.
async fn link_at_once(tx: &mut Tx, app: &App, act: &Act, place: Place, key: &str) -> Result<()> {
    if let Some(user) = left(tx, place, key).await? {
        admit(tx, app, act, place, &user).await?;
    }
    Ok(())
}

/// The User of that name, locked, if its directory is live and it is linked to nobody.
async fn left(tx: &mut Tx, place: Place, key: &str) -> Result<Option<User>> {
    let directory = directories::find(tx, place).await?;
    if directory.is_none_or(|it| it.mode == Mode::Collect || it.ended_at.is_some()) {
        return Ok(None);
    }
    let Some(unlinked) = rows::find_unlinked(tx, place, key).await? else {
        return Ok(None);
    };
    let user = users::lock(tx, place, unlinked).await?;
    Ok(user.filter(|user| user.member.is_none()))
}

/// Admits a User and settles its member; none if somebody stands in its way.
async fn admit(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    place: Place,
    user: &User,
) -> Result<Option<MemberId>> {
    let admitted = going_live::admit(tx, app, act, place, user).await?;
    if let Some(member) = admitted {
        let locked = members::lock(tx, act.workspace, &[member]).await?;
        let rules = Rules::current(tx, app, act).await?;
        settle(tx, act, &locked, &rules, None).await?;
    }
    Ok(admitted)
}

async fn confirm(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    place: Place,
    member: MemberId,
) -> Result<MemberId> {
    let member = lock(tx, act, member).await?;
    permissions::check_over(tx, act.workspace, scopes, member.id).await?;
    let is_linked = users::is_linked(tx, place, member.id).await?;
    let before = Before::of(tx, app, act, Some(&member), Doubted::Unseen).await?;
    if !is_linked || !awaiting::begin(tx, act, &member, Reason::Proof).await? {
        return Err(Error::NotFound("member that waits for adoption"));
    }
    let subject = ("member", member.id.0);
    let detail = json!({"directory": place.directory});
    let change = act.change("member.adopted", subject, None, &detail);
    changes::record(tx, act.workspace, &[change]).await?;
    if let Some(before) = before {
        before.settle(tx, (act, scopes), member.id).await?;
    }
    Ok(member.id)
}

async fn lock(tx: &mut Tx, act: &Act, member: MemberId) -> Result<Member> {
    let found = members::lock(tx, act.workspace, &[member]).await?.pop();
    found
        .filter(|member| member.status != Status::Removed)
        .ok_or(Error::NotFound("member"))
}
