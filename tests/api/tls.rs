//! The public listener with TLS: what it speaks, what it cuts off, and a certificate that changes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use gatehouse::http::tls::{Certificate, Renewal};
use serde_json::json;

use crate::frames::{GET, HEADERS, PING, POST, RST_STREAM, SETTINGS, frame, request};
use crate::secure::{Secure, bearer, beside, rest, settings, write_pair};

#[tokio::test]
async fn a_client_chooses_its_http_and_gets_the_same_answers() {
    let secure = Secure::new().await;
    let scim = secure.gateway.scim().await;
    let body = json!({"userName": "ada@acme.example"});
    scim.created("/Users", &body).await;
    let mut found = Vec::new();
    for is_two in [true, false] {
        let mut client = secure.client("gate.example");
        if !is_two {
            client = client.http1_only();
        }
        let url = secure.url("gate.example", "/scim/v2/Users?sortBy=userName");
        let answer = client
            .build()
            .unwrap()
            .get(url)
            .header("authorization", bearer(&scim))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let expected = if is_two {
            reqwest::Version::HTTP_2
        } else {
            reqwest::Version::HTTP_11
        };
        assert_eq!(answer.version(), expected);
        let length = answer.headers()["content-length"].clone();
        let text = answer.text().await.unwrap();
        assert_eq!(length.to_str().unwrap(), text.len().to_string());
        found.push(text);
    }
    assert!(found[0].contains("ada@acme.example"));
    assert_eq!(found[0], found[1]);
}

#[tokio::test]
async fn literal_quotes_in_a_query_are_understood_through_tls() {
    let secure = Secure::new().await;
    let scim = secure.gateway.scim().await;
    let body = json!({"userName": "ada@acme.example"});
    scim.created("/Users", &body).await;
    let mut stream = secure.connect(&["http/1.1"]);
    let request = format!(
        "GET /scim/v2/Users?filter=userName+eq+\"ada@acme.example\" HTTP/1.1\r\n\
         Host: gate.example\r\nAuthorization: {}\r\nConnection: close\r\n\r\n",
        bearer(&scim)
    );
    let (answer, _) = beside(move || {
        stream.write_all(request.as_bytes()).unwrap();
        rest(&mut stream)
    })
    .await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(text.contains("\"totalResults\":1"), "{text}");
}

#[tokio::test]
async fn what_speaks_no_tls_or_an_old_one_gets_no_answer() {
    let secure = Secure::new().await;
    let (status, text) =
        crate::raw::exchange(&secure.address, &crate::raw::get("/healthz", "")).await;
    assert_eq!(status, 0, "{text}");
    // A hello of TLS 1.1 alone: version 3.2, one suite, no extensions.
    let mut hello = vec![22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x14, 1, 0]);
    let (_, text) = crate::raw::exchange(&secure.address, &hello).await;
    let alert = text.as_bytes().first().copied();
    assert_eq!(alert, Some(21), "an alert, not a handshake");
}

// C050
#[tokio::test]
async fn a_client_that_keeps_a_place_without_need_is_cut_off() {
    let secure = Secure::with(|options| {
        options.header_timeout = Duration::from_secs(1);
        options.max_connections = 1;
    })
    .await;
    let address = secure.address.clone();
    // There is one place: each of these must lose it for the next to be heard.
    beside(move || {
        let mut silent = TcpStream::connect(&address).unwrap();
        silent
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let ended = silent.read(&mut [0; 16]);
        assert!(matches!(ended, Ok(0)), "no handshake: {ended:?}");
    })
    .await;
    let starts: [(&[&str], &[u8]); 4] = [
        (&["h2"], b""),
        (&["http/1.1"], b"P"),
        (&["http/1.1"], b"GET /healthz HTTP/1.1\r\nHo"),
        (
            &["h2"],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        ),
    ];
    for (offers, bytes) in starts {
        let mut stream = secure.connect(offers);
        let bytes = bytes.to_vec();
        let told = format!("{offers:?} {}", String::from_utf8_lossy(&bytes));
        let has_ended = beside(move || {
            // On a busy machine the handshake itself may come too late, which is an end too.
            let is_sent = stream.write_all(&bytes).is_ok() && stream.flush().is_ok();
            !is_sent || rest(&mut stream).1
        })
        .await;
        assert!(has_ended, "{told}");
    }
    let url = secure.url("gate.example", "/healthz");
    let mut is_answered = false;
    for _ in 0..5 {
        let client = secure.client("gate.example").build().unwrap();
        is_answered |= client.get(&url).send().await.is_ok();
    }
    assert!(is_answered, "there is a place again");
}

