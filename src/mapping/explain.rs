//! Why somebody has what: each grant with its cause, and what would end it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::seat::{WhySeat, seat};
use super::ways::Ways;
use super::{Facts, profile, when};
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{
    CredentialId, DirectoryId, GrantId, GroupId, MemberId, RequestId, RuleId, WorkspaceId,
};
use crate::scim::filter::Filter;
use crate::scim::schema::{self, ResourceType};
use crate::scim::{filter, grounds, resource};
use crate::store::awaiting::{self, Reason};
use crate::store::braked as braked_rows;
use crate::store::grants::{self, Explained, GrantKind};
use crate::store::members::{Member, Status};
use crate::store::requested::{self, Requested};
use crate::store::rule_sources::RuleSource;
use crate::store::rules::{Rule, RuleGroup, Terms};
use crate::store::tx::Tx;
use crate::store::{groups, nestings, profiles, rules as rule_rows};
use crate::workspace::access::{self, Access};
use crate::workspace::members::names;
use crate::workspace::profile::{Field, Manual};
use crate::workspace::schemas;

/// Everything that a member has, and why.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Explanation {
    /// The member.
    pub member: MemberId,
    /// The name that its directory signs in with.
    pub user_name: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// How far the member is in; grants of one who is not active have no effect.
    pub status: Status,
    /// Since when grants have no effect until the member is released: a restore brought it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_at: Option<Timestamp>,
    /// How the member stands with seats, where the workspace has a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seat: Option<WhySeat>,
    /// The status that its directory wants and an admin rejected: it takes another word of the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Status>,
    /// Which rules say the line and the language, of what rules filled in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filled: Vec<WhyField>,
    /// The teams in which the member has access now, by name, and why.
    pub access: Vec<Access>,
    /// The grants that have not ended.
    pub grants: Vec<Why>,
    /// Since when nobody has proved that this is the person who was expected: a directory brought it in by
    /// an address of which it has not proved the domain. What was given by hand and rules over profiles
    /// wait until an admin adopts the member or the person proves the mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unproved_at: Option<Timestamp>,
    /// What was given by hand and waits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub awaiting: Vec<Awaits>,
}

/// A field that a rule filled in.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct WhyField {
    /// The field: `line` or `language`.
    pub field: Field,
    /// The rule: of those that hold and say something of it, the first.
    pub rule: RuleId,
    /// Its version.
    pub version: i64,
}

/// That the end of a grant waits.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct WhyBraked {
    /// Since when something of the member waits.
    pub since: Option<Timestamp>,
    /// When it ends; none until an admin releases it.
    pub until: Option<Timestamp>,
    /// The request by which it would have ended: the last one that was held.
    pub request: Option<WhyRequest>,
}

/// A right that waits.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Awaits {
    /// What it gives.
    pub kind: GrantKind,
    /// The name of the team, role or permission.
    pub name: String,
    /// What it waits for.
    pub until: &'static str,
}

/// A grant and its reasons.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Why {
    /// The grant.
    pub id: GrantId,
    /// What it gives.
    pub kind: GrantKind,
    /// The name of the team, role or permission.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether it has effect now.
    pub effective: bool,
    /// Why it has none whatever the member's status: `the team is put away`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<&'static str>,
    /// That its end waits, where the brake holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub braked: Option<WhyBraked>,
    /// What kind of cause it has: `rule`, `admin`, …
    pub cause: String,
    /// The rule that gave it before, where an admin gives it who rejected its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<WhyRejected>,
    /// The rule, with its groups.
    pub rule: Option<WhyRule>,
    /// The request that brought it.
    pub request: WhyRequest,
    /// What would end it.
    pub ends_with: Vec<String>,
}

/// The rule behind a grant whose end was rejected.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct WhyRejected {
    /// Its id.
    pub rule: RuleId,
    /// The version that gave it.
    pub version: i64,
}

