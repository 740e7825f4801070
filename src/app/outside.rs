//! What is looked up outside: names in the DNS, and files on hosts that customers name.
//!
//! A host that a customer names may point anywhere. So names are resolved here, and an address that is
//! not out in the world is refused before anything connects; nobody is redirected, and what is read has
//! a limit in time and size.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::dns;

/// How long a name or a file may take.
const TIME: Duration = Duration::from_secs(10);
/// The largest file.
const BYTES: usize = 1024 * 1024;

/// Why something could not be looked up, for people.
pub type Found<T> = std::result::Result<T, String>;

/// Looks things up. The tests have one of their own.
pub trait Lookup: Send + Sync {
    /// The texts of the TXT records of a name; none if there are none.
    fn texts(&self, name: String) -> BoxFuture<'static, Found<Vec<String>>>;
    /// What is at an https URL.
    fn file(&self, url: String) -> BoxFuture<'static, Found<String>>;
}

/// The way out.
pub struct Outside(RwLock<Arc<dyn Lookup>>);

impl Outside {
    /// The real one.
    pub fn real() -> Self {
        Self(RwLock::new(Arc::new(Real)))
    }

    /// Looks things up elsewhere from now on.
    pub fn replace(&self, lookup: Arc<dyn Lookup>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = lookup;
    }

    /// The texts of the TXT records of a name.
    pub async fn texts(&self, name: String) -> Found<Vec<String>> {
        let looked_up = self.now().texts(name);
        in_time(looked_up).await
    }

    /// What is at an https URL.
    pub async fn file(&self, url: String) -> Found<String> {
        let fetched = self.now().file(url);
        in_time(fetched).await
    }

    fn now(&self) -> Arc<dyn Lookup> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn in_time<T>(work: BoxFuture<'static, Found<T>>) -> Found<T> {
    tokio::time::timeout(TIME, work)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", TIME.as_secs())))
}

struct Real;

impl Lookup for Real {
    fn texts(&self, name: String) -> BoxFuture<'static, Found<Vec<String>>> {
        Box::pin(async move { dns::texts(&name).await })
    }

    fn file(&self, url: String) -> BoxFuture<'static, Found<String>> {
        Box::pin(async move {
            let client = reqwest::Client::builder()
                .https_only(true)
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .dns_resolver(Arc::new(World))
                .timeout(TIME)
                .build()
                .map_err(told)?;
            let mut answer = client.get(url).send().await.map_err(told)?;
            if answer.status() != reqwest::StatusCode::OK {
                return Err(format!("the answer was {}", answer.status().as_u16()));
            }
            let mut bytes = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(told)? {
                if bytes.len() + chunk.len() > BYTES {
                    return Err(format!("the file is larger than {BYTES} bytes"));
                }
                bytes.extend_from_slice(&chunk);
            }
            String::from_utf8(bytes).map_err(|_| "the file is no text".to_owned())
        })
    }
}

/// An error with its causes, without the URL.
#[expect(clippy::needless_pass_by_value, reason = "what errors are mapped with")]
pub(super) fn told(error: reqwest::Error) -> String {
    let mut text = "it could not be read".to_owned();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

/// Resolves names to addresses out in the world alone.
struct World;

impl Resolve for World {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            if found.iter().any(|it| !is_outside(it.ip())) {
                return Err("the name points into a private network".into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is out in the world: not this machine, a private or special network, or a way to
/// write one of those.
pub(super) fn is_outside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_outside_v4(address),
        IpAddr::V6(address) => is_outside_v6(address),
    }
}

fn is_outside_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        // "This network", shared by carriers, assigned by IANA, benchmarks, 6to4, reserved.
        || a == 0
        || a == 100 && (64..128).contains(&b)
        || a == 192 && b == 0 && c == 0
        || a == 198 && (b == 18 || b == 19)
        || a == 192 && b == 88 && c == 99
        || a >= 240)
}

fn is_outside_v6(address: Ipv6Addr) -> bool {
    let first = address.segments();
    // All that is given out is in 2000::/3; in it, documentation and tunnels that name another address.
    first[0] & 0xe000 == 0x2000
        && !(first[0] == 0x2001 && first[1] < 0x0200)
        && !(first[0] == 0x2001 && first[1] == 0x0db8)
        && first[0] != 0x2002
        && !(first[0] == 0x3fff && first[1] < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::{Lookup, Real, is_outside};

    #[test]
    fn only_addresses_of_the_world_are_outside() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "192.0.0.8",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::a00:1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(!is_outside(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "1.1.1.1", "100.128.0.1", "2606:4700:4700::1111"] {
            assert!(is_outside(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn a_host_inside_is_never_asked() {
        for url in [
            "https://localhost/x",
            "http://acme.example/x",
            "https://localhost:1/x",
        ] {
            assert!(Real.file(url.to_owned()).await.is_err(), "{url}");
        }
    }
}
