//! The first sync: users, then groups, then who is in them.
//!
//! Runs in the caller's task with a bounded number of requests in flight, so that dropping the
//! future stops the sync.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde_json::Value;

use super::people::Company;
use super::{Dialect, Error, Linked, Request, ScimClient};

/// How a provider is set up to sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncOptions {
    /// Requests in flight.
    pub parallel: usize,
    /// Memberships in one PATCH.
    pub members_per_patch: usize,
}

impl SyncOptions {
    /// What the provider does unless somebody changes it.
    #[must_use]
    pub fn usual(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Entra => Self {
                parallel: 5,
                members_per_patch: 1,
            },
            Dialect::Okta => Self {
                parallel: 5,
                members_per_patch: 100,
            },
        }
    }
}

/// How far a first sync has come; told after each thing that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Users looked up and created.
    Users {
        /// Done so far.
        done: usize,
        /// Of how many.
        total: usize,
    },
    /// Groups looked up and created.
    Groups {
        /// Done so far.
        done: usize,
        /// Of how many.
        total: usize,
    },
    /// Memberships sent.
    Members {
        /// Done so far.
        done: usize,
        /// Of how many.
        total: usize,
    },
}

/// What a first sync left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// One for each of [`Company::people`], in that order.
    pub users: Vec<Linked>,
    /// One for each of [`Company::groups`], in that order.
    pub groups: Vec<Linked>,
    /// Requests sent, repeated ones included.
    pub requests: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

/// Brings a whole company over: looks each object up, creates what is missing, then sends the
/// memberships. Running it again finds everything and changes nothing but what has left since.
pub async fn first_sync(
    client: &ScimClient,
    company: &Company,
    options: SyncOptions,
    progress: impl Fn(Step) + Send + Sync,
) -> Result<Synced, Error> {
    let (started, sent_before) = (Instant::now(), client.requests());
    let dialect = client.dialect();
    let SyncOptions {
        parallel,
        members_per_patch,
    } = options;

    let count = AtomicUsize::new(0);
    let total = company.people.len();
    let users = each(parallel, total, async |index| {
        let person = &company.people[index];
        let id = match find(client, &dialect.lookup_user(&person.user_name)).await? {
            Some(found) => {
                // Entra compares first; Okta's assignment always says active.
                if dialect == Dialect::Okta || found["active"] == Value::Bool(false) {
                    client.send(&dialect.reactivate(&id_of(&found))).await?;
                }
                id_of(&found)
            }
            None => create(client, &dialect.create_user(person)).await?,
        };
        progress(Step::Users {
            done: add(&count, 1),
            total,
        });
        Ok(Linked {
            id,
            name: person.user_name.clone(),
        })
    })
    .await?;

    let count = AtomicUsize::new(0);
    let total = company.groups.len();
    let groups = each(parallel, total, async |index| {
        let group = &company.groups[index];
        let id = match find(client, &dialect.lookup_group(&group.name)).await? {
            Some(found) => id_of(&found),
            None => create(client, &dialect.create_group(group)).await?,
        };
        progress(Step::Groups {
            done: add(&count, 1),
            total,
        });
        Ok(Linked {
            id,
            name: group.name.clone(),
        })
    })
    .await?;

    let count = AtomicUsize::new(0);
    let total = company.memberships();
    let work = memberships(dialect, company, members_per_patch);
    each(parallel, work.len(), async |index| {
        let (group, batches) = &work[index];
        for batch in batches {
            let members: Vec<&Linked> = batch.iter().map(|&member| &users[member]).collect();
            client
                .send(&dialect.add_members(&groups[*group], &members))
                .await?;
            progress(Step::Members {
                done: add(&count, batch.len()),
                total,
            });
        }
        Ok(())
    })
    .await?;

    let requests = client.requests() - sent_before;
    Ok(Synced {
        users,
        groups,
        requests,
        elapsed: started.elapsed(),
    })
}

/// The batches of each piece of work. Entra sends several requests for one group at a time; Okta
/// pushes a group's batches one after the other.
fn memberships(
    dialect: Dialect,
    company: &Company,
    members_per_patch: usize,
) -> Vec<(usize, Vec<&[usize]>)> {
    let batches = company
        .groups
        .iter()
        .enumerate()
        .flat_map(|(index, group)| {
            group
                .members
                .chunks(members_per_patch.max(1))
                .map(move |batch| (index, batch))
        });
    match dialect {
        Dialect::Entra => batches.map(|(index, batch)| (index, vec![batch])).collect(),
        Dialect::Okta => {
            let mut work: Vec<(usize, Vec<&[usize]>)> = Vec::new();
            for (index, batch) in batches {
                match work.last_mut() {
                    Some((last, batches)) if *last == index => batches.push(batch),
                    _ => work.push((index, vec![batch])),
                }
            }
            work
        }
    }
}

/// Does `total` pieces of work in order, `parallel` at a time, and gives the results in order.
async fn each<T, F>(
    parallel: usize,
    total: usize,
    work: impl Fn(usize) -> F,
) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let next = AtomicUsize::new(0);
    let worker = async || {
        let mut results = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= total {
                return Ok::<_, Error>(results);
            }
            results.push((index, work(index).await?));
        }
    };
    let workers = try_join_all((0..parallel.clamp(1, total.max(1))).map(|_| worker())).await?;
    let mut results: Vec<(usize, T)> = workers.into_iter().flatten().collect();
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

