//! Who is who, who may set what, and how somebody leaves and comes back.

use gatehouse::changes::Origin;
use gatehouse::directory::{DirectoryKind, Mode, NewDirectory};
use gatehouse::workspace::members;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, member, operations, users};

fn new(name: &str, mode: Mode, restore_inactive: bool) -> NewDirectory {
    NewDirectory {
        name: name.to_owned(),
        kind: DirectoryKind::Generic,
        mode,
        strict: false,
        restore_inactive,
    }
}

fn uniqueness(answer: &(u16, Value)) {
    assert_eq!(answer.0, 409, "{}", answer.1);
    assert_eq!(answer.1["scimType"], "uniqueness");
    assert_eq!(answer.1["status"], "409");
}

async fn member_of(gateway: &Gateway, name: &str) -> members::Member {
    members::find(&gateway.app, gateway.workspace.id, name)
        .await
        .unwrap()
}

// C018
#[tokio::test]
async fn an_external_id_is_never_taken_for_an_id() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ada = users(&scim, "ada", 1).await.remove(0);
    let before = scim.send("GET", &format!("/Users/{ada}"), None).await;
    for (at, external) in ["1", "0", ada.as_str()].iter().enumerate() {
        let body = json!({"userName": format!("x{at}@acme.example"), "externalId": external});
        let id = scim.created("/Users", &body).await;
        assert_ne!(id, *external);
        let by_id = scim.send("GET", &format!("/Users/{external}"), None).await;
        assert_eq!(by_id.0, if *external == ada { 200 } else { 404 });
    }
    assert_eq!(
        scim.send("GET", &format!("/Users/{ada}"), None).await,
        before
    );
}

// C019, C014: the column "member of another way" of the arrival table.
#[tokio::test]
async fn a_name_of_another_directorys_member_is_a_conflict() {
    let gateway = Gateway::new().await;
    let first = gateway.scim().await;
    let live = gateway
        .scim_of(&gateway.workspace, new("second", Mode::Live, false))
        .await;
    let collect = gateway
        .scim_of(&gateway.workspace, new("third", Mode::Collect, false))
        .await;
    let body = json!({"userName": "Ada@acme.example", "title": "first"});
    let ada = first.created("/Users", &body).await;
    let before = member_of(&gateway, "ada@acme.example").await;
    for active in [true, false] {
        let body = json!({"userName": "ada@ACME.example", "active": active, "title": "second"});
        uniqueness(&live.send("POST", "/Users", Some(&body)).await);
    }
    let fact = json!({"userName": "ada@acme.example"});
    let fact = collect.created("/Users", &fact).await;
    assert_eq!(
        collect.send("GET", &format!("/Users/{fact}"), None).await.0,
        200
    );
    let after = member_of(&gateway, "ada@acme.example").await;
    assert_eq!(
        (after.id, after.version, after.status),
        (before.id, before.version, before.status)
    );
    let user = first.send("GET", &format!("/Users/{ada}"), None).await;
    assert_eq!(user.1["title"], "first");
    let conflicts = gateway.count("conflicts").await;
    assert_eq!(
        conflicts, 2,
        "one for each directory, however often it asked"
    );
    gateway.check().await;
}

// C022
#[tokio::test]
async fn nobody_is_renamed_onto_somebody_elses_login() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let other = gateway
        .scim_of(&gateway.workspace, new("other", Mode::Live, false))
        .await;
    let ids = users(&scim, "u", 2).await;
    users(&other, "o", 1).await;
    for taken in [
        "u1@acme.example",
        "U1@ACME.example",
        "ｕ1@acme.example",
        "o0@acme.example",
    ] {
        for body in [
            operations(json!([{"op": "replace", "path": "userName", "value": taken}])),
            operations(json!([{"op": "replace", "value": {"userName": taken}}])),
        ] {
            uniqueness(
                &scim
                    .send("PATCH", &format!("/Users/{}", ids[0]), Some(&body))
                    .await,
            );
        }
        let put = json!({"userName": taken});
        uniqueness(
            &scim
                .send("PUT", &format!("/Users/{}", ids[0]), Some(&put))
                .await,
        );
    }
    let user = scim.send("GET", &format!("/Users/{}", ids[0]), None).await;
    assert_eq!(user.1["userName"], "u0@acme.example");
    // A name that was given up is free, also for another directory.
    let rename =
        operations(json!([{"op": "replace", "path": "userName", "value": "new@acme.example"}]));
    assert_eq!(
        scim.send("PATCH", &format!("/Users/{}", ids[0]), Some(&rename))
            .await
            .0,
        200
    );
    other
        .created("/Users", &json!({"userName": "u0@acme.example"}))
        .await;
    gateway.check().await;
}

