//! One-time links and sessions: who comes in by one, and what ends it.

use std::collections::HashSet;
use std::time::Duration;

use gatehouse::accounts::links;
use gatehouse::accounts::sessions::{self, ABSOLUTE, Browser, IDLE, MOST};
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::error::Error;
use gatehouse::login::first_door::{self, AdminLink};
use gatehouse::workspace::keys::Scopes;
use gatehouse::workspace::{erasure, lifecycle, status};
use secrecy::ExposeSecret;

use crate::gateway::{Answer, Gateway};

const COOKIE: &str = "__Host-gatehouse-session";

impl Gateway {
    async fn admin_link(&self, email: &str) -> AdminLink {
        let origin = Origin::cli();
        let made = first_door::admin_link(&self.app, &origin, self.workspace.id, email);
        made.await.expect("a link")
    }

    /// What a browser with that cookie gets.
    async fn page(&self, method: &str, path: &str, token: &str) -> Answer {
        let cookie = format!("{COOKIE}={token}");
        self.exchange(method, path, &[("cookie", &cookie)], None)
            .await
    }

    /// Follows a link as a browser does, and gives the session's token.
    async fn follow(&self, path: &str) -> String {
        let answer = self.exchange("POST", path, &[], None).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        assert_eq!(answer.header("location"), "/me");
        token(&answer)
    }
}

/// The part of a link that this deployment is asked for.
fn path(link: &links::Made) -> String {
    let url = link.url.expose_secret();
    let url = url::Url::parse(url).expect("a URL");
    url.path().to_owned()
}

fn token(answer: &Answer) -> String {
    let set = answer.header("set-cookie");
    let value = set.split(';').next().expect("a cookie");
    let value = value.strip_prefix(&format!("{COOKIE}=")).expect("ours");
    value.to_owned()
}

// C182 C216
#[tokio::test]
async fn an_admin_comes_in_by_a_link_once() {
    let gateway = Gateway::new().await;
    // Nobody is in, and there is no set-up that whoever comes first could take.
    assert_eq!(gateway.page("GET", "/me", "").await.status, 401);
    for path in ["/setup", "/admin", "/login"] {
        let found = gateway.exchange("GET", path, &[], None).await;
        assert_eq!(found.status, 404, "{path}");
    }

    let made = gateway.admin_link("ada@acme.example").await;
    assert!(made.is_new);
    let path = path(&made.link);
    // A scanner looks at it twice, with HEAD too.
    for method in ["GET", "HEAD", "GET"] {
        let seen = gateway.exchange(method, &path, &[], None).await;
        assert_eq!(seen.status, 200, "{}", seen.text);
        assert_eq!(seen.header("set-cookie"), "");
    }
    let answer = gateway.exchange("POST", &path, &[], None).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let set = answer.header("set-cookie").to_owned();
    for flag in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(flag), "{set}");
    }
    assert!(!set.contains("Domain"), "{set}");
    let me = gateway.page("GET", "/me", &token(&answer)).await;
    assert_eq!(me.status, 200, "{}", me.text);
    assert!(me.text.contains("ada@acme.example"), "{}", me.text);
    assert!(
        me.text.contains("<span class=\"tag\">admin</span>"),
        "{}",
        me.text
    );
    let policy = me.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
    assert_eq!(me.header("cache-control"), "no-store");

    // A second time it opens nothing, and says no more than of one that never was.
    let again = gateway.exchange("POST", &path, &[], None).await;
    let unknown = format!("/link/{}", "x".repeat(60));
    let unknown = gateway.exchange("POST", &unknown, &[], None).await;
    assert_eq!((again.status, unknown.status), (410, 410));
    assert_eq!(again.header("set-cookie"), "");
    gateway.check().await;
}

