//! Plans as admins see them: names are put to the ids that they keep.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use uuid::Uuid;

use super::carrying::definition;
use super::effects::{Computed, Effects, Right};
use super::fields::Refilled;
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{MemberId, RuleId, RunId, WorkspaceId};
use crate::store::grants::GrantKind;
use crate::store::plans::{self as rows, Action, Plan};
use crate::store::seats;
use crate::store::tx::Tx;
use crate::workspace::keys::{Permission, Scopes};
use crate::workspace::members::names;
use crate::workspace::profile::Field;

/// A plan.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Plan")]
pub struct Shown {
    /// Its id, by which it is applied.
    pub id: Uuid,
    /// What it is about.
    pub action: Action,
    /// The rule.
    pub rule: Option<RuleId>,
    /// The version of the rule that it goes out from.
    pub rule_version: Option<i64>,
    /// Groups that the rule would wait for.
    pub waits_for: Vec<String>,
    /// When the rule begins to have effect, if that is still to come: what is told is told of then.
    pub in_effect_from: Option<Timestamp>,
    /// When the rule ends to have effect by itself.
    pub in_effect_until: Option<Timestamp>,
    /// The hash over the effects.
    pub hash: String,
    /// What would become of it.
    #[serde(flatten)]
    pub told: Told,
    /// When it was made.
    pub made_at: Timestamp,
    /// Until when it can be applied.
    pub expires_at: Timestamp,
    /// When it was applied.
    pub applied_at: Option<Timestamp>,
    /// The run that applies it.
    pub run: Option<RunId>,
}

/// What would become of a change of the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PlanEffects")]
pub struct Told {
    /// How many users were looked at.
    pub looked_at: i64,
    /// How many members would get other rights, or show another line or language.
    pub members: i64,
    /// How many more people of the directory would get something as soon as they are members: of one
    /// that collects, once it is live. Of a rule over profiles none are told: nobody has one before.
    pub newcomers: i64,
    /// How many seats these would take; for who is a member already a rule costs none.
    pub seats: i64,
    /// How many seats are free now; none without a limit.
    pub seats_free: Option<i64>,
    /// Whether the limit has room for those seats.
    pub fits: bool,
    /// Whom to ask for more.
    pub seats_contact: Option<String>,
    /// What would be made: `team NAME` or `role NAME`.
    pub makes: Vec<String>,
    /// How many would gain what.
    pub gains: Vec<Count>,
    /// How many would lose what.
    pub losses: Vec<Count>,
    /// Of those who would lose something, how many would keep it for now: past its threshold the brake
    /// holds it. That is told as the brake stood when this was looked at, and is no part of the hash.
    pub held: i64,
    /// Until when at the latest, if it were done at that moment; none where nobody is held, or until an
    /// admin releases it.
    pub held_until: Option<Timestamp>,
    /// How many would show which line or language.
    pub fields: Vec<Shows>,
    /// Some of the members; 50 at most.
    pub sample: Vec<Sampled>,
}

/// How many members a right is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "RightCount")]
pub struct Count {
    /// What it is.
    pub kind: GrantKind,
    /// The team, role or permission.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// How many members.
    pub members: i64,
}

/// How many members come to show that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PlanShows")]
pub struct Shows {
    /// The field.
    pub field: Field,
    /// What it is to show: the kind of line, or the language; none where it comes to be empty.
    pub to: Option<String>,
    /// How many members.
    pub members: i64,
}

/// What would become of one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PlanSample")]
pub struct Sampled {
    /// Who it is.
    #[serde(flatten)]
    pub who: Who,
    /// What it would gain: `team NAME`, `role NAME` or `permission NAME`.
    pub gains: Vec<String>,
    /// What it would lose.
    pub losses: Vec<String>,
    /// What it would show otherwise.
    pub fields: Vec<Refilled>,
}

/// A member; with names for who may read members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Who {
    /// Its id.
    pub member: MemberId,
    /// The name that its directory signs in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// How a plan differs from what would become of it now.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PlanDifference")]
pub struct Stale {
    /// Whether the rule itself, or what it is to give, is not what the plan goes out from.
    pub rule_moved: bool,
    /// What the plan told.
    pub planned: Told,
    /// What would become of it now; none where the rule moved.
    pub now: Option<Told>,
    /// How many members it would come otherwise for; none where so many are not kept.
    pub differing: Option<usize>,
    /// Some of them; 50 at most.
    pub sample: Vec<Who>,
}

/// The same, without names.
#[derive(Debug)]
pub(super) struct Differing {
    planned: Effects,
    now: Option<Effects>,
    count: Option<usize>,
    members: Vec<MemberId>,
}

impl Differing {
    /// The rule is another one by now.
    pub(super) fn moved(planned: Effects) -> Self {
        Self {
            planned,
            now: None,
            count: None,
            members: Vec::new(),
        }
    }

    /// The effects are others.
    pub(super) fn new(planned: Effects, computed: &Computed, kept: &[u8]) -> Self {
        let is_kept = !kept.is_empty() || planned.members == 0;
        let (members, count) = if is_kept {
            computed.others(kept)
        } else {
            (Vec::new(), 0)
        };
        Self {
            planned,
            now: Some(computed.effects.clone()),
            count: is_kept.then_some(count),
            members,
        }
    }
}

