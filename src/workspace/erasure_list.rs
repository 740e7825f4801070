//! The list of who was erased, kept in a file that no backup replaces: ids alone, nothing personal.
//! Whatever database is put in its place, `restore` and the start of `serve` erase again whom it
//! names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

use super::erasure::Erased;
use crate::app::App;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::store::erasures;

/// The first line.
const HEAD: &str = "# Who was erased: workspace, member, when. Keep this file; no backup has it.";

/// Whom the file names; nobody if there is no file. One that cannot be read is an error: to go on
/// without it would bring people back.
pub fn read(config: &Config) -> Result<Vec<Erased>> {
    let Some(path) = config.erasure_list() else {
        return Ok(Vec::new());
    };
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text).map_err(|line| broken(&path, &format!("line {line}"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(broken(&path, &error.to_string())),
    }
}

/// Brings the file up to date with the database, and the database with the file.
pub async fn keep(app: &App) -> Result<()> {
    let Some(path) = app.config.erasure_list() else {
        return Ok(());
    };
    // A server and a command may be at it at once: who comes second reads what the first wrote.
    let at = path.clone();
    let lock = tokio::task::spawn_blocking(move || lock(&at))
        .await
        .map_err(Error::internal)?
        .map_err(|error| broken(&path, &error.to_string()))?;
    let kept = bring_up_to_date(app, &path).await;
    drop(lock);
    kept
}

async fn bring_up_to_date(app: &App, path: &Path) -> Result<()> {
    let listed = read(&app.config)?;
    let mut tx = app.db.one().await?;
    let known = erasures::list(&mut tx).await?;
    drop(tx);
    let mut all: BTreeMap<_, _> = BTreeMap::new();
    for erased in known.iter().chain(&listed) {
        all.entry((erased.workspace, erased.member))
            .or_insert(erased.at);
    }
    if all.len() > known.len() {
        let listed = listed.clone();
        app.write(move |tx| {
            let listed = listed.clone();
            Box::pin(async move { Ok(erasures::insert(tx, &listed).await?) })
        })
        .await?;
    }
    if all.len() == listed.len() {
        return Ok(());
    }
    let mut text = format!("{HEAD}\n");
    for ((workspace, member), at) in all {
        let _ = writeln!(text, "{workspace} {member} {at}");
    }
    write(path, &text).map_err(|error| broken(path, &error.to_string()))
}

/// Waits until no other process rewrites the file; it is let go of with what this gives. The lock lies
/// beside the file, since a rewrite puts another file in its place.
fn lock(path: &Path) -> io::Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let file = File::options()
        .create(true)
        .append(true)
        .open(Path::new(&beside))?;
    file.lock()?;
    Ok(file)
}

fn parse(text: &str) -> Result<Vec<Erased>, usize> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|(at, line)| one(line).ok_or(at + 1)).collect()
}

fn one(line: &str) -> Option<Erased> {
    let mut words = line.split_whitespace();
    let erased = Erased {
        workspace: words.next()?.parse().ok()?,
        member: words.next()?.parse().ok()?,
        at: Timestamp::parse(words.next()?)?,
    };
    words.next().is_none().then_some(erased)
}

/// Written whole or not at all, and on the disk when this is over.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn broken(path: &Path, what: &str) -> Error {
    Error::internal(anyhow::anyhow!(
        "the list of who was erased, {}, cannot be used: {what}",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::{HEAD, parse};

    #[test]
    fn a_line_that_names_nobody_is_told() {
        let id = "019aa000-0000-7000-8000-000000000001";
        let good = format!("{HEAD}\n{id} {id} 2026-11-30T00:00:00.000000Z\n\n");
        assert_eq!(parse(&good).unwrap().len(), 1);
        assert_eq!(parse(&format!("{good}{id} {id}\n")), Err(4));
        assert_eq!(parse(""), Ok(Vec::new()));
    }
}
