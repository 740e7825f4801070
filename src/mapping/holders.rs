//! Who has a team, a role or a permission, and why: the other way round of [`super::explain`].

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::explain::WhyRequest;
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{GrantId, MemberId, RoleId, RuleId, TeamId, WorkspaceId};
use crate::scim::fold;
use crate::store::grants::Explained;
use crate::store::members::Status;
use crate::store::rule_sources::RuleSource;
use crate::store::rules::Rule;
use crate::store::tx::Tx;
use crate::store::{holders as rows, members, roles, rules, teams, workspaces};
use crate::workspace::access::{self, Because};
use crate::workspace::members::names;
use crate::workspace::permissions;

pub use crate::store::grants::GrantKind;

/// Somebody who has the right.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Holder {
    /// Who it is.
    pub member: MemberId,
    /// The name that its directory signs in with.
    pub user_name: Option<String>,
    /// The name for people.
    pub display_name: Option<String>,
    /// How far the member is in; grants of one who is not active have no effect.
    pub status: Status,
    /// Whether the member has the right now.
    pub effective: bool,
    /// Of a team: why the member has access in it now; none if it has not, for a team that is disabled
    /// or put away gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Because>,
    /// The grants by which it has it.
    pub grants: Vec<Held>,
}

/// A grant by which somebody has the right.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "HeldGrant")]
pub struct Held {
    /// The grant.
    pub id: GrantId,
    /// What it gives: the right itself, or a role that includes the permission.
    pub kind: GrantKind,
    /// The name of what it gives.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether it has effect now; one of a team that is put away has none.
    pub effective: bool,
    /// Whether its end waits for the brake.
    pub braked: bool,
    /// What kind of cause it has: `rule`, `admin`, …
    pub cause: String,
    /// The rule.
    pub rule: Option<HeldRule>,
    /// The request that brought it.
    pub request: WhyRequest,
}

/// The rule behind a grant, as it is now.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct HeldRule {
    /// Its id.
    pub id: RuleId,
    /// The version that gave it.
    pub version: i64,
    /// What it looks at; none where the rule is gone.
    pub source: Option<RuleSource>,
    /// The names of its groups, as it was made with them.
    pub groups: Vec<String>,
    /// What must hold of the user's own attributes, or of the member's profile.
    pub when: Option<String>,
    /// Its place among the rules.
    pub priority: i64,
    /// Whether later rules are not looked at for whom it holds.
    pub stop: bool,
    /// Since when it has effect.
    pub from: Option<Timestamp>,
    /// Until when it has effect.
    pub until: Option<Timestamp>,
}

/// Who has a right, after a member in id order: of a team or role by its id or name, of a permission by
/// its name, be it granted singly or part of a role. What there is no such thing of is
/// [`Error::NotFound`]. Where admins have access in every enabled team,
/// they are among those of a team, by their role.
pub async fn holders(
    app: &App,
    workspace: WorkspaceId,
    (kind, which): (GrantKind, &str),
    after: Option<MemberId>,
    most: i64,
) -> Result<Vec<Holder>> {
    let mut tx = app.db.read().await?;
    let mut rights = rights(&mut tx, app, workspace, (kind, which)).await?;
    let team = rights.first().filter(|_| kind == GrantKind::Team);
    let team = team.map(|(_, team)| *team);
    let own = rights.clone();
    let reach = access::reach(&mut tx, workspace).await?;
    let admin = team.and_then(|team| reach.role_into(team));
    rights.extend(admin.map(|admin| (GrantKind::Role, admin)));
    let ids = rows::list(&mut tx, workspace, &rights, after, most).await?;
    let names = names(&mut tx, workspace).await?;
    let known = rules::list(&mut tx, workspace).await?.into_iter();
    let known: HashMap<RuleId, Rule> = known.map(|rule| (rule.id, rule)).collect();
    let mut asked: HashMap<RuleId, Vec<String>> = HashMap::new();
    for group in rules::list_groups(&mut tx, workspace).await? {
        asked.entry(group.rule).or_default().push(group.name);
    }
    let mut held: HashMap<MemberId, Vec<Explained>> = HashMap::new();
    for grant in rows::list_explained(&mut tx, workspace, &ids).await? {
        let right = (grant.explained.kind, grant.explained.target);
        if rights.contains(&right) {
            held.entry(grant.member).or_default().push(grant.explained);
        }
    }
    let mut holders = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(member) = members::find(&mut tx, workspace, id).await? else {
            continue;
        };
        let is_in = member.is_in();
        let held = held.remove(&id).unwrap_or_default();
        let has = held.iter().filter(|grant| is_effective(grant, is_in));
        let has: HashSet<_> = has.map(|grant| (grant.kind, grant.target)).collect();
        let is_own = |it: &(GrantKind, Uuid)| own.contains(it);
        let effective = has.iter().any(is_own);
        let grants = held.into_iter();
        let grants: Vec<_> = grants
            .map(|grant| {
                let name = names.get(&grant.target).cloned().unwrap_or_default();
                let rule = grant.rule.zip(grant.rule_version);
                let rule = rule.map(|of| told(of, &known, &asked));
                told_grant(grant, (name, rule), is_in)
            })
            .collect();
        holders.push(Holder {
            member: id,
            user_name: member.user_name,
            display_name: member.display_name,
            status: member.status,
            effective,
            access: team.and_then(|team| reach.because(&has, team)),
            grants,
        });
    }
    Ok(holders)
}

