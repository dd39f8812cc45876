//! The public keys of an issuer: fetched once, kept as long as the platform keeps them, fetched again when a token
//! names an unknown one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents,
};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::aws::limits::KEYS_KEPT;
use crate::http_client::download;
use crate::issuer::Issuer;

/// The shortest time between two fetches, whatever keys tokens name.
const FETCH_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "RS384" => Some(Self::Rs384),
            "RS512" => Some(Self::Rs512),
            _ => None,
        }
    }

    fn parameters(self) -> &'static RsaParameters {
        match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        }
    }
}

/// An RSA public key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    id: Option<String>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl Key {
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let key = RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        key.verify(algorithm.parameters(), message, signature).is_ok()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeysError {
    /// The issuer has no such key.
    Unknown,
    Unavailable(String),
}

/// Where keys come from.
#[derive(Clone, Debug)]
pub(super) enum KeySource {
    /// This gateway is the issuer.
    Own(Issuer),
    /// The issuer's `/.well-known/openid-configuration` says where.
    Discover(String),
    Url(String),
    File(PathBuf),
}

#[derive(Debug)]
pub(super) struct Keys {
    source: Option<KeySource>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    keys: Arc<Vec<Key>>,
    fetched: Option<Instant>,
    asked: Option<Instant>,
    failure: Option<String>,
}

impl Keys {
    pub(super) fn new(source: KeySource) -> Self {
        Self { source: Some(source), cache: Mutex::default() }
    }

    #[cfg(test)]
    pub(super) fn fixed(jwks: &str) -> Result<Self, String> {
        let cache = Cache { keys: Arc::new(parse(jwks.as_bytes())?), ..Cache::default() };
        Ok(Self { source: None, cache: Mutex::new(cache) })
    }

    /// The key with this id; without an id, the only one there is.
    pub(super) async fn find(&self, id: Option<&str>) -> Result<Key, KeysError> {
        // The lock is held while fetching, so that requests that come meanwhile wait for the same answer.
        let mut cache = self.cache.lock().await;
        let fresh = cache.fetched.is_some_and(|at| at.elapsed() < KEYS_KEPT);
        if fresh && let Some(key) = choose(&cache.keys, id) {
            return Ok(key);
        }
        if let Some(source) = &self.source
            && cache.asked.is_none_or(|at| at.elapsed() >= FETCH_INTERVAL)
        {
            cache.asked = Some(Instant::now());
            match fetch(source).await {
                Ok(keys) => {
                    cache.keys = Arc::new(keys);
                    cache.fetched = Some(Instant::now());
                    cache.failure = None;
                }
                Err(why) => cache.failure = Some(why),
            }
        }
        match (choose(&cache.keys, id), &cache.failure) {
            (Some(key), _) => Ok(key),
            (None, Some(why)) => Err(KeysError::Unavailable(why.clone())),
            (None, None) => Err(KeysError::Unknown),
        }
    }
}

fn choose(keys: &[Key], id: Option<&str>) -> Option<Key> {
    match (id, keys) {
        (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)).cloned(),
        (None, [only]) => Some(only.clone()),
        (None, _) => None,
    }
}

async fn fetch(source: &KeySource) -> Result<Vec<Key>, String> {
    match source {
        KeySource::Own(issuer) => parse(issuer.key_set().as_bytes()),
        KeySource::File(path) => {
            let text = tokio::fs::read(path).await;
            parse(&text.map_err(|error| format!("{}: {error}", path.display()))?)
        }
        KeySource::Url(url) => parse(&download(url).await?),
        KeySource::Discover(issuer) => {
            let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            let configuration: Configuration =
                serde_json::from_slice(&download(&url).await?).map_err(|error| format!("{url}: {error}"))?;
            parse(&download(&configuration.jwks_uri).await?)
        }
    }
}

#[derive(Deserialize)]
struct Configuration {
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<RawKey>,
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

/// The RSA keys in a key set that may be used for signatures; the platform ignores others.
fn parse(text: &[u8]) -> Result<Vec<Key>, String> {
    let set: KeySet =
        serde_json::from_slice(text).map_err(|error| format!("this is no JSON Web Key Set: {error}"))?;
    let decode = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok();
    let usable =
        |key: &RawKey| key.kty == "RSA" && key.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
    let keys = set
        .keys
        .into_iter()
        .filter(usable)
        .filter_map(|key| Some(Key { id: key.kid, modulus: decode(key.n)?, exponent: decode(key.e)? }));
    Ok(keys.collect())
}

#[cfg(test)]
pub(super) mod testing {
    use super::URL_SAFE_NO_PAD;
    use base64::Engine as _;
    use ring::rand::SystemRandom;
    use ring::rsa::{KeyPair, PublicKeyComponents};
    use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512};
    use serde_json::{Value, json};

    /// A key that only these tests trust.
    fn key() -> KeyPair {
        KeyPair::from_pkcs8(include_bytes!("../../tests/fixtures/signing-key.der")).expect("a key")
    }

    pub(in crate::http_api) fn jwks(id: &str) -> String {
        let public: PublicKeyComponents<Vec<u8>> = PublicKeyComponents::from(key().public());
        let (n, e) = (URL_SAFE_NO_PAD.encode(&public.n), URL_SAFE_NO_PAD.encode(&public.e));
        json!({"keys": [{"kty": "RSA", "kid": id, "use": "sig", "n": n, "e": e}, {"kty": "EC", "kid": "other"}]}).to_string()
    }

    pub(in crate::http_api) fn sign(algorithm: &str, id: Option<&str>, claims: &Value) -> String {
        let padding: &dyn ring::signature::RsaEncoding = match algorithm {
            "RS256" => &RSA_PKCS1_SHA256,
            "RS384" => &RSA_PKCS1_SHA384,
            _ => &RSA_PKCS1_SHA512,
        };
        let mut head = json!({"alg": algorithm, "typ": "JWT"});
        if let Some(id) = id {
            head["kid"] = json!(id);
        }
        let [head, claims] = [&head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{head}.{claims}");
        let key = key();
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(padding, &SystemRandom::new(), signed.as_bytes(), &mut signature).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_that_appears_later_is_found_and_a_broken_source_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("keys.json");
        let keys = Keys::new(KeySource::File(file.clone()));
        let missing = keys.find(Some("new")).await.expect_err("no file yet");
        assert!(matches!(missing, KeysError::Unavailable(why) if why.contains("keys.json")));

        std::fs::write(&file, testing::jwks("new")).expect("written");
        keys.cache.lock().await.asked = None;
        assert!(keys.find(Some("new")).await.is_ok());
        assert_eq!(keys.find(Some("newer")).await.expect_err("unknown"), KeysError::Unknown);
        std::fs::write(&file, testing::jwks("newer")).expect("written");
        keys.cache.lock().await.asked = None;
        assert!(keys.find(Some("newer")).await.is_ok());
    }
}
