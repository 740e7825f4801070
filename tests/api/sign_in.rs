//! Signing in through a connection: tested, switched on, used, and at its end.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use gatehouse::changes::Origin;
use gatehouse::login::connections::{self, State};
use gatehouse::login::settings::Edit;
use gatehouse::scim::etag::Precondition;
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::{self, members, status};
use serde_json::json;

use crate::visitors::{Browser, ada, edit, gateway, opened, pushed, way};

#[tokio::test]
async fn a_connection_is_made_tested_switched_on_and_used() {
    let (gateway, provider) = gateway().await;
    let scim = gateway.scim().await;
    let id = scim.created("/Users", &pushed()).await;
    let made = gateway
        .connection(&Edit {
            directory: Some("idp".to_owned()),
            ..edit(&provider)
        })
        .await;
    assert_eq!(made.state, State::Untried);
    let end = format!("/sign-in/callback/{}", made.id);
    assert!(made.redirect_uri.ends_with(&end), "{}", made.redirect_uri);
    let everything = Scopes::everything();
    let (by, workspace) = ((&Origin::cli(), &everything), gateway.workspace.id);
    let early = connections::enable(&gateway.app, by, workspace, "Okta").await;
    assert!(matches!(early, Err(gatehouse::error::Error::Conflict(_))));
    let mut browser = Browser::default();
    let early = browser.get(&gateway, &way(&made)).await;
    assert_eq!(early.status, 404, "{}", early.text);

    provider.person(ada());
    let shown = gateway.test(&provider, made.id).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    assert!(
        shown.text.contains("whom your company's directory pushed")
            || shown
                .text
                .contains("whom your company&#39;s directory pushed"),
        "{}",
        shown.text
    );
    assert!(shown.text.contains("Ada L."), "{}", shown.text);
    assert!(
        shown.text.contains("<code>&#34;Ada Lovelace&#34;</code>"),
        "{}",
        shown.text
    );
    // Nothing came of it but the proof.
    assert_eq!(gateway.count("identities").await, 0);
    let proved = connections::find(&gateway.app, workspace, "okta")
        .await
        .unwrap();
    assert_eq!(proved.state, State::Proved);
    connections::enable(&gateway.app, by, workspace, "Okta")
        .await
        .unwrap();

    let listed = browser.get(&gateway, "/w/acme/sign-in").await;
    assert!(listed.text.contains("Go on with"), "{}", listed.text);
    assert!(listed.text.contains(&way(&made)), "{}", listed.text);
    let answer = browser.through(&gateway, &provider, &way(&made)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(answer.header("location"), "/");
    let me = browser.get(&gateway, "/me").await;
    assert!(me.text.contains("Ada L."), "{}", me.text);
    assert_eq!(gateway.count("identities").await, 1);
    gateway.check().await;

    // Out at once when the directory says so, and a login says why.
    let off = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": false}]});
    let (status, body) = scim
        .send("PATCH", &format!("/Users/{id}"), Some(&off))
        .await;
    assert_eq!(status, 200, "{body}");
    assert!(!browser.is_in(&gateway).await);
    let refused = browser.through(&gateway, &provider, &way(&made)).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(refused.text.contains("suspended"), "{}", refused.text);
    assert!(refused.text.contains(refused.header("x-request-id")));
    assert_eq!(gateway.refused_logins().await, ["shut_out"]);
    gateway.check().await;
}

// C095 C096
#[tokio::test]
async fn a_login_ends_once_in_the_browser_and_the_time_that_it_began_in() {
    let (gateway, provider, open) = opened().await;
    let asked = provider.asked("/token");

    let mut browser = Browser::default();
    let url = browser.led(&gateway, &way(&open)).await;
    let back = provider.sign_in(&url);
    // In another browser, with a login of its own under way, and once more in the first: it is spent.
    let mut other = Browser::default();
    other.led(&gateway, &way(&open)).await;
    for stranger in [&mut other, &mut Browser::default()] {
        let url = browser.led(&gateway, &way(&open)).await;
        let back = provider.sign_in(&url);
        let refused = stranger.get(&gateway, &back).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        let spent = browser.get(&gateway, &back).await;
        assert_eq!(spent.status, 400, "{}", spent.text);
        assert!(!stranger.is_in(&gateway).await && !browser.is_in(&gateway).await);
    }
    // Without state, and with another one.
    let path = format!("/sign-in/callback/{}", open.id);
    for query in [
        "",
        "?code=code-0",
        "?code=code-0&state=",
        "?code=code-0&state=x",
    ] {
        let refused = browser.get(&gateway, &format!("{path}{query}")).await;
        assert_eq!(refused.status, 400, "{query}: {}", refused.text);
    }
    assert_eq!(
        provider.asked("/token"),
        asked,
        "nobody was asked for a token"
    );

    // Another tab's login does not end this one's.
    let answer = browser.get(&gateway, &back).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert!(browser.is_in(&gateway).await);
    let again = browser.get(&gateway, &back).await;
    assert_eq!(again.status, 400, "{}", again.text);
    assert!(browser.is_in(&gateway).await);

    let url = browser.led(&gateway, &way(&open)).await;
    let late = provider.sign_in(&url);
    gateway.app.clock.advance(Duration::from_mins(10));
    let late = browser.get(&gateway, &late).await;
    assert_eq!(late.status, 400, "{}", late.text);
    assert_eq!(provider.asked("/token"), asked + 1);
    assert_eq!(gateway.refused_logins().await, ["browser", "browser"]);
}

// C095
#[tokio::test]
async fn of_many_who_bring_the_same_answer_at_once_one_comes_in() {
    let (gateway, provider, open) = opened().await;
    let mut browser = Browser::default();
    let url = browser.led(&gateway, &way(&open)).await;
    let back = provider.sign_in(&url);
    let shown = browser.shown();
    let headers = [("cookie", shown.as_str())];
    let one = || gateway.exchange("GET", &back, &headers, None);
    let answers = futures_util::future::join_all((0..6).map(|_| one())).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 400, 400, 400, 400, 400]);
}

