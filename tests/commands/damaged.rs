//! A restore where the file of the database cannot be read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::deployment::Deployment;

/// A workspace in a file, with a backup of it.
fn with_backup() -> (Deployment, PathBuf) {
    let deployment = Deployment::embedded();
    deployment.json(&["workspace", "create", "acme", "--name", "Acme"]);
    deployment.json(&["backup", "one.gatehouse"]);
    let path = deployment.url().strip_prefix("sqlite:").unwrap();
    let path = PathBuf::from(path);
    (deployment, path)
}

fn named(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

/// Bytes that are no database, and the same each time.
fn noise() -> Vec<u8> {
    let mut state = 7_u32;
    let bytes = (0..40_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    bytes.collect()
}

const RESTORE: [&str; 3] = ["restore", "one.gatehouse", "--replace"];

/// Runs a command that must fail; gives what it said.
fn refused(deployment: &Deployment, arguments: &[&str], code: i32) -> String {
    let output = deployment.run(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{error}");
    error
}

/// That a restore says of a damaged file what it is, and puts it where it can be looked at.
fn is_moved_aside(damage: impl Fn(&[u8]) -> Vec<u8>) {
    let (deployment, path) = with_backup();
    let whole = fs::read(&path).unwrap();
    for end in [".damaged", ".damaged.2"] {
        let damaged = damage(&whole);
        fs::write(&path, &damaged).unwrap();
        let error = refused(&deployment, &RESTORE[..2], 5);
        assert!(error.contains("is damaged"), "{error}");
        assert!(error.contains("--replace moves it aside"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), damaged);
        let back = deployment.json(&RESTORE);
        let aside = named(&path, end);
        assert_eq!(back["damaged"], aside.display().to_string());
        assert_eq!(fs::read(aside).unwrap(), damaged);
        assert_eq!(deployment.json(&["workspace", "list"])[0]["slug"], "acme");
        deployment.json(&["verify"]);
    }
    let back = deployment.json(&RESTORE);
    assert_eq!(back["damaged"], Value::Null);
}

#[test]
fn a_file_that_is_no_database_is_moved_aside() {
    is_moved_aside(|_| noise());
}

#[test]
fn a_file_that_was_cut_off_is_moved_aside() {
    is_moved_aside(|whole| whole[..whole.len() / 2].to_vec());
    is_moved_aside(|whole| whole[..60].to_vec());
}

#[test]
fn a_file_that_is_broken_in_the_middle_is_moved_aside() {
    is_moved_aside(|whole| {
        // The first page alone says what tables there are, or how to find out.
        let mut broken = whole.to_vec();
        broken[4096..].fill(0xa5);
        broken
    });
}

#[tokio::test]
async fn a_log_of_writes_that_was_left_does_not_get_into_the_database_that_takes_its_place() {
    let (deployment, path) = with_backup();
    let mut server = deployment.serve().await;
    deployment.json(&["workspace", "create", "later", "--name", "Later"]);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert!(fs::metadata(named(&path, "-wal")).unwrap().len() > 0);
    fs::write(&path, noise()).unwrap();
    let back = deployment.json(&RESTORE);
    assert_eq!(
        back["damaged"],
        named(&path, ".damaged").display().to_string()
    );
    let listed = deployment.json(&["workspace", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    deployment.json(&["verify"]);
}

#[tokio::test]
async fn a_damaged_file_that_a_server_has_open_is_in_use() {
    let (deployment, path) = with_backup();
    let server = deployment.serve().await;
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(8192).unwrap();
    drop(file);
    for _ in 0..2 {
        let error = refused(&deployment, &RESTORE, 4);
        assert!(error.contains("in use"), "{error}");
    }
    fs::write(&path, noise()).unwrap();
    let error = refused(&deployment, &RESTORE, 4);
    assert!(error.contains("in use"), "{error}");
    assert!(!named(&path, ".damaged").exists());
    server.stop();
}
