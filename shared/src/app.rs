//! What a function builds once per cold start. Pushing needs the AWS SDK, so functions that never push leave it out.

use futures_util::future::join;

use crate::config::Config;
use crate::error::Cause;
use crate::management::Management;
use crate::notify::Notifier;
use crate::store::Store;

/// A function's settings and store.
#[derive(Debug)]
pub struct App {
    /// Its settings.
    pub config: Config,
    /// Redis.
    pub store: Store,
}

/// The same for a function that also pushes.
#[derive(Debug)]
pub struct PushingApp {
    /// Its settings.
    pub config: Config,
    /// Redis.
    pub store: Store,
    /// The way to clients.
    pub notifier: Notifier,
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
    /// As [`App::from_env`].
    ///
    /// # Errors
    /// A setting that is missing or malformed.
    pub async fn from_env() -> Result<Self, Cause> {
        let config = Config::from_env()?;
        let management = Management::new(&config)?;
        let (store, ()) = join(Store::open(&config), management.warm()).await;
        let store = store?;
        let notifier = Notifier::new(management, store.clone());
        Ok(Self { config, store, notifier })
    }
}
