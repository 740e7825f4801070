//! Two servers on one database. `SQLite` has one: its file belongs to one server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{Bed, knob, pause, seed, signal};
use crate::client::{Answer, Client, Lost, Random, patch};
use crate::deployment::Server;
use crate::history::{Asked, Event, State, Told, check};

/// How many clients, how many users they share at a time, and for how many acts.
const CLIENTS: usize = 20;
const USERS: usize = 50;
const SHARED_FOR: usize = 4_000 / CLIENTS;

/// The clients' view of both nodes; a node that comes back has another address.
type Nodes = Arc<RwLock<[Client; 2]>>;

/// What all clients know and note.
struct Shared {
    nodes: Nodes,
    /// The id that each user had last.
    ids: Mutex<BTreeMap<usize, String>>,
    events: Mutex<BTreeMap<usize, Vec<Event>>>,
}

fn state(user: &Value) -> State {
    State {
        id: user["id"].as_str().expect("an id").to_owned(),
        title: user["title"].as_str().unwrap_or_default().to_owned(),
        is_active: user["active"].as_bool().expect("active"),
    }
}

fn told(asked: &Asked, answer: &Answer) -> Told {
    match (answer.status, asked) {
        (503, _) => {
            assert!(answer.retry_after.is_some());
            Told::Unknown
        }
        (204, Asked::Delete(_)) => Told::Gone,
        (404, _) => Told::Nothing,
        (409, Asked::Create(_)) => Told::Taken,
        (200, Asked::Find) if answer.body["totalResults"] == 0 => Told::Nothing,
        (200, Asked::Find) => {
            assert_eq!(answer.body["totalResults"], 1, "one user of a name");
            Told::User(state(&answer.body["Resources"][0]))
        }
        (200 | 201, _) => Told::User(state(&answer.body)),
        (status, _) => panic!("{asked:?}: {status} {}", answer.body),
    }
}

async fn act(shared: &Shared, random: &mut Random, number: usize) {
    let user = random.below(USERS) + USERS * (number % 1_000_000 / SHARED_FOR);
    let name = format!("u{user}@acme.example");
    let known = shared.ids.lock().expect("not poisoned").get(&user).cloned();
    let title = format!("Title {number}");
    let asked = match (known, random.below(10)) {
        (None, 0..7) | (Some(_), 0) => Asked::Create(title),
        (Some(id), 1 | 2) => Asked::Retitle(id, title),
        (Some(id), 3) => Asked::Activate(id, random.below(2) == 0),
        (Some(id), 4) => Asked::Put(id, title, random.below(2) == 0),
        (Some(id), 5) => Asked::Delete(id),
        (Some(id), 6 | 7) => Asked::Get(id),
        _ => Asked::Find,
    };
    let path = |id: &String| format!("/Users/{id}");
    let (method, path, body) = match &asked {
        Asked::Create(title) => {
            let body = json!({"userName": name, "title": title});
            ("POST", "/Users".to_owned(), Some(body))
        }
        Asked::Retitle(id, title) => (
            "PATCH",
            path(id),
            Some(patch("replace", "title", json!(title))),
        ),
        Asked::Activate(id, is) => (
            "PATCH",
            path(id),
            Some(patch("replace", "active", json!(is))),
        ),
        Asked::Put(id, title, is) => {
            let body = json!({"userName": name, "title": title, "active": is});
            ("PUT", path(id), Some(body))
        }
        Asked::Delete(id) => ("DELETE", path(id), None),
        Asked::Get(id) => ("GET", path(id), None),
        Asked::Find => {
            let path = format!("/Users?filter=userName%20eq%20%22{name}%22");
            ("GET", path, None)
        }
    };
    let client = shared.nodes.read().expect("not poisoned")[random.below(2)].clone();
    let sent = Instant::now();
    let answer = client.send(method, &path, body.as_ref()).await;
    let answered = Instant::now();
    let told = match &answer {
        Ok(answer) => told(&asked, answer),
        Err(lost) => {
            pause(20).await;
            if *lost == Lost::Refused {
                // Nobody was there to do it.
                return;
            }
            Told::Unknown
        }
    };
    let mut ids = shared.ids.lock().expect("not poisoned");
    match &told {
        Told::User(told) => _ = ids.insert(user, told.id.clone()),
        Told::Gone => _ = ids.remove(&user),
        _ => {}
    }
    drop(ids);
    let event = Event {
        asked,
        told,
        sent,
        answered,
    };
    let mut events = shared.events.lock().expect("not poisoned");
    events.entry(user).or_default().push(event);
}

