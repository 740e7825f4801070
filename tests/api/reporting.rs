//! Whom a member reports to, when that one leaves and comes back.

use gatehouse::changes::Origin;
use gatehouse::workspace::export_many::{self, Format};
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::Gateway;

#[tokio::test]
async fn nobody_reports_to_one_who_was_removed_until_that_one_is_back() {
    let gateway = Gateway::new().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let bring = async |email: &str| {
        let new = json!({"profile": {"email": email}});
        let made = gateway.ask(&key, "POST", "/members", new).await;
        made.body["member"]["id"].as_str().unwrap().to_owned()
    };
    let lead = bring("lead@acme.example").await;
    let ada = bring("ada@acme.example").await;
    let path = format!("/members/{ada}");
    let reports = json!({"manager": lead});
    gateway.asked(&key, ("PATCH", &path), reports, 200).await;
    let manager = async || {
        let shown = gateway.asked(&key, ("GET", &path), Value::Null, 200).await;
        shown["manager"].clone()
    };
    let found = async |filter: &str| {
        let filter = format!("/members?filter={filter}");
        let found = gateway
            .asked(&key, ("GET", &filter), Value::Null, 200)
            .await;
        found["items"].as_array().unwrap().len()
    };
    let by = format!("manager%20eq%20%22{lead}%22");
    let others = format!("manager%20ne%20%22{lead}%22%20and%20manager%20pr");
    let exported = async || {
        let of = (&Origin::cli(), gateway.workspace.id);
        let mut export = export_many::begin(&gateway.app, of.0, of.1, Format::Csv)
            .await
            .unwrap();
        let mut text = Vec::new();
        while let Some(part) = export.next().await.unwrap() {
            text.extend(part);
        }
        let text = String::from_utf8(text).unwrap();
        let mut lines = text.lines();
        let line = lines.find(|line| line.contains(&ada)).unwrap();
        (line.contains("lead@acme.example"), export.count())
    };
    assert_eq!(manager().await, json!(lead));
    assert_eq!((found(&by).await, found("manager%20pr").await), (1, 1));
    assert_eq!(exported().await, (true, 2));
    let of_lead = format!("/members/{lead}");
    gateway
        .asked(&key, ("DELETE", &of_lead), Value::Null, 204)
        .await;
    assert_eq!(manager().await, Value::Null);
    assert_eq!((found(&by).await, found("manager%20pr").await), (0, 0));
    assert_eq!(found(&others).await, 0);
    assert_eq!(found(&format!("not%20({by})")).await, 1);
    assert_eq!(exported().await, (false, 1));
    // What else is written of the member does not forget it.
    let language = json!({"language": "de"});
    gateway.asked(&key, ("PATCH", &path), language, 200).await;
    assert_eq!(bring("lead@acme.example").await, lead);
    assert_eq!(manager().await, json!(lead));
    assert_eq!((found(&by).await, found("manager%20pr").await), (1, 1));
    gateway.check().await;
}

#[tokio::test]
async fn who_has_a_permission_that_is_none_is_not_to_be_told() {
    let gateway = Gateway::with(|config| {
        config.permissions.catalogue = ["chats.close"].map(str::to_owned).into();
    })
    .await;
    let key = gateway.key(&[Permission::MembersRead]).await;
    for (name, status) in [
        ("no.such", 404),
        ("chats.close", 200),
        ("members.manage", 200),
        ("roles.manage", 200),
    ] {
        let path = format!("/permissions/{name}/explanation");
        gateway
            .asked(&key, ("GET", &path), Value::Null, status)
            .await;
    }
    gateway.check().await;
}
