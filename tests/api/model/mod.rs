//! Random sequences of what directories, admins, the brake and runs do, held step by step against a
//! small model in memory. `MODEL_SEED` begins elsewhere; `MODEL_SEQUENCES` and `MODEL_STEPS` say how
//! many there are and how long each is.

mod brake;
mod holds;
mod reference;
mod rules;

use std::collections::BTreeSet;
use std::time::Duration;

use gatehouse::admission::brake::{self as braked, Mode, Setting, Which};
use gatehouse::admission::import::{self, Format, Options};
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::error::Error;
use gatehouse::ids::MemberId;
use gatehouse::scim::etag::Precondition;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::manual::{self, Right};
use gatehouse::workspace::members::{self, GrantKind};
use gatehouse::workspace::{self, Workspace, status, teams};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, new_directory, operations};
use holds::{Beside, Seen};
use reference::{Group, User, World};
use rules::Edit;

/// How many people, groups and teams a sequence may have.
const PEOPLE: usize = 14;
const GROUPS: usize = 4;
const TEAMS: usize = 3;
/// Past so many users a deleted group is a run's, and so many are a batch of it.
const THRESHOLD: i64 = 6;
const BATCH: usize = 2;
/// How many sequences and steps there are unless something else is asked for.
const SEQUENCES: usize = 256;
const STEPS: usize = 14;
/// How many sequences have a database in common, which is looked through after each step.
const ONE_DATABASE: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    Create(usize, bool),
    SetActive(usize, bool),
    Delete(usize),
    CreateGroup(usize, BTreeSet<usize>),
    Join(usize, BTreeSet<usize>),
    Leave(usize, BTreeSet<usize>),
    Put(usize, BTreeSet<usize>),
    DeleteGroup(usize),
    Rule(BTreeSet<usize>, usize),
    ChangeRule(usize, Edit),
    EndRule(usize),
    Remove(usize),
    Import(usize, usize, bool),
    Suspend(usize),
    Activate(usize),
    Give(usize, usize),
    Take(usize, usize),
    Release(Option<usize>),
    Wait,
    Advance(u64),
    Brake(Mode),
}

fn step() -> impl Strategy<Value = Step> {
    let many = || proptest::collection::btree_set(0..PEOPLE, 0..PEOPLE);
    let groups = || proptest::collection::btree_set(0..GROUPS, 1..3);
    prop_oneof![
        4 => (0..PEOPLE, prop::bool::weighted(0.9)).prop_map(|(who, on)| Step::Create(who, on)),
        6 => (0..PEOPLE, any::<bool>()).prop_map(|(who, on)| Step::SetActive(who, on)),
        5 => (0..PEOPLE).prop_map(Step::Delete),
        4 => (0..GROUPS, many()).prop_map(|(group, who)| Step::CreateGroup(group, who)),
        3 => (0..GROUPS, many()).prop_map(|(group, who)| Step::Join(group, who)),
        5 => (0..GROUPS, many()).prop_map(|(group, who)| Step::Leave(group, who)),
        3 => (0..GROUPS, many()).prop_map(|(group, who)| Step::Put(group, who)),
        2 => (0..GROUPS).prop_map(Step::DeleteGroup),
        4 => (groups(), 0..TEAMS).prop_map(|(groups, team)| Step::Rule(groups, team)),
        5 => (0..PEOPLE, edit()).prop_map(|(at, edit)| Step::ChangeRule(at, edit)),
        2 => (0..PEOPLE).prop_map(Step::EndRule),
        4 => (0..PEOPLE, 0..TEAMS, any::<bool>())
            .prop_map(|(who, team, revive)| Step::Import(who, team, revive)),
        2 => (0..PEOPLE).prop_map(Step::Suspend),
        1 => (0..PEOPLE).prop_map(Step::Remove),
        2 => (0..PEOPLE).prop_map(Step::Activate),
        2 => (0..PEOPLE, 0..TEAMS).prop_map(|(who, team)| Step::Give(who, team)),
        1 => (0..PEOPLE, 0..TEAMS).prop_map(|(who, team)| Step::Take(who, team)),
        2 => prop::option::weighted(0.7, 0..PEOPLE).prop_map(Step::Release),
        1 => Just(Step::Wait),
        3 => (1_u64..80).prop_map(Step::Advance),
        1 => prop_oneof![Just(Mode::Hold), Just(Mode::Alert), Just(Mode::Off)].prop_map(Step::Brake),
    ]
}

/// What an admin says of a rule: its groups anew, its team, or whether it is switched on.
fn edit() -> impl Strategy<Value = Edit> {
    let groups = prop::option::of(proptest::collection::btree_set(0..GROUPS, 1..3));
    let enabled = prop::option::of(prop::bool::weighted(0.6));
    let said = (groups, prop::option::of(0..TEAMS), enabled);
    said.prop_map(|(groups, team, enabled)| Edit {
        groups,
        team,
        enabled,
    })
}

