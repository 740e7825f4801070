//! Domains: proved, held by one workspace, checked again, and what is built upon them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gatehouse::app::outside::{Found, Lookup};
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::workspace::domains::{self, PATIENCE};
use gatehouse::workspace::keys::{Permission, Scopes};
use gatehouse::workspace::{self, Workspace};
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway};
use crate::keys::new_key;
use crate::members::role;

const DAY: Duration = Duration::from_hours(24);
const ADA: &str = "ada@acme.example";

/// The world outside: texts by name, and files by URL.
#[derive(Default)]
pub(crate) struct World(Mutex<HashMap<String, String>>);

impl World {
    pub(crate) fn put(&self, at: &str, text: &str) {
        self.map().insert(at.to_owned(), text.to_owned());
    }

    fn clear(&self) {
        self.map().clear();
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lookup for World {
    fn texts(&self, name: String) -> BoxFuture<'static, Found<Vec<String>>> {
        let found = self.map().get(&name).cloned();
        async move { Ok(found.into_iter().collect()) }.boxed()
    }

    fn file(&self, url: String) -> BoxFuture<'static, Found<String>> {
        let found = self.map().get(&url).cloned();
        async move { found.ok_or_else(|| "the answer was 404".to_owned()) }.boxed()
    }
}

impl Gateway {
    pub(crate) fn world(&self) -> Arc<World> {
        let world = Arc::new(World::default());
        self.app.outside.replace(world.clone());
        world
    }

    async fn domains(&self, key: &str, method: &str, end: &str, body: Value) -> Answer {
        let body = Some(body).filter(|body| !body.is_null());
        let path = format!("/workspaces/acme/domains{end}");
        self.api(key, method, &path, body.as_ref()).await
    }

    /// Proves a domain of the gateway's workspace and lets its Users link.
    pub(crate) async fn adopts(&self, name: &str) {
        let (origin, id) = (Origin::cli(), self.workspace.id);
        domains::add(&self.app, &origin, id, name).await.unwrap();
        domains::attest(&self.app, &origin, id, name).await.unwrap();
        let everything = Scopes::everything();
        domains::set_adoption(&self.app, (&origin, &everything), id, name, true)
            .await
            .unwrap();
    }
}

fn code(answer: &Answer, status: u16) -> &str {
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.body["code"].as_str().unwrap_or_default()
}

async fn other(gateway: &Gateway) -> Workspace {
    workspace::create(&gateway.app, &Origin::cli(), "other", "Other")
        .await
        .unwrap()
}

// C085
#[tokio::test]
async fn what_is_everybodys_is_nobodys_domain() {
    let gateway = Gateway::new().await;
    let key = gateway.key(&Permission::ALL[..9]).await;
    for name in [
        "gmail.com",
        "co.uk",
        "com",
        "127.0.0.1",
        "acme",
        "yahoo.co.uk",
    ] {
        let refused = gateway
            .domains(&key, "POST", "", json!({"name": name}))
            .await;
        assert_eq!(code(&refused, 400), "invalid_value", "{name}");
    }
}

