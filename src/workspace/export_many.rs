//! All members of a workspace as a table, a page at a time: CSV for spreadsheets or JSON. An import
//! reads what this writes, and finds nothing to do.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::columns::{Column, guarded, joined};
use super::members::{GrantKind, Source, Status, names};
use super::profile::Line;
use crate::app::App;
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{MemberId, WorkspaceId};
use crate::store::tx::Tx;
use crate::store::{details, grants, members as rows};

/// How many members are read at a time.
const PAGE: i64 = 500;
/// What the table tells besides what an import reads.
const TOLD: [&str; 7] = [
    "userName",
    "status",
    "source",
    "createdAt",
    "invitedAt",
    "activatedAt",
    "suspendedAt",
];

/// What a table is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180), in which no cell is a formula.
    Csv,
    /// An object with a list of objects as `members`.
    Json,
}

impl Format {
    /// Its name, which a file of it ends with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            _ => Err("expected csv or json".to_owned()),
        }
    }
}

/// The table as JSON.
#[derive(schemars::JsonSchema)]
#[schemars(rename = "MembersTable")]
#[expect(dead_code, reason = "the shape of what is written in parts")]
pub struct Table {
    /// The members, one each.
    members: Vec<Row>,
}

/// A member in the table.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "MembersRow")]
struct Row {
    id: MemberId,
    email: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    display_name: Option<String>,
    user_id: Option<String>,
    /// Rights that the member has, or will have once it is in.
    roles: BTreeSet<String>,
    permissions: BTreeSet<String>,
    teams: BTreeSet<String>,
    language: Option<String>,
    time_zone: Option<String>,
    phone: Option<String>,
    line: Option<Line>,
    manager: Option<MemberId>,
    picture: Option<String>,
    user_name: Option<String>,
    status: Status,
    source: Source,
    created_at: Timestamp,
    invited_at: Option<Timestamp>,
    activated_at: Option<Timestamp>,
    suspended_at: Option<Timestamp>,
    /// What a spreadsheet shows of the manager.
    #[serde(skip)]
    manager_name: Option<String>,
}

/// An export that goes on.
pub struct Export {
    app: App,
    workspace: WorkspaceId,
    format: Format,
    at: Place,
    /// How many members are in what was read.
    count: usize,
}

/// How far it is.
enum Place {
    Begin,
    After(Option<MemberId>),
    End,
}

/// Begins an export of all members who are not removed, and writes down who took it out.
pub async fn begin(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    format: Format,
) -> Result<Export> {
    let act = Act::of(app, origin, workspace);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let detail = json!({"format": format.name()});
            let subject = ("workspace", act.workspace.0);
            let change = act.change("members.exported", subject, None, &detail);
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await?;
    Ok(Export {
        app: app.clone(),
        workspace,
        format,
        at: Place::Begin,
        count: 0,
    })
}

/// Writes down that data was not handed out to its end, for whoever took it out lost the right to:
/// `why` in a word.
pub async fn tell_broken_off(
    app: &App,
    origin: &Origin,
    workspace: WorkspaceId,
    subject: (&'static str, Uuid),
    why: &'static str,
) -> Result<()> {
    tracing::warn!(%workspace, why, "an export is broken off: the right to it was lost");
    let act = Act::of(app, origin, workspace);
    app.write(move |tx| {
        let act = act.clone();
        Box::pin(async move {
            let change = act.change("export.broken_off", subject, None, &json!({ "why": why }));
            changes::record(tx, act.workspace, &[change]).await
        })
    })
    .await
}

impl Export {
    /// How many members the parts have so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The next part of its text; none after the last one.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let (after, is_first) = match self.at {
            Place::Begin => (None, true),
            Place::After(after) => (after, false),
            Place::End => return Ok(None),
        };
        let mut tx = self.app.db.read().await?;
        let page = page(&mut tx, self.workspace, after).await?;
        drop(tx);
        self.count += page.len();
        let last = page.last().map(|row| row.id);
        let is_last = page.len() < usize::try_from(PAGE).unwrap_or_default();
        let text = match self.format {
            Format::Csv => csv_text(&page, is_first)?,
            Format::Json => json_text(&page, is_first, is_last)?,
        };
        self.at = if is_last {
            Place::End
        } else {
            Place::After(last)
        };
        Ok(Some(text))
    }
}

