//! One person is put back to what an instant had, as new changes of now: rights that were given by
//! hand, and the fields that admins keep. What rules give and say is what they give and say now, and
//! what a directory says is the directory's. What cannot be put back is told, with the reason.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::shown::{Before, Doubted};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{MemberId, RoleId, TeamId, WorkspaceId};
use crate::scim::fold;
use crate::store::grants::{self, GrantKind, LiveGrant};
use crate::store::members::{self as store_members, Member, Status};
use crate::store::tx::Tx;
use crate::store::{details, history as rows, roles, teams, workspaces};
use crate::workspace::history::{self, Moment, Then};
use crate::workspace::keys::Scopes;
use crate::workspace::manual::{self, Right};
use crate::workspace::profile::{Edit, Field, Manual};
use crate::workspace::{edit, guard, members, past_names, permissions, told};

/// What was put back, and what was not.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct PutBack {
    /// Fields that have the value again that they had.
    pub fields: BTreeSet<Field>,
    /// Fields that have another value now, or may have one, and stay as they are.
    pub fields_left: Vec<Left>,
    /// How many rights are there again.
    pub given: usize,
    /// Rights that are not: the team is archived, or the team, role or permission there no longer.
    pub rights_left: Vec<Right>,
    /// How many rights went that were given since.
    pub taken: usize,
}

/// A field that was not put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "FieldLeft")]
pub struct Left {
    /// Which one.
    pub field: Field,
    /// Why not.
    pub why: Why,
}

/// Why a field was not put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WhyFieldLeft")]
pub enum Why {
    /// A directory keeps it.
    Directory,
    /// A rule says it now, or said it then.
    Rule,
    /// No change tells what it showed then.
    Untold,
    /// The field takes no such value any more.
    Unfit,
    /// Another member has the `UserID`.
    Taken,
    /// The manager was removed.
    Gone,
    /// The manager reports to the member by now.
    Circle,
}

impl Why {
    /// The reason in words.
    pub fn told(self) -> &'static str {
        match self {
            Self::Directory => "a directory keeps it",
            Self::Rule => "a rule says it",
            Self::Untold => "no change tells what it showed then",
            Self::Unfit => "the field takes no such value any more",
            Self::Taken => "another member has it",
            Self::Gone => "the manager was removed",
            Self::Circle => "the manager reports to the member by now",
        }
    }
}

/// What a member had by hand, and what it showed.
#[derive(Clone)]
struct Past {
    at: Timestamp,
    moment: Moment,
    then: Then,
    rights: Vec<(GrantKind, Uuid)>,
}

/// Puts a member who has not left back to an instant, all of it or nothing. What `scopes` do not cover
/// is [`crate::error::Error::Forbidden`], what would take the last admin away
/// [`crate::error::Error::Conflict`].
pub async fn restore(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    (workspace, member): (WorkspaceId, MemberId),
    at: Timestamp,
) -> Result<PutBack> {
    let moment = history::moment(app, workspace, at).await?;
    let then = history::show(app, workspace, moment, member).await?;
    let mut tx = app.db.one().await?;
    let of = (moment.number, at);
    let rights = rows::list_had_by_hand(&mut tx, workspace, member, of).await?;
    drop(tx);
    let past = Past {
        at,
        moment,
        then,
        rights,
    };
    let (act, scopes) = (Act::of(app, origin, workspace), scopes.clone());
    let app_ = app.clone();
    app.write(move |tx| {
        let (app, act) = (app_.clone(), act.clone());
        let (scopes, past) = (scopes.clone(), past.clone());
        Box::pin(async move {
            if !past.then.shown.value("manager").is_null() {
                // Two who make each other manager at once would both find no circle.
                workspaces::lock(tx, workspace).await?;
            }
            let locked = edit::lock(tx, &act, member).await?;
            permissions::check_over(tx, workspace, &scopes, member).await?;
            let before = Before::of(tx, &app, &act, Some(&locked), Doubted::Seen).await?;
            let (fields, fields_left) = put_fields(tx, &app, &act, &locked, &past).await?;
            let locked = edit::lock(tx, &act, member).await?;
            let (given, rights_left) = give(tx, &app, (&act, &scopes), &locked, &past).await?;
            let locked = edit::lock(tx, &act, member).await?;
            let taken = take(tx, (&act, &scopes), &locked, &past).await?;
            if let Some(before) = before.filter(|_| !fields.is_empty()) {
                before.settle(tx, (&act, &scopes), member).await?;
            }
            let detail = json!({
                "as_of": past.at, "fields": fields, "given": given, "taken": taken,
            });
            let change = act.change("member.put_back", ("member", member.0), None, &detail);
            changes::record(tx, workspace, &[change]).await?;
            Ok(PutBack {
                fields,
                fields_left,
                given,
                rights_left,
                taken,
            })
        })
    })
    .await
}