/// Kills and pauses the nodes in turn until told to stop; gives them back.
async fn trouble(
    bed: Arc<Bed>,
    nodes: Nodes,
    mut servers: [Server; 2],
    mut random: Random,
    work: Arc<Mutex<usize>>,
) -> [Server; 2] {
    let mut turn = 0;
    while *work.lock().expect("not poisoned") > 0 {
        pause(100 + random.below(200) as u64).await;
        let at = turn % 2;
        if turn % 3 == 0 {
            servers[at].child.kill().expect("killed");
            servers[at] = bed.deployment.serve().await;
            nodes.write().expect("not poisoned")[at] = bed.client(&servers[at]);
        } else {
            signal(&servers[at], "STOP");
            pause(100 + random.below(300) as u64).await;
            signal(&servers[at], "CONT");
        }
        // In the middle of it all.
        bed.check().await;
        turn += 1;
    }
    println!("{turn} kills and pauses, everything held after each");
    servers
}

// C230
#[tokio::test(flavor = "multi_thread")]
async fn what_two_nodes_tell_of_a_user_could_have_come_from_one() {
    let bed = Arc::new(Bed::new().await);
    if bed.is_sqlite() {
        return;
    }
    let acts = usize::try_from(knob("CRASH_ACTS", 4_000)).expect("it fits") / CLIENTS;
    let seed = seed();
    let servers = [bed.deployment.serve().await, bed.deployment.serve().await];
    let nodes: Nodes = Arc::new(RwLock::new([0, 1].map(|at| bed.client(&servers[at]))));
    let shared = Arc::new(Shared {
        nodes: Arc::clone(&nodes),
        ids: Mutex::default(),
        events: Mutex::default(),
    });
    let work = Arc::new(Mutex::new(CLIENTS));
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let (shared, work) = (Arc::clone(&shared), Arc::clone(&work));
        let mut random = Random(seed.wrapping_add(client as u64));
        clients.push(tokio::spawn(async move {
            for number in 0..acts {
                act(&shared, &mut random, client * 1_000_000 + number).await;
            }
            *work.lock().expect("not poisoned") -= 1;
        }));
    }
    let trouble = trouble(Arc::clone(&bed), nodes, servers, Random(seed ^ 1), work);
    let servers = trouble.await;
    for client in clients {
        client.await.expect("no complaint");
    }
    let events = shared.events.lock().expect("not poisoned").clone();
    let (mut all, mut unknown) = (0, 0);
    for (user, events) in &events {
        all += events.len();
        unknown += events
            .iter()
            .filter(|it| matches!(it.told, Told::Unknown))
            .count();
        if let Err(longest) = check(events) {
            panic!("user {user}: no order explains what comes after {longest:#?}");
        }
    }
    println!(
        "{all} acts on {} users, {unknown} without an answer",
        events.len()
    );
    bed.check().await;
    for server in servers {
        server.stop();
    }
}

// C231
#[tokio::test(flavor = "multi_thread")]
async fn one_name_made_on_two_nodes_at_once_is_one_user() {
    let bed = Bed::new().await;
    if bed.is_sqlite() {
        return;
    }
    let servers = [bed.deployment.serve().await, bed.deployment.serve().await];
    let clients = [0, 1].map(|at| bed.client(&servers[at]));
    for pair in 0..1_000 {
        let bodies =
            ["twin", "TWIN"].map(|name| json!({"userName": format!("{name}{pair}@acme.example")}));
        let (one, other) = tokio::join!(
            clients[0].call("POST", "/Users", Some(&bodies[0])),
            clients[1].call("POST", "/Users", Some(&bodies[1])),
        );
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", one.body, other.body);
        let refused = if one.status == 409 { one } else { other };
        assert_eq!(refused.body["scimType"], "uniqueness");
    }
    assert_eq!(bed.count("SELECT COUNT(*) FROM users").await, 1_000);
    bed.check().await;
    for server in servers {
        server.stop();
    }
}

