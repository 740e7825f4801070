//! What directories do.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse::admission::adoption::{self, Adopt};
use gatehouse::changes::Origin;
use gatehouse::ids::MemberId;
use gatehouse::workspace::keys::Scopes;
use serde_json::{Value, json};

use super::arrivals::{At, Who};
use super::reference::{Group, User};
use super::steps::Step;
use super::{Pair, address};
use crate::gateway::{member, operations};

impl Pair<'_> {
    /// Does a step, on both sides.
    pub(super) async fn take(&mut self, step: &Step) {
        match step {
            Step::Create(directory, place, active) => {
                self.create((*directory, *place), *active).await;
            }
            Step::SetActive(directory, place, active) => {
                let found = self.world.users_of(*directory).get(place);
                let Some(user) = found.filter(|_| !self.is_out((*directory, *place))) else {
                    return;
                };
                let body =
                    operations(json!([{"op": "replace", "path": "active", "value": active}]));
                let path = format!("/Users/{}", user.id);
                let may = self.world.set_active((*directory, *place), *active);
                let expect = if may { 200 } else { 409 };
                let asked = ("PATCH", path.as_str(), Some(body));
                self.ask(*directory, asked, expect).await;
            }
            Step::Delete(directory, place) => {
                let found = self.world.users_of(*directory).get(place);
                let Some(user) = found.filter(|_| !self.is_out((*directory, *place))) else {
                    return;
                };
                let path = format!("/Users/{}", user.id);
                let may = self.world.delete((*directory, *place));
                let expect = if may { 204 } else { 409 };
                self.ask(*directory, ("DELETE", &path, None), expect).await;
            }
            Step::EndDirectory(leaving) => self.end_directory(*leaving).await,
            Step::UndoEnd => self.undo_end().await,
            Step::Adopt(directory, place) => self.adopt((*directory, *place)).await,
            Step::CreateGroup(place, people) => {
                if self.world.groups.contains_key(place) {
                    return;
                }
                let users = self.existing(people);
                let body =
                    json!({"displayName": format!("G{place}"), "members": self.refer(&users)});
                let made = self.send("POST", "/Groups", Some(body), 201).await;
                let id = made["id"].as_str().unwrap().to_owned();
                self.world.create_group(*place, Group { id, users });
            }
            Step::Join(place, people) => self.change(*place, people, "add").await,
            Step::Leave(place, people) => self.change(*place, people, "remove").await,
            Step::Put(place, people) => {
                let Some(group) = self.world.groups.get(place) else {
                    return;
                };
                let users = self.existing(people);
                let body =
                    json!({"displayName": format!("G{place}"), "members": self.refer(&users)});
                let path = format!("/Groups/{}", group.id);
                let named = BTreeSet::new();
                let may = self.world.may_set_members(*place, &users, &named);
                let expect = if may { 200 } else { 409 };
                self.send("PUT", &path, Some(body), expect).await;
                if may {
                    self.world.set_members(*place, users, &named);
                }
            }
            Step::DeleteGroup(place) => {
                let Some(group) = self.world.groups.get(place) else {
                    return;
                };
                self.send("DELETE", &format!("/Groups/{}", group.id), None, 204)
                    .await;
                self.world.delete_group(*place);
            }
            Step::Rule(edit) => self.add_rule(edit).await,
            Step::ChangeRule(at, edit) => self.change_rule(*at, edit).await,
            Step::EndRule(at) => self.end_rule(*at).await,
            Step::PlanRule(edit) => self.plan(None, Some(edit)).await,
            Step::PlanChange(at, edit) => self.plan(Some(*at), Some(edit)).await,
            Step::PlanEnd(at) => self.plan(Some(*at), None).await,
            Step::Apply(back) => self.apply(*back).await,
            Step::Undo(back) => self.undo(*back).await,
            Step::Pause(pauses) => self.world.pauses = *pauses,
            Step::Resume(at, bits) => self.resume(*at, *bits).await,
            Step::Import(place, right, revive) => self.import((*place, *right), *revive).await,
            step => self.administer(step).await,
        }
    }

    async fn create(&mut self, at: At, active: bool) {
        let (directory, place) = at;
        if self.world.users_of(directory).contains_key(&place) || self.is_out(at) {
            return;
        }
        let name = address(place);
        let body = json!({
            "userName": name, "externalId": format!("e{place}"), "active": active,
            "emails": [{"value": name, "primary": true}],
        });
        let asked = ("POST", "/Users", Some(body));
        let who = self.world.who(at);
        if !self.world.may_create(who, active) {
            self.ask(directory, asked, 409).await;
            if let Who::Other(member) = who {
                self.world.meet(at, member);
            }
            return;
        }
        let made = self.ask(directory, asked, 201).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let member = self.linked(directory).await[&id];
        match who {
            Who::Expected(before, _) | Who::Adopted(before) | Who::Back(before) => {
                assert_eq!(member, before, "the same person is the same member");
            }
            Who::New | Who::Other(_) => {
                assert!(!self.known.contains(&member), "somebody new");
                self.known.push(member);
            }
        }
        self.world.create(at, who, User { id, active, member });
    }

    async fn adopt(&mut self, at: At) {
        if self.is_out(at) {
            return;
        }
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let which = (self.workspace.id, self.scims[at.0].directory.id);
        let adopt = Adopt::User {
            user_name: address(at.1),
            member: None,
        };
        let adopted = adoption::adopt(&self.gateway.app, (&origin, &scopes), which, adopt).await;
        let may = self.world.adopt(at);
        assert_eq!(adopted.is_ok(), may, "{adopted:?}");
        if may {
            self.count("member.adopted");
        }
    }

    /// The members of a directory's Users.
    pub(super) async fn linked(&self, directory: usize) -> BTreeMap<String, MemberId> {
        let of = (self.workspace.id, self.scims[directory].directory.id);
        let matched = adoption::matched(&self.gateway.app, of, None, 1000).await;
        let matched = matched.unwrap().into_iter().filter(|it| !it.planned);
        matched.map(|it| (it.user.to_string(), it.member)).collect()
    }

    async fn change(&mut self, place: usize, people: &BTreeSet<usize>, op: &str) {
        let Some(group) = self.world.groups.get(&place) else {
            return;
        };
        let (before, users) = (group.users.clone(), self.existing(people));
        if users.is_empty() {
            return;
        }
        let path = format!("/Groups/{}", group.id);
        let body = json!([{"op": op, "path": "members", "value": self.refer(&users)}]);
        let after = match op {
            "add" => before.union(&users).copied().collect(),
            _ => before.difference(&users).copied().collect(),
        };
        let may = self.world.may_set_members(place, &after, &users);
        let expect = if may { 200 } else { 409 };
        self.send("PATCH", &path, Some(operations(body)), expect)
            .await;
        if may {
            self.world.set_members(place, after, &users);
        }
    }

    fn existing(&self, people: &BTreeSet<usize>) -> BTreeSet<usize> {
        let known = people.iter().copied();
        known
            .filter(|who| self.world.users.contains_key(who))
            .collect()
    }

    fn refer(&self, users: &BTreeSet<usize>) -> Vec<Value> {
        users
            .iter()
            .map(|who| member(&self.world.users[who].id))
            .collect()
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        expect: u16,
    ) -> Value {
        self.ask(0, (method, path, body), expect).await
    }

    /// The same of one of the directories.
    pub(super) async fn ask(
        &self,
        directory: usize,
        (method, path, body): (&str, &str, Option<Value>),
        expect: u16,
    ) -> Value {
        let scim = &self.scims[directory];
        let (status, answer) = scim.send(method, path, body.as_ref()).await;
        assert_eq!(status, expect, "{method} {path}: {answer}");
        answer
    }
}
