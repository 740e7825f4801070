//! Plan and apply: what would become of a change of the rules is told first, and applied only while
//! that is still what would become of it.
//!
//! A plan is kept for a day. The hash is over its effects alone: whatever else happened meanwhile is
//! no reason to refuse, and an apply that would do something else than was told is refused.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::carrying::{Outcome, Step, carry_out_among, concerned, definition, still_bound};
use super::defining::{Missing, RuleEdit, check_rights, define, make, still_missing};
use super::definition::with;
use super::effects::{Computed, Effects, World, compute};
use super::planned::{self, Shown};
use super::reach::{Among, Reach, Scope};
use super::rules::{all_grants, find_directory, find_with, open, reopen};
use super::runs;
use super::settle::Rules;
use crate::app::App;
use crate::changes::{Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{RuleId, RunId, WorkspaceId};
use crate::mapping::rules as live;
use crate::store::plans::{self as rows, Action, Mark, Plan};
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::store::{groups, workspaces};
use crate::workspace::keys::Scopes;
use crate::workspace::{members, name_key, schemas};

/// How long a plan can be applied.
pub(super) const LIFE: Duration = Duration::from_hours(24);

/// A change of the rules that is thought of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "PlanProposal")]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Proposal {
    /// A new rule.
    Add {
        /// What it says.
        rule: RuleEdit,
    },
    /// A further version of a rule.
    Change {
        /// The rule.
        id: RuleId,
        /// What it says otherwise.
        rule: RuleEdit,
    },
    /// The end of a rule.
    End {
        /// The rule.
        id: RuleId,
    },
}

/// What came of applying a plan.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Applied {
    /// It is applied.
    Done(Done),
    /// It would do something else than was told.
    Stale(Box<planned::Stale>),
}

/// A plan that was applied.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PlanApplied")]
pub struct Done {
    /// The plan.
    pub plan: Uuid,
    /// The rule.
    pub rule: RuleId,
    /// The run that does it; for few members it is done with the answer.
    pub run: RunId,
    /// How many members changed at once.
    pub changed: usize,
    /// How many are to lose something and keep it for now, because the brake holds it.
    pub held: usize,
}

/// Tells what would become of a change of the rules; teams and roles that it names and that are not
/// there are refused or foreseen. What `scopes` do not cover is
/// [`Error::Forbidden`], here and below.
pub async fn plan(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    (proposal, missing): (Proposal, Missing),
) -> Result<Shown> {
    let act = Act::of(app, origin, workspace);
    let (app_, act_, by) = (app.clone(), act.clone(), scopes.clone());
    let step = app
        .write(move |tx| {
            let (app, act, by) = (app_.clone(), act_.clone(), by.clone());
            let proposal = proposal.clone();
            Box::pin(async move { decide(tx, &app, (act, &by), (&proposal, missing)).await })
        })
        .await?;
    let mut tx = app.db.read().await?;
    let computed = effects_of(&mut tx, app, &act, &step).await?;
    drop(tx);
    let action = match (&step.before, &step.after) {
        (None, _) => Action::Add,
        (Some(_), Some(_)) => Action::Change,
        (Some(_), None) => Action::End,
    };
    let body = step.after.as_ref().map(serde_json::to_string).transpose();
    let plan = Plan {
        rule: Some(step.id),
        rule_version: step.before.as_ref().map(|before| before.0.version),
        body: body.map_err(Error::internal)?,
        ..made(&act, action, &computed)?
    };
    keep(app, &act, plan.clone()).await?;
    planned::show(app, (workspace, scopes), plan).await
}

/// Tells what would become of it if a directory deleted a group of its own. It is the directory's to
/// do, so that such a plan cannot be applied.
pub async fn plan_delete(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    (directory, group): (&str, &str),
) -> Result<Shown> {
    let mut act = Act::of(app, origin, workspace);
    let mut tx = app.db.read().await?;
    let directory = find_directory(&mut tx, workspace, directory).await?;
    act.directory = Some(directory.id);
    let place = Place {
        workspace,
        directory: directory.id,
    };
    let found = match group.parse() {
        Ok(id) => groups::find(&mut tx, place, id).await?,
        Err(_) => None,
    };
    let found = match found {
        Some(found) => Some(found),
        None => groups::find_by_name(&mut tx, place, &name_key(group, "group")?).await?,
    };
    let group = found.ok_or(Error::NotFound("group"))?.id;
    let (_, before) = live::current(&mut tx, app, workspace).await?;
    let mut after = before.to_vec();
    after.retain(|rule| !rule.groups.contains(&group));
    let world = World {
        before: &before,
        after: &after,
        groups: vec![group],
        without: Some(group),
    };
    let people = [Among::Users(place, Some(group))];
    let computed = compute(&mut tx, workspace, &people, &world).await?;
    let computed = computed.braked(&mut tx, (workspace, act.at)).await?;
    drop(tx);
    let plan = made(&act, Action::DeleteGroup, &computed)?;
    keep(app, &act, plan.clone()).await?;
    planned::show(app, (workspace, scopes), plan).await
}