#[tokio::test]
async fn a_link_finds_whoever_is_there_and_lets_nobody_in_who_is_shut_out() {
    let gateway = Gateway::new().await;
    let first = gateway.admin_link("ada@acme.example").await;
    let again = gateway.admin_link("ADA@acme.example").await;
    assert!(!again.is_new);
    assert_eq!(first.member.id, again.member.id);
    let other = gateway.admin_link("bob@acme.example").await;
    let everything = Scopes::everything();
    let by = (&Origin::cli(), &everything);
    let ada = (gateway.workspace.id, first.member.id);
    let session = gateway.follow(&path(&again.link)).await;
    assert_eq!(gateway.page("GET", "/me", &session).await.status, 200);

    status::suspend(&gateway.app, by, ada).await.unwrap();
    // Off with the commit: the session, and the link that was not followed.
    assert_eq!(gateway.page("GET", "/me", &session).await.status, 401);
    let late = gateway
        .exchange("POST", &path(&first.link), &[], None)
        .await;
    assert_eq!(late.status, 410);
    let (app, workspace) = (&gateway.app, gateway.workspace.id);
    let refused = first_door::admin_link(app, by.0, workspace, "ada@acme.example").await;
    assert!(matches!(refused, Err(Error::Conflict(_))));
    // Coming back gives no old session back.
    status::activate(&gateway.app, by, ada).await.unwrap();
    assert_eq!(gateway.page("GET", "/me", &session).await.status, 401);
    let late = gateway
        .exchange("POST", &path(&first.link), &[], None)
        .await;
    assert_eq!(late.status, 410);

    // A workspace that is shut opens nothing either.
    let session = gateway.follow(&path(&other.link)).await;
    lifecycle::suspend(&gateway.app, &Origin::cli(), &gateway.workspace)
        .await
        .unwrap();
    assert_eq!(gateway.page("GET", "/me", &session).await.status, 401);
    gateway.check().await;
}

// C216
#[tokio::test]
async fn of_those_who_follow_one_link_at_once_one_comes_in() {
    let gateway = Gateway::new().await;
    let link = path(&gateway.admin_link("ada@acme.example").await.link);
    let follow = || gateway.exchange("POST", &link, &[], None);
    let answers = futures_util::future::join_all((0..8).map(|_| follow())).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410, 410, 410, 410, 410, 410, 410]);
    assert_eq!(gateway.count("sessions").await, 1);
}

