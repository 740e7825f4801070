//! Members, teams and roles through the management API.

use gatehouse::changes::Origin;
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::{lifecycle, settings};
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, operations};
use crate::keys::new_key;

const BASE: &str = "/workspaces/acme";

impl Gateway {
    /// A key that may do everything that a key of a workspace may.
    async fn manager(&self) -> String {
        self.key(&Permission::ALL[..9]).await
    }

    async fn acme(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        let body = Some(body).filter(|body| !body.is_null());
        self.api(key, method, &format!("{BASE}{path}"), body.as_ref())
            .await
    }
}

fn code(answer: &Answer, status: u16) -> &str {
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.body["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_member_is_made_shown_changed_and_removed() {
    let gateway = Gateway::new().await;
    let key = gateway.manager().await;
    let team = json!({"name": "Support"});
    let team = gateway.acme(&key, "POST", "/teams", team).await;
    assert_eq!(team.status, 201, "{}", team.text);
    let new = json!({
        "profile": {
            "email": "ada@acme.example", "given_name": "Ada", "user_id": "A-1",
            "phone": "+44 20 7946 0958", "line": {"kind": "numberless"}, "language": "en-gb",
        },
        "teams": ["support"], "roles": ["user"],
    });
    let made = gateway.acme(&key, "POST", "/members", new.clone()).await;
    assert_eq!(
        (made.status, &made.body["outcome"]),
        (201, &json!("created")),
        "{}",
        made.text
    );
    let member = &made.body["member"];
    assert_eq!(member["status"], "draft");
    assert_eq!(member["phone"], "+442079460958");
    assert_eq!(member["line"], json!({"kind": "numberless"}));
    assert_eq!(member["language"], "en-GB");
    let again = gateway.acme(&key, "POST", "/members", new).await;
    assert_eq!(
        (again.status, &again.body["outcome"]),
        (200, &json!("merged"))
    );
    let path = format!("/members/{}", member["id"].as_str().unwrap());
    let shown = gateway.acme(&key, "GET", &path, Value::Null).await;
    let tag = shown.header("etag").to_owned();
    assert_eq!(
        shown.body["manual"].as_array().unwrap().len(),
        6,
        "{}",
        shown.text
    );

    let edit = json!({"phone": null, "display_name": "Ada Lovelace"});
    let edited = gateway.acme(&key, "PATCH", &path, edit.clone()).await;
    assert_eq!(edited.status, 200, "{}", edited.text);
    assert_eq!(edited.body["phone"], Value::Null);
    assert_ne!(edited.header("etag"), tag);
    let bearer = format!("Bearer {key}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("if-match", tag.as_str()),
        ("content-type", "application/json"),
    ];
    let full = format!("/api/v1{BASE}{path}");
    let stale = gateway
        .exchange("PATCH", &full, &headers, Some(edit.to_string()))
        .await;
    assert_eq!(code(&stale, 412), "version_mismatch");
    for (wrong, names) in [
        (json!({"phone": "12"}), "phone"),
        (json!({"colour": "red"}), "colour"),
        (json!({"manager": member["id"]}), "manager"),
    ] {
        let refused = gateway.acme(&key, "PATCH", &path, wrong).await;
        assert!([400, 409].contains(&refused.status), "{}", refused.text);
        assert!(
            refused.body["detail"].as_str().unwrap().contains(names),
            "{}",
            refused.text
        );
    }
    let suspended = gateway
        .acme(&key, "POST", &format!("{path}/suspend"), json!({}))
        .await;
    assert_eq!(code(&suspended, 409), "conflict");
    let gone = gateway.acme(&key, "DELETE", &path, Value::Null).await;
    assert_eq!(gone.status, 204);
    for (method, body) in [("PATCH", json!({"phone": null})), ("DELETE", Value::Null)] {
        let gone = gateway.acme(&key, method, &path, body).await;
        assert_eq!(code(&gone, 404), "not_found", "{method}");
    }
    let nobody = gateway.acme(&key, "POST", "/members", json!({})).await;
    assert_eq!(code(&nobody, 400), "invalid_value");
    gateway.check().await;
}

#[tokio::test]
async fn rights_are_given_and_taken_by_hand() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.manager().await;
    scim.created("/Users", &json!({"userName": "ada@acme.example"}))
        .await;
    let listed = gateway.acme(&key, "GET", "/members", Value::Null).await;
    let path = format!(
        "/members/{}",
        listed.body["items"][0]["id"].as_str().unwrap()
    );
    for right in ["/roles/admin", "/permissions/data.export"] {
        for _ in 0..2 {
            let given = gateway
                .acme(&key, "PUT", &format!("{path}{right}"), Value::Null)
                .await;
            assert_eq!(given.status, 204, "{}", given.text);
        }
    }
    let shown = gateway.acme(&key, "GET", &path, Value::Null).await;
    assert_eq!(shown.body["roles"], json!(["admin"]));
    assert_eq!(shown.body["permissions"], json!(["data.export"]));
    assert_eq!(shown.body["directories"], json!(["idp"]));
    let why = gateway
        .acme(&key, "GET", &format!("{path}/explanation"), Value::Null)
        .await;
    assert_eq!(why.body["grants"][0]["cause"], "api_key", "{}", why.text);
    let kept = gateway
        .acme(&key, "PATCH", &path, json!({"display_name": "X"}))
        .await;
    assert_eq!(code(&kept, 409), "conflict");
    // The last admin; then no longer.
    let admin = format!("{path}/roles/admin");
    let last = gateway.acme(&key, "DELETE", &admin, Value::Null).await;
    assert_eq!(code(&last, 409), "conflict");
    for wrong in [
        "/roles/nobody",
        "/colours/red",
        "/teams/none",
        "/teams/%00",
        "/roles/a%00b",
    ] {
        let wrong = gateway
            .acme(&key, "PUT", &format!("{path}{wrong}"), Value::Null)
            .await;
        assert_eq!(code(&wrong, 404), "not_found");
    }
    let unknown = format!("{path}/permissions/chats.burn");
    let unknown = gateway.acme(&key, "PUT", &unknown, Value::Null).await;
    assert_eq!(code(&unknown, 400), "invalid_value");
    let permission = format!("{path}/permissions/data.export");
    assert_eq!(
        gateway
            .acme(&key, "DELETE", &permission, Value::Null)
            .await
            .status,
        204
    );
    let suspend = format!("{path}/suspend");
    assert_eq!(
        code(&gateway.acme(&key, "POST", &suspend, json!({})).await, 409),
        "conflict"
    );
    gateway.check().await;
}

