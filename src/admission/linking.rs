//! A User is linked to a member whom the workspace has: to one who is expected, who comes in by it, or
//! to one of another way.

use serde_json::json;

use super::arrival::{Admitted, Newcomer, status};
use super::brake;
use super::departure::{give_up, kept};
use crate::app::App;
use crate::changes::{self, Act};
use crate::error::{Error, Result};
use crate::ids::MemberId;
use crate::store::candidates;
use crate::store::error::DbError;
use crate::store::members::{self, Hold, Member, Status};
use crate::store::tx::Tx;
use crate::store::users::{self, Known, Place};
use crate::workspace::awaiting::Reason;
use crate::workspace::edit::profile_of;
use crate::workspace::{awaiting, guard, persons, seats, told};

/// Links a User to a member who is expected and comes in by it, if the directory lets it in. What the
/// member was to get by hand begins with it where more says who that is than an address that nobody
/// proved; else it waits for such a proof.
pub(super) async fn expected(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    (place, known): (Place, &Known),
    (member, is_proved): (MemberId, bool),
    newcomer: &Newcomer,
) -> Result<Admitted> {
    let member = lock(tx, act, member).await?;
    if !matches!(member.status, Status::Draft | Status::Invited) {
        // Another directory was first: look again.
        return Err(meanwhile());
    }
    let key = persons::key(tx, app, act.workspace, member.person).await?;
    let profile = kept(&member, &newcomer.profile);
    let status = status(newcomer.active && member.barred_at.is_none());
    let outcome = (status, Hold::End);
    members::update(tx, act.workspace, member.id, &profile, outcome, act.at).await?;
    seats::follow(tx, act, member.id, Some(&member), status).await?;
    give_up(tx, act, &member, &newcomer.profile).await?;
    candidates::delete_conflict(tx, place, &newcomer.user_name_key).await?;
    forget_leaving(tx, (place, known), member.id, newcomer).await?;
    let after = Member {
        version: member.version + 1,
        status,
        ..member.clone()
    };
    if is_proved {
        if status == Status::Active {
            guard::let_go(tx, act).await?;
        }
    } else {
        awaiting::set_aside(tx, act, &after, Reason::Proof).await?;
    }
    let detail = json!({
        "status": status, "before": member.status, "proved": is_proved,
    });
    let subject = ("member", member.id.0);
    let change = act.change("member.linked", subject, Some(after.version), &detail);
    let person = (member.person, &key);
    let change = changes::seal(change, act.workspace, person, &told::profile(&profile))?;
    Ok(Admitted {
        member: Some(member.id),
        // Its seat was seen to.
        is_in: false,
        is_to_settle: known.rules_when > 0 || member.rules_version > known.rules_version,
        person: (member.person, key),
        changes: vec![change],
    })
}

/// Links a User to a member of another way. What the member shows stays as it is, and its roles are
/// settled later, by what the rules say then; whom an admin shut out stays out.
pub(super) async fn adopted(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    (place, known): (Place, &Known),
    member: MemberId,
    newcomer: &Newcomer,
) -> Result<Admitted> {
    let mut member = lock(tx, act, member).await?;
    if !matches!(member.status, Status::Active | Status::Suspended)
        || users::is_linked(tx, place, member.id).await?
    {
        return Err(meanwhile());
    }
    let key = persons::key(tx, app, act.workspace, member.person).await?;
    let is_let_in = newcomer.active && member.barred_at.is_none();
    if is_let_in {
        brake::reverse(tx, act, &mut member).await?;
    }
    let status = if is_let_in {
        Status::Active
    } else {
        member.status
    };
    let hold = if is_let_in { Hold::End } else { Hold::Keep };
    let profile = profile_of(&member);
    members::update(
        tx,
        act.workspace,
        member.id,
        &profile,
        (status, hold),
        act.at,
    )
    .await?;
    seats::follow(tx, act, member.id, Some(&member), status).await?;
    candidates::delete_conflict(tx, place, &newcomer.user_name_key).await?;
    forget_leaving(tx, (place, known), member.id, newcomer).await?;
    let after = Member {
        version: member.version + 1,
        status,
        ..member.clone()
    };
    awaiting::begin(tx, act, &after, Reason::Proof).await?;
    if is_let_in && !member.is_in() {
        guard::let_go(tx, act).await?;
    }
    if known.rules_when > 0 {
        candidates::unsettle(tx, act.workspace, member.id).await?;
    }
    let detail = json!({"status": status, "before": member.status, "proved": true});
    let subject = ("member", member.id.0);
    let change = act.change("member.linked", subject, Some(after.version), &detail);
    let person = (member.person, &key);
    let change = changes::seal(change, act.workspace, person, &told::profile(&profile))?;
    Ok(Admitted {
        member: Some(member.id),
        // Its seat was seen to.
        is_in: false,
        is_to_settle: false,
        person: (member.person, key),
        changes: vec![change],
    })
}

/// The member is linked under the externalId under which it left: one who leaves again is buried once.
async fn forget_leaving(
    tx: &mut Tx,
    (place, known): (Place, &Known),
    member: MemberId,
    newcomer: &Newcomer,
) -> Result<()> {
    if let Some(external_id) = &newcomer.external_id
        && known.tombstones == 1
        && known.buried == Some(member)
    {
        users::delete_tombstones(tx, place, external_id).await?;
    }
    Ok(())
}

async fn lock(tx: &mut Tx, act: &Act, member: MemberId) -> Result<Member> {
    let found = members::lock(tx, act.workspace, &[member]).await?.pop();
    Ok(found.ok_or(DbError::NotFound)?)
}

fn meanwhile() -> Error {
    Error::Retry(anyhow::anyhow!("the member came in meanwhile"))
}
