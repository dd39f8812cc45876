//! The command line.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::Uri;
use clap::Parser;
use gateway::http_api::Authorizers;
use gateway::lambda::DEFAULT_CONCURRENCY;
use gateway::server::{Options, Store};

/// API Gateway for Rust Lambda functions on this machine: HTTP, WebSocket and @connections on one port
#[derive(Debug, Parser)]
#[command(name = "gateway", version)]
pub(crate) struct Cli {
    /// Where to listen, on loopback only unless --host names other addresses
    #[arg(long, env = "PORT", default_value_t = 3000)]
    port: u16,

    /// A name or an address under which phones, containers or a tunnel reach this machine; an address is listened at,
    /// too, 0.0.0.0 and :: are all of them
    #[arg(long = "host", value_name = "NAME|ADDRESS", value_parser = parse_host)]
    hosts: Vec<String>,

    /// The SAM template [default: template.yaml here or in a folder above]
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,

    /// Gives a template parameter a value
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parse_pair)]
    parameters: Vec<(String, String)>,

    /// Gives every function an environment variable
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = parse_pair)]
    environment: Vec<(String, String)>,

    /// The store to use instead of a private one
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL")]
    redis_url: Option<String>,

    /// Forgets what is in the private store when it stops
    #[arg(long)]
    ephemeral: bool,

    /// Where the private store listens, so that its URL stays the same; a free port otherwise
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    private_store_port: Option<u16>,

    /// Writes each event and answer, frame and push to this file, a line of JSON each. It then holds tokens
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Builds the functions again when a source is edited, and goes on with the new code; connections stay open
    #[arg(long, conflicts_with = "lambda_url")]
    watch: bool,

    /// Invokes functions at this endpoint instead of running them (`cargo lambda watch`)
    #[arg(long, value_name = "URL", value_parser = parse_endpoint)]
    lambda_url: Option<String>,

    /// Instances of one function at most; an event that none takes within its Timeout is answered 503
    #[arg(long, default_value_t = DEFAULT_CONCURRENCY, value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,

    /// Closes WebSockets as AWS does: idle for 10 minutes, older than 2 hours
    #[arg(long)]
    aws_limits: bool,

    /// Closes WebSockets that are idle for so long
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    idle_limit: Option<u64>,

    /// Closes WebSockets of this age
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    lifetime: Option<u64>,

    /// Handles the frames of one connection one after another; otherwise at once, each in its own invocation, so that
    /// they overtake each other. Whether AWS keeps their order is not documented
    #[arg(long)]
    serial_frames: bool,

    /// Makes something go wrong on purpose: push:410=RATE or another status, push:delay=50ms,
    /// disconnect:lost=RATE, frames:delay=50ms, frames:ROUTE:delay=300ms, frames:reorder=RATE; a RATE is 0 to 1
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<String>,

    /// Lets faults be changed at this port while running, under /_gateway/faults
    #[arg(long, value_name = "PORT")]
    admin_port: Option<u16>,

    /// Enforces the template's JWT authorizers. A development issuer stands in for one that the template itself
    /// creates, and gives anybody on this machine a token: POST /_gateway/token, {"sub":"alice"}
    #[arg(long)]
    auth: bool,

    /// The key set for --auth, instead of the one the issuer publishes
    #[arg(long, value_name = "URL|FILE", requires = "auth")]
    jwks: Option<String>,

    /// Says more; twice, even more
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Cli {
    pub(crate) fn verbosity(&self) -> u8 {
        self.verbose
    }

    pub(crate) fn lambda_url(&self) -> Option<&str> {
        self.lambda_url.as_deref()
    }

    /// The gateway's options; the error is a sentence that says what to do.
    pub(crate) fn into_options(self) -> Result<Options, String> {
        let template = match self.template {
            Some(path) => path,
            None => find_template()?,
        };
        let authorizers = match (self.auth, self.jwks) {
            (false, _) => Authorizers::Off,
            (true, None) => Authorizers::Enforced,
            (true, Some(url)) if url.contains("://") => Authorizers::EnforcedWithKeysAt(url),
            (true, Some(file)) if !Path::new(&file).is_file() => {
                return Err(format!("There is no key set {file}: name a file or a URL of one with --jwks"));
            }
            (true, Some(file)) => Authorizers::EnforcedWithKeysIn(file.into()),
        };
        let store = match self.redis_url.filter(|url| !url.is_empty()) {
            Some(_) if self.private_store_port.is_some() => {
                return Err(
                    "--private-store-port is for a private store: leave --redis-url and REDIS_URL away"
                        .to_owned(),
                );
            }
            Some(url) => Store::Url(url),
            None if self.ephemeral => Store::Ephemeral,
            None => Store::Kept,
        };
        Ok(Options {
            template,
            parameters: BTreeMap::from_iter(self.parameters),
            environment: BTreeMap::from_iter(self.environment),
            port: self.port,
            concurrency: self.concurrency.into(),
            executables: None,
            lambda_url: self.lambda_url,
            store,
            store_port: self.private_store_port,
            hosts: self.hosts,
            watch: self.watch,
            record: self.record,
            authorizers,
            aws_limits: self.aws_limits,
            idle_limit: self.idle_limit.map(Duration::from_secs),
            lifetime: self.lifetime.map(Duration::from_secs),
            serial_frames: self.serial_frames,
            faults: self.faults,
            admin_port: self.admin_port,
            verbosity: self.verbose,
        })
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

fn parse_endpoint(text: &str) -> Result<String, String> {
    let url = text.parse::<Uri>().ok().filter(|url| url.authority().is_some() && url.query().is_none());
    match url.as_ref().and_then(Uri::scheme_str) {
        Some("http" | "https") => Ok(text.to_owned()),
        _ => Err("write it as http://127.0.0.1:9000".to_owned()),
    }
}

fn parse_host(text: &str) -> Result<String, String> {
    let address = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let name =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    match address || name {
        true => Ok(text.to_owned()),
        false => Err("write a name or an address alone, without scheme, port and path".to_owned()),
    }
}

fn find_template() -> Result<PathBuf, String> {
    let here =
        std::env::current_dir().map_err(|error| format!("The current folder cannot be read: {error}"))?;
    let candidates =
        here.ancestors().flat_map(|folder| ["template.yaml", "template.yml"].map(|name| folder.join(name)));
    candidates.into_iter().find(|path: &PathBuf| Path::is_file(path)).ok_or_else(|| {
        format!(
            "There is no template.yaml in {} or above it: go to the project, or name one with --template",
            here.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_of_http() {
        let given = |url: &str| Cli::try_parse_from(["gateway", "--lambda-url", url]);
        for url in ["http://127.0.0.1:9000", "http://localhost:3001/", "https://a.test/path"] {
            assert_eq!(given(url).expect(url).lambda_url(), Some(url));
        }
        for url in ["nonsense", "127.0.0.1:9000", "localhost:9000", "ftp://a", "http://", "http://a/?b", ""] {
            let error = given(url).expect_err(url).to_string();
            assert!(error.contains("write it as http://127.0.0.1:9000"), "{error}");
        }
    }
}