// C085
#[tokio::test]
async fn a_domain_counts_once_it_is_proved_and_has_one_holder() {
    let gateway = Gateway::new().await;
    let world = gateway.world();
    let key = gateway.key(&Permission::ALL[..9]).await;
    let added = gateway
        .domains(&key, "POST", "", json!({"name": "ACME.example."}))
        .await;
    assert_eq!(added.status, 201, "{}", added.text);
    assert_eq!(added.body["name"], "acme.example");
    assert_eq!(added.body["proved_at"], Value::Null);
    let again = gateway
        .domains(&key, "POST", "", json!({"name": "acme.example"}))
        .await;
    assert_eq!(code(&again, 409), "taken");
    // What looks alike is another domain, and shown as what it is.
    let alike = gateway
        .domains(&key, "POST", "", json!({"name": "\u{430}cme.example"}))
        .await;
    assert_eq!(alike.body["name"], "xn--cme-5cd.example");
    // Whoever asks as well before it is proved is told once it is somebody's.
    let other = other(&gateway).await;
    let theirs = domains::add(&gateway.app, &Origin::cli(), other.id, "acme.example")
        .await
        .unwrap();
    assert_ne!(json!(theirs.domain.challenge), added.body["challenge"]);
    let end = format!("/{}", added.body["id"].as_str().unwrap());
    let check = format!("{end}/check");
    let refused = gateway.domains(&key, "POST", &check, Value::Null).await;
    assert_eq!(code(&refused, 409), "conflict");
    let on = json!({"adoption": true});
    let refused = gateway.domains(&key, "PATCH", &end, on.clone()).await;
    assert_eq!(code(&refused, 409), "conflict", "it is not proved");
    let record = added.body["record"].as_str().unwrap();
    assert_eq!(record, "_gatehouse-challenge.acme.example");
    world.put(record, &theirs.domain.challenge);
    let refused = gateway.domains(&key, "POST", &check, Value::Null).await;
    assert_eq!(code(&refused, 409), "conflict", "somebody else's proof");
    world.put(record, added.body["challenge"].as_str().unwrap());
    let proved = gateway.domains(&key, "POST", &check, Value::Null).await;
    assert_eq!(
        (proved.status, &proved.body["proof"]),
        (200, &json!("dns")),
        "{}",
        proved.text
    );
    world.put(record, &theirs.domain.challenge);
    let held = domains::check(&gateway.app, &Origin::cli(), other.id, "acme.example").await;
    assert!(held.unwrap_err().to_string().contains("holds"));
    let held = domains::attest(&gateway.app, &Origin::cli(), other.id, "acme.example").await;
    assert!(held.is_err());
    // Whoever may not do everything does not let directories reach everybody.
    let lesser = gateway.key(&[Permission::WorkspaceManage]).await;
    let refused = gateway.domains(&lesser, "PATCH", &end, on.clone()).await;
    assert_eq!(code(&refused, 403), "insufficient_scope");
    assert_eq!(gateway.domains(&key, "PATCH", &end, on).await.status, 200);
    // Or a file proves it.
    let file = alike.body["file"].as_str().unwrap();
    assert_eq!(
        file,
        "https://xn--cme-5cd.example/.well-known/gatehouse-challenge"
    );
    world.put(file, alike.body["challenge"].as_str().unwrap());
    let check = format!("/{}/check", alike.body["id"].as_str().unwrap());
    let proved = gateway.domains(&key, "POST", &check, Value::Null).await;
    assert_eq!(
        (proved.status, &proved.body["proof"]),
        (200, &json!("https"))
    );
    let listed = gateway.domains(&key, "GET", "", Value::Null).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 2);
    // Given up, it is another's to prove.
    assert_eq!(
        gateway
            .domains(&key, "DELETE", &end, Value::Null)
            .await
            .status,
        204
    );
    domains::check(&gateway.app, &Origin::cli(), other.id, "acme.example")
        .await
        .unwrap();
    let attest = format!("/{}/attest", alike.body["id"].as_str().unwrap());
    let refused = gateway.domains(&key, "POST", &attest, Value::Null).await;
    assert_eq!(code(&refused, 403), "insufficient_scope");
    let (_, operator) = gateway
        .key_of(None, new_key(&[Permission::Everything]))
        .await;
    let attested = gateway
        .domains(&operator, "POST", &attest, Value::Null)
        .await;
    assert_eq!(
        (attested.status, &attested.body["proof"]),
        (200, &json!("operator"))
    );
    gateway.check().await;
}