// C098
#[tokio::test]
async fn every_login_asks_with_a_challenge_a_state_and_a_nonce_of_its_own() {
    let (gateway, provider) = gateway().await;
    provider.person(ada());
    let open = gateway.open(&provider, &edit(&provider)).await;
    let mut seen = HashSet::new();
    let count = 1_000;
    for _ in 0..count {
        let url = Browser::default().led(&gateway, &way(&open)).await;
        let url = url::Url::parse(&url).unwrap();
        let asked: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["redirect_uri"], open.redirect_uri);
        assert_eq!(asked["scope"], "openid profile email");
        for name in ["code_challenge", "state", "nonce"] {
            assert_eq!(asked[name].len(), 43, "{name}: {}", asked[name]);
            assert!(seen.insert(asked[name].clone()), "{name} came again");
        }
    }
    assert_eq!(seen.len(), 3 * count);
    // None of them is stored as it is.
    for stored in gateway.texts("changes", "detail").await {
        assert!(!seen.iter().any(|text| stored.contains(text)));
    }
}

// C089 C088
#[tokio::test]
async fn an_answer_counts_at_the_connection_alone_at_which_the_login_began() {
    let (gateway, provider) = gateway().await;
    gateway.proves("acme.example").await;
    gateway.admin_of("ada@acme.example").await;
    provider.person(ada());
    let first = gateway.open(&provider, &edit(&provider)).await;
    let other = Edit {
        name: Some("Other".to_owned()),
        ..edit(&provider)
    };
    let second = gateway.open(&provider, &other).await;
    let asked = provider.asked("/token");
    let mut browser = Browser::default();
    for (at, to) in [(&first, &second), (&second, &first)] {
        let url = browser.led(&gateway, &way(at)).await;
        let back = provider.sign_in(&url);
        let swapped = back.replace(&at.id.to_string(), &to.id.to_string());
        let refused = browser.get(&gateway, &swapped).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
    assert_eq!(provider.asked("/token"), asked);
    // The same issuer and subject under two connections are two.
    let answer = browser.through(&gateway, &provider, &way(&first)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(gateway.count("identities").await, 1);
    let mut elsewhere = ada();
    elsewhere["email_verified"] = json!(false);
    provider.person(elsewhere);
    let refused = Browser::default()
        .through(&gateway, &provider, &way(&second))
        .await;
    assert_eq!(refused.status, 403, "{}", refused.text);

    // Another workspace's connection to the same provider, whoever it says is there: nobody of ours.
    provider.person(ada());
    let (app, origin) = (&gateway.app, Origin::cli());
    let evil = workspace::create(app, &origin, "evil", "Evil")
        .await
        .unwrap();
    let theirs = gateway.open_in(&evil, &provider, &edit(&provider)).await;
    let mut browser = Browser::default();
    let there = format!("/w/evil/sign-in/{}", theirs.id);
    let refused = browser.through(&gateway, &provider, &there).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let missing = browser.get(&gateway, &way(&theirs)).await;
    assert_eq!(missing.status, 404, "{}", missing.text);
    assert!(!browser.is_in(&gateway).await);
    assert_eq!(gateway.count("identities").await, 1);
}

// C099 C108
#[tokio::test]
async fn a_login_that_begins_elsewhere_is_one_of_its_own() {
    let (gateway, provider, open) = opened().await;
    let query = |iss: &str, to: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("iss", iss);
        query.append_pair("target_link_uri", to);
        query.append_pair("login_hint", "<b>ada</b>");
        format!("/sign-in/initiate/{}?{}", open.id, query.finish())
    };
    let mut browser = Browser::default();
    for iss in ["https://evil.example", "", "http://127.0.0.1:1"] {
        let refused = browser.get(&gateway, &query(iss, "/me")).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
    let own = format!("{}/me", gateway.url);
    for (to, leads_to) in [
        ("/me", "/me"),
        (own.as_str(), "/me"),
        ("https://evil.example/me", "/"),
        ("//evil.example", "/"),
    ] {
        let path = query(&provider.base, to);
        let url = browser.led(&gateway, &path).await;
        let hint = url::Url::parse(&url).unwrap();
        let hint = hint.query_pairs().find(|(name, _)| name == "login_hint");
        assert_eq!(hint.unwrap().1, "<b>ada</b>");
        let back = provider.sign_in(&url);
        let answer = browser.get(&gateway, &back).await;
        assert_eq!(answer.header("location"), leads_to, "{to}: {}", answer.text);
    }
    // By a form of the provider's own page too.
    let form = query(&provider.base, "/me");
    let (path, form) = form.split_once('?').unwrap();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", provider.base.as_str()),
        ("sec-fetch-site", "cross-site"),
    ];
    let begun = gateway
        .exchange("POST", path, &headers, Some(form.to_owned()))
        .await;
    assert_eq!(begun.status, 303, "{}", begun.text);
}

#[tokio::test]
async fn who_wants_to_sign_in_is_led_on_and_told_nothing_of_others() {
    let (gateway, provider) = gateway().await;
    gateway.proves("acme.example").await;
    provider.person(ada());
    let mut browser = Browser::default();
    let before = browser
        .get(&gateway, "/sign-in?who=ada%40acme.example")
        .await;
    assert_eq!(before.status, 200);
    gateway.open(&provider, &edit(&provider)).await;
    // Whether there is such a person makes no difference.
    for who in ["root", "nobody"] {
        let path = format!("/sign-in?who={who}%40acme.example");
        let to = browser.led(&gateway, &path).await;
        assert_eq!(
            to,
            format!("/w/acme/sign-in?login_hint={who}%40acme.example")
        );
    }
    assert_eq!(
        browser.led(&gateway, "/sign-in?who=ACME").await,
        "/w/acme/sign-in"
    );
    let hint = browser
        .get(&gateway, "/w/acme/sign-in?login_hint=%22%3E%3Cb%3E")
        .await;
    assert!(!hint.text.contains("<b>"), "{}", hint.text);
    // One that nobody signs in to looks as one that is not there.
    workspace::create(&gateway.app, &Origin::cli(), "silent", "Silent")
        .await
        .unwrap();
    let silent = browser.get(&gateway, "/w/silent/sign-in").await;
    let missing = browser.get(&gateway, "/w/missing/sign-in").await;
    assert_eq!((silent.status, missing.status), (404, 404));
    assert_eq!(silent.text, missing.text);
    let unknown = browser.get(&gateway, "/sign-in?who=%3Cscript%3E").await;
    assert_eq!(unknown.status, 200);
    assert!(!unknown.text.contains("<script>"), "{}", unknown.text);
}

// C030
#[tokio::test]
async fn whoever_leaves_is_known_by_no_connection_any_more() {
    let (gateway, provider) = gateway().await;
    gateway.proves("acme.example").await;
    gateway.admin_of("root@acme.example").await;
    gateway.admin_of("ada@acme.example").await;
    provider.person(ada());
    let open = gateway.open(&provider, &edit(&provider)).await;
    let mut browser = Browser::default();
    browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(gateway.count("identities").await, 1);
    assert_eq!(gateway.count("login_names").await, 1);
    let me = members::list(&gateway.app, gateway.workspace.id, None, 10);
    let me = me.await.unwrap();
    let ada = me
        .iter()
        .find(|it| it.email.as_deref() == Some("ada@acme.example"));
    let everything = Scopes::everything();
    let (by, whose) = (
        (&Origin::cli(), &everything),
        (gateway.workspace.id, ada.unwrap().id),
    );
    status::remove(&gateway.app, by, whose, Precondition::default())
        .await
        .unwrap();
    assert!(!browser.is_in(&gateway).await);
    assert_eq!(gateway.count("identities").await, 0);
    assert_eq!(gateway.count("login_names").await, 0);
    let refused = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(gateway.refused_logins().await, ["left"]);
    gateway.check().await;
}