/// Writes the fields that have another value now and are the admins' to write; tells which these are,
/// and which stay as they are.
async fn put_fields(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    member: &Member,
    past: &Past,
) -> Result<(BTreeSet<Field>, Vec<Left>)> {
    let details = details::list(tx, act.workspace, &[member.id]).await?.pop();
    let details = details.map(|of| of.details).unwrap_or_default();
    let holders = details::list_holders(tx, act.workspace, member.id).await?;
    let now = told::all(&edit::profile_of(member), &details);
    let (manual, ruled) = (Manual::of(&member.manual), Manual::of(&member.ruled));
    let shown = &past.then.shown;
    let (mut edit, mut left) = (Edit::default(), Vec::new());
    for field in Field::ALL {
        let then = shown.value(field.name());
        if shown.untold.contains(&field) {
            let why = Why::Untold;
            left.push(Left { field, why });
            continue;
        }
        if *then == now[field.name()] {
            continue;
        }
        let is_directorys = FOLLOWED.contains(&field) && !holders.is_empty();
        let found = if is_directorys && !manual.0.contains(&field) {
            Err(Why::Directory)
        } else if ruled.0.contains(&field) || shown.ruled.contains(&field) {
            Err(Why::Rule)
        } else {
            may_say(tx, act, member.id, (field, then)).await?
        };
        match found {
            Ok(said) => edit = edit.and(said),
            Err(why) => left.push(Left { field, why }),
        }
    }
    let fields = edit.fields();
    if !fields.is_empty() {
        edit::write(tx, app, act, member, &edit).await?;
    }
    Ok((fields, left))
}

/// The fields of which a directory may say what they show.
const FOLLOWED: [Field; 8] = [
    Field::DisplayName,
    Field::GivenName,
    Field::FamilyName,
    Field::Email,
    Field::Phone,
    Field::Language,
    Field::TimeZone,
    Field::Manager,
];

/// A field as it was, if it may be so now.
async fn may_say(
    tx: &mut Tx,
    act: &Act,
    member: MemberId,
    (field, then): (Field, &Value),
) -> Result<Result<Edit, Why>> {
    let said = serde_json::from_value::<Edit>(json!({field.name(): then}));
    let Some(said) = said.ok().and_then(|said| said.checked().ok()) else {
        return Ok(Err(Why::Unfit));
    };
    if let Some(user_id) = said.user_id.set() {
        let key = fold::key(user_id);
        let found = details::find_by_user_id(tx, act.workspace, &key).await?;
        if found.into_iter().any(|other| other != member) {
            return Ok(Err(Why::Taken));
        }
    }
    if let Some(manager) = said.manager.set() {
        let found = store_members::find(tx, act.workspace, *manager).await?;
        if found.is_none_or(|found| found.status == Status::Removed) {
            return Ok(Err(Why::Gone));
        }
        if details::reports_to(tx, act.workspace, *manager, member).await? {
            return Ok(Err(Why::Circle));
        }
    }
    Ok(Ok(said))
}

/// Gives what the member had by hand and has no longer; tells how much, and what there is no longer to
/// be given.
async fn give(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    member: &Member,
    past: &Past,
) -> Result<(usize, Vec<Right>)> {
    let mut names = members::names(tx, act.workspace).await?;
    let have = grants::list_by_hand(tx, act.workspace, &[member.id]).await?;
    let (mut rights, mut left) = (Vec::new(), Vec::new());
    for (kind, target) in past.rights.iter().copied() {
        if have.iter().any(|it| (it.kind, it.target) == (kind, target)) {
            continue;
        }
        let is_there = match kind {
            GrantKind::Team => teams::find_live(tx, act.workspace, TeamId(target))
                .await?
                .is_some(),
            GrantKind::Role => roles::keep(tx, act.workspace, RoleId(target))
                .await?
                .is_some(),
            GrantKind::Permission => names
                .get(&target)
                .is_some_and(|name| permissions::check(app, name).is_ok()),
        };
        if is_there {
            let name = match kind {
                GrantKind::Permission => names.get(&target).cloned().unwrap_or_default(),
                GrantKind::Team | GrantKind::Role => target.to_string(),
            };
            rights.push(Right { kind, name });
        } else {
            names.extend(past_names::names(tx, act.workspace, &[target], past.moment).await?);
            let name = names.get(&target).cloned();
            let name = name.unwrap_or_else(|| target.to_string());
            left.push(Right { kind, name });
        }
    }
    let given = manual::give_within(tx, app, (act, scopes), member, &rights).await?;
    Ok((given, left))
}

/// Takes what was given by hand since.
async fn take(
    tx: &mut Tx,
    (act, scopes): (&Act, &Scopes),
    member: &Member,
    past: &Past,
) -> Result<usize> {
    let have = grants::list_by_hand(tx, act.workspace, &[member.id]).await?;
    let had = |grant: &LiveGrant| past.rights.contains(&(grant.kind, grant.target));
    let ended: Vec<LiveGrant> = have.into_iter().filter(|grant| !had(grant)).collect();
    if ended.is_empty() {
        return Ok(0);
    }
    let names = members::names(tx, act.workspace).await?;
    for grant in &ended {
        let name = names.get(&grant.target).cloned().unwrap_or_default();
        let kind = grant.kind;
        manual::check(tx, act, scopes, (&Right { kind, name }, grant.target)).await?;
    }
    guard::spare_grants(tx, act, member, &ended).await?;
    let count = ended.len();
    manual::end(tx, act, member, ended).await?;
    Ok(count)
}
