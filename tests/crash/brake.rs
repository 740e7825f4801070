//! The brake's window is one, whichever node is asked.

use serde_json::{Value, json};

use crate::bed::Bed;
use crate::client::patch;

/// How many there are, and how many of them may go within the hour.
const PEOPLE: usize = 40;
const MAY_GO: usize = 5;

// C077
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_let_no_more_go_than_one() {
    let bed = Bed::new().await;
    let (servers, nodes) = bed.nodes().await;
    let operator = nodes[1].with_token(&bed.key(None));
    let mut ids = Vec::new();
    for at in 0..PEOPLE {
        let user = json!({"userName": format!("u{at}@acme.example")});
        ids.push(nodes[0].created("/Users", &user).await);
    }
    let members: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
    let crew = json!({"displayName": "Crew", "members": members});
    let crew = format!("/Groups/{}", nodes[0].created("/Groups", &crew).await);
    let mut sent = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        let (node, crew, id) = (nodes[at % 2].clone(), crew.clone(), id.clone());
        sent.push(tokio::spawn(async move {
            let user = format!("/Users/{id}");
            let out = patch("replace", "active", json!(false));
            let left = patch(
                "remove",
                &format!("members[value eq \"{id}\"]"),
                Value::Null,
            );
            let answer = match at % 4 / 2 {
                0 if at % 8 < 4 => node.call("DELETE", &user, None).await,
                0 => node.call("PATCH", &user, Some(&out)).await,
                _ => node.call("PATCH", &crew, Some(&left)).await,
            };
            assert!([200, 204].contains(&answer.status), "{}", answer.body);
        }));
    }
    for sent in sent {
        sent.await.expect("no complaint");
    }
    let in_crew = "SELECT COUNT(DISTINCT g.member) FROM grants g JOIN members m ON m.id = g.member \
                   WHERE g.to_at IS NULL AND m.status = 'active'";
    assert_eq!(
        bed.count(in_crew).await,
        i64::try_from(PEOPLE - MAY_GO).expect("it fits")
    );
    let held = operator.manage("GET", "/brake/held", None).await;
    let held = held.body["items"].as_array().map(Vec::len);
    assert_eq!(held, Some(PEOPLE - MAY_GO));
    bed.check().await;
    for server in servers {
        server.stop();
    }
}
