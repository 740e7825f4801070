//! Gives back what a directory took away between two instants, up to 30 days later: Users that it
//! deleted, as they were and with their members, Users that it set inactive, and memberships of groups
//! that are still there. What rules give for it is given again, of now; the access epochs that rose
//! stay so, so that no session comes back, and what an admin gave by hand and ended with the member
//! stays ended.
//!
//! Groups that were deleted come back first, with the rules that broke without them; [`groups`] does
//! the same for one group, at an instant. Not to be given back are groups and memberships that an
//! older version took away without naming them, which the IdP must send again, and whoever was erased.
//!
//! What a directory took away again after the span stays away, and is named.
//!
//! Each User is a transaction of its own, so that one who cannot come back, for a name that is taken
//! or a seat that is missing, keeps nobody else out. All changes carry the one request, and one
//! change tells of the whole.

pub mod groups;
mod past;
mod regroup;
mod revival;
mod since;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::membership::{self, Done};
use super::{Directory, Mode};
use crate::admission::regained::Had;
use crate::admission::settle::{Rules, settle};
use crate::app::App;
use crate::changes::{self, Act, Change, Origin, sequencer};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{GroupId, UserId};
use crate::store::changes as log;
use crate::store::error::DbError;
use crate::store::members;
use crate::store::users::{self, Place};
use crate::store::{edges, groups as group_rows};
use crate::workspace::history::{self, Moment};
use crate::workspace::keys::Scopes;

use since::Since;

pub(super) use revival::keep;

/// How long ago may be what is given back.
pub const REACH: Duration = Duration::from_hours(30 * 24);
/// How many changes are read at a time, and memberships given back in a transaction.
const BATCH: i64 = 500;
/// How many who could not come back are named.
const NAMED: usize = 1_000;

/// What was given back.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Restored {
    /// Users that were deleted and are there again.
    pub users: usize,
    /// Users that were inactive and are active again.
    pub activated: usize,
    /// Memberships of groups.
    pub memberships: usize,
    /// Users that could not come back, or not into a group, each with the reason; a thousand at most.
    pub skipped: Vec<Skipped>,
    /// Groups that were deleted and are there again.
    pub groups: usize,
    /// Groups that could not come back, each with the reason; a thousand at most.
    pub groups_skipped: Vec<SkippedGroup>,
    /// How many those are: the IdP must send them again.
    pub groups_lost: usize,
    /// Memberships that no change names, which the IdP must send again.
    pub memberships_unknown: u64,
}

/// A User that could not come back.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "NotRestored")]
pub struct Skipped {
    /// The User.
    pub user: UserId,
    /// Why.
    pub reason: String,
}

/// A group that could not come back.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "GroupNotRestored")]
pub struct SkippedGroup {
    /// The group.
    pub group: GroupId,
    /// Why.
    pub reason: String,
}

/// What a directory took away.
#[derive(Default)]
struct Losses {
    deleted: BTreeMap<UserId, Change>,
    inactive: BTreeSet<UserId>,
    out: BTreeSet<(GroupId, UserId)>,
    /// Each with what counts up in the order in which they went last.
    groups: BTreeMap<GroupId, usize>,
    gone: usize,
    unknown: u64,
}

/// Gives back what a live directory took away after one instant and up to another. What would give a
/// member more than `scopes` cover stays away.
pub async fn restore(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    directory: &Directory,
    (from, to): (Timestamp, Timestamp),
) -> Result<Restored> {
    if from >= to {
        return Err(Error::value("from must be earlier than to"));
    }
    if from < app.clock.now().before(REACH) {
        return Err(Error::value("from must be within the last 30 days"));
    }
    if directory.mode != Mode::Live {
        return Err(Error::Conflict(
            "only a live directory has members to give back".to_owned(),
        ));
    }
    let span = (
        history::moment(app, directory.workspace, from).await?,
        history::moment(app, directory.workspace, to).await?,
    );
    let work = Work {
        app: app.clone(),
        origin: origin.clone(),
        scopes: scopes.clone(),
        place: Place {
            workspace: directory.workspace,
            directory: directory.id,
        },
    };
    let (mut losses, since) = work.losses(span).await?;
    let mut restored = Restored {
        memberships_unknown: losses.unknown,
        ..Restored::default()
    };
    since.leave_out(&mut losses, &mut restored)?;
    // What went last comes back first, so that whatever held it is there again, or what it held.
    let mut gone: Vec<(GroupId, usize)> = losses.groups.into_iter().collect();
    gone.sort_unstable_by_key(|(_, at)| std::cmp::Reverse(*at));
    let gone: Vec<GroupId> = gone.into_iter().map(|(group, _)| group).collect();
    let mut pasts = groups::pasts(app, work.place, (&gone, to)).await?;
    for group in gone {
        pasts.go_on(app).await?;
        let by = (origin, scopes);
        match groups::give_back(app, by, work.place, (group, to), &mut pasts).await {
            Ok(back) => restored.groups_back(back.as_ref()),
            Err(error) => restored.note_group(group, error)?,
        }
    }
    for (user, change) in losses.deleted {
        match work.revive(user, change).await {
            Ok(true) => restored.users += 1,
            outcome => restored.note(user, outcome)?,
        }
    }
    for user in losses.inactive {
        match work.activate(user).await {
            Ok(true) => restored.activated += 1,
            outcome => restored.note(user, outcome)?,
        }
    }
    let mut out: BTreeMap<GroupId, Vec<UserId>> = BTreeMap::new();
    for (group, user) in losses.out {
        out.entry(group).or_default().push(user);
    }
    for (group, users) in out {
        for users in users.chunks(usize::try_from(BATCH).unwrap_or(1)) {
            work.put_all_back(group, users, &mut restored).await?;
        }
    }
    work.tell((from, to), &restored).await?;
    Ok(restored)
}

