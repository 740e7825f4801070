//! The database goes away, falls silent, or is slow. `SQLite` is a file and does none of that.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};

use crate::bed::{Bed, knob, pause, seed};
use crate::client::{Answer, Client, Lost};
use crate::load::Load;
use crate::proxy::{Line, Proxy};

/// How soon a node says that it is not ready, and that it is again: twice what is promised, and half
/// as much again, since the machine may be slow.
pub(crate) const SECONDS_TO_NOTICE: u64 = 10;
pub(crate) const SECONDS_TO_BE_BACK: u64 = 15;

/// Waits so many seconds for the status of a probe; gives how long that took.
pub(crate) async fn until(client: &Client, path: &str, status: u16, seconds: u64) -> Duration {
    let started = Instant::now();
    while client.probe(path).await != Some(status) {
        let waited = started.elapsed();
        assert!(
            waited < Duration::from_secs(seconds),
            "{path} answers {status} after {waited:?}"
        );
        pause(50).await;
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(seconds), "{path}: {took:?}");
    took
}

/// Decisions that need the database are refused, and none is guessed.
pub(crate) async fn refuses(client: &Client) {
    let new = json!({"userName": "nobody@acme.example"});
    for (method, path, body) in [
        ("GET", "/Users", None),
        ("GET", "/Users?filter=userName%20eq%20%22x%22", None),
        ("POST", "/Users", Some(&new)),
    ] {
        let answer = client.call(method, path, body).await;
        assert_eq!(answer.status, 503, "{method} {path}: {}", answer.body);
        assert!(answer.retry_after.is_some(), "{method} {path}");
    }
}

// C226
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_for_a_while_is_waited_for() {
    let bed = Bed::new().await;
    if bed.is_sqlite() {
        return;
    }
    let proxy = Proxy::before(&bed.deployment.database.url).await;
    let server = bed.deployment.serve_as(&proxy.url, &[], &[]).await;
    let client = bed.client(&server);
    let load = Load::start(&client, bed.writers(&server, seed()).await);
    load.until_done(100).await;
    proxy.set(Line::Cut);
    let unready = until(&client, "/readyz", 503, SECONDS_TO_NOTICE).await;
    let away = Instant::now();
    load.until_unavailable(50).await;
    while away.elapsed() < Duration::from_secs(knob("CRASH_AWAY", 5)) {
        refuses(&client).await;
        assert_eq!(client.probe("/healthz").await, Some(200));
        assert_eq!(client.probe("/readyz").await, Some(503));
        pause(100).await;
    }
    let before = proxy.count();
    proxy.set(Line::Open);
    let ready = until(&client, "/readyz", 200, SECONDS_TO_BE_BACK).await;
    load.until_done(100).await;
    let connections = proxy.count() - before;
    // Each place once, and a few that were on their way or belong to no place.
    assert!(connections <= 10 + 5, "{connections} connections at once");
    println!("{connections} connections, not ready after {unready:?}, ready again after {ready:?}");
    load.end(&client).await;
    bed.check().await;
    server.stop();
}

// C234, and I3 on the node that is cut off
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_trusts_no_memory() {
    let bed = Bed::new().await;
    if bed.is_sqlite() {
        return;
    }
    let proxy = Proxy::before(&bed.deployment.database.url).await;
    let here = bed.deployment.serve().await;
    let cut_off = bed.deployment.serve_as(&proxy.url, &[], &[]).await;
    let (client, there) = (bed.client(&here), bed.client(&cut_off));
    assert_eq!(there.call("GET", "/Users", None).await.status, 200);
    proxy.set(Line::Silent);
    let unready = until(&there, "/readyz", 503, SECONDS_TO_NOTICE).await;
    assert_eq!(there.probe("/healthz").await, Some(200));
    let asked = Instant::now();
    refuses(&there).await;
    println!(
        "not ready after {unready:?}, three refusals in {:?}",
        asked.elapsed()
    );
    // What changes meanwhile is not seen there, and so nothing is decided there.
    let other = bed.rotate();
    bed.revoke(&other.id);
    assert_eq!(client.call("GET", "/Users", None).await.status, 200);
    let revoked = there.with_token(&other.token);
    assert_eq!(revoked.call("GET", "/Users", None).await.status, 503);
    proxy.set(Line::Open);
    let ready = until(&there, "/readyz", 200, SECONDS_TO_BE_BACK).await;
    println!("ready again after {ready:?}");
    assert_eq!(revoked.call("GET", "/Users", None).await.status, 401);
    let back = Instant::now();
    while there.call("GET", "/Users", None).await.status != 200 {
        assert!(back.elapsed() < Duration::from_secs(10), "it works again");
        pause(50).await;
    }
    cut_off.stop();
    here.stop();
}

