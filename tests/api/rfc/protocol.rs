//! The requests of RFC 7644 but for PATCH.

use serde_json::{Value, json};

use super::{BABS, ENTERPRISE, Stage, examples, fixture, text};

// RFC 7644 sections 3.3 and 3.4.1
#[tokio::test]
async fn a_user_is_made_and_read() {
    let mut stage = Stage::new().await;
    let made = stage.run("create").await;
    stage
        .ids
        .push((BABS.to_owned(), text(&made["id"]).to_owned()));
    let more = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "add", "value": {
            "phoneNumbers": [{"value": "555-555-8377", "type": "work"}],
            "emails": [{"value": "bjensen@example.com", "type": "work"}],
        }}],
    });
    let path = stage.fill(&format!("/Users/{BABS}"));
    assert_eq!(stage.scim.send("PATCH", &path, Some(&more)).await.0, 200);
    stage.run("read").await;
}

// RFC 7644 sections 3.4.2, 3.4.2.4 and 3.9
#[tokio::test]
async fn users_are_listed_with_what_is_asked_for() {
    let mut stage = Stage::new().await;
    let james = "c75ad752-64ae-4823-840d-ffa80929976c";
    for (id, name) in [(BABS, "bjensen"), (james, "jsmith")] {
        stage
            .make("/Users", id, json!({"userName": name, "title": "x"}))
            .await;
    }
    let list = stage.run("user names of all").await;
    for user in list["Resources"].as_array().unwrap() {
        assert!(user.get("title").is_none(), "{user}");
    }
    stage.run("projection").await;
    for at in 2..100 {
        let name = format!("user{at}");
        stage
            .scim
            .created("/Users", &json!({"userName": name}))
            .await;
    }
    let page = stage.run("first ten").await;
    assert_eq!(page["Resources"].as_array().unwrap().len(), 10);
    let next = stage.read("/Users?startIndex=11&count=10").await;
    assert_eq!(next["startIndex"], 11);
    assert_eq!(next["itemsPerPage"], 10);
}

// RFC 7644 section 3.4.2.2, figure 2
#[tokio::test]
async fn the_example_filters_find_whom_they_mean() {
    let stage = Stage::new().await;
    let fixture = fixture(include_str!("../fixtures/rfc/filters.json"));
    let mut everybody = Vec::new();
    for user in fixture["users"].as_array().unwrap() {
        stage.scim.created("/Users", user).await;
        everybody.push(user["userName"].clone());
    }
    let filters = fixture["filters"].as_array().unwrap();
    assert_eq!(filters.len(), 17);
    for example in filters {
        let filter = text(&example["filter"]);
        let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let found = stage.read(&format!("/Users?filter={encoded}")).await;
        let users = found["Resources"].as_array().unwrap();
        let names: Vec<_> = users.iter().map(|user| user["userName"].clone()).collect();
        let expected = match &example["finds"] {
            Value::Array(names) => names,
            _ => &everybody,
        };
        assert_eq!(&names, expected, "{filter}");
    }
}

// RFC 7644 section 3.5.1
#[tokio::test]
async fn a_put_replaces_everything() {
    let stage = Stage::with_babs(
        json!({"title": "Tour Guide", "roles": [{"value": "guide"}]}),
        &[],
    )
    .await;
    let put = stage.run("replace").await;
    assert!(put.get("title").is_none() && put.get("roles").is_none());
    assert_eq!(put, stage.read(&format!("/Users/{BABS}")).await);
}

// RFC 7644 sections 3.6, 3.11 and 3.12
#[tokio::test]
async fn a_deleted_user_is_gone_and_me_is_nobody() {
    let stage = Stage::with_babs(json!({}), &[]).await;
    stage.run("delete").await;
    stage.run("read what is deleted").await;
    stage
        .scim
        .created("/Users", &json!({"userName": "bjensen"}))
        .await;
    stage.run("me").await;
}

// RFC 7644 section 3.4.3, figures 4 and 5
#[tokio::test]
async fn a_search_goes_over_users_and_groups() {
    let stage = Stage::new().await;
    for at in 0..60 {
        let user = json!({"userName": format!("u{at}"), "displayName": format!("Smith, {at}")});
        stage.scim.created("/Users", &user).await;
        let other =
            json!({"userName": format!("o{at}"), "displayName": "Jensen", "title": "Smith"});
        stage.scim.created("/Users", &other).await;
    }
    for at in 0..40 {
        let group = json!({"displayName": format!("Smith Family {at}")});
        stage.scim.created("/Groups", &group).await;
    }
    let page = stage.run("search").await;
    for found in page["Resources"].as_array().unwrap() {
        let shown = found.as_object().unwrap();
        let names: Vec<_> = shown.keys().map(String::as_str).collect();
        assert!(
            names
                .iter()
                .all(|name| ["schemas", "id", "userName", "displayName"].contains(name)),
            "{names:?}"
        );
        assert!(text(&found["displayName"]).starts_with("Smith"));
    }
}

