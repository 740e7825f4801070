//! Members in other orders than that of their making.

use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::gateway::Gateway;

impl Gateway {
    /// What members of a list have in a field, page by page.
    async fn ordered(&self, key: &str, query: &str, limit: usize, field: &str) -> Vec<String> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/members?limit={limit}{query}{cursor}");
            let page = self.asked(key, ("GET", &path), Value::Null, 200).await;
            let items = page["items"].as_array().unwrap();
            found.extend(
                items
                    .iter()
                    .map(|it| it[field].as_str().unwrap_or("-").to_owned()),
            );
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }
}

/// A gateway with these people: all drafts, but for two who are in.
async fn peopled() -> (Gateway, String) {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    for (name, email) in [
        (Some("bea"), "d@acme.example"),
        (Some("Ada"), "c@acme.example"),
        (None, "b@acme.example"),
        (Some("Ödön"), "a@acme.example"),
        (Some("ada"), "e@acme.example"),
    ] {
        let new = json!({"profile": {"email": email, "display_name": name}});
        gateway.asked(&key, ("POST", "/members"), new, 201).await;
    }
    for (name, display) in [("z", "Zoe"), ("y", "cid")] {
        let user = json!({"userName": format!("{name}@acme.example"), "displayName": display});
        scim.created("/Users", &user).await;
    }
    (gateway, key)
}

#[tokio::test]
async fn members_are_listed_in_the_order_that_is_asked_for_on_pages_of_any_size() {
    let (gateway, key) = peopled().await;
    for limit in [1, 2, 3, 50] {
        let by = async |query: &str, field: &str| {
            let found = gateway.ordered(&key, query, limit, field).await;
            let mut back = gateway
                .ordered(&key, &format!("{query}&sortOrder=descending"), limit, field)
                .await;
            back.reverse();
            assert_eq!(found, back, "{query} by {limit}");
            found
        };
        assert_eq!(
            by("&sortBy=display_name", "display_name").await,
            ["-", "Ada", "ada", "bea", "cid", "Zoe", "Ödön"],
            "equal ones in the order of their making"
        );
        let emails = ["a", "b", "c", "d", "e", "y", "z"].map(|it| format!("{it}@acme.example"));
        assert_eq!(by("&sortBy=email", "email").await, emails);
        assert_eq!(
            by("&sortBy=status", "status").await,
            [vec!["active"; 2], vec!["draft"; 5]].concat()
        );
        let made = ["bea", "Ada", "-", "Ödön", "ada", "Zoe", "cid"];
        assert_eq!(by("", "display_name").await, made);
        assert_eq!(by("&sortBy=created_at", "display_name").await, made);
        // Filters, by an index or one by one.
        let filter = "&sortBy=display_name&filter=status%20eq%20%22draft%22";
        let drafts = ["-", "Ada", "ada", "bea", "Ödön"];
        assert_eq!(by(filter, "display_name").await, drafts);
        let filter = "&sortBy=display_name&filter=display_name%20co%20%22a%22";
        assert_eq!(by(filter, "display_name").await, ["Ada", "ada", "bea"]);
    }
    gateway.check().await;
}

#[tokio::test]
async fn an_order_follows_what_changes_and_finds_who_left_by_the_address_that_was() {
    let (gateway, key) = peopled().await;
    let found = gateway
        .asked(
            &key,
            (
                "GET",
                "/members?sortBy=email&filter=status%20eq%20%22draft%22",
            ),
            Value::Null,
            200,
        )
        .await;
    let first = found["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/members/{first}");
    let name = json!({"display_name": "aaron"});
    gateway.asked(&key, ("PATCH", &path), name, 200).await;
    let named = gateway
        .ordered(&key, "&sortBy=display_name", 50, "display_name")
        .await;
    assert_eq!(named[..3], ["-", "aaron", "Ada"]);
    gateway
        .asked(&key, ("DELETE", &path), Value::Null, 204)
        .await;
    let with_removed = "&filter=status%20pr";
    let named = gateway
        .ordered(
            &key,
            &format!("&sortBy=email{with_removed}"),
            2,
            "display_name",
        )
        .await;
    assert_eq!(named[0], "aaron");
    gateway.check().await;
}

#[tokio::test]
async fn an_order_that_there_is_not_is_refused_and_a_cursor_is_good_for_its_own_alone() {
    let (gateway, key) = peopled().await;
    for wrong in [
        "sortBy=shoe_size",
        "sortBy=display_name&sortBy=email",
        "sortOrder=up",
        "sortBy=email&as_of=2030-01-01T00:00:00Z",
    ] {
        let path = format!("/members?{wrong}");
        gateway.asked(&key, ("GET", &path), Value::Null, 400).await;
    }
    let page = "/members?limit=2&sortBy=email";
    let page = gateway.asked(&key, ("GET", page), Value::Null, 200).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    for other in [
        "sortBy=display_name",
        "sortBy=email&sortOrder=descending",
        "",
    ] {
        let path = format!("/members?limit=2&{other}&cursor={cursor}");
        let path = path.replace("&&", "&");
        gateway.asked(&key, ("GET", &path), Value::Null, 400).await;
    }
    gateway.check().await;
}

#[tokio::test]
async fn a_walk_goes_on_though_whom_it_stopped_at_is_elsewhere_by_now() {
    let (gateway, key) = peopled().await;
    for index in 0..210 {
        let new = json!({"profile": {
            "email": format!("d{index}@acme.example"), "display_name": format!("d{index:03}"),
        }});
        gateway.asked(&key, ("POST", "/members"), new, 201).await;
    }
    let walk = "/members?sortBy=display_name&filter=display_name%20co%20%22d%22";
    let page = async |rest: &str| {
        let path = format!("{walk}{rest}");
        gateway.asked(&key, ("GET", &path), Value::Null, 200).await
    };
    let first = page("&limit=4").await;
    let last = &first["items"][3];
    assert_eq!(last["display_name"], "d000");
    let moved = format!("/members/{}", last["id"].as_str().unwrap());
    let name = json!({"display_name": "zd"});
    gateway.asked(&key, ("PATCH", &moved), name, 200).await;
    let (mut names, mut next) = (Vec::new(), first["next_cursor"].clone());
    while let Some(cursor) = next.as_str() {
        let found = page(&format!("&limit=50&cursor={cursor}")).await;
        let items = found["items"].as_array().unwrap().iter();
        names.extend(items.map(|it| it["display_name"].as_str().unwrap().to_owned()));
        next = found["next_cursor"].clone();
        assert!(names.len() < 300, "it comes to an end");
    }
    let expected = (1..210).map(|index| format!("d{index:03}"));
    let expected: Vec<_> = expected.chain(["zd", "Ödön"].map(str::to_owned)).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn no_name_is_too_long_or_too_high_for_an_order() {
    let (gateway, key) = peopled().await;
    for (at, name) in ["\u{FDFA}".repeat(256), "\u{10FFFF}".repeat(6)]
        .iter()
        .enumerate()
    {
        let email = format!("long{at}@acme.example");
        let new = json!({"profile": {"email": email, "display_name": name}});
        gateway.asked(&key, ("POST", "/members"), new, 201).await;
    }
    let mut up = gateway
        .ordered(&key, "&sortBy=display_name", 1, "display_name")
        .await;
    let down = "&sortBy=display_name&sortOrder=descending";
    let down = gateway.ordered(&key, down, 1, "display_name").await;
    up.reverse();
    assert_eq!((up.len(), &up), (9, &down));
    assert_eq!(down[0], "\u{10FFFF}".repeat(6));
}
