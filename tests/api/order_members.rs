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
