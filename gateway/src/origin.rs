//! The origins that may write while no token is needed: pages of this machine, and those the template names.
//!
//! Any web page can send requests to a local port, and with DNS rebinding can even pass for same-origin.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::header::{self, HeaderMap};
use axum::http::{Method, Uri};

/// A page may come from any port; more would only fill the log.
const TOLD_LIMIT: usize = 100;

/// Whether an `Origin` is a page served from this machine.
pub(crate) fn is_local(origin: &str) -> bool {
    origin.parse::<Uri>().ok().is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(is_local_host)
    })
}

fn is_local_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let name = host.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether an origin is of a pattern of the template's: `https://*` and the like; else they are compared literally.
pub(crate) fn matches(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            origin.len() > start.len() + end.len() && origin.starts_with(start) && origin.ends_with(end)
        }
        None => pattern.eq_ignore_ascii_case(origin),
    }
}

/// Refuses what a foreign page sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// Origins the API's CORS configuration names literally; its wildcards do not count.
    named: Vec<String>,
    /// All that the configuration allows.
    allowed: Vec<String>,
    /// Origins that were let in although the configuration does not name them; each is told of once.
    told: Arc<Mutex<BTreeSet<String>>>,
    /// Names and addresses of this machine besides its loopback ones.
    hosts: Vec<String>,
}

impl Guard {
    pub(crate) fn new(allow_origins: &[String], hosts: &[String]) -> Self {
        let named = allow_origins.iter().filter(|origin| !origin.contains('*')).cloned().collect();
        Self { named, allowed: allow_origins.to_vec(), told: Arc::default(), hosts: hosts.to_vec() }
    }

    /// The origin of a page of this machine that is let in here for the first time and that the template's CORS list
    /// would refuse; nothing where there is no list, or where the page is this gateway's own.
    pub(crate) fn tell_leniency(&self, headers: &HeaderMap) -> Option<String> {
        let origin = headers.get(header::ORIGIN)?.to_str().ok()?;
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if origin.split_once("://").is_some_and(|(_, authority)| authority == host) {
            return None;
        }
        let refused =
            !self.allowed.is_empty() && !self.allowed.iter().any(|pattern| matches(pattern, origin));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let news = refused && is_local(origin) && told.len() < TOLD_LIMIT && told.insert(origin.to_owned());
        news.then(|| origin.to_owned())
    }

    /// Whether a host is this machine: loopback, or one that was named. Where all of its addresses are listened at, any
    /// address is: no page of a stranger can pass for one, as it can for a name.
    fn is_ours(&self, host: &str) -> bool {
        let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let host = bare(host);
        let everywhere = || self.hosts.iter().any(|own| ["0.0.0.0", "::"].contains(&bare(own).as_str()));
        is_local_host(&host)
            || self.hosts.iter().any(|own| bare(own) == host)
            || (host.parse::<IpAddr>().is_ok() && everywhere())
    }

    fn is_page_of_ours(&self, origin: &str) -> bool {
        let uri = origin.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        uri.is_some_and(|uri| uri.host().is_some_and(|host| self.is_ours(host)))
    }

