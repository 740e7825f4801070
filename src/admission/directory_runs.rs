//! Runs over a directory as admins see them: how far they are, that they wait and go on, and that what
//! going live did is taken back.
//!
//! Undoing takes the directory back to collecting: nobody is linked to it then, for a directory that
//! collects does not shut people out. Whom it made a member leaves, unless an admin has given something
//! by hand since; whoever was a member before is what it was, unless an admin has let that one in since.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use super::defining::check_rights;
use super::exit::{batch, begin, made};
use super::parting::{Leave, let_go};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, MemberId, RuleId, RunId, WorkspaceId};
use crate::store::directories::Mode;
use crate::store::directory_runs::{self as rows, Kind, Passed};
use crate::store::error::DbError;
use crate::store::exits::{self, Left};
use crate::store::grants::{self, GrantKind};
use crate::store::members::{self, Member, Status};
use crate::store::tx::Tx;
use crate::store::users::{Place, User};
use crate::store::{directories, rules};
use crate::workspace::keys::Scopes;

pub use crate::store::directory_runs::DirectoryRun;

/// How many members are told of whom a run left out.
const TOLD: usize = 50;

/// How far a run over a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "DirectoryRunStanding")]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Being worked off.
    Applying,
    /// Waits for somebody to let it go on.
    Paused,
    /// Finished.
    Done,
    /// What it did was taken back.
    Undone,
}

/// A run over a directory as admins see it.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "DirectoryRunShown")]
pub struct Shown {
    /// How far it is.
    pub standing: Standing,
    /// The run.
    #[serde(flatten)]
    pub run: DirectoryRun,
    /// Of one that undoes going live: members whom it left as they are, for an admin gave them
    /// something or let them in since; 50 at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<MemberId>,
}

impl From<DirectoryRun> for Shown {
    fn from(run: DirectoryRun) -> Self {
        let standing = if run.undone_at.is_some() {
            Standing::Undone
        } else if run.finished_at.is_some() {
            Standing::Done
        } else if run.paused_at.is_some() {
            Standing::Paused
        } else {
            Standing::Applying
        };
        Self {
            standing,
            left_out: left_out(&run),
            run,
        }
    }
}

fn left_out(run: &DirectoryRun) -> Vec<MemberId> {
    let listed = run.left_out.as_deref();
    listed
        .and_then(|listed| serde_json::from_str(listed).ok())
        .unwrap_or_default()
}

/// The last runs over a directory, newest first; 100 at most.
pub async fn list(
    app: &App,
    (workspace, directory): (WorkspaceId, DirectoryId),
) -> Result<Vec<Shown>> {
    let mut tx = app.db.one().await?;
    let runs = rows::list(&mut tx, workspace, directory).await?;
    Ok(runs.into_iter().map(Shown::from).collect())
}

/// A run with its progress.
pub async fn show(app: &App, of: (WorkspaceId, DirectoryId), id: RunId) -> Result<Shown> {
    let mut tx = app.db.one().await?;
    let run = rows::find(&mut tx, place(of), id).await?;
    Ok(run.ok_or(Error::NotFound("run"))?.into())
}

/// Lets going live wait, or its undoing: once this is said, nothing more happens until it goes on. What
/// it did stays; who arrives meanwhile is admitted. What rules of the directory give beyond the rights
/// of whoever acts is [`Error::Forbidden`], here and below.
pub async fn pause(
    app: &App,
    by: (&Origin, &Scopes),
    of: (WorkspaceId, DirectoryId),
    id: RunId,
) -> Result<Shown> {
    wait(app, by, of, (id, true)).await
}

/// Lets a paused run go on.
pub async fn resume(
    app: &App,
    by: (&Origin, &Scopes),
    of: (WorkspaceId, DirectoryId),
    id: RunId,
) -> Result<Shown> {
    wait(app, by, of, (id, false)).await
}

