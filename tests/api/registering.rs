//! What may be registered, who sees it, and what may be changed or taken away again.

use gatehouse::changes::Origin;
use gatehouse::directory::NewDirectory;
use gatehouse::error::Error;
use gatehouse::workspace::schemas;
use serde_json::{Value, json};

use crate::gateway::{Gateway, new_directory};
use crate::types::{BADGE, DEVICE, WARRANTY, device, gateway, laptop, refused, register};

#[tokio::test]
async fn discovery_tells_what_is_registered_and_only_in_its_workspace() {
    let (gateway, scim) = gateway().await;
    let foreign = gateway.other_workspace().await;
    let (_, types) = scim.send("GET", "/ResourceTypes", None).await;
    let names: Vec<_> = types["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["User", "Group", "Device"]);
    let (_, kind) = scim.send("GET", "/ResourceTypes/Device", None).await;
    assert_eq!(
        kind["schemaExtensions"],
        json!([{"schema": WARRANTY, "required": true}])
    );
    let (_, user) = scim.send("GET", "/ResourceTypes/User", None).await;
    assert_eq!(
        user["schemaExtensions"][1],
        json!({"schema": BADGE, "required": false})
    );
    let (status, schema) = scim.send("GET", &format!("/Schemas/{DEVICE}"), None).await;
    assert_eq!(status, 200);
    let serial = &schema["attributes"][0];
    for (name, value) in [
        ("name", json!("serial")),
        ("type", json!("string")),
        ("multiValued", json!(false)),
        ("required", json!(true)),
        ("caseExact", json!(true)),
        ("mutability", json!("immutable")),
        ("returned", json!("default")),
        ("uniqueness", json!("server")),
    ] {
        assert_eq!(serial[name], value, "{name}");
    }
    scim.created("/Devices", &laptop("A1")).await;
    assert_eq!(foreign.send("GET", "/Devices", None).await.0, 404);
    assert_eq!(
        foreign
            .send("POST", "/Devices", Some(&laptop("A1")))
            .await
            .0,
        404
    );
    assert_eq!(
        foreign
            .send("GET", &format!("/Schemas/{DEVICE}"), None)
            .await
            .0,
        404
    );
    let (_, body) = foreign
        .send(
            "POST",
            "/Users",
            Some(&json!({"userName": "x", (BADGE): {"number": "1"}})),
        )
        .await;
    assert!(body.get(BADGE).is_none());
    // Another directory of the same workspace has the type, and none of the resources.
    let new = NewDirectory {
        strict: true,
        ..new_directory("beside")
    };
    let beside = gateway.scim_of(&gateway.workspace, new).await;
    assert_eq!(
        beside.send("GET", "/Devices", None).await.1["totalResults"],
        0
    );
    let declared = |serial: &str| {
        let mut body = laptop(serial);
        body["schemas"] = json!([DEVICE, WARRANTY]);
        body
    };
    beside.created("/Devices", &declared("A1")).await;
    let mut odd = declared("B1");
    odd["unknown"] = 1.into();
    refused(&beside, ("POST", "/Devices"), &odd, (400, "invalidValue")).await;
}

#[tokio::test]
async fn what_would_make_stored_resources_wrong_is_refused() {
    let (gateway, scim) = gateway().await;
    scim.created("/Devices", &laptop("A1")).await;
    scim.created("/Users", &json!({"userName": "ada"})).await;
    let no = async |documents: Vec<Value>| {
        let told = documents.clone();
        assert!(register(&gateway, documents).await.is_err(), "{told:?}");
    };
    let edit = |edit: fn(&mut Vec<Value>)| {
        let mut device = device();
        edit(device["attributes"].as_array_mut().unwrap());
        vec![device]
    };
    no(edit(|all| {
        all.remove(1);
    }))
    .await;
    no(edit(|all| all[8]["type"] = "string".into())).await;
    no(edit(|all| all[11]["multiValued"] = false.into())).await;
    no(edit(|all| all[1]["required"] = true.into())).await;
    no(edit(|all| {
        all.push(json!({"name": "owner", "type": "string", "required": true}));
    }))
    .await;
    no(vec![
        json!({"name": "Device", "endpoint": "/Things", "schema": DEVICE}),
    ])
    .await;
    let badge = json!({"schema": BADGE, "required": true});
    no(vec![
        json!({"name": "Group", "schemaExtensions": [badge]}),
        json!({"name": "User"}),
    ])
    .await;
    register(
        &gateway,
        edit(|all| all.push(json!({"name": "owner", "type": "string"}))),
    )
    .await
    .unwrap();
    no(edit(|all| {
        let part = json!({"name": "since", "type": "string", "required": true});
        all[12]["subAttributes"].as_array_mut().unwrap().push(part);
    }))
    .await;
    let required = json!({"schema": BADGE, "required": true});
    no(vec![
        json!({"name": "User", "schemaExtensions": [required]}),
    ])
    .await;
    let mut body = laptop("B1");
    body["owner"] = "ada".into();
    let (_, made) = scim.send("POST", "/Devices", Some(&body)).await;
    assert_eq!(made["owner"], "ada", "the new attribute holds at once");
    let remove = async |key: &str| {
        schemas::remove(&gateway.app, &Origin::cli(), &gateway.workspace, key).await
    };
    for key in ["Device", DEVICE, WARRANTY, BADGE, "User"] {
        assert!(
            matches!(remove(key).await, Err(Error::Conflict(_))),
            "{key}"
        );
    }
    assert!(matches!(
        remove("urn:nothing").await,
        Err(Error::NotFound(_))
    ));
    let (_, list) = scim.send("GET", "/Devices", None).await;
    for device in list["Resources"].as_array().unwrap() {
        let path = format!("/Devices/{}", device["id"].as_str().unwrap());
        assert_eq!(scim.send("DELETE", &path, None).await.0, 204);
    }
    for key in ["Device", DEVICE, WARRANTY] {
        remove(key).await.unwrap();
    }
    assert_eq!(scim.send("GET", "/Devices", None).await.0, 404);
}

#[tokio::test]
async fn a_document_that_does_not_fit_is_refused() {
    let gateway = Gateway::new().await;
    let schema =
        |attributes: Value| json!({"id": "urn:x:y", "name": "Y", "attributes": attributes});
    let simple = json!({"name": "a", "type": "string"});
    let with = |name: &str, value: Value| {
        let mut attribute = simple.clone();
        attribute[name] = value;
        schema(json!([attribute]))
    };
    for document in [
        json!({}),
        json!([]),
        schema(json!([])),
        schema(json!([simple, {"name": "A", "type": "string"}])),
        with("name", json!("a b")),
        with("name", json!("")),
        with("type", json!("text")),
        with("type", json!("complex")),
        with("subAttributes", json!([simple])),
        with("mutability", json!("sometimes")),
        schema(json!([{"name": "a", "type": "boolean", "uniqueness": "server"}])),
        schema(json!([{"name": "a", "type": "binary", "uniqueness": "server"}])),
        schema(
            json!([{"name": "a", "type": "string", "required": true, "mutability": "readOnly"}]),
        ),
        schema(json!([{"name": "a", "type": "complex", "subAttributes": [
            {"name": "b", "type": "complex", "subAttributes": [simple]}]}])),
        schema(Value::Array(
            (0..201)
                .map(|at| json!({"name": format!("a{at}"), "type": "string"}))
                .collect(),
        )),
        json!({"id": "not a urn", "attributes": [simple]}),
        json!({"id": "urn:a]b", "attributes": [simple]}),
        json!({"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [simple]}),
        json!({"name": "Thing", "endpoint": "/Things", "schema": "urn:nothing"}),
        json!({"name": "Thing", "endpoint": "/Things"}),
        json!({"name": "User", "endpoint": "/People"}),
        json!({"name": "Role", "schemaExtensions": []}),
    ] {
        let told = document.to_string();
        let error = register(&gateway, vec![document]).await;
        assert!(
            matches!(error, Err(Error::Invalid { .. })),
            "{told}: {error:?}"
        );
    }
    for endpoint in [
        "/Users", "/Bulk", "/schemas", "/Me", "Things", "/a/b", "/", "/.search", "/a%2fb",
    ] {
        let kind = json!({"name": "Thing", "endpoint": endpoint, "schema": "urn:x:y"});
        let error = register(&gateway, vec![schema(json!([simple])), kind]).await;
        assert!(error.is_err(), "{endpoint}");
    }
    assert_eq!(gateway.count("schemas").await, 0);
}
