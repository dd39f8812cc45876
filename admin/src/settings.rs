//! Which store, and what is known of it: the functions' settings as options, or as the same environment variables.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use shared::config::Config;
use shared::error::Cause;
use shared::store::Store;

/// Where neither the store nor a push takes AWS credentials.
const UNUSED: &str = "unused";

/// The store.
#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// The store, redis:// or rediss://, as the functions have it
    // The client library takes an empty URL for the store of this machine.
    #[arg(
        long = "store",
        env = "REDIS_URL",
        hide_env_values = true,
        value_name = "URL",
        value_parser = NonEmptyStringValueParser::new()
    )]
    url: String,

    /// A file with the certificate authority of that store, where it is not one that the web trusts
    #[arg(long, value_name = "FILE")]
    store_ca: Option<PathBuf>,

    /// Days that the deployment keeps messages, its RetentionDays; 0 is for ever
    #[arg(long, env = "RETENTION_DAYS", value_name = "DAYS", default_value_t = 0)]
    retention_days: u16,

    /// The store of a gateway in open mode, which also lists all messages
    #[arg(long)]
    open: bool,

    /// Region and keys of AWS, for a store with ?iam= in its URL and for telling clients
    #[arg(long, env = "AWS_REGION", value_name = "NAME")]
    region: Option<String>,
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide = true, hide_env_values = true)]
    access_key_id: Option<String>,
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide = true, hide_env_values = true)]
    secret_access_key: Option<String>,
    #[arg(long, env = "AWS_SESSION_TOKEN", hide = true, hide_env_values = true)]
    session_token: Option<String>,
}

/// The way to clients.
#[derive(Args, Debug)]
pub(crate) struct Clients {
    /// The WebSocket API's callback URL, https://…/STAGE: the peers' clients are told, the user's are closed. Without
    /// it, clients that are connected learn of it when they ask for events
    #[arg(long = "push-to", env = "MANAGEMENT_ENDPOINT", value_name = "URL", value_parser = callback_url)]
    pub(crate) endpoint: Option<String>,
}

fn callback_url(text: &str) -> Result<String, String> {
    let is_http = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    is_http
        .then(|| text.to_owned())
        .ok_or_else(|| "a callback URL starts with https://, not wss://".to_owned())
}

impl Settings {
    /// Opens the store, which must be there.
    pub(crate) async fn open(&self) -> Result<Store, Cause> {
        Ok(Store::open(&self.config(None)?).await?)
    }

    /// The settings of a function that would do the same.
    pub(crate) fn config(&self, endpoint: Option<&str>) -> Result<Config, Cause> {
        let authority = self.store_ca.as_ref().map(|path| {
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
        });
        let authority = authority.transpose()?;
        let signs = endpoint.is_some() || self.url.contains("iam");
        let of_aws = |given: &Option<String>| given.clone().or((!signs).then(|| UNUSED.to_owned()));
        let config = Config::read(|name| match name {
            "REDIS_URL" => Some(self.url.clone()),
            "REDIS_TLS_CA" => authority.clone(),
            "MANAGEMENT_ENDPOINT" => Some(endpoint.unwrap_or(UNUSED).to_owned()),
            "AWS_REGION" => of_aws(&self.region),
            "AWS_ACCESS_KEY_ID" => of_aws(&self.access_key_id),
            "AWS_SECRET_ACCESS_KEY" => of_aws(&self.secret_access_key),
            "AWS_SESSION_TOKEN" => self.session_token.clone(),
            "ALLOW_ANONYMOUS" => Some(self.open.to_string()),
            "RETENTION_DAYS" => Some(self.retention_days.to_string()),
            _ => None,
        })?;
        Ok(config)
    }
}