// C231: an admin and a directory at once
#[tokio::test(flavor = "multi_thread")]
async fn one_address_by_two_doors_on_two_nodes_at_once_is_one_member() {
    let bed = Bed::new().await;
    if bed.is_sqlite() {
        return;
    }
    let servers = [bed.deployment.serve().await, bed.deployment.serve().await];
    let clients = [0, 1].map(|at| bed.client(&servers[at]));
    let key = bed.key(None);
    let (mut created, mut late) = (0, 0);
    for pair in 0..500 {
        let address = format!("pair{pair}@acme.example");
        let draft = json!({"profile": {"email": address}});
        let emails = json!([{"value": address, "type": "work"}]);
        let user = json!({"userName": address, "emails": emails});
        let admin = clients[pair % 2].with_token(&key);
        let (by_admin, by_directory) = tokio::join!(
            admin.manage("POST", "/members", Some(&draft)),
            clients[(pair + 1) % 2].call("POST", "/Users", Some(&user)),
        );
        assert_eq!(by_directory.status, 201, "{}", by_directory.body);
        let path = format!("/members?filter=email%20eq%20%22{address}%22");
        let found = admin.manage("GET", &path, None).await.body;
        let found = found["items"].as_array().expect("a page");
        assert_eq!(found.len(), 1, "one member of {address}");
        let id = found[0]["id"].as_str().expect("an id");
        let told = &by_admin.body;
        match by_admin.status {
            201 => {
                assert_eq!(told["member"]["id"], id);
                created += 1;
            }
            // The directory was first, and the person is in.
            409 => {
                let detail = told["detail"].as_str().expect("a detail");
                assert!(detail.ends_with(id), "{told}");
                late += 1;
            }
            status => panic!("{status} {told}"),
        }
    }
    println!("{created} drafts that a directory took over, {late} who were members already");
    assert_eq!(bed.count("SELECT COUNT(*) FROM members").await, 500);
    assert_eq!(bed.count("SELECT COUNT(*) FROM users").await, 500);
    let unlinked = "SELECT COUNT(*) FROM users WHERE member IS NULL";
    assert_eq!(bed.count(unlinked).await, 0);
    bed.check().await;
    for server in servers {
        server.stop();
    }
}

// C079
#[tokio::test(flavor = "multi_thread")]
async fn the_last_seat_is_taken_once_whichever_node_is_asked() {
    let bed = Bed::new().await;
    if bed.is_sqlite() {
        return;
    }
    let servers = [bed.deployment.serve().await, bed.deployment.serve().await];
    let clients = [0, 1].map(|at| bed.client(&servers[at]));
    for at in 0..4 {
        let user = json!({"userName": format!("u{at}@acme.example")});
        clients[0].created("/Users", &user).await;
    }
    let seats = ["workspace", "seats", "acme", "--limit", "5"];
    assert_eq!(bed.deployment.json(&seats)["taken"], 4);
    let mut sent = Vec::new();
    for at in 0..200 {
        let client = clients[at % 2].clone();
        let user = json!({"userName": format!("n{at}@acme.example")});
        sent.push(tokio::spawn(async move {
            let answer = client.call("POST", "/Users", Some(&user)).await;
            let detail = answer.body["detail"].as_str().unwrap_or_default();
            let is_refused = answer.status == 409 && detail.contains("seat limit");
            assert!(answer.status == 201 || is_refused, "{}", answer.body);
            answer.status
        }));
    }
    let mut created = 0;
    for sent in sent {
        created += usize::from(sent.await.expect("no complaint") == 201);
    }
    assert_eq!(created, 1);
    assert_eq!(
        bed.deployment.json(&["workspace", "seats", "acme"])["taken"],
        5
    );
    bed.check().await;
    for server in servers {
        server.stop();
    }
}

