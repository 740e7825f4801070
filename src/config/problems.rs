//! Reads the tree of settings and gathers what is wrong with it, each with its key.

use std::fmt;
use std::path::Path;

use config::{FileFormat, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::{
    Brand, Config, Database, Limits, Log, Outbound, Permissions, RequestLog, Retention, Scim,
    Secrets, Server, Telemetry,
};

/// The prefix of variables of the environment.
const PREFIX: &str = "GATEHOUSE__";

/// Everything that is wrong with the settings.
#[derive(Debug, Default)]
pub struct Problems(Vec<(String, String)>);

impl Problems {
    pub(super) fn add(&mut self, key: &str, problem: &str) {
        self.0.push((key.to_owned(), problem.to_owned()));
    }

    pub(super) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// The keys that something is wrong with.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration has problems")?;
        for (key, problem) in &self.0 {
            write!(f, "\n  {key}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A setting that turned out to be wrong when it was used: it does not get better by itself.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct WrongSetting {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

impl WrongSetting {
    /// What is wrong with the setting of that name.
    pub fn of(name: &str, problem: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            problem: problem.into(),
        }
    }
}

type Tree = config::Map<String, Value>;

/// The tree of a TOML file, or an empty one.
pub(super) fn file(file: Option<&Path>) -> Result<Tree, Problems> {
    let Some(file) = file else {
        return Ok(Tree::new());
    };
    let source = config::File::from(file).format(FileFormat::Toml);
    let read = config::Config::builder().add_source(source).build();
    match read.map(|read| read.cache.into_table()) {
        Ok(Ok(tree)) => Ok(tree),
        Ok(Err(error)) | Err(error) => {
            let mut problems = Problems::default();
            problems.add("--config", &error.to_string());
            Err(problems)
        }
    }
}

/// Puts variables of the environment over the tree.
pub(super) fn environment(tree: &mut Tree, variables: impl Iterator<Item = (String, String)>) {
    for (name, value) in variables {
        if let Some(key) = name.strip_prefix(PREFIX) {
            set(tree, &key.to_lowercase().replace("__", "."), value);
        }
    }
}

/// Puts one value over the tree, by its path with dots.
pub(super) fn set(tree: &mut Tree, key: &str, value: String) {
    let Some((section, key)) = key.split_once('.') else {
        tree.insert(key.to_owned(), value.into());
        return;
    };
    let mut inner = match tree.remove(section).map(|value| value.kind) {
        Some(ValueKind::Table(inner)) => inner,
        _ => Tree::new(),
    };
    set(&mut inner, key, value);
    tree.insert(section.to_owned(), Value::from(inner));
}

/// Reads the settings from the tree, each on its own so that each problem is found.
pub(super) fn read(mut tree: Tree) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let config = Config {
        server: section::<Server>(&mut tree, "server", &mut problems),
        database: section::<Database>(&mut tree, "database", &mut problems),
        secrets: section::<Secrets>(&mut tree, "secrets", &mut problems),
        limits: section::<Limits>(&mut tree, "limits", &mut problems),
        log: section::<Log>(&mut tree, "log", &mut problems),
        scim: section::<Scim>(&mut tree, "scim", &mut problems),
        request_log: section::<RequestLog>(&mut tree, "request_log", &mut problems),
        outbound: section::<Outbound>(&mut tree, "outbound", &mut problems),
        brand: section::<Brand>(&mut tree, "brand", &mut problems),
        telemetry: section::<Telemetry>(&mut tree, "telemetry", &mut problems),
        permissions: section::<Permissions>(&mut tree, "permissions", &mut problems),
        retention: section::<Retention>(&mut tree, "retention", &mut problems),
    };
    for key in tree.keys() {
        problems.add(key, "there is no such section");
    }
    problems.or(config)
}

fn section<T: DeserializeOwned + Default>(
    tree: &mut Tree,
    name: &str,
    problems: &mut Problems,
) -> T {
    let entries = match tree.remove(name).map(|value| value.kind) {
        None => return T::default(),
        Some(ValueKind::Table(entries)) => entries,
        Some(_) => {
            problems.add(name, "must be a section");
            return T::default();
        }
    };
    let mut good = Tree::new();
    let mut keys: Vec<_> = entries.into_iter().collect();
    keys.sort_by(|one, other| one.0.cmp(&other.0));
    for (key, value) in keys {
        let alone = Tree::from_iter([(key.clone(), value.clone())]);
        match Value::from(alone).try_deserialize::<T>() {
            Ok(_) => {
                good.insert(key, value);
            }
            Err(error) => {
                let told = error.to_string();
                let problem = if told.contains("unknown field") {
                    "there is no such setting"
                } else {
                    told.as_str()
                };
                problems.add(&format!("{name}.{key}"), problem);
            }
        }
    }
    Value::from(good).try_deserialize().unwrap_or_default()
}