/// A workspace and the model of it.
struct Pair<'g> {
    gateway: &'g Gateway,
    clock: &'g Clock,
    workspace: Workspace,
    scim: Scim,
    world: World,
    /// The members that there were, in the order in which their places were filled.
    known: Vec<MemberId>,
    seen: Seen,
    beside: &'g Beside,
}

#[expect(clippy::disallowed_methods, reason = "how a run is asked for")]
fn number(name: &str, usual: usize) -> usize {
    let set = std::env::var(name).ok();
    set.map_or(usual, |text| text.parse().expect("a number"))
}

/// A share of the sequences: several tests have the cores for themselves.
async fn share(of: usize, shares: usize) {
    let (first, count) = (
        number("MODEL_SEED", 0),
        number("MODEL_SEQUENCES", SEQUENCES),
    );
    let steps = number("MODEL_STEPS", STEPS);
    let seeds: Vec<usize> = (first..first + count)
        .filter(|seed| seed % shares == of)
        .collect();
    for seeds in seeds.chunks(ONE_DATABASE) {
        let clock = Clock::fixed(Clock::system().now());
        let gateway = Gateway::at(clock.clone(), |config| {
            config.scim.run_threshold = THRESHOLD;
            config.scim.run_batch = i64::try_from(BATCH).unwrap();
        })
        .await;
        let beside = Beside::new(&gateway).await;
        for seed in seeds {
            Box::pin(sequence(&gateway, &clock, (*seed, steps), &beside)).await;
        }
    }
}

// C072 C076 C077 C080
#[tokio::test]
async fn whatever_is_done_in_whatever_order_is_what_a_small_model_says_1() {
    share(0, 4).await;
}

#[tokio::test]
async fn whatever_is_done_in_whatever_order_is_what_a_small_model_says_2() {
    share(1, 4).await;
}

#[tokio::test]
async fn whatever_is_done_in_whatever_order_is_what_a_small_model_says_3() {
    share(2, 4).await;
}

#[tokio::test]
async fn whatever_is_done_in_whatever_order_is_what_a_small_model_says_4() {
    share(3, 4).await;
}

