//! Providers that answer to hurt, and everybody else meanwhile.

use std::time::Duration;

use gatehouse::login::settings::Edit;
use serde_json::json;

use crate::provider::{DRIPS, HANGS, Provider};
use crate::visitors::{Browser, ada, edit, is_degraded, opened, opened_within, way};

// C112 C196
#[tokio::test]
async fn a_provider_that_answers_to_hurt_hurts_nobody() {
    let (gateway, provider, open) = opened().await;
    let good = Provider::new(&gateway.app.clock).await;
    good.person(ada());
    let beside = Edit {
        name: Some("Beside".to_owned()),
        ..edit(&good)
    };
    let beside = gateway.open(&good, &beside).await;
    let mut browser = Browser::default();
    let large = vec![b' '; 2 << 20];
    // What is sent compressed is not unpacked: it is no JSON.
    let zipped = vec![0x1f, 0x8b, 0x08, 0x00];
    let twice = b"{\"access_token\": \"a\", \"access_token\": \"b\", \"token_type\": \"Bearer\"}";
    let twice = twice.to_vec();
    for (path, status, media, body) in [
        ("/token", 200, "application/json", large.clone()),
        ("/token", 307, "application/json", Vec::new()),
        ("/token", 302, "text/html", Vec::new()),
        ("/token", 200, "text/html", b"<html>".to_vec()),
        ("/token", 200, "application/json", b"{".to_vec()),
        ("/token", 500, "text/plain", b"no".to_vec()),
        ("/token", HANGS, "", Vec::new()),
        ("/keys", HANGS, "", Vec::new()),
        ("/keys", 200, "application/json", large.clone()),
        ("/keys", 302, "text/html", Vec::new()),
        ("/keys", 200, "text/html", b"<html>".to_vec()),
        ("/keys", DRIPS, "", Vec::new()),
        (
            "/keys",
            200,
            "application/json",
            b"{\"keys\": [], \"keys\": [7]}".to_vec(),
        ),
        ("/keys", 200, "application/json", zipped),
        ("/token", DRIPS, "", Vec::new()),
        ("/token", 200, "application/json", twice),
    ] {
        provider.set().instead.clear();
        provider
            .set()
            .instead
            .insert(path.to_owned(), (status, media, body));
        // Nothing is at hand of what it published.
        gateway.app.clock.advance(Duration::from_mins(11));
        let answer = browser.through(&gateway, &provider, &way(&open)).await;
        let is_seen = if path == "/keys" {
            // The keys of before are good still.
            answer.status == 303
        } else {
            [400, 502].contains(&answer.status)
        };
        assert!(
            is_seen,
            "{path} {status} {media}: {} {}",
            answer.status, answer.text
        );
        let is_away = status == HANGS || status == DRIPS || path == "/keys";
        assert!(
            !is_away || is_degraded(&gateway, &open).await,
            "{path} {status}"
        );
        let answer = Browser::default()
            .through(&gateway, &good, &way(&beside))
            .await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        assert!(!is_degraded(&gateway, &beside).await);
    }
    assert!(provider.asked("/token") < 25, "nobody was led on");
    // So many keys are no use where a token does not say which, and no harm to whoever looks on.
    let many: Vec<_> = (0..10_000)
        .map(|_| json!({"kty": "oct", "k": "AAAA"}))
        .collect();
    let many = serde_json::to_vec(&json!({"keys": many})).unwrap();
    let instead = (200, "application/json", many);
    provider.set().instead = [("/keys".to_owned(), instead)].into();
    provider.twist(|it| drop(it.header.as_object_mut().unwrap().remove("kid")));
    gateway.app.clock.advance(Duration::from_mins(11));
    let refused = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
}

// C112
#[tokio::test]
async fn whoever_waits_for_a_provider_holds_nobody_up_at_another() {
    let (gateway, provider, open) = opened_within(60_000).await;
    let good = Provider::new(&gateway.app.clock).await;
    good.person(ada());
    let beside = Edit {
        name: Some("Beside".to_owned()),
        ..edit(&good)
    };
    let beside = gateway.open(&good, &beside).await;
    let hangs = (HANGS, "", Vec::new());
    provider.set().instead = [("/token".to_owned(), hangs)].into();
    let before = provider.asked("/token");
    let waiting = (0..20).map(|_| async {
        let mut browser = Browser::default();
        browser.through(&gateway, &provider, &way(&open)).await
    });
    let waiting = futures_util::future::select_all(waiting.map(Box::pin));
    let mut browser = Browser::default();
    let going_on = async {
        // Until all of them wait.
        while provider.asked("/token") < before + 20 {
            let answer = browser.through(&gateway, &good, &way(&beside)).await;
            assert_eq!(answer.status, 303, "{}", answer.text);
        }
    };
    tokio::select! {
        (answer, ..) = waiting => panic!("it answered {}", answer.status),
        () = going_on => {}
    }
}
