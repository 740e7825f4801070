//! Order and pages: `sortBy`, cursors, `.search`, and lists over all resource types.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::gateway::{Gateway, Scim, users};

/// The values of an attribute, in the order of a list.
fn column(list: &Value, name: &str) -> Vec<String> {
    let resources = list["Resources"].as_array().into_iter().flatten();
    resources
        .map(|it| {
            it.pointer(name)
                .map_or("-".to_owned(), |it| it.as_str().unwrap_or("?").to_owned())
        })
        .collect()
}

async fn listed(scim: &Scim, path: &str) -> Value {
    let (status, body) = scim.send("GET", path, None).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

async fn people(scim: &Scim) {
    for (name, external, title, family, phone) in [
        ("delta", Some("b"), Some("Zoo"), "Nilsson", "3"),
        ("Alpha", None, None, "åberg", "1"),
        ("charlie", Some("B"), Some("apple"), "Ärlig", "2"),
        ("Bravo", Some("a"), Some("Éclair"), "berg", "4"),
    ] {
        let mut body = json!({
            "userName": name, "displayName": name, "name": {"familyName": family},
            "active": name != "Bravo",
            "phoneNumbers": [{"value": "9"}, {"value": phone, "type": "work", "primary": true}],
        });
        if let Some(external) = external {
            body["externalId"] = external.into();
        }
        if let Some(title) = title {
            body["title"] = title.into();
        }
        scim.created("/Users", &body).await;
    }
}

#[tokio::test]
async fn a_list_is_in_the_order_that_was_asked_for() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    people(&scim).await;
    let check = async |query: &str, expect: &[&str]| {
        let list = listed(&scim, &format!("/Users?{query}")).await;
        assert_eq!(column(&list, "/userName"), expect, "{query}");
        assert_eq!(list["totalResults"], expect.len(), "{query}");
    };
    let by_name = ["Alpha", "Bravo", "charlie", "delta"];
    check("sortBy=userName", &by_name).await;
    check("sortBy=USERNAME&sortOrder=Ascending", &by_name).await;
    check(
        "sortBy=userName&sortOrder=descending",
        &["delta", "charlie", "Bravo", "Alpha"],
    )
    .await;
    check(
        "sortBy=urn:ietf:params:scim:schemas:core:2.0:User:displayName",
        &by_name,
    )
    .await;
    // Case counts for externalId; who has none comes last, and first the other way round.
    check("sortBy=externalId", &["charlie", "Bravo", "delta", "Alpha"]).await;
    check(
        "sortBy=externalId&sortOrder=descending",
        &["Alpha", "delta", "Bravo", "charlie"],
    )
    .await;
    check("sortBy=title", &["charlie", "delta", "Bravo", "Alpha"]).await;
    check(
        "sortBy=title&sortOrder=descending",
        &["Alpha", "Bravo", "delta", "charlie"],
    )
    .await;
    check(
        "sortBy=phoneNumbers",
        &["Alpha", "charlie", "delta", "Bravo"],
    )
    .await;
    check("sortBy=active", &["Bravo", "delta", "Alpha", "charlie"]).await;
    check(
        "sortBy=meta.created&sortOrder=descending",
        &["Bravo", "charlie", "Alpha", "delta"],
    )
    .await;
    check("sortBy=id", &["delta", "Alpha", "charlie", "Bravo"]).await;
    check(
        "sortBy=name.familyName&filter=active%20eq%20true&startIndex=1",
        &["delta", "charlie", "Alpha"],
    )
    .await;
    check(
        "sortBy=userName&filter=title%20pr",
        &["Bravo", "charlie", "delta"],
    )
    .await;
    let page = listed(&scim, "/Users?sortBy=userName&startIndex=2&count=2").await;
    assert_eq!(column(&page, "/userName"), ["Bravo", "charlie"]);
    assert_eq!(
        (&page["totalResults"], &page["startIndex"]),
        (&json!(4), &json!(2))
    );
    let page = listed(&scim, "/Users?sortBy=title&startIndex=3&count=1").await;
    assert_eq!(column(&page, "/userName"), ["Bravo"]);
    for (query, kind) in [
        ("sortBy=nothing", "invalidValue"),
        ("sortBy=name", "invalidValue"),
        ("sortBy=password", "invalidValue"),
        ("sortBy=a%20b", "invalidValue"),
        ("sortBy=userName&sortOrder=up", "invalidValue"),
    ] {
        let (status, body) = scim.send("GET", &format!("/Users?{query}"), None).await;
        assert_eq!((status, &body["scimType"]), (400, &json!(kind)), "{query}");
    }
}

/// Walks a list by cursor; gives the pages.
async fn walk(scim: &Scim, path: &str) -> Vec<Value> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = listed(scim, &format!("{path}&cursor={cursor}")).await;
        let next = page["nextCursor"].as_str().map(str::to_owned);
        assert!(page.get("startIndex").is_none());
        pages.push(page);
        assert!(pages.len() < 100, "{path} does not end");
        match next {
            Some(next) => cursor = next,
            None => return pages,
        }
    }
}

