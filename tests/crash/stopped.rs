//! The database server itself is stopped under load, in order and as by a crash, and started again.

use std::time::{Duration, Instant};

use crate::away::{SECONDS_TO_BE_BACK, SECONDS_TO_NOTICE, refuses, until};
use crate::bed::{Bed, knob, pause, seed};
use crate::client::Client;
use crate::cluster::Cluster;
use crate::deployment::Deployment;
use crate::load::Load;

// C226
#[tokio::test(flavor = "multi_thread")]
async fn a_database_server_that_is_stopped_is_waited_for_on_every_node() {
    let mut deployment = Deployment::new().await;
    if deployment.url().starts_with("sqlite:") {
        return;
    }
    let cluster = Cluster::beside(deployment.url()).await;
    deployment.database.url = cluster.url();
    let bed = Bed::on(deployment);
    let servers = [bed.deployment.serve().await, bed.deployment.serve().await];
    let clients = [0, 1].map(|at| bed.client(&servers[at]));
    let mut first = bed.writers(&servers[0], seed()).await;
    let second = first.split_off(first.len() / 2);
    let loads = [
        Load::start(&clients[0], first),
        Load::start(&clients[1], second),
    ];
    for mode in ["immediate", "fast"] {
        for load in &loads {
            load.until_done(100).await;
        }
        cluster.stop(mode);
        let stopped = Instant::now();
        for (client, load) in clients.iter().zip(&loads) {
            until(client, "/readyz", 503, SECONDS_TO_NOTICE).await;
            load.until_unavailable(10).await;
        }
        while stopped.elapsed() < Duration::from_secs(knob("CRASH_AWAY", 5)) {
            for client in &clients {
                away(client).await;
            }
            pause(100).await;
        }
        cluster.start();
        let started = Instant::now();
        for (client, load) in clients.iter().zip(&loads) {
            until(client, "/readyz", 200, SECONDS_TO_BE_BACK).await;
            load.until_done(100).await;
        }
        println!("{mode}: at work again after {:?}", started.elapsed());
    }
    let mut done = 0;
    for (load, client) in loads.into_iter().zip(&clients) {
        done += load.counts().0;
        load.end(client).await;
    }
    println!("{done} acknowledged writes, all there");
    servers[0].wait_until_numbered(&bed.deployment).await;
    bed.check().await;
    for server in servers {
        server.stop();
    }
}

/// Nothing is decided without the database, and the process itself is well.
async fn away(client: &Client) {
    refuses(client).await;
    assert_eq!(client.probe("/healthz").await, Some(200));
    assert_eq!(client.probe("/readyz").await, Some(503));
}
