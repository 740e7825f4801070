//! Requests to providers, which customers name, and what providers publish of themselves.
//!
//! A name is resolved here, and an address that is not out in the world is refused before anything
//! connects, unless the operator opened its network: there alone TLS may be left out. Nobody is
//! redirected, and what is read has a limit in time and size.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use ipnet::IpNet;
use moka::sync::Cache;
use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{Mutex, Semaphore};
use url::{Host, Url};

use super::outside::{is_outside, told};
use crate::clock::Timestamp;
use crate::config::Outbound;

/// How often a document is asked for again at most, be it there or not.
const AGAIN: Duration = Duration::from_secs(30);
/// After how long it is asked for again where whoever asked hung up.
const HUNG_UP: Duration = Duration::from_secs(1);
/// How many requests may wait for a document.
const WAITING: usize = 64;
/// How many documents are kept.
const DOCUMENTS: u64 = 2_000;

/// Why a provider could not be asked, for people.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Away(pub String);

/// The way to providers.
pub struct Providers {
    open: Arc<Vec<IpNet>>,
    time: Duration,
    bytes: usize,
    /// Built with the first request: it reads the certificates of the machine.
    world: OnceLock<Client>,
    near: OnceLock<Client>,
    documents: Cache<String, Arc<Document>>,
}

/// What a provider published, as it was last good.
struct Document {
    known: std::sync::Mutex<Known>,
    /// Held by whoever asks for it.
    asking: Mutex<()>,
    /// For whoever asks or waits.
    places: Semaphore,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            known: std::sync::Mutex::default(),
            asking: Mutex::default(),
            places: Semaphore::new(WAITING),
        }
    }
}

/// What is known of it.
#[derive(Default, Clone)]
struct Known {
    body: Option<Arc<Vec<u8>>>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
    /// Whether it was not to be had the last time.
    is_troubled: bool,
}

impl Document {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look at what is published. Whoever hangs up meanwhile keeps the others from it for a second, not
/// for half a minute.
struct Attempt<'d> {
    document: &'d Document,
    now: Timestamp,
    is_over: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let earlier = self.now.before(AGAIN.saturating_sub(HUNG_UP));
            self.document.known().tried_at = Some(earlier);
        }
    }
}

impl Providers {
    /// By those settings.
    pub fn new(settings: &Outbound) -> Self {
        Self {
            open: Arc::new(settings.open_networks.clone()),
            time: Duration::from_millis(settings.call_milliseconds),
            bytes: usize::try_from(settings.answer_bytes).unwrap_or(usize::MAX),
            world: OnceLock::new(),
            near: OnceLock::new(),
            documents: Cache::new(DOCUMENTS),
        }
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Away> {
        let url = Url::parse(&request.uri().to_string());
        let url = url.map_err(|_| Away("the URL is malformed".to_owned()))?;
        let client = self.client_for(&url)?;
        let request: reqwest::Request = request.try_into().map_err(away)?;
        let answer = client.execute(request).await.map_err(away)?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            answer.headers().clone_into(headers);
        }
        let body = self.body(answer).await?;
        response.body(body).map_err(|error| Away(error.to_string()))
    }

    /// What is published at a URL, not older than that, as far as it can be had: what was good last
    /// stays where the provider is away, or says what `is_good` refuses. It is asked for at most every
    /// 30 seconds, and by one request at a time; where it may be older than that, the others go on with
    /// what was good last meanwhile.
    pub async fn document(
        &self,
        url: &str,
        (now, age): (Timestamp, Duration),
        is_good: impl Fn(&[u8]) -> bool,
    ) -> Result<Arc<Vec<u8>>, Away> {
        let is_within = |at: Option<Timestamp>, span| at.is_some_and(|at| at > now.before(span));
        let entry = self.documents.entry_by_ref(url).or_default().into_value();
        let known = entry.known().clone();
        if let Some(body) = known.body.filter(|_| is_within(known.fetched_at, age)) {
            return Ok(body);
        }
        let last = entry.known().body.clone().filter(|_| age > AGAIN);
        let Ok(_place) = entry.places.try_acquire() else {
            return last.ok_or_else(|| Away("too many wait for it".to_owned()));
        };
        let _asking = match (entry.asking.try_lock(), last) {
            (Ok(asking), _) => asking,
            (Err(_), Some(last)) => return Ok(last),
            (Err(_), None) => entry.asking.lock().await,
        };
        let known = entry.known().clone();
        if is_within(known.fetched_at, age) || is_within(known.tried_at, AGAIN) {
            let last = known.body;
            return last.ok_or_else(|| Away("it did not answer a moment ago".to_owned()));
        }
        let mut attempt = Attempt {
            document: &entry,
            now,
            is_over: false,
        };
        entry.known().tried_at = Some(now);
        let fetched = match self.look(url).await {
            Ok(body) if is_good(&body) => Ok(Arc::new(body)),
            Ok(_) => Err(Away("it published something else than expected".to_owned())),
            Err(away) => Err(away),
        };
        attempt.is_over = true;
        let mut known = entry.known();
        known.is_troubled = fetched.is_err();
        let away = match fetched {
            Ok(body) => {
                known.body = Some(Arc::clone(&body));
                known.fetched_at = Some(now);
                return Ok(body);
            }
            Err(away) => away,
        };
        let Some(last) = &known.body else {
            return Err(away);
        };
        tracing::warn!(url, %away, "a provider's document is kept as it was last");
        Ok(Arc::clone(last))
    }