#[tokio::test]
async fn a_walk_by_cursor_meets_everybody_once_in_every_order() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    people(&scim).await;
    users(&scim, "more", 13).await;
    let all: BTreeSet<String> = column(&listed(&scim, "/Users").await, "/userName")
        .into_iter()
        .collect();
    for query in [
        "",
        "sortBy=userName",
        "sortBy=userName&sortOrder=descending",
        "sortBy=externalId",
        "sortBy=externalId&sortOrder=descending",
        "sortBy=displayName&sortOrder=descending",
        "sortBy=meta.lastModified&sortOrder=descending",
        "sortBy=id&sortOrder=descending",
        "sortBy=title",
        "sortBy=title&sortOrder=descending",
        "sortBy=active",
    ] {
        let whole = column(
            &listed(&scim, &format!("/Users?{query}")).await,
            "/userName",
        );
        for count in [1, 4, 5, 17, 200] {
            let pages = walk(&scim, &format!("/Users?count={count}&{query}")).await;
            let walked: Vec<_> = pages
                .iter()
                .flat_map(|page| column(page, "/userName"))
                .collect();
            assert_eq!(walked, whole, "{query} {count}");
            assert_eq!(walked.iter().cloned().collect::<BTreeSet<_>>(), all);
            assert!(
                pages.iter().all(|page| page["totalResults"] == 17),
                "{query}"
            );
        }
    }
    // A filter that the database cannot answer: only the page is looked for.
    let pages = walk(&scim, "/Users?count=1&filter=title%20pr").await;
    let walked: Vec<_> = pages
        .iter()
        .flat_map(|page| column(page, "/userName"))
        .collect();
    assert_eq!(walked, ["delta", "charlie", "Bravo"]);
    assert!(pages[0].get("totalResults").is_none());
    let pages = walk(&scim, "/Users?count=2&filter=active%20eq%20false").await;
    assert_eq!(pages.len(), 1);
    assert_eq!(pages[0]["totalResults"], 1);
    let page = listed(&scim, "/Users?count=0&cursor").await;
    assert_eq!(
        (&page["totalResults"], &page["itemsPerPage"]),
        (&json!(17), &json!(0))
    );
}

#[tokio::test]
async fn a_walk_goes_on_while_people_come_and_go() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let ids = users(&scim, "old", 9).await;
    let page = listed(&scim, "/Users?count=3&cursor=&sortBy=userName").await;
    let cursor = page["nextCursor"].as_str().unwrap();
    // The last one of the page, and one that is yet to come, go away; one joins behind.
    for gone in [&ids[2], &ids[5]] {
        assert_eq!(
            scim.send("DELETE", &format!("/Users/{gone}"), None).await.0,
            204
        );
    }
    users(&scim, "young", 1).await;
    let (status, body) = scim
        .send(
            "GET",
            &format!("/Users?count=3&cursor={cursor}&sortBy=userName"),
            None,
        )
        .await;
    assert_eq!(status, 200, "{body}");
    let names = [
        "old3@acme.example",
        "old4@acme.example",
        "old6@acme.example",
    ];
    assert_eq!(column(&body, "/userName"), names);
}

// C008
#[tokio::test]
async fn a_cursor_is_good_for_its_own_query_alone() {
    let gateway = Gateway::new().await;
    let (scim, foreign) = (gateway.scim().await, gateway.other_workspace().await);
    users(&scim, "a", 5).await;
    users(&foreign, "b", 5).await;
    let cursor = |list: Value| list["nextCursor"].as_str().unwrap().to_owned();
    let mine = cursor(listed(&scim, "/Users?count=2&cursor=").await);
    let theirs = cursor(listed(&foreign, "/Users?count=2&cursor=").await);
    assert!(
        mine.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    );
    let refused = async |path: String, kind: &str| {
        let (status, body) = scim.send("GET", &path, None).await;
        assert_eq!((status, &body["scimType"]), (400, &json!(kind)), "{path}");
        assert!(!body.to_string().contains(&mine));
    };
    for at in 0..mine.len() {
        let mut forged = mine.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        if forged != mine {
            refused(format!("/Users?count=2&cursor={forged}"), "invalidCursor").await;
        }
    }
    for (path, kind) in [
        (format!("/Users?count=2&cursor={theirs}"), "invalidCursor"),
        (format!("/Groups?count=2&cursor={mine}"), "invalidCursor"),
        (
            format!("/Users?count=2&cursor={mine}&filter=active%20eq%20true"),
            "invalidCursor",
        ),
        (
            format!("/Users?count=2&cursor={mine}&sortBy=userName"),
            "invalidCursor",
        ),
        (format!("/Users?count=3&cursor={mine}"), "invalidCount"),
        ("/Users?count=2&cursor=1".to_owned(), "invalidCursor"),
        (
            format!("/Users?count=2&cursor={}", "A".repeat(9_000)),
            "invalidCursor",
        ),
    ] {
        refused(path, kind).await;
    }
    assert_eq!(
        listed(&scim, &format!("/Users?count=2&cursor={mine}")).await["itemsPerPage"],
        2
    );
}

