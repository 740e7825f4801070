//! Whom a change of rules can concern.

use std::collections::BTreeSet;

use crate::app::App;
use crate::error::Result;
use crate::ids::{GroupId, RunId};
use crate::store::rules::RuleState;
use crate::store::tx::Tx;
use crate::store::users::Place;
use crate::store::{directories, nestings};

/// Whom a change of rules can concern.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// Groups whose users they are; without a group, all users of the directory.
    pub(super) groups: Vec<Option<GroupId>>,
    /// How many there are at most.
    pub(super) total: i64,
    /// The run that settles them, where they are many.
    pub(super) run: Option<RunId>,
}

impl Reach {
    /// Whom rules over these sets of groups can concern.
    pub(super) async fn of(
        tx: &mut Tx,
        app: &App,
        place: Place,
        scopes: &[Vec<GroupId>],
    ) -> Result<Self> {
        let (mut groups, mut total) = (BTreeSet::new(), 0);
        for bound in scopes {
            let Some((group, count)) = smallest(tx, place, bound).await? else {
                let directory = (place.workspace, place.directory);
                total = directories::count(tx, directory, "users").await?;
                groups = BTreeSet::from([None]);
                break;
            };
            if groups.insert(Some(group)) {
                total += count;
            }
        }
        Ok(Self {
            groups: groups.into_iter().collect(),
            total,
            run: (total > app.config.scim.run_threshold).then(RunId::new),
        })
    }

    /// How far a rule is that was added with it.
    pub(super) fn state(&self) -> RuleState {
        match self.run {
            Some(_) => RuleState::Planned,
            None => RuleState::Live,
        }
    }

    /// The users that a run goes through.
    pub(super) fn one_group(&self) -> Option<GroupId> {
        match self.groups[..] {
            [only] => only,
            _ => None,
        }
    }
}

/// Of groups that must all hold, the one with the fewest users: nobody else can be concerned.
async fn smallest(tx: &mut Tx, place: Place, bound: &[GroupId]) -> Result<Option<(GroupId, i64)>> {
    let mut smallest = None;
    for group in bound {
        let count = nestings::count_users(tx, place, *group).await?;
        if smallest.is_none_or(|(_, least)| count < least) {
            smallest = Some((*group, count));
        }
    }
    Ok(smallest)
}