/// How many rounds a client sent, and whether its connection ended.
struct Outcome {
    rounds: usize,
    has_ended: bool,
}

/// Sends the same bytes again and again over HTTP/2 until the server ends the connection.
async fn flood(
    secure: &Secure,
    rounds: usize,
    bytes: impl Fn(u32) -> Vec<u8> + Send + 'static,
) -> Outcome {
    let mut stream = secure.connect(&["h2"]);
    beside(move || {
        let mut start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        start.extend(frame(SETTINGS, 0, 0, &[]));
        stream.write_all(&start).unwrap();
        let mut sent = 0;
        while sent < rounds {
            // Every round has a stream of its own.
            let id = u32::try_from(sent).unwrap() * 2 + 1;
            if stream.write_all(&bytes(id)).is_err() || stream.flush().is_err() {
                break;
            }
            sent += 1;
        }
        Outcome {
            rounds: sent,
            has_ended: rest(&mut stream).1,
        }
    })
    .await
}

// C051
#[tokio::test(flavor = "multi_thread")]
async fn floods_of_frames_end_the_connection_and_nothing_else() {
    // Silence is not what ends these.
    let secure = Secure::with(|options| options.header_timeout = Duration::from_mins(5)).await;
    let most = 200_000;
    let block = request(GET, "/healthz", &[]);
    let reset = {
        let block = block.clone();
        move |id| {
            let mut bytes = frame(HEADERS, 5, id, &block);
            bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
            bytes
        }
    };
    let outcome = flood(&secure, most, reset).await;
    assert!(outcome.has_ended && outcome.rounds < most, "rapid reset");
    let outcome = flood(&secure, most, |_| frame(PING, 0, 0, &[0; 8]).repeat(50)).await;
    assert!(outcome.has_ended && outcome.rounds < most, "PING");
    let outcome = flood(&secure, most, |_| frame(SETTINGS, 0, 0, &[]).repeat(50)).await;
    assert!(outcome.has_ended && outcome.rounds < most, "SETTINGS");
    // A header without end, in pieces.
    let outcome = flood(&secure, most, {
        let block = block.clone();
        move |id| match id {
            1 => frame(HEADERS, 1, 1, &block),
            _ => frame(9, 0, 1, &[0, 1, b'x', 1, b'y'].repeat(500)),
        }
    })
    .await;
    assert!(outcome.has_ended && outcome.rounds < most, "CONTINUATION");
    // A body of nothing.
    let outcome = flood(&secure, most, {
        let block = block.clone();
        move |id| match id {
            1 => frame(HEADERS, 4, 1, &block),
            _ => frame(0, 0, 1, &[]).repeat(50),
        }
    })
    .await;
    assert!(outcome.has_ended && outcome.rounds < most, "empty DATA");
    // Requests that never end: more than may be under way are refused, far more end it.
    let scim = secure.gateway.scim().await;
    let headers = [
        ("authorization", bearer(&scim)),
        ("content-type", "application/json".to_owned()),
    ];
    let block = request(POST, "/scim/v2/Users", &headers);
    let outcome = flood(&secure, 10_000, move |id| frame(HEADERS, 4, id, &block)).await;
    assert!(outcome.has_ended, "10,000 streams");
    let client = secure.client("gate.example").build().unwrap();
    let url = secure.url("gate.example", "/healthz");
    assert_eq!(client.get(url).send().await.unwrap().status(), 200);
}

