//! Random sequences of what directories, admins, the brake and runs do, held step by step against a
//! small model in memory. `MODEL_SEED` begins elsewhere; `MODEL_SEQUENCES` and `MODEL_STEPS` say how
//! many there are and how long each is. Of one that goes wrong the fewest steps are told that still do.

mod acts;
mod admins;
mod arrivals;
mod brake;
mod directories;
mod exits;
mod guard;
mod holds;
mod known;
mod plans;
mod reference;
mod rules;
mod seats;
mod steps;
mod writing;

use std::any::Any;
use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::ids::MemberId;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::manual::Right;
use gatehouse::workspace::members::GrantKind;
use gatehouse::workspace::roles::{self, RoleEdit};
use gatehouse::workspace::{self, Workspace, teams};

use crate::gateway::{Gateway, Scim, new_directory};
use holds::{Beside, Seen};
use reference::World;
use steps::Step;

/// How many people and groups a sequence may have.
const PEOPLE: usize = 14;
const GROUPS: usize = 4;
/// What may be given: some teams, the role of admins, another role and a permission.
const TEAMS: usize = 3;
const ADMIN: usize = TEAMS;
const ROLE: usize = TEAMS + 1;
const RIGHTS: usize = TEAMS + 3;
/// Past so many users a deleted group is a run's, and so many are a batch of it.
const THRESHOLD: i64 = 6;
const BATCH: usize = 2;
/// How many sequences and steps there are unless something else is asked for.
const SEQUENCES: usize = 256;
const STEPS: usize = 14;
/// What is between two steps.
const TICK: Duration = Duration::from_micros(1);
/// How many sequences have a database in common, which is looked through after each step.
const ONE_DATABASE: usize = 4;

/// A workspace and the model of it.
struct Pair<'g> {
    gateway: &'g Gateway,
    clock: &'g Clock,
    workspace: Workspace,
    /// The two directories, of which the first has groups and rules.
    scims: [Scim; 2],
    world: World,
    /// The members that there were, in the order in which their places were filled.
    known: Vec<MemberId>,
    seen: Seen,
    beside: &'g Beside,
}

/// A deployment in which sequences are tried.
struct Bench {
    gateway: Gateway,
    clock: Clock,
    beside: Beside,
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
    let count_of_steps = number("MODEL_STEPS", STEPS);
    let seeds: Vec<usize> = (first..first + count)
        .filter(|seed| seed % shares == of)
        .collect();
    for seeds in seeds.chunks(ONE_DATABASE) {
        let bench = Bench::new().await;
        for seed in seeds {
            let steps = steps::drawn(*seed, count_of_steps);
            if let Err(wrong) = Box::pin(bench.attempt(&format!("w{seed}"), &steps)).await {
                tell(*seed, steps, wrong).await;
            }
        }
    }
}

// C072 C076 C077 C080
#[tokio::test]
async fn whatever_is_done_in_whatever_order_is_what_a_small_model_says_1() {
    share(0, 8).await;
}

#[tokio::test]
async fn whatever_is_done_in_whatever_order_is_what_a_small_model_says_2() {
    share(1, 8).await;
}

#[tokio::test]
async fn whatever_is_done_in_whatever_order_is_what_a_small_model_says_3() {
    share(2, 8).await;
}

#[tokio::test]
async fn whatever_is_done_in_whatever_order_is_what_a_small_model_says_4() {
    share(3, 8).await;
}

#[tokio::test]
async fn whatever_is_done_in_whatever_order_is_what_a_small_model_says_5() {
    share(4, 8).await;
}

#[tokio::test]
async fn whatever_is_done_in_whatever_order_is_what_a_small_model_says_6() {
    share(5, 8).await;
}

#[tokio::test]
async fn whatever_is_done_in_whatever_order_is_what_a_small_model_says_7() {
    share(6, 8).await;
}

#[tokio::test]
async fn whatever_is_done_in_whatever_order_is_what_a_small_model_says_8() {
    share(7, 8).await;
}

/// Where a sequence went wrong, and how.
struct Wrong {
    /// How many steps were taken, that one included.
    at: usize,
    told: String,
}

