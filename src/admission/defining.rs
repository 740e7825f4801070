//! What a rule is to say is made out of what an admin writes, and checked.

use std::collections::BTreeSet;

use serde::Deserialize;
use uuid::Uuid;

use super::definition::{Definition, Made, OfGroup};
use crate::app::App;
use crate::changes::Act;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{RoleId, RuleId, TeamId, WorkspaceId};
use crate::mapping::examples::{self, Example, Subject};
use crate::mapping::profile;
use crate::mapping::when;
use crate::scim::filter;
use crate::scim::schema::ResourceType;
use crate::store::directories::Directory;
use crate::store::grants::GrantKind;
use crate::store::rule_sources::RuleSource;
use crate::store::rules::LinePolicy;
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::store::{groups, roles, teams, workspaces};
use crate::workspace::keys::{Permission, Scopes};
use crate::workspace::profile::{Edit, Say};
use crate::workspace::{members, name_key, permissions, schemas};

/// The most groups of a rule, and the most that it gives.
const MOST: usize = 100;

/// What an admin says of a rule, new or there already: what is left out stays as it is, and null
/// clears.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuleEdit {
    /// What it looks at: a directory where nobody says. Said once, for a new rule.
    pub source: Option<RuleSource>,
    /// The directory whose groups and users it looks at, by name or id; said once, for a new rule. One
    /// over profiles has none.
    pub directory: Option<String>,
    /// The groups that must all hold, by name or id. A name that no group has yet waits for one.
    /// Said again, they are bound anew. A rule over profiles has none.
    pub groups: Option<Vec<String>>,
    /// What must hold of the user's own attributes: a filter. Of a rule over profiles, what must hold of
    /// the member: over `user_name`, `email`, `user_id`, `phone`, `manager` and `source`; where it gives a
    /// line or a language alone, over names, `time_zone` and `picture` as well.
    pub when: Say<String>,
    /// The teams that it gives, by name or id.
    pub teams: Option<Vec<String>>,
    /// The roles that it gives, by name or id.
    pub roles: Option<Vec<String>>,
    /// The permissions that it gives.
    pub permissions: Option<Vec<String>>,
    /// Whether it is switched on.
    pub enabled: Option<bool>,
    /// Rules of a higher priority come first; 0 where nobody says.
    pub priority: Option<i64>,
    /// Whether later rules are not looked at for whom it holds.
    pub stop: Option<bool>,
    /// Since when it has effect.
    pub from: Say<Timestamp>,
    /// Until when it has effect. What the rule gave ends then without the brake, as it was said; where
    /// the version that says it is younger than an hour by then, with the brake, as if the rule were
    /// ended.
    pub until: Say<Timestamp>,
    /// The line of members who have none of an admin's choice.
    pub line: Say<LinePolicy>,
    /// The language of members who have none of an admin's choice.
    pub language: Say<String>,
    /// What is expected of it.
    pub examples: Option<Vec<Example>>,
}

/// What becomes of teams and roles that a rule names and that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// They are made; roles without permissions.
    Make,
    /// They are told, and made so once the plan is applied.
    Foresee,
    /// The rule is refused.
    Refuse,
}

/// What a rule of a directory, or over profiles, is to say, out of what an admin writes and, where it is
/// there already, what it says now. The examples are held against it. What it would give beyond the
/// rights of whoever acts is [`Error::Forbidden`].
pub(super) async fn define(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    (directory, before): (Option<&Directory>, Option<&Definition>),
    (edit, missing): (&RuleEdit, Missing),
) -> Result<Definition> {
    let place = directory.map(|directory| Place {
        workspace: act.workspace,
        directory: directory.id,
    });
    let user = schemas::registry_within(tx, app, act.workspace)
        .await?
        .user();
    let old = before.cloned();
    let groups = match (&edit.groups, place) {
        (Some(named), Some(place)) => bind(tx, place, named).await?,
        (Some(named), None) if !named.is_empty() => {
            return Err(Error::value(
                "a rule over profiles asks for no groups: they are a directory's; say `when`",
            ));
        }
        _ => old.iter().flat_map(|old| old.groups.clone()).collect(),
    };
    let when = match &edit.when {
        Say::Set(text) if directory.is_some() => Some(when::canonical(text, user)?),
        // Whether it may look at that is asked where it is known what it gives.
        Say::Set(text) => Some(profile::canonical(text)?),
        Say::Clear => None,
        Say::Nothing => old.as_ref().and_then(|old| old.when.clone()),
    };
    let language = Edit {
        language: edit.language.clone(),
        ..Edit::default()
    };
    let language = language.checked()?.language;
    let kept = |kind: GrantKind, is_said: bool| {
        let grants = old.iter().flat_map(|old| old.grants.iter().copied());
        grants.filter(move |grant| grant.0 == kind && !is_said)
    };
    let mut grants: BTreeSet<_> = kept(GrantKind::Team, edit.teams.is_some())
        .chain(kept(GrantKind::Role, edit.roles.is_some()))
        .chain(kept(GrantKind::Permission, edit.permissions.is_some()))
        .collect();
    let (targets, made) = targets(tx, app, act, edit, missing).await?;
    grants.extend(targets);
    let is_bound_anew = edit.groups.is_some();
    let defined = Definition {
        directory: directory.map(|directory| directory.id),
        groups,
        when,
        grants,
        enabled: edit.enabled.or(old.as_ref().map(|old| old.enabled)) != Some(false),
        priority: edit
            .priority
            .or(old.as_ref().map(|old| old.priority))
            .unwrap_or(0),
        stop: edit.stop.or(old.as_ref().map(|old| old.stop)) == Some(true),
        from: edit.from.or(old.as_ref().and_then(|old| old.from.as_ref())),
        until: edit
            .until
            .or(old.as_ref().and_then(|old| old.until.as_ref())),
        line: edit.line.or(old.as_ref().and_then(|old| old.line.as_ref())),
        language: language.or(old.as_ref().and_then(|old| old.language.as_ref())),
        examples: match &edit.examples {
            Some(examples) => examples.clone(),
            None => old.iter().flat_map(|old| old.examples.clone()).collect(),
        },
        broken: !is_bound_anew && old.is_some_and(|old| old.broken),
        made,
    };
    check(tx, act.workspace, &defined, user).await?;
    check_rights(tx, act.workspace, scopes, &defined.grants).await?;
    Ok(defined)
}