#[tokio::test]
async fn a_search_in_a_body_is_the_search_in_the_address() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    people(&scim).await;
    let search = async |path: &str, body: Value| scim.send("POST", path, Some(&body)).await;
    let (status, found) = search(
        "/Users/.search",
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "attributes": ["userName", "title"], "filter": "title pr", "sortBy": "title",
            "sortOrder": "descending", "startIndex": 2, "count": 2,
        }),
    )
    .await;
    assert_eq!(status, 200, "{found}");
    assert_eq!(column(&found, "/userName"), ["delta", "charlie"]);
    assert_eq!(found["totalResults"], 3);
    let keys: Vec<_> = found["Resources"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["schemas", "id", "userName", "title"]);
    let (_, first) = search("/Users/.search", json!({"cursor": "", "count": 3})).await;
    let next = json!({"cursor": first["nextCursor"], "count": 3});
    let (_, second) = search("/Users/.search", next).await;
    assert_eq!(second["itemsPerPage"], 1);
    for body in [
        json!([]),
        json!({"filter": 7}),
        json!({"count": "x"}),
        json!({"attributes": [1]}),
        json!({"attributes": ["title"], "excludedAttributes": ["title"]}),
        json!({"filter": "(".repeat(5_000)}),
    ] {
        assert_eq!(
            search("/Users/.search", body.clone()).await.0,
            400,
            "{body}"
        );
    }
    assert_eq!(search("/Nothing/.search", json!({})).await.0, 404);
}

#[tokio::test]
async fn everything_is_found_in_one_list() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    people(&scim).await;
    for name in ["alfa", "Zulu"] {
        scim.created("/Groups", &json!({"displayName": name})).await;
    }
    let all = listed(&scim, "/").await;
    assert_eq!(all["totalResults"], 6);
    let kinds = column(&all, "/meta/resourceType");
    assert_eq!(kinds, ["User", "User", "User", "User", "Group", "Group"]);
    let page = listed(&scim, "?startIndex=4&count=2").await;
    assert_eq!(column(&page, "/displayName"), ["Bravo", "alfa"]);
    assert_eq!(page["totalResults"], 6);
    let check = async |filter: &str, sort: &str, expect: &[&str]| {
        let mut body = json!({"filter": filter});
        if !sort.is_empty() {
            body["sortBy"] = sort.into();
        }
        let (status, found) = scim.send("POST", "/.search", Some(&body)).await;
        assert_eq!(status, 200, "{filter}: {found}");
        assert_eq!(column(&found, "/displayName"), expect, "{filter}");
        assert_eq!(found["totalResults"], expect.len(), "{filter}");
    };
    check(
        "displayName co \"l\"",
        "",
        &["delta", "Alpha", "charlie", "alfa", "Zulu"],
    )
    .await;
    check(
        "displayName co \"l\"",
        "displayName",
        &["alfa", "Alpha", "charlie", "delta", "Zulu"],
    )
    .await;
    check(
        "userName sw \"b\" or displayName sw \"z\"",
        "",
        &["Bravo", "Zulu"],
    )
    .await;
    check(
        "meta.resourceType eq \"Group\"",
        "displayName",
        &["alfa", "Zulu"],
    )
    .await;
    check(
        "userName ne \"delta\" and not (userName pr)",
        "",
        &["alfa", "Zulu"],
    )
    .await;
    check("title pr", "title", &["charlie", "delta", "Bravo"]).await;
    check(
        "meta.version eq \"W/\\\"1\\\"\" and userName eq \"delta\"",
        "",
        &["delta"],
    )
    .await;
    check(
        "meta.location co \"/Groups/\"",
        "displayName",
        &["alfa", "Zulu"],
    )
    .await;
    let (status, body) = scim
        .send("POST", "/.search", Some(&json!({"filter": "nothing pr"})))
        .await;
    assert_eq!((status, &body["scimType"]), (400, &json!("invalidFilter")));
    for sort in [
        "",
        "&sortBy=displayName",
        "&sortBy=title&sortOrder=descending",
    ] {
        let whole = column(&listed(&scim, &format!("?x=y{sort}")).await, "/displayName");
        for count in [1, 2, 4, 6] {
            let pages = walk(&scim, &format!("?count={count}{sort}")).await;
            let walked: Vec<_> = pages
                .iter()
                .flat_map(|page| column(page, "/displayName"))
                .collect();
            assert_eq!(walked, whole, "{sort} {count}");
        }
    }
    assert_eq!(listed(&scim, "").await, listed(&scim, "/").await);
}
