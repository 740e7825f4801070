//! Everything that is held of one person, as one JSON document that is written as it is read: what
//! the member shows and who says so, what directories say, memberships, grants past and present with
//! their causes, API keys, conflicts, tombstones, what happened to it, and the requests about it that
//! are still in the log.

use std::collections::{BTreeMap, VecDeque};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::request_log::{self, Entry, Wanted};
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, GroupId, MemberId, UserId};
use crate::store::former::Had;
use crate::store::members as member_rows;
use crate::store::users::Place;
use crate::store::{api_keys, erasures, former, history, memberships};
use crate::workspace::Workspace;
use crate::workspace::activity::{self, Event, Spot};
use crate::workspace::members::{self, Full};
use crate::workspace::profile::Field;

/// How many events are read at a time.
const PAGE: i64 = 200;
/// How many requests about each User are shown, the latest.
const REQUESTS: usize = 500;

/// An export under way.
pub struct Export {
    app: App,
    workspace: Workspace,
    member: MemberId,
    stage: Stage,
    /// Whether the list at hand has an entry already.
    has_entry: bool,
}

enum Stage {
    Head,
    Events(Spot),
    Requests(VecDeque<Had>),
    End,
}

/// Everything that is held of a member.
#[derive(JsonSchema)]
#[schemars(rename = "MemberExport")]
#[expect(dead_code, reason = "the shape of what is written in parts")]
pub struct Document {
    #[serde(flatten)]
    head: Head<'static>,
    /// What happened to the member, newest first.
    events: Vec<Event>,
    /// The requests of the log about the member's Users.
    requests: Vec<Entry>,
}

/// What stands before the events.
#[derive(Serialize, JsonSchema)]
struct Head<'a> {
    /// When it was begun.
    exported_at: Timestamp,
    /// The workspace.
    workspace: &'a Workspace,
    /// The member.
    member: &'a Full,
    /// Who keeps each field that is set.
    sources: BTreeMap<&'static str, Keeper>,
    /// What directories say of the person.
    users: Vec<Said>,
    /// The Users that the member has or had.
    former_users: Vec<Had>,
    /// What was given, ended or not.
    grants: Vec<history::Grant>,
    /// The member's API keys, without their text.
    api_keys: Vec<api_keys::ApiKey>,
    /// Creates that met the member.
    conflicts: Vec<erasures::Conflict>,
    /// Users of the member that were deleted.
    tombstones: Vec<erasures::Buried>,
}

/// Who keeps a field: `admin`, or the directories by name.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Keeper {
    Admin(&'static str),
    Directories(Vec<String>),
}

/// What a directory says of the person.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SaidOfMember")]
struct Said {
    /// The directory.
    directory: DirectoryId,
    /// Its name.
    directory_name: String,
    /// The User.
    id: UserId,
    /// Whether the directory lets the person in.
    active: bool,
    /// The User as SCIM has it.
    document: Value,
    /// The groups that the User is in.
    groups: Vec<SaidGroup>,
    /// When it was made.
    created_at: Timestamp,
    /// When it changed last.
    updated_at: Timestamp,
}

/// A group that a User is in.
#[derive(Serialize, JsonSchema)]
struct SaidGroup {
    /// Its id.
    id: GroupId,
    /// Its name.
    name: String,
    /// `direct`, or `indirect` through other groups alone.
    r#type: &'static str,
}

/// Begins an export, which the workspace's log tells of. Members who left have one too.
pub async fn begin(
    app: &App,
    origin: &Origin,
    workspace: &Workspace,
    member: MemberId,
) -> Result<Export> {
    let act = Act::of(app, origin, workspace.id);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            member_rows::find(tx, act.workspace, member)
                .await?
                .ok_or(Error::NotFound("member"))?;
            let subject = ("member", member.0);
            let change = act.change("member.exported", subject, None, &json!({}));
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await?;
    Ok(Export {
        app: app.clone(),
        workspace: workspace.clone(),
        member,
        stage: Stage::Head,
        has_entry: false,
    })
}

