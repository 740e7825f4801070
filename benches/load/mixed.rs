//! Many workspaces at once: eight reads to two writes, as a day looks.

use std::sync::Arc;

use anyhow::{Result, ensure};
use gatehouse::virtual_idp::people::Company;
use gatehouse::virtual_idp::{Dialect, Request, ScimClient};

use crate::measure::{Figures, drive, measure};
use crate::scenarios::{Target, add, create_group, ids, patch_title};

/// Workspaces, and users in each.
pub(crate) const WORKSPACES: usize = 20;
const USERS: usize = 200;

/// A workspace with its people.
struct Office {
    client: ScimClient,
    company: Company,
    users: Vec<String>,
    group: String,
}

/// Requests over all workspaces, with `target.clients` in flight.
pub(crate) async fn mixed(target: &Target, clients: Vec<ScimClient>) -> Result<Figures> {
    let mut offices = Vec::with_capacity(clients.len());
    for (number, client) in clients.into_iter().enumerate() {
        offices.push(fill(client, number, &target.new_domain).await?);
    }
    let offices = Arc::new(offices);
    let work = drive(target.clients, target.requests, move |index| {
        let offices = Arc::clone(&offices);
        async move {
            let office = &offices[index % offices.len()];
            let request = office.request(index / offices.len());
            let answer = office.client.exchange(&request).await?;
            ensure!(
                answer.status.is_success(),
                "{} {} answered {}",
                request.method,
                request.path,
                answer.status
            );
            Ok(())
        }
    });
    let scenario = format!("mixed, 80 reads to 20 writes, {WORKSPACES} workspaces");
    Ok(measure(&target.watch, &scenario, target.clients, work)
        .await?
        .0)
}

async fn fill(client: ScimClient, number: usize, domain: &str) -> Result<Office> {
    let company = Company::generate(USERS, &[], &format!("office{number}.{domain}"), 4);
    let mut made = Vec::with_capacity(USERS + 1);
    for person in &company.people {
        made.push(
            client
                .exchange(&Dialect::Entra.create_user(person))
                .await?
                .body,
        );
    }
    let name = format!("Office {domain}");
    made.push(client.exchange(&create_group(&name)).await?.body);
    let mut users = ids(&made)?;
    let group = users.pop().unwrap_or_default();
    Ok(Office {
        client,
        company,
        users,
        group,
    })
}

impl Office {
    /// Of ten requests five look somebody up, three get one, one changes and one adds a member.
    fn request(&self, turn: usize) -> Request {
        let at = turn * 7 % self.users.len();
        match turn % 10 {
            0 => patch_title(&self.users[at], &format!("Lead {turn}")),
            5 => add(&self.group, &self.users[at..=at]),
            1..=3 => Request::get(format!("/Users/{}", self.users[at])),
            _ => Dialect::Entra.lookup_user(&self.company.people[at].user_name),
        }
    }
}
