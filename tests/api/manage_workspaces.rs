//! A workspace through the management API.

use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::keys::new_key;

const PATH: &str = "/workspaces/acme";

// C084
#[tokio::test]
async fn operators_rename_suspend_and_resume_a_workspace() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (_, operator) = gateway
        .key_of(None, new_key(&[Permission::Everything]))
        .await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let send = async |key: &str, method: &str, what: &str, body: Value| {
        let path = format!("{PATH}{what}");
        gateway.api(key, method, &path, Some(&body)).await
    };
    for (method, what) in [("PATCH", ""), ("POST", "/suspend"), ("POST", "/resume")] {
        let body = json!({"name": "Mine"});
        let refused = send(&key, method, what, body).await;
        assert_eq!(refused.status, 403, "{method} {what}: {}", refused.text);
    }
    let named = send(&operator, "PATCH", "", json!({"name": " Acme & Co "})).await;
    assert_eq!(named.status, 200, "{}", named.text);
    assert_eq!(named.body["name"], "Acme & Co");
    assert!(gateway.told("\"name\":\"Acme & Co\"").await);
    for wrong in [json!({"name": " "}), json!({"slug": "other"})] {
        let refused = send(&operator, "PATCH", "", wrong).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
    let early = send(&operator, "POST", "/resume", json!({})).await;
    assert_eq!(early.status, 409, "{}", early.text);
    let suspended = send(&operator, "POST", "/suspend", json!({})).await;
    assert_eq!(
        (suspended.status, &suspended.body["status"]),
        (200, &json!("suspended"))
    );
    assert_eq!(scim.send("GET", "/Users", None).await.0, 401);
    assert_eq!(gateway.api(&key, "GET", PATH, None).await.status, 401);
    let again = send(&operator, "POST", "/suspend", json!({})).await;
    assert_eq!(again.status, 409, "{}", again.text);
    let resumed = send(&operator, "POST", "/resume", json!({})).await;
    assert_eq!(
        (resumed.status, &resumed.body["status"]),
        (200, &json!("active"))
    );
    assert_eq!(scim.send("GET", "/Users", None).await.0, 200);
    let shown = gateway.api(&key, "GET", PATH, None).await;
    assert_eq!(shown.body["name"], "Acme & Co");
    gateway.check().await;
}
