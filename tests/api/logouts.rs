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
        it.claims["iss"] = "https://other.example".into();
    }),
    ("a nonce", |it| it.claims["nonce"] = "n".into()),
    ("no event", |it| {
        drop(it.claims.as_object_mut().unwrap().remove("events"));
    }),
    ("another event", |it| it.claims["events"] = json!({"x": {}})),
    ("no name of its own", |it| {
        drop(it.claims.as_object_mut().unwrap().remove("jti"));
    }),
    ("expired", |it| {
        it.claims["exp"] = json!(it.claims["iat"].as_i64().unwrap() - 61);
    }),
    ("no end", |it| {
        drop(it.claims.as_object_mut().unwrap().remove("exp"));
    }),
    ("a far end", |it| {
        it.claims["exp"] = json!(it.claims["iat"].as_i64().unwrap() + 86_400);
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

const REVOCATION: &str = "global-token-revocation+jwt";

/// A good token by which the provider asks for the end of all sessions of somebody.
fn revoking(provider: &Provider, open: &Shown, jti: &str, twist: impl Fn(&mut Token)) -> String {
    provider.sign(|it| {
        it.header["typ"] = REVOCATION.into();
        it.claims["sub"] = "okta".into();
        it.claims["aud"] = open.revocation_uri.clone().into();
        it.claims["jti"] = jti.into();
        twist(it);
    })
}

async fn revoke(gateway: &Gateway, open: &Shown, token: &str, body: &Value) -> u16 {
    let url = url::Url::parse(&open.revocation_uri).unwrap();
    let bearer = format!("Bearer {token}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
    ];
    let body = Some(body.to_string());
    gateway
        .exchange("POST", url.path(), &headers, body)
        .await
        .status
}

// C252
#[tokio::test]
async fn a_provider_ends_all_sessions_of_whom_it_names_once() {
    let (gateway, provider, open) = opened().await;
    let mut browser = Browser::default();
    browser.through(&gateway, &provider, &way(&open)).await;
    let other = Edit {
        name: Some("Other".to_owned()),
        ..edit(&provider)
    };
    let beside = gateway.open(&provider, &other).await;
    let who =
        |sub: &str| json!({"sub_id": {"format": "iss_sub", "iss": provider.base, "sub": sub}});
    let rows: [Row; 9] = [
        ("not signed", |it| {
            it.header = json!({"alg": "none"});
            it.signed = Signed::Not;
        }),
        ("signed elsewhere", |it| it.signed = Signed::Elsewhere),
        ("for another", |it| it.claims["aud"] = "gate house".into()),
        ("of another", |it| {
            it.claims["iss"] = "https://other.example".into();
        }),
        ("an ID token", |it| it.header["typ"] = "JWT".into()),
        ("a logout token", |it| {
            it.header["typ"] = "logout+jwt".into();
        }),
        ("without a type", |it| {
            drop(it.header.as_object_mut().unwrap().remove("typ"));
        }),
        ("an hour old", |it| {
            it.claims["exp"] = json!(it.claims["iat"].as_i64().unwrap() - 3_600);
        }),
        ("without a name", |it| {
            drop(it.claims.as_object_mut().unwrap().remove("jti"));
        }),
    ];
    for (what, twist) in rows {
        let token = revoking(&provider, &open, "one", twist);
        assert_eq!(
            revoke(&gateway, &open, &token, &who("00u1")).await,
            401,
            "{what}"
        );
        assert!(browser.is_in(&gateway).await, "{what}");
    }
    // By another connection, whose address the token does not name; of its own it knows nobody.
    let token = revoking(&provider, &open, "one", |_| {});
    assert_eq!(revoke(&gateway, &beside, &token, &who("00u1")).await, 401);
    let token = revoking(&provider, &beside, "one", |_| {});
    assert_eq!(revoke(&gateway, &beside, &token, &who("00u1")).await, 404);
    // An address is nobody's name.
    let email = json!({"sub_id": {"format": "email", "email": "ada@acme.example"}});
    let token = revoking(&provider, &open, "two", |_| {});
    assert_eq!(revoke(&gateway, &open, &token, &email).await, 400);
    assert!(browser.is_in(&gateway).await);

    let token = revoking(&provider, &open, "three", |_| {});
    assert_eq!(revoke(&gateway, &open, &token, &who("00u1")).await, 204);
    assert!(!browser.is_in(&gateway).await);
    browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(revoke(&gateway, &open, &token, &who("00u1")).await, 401);
    assert!(browser.is_in(&gateway).await, "it counts once");
    // As earlier drafts write it.
    let token = revoking(&provider, &open, "four", |_| {});
    let earlier = json!({"subject": who("00u1")["sub_id"]});
    assert_eq!(revoke(&gateway, &open, &token, &earlier).await, 204);
    assert!(!browser.is_in(&gateway).await);
    gateway.check().await;
}
