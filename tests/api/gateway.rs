//! A gateway on a database of its own, served on a socket.

use std::collections::BTreeSet;
use std::time::Duration;

use gatehouse::admission::check;
use gatehouse::admission::rules::{self, NewRule};
use gatehouse::app::App;
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::config::Config;
use gatehouse::directory::{self, Directory, DirectoryKind, Mode, NewDirectory, credentials};
use gatehouse::http::server::{self, ServeOptions};
use gatehouse::ids::CredentialId;
use gatehouse::store::verify::{CHECKS, count_faults};
use gatehouse::worker::{Round, Worker};
use gatehouse::workspace::{self, Workspace, members};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::plans;
use crate::prepared;

/// A gateway; it ends with the test.
pub(crate) struct Gateway {
    pub(crate) app: App,
    pub(crate) workspace: Workspace,
    pub(crate) url: String,
    stop: CancellationToken,
    database: Database,
    _folder: TempDir,
}

/// A client of its directory.
#[derive(Clone)]
pub(crate) struct Scim {
    http: reqwest::Client,
    base: String,
    pub(crate) token: String,
    pub(crate) directory: Directory,
    pub(crate) credential: CredentialId,
}

impl Gateway {
    /// A gateway with 8 database connections and one workspace.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn with(set: impl FnOnce(&mut Config)) -> Self {
        Self::at(Clock::system(), set).await
    }

    /// The same with a clock of its own.
    pub(crate) async fn at(clock: Clock, set: impl FnOnce(&mut Config)) -> Self {
        plans::listen();
        let folder = tempfile::tempdir().expect("a folder");
        let database = prepared::database(folder.path()).await;
        let mut config = Config::for_tests(&database.url);
        config.database.max_connections = 8;
        set(&mut config);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("set");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        config.server.public_url = url.parse().ok();
        // What requests are for that are written as bytes.
        config.server.hosts.push("gate".to_owned());
        let app = Box::pin(App::open(config, clock)).await.expect("opened");
        let stop = CancellationToken::new();
        let options = ServeOptions::from(&app.config.server);
        let router = gatehouse::http::router(app.clone());
        tokio::spawn(server::serve(listener, router, options, stop.clone()));
        let workspace = workspace::create(&app, &Origin::cli(), "acme", "Acme")
            .await
            .expect("made");
        Self {
            app,
            workspace,
            url,
            stop,
            database,
            _folder: folder,
        }
    }

    /// A client of a new live directory named `idp`.
    pub(crate) async fn scim(&self) -> Scim {
        let new = new_directory("idp");
        self.scim_of(&self.workspace, new).await
    }

    /// A client of a new directory.
    pub(crate) async fn scim_of(&self, workspace: &Workspace, new: NewDirectory) -> Scim {
        let origin = Origin::cli();
        let directory = directory::create(&self.app, &origin, workspace, new)
            .await
            .expect("made");
        let issued = credentials::issue(&self.app, &origin, &directory, None)
            .await
            .expect("issued");
        Scim {
            http: reqwest::Client::builder().build().expect("a client"),
            base: format!("{}/scim/v2", self.url),
            token: issued.token.expose_secret().to_owned(),
            directory,
            credential: issued.credential.id,
        }
    }

    /// Adds a rule: who is in all these groups gets this team.
    pub(crate) async fn rule(&self, groups: &[&str], team: &str) {
        let rule = NewRule {
            directory: "idp".to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            teams: vec![team.to_owned()],
            ..NewRule::default()
        };
        rules::add(&self.app, &Origin::cli(), &self.workspace, rule)
            .await
            .expect("added");
    }

    /// How many members have a team.
    pub(crate) async fn in_team(&self, team: &str) -> usize {
        let (mut count, mut after) = (0, None);
        loop {
            let page = members::list(&self.app, self.workspace.id, after, 500)
                .await
                .expect("listed");
            let Some(last) = page.last() else {
                return count;
            };
            after = Some(last.id);
            count += page
                .iter()
                .filter(|member| member.teams.contains(team))
                .count();
        }
    }

    /// The host and port that it listens on.
    pub(crate) fn address(&self) -> String {
        self.url.trim_start_matches("http://").to_owned()
    }

    /// Sends a request in process, with these `Authorization` headers.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        authorization: &[&str],
        body: Option<Value>,
    ) -> Answer {
        let body = body.map(|body| body.to_string());
        let media = "application/scim+json";
        self.call_text(method, path, authorization, media, body)
            .await
    }

    /// Like [`Gateway::call`], with any text of any media type.
    pub(crate) async fn call_text(
        &self,
        method: &str,
        path: &str,
        authorization: &[&str],
        media: &str,
        body: Option<String>,
    ) -> Answer {
        let mut headers: Vec<_> = authorization
            .iter()
            .map(|value| ("authorization", *value))
            .collect();
        if body.is_some() {
            headers.push(("content-type", media));
        }
        self.exchange(method, path, &headers, body).await
    }

    /// Sends a request in process with any headers.
    pub(crate) async fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(axum::body::Body::from(body.unwrap_or_default()))
            .expect("a request");
        let router = gatehouse::http::router(self.app.clone());
        let answer = tower::ServiceExt::oneshot(router, request)
            .await
            .expect("an answer");
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX)
            .await
            .expect("a body");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: parts.status.as_u16(),
            statements: parts
                .extensions
                .get::<std::sync::Arc<gatehouse::app::Stats>>()
                .map_or(0, |stats| stats.statements()),
            headers: parts.headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    /// Posts bytes of a media type; none if it is empty.
    pub(crate) async fn post_raw(
        &self,
        scim: &Scim,
        path: &str,
        media: &str,
        body: Vec<u8>,
    ) -> (u16, Value) {
        let mut request = scim
            .http
            .post(format!("{}{path}", scim.base))
            .bearer_auth(&scim.token)
            .body(body);
        if !media.is_empty() {
            request = request.header("content-type", media);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A client of a directory in another workspace.
    pub(crate) async fn other_workspace(&self) -> Scim {
        let other = workspace::create(&self.app, &Origin::cli(), "other", "Other")
            .await
            .expect("made");
        let new = new_directory("idp");
        self.scim_of(&other, new).await
    }

    /// Another node on the same database.
    pub(crate) async fn second_node(&self) -> App {
        let config = Config::clone(&self.app.config);
        App::open(config, Clock::system()).await.expect("opened")
    }

    /// Tells the server to stop.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// The texts of a column.
    pub(crate) async fn texts(&self, table: &str, column: &str) -> Vec<String> {
        let mut tx = self.app.db.one().await.expect("read");
        let sql = format!("SELECT COALESCE({column}, '') AS text FROM {table}");
        let rows: Vec<(String,)> = tx
            .query(AssertSqlSafe(sql))
            .fetch_all()
            .await
            .expect("listed");
        rows.into_iter().map(|row| row.0).collect()
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let mut tx = self.app.db.one().await.expect("read");
        let sql = format!("SELECT COUNT(*) AS rows FROM {table}");
        let row: (i64,) = tx
            .query(AssertSqlSafe(sql))
            .fetch_one()
            .await
            .expect("counted");
        row.0
    }

    /// Whether some change says that.
    pub(crate) async fn told(&self, text: &str) -> bool {
        let mut tx = self.app.db.one().await.expect("read");
        let rows: Vec<(String,)> = tx
            .query("SELECT detail FROM changes")
            .fetch_all()
            .await
            .expect("listed");
        rows.iter().any(|row| row.0.contains(text))
    }

    /// The access epoch of the member of that user name.
    pub(crate) async fn epoch(&self, user_name: &str) -> i64 {
        let mut tx = self.app.db.one().await.expect("read");
        let row: (i64,) = tx
            .query("SELECT access_epoch FROM members WHERE user_name = $1")
            .bind(user_name.to_owned())
            .fetch_one()
            .await
            .expect("found");
        row.0
    }

    /// Works off what waits: runs, the sweeper, the sequencer.
    pub(crate) async fn work(&self) {
        let mut worker = Worker::new(self.app.clone());
        while worker.round().await.expect("worked") == Round::Worked {}
    }

    /// Everything that the design promises of the database holds.
    pub(crate) async fn check(&self) {
        self.work().await;
        let mut tx = self.app.db.read().await.expect("read");
        for check in CHECKS {
            let faults = count_faults(&mut tx, check).await.expect("checked");
            assert_eq!(faults, 0, "{}", check.holds);
        }
        drop(tx);
        for workspace in workspace::list(&self.app).await.expect("listed") {
            let unsettled = check::count_unsettled(&self.app, workspace.id).await;
            assert_eq!(unsettled.expect("checked"), 0, "all members are settled");
        }
    }
}

/// An answer to a request in process.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Statements at the database.
    pub(crate) statements: u32,
    headers: http::HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    /// A header's text; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

impl Scim {
    /// Sends a request; gives status and body.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let method = method.parse::<reqwest::Method>().expect("a method");
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&self.declared(path, body));
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A strict directory wants `schemas`, which other tests may leave out.
    fn declared(&self, path: &str, body: &Value) -> Value {
        let mut body = body.clone();
        let urn = match path.split('/').nth(1) {
            Some("Users") => "urn:ietf:params:scim:schemas:core:2.0:User",
            Some("Groups") => "urn:ietf:params:scim:schemas:core:2.0:Group",
            _ => return body,
        };
        if self.directory.strict && body.get("schemas").is_none() {
            body["schemas"] = json!([urn]);
        }
        body
    }

    /// Sends a request to a server that may be gone; gives the status of its answer.
    pub(crate) async fn try_send(&self, method: &str, path: &str, body: &Value) -> Option<u16> {
        let method = method.parse::<reqwest::Method>().expect("a method");
        let url = format!("{}{path}", self.base);
        let request = self
            .http
            .request(method, url)
            .bearer_auth(&self.token)
            .json(body);
        request
            .send()
            .await
            .ok()
            .map(|answer| answer.status().as_u16())
    }

    /// Sends a request and goes away before the answer can be there.
    pub(crate) async fn hang_up(&self, method: &str, path: &str, body: Option<&Value>) {
        let sent = self.send(method, path, body);
        let _ = tokio::time::timeout(Duration::from_millis(300), sent).await;
    }

    /// Creates a resource; gives its id.
    pub(crate) async fn created(&self, path: &str, body: &Value) -> String {
        let (status, body) = self.send("POST", path, Some(body)).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().expect("an id").to_owned()
    }

    /// The members of a group.
    pub(crate) async fn members(&self, group: &str) -> BTreeSet<String> {
        let (status, body) = self.send("GET", &format!("/Groups/{group}"), None).await;
        assert_eq!(status, 200, "{body}");
        let members = body["members"].as_array().into_iter().flatten();
        members
            .map(|member| member["value"].as_str().expect("an id").to_owned())
            .collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
        if !std::thread::panicking() && self.database.url.starts_with("sqlite:") {
            let walks = plans::walks(&self.database.url);
            assert!(walks.is_empty(), "{walks:#?}");
        }
    }
}

/// A live directory of no particular provider.
pub(crate) fn new_directory(name: &str) -> NewDirectory {
    NewDirectory {
        name: name.to_owned(),
        kind: DirectoryKind::Generic,
        mode: Mode::Live,
        strict: false,
        restore_inactive: false,
    }
}

/// A member as a request names it.
pub(crate) fn member(id: &str) -> Value {
    json!({"value": id})
}

/// The body of a PATCH.
#[expect(clippy::needless_pass_by_value, reason = "callers build it in place")]
pub(crate) fn operations(operations: Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    })
}

/// Makes users `NAME0@acme.example` and so on; gives their ids.
pub(crate) async fn users(scim: &Scim, name: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(count);
    for at in 0..count {
        let body = json!({"userName": format!("{name}{at}@acme.example")});
        ids.push(scim.created("/Users", &body).await);
    }
    ids
}
