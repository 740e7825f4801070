//! Why somebody is in a workspace, or is not.

use gatehouse::admission::{absence, adoption, reasons};
use gatehouse::changes::Origin;
use gatehouse::directory::{Mode, NewDirectory};
use gatehouse::workspace::keys::Permission;
use gatehouse::workspace::lifecycle;
use gatehouse::workspace::seats::SeatPolicy;
use serde_json::{Value, json};

use crate::gateway::{Gateway, new_directory, operations, users};

impl Gateway {
    /// What is told of somebody: whether they are in, and the codes of the reasons.
    async fn why(&self, key: &str, person: &str) -> (bool, Vec<String>) {
        let told = self.whole(key, person).await;
        let reasons = told["reasons"].as_array().unwrap().iter();
        let codes = reasons.map(|reason| reason["code"].as_str().unwrap().to_owned());
        (told["is_in"].as_bool().unwrap(), codes.collect())
    }

    async fn whole(&self, key: &str, person: &str) -> Value {
        let person: String = url::form_urlencoded::byte_serialize(person.as_bytes()).collect();
        let path = format!("/admission/explanation?person={person}");
        self.asked(key, ("GET", &path), Value::Null, 200).await
    }
}

fn codes(is_in: bool, codes: &[&str]) -> (bool, Vec<String>) {
    (is_in, codes.iter().map(|code| (*code).to_owned()).collect())
}

#[tokio::test]
async fn each_standing_of_a_member_is_told() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let ada = json!({
        "userName": "ada@acme.example", "externalId": "E-1",
        "emails": [{"value": "a.l@acme.example"}],
    });
    let ada = scim.created("/Users", &ada).await;
    for person in ["ADA@acme.example", "E-1", "a.l@acme.example"] {
        assert_eq!(
            gateway.why(&key, person).await,
            codes(true, &["member"]),
            "{person}"
        );
    }
    assert_eq!(gateway.why(&key, "eve").await, codes(false, &["unknown"]));
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let path = format!("/Users/{ada}");
    assert_eq!(scim.send("PATCH", &path, Some(&off)).await.0, 200);
    assert_eq!(
        gateway.why(&key, "E-1").await,
        codes(false, &["directory_says_out"])
    );
    let told = gateway.whole(&key, "E-1").await;
    let why = told["reasons"][0]["why"].as_str().unwrap();
    assert_eq!(why, "the person is out, says \"idp\"");
    let member = told["reasons"][0]["member"].as_str().unwrap();
    assert_eq!(gateway.why(&key, member).await.1, ["directory_says_out"]);
    let suspend = format!("/members/{member}/suspend");
    gateway
        .asked(&key, ("POST", &suspend), json!({}), 200)
        .await;
    assert_eq!(gateway.why(&key, "E-1").await, codes(false, &["barred"]));
    assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    assert_eq!(gateway.why(&key, "E-1").await, codes(false, &["deleted"]));
    assert_eq!(
        gateway.why(&key, "ada@acme.example").await,
        codes(false, &["removed"]),
        "by the address that it had"
    );
    let bob = json!({"profile": {"email": "bob@acme.example", "user_id": "B-7"}});
    gateway.asked(&key, ("POST", "/members"), bob, 201).await;
    assert_eq!(gateway.why(&key, "b-7").await, codes(false, &["draft"]));
    let weak = gateway.key(&[Permission::MembersRead]).await;
    let refused = gateway
        .ask(&weak, "GET", "/admission/explanation?person=x", Value::Null)
        .await;
    assert_eq!(refused.status, 403);
    for wrong in ["", "?person=", "?person=%20", "?person=a%00b", "?who=x"] {
        let path = format!("/admission/explanation{wrong}");
        gateway.asked(&key, ("GET", &path), Value::Null, 400).await;
    }
    gateway.check().await;
}

#[tokio::test]
async fn whom_somebody_met_and_what_would_let_them_in_is_told() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let second = gateway
        .scim_of(&gateway.workspace, new_directory("second"))
        .await;
    users(&scim, "u", 1).await;
    let same = json!({"userName": "u0@acme.example", "externalId": "S-1"});
    for _ in 0..2 {
        assert_eq!(second.send("POST", "/Users", Some(&same)).await.0, 409);
    }
    let told = gateway.whole(&key, "S-1").await;
    let reason = &told["reasons"][0];
    assert_eq!(
        (&reason["code"], &reason["directory"], &reason["times"]),
        (&json!("conflict"), &json!("second"), &json!(2))
    );
    let way_in = reason["way_in"].as_str().unwrap();
    assert!(
        way_in.contains("adopts") && way_in.contains("\"u0@acme.example\" of \"second\""),
        "{way_in}"
    );
    // The address is a member's and opens nothing for whom the second directory sends.
    assert_eq!(
        gateway.why(&key, "u0@acme.example").await,
        codes(true, &["member", "conflict"])
    );
    let told = gateway.whole(&key, "u0@acme.example").await;
    let way_in = told["reasons"][1]["way_in"].as_str().unwrap();
    assert!(way_in.contains("domain acme.example is added"), "{way_in}");
    let path = format!("/directories/{}/adoption", second.directory.id);
    let adopt = json!({"user_name": "u0@acme.example"});
    gateway.asked(&key, ("POST", &path), adopt, 200).await;
    assert_eq!(
        gateway.why(&key, "S-1").await,
        codes(false, &["adopted", "refused"])
    );
    assert_eq!(second.send("POST", "/Users", Some(&same)).await.0, 201);
    assert_eq!(gateway.why(&key, "S-1").await, codes(true, &["member"]));
    gateway.check().await;
}

