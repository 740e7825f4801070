//! What a provider answers and must not be believed; and the good one beside it.

use std::time::Duration;

use gatehouse::login::connections::ConnectionKind;
use gatehouse::login::settings::{Edit, FirstLogin};
use gatehouse::workspace::keys::Permission;
use serde_json::{Value, json};

use crate::provider::{CLIENT, HANGS, Signed};
use crate::visitors::{Browser, ada, edit, gateway, is_degraded, opened, pushed, way};

// C097
#[tokio::test]
async fn an_answer_names_its_own_provider() {
    let (gateway, provider, open) = opened().await;
    let asked = provider.asked("/token");
    let mut browser = Browser::default();
    for wrong in ["", "&iss=https%3A%2F%2Faccounts.google.com", "&iss="] {
        let url = browser.led(&gateway, &way(&open)).await;
        let back = provider.sign_in(&url);
        let (own, _) = back.split_once("&iss=").unwrap();
        let refused = browser.get(&gateway, &format!("{own}{wrong}")).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.text);
    }
    assert_eq!(provider.asked("/token"), asked);
    assert_eq!(
        gateway.refused_logins().await,
        ["issuer", "issuer", "issuer"]
    );
}

// C094
#[tokio::test]
async fn userinfo_is_about_the_same_person() {
    let (gateway, provider) = gateway().await;
    gateway.proves("acme.example").await;
    gateway.admin_of("ada@acme.example").await;
    let mut more = ada();
    provider.person(json!({"sub": "00u1"}));
    provider.set().userinfo = Some(more.clone());
    let with = Edit {
        userinfo: Some(true),
        ..edit(&provider)
    };
    let open = gateway.open(&provider, &with).await;
    let mut browser = Browser::default();
    for subject in [json!("00u2"), json!(null), json!(1), json!("00U1")] {
        more["sub"] = subject.clone();
        provider.set().userinfo = Some(more.clone());
        let refused = browser.through(&gateway, &provider, &way(&open)).await;
        assert_eq!(refused.status, 400, "{subject}: {}", refused.text);
    }
    for (media, body) in [
        ("application/jwt", b"e30.e30.e30".to_vec()),
        ("text/html", b"<html>".to_vec()),
        ("application/json", b"[]".to_vec()),
    ] {
        let instead = (200, media, body);
        provider
            .set()
            .instead
            .insert("/userinfo".to_owned(), instead);
        let refused = browser.through(&gateway, &provider, &way(&open)).await;
        assert_eq!(refused.status, 400, "{media}: {}", refused.text);
    }
    assert_eq!(gateway.count("identities").await, 0);
    provider.set().instead.clear();
    // That an address is the person's own is said of the address that is named with it.
    provider.person(json!({"sub": "00u1", "email": "ada@acme.example"}));
    let mut other = ada();
    other["email"] = json!("eve@acme.example");
    provider.set().userinfo = Some(other);
    let refused = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(gateway.count("identities").await, 0);
    provider.set().userinfo = Some(ada());
    let answer = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
}