// C085
#[tokio::test]
async fn a_proof_that_fails_for_three_days_counts_no_more() {
    let clock = Clock::fixed(Clock::system().now());
    let gateway = Gateway::at(clock.clone(), |_| {}).await;
    let world = gateway.world();
    let (origin, id) = (Origin::cli(), gateway.workspace.id);
    let added = domains::add(&gateway.app, &origin, id, "acme.example")
        .await
        .unwrap();
    world.put(&added.record, &added.domain.challenge);
    domains::check(&gateway.app, &origin, id, "acme.example")
        .await
        .unwrap();
    domains::add(&gateway.app, &origin, id, "attested.example")
        .await
        .unwrap();
    domains::attest(&gateway.app, &origin, id, "attested.example")
        .await
        .unwrap();
    let now = async || {
        while domains::recheck(&gateway.app).await.unwrap() > 0 {}
        let all = domains::list(&gateway.app, id).await.unwrap();
        let proved = all.iter().map(|it| it.domain.proved_at.is_some());
        (
            proved.collect::<Vec<_>>(),
            all[0].domain.failing_at.is_some(),
        )
    };
    world.clear();
    assert_eq!(
        now().await,
        (vec![true, true], false),
        "it is not checked again yet"
    );
    clock.advance(DAY + Duration::from_secs(1));
    assert_eq!(now().await, (vec![true, true], true));
    world.put(&added.record, &added.domain.challenge);
    clock.advance(DAY + Duration::from_secs(1));
    assert_eq!(now().await, (vec![true, true], false), "it is proved again");
    world.clear();
    let mut days = 0;
    while now().await.0[0] {
        clock.advance(DAY + Duration::from_secs(1));
        days += 1;
        assert!(days < 10);
    }
    // The first check that failed was a day later, and the patience began with it.
    assert_eq!(days, 1 + PATIENCE.as_secs() / DAY.as_secs());
    assert_eq!(
        now().await,
        (vec![false, true], false),
        "what an operator says stays"
    );
    let kinds = gateway.texts("changes", "kind").await;
    for kind in [
        "domain.proved",
        "domain.failing",
        "domain.recovered",
        "domain.lapsed",
    ] {
        assert!(kinds.iter().any(|it| it == kind), "{kind}");
    }
    gateway.check().await;
}

// C019, C021, C085
#[tokio::test]
async fn in_a_domain_that_adopts_users_are_linked_to_whom_the_workspace_has() {
    let gateway = Gateway::new().await;
    let (first, second) = (gateway.scim().await, gateway.second("second").await);
    for name in [ADA, "eve@else.example", "eve@sub.acme.example"] {
        first.created("/Users", &json!({"userName": name})).await;
    }
    let send = async |name: &str| {
        let body =
            json!({"userName": name, "displayName": "Another", "roles": [{"value": "admin"}]});
        second.send("POST", "/Users", Some(&body)).await.0
    };
    assert_eq!(send(ADA).await, 409, "no domain is proved");
    let before = gateway.member(ADA).await;
    gateway.adopts("acme.example").await;
    assert_eq!(send("eve@else.example").await, 409);
    assert_eq!(
        send("eve@sub.acme.example").await,
        409,
        "a domain of its own"
    );
    assert_eq!(send(ADA).await, 201);
    let after = gateway.member(ADA).await;
    assert_eq!(
        (after.id, &after.display_name),
        (before.id, &before.display_name)
    );
    assert!(gateway.listed(after.id).await.roles.is_empty());
    // One who is expected gets at once what waits for a proof elsewhere.
    let bob = json!({"email": "bob@acme.example"});
    let bob = gateway.enter(bob, &[role("admin")]).await.unwrap().member;
    let body = json!({"userName": "bob", "emails": [{"value": "BOB@acme.example"}]});
    second.created("/Users", &body).await;
    assert!(gateway.listed(bob).await.roles.contains("admin"));
    // An address of one who is in says so too, of exactly one.
    let body = |name: &str| json!({"userName": name, "emails": [{"value": "cy@acme.example"}]});
    first.created("/Users", &body("cy")).await;
    let count = gateway.present().await;
    second.created("/Users", &body("cyrus")).await;
    assert_eq!(gateway.present().await, count, "the same person");
    first.created("/Users", &body("cyril")).await;
    assert_eq!(
        gateway.present().await,
        count + 1,
        "two people of one directory"
    );
    gateway.check().await;
}
