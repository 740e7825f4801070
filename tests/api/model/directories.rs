//! What a directory does.

use std::collections::BTreeSet;

use gatehouse::workspace::members;
use serde_json::{Value, json};

use super::reference::{Group, User};
use super::steps::Step;
use super::{Pair, address};
use crate::gateway::{member, operations};

impl Pair<'_> {
    /// Does a step, on both sides.
    pub(super) async fn take(&mut self, step: &Step) {
        match step {
            Step::Create(place, active) => self.create(*place, *active).await,
            Step::SetActive(place, active) => {
                let Some(user) = self.world.users.get(place) else {
                    return;
                };
                let body =
                    operations(json!([{"op": "replace", "path": "active", "value": active}]));
                let path = format!("/Users/{}", user.id);
                let expect = if self.world.set_active(*place, *active) {
                    200
                } else {
                    409
                };
                self.send("PATCH", &path, Some(body), expect).await;
            }
            Step::Delete(place) => {
                let Some(user) = self.world.users.get(place) else {
                    return;
                };
                let path = format!("/Users/{}", user.id);
                let expect = if self.world.delete(*place) { 204 } else { 409 };
                self.send("DELETE", &path, None, expect).await;
            }
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
                self.send("PUT", &path, Some(body), 200).await;
                self.world.set_members(*place, users);
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
            Step::Import(place, right, revive) => self.import((*place, *right), *revive).await,
            step => self.administer(step).await,
        }
    }

    async fn create(&mut self, place: usize, active: bool) {
        if self.world.users.contains_key(&place) {
            return;
        }
        let name = address(place);
        let body = json!({
            "userName": name, "externalId": format!("e{place}"), "active": active,
            "emails": [{"value": name, "primary": true}],
        });
        if !self.world.may_create(place, active) {
            self.send("POST", "/Users", Some(body), 409).await;
            return;
        }
        let made = self.send("POST", "/Users", Some(body), 201).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let found = members::find(&self.gateway.app, self.workspace.id, &name).await;
        let member = found.unwrap().id;
        match self.world.returning(place) {
            Some(before) => assert_eq!(member, before, "the same person is the same member"),
            None => self.known.push(member),
        }
        self.world.create(place, User { id, active, member });
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
        self.send("PATCH", &path, Some(operations(body)), 200).await;
        let after = match op {
            "add" => before.union(&users).copied().collect(),
            _ => before.difference(&users).copied().collect(),
        };
        self.world.set_members(place, after);
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
        let (status, answer) = self.scim.send(method, path, body.as_ref()).await;
        assert_eq!(status, expect, "{method} {path}: {answer}");
        answer
    }
}