/// The rule behind a grant.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct WhyRule {
    /// Its id.
    pub id: RuleId,
    /// Its version.
    pub version: i64,
    /// What it looks at; none where the rule is gone.
    pub source: Option<RuleSource>,
    /// Its place among the rules: those of a higher priority come first.
    pub priority: i64,
    /// Whether later rules are not looked at for whom it holds.
    pub stop: bool,
    /// Since when it has effect.
    pub from: Option<Timestamp>,
    /// Until when it has effect.
    pub until: Option<Timestamp>,
    /// The groups that all hold.
    pub groups: Vec<WhyGroup>,
    /// What must hold of the user's own attributes, or of the member's profile.
    pub when: Option<String>,
    /// The values by which it holds, by attribute: those of the rule's directory, or of the profile.
    pub satisfied_by: BTreeMap<String, Vec<Value>>,
}

/// A group behind a grant.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct WhyGroup {
    /// Its id.
    pub id: Option<GroupId>,
    /// Its name now, or the one that the rule was made with.
    pub name: String,
    /// The names of the groups through which the member is in it, from the outermost to the one that
    /// it is in itself; none where it is in the group itself.
    pub through: Vec<String>,
    /// The request that put the member into the group, or into the innermost that it is in it through;
    /// none once its change is not kept any more.
    pub put_in: Option<WhyRequest>,
}

/// The request behind a grant.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct WhyRequest {
    /// Its id.
    pub id: RequestId,
    /// Its method, where it was one over HTTP.
    pub method: Option<String>,
    /// Its path, where it was one over HTTP.
    pub path: Option<String>,
    /// The credential that it came with: that of a directory, or a key.
    pub credential: Option<CredentialId>,
    /// Who acted, where it was no credential.
    pub actor: Option<String>,
    /// When it was.
    pub at: Timestamp,
}

impl From<Requested> for WhyRequest {
    fn from(requested: Requested) -> Self {
        Self {
            id: RequestId(requested.request),
            method: requested.method,
            path: requested.path,
            credential: requested.credential,
            actor: requested.actor,
            at: requested.at,
        }
    }
}

/// Explains every grant of a member that has not ended.
pub async fn explain(app: &App, workspace: WorkspaceId, member: &Member) -> Result<Explanation> {
    let mut tx = app.db.read().await?;
    let names = names(&mut tx, workspace).await?;
    let explained = grants::list_explained(&mut tx, workspace, member.id).await?;
    let rules: HashMap<RuleId, Rule> = rule_rows::list(&mut tx, workspace)
        .await?
        .into_iter()
        .map(|rule| (rule.id, rule))
        .collect();
    let mut asked: HashMap<RuleId, Vec<RuleGroup>> = HashMap::new();
    for group in rule_rows::list_groups(&mut tx, workspace).await? {
        asked.entry(group.rule).or_default().push(group);
    }
    let group_names = groups::list_names(&mut tx, workspace).await?;
    let group_names: HashMap<GroupId, String> = group_names.into_iter().collect();
    let ways = Ways::new(nestings::list_steps(&mut tx, workspace, member.id).await?);
    let user_type = schemas::registry_within(&mut tx, app, workspace)
        .await?
        .user();
    let mut users: HashMap<DirectoryId, Value> = HashMap::new();
    let mut profile = None;
    if rules.values().any(|rule| rule.directory.is_none()) {
        let shown = profiles::list(&mut tx, workspace, &[member.id]).await?;
        profile = shown.first().map(profile::seen);
    }
    let mut known = rules.values();
    if known.any(|rule| rule.directory.is_some() && rule.when.is_some()) {
        for said in grants::list_said(&mut tx, workspace, &[member.id]).await? {
            let user = resource::from_stored(&said.document)?.into();
            users.insert(said.directory, user);
        }
    }
    let seat = seat(&mut tx, workspace, member).await?;
    let waiting = awaiting::list(&mut tx, workspace, member.id).await?;
    let waiting = waiting.into_iter().map(|grant| Awaits {
        kind: grant.kind,
        name: names.get(&grant.target).cloned().unwrap_or_default(),
        until: match grant.awaiting {
            Reason::Proof => "an admin adopts the member, or the person proves the mailbox",
            Reason::Undo => "the end of its directory is undone",
        },
    });
    let awaiting = waiting.collect();
    let unproved_at = awaiting::find_unproved(&mut tx, workspace, member.id).await?;
    let braked = braked(&mut tx, workspace, member).await?;
    let filled = filled(&mut tx, app, (workspace, member), (&rules, &profile)).await?;
    let is_in = member.is_in();
    let reach = access::reach(&mut tx, workspace).await?;
    let effective = grants::list_effective(&mut tx, workspace, &[member.id]).await?;
    let effective = effective.into_iter();
    let access = reach.of(&effective.map(|right| (right.kind, right.target)).collect());
    let placed = placed(&mut tx, (workspace, member.id), &asked, &ways).await?;
    let why = explained
        .into_iter()
        .map(|grant| {
            let name = names.get(&grant.target).cloned().unwrap_or_default();
            let groups = grant.rule.and_then(|rule| asked.get(&rule));
            let groups = groups
                .into_iter()
                .flatten()
                .map(|group| WhyGroup {
                    id: group.group_id,
                    name: group
                        .group_id
                        .and_then(|id| group_names.get(&id).cloned())
                        .unwrap_or_else(|| group.name.clone()),
                    through: group.group_id.map_or_else(Vec::new, |id| ways.through(id)),
                    put_in: (group.group_id)
                        .and_then(|id| placed.get(&ways.innermost(id)?))
                        .cloned(),
                })
                .collect();
            let rule = grant.rule.and_then(|rule| rules.get(&rule));
            let said = (&users, profile.as_ref());
            let condition = rule.and_then(|rule| Condition::of(rule, said, user_type));
            let terms = rule.map(|rule| rule.terms.clone()).unwrap_or_default();
            let source = rule.map(|rule| RuleSource::of(rule.directory));
            let of_rule = (groups, &ways, condition, terms, source);
            why(grant, name, of_rule, (is_in, braked.as_ref()))
        })
        .collect();
    Ok(Explanation {
        member: member.id,
        user_name: member.user_name.clone(),
        email: member.email.clone(),
        status: member.status,
        held_at: member.held_at,
        seat,
        rejected: member.brake_rejected,
        filled,
        access,
        grants: why,
        unproved_at,
        awaiting,
    })
}

