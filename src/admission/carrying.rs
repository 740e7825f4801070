//! Carrying a change of a rule out: the rows, the causes, and who is settled with it.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::brake;
use super::definition::Definition;
use super::reach::{Reach, Scope};
use super::runs::{self, Of, Run, RunKind, RunState};
use super::settle::{Rules, Settled, Within, settle_locked_within};
use crate::app::App;
use crate::changes::{self, Act};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{CauseId, DirectoryId, RuleId, RunId};
use crate::store::grants::GrantKind;
use crate::store::rules::{self as rows, Rule, RuleState};
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::store::workspaces::{self, Sweep};
use crate::store::{groups, members};
use crate::workspace::{guard, name_key};

/// A change of one rule that is decided.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The rule.
    pub(super) id: RuleId,
    /// The rule now; none if it is new.
    pub(super) before: Option<(Rule, Definition)>,
    /// What it is to say; none if it ends.
    pub(super) after: Option<Definition>,
    /// Its version with it.
    pub(super) version: i64,
    /// The run that this is told as, however few are concerned.
    pub(super) run: Option<RunId>,
    /// The run that it undoes.
    pub(super) undoes: Option<RunId>,
}

impl Step {
    /// A new rule.
    pub(super) fn add(id: RuleId, after: Definition) -> Self {
        Self {
            id,
            before: None,
            after: Some(after),
            version: 1,
            run: None,
            undoes: None,
        }
    }

    /// A further version of a rule, or its end.
    pub(super) fn change(before: (Rule, Definition), after: Option<Definition>) -> Self {
        Self {
            id: before.0.id,
            version: before.0.version + 1,
            before: Some(before),
            after,
            run: None,
            undoes: None,
        }
    }

    /// The directory that it is about; none where it is about profiles.
    pub(super) fn directory(&self) -> Option<DirectoryId> {
        let of_before = self.before.as_ref().map(|before| before.0.directory);
        let of_after = self.after.as_ref().map(|after| after.directory);
        of_after.or(of_before).flatten()
    }

