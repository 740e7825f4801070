//! Members out of a table: CSV as spreadsheets write it, or JSON.
//!
//! An import is stored with its rows and worked off in batches, each a transaction; a row that is
//! refused is undone alone and says what was wrong. It may be run again: whoever has all that a row
//! says is left alone. A preview goes the same way and undoes every row. What is not seen until the
//! rows are really there is a circle of managers that goes through the table and through members
//! outside of it, where the table is longer than a batch.

mod order;
mod row;
mod table;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::json;

use crate::app::App;
use crate::changes::{self, Act, Noted, Origin};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::{ApiKeyId, ImportId, MemberId, WorkspaceId};
use crate::secrets::WorkspaceKey;
use crate::store::members;
use crate::store::tx::Tx;
use crate::store::{imports as rows, workspaces};
use crate::workspace::keys::{self, Permission, Scopes};
use row::{Batch, Manager, Refusal};
use table::{Fault, Row};

pub use crate::store::imports::{Import, Outcome};
pub use table::{Format, MOST, count};

/// How many rows are worked off in a transaction.
const BATCH: i64 = 100;
/// How long an import that ended is kept.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// How many imports of a workspace may be open at once.
const OPEN: usize = 5;

/// How a table is brought in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Only tell what would become of each row.
    pub preview: bool,
    /// Bring those back who had left.
    pub revive: bool,
}

/// An import, and what its rows came to so far.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ImportShown")]
pub struct Shown {
    /// The import.
    #[serde(flatten)]
    pub import: Import,
    /// How many rows came to what.
    pub outcomes: BTreeMap<Outcome, i64>,
}

impl Shown {
    /// How many rows were refused.
    pub fn refused(&self) -> i64 {
        let refused = self.outcomes.get(&Outcome::Refused);
        refused.copied().unwrap_or_default()
    }
}

/// What became of a row.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "ImportRow")]
pub struct RowShown {
    /// Which row of the table it is, from 1 on; the line of names does not count.
    pub row: i64,
    /// What became of it.
    pub outcome: Outcome,
    /// The member, where there is one.
    pub member: Option<MemberId>,
    /// The column that was wrong.
    pub field: Option<String>,
    /// What was wrong.
    pub problem: Option<String>,
    /// Columns that say something else than the directory that keeps them, and were left as they are.
    pub kept: Vec<String>,
}

/// Reads a table and stores it; one that fits into a batch is worked off at once, a longer one by
/// [`step`]. What is wrong with the table as a whole is [`Error::Invalid`].
pub async fn start(
    app: &App,
    (origin, scopes): (&Origin, &Scopes),
    workspace: WorkspaceId,
    (bytes, format): (&[u8], Format),
    options: Options,
) -> Result<Shown> {
    let mut table = table::read(bytes, format)?;
    let turns = order::arrange(&mut table);
    let act = Act::of(app, origin, workspace);
    let import = Import {
        id: ImportId::new(),
        preview: options.preview,
        revive: options.revive,
        total: i64::try_from(table.len()).unwrap_or(i64::MAX),
        processed: 0,
        actor: origin.actor.clone(),
        credential: origin.credential,
        request: origin.request,
        method: origin.method.clone(),
        path: origin.path.clone(),
        created_at: act.at,
        finished_at: None,
    };
    let key = sealing(app, workspace)?;
    let mut waiting = Vec::with_capacity(table.len());
    for (number, (row, turn)) in (1..).zip(table.iter().zip(turns)) {
        let plain = serde_json::to_vec(row).map_err(Error::internal)?;
        let input = key.seal(&binding(import.id, number), &plain)?;
        waiting.push(rows::Waiting {
            number,
            turn,
            input,
        });
    }
    let id = import.id;
    let (app_, scopes) = (app.clone(), scopes.clone());
    app.write(move |tx| {
        let (app, act, scopes) = (app_.clone(), act.clone(), scopes.clone());
        let (import, waiting) = (import.clone(), waiting.clone());
        Box::pin(async move {
            insert(tx, &act, &import, &waiting).await?;
            if import.total <= BATCH {
                work(tx, &app, (&act, &scopes), &import).await?;
            }
            Ok(())
        })
    })
    .await?;
    show(app, workspace, id).await
}

async fn insert(tx: &mut Tx, act: &Act, import: &Import, waiting: &[rows::Waiting]) -> Result<()> {
    // Two at once would both find room; and who is brought in at once must not come by another door.
    workspaces::lock_whole(tx, act.workspace).await?;
    rows::delete_ended(tx, act.workspace, act.at.before(KEPT)).await?;
    let others = rows::list(tx, act.workspace).await?;
    if others.iter().filter(|it| it.finished_at.is_none()).count() >= OPEN {
        return Err(Error::Conflict(format!(
            "there are {OPEN} imports that go on; wait until one is done"
        )));
    }
    rows::insert(tx, act.workspace, import).await?;
    rows::insert_rows(tx, act.workspace, import.id, waiting).await?;
    if import.preview {
        return Ok(());
    }
    let detail = json!({"rows": import.total, "revive": import.revive});
    let change = act.change("import.started", ("import", import.id.0), Some(1), &detail);
    changes::record(tx, act.workspace, &[change]).await
}

