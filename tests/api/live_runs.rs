//! The run by which a directory goes live: it waits, goes on and is undone.

use std::collections::BTreeSet;
use std::time::Duration;

use gatehouse::clock::Clock;
use gatehouse::directory::{self, Mode, NewDirectory};
use gatehouse::ids::UserId;
use gatehouse::store::grants::GrantKind;
use gatehouse::worker::Worker;
use gatehouse::workspace::keys::Permission;
use gatehouse::workspace::manual::Right;
use gatehouse::workspace::members::Status;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, new_directory, users};
use crate::rules::group;

const DAY: Duration = Duration::from_hours(24);

pub(crate) async fn small(clock: Clock) -> Gateway {
    Gateway::at(clock, |config| {
        config.scim.run_threshold = 5;
        config.scim.run_batch = 4;
    })
    .await
}

/// Lets the directory go live; gives the path of the run.
pub(crate) async fn live(gateway: &Gateway, scim: &Scim) -> String {
    let plan = gateway.of(scim, "POST", "/live/plan", Value::Null).await;
    assert_eq!(plan.status, 200, "{}", plan.text);
    let hash = json!({"hash": plan.body["hash"]});
    let applied = gateway.of(scim, "POST", "/live", hash).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    format!("/runs/{}", applied.body["run"]["id"].as_str().unwrap())
}

pub(crate) async fn asked(
    gateway: &Gateway,
    scim: &Scim,
    method: &str,
    path: &str,
    status: u16,
) -> Value {
    let answer = gateway.of(scim, method, path, Value::Null).await;
    assert_eq!(answer.status, status, "{path}: {}", answer.text);
    answer.body
}

pub(crate) async fn mode(gateway: &Gateway, scim: &Scim) -> Mode {
    let found = directory::find_by_id(&gateway.app, gateway.workspace.id, scim.directory.id);
    found.await.unwrap().mode
}

#[tokio::test]
async fn going_live_waits_and_goes_on() {
    let gateway = small(Clock::system()).await;
    let scim = gateway.collects().await;
    let ids = users(&scim, "u", 18).await;
    group(&scim, "Crew", &ids).await;
    gateway.rule(&["Crew"], "Crew").await;
    gateway.work().await;
    let run = live(&gateway, &scim).await;
    let key = gateway.key(&[Permission::MembersManage]).await;
    let path = format!("/directories/{}{run}/pause", scim.directory.id);
    assert_eq!(
        gateway.ask(&key, "POST", &path, Value::Null).await.status,
        403
    );
    let mut worker = Worker::new(gateway.app.clone());
    worker.round().await.unwrap();
    let paused = asked(&gateway, &scim, "POST", &format!("{run}/pause"), 200).await;
    assert_eq!(
        (&paused["standing"], &paused["processed"]),
        (&json!("paused"), &json!(4))
    );
    gateway.work().await;
    assert_eq!(
        (gateway.present().await, gateway.in_team("Crew").await),
        (4, 4)
    );
    // Whoever arrives meanwhile is admitted, and the directory does not end under it.
    scim.created("/Users", &json!({"userName": "new@acme.example"}))
        .await;
    assert_eq!(gateway.present().await, 5);
    let end = gateway
        .of(&scim, "POST", "/end", json!({"members": "keep"}))
        .await;
    assert_eq!(end.status, 409, "{}", end.text);
    let again = asked(&gateway, &scim, "POST", &format!("{run}/pause"), 200).await;
    assert_eq!(again["standing"], "paused");
    let resumed = asked(&gateway, &scim, "POST", &format!("{run}/resume"), 200).await;
    assert_eq!(resumed["standing"], "applying");
    gateway.check().await;
    assert_eq!(
        (gateway.present().await, gateway.in_team("Crew").await),
        (19, 18)
    );
    let runs = asked(&gateway, &scim, "GET", "/runs", 200).await;
    let listed = runs["items"].as_array().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["standing"], "done");
    let late = gateway
        .of(&scim, "POST", &format!("{run}/pause"), Value::Null)
        .await;
    assert_eq!(late.status, 409, "{}", late.text);
    let nothing = "/runs/01890000-0000-7000-8000-000000000000";
    asked(&gateway, &scim, "GET", nothing, 404).await;
}

