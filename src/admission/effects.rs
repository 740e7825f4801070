//! What a change of rules would do: who would gain and lose what, told without doing it.
//!
//! Rules as they are and as they would be are held against the same facts, a batch of users at a
//! time; what is kept of a batch are counts, a sample and 32 bytes for each member who would get
//! other rights, or show another line or language. A right that somebody has by hand, or that is kept, is neither gained nor lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::adoption;
use super::brake;
use super::definition::Made;
use super::facts::{Looks, attributes};
use super::fields::{Refilled, Said, refilled};
use super::prospects::newcomer;
use super::reach::Among;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{GroupId, MemberId, UserId, WorkspaceId};
use crate::mapping::{self, Facts};
use crate::scim::resource;
use crate::secrets::sha256;
use crate::store::grants::{self, GrantKind};
use crate::store::live_rules::LiveRule;
use crate::store::plans;
use crate::store::tx::Tx;
use crate::workspace::profile::Field;

/// How many users are looked at together.
const BATCH: i64 = 500;
/// How many members a sample has at most.
const SAMPLE: usize = 50;
/// How many bytes stand for a member: its id, and a digest of what it would gain, lose and show.
const DIGEST: usize = 32;
/// For how many members that is kept with the plan, to name those for whom it came otherwise.
const KEPT: usize = 20_000;

/// A right: what it is, and which.
pub(super) type Right = (GrantKind, Uuid);

/// The change of rules that is looked at.
pub(super) struct World<'r> {
    /// The rules as they are.
    pub(super) before: &'r [LiveRule],
    /// The rules as they would be.
    pub(super) after: &'r [LiveRule],
    /// Groups that rules look at afterwards.
    pub(super) groups: Vec<GroupId>,
    /// A group that is not there afterwards.
    pub(super) without: Option<GroupId>,
}

impl World<'_> {
    fn looks(&self) -> Looks {
        Looks::of(self.before).or(Looks::of(self.after))
    }
}

/// What would become of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Effects {
    /// How many users were looked at.
    pub(super) looked_at: i64,
    /// How many members would get other rights, or show something else.
    pub(super) members: i64,
    /// How many would gain what.
    pub(super) gains: Vec<(GrantKind, Uuid, i64)>,
    /// How many would lose what.
    pub(super) losses: Vec<(GrantKind, Uuid, i64)>,
    /// How many would show what in a field.
    #[serde(default)]
    pub(super) fields: Vec<(Field, Option<String>, i64)>,
    /// How many would gain some right.
    #[serde(default)]
    pub(super) gainers: i64,
    /// How many would lose some right.
    #[serde(default)]
    pub(super) losers: i64,
    /// Some of the members, in the order of their users.
    pub(super) sample: Vec<Effect>,
    /// How many more people who are no members yet would get something as soon as they are, and how
    /// many seats these would take then.
    #[serde(default)]
    pub(super) newcomers: i64,
    #[serde(default)]
    pub(super) seats: i64,
    /// Teams and roles that would be made.
    #[serde(default)]
    pub(super) made: Vec<Made>,
    /// What the brake would do, as it stood then. That moves, and is no part of the hash.
    #[serde(default)]
    pub(super) brake: brake::Foreseen,
}

/// What would become of one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Effect {
    /// Who it is.
    pub(super) member: MemberId,
    /// What it would gain.
    pub(super) gains: BTreeSet<Right>,
    /// What it would lose.
    pub(super) losses: BTreeSet<Right>,
    /// What it would show otherwise.
    #[serde(default)]
    pub(super) fields: Vec<Refilled>,
}

/// The same, with what it is told apart by.
pub(super) struct Computed {
    /// Counts and a sample.
    pub(super) effects: Effects,
    /// Each member concerned with a digest, in the order of their ids.
    pub(super) digests: Vec<[u8; DIGEST]>,
    /// The members who would lose something.
    losing: Vec<MemberId>,
}

impl Computed {
    /// Tells what the brake would do.
    pub(super) async fn braked(
        mut self,
        tx: &mut Tx,
        at: (WorkspaceId, Timestamp),
    ) -> Result<Self> {
        self.effects.brake = brake::foresee(tx, at, &self.losing).await?;
        Ok(self)
    }

