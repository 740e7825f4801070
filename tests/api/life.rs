//! A directory goes live, ends, and is taken back.

use std::time::Duration;

use gatehouse::admission::brake::{self, Setting};
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::directory::{Mode, NewDirectory};
use gatehouse::scim::schema::ENTERPRISE_USER;
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::members::Status;
use gatehouse::workspace::seats::{self, Limit, SeatPolicy, SeatRelease};
use gatehouse::workspace::status;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, Scim, member, new_directory, operations, users};
use crate::members::role;

const DAY: Duration = Duration::from_hours(24);

impl Gateway {
    pub(crate) async fn collects(&self) -> Scim {
        let new = NewDirectory {
            mode: Mode::Collect,
            ..new_directory("idp")
        };
        self.scim_of(&self.workspace, new).await
    }

    pub(crate) async fn of(&self, scim: &Scim, method: &str, end: &str, body: Value) -> Answer {
        let key = self.key(&Permission::ALL[..9]).await;
        let path = format!("/workspaces/acme/directories/{}{end}", scim.directory.id);
        let body = Some(body).filter(|body| !body.is_null());
        self.api(&key, method, &path, body.as_ref()).await
    }

    pub(crate) async fn done(&self, scim: &Scim, end: &str, body: Value) -> Value {
        let answer = self.of(scim, "POST", end, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        self.work().await;
        answer.body
    }

    async fn status(&self, name: &str) -> Status {
        self.member(name).await.status
    }

    /// A group with these users, and the team of its name.
    async fn crew(&self, scim: &Scim, ids: &[String]) -> String {
        self.rule(&["Crew"], "Crew").await;
        let ids: Vec<_> = ids.iter().map(|id| member(id)).collect();
        let crew = json!({"displayName": "Crew", "members": ids});
        scim.created("/Groups", &crew).await
    }
}

fn code(answer: &Answer, status: u16) -> &str {
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.body["code"].as_str().unwrap_or_default()
}

async fn goes_live(gateway: Gateway) {
    let other = gateway.second("other").await;
    other
        .created("/Users", &json!({"userName": "taken@acme.example"}))
        .await;
    let bob = json!({"email": "u1@acme.example"});
    let bob = gateway.enter(bob, &[]).await.unwrap().member;
    let scim = gateway.collects().await;
    let ids = users(&scim, "u", 5).await;
    gateway.crew(&scim, &ids).await;
    let taken = json!({"userName": "taken@acme.example"});
    let taken = scim.created("/Users", &taken).await;
    gateway.work().await;
    assert_eq!(
        gateway.present().await,
        2,
        "what it says makes nobody a member"
    );
    let plan = gateway
        .of(&scim, "POST", "/live/plan", Value::Null)
        .await
        .body;
    let counts = |plan: &Value| {
        (
            plan["new"].clone(),
            plan["linked"].clone(),
            plan["conflicts"].clone(),
        )
    };
    assert_eq!(counts(&plan), (json!(4), json!(1), json!(1)), "{plan}");
    assert_eq!(plan["sample"][0]["user"], json!(taken));
    assert_eq!(plan["seats_needed"], 5);
    // C253: the world has changed since.
    let late = users(&scim, "late", 1).await;
    let stale = gateway
        .of(&scim, "POST", "/live", json!({"hash": plan["hash"]}))
        .await;
    assert_eq!(code(&stale, 409), "plan_stale");
    assert_eq!(stale.body["difference"]["now"]["new"], 5, "{}", stale.text);
    assert_eq!(gateway.present().await, 2, "nothing was done");
    let plan = gateway
        .of(&scim, "POST", "/live/plan", Value::Null)
        .await
        .body;
    gateway
        .done(&scim, "/live", json!({"hash": plan["hash"]}))
        .await;
    assert_eq!(gateway.present().await, 7);
    assert_eq!(gateway.in_team("Crew").await, 5);
    assert_eq!(gateway.listed(bob).await.status, Status::Active);
    let again = gateway
        .of(&scim, "POST", "/live", json!({"hash": plan["hash"]}))
        .await;
    assert_eq!(code(&again, 409), "conflict", "it is live");
    let shown = gateway.of(&scim, "GET", "", Value::Null).await.body;
    let run = &shown["runs"][0];
    assert_eq!(
        (&run["processed"], &run["skipped"]),
        (&json!(7), &json!(1)),
        "{shown}"
    );
    gateway.check().await;
    // From now on it is a directory like any other.
    let path = format!("/Users/{}", late[0]);
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    assert_eq!(scim.send("PATCH", &path, Some(&off)).await.0, 200);
    assert_eq!(
        gateway.status("late0@acme.example").await,
        Status::Suspended
    );
    // The one that was left is linked with its adoption.
    let listed = gateway.adoption(&scim, "conflicts").await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    let wanted = json!({"user_name": "taken@acme.example"});
    gateway.done(&scim, "/adoption", wanted).await;
    assert_eq!(gateway.adoption(&scim, "matched").await.len(), 7);
    assert!(gateway.adoption(&scim, "conflicts").await.is_empty());
    assert_eq!(gateway.present().await, 7);
    gateway.check().await;
}

// C253
#[tokio::test]
async fn a_directory_goes_live_as_it_was_planned() {
    Box::pin(goes_live(Gateway::new().await)).await;
}

#[tokio::test]
async fn a_large_directory_goes_live_in_batches() {
    let gateway = Gateway::with(|config| {
        config.scim.run_threshold = 1;
        config.scim.run_batch = 2;
    });
    Box::pin(goes_live(gateway.await)).await;
}

#[tokio::test]
async fn without_seats_no_directory_goes_live() {
    let gateway = Gateway::new().await;
    let scim = gateway.collects().await;
    users(&scim, "u", 4).await;
    let limit = |policy| Limit {
        seat_limit: Some(3),
        seat_policy: policy,
        seat_release: SeatRelease::OnSuspend,
        seat_grace: 0,
        seat_contact: None,
    };
    let set = async |policy| {
        seats::set(
            &gateway.app,
            &Origin::cli(),
            gateway.workspace.id,
            limit(policy),
        )
        .await
        .unwrap();
    };
    set(SeatPolicy::Refuse).await;
    let plan = gateway
        .of(&scim, "POST", "/live/plan", Value::Null)
        .await
        .body;
    assert_eq!(
        (&plan["seats_needed"], &plan["seats_free"]),
        (&json!(4), &json!(3))
    );
    let apply = json!({"hash": plan["hash"]});
    let refused = gateway.of(&scim, "POST", "/live", apply.clone()).await;
    assert_eq!(code(&refused, 409), "conflict");
    assert!(refused.text.contains("seat"), "{}", refused.text);
    assert_eq!(gateway.present().await, 0);
    set(SeatPolicy::Hold).await;
    gateway.done(&scim, "/live", apply).await;
    let shown = seats::show(&gateway.app, gateway.workspace.id)
        .await
        .unwrap();
    assert_eq!((shown.taken, shown.waiting), (3, 1));
    gateway.check().await;
}

/// What members have, by user name or address.
async fn ends(gateway: Gateway, how: &str) {
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 4).await;
    gateway.crew(&scim, &ids).await;
    let emails = json!([{"op": "add", "path": "emails", "value": [{"value": "u2@acme.example"}]}]);
    let path = format!("/Users/{}", ids[2]);
    assert_eq!(
        scim.send("PATCH", &path, Some(&operations(emails))).await.0,
        200
    );
    // One of another directory too, the only admin, and one who is shut out.
    let other = gateway.second("other").await;
    let names = [
        "u0@acme.example",
        "u1@acme.example",
        "u2@acme.example",
        "u3@acme.example",
    ];
    let mut members = Vec::new();
    for name in names {
        members.push(gateway.member(name).await.id);
    }
    gateway.adopts("acme.example").await;
    other
        .created("/Users", &json!({"userName": names[0]}))
        .await;
    gateway.give(members[1], role("admin")).await.unwrap();
    gateway.give(members[2], role("user")).await.unwrap();
    gateway.work().await;
    assert_eq!(gateway.in_team("Crew").await, 4);
    let body = json!({"members": how, "keep_grants": how == "keep"});
    gateway.done(&scim, "/end", body.clone()).await;
    assert_eq!(scim.send("GET", "/Users", None).await.0, 401);
    let again = gateway.of(&scim, "POST", "/end", body).await;
    assert_eq!(code(&again, 409), "conflict");
    let statuses = async || {
        let mut found = Vec::new();
        for id in &members {
            let of = gatehouse::workspace::members::show(&gateway.app, gateway.workspace.id, *id);
            found.push(of.await.unwrap().listed.status);
        }
        found
    };
    let (active, out) = (
        Status::Active,
        match how {
            "suspend" => Status::Suspended,
            "remove" => Status::Removed,
            _ => Status::Active,
        },
    );
    // Another directory has the first, and the second is the last admin.
    assert_eq!(statuses().await, [active, active, out, out]);
    let in_crew = if how == "keep" { 3 } else { 0 };
    assert_eq!(gateway.in_team("Crew").await, in_crew);
    gateway.check().await;
    if how == "keep" {
        // It is the admins' from now on, and so is who is in.
        gateway
            .edit(members[2], json!({"email": "new@acme.example"}))
            .await
            .unwrap();
        gateway.suspend(members[2]).await.unwrap();
        let which = (gateway.workspace.id, members[2]);
        status::activate(&gateway.app, (&Origin::cli(), &Scopes::everything()), which)
            .await
            .unwrap();
    }
    gateway.done(&scim, "/undo-end", Value::Null).await;
    assert_eq!(statuses().await, [active; 4]);
    assert_eq!(gateway.in_team("Crew").await, 4);
    assert!(
        gateway.listed(members[2]).await.roles.contains("user"),
        "{how}"
    );
    assert_eq!(scim.send("GET", "/Users", None).await.1["totalResults"], 4);
    gateway.check().await;
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let path = format!("/Users/{}", ids[3]);
    assert_eq!(scim.send("PATCH", &path, Some(&off)).await.0, 200);
    assert_eq!(statuses().await[3], Status::Suspended);
    let again = gateway.of(&scim, "POST", "/undo-end", Value::Null).await;
    assert_eq!(code(&again, 409), "conflict");
    gateway.check().await;
}

