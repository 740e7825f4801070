//! The brake through the management API.

use gatehouse::admission::brake;
use gatehouse::workspace::keys::Permission;
use serde_json::json;

use crate::brake::off;
use crate::gateway::{Gateway, users};

#[tokio::test]
async fn the_api_shows_sets_releases_and_lets_wait() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    let reader = gateway.key(&[Permission::MembersRead]).await;
    let base = "/workspaces/acme/brake";
    let release = format!("{base}/release");
    let wanted = json!({"people": 3, "percent": 0, "hold_minutes": 5});
    let set = gateway.api(&reader, "PUT", base, Some(&wanted)).await;
    assert_eq!(set.status, 403);
    let set = gateway.api(&key, "PUT", base, Some(&wanted)).await;
    assert_eq!(
        (set.status, &set.body["threshold"]),
        (200, &json!(3)),
        "{}",
        set.text
    );
    for wrong in [
        json!({"people": 0}),
        json!({"percent": 101}),
        json!({"mode": "on"}),
        json!({"hold": 1}),
    ] {
        let set = gateway.api(&key, "PUT", base, Some(&wrong)).await;
        assert_eq!(set.status, 400, "{wrong}");
    }
    let ids = users(&scim, "u", 6).await;
    off(&scim, &ids).await;
    let held = gateway
        .api(&reader, "GET", &format!("{base}/held?limit=2"), None)
        .await;
    assert_eq!(
        held.body["items"].as_array().unwrap().len(),
        2,
        "{}",
        held.text
    );
    assert_eq!(held.body["items"][0]["wants"], "suspended");
    let next = held.body["next_cursor"].as_str().unwrap();
    let rest = gateway
        .api(
            &reader,
            "GET",
            &format!("{base}/held?limit=2&cursor={next}"),
            None,
        )
        .await;
    assert_eq!(
        rest.body["items"].as_array().unwrap().len(),
        1,
        "{}",
        rest.text
    );
    let member = &held.body["items"][0]["member"];
    for wrong in [
        json!({}),
        json!({"all": true, "members": [member]}),
        json!({"members": []}),
    ] {
        let released = gateway.api(&key, "POST", &release, Some(&wrong)).await;
        assert_eq!(released.status, 400, "{wrong}");
    }
    let one = json!({"members": [member]});
    let refused = gateway.api(&reader, "POST", &release, Some(&one)).await;
    assert_eq!(refused.status, 403);
    let released = gateway.api(&key, "POST", &release, Some(&one)).await;
    assert_eq!(released.body, json!({"released": 1, "kept": 0}));
    let again = gateway.api(&key, "POST", &release, Some(&one)).await;
    assert_eq!(again.body, json!({"released": 0, "kept": 0}), "once");
    let waiting = gateway
        .api(
            &key,
            "POST",
            &format!("{base}/wait"),
            Some(&json!({"all": true})),
        )
        .await;
    assert_eq!(waiting.body, json!({"waiting": 2}));
    let shown = gateway.api(&reader, "GET", base, None).await;
    assert_eq!(
        (&shown.body["lost"], &shown.body["held"]),
        (&json!(3), &json!(2))
    );
    // Another workspace's members are nobody here.
    let other = gateway.other_workspace().await;
    let ids = users(&other, "o", 7).await;
    off(&other, &ids).await;
    let theirs = brake::held(&gateway.app, other.directory.workspace, None, 10)
        .await
        .unwrap();
    let theirs = json!({"members": [theirs[0].member]});
    let released = gateway.api(&key, "POST", &release, Some(&theirs)).await;
    assert_eq!(released.body, json!({"released": 0, "kept": 0}));
    gateway.check().await;
}
