//! Bulk: many requests in one, each as good as a request of its own.

use gatehouse::changes::Origin;
use gatehouse::directory::credentials;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

async fn bulk(scim: &Scim, operations: Value) -> Vec<Value> {
    let (status, body) = scim
        .send("POST", "/Bulk", Some(&request(&operations)))
        .await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        body["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"])
    );
    body["Operations"].as_array().unwrap().clone()
}

fn request(operations: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": operations,
    })
}

fn post(bulk_id: &str, user_name: &str) -> Value {
    let data = json!({"schemas": [USER], "userName": user_name});
    json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data})
}

fn statuses(outcomes: &[Value]) -> Vec<&str> {
    outcomes
        .iter()
        .map(|it| it["status"].as_str().unwrap())
        .collect()
}

fn id(outcome: &Value) -> String {
    let location = outcome["location"].as_str().unwrap();
    location.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn operations_do_what_requests_do() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Team").await;
    let ids = users(&scim, "old", 3).await;
    let outcomes = bulk(
        &scim,
        json!([
            post("a", "ada@acme.example"),
            {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {
                "displayName": "Crew", "members": [{"value": "bulkId:a"}, member(&ids[0])]}},
            {"method": "PATCH", "path": "/Groups/bulkId:g", "data": operations(json!([
                {"op": "add", "path": "members", "value": [{"value": "bulkId:late"}]}]))},
            post("late", "late@acme.example"),
            {"method": "PUT", "path": format!("/Users/{}", ids[1]), "version": "W/\"1\"",
             "data": {"userName": "old1@acme.example", "title": "x"}},
            {"method": "PUT", "path": format!("/Users/{}", ids[1]), "version": "W/\"1\"",
             "data": {"userName": "old1@acme.example", "title": "y"}},
            {"method": "DELETE", "path": format!("/Users/{}", ids[2])},
        ]),
    )
    .await;
    assert_eq!(
        statuses(&outcomes),
        ["201", "201", "200", "201", "200", "412", "204"]
    );
    assert_eq!(outcomes[0]["bulkId"], "a");
    assert_eq!(outcomes[0]["method"], "POST");
    assert_eq!(outcomes[0]["version"], "W/\"1\"");
    assert!(outcomes[0].get("response").is_none());
    assert_eq!(outcomes[5]["response"]["status"], "412");
    assert!(outcomes[5]["location"].as_str().unwrap().ends_with(&ids[1]));
    let (ada, late) = (id(&outcomes[0]), id(&outcomes[3]));
    assert_eq!(
        scim.members(&id(&outcomes[1])).await,
        [ada, late, ids[0].clone()].into()
    );
    assert_eq!(
        scim.send("GET", &format!("/Users/{}", ids[2]), None)
            .await
            .0,
        404
    );
    let (_, kept) = scim.send("GET", &format!("/Users/{}", ids[1]), None).await;
    assert_eq!(kept["title"], "x");
    assert_eq!(gateway.in_team("Team").await, 3);
    assert!(
        gateway
            .texts("changes", "method")
            .await
            .contains(&"PATCH".to_owned())
    );
    gateway.check().await;
}

// C053
#[tokio::test]
async fn limits_are_those_that_are_advertised() {
    let gateway = Gateway::with(|config| {
        config.scim.bulk_operations = 10;
        config.limits.body_group_bytes = 20_000;
    })
    .await;
    let scim = gateway.scim().await;
    let (_, config) = scim.send("GET", "/ServiceProviderConfig", None).await;
    assert_eq!(config["bulk"]["supported"], true);
    assert_eq!(config["bulk"]["maxOperations"], 10);
    assert_eq!(config["bulk"]["maxPayloadSize"], 20_000);
    let many = |count: usize| -> Value {
        let all = (0..count).map(|at| post(&at.to_string(), &format!("u{at}@acme.example")));
        all.collect()
    };
    let (status, body) = scim.send("POST", "/Bulk", Some(&request(&many(11)))).await;
    assert_eq!(status, 413);
    assert!(body["detail"].as_str().unwrap().contains("10"), "{body}");
    let mut large = request(&many(1));
    large["Operations"][0]["data"]["title"] = "x".repeat(20_000).into();
    let (status, body) = scim.send("POST", "/Bulk", Some(&large)).await;
    assert_eq!(status, 413);
    assert!(body["detail"].as_str().unwrap().contains("20000"), "{body}");
    assert_eq!(gateway.count("users").await, 0);
    assert_eq!(bulk(&scim, many(10)).await.len(), 10);
}

// C053
#[tokio::test]
async fn too_many_errors_end_the_rest() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let bad = json!({"method": "DELETE", "path": "/Users/nobody"});
    let check = async |fail_on_errors: Value, expect: &[&str]| {
        let mut body = request(&json!([
            bad,
            post("a", &format!("a{fail_on_errors}@acme.example")),
            bad,
            post("b", &format!("b{fail_on_errors}@acme.example")),
        ]));
        body["failOnErrors"] = fail_on_errors;
        let (status, body) = scim.send("POST", "/Bulk", Some(&body)).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(statuses(body["Operations"].as_array().unwrap()), expect);
    };
    check(json!(null), &["404", "201", "404", "201"]).await;
    check(json!(0), &["404"]).await;
    check(json!(1), &["404"]).await;
    check(json!(2), &["404", "201", "404"]).await;
    check(json!(3), &["404", "201", "404", "201"]).await;
    for wrong in [json!(-1), json!("1"), json!(1.5)] {
        let mut body = request(&json!([]));
        body["failOnErrors"] = wrong;
        assert_eq!(scim.send("POST", "/Bulk", Some(&body)).await.0, 400);
    }
}

