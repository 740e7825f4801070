//! The PATCH requests of RFC 7644 section 3.5.2.

use serde_json::{Value, json};

use super::{BABS, GUIDES, JAMES, Stage};

/// Runs an example on a group of these members; afterwards it has those.
async fn members(example: &str, before: &[&str], after: &[&str]) {
    let stage = Stage::with_babs(json!({}), before).await;
    for _ in 0..2 {
        stage.run(example).await;
        let group = stage.fill(GUIDES);
        let expected = after.iter().map(|id| stage.fill(id)).collect();
        assert_eq!(stage.scim.members(&group).await, expected, "{example}");
    }
}

// RFC 7644 sections 3.5.2.1 to 3.5.2.3
#[tokio::test]
async fn members_are_patched_as_in_the_examples() {
    members("add a member", &[], &[BABS]).await;
    members("add a member", &[JAMES], &[BABS, JAMES]).await;
    members("remove a member", &[BABS, JAMES], &[JAMES]).await;
    members("remove a member", &[JAMES], &[JAMES]).await;
    members("remove all members", &[BABS, JAMES], &[]).await;
    members("remove and add a member", &[BABS], &[JAMES]).await;
    members("remove and add all members", &[JAMES], &[BABS, JAMES]).await;
    members("replace all members", &[JAMES], &[BABS, JAMES]).await;
}

/// Runs an example on Babs; afterwards this is what changed, null for what is gone.
async fn patched(example: &str, before: Value, after: Value) {
    let stage = Box::pin(Stage::with_babs(before, &[])).await;
    let path = format!("/Users/{BABS}");
    let mut expected = stage.read(&path).await;
    stage.run(example).await;
    let found = stage.read(&path).await;
    for (name, value) in after.as_object().unwrap() {
        expected[name] = value.clone();
    }
    expected["meta"] = found["meta"].clone();
    let parts = expected.as_object_mut().unwrap();
    parts.retain(|_, value| !value.is_null());
    assert_eq!(found, expected, "{example}");
    // RFC 7644 section 3.5.2.1: what is there already changes nothing, not even the time.
    stage.run(example).await;
    assert_eq!(stage.read(&path).await, expected, "{example}, again");
}

// RFC 7644 sections 3.5.2.1 to 3.5.2.3
#[tokio::test]
async fn users_are_patched_as_in_the_examples() {
    let home = json!({"value": "babs@jensen.org", "type": "home"});
    let work = json!({"value": "bjensen@example.com", "type": "work"});
    patched(
        "add attributes",
        json!({"emails": [work], "nickName": "Barbie"}),
        json!({"emails": [work, home], "nickName": "Babs"}),
    )
    .await;
    patched(
        "remove a value",
        json!({"emails": [work, home]}),
        json!({"emails": [home]}),
    )
    .await;
    patched(
        "remove a value",
        json!({"emails": [work]}),
        json!({"emails": null}),
    )
    .await;
    let street = "100 Universal City Plaza";
    let office = json!({"type": "work", "streetAddress": street, "country": "USA"});
    let house = |primary| json!({"type": "home", "streetAddress": "456 Hollywood Blvd", "primary": primary});
    patched(
        "replace an address",
        json!({"addresses": [office, house(true)]}),
        json!({"addresses": [{
            "type": "work", "streetAddress": "911 Universal City Plaza", "locality": "Hollywood",
            "region": "CA", "postalCode": "91608", "country": "US",
            "formatted": "911 Universal City Plaza\nHollywood, CA 91608 US", "primary": true,
        }, house(false)]}),
    )
    .await;
    patched(
        "replace a street",
        json!({"addresses": [office, house(true)]}),
        json!({"addresses": [
            {"type": "work", "streetAddress": "1010 Broadway Ave", "country": "USA"}, house(true),
        ]}),
    )
    .await;
    patched(
        "replace attributes",
        json!({"emails": [{"value": "old@example.com"}], "title": "Tour Guide"}),
        json!({
            "emails": [{"value": "bjensen@example.com", "type": "work", "primary": true}, home],
            "nickName": "Babs",
        }),
    )
    .await;
}

// RFC 7644 section 3.5.2, figure 8
#[tokio::test]
async fn the_example_paths_are_understood() {
    let stage = Stage::with_babs(
        json!({"name": {"familyName": "Jensen"}, "addresses": [{"type": "work", "region": "CA"}]}),
        &[BABS, JAMES],
    )
    .await;
    for (path, on, expect) in [
        ("members", GUIDES, "ok"),
        ("name.familyName", BABS, "ok"),
        ("addresses[type eq \"work\"]", BABS, "ok"),
        (&format!("members[value eq \"{BABS}\"]"), GUIDES, "ok"),
        // Well-formed, but a member has no such part and is not to be changed.
        (
            &format!("members[value eq \"{BABS}\"].displayName"),
            GUIDES,
            "invalidPath",
        ),
    ] {
        let body = json!({"Operations": [{"op": "remove", "path": stage.fill(path)}]});
        let kind = if on == GUIDES { "Groups" } else { "Users" };
        let (status, answer) = stage
            .scim
            .send("PATCH", &stage.fill(&format!("/{kind}/{on}")), Some(&body))
            .await;
        match expect {
            "ok" => assert_eq!(status, 200, "{path}: {answer}"),
            refusal => assert_eq!(answer["scimType"], refusal, "{path}: {answer}"),
        }
    }
}
