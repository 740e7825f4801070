//! Reading the log of a directory.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{BATCH, Kept, PURPOSE, Private, binding, place};
use crate::app::App;
use crate::app::scan::Deadline;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{CredentialId, DirectoryId, RequestId, WorkspaceId};
use crate::scim::resource::Note;
use crate::secrets::WorkspaceKey;
use crate::store::request_log::{self as rows, Logged, Selection};
use crate::store::spots;

/// How late a line may come into the log, with other lines already read: the time of a batch and
/// of its way, and what clocks of several nodes differ by.
const LATE: Duration = Duration::from_secs(15);

/// An exchange, opened.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "LoggedRequest")]
pub struct Entry {
    /// The request's id.
    pub id: RequestId,
    /// When it was answered.
    pub at: Timestamp,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The directory.
    pub directory: DirectoryId,
    /// The credential.
    pub credential: CredentialId,
    /// The method.
    pub method: String,
    /// The template of the path, below the base URL.
    pub route: String,
    /// Path and query, without secrets.
    pub path: String,
    /// The resource that it was about.
    pub resource: Option<Uuid>,
    /// The status of the answer.
    pub status: i64,
    /// The `scimType` of a refusal.
    pub scim_type: Option<String>,
    /// What a refusal says.
    pub detail: Option<String>,
    /// What was skipped, each with its reason.
    #[schemars(with = "Vec<Note>")]
    pub notes: Vec<Value>,
    /// How long it took, in microseconds.
    pub duration_us: i64,
    /// The size of the request's body.
    pub bytes_in: i64,
    /// The size of the answer's body.
    pub bytes_out: i64,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The request's body without secrets: JSON, or text where it was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    /// The answer's body, of a refusal or of Bulk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Value>,
    /// Whether a body is not whole.
    pub cut: bool,
}

/// Which exchanges are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Statuses from and to; every one if there is none.
    pub status: Option<(u16, u16)>,
    /// The method.
    pub method: Option<String>,
    /// What path and query hold, whatever its letter case.
    pub path: Option<String>,
    /// The resource.
    pub resource: Option<Uuid>,
    /// Not answered before.
    pub since: Option<Timestamp>,
    /// Not answered after.
    pub until: Option<Timestamp>,
    /// The one of that id.
    pub request: Option<RequestId>,
}

/// Reads which statuses are wanted, from and to: `409`, `2xx`, `4xx`, `5xx`, or `errors` for both
/// of these.
pub fn statuses(text: &str) -> Result<(u16, u16)> {
    match text.to_ascii_lowercase().as_str() {
        "errors" => Ok((400, 599)),
        "2xx" => Ok((200, 299)),
        "4xx" => Ok((400, 499)),
        "5xx" => Ok((500, 599)),
        one => match one.parse() {
            Ok(status @ 100..=599) => Ok((status, status)),
            _ => {
                let expected = "status must be one such as 409, or 2xx, 4xx, 5xx, errors";
                Err(Error::value(expected))
            }
        },
    }
}

/// A place in the log of a directory.
pub type Spot = spots::Spot<RequestId>;

/// A page of the log of a directory.
#[derive(Debug, Clone)]
pub struct Page {
    /// The exchanges, the newest first.
    pub entries: Vec<Entry>,
    /// Where the next page begins; none where this is the last.
    pub next: Option<Spot>,
}

impl Wanted {
    fn selection(&self) -> Selection {
        let (from, to) = self.status.unwrap_or((0, u16::MAX));
        Selection {
            status: (from.into(), to.into()),
            method: self.method.as_ref().map(|method| method.to_uppercase()),
            resource: self.resource,
            since: self.since.unwrap_or(Timestamp(0)),
        }
    }

    /// Whether an exchange is wanted, by what no column shows: its path is sealed.
    fn holds(&self, entry: &Entry) -> bool {
        self.path.as_ref().is_none_or(|text| {
            let text = text.to_lowercase();
            entry.path.to_lowercase().contains(&text)
        })
    }

    /// Whether an exchange that was found by its id is wanted.
    fn holds_all(&self, entry: &Entry) -> bool {
        let (from, to) = self.status.unwrap_or((0, u16::MAX));
        let method = self.method.as_ref();
        self.holds(entry)
            && (i64::from(from)..=i64::from(to)).contains(&entry.status)
            && method.is_none_or(|method| method.eq_ignore_ascii_case(&entry.method))
            && self.resource.is_none_or(|id| entry.resource == Some(id))
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at <= until)
    }
}