// C082, C083: nobody gives or takes what one does not have
#[tokio::test]
async fn a_key_gives_and_takes_no_right_beyond_its_own() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let all = gateway.manager().await;
    let helper = gateway
        .key(&[Permission::MembersManage, Permission::RolesManage])
        .await;
    for name in ["ada", "bob"] {
        scim.created("/Users", &json!({"userName": name})).await;
    }
    let listed = gateway.acme(&all, "GET", "/members", Value::Null).await;
    let path = |at: usize| {
        format!(
            "/members/{}",
            listed.body["items"][at]["id"].as_str().unwrap()
        )
    };
    for at in [0, 1] {
        let admin = format!("{}/roles/admin", path(at));
        assert_eq!(
            gateway.acme(&all, "PUT", &admin, Value::Null).await.status,
            204
        );
    }
    let boss = json!({"name": "Boss", "permissions": ["workspace.manage"]});
    let boss = gateway.acme(&all, "POST", "/roles", boss).await;
    assert_eq!(boss.status, 201, "{}", boss.text);
    let boss = format!("/roles/{}", boss.body["id"].as_str().unwrap());
    let own = json!({"name": "Own", "permissions": ["members.manage"]});
    let own = gateway.acme(&helper, "POST", "/roles", own).await;
    assert_eq!(own.status, 201, "{}", own.text);
    let own = format!("/roles/{}", own.body["id"].as_str().unwrap());
    let changes = "changes WHERE kind <> 'request.refused'";
    let before = gateway.count(changes).await;
    for (method, path, body) in [
        ("PUT", format!("{}/roles/admin", path(0)), Value::Null),
        (
            "PUT",
            format!("{}/permissions/data.export", path(0)),
            Value::Null,
        ),
        ("DELETE", format!("{}/roles/admin", path(0)), Value::Null),
        (
            "POST",
            "/roles".to_owned(),
            json!({"name": "X", "permissions": ["data.export"]}),
        ),
        (
            "PATCH",
            own.clone(),
            json!({"permissions": ["members.manage", "keys.manage"]}),
        ),
        ("PATCH", boss.clone(), json!({"permissions": []})),
        ("DELETE", boss, Value::Null),
        // Whoever may do more is not to be written, shut out or taken away either.
        ("PATCH", path(0), json!({"phone": "+442079460958"})),
        ("DELETE", path(0), Value::Null),
        ("POST", format!("{}/suspend", path(0)), json!({})),
        ("POST", format!("{}/activate", path(0)), json!({})),
    ] {
        let refused = gateway.acme(&helper, method, &path, body).await;
        assert_eq!(code(&refused, 403), "insufficient_scope", "{method} {path}");
    }
    let new = json!({"profile": {"email": "eve@acme.example"}, "roles": ["admin"]});
    let refused = gateway.acme(&helper, "POST", "/members", new).await;
    assert_eq!(code(&refused, 403), "insufficient_scope");
    assert_eq!(gateway.count(changes).await, before, "nothing has happened");
    assert_eq!(gateway.count("members").await, 2);
    scim.created("/Users", &json!({"userName": "eve"})).await;
    let listed = gateway.acme(&all, "GET", "/members", Value::Null).await;
    let eve = format!(
        "/members/{}",
        listed.body["items"][2]["id"].as_str().unwrap()
    );
    let given = format!("{eve}/roles/Own");
    assert_eq!(
        gateway
            .acme(&helper, "PUT", &given, Value::Null)
            .await
            .status,
        204
    );
    let off = operations(json!([{"op": "replace", "path": "active", "value": false}]));
    let users = scim.send("GET", "/Users", None).await.1;
    let user = users["Resources"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        scim.send("PATCH", &format!("/Users/{user}"), Some(&off))
            .await
            .0,
        200
    );
    gateway.check().await;
}