#[tokio::test]
async fn members_of_a_directory_that_ends_stay_if_that_is_wanted() {
    Box::pin(ends(Gateway::new().await, "keep")).await;
}

#[tokio::test]
async fn members_of_a_directory_that_ends_are_shut_out_if_that_is_wanted() {
    Box::pin(ends(Gateway::new().await, "suspend")).await;
}

#[tokio::test]
async fn members_of_a_directory_that_ends_leave_if_that_is_wanted_and_come_back_with_it() {
    Box::pin(ends(Gateway::new().await, "remove")).await;
}

#[tokio::test]
async fn a_large_directory_ends_in_batches() {
    let gateway = Gateway::with(|config| {
        config.scim.run_threshold = 1;
        config.scim.run_batch = 1;
    });
    Box::pin(ends(gateway.await, "remove")).await;
}

#[tokio::test]
async fn what_a_directory_said_is_deleted_when_its_end_cannot_be_undone() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |config| {
        config.retention.ended_directories_days = 3;
    })
    .await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    gateway.crew(&scim, &ids).await;
    let lesser = gateway.key(&[Permission::DirectoriesManage]).await;
    let path = format!("/workspaces/acme/directories/{}/end", scim.directory.id);
    let remove = json!({"members": "remove"});
    let refused = gateway.api(&lesser, "POST", &path, Some(&remove)).await;
    assert_eq!(code(&refused, 403), "insufficient_scope");
    gateway.done(&scim, "/end", remove).await;
    clock.advance(DAY * 2);
    gateway.work().await;
    assert_eq!(gateway.count("users").await, 3);
    clock.advance(DAY + Duration::from_secs(1));
    gateway.check().await;
    for table in [
        "users",
        "user_groups",
        "memberships",
        "login_names",
        "user_emails",
    ] {
        assert_eq!(gateway.count(table).await, 0, "{table}");
    }
    let late = gateway.of(&scim, "POST", "/undo-end", Value::Null).await;
    assert_eq!(code(&late, 409), "conflict");
    // Who left is found again by the address or the name as anybody who left.
    let second = gateway.second("second").await;
    users(&second, "u", 1).await;
    gateway.check().await;
}

