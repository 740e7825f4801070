//! Plans: what would become of a change of the rules, and what becomes of it; and runs that are undone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gatehouse::admission::planned::Count;
use gatehouse::admission::plans::{self, Applied, Proposal};
use gatehouse::admission::rules::Missing;
use gatehouse::admission::runs;
use gatehouse::changes::Origin;
use gatehouse::clock::Timestamp;
use gatehouse::ids::{MemberId, RuleId, RunId};
use gatehouse::workspace::keys::Scopes;
use uuid::Uuid;

use super::reference::World;
use super::rules::{Edit, Rule, Waiting};
use super::{Pair, RIGHTS, right};

const LIFE: Duration = Duration::from_hours(24);

/// What members would gain and lose.
type Effects = BTreeMap<MemberId, (BTreeSet<usize>, BTreeSet<usize>)>;

/// A plan.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    id: Uuid,
    before: Option<usize>,
    after: Option<Rule>,
    effects: Effects,
    until: Timestamp,
    is_applied: bool,
}

/// A run that wrote a rule.
#[derive(Debug, Clone)]
pub(super) struct Run {
    id: RunId,
    rule: RuleId,
    before: Option<Rule>,
    /// The version that it wrote.
    after: Option<usize>,
    /// What that said then.
    said: Option<Rule>,
    /// Whether it undid another run.
    is_undoing: bool,
    is_undone: bool,
    /// What it waits with, if it is paused.
    pub(super) waiting: Option<Waiting>,
}

impl World {
    /// What would become of it if a version took the place of another one.
    fn effects(&self, before: Option<usize>, after: Option<&Rule>) -> Effects {
        let now: Vec<(usize, &Rule)> = self.live().collect();
        let old = now.iter().find(|(at, _)| Some(*at) == before);
        let old = old.map(|(_, rule)| *rule);
        // Of a rule that is to begin it is told what it does then.
        let from = after.and_then(|after| after.says.from);
        let then = from.map_or(self.now, |from| from.max(self.now));
        let at = if old.is_some() { self.now } else { then };
        let new = after.filter(|rule| rule.is_live(at));
        let reach = old.into_iter().chain(new);
        let reach: BTreeSet<usize> = reach.map(|rule| self.smallest(rule)).collect();
        let users = reach.iter().flat_map(|group| &self.groups[group].users);
        let mut rules = now.clone();
        rules.retain(|(at, _)| Some(*at) != before);
        rules.extend(new.map(|rule| (self.rules.len(), rule)));
        let mut effects = Effects::new();
        for place in users {
            let is_in = |group: &usize| self.groups[group].users.contains(place);
            let id = self.users[place].member;
            let member = &self.members[&id];
            let kept = member.by_rule.iter().filter(|(_, had)| had.is_kept());
            let kept = kept.map(|(rule, _)| self.rules[*rule].says.right);
            let stays: BTreeSet<usize> = kept.chain(member.by_hand.keys().copied()).collect();
            let rights = |rules: &[(usize, &Rule)]| {
                let held = Self::in_order(rules.to_vec(), is_in);
                let rights = held.into_iter().map(|(_, rule)| rule.says.right);
                rights.collect::<BTreeSet<usize>>()
            };
            let (has, gets) = (rights(&now), rights(&rules));
            let gains: BTreeSet<usize> = &(&gets - &has) - &stays;
            let losses: BTreeSet<usize> = &(&has - &gets) - &stays;
            if !gains.is_empty() || !losses.is_empty() {
                effects.insert(id, (gains, losses));
            }
        }
        effects
    }

    /// A version that was thought of before: groups that it waits for may be there by now, and others
    /// gone.
    pub(super) fn still(&self, rule: &Rule) -> Rule {
        let mut rule = rule.clone();
        self.bind(&mut rule);
        rule.is_planned = false;
        let is_there = |at: &usize, id: &String| self.groups.get(at).is_some_and(|it| it.id == *id);
        rule.is_broken = !rule.bound.iter().all(|(at, id)| is_there(at, id));
        rule
    }

    /// Whether a run is to write that rule.
    pub(super) fn is_written(&self, rule: RuleId) -> bool {
        let mut waiting = self.runs.iter().filter(|run| run.waiting.is_some());
        waiting.any(|run| run.rule == rule)
    }

