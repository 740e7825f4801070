//! What becomes of one row.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::table::{Fault, Row};
use crate::admission::entry;
use crate::admission::shown::{Before, Doubted};
use crate::app::App;
use crate::changes::Act;
use crate::error::Error;
use crate::ids::{MemberId, WorkspaceId};
use crate::scim::fold;
use crate::store::candidates;
use crate::store::causes::CauseKind;
use crate::store::details::{self, Details};
use crate::store::grants::{self, GrantKind};
use crate::store::imports::Outcome;
use crate::store::members::{self, Member, Source, Status};
use crate::store::tx::Tx;
use crate::workspace::columns::Column;
use crate::workspace::keys::Scopes;
use crate::workspace::manual::{self, Right};
use crate::workspace::profile::{Edit, Field, Line, Say};
use crate::workspace::{edit, permissions};

/// What the rows of a batch have in common.
pub(super) struct Batch<'a> {
    pub(super) app: &'a App,
    pub(super) act: &'a Act,
    pub(super) scopes: &'a Scopes,
    /// Whether those who had left are brought back of whom their rows do not say.
    pub(super) revive: bool,
    pub(super) rules_version: i64,
    /// The names of teams, roles and permissions, by id.
    pub(super) names: &'a HashMap<Uuid, String>,
}

/// What a row came to.
pub(super) struct Came {
    pub(super) outcome: Outcome,
    pub(super) member: Option<MemberId>,
    /// Columns that say something else than the directory that keeps them.
    pub(super) kept: Vec<&'static str>,
}

/// Whom a row names as the manager.
pub(super) enum Manager {
    /// Nobody, or whoever its cell names outside of the table.
    Cell,
    /// The member of another row.
    Member(MemberId),
    /// The member whom another row would make.
    ToCome,
}

/// Why nothing became of a row.
pub(super) enum Refusal {
    /// Something is wrong with the row.
    Fault(Fault),
    /// Something is wrong with us, or with the whole transaction.
    Error(Error),
}

impl<E: Into<Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        refusal(None, error.into())
    }
}

fn refusal(column: Option<Column>, error: Error) -> Refusal {
    match error {
        Error::NotFound(_)
        | Error::Taken(_)
        | Error::Conflict(_)
        | Error::Invalid { .. }
        | Error::Forbidden => Refusal::Fault(Fault {
            field: column.map(|column| column.name().to_owned()),
            problem: error.to_string(),
        }),
        other => Refusal::Error(other),
    }
}

fn fault(column: Column, problem: impl Into<String>) -> Refusal {
    refusal(Some(column), Error::value(problem))
}

fn at(column: Column) -> impl Fn(Error) -> Refusal {
    move |error| refusal(Some(column), error)
}

/// The member whom a row means: by its id, its address, or where it has none its `UserID`. One who
/// left is found by the address that it had.
pub(super) async fn find(
    tx: &mut Tx,
    workspace: WorkspaceId,
    row: &Row,
) -> Result<Option<MemberId>, Refusal> {
    if let Some(id) = &row.id {
        let id = id
            .parse()
            .map_err(|_| fault(Column::Id, "expected an id"))?;
        // The id of another workspace says nothing here.
        if members::find(tx, workspace, id).await?.is_some() {
            return Ok(Some(id));
        }
    }
    if let Some(email) = &row.email {
        let key = fold::key(email);
        let found = members::find_by_email(tx, workspace, &key).await?;
        return match found.as_slice() {
            [] => match candidates::list_by_alias(tx, workspace, &key).await?[..] {
                [] => Ok(details::find_left(tx, workspace, &key).await?),
                [one] => Ok(Some(one)),
                _ => Err(fault(Column::Email, entry::SEVERAL)),
            },
            [one] => Ok(Some(one.id)),
            _ => Err(fault(Column::Email, entry::SEVERAL)),
        };
    }
    match &row.user_id {
        Some(user_id) => Ok(details::find_by_user_id(tx, workspace, &fold::key(user_id)).await?),
        None => Ok(None),
    }
}