// C054
#[tokio::test]
async fn references_that_can_be_resolved_are_and_the_others_fail_alone() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let group = |bulk_id: &str, members: &[&str]| {
        let members: Vec<_> = members
            .iter()
            .map(|id| json!({"value": format!("bulkId:{id}")}))
            .collect();
        json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id,
               "data": {"displayName": bulk_id, "members": members}})
    };
    let managed = |bulk_id: &str, by: &str| {
        let mut post = post(bulk_id, &format!("{bulk_id}@acme.example"));
        post["data"]["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] =
            json!({"manager": {"value": format!("bulkId:{by}")}});
        post
    };
    let outcomes = bulk(
        &scim,
        json!([
            group("one", &["two"]), group("two", &["one"]), group("self", &["self"]),
            managed("x", "y"), managed("y", "x"),
            group("lost", &["nobody"]), group("after", &["failed"]),
            {"method": "POST", "path": "/Users", "bulkId": "failed", "data": {"title": "no name"}},
            post("twice", "twice@acme.example"), post("twice", "again@acme.example"),
        ]),
    )
    .await;
    assert_eq!(
        statuses(&outcomes),
        [
            "409", "409", "409", "201", "201", "400", "400", "400", "201", "400"
        ]
    );
    let (x, y) = (id(&outcomes[3]), id(&outcomes[4]));
    let (_, user) = scim.send("GET", &format!("/Users/{x}"), None).await;
    assert_eq!(
        user["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["manager"]["value"],
        json!(y)
    );
    assert_eq!(gateway.count("user_groups").await, 0);
    assert_eq!(gateway.count("users").await, 3);
    let chain: Value = (0..300)
        .map(|at| managed(&format!("c{at}"), &format!("c{}", at + 1)))
        .chain([post("c300", "c300@acme.example")])
        .collect();
    let outcomes = bulk(&scim, chain).await;
    assert!(statuses(&outcomes).iter().all(|status| *status == "201"));
    gateway.check().await;
}

// C055, C005
#[tokio::test]
async fn an_operation_passes_every_check_that_a_request_passes() {
    let gateway = Gateway::new().await;
    let (scim, foreign) = (gateway.scim().await, gateway.other_workspace().await);
    let theirs = users(&foreign, "theirs", 1).await.remove(0);
    let mine = users(&scim, "mine", 1).await.remove(0);
    let data = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let outcomes = bulk(
        &scim,
        json!([
            {"method": "PATCH", "path": format!("/Users/{theirs}"), "data": data},
            {"method": "DELETE", "path": format!("/Users/{theirs}")},
            {"method": "POST", "path": "/../console/api", "bulkId": "a", "data": {}},
            {"method": "POST", "path": "https://host/Users", "bulkId": "b", "data": {}},
            {"method": "POST", "path": "/Bulk", "bulkId": "c", "data": {}},
            {"method": "PATCH", "path": "/Users/%2e%2e/Groups", "data": data},
            {"method": "GET", "path": format!("/Users/{mine}")},
            {"method": "post", "path": "/Users", "bulkId": "d", "data": {"userName": "d"}},
            {"method": "POST", "path": "/Roles", "bulkId": "e", "data": {"displayName": "x"}},
            {"method": "PUT", "path": format!("/Users/{mine}"),
             "data": {"id": theirs, "userName": "mine0@acme.example", "title": "put"}},
            post("good", "good@acme.example"),
        ]),
    )
    .await;
    assert_eq!(
        statuses(&outcomes),
        [
            "404", "404", "400", "400", "400", "400", "400", "400", "400", "200", "201"
        ]
    );
    for outcome in &outcomes[..9] {
        assert_eq!(
            outcome["response"]["status"], outcome["status"],
            "{outcome}"
        );
    }
    let (_, user) = foreign.send("GET", &format!("/Users/{theirs}"), None).await;
    assert_eq!(user["meta"]["version"], "W/\"1\"");
    let (_, user) = scim.send("GET", &format!("/Users/{mine}"), None).await;
    assert_eq!((&user["title"], &user["id"]), (&json!("put"), &json!(mine)));
}

// C055
#[tokio::test]
async fn each_operation_counts_against_the_quota() {
    let gateway = Gateway::with(|config| {
        config.limits.workspace_requests_per_second = Some(25);
    })
    .await;
    let scim = gateway.scim().await;
    let many: Value = (0..60)
        .map(|at| post(&at.to_string(), &format!("u{at}@acme.example")))
        .collect();
    let outcomes = bulk(&scim, many).await;
    let statuses = statuses(&outcomes);
    assert_eq!(statuses.len(), 60);
    assert!(
        statuses.contains(&"429") && statuses.contains(&"201"),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn a_token_that_is_revoked_meanwhile_ends_the_rest() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let many: Value = (0..400)
        .map(|at| post(&at.to_string(), &format!("u{at}@acme.example")))
        .collect();
    let outcomes = bulk(&scim, many);
    let revoke = async {
        while gateway.count("users").await < 3 {
            tokio::task::yield_now().await;
        }
        let (origin, directory) = (Origin::cli(), &scim.directory);
        credentials::revoke(&gateway.app, &origin, directory, scim.credential)
            .await
            .unwrap();
        gateway.count("users").await
    };
    let (outcomes, made) = tokio::join!(outcomes, revoke);
    let statuses = statuses(&outcomes);
    assert_eq!((statuses[0], statuses[399]), ("201", "401"));
    // What was at work when the answer to the revocation went out may still have ended.
    assert!(gateway.count("users").await <= made + 1);
}
