//! Every statement of what admins and the worker do fails once, before it and after it, where seats
//! are counted, the brake holds and admins are guarded: nothing changes until nothing fails.

use gatehouse::admission::adoption::{self, Adopt};
use gatehouse::admission::brake::{self, Mode, Setting, Which};
use gatehouse::admission::import::{self, Format, Options};
use gatehouse::admission::runs;
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::error::{Error, Result};
use gatehouse::ids::MemberId;
use gatehouse::store::faults::{Fault, Point};
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::members::Status;
use gatehouse::workspace::seats::SeatPolicy;
use serde_json::json;

use crate::contents::differences;
use crate::gateway::{Gateway, Scim, new_directory, operations, users};
use crate::live_runs::small;
use crate::members::{person, role};
use crate::rules::group;

/// No act has more statements than this.
const MOST: u32 = 150;

const ACTS: [&str; 8] = [
    "grant", "suspend", "activate", "remove", "hold", "release", "adopt", "import",
];

impl Gateway {
    /// Counts seats, holds what is lost by more than so many people, and guards an admin.
    pub(crate) async fn guarded(&self, scim: &Scim, people: i64) {
        self.limit(Some(100_000), SeatPolicy::Refuse).await;
        let setting = Setting {
            mode: Mode::Hold,
            people,
            percent: 0,
            hold_minutes: 60,
        };
        let workspace = self.workspace.id;
        brake::set(&self.app, &Origin::cli(), workspace, setting)
            .await
            .expect("set");
        let (_, boss) = person(self, scim, "boss").await;
        self.give(boss, role("admin")).await.expect("given");
    }

    /// Lets each statement of an act fail until it has no more; gives what came of it then, and how
    /// many statements there were.
    async fn each_fails<T, F>(&self, what: &str, point: fn(u32) -> Point, act: F) -> (T, u32)
    where
        F: AsyncFn() -> Result<T>,
    {
        let before = self.contents().await;
        for statement in 1..MOST {
            self.app.db.faults().arm_at(point(statement), Fault::Error);
            let done = act().await;
            if self.app.db.faults().disarm() {
                let done = done.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                let changed = differences(&before, &self.contents().await);
                assert!(!changed.is_empty(), "{what} does something");
                return (done, statement - 1);
            }
            assert!(done.is_err(), "{what}, statement {statement}");
            let changed = differences(&before, &self.contents().await);
            let point = point(statement);
            assert!(changed.is_empty(), "{what}, {point:?} left {changed:?}");
        }
        panic!("{what} has an end");
    }
}

/// Whom an act is about.
struct About {
    user: String,
    member: MemberId,
    name: String,
}

/// Makes an admin, and what else an act needs.
async fn prepared(
    gateway: &Gateway,
    (scim, other): (&Scim, &Scim),
    act: &str,
    round: u32,
) -> About {
    let name = format!("{act}{round}");
    if act == "remove" {
        // Whom a directory has is taken out there.
        let new = json!({"email": format!("{name}@acme.example")});
        let member = gateway.enter(new, &[role("admin")]).await.unwrap().member;
        let user = String::new();
        return About { user, member, name };
    }
    let (user, member) = person(gateway, scim, &name).await;
    if act != "grant" {
        gateway.give(member, role("admin")).await.unwrap();
    }
    match act {
        "activate" => gateway.suspend(member).await.unwrap(),
        "hold" | "release" => {
            // Past what may be lost within an hour; the brake holds whoever comes next.
            let ids = users(scim, &format!("{name}-"), 2).await;
            crate::brake::off(scim, &ids).await;
        }
        "adopt" => {
            let taken = json!({"userName": format!("taken-{name}@acme.example")});
            other.created("/Users", &taken).await;
            assert_eq!(scim.send("POST", "/Users", Some(&taken)).await.0, 409);
        }
        _ => {}
    }
    if act == "release" {
        crate::brake::off(scim, std::slice::from_ref(&user)).await;
        assert_eq!(gateway.listed(member).await.status, Status::Active);
    }
    About { user, member, name }
}