    /// A rule that an act wrote; gives whether a run does it, unless all acts of that kind are runs, and
    /// whether it is written now.
    fn write(
        &mut self,
        before: Option<usize>,
        after: Option<Rule>,
        run: Option<RunId>,
    ) -> (bool, bool) {
        let old = before.map(|at| self.rules[at].clone());
        let rule = old.as_ref().or(after.as_ref()).map(|rule| rule.id);
        let written = after.as_ref().map(|_| self.rules.len());
        let said = after.clone();
        let (is_run, waiting) = self.replace(before, after);
        let is_later = waiting
            .as_ref()
            .is_some_and(|it| !it.is_begun && before.is_some());
        if let Some((id, rule)) = run.zip(rule) {
            self.runs.push(Run {
                id,
                rule,
                before: old,
                after: written,
                said,
                is_undoing: false,
                is_undone: false,
                waiting,
            });
        }
        self.sweep();
        (is_run, !is_later)
    }
}

impl Pair<'_> {
    /// A rule that an act wrote, by that run if any; where many are concerned it may be to wait.
    pub(super) async fn write(
        &mut self,
        before: Option<usize>,
        after: Option<Rule>,
        run: Option<RunId>,
    ) -> bool {
        let kind = match (before, &after) {
            (None, _) => "rule.added",
            (Some(_), Some(_)) => "rule.changed",
            (Some(_), None) => "rule.ended",
        };
        let (is_run, is_written) = self.world.write(before, after, run);
        if is_written {
            self.count(kind);
        }
        if let Some(run) = run.filter(|_| is_run && self.world.pauses) {
            let (origin, scopes) = (Origin::cli(), Scopes::everything());
            let (by, which) = ((&origin, &scopes), (self.workspace.id, run));
            runs::pause(&self.gateway.app, by, which).await.unwrap();
        }
        is_run
    }

    /// One of the runs that wait goes on; by so many bits only, if that is said.
    pub(super) async fn resume(&mut self, at: usize, bits: Option<usize>) {
        let waiting = self.world.runs.iter().enumerate();
        let waiting = waiting.filter(|(_, run)| run.waiting.is_some());
        let waiting: Vec<usize> = waiting.map(|(at, _)| at).collect();
        let Some(at) = waiting.get(at % waiting.len().max(1)).copied() else {
            return;
        };
        let (app, workspace) = (&self.gateway.app, self.workspace.id);
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let (by, which) = ((&origin, &scopes), (workspace, self.world.runs[at].id));
        runs::resume(app, by, which).await.unwrap();
        let mut waiting = self.world.runs[at].waiting.take().unwrap();
        if !waiting.is_begun && waiting.before.is_some() {
            self.world.runs[at].after = Some(self.world.rules.len());
            self.count("rule.changed");
        }
        let Some(bits) = bits else {
            self.world.go_on(&mut waiting);
            return;
        };
        for _ in 0..bits {
            let run = runs::find(app, workspace, which.1).await.unwrap().unwrap();
            runs::step(app, &run).await.unwrap();
            if self.world.go_on_a_bit(&mut waiting) {
                return;
            }
        }
        runs::pause(app, by, which).await.unwrap();
        self.world.runs[at].waiting = Some(waiting);
    }

    /// Plans a new rule, a change of one or its end.
    pub(super) async fn plan(&mut self, which: Option<usize>, edit: Option<&Edit>) {
        let found = which.map(|at| self.rule(at));
        if found == Some(None) {
            return;
        }
        let before = found.flatten();
        let is_written = before.is_some_and(|(_, id)| self.world.is_written(id));
        let told = edit.map(|edit| self.told(edit, before.is_none()));
        let proposal = match (before, told) {
            (None, Some(rule)) => Proposal::Add { rule },
            (Some((_, id)), Some(rule)) => Proposal::Change { id, rule },
            (Some((_, id)), None) => Proposal::End { id },
            (None, None) => unreachable!("nothing that is planned"),
        };
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let (by, what) = ((&origin, &scopes), (proposal, Missing::Refuse));
        let shown = plans::plan(&self.gateway.app, by, self.workspace.id, what).await;
        let id = shown.as_ref().ok().and_then(|shown| shown.rule);
        let before = before.map(|(at, _)| at);
        let of = before.ok_or_else(|| id.unwrap_or_else(RuleId::new));
        let after = edit.map(|edit| self.world.edited(of, edit));
        let is_refused = is_written || after == Some(None);
        assert_eq!(shown.is_err(), is_refused, "{shown:?}");
        let Ok(shown) = shown else {
            return;
        };
        let after = after.flatten();
        let effects = self.world.effects(before, after.as_ref());
        let told = &shown.told;
        assert_eq!(usize::try_from(told.members), Ok(effects.len()), "{told:?}");
        let gains = count(effects.values().map(|(gains, _)| gains));
        let losses = count(effects.values().map(|(_, losses)| losses));
        assert_eq!(said(&told.gains), gains, "{told:?}");
        assert_eq!(said(&told.losses), losses, "{told:?}");
        self.world.plans.push(Plan {
            id: shown.id,
            before,
            after,
            effects,
            until: self.world.now.after(LIFE),
            is_applied: false,
        });
    }

    /// Applies one of the last plans, as far as that would still do what was told.
    pub(super) async fn apply(&mut self, back: usize) {
        let count = self.world.plans.len();
        let Some(at) = count.checked_sub(1 + back % count.max(1)) else {
            return;
        };
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let plan = &self.world.plans[at];
        let (by, which) = ((&origin, &scopes), (self.workspace.id, plan.id));
        let applied = plans::apply(&self.gateway.app, by, which).await;
        if plan.is_applied || plan.until <= self.world.now {
            assert!(applied.is_err(), "{applied:?}");
            return;
        }
        let (before, world) = (plan.before, &self.world);
        let after = plan.after.as_ref().map(|rule| world.still(rule));
        let is_moved = before.is_some_and(|at| world.rules[at].is_past);
        if !is_moved && before.is_some_and(|at| world.is_written(world.rules[at].id)) {
            assert!(applied.is_err(), "{applied:?}");
            return;
        }
        let is_stale = is_moved || world.effects(before, after.as_ref()) != plan.effects;
        let done = match applied.unwrap() {
            Applied::Stale(told) => {
                assert!(is_stale, "{told:?}");
                return;
            }
            Applied::Done(done) => done,
        };
        assert!(!is_stale, "{done:?}");
        self.world.plans[at].is_applied = true;
        self.write(before, after, Some(done.run)).await;
    }

    /// Undoes one of the last runs, if its rule is still what the run made of it.
    pub(super) async fn undo(&mut self, back: usize) {
        let count = self.world.runs.len();
        let Some(at) = count.checked_sub(1 + back % count.max(1)) else {
            return;
        };
        let run = &self.world.runs[at];
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let (by, which) = ((&origin, &scopes), (self.workspace.id, run.id));
        let undone = runs::undo(&self.gateway.app, by, which).await;
        let current = self.world.current().into_iter();
        let mut current = current.filter(|at| self.world.rules[*at].id == run.rule);
        let now = current.next();
        // One that has not begun to change its rule is only called off.
        let is_called_off = run.waiting.as_ref().is_some_and(|waiting| {
            !waiting.is_begun && waiting.before.is_some() && waiting.before == now
        });
        let is_written = run.waiting.is_none() && self.world.is_written(run.rule);
        // It says that still, or again.
        let world = &self.world;
        let is_same = now == run.after
            || now.zip(run.said.as_ref()).is_some_and(|(now, said)| {
                run.after < Some(now) && world.still(said).says_the_same(&world.rules[now])
            });
        if run.is_undone || !is_called_off && (!is_same || is_written) {
            assert!(undone.is_err(), "{undone:?}");
            return;
        }
        let before = run.before.as_ref();
        let again = before.map(|rule| self.world.still(rule));
        let by = undone.unwrap().run.id;
        // What came after it was undone, so that the same was said again.
        let same = self.world.runs.iter().filter(|other| {
            let said = other.said.as_ref().zip(run.said.as_ref());
            other.is_undoing && said.is_some_and(|(one, other)| one.says_the_same(other))
        });
        let same = same.filter(|other| other.rule == run.rule).chain([run]);
        self.world.undone = same.filter_map(|run| run.after).collect();
        let run = &mut self.world.runs[at];
        run.is_undone = true;
        run.waiting = None;
        self.count("run.undone");
        if !is_called_off {
            self.write(now, again, Some(by)).await;
            let last = self.world.runs.last_mut().unwrap();
            last.is_undoing = true;
        }
        self.world.undone.clear();
    }
}

/// How many get or lose which right.
fn count<'e>(of: impl Iterator<Item = &'e BTreeSet<usize>>) -> BTreeMap<usize, i64> {
    let mut counts = BTreeMap::new();
    for right in of.flatten() {
        *counts.entry(*right).or_default() += 1;
    }
    counts
}

/// The same as a plan tells it.
fn said(told: &[Count]) -> BTreeMap<usize, i64> {
    let number = |told: &Count| {
        let is_it = |at: &usize| {
            let right = right(*at);
            right.kind == told.kind && right.name == told.name
        };
        (0..RIGHTS).find(is_it).unwrap()
    };
    told.iter()
        .map(|told| (number(told), told.members))
        .collect()
}