/// An import, and what its rows came to so far.
pub async fn show(app: &App, workspace: WorkspaceId, id: ImportId) -> Result<Shown> {
    let mut tx = app.db.read().await?;
    let import = rows::find(&mut tx, workspace, id)
        .await?
        .ok_or(Error::NotFound("import"))?;
    let outcomes = rows::count_outcomes(&mut tx, workspace, id).await?;
    Ok(Shown {
        import,
        outcomes: outcomes.into_iter().collect(),
    })
}

/// The imports of a workspace, oldest first; those that ended a while ago are gone.
pub async fn list(app: &App, workspace: WorkspaceId) -> Result<Vec<Import>> {
    let mut tx = app.db.one().await?;
    Ok(rows::list(&mut tx, workspace).await?)
}

/// What became of the rows after one, in the order of the table; of those that had their turn.
pub async fn list_rows(
    app: &App,
    workspace: WorkspaceId,
    id: ImportId,
    after: i64,
    most: i64,
) -> Result<Vec<RowShown>> {
    let mut tx = app.db.read().await?;
    let import = rows::find(&mut tx, workspace, id).await?;
    import.ok_or(Error::NotFound("import"))?;
    let done = rows::list_done(&mut tx, workspace, id, after, most).await?;
    let shown = done.into_iter().map(|done| RowShown {
        row: done.number,
        outcome: done.outcome,
        member: done.member,
        field: done.field,
        problem: done.problem,
        kept: done
            .kept
            .iter()
            .flat_map(|kept| kept.split(','))
            .map(str::to_owned)
            .collect(),
    });
    Ok(shown.collect())
}