/// The requests that put a member into the groups by which it is in those that rules ask for.
async fn placed(
    tx: &mut Tx,
    (workspace, member): (WorkspaceId, MemberId),
    asked: &HashMap<RuleId, Vec<RuleGroup>>,
    ways: &Ways,
) -> Result<HashMap<GroupId, WhyRequest>> {
    let groups = asked.values().flatten().filter_map(|group| group.group_id);
    let innermost: BTreeSet<GroupId> = groups.filter_map(|id| ways.innermost(id)).collect();
    let innermost: Vec<GroupId> = innermost.into_iter().collect();
    let placed = requested::list_placed(tx, workspace, member, &innermost).await?;
    let placed = placed.into_iter();
    Ok(placed
        .map(|it| (it.group_id, it.requested.into()))
        .collect())
}

/// What the brake holds of a member, with the request that it held last.
async fn braked(tx: &mut Tx, workspace: WorkspaceId, member: &Member) -> Result<Option<WhyBraked>> {
    if member.braked_at.is_none() {
        return Ok(None);
    }
    let request = braked_rows::find_request(tx, workspace, member.id).await?;
    Ok(Some(WhyBraked {
        since: member.braked_at,
        until: member.brake_until,
        request: request.map(WhyRequest::from),
    }))
}

/// The rules that say what rules filled in of a member.
async fn filled(
    tx: &mut Tx,
    app: &App,
    (workspace, member): (WorkspaceId, &Member),
    (rules, profile): (&HashMap<RuleId, Rule>, &Option<Value>),
) -> Result<Vec<WhyField>> {
    let by_rules = Manual::of(&member.ruled).0;
    if by_rules.is_empty() {
        return Ok(Vec::new());
    }
    let (_, current) = super::rules::current(tx, app, workspace).await?;
    let mut facts = Facts {
        profile: profile.clone(),
        ..Facts::default()
    };
    let groups = grants::list_facts(tx, workspace, &[member.id]).await?;
    facts
        .groups
        .extend(groups.into_iter().map(|fact| fact.group_id));
    for said in grants::list_said(tx, workspace, &[member.id]).await? {
        let user = resource::from_stored(&said.document)?.into();
        facts.users.insert(said.directory, user);
    }
    let held = super::held(&current, &facts);
    let line = held.iter().find(|rule| rule.line.is_some());
    let language = held.iter().find(|rule| rule.language.is_some());
    let found = [(Field::Line, line), (Field::Language, language)].into_iter();
    let found = found.filter(|(field, _)| by_rules.contains(field));
    let found = found.filter_map(|(field, rule)| {
        let rule = rules.get(&rule?.id)?;
        Some(WhyField {
            field,
            rule: rule.id,
            version: rule.version,
        })
    });
    Ok(found.collect())
}