    /// The hash over all effects.
    pub(super) fn hash(&self) -> String {
        let hash = sha256(self.digests.as_flattened());
        data_encoding::HEXLOWER.encode(&hash)
    }

    /// What is kept of the digests; nothing where they are too many.
    pub(super) fn kept(&self) -> Vec<u8> {
        if self.digests.len() > KEPT {
            return Vec::new();
        }
        self.digests.as_flattened().to_vec()
    }

    /// Members for whom it would come otherwise than was kept, the first of them and how many.
    pub(super) fn others(&self, kept: &[u8]) -> (Vec<MemberId>, usize) {
        let before: BTreeSet<&[u8]> = kept.chunks_exact(DIGEST).collect();
        let now: BTreeSet<&[u8]> = self.digests.iter().map(|digest| &digest[..]).collect();
        let mut others: Vec<MemberId> = before
            .symmetric_difference(&now)
            .filter_map(|digest| Uuid::from_slice(&digest[..16]).ok())
            .map(MemberId)
            .collect();
        others.dedup();
        let count = others.len();
        others.truncate(SAMPLE);
        (others, count)
    }
}

/// Looks at all of those people.
pub(super) async fn compute(
    tx: &mut Tx,
    workspace: WorkspaceId,
    people: &[Among],
    world: &World<'_>,
) -> Result<Computed> {
    let (mut counted, mut seen) = (Counted::default(), Vec::new());
    for among in people {
        let mut after = None;
        loop {
            let ids = among.ids(tx, after, BATCH).await?;
            let Some(last) = ids.last() else {
                break;
            };
            after = Some(*last);
            let members = among.members(tx, &ids).await?;
            look(tx, workspace, members, world, (&seen, &mut counted)).await?;
            foresee(tx, (among, &ids), world, (&seen, &mut counted)).await?;
        }
        seen.extend(among.group());
    }
    Ok(counted.told())
}

#[derive(Default)]
struct Counted {
    looked_at: i64,
    gains: BTreeMap<Right, i64>,
    losses: BTreeMap<Right, i64>,
    fields: BTreeMap<(Field, Option<String>), i64>,
    gainers: i64,
    losing: Vec<MemberId>,
    sample: Vec<Effect>,
    digests: Vec<[u8; DIGEST]>,
    newcomers: i64,
    seats: i64,
    /// Members to whom some of the newcomers would be linked.
    taken: BTreeSet<MemberId>,
}

impl Counted {
    fn count(
        &mut self,
        member: MemberId,
        (has, gets, stays): (&BTreeSet<Right>, &BTreeSet<Right>, &BTreeSet<Right>),
        fields: Vec<Refilled>,
    ) {
        let not_kept = |right: &&Right| !stays.contains(*right);
        let effect = Effect {
            member,
            gains: gets.difference(has).filter(not_kept).copied().collect(),
            losses: has.difference(gets).filter(not_kept).copied().collect(),
            fields,
        };
        if !effect.gains.is_empty() || !effect.losses.is_empty() || !effect.fields.is_empty() {
            self.add(effect);
        }
    }

    fn add(&mut self, effect: Effect) {
        for right in &effect.gains {
            *self.gains.entry(*right).or_default() += 1;
        }
        for right in &effect.losses {
            *self.losses.entry(*right).or_default() += 1;
        }
        for of in &effect.fields {
            let shown = (of.field, of.to.clone());
            *self.fields.entry(shown).or_default() += 1;
        }
        self.gainers += i64::from(!effect.gains.is_empty());
        if !effect.losses.is_empty() {
            self.losing.push(effect.member);
        }
        self.digests.push(digest(&effect));
        if self.sample.len() < SAMPLE {
            self.sample.push(effect);
        }
    }