    /// Why the request is refused, if it is.
    pub(crate) fn refuse(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        upgrade: bool,
    ) -> Option<String> {
        // A target that names a host overrides the header, and of two headers either may count for a function.
        let named = headers.get_all(header::HOST).iter().map(|host| String::from_utf8_lossy(host.as_bytes()));
        for host in named.chain(uri.authority().map(|authority| authority.as_str().into())) {
            let authority = host.parse::<axum::http::uri::Authority>();
            if !authority.is_ok_and(|authority| self.is_ours(authority.host())) {
                return Some(format!("Host {host} is not this machine; --host lets in another name"));
            }
        }
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if reads && !upgrade {
            return None;
        }
        let origin = String::from_utf8_lossy(headers.get(header::ORIGIN)?.as_bytes()).into_owned();
        let known = self.is_page_of_ours(&origin)
            || self.named.iter().any(|named| named.eq_ignore_ascii_case(&origin));
        (!known).then(|| format!("Origin {origin} is neither local nor named in the template"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_local_origin_that_the_template_would_refuse_is_told_of_once() {
        let from =
            |origin: &'static str| HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
        let guard = Guard::new(&["https://app.example".to_owned(), "http://localhost:3*".to_owned()], &[]);
        let told = guard.tell_leniency(&from("http://localhost:5173"));
        assert_eq!(told.as_deref(), Some("http://localhost:5173"));
        assert_eq!(guard.tell_leniency(&from("http://localhost:5173")), None);
        assert!(guard.tell_leniency(&from("http://localhost:5174")).is_some());
        for named in ["https://app.example", "http://localhost:3000", "https://foreign.example"] {
            assert_eq!(guard.tell_leniency(&from(named)), None, "{named}");
        }
        assert_eq!(guard.tell_leniency(&HeaderMap::new()), None);
        assert_eq!(Guard::new(&[], &[]).tell_leniency(&from("http://localhost:1")), None);
    }

    #[test]
    fn local_origins_are_those_of_this_machine() {
        for origin in [
            "http://localhost",
            "http://localhost:5173",
            "https://LOCALHOST:1",
            "http://app.localhost:3000",
            "http://127.0.0.1:3000",
            "http://127.1.2.3",
            "http://[::1]:3000",
        ] {
            assert!(is_local(origin), "{origin}");
        }
        for origin in [
            "null",
            "",
            "localhost",
            "file://",
            "http://localhost.evil.example",
            "http://evil-localhost",
            "http://192.168.0.1",
            "http://127.0.0.1.evil.example",
            "http://localhost@evil.example",
            "chrome-extension://localhost",
        ] {
            assert!(!is_local(origin), "{origin}");
        }
    }

    fn refused(method: &Method, host: &'static str, origin: Option<&'static str>, upgrade: bool) -> bool {
        refused_at(&[], method, host, origin, upgrade)
    }

    fn refused_at(
        hosts: &[String],
        method: &Method,
        host: &'static str,
        origin: Option<&'static str>,
        upgrade: bool,
    ) -> bool {
        let guard = Guard::new(&["https://app.example".to_owned(), "https://*".to_owned()], hosts);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        guard.refuse(method, &Uri::from_static("/messages"), &headers, upgrade).is_some()
    }

    #[test]
    fn foreign_pages_neither_write_nor_open_sockets() {
        let host = "localhost:3000";
        assert!(refused(&Method::POST, host, Some("https://evil.example"), false));
        assert!(refused(&Method::POST, host, Some("null"), false));
        assert!(refused(&Method::GET, host, Some("https://evil.example"), true));
        assert!(!refused(&Method::GET, host, Some("https://evil.example"), false));
        assert!(!refused(&Method::DELETE, host, Some("http://localhost:5173"), false));
        assert!(!refused(&Method::POST, host, Some("https://app.example"), false));
        assert!(!refused(&Method::POST, host, None, true));
    }

    #[test]
    fn a_rebound_name_is_refused_even_for_reading() {
        assert!(refused(&Method::GET, "evil.example:3000", None, false));
        assert!(refused(&Method::GET, "not a host", None, false));
        assert!(!refused(&Method::GET, "[::1]:3000", None, false));
        assert!(!refused(&Method::GET, "127.0.0.1", None, false));
    }

    #[test]
    fn every_name_of_the_host_counts() {
        let guard = Guard::new(&[], &[]);
        let refused = |target: &'static str, hosts: &[&'static str]| {
            let hosts = hosts.iter().map(|&host| (header::HOST, HeaderValue::from_static(host)));
            guard.refuse(&Method::GET, &Uri::from_static(target), &hosts.collect(), false).is_some()
        };
        assert!(!refused("/", &["localhost"]) && !refused("http://localhost:3000/", &["127.0.0.1"]));
        assert!(refused("http://evil.example/", &["localhost"]) && refused("http://evil.example/", &[]));
        assert!(refused("/", &["localhost", "evil.example"]) && refused("/", &["evil.example", "localhost"]));
    }

    #[test]
    fn a_named_host_is_this_machine_and_so_are_its_pages() {
        let hosts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let named = hosts(&["Phone.example", "192.168.1.5"]);
        let post = &Method::POST;
        for host in ["phone.example", "phone.example:443", "192.168.1.5:3000", "localhost:3000"] {
            assert!(!refused_at(&named, post, host, None, true), "{host}");
        }
        for host in ["other.example", "192.168.1.6:3000", "phone.example.evil.example"] {
            assert!(refused_at(&named, post, host, None, false), "{host}");
        }
        let host = "phone.example";
        assert!(!refused_at(&named, post, host, Some("https://phone.example"), false));
        assert!(!refused_at(&named, post, host, Some("http://192.168.1.5:3000"), true));
        assert!(refused_at(&named, post, host, Some("https://evil.example"), false));
        let everywhere = hosts(&["0.0.0.0"]);
        assert!(!refused_at(&everywhere, post, "10.1.2.3:3000", Some("http://10.1.2.3:3000"), true));
        assert!(refused_at(&everywhere, post, "rebound.example:3000", None, false));
    }
}
