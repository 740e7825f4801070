//! A server that runs out of descriptors or is asked for much memory.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bed::{Bed, pause};

// C244
#[tokio::test(flavor = "multi_thread")]
async fn a_server_out_of_descriptors_turns_clients_away_and_recovers() {
    let bed = Bed::new().await;
    let limited = ["sh", "-c", "ulimit -n 256; exec \"$@\"", "sh"];
    let url = bed.deployment.database.url.clone();
    let mut server = bed.deployment.serve_as(&url, &limited, &[]).await;
    let client = bed.client(&server);
    assert_eq!(client.call("GET", "/Users", None).await.status, 200);
    let address = server.url.strip_prefix("http://").expect("http").to_owned();
    // More than there are descriptors; the system holds those beyond for the server to accept.
    let mut held = Vec::new();
    for _ in 0..400 {
        let address = address.parse().expect("an address");
        if let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            held.push(stream);
        }
    }
    assert!(held.len() > 256, "{} connections", held.len());
    // Whoever has a connection is answered; the database has its files and connections already.
    for at in 0..20 {
        let user = json!({"userName": format!("d{at}@acme.example")});
        match client.send("POST", "/Users", Some(&user)).await {
            Ok(answer) => assert!([201, 503].contains(&answer.status), "{}", answer.body),
            Err(lost) => println!("{lost:?}"),
        }
    }
    assert!(server.child.try_wait().expect("asked").is_none(), "it runs");
    drop(held);
    let back = Instant::now();
    let fresh = bed.client(&server);
    while fresh.probe("/readyz").await != Some(200) {
        assert!(back.elapsed() < Duration::from_secs(30), "it serves again");
        pause(50).await;
    }
    println!("serves again after {:?}", back.elapsed());
    for at in 0..20 {
        let user = json!({"userName": format!("e{at}@acme.example")});
        fresh.created("/Users", &user).await;
    }
    bed.check().await;
    server.stop();
}

/// The most memory that a process ever had, in MiB.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.expect("a line").split_whitespace().next();
    words.expect("a number").parse::<u64>().expect("KiB") / 1024
}

// C244
#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_of_many_workspaces_take_a_bounded_memory() {
    let bed = Bed::new().await;
    let server = bed.deployment.serve().await;
    let client = bed.client(&server);
    // Each workspace may have one large body in flight.
    let mut clients = vec![client.clone()];
    for slug in ["one", "two", "three"] {
        let run = |arguments: &[&str]| bed.deployment.json(arguments);
        run(&["workspace", "create", slug, "--name", slug]);
        let of = ["directory", "create", "--workspace", slug];
        let made = run(&[&of[..], &["--name", "idp", "--kind", "generic"]].concat());
        clients.push(client.with_token(made["token"].as_str().expect("a token")));
    }
    let member = r#"{"value":"01a210d2-6dff-7451-9e7a-62931b011c62"},"#;
    // Whole but for its end: it is read and parsed, and then refused.
    let body = format!(
        r#"{{"displayName":"Crew","members":[{}"#,
        member.repeat(165_000)
    );
    let mut sent = Vec::new();
    for client in [&clients[..], &clients].concat() {
        let body = body.clone();
        sent.push(tokio::spawn(async move {
            client.send_text("POST", "/Groups", body).await
        }));
    }
    // Others go on in the meantime.
    for at in 0..40 {
        let user = json!({"userName": format!("m{at}@acme.example")});
        client.created("/Users", &user).await;
    }
    for sent in sent {
        let status = sent.await.expect("sent").expect("an answer");
        assert!([400, 503].contains(&status), "{status}");
    }
    let peak = peak(server.child.id());
    println!("at most {peak} MiB");
    assert!(peak < 256, "at most {peak} MiB");
    server.stop();
}