async fn sequence(
    gateway: &Gateway,
    clock: &Clock,
    (seed, steps): (usize, usize),
    beside: &Beside,
) {
    let slug = format!("w{seed}");
    let workspace = workspace::create(&gateway.app, &Origin::cli(), &slug, &slug).await;
    let workspace = workspace.unwrap();
    for team in 0..TEAMS {
        let name = format!("T{team}");
        let made = teams::create(&gateway.app, &Origin::cli(), workspace.id, &name).await;
        made.unwrap();
    }
    let scim = gateway.scim_of(&workspace, new_directory("idp")).await;
    let mut pair = Pair {
        gateway,
        clock,
        workspace,
        scim,
        world: World::new(clock.now(), THRESHOLD, BATCH),
        known: Vec::new(),
        seen: Seen::default(),
        beside,
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    // Half of the people and groups are there from the beginning.
    let mut told = Vec::new();
    let begin = (0..PEOPLE).map(|who| Step::Create(who, true));
    let begin = begin.chain((0..GROUPS / 2).map(|group| {
        let all = (0..PEOPLE).filter(|who| (who + group) % 3 > 0);
        Step::CreateGroup(group, all.collect())
    }));
    let begin = begin.chain([Step::Rule([0].into(), 0), Step::Rule([0, 1].into(), 1)]);
    for step in begin {
        pair.take(&step).await;
    }
    gateway.work().await;
    for _ in 0..steps {
        let step = step().new_tree(&mut runner).unwrap().current();
        told.push(format!("{step:?}"));
        pair.take(&step).await;
        gateway.work().await;
        pair.compare(&format!("MODEL_SEED={seed}: {}", told.join("; ")))
            .await;
    }
}

impl Pair<'_> {
    /// Does a step, on both sides.
    async fn take(&mut self, step: &Step) {
        match step {
            Step::Create(place, active) => self.create(*place, *active).await,
            Step::SetActive(place, active) => {
                let Some(user) = self.world.users.get(place) else {
                    return;
                };
                let body =
                    operations(json!([{"op": "replace", "path": "active", "value": active}]));
                self.send("PATCH", &format!("/Users/{}", user.id), Some(body), 200)
                    .await;
                self.world.set_active(*place, *active);
            }
            Step::Delete(place) => {
                let Some(user) = self.world.users.get(place) else {
                    return;
                };
                self.send("DELETE", &format!("/Users/{}", user.id), None, 204)
                    .await;
                self.world.delete(*place);
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
            Step::Rule(groups, team) => self.add_rule(groups, *team).await,
            Step::ChangeRule(at, edit) => self.change_rule(*at, edit).await,
            Step::EndRule(at) => self.end_rule(*at).await,
            Step::Import(place, team, revive) => self.import((*place, *team), *revive).await,
            step => self.administer(step).await,
        }
    }

    /// What admins do, and what time does.
    async fn administer(&mut self, step: &Step) {
        let (app, origin, scopes) = (&self.gateway.app, Origin::cli(), Scopes::everything());
        let (by, workspace) = ((&origin, &scopes), self.workspace.id);
        let known = |at: &usize| self.known[at % self.known.len()];
        match step {
            Step::Suspend(at) => {
                let id = known(at);
                let done = status::suspend(app, by, (workspace, id)).await;
                assert_eq!(done.is_ok(), self.world.suspend(id), "{done:?}");
            }
            Step::Activate(at) => {
                let id = known(at);
                let done = status::activate(app, by, (workspace, id)).await;
                assert_eq!(done.is_ok(), self.world.activate(id), "{done:?}");
            }
            Step::Remove(at) => {
                let id = known(at);
                let as_it_is = Precondition::default();
                let done = status::remove(app, by, (workspace, id), as_it_is).await;
                assert_eq!(done.is_ok(), self.world.remove(id), "{done:?}");
            }
            Step::Give(at, team) => {
                let id = known(at);
                let done = manual::give(app, by, (workspace, id), vec![right(*team)]).await;
                if self.expect(id, &done.map(drop)) {
                    self.world.give(id, *team);
                }
            }
            Step::Take(at, team) => {
                let id = known(at);
                let done = manual::take(app, by, (workspace, id), vec![right(*team)]).await;
                assert_eq!(done.is_ok(), self.world.take(id, *team), "{done:?}");
            }
            Step::Release(one) => {
                let (ids, which) = match one {
                    Some(at) => (vec![known(at)], Which::These(vec![known(at)])),
                    None => (self.world.held(), Which::All),
                };
                braked::release(app, &origin, workspace, which)
                    .await
                    .unwrap();
                self.world.release(&ids);
            }
            Step::Wait => {
                braked::wait(app, &origin, workspace, Which::All)
                    .await
                    .unwrap();
                self.world.wait();
            }
            Step::Advance(minutes) => {
                let by = Duration::from_mins(*minutes);
                self.clock.advance(by);
                self.world.advance(by);
            }
            Step::Brake(mode) => {
                let setting = Setting {
                    mode: *mode,
                    ..Setting::default()
                };
                braked::set(app, &origin, workspace, setting).await.unwrap();
                self.world.mode = *mode;
            }
            _ => unreachable!("a directory's step"),
        }
    }

    /// Whether an act upon a member was done: it must be, unless the member is gone.
    fn expect(&self, id: MemberId, done: &Result<(), Error>) -> bool {
        let is_gone = self.world.members[&id].status == members::Status::Removed;
        assert_eq!(done.is_err(), is_gone, "{done:?}");
        !is_gone
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

    /// A row of a table: an address, and a team.
    async fn import(&mut self, (place, team): (usize, usize), revive: bool) {
        let (app, workspace) = (&self.gateway.app, self.workspace.id);
        let (origin, scopes) = (Origin::cli(), Scopes::everything());
        let table = format!("email,teams\n{},T{team}\n", address(place));
        let options = Options {
            preview: false,
            revive,
        };
        let (by, table) = ((&origin, &scopes), (table.as_bytes(), Format::Csv));
        let shown = import::start(app, by, workspace, table, options).await;
        let id = shown.unwrap().import.id;
        let rows = import::list_rows(app, workspace, id, 0, 10).await.unwrap();
        let (outcome, member) = self.world.import((place, team), revive);
        assert_eq!(rows[0].outcome, outcome, "{rows:?}");
        let Some(id) = rows[0].member else {
            panic!("nobody was brought in: {rows:?}");
        };
        match member {
            Some(member) => assert_eq!(id, member),
            None => {
                self.world.expect(id, place, team);
                self.known.push(id);
            }
        }
        self.count("import.finished");
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

    async fn send(&self, method: &str, path: &str, body: Option<Value>, expect: u16) -> Value {
        let (status, answer) = self.scim.send(method, path, body.as_ref()).await;
        assert_eq!(status, expect, "{method} {path}: {answer}");
        answer
    }
}

fn address(place: usize) -> String {
    format!("u{place}@acme.example")
}

fn right(team: usize) -> Right {
    Right {
        kind: GrantKind::Team,
        name: format!("T{team}"),
    }
}
