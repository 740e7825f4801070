//! Rules, plans, members and imports (`--mapping`): what grows with the rules and the members of a
//! workspace, over the management API.

use anyhow::{Context, Result};
use gatehouse::virtual_idp::Request;
use reqwest::Method;
use serde_json::json;

use crate::api::{Api, Call};
use crate::measure::Figures;
use crate::scenarios::{Target, add, create_group, ids};
use crate::{imports, members, plans, rules};

/// The group of all users, and the one of every tenth.
pub(crate) const EVERYBODY: &str = "Everybody";
pub(crate) const TENTH: &str = "Tenth";
/// Teams that rules of small groups give, in turn.
pub(crate) const TEAMS: usize = 20;
/// Members of a small group.
const UNIT_MEMBERS: usize = 10;

/// How much of it.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    /// Rules beside the one of the group that changes.
    pub rules: Vec<usize>,
    /// Rows of an import.
    pub import_rows: usize,
}

/// A directory with people, and the workspace's API.
#[derive(Debug)]
pub(crate) struct Bench<'t> {
    /// The SCIM service.
    pub target: &'t Target,
    /// The API.
    pub api: Api,
    /// The directory's users.
    pub users: &'t [String],
    /// Runs on this database; names of what a run adds hold it.
    pub uses: u32,
}

impl Bench<'_> {
    /// Sends SCIM requests that are not measured.
    pub(crate) async fn send(&self, requests: Vec<Request>) -> Result<Vec<bytes::Bytes>> {
        let taken = self.target.send(self.target.clients, requests).await?;
        Ok(taken.result)
    }

    /// Makes a group with these members.
    pub(crate) async fn group(&self, name: &str, members: &[String]) -> Result<String> {
        let made = self.send(vec![create_group(name)]).await?;
        let group = ids(&made)?.pop().context("a group should have an id")?;
        let fill = members.chunks(100).map(|members| add(&group, members));
        self.target.send(1, fill.collect()).await?;
        Ok(group)
    }

    /// Makes a team.
    pub(crate) async fn team(&self, name: &str) -> Result<()> {
        let call = Call::write(Method::POST, "/teams", &json!({"name": name}));
        self.api.send(&call).await.map(drop)
    }
}

/// The name of a small group.
pub(crate) fn unit(number: usize) -> String {
    format!("Unit {number:05}")
}

/// Groups and teams for all of it, once on a database.
pub(crate) async fn prepare(bench: &Bench<'_>, sizes: &Sizes) -> Result<()> {
    // What is taken away here is meant.
    let off = Call::write(Method::PUT, "/brake", &json!({"mode": "off"}));
    bench.api.send(&off).await?;
    let most = sizes.rules.iter().copied().max().unwrap_or_default();
    let creates = (0..most).map(|number| create_group(&unit(number)));
    let units = ids(&bench.send(creates.collect()).await?)?;
    let members = bench.users.chunks(UNIT_MEMBERS).cycle();
    let fill = units.iter().zip(members);
    let fill = fill.map(|(group, members)| add(group, members)).collect();
    bench.send(fill).await?;
    bench.group(EVERYBODY, bench.users).await?;
    let tenth: Vec<_> = bench.users.iter().step_by(10).cloned().collect();
    bench.group(TENTH, &tenth).await?;
    for number in 0..TEAMS {
        bench.team(&rules::team(number)).await?;
    }
    Ok(())
}

/// All of it.
pub(crate) async fn mapping(bench: &Bench<'_>, sizes: &Sizes) -> Result<Vec<Figures>> {
    let mut figures = Vec::new();
    let planned = plans::begin(bench, &mut figures).await?;
    members::lists(bench, &planned, &mut figures).await?;
    imports::exports(bench, &mut figures).await?;
    plans::end(bench, planned, &mut figures).await?;
    rules::changes(bench, &sizes.rules, &mut figures).await?;
    imports::imports(bench, sizes.import_rows, &mut figures).await?;
    Ok(figures)
}