async fn find(client: &ScimClient, lookup: &Request) -> Result<Option<Value>, Error> {
    let mut list = client.send(lookup).await?.json();
    match list["totalResults"].as_u64() {
        Some(0) => Ok(None),
        Some(1) if list["Resources"][0]["id"].is_string() => Ok(Some(list["Resources"][0].take())),
        _ => Err(lookup.unexpected("a list of no or one resource that has an id")),
    }
}

async fn create(client: &ScimClient, request: &Request) -> Result<String, Error> {
    let resource = client.send(request).await?.json();
    if !resource["id"].is_string() {
        return Err(request.unexpected("the new resource and its id"));
    }
    Ok(id_of(&resource))
}

fn id_of(resource: &Value) -> String {
    resource["id"].as_str().unwrap_or_default().to_owned()
}

fn add(count: &AtomicUsize, more: usize) -> usize {
    count.fetch_add(more, Ordering::Relaxed) + more
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::Bytes;
    use axum::extract::State;
    use axum::http::{Method, StatusCode, Uri};
    use axum::response::{IntoResponse, Response};
    use percent_encoding::percent_decode_str;
    use serde_json::json;

    use super::*;

    /// A service that remembers what was created and refuses the first requests with 429.
    #[derive(Default)]
    struct Fake {
        busy: u32,
        resources: Vec<Value>,
    }

    async fn answer(
        State(fake): State<Arc<Mutex<Fake>>>,
        method: Method,
        uri: Uri,
        body: Bytes,
    ) -> Response {
        let mut fake = fake.lock().unwrap();
        if fake.busy > 0 {
            fake.busy -= 1;
            return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response();
        }
        match method {
            Method::GET => {
                let query = uri.query().unwrap_or_default().replace('+', " ");
                let query = percent_decode_str(&query)
                    .decode_utf8()
                    .unwrap()
                    .into_owned();
                let named =
                    |resource: &Value, key: &str| query.contains(&resource[key].to_string());
                let of_users = uri.path() == "/Users";
                let key = if of_users { "userName" } else { "displayName" };
                let found = fake
                    .resources
                    .iter()
                    .find(|r| r["userName"].is_string() == of_users && named(r, key));
                let total = usize::from(found.is_some());
                let list = json!({"totalResults": total, "Resources": found.as_slice()});
                list.to_string().into_response()
            }
            Method::POST => {
                let mut resource: Value = serde_json::from_slice(&body).unwrap();
                resource["id"] = json!(format!("id{}", fake.resources.len()));
                fake.resources.push(resource.clone());
                (StatusCode::CREATED, resource.to_string()).into_response()
            }
            _ => StatusCode::NO_CONTENT.into_response(),
        }
    }

    async fn client(dialect: Dialect, busy: u32) -> ScimClient {
        let fake = Fake {
            busy,
            ..Fake::default()
        };
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::new(Mutex::new(fake)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        ScimClient::new(&url, "token", dialect).unwrap()
    }

    #[tokio::test]
    async fn a_first_sync_creates_what_the_second_finds() {
        // Two requests to create, one to find; Okta also says active to those it finds.
        for (dialect, first, second) in [
            (Dialect::Entra, 2 * 30 + 2 * 4 + 4 * 10, 30 + 4 + 4 * 10),
            (Dialect::Okta, 2 * 30 + 2 * 4 + 4, 2 * 30 + 4 + 4),
        ] {
            let client = client(dialect, 3).await;
            let company = Company::generate_numbered(30, 4, 10, "acme.example", 1);
            let options = SyncOptions::usual(dialect);
            let steps = Mutex::new(Vec::new());
            let tell = |step| steps.lock().unwrap().push(step);
            let synced = first_sync(&client, &company, options, tell).await.unwrap();
            assert_eq!((synced.users.len(), synced.groups.len()), (30, 4));
            assert_eq!(
                (synced.requests, client.retries()),
                (first + 3, 3),
                "{dialect:?}"
            );
            let last = steps.lock().unwrap().last().copied();
            assert_eq!(
                last,
                Some(Step::Members {
                    done: 40,
                    total: 40
                })
            );

            let again = first_sync(&client, &company, options, |_| {})
                .await
                .unwrap();
            assert_eq!((again.users, again.groups), (synced.users, synced.groups));
            assert_eq!(again.requests, second, "{dialect:?}");
        }
    }

    #[test]
    fn entra_sends_members_one_by_one_and_okta_group_by_group() {
        let company = Company::generate_numbered(9, 2, 5, "a.example", 1);
        let entra = memberships(Dialect::Entra, &company, 1);
        assert_eq!(entra.len(), 10);
        assert!(
            entra
                .iter()
                .all(|(_, batches)| batches.len() == 1 && batches[0].len() == 1)
        );
        let okta = memberships(Dialect::Okta, &company, 2);
        let sizes: Vec<_> = okta
            .iter()
            .map(|(group, batches)| (*group, batches.iter().map(|b| b.len()).collect()))
            .collect();
        assert_eq!(sizes, [(0, vec![2, 2, 1]), (1, vec![2, 2, 1])]);
    }

    #[tokio::test]
    async fn work_is_bounded_and_results_keep_their_order() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let results = each(3, 20, async |index| {
            most.fetch_max(add(&running, 1), Ordering::Relaxed);
            #[expect(clippy::disallowed_methods, reason = "the later ones end first")]
            tokio::time::sleep(Duration::from_millis(20 - index as u64)).await;
            running.fetch_sub(1, Ordering::Relaxed);
            Ok(index)
        })
        .await
        .unwrap();
        assert_eq!(results, (0..20).collect::<Vec<_>>());
        assert_eq!(most.into_inner(), 3);
    }
}
