//! Writers that are in each other's way.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::bed::{Bed, knob, pause, sqlite};
use crate::client::{Answer, Client, patch};

// C224
#[tokio::test(flavor = "multi_thread")]
async fn writers_beside_a_long_reader_and_checkpoints_are_never_locked_out() {
    const WRITERS: usize = 64;
    let bed = Bed::new().await;
    if !bed.is_sqlite() {
        // Readers and writers of PostgreSQL do not wait for each other.
        return;
    }
    let server = bed.deployment.serve().await;
    let client = bed.client(&server);
    let lasts = Duration::from_secs(knob("CRASH_CROWD", 6));
    let started = Instant::now();
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let client = client.clone();
        writers.push(tokio::spawn(async move {
            let user = json!({"userName": format!("c{writer}@acme.example")});
            let user = format!("/Users/{}", client.created("/Users", &user).await);
            let mut times = Vec::new();
            while started.elapsed() < lasts {
                let title = json!(format!("Title {}", times.len()));
                let sent = Instant::now();
                let change = patch("replace", "title", title);
                let answer = client.call("PATCH", &user, Some(&change)).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
                times.push(sent.elapsed());
            }
            times
        }));
    }
    let url = bed.deployment.database.url.clone();
    let reader = tokio::spawn(async move {
        let mut conn = sqlite(&url).await.expect("opens");
        while started.elapsed() < lasts {
            let mut snapshot = conn.begin().await.expect("begins");
            snapshot
                .execute("SELECT COUNT(*) FROM changes")
                .await
                .expect("read");
            pause(1_500).await;
            snapshot.rollback().await.expect("ends");
            pause(100).await;
        }
    });
    let mut largest = 0;
    let mut log = bed.file().into_os_string();
    log.push("-wal");
    let mut checkpoints = sqlite(&bed.deployment.database.url).await.expect("opens");
    while started.elapsed() < lasts {
        // As another process beside the server may do it.
        checkpoints
            .execute("PRAGMA wal_checkpoint(PASSIVE)")
            .await
            .expect("done");
        largest = largest.max(std::fs::metadata(&log).map_or(0, |log| log.len()));
        pause(200).await;
    }
    let mut times = Vec::new();
    for writer in writers {
        times.extend(writer.await.expect("no complaint"));
    }
    reader.await.expect("no complaint");
    times.sort_unstable();
    let (count, p99) = (times.len(), times[times.len() * 99 / 100]);
    println!("{count} writes, p99 {p99:?}, largest log {largest} bytes");
    assert!(count > WRITERS);
    assert!(
        p99 < Duration::from_secs(10),
        "500 ms on a machine of its own"
    );
    // A reader holds the log's end for its own time, and no longer.
    assert!(largest < 256 * 1024 * 1024, "the log has a bound");
    bed.check().await;
    server.stop();
}

/// Repeats a request while it is refused for the moment, as it is when all its tries met a conflict.
async fn answered(client: &Client, method: &str, path: &str, body: &Value) -> Answer {
    loop {
        let answer = client.call(method, path, Some(body)).await;
        if answer.status != 503 {
            return answer;
        }
        assert!(answer.retry_after.is_some());
    }
}

// C229
#[tokio::test(flavor = "multi_thread")]
async fn conflicts_that_the_database_reports_are_tried_again_and_double_nothing() {
    let bed = Bed::new().await;
    if bed.is_sqlite() {
        // One writer: nothing to conflict with.
        return;
    }
    let server = bed.deployment.serve().await;
    let client = bed.client(&server);
    // A sequence counts on when its transaction is undone, so that every third try fails.
    let mut conn = PgConnection::connect(&bed.deployment.database.url)
        .await
        .expect("connects");
    let conflict = |code: &str, when: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF {when} THEN RAISE EXCEPTION 'made up' USING ERRCODE = '{code}'; END IF; \
             RETURN NULL; END $$"
        )
    };
    let run = async |conn: &mut PgConnection, sql: String| {
        conn.execute(sqlx::AssertSqlSafe(sql)).await.expect("run");
    };
    run(&mut conn, "CREATE SEQUENCE tries".to_owned()).await;
    let third = "nextval('tries') % 3 = 0";
    run(&mut conn, conflict("40001", third)).await;
    let trigger = "CREATE TRIGGER conflict AFTER INSERT ON changes \
                   FOR EACH STATEMENT EXECUTE FUNCTION conflict()";
    run(&mut conn, trigger.to_owned()).await;
    let group = json!({"displayName": "Crew"});
    let group = answered(&client, "POST", "/Groups", &group).await;
    let group = group.body["id"].as_str().expect("an id").to_owned();
    let mut users = 0;
    for code in ["40001", "40P01"] {
        run(&mut conn, conflict(code, third)).await;
        let mut sent = Vec::new();
        for at in 0..60 {
            let (client, group) = (client.clone(), group.clone());
            let name = format!("{code}-{at}@acme.example");
            sent.push(tokio::spawn(async move {
                let user = json!({"userName": name});
                let made = answered(&client, "POST", "/Users", &user).await;
                assert_eq!(made.status, 201, "{}", made.body);
                let add = patch("add", "members", json!([{"value": made.body["id"]}]));
                let path = format!("/Groups/{group}");
                let added = answered(&client, "PATCH", &path, &add).await;
                assert!([200, 204].contains(&added.status), "{}", added.body);
            }));
        }
        for sent in sent {
            sent.await.expect("no complaint");
            users += 1;
        }
    }
    let made = "SELECT COUNT(*) FROM changes WHERE kind = 'user.created'";
    assert_eq!(bed.count(made).await, users, "one record for each");
    assert_eq!(
        client.members(&group).await.len(),
        usize::try_from(users).expect("it fits")
    );
    // All tries fail: then it is 503, and nothing is there.
    run(&mut conn, conflict("40001", "true")).await;
    let before = bed.count("SELECT last_value FROM tries").await;
    let user = json!({"userName": "never@acme.example"});
    let answer = client.call("POST", "/Users", Some(&user)).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.retry_after.is_some());
    assert_eq!(bed.count("SELECT last_value FROM tries").await, before);
    run(&mut conn, "DROP TRIGGER conflict ON changes".to_owned()).await;
    client.created("/Users", &user).await;
    assert_eq!(bed.count("SELECT COUNT(*) FROM users").await, users + 1);
    bed.check().await;
    server.stop();
}