// C063, over HTTP/2
#[tokio::test]
async fn what_is_too_long_is_refused_over_http_2_too() {
    let secure = Secure::new().await;
    let client = secure.client("gate.example").build().unwrap();
    let get = |path: &str| client.get(secure.url("gate.example", path));
    let long = format!("/scim/v2/Users?x={}", "a".repeat(17_000));
    let mut wide = get("/scim/v2/Users");
    for at in 0..1_000 {
        wide = wide.header(format!("x-{at}"), "y");
    }
    let requests = [
        (get(&long), "a long address"),
        (
            get(&format!("/scim/v2/Users?x={}", "a".repeat(64 * 1_024))),
            "64 KB",
        ),
        (wide, "1,000 headers"),
        (
            get("/scim/v2/Users").header("authorization", "a".repeat(1 << 20)),
            "1 MB",
        ),
        (
            get("/scim/v2/Users").header("cookie", "a".repeat(8 * 1_024)),
            "a cookie",
        ),
    ];
    for (request, told) in requests {
        // A client may refuse by itself what the server announced that it does not take.
        if let Ok(answer) = request.send().await {
            let status = answer.status().as_u16();
            assert!([400, 414, 431].contains(&status), "{told}: {status}");
        }
    }
    // Those may have ended their connection.
    let client = secure.client("gate.example").build().unwrap();
    let get = |path: &str| client.get(secure.url("gate.example", path));
    assert_eq!(get(&long).send().await.unwrap().status(), 414);
    let cookie = get("/healthz").header("cookie", "a".repeat(8 * 1_024));
    assert_eq!(cookie.send().await.unwrap().status(), 431);
    assert_eq!(get("/healthz").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_while_old_connections_go_on() {
    let mut secure = Secure::new().await;
    let old = secure.client("gate.example").build().unwrap();
    let url = secure.url("gate.example", "/healthz");
    assert_eq!(old.get(&url).send().await.unwrap().status(), 200);
    assert_eq!(secure.certificate.renew().await, Renewal::Same);
    write_pair(secure.folder.path(), "new.example");
    assert_eq!(secure.certificate.renew().await, Renewal::Renewed);
    assert_eq!(secure.certificate.renew().await, Renewal::Same);
    // The old connection is still there; a new one of that client does not trust what it meets.
    assert_eq!(old.get(&url).send().await.unwrap().status(), 200);
    let again = secure.url("new.example", "/healthz");
    let new = secure.client("new.example").build().unwrap();
    assert_eq!(new.get(&again).send().await.unwrap().status(), 200);
    assert!(
        secure
            .client("gate.example")
            .build()
            .unwrap()
            .get(&url)
            .send()
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_broken_new_certificate_leaves_the_old_one_in_use() {
    let mut secure = Secure::new().await;
    let client = secure.client("gate.example").build().unwrap();
    let [crt, key] = ["tls.crt", "tls.key"].map(|name| secure.folder.path().join(name));
    let good = std::fs::read(&key).unwrap();
    let url = secure.url("gate.example", "/healthz");
    let other = tempfile::tempdir().unwrap();
    write_pair(other.path(), "other.example");
    let foreign = std::fs::read(other.path().join("tls.key")).unwrap();
    for broken in [&b"no key"[..], b"", &good[..good.len() / 2], &foreign] {
        std::fs::write(&key, broken).unwrap();
        assert_eq!(secure.certificate.renew().await, Renewal::Broken);
        assert_eq!(secure.certificate.renew().await, Renewal::Same, "told once");
        assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    }
    std::fs::remove_file(&crt).unwrap();
    assert_eq!(secure.certificate.renew().await, Renewal::Broken);
    assert_eq!(secure.certificate.renew().await, Renewal::Same, "told once");
    write_pair(secure.folder.path(), "new.example");
    assert_eq!(secure.certificate.renew().await, Renewal::Renewed);
    let settings = settings(other.path());
    std::fs::write(other.path().join("tls.key"), "no key").unwrap();
    assert!(
        Certificate::open(&settings).await.is_err(),
        "a start says so"
    );
}

// C243
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_requests_over_http_2_end() {
    let secure = Secure::new().await;
    let scim = secure.gateway.scim().await;
    let client = secure.client("gate.example").build().unwrap();
    let url = secure.url("gate.example", "/scim/v2/Users");
    let mut creates = Vec::new();
    for at in 0..200 {
        let create = client
            .post(&url)
            .header("authorization", bearer(&scim))
            .json(&json!({"userName": format!("u{at}@acme.example")}));
        creates.push(tokio::spawn(async move {
            create
                .send()
                .await
                .is_ok_and(|answer| answer.status() == 201)
        }));
    }
    let mut acknowledged = usize::from(creates.remove(0).await.unwrap());
    secure.stop.cancel();
    for create in creates {
        acknowledged += usize::from(create.await.unwrap());
    }
    let stored = usize::try_from(secure.gateway.count("users").await).unwrap();
    assert!(
        stored >= acknowledged && acknowledged > 0,
        "{stored} of {acknowledged}"
    );
    secure.gateway.check().await;
}