impl Restored {
    fn groups_back(&mut self, back: Option<&groups::Plan>) {
        if let Some(plan) = back {
            self.groups += 1;
            self.memberships += plan.added;
        }
    }

    fn note_group(&mut self, group: GroupId, error: Error) -> Result<()> {
        let reason = match error {
            Error::NotFound(_) => "what it was is not kept".to_owned(),
            Error::Forbidden => "its rules give more than you may give".to_owned(),
            error => reason(error, ("group", group.0))?,
        };
        self.groups_lost += 1;
        if self.groups_skipped.len() < NAMED {
            self.groups_skipped.push(SkippedGroup { group, reason });
        }
        Ok(())
    }

    fn note(&mut self, user: UserId, outcome: Result<bool>) -> Result<()> {
        let Err(error) = outcome else {
            return Ok(());
        };
        let reason = reason(error, ("user", user.0))?;
        if self.skipped.len() < NAMED {
            self.skipped.push(Skipped { user, reason });
        }
        Ok(())
    }
}

/// Why one cannot come back. What is wrong with one keeps nobody else out; a database that fails ends it
/// all, to be done again.
fn reason(error: Error, (kind, id): (&str, Uuid)) -> Result<String> {
    Ok(match error {
        Error::Conflict(reason) => reason,
        Error::Taken(what) => format!("its {what} is taken"),
        Error::Forbidden => "it would have more than you may give".to_owned(),
        error if is_of_the_database(&error) => return Err(error),
        Error::Internal(cause) => {
            tracing::error!(error = ?cause, "{kind} {id} could not be given back");
            "what is kept of it cannot be used; the server's log says why".to_owned()
        }
        error => error.to_string(),
    })
}

/// Whether the next User would fare no better.
fn is_of_the_database(error: &Error) -> bool {
    match error {
        Error::Unavailable | Error::Retry(_) => true,
        Error::Internal(cause) => cause
            .chain()
            .any(|cause| matches!(cause.downcast_ref(), Some(error) if !is_of_one(error))),
        _ => false,
    }
}

/// A row that is missing, or there twice, is a fault of one User alone.
fn is_of_one(error: &DbError) -> bool {
    matches!(error, DbError::NotFound | DbError::Duplicate)
}

struct Work {
    app: App,
    origin: Origin,
    scopes: Scopes,
    place: Place,
}

impl Work {
    fn act(&self) -> Act {
        Act {
            directory: Some(self.place.directory),
            ..Act::of(&self.app, &self.origin, self.place.workspace)
        }
    }

    /// What was taken away in a span of the log and not given back in it, and what since.
    async fn losses(&self, (from, to): (Moment, Moment)) -> Result<(Losses, Since)> {
        let workspace = self.place.workspace;
        sequencer::number_until(&self.app, workspace, self.app.clock.now()).await?;
        let mut tx = self.app.db.read().await?;
        let (mut losses, mut since) = (Losses::default(), Since::default());
        let mut after = from.number;
        loop {
            let of = (workspace, self.place.directory);
            let page = log::list_of_directory(&mut tx, of, (after, i64::MAX), BATCH).await?;
            let Some(last) = page.last() else {
                break;
            };
            after = last.number;
            for numbered in page {
                if numbered.number <= to.number {
                    losses.take(numbered.change)?;
                } else {
                    since.take(&numbered.change)?;
                }
            }
        }
        // Whoever was inactive before stays so.
        let asked: Vec<Uuid> = losses.inactive.iter().map(|user| user.0).collect();
        let mut was_in: BTreeMap<Uuid, bool> = BTreeMap::new();
        for numbered in log::list_of_subjects(&mut tx, workspace, &asked, to.at).await? {
            let detail = detail(&numbered.change)?;
            if let Some(active) = detail["active"].as_bool()
                && numbered.number <= from.number
            {
                was_in.insert(numbered.change.subject, active);
            }
        }
        losses
            .inactive
            .retain(|user| was_in.get(&user.0).copied().unwrap_or(false));
        Ok((losses, since))
    }

