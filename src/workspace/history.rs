//! What was at an instant: members with their status, what they showed and their rights; and what
//! differs between two instants.
//!
//! An instant means the last numbered change that is not later, so that what is read twice is the
//! same both times; a change that has no number yet is not in it. Grants say themselves from when to
//! when they were; status and names are what changes say, those of teams and roles too. Not
//! known of a past instant is whether a member waited for a seat or was held by a restore, and, of
//! what versions before did not tell, what a member showed in some fields, which are named; nothing
//! personal is known of who was erased.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::activity::Keys;
use super::profile::Field;
use super::told::Shown;
use super::{members, past_names};
use crate::app::App;
use crate::changes::sequencer;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::store::changes as log;
use crate::store::grants::{Effective, GrantKind};
use crate::store::history as rows;
use crate::store::members::{Source, Status};
use crate::store::tx::Tx;

/// How many members are read at a time.
const BATCH: i64 = 200;
/// By how much instants of changes may be out of the order of their numbers.
pub(super) const LEEWAY: std::time::Duration = std::time::Duration::from_mins(1);

/// An instant in a workspace's log.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The instant that was asked for.
    pub at: Timestamp,
    /// The last change that is not later; 0 where there is none.
    pub number: i64,
}

/// A member as it was.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[schemars(rename = "FormerMember")]
pub struct Then {
    /// Its id.
    pub id: MemberId,
    /// How far it was in.
    pub status: Status,
    /// Which way it came in.
    pub source: Source,
    /// Its version.
    pub version: Option<i64>,
    /// What it showed, as far as changes tell.
    #[serde(flatten)]
    pub shown: Shown,
    /// Whether personal values were there that were erased since.
    pub erased: bool,
    /// Effective teams, by the names that they had.
    pub teams: BTreeSet<String>,
    /// Effective roles, by the names that they had.
    pub roles: BTreeSet<String>,
    /// Effective permissions that were granted singly.
    pub permissions: BTreeSet<String>,
}

/// The last change that is not later than an instant, which must have come.
pub async fn moment(app: &App, workspace: WorkspaceId, at: Timestamp) -> Result<Moment> {
    if at > app.clock.now() {
        return Err(Error::value("expected an instant that has come"));
    }
    sequencer::number_until(app, workspace, at).await?;
    let mut tx = app.db.read().await?;
    let head = log::find_head(&mut tx, workspace).await?;
    // Numbers ascend with time but for the moments by which clocks differ.
    let (mut low, mut high) = (0, head.map_or(0, |head| head.number));
    while low < high {
        let middle = low + (high - low + 1) / 2;
        let found = log::find_instant(&mut tx, workspace, middle).await?;
        if found.is_some_and(|found| found <= at) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(Moment { at, number: low })
}

/// A page of members who were there, those who were removed left out, in the order of their making.
pub async fn list(
    app: &App,
    workspace: WorkspaceId,
    moment: Moment,
    mut after: Option<MemberId>,
    most: i64,
) -> Result<Vec<Then>> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut tx = app.db.read().await?;
    let mut found = Vec::new();
    while found.len() < most {
        let known = rows::list_known(&mut tx, workspace, after, moment.at, BATCH).await?;
        let Some(last) = known.last() else {
            break;
        };
        after = Some(last.id);
        let then = states(&mut tx, app, workspace, (moment, moment), &known).await?;
        found.extend(
            then.into_iter()
                .filter(|then| then.status != Status::Removed),
        );
    }
    found.truncate(most);
    Ok(found)
}

/// A member as it was; [`Error::NotFound`] where it was not made yet.
pub async fn show(
    app: &App,
    workspace: WorkspaceId,
    moment: Moment,
    member: MemberId,
) -> Result<Then> {
    let mut tx = app.db.read().await?;
    let known = rows::list_named(&mut tx, workspace, &[member]).await?;
    let mut then = states(&mut tx, app, workspace, (moment, moment), &known).await?;
    then.pop().ok_or(Error::NotFound("member"))
}

