//! What a request, a client and a workspace may cost.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gatehouse::http::server::{self, ServeOptions};
use gatehouse::workspace::quota;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing::subscriber::DefaultGuard;

use crate::gateway::{Gateway, member, operations, users};
use crate::raw::{exchange, get};

// C049, C052
#[tokio::test]
async fn a_body_beyond_its_limit_is_refused_and_not_kept() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let head = |extra: &str| {
        format!(
            "POST /scim/v2/Users HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/scim+json\r\n{extra}\r\n",
            scim.token
        )
    };
    let (status, _) = exchange(
        &gateway.address(),
        head("Content-Length: 10000000000\r\n").as_bytes(),
    )
    .await;
    assert_eq!(status, 413);
    // An endless body in chunks: the answer comes while the client still sends.
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream
        .write_all(head("Transfer-Encoding: chunked\r\n").as_bytes())
        .await
        .unwrap();
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1_024));
    let mut sent = 0_usize;
    while stream.write_all(chunk.as_bytes()).await.is_ok() && sent < 64 << 20 {
        sent += chunk.len();
    }
    assert!(sent < 64 << 20, "the server must stop reading");
    // Without a credential no body is read at all.
    let (status, _) = exchange(
        &gateway.address(),
        b"POST /scim/v2/Users HTTP/1.1\r\nHost: gate\r\nContent-Length: 10000000000\r\n\r\n",
    )
    .await;
    assert_eq!(status, 401);
    let at_limit = 256 * 1_024;
    for (size, status) in [(at_limit, 400), (at_limit + 1, 413)] {
        let body = vec![b'{'; size];
        let answer = gateway
            .post_raw(&scim, "/Users", "application/json", body)
            .await;
        assert_eq!(answer.0, status, "{size}");
    }
    for encoding in ["gzip", "br", "gzip, gzip"] {
        let bytes = head(&format!(
            "Content-Encoding: {encoding}\r\nContent-Length: 2\r\n"
        )) + "{}";
        assert_eq!(
            exchange(&gateway.address(), bytes.as_bytes()).await.0,
            415,
            "{encoding}"
        );
    }
}

/// A further listener of a gateway that waits for hardly anything.
fn serve_impatiently(gateway: &Gateway, places: usize) -> (SocketAddr, CancellationToken) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let options = ServeOptions {
        header_timeout: Duration::from_millis(300),
        write_timeout: Duration::from_secs(1),
        drain: Duration::from_secs(1),
        max_connections: places,
    };
    let stop = CancellationToken::new();
    let router = gatehouse::http::router(gateway.app.clone());
    tokio::spawn(server::serve(listener, router, options, stop.clone()));
    (address, stop)
}

// C050, C051
#[tokio::test]
async fn slow_and_foreign_clients_are_cut_off() {
    let gateway = Gateway::new().await;
    let (address, stop) = serve_impatiently(&gateway, 100);
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHo")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let cut = tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut rest)).await;
    assert!(cut.is_ok(), "half a header is not waited for");
    // HTTP/2 without TLS has no door: its preface is no request.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let (status, text) = exchange(&address.to_string(), preface).await;
    assert!(status == 400 || text.is_empty() || status == 505, "{text}");
    let (status, _) = exchange(&address.to_string(), &get("/healthz", "")).await;
    assert_eq!(status, 200);
    let long = get(&format!("/scim/v2/Users?x={}", "a".repeat(17_000)), "");
    assert_eq!(exchange(&address.to_string(), &long).await.0, 414);
    let wide = get("/healthz", &format!("x: {}\r\n", "a".repeat(1_000_000)));
    let (status, _) = exchange(&address.to_string(), &wide).await;
    assert!([0, 431].contains(&status), "{status}");
    stop.cancel();
}

// C050, C244
#[tokio::test]
async fn nobody_waits_for_a_place_without_end() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let (address, stop) = serve_impatiently(&gateway, 1);
    // The only place is taken by a request whose body is under way.
    let body = r#"{"userName":"a@acme.example"}"#;
    let mut busy = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nConnection: close\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\n\r\n",
        scim.token,
        body.len()
    );
    busy.write_all(head.as_bytes()).await.unwrap();
    let mut on = [0; 12];
    busy.read_exact(&mut on).await.unwrap();
    assert_eq!(&on, b"HTTP/1.1 100");
    let mut next = TcpStream::connect(address).await.unwrap();
    next.write_all(&get("/healthz", "")).await.unwrap();
    let mut unheard = Vec::new();
    let ended = next.read_to_end(&mut unheard);
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
    assert!(ended.is_ok() && unheard.is_empty(), "closed without a word");
    busy.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("HTTP/1.1 201"), "{answer}");
    let (status, _) = exchange(&address.to_string(), &get("/healthz", "")).await;
    assert_eq!(status, 200);
    stop.cancel();
}

