//! Registered schemas and resource types behave like the built-in ones.

use gatehouse::changes::Origin;
use gatehouse::error::Error;
use gatehouse::workspace::schemas;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, operations};

pub(crate) const DEVICE: &str = "urn:example:params:scim:schemas:Device";
pub(crate) const WARRANTY: &str = "urn:example:params:scim:schemas:extension:Warranty";
pub(crate) const BADGE: &str = "urn:example:params:scim:schemas:extension:Badge";

pub(crate) fn device() -> Value {
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
            {"name": "primary", "type": "boolean"},
            {"name": "hush", "type": "string", "returned": "never"},
            {"name": "since", "type": "string", "mutability": "immutable"}]},
        {"name": "made", "type": "complex", "subAttributes": [
            {"name": "by", "type": "string", "mutability": "immutable"},
            {"name": "at", "type": "string"}]},
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

pub(crate) async fn register(
    gateway: &Gateway,
    documents: Vec<Value>,
) -> Result<Vec<String>, Error> {
    schemas::add(&gateway.app, &Origin::cli(), &gateway.workspace, documents).await
}

pub(crate) async fn gateway() -> (Gateway, Scim) {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let user = json!({"name": "User", "schemaExtensions": [{"schema": BADGE, "required": false}]});
    let documents = vec![device(), warranty(), badge(), devices(), user];
    register(&gateway, documents).await.unwrap();
    (gateway, scim)
}

pub(crate) fn laptop(serial: &str) -> Value {
    json!({
        "schemas": [DEVICE, WARRANTY], "serial": serial, "label": format!("Laptop {serial}"),
        "externalId": format!("ext-{serial}"), (WARRANTY): {"until": "2030-01-01T00:00:00Z"},
    })
}

pub(crate) async fn refused(
    scim: &Scim,
    (method, path): (&str, &str),
    body: &Value,
    expect: (u16, &str),
) {
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

// C031
#[tokio::test]
async fn what_is_never_shown_is_never_found_by_not_in_brackets_either() {
    let (_gateway, scim) = gateway().await;
    let mut body = laptop("A1");
    body["tags"] = json!([{"value": "v", "hush": "secret"}]);
    let id = scim.created("/Devices", &body).await;
    for filter in [
        "tags[hush sw \"s\"]",
        "tags[hush sw \"x\"]",
        "tags[value eq \"v\"].hush eq \"secret\"",
        "tags.hush pr",
    ] {
        for path in ["/Devices/.search", "/.search"] {
            let (status, error) = scim
                .send("POST", path, Some(&json!({"filter": filter})))
                .await;
            assert_eq!(
                (status, &error["scimType"]),
                (400, &json!("invalidFilter")),
                "{filter}"
            );
        }
    }
    let path = format!("/Devices/{id}");
    for hush in ["secret", "other"] {
        let operation = json!({"op": "replace", "path": format!("tags[hush eq \"{hush}\"].value"), "value": "w"});
        let (status, answer) = scim
            .send("PATCH", &path, Some(&operations(json!([operation]))))
            .await;
        assert_eq!(
            (status, &answer["tags"]),
            (200, &json!([{"value": "v"}])),
            "{hush}"
        );
    }
}

#[tokio::test]
async fn a_part_that_is_written_once_stays() {
    let (_gateway, scim) = gateway().await;
    let mut body = laptop("A1");
    body["made"] = json!({"by": "ada", "at": "x"});
    body["tags"] = json!([{"value": "v", "since": "2020"}, {"value": "w"}]);
    let id = scim.created("/Devices", &body).await;
    let path = format!("/Devices/{id}");
    for operation in [
        json!({"op": "replace", "path": "made.by", "value": "eve"}),
        json!({"op": "remove", "path": "made.by"}),
        json!({"op": "replace", "path": "tags[value eq \"v\"].since", "value": "2021"}),
        json!({"op": "replace", "path": "tags", "value": [{"value": "v", "since": "2021"}]}),
    ] {
        let change = operations(json!([operation]));
        refused(&scim, ("PATCH", &path), &change, (400, "mutability")).await;
    }
    let mut put = body.clone();
    put["made"]["by"] = "eve".into();
    refused(&scim, ("PUT", &path), &put, (400, "mutability")).await;
    for operation in [
        json!({"op": "replace", "path": "made.at", "value": "y"}),
        json!({"op": "add", "path": "tags[value eq \"w\"].since", "value": "2022"}),
        json!({"op": "remove", "path": "tags[value eq \"v\"]"}),
    ] {
        let change = operations(json!([operation]));
        assert_eq!(
            scim.send("PATCH", &path, Some(&change)).await.0,
            200,
            "{change}"
        );
    }
}
