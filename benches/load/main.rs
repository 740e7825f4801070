//! The load generator: starts servers, sends them what identity providers send, says what it cost.
//!
//! `benches/README.md` says how to run it and what the figures mean. It drives the released binary
//! over HTTP from outside and starts itself again as the bare reference (`--reference`).

mod api;
mod databases;
mod groups;
mod imports;
mod logins;
mod mapping;
mod measure;
mod members;
mod mixed;
mod neighbours;
mod pages;
mod plans;
mod process;
mod reference;
mod report;
mod rules;
mod scenarios;
mod seeded;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use gatehouse::virtual_idp::{Dialect, ScimClient};
use serde_json::json;
use url::Url;

use crate::api::Api;
use crate::databases::Database;
use crate::mapping::{Bench, Sizes};
use crate::measure::Figures;
use crate::process::{Server, Watch, json_command};
use crate::scenarios::Target;
use crate::seeded::Seeded;

/// Groups of the first sync that have a rule.
const RULES: usize = 10;

/// Measures a release build of gatehouse and a bare reference beside it.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
struct Options {
    /// Users in the directory before the scenarios
    #[arg(long, default_value_t = 10_000)]
    users: usize,
    /// Requests in flight
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Requests of a scenario
    #[arg(long, default_value_t = 4000)]
    requests: usize,
    /// Members that a PATCH of the first sync adds
    #[arg(long, default_value_t = 10)]
    members_per_patch: usize,
    /// Sizes of the large groups
    #[arg(long, value_delimiter = ',', default_value = "10000")]
    group_members: Vec<usize>,
    /// Keeps the database, and uses the one that a run with as many users kept
    #[arg(long)]
    keep: bool,
    /// Databases to measure
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    #[arg(value_parser = ["sqlite", "postgres"])]
    engines: Vec<String>,
    /// The figures are the medians of this many runs
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// The binary under load
    #[arg(long, default_value = "target/release/gatehouse")]
    gatehouse: PathBuf,
    /// More arguments for `gatehouse serve`, one by one
    #[arg(long, allow_hyphen_values = true)]
    serve_arg: Vec<String>,
    /// The server where databases may be made: `postgres://user@host/postgres`
    #[arg(long)]
    postgres_url: Option<Url>,
    /// The postmaster's process id, to count its CPU
    #[arg(long)]
    postgres_pid: Option<u32>,
    /// Where database files and logs live; a real disk
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    folder: PathBuf,
    /// Where the JSON goes
    #[arg(long)]
    out: Option<PathBuf>,
    /// Measures rules, plans, members and imports, and nothing else
    #[arg(long, conflicts_with = "reference_only")]
    mapping: bool,
    /// How many rules there are while a membership changes, rising
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000")]
    rules: Vec<usize>,
    /// Rows of an import
    #[arg(long, default_value_t = 10_000)]
    import_rows: usize,
    /// Measures logins, and nothing else
    #[arg(long, conflicts_with_all = ["reference_only", "mapping"])]
    logins: bool,
    /// Measures the reference only
    #[arg(long)]
    reference_only: bool,
    /// Serves as the reference on this database
    #[arg(long, hide = true, requires = "listen")]
    reference: Option<String>,
    /// Where the reference listens
    #[arg(long, hide = true)]
    listen: Option<SocketAddr>,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    // `cargo test --benches` runs this without arguments and means a test: there is none.
    if std::env::args().len() == 1 {
        println!("a load generator: see benches/README.md, or run it with --help");
        return Ok(());
    }
    let options = Options::parse();
    if let (Some(database), Some(listen)) = (&options.reference, options.listen) {
        return reference::serve(database, listen).await;
    }
    ensure!(
        options.users > 0 && options.clients > 0 && options.requests >= 4,
        "nothing to do"
    );
    std::fs::create_dir_all(&options.folder)?;
    let mut runs = Vec::new();
    for run in 1..=options.runs {
        let mut figures = Vec::new();
        for engine in &options.engines {
            eprintln!("run {run} of {}, {engine}", options.runs);
            if options.mapping {
                figures.extend(mapping_run(&options, engine).await?);
                continue;
            }
            if options.logins {
                figures.extend(logins_run(&options, engine).await?);
                continue;
            }
            if !options.reference_only {
                figures.extend(gatehouse_run(&options, engine).await?);
            }
            figures.extend(reference_run(&options, engine).await?);
        }
        runs.push(figures);
    }
    answer(&options, &runs)
}