/// Members as they were, with what their rights were called at another moment; those are left out
/// that the log does not know yet.
async fn states(
    tx: &mut Tx,
    app: &App,
    workspace: WorkspaceId,
    (moment, naming): (Moment, Moment),
    known: &[rows::Known],
) -> Result<Vec<Then>> {
    let ids: Vec<MemberId> = known.iter().map(|known| known.id).collect();
    let subjects: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let until = moment.at.after(LEEWAY);
    let changes = log::list_of_subjects(tx, workspace, &subjects, until).await?;
    let mut keys = Keys::new(app, workspace);
    let mut found: BTreeMap<MemberId, Then> = BTreeMap::new();
    let sources: HashMap<MemberId, Source> =
        known.iter().map(|known| (known.id, known.source)).collect();
    for numbered in changes.iter().filter(|it| it.number <= moment.number) {
        let change = &numbered.change;
        let id = MemberId(change.subject);
        let Some(source) = sources.get(&id) else {
            continue;
        };
        let (personal, erased) = keys.open(tx, change).await?;
        let then = found.entry(id).or_insert_with(|| Then {
            id,
            // Whoever is known by a change without a status is not out.
            status: Status::Draft,
            source: *source,
            version: None,
            shown: Shown::default(),
            erased: false,
            teams: BTreeSet::new(),
            roles: BTreeSet::new(),
            permissions: BTreeSet::new(),
        });
        then.take(change, personal, erased)?;
    }
    let rights = rows::list_had(tx, workspace, &ids, (moment.number, moment.at)).await?;
    let names = names(tx, workspace, naming, &rights).await?;
    for right in rights {
        let then = found.get_mut(&right.member);
        let then = then.filter(|then| then.status == Status::Active);
        if let (Some(then), Some(name)) = (then, names.get(&right.target)) {
            then.rights(right.kind).insert(name.clone());
        }
    }
    Ok(found.into_values().collect())
}

/// What the targets of rights were called then.
async fn names(
    tx: &mut Tx,
    workspace: WorkspaceId,
    moment: Moment,
    rights: &[Effective],
) -> Result<HashMap<Uuid, String>> {
    let mut names = members::names(tx, workspace).await?;
    let targets = rights.iter().filter(|it| it.kind != GrantKind::Permission);
    let ids: BTreeSet<Uuid> = targets.map(|right| right.target).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    names.extend(past_names::names(tx, workspace, &ids, moment).await?);
    Ok(names)
}

impl Then {
    fn take(&mut self, change: &log::Change, personal: Option<Value>, erased: bool) -> Result<()> {
        let detail: Value = serde_json::from_str(&change.detail).map_err(Error::internal)?;
        if let Ok(status) = serde_json::from_value(detail["status"].clone()) {
            self.status = status;
        }
        self.version = change.subject_version.or(self.version);
        self.erased |= erased;
        self.shown
            .take(&change.kind, &detail, personal, self.erased);
        Ok(())
    }

    fn rights(&mut self, kind: GrantKind) -> &mut BTreeSet<String> {
        match kind {
            GrantKind::Team => &mut self.teams,
            GrantKind::Role => &mut self.roles,
            GrantKind::Permission => &mut self.permissions,
        }
    }
}

/// What differs for a member between two instants.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Difference {
    /// The member.
    pub member: MemberId,
    /// How far it was in at first; nothing where it was not made yet.
    pub status_from: Option<Status>,
    /// How far it was in at last.
    pub status_to: Option<Status>,
    /// Fields that show something else.
    pub fields: Vec<Changed>,
    /// Fields of which changes do not tell what they showed at one of the instants.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub untold: BTreeSet<Field>,
    /// Rights that it has at last and had not at first.
    pub began: Rights,
    /// Rights that it had at first and has not at last.
    pub ended: Rights,
}