/// Brings one row in. `member` is whom [`find`] gave, locked.
pub(super) async fn admit(
    tx: &mut Tx,
    batch: &Batch<'_>,
    row: &Row,
    member: Option<Member>,
    manager: Manager,
) -> Result<Came, Refusal> {
    let Batch { app, act, .. } = *batch;
    let shown = Before::of(tx, app, act, member.as_ref(), Doubted::Seen)
        .await
        .map_err(|error| refusal(None, error))?;
    let (member, outcome) = match member {
        None => {
            let made = entry::make(tx, app, act, Source::Import, batch.rules_version).await?;
            (made, Some(Outcome::Created))
        }
        Some(member) if member.status == Status::Removed && !row.revive.unwrap_or(batch.revive) => {
            return Ok(Came {
                outcome: Outcome::Left,
                member: Some(member.id),
                kept: Vec::new(),
            });
        }
        Some(member) if member.status == Status::Removed => {
            let revived = entry::revive(tx, app, act, member).await?;
            (revived, Some(Outcome::Revived))
        }
        Some(member) => {
            permissions::check_over(tx, act.workspace, batch.scopes, member.id).await?;
            (member, None)
        }
    };
    let before = details::list(tx, act.workspace, &[member.id]).await?.pop();
    let before = before.map(|of| of.details).unwrap_or_default();
    let (mut written, mut kept) = fields(tx, act, (&member, &before), row).await?;
    let is_to_come = matches!(manager, Manager::ToCome);
    let manager = find_manager(tx, act.workspace, row, &before, manager).await?;
    if let Some(manager) = manager.filter(|manager| before.manager != Some(*manager)) {
        let keeps = edit::kept(tx, act, (&member, &before)).await?;
        if keeps.is_some_and(|(fields, _)| fields.contains(&Field::Manager)) {
            kept.push(Column::Manager.name());
        } else {
            written.manager = Say::Set(manager);
        }
    }
    edit::write(tx, app, act, &member, &written)
        .await
        .map_err(|error| match error {
            Error::Taken(_) => refusal(Some(Column::UserId), error),
            Error::Conflict(_) | Error::Invalid { .. } if written.manager.set().is_some() => {
                refusal(Some(Column::Manager), error)
            }
            error => refusal(None, error),
        })?;
    let locked = edit::lock(tx, act, member.id).await?;
    let given = give(tx, batch, &locked, row).await?;
    if let Some(shown) = shown
        && (locked.version != member.version || outcome.is_some())
    {
        shown
            .settle(tx, (act, batch.scopes), member.id)
            .await
            .map_err(|error| refusal(None, error))?;
    }
    let is_changed = is_to_come || given > 0 || locked.version != member.version;
    Ok(Came {
        outcome: outcome.unwrap_or(if is_changed {
            Outcome::Merged
        } else {
            Outcome::Unchanged
        }),
        member: Some(member.id),
        kept,
    })
}

/// What a row says that the member does not show already, and the columns of which a directory says
/// something else.
async fn fields(
    tx: &mut Tx,
    act: &Act,
    (member, details): (&Member, &Details),
    row: &Row,
) -> Result<(Edit, Vec<&'static str>), Refusal> {
    let texts = [
        (Column::Email, Field::Email, &row.email, &member.email),
        (
            Column::FirstName,
            Field::GivenName,
            &row.first_name,
            &member.given_name,
        ),
        (
            Column::LastName,
            Field::FamilyName,
            &row.last_name,
            &member.family_name,
        ),
        (
            Column::DisplayName,
            Field::DisplayName,
            &row.display_name,
            &member.display_name,
        ),
        (
            Column::UserId,
            Field::UserId,
            &row.user_id,
            &details.user_id,
        ),
        (
            Column::Language,
            Field::Language,
            &row.language,
            &details.language,
        ),
        (
            Column::TimeZone,
            Field::TimeZone,
            &row.time_zone,
            &details.time_zone,
        ),
        (Column::Phone, Field::Phone, &row.phone, &details.phone),
        (
            Column::Picture,
            Field::Picture,
            &row.picture,
            &details.picture,
        ),
    ];
    let mut said = Vec::new();
    for (column, field, text, before) in texts {
        let Some(text) = text
            .as_ref()
            .filter(|text| !is_shown(text, before.as_ref()))
        else {
            continue;
        };
        said.push((column, field, of(field, text)));
    }
    if let Some(line) = line(row, details)?
        && Line::of(details.line.as_deref(), details.line_number.clone()).as_ref() != Some(&line)
    {
        let edit = Edit {
            line: Say::Set(line),
            ..Edit::default()
        };
        said.push((Column::Line, Field::Line, edit));
    }
    let keeps = if said.is_empty() {
        None
    } else {
        edit::kept(tx, act, (member, details)).await?
    };
    let keeps: BTreeSet<Field> = keeps.map(|(fields, _)| fields).unwrap_or_default();
    let (mut edit, mut kept) = (Edit::default(), Vec::new());
    for (column, field, one) in said {
        if keeps.contains(&field) {
            kept.push(column.name());
        } else {
            edit = edit.and(one.checked().map_err(at(column))?);
        }
    }
    Ok((edit, kept))
}

/// Whether a member shows a text already. A cell has no white space at its ends.
fn is_shown(text: &str, shown: Option<&String>) -> bool {
    shown.is_some_and(|shown| shown == text || shown.trim() == text)
}

fn of(field: Field, text: &str) -> Edit {
    let said = Say::Set(text.to_owned());
    let mut edit = Edit::default();
    *match field {
        Field::Email => &mut edit.email,
        Field::GivenName => &mut edit.given_name,
        Field::FamilyName => &mut edit.family_name,
        Field::UserId => &mut edit.user_id,
        Field::Language => &mut edit.language,
        Field::TimeZone => &mut edit.time_zone,
        Field::Phone => &mut edit.phone,
        Field::Picture => &mut edit.picture,
        Field::DisplayName | Field::Line | Field::Manager => &mut edit.display_name,
    } = said;
    edit
}

