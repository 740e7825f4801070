//! A right that is lost while data is being handed out: nothing further leaves, the answer does not end
//! as a whole one does, and the log tells of it.

use axum::body::Body;
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::directory::request_log;
use gatehouse::ids::{ApiKeyId, MemberId};
use gatehouse::workspace::keys::{self, LIFE, Permission};
use gatehouse::workspace::lifecycle;
use gatehouse::workspace::manual::Right;
use gatehouse::workspace::members::GrantKind;
use http_body_util::BodyExt;

use crate::gateway::{Gateway, users};
use crate::keys::new_key;
use crate::members::{person, role};

/// So many that no export is one part.
const PEOPLE: usize = 501;

/// A way in which whoever takes something out loses the right to.
#[derive(Debug, Clone, Copy)]
enum Loss {
    KeyRevoked,
    KeyExpired,
    PersonSuspended,
    RoleTaken,
    PermissionTaken,
    WorkspaceSuspended,
    OperatorsKeyRevoked,
}

const LOSSES: [Loss; 7] = [
    Loss::KeyRevoked,
    Loss::KeyExpired,
    Loss::PersonSuspended,
    Loss::RoleTaken,
    Loss::PermissionTaken,
    Loss::WorkspaceSuspended,
    Loss::OperatorsKeyRevoked,
];

struct Bench {
    gateway: Gateway,
    clock: Clock,
    ada: MemberId,
}

/// Whoever takes something out.
struct Taker {
    key: ApiKeyId,
    text: String,
}

fn permission() -> Right {
    Right {
        kind: GrantKind::Permission,
        name: "data.export".to_owned(),
    }
}

impl Bench {
    async fn new() -> Self {
        let clock = Clock::fixed(Clock::system().now());
        let gateway = Gateway::at(clock.clone(), |_| {}).await;
        let scim = gateway.scim().await;
        users(&scim, "u", PEOPLE).await;
        let (_, ada) = person(&gateway, &scim, "ada").await;
        // Another admin, so that this one can be taken away.
        let (_, bob) = person(&gateway, &scim, "bob").await;
        gateway.give(bob, role("admin")).await.unwrap();
        request_log::flush(&gateway.app).await;
        Self {
            gateway,
            clock,
            ada,
        }
    }

    /// Somebody who may take out all there is, until it is lost in that way.
    async fn taker(&self, loss: Loss) -> Taker {
        let gateway = &self.gateway;
        let mut new = new_key(&[Permission::DataExport, Permission::DirectoriesManage]);
        match loss {
            Loss::PersonSuspended | Loss::RoleTaken => {
                gateway.give(self.ada, role("admin")).await.unwrap();
                new.member = Some(self.ada);
            }
            Loss::PermissionTaken => {
                gateway.give(self.ada, permission()).await.unwrap();
                new = new_key(&[Permission::DataExport]);
                new.member = Some(self.ada);
            }
            Loss::OperatorsKeyRevoked => new = new_key(&[Permission::Everything]),
            _ => {}
        }
        let is_operator = matches!(loss, Loss::OperatorsKeyRevoked);
        let workspace = (!is_operator).then_some(&gateway.workspace);
        let (key, text) = gateway.key_of(workspace, new).await;
        Taker { key, text }
    }

    async fn lose(&self, loss: Loss, taker: &Taker) {
        let (app, origin) = (&self.gateway.app, Origin::cli());
        let workspace = &self.gateway.workspace;
        match loss {
            Loss::KeyRevoked => {
                let revoked = keys::revoke(app, &origin, Some(workspace.id), taker.key);
                revoked.await.unwrap();
            }
            Loss::OperatorsKeyRevoked => {
                let revoked = keys::revoke(app, &origin, None, taker.key);
                revoked.await.unwrap();
            }
            Loss::KeyExpired => self.clock.advance(LIFE),
            Loss::PersonSuspended => self.gateway.suspend(self.ada).await.unwrap(),
            Loss::RoleTaken => self.gateway.take(self.ada, role("admin")).await.unwrap(),
            Loss::PermissionTaken => self.gateway.take(self.ada, permission()).await.unwrap(),
            Loss::WorkspaceSuspended => {
                lifecycle::suspend(app, &origin, workspace).await.unwrap();
            }
        }
    }

