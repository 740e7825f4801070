//! The representations of RFC 7643 section 8.

use serde_json::{Value, json};

use super::{BABS, ENTERPRISE, Stage, contains, fixture, text};

/// A representation is taken as a creation, and given back but for the parts named.
async fn comes_back(document: &str, parts: &[(&str, &str)]) {
    let stage = Stage::new().await;
    let mut document = fixture(document);
    let id = stage.scim.created("/Users", &document).await;
    let read = stage.read(&format!("/Users/{id}")).await;
    for (holder, part) in parts {
        let holder = document.pointer_mut(holder).unwrap().as_object_mut();
        assert!(holder.unwrap().remove(*part).is_some(), "{part}");
    }
    let document = fixture(&document.to_string().replace(BABS, &id));
    let mut document = stage.filled(&document);
    // A relative reference in the text is an absolute one here.
    document["meta"]["location"] = json!(format!("{}/Users/{id}", stage.base));
    contains(&document, &read, false).unwrap();
    for absent in ["password", "groups"] {
        assert!(read.get(absent).is_none(), "{absent}: {read}");
    }
}

// RFC 7643 section 8.1
#[tokio::test]
async fn the_minimal_user_comes_back() {
    comes_back(include_str!("../fixtures/rfc/user_minimal.json"), &[]).await;
}

// RFC 7643 section 8.2
#[tokio::test]
async fn the_full_user_comes_back() {
    let own = [("", "password"), ("", "groups")];
    comes_back(include_str!("../fixtures/rfc/user_full.json"), &own).await;
}

// RFC 7643 section 8.3
#[tokio::test]
async fn the_enterprise_user_comes_back() {
    let manager = format!("/{ENTERPRISE}/manager");
    let own = [
        ("", "password"),
        ("", "groups"),
        // Read-only, and the manager is nobody here.
        (manager.as_str(), "displayName"),
    ];
    comes_back(include_str!("../fixtures/rfc/user_enterprise.json"), &own).await;
}

// RFC 7643 section 8.4
#[tokio::test]
async fn the_group_comes_back_with_names_on_request() {
    let mut stage = Stage::new().await;
    let mandy = "902c246b-6245-4190-8e05-00816be7344a";
    for (id, name) in [(BABS, "Babs Jensen"), (mandy, "Mandy Pepperidge")] {
        let user = json!({"userName": name, "displayName": name});
        stage.make("/Users", id, user).await;
    }
    let group = fixture(include_str!("../fixtures/rfc/group.json"));
    let id = stage.scim.created("/Groups", &stage.filled(&group)).await;
    let named = "displayName,members.value,members.$ref,members.display,meta";
    let read = stage
        .read(&format!("/Groups/{id}?attributes={named}"))
        .await;
    stage.ids.push((text(&group["id"]).to_owned(), id));
    contains(&stage.filled(&group), &read, false).unwrap();
}

// RFC 7643 section 8.5
#[tokio::test]
async fn the_service_provider_config_has_the_shape_of_the_example() {
    fn same_shape(expected: &Value, found: &Value, at: &str) {
        match (expected, found) {
            (Value::Object(expected), Value::Object(found)) => {
                for (name, value) in expected {
                    // There is no page to point at; a constant document has no times.
                    let own = ["documentationUri", "created", "lastModified", "version"];
                    if !own.contains(&name.as_str()) {
                        same_shape(value, &found[name], &format!("{at}/{name}"));
                    }
                }
            }
            (Value::Array(expected), Value::Array(found)) => {
                assert!(!found.is_empty(), "{at}");
                for value in found {
                    same_shape(&expected[0], value, at);
                }
            }
            (Value::Bool(_), Value::Bool(_))
            | (Value::Number(_), Value::Number(_))
            | (Value::String(_), Value::String(_)) => {}
            _ => panic!("{at}: {found} instead of {expected}"),
        }
    }
    let stage = Stage::new().await;
    let expected = fixture(include_str!("../fixtures/rfc/service_provider_config.json"));
    let found = stage.read("/ServiceProviderConfig").await;
    same_shape(&expected, &found, "");
    assert_eq!(found["schemas"], expected["schemas"]);
    assert_eq!(
        found["meta"]["location"],
        json!(format!("{}/ServiceProviderConfig", stage.base))
    );
}

// RFC 7643 section 8.6
#[tokio::test]
async fn the_resource_types_are_those_of_the_example() {
    let stage = Stage::new().await;
    let mut expected = fixture(include_str!("../fixtures/rfc/resource_types.json"));
    for kind in expected.as_array_mut().unwrap() {
        // Words for people.
        kind.as_object_mut().unwrap().remove("description");
    }
    // A user without the extension is fine here.
    expected[0]["schemaExtensions"][0]["required"] = json!(false);
    let found = stage.read("/ResourceTypes").await;
    contains(&stage.filled(&expected), &found["Resources"], false).unwrap();
}
