//! Logins as admins find them: who came in, who was refused and why.

use gatehouse::changes::Origin;
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::status;
use serde_json::Value;

use crate::visitors::{Browser, opened, way};

#[tokio::test]
async fn a_login_is_found_by_the_reference_that_its_page_names() {
    let (gateway, provider, open) = opened().await;
    let key = gateway.key(&[Permission::MembersRead]).await;
    let mut browser = Browser::default();
    let answer = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    provider.person(serde_json::json!({"sub": "00u2", "email": "eve@acme.example"}));
    let refused = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let reference = refused.header("x-request-id").to_owned();
    assert!(refused.text.contains(&reference), "{}", refused.text);

    let path = format!("/logins?request={reference}");
    let found = gateway.about(&key, "GET", &path, Value::Null).await;
    let [login] = &found.body["items"].as_array().unwrap()[..] else {
        panic!("{}", found.text);
    };
    assert_eq!(login["kind"], "login.refused");
    assert_eq!(login["detail"]["reason"], "unknown");
    assert_eq!(login["subject"], open.id.to_string());

    // Newest first, a page at a time; what is no login is not among them.
    let (mut kinds, mut path) = (Vec::new(), "/logins?limit=1".to_owned());
    loop {
        let page = gateway.about(&key, "GET", &path, Value::Null).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let items = page.body["items"].as_array().unwrap();
        kinds.extend(
            items
                .iter()
                .map(|it| it["kind"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page.body["next_cursor"].as_str() else {
            break;
        };
        path = format!("/logins?limit=1&cursor={next}");
    }
    assert_eq!(kinds[..2], ["login.refused", "session.started"]);
    // That of the admin who tested it.
    assert_eq!(kinds[2..], ["session.started"]);

    for (wanted, status) in [("none", 400), (&uuid::Uuid::nil().to_string(), 200)] {
        let path = format!("/logins?request={wanted}");
        let none = gateway.about(&key, "GET", &path, Value::Null).await;
        assert_eq!(none.status, status, "{}", none.text);
        assert_eq!(
            none.body["items"].as_array().map(Vec::len),
            (status == 200).then_some(0)
        );
    }
    gateway.check().await;
}

#[tokio::test]
async fn a_login_that_was_refused_is_seen_at_the_member_whose_it_was() {
    let (gateway, provider, open) = opened().await;
    let key = gateway.key(&[Permission::MembersManage]).await;
    let mut browser = Browser::default();
    let answer = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let all = gateway.about(&key, "GET", "/logins", Value::Null).await;
    let member = all.body["items"][0]["subject"].as_str().unwrap().to_owned();
    let path = format!("/members/{member}/activity");
    let told = gateway.about(&key, "GET", &path, Value::Null).await;
    let seen = told.body["last_seen"].as_str().unwrap();
    assert_eq!(seen, all.body["items"][0]["at"].as_str().unwrap());
    let everything = Scopes::everything();
    let by = (&Origin::cli(), &everything);
    let whose = (gateway.workspace.id, member.parse().unwrap());
    let done = status::suspend(&gateway.app, by, whose);
    done.await.unwrap();
    let refused = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let told = gateway.about(&key, "GET", &path, Value::Null).await;
    let items = told.body["items"].as_array().unwrap();
    assert_eq!(items[0]["kind"], "login.refused", "{}", told.text);
    assert_eq!(items[0]["detail"]["reason"], "shut_out");
    assert!(items.iter().any(|it| it["kind"] == "session.started"));
    gateway.check().await;
}

#[tokio::test]
async fn what_the_provider_said_instead_of_tokens_is_told_to_admins_alone() {
    let (gateway, provider, open) = opened().await;
    let key = gateway.key(&[Permission::MembersRead]).await;
    for (answer, said) in [
        (
            &br#"{"error": "invalid_client", "error_description": "wrong secret"}"#[..],
            "invalid_client",
        ),
        (br#"{"error": "<b>Invalid</b>"}"#, ""),
    ] {
        let instead = (400, "application/json", answer.to_vec());
        provider.set().instead.insert("/token".to_owned(), instead);
        let mut browser = Browser::default();
        let refused = browser.through(&gateway, &provider, &way(&open)).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert!(!refused.text.contains("invalid_client"), "{}", refused.text);
        assert!(!refused.text.contains("Invalid"), "{}", refused.text);
        let path = format!("/logins?request={}", refused.header("x-request-id"));
        let found = gateway.about(&key, "GET", &path, Value::Null).await;
        let login = &found.body["items"][0];
        assert_eq!(login["detail"]["reason"], "exchange", "{}", found.text);
        assert_eq!(
            login["detail"]["provider_said"]
                .as_str()
                .unwrap_or_default(),
            said
        );
    }
    gateway.check().await;
}
