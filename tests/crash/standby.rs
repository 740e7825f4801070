//! The server is a standby from one moment to the next, as after a failover that leads to the wrong
//! one: it answers, and what it shows may be out of date.

use std::fs;

use crate::away::{SECONDS_TO_BE_BACK, SECONDS_TO_NOTICE, refuses, until};
use crate::bed::Bed;
use crate::cluster::Cluster;
use crate::deployment::Deployment;

// C228
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_asked_nothing() {
    let mut deployment = Deployment::new().await;
    if deployment.url().starts_with("sqlite:") {
        return;
    }
    let cluster = Cluster::beside(deployment.url()).await;
    deployment.database.url = cluster.url();
    let bed = Bed::on(deployment);
    let server = bed.deployment.serve().await;
    let client = bed.client(&server);
    assert_eq!(client.call("GET", "/Users", None).await.status, 200);

    cluster.demote();
    let rows = bed.count("SELECT COUNT(*) FROM deployment WHERE pg_is_in_recovery()");
    assert_eq!(rows.await, 1, "it could be read from");
    until(&client, "/readyz", 503, SECONDS_TO_NOTICE).await;
    refuses(&client).await;
    assert_eq!(client.probe("/readyz").await, Some(503));
    assert_eq!(client.probe("/healthz").await, Some(200));
    let (_, port) = server.url.rsplit_once(':').expect("a port");
    let log = fs::read_to_string(bed.deployment.folder().join(format!("{port}.log")));
    let log = log.expect("a log");
    assert!(log.contains("the database server is a standby"), "{log}");
    let started = bed.deployment.run(&["workspace", "list"]);
    let told = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(!started.status.success(), "{told}");
    assert!(told.contains("the database server is a standby"), "{told}");

    cluster.promote();
    until(&client, "/readyz", 200, SECONDS_TO_BE_BACK).await;
    assert_eq!(client.call("GET", "/Users", None).await.status, 200);
    bed.check().await;
    server.stop();
}