/// A plan that is kept.
pub async fn find(
    app: &App,
    scopes: &Scopes,
    (workspace, id): (WorkspaceId, Uuid),
) -> Result<Shown> {
    let mut tx = app.db.one().await?;
    let plan = rows::find(&mut tx, workspace, id).await?;
    drop(tx);
    let plan = plan.ok_or(Error::NotFound("plan"))?;
    planned::show(app, (workspace, scopes), plan).await
}

/// Applies a plan, once: as a run, which is done at once where few members are concerned.
pub async fn apply(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    (workspace, id): (WorkspaceId, Uuid),
) -> Result<Applied> {
    let (act, by) = (Act::of(app, origin, workspace), scopes.clone());
    // Whom it concerns is looked at beside other writes; only what moved since makes it be looked at
    // again among them.
    let foreseen = Arc::new(foresee(app, &act, id).await?);
    let app_ = app.clone();
    let outcome = app
        .write(move |tx| {
            let (app, act, by) = (app_.clone(), act.clone(), by.clone());
            let foreseen = Arc::clone(&foreseen);
            Box::pin(async move {
                apply_within(tx, &app, (act, &by), (id, foreseen.as_ref().as_ref())).await
            })
        })
        .await?;
    match outcome {
        Outcomes::Done(done) => Ok(Applied::Done(done)),
        Outcomes::Stale(stale) => {
            let stale = planned::stale(app, (workspace, scopes), *stale).await?;
            Ok(Applied::Stale(Box::new(stale)))
        }
    }
}

/// What would become of a plan, and how the workspace stood when that was looked at.
struct Foreseen {
    mark: Mark,
    computed: Computed,
}

/// Looks at what would become of a plan that can be applied; none of any other.
async fn foresee(app: &App, act: &Act, id: Uuid) -> Result<Option<Foreseen>> {
    let mut tx = app.db.read().await?;
    let plan = rows::find(&mut tx, act.workspace, id).await?;
    let open = plan.filter(|plan| plan.applied_at.is_none() && plan.expires_at > act.at);
    let Some((plan, rule)) = open.and_then(|plan| plan.rule.map(|rule| (plan, rule))) else {
        return Ok(None);
    };
    let mark = rows::find_mark(&mut tx, act.workspace).await?;
    let Some(step) = resumed(&mut tx, act, &plan, rule).await? else {
        return Ok(None);
    };
    let computed = effects_of(&mut tx, app, act, &step).await?;
    Ok(Some(Foreseen { mark, computed }))
}

enum Outcomes {
    Done(Done),
    Stale(Box<planned::Differing>),
}

async fn apply_within(
    tx: &mut Tx,
    app: &App,
    (mut act, scopes): (Act, &Scopes),
    (id, foreseen): (Uuid, Option<&Foreseen>),
) -> Result<Outcomes> {
    workspaces::lock(tx, act.workspace).await?;
    let plan = rows::lock(tx, act.workspace, id).await?;
    let plan = plan.ok_or(Error::NotFound("plan"))?;
    if let Some(run) = plan.run.filter(|_| plan.applied_at.is_some()) {
        return Err(Error::Conflict(format!(
            "the plan is applied already, by run {run}"
        )));
    }
    if plan.expires_at <= act.at {
        return Err(Error::Conflict(
            "the plan is over; make another one".to_owned(),
        ));
    }
    let Some(rule) = plan.rule else {
        return Err(Error::Conflict(
            "this plan only tells; it is the directory that deletes its group".to_owned(),
        ));
    };
    let told: Effects = serde_json::from_str(&plan.effects).map_err(Error::internal)?;
    let Some(step) = resumed(tx, &act, &plan, rule).await? else {
        return Ok(Outcomes::Stale(Box::new(planned::Differing::moved(told))));
    };
    let before = step.before.as_ref().map(|before| &before.1);
    let both = all_grants(before.into_iter().chain(&step.after));
    check_rights(tx, act.workspace, scopes, &both).await?;
    if runs::is_written(tx, act.workspace, rule).await? {
        return Err(Error::Conflict(
            "a run is writing this rule; wait for its end, or undo it".to_owned(),
        ));
    }
    let first = step.after.as_ref().or(before);
    act.directory = first.and_then(|of| of.directory);
    // Who is concerned is found before it is looked at whether something moved: what moves later comes
    // after the plan, and is settled after it.
    let reach = Reach::of(tx, app, act.workspace, &step.scopes(act.at)?).await?;
    let found = match reach.run {
        None => Some(concerned(tx, app, &reach).await?),
        Some(_) => None,
    };
    let mark = rows::find_mark(tx, act.workspace).await?;
    let again = match foreseen {
        Some(foreseen) if foreseen.mark == mark => None,
        _ => Some(effects_of(tx, app, &act, &step).await?),
    };
    let of_before = foreseen.map(|foreseen| &foreseen.computed);
    let Some(computed) = again.as_ref().or(of_before) else {
        return Err(Error::internal(anyhow::anyhow!("a plan without effects")));
    };
    if computed.hash() != plan.hash {
        let differing = planned::Differing::new(told, computed, &plan.digests);
        return Ok(Outcomes::Stale(Box::new(differing)));
    }
    let run = RunId::new();
    let mut step = Step {
        run: Some(run),
        ..step
    };
    if let Some(after) = &mut step.after {
        make(tx, &act, &std::mem::take(&mut after.made)).await?;
    }
    let Outcome { changed, held, .. } =
        carry_out_among(tx, app, &act, (&step, reach), found).await?;
    rows::update_applied(tx, act.workspace, id, act.at, Some(run)).await?;
    Ok(Outcomes::Done(Done {
        plan: id,
        rule,
        run,
        changed,
        held,
    }))
}