async fn gatehouse_run(options: &Options, engine: &str) -> Result<Vec<Figures>> {
    let program = &options.gatehouse;
    let database = kept_or_new(options, engine, "gatehouse_load").await?;
    let known = Seeded::read(&database.folder)?;
    let is_new = known.is_none();
    let mut seeded = match known {
        Some(seeded) => seeded,
        None => {
            let seeded = set_up(program, &database.url)?;
            waiting_rules(options, &database.url)?;
            seeded
        }
    };
    let arguments = arguments(options, &database);
    let log = database.folder.join("serve.log");

    let server = Server::start(program, &arguments, &log).await?;
    let target = Target {
        new_domain: format!("new{}.example", seeded.uses),
        ..target(
            options,
            engine,
            "gatehouse",
            &server,
            (&seeded.path, &seeded.token),
        )?
    };
    let mut figures = Vec::new();
    if is_new {
        let started = server.started_in;
        figures.push(measure::start(&target.watch, "start, no users", started)?);
        let (synced, users) = scenarios::sync(&target).await?;
        figures.push(synced);
        seeded.users = users;
    }
    seeded.uses += 1;
    seeded.write(&database.folder)?;
    let measured = scenarios::gatehouse(&target, &seeded.users).await;
    figures.extend(measured.with_context(|| format!("see {}", log.display()))?);
    figures.push(measure::at_rest(&target.watch).await?);
    let other = |slug: String| -> Result<ScimClient> {
        let token = workspace(program, &database.url, &slug)?;
        let base_url = format!("{}/scim/v2", server.url);
        Ok(ScimClient::new(&base_url, &token, Dialect::Entra)?)
    };
    let offices = (0..mixed::WORKSPACES)
        .map(|number| other(format!("office-{}-{number}", seeded.uses)))
        .collect::<Result<Vec<_>>>()?;
    figures.push(mixed::mixed(&target, offices).await?);
    let client = other(format!("next-door-{}", seeded.uses))?;
    let address = server.url.trim_start_matches("http://");
    figures.extend(neighbours::neighbours(&target, client, address).await?);
    drop(server);

    let server = Server::start(program, &arguments, &log).await?;
    let watch = Watch {
        server: server.pid(),
        ..target.watch
    };
    figures.push(measure::start(
        &watch,
        "start again, all users",
        server.started_in,
    )?);
    drop(server);
    if !options.keep {
        database.remove().await?;
    }
    Ok(figures)
}

/// Rules, plans, members and imports, on a database of their own.
async fn mapping_run(options: &Options, engine: &str) -> Result<Vec<Figures>> {
    let program = &options.gatehouse;
    let database = kept_or_new(options, engine, "gatehouse_mapping").await?;
    let known = Seeded::read(&database.folder)?;
    let is_new = known.is_none();
    let mut seeded = match known {
        Some(seeded) => seeded,
        None => set_up(program, &database.url)?,
    };
    seeded.uses += 1;
    let name = format!("bench {}", seeded.uses);
    let key = ["api-key", "create", "--operator", "--scope", "*", "--name"];
    let key = [&key[..], &[&name, "--database", &database.url, "--json"]].concat();
    let key = json_command(program, &key)?;
    let log = database.folder.join("serve.log");

    let server = Server::start(program, &arguments(options, &database), &log).await?;
    let access = (&*seeded.path, &*seeded.token);
    let target = target(options, engine, "gatehouse", &server, access)?;
    if is_new {
        seeded.users = scenarios::sync(&target).await?.1;
    }
    let bench = Bench {
        target: &target,
        api: Api::new(&server.url, "bench", &api::text(&key, "key")?)?,
        users: &seeded.users,
        uses: seeded.uses,
    };
    let sizes = Sizes {
        rules: options.rules.clone(),
        import_rows: options.import_rows,
    };
    let measured = async {
        if is_new {
            mapping::prepare(&bench, &sizes).await?;
        }
        seeded.write(&database.folder)?;
        mapping::mapping(&bench, &sizes).await
    };
    let figures = measured
        .await
        .with_context(|| format!("see {}", log.display()))?;
    drop(server);
    if !options.keep {
        database.remove().await?;
    }
    Ok(figures)
}

/// Logins, on a database of their own.
async fn logins_run(options: &Options, engine: &str) -> Result<Vec<Figures>> {
    let program = &options.gatehouse;
    let database = database(options, engine, "gatehouse_logins").await?;
    let seeded = set_up(program, &database.url)?;
    let log = database.folder.join("serve.log");
    let server = Server::start(program, &arguments(options, &database), &log).await?;
    let access = (&*seeded.path, &*seeded.token);
    let target = target(options, engine, "gatehouse", &server, access)?;
    scenarios::sync(&target).await?;
    let at = ["--database", &database.url, "--json"];
    let run = |arguments: &[&str]| json_command(program, &[arguments, &at].concat());
    let measured = logins::logins(&target, &server.url, run).await;
    let figures = measured.with_context(|| format!("see {}", log.display()))?;
    drop(server);
    database.remove().await?;
    Ok(figures)
}

/// The database that a run with as many users kept, where databases are kept; else a new one.
async fn kept_or_new(options: &Options, engine: &str, name: &str) -> Result<Database> {
    if !options.keep {
        return database(options, engine, name).await;
    }
    let name = format!("{name}_{}", options.users);
    let postgres = options.postgres_url.as_ref();
    Database::reuse(engine, &options.folder, &name, postgres).await
}

