//! What is measured. The four scenarios the reference also knows are shared, so that both get the
//! same requests from the same clients.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use gatehouse::virtual_idp::people::{Company, Group};
use gatehouse::virtual_idp::{Dialect, Linked, Request, ScimClient, SyncOptions, first_sync};
use reqwest::Method;
use serde_json::{Value, json};

use crate::measure::{Figures, Taken, drive, measure};
use crate::process::Watch;

/// The group every newcomer of the last scenarios joins.
pub(crate) const BIG_GROUP: &str = "Everybody";
/// Groups of the first sync, and how many members each of them gets.
const GROUPS: usize = 100;
const GROUP_MEMBERS: usize = 100;
const MEMBERS_PER_PATCH: usize = 10;
const BIG_GROUP_MEMBERS: usize = 10_000;
const SMALL_GROUP_MEMBERS: usize = 10;
const ADDITIONS: usize = 500;

/// A SCIM service under load.
#[derive(Debug)]
pub(crate) struct Target {
    /// The provider's connection.
    pub client: Arc<ScimClient>,
    /// Its processes.
    pub watch: Watch,
    /// Requests in flight.
    pub clients: usize,
    /// Requests of a scenario.
    pub requests: usize,
    /// Users of the directory before the scenarios.
    pub users: usize,
}

impl Target {
    async fn run(
        &self,
        figures: &mut Vec<Figures>,
        scenario: &str,
        clients: usize,
        requests: Vec<Request>,
    ) -> Result<Vec<Bytes>> {
        let work = self.send(clients, requests);
        let (taken, answers) = measure(&self.watch, scenario, clients, work).await?;
        figures.push(taken);
        Ok(answers)
    }

    async fn send(&self, clients: usize, requests: Vec<Request>) -> Result<Taken<Vec<Bytes>>> {
        let (client, requests) = (Arc::clone(&self.client), Arc::new(requests));
        drive(clients, requests.len(), move |index| {
            let (client, requests) = (Arc::clone(&client), Arc::clone(&requests));
            async move {
                let request = &requests[index];
                let answer = client.exchange(request).await?;
                ensure!(
                    answer.status.is_success(),
                    "{} {} answered {}: {}",
                    request.method,
                    request.path,
                    answer.status,
                    String::from_utf8_lossy(&answer.body),
                );
                Ok(answer.body)
            }
        })
        .await
    }
}

/// All scenarios, on a directory that is empty.
pub(crate) async fn gatehouse(target: &Target) -> Result<Vec<Figures>> {
    let mut figures = Vec::new();
    let company = company(target);
    let users = synced(target, &company, &mut figures).await?;
    let newcomers = single_resources(target, &company, &users, &mut figures).await?;
    let replacements = cycle(&users, target.requests)
        .enumerate()
        .map(|(number, user)| replace(&company, &users, user, &format!("Replaced {number}")))
        .collect();
    target
        .run(&mut figures, "PUT a user", target.clients, replacements)
        .await?;
    pages(target, users.len() + newcomers.len(), &mut figures).await?;
    groups(target, &users, &newcomers, &mut figures).await?;
    Ok(figures)
}

/// The scenarios of the reference, on the same number of users.
pub(crate) async fn reference(target: &Target) -> Result<Vec<Figures>> {
    let mut figures = Vec::new();
    let company = company(target);
    let creates = company
        .people
        .iter()
        .map(|person| Dialect::Entra.create_user(person))
        .collect();
    let users = ids(&target.send(target.clients, creates).await?.result)?;
    single_resources(target, &company, &users, &mut figures).await?;
    Ok(figures)
}

fn company(target: &Target) -> Company {
    Company::generate_numbered(target.users, GROUPS, GROUP_MEMBERS, "acme.example", 1)
}

