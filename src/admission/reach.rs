//! Whom rules can concern: users of a directory's groups, or members by what they show.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::carrying::definition;
use super::runs::{Run, concerned};
use crate::app::App;
use crate::error::Result;
use crate::ids::{DirectoryId, GroupId, MemberId, RunId, UserId, WorkspaceId};
use crate::mapping::profile;
use crate::scim::filter::Filter;
use crate::scim::{evaluate, filter, schema};
use crate::store::filter_sql::Condition;
use crate::store::live_rules::LiveRule;
use crate::store::member_search::{self as search, Selection};
use crate::store::rules::RuleState;
use crate::store::tx::Tx;
use crate::store::users::{self as rows, Place};
use crate::store::{directories, nestings, plans, profiles};

/// Where a rule looks for whom it is for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scope {
    /// The users that groups of a directory have in common; without a group, all of its users.
    Users(DirectoryId, Vec<GroupId>),
    /// Members for whose profiles a filter holds.
    Members(Filter),
}

impl Scope {
    /// Where a rule of that source looks, with its groups and its filter in canonical text.
    pub(super) fn of(
        directory: Option<DirectoryId>,
        groups: Vec<GroupId>,
        when: Option<&str>,
    ) -> Result<Self> {
        match (directory, when) {
            (Some(directory), _) => Ok(Self::Users(directory, groups)),
            // Without a filter there is no such rule; everybody is none too few.
            (None, when) => {
                let when = when.unwrap_or("source pr");
                Ok(Self::Members(filter::parse(when, schema::member())?))
            }
        }
    }

    /// Where a rule looks as it is evaluated.
    pub(super) fn of_live(rule: &LiveRule) -> Self {
        match (rule.directory, &rule.when) {
            (None, Some(when)) => Self::Members(when.clone()),
            (directory, _) => Self::Users(
                directory.unwrap_or(DirectoryId(Uuid::nil())),
                rule.groups.clone(),
            ),
        }
    }

    /// The groups that it is about.
    pub(super) fn groups(&self) -> &[GroupId] {
        match self {
            Self::Users(_, groups) => groups,
            Self::Members(_) => &[],
        }
    }
}

/// People who are looked at one after the other, in the order of their ids.
#[derive(Debug, Clone)]
pub(super) enum Among {
    /// Users of a group and of those within it; without a group, of the directory.
    Users(Place, Option<GroupId>),
    /// Members who have not left, those for whom a filter holds among them.
    Members(WorkspaceId, Option<Filter>),
}

/// Whom a change of rules can concern.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// Who they are.
    pub(super) among: Vec<Among>,
    /// How many there are at most.
    pub(super) total: i64,
    /// The run that settles them, where they are many.
    pub(super) run: Option<RunId>,
}