/// A batch that is under way when the pause is said is not kept once that was answered.
#[tokio::test]
async fn nothing_more_happens_once_a_pause_was_answered() {
    let gateway = small(Clock::system()).await;
    let scim = gateway.collects().await;
    users(&scim, "u", 40).await;
    gateway.work().await;
    let run = live(&gateway, &scim).await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let run = format!("/directories/{}{run}", scim.directory.id);
    let processed = async || {
        let run = gateway.asked(&key, ("GET", &run), Value::Null, 200).await;
        run["processed"].as_i64().unwrap()
    };
    let (pause, resume) = (format!("{run}/pause"), format!("{run}/resume"));
    for _ in 0..12 {
        let mut worker = Worker::new(gateway.app.clone());
        let paused = gateway.ask(&key, "POST", &pause, Value::Null);
        let (_, paused) = tokio::join!(worker.round(), paused);
        if paused.status == 409 {
            // The last batch was first.
            break;
        }
        assert_eq!(paused.status, 200, "{}", paused.text);
        let at = processed().await;
        gateway.work().await;
        assert_eq!(processed().await, at);
        assert_eq!(gateway.present().await, usize::try_from(at).unwrap());
        gateway
            .asked(&key, ("POST", &resume), Value::Null, 200)
            .await;
    }
    gateway.check().await;
    assert_eq!(gateway.present().await, 40);
}

async fn undone(gateway: Gateway, is_done: bool) {
    gateway.without_brake().await;
    let bob = json!({"email": "u1@acme.example"});
    let bob = gateway.enter(bob, &[]).await.unwrap().member;
    let scim = gateway.collects().await;
    let ids = users(&scim, "u", 9).await;
    group(&scim, "Crew", &ids).await;
    gateway.rule(&["Crew"], "Crew").await;
    gateway.work().await;
    let run = live(&gateway, &scim).await;
    let undo = format!("{run}/undo");
    if is_done {
        gateway.check().await;
        assert_eq!(gateway.in_team("Crew").await, 9);
    } else {
        // A batch alone, in the midst of which nobody waits for the rest.
        Worker::new(gateway.app.clone()).round().await.unwrap();
        asked(&gateway, &scim, "POST", &format!("{run}/pause"), 200).await;
        assert_eq!(gateway.in_team("Crew").await, 4);
    }
    let was = gateway.member("u0@acme.example").await.id;
    // An admin gave one of them something since, and the directory shut another one out.
    let crew = Right {
        kind: GrantKind::Team,
        name: "Crew".to_owned(),
    };
    let kept = gateway.member("u2@acme.example").await.id;
    gateway.give(kept, crew).await.unwrap();
    scim.patch(
        &ids[3],
        json!([{"op": "replace", "path": "active", "value": false}]),
    )
    .await;
    scim.created("/Users", &json!({"userName": "new@acme.example"}))
        .await;
    let path = format!("/directories/{}{undo}", scim.directory.id);
    let weak = gateway.key(&[Permission::DirectoriesManage]).await;
    assert_eq!(
        gateway.ask(&weak, "POST", &path, Value::Null).await.status,
        403
    );
    let by = asked(&gateway, &scim, "POST", &undo, 201).await;
    gateway.check().await;
    let by = format!("/runs/{}", by["id"].as_str().unwrap());
    let by = asked(&gateway, &scim, "GET", &by, 200).await;
    assert_eq!(
        (&by["kind"], &by["standing"], &by["processed"]),
        (&json!("undo_live"), &json!("done"), &json!(10)),
        "{by}"
    );
    assert_eq!(by["left_out"], json!([kept]));
    let first = asked(&gateway, &scim, "GET", &run, 200).await;
    assert_eq!(first["standing"], "undone");
    assert_eq!(mode(&gateway, &scim).await, Mode::Collect);
    // Who was made is gone, who was expected is expected again, and the one whom an admin kept stays.
    let listed = gateway.listed(bob).await;
    assert_eq!(listed.status, Status::Draft);
    assert_eq!(gateway.listed(kept).await.status, Status::Active);
    let removed = gateway.count("members WHERE status = 'removed'").await;
    assert_eq!(removed, if is_done { 8 } else { 3 });
    assert_eq!(
        (gateway.present().await, gateway.in_team("Crew").await),
        (2, 1)
    );
    asked(&gateway, &scim, "POST", &undo, 409).await;
    // What the directory said is as it was, and it can go live again: the same members come back.
    let (_, listed) = scim.send("GET", "/Users?count=100", None).await;
    assert_eq!(listed["totalResults"], 10);
    let plan = asked(&gateway, &scim, "POST", "/live/plan", 200).await;
    let (new, linked) = if is_done { (0, 10) } else { (5, 5) };
    assert_eq!(
        (&plan["new"], &plan["conflicts"], &plan["linked"]),
        (&json!(new), &json!(0), &json!(linked)),
        "{plan}"
    );
    live(&gateway, &scim).await;
    gateway.check().await;
    assert_eq!(gateway.present().await, 10);
    assert_eq!(gateway.in_team("Crew").await, 8);
    let back = gateway.member("u0@acme.example").await.id;
    assert_eq!(back, was);
    let of_bob = gateway.member("u1@acme.example").await.id;
    assert_eq!(of_bob, bob);
    let members: BTreeSet<String> = gateway
        .texts("members WHERE status <> 'removed'", "user_name")
        .await
        .into_iter()
        .collect();
    assert_eq!(members.len(), 10, "{members:?}");
}

