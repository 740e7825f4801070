//! Registered schemas and resource types behave like the built-in ones.

use gatehouse::changes::Origin;
use gatehouse::directory::{DirectoryKind, Mode, NewDirectory};
use gatehouse::error::Error;
use gatehouse::workspace::schemas;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, operations};

const DEVICE: &str = "urn:example:params:scim:schemas:Device";
const WARRANTY: &str = "urn:example:params:scim:schemas:extension:Warranty";
const BADGE: &str = "urn:example:params:scim:schemas:extension:Badge";

fn device() -> Value {
    json!({"id": DEVICE, "name": "Device", "attributes": [
        {"name": "serial", "type": "string", "required": true, "caseExact": true,
         "uniqueness": "server", "mutability": "immutable"},
        {"name": "label", "type": "string", "uniqueness": "server"},
        {"name": "secret", "type": "string", "returned": "never"},
        {"name": "pin", "type": "string", "mutability": "writeOnly", "returned": "never"},
        {"name": "notes", "type": "string", "returned": "request"},
        {"name": "state", "type": "string", "returned": "always", "canonicalValues": ["in", "out"]},
        {"name": "checked", "type": "dateTime"},
        {"name": "weight", "type": "decimal"},
        {"name": "ports", "type": "integer"},
        {"name": "active", "type": "boolean"},
        {"name": "seen", "type": "string", "mutability": "readOnly"},
        {"name": "members", "type": "string", "multiValued": true},
        {"name": "tags", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value", "type": "string"}, {"name": "type", "type": "string"},
            {"name": "primary", "type": "boolean"}]},
    ]})
}

fn warranty() -> Value {
    json!({"id": WARRANTY, "name": "Warranty", "attributes": [
        {"name": "until", "type": "dateTime", "required": true},
        {"name": "number", "type": "string", "uniqueness": "server"},
    ]})
}

fn badge() -> Value {
    json!({"id": BADGE, "name": "Badge", "attributes": [
        {"name": "number", "type": "string", "uniqueness": "server", "caseExact": true},
        {"name": "colour", "type": "string"},
        {"name": "issued", "type": "string", "mutability": "immutable"},
        {"name": "code", "type": "string", "returned": "request"},
    ]})
}

fn devices() -> Value {
    json!({"name": "Device", "endpoint": "/Devices", "schema": DEVICE, "schemaExtensions": [
        {"schema": WARRANTY, "required": true}]})
}

async fn register(gateway: &Gateway, documents: Vec<Value>) -> Result<Vec<String>, Error> {
    schemas::add(&gateway.app, &Origin::cli(), &gateway.workspace, documents).await
}

async fn gateway() -> (Gateway, Scim) {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let user = json!({"name": "User", "schemaExtensions": [{"schema": BADGE, "required": false}]});
    let documents = vec![device(), warranty(), badge(), devices(), user];
    register(&gateway, documents).await.unwrap();
    (gateway, scim)
}

fn laptop(serial: &str) -> Value {
    json!({
        "schemas": [DEVICE, WARRANTY], "serial": serial, "label": format!("Laptop {serial}"),
        "externalId": format!("ext-{serial}"), (WARRANTY): {"until": "2030-01-01T00:00:00Z"},
    })
}

async fn refused(scim: &Scim, (method, path): (&str, &str), body: &Value, expect: (u16, &str)) {
    let (status, error) = scim.send(method, path, Some(body)).await;
    let kind = error["scimType"].as_str().unwrap_or_default();
    assert_eq!((status, kind), expect, "{method} {path} {body}: {error}");
}

