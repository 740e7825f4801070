//! The work of putting one group back, in one transaction; and what it would come to.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::groups::{Missing, Plan};
use super::past::Past;
use super::{NAMED, REACH};
use crate::admission::regrouping::{Mended, Regrouped};
use crate::admission::runs;
use crate::admission::settle::{Rules, settle_linked};
use crate::app::App;
use crate::changes::{self, Act};
use crate::clock::Timestamp;
use crate::directory::membership::{self, Done};
use crate::directory::{groups as scim_groups, nesting, unique};
use crate::error::{Error, Result};
use crate::ids::{GroupId, MemberId, RuleId, RunId, UserId};
use crate::mapping::rules as mapping_rules;
use crate::scim::resource;
use crate::secrets::Digest;
use crate::store::buried_groups::{self, Buried};
use crate::store::error::OnDuplicate;
use crate::store::groups::{self, Group};
use crate::store::live_rules::LiveRule;
use crate::store::plans::{self, Mark};
use crate::store::tx::Tx;
use crate::store::users::{self, Linked, Place};
use crate::store::{directories, edges, nestings, workspaces};
use crate::workspace::keys::Scopes;
use crate::workspace::schemas;

/// One group that is put back, by whom and to when.
#[derive(Clone)]
pub(super) struct Regroup {
    pub(super) app: App,
    pub(super) act: Act,
    pub(super) scopes: Scopes,
    pub(super) place: Place,
    pub(super) group: GroupId,
    pub(super) as_of: Option<Timestamp>,
}

/// The group as it is and as it was.
pub(super) struct Found {
    past: Past,
    there: Option<Group>,
    buried: Option<Buried>,
}

/// What is done to the groups and rules around a group.
#[derive(Clone, Default)]
struct Arranged {
    added: Vec<GroupId>,
    removed: Vec<GroupId>,
    /// Groups that hold it again.
    holders: Vec<GroupId>,
    mended: Mended,
    skipped: Vec<Missing>,
}

/// What became of these when it was tried.
struct Tried {
    rules: Vec<LiveRule>,
    rules_then: Vec<LiveRule>,
    arranged: Arranged,
    /// The group, and those that it is in then.
    above: BTreeSet<GroupId>,
    /// Those that are in it then.
    below: Vec<GroupId>,
}

/// What it comes to, and how the workspace stood when that was looked at.
pub(super) struct Foreseen {
    mark: Mark,
    pub(super) plan: Plan,
}

/// The Users concerned, locked.
struct Concerned {
    linked: Vec<Linked>,
    /// Those of them who lose something, if anybody does.
    leaving: BTreeSet<UserId>,
}

impl Regroup {
    /// Tells what it would come to. What groups and rules come to is tried and undone; members are looked
    /// at beside other writes.
    pub(super) async fn foresee(&self, past: Past) -> Result<Foreseen> {
        let work = self.clone();
        let attempt = self.app.attempt(move |tx| {
            let (work, past) = (work.clone(), past.clone());
            Box::pin(async move {
                let found = work.begin(tx, past).await?;
                let mark = plans::find_mark(tx, work.act.workspace).await?;
                let tried = work.try_out(tx, &found).await?;
                Ok((mark, found, tried))
            })
        });
        let (mark, found, tried) = attempt.await?;
        let mut tx = self.app.db.read().await?;
        let plan = self.told(&mut tx, &found, &tried).await?;
        Ok(Foreseen { mark, plan })
    }

    /// Does all of it, and tells what it came to; or, where it would come to something else than `hash`
    /// names, nothing, and tells that. What was foreseen holds while nothing moved since.
    pub(super) async fn put_back(
        &self,
        tx: &mut Tx,
        past: Past,
        (foreseen, hash): (Option<&Foreseen>, Option<&str>),
    ) -> Result<(Plan, bool)> {
        let (app, act, place, id) = (&self.app, &self.act, self.place, self.group);
        let found = self.begin(tx, past).await?;
        let concerned = self.concerned(tx, &found.past).await?;
        let mark = plans::find_mark(tx, act.workspace).await?;
        let plan = match foreseen.filter(|foreseen| foreseen.mark == mark) {
            Some(foreseen) => foreseen.plan.clone(),
            None => {
                let tried = self.try_out(tx, &found).await?;
                self.told(tx, &found, &tried).await?
            }
        };
        if hash.is_some_and(|hash| hash != plan.hash) {
            return Ok((plan, false));
        }
        let arranged = self.arrange(tx, &found).await?;
        let there: BTreeSet<UserId> = concerned.linked.iter().map(|user| user.id).collect();
        let mut coming = found.past.users(true);
        coming.retain(|user| there.contains(user));
        let mut done = Done {
            removed: edges::delete(tx, place, id, &found.past.users(false)).await?,
            added: edges::insert(tx, place, id, &coming).await?,
            removed_groups: arranged.removed.clone(),
            added_groups: arranged.added.clone(),
            ..Done::default()
        };
        let mut runs = self.settle(tx, &concerned).await?;
        runs.extend(arranged.mended.carry_out(tx, app, act).await?);
        done.runs.clone_from(&runs);
        let mut touched = arranged.holders.clone();
        if found.there.is_some() && !done.is_nothing() {
            touched.push(id);
        }
        groups::insert_touches(tx, place, &touched, act.at).await?;
        let around = (&arranged.holders[..], &arranged.mended);
        self.tell(tx, (found.buried.as_ref(), around.0, around.1), &done)
            .await?;
        let plan = Plan {
            added: done.added.len(),
            removed: done.removed.len(),
            runs,
            ..plan
        };
        Ok((plan, true))
    }