async fn synced(
    target: &Target,
    company: &Company,
    figures: &mut Vec<Figures>,
) -> Result<Vec<String>> {
    let options = SyncOptions {
        parallel: target.clients,
        members_per_patch: MEMBERS_PER_PATCH,
    };
    let work = async {
        let synced = first_sync(&target.client, company, options, |_| {}).await?;
        ensure!(
            target.client.retries() == 0,
            "the server answered 429 or 503 to the first sync"
        );
        Ok(Taken {
            requests: usize::try_from(synced.requests)?,
            latencies: Vec::new(),
            elapsed: synced.elapsed,
            result: synced.users,
        })
    };
    let scenario = format!(
        "first sync: {} users, {GROUPS} groups",
        company.people.len()
    );
    let (taken, users) = measure(&target.watch, &scenario, target.clients, work).await?;
    figures.push(taken);
    Ok(users.into_iter().map(|user| user.id).collect())
}

/// Lookup, get, change and create: what the reference knows too. Gives the ids of the created.
async fn single_resources(
    target: &Target,
    company: &Company,
    users: &[String],
    figures: &mut Vec<Figures>,
) -> Result<Vec<String>> {
    let (clients, requests) = (target.clients, target.requests);
    let lookup = |user: usize| Dialect::Entra.lookup_user(&company.people[user].user_name);
    let get = |user: usize| Request::get(format!("/Users/{}", users[user]));
    let all: Vec<usize> = cycle(users, requests).collect();

    let lookups = all.iter().map(|&user| lookup(user)).collect();
    let answers = target
        .run(figures, "look up by userName", clients, lookups)
        .await?;
    let found: Value = serde_json::from_slice(&answers[0])?;
    ensure!(
        found["totalResults"] == 1,
        "a lookup should find the user: {found}"
    );
    let gets = all.iter().map(|&user| get(user)).collect();
    target.run(figures, "get by id", clients, gets).await?;
    let patches = all
        .iter()
        .enumerate()
        .map(|(number, &user)| patch_title(&users[user], &format!("Lead {number}")))
        .collect();
    target
        .run(figures, "PATCH one attribute", clients, patches)
        .await?;
    let alone = all
        .iter()
        .take(requests / 4)
        .enumerate()
        .map(|(number, &user)| patch_title(&users[user], &format!("Head {number}")));
    target
        .run(
            figures,
            "PATCH one attribute, one client",
            1,
            alone.collect(),
        )
        .await?;

    let newcomers = Company::generate(requests, &[], "new.example", 2);
    let creates = newcomers
        .people
        .iter()
        .map(|person| Dialect::Entra.create_user(person));
    ids(&target
        .run(figures, "create a user", clients, creates.collect())
        .await?)
}

/// One walk through everybody in three parts, then jumps to pages nobody asked for before.
async fn pages(target: &Target, total: usize, figures: &mut Vec<Figures>) -> Result<()> {
    let page = |index: usize| format!("/Users?startIndex={index}&count=100");
    let mut walk: Vec<Request> = (1..=total)
        .step_by(100)
        .map(|at| Request::get(page(at)))
        .collect();
    let tenth = (walk.len() / 10).max(1);
    let last = walk.split_off(walk.len().saturating_sub(tenth));
    let middle = walk.split_off(tenth.min(walk.len()));
    for (scenario, requests) in [
        ("list page of 100: first tenth of a walk", walk),
        ("list page of 100: the middle", middle),
        ("list page of 100: last tenth", last),
    ] {
        if !requests.is_empty() {
            target.run(figures, scenario, 1, requests).await?;
        }
    }
    // 7919 is prime, so that the jumps spread over the directory.
    let jumps = (1..=20)
        .map(|jump| Request::get(page(jump * 7919 % total + 1)))
        .collect();
    target
        .run(figures, "list page of 100: cold jumps", 1, jumps)
        .await?;
    Ok(())
}