/// Works off a batch of the oldest import that is open of each workspace; tells how many rows there
/// were.
pub async fn step(app: &App) -> Result<usize> {
    let mut tx = app.db.one().await?;
    let open = rows::list_open(&mut tx).await?;
    drop(tx);
    let (mut count, mut failed) = (0, None);
    for (workspace, id) in open {
        match step_of(app, workspace, id).await {
            Ok(done) => count += done,
            // What is wrong with one workspace does not keep the others waiting.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(count), Err)
}

/// Works off a batch of an import; tells how many rows there were. For a key that is good no longer
/// nothing more is done.
pub async fn step_of(app: &App, workspace: WorkspaceId, id: ImportId) -> Result<usize> {
    let (app_, at) = (app.clone(), app.clock.now());
    app.write(move |tx| {
        let app = app_.clone();
        Box::pin(async move {
            workspaces::lock_whole(tx, workspace).await?;
            let found = rows::lock(tx, workspace, id).await?;
            let Some(import) = found.filter(|import| import.finished_at.is_none()) else {
                return Ok(0);
            };
            let scopes = match import.credential {
                None => Some(Scopes::everything()),
                Some(key) => keys::rights_of(tx, workspace, ApiKeyId(key.0), at).await?,
            };
            let act = act_of(&import, workspace, at);
            work(tx, &app, (&act, &scopes.unwrap_or_default()), &import).await
        })
    })
    .await
}

/// An act on behalf of the request that asked for the import.
fn act_of(import: &Import, workspace: WorkspaceId, at: Timestamp) -> Act {
    Act {
        origin: Origin {
            request: import.request,
            credential: import.credential,
            actor: import.actor.clone(),
            method: import.method.clone(),
            path: import.path.clone(),
            noted: Noted::default(),
        },
        workspace,
        directory: None,
        at,
    }
}

/// Works off a batch of an import that is locked, in a workspace that is.
async fn work(
    tx: &mut Tx,
    app: &App,
    (act, scopes): (&Act, &Scopes),
    import: &Import,
) -> Result<usize> {
    let workspace = act.workspace;
    let waiting = rows::list_waiting(tx, workspace, import.id, BATCH).await?;
    let key = sealing(app, workspace)?;
    let mut batch_rows = Vec::with_capacity(waiting.len());
    for waiting in &waiting {
        let plain = key.open(&binding(import.id, waiting.number), &waiting.input)?;
        let row: Row = serde_json::from_slice(&plain).map_err(Error::internal)?;
        batch_rows.push((waiting.number, row));
    }
    let known = known(tx, workspace, &batch_rows).await?;
    let names = crate::workspace::members::names(tx, workspace).await?;
    let mark = workspaces::find_rules_mark(tx, workspace).await?;
    let batch = Batch {
        app,
        act,
        scopes,
        revive: import.revive,
        rules_version: mark.rules_version,
        names: &names,
    };
    for (number, row) in batch_rows {
        let done = one(tx, &batch, import, (number, &row), &known).await?;
        rows::update_row(tx, workspace, import.id, &done).await?;
    }
    let count = waiting.len();
    let processed = import.processed + i64::try_from(count).unwrap_or(i64::MAX);
    let is_done = processed >= import.total;
    let finished_at = is_done.then_some(act.at);
    rows::update(tx, workspace, import.id, processed, finished_at).await?;
    if is_done && !import.preview {
        let outcomes = rows::count_outcomes(tx, workspace, import.id).await?;
        let outcomes: BTreeMap<_, _> = outcomes.into_iter().collect();
        let detail = json!({"outcomes": outcomes});
        let subject = ("import", import.id.0);
        let change = act.change("import.finished", subject, Some(2), &detail);
        changes::record(tx, workspace, &[change]).await?;
    }
    Ok(count)
}

/// The members whom rows mean, by the number of the row, locked in the order of their ids as
/// everybody locks members; and what was wrong where one could not be found.
struct KnownRows {
    meant: HashMap<i64, MemberId>,
    faults: HashMap<i64, Fault>,
}

async fn known(tx: &mut Tx, workspace: WorkspaceId, batch: &[(i64, Row)]) -> Result<KnownRows> {
    let (mut meant, mut faults) = (HashMap::new(), HashMap::new());
    for (number, row) in batch.iter().filter(|(_, row)| row.fault.is_none()) {
        match row::find(tx, workspace, row).await {
            Ok(Some(member)) => {
                meant.insert(*number, member);
            }
            Ok(None) => {}
            Err(Refusal::Fault(fault)) => {
                faults.insert(*number, fault);
            }
            Err(Refusal::Error(error)) => return Err(error),
        }
    }
    let ids: Vec<_> = meant.values().copied().collect();
    members::lock(tx, workspace, &ids).await?;
    Ok(KnownRows { meant, faults })
}

/// Works off a row, which is undone alone if it is refused or only previewed.
async fn one(
    tx: &mut Tx,
    batch: &Batch<'_>,
    import: &Import,
    (number, row): (i64, &Row),
    known: &KnownRows,
) -> Result<rows::Done> {
    let workspace = batch.act.workspace;
    let mut done = rows::Done {
        number,
        outcome: Outcome::Refused,
        member: known.meant.get(&number).copied(),
        field: None,
        problem: None,
        kept: None,
    };
    let mut refuse = |fault: Fault| {
        done.field = fault.field;
        done.problem = Some(fault.problem);
    };
    let fault = row.fault.as_ref().or_else(|| known.faults.get(&number));
    if !batch.scopes.allow(Permission::MembersManage) {
        refuse(Fault {
            field: None,
            problem: "the key that asked for this is good no longer".to_owned(),
        });
        return Ok(done);
    }
    if let Some(fault) = fault {
        refuse(fault.clone());
        return Ok(done);
    }
    let manager = match row.above {
        None => Manager::Cell,
        Some(above) => match manager(tx, workspace, import, above).await? {
            Ok(manager) => manager,
            Err(fault) => {
                refuse(fault);
                return Ok(done);
            }
        },
    };
    let member = match known.meant.get(&number) {
        None => None,
        Some(id) => {
            // An earlier row may have written the same member.
            let found = members::find(tx, workspace, *id).await?;
            Some(found.ok_or(Error::NotFound("member"))?)
        }
    };
    tx.begin_part().await?;
    let came = row::admit(tx, batch, row, member, manager).await;
    if came.is_ok() && !import.preview {
        tx.keep_part().await?;
    } else {
        tx.undo_part().await?;
    }
    match came {
        Ok(came) => {
            done.outcome = came.outcome;
            let is_there = !(import.preview && came.outcome == Outcome::Created);
            done.member = came.member.filter(|_| is_there);
            done.kept = (!came.kept.is_empty()).then(|| came.kept.join(","));
        }
        Err(Refusal::Fault(fault)) => refuse(fault),
        Err(Refusal::Error(error)) => return Err(error),
    }
    Ok(done)
}

/// The manager who stands in another row, which has had its turn.
async fn manager(
    tx: &mut Tx,
    workspace: WorkspaceId,
    import: &Import,
    above: i64,
) -> Result<Result<Manager, Fault>> {
    let done = rows::find_done(tx, workspace, import.id, above).await?;
    let fault = || Fault {
        field: Some("manager".to_owned()),
        problem: format!("row {above}, the manager, is not brought in"),
    };
    Ok(match done {
        Some(done) if matches!(done.outcome, Outcome::Refused | Outcome::Left) => Err(fault()),
        Some(done) => Ok(match done.member {
            // One whom a preview would bring back is no manager yet.
            Some(member) if !(import.preview && done.outcome == Outcome::Revived) => {
                Manager::Member(member)
            }
            _ => Manager::ToCome,
        }),
        None => Err(fault()),
    })
}

fn sealing(app: &App, workspace: WorkspaceId) -> Result<WorkspaceKey> {
    app.keys.of_workspace(workspace, "import")
}

/// Binds a sealed row to its place.
fn binding(import: ImportId, number: i64) -> Vec<u8> {
    let mut aad = b"import_rows.input".to_vec();
    aad.extend_from_slice(import.0.as_bytes());
    aad.extend_from_slice(&number.to_be_bytes());
    aad
}