// C084: through the doors that exist
#[tokio::test]
async fn a_suspended_workspace_opens_nothing_on_any_node_until_it_is_resumed() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.manager().await;
    let other = gateway.other_workspace().await;
    let second = gateway.second_node().await;
    let open = async || {
        let listed = scim.send("GET", "/Users", None).await.0;
        (
            listed,
            gateway
                .acme(&key, "GET", "/members", Value::Null)
                .await
                .status,
        )
    };
    assert_eq!(open().await, (200, 200));
    lifecycle::suspend(&second, &Origin::cli(), &gateway.workspace)
        .await
        .unwrap();
    // The other node asks the database again within a second.
    let begun = std::time::Instant::now();
    while open().await != (401, 401) {
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    }
    assert_eq!(other.send("GET", "/Users", None).await.0, 200);
    let again = lifecycle::suspend(&second, &Origin::cli(), &gateway.workspace).await;
    assert!(again.is_err());
    lifecycle::resume(&second, &Origin::cli(), &gateway.workspace)
        .await
        .unwrap();
    assert_eq!(open().await, (200, 200));
    let by = (&Origin::cli(), &Scopes::everything());
    let edit = settings::Edit {
        name: Some("Acme Ltd".to_owned()),
        ..settings::Edit::default()
    };
    settings::edit(&second, by, &gateway.workspace, edit)
        .await
        .unwrap();
    let shown = gateway.acme(&key, "GET", "", Value::Null).await;
    assert_eq!(shown.body["slug"], "acme");
    gateway.check().await;
}

#[tokio::test]
async fn an_operator_sets_how_many_seats_there_are() {
    let gateway = Gateway::new().await;
    let key = gateway.manager().await;
    let (_, operator) = gateway
        .key_of(None, new_key(&[Permission::Everything]))
        .await;
    let limit = json!({"limit": 5, "policy": "hold", "contact": "billing@acme.example"});
    let refused = gateway.acme(&key, "PUT", "/seats", limit.clone()).await;
    assert_eq!(code(&refused, 403), "insufficient_scope");
    let set = gateway.acme(&operator, "PUT", "/seats", limit).await;
    assert_eq!(
        (set.status, &set.body["taken"]),
        (200, &json!(0)),
        "{}",
        set.text
    );
    for wrong in [
        json!({}),
        json!({"grace": 1}),
        json!({"limit": 2}),
        json!({"limit": i64::MAX, "grace": 1}),
        json!({"limit": 5, "grace": -1}),
        json!({"limit": 5, "policy": "beg"}),
    ] {
        let refused = gateway.acme(&operator, "PUT", "/seats", wrong).await;
        assert_eq!(code(&refused, 400), "invalid_value");
    }
    let shown = gateway.acme(&key, "GET", "/seats", Value::Null).await;
    assert_eq!(
        (&shown.body["limit"], &shown.body["policy"]),
        (&json!(5), &json!("hold"))
    );
    let none = gateway
        .acme(&operator, "PUT", "/seats", json!({"limit": null}))
        .await;
    assert_eq!((none.status, &none.body["taken"]), (200, &json!(0)));
    gateway.check().await;
}