#[tokio::test]
async fn a_resource_type_of_ones_own_lives_like_a_built_in_one() {
    let (gateway, scim) = gateway().await;
    let mut body = laptop("A1");
    body["secret"] = "s3cret".into();
    body["pin"] = "1234".into();
    body["notes"] = "dented".into();
    body["state"] = "in".into();
    body["seen"] = "never".into();
    body["members"] = json!(["one", "two"]);
    body["TAGS"] =
        json!([{"value": "x", "type": "a"}, {"value": "X", "type": "a", "primary": true}]);
    body["unknown"] = 1.into();
    let (status, made) = scim.send("POST", "/Devices", Some(&body)).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["schemas"], json!([DEVICE, WARRANTY]));
    assert_eq!(made["meta"]["resourceType"], "Device");
    assert_eq!(made["members"], json!(["one", "two"]));
    // RFC 7643 section 2.4: no two entries share value and type.
    assert_eq!(
        made["tags"],
        json!([{"value": "X", "type": "a", "primary": true}])
    );
    for hidden in ["secret", "pin", "notes", "seen", "unknown"] {
        assert!(made.get(hidden).is_none(), "{hidden}");
    }
    let id = made["id"].as_str().unwrap();
    let path = format!("/Devices/{id}");
    let shown = async |query: &str| scim.send("GET", &format!("{path}?{query}"), None).await.1;
    assert_eq!(shown("").await, made);
    assert_eq!(shown("attributes=notes").await["notes"], "dented");
    let some = shown("attributes=label,secret,pin").await;
    let keys: Vec<_> = some.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["schemas", "id", "label", "state"]);
    let less = shown(&format!("excludedAttributes=state,label,{WARRANTY}")).await;
    assert!(
        less.get("state").is_some() && less.get("label").is_none() && less.get(WARRANTY).is_none()
    );

    refused(
        &scim,
        ("POST", "/Devices"),
        &laptop("A1"),
        (409, "uniqueness"),
    )
    .await;
    let mut twin = laptop("a1");
    refused(&scim, ("POST", "/Devices"), &twin, (409, "uniqueness")).await;
    twin["label"] = "Other".into();
    scim.created("/Devices", &twin).await;
    for (name, wrong) in [
        ("serial", Value::Null),
        ("checked", json!("yesterday")),
        ("ports", json!(1.5)),
        ("weight", json!("heavy")),
        ("active", json!("maybe")),
        ("tags", json!("x")),
        (WARRANTY, json!({})),
        (WARRANTY, json!({"number": "7"})),
    ] {
        let mut body = laptop("B1");
        body[name] = wrong;
        refused(&scim, ("POST", "/Devices"), &body, (400, "invalidValue")).await;
    }
    let mut put = laptop("A1");
    put.as_object_mut().unwrap().shift_remove("serial");
    refused(&scim, ("PUT", &path), &put, (400, "invalidValue")).await;
    put["serial"] = "Z9".into();
    refused(&scim, ("PUT", &path), &put, (400, "mutability")).await;
    put["serial"] = "A1".into();
    put["label"] = "New".into();
    let (status, replaced) = scim.send("PUT", &path, Some(&put)).await;
    assert_eq!((status, &replaced["label"]), (200, &json!("New")));
    assert_eq!(replaced["meta"]["version"], "W/\"2\"");
    assert!(replaced.get("tags").is_none());
    // The old label is free again.
    let mut other = laptop("C1");
    other["label"] = "laptop a1".into();
    let other = scim.created("/Devices", &other).await;
    assert_eq!(
        scim.send("DELETE", &format!("/Devices/{other}"), None)
            .await
            .0,
        204
    );
    let mut again = laptop("C1");
    again["label"] = "laptop A1".into();
    scim.created("/Devices", &again).await;
    gateway.check().await;
}

#[tokio::test]
async fn a_patch_reaches_every_attribute_of_a_registered_type() {
    let (_gateway, scim) = gateway().await;
    let id = scim.created("/Devices", &laptop("A1")).await;
    let path = format!("/Devices/{id}");
    let change = operations(json!([
        {"op": "Add", "path": "tags[type eq \"a\"].value", "value": "x"},
        {"op": "add", "path": "tags", "value": [{"value": "y", "primary": "True"}]},
        {"op": "replace", "path": format!("{WARRANTY}:number"), "value": "W-7"},
        {"op": "replace", "value": {"active": false, "members": ["a"], "weight": 1.5}},
        {"op": "remove", "path": "label"},
    ]));
    let (status, body) = scim.send("PATCH", &path, Some(&change)).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        body["tags"],
        json!([{"type": "a", "value": "x"}, {"value": "y", "primary": true}])
    );
    assert_eq!(body[WARRANTY]["number"], "W-7");
    assert_eq!(
        (&body["active"], &body["members"]),
        (&json!(false), &json!(["a"]))
    );
    assert!(body.get("label").is_none());
    let gone = operations(json!([{"op": "remove", "path": "active"}]));
    let (status, body) = scim.send("PATCH", &path, Some(&gone)).await;
    assert_eq!(status, 200);
    assert!(body.get("active").is_none());
    for (operation, kind) in [
        (
            json!({"op": "replace", "path": "serial", "value": "B"}),
            "mutability",
        ),
        (json!({"op": "remove", "path": "serial"}), "invalidValue"),
        (
            json!({"op": "replace", "path": "seen", "value": "B"}),
            "mutability",
        ),
        (
            json!({"op": "remove", "path": format!("{WARRANTY}:until")}),
            "invalidValue",
        ),
        (
            json!({"op": "replace", "path": "ports", "value": "many"}),
            "invalidValue",
        ),
    ] {
        let body = operations(json!([operation]));
        refused(&scim, ("PATCH", &path), &body, (400, kind)).await;
    }
}

