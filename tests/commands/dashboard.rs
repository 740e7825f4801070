//! What an operator is shown, held against the code: the metrics, the dashboard and the alerts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gatehouse::telemetry::{Kind, METRICS};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let found = paths.flat_map(|path| {
        if path.is_dir() {
            sources(&path)
        } else {
            vec![path]
        }
    });
    found.collect()
}

/// The names of metrics in a text, as they are described.
fn names(text: &str) -> BTreeSet<String> {
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let words = text.split(|char| !is_name(char));
    let named = words.filter(|word| word.starts_with("gatehouse_") || word.starts_with("process_"));
    let named = named.map(|word| {
        let part = ["_bucket", "_count", "_sum"]
            .iter()
            .find_map(|suffix| word.strip_suffix(suffix));
        let is_histogram = |name: &&str| {
            let mut all = METRICS.iter();
            all.any(|it| it.name == *name && matches!(it.kind, Kind::Histogram(_)))
        };
        part.filter(is_histogram).unwrap_or(word).to_owned()
    });
    named.collect()
}

fn described() -> BTreeSet<String> {
    METRICS
        .iter()
        .map(|metric| metric.name.to_owned())
        .collect()
}

#[test]
fn names_of_metrics_follow_one_form() {
    assert_eq!(described().len(), METRICS.len(), "each name once");
    for metric in METRICS {
        let name = metric.name;
        assert!(name.starts_with("gatehouse_") || name.starts_with("process_"));
        let is_counter = metric.kind == Kind::Counter;
        assert_eq!(name.ends_with("_total"), is_counter, "{name}");
        assert!(!metric.help.ends_with('.'), "{name}");
        if let Kind::Histogram(bounds) = metric.kind {
            assert!(bounds.is_sorted(), "{name}");
        }
    }
}

#[test]
fn what_is_counted_is_described_and_what_is_described_is_counted() {
    let mut counted = BTreeSet::new();
    for path in sources(&root().join("src")) {
        if path.ends_with("telemetry/metrics.rs") {
            // It names them all; what it sets by itself is the version.
            counted.insert("gatehouse_build_info".to_owned());
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        counted.extend(names(&text));
    }
    assert_eq!(counted, described());
}

#[test]
fn the_dashboard_and_the_alerts_name_metrics_that_are_there() {
    let (dashboard, alerts) = (
        names(&read("examples/grafana-dashboard.json")),
        names(&read("examples/alerts.yml")),
    );
    for name in dashboard.iter().chain(&alerts) {
        assert!(described().contains(name), "{name} is no metric");
    }
    assert!(alerts.len() > 8);
    let missing: Vec<_> = described().difference(&dashboard).cloned().collect();
    assert!(missing.is_empty(), "no panel shows {missing:?}");
}

#[test]
fn the_dashboard_is_what_grafana_imports() {
    let dashboard: Value = serde_json::from_str(&read("examples/grafana-dashboard.json")).unwrap();
    assert!(dashboard["schemaVersion"].as_u64() >= Some(36));
    assert!(dashboard["uid"].as_str().unwrap().len() <= 40);
    assert!(dashboard["title"].is_string());
    // A dashboard of a file has no id: the one who imports it gives one.
    assert!(dashboard.get("id").is_none_or(Value::is_null));
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variable = |name: &str| variables.iter().find(|it| it["name"] == name).unwrap();
    assert_eq!(variable("datasource")["type"], "datasource");
    assert_eq!(variable("datasource")["query"], "prometheus");
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "an id twice");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24 && place("h") > 0);
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}");
        for target in panel["targets"].as_array().unwrap() {
            let expr = target["expr"].as_str().unwrap();
            for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
                let count = |of: char| expr.matches(of).count();
                assert_eq!(count(open), count(close), "{expr}");
            }
        }
    }
}
