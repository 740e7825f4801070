//! A client that knows what must be there: it alone writes its people, and notes each acknowledged
//! write. What got no answer, or a 503, it repeats until it is answered. It is an IdP by SCIM and an
//! admin by the management API, and the two of them leave each other's people alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::client::{Answer, Client, Lost, Random, patch};

/// Where members are.
const MEMBERS: &str = "/api/v1/workspaces/acme/members";
/// How many people a writer keeps.
const PEOPLE: usize = 10;

/// The groups that a writer changes.
#[derive(Clone)]
pub(crate) struct Groups {
    /// Nobody else writes it.
    pub(crate) own: String,
    /// Nor this one, which is nested in `crew`.
    pub(crate) inner: String,
    /// Everybody does; a rule gives a team for it.
    pub(crate) crew: String,
}

/// A group that a writer changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Own,
    Inner,
    Crew,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Person {
    name: String,
    title: String,
    is_active: bool,
    groups: BTreeSet<Group>,
    /// The member, once it was looked for.
    member: Option<String>,
    /// What an admin gave and took.
    has_role: bool,
    is_shut_out: bool,
}

/// A write; people are named by their ids.
#[derive(Debug, Clone)]
enum Write {
    Create {
        name: String,
        title: String,
    },
    Retitle(String, String),
    Activate(String, bool),
    /// With its title, and whether it is active.
    Put(String, String, bool),
    /// Titles of several, in one request.
    Bulk(Vec<String>, String),
    Join(String, Group),
    Leave(String, Group),
    Delete(String),
    /// Whether an admin gives a role, or takes it.
    Give(String, bool),
    /// Whether an admin shuts out, or lets in again.
    Shut(String, bool),
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Done,
    /// 503 with `Retry-After`.
    Unavailable,
    Lost(Lost),
}

/// The client.
pub(crate) struct Writer {
    at: usize,
    groups: Groups,
    /// A key for the management API.
    key: String,
    random: Random,
    made: usize,
    people: BTreeMap<String, Person>,
    gone: Vec<String>,
    touched: BTreeSet<String>,
    /// What got no answer; it is what the next step sends.
    pending: Option<Write>,
    /// How many writes were acknowledged.
    pub(crate) done: usize,
}

impl Writer {
    pub(crate) fn new(at: usize, groups: Groups, key: String, seed: u64) -> Self {
        Self {
            at,
            groups,
            key,
            random: Random(seed.wrapping_add(at as u64)),
            made: 0,
            people: BTreeMap::new(),
            gone: Vec::new(),
            touched: BTreeSet::new(),
            pending: None,
            done: 0,
        }
    }

    pub(crate) fn has_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Sends one write.
    pub(crate) async fn step(&mut self, client: &Client) -> Step {
        let repeated = self.pending.take();
        let is_repeated = repeated.is_some();
        let write = repeated.unwrap_or_else(|| self.next());
        let answer = match self.send(client, &write).await {
            Ok(answer) => answer,
            Err(lost) => {
                self.pending = Some(write);
                return Step::Lost(lost);
            }
        };
        match (status(&answer), &write) {
            (200..300, _) => self.apply(&write, &answer),
            (503, Write::Bulk(..)) => {
                self.pending = Some(write);
                return Step::Unavailable;
            }
            (503, _) => {
                assert!(answer.retry_after.is_some(), "a 503 says when to come back");
                self.pending = Some(write);
                return Step::Unavailable;
            }
            // What the first try had done already.
            (409, Write::Create { name, .. }) if is_repeated => {
                let Some(found) = self.find(client, name).await else {
                    self.pending = Some(write);
                    return Step::Unavailable;
                };
                self.apply(&write, &found);
            }
            (404, Write::Delete(_) | Write::Give(_, false)) if is_repeated => {
                self.apply(&write, &answer);
            }
            (status, _) => panic!(
                "writer {}, {write:?}, repeated: {is_repeated}: {status} {}",
                self.at, answer.body
            ),
        }
        self.done += 1;
        Step::Done
    }

    /// Writes until a write gets no answer.
    pub(crate) async fn until_lost(&mut self, client: &Client) -> Lost {
        loop {
            if let Step::Lost(lost) = self.step(client).await {
                return lost;
            }
        }
    }