// C090
#[tokio::test]
async fn a_document_is_the_issuers_own_and_stays_as_it_was_good() {
    let (gateway, provider) = gateway().await;
    let key = gateway.key(&Permission::OF_WORKSPACE).await;
    let path = "/workspaces/acme/connections";
    let says = |name: &str, value: Value| {
        provider.set().says.clear();
        provider.set().says.insert(name.to_owned(), value);
    };
    for other in [
        "https://accounts.google.com".to_owned(),
        format!("{}/", provider.base),
        provider.base.to_uppercase(),
    ] {
        says("issuer", other.clone().into());
        let body = json!({
            "kind": "oidc", "name": "Okta", "issuer": provider.base, "client_id": CLIENT,
        });
        let refused = gateway.api(&key, "POST", path, Some(&body)).await;
        assert_eq!(refused.status, 400, "{other}: {}", refused.text);
        assert!(refused.text.contains("issuer_mismatch"), "{}", refused.text);
        // What is published is asked for now and then alone.
        gateway.app.clock.advance(Duration::from_mins(11));
    }
    provider.set().says.clear();
    gateway.proves("acme.example").await;
    gateway.admin_of("ada@acme.example").await;
    provider.person(ada());
    let open = gateway.open(&provider, &edit(&provider)).await;
    let mut browser = Browser::default();
    for (name, value) in [
        ("issuer", json!("https://accounts.google.com")),
        ("jwks_uri", json!(null)),
        ("token_endpoint", json!(7)),
    ] {
        says(name, value);
        gateway.app.clock.advance(Duration::from_mins(11));
        let answer = browser.through(&gateway, &provider, &way(&open)).await;
        assert_eq!(answer.status, 303, "{name}: {}", answer.text);
        assert!(is_degraded(&gateway, &open).await, "{name}");
    }
    provider.set().says.clear();
    gateway.app.clock.advance(Duration::from_mins(11));
    let answer = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert!(!is_degraded(&gateway, &open).await);
    let told = gateway.texts("changes WHERE kind LIKE 'connection.%' ORDER BY id", "kind");
    let told = told.await;
    assert_eq!(
        told[told.len() - 2..],
        ["connection.degraded", "connection.recovered"]
    );
    // What an admin who looks at a provider finds there is not kept for logins.
    says("issuer", json!("https://accounts.google.com"));
    let body = json!({
        "kind": "oidc", "name": "Second", "issuer": provider.base, "client_id": CLIENT,
    });
    let refused = gateway.api(&key, "POST", path, Some(&body)).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let answer = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
}

// C091 C087
#[tokio::test]
async fn of_several_tenants_those_come_in_that_are_named() {
    let (gateway, provider) = gateway().await;
    gateway.proves("acme.example").await;
    gateway.admin_of("ada@acme.example").await;
    let base = provider.base.clone();
    let scim = gateway.scim().await;
    let mut user = pushed();
    user["userName"] = json!("bob@acme.example");
    user["externalId"] = json!("oid-1");
    user["emails"] = json!([]);
    scim.created("/Users", &user).await;
    let tenants = Edit {
        kind: Some(ConnectionKind::EntraMultiTenant),
        issuer: Some(format!("{base}/organizations/v2.0")),
        tenants: Some(["t1".to_owned(), "t2".to_owned()].into()),
        directory: Some("idp".to_owned()),
        ..edit(&provider)
    };
    provider.set().names_itself = false;
    let of = |iss: &str, tid: &str, oid: &str| {
        let mut person = ada();
        person["sub"] = json!("pairwise");
        (person["iss"], person["tid"]) = (json!(format!("{base}/{iss}/v2.0")), json!(tid));
        person["oid"] = json!(oid);
        person
    };
    provider.person(of("t1", "t1", "oid-1"));
    let open = gateway.open(&provider, &tenants).await;
    let mut browser = Browser::default();
    for (iss, tid, status) in [
        ("t2", "t1", 400),
        ("t3", "t3", 403),
        ("t1", "t3", 403),
        ("t3", "t1", 400),
        // Personal accounts.
        (
            "9188040d-6c67-4c5b-b112-36a304b66dad",
            "9188040d-6c67-4c5b-b112-36a304b66dad",
            403,
        ),
        ("{tenantid}", "{tenantid}", 403),
    ] {
        provider.person(of(iss, tid, "oid-1"));
        let refused = browser.through(&gateway, &provider, &way(&open)).await;
        assert_eq!(refused.status, status, "{iss} {tid}: {}", refused.text);
    }
    // The victim's address in an attacker's tenant, be it one that may come in: nobody.
    provider.person(of("t2", "t2", "attacker"));
    let refused = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(gateway.count("identities").await, 0);
    provider.person(of("t1", "t1", "oid-1"));
    let answer = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    // The same oid in another tenant is somebody else.
    provider.person(of("t2", "t2", "oid-1"));
    let refused = Browser::default()
        .through(&gateway, &provider, &way(&open))
        .await;
    assert_eq!(refused.status, 403, "{}", refused.text);
}