/// A plan with names.
pub(super) async fn show(
    app: &App,
    (workspace, scopes): (WorkspaceId, &Scopes),
    plan: Plan,
) -> Result<Shown> {
    let effects: Effects = serde_json::from_str(&plan.effects).map_err(Error::internal)?;
    let mut tx = app.db.read().await?;
    let told = told(&mut tx, (workspace, scopes), effects).await?;
    let rule = definition(plan.body.as_deref())?;
    let from = rule.as_ref().and_then(|rule| rule.from);
    let until = rule.as_ref().and_then(|rule| rule.until);
    let waiting = rule.into_iter();
    let waiting = waiting.flat_map(|rule| rule.groups);
    let waiting = waiting.filter(|group| group.id.is_none());
    Ok(Shown {
        id: plan.id,
        action: plan.action,
        rule: plan.rule,
        rule_version: plan.rule_version,
        waits_for: waiting.map(|group| group.name).collect(),
        in_effect_from: from.filter(|from| *from > plan.created_at),
        in_effect_until: until,
        hash: plan.hash,
        told,
        made_at: plan.created_at,
        expires_at: plan.expires_at,
        applied_at: plan.applied_at,
        run: plan.run,
    })
}

/// What differs, with names.
pub(super) async fn stale(
    app: &App,
    by: (WorkspaceId, &Scopes),
    differing: Differing,
) -> Result<Stale> {
    let mut tx = app.db.read().await?;
    let rule_moved = differing.now.is_none();
    let planned = told(&mut tx, by, differing.planned).await?;
    let now = match differing.now {
        Some(now) => Some(told(&mut tx, by, now).await?),
        None => None,
    };
    Ok(Stale {
        rule_moved,
        planned,
        now,
        differing: differing.count,
        sample: who(&mut tx, by, &differing.members).await?,
    })
}

pub(super) async fn told(
    tx: &mut Tx,
    (workspace, scopes): (WorkspaceId, &Scopes),
    effects: Effects,
) -> Result<Told> {
    let mut names = names(tx, workspace).await?;
    for made in &effects.made {
        names.insert(made.id, made.name.clone());
    }
    told_with(tx, (workspace, scopes), (effects, &names)).await
}

/// The same, where it is known what teams, roles and permissions are called.
pub(super) async fn told_with(
    tx: &mut Tx,
    (workspace, scopes): (WorkspaceId, &Scopes),
    (effects, names): (Effects, &HashMap<Uuid, String>),
) -> Result<Told> {
    let fields = effects.fields.into_iter();
    let fields = fields.map(|(field, to, members)| Shows { field, to, members });
    let ids: Vec<_> = effects.sample.iter().map(|effect| effect.member).collect();
    let whose = who(tx, (workspace, scopes), &ids).await?;
    let limit = seats::find_limit(tx, workspace).await?;
    let taken = seats::find_claimed(tx, workspace).await?;
    let free = limit.seat_limit.zip(taken);
    let seats_free = free.map(|(seats, taken)| (seats + limit.seat_grace - taken).max(0));
    let sample = whose.into_iter().zip(effects.sample);
    let makes = effects.made.iter().map(|it| (it.kind, it.id)).collect();
    Ok(Told {
        looked_at: effects.looked_at,
        members: effects.members,
        newcomers: effects.newcomers,
        seats: effects.seats,
        seats_free,
        fits: seats_free.is_none_or(|free| effects.seats <= free),
        seats_contact: limit.seat_contact,
        makes: texts(names, &makes),
        gains: counts(names, effects.gains.into_iter()),
        losses: counts(names, effects.losses.into_iter()),
        held: effects.brake.held,
        held_until: effects.brake.until,
        fields: fields.collect(),
        sample: sample
            .map(|(who, effect)| Sampled {
                who,
                gains: texts(names, &effect.gains),
                losses: texts(names, &effect.losses),
                fields: effect.fields,
            })
            .collect(),
    })
}

/// Rights and how many members they are about, with names.
pub(super) fn counts(
    names: &HashMap<Uuid, String>,
    listed: impl Iterator<Item = (GrantKind, Uuid, i64)>,
) -> Vec<Count> {
    let counts = listed.map(|(kind, id, members)| Count {
        kind,
        id,
        name: names.get(&id).cloned().unwrap_or_default(),
        members,
    });
    counts.collect()
}

/// Rights by kind and name.
pub(super) fn texts(names: &HashMap<Uuid, String>, rights: &BTreeSet<Right>) -> Vec<String> {
    let texts = rights.iter().map(|(kind, id)| {
        let name = names.get(id).map(String::as_str).unwrap_or_default();
        match kind {
            GrantKind::Team => format!("team {name}"),
            GrantKind::Role => format!("role {name}"),
            GrantKind::Permission => format!("permission {name}"),
        }
    });
    texts.collect()
}

async fn who(
    tx: &mut Tx,
    (workspace, scopes): (WorkspaceId, &Scopes),
    ids: &[MemberId],
) -> Result<Vec<Who>> {
    let mut known = HashMap::new();
    if scopes.allow(Permission::MembersRead) {
        for member in rows::list_whose(tx, workspace, ids).await? {
            known.insert(member.id, (member.user_name, member.display_name));
        }
    }
    let whose = ids.iter().map(|member| {
        let (user_name, display_name) = known.remove(member).unwrap_or_default();
        Who {
            member: *member,
            user_name,
            display_name,
        }
    });
    Ok(whose.collect())
}
