//! A client goes away while its request is worked on: the request is applied as a whole or not at
//! all, and the client's retry brings what it wanted.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use gatehouse::clock::Clock;
use gatehouse::store::faults::{Fault, Point};
use gatehouse::workspace::keys::Permission;
use gatehouse::workspace::members;
use serde_json::{Value, json};

use crate::acts::{ACTS, prepared};
use crate::contents::{Contents, differences};
use crate::gateway::{Answer, Gateway, Scim};

/// No request waits more often than this.
const MOST: u32 = 3_000;

/// How often an act is begun anew that is done before it was waited for.
const AGAIN: u32 = 20;

/// A request that is waited for so many times at most, and then dropped.
struct Polls<F> {
    inner: Pin<Box<F>>,
    left: u32,
}

impl<F: Future> Future for Polls<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.left -= 1;
        match self.inner.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A request as a client sends it.
struct Call {
    method: &'static str,
    path: String,
    bearer: String,
    body: Option<Value>,
}

impl Call {
    async fn sent(&self, gateway: &Gateway) -> Answer {
        let media = if self.path.starts_with("/api/") {
            "application/json"
        } else {
            "application/scim+json"
        };
        let body = self.body.as_ref().map(Value::to_string);
        let (path, bearer) = (&self.path, [self.bearer.as_str()]);
        gateway
            .call_text(self.method, path, &bearer, media, body)
            .await
    }
}

impl Gateway {
    /// Waits for what a client left behind: what was on its way to the database is there or never
    /// will be.
    async fn quiet(&self) {
        // The one writer of a file works in the order of what it was given.
        self.app
            .write(|_| Box::pin(async { Ok(()) }))
            .await
            .unwrap();
        while self.app.db.is_shared() {
            let mut tx = self.app.db.one().await.unwrap();
            let row: (i64,) = tx
                .query(
                    "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                     AND pid <> pg_backend_pid() AND backend_type = 'client backend' \
                     AND (state <> 'idle' OR xact_start IS NOT NULL)",
                )
                .fetch_one()
                .await
                .unwrap();
            if row.0 == 0 {
                return;
            }
            drop(tx);
            tokio::task::yield_now().await;
        }
    }

    /// How many changes there are of each kind.
    async fn kinds(&self) -> Vec<String> {
        let mut kinds = self.texts("changes", "kind").await;
        kinds.sort();
        kinds
    }
}

/// What came of an act: the kinds of changes that it left beyond those before, in order.
fn beyond(before: &[String], after: &[String]) -> Vec<String> {
    let mut left = before.iter().peekable();
    let new = after.iter().filter(|kind| left.next_if_eq(kind).is_none());
    new.cloned().collect()
}

/// What an act is on, and what it must come to.
struct Trial<'g> {
    gateway: &'g Gateway,
    name: &'static str,
    /// The kinds of changes that the whole act leaves.
    whole: Vec<String>,
}

impl Trial<'_> {
    /// Sends the call and goes away after so many waits; whether it was applied, and whether it was
    /// answered.
    async fn cut(&self, call: &Call, waits: u32) -> (bool, bool) {
        let (before, kinds) = (self.gateway.contents().await, self.gateway.kinds().await);
        let sent = Polls {
            inner: Box::pin(call.sent(self.gateway)),
            left: waits,
        };
        let answer = pin!(sent).await;
        self.gateway.quiet().await;
        if let Some(answer) = &answer {
            assert!(answer.status < 300, "{}: {}", self.name, answer.text);
        }
        let is_applied = self.is_applied((&before, &kinds), waits).await;
        assert!(is_applied || answer.is_none(), "{}: it was told", self.name);
        (is_applied, answer.is_some())
    }

    /// Whether the act was applied since; as a whole, if it was.
    async fn is_applied(&self, (before, kinds): (&Contents, &[String]), waits: u32) -> bool {
        let after = self.gateway.contents().await;
        let changed = differences(before, &after);
        if changed.is_empty() {
            return false;
        }
        let name = self.name;
        let left = beyond(kinds, &self.gateway.kinds().await);
        assert_eq!(left, self.whole, "{name} after {waits} waits: {changed:?}");
        true
    }
}

