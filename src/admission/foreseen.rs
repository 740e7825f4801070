//! What becomes of the Users of a directory that are linked to nobody, once it goes live: who is matched,
//! who is new, in whose way somebody stands, and whom of the members nobody is.

use std::collections::{BTreeSet, HashMap};

use super::recognition::{Allowed, Recognized, recognize};
use crate::app::App;
use crate::error::Result;
use crate::ids::{DirectoryId, MemberId, UserId, WorkspaceId};
use crate::store::candidates::{self as rows, Candidate, Matched, Unlinked, Unmatched};
use crate::store::exits::{self, Had};
use crate::store::members::Status;
use crate::store::tx::Tx;
use crate::store::unlinked as unlinked_rows;
use crate::store::users::Place;

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
    /// Whether it is linked to somebody who is expected by an address that nobody proved.
    #[serde(skip)]
    pub(super) is_doubted: bool,
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
                is_doubted: false,
            };
        }
        let recognized = recognize(&found, adopted, &allowed);
        let is_doubted = matches!(
            recognized,
            Recognized::Expected {
                is_proved: false,
                ..
            }
        );
        let (outcome, member) = match recognized {
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
            is_doubted,
        }
    });
    Ok(foreseen.collect())
}