async fn wait(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    of: (WorkspaceId, DirectoryId),
    (id, is_to_wait): (RunId, bool),
) -> Result<Shown> {
    let act = Act {
        directory: Some(of.1),
        ..Act::of(app, origin, of.0)
    };
    let scopes = scopes.clone();
    app.write(move |tx| {
        let (act, scopes) = (act.clone(), scopes.clone());
        Box::pin(async move {
            let run = rows::lock(tx, place(of), id).await?;
            let run = run.ok_or(Error::NotFound("run"))?;
            if !matches!(run.kind, Kind::Live | Kind::UndoLive) {
                return Err(Error::Conflict(
                    "this run shuts people out or takes them back, and goes on".to_owned(),
                ));
            }
            let given = given(tx, &run).await?;
            check_rights(tx, act.workspace, &scopes, &given).await?;
            if run.paused_at.is_some() == is_to_wait {
                return Ok(());
            }
            let paused_at = is_to_wait.then_some(act.at);
            if !rows::update_paused(tx, &run, paused_at).await? {
                return Err(Error::Conflict("the run is done".to_owned()));
            }
            let kind = if is_to_wait {
                "run.paused"
            } else {
                "run.resumed"
            };
            let change = act.change(kind, ("run", id.0), None, &json!({}));
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await?;
    show(app, of, id).await
}

/// What the rules over a directory give, and those over profiles: whom it brings may get all of it.
async fn given(tx: &mut Tx, run: &DirectoryRun) -> Result<BTreeSet<(GrantKind, Uuid)>> {
    let written = rules::list(tx, run.workspace).await?.into_iter();
    let own = written.filter(|rule| rule.directory.is_none_or(|id| id == run.directory));
    let own: BTreeSet<RuleId> = own.map(|rule| rule.id).collect();
    let grants = rules::list_grants(tx, run.workspace).await?.into_iter();
    let grants = grants.filter(|grant| own.contains(&grant.rule));
    Ok(grants.map(|grant| (grant.kind, grant.target)).collect())
}

/// Takes back that a directory went live, by a run of its own; gives that run. What is not done yet of
/// going live is not done any more. After the days that the settings say, that is
/// [`Error::Conflict`]; so it is while another run is worked off, and for a directory that was live
/// from the beginning.
pub async fn undo(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    of: (WorkspaceId, DirectoryId),
    id: RunId,
) -> Result<Shown> {
    let rights = scopes.clone();
    let run = begin(app, origin, of, move |tx, app, act, place| {
        let scopes = rights.clone();
        Box::pin(async move { take_back(tx, app, (act, &scopes), place, id).await })
    });
    Ok(run.await?.into())
}

async fn take_back(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    place: Place,
    id: RunId,
) -> Result<DirectoryRun> {
    let found = rows::lock_whole(tx, place).await?;
    let found = found.ok_or(Error::NotFound("directory"))?;
    let named = rows::lock(tx, place, id).await?;
    let named = named.ok_or(Error::NotFound("run"))?;
    let given = given(tx, &named).await?;
    check_rights(tx, act.workspace, scopes, &given).await?;
    if named.kind != Kind::Live {
        return Err(conflict(
            "only a run by which a directory went live is undone so",
        ));
    }
    if named.undone_at.is_some() {
        return Err(conflict("the run is undone already"));
    }
    if found.ended_at.is_some() || found.mode != Mode::Live {
        return Err(conflict("the directory is not live"));
    }
    let all = rows::list(tx, place.workspace, place.directory).await?;
    let mut others = all.iter().filter(|run| run.kind != Kind::Live);
    if others.any(|run| run.finished_at.is_none()) {
        return Err(conflict("a run over this directory is not done yet"));
    }
    // Whoever was left out of the first may have come in by a later one.
    let mut live = all.iter().filter(|run| run.kind == Kind::Live);
    let first = live.rfind(|run| run.undone_at.is_none());
    let first = first.filter(|run| run.undo_until.is_some_and(|until| act.at < until));
    let Some(first) = first else {
        return Err(conflict("the time is over in which this can be undone"));
    };
    if first.was_live {
        // What it would take back is more than what the run brought.
        return Err(conflict(
            "the directory was live before this run, which let in who was left out; end the directory",
        ));
    }
    rows::update_undone_live(tx, place, act.at).await?;
    rows::update_mode(tx, place, Mode::Collect).await?;
    let total = directories::count(tx, (place.workspace, place.directory), "users").await?;
    let mut run = made(act, place, Kind::UndoLive, total);
    run.undoes = Some(first.id);
    rows::insert(tx, &run).await?;
    let detail = json!({"run": run.id, "live": first.id});
    tell(tx, act, "directory.live_undone", &detail).await?;
    if total <= app.config.scim.run_threshold {
        while run.finished_at.is_none() {
            run = batch(tx, app, act, run).await?;
        }
    }
    Ok(run)
}

/// Lets the members of the next Users go, each to what it was before.
pub(super) async fn undo_live(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    run: DirectoryRun,
    left: &[Left],
) -> Result<DirectoryRun> {
    let (skipped, left_out) = undo_for(tx, app, act, &run, left).await?;
    let is_last = i64::try_from(left.len()).unwrap_or(i64::MAX) < app.config.scim.run_batch;
    let passed = Passed {
        last: left.last().map(|user| user.id),
        count: left.len(),
        skipped,
        left_out,
    };
    rows::moved_on(tx, run, passed, is_last.then_some(act.at))
        .await?
        .ok_or_else(|| conflict("the run was moved on by another process"))
}

/// Lets the member of a locked User go that its directory is about to write, where going live is being
/// undone and the run has not come to it: the directory collects already, and what it says from now on
/// shuts nobody out. Gives the User as it is then; the run finds it unlinked.
pub async fn undo_one(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    place: Place,
    mut user: User,
) -> Result<User> {
    let all = rows::list(tx, place.workspace, place.directory).await?;
    let mut open = all.into_iter().filter(|run| run.finished_at.is_none());
    let Some(run) = open.find(|run| run.kind == Kind::UndoLive) else {
        return Ok(user);
    };
    let left = Left {
        id: user.id,
        user_name_key: user.user_name_key.clone(),
        member: user.member,
        former_member: None,
    };
    let (skipped, left_out) = undo_for(tx, app, act, &run, &[left]).await?;
    if skipped > 0 && !rows::update_skipped(tx, &run, (skipped, left_out)).await? {
        return Err(Error::Retry(anyhow::anyhow!("the run moved on meanwhile")));
    }
    user.member = None;
    Ok(user)
}

/// Lets the members of Users go; tells for how many of them that could not be done, and which ones of
/// the whole run an admin keeps, as a JSON list, if there are any.
async fn undo_for(
    tx: &mut Tx,
    app: &App,
    act: &Act,
    run: &DirectoryRun,
    left: &[Left],
) -> Result<(i64, Option<String>)> {
    let place = Place {
        workspace: run.workspace,
        directory: run.directory,
    };
    let live = match run.undoes {
        Some(id) => rows::find(tx, place, id).await?,
        None => None,
    };
    let since = live.ok_or(DbError::NotFound)?.created_at;
    let linked: Vec<Left> = left
        .iter()
        .filter(|it| it.member.is_some())
        .cloned()
        .collect();
    let ids: Vec<MemberId> = linked.iter().filter_map(|user| user.member).collect();
    let locked = members::lock(tx, act.workspace, &ids).await?;
    let mut before = before(tx, place, &ids, since).await?;
    let by_hand = grants::list_by_hand(tx, act.workspace, &ids).await?;
    let by_hand: BTreeSet<MemberId> = by_hand.into_iter().map(|grant| grant.member).collect();
    let let_in = exits::list_let_in(tx, place.workspace, &ids, since).await?;
    let let_in: BTreeSet<MemberId> = let_in.into_iter().collect();
    let mut kept = left_out(run);
    let mut skipped = 0;
    for member in &locked {
        let Some(was) = before.get(&member.id).copied() else {
            continue;
        };
        // What an admin gave to one who was there before stays without that; that an admin let
        // somebody in stays with the one who is in alone.
        let is_let_in =
            was != Status::Active && member.status == Status::Active && let_in.contains(&member.id);
        let is_kept = is_let_in || was == Status::Removed && is_an_admins(member, &by_hand);
        if is_kept {
            skipped += 1;
            kept.push(member.id);
        }
        // Whom the directory shut out since is not let in by this.
        if is_kept || rank(was) >= rank(member.status) {
            before.remove(&member.id);
        }
    }
    kept.truncate(TOLD);
    let leave = Leave::each(run, before);
    skipped += let_go(tx, app, act, place, &linked, &leave).await?;
    let left_out = (!kept.is_empty()).then(|| json!(kept).to_string());
    Ok((skipped, left_out))
}

/// What members were before a directory had them that went live at that time; who was not there was
/// removed.
async fn before(
    tx: &mut Tx,
    place: Place,
    members: &[MemberId],
    since: Timestamp,
) -> Result<BTreeMap<MemberId, Status>> {
    let mut before = BTreeMap::new();
    for arrived in exits::list_arrivals(tx, place, members, since).await? {
        let was = if arrived.kind == "member.linked" {
            let detail: Value = serde_json::from_str(&arrived.detail).map_err(Error::internal)?;
            serde_json::from_value(detail["before"].clone()).map_err(Error::internal)?
        } else {
            Status::Removed
        };
        before.entry(arrived.member).or_insert(was);
    }
    Ok(before)
}

/// Whether an admin gave a member something, or wrote something about it.
fn is_an_admins(member: &Member, by_hand: &BTreeSet<MemberId>) -> bool {
    member.protected || !member.manual.is_empty() || by_hand.contains(&member.id)
}

/// How far a status lets somebody in.
fn rank(status: Status) -> u8 {
    match status {
        Status::Removed => 0,
        Status::Draft => 1,
        Status::Invited => 2,
        Status::Suspended => 3,
        Status::Active => 4,
    }
}

/// Tells what was done to the directory of an act.
pub(super) async fn tell(tx: &mut Tx, act: &Act, kind: &str, detail: &Value) -> Result<()> {
    let directory = act.directory.ok_or(DbError::NotFound)?;
    let change = act.change(kind, ("directory", directory.0), None, detail);
    changes::record(tx, act.workspace, &[change]).await
}

fn conflict(why: &str) -> Error {
    Error::Conflict(why.to_owned())
}

fn place((workspace, directory): (WorkspaceId, DirectoryId)) -> Place {
    Place {
        workspace,
        directory,
    }
}