    /// Where those are found whom the rule now and as it is to be can concern, as far as it has effect
    /// at that time.
    pub(super) fn scopes(&self, at: Timestamp) -> Result<Vec<Scope>> {
        let before = self.before.iter().filter(|(rule, _)| rule.has_effect());
        let before = before.map(|(_, of)| of.scope());
        let after = self.after.iter().filter(|of| of.has_effect(at));
        let both = before.chain(after.map(Definition::scope));
        let mut scopes: Vec<_> = both.collect::<Result<_>>()?;
        scopes.dedup();
        Ok(scopes)
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    /// The rule's version now.
    pub(super) version: i64,
    /// How far it is.
    pub(super) state: RuleState,
    /// The run, if there is one.
    pub(super) run: Option<RunId>,
    /// How many members changed at once.
    pub(super) changed: usize,
    /// Of how many the brake holds what they were to lose at once.
    pub(super) held: usize,
}

impl Outcome {
    /// That nothing came of it.
    pub(super) fn nothing(rule: &Rule) -> Self {
        Self {
            version: rule.version,
            state: rule.state,
            run: None,
            changed: 0,
            held: 0,
        }
    }
}

/// Writes a change of a rule and settles whom it concerns, at once or by a run. The workspace is locked.
/// Where many are to gain, it begins with the run; where many lose, they lose it now.
pub(super) async fn carry_out(tx: &mut Tx, app: &App, act: &Act, step: &Step) -> Result<Outcome> {
    let scopes = step.scopes(act.at)?;
    let reach = Reach::of(tx, app, act.workspace, &scopes).await?;
    carry_out_among(tx, app, act, (step, reach), None).await
}

/// The same among those who were found before, where they are said. Whoever came since is the
/// sweeper's.
pub(super) async fn carry_out_among(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    (step, reach): (&Step, Reach),
    found: Option<Vec<Uuid>>,
) -> Result<Outcome> {
    let run = step.run.or(reach.run);
    let is_gift = step.after.as_ref().is_some_and(|of| of.has_effect(act.at));
    let mut of_run = match run {
        Some(id) => Some(planned(act, step, (id, &reach))?),
        None => None,
    };
    if reach.run.is_some() && is_gift {
        let Some(run) = of_run else {
            return Err(Error::internal(anyhow::anyhow!("a run without an id")));
        };
        runs::plan(tx, &run).await?;
        return postpone(tx, act, step, run.id).await;
    }
    let old_cause = step.before.as_ref().map(|before| before.0.cause);
    // Looked at while the rule still says what it gave.
    let causes = old_cause.as_slice();
    let ends_now =
        reach.run.is_none() || brake::admits_undoing(tx, act, causes, step.undoes).await?;
    let written = write_step(tx, act, step, run).await?;
    let mut settled = Settled::default();
    if !reach.among.is_empty() || step.undoes.is_some() {
        workspaces::update_rules_mark(tx, act.workspace, Uuid::new_v4(), Sweep::Needed).await?;
        if reach.run.is_none() {
            let undoes = step.undoes;
            let within = Within {
                run,
                undoes,
                aimed: None,
            };
            let found = match found {
                Some(found) => found,
                None => concerned(tx, app, &reach).await?,
            };
            settled = settle_those(tx, app, act, (&reach, &found), within).await?;
        }
    }
    let gave = step.before.as_ref().map(|of| &of.1);
    if ends_now {
        end_cause(tx, act, old_cause, gave).await?;
    }
    if let Some(run) = &mut of_run {
        if reach.run.is_none() {
            run.state = RunState::Done;
            run.processed = run.total;
            run.finished_at = Some(act.at);
            run.of.count(settled);
        } else {
            // Unless the brake has to look at each of them, access is gone already; the run takes
            // the rows after it.
            run.state = RunState::Applying;
        }
        runs::plan(tx, run).await?;
    }
    Ok(Outcome {
        version: step.version,
        state: written,
        run,
        changed: settled.changed,
        held: settled.held,
    })
}

/// A run that changes a rule begins: the rule says from now on what it is to say. False if it does not
/// stand any more where the run was planned.
pub(super) async fn take_over(tx: &mut Tx, act: &Act, run: &Run) -> Result<bool> {
    let (Some(id), Some(version)) = (run.of.rule, run.of.rule_version) else {
        return Ok(false);
    };
    let Some(rule) = rows::find(tx, act.workspace, id).await? else {
        return Ok(false);
    };
    let Some(after) = definition(run.of.after_body.as_deref())? else {
        return Ok(false);
    };
    if rule.version != version - 1 {
        return Ok(false);
    }
    let before = Definition::stored(tx, act.workspace, &rule).await?;
    let after = still_bound(tx, act, after).await?;
    let is_kept = after.keeps_all_of(&before, act.at);
    // Whoever keeps a right must not be without it until a batch comes by.
    let gives_on =
        after.has_effect(act.at) && after.grants.iter().any(|it| before.grants.contains(it));
    let old_cause = rule.cause;
    // Each of them is held against the brake where it may not, and the cause ends with the run.
    let ends_now = !is_kept
        && !gives_on
        && brake::admits_undoing(tx, act, &[old_cause], run.of.undoes).await?;
    let step = Step::change((rule, before), Some(after));
    write_step(tx, act, &step, Some(run.id)).await?;
    if ends_now {
        let before = step.before.as_ref().map(|before| &before.1);
        end_cause(tx, act, Some(old_cause), before).await?;
    }
    Ok(true)
}

/// A rule as a run keeps it.
pub(super) fn body(of: &Definition) -> Result<String> {
    serde_json::to_string(of).map_err(Error::internal)
}

/// What a run keeps of a rule.
pub(super) fn definition(body: Option<&str>) -> Result<Option<Definition>> {
    let read = body.map(serde_json::from_str).transpose();
    read.map_err(Error::internal)
}

/// A definition that was kept for a while: a group that it waits for may be there by now, and another
/// one gone.
pub(super) async fn still_bound(
    tx: &mut Tx,
    act: &Act,
    mut rule: Definition,
) -> Result<Definition> {
    let Some(directory) = rule.directory else {
        return Ok(rule);
    };
    let place = Place {
        workspace: act.workspace,
        directory,
    };
    for group in rule.groups.iter_mut().filter(|group| group.id.is_none()) {
        let key = name_key(&group.name, "group")?;
        let found = groups::find_by_name(tx, place, &key).await?;
        group.id = found.map(|found| found.id);
    }
    let ids: Vec<Uuid> = rule.bound().into_iter().map(|group| group.0).collect();
    if !ids.is_empty() {
        let live = groups::list_live(tx, place, &ids).await?;
        rule.broken = rule.bound().iter().any(|group| !live.contains(group));
    }
    Ok(rule)
}

/// Ends a cause, and with it what it gave; the last admin stays one.
pub(super) async fn end_cause(
    tx: &mut Tx,
    act: &Act,
    cause: Option<CauseId>,
    gave: Option<&Definition>,
) -> Result<()> {
    let Some(cause) = cause else {
        return Ok(());
    };
    let is_new = rows::end_cause(tx, act.workspace, cause, act.at).await?;
    let gave_a_role = gave.is_none_or(|gave| {
        let mut grants = gave.grants.iter();
        grants.any(|grant| grant.0 == GrantKind::Role)
    });
    if is_new && gave_a_role {
        guard::keep_ended(tx, act).await?;
    }
    Ok(())
}

fn planned(act: &Act, step: &Step, (id, reach): (RunId, &Reach)) -> Result<Run> {
    Ok(Run {
        group_id: reach.one_group(),
        of: Of {
            rule: Some(step.id),
            rule_version: Some(step.version),
            old_cause: step.before.as_ref().map(|before| before.0.cause),
            before_body: step.before.as_ref().map(|of| body(&of.1)).transpose()?,
            after_body: step.after.as_ref().map(body).transpose()?,
            undoes: step.undoes,
            ..Of::default()
        },
        ..of_rules(act, step.directory(), id, reach.total)
    })
}

/// A run that settles whom rules concern.
pub(super) fn of_rules(act: &Act, directory: Option<DirectoryId>, id: RunId, total: i64) -> Run {
    Run {
        id,
        workspace: act.workspace,
        kind: RunKind::Rule,
        state: RunState::Planned,
        directory,
        group_id: None,
        position: None,
        total,
        processed: 0,
        request: act.origin.request,
        created_at: act.at,
        finished_at: None,
        of: Of::default(),
    }
}

/// A new rule waits for its run; one that is there stays as it is until then.
async fn postpone(tx: &mut Tx, act: &Act, step: &Step, run: RunId) -> Result<Outcome> {
    let (version, state) = match &step.before {
        None => {
            let planned = rule_of(act, step, Some(run)).map(|rule| Rule {
                state: RuleState::Planned,
                ..rule
            });
            write_rule(tx, act, step, planned).await?;
            (step.version, RuleState::Planned)
        }
        Some((rule, _)) => {
            let detail = json!({"run": run, "version": step.version});
            let change = act.change("rule.change_planned", ("rule", step.id.0), None, &detail);
            changes::record(tx, act.workspace, &[change]).await?;
            (rule.version, rule.state)
        }
    };
    Ok(Outcome {
        version,
        state,
        run: Some(run),
        changed: 0,
        held: 0,
    })
}

/// Writes a rule that is one of several, which are settled together.
pub(super) async fn write_one(
    tx: &mut Tx,
    act: &Act,
    rule: &Definition,
    reach: &Reach,
) -> Result<Rule> {
    let step = Step::add(RuleId::new(), rule.clone());
    let row = rule_of(act, &step, reach.run).map(|row| Rule {
        state: reach.state(),
        ..row
    });
    let row = row.ok_or(Error::NotFound("rule"))?;
    write_rule(tx, act, &step, Some(row.clone())).await?;
    Ok(row)
}

/// The row of the rule as it is to be.
fn rule_of(act: &Act, step: &Step, run: Option<RunId>) -> Option<Rule> {
    let after = step.after.as_ref()?;
    let before = step.before.as_ref().map(|before| &before.0);
    Some(Rule {
        id: step.id,
        directory: after.directory,
        version: step.version,
        state: after.state(),
        cause: CauseId::new(),
        when: after.when.clone(),
        run,
        created_at: before.map_or(act.at, |before| before.created_at),
        terms: after.terms(act.at),
    })
}

async fn write_step(tx: &mut Tx, act: &Act, step: &Step, run: Option<RunId>) -> Result<RuleState> {
    let rule = rule_of(act, step, run);
    let state = rule.as_ref().map_or(RuleState::Broken, |rule| rule.state);
    write_rule(tx, act, step, rule).await?;
    Ok(state)
}

/// Writes the rows of a rule, with the cause of its version, and tells of it.
async fn write_rule(tx: &mut Tx, act: &Act, step: &Step, rule: Option<Rule>) -> Result<()> {
    let (workspace, actor) = (act.workspace, act.origin.actor.as_deref());
    let actor = actor.unwrap_or_default();
    let (kind, detail) = match (&rule, &step.after) {
        (Some(rule), Some(after)) => {
            let groups = after.rows(rule.id)?;
            let grants: Vec<_> = after.grants.iter().copied().collect();
            rows::insert_cause(tx, workspace, rule, actor, act.at).await?;
            let mut detail = after.told();
            detail["state"] = json!(rule.state);
            if step.before.is_none() {
                rows::insert(tx, workspace, rule, &groups, &grants).await?;
                ("rule.added", detail)
            } else {
                rows::update(tx, workspace, rule, &groups, &grants).await?;
                ("rule.changed", detail)
            }
        }
        _ => {
            rows::delete(tx, workspace, step.id).await?;
            ("rule.ended", json!({}))
        }
    };
    let subject = ("rule", step.id.0);
    let change = act.change(kind, subject, Some(step.version), &detail);
    changes::record(tx, workspace, &[change]).await
}

/// Settles whom a change of rules concerns.
pub(super) async fn settle_now(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    (reach, within): (&Reach, Within),
) -> Result<Settled> {
    let found = concerned(tx, app, reach).await?;
    settle_those(tx, app, act, (reach, &found), within).await
}

/// Whom rules of that reach can concern now.
pub(super) async fn concerned(tx: &mut Tx, app: &App, reach: &Reach) -> Result<Vec<Uuid>> {
    let most = app.config.scim.run_threshold + 1;
    let mut concerned: BTreeSet<Uuid> = BTreeSet::new();
    for among in &reach.among {
        concerned.extend(among.ids(tx, None, most).await?);
    }
    Ok(concerned.into_iter().collect())
}

async fn settle_those(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    (reach, found): (&Reach, &[Uuid]),
    within: Within,
) -> Result<Settled> {
    if tx.is_trial() {
        return Ok(Settled::default());
    }
    let mut members = match reach.among.first() {
        // They are all of one source.
        Some(among) => among.keep(tx, found).await?,
        None => Vec::new(),
    };
    members.extend(within.others(tx, act).await?);
    // All of them before the first loses something: the brake is locked after members.
    let locked = members::lock(tx, act.workspace, &members).await?;
    let rules = Rules::current(tx, app, act).await?;
    settle_locked_within(tx, act, &locked, &rules, within).await
}

/// Settles whom rules that were just written can concern, or plans the run that will; tells how many
/// members changed at once.
pub(super) async fn apply(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    directory: DirectoryId,
    reach: &Reach,
) -> Result<usize> {
    let Some(id) = reach.run else {
        workspaces::update_rules_mark(tx, act.workspace, Uuid::new_v4(), Sweep::Needed).await?;
        let settled = settle_now(tx, app, act, (reach, Within::default())).await?;
        return Ok(settled.changed);
    };
    let run = Run {
        group_id: reach.one_group(),
        ..of_rules(act, Some(directory), id, reach.total)
    };
    runs::plan(tx, &run).await?;
    Ok(0)
}
