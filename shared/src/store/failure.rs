//! The meaning of the store's errors: which of them pass by themselves, and which cost the connection they came over.

use redis::{ErrorKind, RedisError};

use crate::error::Error;

/// A server answers with these codes if it is not, or not any more, the one to ask: a new connection may lead to another.
const ASK_ANOTHER: [&str; 9] =
    ["ASK", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MOVED", "NOAUTH", "READONLY", "TRYAGAIN", "WRONGPASS"];

/// A server answers with these codes if it cannot do it now; a new connection would lead to the same one.
const ASK_LATER: [&str; 4] = ["BUSY", "MISCONF", "NOREPLICAS", "OOM"];

/// A server answers so, without a code of its own, to a client that is one too many.
const TOO_MANY_CLIENTS: &str = "max number of clients";

/// The code of an error without one of its own.
const NO_CODE: &str = "ERR";

/// Whether the connection is of no use any more: it is dead, or leads to a server that is not the one to ask.
pub(super) fn is_lost(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.is_timeout()
        || error.is_unrecoverable_error()
        || code(error).is_some_and(|code| ASK_ANOTHER.contains(&code))
        || says_too_many_clients(error)
}

/// Whether the server refused the login, or asks for one.
pub(super) fn is_refused(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || code(error).is_some_and(|code| ["NOAUTH", "WRONGPASS"].contains(&code))
}

/// Whether the same request may succeed in a while.
fn is_passing(error: &RedisError) -> bool {
    let garbled = error.kind() == ErrorKind::Parse;
    is_lost(error) && !garbled || code(error).is_some_and(|code| ASK_LATER.contains(&code))
}

fn says_too_many_clients(error: &RedisError) -> bool {
    code(error) == Some(NO_CODE) && error.detail().is_some_and(|detail| detail.contains(TOO_MANY_CLIENTS))
}

/// The error's code. Redis 6.2 puts that of an error inside a script into the text: `ERR Error running script (call to
/// f_…): @user_script:2: @user_script: 2: -OOM command not allowed …`.
fn code(error: &RedisError) -> Option<&str> {
    match error.code()? {
        NO_CODE => error.detail().and_then(code_inside).or(Some(NO_CODE)),
        code => Some(code),
    }
}

fn code_inside(text: &str) -> Option<&str> {
    let codes = text.split_whitespace().filter_map(|word| word.strip_prefix('-'));
    codes.into_iter().find(|code| code.len() > 1 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        if is_passing(&error) { Self::Unavailable(error.into()) } else { Self::Internal(error.into()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::ServerErrorKind;

    use super::*;

    /// The error of a reply as servers send it.
    fn reply(text: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).expect("a reply");
        value.extract_error().expect_err("an error")
    }

    fn status(error: RedisError) -> u16 {
        Error::from(error).answer().0
    }

    #[test]
    fn a_server_that_is_not_the_one_to_ask_costs_its_connection_and_passes() {
        for text in [
            "READONLY You can't write against a read only replica.",
            "ERR Error running script (call to f_1a): @user_script:9: @user_script: 9: -READONLY You can't write \
             against a read only replica.",
            "READONLY You can't write against a read only replica. script: 1a, on @user_script:9.",
            "LOADING Redis is loading the dataset in memory",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "CLUSTERDOWN Hash slot not served",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "MOVED 1 127.0.0.1:7000",
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "ERR max number of clients reached",
        ] {
            assert!(is_lost(&reply(text)), "{text}");
            assert_eq!(status(reply(text)), 503, "{text}");
        }
    }

    #[test]
    fn a_server_that_cannot_do_it_now_keeps_its_connection_and_passes() {
        for text in [
            "OOM command not allowed when used memory > 'maxmemory'.",
            "OOM command not allowed when used memory > 'maxmemory'. script: 1a, on @user_script:2.",
            "ERR Error running script (call to f_1a): @user_script:2: @user_script: 2: -OOM command not allowed \
             when used memory > 'maxmemory'.",
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
            "NOREPLICAS Not enough good replicas to write.",
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        ] {
            assert!(!is_lost(&reply(text)), "{text}");
            assert_eq!(status(reply(text)), 503, "{text}");
        }
    }

    #[test]
    fn what_does_not_pass_is_our_fault() {
        for text in [
            "NOPERM this user has no permissions to run the 'get' command",
            "ERR Error running script (call to f_1a): @user_script:2: @user_script: 2: -NOPERM this user has no \
             permissions to run the 'get' command or its subcommand",
            "CROSSSLOT Keys in request don't hash to the same slot",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "NOSCRIPT No matching script. Please use EVAL.",
            "ERR unknown command 'x', with args beginning with: '-1' '-X'",
            "ERR Error compiling script (new function): user_script:1: '=' expected near '-'",
        ] {
            assert!(!is_lost(&reply(text)), "{text}");
            assert_eq!(status(reply(text)), 500, "{text}");
        }
        let garbled = RedisError::from((ErrorKind::Parse, "test"));
        assert!(is_lost(&garbled));
        assert_eq!(status(garbled), 500);
    }

    #[test]
    fn a_store_that_is_away_passes() {
        let kinds = [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::TimedOut,
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::UnexpectedEof,
        ];
        let lost = kinds.map(|kind| RedisError::from(io::Error::from(kind)));
        let kinds = [
            ErrorKind::AuthenticationFailed,
            ErrorKind::ClusterConnectionNotFound,
            ErrorKind::Io,
            ErrorKind::Server(ServerErrorKind::Moved),
        ];
        let told = kinds.map(|kind| RedisError::from((kind, "test")));
        for error in lost.into_iter().chain(told) {
            assert!(is_lost(&error), "{error:?}");
            assert_eq!(status(error.clone()), 503, "{error:?}");
        }
    }
}