/// A field that shows something else at last than at first.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ChangedField")]
pub struct Changed {
    /// Which one.
    pub field: String,
    /// What it showed at first; null where it was empty.
    pub from: Value,
    /// What it showed at last.
    pub to: Value,
}

/// Effective rights by the names that they had at the later instant: a new name is no other right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "NamedRights")]
pub struct Rights {
    /// Teams.
    pub teams: BTreeSet<String>,
    /// Roles.
    pub roles: BTreeSet<String>,
    /// Permissions that were granted singly.
    pub permissions: BTreeSet<String>,
}

impl Rights {
    /// What one had that the other had not.
    fn beyond(one: Option<&Then>, other: Option<&Then>) -> Self {
        let less = |of: fn(&Then) -> &BTreeSet<String>| -> BTreeSet<String> {
            let had = one.map(of).into_iter().flatten();
            let has = |name: &&String| other.is_some_and(|other| of(other).contains(*name));
            had.filter(|name| !has(name)).cloned().collect()
        };
        Self {
            teams: less(|then| &then.teams),
            roles: less(|then| &then.roles),
            permissions: less(|then| &then.permissions),
        }
    }
}

/// A page of what differs between two instants, in the order of members' ids; members for whom
/// nothing differs in the end are left out. A rule that ended for many is in it as far as its run has
/// come.
pub async fn differences(
    app: &App,
    workspace: WorkspaceId,
    (from, to): (Moment, Moment),
    mut after: Option<MemberId>,
    most: i64,
) -> Result<Vec<Difference>> {
    check((from, to))?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let span = (from.number, to.number);
    let mut tx = app.db.read().await?;
    let mut found = Vec::new();
    while found.len() < most {
        let ids = log::list_changed_members(&mut tx, workspace, span, after, BATCH).await?;
        let Some(last) = ids.last() else {
            break;
        };
        after = Some(*last);
        let known = rows::list_named(&mut tx, workspace, &ids).await?;
        let before = by_id(states(&mut tx, app, workspace, (from, to), &known).await?);
        let then = by_id(states(&mut tx, app, workspace, (to, to), &known).await?);
        let differing = ids
            .iter()
            .filter_map(|id| difference(*id, before.get(id), then.get(id)));
        found.extend(differing);
    }
    found.truncate(most);
    Ok(found)
}

/// Refuses what is no span.
pub(super) fn check((from, to): (Moment, Moment)) -> Result<()> {
    if from.at > to.at {
        return Err(Error::value("from must not be later than to"));
    }
    Ok(())
}

fn by_id(states: Vec<Then>) -> HashMap<MemberId, Then> {
    states.into_iter().map(|then| (then.id, then)).collect()
}

fn difference(member: MemberId, from: Option<&Then>, to: Option<&Then>) -> Option<Difference> {
    let shown = |then: Option<&Then>| then.map(|then| then.shown.clone()).unwrap_or_default();
    let (before, after) = (shown(from), shown(to));
    let names: BTreeSet<&String> = before.values.keys().chain(after.values.keys()).collect();
    let untold: BTreeSet<Field> = before.untold.union(&after.untold).copied().collect();
    let is_told = |name: &str| untold.iter().all(|field| field.name() != name);
    let fields = names.into_iter().filter(|name| is_told(name));
    let fields = fields.map(|name| Changed {
        field: name.clone(),
        from: before.value(name).clone(),
        to: after.value(name).clone(),
    });
    let fields: Vec<_> = fields.filter(|of| of.from != of.to).collect();
    let difference = Difference {
        member,
        status_from: from.map(|then| then.status),
        status_to: to.map(|then| then.status),
        fields,
        untold,
        began: Rights::beyond(to, from),
        ended: Rights::beyond(from, to),
    };
    let is_some = difference.status_from != difference.status_to
        || !difference.fields.is_empty()
        || before.untold != after.untold
        || difference.began != Rights::default()
        || difference.ended != Rights::default();
    is_some.then_some(difference)
}
