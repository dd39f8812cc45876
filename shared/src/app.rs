//! The parts that a function builds once per cold start. Pushing needs the AWS SDK, so functions that never push leave it out.

use futures_util::future::join;

use crate::call_manager::CallManager;
use crate::config::Config;
use crate::error::Cause;
use crate::management::Management;
use crate::notify::Notifier;
use crate::push::Pusher;
use crate::store::Store;

/// A function's settings and store.
#[derive(Debug)]
pub struct App {
    /// Its settings.
    pub config: Config,
    /// Redis.
    pub store: Store,
}

/// The parts of a function that also pushes.
#[derive(Debug)]
pub struct PushingApp {
    /// Its settings.
    pub config: Config,
    /// Redis.
    pub store: Store,
    /// The way to clients.
    pub notifier: Notifier,
    /// Their calls.
    pub calls: CallManager,
}

impl App {
    /// Reads the environment and connects, as far as that is possible now.
    ///
    /// # Errors
    /// A setting that is missing or malformed.
    pub async fn from_env() -> Result<Self, Cause> {
        let config = Config::from_env()?;
        let store = Store::open(&config).await?;
        Ok(Self { config, store })
    }
}

impl PushingApp {
    /// Reads the environment and connects, as [`App::from_env`] does.
    ///
    /// # Errors
    /// A setting that is missing or malformed.
    pub async fn from_env() -> Result<Self, Cause> {
        Self::open(Config::from_env()?).await
    }

    /// Connects, as far as that is possible now.
    ///
    /// # Errors
    /// A malformed URL.
    pub async fn open(config: Config) -> Result<Self, Cause> {
        let management = Management::new(&config)?;
        let (store, ()) = join(Store::open(&config), management.warm()).await;
        let store = store?;
        let pusher = Pusher::new(management);
        let calls = CallManager::new(store.clone(), pusher.clone());
        let notifier = Notifier::new(pusher, calls.clone());
        Ok(Self { config, store, notifier, calls })
    }
}
