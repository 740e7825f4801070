//! `gatehouse health`: whether a server can do its work, for containers and scripts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::Settings;
use crate::config::Server;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct Health {
    /// The server; without it the one that the settings describe, on this machine.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Health {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut client = reqwest::Client::builder().timeout(PATIENCE);
        let base = match &self.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => {
                // The certificate is not for this address, and nothing secret is sent there.
                client = client.tls_danger_accept_invalid_certs(true);
                here(&self.settings.load(None)?.server)
            }
        };
        let answer = client
            .build()?
            .get(format!("{base}/readyz"))
            .send()
            .await
            .with_context(|| format!("{base} does not answer"))?;
        let is_ready = answer.status().is_success();
        self.settings.print(&json!({"ready": is_ready}), || {
            if is_ready { "ready" } else { "not ready" }.to_owned()
        })?;
        Ok(ExitCode::from(u8::from(!is_ready)))
    }
}

/// The listener as this machine reaches it.
fn here(server: &Server) -> String {
    let mut address = server.listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("{}://{address}", server.scheme())
}