// C185
#[tokio::test]
async fn a_session_ends_by_its_owner_and_by_time() {
    let gateway = Gateway::at(Clock::fixed(Clock::system().now()), |_| {}).await;
    let second = gateway.second_node().await;
    let present = |token: &str| {
        let (app, token) = (second.clone(), token.to_owned());
        async move { sessions::present(&app, &token).await.is_ok() }
    };
    let come_in = async || {
        let link = gateway.admin_link("ada@acme.example").await.link;
        gateway.follow(&path(&link)).await
    };
    let left = come_in().await;
    assert!(present(&left).await);
    let out = gateway.page("POST", "/sign-out", &left).await;
    assert_eq!(out.status, 200, "{}", out.text);
    assert!(out.header("clear-site-data").contains("cookies"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    // On every node, at once.
    assert!(!present(&left).await);
    assert_eq!(gateway.page("GET", "/me", &left).await.status, 401);

    // One that is seen now and then lasts until its absolute end.
    let lasting = come_in().await;
    let idle = come_in().await;
    let step = IDLE.checked_sub(Duration::from_mins(5)).unwrap();
    let mut passed = Duration::ZERO;
    while passed + step < ABSOLUTE {
        gateway.app.clock.advance(step);
        passed += step;
        assert_eq!(gateway.page("GET", "/me", &lasting).await.status, 200);
    }
    assert_eq!(gateway.page("GET", "/me", &idle).await.status, 401);
    gateway.app.clock.advance(step);
    assert_eq!(gateway.page("GET", "/me", &lasting).await.status, 401);
    // What is over is forgotten in the end.
    gateway.app.clock.advance(Duration::from_hours(48));
    while sessions::forget(&gateway.app).await.unwrap() > 0 {}
    for table in ["sessions", "session_members", "one_time_links"] {
        assert_eq!(gateway.count(table).await, 0, "{table}");
    }
}

// C182 C186
#[tokio::test]
async fn a_member_has_so_many_sessions_and_ends_them_one_by_one_or_all() {
    let gateway = Gateway::new().await;
    let mut tokens = Vec::new();
    for _ in 0..=MOST {
        let link = gateway.admin_link("ada@acme.example").await.link;
        tokens.push(gateway.follow(&path(&link)).await);
    }
    let different: HashSet<_> = tokens.iter().map(|token| &token[..12]).collect();
    assert_eq!(different.len(), tokens.len());
    let (oldest, newest) = (&tokens[0], tokens.last().unwrap());
    assert_eq!(gateway.page("GET", "/me", oldest).await.status, 401);
    assert_eq!(gateway.page("GET", "/me", &tokens[1]).await.status, 200);

    let ada = sessions::present(&gateway.app, newest)
        .await
        .unwrap()
        .opened[0]
        .clone();
    let whose = (ada.workspace, ada.member);
    let listed = sessions::list(&gateway.app, whose).await.unwrap();
    assert_eq!(i64::try_from(listed.len()).unwrap(), MOST);
    let one = listed.last().unwrap().id;
    let ended = gateway
        .page("POST", &format!("/me/sessions/{one}/end"), newest)
        .await;
    assert_eq!(ended.status, 303, "{}", ended.text);
    assert_eq!(gateway.page("GET", "/me", &tokens[1]).await.status, 401);

    // Somebody else's session is not there.
    let link = gateway.admin_link("bob@acme.example").await.link;
    let bob = gateway.follow(&path(&link)).await;
    let path = format!("/me/sessions/{}/end", listed[0].id);
    assert_eq!(gateway.page("POST", &path, &bob).await.status, 404);
    assert_eq!(gateway.page("GET", "/me", newest).await.status, 200);

    let all = gateway.page("POST", "/me/sessions/end", newest).await;
    assert_eq!(all.status, 303);
    assert_eq!(sessions::list(&gateway.app, whose).await.unwrap().len(), 1);
    assert_eq!(gateway.page("GET", "/me", newest).await.status, 200);
    assert_eq!(gateway.page("GET", "/me", &bob).await.status, 200);
}

// C009 C182
#[tokio::test]
async fn a_cookie_opens_pages_alone_and_only_as_it_was_given() {
    let gateway = Gateway::new().await;
    let link = gateway.admin_link("ada@acme.example").await.link;
    let link = path(&link);
    let link_token = link.rsplit('/').next().unwrap().to_owned();
    let session = gateway.follow(&link).await;
    // At no other door, and no other credential at this one.
    let scim = gateway.scim().await;
    let key = gateway
        .key(&[gatehouse::workspace::keys::Permission::MembersRead])
        .await;
    for credential in [&session, &link_token] {
        let bearer = format!("Bearer {credential}");
        let headers = [("authorization", bearer.as_str())];
        for path in ["/api/v1/workspaces", "/scim/v2/Users", "/me"] {
            let answer = gateway.exchange("GET", path, &headers, None).await;
            assert_eq!(answer.status, 401, "{path}");
        }
    }
    for credential in [
        scim.token.as_str(),
        &key,
        &link_token,
        &session[..session.len() - 1],
        "",
    ] {
        assert_eq!(gateway.page("GET", "/me", credential).await.status, 401);
    }
    // Of two cookies one may be planted.
    for cookie in [
        format!("{COOKIE}={session}; {COOKIE}={session}"),
        format!("{COOKIE}=x; {COOKIE}={session}"),
    ] {
        let answer = gateway
            .exchange("GET", "/me", &[("cookie", &cookie)], None)
            .await;
        assert_eq!(answer.status, 401);
    }
    // Its text is stored nowhere.
    for (table, column) in [("changes", "detail"), ("sessions", "browser")] {
        for stored in gateway.texts(table, column).await {
            assert!(!stored.contains(&session) && !stored.contains(&link_token));
        }
    }
}

#[tokio::test]
async fn a_form_from_elsewhere_does_nothing() {
    let gateway = Gateway::new().await;
    let link = path(&gateway.admin_link("ada@acme.example").await.link);
    for headers in [
        [("sec-fetch-site", "cross-site"), ("accept-language", "de")],
        [("origin", "https://evil.example"), ("host", "localhost")],
    ] {
        let answer = gateway.exchange("POST", &link, &headers, None).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
        assert!(answer.text.contains("<html"), "{}", answer.text);
    }
    let headers = [("sec-fetch-site", "same-origin"), ("accept-language", "de")];
    let answer = gateway.exchange("POST", &link, &headers, None).await;
    assert_eq!(answer.status, 303);
    // An error is a page in the browser's language, with a reference.
    let headers = [("accept-language", "de-AT, en;q=0.5")];
    let gone = gateway.exchange("GET", &link, &headers, None).await;
    assert_eq!(gone.status, 410);
    assert!(gone.text.contains("<html lang=\"de\">"), "{}", gone.text);
    assert!(gone.text.contains(gone.header("x-request-id")));
}

#[tokio::test]
async fn an_operator_comes_in_by_a_link_too() {
    let gateway = Gateway::new().await;
    let link = first_door::operator_link(&gateway.app).await.unwrap();
    let session = gateway.follow(&path(&link)).await;
    let me = gateway.page("GET", "/me", &session).await;
    assert_eq!(me.status, 200, "{}", me.text);
    assert!(me.text.contains("You are an operator"), "{}", me.text);
    assert!(!me.text.contains("<section>"));
}

#[tokio::test]
async fn a_link_lasts_half_an_hour() {
    let gateway = Gateway::at(Clock::fixed(Clock::system().now()), |_| {}).await;
    let link = path(&gateway.admin_link("ada@acme.example").await.link);
    gateway.app.clock.advance(links::LIFE);
    let late = gateway.exchange("POST", &link, &[], None).await;
    assert_eq!(late.status, 410, "{}", late.text);
}

#[tokio::test]
async fn a_new_session_ends_the_one_that_the_browser_had() {
    let gateway = Gateway::new().await;
    let first = gateway.admin_link("ada@acme.example").await.link;
    let first = gateway.follow(&path(&first)).await;
    let second = gateway.admin_link("ada@acme.example").await.link;
    let answer = gateway.page("POST", &path(&second), &first).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_ne!(token(&answer), first);
    assert_eq!(gateway.page("GET", "/me", &first).await.status, 401);
    assert_eq!(
        gateway.page("GET", "/me", &token(&answer)).await.status,
        200
    );
}

// C030
#[tokio::test]
async fn whoever_is_erased_leaves_no_session() {
    let gateway = Gateway::new().await;
    let made = gateway.admin_link("ada@acme.example").await;
    gateway.admin_link("bob@acme.example").await;
    let link = path(&made.link);
    let text = link.rsplit('/').next().unwrap();
    let (origin, browser) = (Origin::cli(), Browser::of(Some("Ada's browser")));
    links::follow(&gateway.app, &origin, text, browser, None)
        .await
        .unwrap();
    assert_eq!(
        gateway.texts("sessions", "browser").await,
        ["Ada's browser"]
    );
    let everything = Scopes::everything();
    let by = (&Origin::cli(), &everything);
    let ada = (gateway.workspace.id, made.member.id);
    erasure::erase(&gateway.app, by, ada, true).await.unwrap();
    let sql = "sessions WHERE browser IS NOT NULL";
    assert_eq!(gateway.count(sql).await, 0);
    assert_eq!(gateway.count("session_members").await, 0);
}