// C234: what had been asked when the server vanished is never answered, nor is the connection closed
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_fell_silent_for_ever_give_up_their_places() {
    let bed = Bed::new().await;
    if bed.is_sqlite() {
        return;
    }
    let proxy = Proxy::before(&bed.deployment.database.url).await;
    let variables = [
        ("GATEHOUSE__DATABASE__MAX_CONNECTIONS", "4"),
        ("GATEHOUSE__DATABASE__STATEMENT_SECONDS", "1"),
    ];
    let server = bed.deployment.serve_as(&proxy.url, &[], &variables).await;
    let client = bed.client(&server);
    let load = Load::start(&client, bed.writers(&server, seed()).await);
    for _ in 0..2 {
        load.until_done(100).await;
        proxy.lose();
        let lost = Instant::now();
        // More ask than there are places, so that each place hangs; some where what was asked is
        // answered already, and the connection on its way back.
        load.until_unavailable(1).await;
        load.until_done(100).await;
        let back = lost.elapsed();
        println!("at work again after {back:?}");
        assert!(back < Duration::from_secs(10), "{back:?}");
    }
    load.end(&client).await;
    bed.check().await;
    server.stop();
}

/// Sends many requests at once; gives their answers.
async fn flood(client: &Client, count: usize, name: &str) -> Vec<Result<Answer, Lost>> {
    let mut sent = Vec::new();
    for at in 0..count {
        let (client, name) = (client.clone(), format!("{name}{at}@acme.example"));
        sent.push(tokio::spawn(async move {
            let user = json!({"userName": name});
            client.send("POST", "/Users", Some(&user)).await
        }));
    }
    let mut answers = Vec::new();
    for sent in sent {
        answers.push(sent.await.expect("sent"));
    }
    answers
}

fn refused(answers: &[Result<Answer, Lost>]) -> usize {
    for answer in answers {
        let status = answer.as_ref().expect("an answer").status;
        assert!([201, 503].contains(&status), "{answer:?}");
    }
    let is_refused = |it: &&Result<Answer, Lost>| it.as_ref().is_ok_and(|it| it.status == 503);
    answers.iter().filter(is_refused).count()
}

// C227
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_database_holds_up_nothing_for_long() {
    let bed = Bed::new().await;
    if bed.is_sqlite() {
        return;
    }
    let proxy = Proxy::before(&bed.deployment.database.url).await;
    let server = bed.deployment.serve_as(&proxy.url, &[], &[]).await;
    let client = bed.client(&server);
    assert_eq!(refused(&flood(&client, 20, "before").await), 0);

    // A lock on all users, held by somebody else.
    let mut holder = PgConnection::connect(&bed.deployment.database.url)
        .await
        .expect("connects");
    holder
        .execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        .await
        .expect("locked");
    let started = Instant::now();
    let held = Duration::from_secs(knob("CRASH_LOCK", 6));
    let flooding = tokio::spawn({
        let client = client.clone();
        async move { flood(&client, 60, "locked").await }
    });
    while started.elapsed() < held {
        let asked = Instant::now();
        assert_eq!(client.probe("/healthz").await, Some(200));
        assert!(
            asked.elapsed() < Duration::from_secs(2),
            "a cheap route waits for nothing"
        );
        pause(100).await;
    }
    let answers = flooding.await.expect("answered");
    println!(
        "{} of 60 refused under a lock, all in {:?}",
        refused(&answers),
        started.elapsed()
    );
    assert!(refused(&answers) > 0, "a statement ends by its time limit");
    holder.execute("ROLLBACK").await.expect("unlocked");
    until(&client, "/readyz", 200, SECONDS_TO_BE_BACK).await;

    // Every answer of the database comes late.
    proxy.set(Line::Slow(Duration::from_secs(5)));
    let started = Instant::now();
    let answers = flood(&client, 60, "slow").await;
    println!(
        "{} of 60 refused by slowness, all in {:?}",
        refused(&answers),
        started.elapsed()
    );
    assert!(refused(&answers) > 0);
    assert_eq!(client.probe("/healthz").await, Some(200));
    proxy.set(Line::Open);
    let back = Instant::now();
    while refused(
        &flood(
            &client,
            20,
            &format!("after{}-", back.elapsed().as_millis()),
        )
        .await,
    ) > 0
    {
        assert!(back.elapsed() < Duration::from_secs(30), "it is fast again");
    }
    bed.check().await;
    server.stop();
}
