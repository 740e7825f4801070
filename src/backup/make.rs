//! Makes a backup.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::format::{Header, Writer};
use super::{Content, Failure, Progress, TELL};
use crate::changes::receipts::{self, Receipt};
use crate::clock::Timestamp;
use crate::secrets::Keyring;
use crate::store::db::Db;
use crate::store::error::DbError;
use crate::store::{deployment, migrate, tables};

/// A backup that is whole on the disk and has no name yet; it is gone if it is not given one.
pub struct Draft {
    file: NamedTempFile,
    folder: PathBuf,
    /// What it holds.
    pub content: Content,
    /// The end of each workspace's log of changes.
    pub receipts: Vec<Receipt>,
}

impl Draft {
    /// Where it is for now.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Gives it its name, under which nothing may be.
    pub fn keep(self, name: &Path) -> Result<(), Failure> {
        let kept = self.file.persist_noclobber(name);
        kept.map_err(|error| error.error)?;
        // The name is durable with its folder.
        Ok(File::open(&self.folder)?.sync_all()?)
    }
}

/// Writes all that the database holds at one instant into a file in that folder, readable by its
/// owner alone. The schema may be an older one; it stays as it is.
pub async fn make(
    db: &Db,
    keys: &Keyring,
    at: Timestamp,
    folder: &Path,
    progress: Progress<'_>,
) -> Result<Draft, Failure> {
    let mut tx = db.read().await?;
    tables::unhurried(&mut tx).await?;
    let steps = migrate::list(&mut tx).await?;
    let receipts = receipts::list(&mut tx).await?;
    let header = Header::new(at, keys, &steps, receipts.clone());
    match header.unknown_step(&migrate::known()) {
        Some((version, true)) => return Err(DbError::OtherBuild(version).into()),
        Some((version, false)) => return Err(DbError::Newer(version).into()),
        None => {}
    }
    let deployment = deployment::find(&mut tx).await?.ok_or(DbError::NotFound)?;
    if deployment.key_check != keys.key_check() {
        return Err(Failure::OtherKey {
            needed: Keyring::id_of(&deployment.key_check),
            given: keys.id(),
        });
    }
    let file = NamedTempFile::new_in(folder)?;
    let out = BufWriter::with_capacity(256 * 1024, file.reopen()?);
    let mut writer = Writer::begin(out, &header)?;
    for table in tables::list(&mut tx).await? {
        writer.table(&table.name, &table.columns)?;
        progress(&table.name, 0);
        let write = |cells| {
            let count = writer.row(cells)?;
            if count.is_multiple_of(TELL) {
                progress(&table.name, count);
            }
            Ok::<_, Failure>(())
        };
        tables::each_row(&mut tx, &table, write).await?;
        writer.end_table()?;
    }
    let (mut out, tables, rows, sha256) = writer.complete()?;
    out.flush()?;
    out.get_ref().sync_all()?;
    Ok(Draft {
        file,
        folder: folder.to_owned(),
        content: Content {
            made_at: at,
            schema: header.version(),
            key: header.key,
            tables,
            rows,
            sha256,
        },
        receipts,
    })
}