    /// All is as before, for the next way.
    async fn restore(&self, loss: Loss) {
        let (app, origin) = (&self.gateway.app, Origin::cli());
        match loss {
            Loss::PersonSuspended => {
                self.gateway.activate(self.ada).await.unwrap();
                self.gateway.take(self.ada, role("admin")).await.unwrap();
            }
            Loss::WorkspaceSuspended => {
                let resumed = lifecycle::resume(app, &origin, &self.gateway.workspace);
                resumed.await.unwrap();
            }
            _ => {}
        }
    }

    /// An answer that begins well.
    async fn begin(&self, taker: &Taker, path: &str) -> Body {
        let request = http::Request::builder()
            .uri(format!("/api/v1/workspaces/acme{path}"))
            .header("authorization", format!("Bearer {}", taker.text))
            .body(Body::empty())
            .unwrap();
        let router = gatehouse::http::router(self.gateway.app.clone());
        let answer = tower::ServiceExt::oneshot(router, request).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.into_body()
    }

    /// How often the log tells that something was broken off, by what it is about.
    async fn told(&self) -> Vec<String> {
        let told = "changes WHERE kind = 'export.broken_off' ORDER BY id";
        self.gateway.texts(told, "subject_kind").await
    }
}

/// The next part of an answer; none at its end.
async fn part(body: &mut Body) -> Option<Result<Vec<u8>, axum::Error>> {
    let frame = body.frame().await?;
    Some(frame.map(|frame| frame.into_data().expect("data").to_vec()))
}

// C209: in whatever way the right is lost
#[tokio::test]
async fn whoever_loses_the_right_meanwhile_gets_no_further_part() {
    let bench = Bench::new().await;
    let path = "/members/export?format=json";
    for (at, loss) in LOSSES.into_iter().enumerate() {
        let taker = bench.taker(loss).await;
        let mut body = bench.begin(&taker, path).await;
        let first = part(&mut body).await.expect("a part").expect("whole");
        assert!(first.starts_with(b"{\"members\":["), "{loss:?}");
        bench.lose(loss, &taker).await;
        let next = part(&mut body).await;
        assert!(next.expect("no clean end").is_err(), "{loss:?}");
        assert!(part(&mut body).await.is_none(), "{loss:?}: nothing follows");
        assert_eq!(bench.told().await.len(), at + 1, "{loss:?}");
        bench.restore(loss).await;
    }
    assert!(bench.told().await.iter().all(|about| about == "workspace"));
    // Who loses nothing has all of it.
    let taker = bench.taker(Loss::KeyRevoked).await;
    let mut body = bench.begin(&taker, path).await;
    let mut whole = Vec::new();
    while let Some(part) = part(&mut body).await {
        whole.extend(part.expect("whole"));
    }
    let whole: serde_json::Value = serde_json::from_slice(&whole).expect("whole JSON");
    assert_eq!(whole["members"].as_array().map(Vec::len), Some(PEOPLE + 2));
    assert_eq!(bench.told().await.len(), LOSSES.len());
    bench.gateway.check().await;
}

// C209: whatever it is that is handed out
#[tokio::test]
async fn so_it_is_with_whatever_is_handed_out_in_parts() {
    let bench = Bench::new().await;
    let found = gatehouse::directory::find(&bench.gateway.app, bench.gateway.workspace.id, "idp");
    let directory = found.await.unwrap().id;
    let paths = [
        ("/members/export?format=csv".to_owned(), "workspace"),
        (format!("/members/{}/export", bench.ada), "member"),
        (
            format!("/directories/{directory}/requests/bundle"),
            "directory",
        ),
    ];
    for (at, (path, about)) in paths.iter().enumerate() {
        let taker = bench.taker(Loss::KeyRevoked).await;
        let mut body = bench.begin(&taker, path).await;
        part(&mut body).await.expect("a part").expect("whole");
        bench.lose(Loss::KeyRevoked, &taker).await;
        let next = part(&mut body).await;
        assert!(next.expect("no clean end").is_err(), "{path}");
        let told = bench.told().await;
        assert_eq!((told.len(), told[at].as_str()), (at + 1, *about), "{path}");
    }
    bench.gateway.check().await;
}
