//! The process is killed at random moments.

use crate::bed::{Bed, knob, pause, seed};
use crate::client::{Client, Random};
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
