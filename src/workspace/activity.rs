//! What happened to a member: the changes about it, its grants, its Users and its own API keys, with
//! who did it and by which request.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{members, persons};
use crate::app::App;
use crate::changes::{self, Change};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{
    CauseId, ChangeId, CredentialId, DirectoryId, MemberId, PersonId, RequestId, WorkspaceId,
};
use crate::secrets::PersonKey;
use crate::store::changes::{self as rows, Logged};
use crate::store::tx::Tx;
use crate::store::{causes, former, logins, members as member_rows, spots};

/// What happened to a member, a page of it.
#[derive(Debug, Serialize)]
pub struct Activity {
    /// When the person was seen last, in a session or by an API key of its own, to the minute.
    pub last_seen: Option<Timestamp>,
    /// Newest first.
    pub events: Vec<Event>,
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Event {
    /// The change that tells of it.
    pub id: ChangeId,
    /// Its place in the workspace's log, once it has one.
    pub number: Option<i64>,
    /// When.
    pub at: Timestamp,
    /// What, such as `member.suspended`.
    pub kind: String,
    /// What it happened to: `member`, `user`, `api_key`, or the `connection` of a login
    /// that was refused to nobody known.
    pub subject_kind: String,
    /// The id of that.
    pub subject: Uuid,
    /// The directory that it came through.
    pub directory: Option<DirectoryId>,
    /// What changed, without personal values; teams, roles and permissions with their present names,
    /// and with what gave them: `cause_kind`, its `rule`, and the `actor` who made it.
    pub detail: Value,
    /// The personal values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personal: Option<Value>,
    /// Whether there were personal values, which were erased.
    #[serde(skip_serializing_if = "is_false")]
    pub erased: bool,
    /// Who did it, and by which request.
    pub by: By,
}

/// Who did something, and by which request.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ActivityBy")]
pub struct By {
    /// Who, where it was no credential: `cli`, `worker`, `member …`.
    pub actor: Option<String>,
    /// The credential or API key.
    pub credential: Option<CredentialId>,
    /// The request.
    pub request: RequestId,
    /// Its method, where it was one over HTTP.
    pub method: Option<String>,
    /// Its path, where it was one over HTTP.
    pub path: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands on a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// A place in what happened.
pub type Spot = spots::Spot<ChangeId>;

impl Spot {
    /// After an event.
    pub fn after(event: &Event) -> Self {
        Self(event.at, event.id)
    }
}

/// A page of what happened to a member from a place on, newest first; removed members have theirs
/// too.
pub async fn list(
    app: &App,
    workspace: WorkspaceId,
    member: MemberId,
    from: Spot,
    most: i64,
) -> Result<Activity> {
    let mut tx = app.db.read().await?;
    member_rows::find(&mut tx, workspace, member)
        .await?
        .ok_or(Error::NotFound("member"))?;
    let last_seen = former::find_last_use(&mut tx, workspace, member).await?;
    let events = page(&mut tx, app, (workspace, member), from, most).await?;
    Ok(Activity { last_seen, events })
}

/// A page of events, newest first.
pub async fn page(
    tx: &mut Tx,
    app: &App,
    (workspace, member): (WorkspaceId, MemberId),
    from: Spot,
    most: i64,
) -> Result<Vec<Event>> {
    let mut subjects = former::list_subjects(tx, workspace, member).await?;
    subjects.push(member.0);
    // Each subject has its own place in the index, so that a page costs what it shows.
    let mut told: Vec<Logged> = Vec::new();
    for subject in subjects {
        let before = (from.0, from.1);
        told.extend(rows::list_about(tx, workspace, subject, before, most).await?);
    }
    newest(&mut told, most);
    events(tx, app, workspace, told).await
}

/// Logins of a workspace, refused ones too: a page of them from a place on, newest first, or those of the
/// request that whoever was refused names.
pub async fn logins(
    app: &App,
    workspace: WorkspaceId,
    request: Option<RequestId>,
    from: Spot,
    most: i64,
) -> Result<Vec<Event>> {
    let mut tx = app.db.read().await?;
    let told = match request {
        Some(request) => {
            let mut told = logins::list_of_request(&mut tx, workspace, request).await?;
            told.retain(|told| (told.change.at, told.change.id) < (from.0, from.1));
            newest(&mut told, most);
            told
        }
        None => logins::list(&mut tx, workspace, (from.0, from.1), most).await?,
    };
    events(&mut tx, app, workspace, told).await
}

/// The newest so many, newest first.
fn newest(told: &mut Vec<Logged>, most: i64) {
    told.sort_by_key(|told| std::cmp::Reverse((told.change.at, told.change.id)));
    told.truncate(usize::try_from(most).unwrap_or(usize::MAX));
}

async fn events(
    tx: &mut Tx,
    app: &App,
    workspace: WorkspaceId,
    told: Vec<Logged>,
) -> Result<Vec<Event>> {
    let names = members::names(tx, workspace).await?;
    let mut keys = Keys::new(app, workspace);
    let mut events = Vec::with_capacity(told.len());
    for told in told {
        let (personal, erased) = keys.open(tx, &told.change).await?;
        events.push(event(told, personal, erased)?);
    }
    name_grants(tx, workspace, &names, &mut events).await?;
    Ok(events)
}

/// Says of all grants that began or ended what they give and what gave them.
async fn name_grants(
    tx: &mut Tx,
    workspace: WorkspaceId,
    names: &HashMap<Uuid, String>,
    events: &mut [Event],
) -> Result<()> {
    let mut grants: Vec<&mut Map<String, Value>> = Vec::new();
    for event in events {
        let details = event.detail.as_object_mut().into_iter().flatten();
        let lists = details.filter(|(name, _)| ["begun", "ended"].contains(&name.as_str()));
        let listed = lists.filter_map(|(_, list)| list.as_array_mut()).flatten();
        grants.extend(listed.filter_map(Value::as_object_mut));
    }
    let mut ids: Vec<_> = grants
        .iter()
        .filter_map(|grant| id(grant, "cause"))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let ids: Vec<_> = ids.into_iter().map(CauseId).collect();
    let found = causes::list(tx, workspace, &ids).await?;
    let found: HashMap<_, _> = found.iter().map(|cause| (cause.id.0, cause)).collect();
    for grant in grants {
        let name = id(grant, "target").and_then(|target| names.get(&target));
        let cause = id(grant, "cause").and_then(|cause| found.get(&cause));
        let mut say = |key: &str, value: Option<Value>| {
            grant.extend(value.map(|value| (key.to_owned(), value)));
        };
        say("name", name.map(|name| json!(name)));
        say("cause_kind", cause.map(|cause| json!(cause.kind)));
        say(
            "rule",
            cause.and_then(|cause| cause.rule).map(|rule| json!(rule)),
        );
        say(
            "actor",
            cause
                .and_then(|cause| cause.actor.as_ref())
                .map(|actor| json!(actor)),
        );
    }
    Ok(())
}

fn id(grant: &Map<String, Value>, of: &str) -> Option<Uuid> {
    grant.get(of)?.as_str()?.parse().ok()
}

fn event(told: Logged, personal: Option<Value>, erased: bool) -> Result<Event> {
    let change = told.change;
    let detail: Value = serde_json::from_str(&change.detail).map_err(Error::internal)?;
    Ok(Event {
        id: change.id,
        number: told.number,
        at: change.at,
        kind: change.kind,
        subject_kind: change.subject_kind,
        subject: change.subject,
        directory: change.directory,
        detail,
        personal,
        erased,
        by: By {
            actor: change.actor,
            credential: change.credential,
            request: change.request,
            method: change.method,
            path: change.path,
        },
    })
}

/// Keys of persons that came by.
pub(super) struct Keys<'a> {
    app: &'a App,
    workspace: WorkspaceId,
    known: HashMap<PersonId, Option<PersonKey>>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(app: &'a App, workspace: WorkspaceId) -> Self {
        Self {
            app,
            workspace,
            known: HashMap::new(),
        }
    }

    /// The personal values of a change, and whether there were some that were erased.
    pub(super) async fn open(
        &mut self,
        tx: &mut Tx,
        change: &Change,
    ) -> Result<(Option<Value>, bool)> {
        let Some(person) = change.person else {
            return Ok((None, false));
        };
        if !self.known.contains_key(&person) {
            let found = persons::find(tx, self.app, self.workspace, person).await?;
            self.known.insert(person, found);
        }
        match self.known.get(&person) {
            Some(Some(key)) => Ok((changes::open(change, self.workspace, key)?, false)),
            _ => Ok((None, true)),
        }
    }
}