#[tokio::test]
async fn seats_directories_and_the_workspace_keep_people_out() {
    let gateway = Gateway::with(|config| {
        config.scim.run_threshold = 1;
        config.scim.run_batch = 2;
    })
    .await;
    let scim = gateway.scim().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    users(&scim, "u", 3).await;
    gateway.limit(Some(3), SeatPolicy::Refuse).await;
    let late = json!({"userName": "late@acme.example"});
    assert_eq!(scim.send("POST", "/Users", Some(&late)).await.0, 409);
    assert_eq!(
        gateway.why(&key, "late@acme.example").await,
        codes(false, &["seats_full", "refused"])
    );
    let told = gateway.whole(&key, "late@acme.example").await;
    let way_in = told["reasons"][0]["way_in"].as_str().unwrap();
    assert!(way_in.contains("ask billing@acme.example"), "{way_in}");
    let collecting = NewDirectory {
        mode: Mode::Collect,
        ..new_directory("second")
    };
    let second = gateway.scim_of(&gateway.workspace, collecting).await;
    let coming = users(&second, "n", 2).await;
    assert_eq!(
        gateway.why(&key, "n0@acme.example").await,
        codes(false, &["collected", "seats_full"])
    );
    gateway.limit(Some(5), SeatPolicy::Refuse).await;
    let path = format!("/directories/{}/live", second.directory.id);
    let plan = format!("{path}/plan");
    let plan = gateway.asked(&key, ("POST", &plan), json!({}), 200).await;
    let hash = json!({"hash": plan["hash"]});
    gateway.asked(&key, ("POST", &path), hash, 200).await;
    assert_eq!(
        gateway.why(&key, "n0@acme.example").await,
        codes(false, &["run_due"])
    );
    // Somebody else takes the seats that were counted with.
    users(&scim, "m", 2).await;
    gateway.check().await;
    assert_eq!(
        gateway.why(&key, "n0@acme.example").await,
        codes(false, &["no_seat", "seats_full"])
    );
    let told = gateway.whole(&key, "n0@acme.example").await;
    assert_eq!(told["reasons"][0]["user"], json!(coming[0]));
    // They are among those whom an admin can adopt.
    let place = (gateway.workspace.id, second.directory.id);
    let listed = adoption::conflicts(&gateway.app, place, None, 1).await;
    let listed = listed.unwrap();
    assert_eq!(listed.len(), 1);
    let first = &listed[0];
    assert_eq!(
        (first.why, first.conflict.member),
        (adoption::Why::NoSeat, None)
    );
    let after = Some(first.conflict.user_name.as_str());
    let next = adoption::conflicts(&gateway.app, place, after, 10).await;
    let next = next.unwrap();
    assert_eq!(next[0].conflict.user_name, "n1@acme.example");
    gateway.limit(Some(6), SeatPolicy::Refuse).await;
    let adopt = json!({"user_name": "n1@acme.example"});
    let adoption = format!("/directories/{}/adoption", second.directory.id);
    gateway.asked(&key, ("POST", &adoption), adopt, 200).await;
    assert_eq!(
        gateway.why(&key, "n1@acme.example").await,
        codes(true, &["member"])
    );
    let left = adoption::conflicts(&gateway.app, place, None, 10).await;
    assert_eq!(left.unwrap().len(), 1);
    let by = (&Origin::cli(), &gateway.workspace);
    lifecycle::suspend(&gateway.app, by.0, by.1).await.unwrap();
    let told = absence::explain(&gateway.app, gateway.workspace.id, "u0@acme.example").await;
    let told = told.unwrap();
    assert!(!told.is_in);
    assert_eq!(told.reasons[0].code, reasons::Code::WorkspaceSuspended);
    lifecycle::resume(&gateway.app, by.0, by.1).await.unwrap();
    gateway.check().await;
}