#[tokio::test]
async fn registered_attributes_are_found_and_sorted_by() {
    let (_gateway, scim) = gateway().await;
    for (serial, ports, until) in [
        ("A1", 4, "2030-01-01T00:00:00Z"),
        ("b2", 1, "2031-06-01T12:00:00+02:00"),
        ("C3", 2, "2029-01-01T00:00:00Z"),
    ] {
        let mut body = laptop(serial);
        body["ports"] = ports.into();
        body[WARRANTY]["until"] = until.into();
        body["tags"] = json!([{"value": serial, "type": "t"}]);
        scim.created("/Devices", &body).await;
    }
    let check = async |query: String, expect: &[&str]| {
        let query = query.replace(' ', "%20").replace('"', "%22");
        let (status, list) = scim.send("GET", &format!("/Devices?{query}"), None).await;
        assert_eq!(status, 200, "{query}: {list}");
        let found: Vec<_> = list["Resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["serial"].as_str().unwrap())
            .collect();
        assert_eq!(found, expect, "{query}");
        assert_eq!(list["totalResults"], expect.len());
    };
    check("filter=serial eq \"A1\"".to_owned(), &["A1"]).await;
    check("filter=serial eq \"a1\"".to_owned(), &[]).await;
    check(
        "filter=label co \"LAPTOP\" and ports ge 2".to_owned(),
        &["A1", "C3"],
    )
    .await;
    check(
        format!("filter={WARRANTY}:until gt \"2030-06-01T00:00:00Z\""),
        &["b2"],
    )
    .await;
    check(
        "filter=tags[type eq \"t\" and value sw \"c\"]".to_owned(),
        &["C3"],
    )
    .await;
    check("filter=externalId eq \"ext-b2\"".to_owned(), &["b2"]).await;
    check("filter=externalId eq \"EXT-b2\"".to_owned(), &[]).await;
    check(
        "filter=meta.resourceType eq \"Device\"&sortBy=ports".to_owned(),
        &["b2", "C3", "A1"],
    )
    .await;
    check(
        format!("sortBy={WARRANTY}:until&sortOrder=descending"),
        &["b2", "A1", "C3"],
    )
    .await;
    check("sortBy=externalId".to_owned(), &["A1", "C3", "b2"]).await;
    check(
        "sortBy=serial&startIndex=2&count=5"
            .to_owned()
            .replace("startIndex=2&", ""),
        &["A1", "C3", "b2"],
    )
    .await;
    for filter in [
        "secret eq \"x\"",
        "pin pr",
        "nothing pr",
        "userName eq \"x\"",
    ] {
        let path = format!("/Devices?filter={filter}")
            .replace(' ', "%20")
            .replace('"', "%22");
        let (status, error) = scim.send("GET", &path, None).await;
        assert_eq!(
            (status, &error["scimType"]),
            (400, &json!("invalidFilter")),
            "{filter}"
        );
    }
    let (_, all) = scim
        .send("POST", "/.search", Some(&json!({"filter": "serial pr"})))
        .await;
    assert_eq!(all["totalResults"], 3);
    let (_, bulk) = scim
        .send(
            "POST",
            "/Bulk",
            Some(&json!({"Operations": [
                {"method": "POST", "path": "/Devices", "bulkId": "d", "data": laptop("D4")},
                {"method": "DELETE", "path": "/Devices/bulkId:d"},
            ]})),
        )
        .await;
    let statuses: Vec<_> = bulk["Operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["status"])
        .collect();
    assert_eq!(statuses, ["201", "204"]);
}

#[tokio::test]
async fn an_extension_of_user_behaves_like_the_enterprise_one() {
    let (gateway, scim) = gateway().await;
    let user = |name: &str, badge: Value| json!({"userName": name, (BADGE): badge});
    let body = user(
        "ada",
        json!({"number": "N1", "issued": "2020", "code": "c", "odd": 1}),
    );
    let (status, ada) = scim.send("POST", "/Users", Some(&body)).await;
    assert_eq!(status, 201, "{ada}");
    assert!(ada["schemas"].as_array().unwrap().contains(&json!(BADGE)));
    assert_eq!(ada[BADGE], json!({"number": "N1", "issued": "2020"}));
    let id = ada["id"].as_str().unwrap();
    let path = format!("/Users/{id}");
    refused(
        &scim,
        ("POST", "/Users"),
        &user("eve", json!({"number": "N1"})),
        (409, "uniqueness"),
    )
    .await;
    assert_eq!(gateway.count("users").await, 1);
    scim.created(
        "/Users",
        &user("eve", json!({"number": "n1", "colour": "red"})),
    )
    .await;
    let (_, found) = scim
        .send(
            "GET",
            &format!("/Users?filter={BADGE}:colour%20eq%20%22RED%22"),
            None,
        )
        .await;
    assert_eq!(found["Resources"][0]["userName"], "eve");
    let (_, read) = scim
        .send("GET", &format!("{path}?attributes={BADGE}:code"), None)
        .await;
    assert_eq!(read[BADGE], json!({"code": "c"}));
    let change =
        operations(json!([{"op": "replace", "path": format!("{BADGE}:issued"), "value": "2021"}]));
    refused(&scim, ("PATCH", &path), &change, (400, "mutability")).await;
    let (status, put) = scim
        .send("PUT", &path, Some(&json!({"userName": "ada"})))
        .await;
    assert_eq!(
        (status, &put[BADGE]),
        (200, &json!({"issued": "2020"})),
        "what is written once stays"
    );
    // N1 is free again.
    scim.created("/Users", &user("bob", json!({"number": "N1"})))
        .await;
    let change = operations(json!([{"op": "add", "value": {(format!("{BADGE}:number")): "N1"}}]));
    refused(&scim, ("PATCH", &path), &change, (409, "uniqueness")).await;
    gateway.check().await;
}

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
        name: "beside".to_owned(),
        kind: DirectoryKind::Generic,
        mode: Mode::Live,
        strict: true,
        restore_inactive: false,
    };
    let beside = gateway.scim_of(&gateway.workspace, new).await;
    assert_eq!(
        beside.send("GET", "/Devices", None).await.1["totalResults"],
        0
    );
    beside.created("/Devices", &laptop("A1")).await;
    let mut odd = laptop("B1");
    odd["unknown"] = 1.into();
    refused(&beside, ("POST", "/Devices"), &odd, (400, "invalidValue")).await;
}

