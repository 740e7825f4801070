//! Who was in a group at an instant: the first change since then that brought somebody in or out tells
//! whether they were in it. Of whom no change tells, it is as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::{BATCH, detail, ids};
use crate::app::App;
use crate::changes::{Change, sequencer};
use crate::error::Result;
use crate::ids::{GroupId, UserId};
use crate::store::changes::{self as log, Numbered};
use crate::store::tx::Tx;
use crate::store::users::Place;

/// A group at an instant, as far as changes tell that it was otherwise than it is.
#[derive(Debug, Clone)]
pub(super) struct Past {
    place: Place,
    group: GroupId,
    /// The last number that was read.
    number: i64,
    /// Whether Users were in it who came in or went out since.
    users: BTreeMap<UserId, bool>,
    /// The same of groups.
    groups: BTreeMap<GroupId, bool>,
    /// Whether it was made since, or made again.
    pub(super) is_made_since: bool,
    was_deleted: bool,
    /// The groups that held it when it was deleted last.
    pub(super) holders: BTreeSet<GroupId>,
    /// How many came in or went out whom no change names.
    pub(super) unknown: u64,
}

impl Past {
    /// Reads the numbered changes after a number.
    pub(super) async fn read(
        tx: &mut Tx,
        place: Place,
        group: GroupId,
        number: i64,
    ) -> Result<Self> {
        let mut past = Self::new(place, group, number);
        past.go_on(tx).await?;
        Ok(past)
    }

    fn new(place: Place, group: GroupId, number: i64) -> Self {
        Self {
            place,
            group,
            number,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            is_made_since: false,
            was_deleted: false,
            holders: BTreeSet::new(),
            unknown: 0,
        }
    }

    /// Reads what came since, numbered or not, so that nothing is left out. The group is locked.
    pub(super) async fn catch_up(&mut self, tx: &mut Tx) -> Result<()> {
        // What gets its number meanwhile is read twice, never not at all.
        let of = (self.place.workspace, self.place.directory);
        let new = log::list_new_of_groups(tx, of).await?;
        self.go_on(tx).await?;
        for change in new {
            self.take(&change, &detail(&change)?);
        }
        Ok(())
    }

    async fn go_on(&mut self, tx: &mut Tx) -> Result<()> {
        let of = (self.place.workspace, self.place.directory);
        loop {
            let page = log::list_of_groups(tx, of, self.number, BATCH).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            self.number = last.number;
            for numbered in &page {
                self.take(&numbered.change, &detail(&numbered.change)?);
            }
        }
    }

    /// The Users who were in it, or were not, and may be otherwise now.
    pub(super) fn users(&self, were_in: bool) -> Vec<UserId> {
        let users = self.users.iter().filter(|(_, was_in)| **was_in == were_in);
        users.map(|(user, _)| *user).collect()
    }

    /// The same of groups.
    pub(super) fn groups(&self, were_in: bool) -> Vec<GroupId> {
        let groups = self.groups.iter();
        let groups = groups.filter(|(_, was_in)| **was_in == were_in);
        groups.map(|(group, _)| *group).collect()
    }

    fn take(&mut self, change: &Change, detail: &Value) {
        let is_own = change.subject == self.group.0;
        let is_about = || ids::<Uuid>(&detail["groups"]).contains(&self.group.0);
        match change.kind.as_str() {
            "user.deleted" | "user.restored" if is_about() => {
                let was_in = change.kind == "user.deleted";
                let user = UserId(change.subject);
                self.users.entry(user).or_insert(was_in);
            }
            "group.created" => self.is_made_since |= is_own,
            "group.restored" if is_own => {
                self.is_made_since |= !self.was_deleted && detail["made_again"] == true;
            }
            "group.deleted" if is_own => {
                self.was_deleted = true;
                self.holders = ids(&detail["groups"]).into_iter().collect();
            }
            "group.deleted" | "group.restored" if !is_own && is_about() => {
                let was_in = change.kind == "group.deleted";
                let group = GroupId(change.subject);
                self.groups.entry(group).or_insert(was_in);
            }
            "group.members_changed" if is_own => {
                for (list, was_in) in [("removed", true), ("added", false)] {
                    let users: Vec<UserId> = ids(&detail[list]);
                    let count = detail[format!("{list}_count")].as_u64().unwrap_or(0);
                    self.unknown += count.saturating_sub(users.len() as u64);
                    for user in users {
                        self.users.entry(user).or_insert(was_in);
                    }
                    for group in ids(&detail[format!("{list}_groups")]) {
                        self.groups.entry(group).or_insert(was_in);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Groups of a directory, each at an instant of its own: the log is read once for all of them.
pub(super) struct Pasts {
    place: Place,
    /// The last number that was read.
    number: i64,
    of: BTreeMap<GroupId, Past>,
}

impl Pasts {
    /// Groups, each with the number after which changes tell of it; none is read yet.
    pub(super) fn new(place: Place, groups: &[(GroupId, i64)]) -> Self {
        let first = groups.iter().map(|(_, number)| *number).min();
        let of = groups.iter();
        let of = of.map(|(group, number)| (*group, Past::new(place, *group, *number)));
        Self {
            place,
            number: first.unwrap_or(0),
            of: of.collect(),
        }
    }

    /// Reads what happened since it was read last.
    pub(super) async fn go_on(&mut self, app: &App) -> Result<()> {
        if self.of.is_empty() {
            return Ok(());
        }
        sequencer::number_until(app, self.place.workspace, app.clock.now()).await?;
        let mut tx = app.db.read().await?;
        let of = (self.place.workspace, self.place.directory);
        loop {
            let page = log::list_of_groups(&mut tx, of, self.number, BATCH).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            self.number = last.number;
            for numbered in &page {
                self.take(numbered)?;
            }
        }
    }

    fn take(&mut self, numbered: &Numbered) -> Result<()> {
        let change = &numbered.change;
        let detail = detail(change)?;
        let mut about: BTreeSet<GroupId> = BTreeSet::from([GroupId(change.subject)]);
        if change.kind != "group.members_changed" {
            about.extend(ids::<GroupId>(&detail["groups"]));
        }
        for group in about {
            if let Some(past) = self.of.get_mut(&group)
                && past.number < numbered.number
            {
                past.take(change, &detail);
            }
        }
        Ok(())
    }

    /// The group as far as it was read, once.
    pub(super) fn take_out(&mut self, group: GroupId) -> Option<Past> {
        let past = self.of.remove(&group)?;
        let number = past.number.max(self.number);
        Some(Past { number, ..past })
    }
}