/// A page of the exchanges of a directory after a place, newest first, so many at most. It may be
/// short, or empty, before the last one: where few hold what is looked for in paths it ends when
/// its time is over.
pub async fn page(
    app: &App,
    directory: (WorkspaceId, DirectoryId),
    wanted: &Wanted,
    from: Spot,
    most: usize,
) -> Result<Page> {
    let mut entries = Vec::new();
    if let Some(request) = wanted.request {
        let found = find(app, directory, request).await?;
        let is_after = |entry: &Entry| (entry.at, entry.id.0) < (from.0, from.1.0);
        entries.extend(found.filter(|it| is_after(it) && wanted.holds_all(it)));
        return Ok(Page {
            entries,
            next: None,
        });
    }
    if !app.db.has_request_log() {
        return Ok(Page {
            entries,
            next: None,
        });
    }
    let key = app.keys.of_workspace(directory.0, PURPOSE)?;
    let mut selection = wanted.selection();
    selection.since = selection.since.max(kept_since(app));
    let newest = wanted.until.map_or(from.0, |until| until.min(from.0));
    let mut before = if newest < from.0 {
        Spot::at(newest)
    } else {
        from
    };
    let deadline = Deadline::of(app);
    loop {
        // One more than fits tells whether there is another page.
        let room = (most - entries.len()).saturating_add(1).min(BATCH);
        let mut tx = app.db.read_log().await?;
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        let listed = rows::list(&mut tx, directory, &selection, (before.0, before.1), room).await?;
        drop(tx);
        if listed.is_empty() {
            return Ok(Page {
                entries,
                next: None,
            });
        }
        for logged in listed {
            if entries.len() == most {
                let next = Some(before);
                return Ok(Page { entries, next });
            }
            before = spots::Spot(logged.at, logged.id);
            let entry = open(&key, logged)?;
            if wanted.holds(&entry) {
                entries.push(entry);
            }
        }
        if deadline.is_over() {
            let next = Some(before);
            return Ok(Page { entries, next });
        }
    }
}

/// What was looked at.
pub(super) struct Looked {
    /// Those that are wanted, the newest first.
    pub(super) entries: Vec<Entry>,
    /// How many were looked at.
    pub(super) count: usize,
    /// Where to go on; none at the end.
    pub(super) next: Option<Spot>,
}

/// The next few exchanges of a directory after a place, so many at most, wanted or not. What only the
/// columns do not show is not looked at.
pub(super) async fn newest(
    app: &App,
    directory: (WorkspaceId, DirectoryId),
    (wanted, from): (&Wanted, Spot),
    most: usize,
) -> Result<Looked> {
    let key = app.keys.of_workspace(directory.0, PURPOSE)?;
    let all = Selection {
        since: kept_since(app),
        ..Wanted::default().selection()
    };
    let (low, high) = wanted.selection().status;
    let most = i64::try_from(most.min(BATCH)).unwrap_or(i64::MAX);
    let mut tx = app.db.read_log().await?;
    let listed = rows::list(&mut tx, directory, &all, (from.0, from.1), most).await?;
    drop(tx);
    let count = listed.len();
    let next = listed.last().map(|last| spots::Spot(last.at, last.id));
    let entries = listed.into_iter();
    let entries = entries.filter(|of| (low..=high).contains(&of.status));
    Ok(Looked {
        entries: entries.map(|of| open(&key, of)).collect::<Result<_>>()?,
        count,
        next,
    })
}

/// The latest so many exchanges of a directory, the newest last.
pub async fn list(
    app: &App,
    directory: (WorkspaceId, DirectoryId),
    wanted: &Wanted,
    most: usize,
) -> Result<Vec<Entry>> {
    let mut found = VecDeque::new();
    if !app.db.has_request_log() {
        return Ok(Vec::new());
    }
    let key = app.keys.of_workspace(directory.0, PURPOSE)?;
    let mut selection = wanted.selection();
    selection.since = selection.since.max(kept_since(app));
    let newest = wanted.until.unwrap_or(Timestamp(i64::MAX));
    let mut before = (newest, RequestId(Uuid::max()));
    let page = i64::try_from(BATCH.min(most)).unwrap_or(i64::MAX);
    while found.len() < most {
        let mut tx = app.db.read_log().await?;
        let listed = rows::list(&mut tx, directory, &selection, before, page).await?;
        drop(tx);
        let Some(last) = listed.last() else {
            break;
        };
        before = (last.at, last.id);
        for logged in listed {
            let entry = open(&key, logged)?;
            if found.len() < most && wanted.holds(&entry) {
                found.push_front(entry);
            }
        }
    }
    Ok(found.into())
}

/// The exchange of a request.
pub async fn find(
    app: &App,
    directory: (WorkspaceId, DirectoryId),
    id: RequestId,
) -> Result<Option<Entry>> {
    if !app.db.has_request_log() {
        return Ok(None);
    }
    let mut tx = app.db.read_log().await?;
    let found = rows::find(&mut tx, directory, id).await?;
    let found = found.filter(|logged| logged.at >= kept_since(app));
    let key = app.keys.of_workspace(directory.0, PURPOSE)?;
    found.map(|logged| open(&key, logged)).transpose()
}

