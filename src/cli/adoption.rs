//! `gatehouse directory adoption` and `gatehouse directory adopt`.

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::directories::Named;
use super::table;
use crate::admission::adoption::{self, Adopt};
use crate::app::App;
use crate::changes::Origin;
use crate::ids::{DirectoryId, MemberId, WorkspaceId};
use crate::workspace::keys::Scopes;

/// How many entries are read at a time.
const PAGE: i64 = 200;

/// Which Users and members.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum List {
    /// Users that met a member of another way.
    Conflicts,
    /// Users that are linked to a member.
    Matched,
    /// Users that are linked to nobody yet, and what becomes of each.
    New,
    /// Members whom the directory does not have.
    Unmatched,
}

#[derive(Debug, Args)]
pub(super) struct Adoption {
    #[command(flatten)]
    named: Named,
    /// Which Users or members.
    #[arg(long, value_enum, default_value = "conflicts")]
    list: List,
}

#[derive(Debug, Args)]
pub(super) struct AdoptOne {
    #[command(flatten)]
    named: Named,
    /// The User whose create met a member, by its userName; its next create links to the member.
    #[arg(long, value_name = "NAME", required_unless_present = "member")]
    user_name: Option<String>,
    /// The member's id: which one of several, or one whom the directory brought in by an address
    /// alone and who waits for what was given by hand.
    #[arg(long, value_name = "ID")]
    member: Option<MemberId>,
}

impl Adoption {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (app, directory) = self.named.find().await?;
        let place = (directory.workspace, directory.id);
        let rows = all(&app, place, self.list).await?;
        self.named.settings.print(&rows, || text(&rows))
    }
}

impl AdoptOne {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (app, directory) = self.named.find().await?;
        let adopt = match (self.user_name, self.member) {
            (Some(user_name), member) => Adopt::User { user_name, member },
            (None, Some(member)) => Adopt::Member(member),
            (None, None) => anyhow::bail!("--user-name or --member is missing"),
        };
        let place = (directory.workspace, directory.id);
        let everything = Scopes::everything();
        let by = (&Origin::cli(), &everything);
        let member = adoption::adopt(&app, by, place, adopt).await?;
        let value = json!({"member": member});
        self.named
            .settings
            .print(&value, || format!("member {member} is adopted"))
    }
}

/// A list to its end.
async fn all(
    app: &App,
    place: (WorkspaceId, DirectoryId),
    list: List,
) -> anyhow::Result<Vec<Value>> {
    let mut rows = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let past = after.as_deref();
        let page = match list {
            List::Conflicts => values(adoption::conflicts(app, place, past, PAGE).await?)?,
            List::Matched => {
                let after = past.map(str::parse).transpose()?;
                values(adoption::matched(app, place, after, PAGE).await?)?
            }
            List::New => {
                let after = past.map(str::parse).transpose()?;
                values(adoption::foreseen(app, place, after, PAGE).await?)?
            }
            List::Unmatched => {
                let after = past.map(str::parse).transpose()?;
                values(adoption::unmatched(app, place, after, PAGE).await?)?
            }
        };
        let key = match list {
            List::Conflicts => "user_name",
            List::Matched | List::New => "user",
            List::Unmatched => "member",
        };
        let Some(next) = page.last().and_then(|row: &Value| row[key].as_str()) else {
            return Ok(rows);
        };
        after = Some(next.to_owned());
        rows.extend(page);
    }
}

fn values<T: Serialize>(rows: Vec<T>) -> anyhow::Result<Vec<Value>> {
    let values = rows.into_iter().map(serde_json::to_value);
    Ok(values.collect::<Result<_, _>>()?)
}

fn text(rows: &[Value]) -> String {
    let Some(first) = rows.first().and_then(Value::as_object) else {
        return "nobody".to_owned();
    };
    let header: Vec<&str> = first.keys().map(String::as_str).collect();
    let cells = rows.iter().map(|row| {
        let of = header.iter().map(|key| match &row[*key] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        });
        of.collect()
    });
    table(&header, cells)
}