// C023
#[tokio::test]
async fn names_that_fold_alike_are_one_name() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    for (first, second) in [
        ("re\u{301}mi@acme.example", "r\u{e9}mi@acme.example"),
        ("ａdmin@acme.example", "admin@acme.example"),
        ("ılk@acme.example", "ilk@acme.example"),
        ("straße@acme.example", "STRASSE@acme.example"),
        ("ᴮᴵᴳ@acme.example", "big@acme.example"),
        ("joan@acme.example", "jo\u{200d}an@acme.example"),
        ("space@acme.example", "space@acme.example "),
    ] {
        scim.created("/Users", &json!({"userName": first})).await;
        let answer = scim
            .send("POST", "/Users", Some(&json!({"userName": second})))
            .await;
        let is_refused = answer.0 == 400 && answer.1["scimType"] == "invalidValue";
        assert!(
            answer.0 == 409 || is_refused,
            "{first} {second}: {}",
            answer.1
        );
        let found = format!("/Users?filter=userName eq \"{first}\"");
        let found = scim.send("GET", &found, None).await;
        assert_eq!(found.1["totalResults"], 1, "{first}");
    }
}

// C025, C026
#[tokio::test]
async fn no_attribute_and_no_name_gives_a_right() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Admins"], "Operations").await;
    let body = json!({
        "userName": "ada@acme.example", "userType": "Owner",
        "roles": [{"value": "admin"}], "entitlements": [{"value": "super_admin"}],
    });
    let ada = scim.created("/Users", &body).await;
    let roles = operations(json!([{"op": "add", "path": "roles", "value": [{"value": "admin"}]}]));
    assert_eq!(
        scim.send("PATCH", &format!("/Users/{ada}"), Some(&roles))
            .await
            .0,
        200
    );
    let listed = members::list(&gateway.app, gateway.workspace.id, None, 10)
        .await
        .unwrap();
    assert!(listed[0].roles.is_empty() && listed[0].teams.is_empty());
    // The try stands in the log.
    assert!(gateway.told("roles").await);
    // The group that the rule waits for comes, and only then is the name bound, to its id.
    let real = scim
        .created("/Groups", &json!({"displayName": "admins"}))
        .await;
    let body = json!({"displayName": "Others", "members": [member(&ada)]});
    let others = scim.created("/Groups", &body).await;
    uniqueness(
        &scim
            .send("POST", "/Groups", Some(&json!({"displayName": "ADMINS"})))
            .await,
    );
    let rename =
        |name: &str| operations(json!([{"op": "replace", "path": "displayName", "value": name}]));
    uniqueness(
        &scim
            .send(
                "PATCH",
                &format!("/Groups/{others}"),
                Some(&rename("Admins")),
            )
            .await,
    );
    assert_eq!(
        scim.send(
            "PATCH",
            &format!("/Groups/{real}"),
            Some(&rename("Elsewhere"))
        )
        .await
        .0,
        200
    );
    assert_eq!(
        scim.send(
            "PATCH",
            &format!("/Groups/{others}"),
            Some(&rename("Admins"))
        )
        .await
        .0,
        200
    );
    assert_eq!(
        gateway.in_team("Operations").await,
        0,
        "a rename moves no rule"
    );
    let add = operations(json!([{"op": "add", "path": "members", "value": [member(&ada)]}]));
    assert_eq!(
        scim.send("PATCH", &format!("/Groups/{real}"), Some(&add))
            .await
            .0,
        200
    );
    assert_eq!(gateway.in_team("Operations").await, 1);
    // A group of the same name in another directory is another group.
    let second = gateway
        .scim_of(&gateway.workspace, new("second", Mode::Live, false))
        .await;
    let ben = users(&second, "ben", 1).await.remove(0);
    let body = json!({"displayName": "Admins", "members": [member(&ben)]});
    second.created("/Groups", &body).await;
    assert_eq!(gateway.in_team("Operations").await, 1);
    gateway.check().await;
}

