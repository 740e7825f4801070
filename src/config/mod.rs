//! Settings: defaults in code, one TOML file, the environment as `GATEHOUSE__SECTION__KEY`, and what
//! the command line says, each over the one before. Nothing else reads the environment.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::error;
use crate::scim::registry::Registry;
use crate::scim::{json, register};

mod brand;
mod effective;
mod outbound;
mod permissions;
mod problems;
mod request_log;
mod retention;
mod server;
mod telemetry;

pub use brand::{Brand, Logo};
pub use outbound::Outbound;
pub use permissions::Permissions;
pub use problems::{Problems, WrongSetting};
pub use request_log::RequestLog;
pub use retention::Retention;
pub use server::Server;
pub use telemetry::Telemetry;

/// Every setting.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Listening and answering.
    pub server: Server,
    /// The database.
    pub database: Database,
    /// Keys.
    pub secrets: Secrets,
    /// What a request may cost.
    pub limits: Limits,
    /// The log.
    pub log: Log,
    /// The SCIM surface and what follows from it.
    pub scim: Scim,
    /// The request log of directories.
    pub request_log: RequestLog,
    /// Calls to hosts that customers name.
    pub outbound: Outbound,
    /// What people see on pages.
    pub brand: Brand,
    /// Traces.
    pub telemetry: Telemetry,
    /// The permissions that the apps know.
    pub permissions: Permissions,
    /// How long what is kept.
    pub retention: Retention,
}

/// The database.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    /// PostgreSQL connections of one process.
    pub max_connections: u32,
    /// How long to wait for a free connection, in seconds.
    pub acquire_seconds: u64,
    /// How long one statement may take on PostgreSQL, in seconds.
    pub statement_seconds: u64,
    /// How many waiting writes may share a commit on SQLite.
    pub shared_commits: usize,
}

/// Keys.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// The master key: 256 random bits in base64 or hex.
    pub key: Option<SecretString>,
    /// A file that holds it.
    pub key_file: Option<PathBuf>,
}

/// What a request may cost.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The body of a request about a user, in bytes.
    pub body_user_bytes: usize,
    /// The body of a request about a group, or of an import, in bytes.
    pub body_group_bytes: usize,
    /// The most resources of a page.
    pub page_size: usize,
    /// How long a filter or order may take that no index answers, in milliseconds.
    pub search_milliseconds: u64,
    /// How many requests are worked on at once.
    pub requests_in_flight: usize,
    /// How many of these one workspace may have.
    pub workspace_in_flight: usize,
    /// How long a request waits for its place, in milliseconds.
    pub queue_milliseconds: u64,
    /// How many requests a second a workspace may make, on average; no quota if not set.
    pub workspace_requests_per_second: Option<u32>,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The log.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Its form.
    pub format: LogFormat,
    /// What is logged: `info`, or directives such as `info,sqlx=warn`.
    pub filter: String,
}

/// The SCIM surface and what follows from it.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scim {
    /// Up to how many members a generic directory's PATCH of a group answers with the group.
    pub generic_patch_group_body_members: i64,
    /// Above how many members an outcome becomes a run.
    pub run_threshold: i64,
    /// How many members a batch of a run settles.
    pub run_batch: i64,
    /// A folder of schema and resource type documents that every workspace has; none if not set.
    pub schema_folder: Option<PathBuf>,
    /// The most operations of a Bulk request.
    pub bulk_operations: usize,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: "sqlite:gatehouse.db".to_owned(),
            max_connections: 10,
            acquire_seconds: 3,
            statement_seconds: 5,
            shared_commits: 64,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_user_bytes: 256 * 1024,
            body_group_bytes: 8 * 1024 * 1024,
            page_size: 200,
            search_milliseconds: 5_000,
            requests_in_flight: 256,
            workspace_in_flight: 16,
            queue_milliseconds: 10_000,
            workspace_requests_per_second: None,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".to_owned(),
        }
    }
}

impl Default for Scim {
    fn default() -> Self {
        Self {
            generic_patch_group_body_members: 100,
            run_threshold: 1_000,
            run_batch: 500,
            schema_folder: None,
            bulk_operations: 1_000,
        }
    }
}

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--database`
    pub database: Option<String>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--public-url`
    pub public_url: Option<String>,
}

