//! Takes a backup back.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use serde_json::json;

use super::format::{Item, Reader};
use super::{Content, Failure, Progress, TELL};
use crate::changes::{self, Act, Origin};
use crate::clock::Timestamp;
use crate::secrets::Keyring;
use crate::store::api_keys::{self, HeldKey};
use crate::store::causes::{self, ByHand};
use crate::store::db::Options;
use crate::store::directories::{self, HeldToken};
use crate::store::error::DbError;
use crate::store::replacement::{self, Replacement, has_columns};
use crate::store::tables::{self, Table};
use crate::store::tx::Tx;
use crate::store::{deployment, members, migrate, workspaces};
use crate::workspace::erasure::{self, Erased};

/// How much of a file waits to be written at once.
const BYTES: usize = 1024 * 1024;

/// How a backup is taken back.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// In place of what is there.
    pub replace: bool,
    /// As the present state: nothing was written since it was made, so that nothing is held.
    pub as_is: bool,
    /// Who was erased, and is erased again.
    pub erased: Vec<Erased>,
}

/// How many rights by hand are listed of each workspace.
const LISTED: i64 = 1_000;

/// What was taken back, and what is held.
#[derive(Debug, serde::Serialize)]
pub struct Loaded {
    /// What the file held.
    pub content: Content,
    /// The deployment's access epoch now.
    pub access_epoch: i64,
    /// How many members have no rights until they are released.
    pub members_held: u64,
    /// Tokens that open nothing until they are released.
    pub tokens_held: Vec<HeldToken>,
    /// API keys that open nothing until they are released.
    pub keys_held: Vec<HeldKey>,
    /// Roles and permissions that were given by hand, which somebody may have taken away since: they
    /// have effect again with whoever is let in. Up to 1,000 of each workspace.
    pub by_hand: Vec<ByHand>,
    /// How many members were erased after the backup, and are so again.
    pub members_erased: u64,
    /// Where the file is now that was there and could not be read.
    pub damaged: Option<String>,
}

/// Reads a file to its end: that it is whole, for this program and for this key.
pub fn check(keys: &Keyring, file: &Path, progress: Progress<'_>) -> Result<Content, Failure> {
    let mut reader = open(keys, file)?;
    let (mut name, mut count) = (String::new(), 0);
    loop {
        match reader.next()? {
            Item::Table(table, _) => (name, count) = (table, 0),
            Item::Row(_) => {
                count += 1;
                if count % TELL == 0 {
                    progress(&name, count);
                }
            }
            Item::EndTable => {}
            Item::Complete(tables, rows, sha256) => {
                return Ok(content(&reader, tables, rows, sha256));
            }
        }
    }
}

/// Puts a backup into a database, in one transaction: that is as it was until all of it is there.
/// Only a file that cannot be read is moved aside before, if it is to be replaced.
pub async fn load(
    options: &Options,
    keys: &Keyring,
    at: Timestamp,
    file: &Path,
    how: &How,
    progress: Progress<'_>,
) -> Result<Loaded, Failure> {
    match fill(options, keys, at, file, how, progress).await {
        Err(Failure::Db(error)) if how.replace && error.is_damaged() => {
            let aside = replacement::set_aside(options)?.display().to_string();
            tracing::warn!("the database's file cannot be read and was moved to {aside}");
            let mut loaded = fill(options, keys, at, file, how, progress).await?;
            loaded.damaged = Some(aside);
            Ok(loaded)
        }
        done => done,
    }
}

async fn fill(
    options: &Options,
    keys: &Keyring,
    at: Timestamp,
    file: &Path,
    how: &How,
    progress: Progress<'_>,
) -> Result<Loaded, Failure> {
    let mut reader = open(keys, file)?;
    let mut target = Replacement::begin(options).await?;
    match fill_open(&mut target, &mut reader, at, how, progress).await {
        Ok(loaded) => {
            target.commit(options).await?;
            Ok(loaded)
        }
        Err(failure) => {
            target.close().await;
            Err(failure)
        }
    }
}

async fn fill_open(
    target: &mut Replacement,
    reader: &mut Reader<File>,
    at: Timestamp,
    how: &How,
    progress: Progress<'_>,
) -> Result<Loaded, Failure> {
    if !how.replace && !target.is_empty().await? {
        return Err(Failure::NotEmpty);
    }
    let mut erased = target.list_erasures().await?;
    erased.extend(&how.erased);
    target.clear(reader.header.version()).await?;
    let content = rows(&mut target.tx, reader, progress).await?;
    target.migrate().await?;
    if target.count_dangling().await? > 0 {
        return Err(reader.broken("rows refer to rows that are not there"));
    }
    let members_erased = erasure::repeat_within(&mut target.tx, at, &erased).await?;
    let mut loaded = hold(&mut target.tx, content, at, how).await?;
    loaded.members_erased = members_erased;
    Ok(loaded)
}

