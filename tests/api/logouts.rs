//! What a provider says when somebody is out.

use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway};
use crate::provider::{Provider, Signed, Token};
use crate::visitors::{Browser, ada, edit, opened, way};
use gatehouse::login::connections::Shown;
use gatehouse::login::settings::Edit;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A good logout token of a person, as the provider makes it.
fn token(provider: &Provider, jti: &str, twist: impl Fn(&mut Token)) -> String {
    provider.sign(|it| {
        it.header["typ"] = "logout+jwt".into();
        it.claims["sub"] = "00u1".into();
        it.claims["jti"] = jti.into();
        it.claims["events"] = json!({EVENT: {}});
        twist(it);
    })
}

async fn say(gateway: &Gateway, connection: &Shown, token: &str) -> Answer {
    let url = url::Url::parse(&connection.logout_uri).unwrap();
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("logout_token", token)
        .finish();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    gateway
        .exchange("POST", url.path(), &headers, Some(form))
        .await
}

type Row = (&'static str, fn(&mut Token));

const TOKENS: &[Row] = &[
    ("not signed", |it| {
        it.header = json!({"alg": "none"});
        it.signed = Signed::Not;
    }),
    ("signed elsewhere", |it| it.signed = Signed::Elsewhere),
    ("another audience", |it| it.claims["aud"] = "another".into()),
    ("another issuer", |it| {
        it.claims["iss"] = "https://other.example".into()
    }),
    ("a nonce", |it| it.claims["nonce"] = "n".into()),
    ("no event", |it| {
        drop(it.claims.as_object_mut().unwrap().remove("events"))
    }),
    ("another event", |it| it.claims["events"] = json!({"x": {}})),
    ("no name of its own", |it| {
        drop(it.claims.as_object_mut().unwrap().remove("jti"))
    }),
    ("expired", |it| {
        it.claims["exp"] = json!(it.claims["iat"].as_i64().unwrap() - 61)
    }),
    ("no end", |it| {
        drop(it.claims.as_object_mut().unwrap().remove("exp"))
    }),
    ("a far end", |it| {
        it.claims["exp"] = json!(it.claims["iat"].as_i64().unwrap() + 86_400)
    }),
    ("an ID token", |it| {
        it.header["typ"] = "JWT".into();
        it.claims["nonce"] = "n".into();
        it.claims["events"] = Value::Null;
    }),
    ("another type", |it| it.header["typ"] = "at+jwt".into()),
];

// C113
#[tokio::test]
async fn a_logout_token_that_does_not_hold_ends_nothing() {
    let (gateway, provider, open) = opened().await;
    let mut browser = Browser::default();
    browser.through(&gateway, &provider, &way(&open)).await;
    for (what, twist) in TOKENS {
        let refused = say(&gateway, &open, &token(&provider, "one", twist)).await;
        assert_eq!(refused.status, 400, "{what}: {}", refused.text);
        assert!(browser.is_in(&gateway).await, "{what}");
    }
    for text in ["", "x", "a.b.c"] {
        let refused = say(&gateway, &open, text).await;
        assert_eq!(refused.status, 400, "{text}: {}", refused.text);
    }
    // No logout token passes for an ID token either.
    provider.twist(|it| {
        it.header["typ"] = "logout+jwt".into();
        it.claims["events"] = json!({EVENT: {}});
    });
    let refused = Browser::default()
        .through(&gateway, &provider, &way(&open))
        .await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let good = say(&gateway, &open, &token(&provider, "one", |_| {})).await;
    assert_eq!(good.status, 200, "{}", good.text);
    assert!(!browser.is_in(&gateway).await);
    gateway.check().await;
}

// C113
#[tokio::test]
async fn a_logout_token_ends_the_sessions_that_it_names_once() {
    let (gateway, provider, open) = opened().await;
    let with_sid = |sid: &str| {
        let mut person = ada();
        person["sid"] = json!(sid);
        person
    };
    let mut browsers = Vec::new();
    for sid in ["s1", "s2"] {
        provider.person(with_sid(sid));
        let mut browser = Browser::default();
        let answer = browser.through(&gateway, &provider, &way(&open)).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        browsers.push(browser);
    }
    // Of another connection to the same provider.
    let other = Edit {
        name: Some("Other".to_owned()),
        ..edit(&provider)
    };
    let beside = gateway.open(&provider, &other).await;
    let mut elsewhere = Browser::default();
    let answer = elsewhere.through(&gateway, &provider, &way(&beside)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);

    let one = token(&provider, "one", |it| it.claims["sid"] = "s1".into());
    assert_eq!(say(&gateway, &open, &one).await.status, 200);
    assert!(!browsers[0].is_in(&gateway).await);
    assert!(browsers[1].is_in(&gateway).await);
    let again = say(&gateway, &open, &one).await;
    assert_eq!(again.status, 400, "{}", again.text);
    // Somebody else's end is nobody's here.
    let stranger = token(&provider, "two", |it| it.claims["sub"] = "00u9".into());
    assert_eq!(say(&gateway, &open, &stranger).await.status, 200);
    assert!(browsers[1].is_in(&gateway).await);

    let all = token(&provider, "three", |_| {});
    assert_eq!(say(&gateway, &open, &all).await.status, 200);
    assert!(!browsers[1].is_in(&gateway).await);
    assert!(elsewhere.is_in(&gateway).await);
    gateway.check().await;
}

#[tokio::test]
async fn whoever_leaves_is_told_where_to_sign_out_at_the_provider() {
    let (gateway, provider, open) = opened().await;
    let mut browser = Browser::default();
    for (end, is_told) in [
        (json!(format!("{}/end?x=1", provider.base)), true),
        (json!("javascript:alert(1)"), false),
        (json!(7), false),
    ] {
        provider
            .set()
            .says
            .insert("end_session_endpoint".to_owned(), end);
        gateway
            .app
            .clock
            .advance(std::time::Duration::from_mins(11));
        let answer = browser.through(&gateway, &provider, &way(&open)).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        let left = browser.send(&gateway, "POST", "/sign-out").await;
        assert_eq!(left.status, 200, "{}", left.text);
        let link = format!("{}/end?x=1&#38;client_id=gate+house", provider.base);
        assert_eq!(left.text.contains(&link), is_told, "{}", left.text);
        assert!(!left.text.contains("javascript:"), "{}", left.text);
        assert!(!browser.is_in(&gateway).await);
    }
}
