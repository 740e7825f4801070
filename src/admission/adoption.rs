//! Adoption: admins say which User of a directory is which member, where names and addresses alone
//! must not. What stands between the two is listed, and so is who is matched, new and unmatched.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;

use super::going_live;
use super::recognition::{Allowed, Recognized, recognize};
use super::settle::{Rules, settle};
use super::shown::{Before, Doubted};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, MemberId, UserId, WorkspaceId};
use crate::scim::fold;
use crate::store::candidates::{self as rows, Candidate, Unlinked};
use crate::store::directories::{self, Mode};
use crate::store::exits::{self, Had};
use crate::store::members::{self, Member, Status};
use crate::store::tx::Tx;
use crate::store::unlinked as unlinked_rows;
use crate::store::users::{self, Place, User};
use crate::workspace::awaiting::Reason;
use crate::workspace::keys::Scopes;
use crate::workspace::{awaiting, permissions};

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

/// Users of a directory that are linked, or will be once it goes live, in the order of their ids.
pub async fn matched(
    app: &App,
    (workspace, directory): (WorkspaceId, DirectoryId),
    after: Option<UserId>,
    most: i64,
) -> Result<Vec<Matched>> {
    let place = Place {
        workspace,
        directory,
    };
    let mut tx = app.db.read().await?;
    let mut found = rows::list_matched(&mut tx, place, after, most).await?;
    let planned = unlinked(&mut tx, place, after, most, |it| it == Outcome::Linked).await?;
    found.extend(planned.into_iter().filter_map(|foreseen| {
        Some(Matched {
            user: foreseen.user,
            user_name: foreseen.user_name,
            member: foreseen.member?,
            planned: true,
        })
    }));
    found.sort_by_key(|matched| matched.user);
    found.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(found)
}

/// Members whom a directory does not have, and will not have once it goes live, those who left set
/// aside.
pub async fn unmatched(
    app: &App,
    (workspace, directory): (WorkspaceId, DirectoryId),
    mut after: Option<MemberId>,
    most: i64,
) -> Result<Vec<Unmatched>> {
    let place = Place {
        workspace,
        directory,
    };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut tx = app.db.read().await?;
    let mut found = Vec::new();
    while found.len() < most {
        let page = rows::list_unmatched(&mut tx, place, after, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.member);
        let ids: Vec<_> = page.iter().map(|it| it.member).collect();
        let users = unlinked_rows::list_for(&mut tx, place, &ids).await?;
        let foreseen = foresee(&mut tx, place, users, &mut BTreeSet::new()).await?;
        let linked = foreseen.iter().filter(|it| it.outcome == Outcome::Linked);
        let linked: BTreeSet<_> = linked.filter_map(|it| it.member).collect();
        found.extend(page.into_iter().filter(|it| !linked.contains(&it.member)));
    }
    found.truncate(most);
    Ok(found)
}

/// How many Users and members are looked at in a statement.
const PAGE: i64 = 200;

/// Users that are linked to nobody yet and become one of these, in the order of their ids.
async fn unlinked(
    tx: &mut Tx,
    place: Place,
    mut after: Option<UserId>,
    most: i64,
    is_wanted: impl Fn(Outcome) -> bool,
) -> Result<Vec<Foreseen>> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let (mut found, mut taken) = (Vec::new(), BTreeSet::new());
    while found.len() < most {
        let users = rows::list_unlinked(tx, place, after, PAGE).await?;
        let Some(last) = users.last() else {
            break;
        };
        after = Some(last.id);
        let foreseen = foresee(tx, place, users, &mut taken).await?;
        found.extend(foreseen.into_iter().filter(|it| is_wanted(it.outcome)));
    }
    found.truncate(most);
    Ok(found)
}