/// The line that a row asks for; a number says enough.
fn line(row: &Row, shown: &Details) -> Result<Option<Line>, Refusal> {
    let numbered = |number: &str| Line::Numbered {
        number: Some(number.to_owned()),
    };
    let kind = row.line.as_deref().map(fold::key);
    Ok(match (kind.as_deref(), row.line_number.as_deref()) {
        (None, None) => None,
        (Some("numberless"), None) => Some(Line::Numberless),
        (None | Some("numbered"), Some(number)) => Some(numbered(number)),
        (Some("numbered"), None) if shown.line.as_deref() == Some("numbered") => None,
        (Some("numbered"), None) => {
            return Err(fault(Column::LineNumber, "a numbered line has its number"));
        }
        (Some(_), Some(_)) => {
            return Err(fault(
                Column::Line,
                "expected numberless, or numbered with its number",
            ));
        }
        (Some(number), None) => Some(numbered(number)),
    })
}

/// The member whom a row names as the manager, unless the member reports to that one already.
async fn find_manager(
    tx: &mut Tx,
    workspace: WorkspaceId,
    row: &Row,
    before: &Details,
    manager: Manager,
) -> Result<Option<MemberId>, Refusal> {
    let text = match (manager, &row.manager) {
        (Manager::Member(found), _) => return Ok(Some(found)),
        (Manager::Cell, Some(text)) => text,
        (Manager::ToCome, _) | (_, None) => return Ok(None),
    };
    let key = fold::key(text);
    if let Some(now) = before.manager
        && is_named(tx, workspace, now, (text, &key)).await?
    {
        return Ok(None);
    }
    if let Ok(id) = text.parse() {
        return match members::find(tx, workspace, id).await? {
            Some(found) => Ok(Some(found.id)),
            None => Err(fault(Column::Manager, "manager is no member")),
        };
    }
    let found = members::find_by_email(tx, workspace, &key).await?;
    match found.as_slice() {
        [one] => return Ok(Some(one.id)),
        [] => {}
        _ => return Err(fault(Column::Manager, entry::SEVERAL)),
    }
    let found = details::find_by_user_id(tx, workspace, &key).await?;
    found
        .map(Some)
        .ok_or_else(|| fault(Column::Manager, "manager is no member"))
}

/// Whether a member has that id, address, user name or `UserID`.
async fn is_named(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: MemberId,
    (text, key): (&str, &str),
) -> Result<bool, Refusal> {
    let Some(member) = members::find(tx, workspace, id).await? else {
        return Ok(false);
    };
    let details = details::list(tx, workspace, &[id]).await?.pop();
    let user_id = details.and_then(|of| of.details.user_id);
    let names = [&member.email, &member.user_name, &user_id];
    let mut keys = names.into_iter().flatten().map(|name| fold::key(name));
    Ok(text.parse() == Ok(id) || keys.any(|name| name == key))
}

/// Gives what a member does not have yet, be it by a rule; tells how many rights are new.
async fn give(
    tx: &mut Tx,
    batch: &Batch<'_>,
    member: &Member,
    row: &Row,
) -> Result<usize, Refusal> {
    let asked = [
        (Column::Teams, GrantKind::Team, &row.teams),
        (Column::Roles, GrantKind::Role, &row.roles),
        (Column::Permissions, GrantKind::Permission, &row.permissions),
    ];
    if asked.iter().all(|(_, _, names)| names.is_empty()) {
        return Ok(0);
    }
    let (act, names) = (batch.act, batch.names);
    let have = grants::list_lasting(tx, act.workspace, &[member.id]).await?;
    let has = |kind: GrantKind, asked: &str| {
        let mut of_kind = have.iter().filter(|right| right.kind == kind);
        of_kind.any(|right| {
            asked.parse() == Ok(right.target)
                || names.get(&right.target).is_some_and(|name| match kind {
                    GrantKind::Permission => name == asked,
                    GrantKind::Team | GrantKind::Role => fold::is_same(name, asked),
                })
        })
    };
    let mut given = 0;
    for (column, kind, asked) in asked {
        let new = asked.iter().filter(|name| !has(kind, name));
        let rights = new.map(|name| Right {
            kind,
            name: name.clone(),
        });
        let rights: Vec<_> = rights.collect();
        if rights.is_empty() {
            continue;
        }
        // What was given before has raised the version.
        let locked = edit::lock(tx, act, member.id).await?;
        let by = (act, batch.scopes);
        let what = (CauseKind::Import, rights.as_slice());
        given += manual::give_as(tx, batch.app, by, &locked, what)
            .await
            .map_err(|error| match error {
                // The name is the row's own word, and of use to whoever reads the outcome.
                Error::NotFound(what) => {
                    fault(column, format!("unknown {what}: {}", said(&rights)))
                }
                error => refusal(Some(column), error),
            })?;
    }
    Ok(given)
}

/// Names as a problem tells them, cut.
fn said(rights: &[Right]) -> String {
    let names: Vec<_> = rights.iter().map(|right| right.name.as_str()).collect();
    names.join("; ").chars().take(200).collect()
}