async fn check(
    tx: &mut Tx,
    workspace: WorkspaceId,
    rule: &Definition,
    user: &'static ResourceType,
) -> Result<()> {
    if rule.directory.is_none() && rule.when.is_none() {
        return Err(Error::value("a rule over profiles needs `when`"));
    }
    if rule.groups.is_empty() && rule.when.is_none() {
        return Err(Error::value("a rule needs at least one group or `when`"));
    }
    if rule.grants.is_empty() && rule.line.is_none() && rule.language.is_none() {
        return Err(Error::value(
            "a rule must give at least one team, role or permission, a line or a language",
        ));
    }
    if rule.groups.len() > MOST || rule.grants.len() > MOST {
        return Err(Error::value(format!(
            "a rule has at most {MOST} groups and gives at most {MOST} rights"
        )));
    }
    if !(-1_000_000..=1_000_000).contains(&rule.priority) {
        return Err(Error::value("priority must be -1000000 to 1000000"));
    }
    if let (Some(from), Some(until)) = (rule.from, rule.until)
        && from >= until
    {
        return Err(Error::value("from must be before until"));
    }
    let kind = rule.looks_at(user);
    let when = rule.when.as_deref().map(|text| filter::parse(text, kind));
    let when = when.transpose()?;
    if let Some(when) = when.as_ref().filter(|_| rule.directory.is_none()) {
        profile::check(when, rule.gives())?;
    }
    let keys = rule.rows(RuleId(Uuid::nil()))?;
    let mut names = members::names(tx, workspace).await?;
    names.extend(rule.made.iter().map(|made| (made.id, made.name.clone())));
    let gives = |kind: GrantKind| {
        let own = rule.grants.iter().filter(|grant| grant.0 == kind);
        let names = own.filter_map(|grant| names.get(&grant.1).cloned());
        names.collect::<BTreeSet<_>>()
    };
    let subject = Subject {
        source: RuleSource::of(rule.directory),
        groups: keys
            .iter()
            .map(|group| {
                let id = group.group_id.map(|id| id.to_string());
                (group.name_key.as_str(), id)
            })
            .collect(),
        when: when.as_ref(),
        teams: gives(GrantKind::Team),
        roles: gives(GrantKind::Role),
        permissions: gives(GrantKind::Permission),
        line: rule.line,
        language: rule.language.as_deref(),
    };
    examples::check(&rule.examples, &subject)
}

/// Refuses what whoever acts could not give by hand: [`Error::Forbidden`].
pub(super) async fn check_rights(
    tx: &mut Tx,
    workspace: WorkspaceId,
    scopes: &Scopes,
    grants: &BTreeSet<(GrantKind, Uuid)>,
) -> Result<()> {
    if scopes.allow(Permission::Everything) {
        return Ok(());
    }
    let of_roles = roles::list_permissions(tx, workspace).await?;
    let names = members::names(tx, workspace).await?;
    let mut given: BTreeSet<String> = BTreeSet::new();
    for (kind, target) in grants {
        match kind {
            GrantKind::Team => {}
            GrantKind::Permission => given.extend(names.get(target).cloned()),
            GrantKind::Role => {
                let of = of_roles.iter().filter(|row| row.role.0 == *target);
                given.extend(of.map(|row| row.permission.clone()));
            }
        }
    }
    permissions::check_covered(scopes, &given)
}

