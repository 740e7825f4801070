//! What is measured. The five scenarios the reference also knows are shared, so that both get the
//! same requests from the same clients.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use gatehouse::virtual_idp::people::{Company, Group};
use gatehouse::virtual_idp::{Dialect, Linked, Request, ScimClient, SyncOptions, first_sync};
use reqwest::Method;
use serde_json::{Value, json};

use crate::databases::Database;
use crate::groups;
use crate::measure::{Figures, Taken, drive, measure};
use crate::pages;
use crate::process::Watch;

/// Groups of the first sync, and how many members each of them gets.
const GROUPS: usize = 100;
const GROUP_MEMBERS: usize = 100;
/// Operations of a Bulk request, and how many such requests there are.
const BULK: usize = 100;
const BULKS: usize = 20;

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
    /// Members that the first sync adds by a PATCH.
    pub members_per_patch: usize,
    /// Sizes of the large groups.
    pub group_members: Vec<usize>,
    /// The domain of users who are created while it is measured; new on every run.
    pub new_domain: String,
}

impl Target {
    /// Sends requests and says what they cost.
    pub(crate) async fn run(
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

    /// Sends requests.
    pub(crate) async fn send(
        &self,
        clients: usize,
        requests: Vec<Request>,
    ) -> Result<Taken<Vec<Bytes>>> {
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

/// The first sync of a directory that is empty; gives the ids of its users.
pub(crate) async fn sync(target: &Target) -> Result<(Figures, Vec<String>)> {
    synced(target, &company(target)).await
}

/// All other scenarios, on a directory with these users.
pub(crate) async fn gatehouse(target: &Target, users: &[String]) -> Result<Vec<Figures>> {
    let mut figures = Vec::new();
    let company = company(target);
    let newcomers = single_resources(target, &company, users, &mut figures).await?;
    let by_external_id = cycle(users, target.requests).map(|user| {
        let external_id = Dialect::Entra.external_id(&company.people[user]);
        Request::get(format!("/Users?filter=externalId+eq+%22{external_id}%22"))
    });
    target
        .run(
            &mut figures,
            "look up by externalId",
            target.clients,
            by_external_id.collect(),
        )
        .await?;
    bulk(target, &mut figures).await?;
    pages::walk(target, &mut figures).await?;
    groups::small(target, users, &newcomers, &mut figures).await?;
    for &size in &target.group_members {
        groups::large(target, (size, users, &newcomers), &mut figures).await?;
    }
    Ok(figures)
}

/// The scenarios of the reference, on the same number of users in that database.
pub(crate) async fn reference(target: &Target, database: &Database) -> Result<Vec<Figures>> {
    let mut figures = Vec::new();
    let company = company(target);
    let creates = company
        .people
        .iter()
        .map(|person| Dialect::Entra.create_user(person))
        .collect();
    let users = ids(&target.send(target.clients, creates).await?.result)?;
    database.renew_statistics().await?;
    single_resources(target, &company, &users, &mut figures).await?;
    Ok(figures)
}

/// How the provider knows the directory's people.
pub(crate) fn external_ids(target: &Target) -> Vec<String> {
    let company = company(target);
    let ids = company.people.iter();
    ids.map(|person| Dialect::Entra.external_id(person))
        .collect()
}

fn company(target: &Target) -> Company {
    Company::generate_numbered(target.users, GROUPS, GROUP_MEMBERS, "acme.example", 1)
}

async fn synced(target: &Target, company: &Company) -> Result<(Figures, Vec<String>)> {
    let options = SyncOptions {
        parallel: target.clients,
        members_per_patch: target.members_per_patch,
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
        "first sync: {} users, {GROUPS} groups, {} members a PATCH",
        company.people.len(),
        target.members_per_patch
    );
    let (taken, users) = measure(&target.watch, &scenario, target.clients, work).await?;
    Ok((taken, users.into_iter().map(|user| user.id).collect()))
}

/// Lookup, get, change, replace and create: what the reference knows too. Gives the ids of the created.
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

    let replacements = all
        .iter()
        .enumerate()
        .map(|(number, &user)| replace(company, users, user, &format!("Replaced {number}")))
        .collect();
    target
        .run(figures, "PUT a user", clients, replacements)
        .await?;

    let newcomers = Company::generate(requests, &[], &target.new_domain, 2);
    let creates = newcomers
        .people
        .iter()
        .map(|person| Dialect::Entra.create_user(person));
    ids(&target
        .run(figures, "create a user", clients, creates.collect())
        .await?)
}

/// Creates in Bulk requests, one after the other.
async fn bulk(target: &Target, figures: &mut Vec<Figures>) -> Result<()> {
    let domain = format!("bulk.{}", target.new_domain);
    let company = Company::generate(BULK * BULKS, &[], &domain, 3);
    let requests = company.people.chunks(BULK).map(|people| {
        let operations: Vec<Value> = people
            .iter()
            .enumerate()
            .map(|(number, person)| {
                let data = Dialect::Entra.create_user(person).body;
                json!({"method": "POST", "path": "/Users", "bulkId": number.to_string(), "data": data})
            })
            .collect();
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": operations,
        });
        Request::write(Method::POST, "/Bulk", body)
    });
    let scenario = format!("create {BULK} users by Bulk");
    let answers = target
        .run(figures, &scenario, 1, requests.collect())
        .await?;
    for answer in answers {
        let outcome: Value = serde_json::from_slice(&answer)?;
        let outcomes = outcome["Operations"].as_array();
        let is_done = |outcome: &Value| outcome["status"] == "201" || outcome["status"] == 201;
        ensure!(
            outcomes.is_some_and(|outcomes| outcomes.len() == BULK && outcomes.iter().all(is_done)),
            "a Bulk request should create all: {outcome}"
        );
    }
    Ok(())
}

/// `count` users, spread over all of them.
fn cycle(users: &[String], count: usize) -> impl Iterator<Item = usize> {
    let total = users.len();
    (0..count).map(move |index| index * 7919 % total)
}

pub(crate) fn patch_title(user: &str, title: &str) -> Request {
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

pub(crate) fn create_group(name: &str) -> Request {
    let external_id = format!("external-{name}");
    let group = Group {
        name: name.to_owned(),
        external_id,
        members: Vec::new(),
    };
    Dialect::Entra.create_group(&group)
}

pub(crate) fn add(group: &str, users: &[String]) -> Request {
    let linked = |id: &str| Linked {
        id: id.to_owned(),
        name: String::new(),
    };
    let users: Vec<Linked> = users.iter().map(|user| linked(user)).collect();
    Dialect::Entra.add_members(&linked(group), &users.iter().collect::<Vec<_>>())
}

/// The ids of created resources.
pub(crate) fn ids(answers: &[Bytes]) -> Result<Vec<String>> {
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