/// A User that is linked to nobody yet, and what becomes of it when its directory goes live.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "AdoptionForeseen")]
pub struct Foreseen {
    /// The User.
    pub user: UserId,
    /// The folded userName.
    pub user_name: String,
    /// Whether its directory lets the person in.
    pub active: bool,
    /// What becomes of it.
    pub outcome: Outcome,
    /// The member to whom it is linked, or who stands in its way.
    pub member: Option<MemberId>,
    /// Whether somebody comes in by it, who needs a seat.
    pub takes_seat: bool,
    /// Why it was not admitted when its directory went live, where nobody stands in its way:
    /// `seat_limit`.
    pub refused: Option<String>,
}

/// What becomes of a User.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema,
)]
#[schemars(rename = "AdoptionOutcome")]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new member.
    New,
    /// Linked to a member whom the workspace has.
    Linked,
    /// Left as it is: a member stands in its way, for an admin to adopt.
    Conflict,
}

/// Users that are linked to nobody yet, and will not be once their directory goes live: who becomes a
/// new member, and in whose way somebody stands, in the order of their ids. That another page has a User
/// of the same member is not seen here.
pub async fn foreseen(
    app: &App,
    (workspace, directory): (WorkspaceId, DirectoryId),
    after: Option<UserId>,
    most: i64,
) -> Result<Vec<Foreseen>> {
    let place = Place {
        workspace,
        directory,
    };
    let mut tx = app.db.read().await?;
    unlinked(&mut tx, place, after, most, |it| it != Outcome::Linked).await
}

/// What becomes of Users that are linked to nobody yet, in few statements; to whom some are linked goes
/// into `taken`, which those before them fill.
pub(super) async fn foresee(
    tx: &mut Tx,
    place: Place,
    users: Vec<Unlinked>,
    taken: &mut BTreeSet<MemberId>,
) -> Result<Vec<Foreseen>> {
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    let mut found: HashMap<UserId, Vec<Candidate>> = HashMap::new();
    for of in rows::list_of(tx, place, &ids).await? {
        found.entry(of.user_id).or_default().push(of.candidate);
    }
    let mut had: HashMap<UserId, Had> = HashMap::new();
    for of in exits::list_had(tx, place, &ids).await? {
        had.insert(of.user.id, of);
    }
    let adopted = rows::list_adopted(tx, place).await?;
    let adopted: HashMap<String, MemberId> = adopted.into_iter().collect();
    let allowed = Allowed::current(tx, place).await?;
    let foreseen = users.into_iter().map(|user| {
        let mut found = found.remove(&user.id).unwrap_or_default();
        for candidate in &mut found {
            candidate.is_linked |= taken.contains(&candidate.member);
        }
        let adopted = adopted.get(&user.user_name_key).copied();
        // Whoever was let go of comes back to whom it was, as far as nobody else has the name.
        let had = had.get(&user.id);
        let back = had.and_then(|had| {
            let has_seat = had.status == Status::Active || had.takes_none;
            Some((had.user.former_member?, has_seat))
        });
        let back = back.filter(|(member, _)| {
            let mut named = found.iter().filter(|it| it.is_named);
            !taken.contains(member) && named.all(|it| it.member == *member)
        });
        if let Some((member, has_seat)) = back {
            taken.insert(member);
            return Foreseen {
                user: user.id,
                refused: user.refused,
                user_name: user.user_name_key,
                active: user.active,
                takes_seat: user.active && !has_seat,
                outcome: Outcome::Linked,
                member: Some(member),
            };
        }
        let (outcome, member) = match recognize(&found, adopted, &allowed) {
            Recognized::Nobody => (Outcome::New, None),
            Recognized::Expected { member, .. } | Recognized::Adopted(member) => {
                (Outcome::Linked, Some(member))
            }
            Recognized::Other(member) => (Outcome::Conflict, Some(member)),
        };
        if outcome == Outcome::Linked {
            taken.extend(member);
        }
        let has_seat = found
            .iter()
            .any(|it| Some(it.member) == member && (it.status == Status::Active || it.takes_none));
        Foreseen {
            user: user.id,
            refused: user.refused,
            user_name: user.user_name_key,
            active: user.active,
            takes_seat: user.active && outcome != Outcome::Conflict && !has_seat,
            outcome,
            member,
        }
    });
    Ok(foreseen.collect())
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
