//! What a directory did after the span of which something is given back: that is the newer fact, and
//! wins.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Losses, Restored, detail, ids};
use crate::changes::Change;
use crate::error::{Error, Result};
use crate::ids::{GroupId, MemberId, UserId};

/// Users and memberships that a directory took away, or away again.
#[derive(Default)]
pub(super) struct Since {
    deleted: BTreeSet<UserId>,
    /// Whose these were: a person may have come again under another id.
    members: BTreeSet<MemberId>,
    inactive: BTreeSet<UserId>,
    out: BTreeSet<(GroupId, UserId)>,
}

impl Since {
    /// Takes note of a change, in the order of their numbers.
    pub(super) fn take(&mut self, change: &Change) -> Result<()> {
        let detail = detail(change)?;
        let user = UserId(change.subject);
        match change.kind.as_str() {
            "user.deleted" => {
                self.deleted.insert(user);
                self.members.extend(member(&detail));
            }
            "user.updated" => {
                let written: Vec<String> = ids(&detail["attributes"]);
                if detail["active"] == true {
                    self.inactive.remove(&user);
                } else if written.iter().any(|name| name == "active") {
                    self.inactive.insert(user);
                }
            }
            "group.members_changed" => {
                let group = GroupId(change.subject);
                for user in ids(&detail["removed"]) {
                    self.out.insert((group, user));
                }
                for user in ids(&detail["added"]) {
                    self.out.remove(&(group, user));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Leaves out of what was taken away what was taken away again, and names it.
    pub(super) fn leave_out(&self, losses: &mut Losses, restored: &mut Restored) -> Result<()> {
        let mut skip = |user: UserId, reason: &str| {
            let reason = Error::Conflict(format!("{reason} again later"));
            restored.note(user, Err(reason))
        };
        let mut again = Vec::new();
        for (user, change) in &losses.deleted {
            let is_of = |member| self.members.contains(&member);
            if self.deleted.contains(user) || member(&detail(change)?).is_some_and(is_of) {
                again.push(*user);
            }
        }
        for user in again {
            losses.deleted.remove(&user);
            skip(user, "it was deleted")?;
        }
        for user in &self.inactive {
            if losses.inactive.remove(user) {
                skip(*user, "it was made inactive")?;
            }
        }
        let mut out = BTreeSet::new();
        for of in &self.out {
            if losses.out.remove(of) {
                out.insert(of.1);
            }
        }
        for user in out {
            skip(user, "it was taken out of a group")?;
        }
        Ok(())
    }
}

/// The member that a deleted User had.
fn member(detail: &Value) -> Option<MemberId> {
    serde_json::from_value(detail["member"].clone()).ok()
}
