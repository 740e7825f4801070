//! Cheap requests that would be dear to answer.

use serde_json::json;

use crate::gateway::{Gateway, operations, users};

// C057
#[tokio::test]
async fn a_search_that_no_index_answers_ends_in_time_and_holds_nobody_up() {
    let gateway = Gateway::with(|config| config.limits.search_milliseconds = 1).await;
    let scim = gateway.scim().await;
    users(&scim, "many", 250).await;
    let searches = [
        "/Users?filter=title%20co%20%22a%22",
        "/Users?sortBy=name.familyName",
        "/Users?filter=nickName%20pr&sortBy=userName",
    ];
    let mut running = Vec::new();
    for at in 0..20 {
        let (scim, path) = (scim.clone(), searches[at % searches.len()]);
        running.push(async move { scim.send("GET", path, None).await });
    }
    let lookup = scim.send(
        "GET",
        "/Users?filter=userName%20eq%20%22many7@acme.example%22",
        None,
    );
    let (answers, lookup) = tokio::join!(futures_util::future::join_all(running), lookup);
    assert_eq!((lookup.0, &lookup.1["totalResults"]), (200, &json!(1)));
    for (status, body) in answers {
        assert_eq!(
            (status, &body["scimType"]),
            (400, &json!("tooMany")),
            "{body}"
        );
    }
    // By cursor what was found so far is a page, and the next one goes on.
    let (mut cursor, mut pages) = (String::new(), 0);
    loop {
        let path = format!("/Users?filter=title%20co%20%22a%22&count=200&cursor={cursor}");
        let (status, page) = scim.send("GET", &path, None).await;
        assert_eq!(status, 200, "{page}");
        pages += 1;
        match page["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert!(pages > 1);
}

// C057
#[tokio::test]
async fn many_operations_on_long_values_are_not_dear() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let long = "\u{c9}".repeat(980);
    let values: Vec<_> = (0..90)
        .map(|at| json!({"value": format!("{long}{at}")}))
        .collect();
    let user = json!({"userName": "ada", "entitlements": values});
    let path = format!("/Users/{}", scim.created("/Users", &user).await);
    let operation = json!({
        "op": "replace", "path": "entitlements[value ne \"\u{c9}\"].display", "value": "x",
    });
    let body = operations(json!(vec![operation; 700]));
    let begun = std::time::Instant::now();
    let (status, user) = scim.send("PATCH", &path, Some(&body)).await;
    assert_eq!(
        (status, &user["entitlements"][89]["display"]),
        (200, &json!("x"))
    );
    // Folded anew for each comparison it takes minutes.
    assert!(begun.elapsed() < std::time::Duration::from_secs(30));
}

#[tokio::test]
async fn what_a_first_sync_fills_has_its_statistics_renewed() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "new", 510).await;
    let members: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
    // One change, and as many rows.
    let group = json!({"displayName": "all", "members": members});
    scim.created("/Groups", &group).await;
    let renewed = async || gateway.app.db.renew_statistics().await.expect("renewed");
    if !gateway.app.db.is_shared() {
        assert!(renewed().await.is_empty(), "they are not asked for");
        return;
    }
    let mut missing = vec!["memberships", "users"];
    let begun = std::time::Instant::now();
    while !missing.is_empty() {
        // The server is late in counting its rows.
        assert!(begun.elapsed() < std::time::Duration::from_mins(1));
        let tables = renewed().await;
        missing.retain(|table| !tables.iter().any(|renewed| renewed == table));
    }
    let again = renewed().await;
    assert!(!again.contains(&"users".to_owned()), "not again at once");
}