    /// Locks what is written of groups, and looks at what was.
    async fn begin(&self, tx: &mut Tx, mut past: Past) -> Result<Found> {
        workspaces::lock(tx, self.act.workspace).await?;
        let directory = directories::find(tx, self.place).await?;
        let directory = directory.ok_or(Error::NotFound("directory"))?;
        if directory.ended_at.is_some() {
            return Err(Error::Conflict("the directory is switched off".to_owned()));
        }
        self.lock(tx, &past).await?;
        past.catch_up(tx).await?;
        let there = groups::find(tx, self.place, self.group).await?;
        let buried = match &there {
            Some(_) => None,
            None => Some(self.buried(tx).await?),
        };
        if past.is_made_since {
            return Err(Error::Conflict("the group was not there then".to_owned()));
        }
        Ok(Found {
            past,
            there,
            buried,
        })
    }

    /// Arranges the groups and rules, and undoes that.
    async fn try_out(&self, tx: &mut Tx, found: &Found) -> Result<Tried> {
        let (app, act, place, id) = (&self.app, &self.act, self.place, self.group);
        let rules = Rules::current(tx, app, act).await?.live.to_vec();
        tx.begin_trial().await?;
        let arranged = self.arrange(tx, found).await?;
        let rules_then = arranged.mended.among(tx, app, act).await?;
        let above = nestings::list_above(tx, place, id).await?.into_iter();
        let below = nestings::list_below(tx, place, &[id]).await?.into_iter();
        tx.undo_trial().await?;
        Ok(Tried {
            rules,
            rules_then,
            arranged,
            above: above.map(|edge| edge.group_id).chain([id]).collect(),
            below: below.map(|edge| edge.member_id).collect(),
        })
    }

    /// What all of it comes to, of which nothing is done yet.
    async fn told(&self, tx: &mut Tx, found: &Found, tried: &Tried) -> Result<Plan> {
        let (place, id, past) = (self.place, self.group, &found.past);
        let (all, _) = self.named(tx, past).await?;
        let mut linked = plans::list_linked(tx, place, &all).await?;
        linked.sort_unstable_by_key(|user| user.id);
        let there: BTreeSet<UserId> = linked.iter().map(|user| user.id).collect();
        let (coming, gone): (Vec<UserId>, Vec<UserId>) = past
            .users(true)
            .into_iter()
            .partition(|user| there.contains(user));
        let gone = gone.into_iter().map(|user| Missing {
            id: user.0,
            reason: "the directory has this user no longer".to_owned(),
        });
        let arranged = &tried.arranged;
        let mut skipped: Vec<Missing> = gone.chain(arranged.skipped.iter().cloned()).collect();
        let mut inside: BTreeSet<UserId> = edges::list(tx, place, id, &all)
            .await?
            .into_iter()
            .collect();
        let new = coming.into_iter().filter(|user| !inside.contains(user));
        let old = past.users(false).into_iter();
        let done = Done {
            added: new.collect(),
            removed: old.filter(|user| inside.contains(user)).collect(),
            added_groups: arranged.added.clone(),
            removed_groups: arranged.removed.clone(),
            ..Done::default()
        };
        inside.extend(&done.added);
        inside.retain(|user| !done.removed.contains(user));
        inside.extend(nestings::list_users(tx, place, &tried.below).await?);
        let members = linked.iter().filter_map(|user| {
            let member = user.member?;
            Some((member, inside.contains(&user.id)))
        });
        let members: Vec<(MemberId, bool)> = members.collect();
        let regrouped = Regrouped {
            place,
            group: id,
            holders: &tried.above,
            before: &tried.rules,
            after: &tried.rules_then,
        };
        let by = (&self.act, &self.scopes);
        let (effects, effects_hash) = regrouped.told(tx, by, &members, &arranged.mended).await?;
        let rules = arranged.mended.rules();
        let hash = hash(&effects_hash, self, &done, (&arranged.holders, &rules));
        let skipped_count = skipped.len();
        skipped.truncate(NAMED);
        let buried = found.buried.as_ref().map(|buried| &buried.display);
        let name = found.there.as_ref().map(|group| &group.display).or(buried);
        Ok(Plan {
            group: id,
            name: name.cloned().unwrap_or_default(),
            made_again: found.buried.is_some(),
            as_of: self.as_of,
            added: done.added.len(),
            removed: done.removed.len(),
            added_groups: done.added_groups.len(),
            removed_groups: done.removed_groups.len(),
            holders: arranged.holders.len(),
            rules,
            skipped,
            skipped_count,
            memberships_unknown: past.unknown,
            effects,
            hash,
            runs: Vec::new(),
        })
    }

