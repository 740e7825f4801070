//! All of one person: what happened to it, what is held of it, and its erasure.

use gatehouse::changes::Origin;
use gatehouse::changes::sequencer::verify_chain;
use gatehouse::store::tables::{self, Kind};
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::{manual, members, status};
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, Scim, member, operations};
use crate::keys::new_key;
use crate::request_log::logged;

impl Gateway {
    /// Sends a request about the workspace `acme`.
    pub(crate) async fn about(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        let body = Some(body).filter(|body| !body.is_null());
        let path = format!("/workspaces/acme{path}");
        self.api(key, method, &path, body.as_ref()).await
    }

    /// Every column in which some text has these letters.
    async fn columns_with(&self, letters: &str) -> Vec<String> {
        let mut tx = self.app.db.one().await.unwrap();
        let all = tables::list(&mut tx).await.unwrap();
        drop(tx);
        let mut found = Vec::new();
        for table in all {
            let texts = table.columns.iter().filter(|(_, kind)| *kind == Kind::Text);
            for (column, _) in texts {
                let texts = self.texts(&table.name, column).await;
                if texts
                    .iter()
                    .any(|text| text.to_lowercase().contains(letters))
                {
                    found.push(format!("{}.{column}", table.name));
                }
            }
        }
        found
    }
}

/// Ada in a group that gives a team; her id as a User and as a member.
async fn ada(gateway: &Gateway, scim: &Scim) -> (String, String) {
    let ada = json!({
        "userName": "ada.lovelace@acme.example", "externalId": "lovelace-1",
        "displayName": "Ada Lovelace", "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"value": "ada.lovelace@acme.example", "primary": true}],
    });
    let user = scim.created("/Users", &ada).await;
    let crew = json!({"displayName": "Crew", "members": [member(&user)]});
    scim.created("/Groups", &crew).await;
    gateway.rule(&["Crew"], "Sailors").await;
    let listed = members::list(&gateway.app, gateway.workspace.id, None, 10).await;
    let mut listed = listed.unwrap().into_iter();
    let found = listed.find(|member| member.display_name.as_deref() == Some("Ada Lovelace"));
    (user, found.unwrap().id.to_string())
}

fn kinds(activity: &Answer) -> Vec<String> {
    assert_eq!(activity.status, 200, "{}", activity.text);
    let items = activity.body["items"].as_array().unwrap().iter();
    items
        .map(|item| item["kind"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_happened_to_a_member_is_told_with_who_did_it() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (user, id) = ada(&gateway, &scim).await;
    let key = gateway.key(&[Permission::MembersManage]).await;
    let rename = json!([{"op": "replace", "path": "userName", "value": "ada.king@acme.example"}]);
    let path = format!("/Users/{user}");
    scim.send("PATCH", &path, Some(&operations(rename))).await;
    let suspend = format!("/members/{id}/suspend");
    gateway.about(&key, "POST", &suspend, json!({})).await;
    gateway.work().await;

    let path = format!("/members/{id}/activity");
    let all = gateway.about(&key, "GET", &path, Value::Null).await;
    assert_eq!(
        kinds(&all),
        [
            "member.suspended",
            "user.updated",
            "member.updated",
            "member.grants_changed",
            "user.created",
            "member.added",
        ]
    );
    let items = all.body["items"].as_array().unwrap();
    assert_eq!(items[0]["by"]["actor"], "api_key");
    let asked = items[0]["by"]["path"].as_str().unwrap();
    assert!(asked.ends_with(&suspend), "{asked}");
    assert_eq!(items[1]["personal"]["user_name"], "ada.king@acme.example");
    assert_eq!(items[1]["directory"], scim.directory.id.to_string());
    assert_eq!(items[3]["detail"]["begun"][0]["name"], "Sailors");
    assert_eq!(items[4]["by"]["method"], "POST");
    assert!(items.iter().all(|item| item["number"].is_i64()));

    let (mut paged, mut next) = (Vec::new(), format!("{path}?limit=4"));
    loop {
        let page = gateway.about(&key, "GET", &next, Value::Null).await;
        paged.extend(page.body["items"].as_array().unwrap().clone());
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            break;
        };
        next = format!("{path}?limit=4&cursor={cursor}");
    }
    assert_eq!(&paged, items);
    // A cursor is good for its member alone.
    let other = next.replace(&id, &user);
    let refused = gateway.about(&key, "GET", &other, Value::Null).await;
    assert_eq!(refused.body["code"], "invalid_cursor", "{}", refused.text);
}

#[tokio::test]
async fn a_member_is_seen_when_a_key_of_its_own_is_used() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (_, id) = ada(&gateway, &scim).await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let path = format!("/members/{id}/activity");
    let before = gateway.about(&key, "GET", &path, Value::Null).await;
    assert_eq!(before.body["last_seen"], Value::Null);
    let role = format!("/members/{id}/roles/admin");
    let made = gateway.about(&key, "PUT", &role, Value::Null).await;
    assert_eq!(made.status, 204, "{}", made.text);
    let mut own = new_key(&[Permission::MembersManage]);
    own.member = id.parse().ok();
    let (own_id, own) = gateway.key_of(Some(&gateway.workspace), own).await;
    let seen = gateway.about(&own, "GET", &path, Value::Null).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    assert!(seen.body["last_seen"].is_string(), "{}", seen.text);
    let issued = &seen.body["items"][0];
    assert_eq!(issued["kind"], "api_key.issued");
    assert_eq!(issued["subject"], own_id.to_string());
}

