//! Exports of all members: what is in them, who may have them, and that an import reads them back.

use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, member, operations, users};
use crate::members::person;

impl Gateway {
    async fn export(&self, key: &str, format: &str) -> Answer {
        let path = format!("/workspaces/acme/members/export?format={format}");
        self.api(key, "GET", &path, None).await
    }
}

// C208
#[tokio::test]
async fn no_cell_is_a_formula_and_an_import_of_it_finds_nothing_to_do() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    gateway.rule(&["Crew"], "Deck; upper \\ lower").await;
    let names = [
        "=cmd|' /C calc'!A0",
        "+1",
        "-1",
        "@SUM(1)",
        "'=x",
        "say \"a\",\nb;c",
    ];
    let mut ids = Vec::new();
    for (at, name) in names.iter().enumerate() {
        // Of some of them there is no address.
        let body = json!({"userName": format!("u{at}"), "displayName": name});
        ids.push(scim.created("/Users", &body).await);
    }
    let (_, boss) = person(&gateway, &scim, "boss").await;
    let crew = json!({"displayName": "Crew", "members": [member(&ids[0])]});
    scim.created("/Groups", &crew).await;
    let own = json!({
        "email": "own@acme.example", "user_id": "=O-1", "phone": "+442079460958",
        "line": {"kind": "numbered", "number": "+12025550123"}, "manager": boss,
        "time_zone": "Europe/Vienna", "language": "pt-BR",
        "picture": "https://acme.example/own.png",
    });
    let own = gateway
        .enter(own, &[crate::members::role("admin")])
        .await
        .unwrap()
        .member;
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let path = format!("/Users/{}", ids[1]);
    assert_eq!(scim.send("PATCH", &path, Some(&off)).await.0, 200);

    let csv = gateway.export(&key, "csv").await;
    assert_eq!(csv.status, 200, "{}", csv.text);
    assert_eq!(
        csv.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    let name = csv.header("content-disposition");
    assert_eq!(name, "attachment; filename=\"members-acme.csv\"");
    assert_eq!(csv.header("cache-control"), "no-store");
    let mut reader = csv_reader(&csv.text);
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|it| it == name).unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 8);
    for cell in rows.iter().flatten() {
        assert!(
            !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
            "{cell}"
        );
    }
    for (row, name) in rows.iter().zip(names) {
        let cell = &row[at("displayName")];
        let guarded = cell.strip_prefix('\'').unwrap_or(cell);
        assert_eq!(guarded, name, "a reader of CSV has the guarded text");
    }
    assert_eq!(&rows[0][at("teams")], "Deck\\; upper \\\\ lower");
    assert_eq!(&rows[7][at("manager")], "boss@acme.example");
    assert_eq!(&rows[7][at("phone")], "'+442079460958");
    assert_eq!(&rows[7][at("picture")], "https://acme.example/own.png");
    let step = |row: usize, name: &str| !rows[row][at(name)].is_empty();
    for (row, expected) in [
        (0, [true, true, false]),
        (1, [true, true, true]),
        (7, [true, false, false]),
    ] {
        let shown = ["createdAt", "activatedAt", "suspendedAt"].map(|name| step(row, name));
        assert_eq!(shown, expected, "row {row}");
    }
    assert!(csv.text.contains("\r\n"));
    assert!(
        gateway
            .texts("changes", "kind")
            .await
            .contains(&"members.exported".to_owned())
    );

    let json = gateway.export(&key, "json").await;
    let listed = json.body["members"].as_array().expect("whole JSON");
    assert_eq!(listed.len(), 8);
    assert_eq!(listed[7]["id"], json!(own));
    assert_eq!(listed[7]["roles"], json!(["admin"]), "once it is in");
    for (media, text) in [("text/csv", &csv.text), ("application/json", &json.text)] {
        let before = gateway.count("grants").await;
        let read = gateway.import(&key, "", media, text).await;
        assert_eq!(
            read.body["outcomes"],
            json!({"unchanged": 8}),
            "{}",
            read.text
        );
        assert_eq!(gateway.count("grants").await, before);
        for row in read.body["rows"].as_array().unwrap() {
            assert_eq!(row["kept"], json!([]), "{row}");
        }
    }
    gateway.check().await;
}

// C209: as far as keys go: the scope is asked for, it is told of, and nothing is whole in memory
#[tokio::test]
async fn an_export_asks_for_its_own_right_and_comes_in_parts() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let other = gateway.other_workspace().await;
    users(&other, "theirs", 2).await;
    let none = gateway
        .key(&[Permission::MembersRead, Permission::MembersManage])
        .await;
    let key = gateway.key(&[Permission::DataExport]).await;
    let told = |kinds: Vec<String>| {
        let told = kinds.into_iter().filter(|kind| kind == "members.exported");
        told.count()
    };
    let refused = gateway.export(&none, "csv").await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    for wrong in ["xml", "csv&format=csv", "csv&all=true"] {
        assert_eq!(gateway.export(&key, wrong).await.status, 400, "{wrong}");
    }
    assert_eq!(told(gateway.texts("changes", "kind").await), 0);
    let empty = gateway.export(&key, "json").await;
    assert_eq!(empty.body, json!({"members": []}), "{}", empty.text);
    users(&scim, "ours", 501).await;
    let path = "/workspaces/acme/members/export";
    let csv = gateway.api(&key, "GET", path, None).await;
    assert_eq!(csv_reader(&csv.text).records().count(), 501);
    assert!(!csv.text.contains("theirs"));
    let json = gateway.export(&key, "json").await;
    let members = json.body["members"].as_array().map(Vec::len);
    assert_eq!(members, Some(501));
    assert_ne!(json.body["members"][0]["id"], Value::Null);
    assert_eq!(told(gateway.texts("changes", "kind").await), 3);
}

fn csv_reader(text: &str) -> csv::Reader<&[u8]> {
    csv::Reader::from_reader(text.as_bytes())
}