/// Makes what an act needs; `round` keeps names apart.
async fn call(gateway: &Gateway, scim: &Scim, key: &str, name: &str, round: &str) -> Call {
    let act = prepared(gateway, scim, name, round).await;
    let bearer = format!("Bearer {}", scim.token);
    let (method, path, body) = match name {
        "api-create" => {
            let address = format!("{name}-{round}@acme.example");
            let body = json!({"profile": {"email": address}, "roles": ["admin"]});
            ("POST", "/members".to_owned(), Some(body))
        }
        "api-suspend" | "api-grant" => {
            let user = format!("{name}-{round}-2@acme.example");
            let found = members::find(&gateway.app, gateway.workspace.id, &user).await;
            let member = found.expect("found").id;
            if name == "api-grant" {
                ("PUT", format!("/members/{member}/roles/admin"), None)
            } else {
                (
                    "POST",
                    format!("/members/{member}/suspend"),
                    Some(json!({})),
                )
            }
        }
        _ => {
            let path = format!("/scim/v2{}", act.path);
            return Call {
                method: act.method,
                path,
                bearer,
                body: act.body,
            };
        }
    };
    Call {
        method,
        path: format!("/api/v1/workspaces/acme{path}"),
        bearer: format!("Bearer {key}"),
        body,
    }
}

// C245
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_at_any_wait_leaves_all_or_nothing() {
    let gateway = Gateway::at(Clock::fixed(Clock::system().now()), |_| {}).await;
    let scim = gateway.scim().await;
    gateway.guarded(&scim, 1_000).await;
    let key = gateway.key(&Permission::OF_WORKSPACE).await;
    let api = ["api-create", "api-grant", "api-suspend"];
    let mut cuts = 0;
    for name in ACTS.into_iter().chain(api) {
        let mut trial = Trial {
            gateway: &gateway,
            name,
            whole: Vec::new(),
        };
        let first = call(&gateway, &scim, &key, name, "whole").await;
        let kinds = gateway.kinds().await;
        let answer = first.sent(&gateway).await;
        assert!(answer.status < 300, "{name}: {}", answer.text);
        trial.whole = beyond(&kinds, &gateway.kinds().await);
        assert!(!trial.whole.is_empty(), "{name} leaves a record");

        let (mut round, mut cut, mut applied) = (0, 0, 0);
        let mut sent = call(&gateway, &scim, &key, name, "0").await;
        for waits in 1..MOST {
            let (is_applied, is_answered) = trial.cut(&sent, waits).await;
            if is_answered {
                if cut > 0 || round == AGAIN {
                    break;
                }
                // On a busy machine another thread may be done before the first wait.
                round += 1;
                sent = call(&gateway, &scim, &key, name, &round.to_string()).await;
                continue;
            }
            cut += 1;
            if is_applied {
                // The client asks again: what it wanted is there, and nothing is doubled.
                let kinds = gateway.kinds().await;
                let again = sent.sent(&gateway).await;
                assert!(again.status < 500, "{name}: {}", again.text);
                let twice = beyond(&kinds, &gateway.kinds().await);
                let is_conflict = again.status == 409 || again.status == 404;
                let refused = |kind: &String| is_conflict && kind == "request.refused";
                // Two groups may have one name.
                let is_new = name == "create-group";
                assert!(is_new || twice.iter().all(refused), "{name}: {twice:?}");
                applied += 1;
                round += 1;
                sent = call(&gateway, &scim, &key, name, &round.to_string()).await;
            }
            assert!(waits < MOST - 10, "{name} has an end");
        }
        println!("{name}: cut off at {cut} waits, {applied} times when it was done");
        cuts += cut;
    }
    // One that never waits where it could be cut off is no fault; that none does would be.
    assert!(cuts > ACTS.len(), "{cuts} were cut off");
    gateway.check().await;
}

// C245: by a socket that closes
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_at_a_statement_leaves_nothing() {
    let gateway = Gateway::at(Clock::fixed(Clock::system().now()), |_| {}).await;
    if !gateway.app.db.is_shared() {
        // One writer applies what it has begun whether or not the client stays.
        return;
    }
    let scim = gateway.scim().await;
    gateway.guarded(&scim, 1_000).await;
    for name in ACTS {
        let points = [
            Point::Before(1),
            Point::Before(3),
            Point::After(2),
            Point::After(5),
            Point::After(8),
            Point::After(12),
            Point::Commit,
        ];
        for (at, point) in points.into_iter().enumerate() {
            let act = prepared(&gateway, &scim, name, &format!("h{at}")).await;
            let before = gateway.contents().await;
            gateway.app.db.faults().arm_at(point, Fault::Hang);
            scim.hang_up(act.method, &act.path, act.body.as_ref()).await;
            if !gateway.app.db.faults().disarm() {
                let changed = differences(&before, &gateway.contents().await);
                assert!(changed.is_empty(), "{name}, {point:?}: {changed:?}");
                let retried = act.send(&scim).await;
                assert!((200..300).contains(&retried.0), "{name}: {}", retried.1);
            }
        }
    }
    gateway.check().await;
}