    fn told(mut self) -> Computed {
        self.digests.sort_unstable();
        let list = |of: BTreeMap<Right, i64>| {
            let listed = of.into_iter().map(|((kind, id), count)| (kind, id, count));
            listed.collect()
        };
        let fields = self.fields.into_iter();
        let fields = fields.map(|((field, shown), count)| (field, shown, count));
        Computed {
            effects: Effects {
                looked_at: self.looked_at,
                members: i64::try_from(self.digests.len()).unwrap_or(i64::MAX),
                gains: list(self.gains),
                losses: list(self.losses),
                fields: fields.collect(),
                gainers: self.gainers,
                losers: i64::try_from(self.losing.len()).unwrap_or(i64::MAX),
                sample: self.sample,
                newcomers: self.newcomers,
                seats: self.seats,
                made: Vec::new(),
                brake: brake::Foreseen::default(),
            },
            digests: self.digests,
            losing: self.losing,
        }
    }
}

fn digest(effect: &Effect) -> [u8; DIGEST] {
    let mut text = Vec::new();
    for (sign, rights) in [(b'+', &effect.gains), (b'-', &effect.losses)] {
        for (kind, id) in rights {
            text.push(sign);
            text.push(*kind as u8);
            text.extend_from_slice(id.as_bytes());
        }
    }
    for of in &effect.fields {
        for part in [Some(of.field.name()), of.from.as_deref(), of.to.as_deref()] {
            // Nothing is not the empty text, and where a text ends is told.
            text.extend_from_slice(
                &part
                    .map_or(u64::MAX, |text| text.len() as u64)
                    .to_be_bytes(),
            );
            text.extend_from_slice(part.unwrap_or_default().as_bytes());
        }
    }
    let mut digest = [0; DIGEST];
    digest[..16].copy_from_slice(effect.member.0.as_bytes());
    digest[16..].copy_from_slice(&sha256(&text)[..16]);
    digest
}

async fn look(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: Vec<MemberId>,
    world: &World<'_>,
    (seen, counted): (&[GroupId], &mut Counted),
) -> Result<()> {
    let before = facts(tx, workspace, &members, world, None).await?;
    let nobody = Facts::default();
    let after = match world.without {
        None => None,
        Some(_) => Some(facts(tx, workspace, &members, world, world.without).await?),
    };
    let (mut differing, mut filled) = (Vec::new(), Vec::new());
    for member in members {
        let of = before.get(&member).unwrap_or(&nobody);
        // Who is in a group that was looked at was looked at with it.
        let is_seen = seen.iter().any(|group| of.groups.contains(group));
        if is_seen {
            continue;
        }
        counted.looked_at += 1;
        let then = match &after {
            None => of,
            Some(after) => after.get(&member).unwrap_or(&nobody),
        };
        let (has, gets) = (rights(world.before, of), rights(world.after, then));
        let (fills, filled_then) = (fills(world.before, of), fills(world.after, then));
        let is_filled = fills != filled_then;
        if has != gets || is_filled {
            differing.push((member, has, gets));
        }
        if is_filled {
            filled.push((member, fills, filled_then));
        }
    }
    let mut refilled = refilled(tx, workspace, &filled).await?;
    let ids: Vec<_> = differing.iter().map(|differs| differs.0).collect();
    let mut standing = standing(tx, workspace, &ids).await?;
    for (member, has, gets) in differing {
        let stays = standing.remove(&member).unwrap_or_default();
        let fields = refilled.remove(&member).unwrap_or_default();
        counted.count(member, (&has, &gets, &stays), fields);
    }
    Ok(())
}

/// What members had by rules and get by them now, and what they keep for another reason.
pub(super) type Rights = (BTreeSet<Right>, BTreeSet<Right>, BTreeSet<Right>);

/// Tells what becomes of members of whom it is known what rules gave and filled in before and after.
pub(super) async fn told_of(
    tx: &mut Tx,
    workspace: WorkspaceId,
    looked_at: usize,
    differing: Vec<(MemberId, Rights, (Said, Said))>,
) -> Result<Computed> {
    let mut counted = Counted {
        looked_at: i64::try_from(looked_at).unwrap_or(i64::MAX),
        ..Counted::default()
    };
    let filled = differing.iter().filter(|(_, _, (from, to))| from != to);
    let filled = filled.map(|(member, _, (from, to))| (*member, from.clone(), to.clone()));
    let filled: Vec<_> = filled.collect();
    let mut refilled = refilled(tx, workspace, &filled).await?;
    for (member, (has, gets, stays), _) in differing {
        let fields = refilled.remove(&member).unwrap_or_default();
        counted.count(member, (&has, &gets, &stays), fields);
    }
    Ok(counted.told())
}