// C034, C035, C068
#[tokio::test]
async fn every_spelling_of_a_deactivation_has_one_effect() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Crew").await;
    let urn = "urn:ietf:params:scim:schemas:core:2.0:User";
    let spellings = [
        json!([{"op": "replace", "path": "active", "value": false}]),
        json!([{"op": "Replace", "path": "active", "value": "False"}]),
        json!([{"op": "REPLACE", "path": "ACTIVE", "value": "false"}]),
        json!([{"op": "Add", "path": "active", "value": "False"}]),
        json!([{"op": "replace", "value": {"active": false}}]),
        json!([{"op": "replace", "value": {"Active": "FALSE"}}]),
        json!([{"op": "replace", "path": format!("{urn}:active"), "value": false}]),
        json!([{"op": "replace", "value": {format!("{urn}:active"): false}}]),
        json!([{"op": "replace", "path": "active", "value": [false]}]),
    ];
    let ids = users(&scim, "u", spellings.len() + 2).await;
    let all: Vec<_> = ids.iter().map(|id| member(id)).collect();
    scim.created("/Groups", &json!({"displayName": "Crew", "members": all}))
        .await;
    let total = ids.len();
    assert_eq!(gateway.in_team("Crew").await, total);
    for (at, id) in ids.iter().enumerate() {
        let path = format!("/Users/{id}");
        let name = format!("u{at}@acme.example");
        let epoch = gateway.epoch(&name).await;
        let answer = match spellings.get(at) {
            Some(spelling) => {
                scim.send("PATCH", &path, Some(&operations(spelling.clone())))
                    .await
            }
            None if at == spellings.len() => {
                let put = json!({"userName": name, "active": false});
                scim.send("PUT", &path, Some(&put)).await
            }
            None => scim.send("DELETE", &path, None).await,
        };
        assert!([200, 204].contains(&answer.0), "{at}: {}", answer.1);
        assert_eq!(gateway.in_team("Crew").await, total - at - 1, "{at}");
        if answer.0 == 200 {
            assert_eq!(answer.1["active"], false, "{at}");
            assert_eq!(gateway.epoch(&name).await, epoch + 1, "{at}");
            // A PUT that is silent about it re-enables nobody.
            let put = json!({"userName": name, "title": "x"});
            let silent = scim.send("PUT", &path, Some(&put)).await;
            assert_eq!((silent.0, &silent.1["active"]), (200, &json!(false)));
            assert!(silent.1.get("emails").is_none());
        }
    }
    // The same rights are back while the facts are the same.
    for id in &ids[..spellings.len()] {
        let on = operations(json!([{"op": "replace", "path": "active", "value": true}]));
        assert_eq!(
            scim.send("PATCH", &format!("/Users/{id}"), Some(&on))
                .await
                .0,
            200
        );
    }
    assert_eq!(gateway.in_team("Crew").await, spellings.len());
    gateway.check().await;
}

