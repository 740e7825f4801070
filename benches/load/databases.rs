//! An empty database for each server of each run, gone afterwards.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;

use crate::seeded::Seeded;

/// One empty database.
#[derive(Debug)]
pub(crate) struct Database {
    /// What the server is given.
    pub url: String,
    /// A folder of its own for the database file and what the server prints.
    pub folder: PathBuf,
    postgres: Option<(Url, String)>,
}

impl Database {
    /// Makes one. `name` is unique among those that live.
    pub(crate) async fn create(
        engine: &str,
        folder: &Path,
        name: &str,
        postgres: Option<&Url>,
    ) -> Result<Self> {
        let folder = folder.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        if engine == "sqlite" {
            let url = format!("sqlite:{}", folder.join("data.sqlite").display());
            return Ok(Self {
                url,
                folder,
                postgres: None,
            });
        }
        let server = postgres
            .context("expected --postgres-url for the engine postgres")?
            .clone();
        let mut connection = PgConnection::connect(server.as_str()).await?;
        execute(
            &mut connection,
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
        .await?;
        execute(&mut connection, format!("CREATE DATABASE {name}")).await?;
        let mut url = server.clone();
        url.set_path(name);
        Ok(Self {
            url: url.into(),
            folder,
            postgres: Some((server, name.to_owned())),
        })
    }

    /// The database of that name that an earlier run kept, else a new one.
    pub(crate) async fn reuse(
        engine: &str,
        folder: &Path,
        name: &str,
        postgres: Option<&Url>,
    ) -> Result<Self> {
        let name = format!("{name}_{engine}");
        if !Seeded::file(&folder.join(&name)).exists() {
            return Self::create(engine, folder, &name, postgres).await;
        }
        let folder = folder.join(&name);
        let url = if engine == "sqlite" {
            format!("sqlite:{}", folder.join("data.sqlite").display())
        } else {
            let mut url = postgres.context("expected --postgres-url")?.clone();
            url.set_path(&name);
            url.into()
        };
        Ok(Self {
            url,
            folder,
            postgres: None,
        })
    }

    /// Lets the planner know of the rows that are there by now, as the gateway does by itself.
    pub(crate) async fn renew_statistics(&self) -> Result<()> {
        if self.postgres.is_some() {
            let mut connection = PgConnection::connect(&self.url).await?;
            execute(&mut connection, "ANALYZE".to_owned()).await?;
        }
        Ok(())
    }

    /// Removes it, once no server uses it any more.
    pub(crate) async fn remove(self) -> Result<()> {
        if let Some((server, name)) = &self.postgres {
            let mut connection = PgConnection::connect(server.as_str()).await?;
            execute(
                &mut connection,
                format!("DROP DATABASE {name} WITH (FORCE)"),
            )
            .await?;
            // The next run starts without this one's dirty pages.
            execute(&mut connection, "CHECKPOINT".to_owned()).await?;
        }
        std::fs::remove_dir_all(&self.folder)?;
        Ok(())
    }
}

async fn execute(connection: &mut PgConnection, statement: String) -> Result<()> {
    connection.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}