async fn page(tx: &mut Tx, workspace: WorkspaceId, after: Option<MemberId>) -> Result<Vec<Row>> {
    let members = rows::list(tx, workspace, after, PAGE).await?;
    let ids: Vec<_> = members.iter().map(|member| member.id).collect();
    let named = names(tx, workspace).await?;
    let details = details::list_shown(tx, workspace, &ids).await?;
    let mut details: HashMap<_, _> = details.into_iter().map(|of| (of.id, of.details)).collect();
    let managers: BTreeSet<MemberId> = details.values().filter_map(|of| of.manager).collect();
    let managers: Vec<_> = managers.into_iter().collect();
    let managers = details::list_named(tx, workspace, &managers).await?;
    let managers: HashMap<_, _> = managers.into_iter().collect();
    let mut rights: HashMap<(MemberId, GrantKind), BTreeSet<String>> = HashMap::new();
    for right in grants::list_lasting(tx, workspace, &ids).await? {
        if let Some(name) = named.get(&right.target) {
            let of = rights.entry((right.member, right.kind)).or_default();
            of.insert(name.clone());
        }
    }
    let page = members.into_iter().map(|member| {
        let details = details.remove(&member.id).unwrap_or_default();
        let mut rights = |kind| rights.remove(&(member.id, kind)).unwrap_or_default();
        Row {
            id: member.id,
            email: member.email,
            given_name: member.given_name,
            family_name: member.family_name,
            display_name: member.display_name,
            user_id: details.user_id,
            roles: rights(GrantKind::Role),
            permissions: rights(GrantKind::Permission),
            teams: rights(GrantKind::Team),
            language: details.language,
            time_zone: details.time_zone,
            phone: details.phone,
            line: Line::of(details.line.as_deref(), details.line_number),
            manager_name: details.manager.map(|id| match managers.get(&id) {
                Some(Some(name)) => name.clone(),
                _ => id.to_string(),
            }),
            manager: details.manager,
            picture: details.picture,
            user_name: member.user_name,
            status: member.status,
            source: member.source,
            created_at: member.created_at,
            invited_at: details.steps.invited_at,
            activated_at: details.steps.activated_at,
            suspended_at: details.steps.suspended_at,
        }
    });
    Ok(page.collect())
}

fn csv_text(page: &[Row], is_first: bool) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    if is_first {
        let names = Column::ALL.map(Column::name);
        let names = names.iter().chain(&TOLD);
        writer.write_record(names).map_err(Error::internal)?;
    }
    for row in page {
        let cells = cells(row);
        let cells = cells.iter().map(|cell| guarded(cell));
        writer.write_record(cells).map_err(Error::internal)?;
    }
    let text = writer.into_inner().map_err(csv::IntoInnerError::into_error);
    text.map_err(Error::internal)
}

fn cells(row: &Row) -> Vec<String> {
    let cell = |text: &Option<String>| text.clone().unwrap_or_default();
    let (line, number) = match &row.line {
        None => ("", String::new()),
        Some(Line::Numberless) => ("numberless", String::new()),
        Some(Line::Numbered { number }) => ("numbered", number.clone().unwrap_or_default()),
    };
    let mut cells: Vec<String> = Vec::with_capacity(Column::ALL.len() + TOLD.len());
    for column in Column::ALL {
        cells.push(match column {
            Column::Id => row.id.to_string(),
            Column::Email => cell(&row.email),
            Column::FirstName => cell(&row.given_name),
            Column::LastName => cell(&row.family_name),
            Column::DisplayName => cell(&row.display_name),
            Column::UserId => cell(&row.user_id),
            Column::Roles => joined(&row.roles),
            Column::Permissions => joined(&row.permissions),
            Column::Teams => joined(&row.teams),
            Column::Language => cell(&row.language),
            Column::TimeZone => cell(&row.time_zone),
            Column::Phone => cell(&row.phone),
            Column::Line => line.to_owned(),
            Column::LineNumber => number.clone(),
            Column::Manager => cell(&row.manager_name),
            Column::Picture => cell(&row.picture),
            Column::Revive => String::new(),
        });
    }
    cells.push(cell(&row.user_name));
    for word in [json!(row.status), json!(row.source)] {
        cells.push(word.as_str().unwrap_or_default().to_owned());
    }
    let steps = [row.invited_at, row.activated_at, row.suspended_at];
    for at in [Some(row.created_at)].into_iter().chain(steps) {
        cells.push(at.map(|at| at.to_string()).unwrap_or_default());
    }
    cells
}

fn json_text(page: &[Row], is_first: bool, is_last: bool) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    if is_first {
        text.extend_from_slice(b"{\"members\":[");
    }
    for (at, row) in page.iter().enumerate() {
        text.extend_from_slice(if is_first && at == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut text, row).map_err(Error::internal)?;
    }
    if is_last {
        text.extend_from_slice(b"\n]}\n");
    }
    Ok(text)
}