async fn bind(tx: &mut Tx, place: Place, named: &[String]) -> Result<Vec<OfGroup>> {
    let mut bound = BTreeSet::new();
    let mut of = Vec::with_capacity(named.len());
    for name in named {
        let by_id = match name.parse() {
            Ok(id) => groups::find(tx, place, id).await?,
            Err(_) => None,
        };
        let name = by_id.as_ref().map_or(name, |group| &group.display);
        let key = name_key(name, "group")?;
        let group = match by_id {
            Some(ref group) => Some(group.id),
            None => groups::find_by_name(tx, place, &key)
                .await?
                .map(|group| group.id),
        };
        if !bound.insert(key) {
            return Err(Error::value("a rule names a group twice"));
        }
        of.push(OfGroup {
            name: name.clone(),
            id: group,
        });
    }
    Ok(of)
}

/// The teams, roles and permissions that are named.
async fn targets(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    edit: &RuleEdit,
    missing: Missing,
) -> Result<(Vec<(GrantKind, Uuid)>, Vec<Made>)> {
    let (workspace, at) = (act.workspace, act.at);
    let mut made: Vec<Made> = Vec::new();
    let unknown = |what: &str, name: &str| Error::value(format!("there is no {what} \"{name}\""));
    let mut targets = Vec::new();
    for name in edit.teams.iter().flatten() {
        let by_id = match name.parse() {
            Ok(id) => teams::find_live(tx, workspace, TeamId(id)).await?,
            Err(_) => None,
        };
        let team = match by_id {
            Some(team) => Some(team),
            None => {
                let key = name_key(name, "team")?;
                if missing == Missing::Make {
                    workspaces::insert_team(tx, workspace, TeamId::new(), name, &key, at).await?;
                }
                workspaces::find_team(tx, workspace, &key).await?
            }
        };
        let id = match team {
            Some(team) => team.id,
            None if missing == Missing::Foresee => foresee(&mut made, GrantKind::Team, name)?,
            None => return Err(unknown("team", name)),
        };
        targets.push((GrantKind::Team, id));
    }
    for name in edit.roles.iter().flatten() {
        let by_id = match name.parse() {
            Ok(id) => roles::find(tx, workspace, RoleId(id)).await?,
            Err(_) => None,
        };
        let role = match by_id {
            Some(role) => Some(role),
            None => {
                let key = name_key(name, "role")?;
                if missing == Missing::Make {
                    let names = (name.as_str(), key.as_str());
                    workspaces::insert_role(tx, workspace, RoleId::new(), names, false, at).await?;
                }
                workspaces::find_role(tx, workspace, &key).await?
            }
        };
        let id = match role {
            Some(role) => role.id,
            None if missing == Missing::Foresee => foresee(&mut made, GrantKind::Role, name)?,
            None => return Err(unknown("role", name)),
        };
        targets.push((GrantKind::Role, id));
    }
    for name in edit.permissions.iter().flatten() {
        let permission = permissions::find(tx, app, act, name).await?;
        targets.push((GrantKind::Permission, permission));
    }
    Ok((targets, made))
}

/// The id of a team or role that is to be made.
fn foresee(made: &mut Vec<Made>, kind: GrantKind, name: &str) -> Result<Uuid> {
    let key = name_key(name, "name")?;
    let mut others = made.iter().filter(|it| it.kind == kind);
    if let Some(other) = others.find(|it| name_key(&it.name, "name").is_ok_and(|it| it == key)) {
        return Ok(other.id);
    }
    let id = Uuid::now_v7();
    let name = name.to_owned();
    made.push(Made { kind, id, name });
    Ok(id)
}

/// Makes the teams and roles that a plan foresaw.
pub(super) async fn make(tx: &mut Tx, act: &Act, made: &[Made]) -> Result<()> {
    for it in made {
        let key = name_key(&it.name, "name")?;
        let is_new = match it.kind {
            GrantKind::Team => {
                let id = TeamId(it.id);
                workspaces::insert_team(tx, act.workspace, id, &it.name, &key, act.at).await?
            }
            GrantKind::Role => {
                let (id, names) = (RoleId(it.id), (it.name.as_str(), key.as_str()));
                workspaces::insert_role(tx, act.workspace, id, names, false, act.at).await?
            }
            GrantKind::Permission => true,
        };
        if !is_new {
            let name = &it.name;
            return Err(Error::value(format!(
                "a team or role \"{name}\" is archived; name another one"
            )));
        }
    }
    Ok(())
}

/// What of it is there by now is no longer to be made.
pub(super) async fn still_missing(
    tx: &mut Tx,
    workspace: WorkspaceId,
    mut rule: Definition,
) -> Result<Definition> {
    for it in std::mem::take(&mut rule.made) {
        let key = name_key(&it.name, "name")?;
        let found = match it.kind {
            GrantKind::Team => workspaces::find_team(tx, workspace, &key).await?,
            GrantKind::Role => workspaces::find_role(tx, workspace, &key).await?,
            GrantKind::Permission => None,
        };
        match found {
            Some(found) => {
                rule.grants.remove(&(it.kind, it.id));
                rule.grants.insert((it.kind, found.id));
            }
            None => rule.made.push(it),
        }
    }
    Ok(rule)
}
