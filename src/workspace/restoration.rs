//! One person is put back to what an instant had, as new changes of now: rights that were given by
//! hand, and the address, name for people, `UserID` and phone number that admins keep. What rules give
//! is what they give now, and what a directory says is the directory's.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::history::{self, Then};
use super::keys::Scopes;
use super::manual::{self, Right};
use super::profile::{Edit, Field, Manual, Say};
use super::{edit, guard, members, permissions};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{MemberId, WorkspaceId};
use crate::store::grants::{self, GrantKind, LiveGrant};
use crate::store::members::Member;
use crate::store::tx::Tx;
use crate::store::{details, history as rows};

/// What was put back.
#[derive(Debug, Clone, Serialize)]
pub struct PutBack {
    /// Fields that have the value again that they had.
    pub fields: BTreeSet<Field>,
    /// How many rights are there again.
    pub given: usize,
    /// How many rights went that were given since.
    pub taken: usize,
}

/// What a member had by hand, and what it showed.
#[derive(Clone)]
struct Past {
    at: Timestamp,
    then: Then,
    rights: Vec<(GrantKind, Uuid)>,
}

/// Puts a member who has not left back to an instant, all of it or nothing. What `scopes` do not cover
/// is [`crate::error::Error::Forbidden`], what would take the last admin away
/// [`crate::error::Error::Conflict`]; a team or role that is there no longer is
/// [`crate::error::Error::NotFound`].
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
    let past = Past { at, then, rights };
    let (act, scopes) = (Act::of(app, origin, workspace), scopes.clone());
    let app_ = app.clone();
    app.write(move |tx| {
        let (app, act) = (app_.clone(), act.clone());
        let (scopes, past) = (scopes.clone(), past.clone());
        Box::pin(async move {
            let locked = edit::lock(tx, &act, member).await?;
            permissions::check_over(tx, workspace, &scopes, member).await?;
            let fields = put_fields(tx, &app, &act, &locked, &past).await?;
            let locked = edit::lock(tx, &act, member).await?;
            let given = give(tx, &app, (&act, &scopes), &locked, &past).await?;
            let locked = edit::lock(tx, &act, member).await?;
            let taken = take(tx, (&act, &scopes), &locked, &past).await?;
            let detail = json!({
                "as_of": past.at, "fields": fields, "given": given, "taken": taken,
            });
            let change = act.change("member.put_back", ("member", member.0), None, &detail);
            changes::record(tx, workspace, &[change]).await?;
            Ok(PutBack {
                fields,
                given,
                taken,
            })
        })
    })
    .await
}

/// Writes the fields that have another value now and are the admins' to write.
async fn put_fields(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    member: &Member,
    past: &Past,
) -> Result<BTreeSet<Field>> {
    let details = details::list(tx, act.workspace, &[member.id]).await?.pop();
    let details = details.map(|of| of.details).unwrap_or_default();
    let holders = details::list_holders(tx, act.workspace, member.id).await?;
    let manual = Manual::of(&member.manual);
    let mut fields = BTreeSet::new();
    let mut say = |field: Field, now: Option<&String>, may_be_kept: bool| {
        let then = past.then.shown.get(field.name()).and_then(Value::as_str);
        let is_kept = may_be_kept && !holders.is_empty() && !manual.0.contains(&field);
        if is_kept || then == now.map(String::as_str) {
            return Say::Nothing;
        }
        fields.insert(field);
        then.map_or(Say::Clear, |then| Say::Set(then.to_owned()))
    };
    let edit = Edit {
        display_name: say(Field::DisplayName, member.display_name.as_ref(), true),
        email: say(Field::Email, member.email.as_ref(), true),
        user_id: say(Field::UserId, details.user_id.as_ref(), false),
        phone: say(Field::Phone, details.phone.as_ref(), true),
        ..Edit::default()
    };
    if !fields.is_empty() {
        edit::write(tx, app, act, member, &edit.checked()?).await?;
    }
    Ok(fields)
}

/// Gives what the member had by hand and has no longer.
async fn give(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    member: &Member,
    past: &Past,
) -> Result<usize> {
    let names = members::names(tx, act.workspace).await?;
    let rights = past.rights.iter().map(|(kind, target)| Right {
        kind: *kind,
        name: match kind {
            GrantKind::Permission => names.get(target).cloned().unwrap_or_default(),
            GrantKind::Team | GrantKind::Role => target.to_string(),
        },
    });
    let rights: Vec<_> = rights.collect();
    manual::give_within(tx, app, (act, scopes), member, &rights).await
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