// C232
#[tokio::test(flavor = "multi_thread")]
async fn a_member_added_while_user_or_group_goes_leaves_nothing_dangling() {
    let bed = Bed::new().await;
    if bed.is_sqlite() {
        return;
    }
    let servers = [bed.deployment.serve().await, bed.deployment.serve().await];
    let clients = [0, 1].map(|at| bed.client(&servers[at]));
    let seed = seed();
    let mut random = Random(seed);
    for round in 0..40 {
        let mut users = Vec::new();
        for at in 0..4 {
            let user = json!({"userName": format!("r{round}-{at}@acme.example")});
            users.push(clients[0].created("/Users", &user).await);
        }
        let group = json!({"displayName": format!("Group {round}")});
        let group = format!("/Groups/{}", clients[0].created("/Groups", &group).await);
        let mut sent = Vec::new();
        for at in 0..16 {
            let id = &users[random.below(users.len())];
            let (method, path, body) = match random.below(7) {
                0 => ("DELETE", format!("/Users/{id}"), None),
                1 if at > 4 => ("DELETE", group.clone(), None),
                2 => {
                    let target = format!("members[value eq \"{id}\"]");
                    (
                        "PATCH",
                        group.clone(),
                        Some(patch("remove", &target, Value::Null)),
                    )
                }
                3 => {
                    let both = json!([{"value": id}, {"value": users[0]}]);
                    (
                        "PATCH",
                        group.clone(),
                        Some(patch("replace", "members", both)),
                    )
                }
                _ => {
                    let add = patch("add", "members", json!([{"value": id}]));
                    ("PATCH", group.clone(), Some(add))
                }
            };
            let client = clients[random.below(2)].clone();
            sent.push(tokio::spawn(async move {
                let answer = client.call(method, &path, body.as_ref()).await;
                let allowed = [200, 204, 400, 404].contains(&answer.status);
                assert!(
                    allowed,
                    "{method} {path}: {} {}",
                    answer.status, answer.body
                );
            }));
        }
        for sent in sent {
            sent.await.expect("no complaint");
        }
    }
    // Among what verify looks at: memberships join a user and a group that are there.
    bed.check().await;
    for server in servers {
        server.stop();
    }
}

/// Waits until a token opens nothing on any node; gives how long that took. A second is promised
/// by the design, five are the most that may ever be.
async fn until_refused(clients: &[Client], token: &str) -> Duration {
    let started = Instant::now();
    for client in clients {
        let client = client.with_token(token);
        while client.call("GET", "/Users", None).await.status != 401 {
            pause(20).await;
            let waited = started.elapsed();
            assert!(waited < Duration::from_secs(5), "it opens nothing more");
        }
    }
    started.elapsed()
}

// C011, C233: there is no channel between nodes; each asks the database again after a second
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_opens_nothing_on_any_node() {
    let bed = Bed::new().await;
    let first = bed.deployment.serve().await;
    let mut servers = vec![first];
    if !bed.is_sqlite() {
        servers.push(bed.deployment.serve().await);
    }
    let clients: Vec<_> = servers.iter().map(|server| bed.client(server)).collect();
    let mut slowest = Duration::ZERO;
    for _ in 0..3 {
        let token = bed.rotate();
        for client in &clients {
            let client = client.with_token(&token.token);
            assert_eq!(client.call("GET", "/Users", None).await.status, 200);
        }
        bed.revoke(&token.id);
        slowest = slowest.max(until_refused(&clients, &token.token).await);
    }
    println!("refused everywhere after at most {slowest:?}");
    // Five are live at once, and no sixth; one that is revoked makes room.
    let tokens: Vec<_> = (0..4).map(|_| bed.rotate()).collect();
    for token in &tokens {
        let client = clients[0].with_token(&token.token);
        assert_eq!(client.call("GET", "/Users", None).await.status, 200);
    }
    let rotate = [
        "directory",
        "rotate-token",
        "--workspace",
        "acme",
        "--name",
        "idp",
    ];
    assert_eq!(bed.deployment.run(&rotate).status.code(), Some(4));
    bed.revoke(&tokens[0].id);
    // An overlap of nothing: the new one alone is left, and the others end as if revoked.
    let last = bed.rotate_with(&["--overlap-hours", "0"]);
    let rest = tokens[1..].iter().map(|token| token.token.as_str());
    for token in rest.chain([bed.token.as_str()]) {
        until_refused(&clients, token).await;
    }
    let client = clients[0].with_token(&last.token);
    assert_eq!(client.call("GET", "/Users", None).await.status, 200);
    let show = ["directory", "show", "--workspace", "acme", "--name", "idp"];
    let shown = bed.deployment.json(&show);
    let used = |id: &str| {
        let tokens = shown["tokens"].as_array().expect("a list");
        let token = tokens
            .iter()
            .find(|token| token["id"] == id)
            .expect("listed");
        token["last_used_at"].is_string()
    };
    assert!(used(&last.id) && used(&tokens[1].id), "{shown}");
    let unused = bed.rotate();
    let shown = bed.deployment.json(&show);
    let tokens = shown["tokens"].as_array().expect("a list");
    let listed = tokens
        .iter()
        .find(|token| token["id"] == unused.id.as_str());
    assert!(listed.expect("listed")["last_used_at"].is_null());
    bed.check().await;
    for server in servers {
        server.stop();
    }
}