async fn done(gateway: &Gateway, scim: &Scim, act: &str, about: &About) -> Result<()> {
    let (app, origin, scopes) = (&gateway.app, Origin::cli(), Scopes::everything());
    let workspace = gateway.workspace.id;
    let (member, by) = (about.member, (&origin, &scopes));
    match act {
        "grant" => gateway.give(member, role("admin")).await.map(|_| ()),
        "suspend" => gateway.suspend(member).await,
        "activate" => gateway.activate(member).await,
        "remove" => gateway.remove(member).await,
        "hold" => {
            let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
            let path = format!("/Users/{}", about.user);
            match scim.send("PATCH", &path, Some(&off)).await {
                (200, _) => Ok(()),
                (500, body) => Err(Error::internal(anyhow::anyhow!("{body}"))),
                (status, body) => panic!("{status} {body}"),
            }
        }
        "release" => {
            let which = Which::These(vec![member]);
            brake::release(app, &origin, workspace, which)
                .await
                .map(|_| ())
        }
        "adopt" => {
            let place = (workspace, scim.directory.id);
            let adopt = Adopt::User {
                user_name: format!("taken-{}@acme.example", about.name),
                member: None,
            };
            adoption::adopt(app, by, place, adopt).await.map(|_| ())
        }
        _ => {
            let name = &about.name;
            let table =
                format!("email,roles\n{name}-1@acme.example,admin\n{name}-2@acme.example,\n");
            let table = (table.as_bytes(), Format::Csv);
            let started = import::start(app, by, workspace, table, Options::default()).await?;
            assert_eq!(started.refused(), 0);
            Ok(())
        }
    }
}

async fn every_act(point: fn(u32) -> Point) {
    let gateway = Gateway::at(Clock::fixed(Clock::system().now()), |_| {}).await;
    let scim = gateway.scim().await;
    let other = gateway
        .scim_of(&gateway.workspace, new_directory("other"))
        .await;
    gateway.guarded(&scim, 1).await;
    for (round, act) in (0..).zip(ACTS) {
        let about = prepared(&gateway, (&scim, &other), act, round).await;
        let act_of = async || done(&gateway, &scim, act, &about).await;
        let ((), statements) = gateway.each_fails(act, point, act_of).await;
        assert!(statements > 3, "{act} must have statements");
        if act != "remove" {
            let status = gateway.listed(about.member).await.status;
            let is_in = !["suspend", "release"].contains(&act);
            assert_eq!(status == Status::Active, is_in, "{act}: {status:?}");
        }
    }
    gateway.check().await;
}

// C220
#[tokio::test(flavor = "multi_thread")]
async fn what_an_admin_does_fails_before_any_statement_and_changes_nothing() {
    every_act(Point::Before).await;
}

// C220
#[tokio::test(flavor = "multi_thread")]
async fn what_an_admin_does_fails_behind_any_statement_and_changes_nothing() {
    every_act(Point::After).await;
}

// C220
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_a_run_fails_at_any_statement_and_changes_nothing() {
    for point in [Point::Before as fn(u32) -> Point, Point::After] {
        let gateway = small(Clock::fixed(Clock::system().now())).await;
        let scim = gateway.scim().await;
        gateway.guarded(&scim, 1_000).await;
        let ids = users(&scim, "u", 8).await;
        group(&scim, "Crew", &ids).await;
        gateway.rule(&["Crew"], "Crew").await;
        let workspace = gateway.workspace.id;
        let id = runs::list(&gateway.app, workspace).await.unwrap()[0].run.id;
        let mut steps = 0;
        while gateway.in_team("Crew").await < ids.len() {
            let run = runs::find(&gateway.app, workspace, id)
                .await
                .unwrap()
                .unwrap();
            let step = async || runs::step(&gateway.app, &run).await;
            gateway.each_fails("a batch", point, step).await;
            steps += 1;
        }
        assert!(steps > 2, "it was begun, and more than one batch: {steps}");
        gateway.check().await;
    }
}