/// Tells of a sequence that went wrong: in as few steps as still go wrong, somehow.
async fn tell(seed: usize, mut steps: Vec<Step>, mut wrong: Wrong) {
    steps.truncate(wrong.at);
    let whole = steps.clone();
    let mut size = steps.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while start < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(start..(start + size).min(steps.len()));
            match Box::pin(Bench::new().await.attempt("fewer", &fewer)).await {
                Err(still) => {
                    fewer.truncate(still.at);
                    (steps, wrong) = (fewer, still);
                }
                Ok(()) => start += size,
            }
        }
        size /= 2;
    }
    let Wrong { told, .. } = wrong;
    panic!("MODEL_SEED={seed}: {whole:?}\n\nThe fewest steps: {steps:?}\n\n{told}");
}

impl Bench {
    async fn new() -> Self {
        let clock = Clock::fixed(Clock::system().now());
        let gateway = Gateway::at(clock.clone(), |config| {
            config.scim.run_threshold = THRESHOLD;
            config.scim.run_batch = i64::try_from(BATCH).unwrap();
        })
        .await;
        let beside = Beside::new(&gateway).await;
        Self {
            gateway,
            clock,
            beside,
        }
    }

    /// Takes steps in a workspace of its own.
    async fn attempt(&self, slug: &str, steps: &[Step]) -> Result<(), Wrong> {
        let taken = Cell::new(0);
        let attempt = async {
            let mut pair = self.pair(slug).await;
            for step in steps::first() {
                pair.take(&step).await;
            }
            self.gateway.work().await;
            for step in steps {
                taken.set(taken.get() + 1);
                pair.tick();
                pair.take(step).await;
                self.gateway.work().await;
                pair.follow_work();
                pair.compare().await;
            }
        };
        let done = AssertUnwindSafe(attempt).catch_unwind().await;
        done.map_err(|wrong| Wrong {
            at: taken.get(),
            told: said(&*wrong),
        })
    }

    async fn pair(&self, slug: &str) -> Pair<'_> {
        let (gateway, origin) = (&self.gateway, Origin::cli());
        let workspace = workspace::create(&gateway.app, &origin, slug, slug).await;
        let workspace = workspace.unwrap();
        for team in 0..TEAMS {
            let made = teams::create(&gateway.app, &origin, workspace.id, &right(team).name).await;
            made.unwrap();
        }
        let role = RoleEdit {
            name: Some(right(ROLE).name),
            ..RoleEdit::default()
        };
        let by = (&origin, &Scopes::everything());
        let made = roles::create(&gateway.app, by, workspace.id, role).await;
        made.unwrap();
        let scims = [
            gateway.scim_of(&workspace, new_directory("idp")).await,
            gateway.scim_of(&workspace, new_directory("hr")).await,
        ];
        Pair {
            gateway,
            clock: &self.clock,
            workspace,
            scims,
            world: World::new(self.clock.now(), THRESHOLD, BATCH),
            known: Vec::new(),
            seen: Seen::default(),
            beside: &self.beside,
        }
    }
}

impl Pair<'_> {
    /// No two steps are at the same instant.
    fn tick(&mut self) {
        self.clock.advance(TICK);
        self.world.now = self.world.now.after(TICK);
    }

    /// What the worker does, on the model's side.
    fn follow_work(&mut self) {
        self.world.sweep();
        let seated = self.world.seat();
        self.count_many("member.seated", seated);
        self.world.sweep();
        self.world.check_kept();
    }
}

/// What a panic says.
fn said(wrong: &(dyn Any + Send)) -> String {
    let text = wrong.downcast_ref::<String>().cloned();
    let text = text.or_else(|| wrong.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_default()
}

fn address(place: usize) -> String {
    format!("u{place}@acme.example")
}

/// A right by its number.
fn right(at: usize) -> Right {
    let (kind, name) = match at {
        ..TEAMS => (GrantKind::Team, format!("T{at}")),
        ADMIN => (GrantKind::Role, "admin".to_owned()),
        ROLE => (GrantKind::Role, "desk".to_owned()),
        _ => (GrantKind::Permission, "data.export".to_owned()),
    };
    Right { kind, name }
}
