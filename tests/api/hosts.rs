//! Hosts that are not ours, addresses of clients, and what is too long: refused before any work.

use gatehouse::secrets::tokens::{self, Door};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::gateway::Gateway;
use crate::limits::Log;
use crate::raw::exchange;

// C155, and "host not ours" among the answers
#[tokio::test]
async fn a_request_for_another_host_is_misdirected_whatever_it_holds() {
    let gateway = Gateway::with(|config| config.server.hosts.push("proxied".to_owned())).await;
    let scim = gateway.scim().await;
    let address = gateway.address();
    let ask = async |target: &str, hosts: &[&str]| {
        let hosts: Vec<_> = hosts.iter().map(|it| format!("Host: {it}\r\n")).collect();
        let hosts = hosts.concat();
        let request = format!(
            "GET {target} HTTP/1.1\r\n{hosts}Authorization: Bearer {}\r\n\
             Connection: close\r\n\r\n",
            scim.token
        );
        exchange(&address, request.as_bytes()).await
    };
    let users = "/scim/v2/Users?count=0";
    for host in [
        "gate",
        "GATE:8080",
        "proxied",
        "localhost:1",
        "127.0.0.1",
        "[::1]:80",
    ] {
        assert_eq!(ask(users, &[host]).await.0, 200, "{host}");
    }
    let (status, text) = ask(users, &["evil.example"]).await;
    assert_eq!(status, 421);
    assert!(text.contains("server.hosts"), "it says what to set: {text}");
    assert!(
        text.contains("urn:ietf:params:scim:api:messages:2.0:Error"),
        "{text}"
    );
    for (target, hosts, expect) in [
        (users, &["gate.evil.example"][..], 421),
        (users, &["gate", "gate"], 400),
        (users, &["gate", "evil.example"], 400),
        (users, &["evil@gate"], 400),
        ("http://evil.example/scim/v2/Users", &["gate"], 421),
        ("http://gate/scim/v2/Users", &["evil.example"], 421),
        ("/nowhere", &["evil.example"], 421),
        ("/healthz", &["evil.example"], 200),
        ("/readyz", &["evil.example"], 200),
    ] {
        assert_eq!(ask(target, hosts).await.0, expect, "{target} {hosts:?}");
    }
    // No header changes a link.
    let body = json!({"userName": "ada@acme.example"}).to_string();
    let request = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: gate\r\nX-Forwarded-Host: evil.example\r\n\
         X-Forwarded-Proto: gopher\r\nForwarded: host=evil.example;proto=http\r\n\
         X-Original-URL: /evil\r\nOrigin: https://evil.example\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        scim.token,
        body.len()
    );
    let (status, text) = exchange(&address, request.as_bytes()).await;
    assert_eq!(status, 201);
    assert!(
        text.contains(&format!("{}/scim/v2/Users/", gateway.url)),
        "{text}"
    );
    assert!(!text.contains("evil"), "{text}");
}

#[tokio::test]
async fn a_deployment_that_names_no_host_or_forces_it_takes_any() {
    let any = Gateway::with(|config| config.server.allow_any_host = true).await;
    let request = b"GET /nowhere HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n";
    assert_eq!(exchange(&any.address(), request).await.0, 404);
}

// C063: in process, where it shows what a request cost; over sockets see `limits` and `tls`.
#[tokio::test]
async fn what_is_too_long_costs_no_look_up() {
    let gateway = Gateway::new().await;
    gateway.scim().await;
    let ask = async |path: &str, headers: &[(&str, &str)]| {
        let answer = gateway.exchange("GET", path, headers, None).await;
        (answer.status, answer.statements)
    };
    let (unknown, _) = tokens::mint(Door::Directory(gateway.workspace.id)).unwrap();
    let bearer = format!("Bearer {}", unknown.expose_secret());
    let (status, statements) = ask("/scim/v2/Users", &[("authorization", &bearer)]).await;
    assert!(status == 401 && statements > 0, "{status} {statements}");
    let [url, token, cookie] = [60_000, 1 << 20, 8 << 10].map(|size| "a".repeat(size));
    let names: Vec<_> = (0..1_000).map(|at| format!("x-{at}")).collect();
    let mut wide: Vec<_> = names.iter().map(|name| (name.as_str(), "y")).collect();
    wide.push(("authorization", &bearer));
    let users = "/scim/v2/Users";
    let cookies = [("authorization", bearer.as_str()), ("cookie", &cookie)];
    for (path, headers, expect) in [
        (format!("{users}?x={url}"), &cookies[..1], 414),
        (users.to_owned(), &wide, 431),
        (users.to_owned(), &[("authorization", token.as_str())], 431),
        (users.to_owned(), &cookies, 431),
    ] {
        assert_eq!(ask(&path, headers).await, (expect, 0), "{expect}");
    }
    // At the limits it is an ordinary request.
    let [url, cookie] = [16_384 - 17, 8_191].map(|size| "a".repeat(size));
    let path = format!("{users}?x={url}");
    assert_eq!(ask(&path, &[("cookie", &cookie)]).await.0, 401);
    // Over HTTP/1.1 itself.
    let get = |path: &str, headers: &str| crate::raw::get(path, headers);
    let many = names.join(": y\r\n") + ": y\r\n";
    for (request, expect) in [
        (get(&format!("{users}?x={}", "a".repeat(40_000)), ""), 414),
        (get(users, &many), 431),
        (
            get(users, &format!("cookie: {}\r\n", "a".repeat(8_192))),
            431,
        ),
    ] {
        let (status, text) = exchange(&gateway.address(), &request).await;
        assert_eq!(status, expect, "{text}");
    }
    for request in [
        get(&format!("{users}?x={}", "a".repeat(64 << 10)), ""),
        get(
            users,
            &format!("authorization: {}\r\n", "a".repeat(1 << 20)),
        ),
    ] {
        // The connection may end before all of it was sent.
        let (status, text) = exchange(&gateway.address(), &request).await;
        assert!([0, 400, 414, 431].contains(&status), "{text}");
    }
}

// C193
#[tokio::test]
async fn the_address_of_who_tries_a_credential_is_told_as_trusted_proxies_say_it() {
    let (log, _guard) = Log::up_to(tracing::Level::INFO);
    let trusting = Gateway::with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let wary = Gateway::new().await;
    let forwarded = "x-forwarded-for: 203.0.113.9, 198.51.100.4\r\n";
    for (gateway, expect) in [(&trusting, "198.51.100.4"), (&wary, "127.0.0.1")] {
        let request = crate::raw::get("/scim/v2/Users", forwarded);
        assert_eq!(exchange(&gateway.address(), &request).await.0, 401);
        let lines = log.take();
        let told = lines.lines().find(|line| line.contains("answered 401"));
        let told = told.unwrap().to_owned();
        assert!(told.contains(&format!("client={expect}")), "{told}");
        assert!(!lines.contains("203.0.113.9"), "{lines}");
    }
    // Who gets in is told by its credential's id, not by where it came from.
    let scim = trusting.scim().await;
    let headers = format!("Authorization: Bearer {}\r\n{forwarded}", scim.token);
    let request = crate::raw::get("/scim/v2/Users", &headers);
    assert_eq!(exchange(&trusting.address(), &request).await.0, 200);
    assert!(!log.take().contains("198.51.100.4"));
}