    /// Whether what is published at a URL was not to be had the last time that it was asked for.
    pub fn is_troubled(&self, url: &str) -> bool {
        let entry = self.documents.get(url);
        entry.is_some_and(|entry| entry.known().is_troubled)
    }

    async fn body(&self, mut answer: reqwest::Response) -> Result<Vec<u8>, Away> {
        let (most, mut bytes) = (self.bytes, Vec::new());
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            if bytes.len() + chunk.len() > most {
                return Err(Away(format!("the answer is larger than {most} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// What is at a URL now.
    pub async fn look(&self, url: &str) -> Result<Vec<u8>, Away> {
        let request = Request::get(url).header("accept", "application/json");
        let request = request.body(Vec::new());
        let request = request.map_err(|error| Away(error.to_string()))?;
        let answer = self.ask(request).await?;
        if answer.status() != 200 {
            return Err(Away(format!("it answered {}", answer.status().as_u16())));
        }
        Ok(answer.into_body())
    }

    /// The client for a URL: of those that TLS may be left out for, one that connects to open networks
    /// alone.
    fn client_for(&self, url: &Url) -> Result<&Client, Away> {
        let is_https = url.scheme() == "https";
        if !is_https && (url.scheme() != "http" || self.open.is_empty()) {
            return Err(Away("only https is spoken".to_owned()));
        }
        // An address that is written as one is never resolved.
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(Away("the URL has no host".to_owned())),
        };
        if address.is_some_and(|it| !is_reached(it, &self.open, is_https)) {
            return Err(Away("the address is in a private network".to_owned()));
        }
        let kept = if is_https { &self.world } else { &self.near };
        if let Some(client) = kept.get() {
            return Ok(client);
        }
        let made = Client::builder()
            .https_only(is_https)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Arc::new(Reached {
                open: Arc::clone(&self.open),
                is_https,
            }))
            .timeout(self.time)
            .build()
            .map_err(away)?;
        Ok(kept.get_or_init(|| made))
    }
}

fn away(error: reqwest::Error) -> Away {
    Away(told(error))
}

fn is_reached(address: IpAddr, open: &[IpNet], is_https: bool) -> bool {
    let is_open = open.iter().any(|network| network.contains(&address));
    is_open || is_https && is_outside(address)
}

/// Resolves names to addresses that may be reached.
struct Reached {
    open: Arc<Vec<IpNet>>,
    is_https: bool,
}

impl Resolve for Reached {
    fn resolve(&self, name: Name) -> Resolving {
        let (open, is_https) = (Arc::clone(&self.open), self.is_https);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            if found.iter().any(|it| !is_reached(it.ip(), &open, is_https)) {
                return Err("the name points into a private network".into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::{AGAIN, Providers, WAITING};
    use crate::clock::Timestamp;
    use crate::config::Outbound;

    // C194
    #[tokio::test]
    async fn an_address_inside_is_never_asked() {
        let closed = Providers::new(&Outbound::default());
        let open = Providers::new(&Outbound {
            open_networks: vec!["192.0.2.0/24".parse().unwrap()],
            ..Outbound::default()
        });
        for url in [
            "https://127.0.0.1:1/",
            "https://[::1]:1/",
            "https://2130706433:1/",
            "https://0x7f.1:1/",
            "https://localhost:1/",
            "http://localhost:1/",
            "http://127.0.0.1:1/",
            "http://[::ffff:127.0.0.1]:1/",
            "https://169.254.169.254/latest/meta-data/",
        ] {
            for providers in [&closed, &open] {
                let request = Request::get(url).body(Vec::new()).unwrap();
                let refused = providers.ask(request).await.unwrap_err().to_string();
                let is_ours = ["private network", "only https", "malformed"]
                    .iter()
                    .any(|why| refused.contains(why));
                assert!(is_ours, "{url}: {refused}");
            }
        }
    }

    // C110
    #[tokio::test]
    async fn a_document_is_asked_for_once_and_few_wait_for_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let providers = Providers::new(&Outbound {
            open_networks: vec!["127.0.0.0/8".parse().unwrap()],
            ..Outbound::default()
        });
        let now = Timestamp(1_000_000_000_000);
        let mut waiting = Vec::new();
        for at in 0..=WAITING {
            let document = providers.document(&url, (now, AGAIN), |_| true);
            let mut document = Box::pin(document);
            let polled = futures_util::poll!(&mut document);
            if at < WAITING {
                assert!(polled.is_pending(), "{at}");
                waiting.push(document);
            } else {
                let std::task::Poll::Ready(Err(away)) = polled else {
                    panic!("it waits as well");
                };
                assert_eq!(away.to_string(), "too many wait for it");
            }
        }
    }
}