/// Writes down that somebody read the bodies of an exchange, which hold what people are called.
pub async fn note_read(app: &App, origin: &Origin, entry: &Entry) -> Result<()> {
    let (act, subject) = (Act::of(app, origin, entry.workspace), entry.id);
    let detail = json!({"directory": entry.directory});
    app.write(move |tx| {
        let (act, detail) = (act.clone(), detail.clone());
        Box::pin(async move {
            let change = act.change("request.read", ("request", subject.0), None, &detail);
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await
}

/// What is older is kept no longer, whether it was deleted by now or not.
fn kept_since(app: &App) -> Timestamp {
    app.clock.now().before(app.config.request_log.life())
}

/// The directories of which exchanges are kept.
pub async fn directories(app: &App) -> Result<Vec<(WorkspaceId, DirectoryId)>> {
    let mut found: Vec<(WorkspaceId, DirectoryId)> = Vec::new();
    if app.db.has_request_log() {
        let mut tx = app.db.read_log().await?;
        let mut last = None;
        while let Some(next) = rows::find_directory_after(&mut tx, last).await? {
            found.push(next);
            last = Some(next);
        }
    }
    Ok(found)
}

/// Reads on where it stopped, each exchange once.
///
/// Lines are written behind the requests and by several nodes, so that an earlier one may come into
/// the log after a later one. Each look therefore begins some seconds before the newest line of the
/// last one, and leaves out what was seen.
pub struct Follower {
    directory: (WorkspaceId, DirectoryId),
    wanted: Wanted,
    since: Timestamp,
    seen: HashMap<RequestId, Timestamp>,
}

impl Follower {
    /// Follows from the present end of the log.
    pub async fn start(
        app: &App,
        directory: (WorkspaceId, DirectoryId),
        wanted: Wanted,
    ) -> Result<Self> {
        let mut follower = Self {
            directory,
            wanted,
            since: beginning(app, directory).await?,
            seen: HashMap::new(),
        };
        follower.next(app).await?;
        Ok(follower)
    }

    /// Takes note of what was read in another way.
    pub fn saw(&mut self, entries: &[Entry]) {
        let entries = entries.iter().map(|entry| (entry.id, entry.at));
        self.seen.extend(entries);
    }

    /// What has come since, the newest last.
    pub async fn next(&mut self, app: &App) -> Result<Vec<Entry>> {
        let next_since = beginning(app, self.directory).await?;
        let mut wanted = self.wanted.clone();
        wanted.since = wanted.since.max(Some(self.since));
        let mut listed = list(app, self.directory, &wanted, usize::MAX).await?;
        listed.retain(|entry| !self.seen.contains_key(&entry.id));
        self.saw(&listed);
        self.since = self.since.max(next_since);
        self.seen.retain(|_, at| *at >= self.since);
        Ok(listed)
    }
}

/// From when on lines may still come.
async fn beginning(app: &App, directory: (WorkspaceId, DirectoryId)) -> Result<Timestamp> {
    let newest = list(app, directory, &Wanted::default(), 1).await?;
    let newest = newest.last().map(|newest| newest.at.before(LATE));
    Ok(newest.unwrap_or(Timestamp(0)))
}

fn open(key: &WorkspaceKey, logged: Logged) -> Result<Entry> {
    let (workspace, directory) = place(&logged);
    let opened = key.open(&binding(workspace, directory, logged.id), &logged.sealed)?;
    let private: Private = serde_json::from_slice(&opened).map_err(Error::internal)?;
    let is_cut = |kept: &Option<Kept>| kept.as_ref().is_some_and(|kept| kept.cut);
    Ok(Entry {
        id: logged.id,
        at: logged.at,
        workspace,
        directory,
        credential: logged.credential,
        method: logged.method,
        route: logged.route,
        path: private.path,
        resource: logged.resource,
        status: logged.status,
        scim_type: logged.scim_type,
        detail: private.detail,
        notes: private.notes,
        duration_us: logged.micros,
        bytes_in: logged.bytes_in,
        bytes_out: logged.bytes_out,
        user_agent: logged.user_agent,
        cut: is_cut(&private.request) || is_cut(&private.response),
        request: private.request.map(shown),
        response: private.response.map(shown),
    })
}

/// JSON where it is whole, else its text.
fn shown(kept: Kept) -> Value {
    if kept.cut {
        return kept.text.into();
    }
    serde_json::from_str(&kept.text).unwrap_or_else(|_| kept.text.into())
}