#[tokio::test]
async fn going_live_is_undone_for_many() {
    undone(small(Clock::system()).await, true).await;
}

#[tokio::test]
async fn going_live_is_undone_at_once_for_few() {
    undone(Gateway::new().await, true).await;
}

#[tokio::test]
async fn going_live_is_undone_before_it_is_done() {
    undone(small(Clock::system()).await, false).await;
}

#[tokio::test]
async fn after_its_time_going_live_is_not_undone() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |config| {
        config.retention.ended_directories_days = 3;
    })
    .await;
    let scim = gateway.collects().await;
    users(&scim, "u", 2).await;
    let run = live(&gateway, &scim).await;
    gateway.work().await;
    clock.advance(DAY * 3 + Duration::from_secs(1));
    // What is deleted after that time is what a directory said that ended, and not this.
    gateway.check().await;
    assert_eq!(gateway.present().await, 2);
    let late = gateway
        .of(&scim, "POST", &format!("{run}/undo"), Value::Null)
        .await;
    assert_eq!(late.status, 409, "{}", late.text);
    let (_, listed) = scim.send("GET", "/Users?count=100", None).await;
    assert_eq!(listed["totalResults"], 2);
}

#[tokio::test]
async fn a_run_over_a_directory_that_fails_is_tried_again_and_keeps_no_other_waiting() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = small(clock.clone()).await;
    let first = gateway.collects().await;
    let ids = users(&first, "u", 6).await;
    let second = NewDirectory {
        mode: Mode::Collect,
        ..new_directory("second")
    };
    let second = gateway.scim_of(&gateway.workspace, second).await;
    users(&second, "n", 6).await;
    gateway.work().await;
    let failing = live(&gateway, &first).await;
    clock.advance(Duration::from_secs(1));
    let other = live(&gateway, &second).await;
    let document = async |sql: &'static str| {
        let id = UserId(ids[1].parse().unwrap());
        let written = gateway.app.write(move |tx| {
            let written = tx.query(sql).bind(id).bind("damaged".to_owned());
            Box::pin(async move { Ok(written.execute().await?) })
        });
        assert_eq!(written.await.unwrap(), 1);
    };
    document("UPDATE users SET document = $2 || document WHERE id = $1").await;
    gateway.work().await;
    let shown = async |scim: &Scim, run: &str| asked(&gateway, scim, "GET", run, 200).await;
    assert_eq!(shown(&second, &other).await["standing"], "done");
    let run = shown(&first, &failing).await;
    assert_eq!(
        (&run["standing"], &run["attempts"], &run["last_error"]),
        (&json!("applying"), &json!(1), &json!("internal error")),
        "{run}"
    );
    assert_eq!(gateway.present().await, 6);
    for (seconds, attempts) in [(0, 1), (5, 2), (5, 2), (5, 3), (600, 4), (600, 5)] {
        clock.advance(Duration::from_secs(seconds));
        gateway.work().await;
        assert_eq!(shown(&first, &failing).await["attempts"], attempts);
    }
    document("UPDATE users SET document = REPLACE(document, $2, '') WHERE id = $1").await;
    clock.advance(Duration::from_mins(10));
    gateway.check().await;
    let run = shown(&first, &failing).await;
    assert_eq!(
        (&run["standing"], &run["attempts"], &run["last_error"]),
        (&json!("done"), &json!(0), &Value::Null),
        "{run}"
    );
    assert_eq!(gateway.present().await, 12);
}