    async fn send(&mut self, client: &Client, write: &Write) -> Result<Answer, Lost> {
        let (method, path, body) = self.request(write);
        let (Write::Give(id, _) | Write::Shut(id, _)) = write else {
            return client.send(method, &path, body.as_ref()).await;
        };
        let admin = client.with_token(&self.key);
        let person = self.people.get_mut(id).expect("one of mine");
        if person.member.is_none() {
            let path = format!("{MEMBERS}?filter=user_name%20eq%20%22{}%22", person.name);
            let found = admin.ask("GET", &path, None).await?;
            if found.status == 503 {
                return Ok(found);
            }
            let items = found.body["items"].as_array().expect("a page");
            assert_eq!(items.len(), 1, "{}: {}", person.name, found.body);
            person.member = items[0]["id"].as_str().map(str::to_owned);
        }
        let member = person.member.as_deref().expect("a member");
        let path = format!("{MEMBERS}/{member}{path}");
        admin.ask(method, &path, body.as_ref()).await
    }

    async fn find(&self, client: &Client, name: &str) -> Option<Answer> {
        let path = format!("/Users?filter=userName%20eq%20%22{name}%22");
        let mut answer = client.send("GET", &path, None).await.ok()?;
        if answer.status == 503 {
            return None;
        }
        assert_eq!(answer.body["totalResults"], 1, "{name} is there once");
        answer.body = answer.body["Resources"][0].take();
        Some(answer)
    }

    fn next(&mut self) -> Write {
        let ids: Vec<_> = self.people.keys().cloned().collect();
        if ids.len() < PEOPLE / 2 || (ids.len() < PEOPLE && self.random.below(3) == 0) {
            self.made += 1;
            let name = format!("w{}-{}@acme.example", self.at, self.made);
            let title = format!("Title {}", self.made);
            return Write::Create { name, title };
        }
        let id = ids[self.random.below(ids.len())].clone();
        let person = self.people[&id].clone();
        let mut title = || {
            self.made += 1;
            format!("Title {}", self.made)
        };
        let group = [Group::Own, Group::Inner, Group::Crew][self.random.below(3)];
        match self.random.below(14) {
            0 | 1 => Write::Retitle(id, title()),
            2 => Write::Bulk(ids.into_iter().take(3).collect(), title()),
            3..=7 if person.groups.contains(&group) => Write::Leave(id, group),
            3..=7 => Write::Join(id, group),
            8 => Write::Give(id, !person.has_role),
            // Whom an admin shut out the directory leaves as it is, and the other way round.
            9 if person.is_active => Write::Shut(id, !person.is_shut_out),
            _ if person.is_shut_out => Write::Shut(id, false),
            10 => Write::Activate(id, !person.is_active),
            11 | 12 => Write::Put(id, title(), self.random.below(2) == 0),
            _ => Write::Delete(id),
        }
    }

    fn request(&self, write: &Write) -> (&'static str, String, Option<Value>) {
        let user = |id: &str| format!("/Users/{id}");
        let group = |group: &Group| {
            let id = match group {
                Group::Own => &self.groups.own,
                Group::Inner => &self.groups.inner,
                Group::Crew => &self.groups.crew,
            };
            format!("/Groups/{id}")
        };
        match write {
            Write::Create { name, title } => (
                "POST",
                "/Users".to_owned(),
                Some(user_body(name, title, true)),
            ),
            Write::Put(id, title, is_active) => {
                let name = &self.people[id].name;
                ("PUT", user(id), Some(user_body(name, title, *is_active)))
            }
            Write::Bulk(ids, title) => {
                let operations = ids.iter().map(|id| {
                    let data = patch("replace", "title", json!(title));
                    json!({"method": "PATCH", "path": user(id), "data": data})
                });
                let schema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
                let operations: Vec<_> = operations.collect();
                let body = json!({"schemas": [schema], "Operations": operations});
                ("POST", "/Bulk".to_owned(), Some(body))
            }
            // Below the member.
            Write::Give(_, is_given) => {
                let method = if *is_given { "PUT" } else { "DELETE" };
                (method, "/roles/user".to_owned(), None)
            }
            Write::Shut(_, is_out) => {
                let end = if *is_out { "/suspend" } else { "/activate" };
                ("POST", end.to_owned(), Some(json!({})))
            }
            Write::Retitle(id, title) => (
                "PATCH",
                user(id),
                Some(patch("replace", "title", json!(title))),
            ),
            Write::Activate(id, active) => (
                "PATCH",
                user(id),
                Some(patch("replace", "active", json!(active))),
            ),
            Write::Join(id, of) => {
                let add = patch("add", "members", json!([{"value": id}]));
                ("PATCH", group(of), Some(add))
            }
            Write::Leave(id, of) => {
                let target = format!("members[value eq \"{id}\"]");
                (
                    "PATCH",
                    group(of),
                    Some(patch("remove", &target, Value::Null)),
                )
            }
            Write::Delete(id) => ("DELETE", user(id), None),
        }
    }

