//! Calls of the management API, each held to the records that it leaves.

use std::collections::BTreeSet;
use std::time::Duration;

use gatehouse::clock::Clock;
use gatehouse::http::api::ROUTES;
use gatehouse::ids::ApiKeyId;
use gatehouse::workspace::keys::Permission;
use serde_json::Value;

use crate::gateway::Gateway;
use crate::keys::new_key;

/// What is written down of a change.
#[derive(Debug, sqlx::FromRow)]
struct Told {
    kind: String,
    subject: uuid::Uuid,
    credential: Option<uuid::Uuid>,
    actor: Option<String>,
    method: Option<String>,
    path: Option<String>,
    detail: String,
}

/// A key, and who acts by it.
#[derive(Clone)]
struct By(ApiKeyId, String, &'static str);

/// A walk along the routes that change something.
pub(crate) struct Walk<'g> {
    pub(crate) gateway: &'g Gateway,
    pub(crate) clock: Clock,
    /// Whose key may do all that a workspace's can, and an operator's.
    admin: By,
    operator: By,
    pub(crate) done: BTreeSet<(&'static str, &'static str)>,
    pub(crate) wrong: Vec<String>,
}

impl<'g> Walk<'g> {
    pub(crate) async fn new(gateway: &'g Gateway, clock: Clock) -> Self {
        let all = new_key(&Permission::OF_WORKSPACE);
        let (admin, text) = gateway.key_of(Some(&gateway.workspace), all).await;
        let everything = new_key(&[Permission::Everything]);
        let (operator, operators) = gateway.key_of(None, everything).await;
        Self {
            gateway,
            clock,
            admin: By(admin, text, "api_key"),
            operator: By(operator, operators, "operator"),
            done: BTreeSet::new(),
            wrong: Vec::new(),
        }
    }

    /// A call of a route below the workspace, with what stands in the places of its path, which must
    /// leave records of those kinds; gives its answer.
    pub(crate) async fn admin(
        &mut self,
        call: (&str, &str),
        at: &[&str],
        body: Value,
        kinds: &[&str],
    ) -> Value {
        let by = self.admin.clone();
        self.call(by, call, at, body, kinds).await
    }

    /// The same as an operator.
    pub(crate) async fn operator(
        &mut self,
        call: (&str, &str),
        at: &[&str],
        body: Value,
        kinds: &[&str],
    ) -> Value {
        let by = self.operator.clone();
        self.call(by, call, at, body, kinds).await
    }

    /// Notes a route that is looked at apart.
    pub(crate) fn apart(&mut self, method: &'static str, route: &str) {
        let known = ROUTES.iter().find(|(path, _)| *path == route);
        self.done.insert((method, known.expect("a route").0));
    }

    async fn call(
        &mut self,
        By(id, key, actor): By,
        (method, end): (&str, &str),
        at: &[&str],
        body: Value,
        kinds: &[&str],
    ) -> Value {
        let route = format!("/workspaces/{{workspace}}{end}");
        let known = ROUTES.iter().find(|(path, _)| *path == route);
        let (route, offered) = known.expect("a route of the table");
        let offered = offered.iter().find(|(offered, _)| *offered == method);
        let method = offered.expect("a method of the route").0;
        self.done.insert((method, *route));
        let what = format!("{method} {end}");
        let mut at = at.iter();
        let parts = end.split('/').map(|part| {
            let is_open = part.starts_with('{');
            if is_open {
                *at.next().expect("what stands there")
            } else {
                part
            }
        });
        let path = format!("/workspaces/acme{}", parts.collect::<Vec<_>>().join("/"));
        let kept = format!("/api/v1{path}");
        let before = self.gateway.count("changes").await;
        let body = Some(body).filter(|body| !body.is_null());
        let answer = self.gateway.api(&key, method, &path, body.as_ref()).await;
        assert!(answer.status < 300, "{what}: {}", answer.text);
        let request = answer.header("x-request-id");
        let told = self.told(request).await;
        let found: Vec<_> = told.iter().map(|told| told.kind.as_str()).collect();
        // What it is about is told once; what that brings with it is told beside.
        let is_told = kinds.iter().all(|kind| found.contains(kind));
        let once: BTreeSet<_> = told.iter().map(|told| (&told.kind, told.subject)).collect();
        if !is_told || kinds.is_empty() != found.is_empty() || once.len() != told.len() {
            self.wrong.push(format!("{what} left {found:?}"));
        }
        let more = self.gateway.count("changes").await - before;
        if more != i64::try_from(told.len()).unwrap() {
            self.wrong
                .push(format!("{what} left {more}, {found:?} of them its own"));
        }
        for told in &told {
            let by = (told.credential, told.actor.as_deref());
            let through = (told.method.as_deref(), told.path.as_deref());
            if by != (Some(id.0), Some(actor)) || through != (Some(method), Some(kept.as_str())) {
                self.wrong.push(format!("{what} left {told:?}"));
            }
            assert!(!told.detail.contains(&key), "{what}");
        }
        self.clock.advance(Duration::from_secs(1));
        answer.body
    }

    async fn told(&self, request: &str) -> Vec<Told> {
        let mut tx = self.gateway.app.db.one().await.unwrap();
        tx.query(
            "SELECT kind, subject, credential, actor, method, path, detail FROM changes \
             WHERE request = $1 ORDER BY kind",
        )
        .bind(request.parse::<uuid::Uuid>().unwrap())
        .fetch_all()
        .await
        .unwrap()
    }
}