impl Reach {
    /// Whom rules of these scopes can concern, which are all of one source.
    pub(super) async fn of(
        tx: &mut Tx,
        app: &App,
        workspace: WorkspaceId,
        scopes: &[Scope],
    ) -> Result<Self> {
        let (mut groups, mut filters) = (BTreeSet::new(), Vec::new());
        let (mut among, mut total) = (Vec::new(), 0);
        for scope in scopes {
            let (directory, bound) = match scope {
                Scope::Users(directory, bound) => (*directory, bound),
                Scope::Members(filter) => {
                    filters.push(filter.clone());
                    continue;
                }
            };
            let place = Place {
                workspace,
                directory,
            };
            let Some((group, count)) = smallest(tx, place, bound).await? else {
                total = directories::count(tx, (workspace, directory), "users").await?;
                among = vec![Among::Users(place, None)];
                break;
            };
            if groups.insert(group) {
                among.push(Among::Users(place, Some(group)));
                total += count;
            }
        }
        if !filters.is_empty() {
            let members = Among::Members(workspace, Some(Filter::any(filters)));
            total += count(tx, &members).await?;
            among.push(members);
        }
        Ok(Self {
            among,
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

    /// The group whose users a run goes through.
    pub(super) fn one_group(&self) -> Option<GroupId> {
        match self.among[..] {
            [Among::Users(_, only)] => only,
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

/// What the database can say of a filter over profiles: it selects whom the filter does, and maybe more.
/// It takes a manager who was removed for none, which rules do not.
fn narrowed(filter: Option<&Filter>) -> Option<Condition> {
    let filter = filter.filter(|filter| !filter.mentions(|name| name == "manager"));
    filter.map(Condition::of_members)
}

async fn count(tx: &mut Tx, members: &Among) -> Result<i64> {
    let Among::Members(workspace, filter) = members else {
        return Ok(0);
    };
    let condition = narrowed(filter.as_ref());
    let selection = Selection {
        workspace: *workspace,
        condition: condition.as_ref(),
        with_removed: false,
    };
    Ok(search::count(tx, selection).await?)
}

/// The ids of the next of the members, after one.
async fn members_after(
    tx: &mut Tx,
    (workspace, filter): (WorkspaceId, Option<&Filter>),
    after: Option<MemberId>,
    most: i64,
) -> Result<Vec<Uuid>> {
    let condition = narrowed(filter);
    let selection = Selection {
        workspace,
        condition: condition.as_ref(),
        with_removed: false,
    };
    let page = search::list(tx, selection, after, most).await?;
    Ok(page.into_iter().map(|member| member.id.0).collect())
}

impl Among {
    /// Whom a run goes through: all that its rule, before and after it, can concern.
    pub(super) fn of_run(run: &Run) -> Result<Self> {
        let Some(directory) = run.directory else {
            let bodies = [&run.of.before_body, &run.of.after_body];
            let mut filters = Vec::new();
            for body in bodies.into_iter().flatten() {
                let said = definition(Some(body))?;
                let when = said.and_then(|said| said.when);
                if let Some(when) = when {
                    filters.push(filter::parse(&when, schema::member())?);
                }
            }
            let filter = (!filters.is_empty()).then(|| Filter::any(filters));
            return Ok(Self::Members(run.workspace, filter));
        };
        let place = Place {
            workspace: run.workspace,
            directory,
        };
        Ok(Self::Users(place, run.group_id))
    }

    /// Those of the members whom a filter over profiles is for; where there is none, all of them.
    pub(super) async fn only(&self, tx: &mut Tx, members: Vec<MemberId>) -> Result<Vec<MemberId>> {
        let Self::Members(workspace, Some(filter)) = self else {
            return Ok(members);
        };
        let shown = profiles::list(tx, *workspace, &members).await?.into_iter();
        let held = shown.filter(|it| evaluate::matches(filter, &profile::seen(it)));
        Ok(held.map(|it| it.id).collect())
    }

    /// The group whose users they are.
    pub(super) fn group(&self) -> Option<GroupId> {
        match self {
            Self::Users(_, group) => *group,
            Self::Members(..) => None,
        }
    }

    /// The ids of the next of them, after one: of users or of members.
    pub(super) async fn ids(
        &self,
        tx: &mut Tx,
        after: Option<Uuid>,
        most: i64,
    ) -> Result<Vec<Uuid>> {
        match self {
            Self::Users(place, group) => {
                let users = concerned(tx, *place, *group, after.map(UserId), most).await?;
                Ok(users.into_iter().map(|user| user.0).collect())
            }
            Self::Members(workspace, filter) => {
                let of = (*workspace, filter.as_ref());
                members_after(tx, of, after.map(MemberId), most).await
            }
        }
    }

    /// Who the members are whose ids, or whose users' ids, those are.
    pub(super) async fn members(&self, tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<MemberId>> {
        match self {
            Self::Users(place, _) => {
                let linked = plans::list_linked(tx, *place, &users(ids)).await?;
                Ok(linked.into_iter().filter_map(|user| user.member).collect())
            }
            Self::Members(..) => Ok(ids.iter().copied().map(MemberId).collect()),
        }
    }

    /// The same, where nobody links the users otherwise from now on.
    pub(super) async fn keep(&self, tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<MemberId>> {
        match self {
            Self::Users(place, _) => {
                let linked = rows::lock_linked(tx, *place, &users(ids)).await?;
                Ok(linked.into_iter().filter_map(|user| user.member).collect())
            }
            Self::Members(..) => self.members(tx, ids).await,
        }
    }
}

fn users(ids: &[Uuid]) -> Vec<UserId> {
    ids.iter().copied().map(UserId).collect()
}