/// What a rule asks of the user's attributes, and how the member satisfies it.
struct Condition {
    text: String,
    attributes: Vec<String>,
    satisfied_by: BTreeMap<String, Vec<Value>>,
}

impl Condition {
    fn of(
        rule: &Rule,
        (users, profile): (&HashMap<DirectoryId, Value>, Option<&Value>),
        user_type: &'static ResourceType,
    ) -> Option<Self> {
        let text = rule.when.clone()?;
        let (kind, seen) = match rule.directory {
            Some(directory) => (user_type, users.get(&directory)),
            None => (schema::member(), profile),
        };
        let when: Option<Filter> = filter::parse(&text, kind).ok();
        let satisfied_by = when.as_ref().zip(seen);
        Some(Self {
            text,
            attributes: when.iter().flat_map(when::attributes).collect(),
            satisfied_by: satisfied_by
                .map(|(when, seen)| grounds::of(when, seen))
                .unwrap_or_default(),
        })
    }
}

fn why(
    grant: Explained,
    name: String,
    (groups, ways, condition, terms, source): (
        Vec<WhyGroup>,
        &Ways,
        Option<Condition>,
        Terms,
        Option<RuleSource>,
    ),
    (is_in, braked): (bool, Option<&WhyBraked>),
) -> Why {
    let mut ends_with: Vec<String> = groups
        .iter()
        .filter_map(|group| Some(ways.ends(group.id?, &group.name)))
        .flatten()
        .collect();
    if let Some(condition) = &condition {
        let (attributes, text) = (condition.attributes.join(" or "), &condition.text);
        ends_with.push(format!(
            "a change of {attributes} so that {text} no longer holds"
        ));
    }
    if let (Some(rule), Some(version)) = (grant.rule, grant.rule_version) {
        ends_with.push(format!("the end of version {version} of rule {rule}"));
    }
    ends_with.extend(terms.until.map(|until| format!("the instant {until}")));
    if grant.rule.is_none() {
        ends_with.push("an admin who takes it away".to_owned());
    }
    let rejected = grant.kept_rule.zip(grant.kept_version);
    if rejected.is_some() {
        ends_with.push("a rule that gives it again".to_owned());
    }
    if grant.is_braked {
        ends_with = vec!["the end of the brake's hold, or an admin who releases it".to_owned()];
    } else if grant.is_kept {
        ends_with = vec!["another admin, once rules are held against this member again".to_owned()];
    }
    ends_with.push("removal of the member".to_owned());
    let (when, satisfied_by) = condition
        .map(|condition| (condition.text, condition.satisfied_by))
        .unzip();
    Why {
        id: grant.id,
        kind: grant.kind,
        name,
        since: grant.from_at,
        effective: is_in && !grant.is_away && (grant.cause_ended_at.is_none() || grant.is_kept),
        stopped_by: grant.is_away.then_some("the team is put away"),
        braked: braked.filter(|_| grant.is_braked).cloned(),
        cause: grant.cause_kind,
        rejected: rejected.map(|(rule, version)| WhyRejected { rule, version }),
        rule: grant
            .rule
            .zip(grant.rule_version)
            .map(|(id, version)| WhyRule {
                id,
                version,
                source,
                priority: terms.priority,
                stop: terms.stop,
                from: terms.from,
                until: terms.until,
                groups,
                when,
                satisfied_by: satisfied_by.unwrap_or_default(),
            }),
        request: grant.requested.into(),
        ends_with,
    }
}