#[tokio::test]
async fn an_export_has_everything_of_one_person_and_is_told() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (user, id) = ada(&gateway, &scim).await;
    scim.created("/Users", &json!({"userName": "grace.hopper"}))
        .await;
    let manage = gateway.key(&[Permission::MembersManage]).await;
    let edit = json!({"phone": "+442079460958"});
    let path = format!("/members/{id}");
    gateway.about(&manage, "PATCH", &path, edit).await;
    let bearer = format!("Bearer {}", scim.token);
    let own = format!("/scim/v2/Users/{user}");
    gateway.call("GET", &own, &[&bearer], None).await;
    logged(&gateway, &scim).await;

    let path = format!("{path}/export");
    let refused = gateway.about(&manage, "GET", &path, Value::Null).await;
    assert_eq!(refused.status, 403);
    let key = gateway.key(&[Permission::DataExport]).await;
    let export = gateway.about(&key, "GET", &path, Value::Null).await;
    assert_eq!(export.status, 200, "{}", export.text);
    let told = export.header("content-disposition");
    assert!(told.contains(&id), "{told}");
    let all = &export.body;
    assert_eq!(all["member"]["phone"], "+442079460958", "{}", export.text);
    assert_eq!(all["sources"]["phone"], "admin");
    assert_eq!(all["sources"]["email"], json!(["idp"]));
    let said = &all["users"][0];
    assert_eq!(said["document"]["externalId"], "lovelace-1");
    assert_eq!(said["groups"][0]["name"], "Crew");
    let grant = &all["grants"][0];
    assert_eq!(
        (&grant["name"], &grant["cause"]),
        (&json!("Sailors"), &json!("rule"))
    );
    let events = all["events"].as_array().unwrap();
    assert_eq!(events[0]["kind"], "member.exported");
    let added = events.last().unwrap();
    assert_eq!(added["personal"]["display_name"], "Ada Lovelace");
    let requests = all["requests"].as_array().unwrap();
    assert!(
        requests.iter().any(|it| it["method"] == "GET"),
        "{requests:?}"
    );
    assert!(!export.text.contains("hopper"), "{}", export.text);
}