// RFC 7644 section 3.14
#[tokio::test]
async fn versions_guard_what_is_read_and_written() {
    let stage = Stage::with_babs(json!({}), &[]).await;
    stage.run("retrieve what is known").await;
    // The tag that is printed is not the one that is there.
    let mut example = examples().remove("replace").unwrap();
    example.if_match = false;
    let before = stage.read(&format!("/Users/{BABS}")).await;
    let path = stage.fill(&format!("/scim/v2{}", example.path));
    let token = format!("Bearer {}", stage.scim.token);
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/scim+json"),
        ("if-match", "W/\"a330bc54f0671c9\""),
    ];
    let body = stage.filled(&example.body).to_string();
    let answer = stage
        .gateway
        .exchange("PUT", &path, &headers, Some(body))
        .await;
    assert_eq!(answer.status, 412);
    assert_eq!(answer.body["status"], "412");
    assert_eq!(stage.read(&format!("/Users/{BABS}")).await, before);
}

// RFC 7644 section 3.7.1: a circle of groups is not resolved here, which is 409.
#[tokio::test]
async fn groups_in_a_circle_conflict() {
    let stage = Stage::new().await;
    let answer = stage.run("bulk circular").await;
    for outcome in answer["Operations"].as_array().unwrap() {
        assert_eq!(outcome["status"], "409", "{answer}");
    }
    assert_eq!(stage.read("/Groups").await["totalResults"], 0);
}

/// The resource that an operation of this `bulkId` made.
async fn made(stage: &Stage, answer: &Value, bulk_id: &str) -> Value {
    let operations = answer["Operations"].as_array().unwrap();
    let made = operations
        .iter()
        .find(|it| it["bulkId"] == bulk_id)
        .unwrap();
    let location = text(&made["location"]);
    let resource = stage
        .read(location.strip_prefix(&stage.base).unwrap())
        .await;
    assert_eq!(made["version"], resource["meta"]["version"]);
    resource
}

// RFC 7644 section 3.7.2
#[tokio::test]
async fn references_between_operations_become_ids() {
    let stage = Stage::new().await;
    let answer = stage.run("bulk user and group").await;
    let alice = made(&stage, &answer, "qwerty").await;
    let guides = made(&stage, &answer, "ytrewq").await;
    assert_eq!(guides["displayName"], "Tour Guides");
    let member = &guides["members"][0];
    assert_eq!(member["value"], alice["id"]);
    assert_eq!(member["$ref"], alice["meta"]["location"]);
    assert_eq!(member["type"], "User");

    let stage = Stage::new().await;
    let answer = stage.run("bulk manager").await;
    let alice = made(&stage, &answer, "qwerty").await;
    let bob = made(&stage, &answer, "ytrewq").await;
    assert_eq!(bob[ENTERPRISE]["employeeNumber"], "11250");
    assert_eq!(bob[ENTERPRISE]["manager"]["value"], alice["id"]);
}

const BOB: &str = "b7c14771-226c-4d05-8860-134711653041";
const DAVE: &str = "5d8d29d3-342c-4b5f-8683-a3cb6763ffcc";
const GONE: &str = "e9025315-6bea-44e1-899c-1e07454e468b";

/// The users that the examples of section 3.7.3 speak of.
async fn with_bulk_users(ids: &[&str]) -> Stage {
    let mut stage = Stage::new().await;
    for (at, id) in ids.iter().enumerate() {
        let user = json!({"userName": format!("before{at}"), "nickName": "Nick"});
        stage.make("/Users", id, user).await;
    }
    // In the place of the versions that are printed.
    for printed in ["3694e05e9dff591", "edac3253e2c0ef2", "0ee8add0a938e1a"] {
        stage.ids.push((printed.to_owned(), "1".to_owned()));
    }
    stage
}

// RFC 7644 section 3.7.3
#[tokio::test]
async fn operations_in_one_request_do_what_each_would() {
    let stage = with_bulk_users(&[BOB, DAVE, GONE]).await;
    stage.run("bulk several").await;
    for (id, name) in [(BOB, "Bob"), (DAVE, "Dave")] {
        let user = stage.read(&format!("/Users/{id}")).await;
        assert_eq!(user["userName"], name);
        assert!(user.get("nickName").is_none(), "{user}");
    }
    let path = stage.fill(&format!("/Users/{GONE}"));
    assert_eq!(stage.scim.send("GET", &path, None).await.0, 404);
    assert_eq!(stage.read("/Users").await["totalResults"], 3);
}

// RFC 7644 section 3.7.3
#[tokio::test]
async fn the_first_error_ends_a_request_that_says_so() {
    let stage = with_bulk_users(&[BOB, DAVE, GONE]).await;
    stage
        .scim
        .created("/Users", &json!({"userName": "alice"}))
        .await;
    let answer = stage.run("bulk first error").await;
    let failed = &answer["Operations"][0];
    assert_eq!(failed["status"], failed["response"]["status"]);
    assert!(failed.get("location").is_none(), "{failed}");
    let user = stage.read(&format!("/Users/{BOB}")).await;
    assert_eq!(user["userName"], "before0", "nothing came after it");
}

// RFC 7644 section 3.7.3
#[tokio::test]
async fn every_operation_may_fail_alone() {
    let mut stage = with_bulk_users(&[BOB, DAVE]).await;
    stage
        .scim
        .created("/Users", &json!({"userName": "alice"}))
        .await;
    for (_, version) in stage.ids.iter_mut().filter(|(_, ours)| ours == "1") {
        "7".clone_into(version);
    }
    let answer = stage.run("bulk all errors").await;
    let statuses: Vec<_> = answer["Operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|outcome| text(&outcome["status"]))
        .collect();
    assert_eq!(statuses, ["409", "412", "412", "404"]);
}
