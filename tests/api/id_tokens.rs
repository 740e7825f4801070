//! ID tokens, each with one fault, and the good one.

use serde_json::json;

use crate::provider::{CLIENT, Signed, Token};
use crate::visitors::{Browser, opened, way};

type Row = (&'static str, fn(&mut Token));

/// What is done to a good token, and which check refuses it.
const TOKENS: &[Row] = &[
    ("signature", |it| it.signed = Signed::Elsewhere),
    ("signature", |it| {
        it.header = json!({"alg": "none"});
        it.signed = Signed::Not;
    }),
    ("signature", |it| {
        it.header["alg"] = "HS256".into();
        it.signed = Signed::Shared;
    }),
    ("signature", |it| it.header["kid"] = "unknown".into()),
    ("id_token", |it| it.header["crit"] = json!(["b64"])),
    ("iss", |it| {
        it.claims["iss"] = "https://accounts.google.com".into();
    }),
    ("iss", |it| {
        it.claims["iss"] = format!("{}/", it.claims["iss"].as_str().unwrap()).into();
    }),
    ("aud", |it| it.claims["aud"] = "another".into()),
    ("aud", |it| it.claims["aud"] = json!([CLIENT, "another"])),
    ("azp", |it| it.claims["azp"] = "another".into()),
    ("exp", |it| shift(it, "exp", -361)),
    ("exp", |it| shift(it, "iat", 61)),
    ("nbf", |it| {
        it.claims["nbf"] = it.claims["iat"].clone();
        shift(it, "nbf", 61);
    }),
    ("nonce", |it| it.claims["nonce"] = "another".into()),
    ("nonce", |it| {
        drop(it.claims.as_object_mut().unwrap().remove("nonce"));
    }),
    ("sub", |it| it.claims["sub"] = "".into()),
    ("sub", |it| it.claims["sub"] = "x".repeat(256).into()),
    ("at_hash", |it| {
        it.claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA".into();
    }),
    ("c_hash", |it| {
        it.claims["c_hash"] = "AAAAAAAAAAAAAAAAAAAAAA".into();
    }),
    // Of another type, or not there: never taken for absent.
    ("id_token", |it| it.claims["exp"] = "9999999999".into()),
    ("id_token", |it| {
        drop(it.claims.as_object_mut().unwrap().remove("exp"));
    }),
    ("id_token", |it| {
        drop(it.claims.as_object_mut().unwrap().remove("iat"));
    }),
    ("id_token", |it| {
        drop(it.claims.as_object_mut().unwrap().remove("sub"));
    }),
    ("aud", |it| {
        drop(it.claims.as_object_mut().unwrap().remove("aud"));
    }),
    ("id_token", |it| it.claims["aud"] = json!({})),
    ("id_token", |it| it.claims["sub"] = json!(1)),
    ("id_token", |it| it.claims["nonce"] = json!(["n"])),
    ("id_token", |it| {
        it.claims["email_verified"] = "false".into();
    }),
    ("id_token", |it| it.claims["email_verified"] = "true".into()),
    ("exp", |it| it.claims["exp"] = "2100-01-01T00:00:00Z".into()),
    ("nbf", |it| it.claims["nbf"] = "x".into()),
];

fn shift(token: &mut Token, name: &str, by: i64) {
    let at = token.claims[name].as_i64().unwrap();
    token.claims[name] = (at + by).into();
}

// C092 C093
#[tokio::test]
async fn an_id_token_is_checked_check_by_check() {
    let (gateway, provider, open) = opened().await;
    let mut browser = Browser::default();
    for (at, (check, twist)) in TOKENS.iter().enumerate() {
        provider.twist(twist);
        let refused = browser.through(&gateway, &provider, &way(&open)).await;
        assert_eq!(refused.status, 400, "{check} {at}: {}", refused.text);
        assert!(!browser.is_in(&gateway).await);
        let told = gateway.refused_logins().await;
        assert_eq!(told.len(), at + 1);
        assert_eq!(told[at], *check, "{at}");
    }
    // Clocks may be a minute apart.
    provider.twist(|it| {
        shift(it, "iat", 60);
        shift(it, "exp", -359);
    });
    let answer = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert!(browser.is_in(&gateway).await);
    gateway.check().await;
}