// C106 C107
#[tokio::test]
async fn domain_and_strength_are_what_the_claims_say() {
    let (gateway, provider) = gateway().await;
    gateway.proves("acme.example").await;
    gateway.admin_of("ada@acme.example").await;
    let strict = Edit {
        hosted_domains: Some(["acme.example".to_owned()].into()),
        acr_values: Some(vec!["phr".to_owned()]),
        amr: Some(["mfa".to_owned()].into()),
        max_age: Some(300),
        ..edit(&provider)
    };
    let now = gateway.app.clock.now().0 / 1_000_000;
    let mut good = ada();
    good["hd"] = json!("acme.example");
    (good["acr"], good["amr"]) = (json!("phr"), json!(["pwd", "mfa"]));
    good["auth_time"] = json!(now - 300);
    provider.person(good.clone());
    let open = gateway.open(&provider, &strict).await;
    let url = Browser::default().led(&gateway, &way(&open)).await;
    assert!(
        url.contains("max_age=300") && url.contains("acr_values=phr"),
        "{url}"
    );
    let mut browser = Browser::default();
    for (name, value) in [
        ("hd", json!(null)),
        ("hd", json!("sub.acme.example")),
        ("hd", json!(["acme.example"])),
        ("hd", json!("ACME.example")),
        ("acr", json!(null)),
        ("acr", json!("0")),
        ("amr", json!(null)),
        ("amr", json!(["pwd"])),
        ("auth_time", json!(null)),
        ("auth_time", json!(now - 361)),
    ] {
        let mut weak = good.clone();
        weak[name] = value.clone();
        if value.is_null() {
            weak.as_object_mut().unwrap().remove(name);
        }
        provider.person(weak);
        let refused = browser.through(&gateway, &provider, &way(&open)).await;
        assert_eq!(refused.status, 403, "{name} {value}: {}", refused.text);
    }
    // What the browser says of a domain is nothing.
    let hinted = format!("{}?hd=acme.example", way(&open));
    let mut other = good.clone();
    other["hd"] = json!("other.example");
    provider.person(other);
    let refused = browser.through(&gateway, &provider, &hinted).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    provider.person(good);
    let answer = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
}

// C109 C110
#[tokio::test]
async fn keys_are_asked_for_when_they_are_missed_and_seldom() {
    let (gateway, provider, open) = opened().await;
    let mut browser = Browser::default();
    let first = provider.asked("/keys");
    // A new key is found by one look.
    gateway.app.clock.advance(Duration::from_secs(31));
    provider.rotate("two");
    let answer = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(provider.asked("/keys"), first + 1);
    // So is one that changes between the two requests of a login.
    gateway.app.clock.advance(Duration::from_secs(31));
    let url = browser.led(&gateway, &way(&open)).await;
    let back = provider.sign_in(&url);
    provider.rotate("three");
    let answer = browser.get(&gateway, &back).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(provider.asked("/keys"), first + 2);
    // What the former key signs is good for as long as the key set is kept, and no longer.
    gateway.app.clock.advance(Duration::from_secs(31));
    provider.rotate("four");
    provider.twist(|it| it.signed = Signed::Formerly);
    let answer = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    gateway.app.clock.advance(Duration::from_mins(10));
    let refused = browser.through(&gateway, &provider, &way(&open)).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    provider.twist(|_| {});

    // Whatever its key set answers, unknown names of keys cost one look in half a minute.
    let instead = |answer: Option<(u16, &'static str, Vec<u8>)>| {
        provider.set().instead.clear();
        if let Some(answer) = answer {
            provider.set().instead.insert("/keys".to_owned(), answer);
        }
    };
    for (at, answer) in [
        None,
        Some((200, "application/json", b"{\"keys\": []}".to_vec())),
        Some((500, "text/plain", b"no".to_vec())),
        Some((HANGS, "", Vec::new())),
    ]
    .into_iter()
    .enumerate()
    {
        gateway.app.clock.advance(Duration::from_secs(31));
        instead(answer);
        let before = provider.asked("/keys");
        for kid in 0..20 {
            provider.twist(move |it| it.header["kid"] = format!("kid-{kid}").into());
            let refused = browser.through(&gateway, &provider, &way(&open)).await;
            assert_eq!(refused.status, 400, "{}", refused.text);
        }
        assert_eq!(provider.asked("/keys"), before + 1, "{at}");
        // Good logins go on with what is known.
        provider.twist(|_| {});
        let answer = browser.through(&gateway, &provider, &way(&open)).await;
        assert_eq!(answer.status, 303, "{at}: {}", answer.text);
    }
}

