//! A group is put back to what it was: what those who come in and go out get and lose by it, told
//! before it is settled, and the rules that broke without the group.

use std::collections::{BTreeSet, HashMap};

use super::carrying::{Step, carry_out, still_bound};
use super::defining::check_rights;
use super::definition::with;
use super::effects::{Right, Rights, World, facts, fills, rights, told_of};
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

/// What becomes of a group, and of the rules with it.
pub struct Regrouped<'r> {
    /// Where the group is.
    pub place: Place,
    /// The group.
    pub group: GroupId,
    /// The group and those that it is in then, themselves or through others.
    pub holders: &'r BTreeSet<GroupId>,
    /// The rules of now.
    pub before: &'r [LiveRule],
    /// Those of then.
    pub after: &'r [LiveRule],
}

impl Regrouped<'_> {
    /// Tells what members, each with whether it is in the group then, come to have and show; and what
    /// names all of it. The database is as it is before. What is given or taken beyond `scopes`, or
    /// by the rules that are mended, is [`crate::error::Error::Forbidden`].
    pub async fn told(
        &self,
        tx: &mut Tx,
        (act, scopes): (&Act, &Scopes),
        members: &[(MemberId, bool)],
        mended: &Mended,
    ) -> Result<(Told, String)> {
        let mut given = mended.given();
        let mut differing = Vec::new();
        for members in members.chunks(BATCH) {
            for of in self.look(tx, members).await? {
                // What a member has for another reason as well is given all the same.
                let (has, gets, _) = &of.1;
                given.extend(has.symmetric_difference(gets).copied());
                differing.push(of);
            }
        }
        let computed = told_of(tx, act.workspace, members.len(), differing).await?;
        check_rights(tx, act.workspace, scopes, &given).await?;
        let hash = computed.hash();
        let by = (act.workspace, scopes);
        let told = told(tx, by, computed.effects).await?;
        Ok((told, hash))
    }

    /// Those of the members of whom something changes.
    async fn look(
        &self,
        tx: &mut Tx,
        members: &[(MemberId, bool)],
    ) -> Result<Vec<(MemberId, Rights, (Said, Said))>> {
        let ids: Vec<MemberId> = members.iter().map(|of| of.0).collect();
        let world = World {
            before: self.before,
            after: self.after,
            groups: Vec::new(),
            without: None,
        };
        let now = facts(tx, self.place.workspace, &ids, &world, None).await?;
        // Whatever way changes leads through the group.
        let mut then = facts(tx, self.place.workspace, &ids, &world, Some(self.group)).await?;
        let mut standing = lasting(tx, self.place.workspace, &ids).await?;
        let nobody = Facts::default();
        let mut differing = Vec::new();
        for (member, is_in) in members {
            let of = now.get(member).unwrap_or(&nobody);
            let mut of_then = then.remove(member).unwrap_or_default();
            if *is_in {
                of_then.groups.extend(self.holders);
            }
            let (has, gets) = (rights(self.before, of), rights(self.after, &of_then));
            let shows = (fills(self.before, of), fills(self.after, &of_then));
            if has != gets || shows.0 != shows.1 {
                let stays = standing.remove(member).unwrap_or_default();
                differing.push((*member, (has, gets, stays), shows));
            }
        }
        Ok(differing)
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

/// Rules that broke when a group was deleted, and can say again what they said.
#[derive(Debug, Clone, Default)]
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

    fn given(&self) -> BTreeSet<Right> {
        let after = self.0.iter().filter_map(|step| step.after.as_ref());
        after.flat_map(|rule| rule.grants.iter().copied()).collect()
    }

    /// The rules of now together with these.
    pub async fn among(&self, tx: &mut Tx, app: &App, act: &Act) -> Result<Vec<LiveRule>> {
        let rules = Rules::current(tx, app, act).await?;
        let registry = schemas::registry_within(tx, app, act.workspace).await?;
        let mut after = rules.live.to_vec();
        for step in &self.0 {
            let Some(rule) = &step.after else {
                continue;
            };
            let live = rule.live(step.id, act.at, registry.user())?;
            let now = Rules {
                version: rules.version,
                live: after.into(),
            };
            after = with(&now, step.id, live);
        }
        Ok(after)
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