    /// Locks the group, those that it held or that held it, and all below these, in id order.
    async fn lock(&self, tx: &mut Tx, past: &Past) -> Result<()> {
        let mut start = past.groups(true);
        start.extend(past.groups(false));
        let mut ids: BTreeSet<Uuid> = past.holders.iter().map(|group| group.0).collect();
        ids.insert(self.group.0);
        for edge in nestings::list_below(tx, self.place, &start).await? {
            ids.insert(edge.member_id.0);
        }
        ids.extend(start.iter().map(|group| group.0));
        groups::lock_all(tx, self.place, &ids).await?;
        Ok(())
    }

    async fn buried(&self, tx: &mut Tx) -> Result<Buried> {
        let buried = buried_groups::find(tx, self.place, self.group).await?;
        let earliest = self.act.at.before(REACH);
        let buried = buried.filter(|buried| buried.deleted_at >= earliest);
        let buried = buried.ok_or(Error::NotFound("group"))?;
        if self.as_of.is_some_and(|at| at >= buried.deleted_at) {
            return Err(Error::Conflict("the group was deleted by then".to_owned()));
        }
        if groups::is_hidden(tx, self.place, self.group).await? {
            return Err(Error::Conflict(
                "the deletion of the group is still being worked off".to_owned(),
            ));
        }
        Ok(buried)
    }

    /// The Users who may come in or go out, in id order, and those of them who may lose something.
    async fn named(&self, tx: &mut Tx, past: &Past) -> Result<(Vec<UserId>, BTreeSet<UserId>)> {
        let leaving_groups = past.groups(false);
        let mut leaving: BTreeSet<UserId> = past.users(false).into_iter().collect();
        leaving.extend(nestings::list_users(tx, self.place, &leaving_groups).await?);
        let mut all: BTreeSet<UserId> = past.users(true).into_iter().collect();
        all.extend(nestings::list_users(tx, self.place, &past.groups(true)).await?);
        all.extend(&leaving);
        Ok((all.into_iter().collect(), leaving))
    }

    async fn concerned(&self, tx: &mut Tx, past: &Past) -> Result<Concerned> {
        let (all, leaving) = self.named(tx, past).await?;
        Ok(Concerned {
            linked: users::lock_linked(tx, self.place, &all).await?,
            leaving,
        })
    }

    /// Makes the group again, without members. Rules that wait for its name are bound to it.
    async fn make_again(&self, tx: &mut Tx, buried: &Buried) -> Result<()> {
        let (app, act, place) = (&self.app, &self.act, self.place);
        let document = resource::from_stored(&buried.document)?;
        let kind = schemas::registry_within(tx, app, act.workspace)
            .await?
            .group();
        let mut group = Group {
            id: self.group,
            display: String::new(),
            display_key: String::new(),
            external_id: None,
            document: String::new(),
            version: version_of(buried),
            created_at: buried.created_at,
            updated_at: act.at,
        };
        scim_groups::write(&mut group, kind, &document)?;
        groups::insert(tx, place, &group)
            .await
            .on_duplicate("displayName")?;
        unique::claim(tx, place, kind, group.id.0, None, &document).await?;
        buried_groups::delete(tx, place, group.id).await?;
        scim_groups::count(tx, place, group.id, 1).await?;
        let name = (group.id, group.display_key.as_str());
        mapping_rules::bind(tx, act, place.directory, name).await
    }

    /// Makes the group again where it was deleted, puts groups into it and takes them out, and it into
    /// those that held it; and mends the rules that broke without it.
    async fn arrange(&self, tx: &mut Tx, found: &Found) -> Result<Arranged> {
        let (place, id, past) = (self.place, self.group, &found.past);
        if let Some(buried) = &found.buried {
            self.make_again(tx, buried).await?;
        }
        let mut arranged = Arranged {
            removed: edges::delete(tx, place, id, &past.groups(false)).await?,
            ..Arranged::default()
        };
        let wanted: Vec<Uuid> = past.groups(true).into_iter().map(|it| it.0).collect();
        let live = groups::list_live(tx, place, &wanted).await?;
        let lost = wanted.iter().filter(|it| !live.contains(&GroupId(**it)));
        arranged.skipped.extend(lost.map(|group| Missing {
            id: *group,
            reason: "the directory has this group no longer".to_owned(),
        }));
        for group in live {
            let skipped = &mut arranged.skipped;
            if self.nest(tx, (id, group), group, skipped).await? {
                arranged.added.push(group);
            }
        }
        if found.buried.is_some() {
            arranged.holders = self.hold_again(tx, past, &mut arranged.skipped).await?;
            arranged.mended = Mended::by(tx, &self.act, id).await?;
        }
        Ok(arranged)
    }