impl Export {
    /// The next part of the document's text; none after the last.
    pub async fn next(&mut self) -> Result<Option<String>> {
        let stage = std::mem::replace(&mut self.stage, Stage::End);
        match stage {
            Stage::Head => {
                let mut text = self.head().await?;
                // The object goes on with what is read page by page.
                text.truncate(text.trim_end().trim_end_matches('}').len());
                text.push_str(",\"events\":[");
                self.stage = Stage::Events(Spot::newest());
                Ok(Some(text))
            }
            Stage::Events(from) => self.events(from).await.map(Some),
            Stage::Requests(waiting) => self.requests(waiting).await.map(Some),
            Stage::End => Ok(None),
        }
    }

    async fn head(&self) -> Result<String> {
        let (app, workspace, id) = (&self.app, self.workspace.id, self.member);
        let member = members::show(app, workspace, id).await?;
        let mut tx = app.db.read().await?;
        let names = members::names(&mut tx, workspace).await?;
        let mut users = Vec::new();
        for said in history::list_said(&mut tx, workspace, id).await? {
            let place = Place {
                workspace,
                directory: said.directory,
            };
            let belongs = memberships::list_belongs(&mut tx, place, &[said.id]).await?;
            let groups = belongs.iter().map(|group| SaidGroup {
                id: group.group_id,
                name: group.display.clone(),
                r#type: group.kind(),
            });
            users.push(Said {
                groups: groups.collect(),
                directory: said.directory,
                directory_name: said.directory_name,
                id: said.id,
                active: said.active,
                document: serde_json::from_str(&said.document).map_err(Error::internal)?,
                created_at: said.created_at,
                updated_at: said.updated_at,
            });
        }
        let mut grants = history::list_grants(&mut tx, workspace, id).await?;
        for grant in &mut grants {
            grant.name = names.get(&grant.target).cloned();
        }
        let keys = api_keys::list(&mut tx, Some(workspace)).await?.into_iter();
        let head = Head {
            exported_at: app.clock.now(),
            workspace: &self.workspace,
            sources: sources(&member)?,
            member: &member,
            users,
            former_users: former::list(&mut tx, workspace, id).await?,
            grants,
            api_keys: keys.filter(|key| key.member == Some(id)).collect(),
            conflicts: erasures::list_conflicts(&mut tx, workspace, id).await?,
            tombstones: erasures::list_buried(&mut tx, workspace, id).await?,
        };
        serde_json::to_string(&head).map_err(Error::internal)
    }

    async fn events(&mut self, from: Spot) -> Result<String> {
        let which = (self.workspace.id, self.member);
        let mut tx = self.app.db.read().await?;
        let events = activity::page(&mut tx, &self.app, which, from, PAGE).await?;
        let Some(last) = events.last() else {
            let had = former::list(&mut tx, which.0, which.1).await?;
            self.stage = Stage::Requests(had.into());
            self.has_entry = false;
            return Ok("],\"requests\":[".to_owned());
        };
        self.stage = Stage::Events(Spot::after(last));
        self.listed(&events)
    }

    async fn requests(&mut self, mut waiting: VecDeque<Had>) -> Result<String> {
        let Some(had) = waiting.pop_front() else {
            self.stage = Stage::End;
            return Ok("]}\n".to_owned());
        };
        self.stage = Stage::Requests(waiting);
        let wanted = Wanted {
            resource: Some(had.user_id.0),
            ..Wanted::default()
        };
        let of = (self.workspace.id, had.directory);
        let requests = request_log::list(&self.app, of, &wanted, REQUESTS).await?;
        self.listed(&requests)
    }

    /// Entries of the list at hand.
    fn listed<T: Serialize>(&mut self, items: &[T]) -> Result<String> {
        let mut text = String::new();
        for item in items {
            if std::mem::replace(&mut self.has_entry, true) {
                text.push(',');
            }
            text.push_str(&serde_json::to_string(item).map_err(Error::internal)?);
        }
        Ok(text)
    }
}

fn sources(member: &Full) -> Result<BTreeMap<&'static str, Keeper>> {
    let shown = serde_json::to_value(member).map_err(Error::internal)?;
    let fields = Field::ALL.iter();
    let set = fields.filter(|field| !shown[field.name()].is_null());
    let sources = set.map(|field| {
        let by = if member.manual.contains(field) || member.directories.is_empty() {
            Keeper::Admin("admin")
        } else {
            Keeper::Directories(member.directories.clone())
        };
        (field.name(), by)
    });
    Ok(sources.collect())
}
