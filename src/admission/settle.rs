//! Facts in, grants out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::facts::{Looks, facts};
use super::{brake, fields};
use crate::app::App;
use crate::changes::Act;
use crate::error::Result;
use crate::ids::{GrantId, GroupId, MemberId, RunId, UserId, WorkspaceId};
use crate::mapping::{self, rules};
use crate::store::grants::{GrantKind, LiveGrant};
use crate::store::live_rules::LiveRule;
use crate::store::members::Member;
use crate::store::tx::Tx;
use crate::store::users::{Linked, Place};
use crate::store::{braked, grants, members, workspaces};
use crate::workspace::guard;
use crate::workspace::ledger::{self, Difference};

/// How many members are in hand at a time, where they may be very many.
pub const BATCH: usize = 500;

/// The rules of a workspace, read after the concerned members were locked: a rule that is added at
/// the same time either is seen here or finds these members when its own settling locks them.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Counts the sets of rules.
    pub version: i64,
    /// The rules that give rights now.
    pub live: Arc<Vec<LiveRule>>,
}

impl Rules {
    /// Reads the rules that hold now.
    pub async fn current(tx: &mut Tx, app: &App, act: &Act) -> Result<Self> {
        let (version, live) = rules::current(tx, app, act.workspace).await?;
        Ok(Self { version, live })
    }

    /// Reads the rules that hold now; tells whether one of them looks at the group or may look at one
    /// that holds it.
    pub async fn concerning(
        tx: &mut Tx,
        app: &App,
        place: Place,
        group: GroupId,
    ) -> Result<(Self, bool)> {
        let (version, live, is_held) = rules::current_for(tx, app, place, group).await?;
        let rules = Self { version, live };
        let concerns = is_held || rules.look_at(&[group]);
        Ok((rules, concerns))
    }

    /// Reads the rules that hold now, where some of them look at profiles.
    pub(super) async fn over_profiles(
        tx: &mut Tx,
        app: &App,
        workspace: WorkspaceId,
    ) -> Result<Option<Self>> {
        let mark = workspaces::find_rules_mark(tx, workspace).await?;
        if mark.rules_when == 0 {
            return Ok(None);
        }
        let (version, live) = rules::of(tx, app, workspace, mark).await?;
        let rules = Self { version, live };
        Ok(Looks::of(&rules.live).at_profiles.then_some(rules))
    }

    /// Whether some rule looks at one of the groups.
    pub fn look_at(&self, groups: &[GroupId]) -> bool {
        self.live
            .iter()
            .any(|rule| rule.groups.iter().any(|group| groups.contains(group)))
    }
}

/// As part of what members are settled.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Within {
    /// The run that does it.
    pub(super) run: Option<RunId>,
    /// The run that this one undoes: what that one gave ends whatever the brake says.
    pub(super) undoes: Option<RunId>,
    /// The one whom the change is about, where it is about one alone.
    pub(super) aimed: Option<MemberId>,
}

impl Within {
    /// Members for whom the brake keeps something that is undone, whether a rule concerns them now or
    /// not.
    pub(super) async fn others(self, tx: &mut Tx, act: &Act) -> Result<Vec<MemberId>> {
        match self.undoes {
            Some(run) => Ok(braked::list_keeping(tx, act.workspace, run).await?),
            None => Ok(Vec::new()),
        }
    }
}

/// What came of settling.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settled {
    /// How many members changed.
    pub(super) changed: usize,
    /// How many were to lose something that the brake keeps for them.
    pub(super) held: usize,
}

/// Holds what the rules want for locked members against their grants, and writes the differences.
/// Members without a difference only take note of the rules version. Tells how many changed. What
/// members lose is held against the brake.
pub async fn settle(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    rules: &Rules,
    run: Option<RunId>,
) -> Result<usize> {
    let within = Within {
        run,
        ..Within::default()
    };
    let settled = settle_within(tx, act, locked, rules, within).await?;
    Ok(settled.changed)
}