// C257
#[tokio::test]
async fn nothing_personal_is_left_of_who_was_erased_and_the_log_still_holds() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (user, id) = ada(&gateway, &scim).await;
    let key = gateway
        .key(&[Permission::MembersManage, Permission::DataExport])
        .await;
    let edit = json!({"phone": "+442079460958", "user_id": "lovelace-7"});
    let path = format!("/members/{id}");
    let edited = gateway.about(&key, "PATCH", &path, edit).await;
    assert_eq!(edited.status, 200, "{}", edited.text);
    let bearer = format!("Bearer {}", scim.token);
    let asked = "/scim/v2/Users?filter=userName%20eq%20%22ada.lovelace@acme.example%22";
    gateway.call("GET", asked, &[&bearer], None).await;
    gateway
        .call("GET", "/scim/v2/Groups", &[&bearer], None)
        .await;
    let erase = format!("{path}/erase");
    let early = gateway.about(&key, "POST", &erase, json!({})).await;
    assert_eq!(early.status, 409, "{}", early.text);
    let held = gateway
        .about(&key, "POST", &erase, json!({"remove": true}))
        .await;
    assert_eq!(held.status, 409);
    assert!(held.text.contains("idp"), "{}", held.text);
    assert_eq!(
        scim.send("DELETE", &format!("/Users/{user}"), None).await.0,
        204
    );
    gateway.work().await;
    assert!(!gateway.columns_with("lovelace").await.is_empty());
    assert!(logged(&gateway, &scim).await.len() >= 2);

    let erased = gateway.about(&key, "POST", &erase, json!({})).await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    let again = gateway.about(&key, "POST", &erase, json!({})).await;
    assert_eq!(again.body["erased_at"], erased.body["erased_at"]);

    assert_eq!(gateway.columns_with("lovelace").await, Vec::<String>::new());
    assert_eq!(
        gateway.columns_with("442079460958").await,
        Vec::<String>::new()
    );
    let requests = logged(&gateway, &scim).await;
    let text = serde_json::to_string(&requests).unwrap();
    assert!(
        !text.to_lowercase().contains("lovelace") && !text.contains(&user),
        "{text}"
    );
    // What names nobody stays.
    assert!(requests.iter().any(|entry| entry.route == "/Groups"));
    let activity = format!("{path}/activity");
    let activity = gateway.about(&key, "GET", &activity, Value::Null).await;
    assert_eq!(kinds(&activity)[0], "member.erased");
    let items = activity.body["items"].as_array().unwrap();
    let added = items.iter().find(|item| item["kind"] == "member.added");
    assert_eq!(added.unwrap()["erased"], true);
    assert!(items.iter().all(|item| item.get("personal").is_none()));
    let export = gateway
        .about(&key, "GET", &format!("{path}/export"), Value::Null)
        .await;
    assert!(!export.text.to_lowercase().contains("lovelace"));
    // Who did what stays known.
    assert_eq!(export.body["grants"][0]["name"], "Sailors");
    gateway.check().await;
    let bad = verify_chain(&gateway.app, gateway.workspace.id).await;
    assert_eq!(bad.unwrap(), None);

    // The same IdP record is somebody new.
    let (_, new) = ada_again(&gateway, &scim).await;
    assert_ne!(new, id);
    gateway.check().await;
}

async fn ada_again(gateway: &Gateway, scim: &Scim) -> (String, String) {
    let ada = json!({"userName": "ada.lovelace@acme.example", "externalId": "lovelace-1"});
    let user = scim.created("/Users", &ada).await;
    let listed = members::list(&gateway.app, gateway.workspace.id, None, 10).await;
    (user, listed.unwrap()[0].id.to_string())
}

// C257
#[tokio::test]
async fn whom_nobody_may_remove_nobody_erases() {
    let gateway = Gateway::new().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let new = json!({"profile": {"email": "ada@acme.example"}, "roles": ["user"]});
    let made = gateway.about(&key, "POST", "/members", new).await;
    let id = made.body["member"]["id"].as_str().unwrap().to_owned();
    let which = (gateway.workspace.id, id.parse().unwrap());
    let (origin, everything) = (Origin::cli(), Scopes::everything());
    status::protect(&gateway.app, &origin, which, true)
        .await
        .unwrap();
    let erase = format!("/members/{id}/erase");
    let remove = json!({"remove": true});
    let kept = gateway.about(&key, "POST", &erase, remove.clone()).await;
    assert_eq!(kept.status, 409);
    assert!(kept.text.contains("protected"), "{}", kept.text);
    status::protect(&gateway.app, &origin, which, false)
        .await
        .unwrap();
    // Whoever may do less than the member does not.
    let weak = gateway.key(&[Permission::MembersManage]).await;
    let right = manual::Right {
        kind: members::GrantKind::Role,
        name: "admin".to_owned(),
    };
    let by = (&origin, &everything);
    manual::give(&gateway.app, by, which, vec![right.clone()])
        .await
        .unwrap();
    let refused = gateway.about(&weak, "POST", &erase, remove.clone()).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    manual::take(&gateway.app, by, which, vec![right])
        .await
        .unwrap();
    let done = gateway.about(&weak, "POST", &erase, remove).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let shown = gateway
        .about(&key, "GET", &format!("/members/{id}"), Value::Null)
        .await;
    assert_eq!(shown.body["status"], "removed");
    assert_eq!(shown.body["email"], Value::Null);
    // Brought in by the same address it is somebody else.
    let new = json!({"profile": {"email": "ada@acme.example"}});
    let made = gateway.about(&key, "POST", "/members", new).await;
    assert_eq!(made.body["outcome"], "created", "{}", made.text);
    gateway.check().await;
}
