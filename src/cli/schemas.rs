//! `gatehouse schema …`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{Settings, table};
use crate::app::App;
use crate::changes::Origin;
use crate::scim::json as scim_json;
use crate::workspace::{self, Workspace, schemas};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register schemas and resource types of a workspace, together.
    Add {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        /// The resource type that the schemas extend, such as `User`.
        #[arg(long, value_name = "TYPE")]
        extends: Option<String>,
        /// Every resource of that type must have them.
        #[arg(long, requires = "extends")]
        required: bool,
        /// JSON files: each a schema (RFC 7643 section 7), a resource type (section 6), or a list.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        settings: Settings,
    },
    /// List what a workspace registered.
    List {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Take a schema or resource type away that nothing uses.
    Remove {
        /// The workspace's slug.
        #[arg(long)]
        workspace: String,
        /// The id of the schema, or the name of the resource type.
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        settings: Settings,
    },
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add {
                workspace,
                extends,
                required,
                files,
                settings,
            } => {
                let (app, workspace) = open(&settings, &workspace).await?;
                let mut documents = Vec::new();
                for file in &files {
                    documents.extend(read(file)?);
                }
                if let Some(extends) = extends {
                    let known = extended(&app, &workspace, &extends).await?;
                    documents.push(extension(known, &documents, required));
                }
                let names = schemas::add(&app, &Origin::cli(), &workspace, documents).await?;
                let value = json!({"registered": names});
                settings.print(&value, || format!("registered {}", names.join(", ")))?;
            }
            Self::List {
                workspace,
                settings,
            } => {
                let (app, workspace) = open(&settings, &workspace).await?;
                let listed = listed(&app, &workspace).await?;
                settings.print(&listed, || {
                    let rows = listed.iter().map(|document| {
                        let cell =
                            |name: &str| document[name].as_str().unwrap_or_default().to_owned();
                        vec![cell("name"), cell("kind")]
                    });
                    table(&["id or name", "kind"], rows)
                })?;
            }
            Self::Remove {
                workspace,
                id,
                settings,
            } => {
                let (app, workspace) = open(&settings, &workspace).await?;
                schemas::remove(&app, &Origin::cli(), &workspace, &id).await?;
                let value = json!({"id": id, "removed": true});
                settings.print(&value, || format!("{id} is removed"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn open(settings: &Settings, slug: &str) -> anyhow::Result<(App, Workspace)> {
    let app = settings.open().await?;
    let workspace = workspace::find(&app, slug).await?;
    Ok((app, workspace))
}

fn read(file: &Path) -> anyhow::Result<Vec<Value>> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(match scim_json::parse(&bytes)? {
        Value::Array(all) => all,
        one => vec![one],
    })
}

async fn listed(app: &App, workspace: &Workspace) -> anyhow::Result<Vec<Value>> {
    let registered = schemas::list(app, workspace.id).await?;
    let told = registered.into_iter().map(|registered| {
        let document: Value = serde_json::from_str(&registered.document)?;
        let name = document.get("id").unwrap_or(&document["name"]);
        Ok(json!({
            "key": registered.key, "name": name, "kind": registered.kind, "document": document,
            "created_at": registered.created_at, "updated_at": registered.updated_at,
        }))
    });
    told.collect()
}

/// What is registered of a resource type so far; at first its name alone.
async fn extended(app: &App, workspace: &Workspace, name: &str) -> anyhow::Result<Value> {
    let mut listed = listed(app, workspace).await?.into_iter();
    let is_it = |known: &Value| known["key"] == name.to_ascii_lowercase();
    let known = listed.find(is_it).map(|known| known["document"].clone());
    Ok(known.unwrap_or_else(|| json!({"name": name})))
}

fn extension(mut kind: Value, documents: &[Value], required: bool) -> Value {
    let mut extensions = match kind["schemaExtensions"].take() {
        Value::Array(extensions) => extensions,
        _ => Vec::new(),
    };
    for id in documents
        .iter()
        .filter_map(|document| document["id"].as_str())
    {
        let is_known = extensions.iter().any(|known| known["schema"] == id);
        if !is_known {
            extensions.push(json!({"schema": id, "required": required}));
        }
    }
    kind["schemaExtensions"] = Value::Array(extensions);
    kind
}