    fn apply(&mut self, write: &Write, answer: &Answer) {
        let ids = match write {
            Write::Create { .. } => vec![answer.body["id"].as_str().expect("an id").to_owned()],
            Write::Bulk(ids, _) => ids.clone(),
            Write::Retitle(id, _)
            | Write::Activate(id, _)
            | Write::Put(id, _, _)
            | Write::Join(id, _)
            | Write::Leave(id, _)
            | Write::Delete(id)
            | Write::Give(id, _)
            | Write::Shut(id, _) => vec![id.clone()],
        };
        self.touched.extend(ids.iter().cloned());
        if let Write::Delete(id) = write {
            self.people.remove(id);
            self.gone.push(id.clone());
            return;
        }
        for id in ids {
            self.people.entry(id).or_default().apply(write);
        }
    }

    /// Every acknowledged write since the last look is there, and nothing else.
    pub(crate) async fn check(&mut self, client: &Client) {
        assert!(!self.has_pending(), "what got no answer was repeated");
        for id in std::mem::take(&mut self.touched) {
            let found = client.call("GET", &format!("/Users/{id}"), None).await;
            let Some(person) = self.people.get(&id) else {
                assert_eq!(found.status, 404, "{id} was deleted: {}", found.body);
                continue;
            };
            assert_eq!(found.status, 200, "{id}: {person:?}: {}", found.body);
            assert_eq!(found.body["userName"], person.name.as_str());
            assert_eq!(found.body["title"], person.title.as_str(), "{person:?}");
            assert_eq!(found.body["active"], person.is_active, "{person:?}");
            // Whom the directory shut out the brake may hold.
            if let Some(member) = &person.member
                && person.is_active
            {
                let admin = client.with_token(&self.key);
                let path = format!("/members/{member}");
                let shown = admin.manage("GET", &path, None).await.body;
                let status = if person.is_shut_out {
                    "suspended"
                } else {
                    "active"
                };
                assert_eq!(shown["status"], status, "{person:?}: {shown}");
                if !person.is_shut_out {
                    let roles = shown["roles"].as_array().expect("roles");
                    let has_role = roles.contains(&json!("user"));
                    assert_eq!(has_role, person.has_role, "{person:?}: {shown}");
                }
            }
        }
        let is_mine = |id: &String| self.people.contains_key(id) || self.gone.contains(id);
        let held = |group: Group| -> BTreeSet<String> {
            let people = self.people.iter();
            let people = people.filter(|(_, person)| person.groups.contains(&group));
            people.map(|(id, _)| id.clone()).collect()
        };
        let own = client.members(&self.groups.own).await;
        assert_eq!(own, held(Group::Own), "writer {}", self.at);
        let inner = client.members(&self.groups.inner).await;
        assert_eq!(inner, held(Group::Inner), "writer {}", self.at);
        let mut crew = client.members(&self.groups.crew).await;
        assert!(crew.contains(&self.groups.inner), "it is nested");
        crew.retain(is_mine);
        assert_eq!(crew, held(Group::Crew), "writer {}", self.at);
    }
}

impl Person {
    fn apply(&mut self, write: &Write) {
        match write {
            Write::Create { name, title } => {
                self.name.clone_from(name);
                self.title.clone_from(title);
                self.is_active = true;
            }
            Write::Retitle(_, title) | Write::Bulk(_, title) => self.title.clone_from(title),
            Write::Activate(_, is_active) => self.is_active = *is_active,
            Write::Put(_, title, is_active) => {
                self.title.clone_from(title);
                self.is_active = *is_active;
            }
            Write::Join(_, group) => _ = self.groups.insert(*group),
            Write::Leave(_, group) => _ = self.groups.remove(group),
            Write::Give(_, is_given) => self.has_role = *is_given,
            Write::Shut(_, is_out) => self.is_shut_out = *is_out,
            Write::Delete(_) => {}
        }
    }
}

fn user_body(name: &str, title: &str, is_active: bool) -> Value {
    let email = json!([{"value": name, "type": "work"}]);
    json!({"userName": name, "title": title, "emails": email, "active": is_active})
}

/// The status of an answer; of several at once the worst.
fn status(answer: &Answer) -> u16 {
    let operations = answer.body["Operations"].as_array().into_iter().flatten();
    let each = operations.map(|operation| {
        let status = operation["status"].as_str().expect("a status");
        status.parse().expect("a number")
    });
    each.fold(answer.status, u16::max)
}
