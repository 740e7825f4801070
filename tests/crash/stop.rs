//! Servers that are told to stop, and clients that go away, in the middle of their work.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bed::{Bed, knob, pause, seed, signal};
use crate::client::{Client, Lost, Random};

// C243
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_ends_what_is_in_flight_and_loses_nothing() {
    let bed = Bed::new().await;
    let mut server = bed.deployment.serve().await;
    let client = bed.client(&server);
    let mut sent = Vec::new();
    for at in 0..500 {
        let client = client.clone();
        sent.push(tokio::spawn(async move {
            let user = json!({"userName": format!("s{at}@acme.example")});
            client.send("POST", "/Users", Some(&user)).await
        }));
    }
    // Some are done, most are in flight or wait for their place.
    while bed.count("SELECT COUNT(*) FROM users").await < 10 {
        pause(5).await;
    }
    signal(&server, "TERM");
    let asked = Instant::now();
    let (mut made, mut refused, mut lost) = (Vec::new(), 0, 0);
    for (at, sent) in sent.into_iter().enumerate() {
        match sent.await.expect("sent") {
            Ok(answer) if answer.status == 201 => made.push((at, answer.body["id"].clone())),
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{}", answer.body);
                refused += 1;
            }
            Err(Lost::Refused) => refused += 1,
            Err(Lost::Unanswered) => lost += 1,
        }
    }
    let code = server.child.wait().expect("it ends").code();
    assert_eq!(
        code,
        Some(0),
        "a server that is asked to stop ends in order"
    );
    assert!(asked.elapsed() < Duration::from_mins(1));
    let (count, after) = (made.len(), asked.elapsed());
    println!("{count} made, {refused} refused, {lost} without an answer, over after {after:?}");
    assert!(count >= 10);
    assert_eq!(client.probe("/healthz").await, None, "nobody is there");
    let server = bed.deployment.serve().await;
    let client = bed.client(&server);
    for (at, id) in made {
        let path = format!("/Users/{}", id.as_str().expect("an id"));
        let found = client.call("GET", &path, None).await;
        assert_eq!(found.status, 200);
        assert_eq!(found.body["userName"], format!("s{at}@acme.example"));
    }
    // Who got no answer was not let in: what was begun was also answered.
    let users = bed.count("SELECT COUNT(*) FROM users").await;
    assert_eq!(
        usize::try_from(users),
        Ok(count),
        "nothing is done without an answer"
    );
    bed.check().await;
    server.stop();
}

/// Sends a request and closes the connection a moment later, or in the middle of sending.
fn hang_up(address: &str, request: &[u8], random: &mut Random) {
    let mut stream = TcpStream::connect(address).expect("connects");
    let sent = if random.below(4) == 0 {
        random.below(request.len())
    } else {
        request.len()
    };
    stream.write_all(&request[..sent]).expect("sent");
    let wait = Duration::from_micros(random.below(15_000) as u64);
    stream
        .set_read_timeout(Some(wait.max(Duration::from_micros(1))))
        .expect("set");
    // With something unread, the close is a reset.
    let _ = stream.read(&mut [0; 16]);
}

// C245
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_at_any_moment_leave_all_or_nothing_and_hold_nothing() {
    let rounds = usize::try_from(knob("CRASH_HANGS", 400)).expect("it fits");
    let bed = Bed::new().await;
    // A connection is waited for longer than a machine under load may stand still; one that is never
    // given back is waited for in vain all the same.
    let patient = [("GATEHOUSE__DATABASE__ACQUIRE_SECONDS", "30")];
    let server = bed.deployment.serve_with(&patient).await;
    let client = bed.client(&server);
    let group = client
        .created("/Groups", &json!({"displayName": "Crew"}))
        .await;
    let known = client
        .created("/Users", &json!({"userName": "known@acme.example"}))
        .await;
    let address = server.url.strip_prefix("http://").expect("http").to_owned();
    let request = |method: &str, path: &str, body: &serde_json::Value| {
        let body = body.to_string();
        format!(
            "{method} /scim/v2{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/scim+json\r\nContent-Length: {}\r\n\r\n{body}",
            bed.token,
            body.len()
        )
        .into_bytes()
    };
    let seed = seed();
    let mut threads = Vec::new();
    for thread in 0..4_usize {
        let mut random = Random(seed.wrapping_add(thread as u64));
        let mut requests = Vec::new();
        for at in 0..rounds / 4 {
            let name = format!("h{thread}-{at}@acme.example");
            requests.push(match at % 4 {
                0 => {
                    let group = json!({"displayName": name, "members": [{"value": known}]});
                    request("POST", "/Groups", &group)
                }
                1 => {
                    let op = if random.below(2) == 0 {
                        "add"
                    } else {
                        "remove"
                    };
                    let members = crate::client::patch(op, "members", json!([{"value": known}]));
                    request("PATCH", &format!("/Groups/{group}"), &members)
                }
                2 => {
                    let is_active = json!(random.below(2) == 0);
                    let change = crate::client::patch("replace", "active", is_active);
                    request("PATCH", &format!("/Users/{known}"), &change)
                }
                _ => request(
                    "POST",
                    "/Users",
                    &json!({"userName": name, "title": "Lead"}),
                ),
            });
        }
        let address = address.clone();
        threads.push(std::thread::spawn(move || {
            for request in requests {
                hang_up(&address, &request, &mut random);
            }
        }));
    }
    for thread in threads {
        thread.join().expect("no complaint");
    }
    // Every place is free again: more at once than there are places are all answered.
    let mut sent = Vec::new();
    for at in 0..64 {
        let client: Client = client.clone();
        sent.push(tokio::spawn(async move {
            let user = json!({"userName": format!("after{at}@acme.example")});
            let from = Instant::now();
            let answer = client.call("POST", "/Users", Some(&user)).await;
            (answer, from.elapsed())
        }));
    }
    for sent in sent {
        let (answer, took) = sent.await.expect("sent");
        assert_eq!(answer.status, 201, "after {took:?}: {}", answer.body);
    }
    if !bed.is_sqlite() {
        let open = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND state LIKE 'idle in transaction%' \
                    AND state_change < now() - interval '1 second'";
        assert_eq!(bed.count(open).await, 0, "no transaction is left open");
    }
    bed.check().await;
    server.stop();
}
