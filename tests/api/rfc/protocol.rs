//! The requests of RFC 7644 but for PATCH.

use serde_json::{Value, json};

use super::{BABS, Stage, fixture, text};

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
