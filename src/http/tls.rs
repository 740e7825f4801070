//! The certificate of the public listener, and how it is renewed while the server runs.

use std::io;
use std::path::{Path, PathBuf};

use axum_server::tls_rustls::RustlsConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::config::{Server, WrongSetting};

/// A certificate with its key: two PEM files, and what is in use.
pub struct Certificate {
    files: [PathBuf; 2],
    /// What was last read, good or broken, so that it is tried once.
    tried: [Zeroizing<Vec<u8>>; 2],
    used: RustlsConfig,
}

/// What a look at the files came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// They are as they were.
    Same,
    /// New connections have a new certificate.
    Renewed,
    /// They cannot be used; the old certificate stays.
    Broken,
}

impl Certificate {
    /// The certificate of those settings; none without TLS.
    pub async fn open(server: &Server) -> anyhow::Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (&server.tls_cert, &server.tls_key) else {
            return Ok(None);
        };
        let files = [certificate.clone(), key.clone()];
        let wrong = |name, problem: String| WrongSetting::of(name, problem);
        let tried = read(&files).await.map_err(|error| {
            let [certificate, key] = files.each_ref().map(|file| file.display());
            wrong(
                "server.tls_cert",
                format!("{certificate} with {key}: {error}"),
            )
        })?;
        let [certificate, key] = tried.clone().map(|bytes| bytes.to_vec());
        let used = RustlsConfig::from_pem(certificate, key)
            .await
            .map_err(|error| {
                let [certificate, key] = files.each_ref().map(|file| file.display());
                let problem =
                    format!("the TLS certificate {certificate} with the key {key}: {error}");
                wrong("server.tls_cert", problem)
            })?;
        tell_end(&tried[0]);
        Ok(Some(Self { files, tried, used }))
    }

    /// What a listener uses: it follows what [`Self::renew`] finds.
    pub fn used(&self) -> RustlsConfig {
        self.used.clone()
    }

    /// Looks at the files, and uses what is there for new connections if it is new and good.
    pub async fn renew(&mut self) -> Renewal {
        let renewed = self.try_renew().await;
        let outcome = match &renewed {
            Ok(false) => return Renewal::Same,
            Ok(true) => {
                tracing::info!("new connections have the new TLS certificate");
                Renewal::Renewed
            }
            Err(error) => {
                tracing::error!(%error, "the new TLS certificate is broken, the old one stays");
                Renewal::Broken
            }
        };
        let told = if outcome == Renewal::Renewed {
            "renewed"
        } else {
            "broken"
        };
        metrics::counter!("gatehouse_tls_reloads_total", "outcome" => told).increment(1);
        // A look between the writes of both files finds them broken until the next.
        metrics::gauge!("gatehouse_tls_certificate_broken")
            .set(f64::from(u8::from(outcome == Renewal::Broken)));
        outcome
    }

    /// Whether there was something new, and good.
    async fn try_renew(&mut self) -> io::Result<bool> {
        let found = match read(&self.files).await {
            Ok(found) => found,
            // A file that is away was told of once.
            Err(_) if self.tried.iter().all(|bytes| bytes.is_empty()) => return Ok(false),
            Err(error) => {
                self.tried = Default::default();
                return Err(error);
            }
        };
        if found == self.tried {
            return Ok(false);
        }
        self.tried = found;
        let [certificate, key] = self.tried.clone().map(|bytes| bytes.to_vec());
        self.used.reload_from_pem(certificate, key).await?;
        tell_end(&self.tried[0]);
        Ok(true)
    }
}

/// Tells operators when what is in use ends.
fn tell_end(chain: &[u8]) {
    if let Some(end) = end(chain) {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
        metrics::gauge!("gatehouse_tls_certificate_end_timestamp_seconds").set(end as f64);
    }
}

/// When the first certificate of a chain ends, in seconds since 1970.
fn end(chain: &[u8]) -> Option<i64> {
    let first = CertificateDer::from_pem_slice(chain).ok()?;
    let (_, first) = X509Certificate::from_der(&first).ok()?;
    Some(first.validity().not_after.timestamp())
}

/// The bytes of both files.
async fn read(files: &[PathBuf; 2]) -> io::Result<[Zeroizing<Vec<u8>>; 2]> {
    let [certificate, key] = files;
    Ok([one(certificate).await?, one(key).await?])
}

async fn one(file: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    match tokio::fs::read(file).await {
        Ok(bytes) => Ok(Zeroizing::new(bytes)),
        Err(error) => {
            let told = format!("{}: {error}", file.display());
            Err(io::Error::new(error.kind(), told))
        }
    }
}
