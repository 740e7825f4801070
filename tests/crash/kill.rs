//! The process is killed at random moments.

use serde_json::json;

use crate::bed::{Bed, knob, pause, seed};
use crate::client::{Client, Random, patch};
use crate::deployment::Server;
use crate::load::{finished, repeated, streaming};
use crate::writer::Writer;

/// How many rounds go by between two looks at the whole database.
const CHECKED: usize = 10;

// C219
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let rounds = usize::try_from(knob("CRASH_ROUNDS", 50)).expect("it fits");
    let seed = seed();
    let mut random = Random(seed);
    let bed = Bed::new().await;
    let mut server = bed.deployment.serve().await;
    let mut writers = bed.writers(&server, seed).await;
    let (mut counted, mut unanswered) = (0, 0);
    while counted < rounds {
        let client = bed.client(&server);
        let (lost, back) = killed(server, &client, writers, 5 + random.below(250) as u64).await;
        writers = back;
        unanswered += lost;
        // Nothing was on its way: this kill shows nothing.
        counted += usize::from(lost > 0);
        server = bed.deployment.serve().await;
        let client = bed.client(&server);
        writers = repeated(&client, writers).await;
        if counted % CHECKED == 0 {
            bed.check().await;
        }
    }
    let done: usize = writers.iter().map(|writer| writer.done).sum();
    println!("{counted} kills, {done} acknowledged writes, {unanswered} unanswered");
    server.wait_until_numbered(&bed.deployment).await;
    bed.check().await;
    server.stop();
}

/// Kills the server in the middle of its work; gives how many calls got no answer.
async fn killed(
    mut server: Server,
    client: &Client,
    writers: Vec<Writer>,
    after: u64,
) -> (usize, Vec<Writer>) {
    let streams = streaming(client, writers);
    pause(after).await;
    server.child.kill().expect("killed");
    finished(streams).await
}

// C069
#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_shut_out_is_so_after_a_kill_that_follows_the_answer() {
    let bed = Bed::new().await;
    let mut server = bed.deployment.serve().await;
    let operator = bed.key(None);
    // No more than the brake lets go.
    for round in 0..5 {
        let client = bed.client(&server);
        let name = format!("u{round}@acme.example");
        let user = json!({"userName": name});
        let user = format!("/Users/{}", client.created("/Users", &user).await);
        let mut grant = vec!["members", "grant", "--workspace", "acme"];
        grant.extend(["--member", &name, "--permission", "members.read"]);
        bed.deployment.json(&grant);
        let key = bed.key(Some((&name, &["members.read"])));
        let own = |client: &Client| client.with_token(&key);
        let answer = own(&client).manage("GET", "/members", None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer = match round % 2 {
            0 => {
                let out = patch("replace", "active", json!(false));
                client.call("PATCH", &user, Some(&out)).await
            }
            _ => client.call("DELETE", &user, None).await,
        };
        server.child.kill().expect("killed");
        assert!([200, 204].contains(&answer.status), "{}", answer.body);
        server = bed.deployment.serve().await;
        let client = bed.client(&server);
        let refused = own(&client).manage("GET", "/members", None).await;
        assert_eq!(refused.status, 401, "{}", refused.body);
        if round % 2 == 0 {
            // Nor does it come back with the person.
            let back = patch("replace", "active", json!(true));
            let back = client.call("PATCH", &user, Some(&back)).await;
            assert_eq!(back.status, 200, "{}", back.body);
            let refused = own(&client).manage("GET", "/members", None).await;
            assert_eq!(refused.status, 401, "{}", refused.body);
        }
        let others = client.with_token(&operator);
        assert_eq!(others.manage("GET", "/members", None).await.status, 200);
    }
    bed.check().await;
    server.stop();
}
