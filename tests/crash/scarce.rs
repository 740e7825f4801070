//! A server that runs out of descriptors or is asked for much memory.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;

use crate::bed::{Bed, pause};

// C244
#[tokio::test(flavor = "multi_thread")]
async fn a_server_out_of_descriptors_turns_clients_away_and_recovers() {
    let bed = Bed::new().await;
    let limited = ["sh", "-c", "ulimit -n 256; exec \"$@\"", "sh"];
    let url = bed.deployment.database.url.clone();
    let mut server = bed.deployment.serve_as(&url, &limited, &[]).await;
    let client = bed.client(&server);
    let mut made = Vec::new();
    for at in 0..20 {
        let user = json!({"userName": format!("c{at}@acme.example")});
        made.push(client.created("/Users", &user).await);
    }
    let address = server.url.strip_prefix("http://").expect("http").to_owned();
    // More than there are descriptors; the system holds some of those beyond for the server to
    // accept, and lets the others knock.
    let knocking: Vec<_> = (0..1_000)
        .map(|_| {
            let knock = TcpStream::connect(address.clone());
            tokio::spawn(tokio::time::timeout(Duration::from_secs(5), knock))
        })
        .collect();
    let mut held = Vec::new();
    for knocking in knocking {
        if let Ok(Ok(stream)) = knocking.await.expect("it knocked") {
            held.push(stream);
        }
    }
    println!("{} connections", held.len());
    assert!(held.len() > 256, "{} connections", held.len());
    // Whoever has a connection is answered, be it that the database has no descriptor left.
    for at in 0..20 {
        let user = json!({"userName": format!("d{at}@acme.example")});
        let answer = client.call("POST", "/Users", Some(&user)).await;
        assert!([201, 503].contains(&answer.status), "{}", answer.body);
        if answer.status == 201 {
            made.push(answer.body["id"].as_str().expect("an id").to_owned());
        }
    }
    println!("{} of 20 made meanwhile", made.len() - 20);
    assert!(server.child.try_wait().expect("asked").is_none(), "it runs");
    drop(held);
    let back = Instant::now();
    let fresh = bed.client(&server);
    while fresh.probe("/readyz").await != Some(200) {
        assert!(back.elapsed() < Duration::from_secs(30), "it serves again");
        pause(50).await;
    }
    println!("serves again after {:?}", back.elapsed());
    for id in made {
        let found = fresh.call("GET", &format!("/Users/{id}"), None).await;
        assert_eq!(found.status, 200, "what was acknowledged is there");
    }
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
