//! The directories of a document.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::effect::{Action, Kind, Unnamed};
use super::plan::{Planned, Step, differences, keyed};
use crate::directory::{DirectoryKind, Mode};
use crate::error::{Error, Result};
use crate::ids::{DirectoryId, WorkspaceId};
use crate::store::directories::{self, Directory as Row};
use crate::store::tx::Tx;
use crate::workspace::name_key;

/// A directory. Kind and mode are said when it is made, and stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ConfiguredDirectory")]
pub struct Directory {
    /// Its id, by which it is known under another name. One that no directory of the workspace has counts
    /// for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<DirectoryId>,
    /// Its name.
    pub name: String,
    /// Whose dialect it speaks.
    pub kind: DirectoryKind,
    /// What becomes of its facts.
    pub mode: Mode,
    /// Whether unknown attributes and members are refused instead of skipped.
    #[serde(default)]
    pub strict: bool,
    /// Whether a create for an inactive user restores that user.
    #[serde(default)]
    pub restore_inactive: bool,
}

impl From<Row> for Directory {
    fn from(directory: Row) -> Self {
        Self {
            id: Some(directory.id),
            name: directory.name,
            kind: directory.kind,
            mode: directory.mode,
            strict: directory.strict,
            restore_inactive: directory.restore_inactive,
        }
    }
}

/// Takes the one out of those that are there that is meant; its id comes before its name.
fn take(there: &mut Vec<Row>, wanted: &Directory) -> Result<Option<Row>> {
    let key = name_key(&wanted.name, "directories")?;
    let by_id = there.iter().position(|row| Some(row.id) == wanted.id);
    let at = match by_id {
        Some(at) => Some(at),
        None => {
            let mut keys = there.iter();
            keys.position(|row| name_key(&row.name, "directories").is_ok_and(|it| it == key))
        }
    };
    Ok(at.map(|at| there.remove(at)))
}

/// The steps to the directories that are wanted; changes the names of `rows` to those that they get.
/// Gives those that are not named and not ended.
pub(super) async fn steps(
    tx: &mut Tx,
    workspace: WorkspaceId,
    rows: &mut [Row],
    wanted: &[Directory],
    steps: &mut Vec<Planned>,
) -> Result<Vec<Unnamed>> {
    keyed("directories", wanted, |directory| &directory.name)?;
    let mut there = rows.to_vec();
    // Whoever is named by its id is not taken for another one of its new name.
    let (known, new): (Vec<_>, Vec<_>) = wanted.iter().partition(|of| {
        let mut ids = there.iter().map(|row| Some(row.id));
        of.id.is_some() && ids.any(|id| id == of.id)
    });
    for to in known.into_iter().chain(new) {
        match take(&mut there, to)? {
            Some(row) => {
                let mut of = rows.iter_mut().filter(|it| it.id == row.id);
                if let Some(renamed) = of.next() {
                    renamed.name.clone_from(&to.name);
                }
                steps.extend(change(row, to)?);
            }
            None => steps.push(add(to)),
        }
    }
    let mut unnamed = Vec::new();
    for row in there.into_iter().filter(|row| row.ended_at.is_none()) {
        unnamed.push(Unnamed {
            id: row.id,
            users: directories::count(tx, (workspace, row.id), "users").await?,
            name: row.name,
        });
    }
    Ok(unnamed)
}

fn change(mut row: Row, to: &Directory) -> Result<Option<Planned>> {
    if (row.kind, row.mode) != (to.kind, to.mode) {
        return Err(Error::value(format!(
            "directories: kind and mode of \"{}\" stay as they are",
            row.name
        )));
    }
    let differ = differences([
        ("name", json!(row.name), json!(to.name)),
        ("strict", json!(row.strict), json!(to.strict)),
        (
            "restore_inactive",
            json!(row.restore_inactive),
            json!(to.restore_inactive),
        ),
    ]);
    if differ.is_empty() {
        return Ok(None);
    }
    let name = std::mem::replace(&mut row.name, to.name.clone());
    (row.strict, row.restore_inactive) = (to.strict, to.restore_inactive);
    let what = (Action::Change, Kind::Directory, name.as_str());
    Ok(Some(Planned::of(what, differ, Step::EditDirectory(row))))
}

fn add(directory: &Directory) -> Planned {
    let differ = differences([
        ("kind", Value::Null, json!(directory.kind)),
        ("mode", Value::Null, json!(directory.mode)),
        ("strict", json!(false), json!(directory.strict)),
        (
            "restore_inactive",
            json!(false),
            json!(directory.restore_inactive),
        ),
    ]);
    let step = Step::AddDirectory(directory.clone());
    let what = (Action::Add, Kind::Directory, directory.name.as_str());
    Planned::of(what, differ, step)
}