// C040
#[tokio::test]
async fn a_create_that_is_sent_again_changes_nothing() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let full = json!({"userName": "ada@acme.example", "externalId": "e1", "title": "Lead"});
    let id = scim.created("/Users", &full).await;
    let path = format!("/Users/{id}");
    let before = scim.send("GET", &path, None).await;
    let again = json!({"userName": "ADA@acme.example"});
    uniqueness(&scim.send("POST", "/Users", Some(&again)).await);
    assert_eq!(scim.send("GET", &path, None).await, before);
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    scim.send("PATCH", &path, Some(&off)).await;
    uniqueness(&scim.send("POST", "/Users", Some(&again)).await);

    let restoring = gateway
        .scim_of(&gateway.workspace, new("restoring", Mode::Live, true))
        .await;
    let ben = json!({"userName": "ben@acme.example", "externalId": "e2"});
    let id = restoring.created("/Users", &ben).await;
    let path = format!("/Users/{id}");
    for body in [
        &ben,
        &json!({"userName": "benjamin@acme.example", "externalId": "e2"}),
    ] {
        restoring.send("PATCH", &path, Some(&off)).await;
        let (status, body) = restoring.send("POST", "/Users", Some(body)).await;
        assert_eq!(
            (status, &body["id"], &body["active"]),
            (201, &json!(id), &json!(true))
        );
    }
    gateway.check().await;
}

// C041
#[tokio::test]
async fn who_was_deleted_comes_back_as_the_same_member_and_with_nothing() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Crew"], "Crew").await;
    let body = json!({"userName": "ada@acme.example", "externalId": "e1"});
    let ada = scim.created("/Users", &body).await;
    let crew = json!({"displayName": "Crew", "members": [member(&ada)]});
    scim.created("/Groups", &crew).await;
    let was = member_of(&gateway, "ada@acme.example").await;
    assert_eq!(
        scim.send("DELETE", &format!("/Users/{ada}"), None).await.0,
        204
    );
    assert_eq!(
        scim.send("GET", &format!("/Users/{ada}"), None).await.0,
        404
    );
    assert_eq!(
        scim.send("DELETE", &format!("/Users/{ada}"), None).await.0,
        404
    );
    let back = scim.created("/Users", &body).await;
    assert_ne!(back, ada);
    let is = member_of(&gateway, "ada@acme.example").await;
    assert_eq!(is.id, was.id, "the same externalId names the same person");
    assert_eq!(gateway.in_team("Crew").await, 0);
    let read = scim.send("GET", &format!("/Users/{back}"), None).await;
    assert!(read.1.get("groups").is_none());
    // Without that externalId nobody is taken for somebody else.
    scim.send("DELETE", &format!("/Users/{back}"), None).await;
    scim.created(
        "/Users",
        &json!({"userName": "ada@acme.example", "externalId": "e9"}),
    )
    .await;
    assert_ne!(member_of(&gateway, "ada@acme.example").await.id, was.id);
    gateway.check().await;
}

// C013, C006
#[tokio::test]
async fn ids_and_names_of_directories_are_their_own() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let taken = gatehouse::directory::create(
        &gateway.app,
        &Origin::cli(),
        &gateway.workspace,
        new("IDP", Mode::Live, false),
    )
    .await;
    assert!(matches!(taken, Err(gatehouse::error::Error::Taken("name"))));
    for name in ["local", "password", "sso", "scim", "acme"] {
        let other: Scim = gateway
            .scim_of(&gateway.workspace, new(name, Mode::Live, false))
            .await;
        assert_ne!(other.directory.id, scim.directory.id);
        assert_eq!(other.send("GET", "/Users", None).await.1["totalResults"], 0);
    }
    let theirs = users(&scim, "theirs", 1).await.remove(0);
    let other = gateway
        .scim_of(&gateway.workspace, new("sixth", Mode::Live, false))
        .await;
    let group = other.created("/Groups", &json!({"displayName": "G"})).await;
    let nowhere = "019aa000-0000-7000-8000-000000000001";
    for id in [theirs.as_str(), nowhere] {
        let value = json!([{"value": id, "$ref": "http://127.0.0.1:9/Users/1"}]);
        let add = operations(json!([{"op": "add", "path": "members", "value": value}]));
        let answer = other
            .send("PATCH", &format!("/Groups/{group}"), Some(&add))
            .await;
        assert_eq!(answer.0, 200, "skipped and noted");
        assert_eq!(other.members(&group).await.len(), 0);
    }
}
