//! A gateway with TLS, and TLS connections of bytes to it.

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatehouse::config::Server;
use gatehouse::http::server::{self, ServeOptions};
use gatehouse::http::tls::Certificate;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::gateway::{Gateway, Scim};

/// A gateway with TLS, its certificate, and where it listens.
pub(crate) struct Secure {
    pub(crate) gateway: Gateway,
    pub(crate) certificate: Certificate,
    pub(crate) folder: TempDir,
    pub(crate) address: String,
    pub(crate) stop: CancellationToken,
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Secure {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(set: impl FnOnce(&mut ServeOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_pair(folder.path(), "gate.example");
        let settings = settings(folder.path());
        let certificate = Certificate::open(&settings).await.unwrap().unwrap();
        let gateway = Gateway::with(|config| {
            config.server.hosts = vec!["gate.example".to_owned(), "new.example".to_owned()];
        })
        .await;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let mut options = ServeOptions::from(&gateway.app.config.server);
        set(&mut options);
        let router = gatehouse::http::router(gateway.app.clone());
        let used = Some(certificate.used());
        tokio::spawn(server::serve_with(
            listener,
            router,
            options,
            used,
            stop.clone(),
        ));
        Self {
            gateway,
            certificate,
            folder,
            address,
            stop,
        }
    }

    /// A client that trusts what is in use now.
    pub(crate) fn client(&self, host: &str) -> reqwest::ClientBuilder {
        let pem = std::fs::read(self.folder.path().join("tls.crt")).unwrap();
        reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
            .resolve(host, self.address.parse().unwrap())
    }

    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        let port = self.address.rsplit(':').next().unwrap();
        format!("https://{host}:{port}{path}")
    }

    /// A TLS connection of bytes, with what it offers to speak.
    pub(crate) fn connect(&self, offers: &[&str]) -> Tls {
        connect(&self.address, self.folder.path(), offers)
    }
}

pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

fn connect(address: &str, folder: &Path, offers: &[&str]) -> Tls {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(folder.join("tls.crt")).unwrap();
    roots.add(certificate).unwrap();
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = offers.iter().map(|it| it.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("gate.example").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    StreamOwned::new(client, stream)
}

pub(crate) fn settings(folder: &Path) -> Server {
    Server {
        tls_cert: Some(folder.join("tls.crt")),
        tls_key: Some(folder.join("tls.key")),
        ..Server::default()
    }
}

/// Writes a certificate for a name with its key.
pub(crate) fn write_pair(folder: &Path, name: &str) {
    let pair = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    std::fs::write(folder.join("tls.crt"), pair.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), pair.signing_key.serialize_pem()).unwrap();
}

/// Runs what blocks beside the server.
pub(crate) async fn beside<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(act).await.unwrap()
}

/// Reads until the other side ends, or says nothing for long.
pub(crate) fn rest(stream: &mut Tls) -> (Vec<u8>, bool) {
    let mut read = Vec::new();
    let mut part = [0; 16 * 1024];
    loop {
        match stream.read(&mut part) {
            Ok(0) => return (read, true),
            Ok(count) => read.extend_from_slice(&part[..count]),
            Err(error) => {
                use std::io::ErrorKind::{TimedOut, WouldBlock};
                return (read, ![TimedOut, WouldBlock].contains(&error.kind()));
            }
        }
    }
}

pub(crate) fn bearer(scim: &Scim) -> String {
    format!("Bearer {}", scim.token)
}