#[tokio::test]
async fn what_would_make_stored_resources_wrong_is_refused() {
    let (gateway, scim) = gateway().await;
    scim.created("/Devices", &laptop("A1")).await;
    scim.created("/Users", &json!({"userName": "ada"})).await;
    let refused = async |documents: Vec<Value>| {
        let told = documents.clone();
        assert!(register(&gateway, documents).await.is_err(), "{told:?}");
    };
    let edit = |edit: fn(&mut Vec<Value>)| {
        let mut device = device();
        edit(device["attributes"].as_array_mut().unwrap());
        vec![device]
    };
    refused(edit(|all| {
        all.remove(1);
    }))
    .await;
    refused(edit(|all| all[8]["type"] = "string".into())).await;
    refused(edit(|all| all[11]["multiValued"] = false.into())).await;
    refused(edit(|all| all[1]["required"] = true.into())).await;
    refused(edit(|all| {
        all.push(json!({"name": "owner", "type": "string", "required": true}));
    }))
    .await;
    refused(vec![
        json!({"name": "Device", "endpoint": "/Things", "schema": DEVICE}),
    ])
    .await;
    let badge = json!({"schema": BADGE, "required": true});
    refused(vec![
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
        schema(
            json!([{"name": "a", "type": "string", "multiValued": true, "uniqueness": "server"}]),
        ),
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
