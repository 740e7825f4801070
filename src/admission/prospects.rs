//! What Users that are linked to nobody get with their admission, by the rules as they are.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::adoption::{Foreseen, Outcome};
use super::arrival::Newcomer;
use super::effects::Right;
use super::facts::{Looks, facts};
use super::followed::Said;
use super::settle::Rules;
use crate::error::Result;
use crate::ids::{MemberId, UserId};
use crate::mapping::{self, Facts, profile};
use crate::scim::resource;
use crate::store::members::Source;
use crate::store::profiles::Profile;
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::store::{grants, prospects as rows};

/// What becomes of the rights of whom a User is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Prospect {
    /// What rules give that the person does not have.
    pub(super) gains: BTreeSet<Right>,
    /// What the person has by rules that do not hold any more.
    pub(super) losses: BTreeSet<Right>,
}

/// What each of the Users gets that is admitted: by all that its directory says of it and, where it is
/// linked to a member, by what other directories say. Those of whom nothing changes are left out.
pub(super) async fn of(
    tx: &mut Tx,
    place: Place,
    rules: &Rules,
    users: &[Foreseen],
) -> Result<HashMap<UserId, Prospect>> {
    let admitted = users
        .iter()
        .filter(|user| user.outcome != Outcome::Conflict)
        .map(|user| (user.user, user.member, user.is_doubted));
    let admitted: Vec<_> = admitted.collect();
    let ids: Vec<_> = admitted.iter().map(|of| of.0).collect();
    let members: Vec<_> = admitted.iter().filter_map(|of| of.1).collect();
    let mut said = said(tx, place, rules, &ids).await?;
    let mut known = facts(tx, place.workspace, &members, rules).await?;
    let mut by_rule = rights(grants::list_by_rule(tx, place.workspace, &members).await?);
    let mut standing = rights(grants::list_standing(tx, place.workspace, &members).await?);
    let mut prospects = HashMap::new();
    for (user, member, is_doubted) in admitted {
        let mut all = said.remove(&user).unwrap_or_default();
        let (mut has, mut stays) = (BTreeSet::new(), BTreeSet::new());
        if let Some(member) = member {
            let known = known.remove(&member).unwrap_or_default();
            all.groups.extend(known.groups);
            all.users.extend(known.users);
            // Of whom nobody is sure rules see no profile.
            let shown = known.profile.filter(|_| !is_doubted);
            all.profile = shown.map(|shown| followed(shown, all.profile));
            has = by_rule.remove(&member).unwrap_or_default();
            stays = standing.remove(&member).unwrap_or_default();
        }
        let wanted = mapping::wanted(&rules.live, &all).into_iter();
        let gets: BTreeSet<Right> = wanted.map(|(kind, id, _)| (kind, id)).collect();
        let not_kept = |right: &&Right| !stays.contains(*right);
        let prospect = Prospect {
            gains: gets.difference(&has).filter(not_kept).copied().collect(),
            losses: has.difference(&gets).filter(not_kept).copied().collect(),
        };
        if prospect != Prospect::default() {
            prospects.insert(user, prospect);
        }
    }
    Ok(prospects)
}

/// What a member shows once it is linked to a User: what it shows, but for what is the directory's to
/// say, and what it does not show yet.
fn followed(mut shown: Value, said: Option<Value>) -> Value {
    let Some(Value::Object(said)) = said else {
        return shown;
    };
    if let Some(shown) = shown.as_object_mut() {
        for (name, value) in said {
            let follows = ["phone", "time_zone"].contains(&name.as_str());
            if follows || !shown.contains_key(&name) {
                shown.insert(name, value);
            }
        }
    }
    shown
}

fn rights(listed: Vec<grants::LiveGrant>) -> HashMap<MemberId, BTreeSet<Right>> {
    let mut rights: HashMap<MemberId, BTreeSet<Right>> = HashMap::new();
    for grant in listed.into_iter().filter(|grant| grant.is_effective) {
        let of = rights.entry(grant.member).or_default();
        of.insert((grant.kind, grant.target));
    }
    rights
}

/// What the directory says about Users, as far as the rules look at it.
async fn said(
    tx: &mut Tx,
    place: Place,
    rules: &Rules,
    users: &[UserId],
) -> Result<HashMap<UserId, Facts>> {
    let mut said: HashMap<UserId, Facts> = HashMap::new();
    if rules.live.iter().any(|rule| !rule.groups.is_empty()) {
        for fact in rows::list_facts(tx, place, users).await? {
            let of = said.entry(fact.user_id).or_default();
            of.groups.insert(fact.group_id);
        }
    }
    let over_profiles = Looks::of(&rules.live).at_profiles;
    if rules.live.iter().any(|rule| rule.when.is_some()) {
        for of in rows::list_documents(tx, place, users).await? {
            let user = resource::from_stored(&of.document)?;
            let facts = said.entry(of.id).or_default();
            facts.profile = over_profiles.then(|| newcomer(&user));
            facts.users.insert(place.directory, user.into());
        }
    }
    Ok(said)
}

/// What somebody who is no member yet would show by what its User says, as rules see it. Who the manager
/// is shows only then.
pub(super) fn newcomer(document: &Map<String, Value>) -> Value {
    let shown = Newcomer::of(document).profile;
    let said = Said::of(&resource::user_core(document));
    let (phone, time_zone) = said.fitting();
    profile::seen(&Profile {
        id: MemberId(Uuid::nil()),
        source: Source::Directory,
        user_name: shown.user_name,
        email: shown.email,
        user_id: None,
        display_name: shown.display_name,
        given_name: shown.given_name,
        family_name: shown.family_name,
        phone,
        time_zone,
        manager: None,
        picture: None,
    })
}