/// The same as part of a run that may undo another one, or for a change that may be aimed at one of
/// them: what would take the last admin away by that is [`crate::error::Error::Conflict`].
pub(super) async fn settle_within(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    rules: &Rules,
    within: Within,
) -> Result<Settled> {
    if locked.is_empty() {
        return Ok(Settled::default());
    }
    let mut differences = differences(tx, act.workspace, locked, rules).await?;
    let expects = guard::expects_another(tx, act, &differences).await?;
    let aimed = within.aimed;
    let aimed = locked.iter().find(|member| aimed == Some(member.id));
    let ending = aimed.map_or_else(BTreeSet::new, |it| ending_anew(&differences, it.id));
    keep_admin(tx, act, (locked, rules), &mut differences).await?;
    if let Some(member) = aimed
        && ending != ending_anew(&differences, member.id)
    {
        guard::refuse_aimed(act.workspace, member)?;
    }
    let held = brake::keep(tx, act, locked, &mut differences, within.undoes).await?;
    let changed = apply(tx, act, locked, rules, (differences, within.run)).await?;
    if expects {
        guard::let_go(tx, act).await?;
    }
    Ok(Settled { changed, held })
}

/// Settles the members of locked users after users were put into a group and out of it. If it was one
/// alone whom it lost, the request is about that one person, and what would take the last admin away
/// is [`crate::error::Error::Conflict`].
pub async fn settle_moved(
    tx: &mut Tx,
    act: &Act,
    (linked, removed): (&[Linked], &[UserId]),
    locked: &[Member],
    rules: &Rules,
) -> Result<()> {
    let aimed = match removed {
        [one] => linked.iter().find(|user| user.id == *one),
        _ => None,
    };
    let aimed = aimed.and_then(|user| user.member);
    let within = Within {
        aimed,
        ..Within::default()
    };
    settle_within(tx, act, locked, rules, within).await?;
    Ok(())
}

/// The same for what the brake has kept and lets go.
pub(super) async fn settle_freely(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    rules: &Rules,
) -> Result<()> {
    let mut differences = differences(tx, act.workspace, locked, rules).await?;
    let expects = guard::expects_another(tx, act, &differences).await?;
    keep_admin(tx, act, (locked, rules), &mut differences).await?;
    apply(tx, act, locked, rules, (differences, None)).await?;
    if expects {
        guard::let_go(tx, act).await?;
    }
    Ok(())
}

/// The roles of a member that end, and are not what was kept of it before.
fn ending_anew(
    differences: &BTreeMap<MemberId, (i64, Difference)>,
    member: MemberId,
) -> BTreeSet<GrantId> {
    let ended = differences.get(&member).into_iter();
    let ended = ended.flat_map(|(_, difference)| &difference.ended);
    let anew = ended.filter(|grant| grant.kind == GrantKind::Role && !grant.is_kept);
    anew.map(|grant| grant.id).collect()
}

/// Keeps whom the guard of the last admin keeps of what ends. Who else is an admin by rules stays one
/// only if the rules still say so.
async fn keep_admin(
    tx: &mut Tx,
    act: &Act,
    (locked, rules): (&[Member], &Rules),
    differences: &mut BTreeMap<MemberId, (i64, Difference)>,
) -> Result<()> {
    let Some(parting) = guard::part(tx, act, locked, differences).await? else {
        return Ok(());
    };
    let admin = (GrantKind::Role, parting.role.0);
    for others in parting.others().chunks(BATCH) {
        let changes = changes_of(tx, act.workspace, others, rules).await?;
        let stays = |id: &MemberId| changes.get(id).is_none_or(|it| it.wanted.contains(&admin));
        if others.iter().any(stays) {
            return Ok(());
        }
    }
    guard::keep_longest(tx, act, &parting, differences).await
}

async fn apply(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    rules: &Rules,
    (differences, run): (BTreeMap<MemberId, (i64, Difference)>, Option<RunId>),
) -> Result<usize> {
    let unchanged: Vec<_> = locked
        .iter()
        .filter(|member| member.rules_version < rules.version)
        .map(|member| member.id)
        .filter(|id| !differences.contains_key(id))
        .collect();
    if !differences.is_empty() {
        ledger::apply(tx, act, &differences, rules.version, run).await?;
    }
    if fields::are_concerned(locked, rules) {
        fields::fill(tx, act, locked, rules).await?;
    }
    members::update_rules_version(tx, act.workspace, &unchanged, rules.version).await?;
    Ok(differences.len())
}

/// Settles the member of a User that was just written, where rules look at attributes. What would take
/// the last admin away is [`crate::error::Error::Conflict`]. The member
/// must be locked or new in this transaction, before the rules are read: whoever adds a rule
/// meanwhile waits for it, or the sweeper finds it.
pub async fn settle_written(tx: &mut Tx, app: &App, act: &Act, member: MemberId) -> Result<()> {
    let mark = workspaces::find_rules_mark(tx, act.workspace).await?;
    if mark.rules_when == 0 {
        return Ok(());
    }
    // Read anew for its version, which the same request may have raised.
    let locked = members::lock(tx, act.workspace, &[member]).await?;
    let (version, live) = rules::of(tx, app, act.workspace, mark).await?;
    let within = Within {
        aimed: Some(member),
        ..Within::default()
    };
    settle_within(tx, act, &locked, &Rules { version, live }, within).await?;
    Ok(())
}

