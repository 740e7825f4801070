//! `gatehouse demo`: the whole way in a minute. Two virtual IdPs sync a company over real HTTP into
//! an embedded database, and the demo says who got what and why.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{people, serve, table};
use crate::admission::rules::{self, NewRule};
use crate::app::App;
use crate::changes::Origin;
use crate::clock::Clock;
use crate::config::Config;
use crate::directory::{
    self, DirectoryKind, Mode, NewDirectory, credentials, request_log, scim_base_url,
};
use crate::http;
use crate::http::server::{self, ServeOptions};
use crate::login::first_door;
use crate::mapping::explain;
use crate::telemetry;
use crate::virtual_idp::people::Company;
use crate::virtual_idp::{Dialect, ScimClient, Step, SyncOptions, first_sync};
use crate::worker::{self, keep};
use crate::workspace::{self, Workspace, members};

/// Where the demo listens.
const ADDRESS: [u8; 4] = [127, 0, 0, 1];

/// Whom the demo makes an admin.
const ADMIN: &str = "admin@demo.example";

/// What one IdP pushes: its groups, and the rules that look at them.
struct Pushed {
    dialect: Dialect,
    kind: DirectoryKind,
    name: &'static str,
    domain: &'static str,
    people: usize,
    /// Group, team, role.
    rules: [(&'static str, &'static str, &'static str); 6],
}

const PUSHED: [Pushed; 2] = [
    Pushed {
        dialect: Dialect::Entra,
        kind: DirectoryKind::Entra,
        name: "Contoso Entra ID",
        domain: "contoso.example",
        people: 120,
        rules: [
            ("Sales EMEA", "Sales EMEA", "agent"),
            ("Sales Americas", "Sales Americas", "agent"),
            ("Customer Care", "Support", "agent"),
            ("Care Leads", "Support", "supervisor"),
            ("Billing", "Billing", "agent"),
            ("Chat Admins", "Operations", "admin"),
        ],
    },
    Pushed {
        dialect: Dialect::Okta,
        kind: DirectoryKind::Okta,
        name: "Fabrikam Okta",
        domain: "fabrikam.example",
        people: 80,
        rules: [
            ("Field Service", "Field Service", "agent"),
            ("Spare Parts", "Field Service", "user"),
            ("Night Shift", "Support", "agent"),
            ("Onboarding", "Onboarding", "agent"),
            ("Quality", "Quality", "supervisor"),
            ("Partners", "Partners", "user"),
        ],
    },
];

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Keep the database in this folder; without it a temporary one is used.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The port to listen on; without it any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

impl Demo {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        telemetry::start_quiet();
        let temporary = TempDir::new()?;
        let folder = self.folder.as_deref().unwrap_or(temporary.path());
        std::fs::create_dir_all(folder)?;
        let listener = serve::bind((ADDRESS, self.port).into())?;
        let public_url = format!("http://{}", listener.local_addr()?);
        let database = format!("sqlite:{}", folder.join("demo.db").display());
        let mut config = Config::default();
        config.database.url.clone_from(&database);
        config.server.public_url = Some(Url::parse(&public_url)?);
        let app = App::open(config, Clock::system()).await?;
        app.store_public_url(&public_url).await?;
        println!("Gatehouse serves {public_url} from {database}\n");

        let stop = serve::stopped();
        let options = ServeOptions::from(&app.config.server);
        let serving = tokio::spawn(server::serve(
            listener,
            http::router(app.clone()),
            options,
            stop.clone(),
        ));
        let working = tokio::spawn(keep("worker", &app, &stop, worker::work));
        // Goes on while requests drain, and ends after them.
        let log_stop = CancellationToken::new();
        let logging = tokio::spawn(keep("request_log", &app, &log_stop, request_log::work));
        let shown = stop
            .run_until_cancelled(Box::pin(show(&app, &public_url, &database)))
            .await;
        if let Some(shown) = shown {
            shown?;
            println!("\nServing until you press Ctrl+C.");
            stop.cancelled().await;
        }
        serving.await??;
        working.await?;
        log_stop.cancel();
        logging.await?;
        app.db.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

async fn show(app: &App, public_url: &str, database: &str) -> anyhow::Result<()> {
    let workspace = match workspace::find(app, "demo").await {
        Ok(workspace) => workspace,
        Err(_) => workspace::create(app, &Origin::cli(), "demo", "Demo").await?,
    };
    let mut requests = 0;
    let mut token = String::new();
    for pushed in &PUSHED {
        let synced = push(app, &workspace, public_url, pushed).await?;
        requests += synced.0;
        token = synced.1;
    }
    let mut listed = members::list(app, workspace.id, None, 500).await?;
    // Whom a demo before this one made an admin came by no directory.
    listed.retain(|member| member.email.as_deref() != Some(ADMIN));
    let teams = tally(listed.iter().flat_map(|member| &member.teams));
    let roles = tally(listed.iter().flat_map(|member| &member.roles));
    println!(
        "\n{} people from {} directories in {} teams with {} roles, by {requests} requests:\n",
        listed.len(),
        PUSHED.len(),
        teams.len(),
        roles.len()
    );
    let rows = listed.iter().step_by(listed.len() / 8 + 1).map(|member| {
        vec![
            member.display_name.clone().unwrap_or_default(),
            member.user_name.clone().unwrap_or_default(),
            member.teams.iter().cloned().collect::<Vec<_>>().join(", "),
            member.roles.iter().cloned().collect::<Vec<_>>().join(", "),
        ]
    });
    println!(
        "{}\n",
        table(&["name", "user name", "teams", "roles"], rows)
    );
    let of = |counts: &[(String, usize)]| {
        let texts: Vec<_> = counts
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        texts.join(", ")
    };
    println!("Teams: {}\nRoles: {}\n", of(&teams), of(&roles));

    let chosen = listed
        .iter()
        .max_by_key(|member| member.teams.len() + member.roles.len())
        .context("nobody was synced")?;
    let name = chosen.user_name.clone().unwrap_or_default();
    println!("Why does {name} have that? gatehouse explain says:\n");
    let member = members::find(app, workspace.id, &chosen.id.to_string()).await?;
    println!(
        "{}",
        people::text(&explain::explain(app, workspace.id, &member).await?)
    );

    let admin = first_door::admin_link(app, &Origin::cli(), workspace.id, ADMIN).await?;
    println!("\nTo be signed in as an admin, once and within 30 minutes, open");
    println!("  {}", admin.link.url.expose_secret());
    println!("\nWhat to try next, in another terminal:");
    println!("  gatehouse members list --workspace demo --database {database}");
    println!("  gatehouse explain --workspace demo --member {name} --database {database}");
    println!("  gatehouse rule list --workspace demo --database {database}");
    println!("  gatehouse verify --database {database}");
    println!("  curl -H 'Authorization: Bearer {token}' '{public_url}/scim/v2/Users?count=2'");
    Ok(())
}

/// Makes a directory with its rules and lets its IdP sync; gives the number of requests and the
/// directory's token.
async fn push(
    app: &App,
    workspace: &Workspace,
    public_url: &str,
    pushed: &Pushed,
) -> anyhow::Result<(u64, String)> {
    let origin = Origin::cli();
    let directory = match directory::find(app, workspace.id, pushed.name).await {
        Ok(directory) => directory,
        Err(_) => {
            let new = NewDirectory {
                name: pushed.name.to_owned(),
                kind: pushed.kind,
                mode: Mode::Live,
                strict: false,
                restore_inactive: false,
            };
            let directory = directory::create(app, &origin, workspace, new).await?;
            for (group, team, role) in pushed.rules {
                let rule = NewRule {
                    directory: pushed.name.to_owned(),
                    groups: vec![group.to_owned()],
                    teams: vec![team.to_owned()],
                    roles: vec![role.to_owned()],
                    ..NewRule::default()
                };
                rules::add(app, &origin, workspace, rule).await?;
            }
            directory
        }
    };
    // A demo that is shown again in its folder begins with a token of its own.
    for old in credentials::list(app, &directory).await? {
        if old.revoked_at.is_none() {
            credentials::revoke(app, &origin, &directory, old.id).await?;
        }
    }
    let life = std::time::Duration::from_hours(24);
    let issued = credentials::issue(app, &origin, &directory, Some(life)).await?;
    let token = issued.token.expose_secret().to_owned();
    let groups = pushed.rules.map(|(group, _, _)| group);
    let company = Company::generate(pushed.people, &groups, pushed.domain, 7);
    let client = ScimClient::new(
        &scim_base_url(public_url, directory.id),
        &token,
        pushed.dialect,
    )?;
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{msg:18} {bar:40} {pos}/{len}",
    )?);
    bar.set_message(pushed.name);
    let progress = |step: Step| {
        let (done, total) = match step {
            Step::Users { done, total }
            | Step::Groups { done, total }
            | Step::Members { done, total } => (done, total),
        };
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let options = SyncOptions::usual(pushed.dialect);
    let synced = first_sync(&client, &company, options, progress).await?;
    bar.finish_and_clear();
    println!(
        "{:18} {} users and {} groups with {} memberships, {} requests in {:.1} s",
        pushed.name,
        synced.users.len(),
        synced.groups.len(),
        company.memberships(),
        synced.requests,
        synced.elapsed.as_secs_f64()
    );
    Ok((synced.requests, token))
}

fn tally<'a>(names: impl Iterator<Item = &'a String>) -> Vec<(String, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for name in names {
        *counts.entry(name.clone()).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}