fn arguments(options: &Options, database: &Database) -> Vec<String> {
    let mut arguments = ["serve", "--listen", "{listen}", "--public-url", "{url}"]
        .map(str::to_owned)
        .to_vec();
    arguments.extend(["--database".to_owned(), database.url.clone()]);
    arguments.extend(options.serve_arg.iter().cloned());
    arguments
}

/// A workspace and a live directory.
fn set_up(program: &Path, database: &str) -> Result<Seeded> {
    let run = |arguments: &[&str]| {
        json_command(
            program,
            &[arguments, &["--database", database, "--json"]].concat(),
        )
    };
    run(&["workspace", "create", "bench", "--name", "Bench"])?;
    let directory = run(&[
        "directory",
        "create",
        "--workspace",
        "bench",
        "--name",
        "idp",
        "--kind",
        "generic",
        "--mode",
        "live",
    ])?;
    // Only the path counts: the server under load listens on a port of its own.
    let base_url = api::text(&directory, "scim_base_url")?;
    let path = Url::parse(&base_url).map_or(base_url, |url| url.path().to_owned());
    Ok(Seeded {
        path,
        token: api::text(&directory, "token")?,
        users: Vec::new(),
        uses: 0,
    })
}

/// A few rules that wait for their groups.
fn waiting_rules(options: &Options, database: &str) -> Result<()> {
    let groups = (1..=RULES).map(|number| format!("Group {number:04}"));
    let large = options.group_members.iter().copied().map(groups::big_group);
    let add = ["rule", "add", "--workspace", "bench", "--directory", "idp"];
    for group in groups.chain(large) {
        let team = format!("Team of {group}");
        let rule = ["--group", &group, "--team", &team, "--role", "member"];
        let at = ["--database", database, "--json"];
        json_command(&options.gatehouse, &[&add[..], &rule[..], &at[..]].concat())?;
    }
    Ok(())
}

/// A directory in another workspace; gives its token.
fn workspace(program: &Path, database: &str, slug: &str) -> Result<String> {
    let run = |arguments: &[&str]| {
        json_command(
            program,
            &[arguments, &["--database", database, "--json"]].concat(),
        )
    };
    run(&["workspace", "create", slug, "--name", slug])?;
    let directory = ["directory", "create", "--workspace", slug, "--name", "idp"];
    let directory = run(&[&directory[..], &["--kind", "generic"]].concat())?;
    let token = directory["token"].as_str().map(str::to_owned);
    token.context("the new directory should have a token")
}

async fn reference_run(options: &Options, engine: &str) -> Result<Vec<Figures>> {
    let database = database(options, engine, "gatehouse_load_reference").await?;
    let arguments = ["--reference", &database.url, "--listen", "{listen}"].map(str::to_owned);
    let log = database.folder.join("reference.log");
    let server = Server::start(&std::env::current_exe()?, &arguments, &log).await?;
    let target = target(options, engine, "reference", &server, ("/scim/v2", "none"))?;
    let figures = scenarios::reference(&target, &database).await?;
    drop(server);
    database.remove().await?;
    Ok(figures)
}

async fn database(options: &Options, engine: &str, name: &str) -> Result<Database> {
    Database::create(engine, &options.folder, name, options.postgres_url.as_ref()).await
}

fn target(
    options: &Options,
    engine: &str,
    subject: &str,
    server: &Server,
    (path, token): (&str, &str),
) -> Result<Target> {
    let base_url = format!("{}{path}", server.url);
    Ok(Target {
        client: Arc::new(ScimClient::new(&base_url, token, Dialect::Entra)?),
        watch: Watch {
            engine: engine.to_owned(),
            subject: subject.to_owned(),
            server: server.pid(),
            postmaster: options.postgres_pid.filter(|_| engine == "postgres"),
        },
        clients: options.clients,
        requests: options.requests,
        users: options.users,
        members_per_patch: options.members_per_patch,
        group_members: options.group_members.clone(),
        new_domain: "new.example".to_owned(),
    })
}

fn answer(options: &Options, runs: &[Vec<Figures>]) -> Result<()> {
    let medians = measure::medians(runs);
    let ratios = report::ratios(&medians);
    println!("{}", report::markdown(&medians, &ratios));
    if let Some(out) = &options.out {
        let cpus = std::thread::available_parallelism()?.get();
        let report = json!({
            "cpus": cpus,
            "users": options.users,
            "clients": options.clients,
            "requests": options.requests,
            "medians": medians,
            "ratios": ratios,
            "runs": runs,
        });
        std::fs::write(out, serde_json::to_string_pretty(&report)?)
            .with_context(|| format!("writing {}", out.display()))?;
    }
    Ok(())
}