impl Config {
    /// Reads file, environment and command line, and reports every problem at once.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        overrides: Overrides,
    ) -> Result<Self, Problems> {
        let mut tree = problems::file(file)?;
        problems::environment(&mut tree, environment);
        let command_line = [
            ("database.url", overrides.database),
            ("server.listen", overrides.listen),
            ("server.public_url", overrides.public_url),
        ];
        for (key, value) in command_line {
            if let Some(value) = value {
                problems::set(&mut tree, key, value);
            }
        }
        let config = problems::read(tree)?;
        config.check()?;
        Ok(config)
    }

    /// Settings for a test on that database: a fixed key, and nothing that waits.
    pub fn for_tests(database_url: &str) -> Self {
        let mut config = Self::default();
        database_url.clone_into(&mut config.database.url);
        config.secrets.key = Some(SecretString::from(
            "8f1c0a5d3b7e9246c8d01f6a4b92e7357ad2c4518e0f93b6d71a2c5e84f06b39",
        ));
        config.server.public_url = Url::parse("http://localhost").ok();
        config
    }

    /// The configured public URL, else the address of the listener; without a slash at its end.
    pub fn public_url(&self) -> String {
        match &self.server.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("{}://{}", self.server.scheme(), self.server.listen),
        }
    }

    /// What a deployment should be told about its settings at each start.
    pub fn warnings(&self) -> Vec<String> {
        self.server.warnings()
    }

    fn check(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        self.server.check(&mut problems);
        let url = &self.database.url;
        if !["sqlite:", "postgres:", "postgresql:"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            problems.add("database.url", "must begin with sqlite: or postgres:");
        }
        if self.secrets.key.is_some() && self.secrets.key_file.is_some() {
            problems.add(
                "secrets.key",
                "only one of secrets.key and secrets.key_file may be set",
            );
        }
        self.telemetry.check(&mut problems);
        self.permissions.check(&mut problems);
        self.check_ranges(&mut problems);
        problems.or(())
    }

    /// Every limit has a floor and a ceiling.
    fn check_ranges(&self, problems: &mut Problems) {
        let (database, limits) = (&self.database, &self.limits);
        let mut within = |key: &str, value: u64, lowest: u64, highest: u64| {
            if !(lowest..=highest).contains(&value) {
                problems.add(key, &format!("must be {lowest} to {highest}"));
            }
        };
        let size = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        let count = |count: i64| u64::try_from(count).unwrap_or(u64::MAX);
        within(
            "database.max_connections",
            database.max_connections.into(),
            1,
            1_000,
        );
        within("database.acquire_seconds", database.acquire_seconds, 1, 60);
        for (key, value, lowest, highest) in self.outbound.ranges() {
            within(key, value, lowest, highest);
        }
        for (key, value, lowest, highest) in self.retention.ranges() {
            within(key, value, lowest, highest);
        }
        within(
            "database.statement_seconds",
            database.statement_seconds,
            1,
            60,
        );
        within(
            "database.shared_commits",
            size(database.shared_commits),
            1,
            1_000,
        );
        within(
            "limits.body_user_bytes",
            size(limits.body_user_bytes),
            1_024,
            4 << 20,
        );
        within(
            "limits.body_group_bytes",
            size(limits.body_group_bytes),
            1_024,
            64 << 20,
        );
        within("limits.page_size", size(limits.page_size), 1, 1_000);
        within(
            "limits.search_milliseconds",
            limits.search_milliseconds,
            1,
            60_000,
        );
        within(
            "limits.requests_in_flight",
            size(limits.requests_in_flight),
            1,
            100_000,
        );
        within(
            "limits.workspace_in_flight",
            size(limits.workspace_in_flight),
            1,
            100_000,
        );
        within(
            "limits.queue_milliseconds",
            limits.queue_milliseconds,
            1,
            60_000,
        );
        if let Some(quota) = limits.workspace_requests_per_second {
            within(
                "limits.workspace_requests_per_second",
                quota.into(),
                25,
                1_000_000,
            );
        }
        let scim = &self.scim;
        let members = count(scim.generic_patch_group_body_members);
        within("scim.generic_patch_group_body_members", members, 0, 10_000);
        within("scim.run_threshold", count(scim.run_threshold), 1, 10_000);
        within("scim.run_batch", count(scim.run_batch), 1, 500);
        within(
            "scim.bulk_operations",
            size(scim.bulk_operations),
            1,
            10_000,
        );
        let log = &self.request_log;
        within("request_log.keep_days", log.keep_days.into(), 1, 90);
        within("request_log.queue", size(log.queue), 1, 65_536);
        within("request_log.body_bytes", size(log.body_bytes), 0, 262_144);
        self.brand.check(problems);
        if let Err(error) = scim.documents().and_then(|all| Registry::with(&all)) {
            problems.add("scim.schema_folder", &error.to_string());
        }
    }
}

impl Scim {
    /// The documents of the folder of schemas, in the order of their files' names.
    pub fn documents(&self) -> error::Result<Vec<Value>> {
        let folder = self.schema_folder.as_ref();
        let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) else {
            return Ok(Vec::new());
        };
        let told = |what: &Path, error: &dyn fmt::Display| {
            error::Error::value(format!("{}: {error}", what.display()))
        };
        let entries = std::fs::read_dir(folder).map_err(|error| told(folder, &error))?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|end| end == "json"));
        files.sort();
        let mut documents = Vec::new();
        for file in files {
            let bytes = std::fs::read(&file).map_err(|error| told(&file, &error))?;
            let all = match json::parse(&bytes).map_err(|error| told(&file, &error))? {
                Value::Array(all) => all,
                one => vec![one],
            };
            for document in all {
                let (_, canonical) =
                    register::read(&document).map_err(|error| told(&file, &error))?;
                documents.push(canonical);
            }
        }
        Ok(documents)
    }
}

impl Database {
    /// How long to wait for a free connection.
    pub fn acquire_timeout(&self) -> Duration {
        Duration::from_secs(self.acquire_seconds)
    }

    /// How long one statement may take on PostgreSQL.
    pub fn statement_timeout(&self) -> Duration {
        Duration::from_secs(self.statement_seconds)
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

#[cfg(test)]
mod tests;