// C111
#[tokio::test]
async fn without_the_name_of_a_key_each_that_fits_will_do() {
    let (gateway, provider, open) = opened().await;
    provider.twist(|it| drop(it.header.as_object_mut().unwrap().remove("kid")));
    let mut browser = Browser::default();
    for (others, status) in [(0, 303), (15, 303), (16, 400)] {
        gateway.app.clock.advance(Duration::from_mins(11));
        provider.others(others);
        let answer = browser.through(&gateway, &provider, &way(&open)).await;
        assert_eq!(answer.status, status, "{others}: {}", answer.text);
    }
}

// C114
#[tokio::test]
async fn what_a_provider_says_is_shown_as_text() {
    let (gateway, provider, open) = opened().await;
    let mut browser = Browser::default();
    for (error, text) in [
        ("access_denied", "<script>alert(1)</script>"),
        ("access_denied", &*"long ".repeat(2_000)),
        ("<b>x</b>", "javascript:alert(1)"),
    ] {
        let url = browser.led(&gateway, &way(&open)).await;
        let back = provider.sign_in(&url);
        let (path, query) = back.split_once('?').unwrap();
        let kept = url::form_urlencoded::parse(query.as_bytes());
        let kept = kept.filter(|(name, _)| name != "code");
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair("error", error)
            .append_pair("error_description", text)
            .append_pair("error_uri", "javascript:alert(1)")
            .finish();
        let refused = browser.get(&gateway, &format!("{path}?{query}")).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        let page = &refused.text;
        assert!(
            !page.contains("<script>") && !page.contains("<b>"),
            "{page}"
        );
        assert!(!page.contains("href=\"javascript"), "{page}");
        assert!(page.len() < 3_000, "{page}");
    }
    assert_eq!(
        gateway.refused_logins().await,
        ["provider", "provider", "provider"]
    );
    assert!(gateway.told("access_denied").await && !gateway.told("<b>").await);
}

// C105
#[tokio::test]
async fn groups_and_roles_of_a_provider_give_nothing_by_themselves() {
    let (gateway, provider) = gateway().await;
    gateway.proves("acme.example").await;
    let mut person = ada();
    person["groups"] = (0..10_000).map(|at| json!(format!("g{at}"))).collect();
    person["roles"] = json!(["admin"]);
    person["wids"] = json!(["62e90394-69f5-4237-9190-012177145e10"]);
    person["_claim_names"] = json!({"groups": "src1"});
    provider.person(person);
    let first = Edit {
        first_login: Some(FirstLogin::ProvedDomains),
        ..edit(&provider)
    };
    let made = gateway.connection(&first).await;
    let shown = gateway.test(&provider, made.id).await;
    assert!(shown.text.contains("too many groups"), "{}", shown.text);
    let key = gateway.key(&Permission::OF_WORKSPACE).await;
    let on = format!("/workspaces/acme/connections/{}/enable", made.id);
    let on = gateway.api(&key, "POST", &on, None).await;
    assert_eq!(on.status, 200, "{}", on.text);
    let mut browser = Browser::default();
    let answer = browser.through(&gateway, &provider, &way(&made)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let me = browser.get(&gateway, "/me").await;
    assert!(me.text.contains("Ada Lovelace"), "{}", me.text);
    assert!(!me.text.contains("class=\"tag\""), "{}", me.text);
}