fn open(keys: &Keyring, file: &Path) -> Result<Reader<File>, Failure> {
    let reader = Reader::begin(File::open(file)?)?;
    match reader.header.unknown_step(&migrate::known()) {
        Some((version, true)) => return Err(DbError::OtherBuild(version).into()),
        Some((version, false)) => return Err(DbError::Newer(version).into()),
        None => {}
    }
    if reader.header.key != keys.id() {
        return Err(Failure::OtherKey {
            needed: reader.header.key.clone(),
            given: keys.id(),
        });
    }
    Ok(reader)
}

async fn rows(
    tx: &mut Tx,
    reader: &mut Reader<File>,
    progress: Progress<'_>,
) -> Result<Content, Failure> {
    let listed = tables::list(tx).await?.into_iter();
    let mut missing: BTreeMap<String, Table> =
        listed.map(|table| (table.name.clone(), table)).collect();
    let mut table: Option<Table> = None;
    let (mut waiting, mut bytes, mut count) = (Vec::new(), 0, 0);
    loop {
        let item = reader.next()?;
        if let Some(table) = &table
            && (waiting.len() == tables::rows_at_once(table)
                || bytes >= BYTES
                || !matches!(item, Item::Row(_)))
        {
            tables::insert(tx, table, std::mem::take(&mut waiting)).await?;
            bytes = 0;
        }
        match item {
            Item::Table(name, columns) => {
                let known = missing.remove(&name);
                let mut known = known
                    .filter(|known| has_columns(known, &columns))
                    .ok_or_else(|| reader.broken("a table that this schema does not have"))?;
                known.columns = columns;
                progress(&name, 0);
                (table, count) = (Some(known), 0);
            }
            Item::Row(cells) => {
                waiting.push(cells);
                bytes += reader.length();
                count += 1;
                if let Some(table) = &table
                    && count % TELL == 0
                {
                    progress(&table.name, count);
                }
            }
            Item::EndTable => table = None,
            Item::Complete(tables, rows, sha256) => {
                if let Some(name) = missing.keys().next() {
                    return Err(reader.broken(&format!("the table {name} is not in it")));
                }
                return Ok(content(reader, tables, rows, sha256));
            }
        }
    }
}

fn content(reader: &Reader<File>, tables: u64, rows: u64, sha256: String) -> Content {
    Content {
        made_at: reader.header.made_at,
        schema: reader.header.version(),
        key: reader.header.key.clone(),
        tables,
        rows,
        sha256,
    }
}

/// Raises the epoch and holds what may have been taken away since, unless nothing was; each
/// workspace's log tells of it.
async fn hold(tx: &mut Tx, content: Content, at: Timestamp, how: &How) -> Result<Loaded, Failure> {
    let mut loaded = Loaded {
        access_epoch: deployment::find_epoch(tx).await?,
        members_held: 0,
        tokens_held: Vec::new(),
        keys_held: Vec::new(),
        by_hand: Vec::new(),
        members_erased: 0,
        damaged: None,
        content,
    };
    if !how.as_is {
        loaded.access_epoch = deployment::raise_epoch(tx, at).await?;
        loaded.tokens_held = directories::hold_credentials(tx, at).await?;
        loaded.keys_held = api_keys::hold_all(tx, at).await?;
    }
    for workspace in workspaces::list(tx).await? {
        let held = if how.as_is {
            0
        } else {
            let by_hand = causes::list_by_hand(tx, workspace.id, LISTED).await?;
            loaded.by_hand.extend(by_hand);
            members::hold(tx, workspace.id, at).await?
        };
        loaded.members_held += held;
        let act = Act {
            origin: Origin::cli(),
            workspace: workspace.id,
            directory: None,
            at,
        };
        let detail = json!({
            "backup": {"made_at": loaded.content.made_at, "sha256": loaded.content.sha256},
            "access_epoch": loaded.access_epoch, "members_held": held, "as_is": how.as_is,
        });
        let subject = ("workspace", workspace.id.0);
        let change = act.change("workspace.restored", subject, None, &detail);
        changes::record(tx, workspace.id, &[change]).await?;
    }
    Ok(loaded)
}
