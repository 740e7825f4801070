//! The real gateway with one directory, served on a socket.

use gatehouse::app::App;
use gatehouse::changes::Origin;
use gatehouse::clock::Clock;
use gatehouse::config::Config;
use gatehouse::directory::{
    self, Directory, DirectoryKind, Mode, NewDirectory, credentials, scim_base_url,
};
use gatehouse::http::server::{self, ServeOptions};
use gatehouse::workspace;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::database::Database;

/// A gateway; it ends with the test.
pub(crate) struct Service {
    pub(crate) base_url: String,
    pub(crate) token: String,
    app: App,
    directory: Directory,
    stop: CancellationToken,
    _database: Database,
    _folder: TempDir,
}

impl Service {
    /// A gateway with one live directory of that kind.
    pub(crate) async fn new(kind: DirectoryKind) -> Self {
        Self::with(kind, false).await
    }

    /// The same, where what is unknown is refused instead of skipped.
    pub(crate) async fn strict(kind: DirectoryKind) -> Self {
        Self::with(kind, true).await
    }

    async fn with(kind: DirectoryKind, strict: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::new(folder.path(), "").await;
        let mut config = Config::for_tests(&database.url);
        config.database.max_connections = 4;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        config.server.public_url = url.parse().ok();
        let app = App::open(config, Clock::system()).await.unwrap();
        let stop = CancellationToken::new();
        let options = ServeOptions::from(&app.config.server);
        let router = gatehouse::http::router(app.clone());
        tokio::spawn(server::serve(listener, router, options, stop.clone()));
        let origin = Origin::cli();
        let workspace = workspace::create(&app, &origin, "acme", "Acme")
            .await
            .unwrap();
        let new = NewDirectory {
            name: "idp".to_owned(),
            kind,
            mode: Mode::Live,
            strict,
            restore_inactive: false,
        };
        let directory = directory::create(&app, &origin, &workspace, new)
            .await
            .unwrap();
        let issued = credentials::issue(&app, &origin, &directory, None)
            .await
            .unwrap();
        Self {
            base_url: scim_base_url(&url, directory.id),
            token: issued.token.expose_secret().to_owned(),
            app,
            directory,
            stop,
            _database: database,
            _folder: folder,
        }
    }

    /// Makes users.
    pub(crate) async fn fill(&self, count: usize) {
        let http = reqwest::Client::builder().build().unwrap();
        for number in 0..count {
            let body = serde_json::json!({"userName": format!("there{number}@acme.example")});
            let request = http.post(format!("{}/Users", self.base_url));
            let answer = request
                .bearer_auth(&self.token)
                .json(&body)
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status().as_u16(), 201);
        }
    }

    /// How many users and groups there are.
    pub(crate) async fn totals(&self) -> (i64, i64) {
        directory::totals(&self.app, &self.directory).await.unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
