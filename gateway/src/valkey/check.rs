//! The check of a store: whether it is there, and lets its user in.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{
    AsyncConnectionConfig, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisConnectionInfo, RedisError,
};
use rustls::Error as TlsError;
use rustls::crypto::ring;

use super::error::ValkeyError;

/// How long connecting, and then each answer, may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether there is a store at this URL that lets its user in. A URL with several nodes of a cluster, with commas between
/// them, is good if one of them is.
///
/// Where the URL asks for TLS, a server with a certificate that is unknown here passes without a login: functions may
/// trust it, and a password is not for the gateway to send to it.
pub async fn check(url: &str) -> Result<(), ValkeyError> {
    let mut checked = Ok(());
    for url in each_node(url) {
        checked = check_one(&url).await;
        if checked.is_ok() {
            break;
        }
    }
    checked
}

/// The URL of each node that this one names.
fn each_node(url: &str) -> Vec<String> {
    let start = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |end| start + end);
    let start = url[start..end].rfind('@').map_or(start, |login| start + login + 1);
    url[start..end].split(',').map(|node| format!("{}{node}{}", &url[..start], &url[end..])).collect()
}

async fn check_one(url: &str) -> Result<(), ValkeyError> {
    let Ok(info) = url.into_connection_info() else {
        return Err(ValkeyError(
            "--redis-url or REDIS_URL must look like redis://host:6379 or rediss://host:6379".to_owned(),
        ));
    };
    let address = info.addr().to_string();
    let tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    let anonymous = info.redis_settings().username().is_none() && info.redis_settings().password().is_none();
    let Err(error) = ping(info).await else { return Ok(()) };
    let why = match (tls_error(&error), error.code()) {
        (Some(TlsError::InvalidMessage(_)), _) => format!("what listens on {address} speaks no TLS"),
        // An unknown certificate and an alert both come from a server that speaks TLS.
        (Some(_), _) => return Ok(()),
        (None, Some(code)) if code == "WRONGPASS" || anonymous && code == "NOAUTH" => {
            format!("{address} says {code} {}", error.detail().unwrap_or_default())
        }
        // Any other error is a server's answer: it is there, even if it still loads its data.
        (None, Some(_)) => return Ok(()),
        // A server without TLS takes the greeting for a command that has not ended, and waits.
        (None, None) if tls && error.is_timeout() => {
            format!("{address} did not answer in TLS within {} s", ANSWER_TIMEOUT.as_secs())
        }
        (None, None) if tls && ended(&error) => format!("what listens on {address} speaks no TLS"),
        (None, None) if tls && error.kind() == ErrorKind::Parse => {
            format!("what listens on {address} is no Redis")
        }
        (None, None) if error.kind() == ErrorKind::Parse || ended(&error) => {
            format!("what listens on {address} is no Redis, or one that wants TLS: rediss://")
        }
        (None, None) => format!("{address}: {error}"),
    };
    Err(ValkeyError(format!(
        "The store at --redis-url or REDIS_URL cannot be used ({why}): start it, correct the URL, or unset it to get a private store"
    )))
}

/// Logs in with what the URL says and asks for a sign of life.
pub(super) async fn ping(server: impl IntoConnectionInfo) -> Result<(), RedisError> {
    let info = server.into_connection_info()?;
    // The library picks no provider; installing one twice is harmless.
    let _ = ring::default_provider().install_default();
    let login = info.redis_settings().clone();
    // The library's own login drops the server's reason for a refusal.
    let client = redis::Client::open(info.set_redis_settings(RedisConnectionInfo::default()))?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER_TIMEOUT))
        .set_response_timeout(Some(ANSWER_TIMEOUT));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    if let Some(password) = login.password() {
        let mut auth = redis::cmd("AUTH");
        auth.arg(login.username()).arg(password).exec_async(&mut connection).await?;
    }
    redis::cmd("PING").exec_async(&mut connection).await
}

/// The error of TLS in this one, if there is one; the library wraps it twice.
fn tls_error(error: &RedisError) -> Option<&TlsError> {
    io_error(error)?.get_ref()?.downcast_ref()
}

fn io_error(error: &RedisError) -> Option<&io::Error> {
    let shared = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    shared.downcast_ref()
}

/// Whether the server ended the connection.
fn ended(error: &RedisError) -> bool {
    error.is_connection_dropped() && !error.is_connection_refusal()
}