// C050
#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let gateway = Gateway::with(|config| config.server.body_seconds = 1).await;
    let scim = gateway.scim().await;
    let bytes = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"us",
        scim.token
    );
    let started = Instant::now();
    let (status, _) = exchange(&gateway.address(), bytes.as_bytes()).await;
    assert_eq!(status, 400);
    assert!(started.elapsed() < Duration::from_secs(20));
}

// C060
#[tokio::test]
async fn one_member_costs_the_same_in_a_small_and_in_a_large_group() {
    let gateway = Gateway::new().await;
    gateway.without_brake().await;
    let scim = gateway.scim().await;
    gateway.rule(&["Small"], "Small").await;
    gateway.rule(&["Large"], "Large").await;
    let ids = users(&scim, "u", 310).await;
    let all: Vec<_> = ids[..300].iter().map(|id| member(id)).collect();
    let small = json!({"displayName": "Small", "members": all[..10]});
    let small = scim.created("/Groups", &small).await;
    let large = scim
        .created("/Groups", &json!({"displayName": "Large", "members": all}))
        .await;
    let bearer = format!("Bearer {}", scim.token);
    for op in ["add", "remove"] {
        let mut cost = Vec::new();
        for group in [&small, &large] {
            // One in so many changes also folds the touches, and once a second the credential is
            // looked up again; the usual cost is the smallest.
            let mut least = u32::MAX;
            for id in &ids[300..] {
                let change = json!([{"op": op, "path": "members", "value": [member(id)]}]);
                let path = format!("/scim/v2/Groups/{group}?excludedAttributes=members");
                let answer = gateway
                    .call("PATCH", &path, &[&bearer], Some(operations(change)))
                    .await;
                assert_eq!(answer.status, 200);
                least = least.min(answer.statements);
            }
            cost.push(least);
        }
        assert_eq!(cost[0], cost[1], "{op}");
    }
    let create = json!({"userName": "new@acme.example", "emails": [{"value": "n@acme.example"}]});
    let answer = gateway
        .call("POST", "/scim/v2/Users", &[&bearer], Some(create))
        .await;
    assert_eq!(answer.status, 201);
    assert!(
        answer.statements <= 10,
        "a create has {} statements",
        answer.statements
    );
    let path = "/scim/v2/Users?filter=userName%20eq%20%22new@acme.example%22";
    let answer = gateway.call("GET", path, &[&bearer], None).await;
    assert!(
        answer.statements <= 2,
        "a look-up has {} statements",
        answer.statements
    );
}

// C065
#[tokio::test]
async fn a_quota_is_off_unless_it_is_set_and_names_whole_seconds() {
    let gateway =
        Gateway::with(|config| config.limits.workspace_requests_per_second = Some(25)).await;
    let scim = gateway.scim().await;
    let bearer = format!("Bearer {}", scim.token);
    let mut refused = None;
    let mut answered = 0;
    // Faster than 25 a second on any machine; the socket's router has the one quota.
    while refused.is_none() && answered < 5_000 {
        let request = get(
            "/scim/v2/Users?count=0",
            &format!("Authorization: {bearer}\r\n"),
        );
        let (status, text) = exchange(&gateway.address(), &request).await;
        if status == 429 {
            refused = Some(text);
        } else {
            assert_eq!(status, 200);
            answered += 1;
        }
    }
    assert!(answered >= 25, "the quota is never below 25: {answered}");
    let text = refused.expect("above the quota there is a refusal");
    let wait = text
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: "));
    assert!(wait.unwrap().trim().parse::<u32>().unwrap() >= 1);
    let free = Gateway::new().await;
    let scim = free.scim().await;
    for _ in 0..100 {
        assert_eq!(scim.send("GET", "/Users?count=0", None).await.0, 200);
    }
}

// C065: on one database two nodes count together; on SQLite there is one node.
#[tokio::test]
async fn a_quota_holds_over_all_nodes_together() {
    let gateway =
        Gateway::with(|config| config.limits.workspace_requests_per_second = Some(25)).await;
    if !gateway.app.db.is_shared() {
        return;
    }
    gateway.scim().await;
    let workspace = gateway.workspace.id;
    let second = gateway.second_node().await;
    let started = Instant::now();
    let mut taken = 0_u64;
    for _ in 0..100 {
        for app in [&gateway.app, &second] {
            taken += u64::from(quota::take(app, workspace, 25).await.is_ok());
        }
    }
    let most = 25 + started.elapsed().as_secs() * 25 + 25;
    assert!(taken >= 25 && taken <= most, "{taken} of at most {most}");
}

