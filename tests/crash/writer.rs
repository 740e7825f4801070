//! A client that knows what must be there: it alone writes its people, and notes each acknowledged
//! write. What got no answer, or a 503, it repeats until it is answered.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::client::{Answer, Client, Lost, Random, patch};

/// How many people a writer keeps.
const PEOPLE: usize = 10;

/// The groups that a writer changes.
#[derive(Clone)]
pub(crate) struct Groups {
    /// Nobody else writes it.
    pub(crate) own: String,
    /// Everybody does; a rule gives a team for it.
    pub(crate) crew: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Person {
    name: String,
    title: String,
    is_active: bool,
    in_own: bool,
    in_crew: bool,
}

/// A write; people are named by their ids.
#[derive(Debug, Clone)]
enum Write {
    Create { name: String, title: String },
    Retitle(String, String),
    Activate(String, bool),
    Join(String, bool),
    Leave(String, bool),
    Delete(String),
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
    pub(crate) fn new(at: usize, groups: Groups, seed: u64) -> Self {
        Self {
            at,
            groups,
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
        let (method, path, body) = self.request(&write);
        let answer = match client.send(method, &path, body.as_ref()).await {
            Ok(answer) => answer,
            Err(lost) => {
                self.pending = Some(write);
                return Step::Lost(lost);
            }
        };
        match (answer.status, &write) {
            (200..300, _) => self.apply(&write, &answer),
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
            (404, Write::Delete(_)) if is_repeated => self.apply(&write, &answer),
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
        let person = &self.people[&id];
        match self.random.below(8) {
            0 | 1 => {
                self.made += 1;
                Write::Retitle(id, format!("Title {}", self.made))
            }
            2 => Write::Activate(id, !person.is_active),
            3 | 4 if person.in_own => Write::Leave(id, false),
            3 | 4 => Write::Join(id, false),
            5 | 6 if person.in_crew => Write::Leave(id, true),
            5 | 6 => Write::Join(id, true),
            _ => Write::Delete(id),
        }
    }

    fn request(&self, write: &Write) -> (&'static str, String, Option<Value>) {
        let user = |id: &str| format!("/Users/{id}");
        let group = |is_crew: bool| {
            let id = if is_crew {
                &self.groups.crew
            } else {
                &self.groups.own
            };
            format!("/Groups/{id}")
        };
        match write {
            Write::Create { name, title } => {
                let email = json!([{"value": name, "type": "work"}]);
                let body = json!({"userName": name, "title": title, "emails": email});
                ("POST", "/Users".to_owned(), Some(body))
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
            Write::Join(id, is_crew) => {
                let add = patch("add", "members", json!([{"value": id}]));
                ("PATCH", group(*is_crew), Some(add))
            }
            Write::Leave(id, is_crew) => {
                let target = format!("members[value eq \"{id}\"]");
                (
                    "PATCH",
                    group(*is_crew),
                    Some(patch("remove", &target, Value::Null)),
                )
            }
            Write::Delete(id) => ("DELETE", user(id), None),
        }
    }

    fn apply(&mut self, write: &Write, answer: &Answer) {
        let id = match write {
            Write::Create { .. } => answer.body["id"].as_str().expect("an id"),
            Write::Retitle(id, _)
            | Write::Activate(id, _)
            | Write::Join(id, _)
            | Write::Leave(id, _)
            | Write::Delete(id) => id,
        };
        self.touched.insert(id.to_owned());
        if let Write::Delete(id) = write {
            self.people.remove(id);
            self.gone.push(id.clone());
            return;
        }
        let person = self.people.entry(id.to_owned()).or_default();
        match write {
            Write::Create { name, title } => {
                person.name.clone_from(name);
                person.title.clone_from(title);
                person.is_active = true;
            }
            Write::Retitle(_, title) => person.title.clone_from(title),
            Write::Activate(_, is_active) => person.is_active = *is_active,
            Write::Join(_, true) => person.in_crew = true,
            Write::Leave(_, true) => person.in_crew = false,
            Write::Join(_, false) => person.in_own = true,
            Write::Leave(_, false) => person.in_own = false,
            Write::Delete(_) => {}
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
        }
        let is_mine = |id: &String| self.people.contains_key(id) || self.gone.contains(id);
        let held = |is_in: fn(&Person) -> bool| -> BTreeSet<String> {
            let people = self.people.iter().filter(|(_, person)| is_in(person));
            people.map(|(id, _)| id.clone()).collect()
        };
        let own = client.members(&self.groups.own).await;
        assert_eq!(own, held(|person| person.in_own), "writer {}", self.at);
        let mut crew = client.members(&self.groups.crew).await;
        crew.retain(is_mine);
        assert_eq!(crew, held(|person| person.in_crew), "writer {}", self.at);
    }
}
