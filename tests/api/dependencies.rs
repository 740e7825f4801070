//! What the lock file may hold. `.ci/run` asks cargo-deny as well, where it can be had; this needs
//! nothing but the repository.

use std::cmp::Ordering;

const LOCK: &str = include_str!("../../Cargo.lock");
const DENY: &str = include_str!("../../deny.toml");

/// The lowest version of a crate without a known hole, and of which series: `0.9` is a floor for
/// 0.9.x alone, an empty series for all.
const FLOORS: [(&str, &str, &str); 15] = [
    ("axum-core", "", "0.3.0"), // RUSTSEC-2022-0055: bodies without a limit
    ("bytes", "", "1.11.1"),    // RUSTSEC-2026-0007
    ("h2", "", "0.4.16"),       // RUSTSEC-2026-0258
    ("idna", "", "1.0.3"),      // RUSTSEC-2024-0421
    ("jsonwebtoken", "", "10.3.0"), // CVE-2026-25537
    ("lettre", "", "0.11.22"),  // RUSTSEC-2026-0141
    ("rand", "0.8", "0.8.6"),   // RUSTSEC-2026-0097
    ("rand", "0.9", "0.9.3"),
    ("rand", "0.10", "0.10.1"),
    ("rustls-webpki", "", "0.103.13"), // RUSTSEC-2026-0104
    ("sqlx", "", "0.8.1"),             // RUSTSEC-2024-0363
    ("sqlx-core", "", "0.8.1"),
    ("time", "", "0.3.47"),               // RUSTSEC-2026-0009
    ("tracing-subscriber", "", "0.3.20"), // RUSTSEC-2025-0055
    ("url", "", "2.5.4"),
];

/// Crates that must not come in by any way. `ring` is not here: the lock file also names what no
/// feature of ours turns on, and cargo-deny tells the two apart.
const BANNED: [&str; 2] = ["native-tls", "openssl-sys"];

/// Crates of which a second version would be a second stack.
const ONCE: [&str; 4] = ["axum", "reqwest", "rustls", "sqlx"];

#[derive(Debug, PartialEq)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
}

fn packages(lock: &str) -> Vec<Package<'_>> {
    lock.split("[[package]]")
        .skip(1)
        .map(|entry| Package {
            name: value(entry, "name"),
            version: value(entry, "version"),
        })
        .collect()
}

/// The value of a line `key = "value"`.
fn value<'a>(entry: &'a str, key: &str) -> &'a str {
    entry
        .lines()
        .find_map(|line| {
            line.strip_prefix(key)?
                .strip_prefix(" = \"")?
                .strip_suffix('"')
        })
        .unwrap_or_else(|| panic!("a package without {key}: {entry}"))
}

fn compare(one: &str, other: &str) -> Ordering {
    let numbers = |version: &str| -> Vec<u64> {
        let core = version.split(['-', '+']).next().unwrap_or(version);
        core.split('.')
            .map(|part| part.parse().expect("a number"))
            .collect()
    };
    // A pre-release comes before the version it is named after.
    let is_final = |version: &str| !version.contains('-');
    numbers(one)
        .cmp(&numbers(other))
        .then(is_final(one).cmp(&is_final(other)))
}

fn below_its_floor(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        for (name, series, floor) in FLOORS {
            let is_meant = package.name == name
                && (series.is_empty() || package.version.starts_with(&format!("{series}.")));
            if is_meant && compare(package.version, floor) == Ordering::Less {
                found.push(format!("{name} {} is below {floor}", package.version));
            }
        }
    }
    found
}

// C217
#[test]
fn c217_no_crate_is_below_the_floor_of_its_known_holes() {
    let packages = packages(LOCK);
    assert!(packages.len() > 100, "the lock file was not understood");
    assert_eq!(below_its_floor(&packages), Vec::<String>::new());
}

#[test]
fn c217_a_version_below_its_floor_is_found() {
    let lock = |name: &str, version: &str| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n")
    };
    let check = |name: &str, version: &str, expect: usize| {
        let text = lock(name, version);
        assert_eq!(
            below_its_floor(&packages(&text)).len(),
            expect,
            "{name} {version}"
        );
    };
    check("time", "0.3.46", 1);
    check("time", "0.3.47", 0);
    check("time", "0.3.47-rc.1", 1);
    check("rand", "0.8.5", 1);
    check("rand", "0.9.2", 1);
    check("rand", "0.10.0", 1);
    check("rand", "0.10.1", 0);
    check("h2", "0.4.9", 1);
    check("url", "2.5.4+meta", 0);
}

#[test]
fn c217_what_is_banned_is_not_there_and_what_may_be_there_once_is_there_once() {
    let packages = packages(LOCK);
    let count = |name: &str| {
        packages
            .iter()
            .filter(|package| package.name == name)
            .count()
    };
    for name in BANNED {
        assert_eq!(count(name), 0, "{name}");
        assert!(DENY.contains(&format!("crate = \"{name}\"")), "{name}");
    }
    for name in ONCE {
        assert!(count(name) <= 1, "two versions of {name}");
    }
}

#[test]
fn c217_an_advisory_is_excepted_only_with_a_reason_and_a_date() {
    let from = DENY.find("ignore = [").expect("the list of exceptions");
    let list = &DENY[from..];
    let list = &list[..list.find("]\n").expect("its end")];
    for entry in list.split("RUSTSEC-").skip(1) {
        let reason = entry.split("reason = \"").nth(1).unwrap_or_default();
        let date = reason.split("until 20").nth(1).unwrap_or_default();
        assert!(
            date.len() > 8 && reason.len() > date.len() + 20,
            "RUSTSEC-{entry} has no reason that ends with `until YYYY-MM-DD`"
        );
    }
}
