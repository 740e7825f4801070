//! The rules of the crate's shape, held against its files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a folder or root file may import from the crate: the arrows of `lib.rs`, one way.
const LEAVES: &[&str] = &["clock", "error", "ids"];
const ORDER: &[&str] = &[
    "scim",
    "config",
    "secrets",
    "store",
    "app",
    "telemetry",
    "changes",
    "accounts",
    "workspace",
    "mapping",
    "admission",
    "directory",
    "login",
    "configuration",
    "backup",
    "http",
    "worker",
    "cli",
];

/// What is imported against the order, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    // Reading the configuration names the sections of the log.
    ("telemetry", "config", "a setting"),
    ("cli", "virtual_idp", "the demo's clients"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// The folder or root file that a source file belongs to, and its text without comments.
fn sources() -> Vec<(String, PathBuf, String)> {
    let src = root().join("src");
    let owned = files(&src).into_iter().map(|path| {
        let inside = path.strip_prefix(&src).expect("below src");
        let first = inside.iter().next().expect("a name");
        let owner = first.to_string_lossy().trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&path).expect("text");
        let code: Vec<_> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        (owner, path, code.join("\n"))
    });
    owned.collect()
}

fn imports(code: &str) -> BTreeSet<String> {
    let names = code.split("crate::").skip(1).map(|rest| {
        let is_name = |char: char| char.is_alphanumeric() || char == '_';
        rest.split(|char: char| !is_name(char))
            .next()
            .unwrap_or_default()
    });
    names.map(str::to_owned).collect()
}

#[test]
fn arrows_point_one_way() {
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let mut wrong = Vec::new();
    for (owner, path, code) in sources() {
        for name in imports(&code) {
            let is_leaf = LEAVES.contains(&name.as_str());
            let is_exception = EXCEPTIONS
                .iter()
                .any(|(from, to, _)| *from == owner && *to == name);
            let is_down = match (place(&owner), place(&name)) {
                (Some(from), Some(to)) => to < from,
                // The root files `main` and `lib` see all.
                (None, _) => ["main", "lib"].contains(&owner.as_str()),
                (Some(_), None) => false,
            };
            if name != owner && !is_leaf && !is_exception && !is_down {
                wrong.push(format!("{} imports {name}", path.display()));
            }
        }
        if owner == "http" && code.contains("crate::store") {
            wrong.push(format!("{} imports store", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn libraries_are_named_where_they_belong() {
    let belongs: BTreeMap<&str, &[&str]> = BTreeMap::from([
        // The virtual IdPs' own tests serve a stand-in.
        ("axum", &["http", "virtual_idp"][..]),
        ("cookie", &["http"][..]),
        ("fluent_templates", &["http"][..]),
        ("sqlx", &["store", "ids", "clock"][..]),
        ("clap", &["cli"][..]),
        // What customers name outside is looked up in one place.
        ("reqwest", &["virtual_idp", "cli", "app"][..]),
        ("simple_dns", &["app"][..]),
        ("openidconnect", &["login"][..]),
        ("oauth2", &["login"][..]),
        ("aws_lc_rs", &["secrets", "changes", "main"][..]),
    ]);
    let mut wrong = Vec::new();
    for (owner, path, code) in sources() {
        for (library, owners) in &belongs {
            let is_named = code.contains(&format!("{library}::"));
            if is_named && !owners.contains(&owner.as_str()) {
                wrong.push(format!("{} names {library}", path.display()));
            }
        }
        if owner == "scim" {
            for io in ["std::fs", "tokio::", "std::net"] {
                if code.contains(io) {
                    wrong.push(format!("{} does {io}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `SQL` is text: what looks like a statement stands in `store` alone.
#[test]
fn sql_is_in_store_alone() {
    let mut wrong = Vec::new();
    for (owner, path, code) in sources() {
        let is_sql = [
            "\"SELECT ",
            "\"INSERT ",
            "\"UPDATE ",
            "\"DELETE FROM",
            "\"WITH ",
        ]
        .iter()
        .any(|start| code.contains(start));
        if is_sql && owner != "store" {
            wrong.push(path.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tasks_are_spawned_where_they_are_waited_for() {
    let mut wrong = Vec::new();
    for (owner, path, code) in sources() {
        // The way back of a connection is what the close of its pool waits for.
        let is_place = ["worker", "cli"].contains(&owner.as_str())
            || path.ends_with("store/writer.rs")
            // A request that may come again goes on when its client went away.
            || path.ends_with("http/mod.rs")
            || path.ends_with("store/stock.rs");
        let spawns = code.contains("tokio::spawn")
            || code.contains(".spawn(") && !code.contains("std::thread::Builder");
        if spawns && !is_place && !code.contains("#[cfg(test)]") {
            wrong.push(path.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let mut long = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for path in files(&root().join(folder)) {
            let lines = std::fs::read_to_string(&path)
                .expect("text")
                .lines()
                .count();
            if lines > 500 {
                long.push(format!("{} has {lines} lines", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// The abuse and fault cases that what exists so far must withstand, by the number that stands at
/// the test of each.
const CASES: &[std::ops::RangeInclusive<u16>] = &[
    1..=16,
    18..=19,
    21..=41,
    44..=66,
    72..=74,
    76..=77,
    87..=99,
    101..=101,
    105..=114,
    182..=182,
    185..=186,
    216..=216,
    78..=78,
    79..=80,
    82..=85,
    206..=206,
    146..=146,
    207..=210,
    211..=213,
    215..=215,
    217..=224,
    226..=236,
    240..=240,
    242..=245,
    247..=247,
    251..=251,
    253..=254,
    256..=256,
    257..=257,
];

#[test]
fn every_case_has_its_test() {
    let mut text = String::new();
    for folder in ["src", "tests"] {
        for path in files(&root().join(folder)) {
            text.push_str(&std::fs::read_to_string(&path).expect("text"));
        }
    }
    let missing: Vec<_> = CASES
        .iter()
        .cloned()
        .flatten()
        .map(|case| format!("C{case:03}"))
        .filter(|case| !text.contains(case))
        .collect();
    assert!(missing.is_empty(), "without a test: {missing:?}");
}
