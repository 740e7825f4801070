//! A group is put back to what it was: what those who come in and go out get and lose by it, told
//! before it is settled, and the rules that broke without the group.

use std::collections::{BTreeSet, HashMap};

use super::carrying::{Step, carry_out, still_bound};
use super::defining::check_rights;
use super::definition::with;
use super::effects::{Right, World, facts, fills, rights, told_of};
use super::fields::Said;
use super::planned::{Told, told};
use super::rules::find_with;
use super::runs;
use super::settle::Rules;
use crate::app::App;
use crate::changes::Act;
use crate::error::Result;
use crate::ids::{GroupId, MemberId, RuleId, RunId, WorkspaceId};
use crate::mapping::Facts;
use crate::store::grants;
use crate::store::live_rules::LiveRule;
use crate::store::rules as rows;
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::workspace::keys::Scopes;
use crate::workspace::schemas;

/// How many members are looked at together.
const BATCH: usize = 500;

/// What members had by rules, or keep for good for another reason, before they come into groups or go out.
pub struct Before {
    place: Place,
    rules: Vec<LiveRule>,
    members: Vec<(MemberId, BTreeSet<Right>, Said, BTreeSet<Right>)>,
}

impl Before {
    /// Looks at members who are locked, or whose Users are.
    pub async fn of(
        tx: &mut Tx,
        app: &App,
        act: &Act,
        place: Place,
        members: &[MemberId],
    ) -> Result<Self> {
        let rules = Rules::current(tx, app, act).await?.live.to_vec();
        let mut before = Self {
            place,
            rules,
            members: Vec::with_capacity(members.len()),
        };
        for members in members.chunks(BATCH) {
            let said = said(tx, place, members, (&before.rules, &before.rules)).await?;
            let mut standing = lasting(tx, place.workspace, members).await?;
            for member in members {
                let nobody = Facts::default();
                let of = said.get(member).unwrap_or(&nobody);
                let (has, shows) = (rights(&before.rules, of), fills(&before.rules, of));
                let stays = standing.remove(member).unwrap_or_default();
                before.members.push((*member, has, shows, stays));
            }
        }
        Ok(before)
    }

    /// Tells what they come to have and show now that they are in other groups, by the rules of now and
    /// those that are mended; and what names all of it. What is given or taken beyond `scopes` is
    /// [`crate::error::Error::Forbidden`].
    pub async fn told(
        self,
        tx: &mut Tx,
        app: &App,
        (act, scopes): (&Act, &Scopes),
        mended: &Mended,
    ) -> Result<(Told, String)> {
        let rules = Rules::current(tx, app, act).await?;
        let registry = schemas::registry_within(tx, app, act.workspace).await?;
        let mut after = rules.live.to_vec();
        let mut given = BTreeSet::new();
        for step in &mended.0 {
            let Some(rule) = &step.after else {
                continue;
            };
            let live = rule.live(step.id, act.at, registry.user())?;
            let now = Rules {
                version: rules.version,
                live: after.into(),
            };
            after = with(&now, step.id, live);
            given.extend(rule.grants.iter().copied());
        }
        let mut differing = Vec::new();
        for members in self.members.chunks(BATCH) {
            let ids: Vec<_> = members.iter().map(|of| of.0).collect();
            let said = said(tx, self.place, &ids, (&self.rules, &after)).await?;
            for (member, has, shows, stays) in members {
                let nobody = Facts::default();
                let of = said.get(member).unwrap_or(&nobody);
                let (gets, comes_to_show) = (rights(&after, of), fills(&after, of));
                // What a member has for another reason as well is given all the same.
                given.extend(has.symmetric_difference(&gets).copied());
                if *has != gets || *shows != comes_to_show {
                    let rights = (has.clone(), gets, stays.clone());
                    differing.push((*member, rights, (shows.clone(), comes_to_show)));
                }
            }
        }
        let looked_at = self.members.len();
        let computed = told_of(tx, act.workspace, looked_at, differing).await?;
        check_rights(tx, act.workspace, scopes, &given).await?;
        let hash = computed.hash();
        let by = (act.workspace, scopes);
        let told = told(tx, by, computed.effects).await?;
        Ok((told, hash))
    }
}

/// What members keep whatever rules say, and not for a while only: to have for good what the brake
/// holds is a gain.
async fn lasting(
    tx: &mut Tx,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<HashMap<MemberId, BTreeSet<Right>>> {
    let mut lasting: HashMap<MemberId, BTreeSet<Right>> = HashMap::new();
    for grant in grants::list_standing(tx, workspace, members).await? {
        if !grant.is_braked {
            let of = lasting.entry(grant.member).or_default();
            of.insert((grant.kind, grant.target));
        }
    }
    Ok(lasting)
}

async fn said(
    tx: &mut Tx,
    place: Place,
    members: &[MemberId],
    (before, after): (&[LiveRule], &[LiveRule]),
) -> Result<HashMap<MemberId, Facts>> {
    let world = World {
        before,
        after,
        groups: Vec::new(),
        without: None,
    };
    facts(tx, place, members, &world, None).await
}

/// Rules that broke when a group was deleted, and can say again what they said.
#[derive(Default)]
pub struct Mended(Vec<Step>);

impl Mended {
    /// The rules that look at a group that is there again, and whose other groups are there too. One
    /// that a run writes stays as it is. The workspace is locked.
    pub async fn by(tx: &mut Tx, act: &Act, group: GroupId) -> Result<Self> {
        let groups = rows::list_groups(tx, act.workspace).await?.into_iter();
        let looking = groups.filter(|of| of.group_id == Some(group));
        let looking: BTreeSet<RuleId> = looking.map(|of| of.rule).collect();
        let mut steps = Vec::new();
        for rule in looking {
            let (_, before) = find_with(tx, act.workspace, rule).await?;
            if !before.1.broken || runs::is_written(tx, act.workspace, rule).await? {
                continue;
            }
            let after = still_bound(tx, act, before.1.clone()).await?;
            if !after.broken {
                steps.push(Step::change(before, Some(after)));
            }
        }
        Ok(Self(steps))
    }

    /// Which rules those are.
    pub fn rules(&self) -> Vec<RuleId> {
        self.0.iter().map(|step| step.id).collect()
    }

    /// Lets them give again, at once or by runs; gives those.
    pub async fn carry_out(&self, tx: &mut Tx, app: &App, act: &Act) -> Result<Vec<RunId>> {
        let mut runs = Vec::new();
        for step in &self.0 {
            runs.extend(carry_out(tx, app, act, step).await?.run);
        }
        Ok(runs)
    }
}