    /// Puts the group into those again that held it when it was deleted; gives these.
    async fn hold_again(
        &self,
        tx: &mut Tx,
        past: &Past,
        skipped: &mut Vec<Missing>,
    ) -> Result<Vec<GroupId>> {
        let wanted: Vec<Uuid> = past.holders.iter().map(|group| group.0).collect();
        let mut holders = Vec::new();
        for holder in groups::list_live(tx, self.place, &wanted).await? {
            if self.nest(tx, (holder, self.group), holder, skipped).await? {
                holders.push(holder);
            }
        }
        Ok(holders)
    }

    /// Puts a group into another one; false if it is there already, or cannot be.
    async fn nest(
        &self,
        tx: &mut Tx,
        (holder, held): (GroupId, GroupId),
        named: GroupId,
        skipped: &mut Vec<Missing>,
    ) -> Result<bool> {
        let above = nestings::list_above(tx, self.place, holder).await?;
        let below = nestings::list_below(tx, self.place, &[held]).await?;
        match nesting::check(holder, &[held], &above, &below) {
            Ok(()) => Ok(!edges::insert(tx, self.place, holder, &[held])
                .await?
                .is_empty()),
            Err(Error::Conflict(reason)) => {
                let id = named.0;
                skipped.push(Missing { id, reason });
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Settles those concerned: whoever loses something loses it now; what many gain is a run's, which
    /// is given.
    async fn settle(&self, tx: &mut Tx, concerned: &Concerned) -> Result<Vec<RunId>> {
        let (app, act, place) = (&self.app, &self.act, self.place);
        let rules = Rules::current(tx, app, act).await?;
        let above = nestings::list_above(tx, place, self.group).await?;
        let mut upwards: Vec<GroupId> = above.iter().map(|edge| edge.group_id).collect();
        upwards.push(self.group);
        if concerned.linked.is_empty() || !rules.look_at(&upwards) {
            return Ok(Vec::new());
        }
        let count = i64::try_from(concerned.linked.len()).unwrap_or(i64::MAX);
        if count <= app.config.scim.run_threshold {
            settle_linked(tx, act, &concerned.linked, &rules).await?;
            return Ok(Vec::new());
        }
        let linked = concerned.linked.iter();
        let leaving = linked.filter(|user| concerned.leaving.contains(&user.id));
        let leaving: Vec<Linked> = leaving.copied().collect();
        settle_linked(tx, act, &leaving, &rules).await?;
        let total = nestings::count_users(tx, place, self.group).await?;
        let run = nesting::run(act, place, self.group, total);
        runs::plan(tx, &run).await?;
        Ok(vec![run.id])
    }

    async fn tell(
        &self,
        tx: &mut Tx,
        (buried, holders, mended): (Option<&Buried>, &[GroupId], &Mended),
        done: &Done,
    ) -> Result<()> {
        let (act, id) = (&self.act, self.group);
        let detail = json!({
            "as_of": self.as_of, "made_again": buried.is_some(), "added": done.added.len(),
            "removed": done.removed.len(), "groups": holders, "rules": mended.rules(),
        });
        let version = buried.map(version_of);
        let change = act.change("group.restored", ("group", id.0), version, &detail);
        changes::record(tx, act.workspace, &[change]).await?;
        membership::record(tx, act, id, done).await
    }
}

/// The version with which a deleted group comes back; its deletion was one.
fn version_of(buried: &Buried) -> i64 {
    buried.version + 2
}

fn hash(
    effects: &str,
    work: &Regroup,
    done: &Done,
    (holders, rules): (&[GroupId], &[RuleId]),
) -> String {
    let sorted = |ids: Vec<Uuid>| -> BTreeSet<Uuid> { ids.into_iter().collect() };
    let users = |ids: &[UserId]| sorted(ids.iter().map(|id| id.0).collect());
    let groups = |ids: &[GroupId]| sorted(ids.iter().map(|id| id.0).collect());
    let all = json!([
        effects,
        work.group,
        work.as_of,
        users(&done.added),
        users(&done.removed),
        groups(&done.added_groups),
        groups(&done.removed_groups),
        groups(holders),
        sorted(rules.iter().map(|id| id.0).collect()),
    ]);
    let mut digest = Digest::new();
    digest.update(all.to_string().as_bytes());
    digest.hex()
}
