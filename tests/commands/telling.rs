//! What a command tells: to people, as JSON, and by its exit code. And that every command is run by
//! some test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::deployment::{Deployment, Server};

/// A line of the shell, whose words have spaces between them.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

impl Deployment {
    /// What a command that succeeds tells people, which is something.
    pub(crate) fn told(&self, line: &str) -> String {
        let output = self.run(&words(line));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{line}: {error}");
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(!told.trim().is_empty(), "{line} tells nothing");
        told
    }

    /// That a command tells people all of that.
    pub(crate) fn tells(&self, line: &str, parts: &[&str]) {
        let told = self.told(line);
        for part in parts {
            assert!(told.contains(part), "{line}: {part} is not in {told}");
        }
    }

    /// The JSON of a command that succeeds.
    pub(crate) fn value(&self, line: &str) -> Value {
        self.json(&words(line))
    }

    /// That a command is refused with that exit code, and says why in one line.
    pub(crate) fn refuses(&self, line: &str, code: i32, says: &str) {
        let output = self.run(&words(line));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line}: {error}");
        assert!(error.contains(says), "{line}: {says} is not in {error}");
        for bad in ["internal error", "panicked", "RUST_BACKTRACE"] {
            assert!(!error.contains(bad), "{line}: {error}");
        }
    }
}

/// The Users that a directory is sent.
pub(crate) struct Client<'a> {
    pub(crate) server: &'a Server,
    pub(crate) token: String,
}

impl Client<'_> {
    /// Sends a request below the base URL.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/scim/v2{path}", self.server.url);
        let body = (!body.is_null()).then_some(body);
        let answer = self.server.send(method, &url, &self.token, body.as_ref());
        answer.await
    }

    /// Makes a User; gives its id.
    pub(crate) async fn user(&self, name: &str) -> String {
        let (status, user) = self.send("POST", "/Users", json!({"userName": name})).await;
        assert_eq!(status, 201, "{user}");
        user["id"].as_str().unwrap().to_owned()
    }

    /// Makes a Group of these Users; gives its id.
    pub(crate) async fn group(&self, name: &str, users: &[String]) -> String {
        let members: Vec<_> = users.iter().map(|id| json!({"value": id})).collect();
        let group = json!({"displayName": name, "members": members});
        let (status, group) = self.send("POST", "/Groups", group).await;
        assert_eq!(status, 201, "{group}");
        group["id"].as_str().unwrap().to_owned()
    }

    /// Says that a User is active or not.
    pub(crate) async fn active(&self, user: &str, active: bool) {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "active", "value": active}],
        });
        let path = format!("/Users/{user}");
        let (status, user) = self.send("PATCH", &path, body).await;
        assert_eq!(status, 200, "{user}");
    }
}

/// The subcommands that a command lists in its help; none of one that does something itself.
fn subcommands(of: &[String]) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .env_clear()
        .args(of)
        .arg("--help")
        .output()
        .unwrap();
    assert!(output.status.success(), "{of:?} has help");
    let help = String::from_utf8(output.stdout).unwrap();
    let listed = help.split_once("\nCommands:\n");
    let lines = listed.map_or("", |it| it.1).lines();
    lines
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// All commands that do something, as they are written.
fn leaves(of: &[String]) -> Vec<String> {
    let below = subcommands(of);
    if below.is_empty() {
        return vec![of.join(" ")];
    }
    let below = below.into_iter();
    below
        .flat_map(|name| leaves(&[of, &[name]].concat()))
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

#[test]
fn every_command_is_run_by_a_test() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut named = String::from(" ");
    for path in files(&tests) {
        let text = fs::read_to_string(&path).unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        // A command stands there as a line, or word by word in a list.
        let words = code.flat_map(|line| line.split(['"', ',', '[', ']', '&', ' ']));
        for word in words.filter(|word| !word.is_empty()) {
            named.push_str(word);
            named.push(' ');
        }
    }
    let all = leaves(&[]);
    assert!(all.len() > 60, "the help lists them: {all:?}");
    let missing: Vec<_> = all
        .iter()
        .filter(|leaf| !named.contains(&format!(" {leaf} ")))
        .collect();
    assert!(missing.is_empty(), "no test runs {missing:?}");
}
