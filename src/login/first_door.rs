//! The first door: a link that an operator makes at the command line, for the first admin of a
//! workspace or for the operator's own session. There is no default account, and no set-up that
//! whoever comes first could take.

use serde_json::json;

use crate::accounts::links::{self, Made};
use crate::accounts::sessions;
use crate::admission::entry;
use crate::admission::shown::{Before, Doubted};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::error::{Error, Result};
use crate::ids::WorkspaceId;
use crate::scim::fold;
use crate::store::members::{self, Hold, Member, Source, Status};
use crate::store::tx::Tx;
use crate::store::workspaces;
use crate::workspace::edit::{self, profile_of};
use crate::workspace::keys::Scopes;
use crate::workspace::manual::{self, Right};
use crate::workspace::members::GrantKind;
use crate::workspace::profile::{Edit, Say};
use crate::workspace::{guard, seats};

/// The role that the link makes sure of.
const ROLE: &str = "admin";

/// A link for an admin, and whom it is for.
pub struct AdminLink {
    /// The link.
    pub link: Made,
    /// The member.
    pub member: Member,
    /// Whether the member was made for it.
    pub is_new: bool,
}

/// Makes or finds the member of that address, makes sure that it is in and an admin, and makes a link
/// that opens a session as it. Whoever is shut out is [`Error::Conflict`], and so is an address that
/// several members have, and a workspace whose people come in through connections alone.
pub async fn admin_link(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    email: &str,
) -> Result<AdminLink> {
    let edit = Edit {
        email: Say::Set(email.to_owned()),
        ..Edit::default()
    };
    let edit = edit.checked()?;
    let minted = links::mint(app).await?;
    let act = Act::of(app, origin, workspace);
    let app_ = app.clone();
    app.write(move |tx| {
        let (app, act) = (app_.clone(), act.clone());
        let (edit, minted) = (edit.clone(), minted.clone());
        Box::pin(async move {
            let (member, is_new) = find_or_make(tx, &app, &act, &edit).await?;
            let right = Right {
                kind: GrantKind::Role,
                name: ROLE.to_owned(),
            };
            let everything = Scopes::everything();
            manual::give_within(tx, &app, (&act, &everything), &member, &[right]).await?;
            let whose = (workspace, member.id);
            let link = links::keep(tx, &minted, Some(whose), act.at).await?;
            let detail = json!({"link": link.id, "expires_at": link.expires_at});
            let subject = ("member", member.id.0);
            let change = act.change("link.issued", subject, None, &detail);
            changes::record(tx, workspace, &[change]).await?;
            Ok(AdminLink {
                link,
                member,
                is_new,
            })
        })
    })
    .await
}

/// A link that opens a session as an operator.
pub async fn operator_link(app: &App) -> Result<Made> {
    let (minted, at) = (links::mint(app).await?, app.clock.now());
    app.write(move |tx| {
        let minted = minted.clone();
        Box::pin(async move { links::keep(tx, &minted, None, at).await })
    })
    .await
}

/// The one member of that address, who is in after it, locked.
async fn find_or_make(tx: &mut Tx, app: &App, act: &Act, edit: &Edit) -> Result<(Member, bool)> {
    // Two links for one address at once would both find nobody; so would a directory.
    let mark = workspaces::lock_whole(tx, act.workspace).await?;
    if sessions::policy(tx, act.workspace).await?.sso_enforced {
        return Err(Error::Conflict(
            "people come in to this workspace through connections alone; lift that first: gatehouse \
             workspace sign-in SLUG --sso-enforced false"
                .to_owned(),
        ));
    }
    let key = edit.email.set().map(|email| fold::key(email));
    let key = key.ok_or_else(|| Error::value("email is missing"))?;
    let found = members::find_by_email(tx, act.workspace, &key).await?;
    let before = Before::of(tx, app, act, found.first(), Doubted::Seen).await?;
    let (id, is_new) = match found.as_slice() {
        [] => {
            let made = entry::make(tx, app, act, Source::Api, mark.rules_version).await?;
            edit::write(tx, app, act, &made, edit).await?;
            (made.id, true)
        }
        [one] => (one.id, false),
        _ => {
            return Err(Error::Conflict(
                "several members have this address".to_owned(),
            ));
        }
    };
    let member = edit::lock(tx, act, id).await?;
    match member.status {
        Status::Active if member.held_at.is_none() => return Ok((member, is_new)),
        Status::Draft | Status::Invited => {}
        _ => {
            return Err(Error::Conflict(
                "this member is shut out; let it in first, or name another address".to_owned(),
            ));
        }
    }
    let outcome = (Status::Active, Hold::End);
    members::update(tx, act.workspace, id, &profile_of(&member), outcome, act.at).await?;
    seats::follow(tx, act, id, Some(&member), Status::Active).await?;
    let detail = json!({"status": Status::Active, "before": member.status});
    let version = Some(member.version + 1);
    let change = act.change("member.let_in", ("member", id.0), version, &detail);
    changes::record(tx, act.workspace, &[change]).await?;
    guard::let_go(tx, act).await?;
    if let Some(before) = before {
        before.settle(tx, (act, &Scopes::everything()), id).await?;
    }
    Ok((edit::lock(tx, act, id).await?, is_new))
}