#[tokio::test]
async fn members_of_a_directory_that_goes_live_show_what_it_says() {
    let gateway = Gateway::new().await;
    let scim = gateway.collects().await;
    let report = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE_USER],
        "userName": "ada@acme.example", "preferredLanguage": "de",
        "phoneNumbers": [{"value": "+44 20 7946 0958", "type": "work"}],
        ENTERPRISE_USER: {"manager": {"value": "bob@acme.example"}},
    });
    scim.created("/Users", &report).await;
    let bob = json!({"userName": "bob@acme.example"});
    scim.created("/Users", &bob).await;
    let plan = gateway
        .of(&scim, "POST", "/live/plan", Value::Null)
        .await
        .body;
    gateway
        .done(&scim, "/live", json!({"hash": plan["hash"]}))
        .await;
    let ada = gateway.member("ada@acme.example").await.id;
    let details = gateway.details(ada).await;
    assert_eq!(details.phone.as_deref(), Some("+442079460958"));
    assert_eq!(details.language.as_deref(), Some("de"));
    let bob = gateway.member("bob@acme.example").await.id;
    assert_eq!(details.manager, Some(bob));
    gateway.check().await;
}

impl Gateway {
    async fn brakes_after_one(&self) {
        let setting = Setting {
            people: 1,
            percent: 0,
            ..Setting::default()
        };
        let (origin, workspace) = (Origin::cli(), self.workspace.id);
        brake::set(&self.app, &origin, workspace, setting)
            .await
            .unwrap();
    }