/// What members keep whatever rules say.
pub(super) async fn standing(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<HashMap<MemberId, BTreeSet<Right>>> {
    let mut standing: HashMap<MemberId, BTreeSet<Right>> = HashMap::new();
    for grant in grants::list_standing(tx, workspace, members).await? {
        let of = standing.entry(grant.member).or_default();
        of.insert((grant.kind, grant.target));
    }
    Ok(standing)
}

/// How many of those people who are no members yet would get something once they are, and how many
/// seats they would take.
pub(super) async fn count_newcomers(
    tx: &mut Tx,
    people: &[Among],
    world: &World<'_>,
) -> Result<(i64, i64)> {
    let (mut counted, mut seen) = (Counted::default(), Vec::new());
    for among in people {
        let mut after = None;
        loop {
            let ids = among.ids(tx, after, BATCH).await?;
            let Some(last) = ids.last() else {
                break;
            };
            after = Some(*last);
            foresee(tx, (among, &ids), world, (&seen, &mut counted)).await?;
        }
        seen.extend(among.group());
    }
    Ok((counted.newcomers, counted.seats))
}

/// Counts those of a directory's users who are no members yet and would get something once they are: a
/// directory that collects has many of them.
async fn foresee(
    tx: &mut Tx,
    (among, ids): (&Among, &[Uuid]),
    world: &World<'_>,
    (seen, counted): (&[GroupId], &mut Counted),
) -> Result<()> {
    let Among::Users(place, _) = *among else {
        return Ok(());
    };
    let users: Vec<_> = ids.iter().copied().map(UserId).collect();
    let strangers = plans::list_strangers(tx, place, &users).await?;
    if strangers.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = strangers.iter().map(|user| user.of.id).collect();
    let mut groups: HashMap<UserId, BTreeSet<GroupId>> = HashMap::new();
    for (user, group) in plans::list_facts_of(tx, place, &ids, &world.groups).await? {
        groups.entry(user).or_default().insert(group);
    }
    let over_profiles = world.looks().at_profiles;
    let mut gaining = Vec::new();
    for user in strangers {
        let own = groups.remove(&user.of.id).unwrap_or_default();
        if seen.iter().any(|group| own.contains(group)) {
            continue;
        }
        let mut facts = Facts::default();
        facts.groups.extend(own);
        let document = resource::from_stored(&user.document)?;
        facts.profile = over_profiles.then(|| newcomer(&document));
        facts.users.insert(place.directory, document.into());
        let (has, gets) = (rights(world.before, &facts), rights(world.after, &facts));
        if !gets.is_subset(&has) {
            gaining.push(user.of);
        }
    }
    counted.newcomers += i64::try_from(gaining.len()).unwrap_or(0);
    let foreseen = adoption::foresee(tx, place, gaining, &mut counted.taken).await?;
    let seats = foreseen.iter().filter(|user| user.takes_seat).count();
    counted.seats += i64::try_from(seats).unwrap_or(0);
    Ok(())
}

pub(super) fn rights(rules: &[LiveRule], facts: &Facts) -> BTreeSet<Right> {
    let wanted = mapping::wanted(rules, facts).into_iter();
    wanted.map(|(kind, target, _)| (kind, target)).collect()
}

/// What rules fill in; where none fills in anything, nobody is looked at for it.
pub(super) fn fills(rules: &[LiveRule], facts: &Facts) -> Said {
    let mut filling = rules.iter();
    if filling.any(|rule| rule.line.is_some() || rule.language.is_some()) {
        return mapping::filled_in(rules, facts);
    }
    Said::default()
}

/// What is said about members, as far as rules look at it before or after.
pub(super) async fn facts(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    world: &World<'_>,
    without: Option<GroupId>,
) -> Result<HashMap<MemberId, Facts>> {
    let mut facts: HashMap<MemberId, Facts> = HashMap::new();
    let groups = (&world.groups[..], without);
    for fact in plans::list_facts(tx, workspace, members, groups).await? {
        let of = facts.entry(fact.member).or_default();
        of.groups.insert(fact.group_id);
    }
    attributes(tx, workspace, members, world.looks(), &mut facts).await?;
    Ok(facts)
}
