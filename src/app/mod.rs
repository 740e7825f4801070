//! What every use case gets: database, clock, keys, configuration and caches; and the queue by
//! which requests reach the request log.

pub mod credentials;
mod dns;
pub mod exchanges;
pub mod outside;
pub mod providers;
pub mod refusals;
pub mod rehearsal;
pub mod repeats;
pub mod scan;

use std::hash::RandomState;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;
use serde_json::Value;
use uuid::Uuid;

use crate::clock::{self, Clock};
use crate::config::{Config, Logo, WrongSetting};
use crate::error::{Error, Result};
use crate::ids::WorkspaceId;
use crate::scim::registry::Registry;
use crate::scim::sort::Key;
use crate::secrets::Keyring;
use crate::store::api_keys::Opened;
use crate::store::db::{Db, Options};
use crate::store::deployment;
use crate::store::directories::Authenticated;
use crate::store::error::DbError;
use crate::store::live_rules::LiveRule;
use crate::store::tx::Tx;
use crate::store::writer::BoxFuture;

pub use crate::store::stats::{Stats, counted};

use exchanges::Exchanges;
use outside::Outside;
use providers::Providers;
use refusals::Refusals;

/// How many rules are kept in memory, those of all workspaces together: some 25 MiB.
const CACHED_RULES: u64 = 50_000;

/// How long a cached credential is trusted before the database is asked again: what another
/// process changes holds within this time.
const CREDENTIAL_LIFE: Duration = Duration::from_secs(1);

/// How long the database may take to show that it is there.
const READY_TIME: Duration = Duration::from_secs(3);
/// How long the database may take to tell its time; one that comes later says little.
const CLOCK_TIME: Duration = Duration::from_secs(5);

/// The application; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What the application is made of.
pub struct Parts {
    /// The settings.
    pub config: Arc<Config>,
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The keys under which secrets at rest are sealed.
    pub keys: Arc<Keyring>,
    /// This process, as holder of leases.
    pub node: Uuid,
    /// Exchanges with clients of directories that wait to be logged.
    pub exchanges: Arc<Exchanges>,
    /// The way to what customers name outside.
    pub outside: Outside,
    /// The logo on pages for people.
    pub logo: Option<Logo>,
    /// The way to providers, which customers name too.
    pub providers: Providers,
    /// How often keys were refused of late.
    pub(crate) refusals: Refusals,
    /// The live rules of a workspace, as they were read last, with the tag of their set.
    pub(crate) rules: Cache<WorkspaceId, (Uuid, Arc<Vec<LiveRule>>)>,
    /// Live credentials by hash.
    pub(crate) credentials: Cache<[u8; 32], Arc<Authenticated>>,
    /// Live API keys by hash.
    pub(crate) api_keys: Cache<[u8; 32], Arc<Opened>>,
    /// Where a page of a list ended: (query, start index) to the last resource before it, and what
    /// that is sorted by.
    pub(crate) pages: Cache<(u64, i64), (Option<Key>, Uuid)>,
    /// What every workspace has: the built-in schemas and those of the configuration.
    pub(crate) registry: &'static Registry,
    /// The documents of the configuration.
    pub(crate) documents: Arc<Vec<Value>>,
    /// Registries of workspaces by the tag of their set.
    pub(crate) registries: Cache<Uuid, &'static Registry>,
    /// Makes the names of queries; its keys are this process's own.
    pub(crate) page_names: RandomState,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Opens the database, brings its schema up to date and checks that the master key is the one
    /// that the database was made with.
    pub async fn open(config: Config, clock: Clock) -> Result<Self> {
        let keys = crate::secrets::load_or_create(&config).map_err(Error::internal)?;
        Self::with_keys(config, clock, Arc::new(keys)).await
    }

    /// The same with keys that are at hand.
    pub async fn with_keys(config: Config, clock: Clock, keys: Arc<Keyring>) -> Result<Self> {
        let options = Options::from(&config.database);
        let documents = config.scim.documents()?;
        let logo = config.brand.logo()?;
        let db = Db::open(&options).await?;
        let app = Self(Arc::new(Parts {
            exchanges: Arc::new(Exchanges::new(&config.request_log)),
            providers: Providers::new(&config.outbound),
            logo,
            config: Arc::new(config),
            db,
            clock,
            keys,
            node: Uuid::now_v7(),
            outside: Outside::real(),
            refusals: Refusals::default(),
            rules: Cache::builder()
                .max_capacity(CACHED_RULES)
                .weigher(|_, of: &(Uuid, Arc<Vec<LiveRule>>)| {
                    u32::try_from(of.1.len()).unwrap_or(u32::MAX).max(1)
                })
                .build(),
            credentials: Cache::builder()
                .max_capacity(10_000)
                .time_to_live(CREDENTIAL_LIFE)
                .build(),
            api_keys: Cache::builder()
                .max_capacity(10_000)
                .time_to_live(CREDENTIAL_LIFE)
                .build(),
            pages: Cache::builder()
                .max_capacity(10_000)
                .time_to_live(Duration::from_mins(10))
                .build(),
            registry: Registry::with(&documents)?,
            documents: Arc::new(documents),
            registries: Cache::new(1_000),
            page_names: RandomState::new(),
        }));
        app.hold_clock().await?;
        app.check_key().await?;
        Ok(app)
    }