/// The change that a plan is about, as of now; none if the rule is not the one that it goes out from,
/// or if what it is to give is gone.
async fn resumed(tx: &mut Tx, act: &Act, plan: &Plan, rule: RuleId) -> Result<Option<Step>> {
    let after = match definition(plan.body.as_deref())? {
        Some(after) => {
            let after = still_missing(tx, act.workspace, after).await?;
            let names = members::names(tx, act.workspace).await?;
            let is_there = |id| names.contains_key(id) || after.made.iter().any(|it| it.id == *id);
            if after.grants.iter().any(|(_, id)| !is_there(id)) {
                return Ok(None);
            }
            Some(still_bound(tx, act, after).await?)
        }
        None => None,
    };
    let now = match find_with(tx, act.workspace, rule).await {
        Ok((_, now)) => Some(now),
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let version = now.as_ref().map(|now| now.0.version);
    if version != plan.rule_version {
        return Ok(None);
    }
    Ok(match (now, after) {
        (None, Some(after)) => Some(Step::add(rule, after)),
        (Some(now), after) => Some(Step::change(now, after)),
        (None, None) => None,
    })
}

async fn decide(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (Act, &Scopes),
    (proposal, missing): (&Proposal, Missing),
) -> Result<Step> {
    match proposal {
        Proposal::Add { rule } => {
            let (act, directory) = open(tx, act, rule).await?;
            let (by, of) = ((&act, scopes), (directory.as_ref(), None));
            let after = define(tx, app, by, of, (rule, missing)).await?;
            Ok(Step::add(RuleId::new(), after))
        }
        Proposal::Change { id, rule } => {
            let (act, directory, before) = reopen(tx, act, scopes, *id).await?;
            let (by, of) = ((&act, scopes), (directory.as_ref(), Some(&before.1)));
            let after = define(tx, app, by, of, (rule, missing)).await?;
            Ok(Step::change(before, Some(after)))
        }
        Proposal::End { id } => {
            let (_, _, before) = reopen(tx, act, scopes, *id).await?;
            Ok(Step::change(before, None))
        }
    }
}

/// The instant of which a plan tells: now, or the beginning of a rule that is still to begin. A rule
/// that has effect now and is put off ends with the change, and that is told.
fn told_of(act: &Act, step: &Step) -> Timestamp {
    let mut before = step.before.iter();
    if before.any(|(rule, _)| rule.has_effect()) {
        return act.at;
    }
    let from = step.after.as_ref().and_then(|after| after.from);
    from.map_or(act.at, |from| from.max(act.at))
}

async fn effects_of(tx: &mut Tx, app: &App, act: &Act, step: &Step) -> Result<Computed> {
    let at = told_of(act, step);
    let scopes = step.scopes(at)?;
    let reach = Reach::of(tx, app, act.workspace, &scopes).await?;
    let rules = Rules::current(tx, app, act).await?;
    let registry = schemas::registry_within(tx, app, act.workspace).await?;
    let live = match &step.after {
        Some(after) => after.live(step.id, at, registry.user())?,
        None => None,
    };
    let groups = scopes.iter().flat_map(Scope::groups).copied().collect();
    let after = with(&rules, step.id, live);
    let world = World {
        before: &rules.live,
        after: &after,
        groups,
        without: None,
    };
    let mut computed = compute(tx, act.workspace, &reach.among, &world).await?;
    let made = step.after.iter().flat_map(|after| after.made.clone());
    computed.effects.made = made.collect();
    computed.braked(tx, (act.workspace, act.at)).await
}

fn made(act: &Act, action: Action, computed: &Computed) -> Result<Plan> {
    Ok(Plan {
        id: Uuid::now_v7(),
        action,
        rule: None,
        rule_version: None,
        body: None,
        effects: serde_json::to_string(&computed.effects).map_err(Error::internal)?,
        digests: computed.kept(),
        hash: computed.hash(),
        actor: act.origin.actor.clone(),
        created_at: act.at,
        expires_at: act.at.after(LIFE),
        applied_at: None,
        run: None,
    })
}

async fn keep(app: &App, act: &Act, plan: Plan) -> Result<()> {
    let workspace = act.workspace;
    app.write(move |tx| {
        let plan = plan.clone();
        Box::pin(async move { Ok(rows::insert(tx, workspace, &plan).await?) })
    })
    .await
}
