//! Listening and answering.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use url::{Host, Url};

use super::Problems;

/// Listening and answering.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address of the public listener.
    pub listen: SocketAddr,
    /// The URL under which people and IdPs reach it.
    pub public_url: Option<Url>,
    /// The address of the listener for metrics; none if not set.
    pub metrics_listen: Option<SocketAddr>,
    /// The certificate chain of the public listener, a PEM file; without it there is no TLS.
    pub tls_cert: Option<PathBuf>,
    /// Its key, a PEM file.
    pub tls_key: Option<PathBuf>,
    /// Whose `X-Forwarded-For` is believed about the client's address.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Names under which requests come besides that of the public URL.
    #[serde(deserialize_with = "names")]
    pub hosts: Vec<String>,
    /// Takes requests for any name.
    pub allow_any_host: bool,
    /// Takes a public URL of plain http that is not on this machine.
    pub allow_insecure_http: bool,
    /// How long requests in flight may go on after a stop, in seconds.
    pub drain_seconds: u64,
    /// How long a client may take to send a header, in seconds.
    pub header_seconds: u64,
    /// How long a client may take to send a body, in seconds.
    pub body_seconds: u64,
    /// How long a client may leave an answer unread, in seconds.
    pub write_seconds: u64,
    /// How many connections are served at once.
    pub max_connections: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            metrics_listen: None,
            tls_cert: None,
            tls_key: None,
            trusted_proxies: Vec::new(),
            hosts: Vec::new(),
            allow_any_host: false,
            allow_insecure_http: false,
            drain_seconds: 30,
            header_seconds: 10,
            body_seconds: 30,
            write_seconds: 60,
            max_connections: 4_096,
        }
    }
}

impl Server {
    /// How long a client may take to send a body.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_seconds)
    }

    /// What the public listener speaks.
    pub fn scheme(&self) -> &'static str {
        if self.tls_cert.is_some() {
            "https"
        } else {
            "http"
        }
    }

    /// Whether requests for a host are for this deployment. Addresses are: nobody can point one
    /// at us that is not ours, and probes and proxies use them.
    pub fn is_host(&self, host: &str) -> bool {
        let is_open = self.public_url.is_none() && self.hosts.is_empty();
        if is_open || self.allow_any_host {
            return true;
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_same = |name: &str| name.eq_ignore_ascii_case(host);
        let address = host.trim_start_matches('[').trim_end_matches(']');
        is_same("localhost")
            || address.parse::<IpAddr>().is_ok()
            || self
                .public_url
                .as_ref()
                .and_then(Url::host_str)
                .is_some_and(is_same)
            || self.hosts.iter().any(|name| is_same(name))
    }

    /// Whether an address is that of a trusted proxy.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        let mut networks = self.trusted_proxies.iter();
        networks.any(|network| network.contains(&address))
    }

    /// What a deployment should be told about its insecure settings at each start (C218).
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.allow_insecure_http {
            warnings.push(
                "server.allow_insecure_http is on: tokens travel unencrypted to the public URL",
            );
        }
        if self.allow_any_host {
            warnings.push("server.allow_any_host is on: requests for any host are answered");
        }
        let is_plain = self.tls_cert.is_none() && !self.listen.ip().is_loopback();
        if is_plain && self.public_url.is_none() {
            warnings.push(
                "server.listen is reached from other machines without TLS: set server.tls_cert, \
                 or server.public_url where a proxy has TLS",
            );
        }
        warnings.into_iter().map(str::to_owned).collect()
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        if let Some(url) = &self.public_url {
            self.check_public_url(url, problems);
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            let missing = if self.tls_cert.is_some() {
                "server.tls_key"
            } else {
                "server.tls_cert"
            };
            problems.add(missing, "server.tls_cert and server.tls_key go together");
        }
        if self.trusted_proxies.iter().any(|it| it.prefix_len() == 0) {
            problems.add(
                "server.trusted_proxies",
                "must not hold every address: any client could then claim to be another",
            );
        }
        for host in &self.hosts {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if host.is_empty() || !host.bytes().all(is_name) {
                let problem = format!("`{host}` must be a host name alone, without port and path");
                problems.add("server.hosts", &problem);
            }
        }
        let mut within = |key: &str, value: u64, lowest: u64, highest: u64| {
            if !(lowest..=highest).contains(&value) {
                let key = format!("server.{key}");
                problems.add(&key, &format!("must be {lowest} to {highest}"));
            }
        };
        within("drain_seconds", self.drain_seconds, 0, 600);
        within("header_seconds", self.header_seconds, 1, 60);
        within("body_seconds", self.body_seconds, 1, 300);
        within("write_seconds", self.write_seconds, 1, 600);
        let connections = u64::try_from(self.max_connections).unwrap_or(u64::MAX);
        within("max_connections", connections, 1, 1_000_000);
    }

    fn check_public_url(&self, url: &Url, problems: &mut Problems) {
        let key = "server.public_url";
        let is_local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        match url.scheme() {
            "https" => {}
            "http" if self.tls_cert.is_some() => {
                problems.add(key, "must begin with https://, as server.tls_cert is set");
            }
            "http" if is_local || self.allow_insecure_http => {}
            "http" => problems.add(
                key,
                "plain http is for loopback only; use https, or force it with \
                 server.allow_insecure_http",
            ),
            _ => problems.add(key, "must begin with https:// or http://"),
        }
        if url.query().is_some() || url.fragment().is_some() {
            problems.add(key, "must have no query and no fragment");
        }
    }
}

/// A list, which is one text with commas in the environment.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listed {
    Many(Vec<String>),
    One(String),
}

pub(super) fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Listed::deserialize(deserializer)? {
        Listed::Many(names) => names,
        Listed::One(text) => {
            let names = text.split(',').map(str::trim);
            let names = names.filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        }
    })
}

/// Networks; an address alone is one, too.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let names = names(deserializer)?;
    let networks = names.iter().map(|name| {
        let address = IpAddr::from_str(name).map(IpNet::from);
        address
            .or_else(|_| IpNet::from_str(name))
            .map_err(|_| D::Error::custom(format!("`{name}` is no network such as 10.0.0.0/8")))
    });
    networks.collect()
}