async fn groups(
    target: &Target,
    users: &[String],
    newcomers: &[String],
    figures: &mut Vec<Figures>,
) -> Result<()> {
    let additions = ADDITIONS.min(newcomers.len());
    let small = additions.div_ceil(SMALL_GROUP_MEMBERS);
    let names = (1..=small).map(|number| format!("Small group {number:03}"));
    let creates = names
        .chain([BIG_GROUP.to_owned()])
        .map(|name| create_group(&name))
        .collect();
    let mut small = ids(&target.send(1, creates).await?.result)?;
    let big = small
        .pop()
        .context("the big group should have been created")?;

    let fill = users.chunks(SMALL_GROUP_MEMBERS).cycle().zip(&small);
    let fill = fill.map(|(members, group)| add(group, members)).collect();
    target.send(target.clients, fill).await?;
    let everybody = &users[..users.len().min(BIG_GROUP_MEMBERS)];
    let fill = everybody
        .chunks(100)
        .map(|members| add(&big, members))
        .collect();
    let scenario = format!("add 100 members in a PATCH, up to {}", everybody.len());
    target.run(figures, &scenario, 1, fill).await?;

    let joining = newcomers.chunks(1).take(additions);
    let joins = joining
        .clone()
        .zip(small.iter().cycle())
        .map(|(user, group)| add(group, user));
    target
        .run(
            figures,
            "add one member, group of 10, one client",
            1,
            joins.collect(),
        )
        .await?;
    let size = everybody.len();
    let (alone, together) = newcomers[..additions].split_at(additions / 2);
    let alone = alone.chunks(1).map(|user| add(&big, user)).collect();
    let scenario = format!("add one member, group of {size}, one client");
    target.run(figures, &scenario, 1, alone).await?;
    let together = together.chunks(1).map(|user| add(&big, user)).collect();
    let scenario = format!("add one member, group of {size}");
    target
        .run(figures, &scenario, target.clients, together)
        .await?;

    let bare = format!("/Groups/{big}?excludedAttributes=members");
    let scenario = format!("group of {size} without members, one client");
    target
        .run(figures, &scenario, 1, vec![Request::get(bare); 200])
        .await?;
    let whole = Request::get(format!("/Groups/{big}"));
    let scenario = format!("group of {size} with members, one client");
    target.run(figures, &scenario, 1, vec![whole; 20]).await?;
    Ok(())
}

/// `count` users, spread over all of them.
fn cycle(users: &[String], count: usize) -> impl Iterator<Item = usize> {
    let total = users.len();
    (0..count).map(move |index| index * 7919 % total)
}

fn patch_title(user: &str, title: &str) -> Request {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "Replace", "path": "title", "value": title}],
    });
    Request::write(Method::PATCH, format!("/Users/{user}"), body)
}

fn replace(company: &Company, users: &[String], user: usize, title: &str) -> Request {
    let mut request = Dialect::Entra.create_user(&company.people[user]);
    if let Some(body) = &mut request.body {
        body["title"] = json!(title);
    }
    request.path = format!("/Users/{}", users[user]);
    request.method = Method::PUT;
    request
}

fn create_group(name: &str) -> Request {
    let external_id = format!("external-{name}");
    let group = Group {
        name: name.to_owned(),
        external_id,
        members: Vec::new(),
    };
    Dialect::Entra.create_group(&group)
}

fn add(group: &str, users: &[String]) -> Request {
    let linked = |id: &str| Linked {
        id: id.to_owned(),
        name: String::new(),
    };
    let users: Vec<Linked> = users.iter().map(|user| linked(user)).collect();
    Dialect::Entra.add_members(&linked(group), &users.iter().collect::<Vec<_>>())
}

fn ids(answers: &[Bytes]) -> Result<Vec<String>> {
    answers
        .iter()
        .map(|answer| {
            let resource: Value = serde_json::from_slice(answer)?;
            Ok(resource["id"]
                .as_str()
                .context("a new resource should have an id")?
                .to_owned())
        })
        .collect()
}