/// What grants are to be looked for.
async fn rights(
    tx: &mut Tx,
    app: &App,
    workspace: WorkspaceId,
    (kind, named): (GrantKind, &str),
) -> Result<Vec<(GrantKind, Uuid)>> {
    let (id, key) = (named.parse::<Uuid>().ok(), fold::key(named));
    match kind {
        GrantKind::Team => {
            let found = teams::find(tx, workspace, id, &key).await?;
            let id = found.ok_or(Error::NotFound("team"))?;
            Ok(vec![(kind, TeamId(id).0)])
        }
        GrantKind::Role => {
            let found = match id {
                Some(id) => roles::find(tx, workspace, RoleId(id)).await?,
                None => workspaces::find_role(tx, workspace, &key).await?,
            };
            Ok(vec![(kind, found.ok_or(Error::NotFound("role"))?.id)])
        }
        GrantKind::Permission => {
            let noted = roles::find_noted(tx, workspace, named).await?;
            let of_roles = roles::list_permissions(tx, workspace).await?.into_iter();
            let of_roles = of_roles.filter(|row| row.permission == named);
            let of_roles = of_roles.map(|row| (GrantKind::Role, row.role.0));
            let noted = noted.map(|id| (kind, id)).into_iter();
            let rights: Vec<_> = noted.chain(of_roles).collect();
            // One that nobody has yet is there as well.
            if rights.is_empty() && permissions::check(app, named).is_err() {
                return Err(Error::NotFound("permission"));
            }
            Ok(rights)
        }
    }
}

fn told(
    (id, version): (RuleId, i64),
    known: &HashMap<RuleId, Rule>,
    asked: &HashMap<RuleId, Vec<String>>,
) -> HeldRule {
    let rule = known.get(&id);
    let terms = rule.map(|rule| &rule.terms);
    HeldRule {
        id,
        version,
        source: rule.map(|rule| RuleSource::of(rule.directory)),
        groups: asked.get(&id).cloned().unwrap_or_default(),
        when: rule.and_then(|rule| rule.when.clone()),
        priority: terms.map_or(0, |terms| terms.priority),
        stop: terms.is_some_and(|terms| terms.stop),
        from: terms.and_then(|terms| terms.from),
        until: terms.and_then(|terms| terms.until),
    }
}

fn told_grant(grant: Explained, (name, rule): (String, Option<HeldRule>), is_in: bool) -> Held {
    Held {
        effective: is_effective(&grant, is_in),
        id: grant.id,
        kind: grant.kind,
        name,
        since: grant.from_at,
        braked: grant.is_braked,
        cause: grant.cause_kind,
        rule,
        request: grant.requested.into(),
    }
}

fn is_effective(grant: &Explained, is_in: bool) -> bool {
    is_in && !grant.is_away && (grant.cause_ended_at.is_none() || grant.is_kept)
}