// C065
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_workspace_leaves_room_for_the_others() {
    let gateway = Gateway::with(|config| {
        config.limits.requests_in_flight = 8;
        config.limits.workspace_in_flight = 4;
    })
    .await;
    let flooding = gateway.scim().await;
    let other = gateway.other_workspace().await;
    let mut flood = Vec::new();
    for _ in 0..100 {
        let flooding = flooding.clone();
        flood.push(tokio::spawn(async move {
            flooding
                .send("GET", "/Users?filter=title%20pr", None)
                .await
                .0
        }));
    }
    for _ in 0..10 {
        assert_eq!(other.send("GET", "/Users?count=0", None).await.0, 200);
    }
    for one in flood {
        assert_eq!(
            one.await.unwrap(),
            200,
            "a share is waited for, not refused"
        );
    }
}

// C243
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_requests_in_flight_end_and_loses_nothing() {
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let mut creates = Vec::new();
    for at in 0..500 {
        let scim = scim.clone();
        creates.push(tokio::spawn(async move {
            let body = json!({"userName": format!("u{at}@acme.example")});
            scim.try_send("POST", "/Users", &body).await
        }));
    }
    // Some are answered, some are under way, some have not begun.
    let first = creates.remove(0).await.unwrap();
    gateway.stop();
    let mut acknowledged = usize::from(first == Some(201));
    for create in creates {
        acknowledged += usize::from(create.await.unwrap() == Some(201));
    }
    let stored = usize::try_from(gateway.count("users").await).unwrap();
    assert!(stored >= acknowledged, "{stored} of {acknowledged}");
    assert!(acknowledged > 0);
    assert!(
        TcpStream::connect(gateway.address()).await.is_err(),
        "nothing new is accepted"
    );
    gateway.check().await;
}

/// Everything that is logged, at any level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Takes what is logged up to that level, while the guard is kept.
    pub(crate) fn up_to(level: Level) -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// What was logged since this was last asked.
    pub(crate) fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// C211, C016
#[tokio::test]
async fn no_secret_is_logged_told_or_stored() {
    let (log, guard) = Log::up_to(Level::TRACE);
    let gateway = Gateway::new().await;
    let scim = gateway.scim().await;
    let bearer = format!("Bearer {}", scim.token);
    let marked = "marked-5e1f-password";
    let person = "Marked-Person-77";
    let body = json!({
        "userName": "ada@acme.example", "password": marked, "displayName": person,
    });
    let made = gateway
        .call("POST", "/scim/v2/Users", &[&bearer], Some(body))
        .await;
    assert_eq!(made.status, 201);
    let path = format!("/scim/v2/Users/{}", made.body["id"].as_str().unwrap());
    let change =
        operations(json!([{"op": "replace", "value": {"password": marked, "title": "x"}}]));
    let changed = gateway.call("PATCH", &path, &[&bearer], Some(change)).await;
    let in_query = format!("/scim/v2/Users?access_token={}", scim.token);
    let refused = gateway.call("GET", &in_query, &[], None).await;
    assert_eq!((changed.status, refused.status), (200, 401));
    drop(guard);
    let logged = log.take();
    assert!(logged.contains("answered 201"), "the log must be captured");
    let secret = scim.token.splitn(3, '_').nth(2).unwrap();
    for text in [&logged, &made.text, &changed.text, &refused.text] {
        assert!(!text.contains(marked) && !text.contains(secret));
    }
    assert!(!logged.contains(person), "no personal value is logged");
    for (table, column) in [
        ("users", "document"),
        ("changes", "detail"),
        ("changes", "path"),
        ("members", "display_name"),
    ] {
        let rows = gateway.texts(table, column).await.join("\n");
        assert!(
            !rows.contains(marked) && !rows.contains(secret),
            "{table}.{column}"
        );
        assert!(
            table != "changes" || !rows.contains(person),
            "{table}.{column}"
        );
    }
    assert!(!format!("{:?}", gateway.app.config).contains("8f1c0a5d"));
}

// C254
#[tokio::test]
async fn a_row_that_belongs_to_nobody_is_refused_by_the_schema() {
    let gateway = Gateway::new().await;
    gateway.scim().await;
    for sql in [
        "INSERT INTO teams (workspace, id, name, name_key, enabled, created_at) \
         SELECT NULL, id, 'T', 't', $1, 1 FROM workspaces",
        "INSERT INTO roles (workspace, id, name, name_key, built_in, created_at) \
         SELECT d.id, d.id, 'R', 'r', $1, 1 FROM directories d",
        "UPDATE directories SET workspace = id WHERE strict <> $1",
    ] {
        let outcome = gateway
            .app
            .write(move |tx| {
                Box::pin(async move {
                    tx.query(sql).bind(true).execute().await?;
                    Ok(())
                })
            })
            .await;
        assert!(outcome.is_err(), "{sql}");
    }
    gateway.check().await;
}

/// A client that sends its bytes one by one is a client too.
#[tokio::test]
async fn a_request_in_pieces_is_understood() {
    let gateway = Gateway::new().await;
    let address = gateway.address();
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        for byte in get("/healthz", "") {
            stream.write_all(&[byte]).unwrap();
        }
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    })
    .await
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