    async fn count_held(&self) -> usize {
        let held = brake::held(&self.app, self.workspace.id, None, 10).await;
        held.unwrap().len()
    }
}

#[tokio::test]
async fn whoever_leaves_with_a_directory_keeps_nothing_that_the_brake_held() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "u", 3).await;
    let crew = gateway.crew(&scim, &ids).await;
    gateway.brakes_after_one().await;
    let gone: Vec<_> = ids[..2].iter().map(|id| member(id)).collect();
    let gone = operations(json!([{"op": "remove", "path": "members", "value": gone}]));
    let path = format!("/Groups/{crew}");
    assert_eq!(scim.send("PATCH", &path, Some(&gone)).await.0, 200);
    assert_eq!(gateway.count_held().await, 1);
    gateway
        .done(&scim, "/end", json!({"members": "remove"}))
        .await;
    assert_eq!(gateway.count_held().await, 0);
    assert_eq!(gateway.in_team("Crew").await, 0);
    gateway.check().await;
}

#[tokio::test]
async fn a_directory_that_is_back_keeps_those_in_whom_another_took_away() {
    let gateway = Gateway::new().await;
    let (scim, other) = (gateway.scim().await, gateway.second("other").await);
    let ids = users(&scim, "u", 2).await;
    let same = json!({"userName": "u1@acme.example"});
    assert_eq!(other.send("POST", "/Users", Some(&same)).await.0, 409);
    let adopt = json!({"user_name": "u1@acme.example"});
    gateway.done(&other, "/adoption", adopt).await;
    other.created("/Users", &same).await;
    gateway.brakes_after_one().await;
    let keep = json!({"members": "keep"});
    gateway.done(&other, "/end", keep).await;
    for id in &ids {
        let path = format!("/Users/{id}");
        assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    }
    assert_eq!(gateway.count_held().await, 1);
    gateway.done(&other, "/undo-end", Value::Null).await;
    gateway.check().await;
    assert_eq!(gateway.count_held().await, 0);
    let present = gateway.present().await;
    assert_eq!(present, 1, "the one whom the other directory has");
}