/// What settling would change, for those members for whom it would change something, with the
/// version that each of them has.
pub async fn differences(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[Member],
    rules: &Rules,
) -> Result<BTreeMap<MemberId, (i64, Difference)>> {
    let ids: Vec<_> = members.iter().map(|member| member.id).collect();
    let mut changes = changes_of(tx, workspace, &ids, rules).await?;
    let differences = members.iter().filter_map(|member| {
        let difference = changes.remove(&member.id)?;
        Some((member.id, (member.version, difference)))
    });
    Ok(differences.collect())
}

async fn changes_of(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
    rules: &Rules,
) -> Result<HashMap<MemberId, Difference>> {
    let mut facts = facts(tx, workspace, members, rules).await?;
    let mut have: HashMap<MemberId, Vec<LiveGrant>> = HashMap::new();
    for grant in grants::list_settled(tx, workspace, members).await? {
        have.entry(grant.member).or_default().push(grant);
    }
    let mut changes = HashMap::new();
    for member in members {
        let facts = facts.remove(member).unwrap_or_default();
        let wanted = mapping::wanted(&rules.live, &facts);
        let difference = difference(wanted, have.remove(member).unwrap_or_default());
        if !difference.is_nothing() {
            changes.insert(*member, difference);
        }
    }
    Ok(changes)
}

/// Settles locked members of whose profiles a directory wrote something, beside the one that its request
/// is about, where rules look at profiles.
pub(super) async fn settle_profiles(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    members: &[MemberId],
) -> Result<()> {
    if members.is_empty() {
        return Ok(());
    }
    if let Some(rules) = Rules::over_profiles(tx, app, act.workspace).await? {
        let locked = members::lock(tx, act.workspace, members).await?;
        settle_locked(tx, act, &locked, &rules).await?;
    }
    Ok(())
}

/// Settles the members of users that are locked, however many, in batches: for where access that is
/// lost must be lost now.
pub async fn settle_linked(
    tx: &mut Tx,
    act: &Act,
    linked: &[Linked],
    rules: &Rules,
) -> Result<usize> {
    let ids: Vec<MemberId> = linked.iter().filter_map(|user| user.member).collect();
    // All of them before the first loses something: the brake is locked after members.
    let locked = members::lock(tx, act.workspace, &ids).await?;
    settle_locked(tx, act, &locked, rules).await
}

/// The same for members who are locked already.
pub async fn settle_locked(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    rules: &Rules,
) -> Result<usize> {
    let settled = settle_locked_within(tx, act, locked, rules, Within::default()).await?;
    Ok(settled.changed)
}

/// The same as part of a run.
pub(super) async fn settle_locked_within(
    tx: &mut Tx,
    act: &Act,
    locked: &[Member],
    rules: &Rules,
    within: Within,
) -> Result<Settled> {
    let mut all = Settled::default();
    for locked in locked.chunks(BATCH) {
        let settled = settle_within(tx, act, locked, rules, within).await?;
        all.changed += settled.changed;
        all.held += settled.held;
    }
    Ok(all)
}

fn difference(mut wanted: BTreeSet<mapping::Wanted>, have: Vec<LiveGrant>) -> Difference {
    let rights = wanted.iter().map(|(kind, target, _)| (*kind, *target));
    let rights: BTreeSet<_> = rights.collect();
    let (mut again, have): (Vec<LiveGrant>, Vec<LiveGrant>) =
        have.into_iter().partition(|grant| grant.is_rejection);
    let (regained, mut ended): (Vec<LiveGrant>, Vec<LiveGrant>) = have
        .into_iter()
        .partition(|grant| wanted.remove(&(grant.kind, grant.target, grant.cause)));
    // What an admin gave instead of a rule is the rule's again.
    again.retain(|grant| rights.contains(&(grant.kind, grant.target)));
    ended.append(&mut again);
    let regained = regained.into_iter().filter(|grant| grant.is_braked);
    Difference {
        begun: wanted.into_iter().collect(),
        ended,
        wanted: rights,
        regained: regained.map(|grant| grant.id).collect(),
        standing: BTreeSet::new(),
    }
}
