//! Addresses that a directory says of its people, which others see as links and pictures.

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::hostile::{patch, refused, standing};

// C206
#[tokio::test]
async fn addresses_of_pictures_and_profiles_are_https_alone() {
    let gateway = Gateway::new().await;
    let (scim, path, _) = standing(&gateway).await;
    let own = "https://photos.acme.example/ada?size=2#top";
    let put = json!({
        "userName": "ada@acme.example", "profileUrl": own,
        "photos": [{"value": own, "type": "photo"}],
    });
    assert_eq!(scim.send("PUT", &path, Some(&put)).await.0, 200);
    let before = scim.send("GET", &path, None).await;
    assert_eq!(before.1["profileUrl"], own);
    assert_eq!(before.1["photos"][0]["value"], own);
    let replace =
        |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    for bad in [
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "http://169.254.169.254/latest/meta-data/",
        "HTTP://acme.example/ada",
        "file:///etc/passwd",
        "//acme.example/ada",
        "/ada.png",
        "ada",
        "https://",
        "https:",
        "https:acme.example",
        "https://?x",
        "https://acme.example:port/",
        " https://acme.example/",
        "https://acme.example/\n",
        "\u{1}javascript:alert(1)",
    ] {
        for sent in [
            json!({"profileUrl": bad}),
            json!({"photos": [{"value": bad, "type": "photo"}]}),
            json!({"photos": [{"value": own}, {"value": bad}]}),
        ] {
            let mut body = sent.clone();
            body["userName"] = json!("ada@acme.example");
            refused(&scim.send("PUT", &path, Some(&body)).await, "invalidValue");
            body["userName"] = json!("new@acme.example");
            refused(
                &scim.send("POST", "/Users", Some(&body)).await,
                "invalidValue",
            );
            let ops = json!([{"op": "replace", "value": sent}]);
            refused(&patch(&scim, &path, ops).await, "invalidValue");
        }
        for ops in [
            replace("profileUrl", json!(bad)),
            replace("photos", json!([{"value": bad}])),
            replace("photos.value", json!(bad)),
            replace("photos[type eq \"photo\"].value", json!(bad)),
            replace("photos[type eq \"photo\"]", json!({"value": bad})),
            replace("photos[type eq \"thumbnail\"].value", json!(bad)),
            json!([{"op": "add", "path": "photos", "value": [{"value": bad}]}]),
        ] {
            let answer = patch(&scim, &path, ops).await;
            assert_eq!(scim.send("GET", &path, None).await, before, "{bad}");
            refused(&answer, "invalidValue");
        }
    }
    assert_eq!(gateway.count("users").await, 1, "nobody was made");
    // What is no address stays free, and so do its letters.
    let fine = json!([
        {"op": "replace", "path": "profileUrl", "value": "HTTPS://acme.example"},
        {"op": "replace", "path": "photos[type eq \"photo\"].display", "value": "javascript:"},
        {"op": "replace", "path": "title", "value": "data:x"},
    ]);
    assert_eq!(patch(&scim, &path, fine).await.0, 200);
    let gone = replace("profileUrl", json!(""));
    let after = patch(&scim, &path, gone).await;
    assert_eq!((after.0, after.1.get("profileUrl")), (200, None));
}
