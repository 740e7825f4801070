//! `gatehouse workspace admin-link …` and `gatehouse operator …`: the first doors.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;

use super::{Settings, table};
use crate::accounts::links::Made;
use crate::changes::Origin;
use crate::ids::RequestId;
use crate::login::first_door;
use crate::workspace;
use crate::workspace::activity::{self, Spot};

/// A link for an admin of a workspace.
#[derive(Debug, Args)]
pub(super) struct AdminLink {
    /// The workspace's slug.
    slug: String,
    /// The admin's address: the member of that address, or a new one.
    #[arg(long)]
    email: String,
    #[command(flatten)]
    settings: Settings,
}

impl AdminLink {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.slug).await?;
        let made = first_door::admin_link(&app, &Origin::cli(), workspace.id, &self.email).await?;
        let value = serde_json::json!({
            "url": made.link.url.expose_secret(), "expires_at": made.link.expires_at,
            "member": made.member.id, "is_new": made.is_new,
        });
        let whom = if made.is_new {
            "who is new"
        } else {
            "who was there"
        };
        let about = format!("an admin of {}, {whom}: {}", self.slug, self.email);
        self.settings.print(&value, || told(&made.link, &about))
    }
}

/// Logins of a workspace.
#[derive(Debug, Args)]
pub(super) struct Logins {
    /// The workspace's slug.
    slug: String,
    /// The reference that somebody who was refused names.
    #[arg(long)]
    reference: Option<RequestId>,
    /// How many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    #[command(flatten)]
    settings: Settings,
}

impl Logins {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let app = self.settings.open().await?;
        let workspace = workspace::find(&app, &self.slug).await?;
        let from = Spot::newest();
        let found = activity::logins(&app, workspace.id, self.reference, from, self.limit).await?;
        self.settings.print(&found, || {
            let rows = found.iter().map(|event| {
                let said = |name: &str| event.detail[name].as_str().unwrap_or_default().to_owned();
                let why = [said("reason"), said("provider_said")].join(" ");
                let whom = format!("{} {}", event.subject_kind, event.subject);
                let at = event.at.to_string();
                let request = event.by.request.to_string();
                vec![
                    at,
                    event.kind.clone(),
                    why.trim_end().to_owned(),
                    whom,
                    request,
                ]
            });
            table(&["when", "what", "why", "whom or where", "reference"], rows)
        })
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Operator {
    /// Make a link that opens a session of an operator, once.
    Link {
        #[command(flatten)]
        settings: Settings,
    },
}

impl Operator {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Link { settings } = self;
        let app = settings.open().await?;
        let link = first_door::operator_link(&app).await?;
        let value = serde_json::json!({
            "url": link.url.expose_secret(), "expires_at": link.expires_at,
        });
        settings.print(&value, || told(&link, "an operator"))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn told(link: &Made, about: &str) -> String {
    let (url, until) = (link.url.expose_secret(), link.expires_at);
    format!("signs in {about}\n{url}\nworks once, until {until}")
}