    /// Makes a deleted User again, and takes its member in. False if it is there already.
    async fn revive(&self, id: UserId, change: Change) -> Result<bool> {
        let (app, act, place) = (self.app.clone(), self.act(), self.place);
        let scopes = self.scopes.clone();
        self.app
            .write(move |tx| {
                let (app, act, change) = (app.clone(), act.clone(), change.clone());
                let scopes = scopes.clone();
                Box::pin(async move {
                    let by = (&act, &scopes);
                    revival::revive(tx, &app, by, place, (id, &change)).await
                })
            })
            .await
    }

    /// Lets a User in again that was set inactive. False if it is active or gone.
    async fn activate(&self, id: UserId) -> Result<bool> {
        let (app, act, place) = (self.app.clone(), self.act(), self.place);
        let scopes = self.scopes.clone();
        self.app
            .write(move |tx| {
                let (app, act, scopes) = (app.clone(), act.clone(), scopes.clone());
                Box::pin(
                    async move { revival::activate(tx, &app, (&act, &scopes), place, id).await },
                )
            })
            .await
    }

    /// Puts Users back into a group. If one of them would have more by it than may be given, each comes
    /// on its own, so that it keeps no other out.
    async fn put_all_back(
        &self,
        group: GroupId,
        users: &[UserId],
        restored: &mut Restored,
    ) -> Result<()> {
        match self.put_back(group, users.to_vec()).await {
            Err(Error::Forbidden) => {}
            added => {
                restored.memberships += added?;
                return Ok(());
            }
        }
        for user in users {
            match self.put_back(group, vec![*user]).await {
                Err(Error::Forbidden) => restored.note(*user, Err(Error::Forbidden))?,
                added => restored.memberships += added?,
            }
        }
        Ok(())
    }

    /// Puts Users back into a group, as far as both are there; tells how many were not in it.
    async fn put_back(&self, group: GroupId, out: Vec<UserId>) -> Result<usize> {
        let (app, act, place) = (self.app.clone(), self.act(), self.place);
        let scopes = self.scopes.clone();
        self.app
            .write(move |tx| {
                let (app, act, out) = (app.clone(), act.clone(), out.clone());
                let scopes = scopes.clone();
                Box::pin(async move {
                    if !group_rows::keep(tx, place, group).await? {
                        return Ok(0);
                    }
                    let linked = users::lock_linked(tx, place, &out).await?;
                    let there: Vec<_> = linked.iter().map(|user| user.id).collect();
                    let ids: Vec<_> = linked.iter().filter_map(|user| user.member).collect();
                    let locked = members::lock(tx, act.workspace, &ids).await?;
                    let had = Had::of(tx, &act, &locked).await?;
                    let added = edges::insert(tx, place, group, &there).await?;
                    if added.is_empty() {
                        return Ok(0);
                    }
                    group_rows::insert_touches(tx, place, &[group], act.at).await?;
                    let rules = Rules::current(tx, &app, &act).await?;
                    settle(tx, &act, &locked, &rules, None).await?;
                    had.check(tx, &act, &scopes).await?;
                    let done = Done {
                        added,
                        ..Done::default()
                    };
                    membership::record(tx, &act, group, &done).await?;
                    Ok(done.added.len())
                })
            })
            .await
    }

    async fn tell(&self, (from, to): (Timestamp, Timestamp), restored: &Restored) -> Result<()> {
        let detail = json!({
            "from": from, "to": to, "users": restored.users, "activated": restored.activated,
            "groups": restored.groups, "memberships": restored.memberships, "skipped": restored.skipped.len(),
        });
        let act = self.act();
        let subject = ("directory", self.place.directory.0);
        let change = act.change("directory.restored", subject, None, &detail);
        self.app
            .write(move |tx| {
                let (act, change) = (act.clone(), change.clone());
                Box::pin(async move { changes::record(tx, act.workspace, &[change]).await })
            })
            .await
    }
}

impl Losses {
    fn take(&mut self, change: Change) -> Result<()> {
        let detail = detail(&change)?;
        let user = UserId(change.subject);
        match change.kind.as_str() {
            "user.deleted" => {
                self.deleted.insert(user, change);
            }
            "user.updated" => match detail["active"].as_bool() {
                Some(false) => {
                    self.inactive.insert(user);
                }
                _ => {
                    self.inactive.remove(&user);
                }
            },
            "group.deleted" => {
                self.gone += 1;
                self.groups.insert(GroupId(change.subject), self.gone);
            }
            _ => {
                let group = GroupId(change.subject);
                let removed: Vec<UserId> = ids(&detail["removed"]);
                let count = detail["removed_count"].as_u64().unwrap_or(0);
                self.unknown += count.saturating_sub(removed.len() as u64);
                self.out
                    .extend(removed.into_iter().map(|user| (group, user)));
                for user in ids(&detail["added"]) {
                    self.out.remove(&(group, user));
                }
            }
        }
        Ok(())
    }
}

fn detail(change: &Change) -> Result<Value> {
    serde_json::from_str(&change.detail).map_err(Error::internal)
}

fn ids<I: serde::de::DeserializeOwned>(list: &Value) -> Vec<I> {
    serde_json::from_value(list.clone()).unwrap_or_default()
}