#[tokio::test]
async fn whoever_is_asked_for_by_an_address_met_somebody_by_the_name() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let collecting = NewDirectory {
        mode: Mode::Collect,
        ..new_directory("second")
    };
    let second = gateway.scim_of(&gateway.workspace, collecting).await;
    let ids = users(&scim, "u", 1).await;
    let same = json!({"userName": "u0@acme.example", "emails": [{"value": "other@acme.example"}]});
    second.created("/Users", &same).await;
    let path = format!("/directories/{}/live", second.directory.id);
    let plan = format!("{path}/plan");
    let plan = gateway.asked(&key, ("POST", &plan), json!({}), 200).await;
    let hash = json!({"hash": plan["hash"]});
    gateway.asked(&key, ("POST", &path), hash, 200).await;
    gateway.work().await;
    let asked = async || gateway.why(&key, "other@acme.example").await;
    assert_eq!(asked().await, codes(false, &["conflict"]));
    // Whoever stood in the way is gone: nothing is left to adopt.
    let gone = scim
        .send("DELETE", &format!("/Users/{}", ids[0]), None)
        .await;
    assert_eq!(gone.0, 204);
    let (is_in, codes) = asked().await;
    assert!(
        !is_in && !codes.contains(&"conflict".to_owned()),
        "{codes:?}"
    );
    gateway.check().await;
}

#[tokio::test]
async fn the_last_refused_request_about_somebody_is_told() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    users(&scim, "u", 2).await;
    let eve = json!({"userName": "Eve@acme.example", "externalId": "E-9", "active": "perhaps"});
    assert_eq!(scim.send("POST", "/Users", Some(&eve)).await.0, 400);
    for person in ["eve@ACME.example", "E-9"] {
        assert_eq!(gateway.why(&key, person).await, codes(false, &["refused"]));
    }
    let told = gateway.whole(&key, "E-9").await;
    let refusal = &told["reasons"][0]["refusal"];
    assert_eq!(
        (
            &refusal["status"],
            &refusal["scim_type"],
            &refusal["method"]
        ),
        (&json!(400), &json!("invalidValue"), &json!("POST")),
        "{told}"
    );
    assert!(
        refusal["detail"].as_str().unwrap().contains("active"),
        "{told}"
    );
    assert!(told["requests_searched"].as_u64().unwrap() > 0, "{told}");
    // Nobody is meant whose name holds another one.
    assert_eq!(gateway.why(&key, "eve").await, codes(false, &["unknown"]));
    // The log is for those who may read it.
    let other = gateway.key(&[Permission::MembersManage]).await;
    assert_eq!(gateway.why(&other, "E-9").await, codes(false, &["unknown"]));
    let told = gateway.whole(&other, "E-9").await;
    assert_eq!(told["requests_searched"], Value::Null);
    // Of a known one what was refused of its User is told as well.
    let u0 = gateway.member("u0@acme.example").await;
    gateway.suspend(u0.id).await.unwrap();
    let wrong = operations(json!([{"op": "replace", "path": "active", "value": "perhaps"}]));
    let user = scim.send(
        "GET",
        "/Users?filter=userName%20eq%20%22u0@acme.example%22",
        None,
    );
    let user = user.await.1["Resources"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/Users/{user}");
    assert_eq!(scim.send("PATCH", &path, Some(&wrong)).await.0, 400);
    let (is_in, codes) = gateway.why(&key, "u0@acme.example").await;
    assert!(!is_in && codes.contains(&"barred".to_owned()), "{codes:?}");
    assert!(codes.contains(&"refused".to_owned()), "{codes:?}");
}

#[tokio::test]
async fn an_adoption_is_told_of_when_whoever_was_met_first_has_left() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let mut both = Vec::new();
    let names = ["u1@acme.example", "u0@acme.example"];
    for name in names {
        let entered = gateway.enter(json!({"email": name}), &[]).await;
        both.push(entered.unwrap().member);
    }
    let sent = json!({
        "userName": names[1], "externalId": "S-1", "emails": [{"value": names[0]}],
    });
    assert_eq!(scim.send("POST", "/Users", Some(&sent)).await.0, 409);
    let told = gateway.whole(&key, "S-1").await;
    let met = told["reasons"][0]["member"].clone();
    let meant = both.iter().find(|id| json!(id) != met).unwrap();
    let path = format!("/directories/{}/adoption", scim.directory.id);
    let adopt = json!({"user_name": "u0@acme.example", "member": meant});
    gateway.asked(&key, ("POST", &path), adopt, 200).await;
    let first = both.iter().find(|id| json!(id) == met).unwrap();
    gateway.remove(*first).await.unwrap();
    let told = gateway.whole(&key, "S-1").await;
    let reason = &told["reasons"][0];
    assert_eq!(
        (&reason["code"], &reason["member"]),
        (&json!("adopted"), &json!(meant)),
        "{told}"
    );
}