    /// Holds the clock against the database's, and tells how far they were apart.
    pub async fn hold_clock(&self) -> Result<()> {
        let mut tx = self.db.one().await?;
        let asked = Instant::now();
        let told = deployment::find_time(&mut tx).await?;
        drop(tx);
        let took = asked.elapsed();
        if took > CLOCK_TIME {
            return Ok(());
        }
        let Some(skew) = self.clock.hold(told.after(took / 2)) else {
            return Ok(());
        };
        let seconds = skew.largest().as_secs_f64();
        metrics::gauge!("gatehouse_clock_skew_seconds").set(seconds);
        if !self.clock.is_true() {
            tracing::error!(
                seconds,
                "the time is {seconds} s from the database's: nothing is done until they agree"
            );
        } else if skew.largest() > clock::ALARM {
            tracing::warn!(
                seconds,
                "this machine's clock is {seconds} s from the database's"
            );
        }
        Ok(())
    }

    /// Runs a use case in a write transaction and answers once its effects are durable; it may run
    /// more than once.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        if !self.clock.is_true() {
            return Err(Error::Unavailable);
        }
        if let Some(rehearsal) = rehearsal::current() {
            return rehearsal.write(self.db.writer(), work).await;
        }
        let Some(mark) = repeats::current() else {
            return self.db.writer().write(work).await;
        };
        let work = Arc::new(work);
        let marked = self.db.writer().write(move |tx| {
            let work = Arc::clone(&work);
            Box::pin(async move {
                let made = work(&mut *tx).await?;
                mark.set(tx).await?;
                Ok(made)
            })
        });
        marked.await
    }

    /// Runs a use case in a write transaction that is undone at its end, and gives what it came to; it
    /// may run more than once.
    pub async fn attempt<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        if !self.clock.is_true() {
            return Err(Error::Unavailable);
        }
        rehearsal::undone(self.db.writer(), work).await
    }

    /// Whether the database answers, does so in time, and agrees with this node about the time.
    pub async fn is_ready(&self) -> bool {
        if !self.clock.is_true() {
            return false;
        }
        let asked = async {
            let mut tx = self.db.one().await?;
            deployment::find(&mut tx).await
        };
        matches!(tokio::time::timeout(READY_TIME, asked).await, Ok(Ok(_)))
    }

    /// Stores the URL under which this deployment is reached.
    pub async fn store_public_url(&self, public_url: &str) -> Result<()> {
        let public_url = public_url.trim_end_matches('/').to_owned();
        self.write(move |tx| {
            let public_url = public_url.clone();
            Box::pin(async move {
                deployment::update_public_url(tx, &public_url).await?;
                Ok(())
            })
        })
        .await
    }

    /// The URL under which this deployment is reached: the configured one, else the one that
    /// `serve` stored, else the address that it would listen on.
    pub async fn public_url(&self) -> Result<String> {
        if self.config.server.public_url.is_some() {
            return Ok(self.config.public_url());
        }
        let mut tx = self.db.one().await?;
        let stored = deployment::find(&mut tx).await?;
        Ok(stored
            .and_then(|deployment| deployment.public_url)
            .unwrap_or_else(|| self.config.public_url()))
    }

    async fn check_key(&self) -> Result<()> {
        let check = self.keys.key_check();
        let at = self.clock.now();
        let stored = self
            .write(move |tx| {
                Box::pin(async move {
                    if let Some(found) = deployment::find(tx).await? {
                        return Ok(found.key_check);
                    }
                    deployment::insert(tx, &check, at).await?;
                    let found = deployment::find(tx).await?;
                    Ok(found.ok_or(DbError::NotFound)?.key_check)
                })
            })
            .await?;
        if stored == check {
            Ok(())
        } else {
            Err(Error::internal(WrongSetting::of(
                "secrets.key",
                "this is not the key that this database was made with",
            )))
        }
    }
}
