//! An issuer of tokens that guarded gateways trust, and a forger that they do not.

use std::sync::OnceLock;

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::environment::{block_on, runtime};

/// The audience of the issuer's tokens.
pub const AUDIENCE: &str = "app";
const KEY_ID: &str = "throw-away";

/// Publishes its keys over HTTP.
#[derive(Debug)]
pub struct Issuer {
    pub url: String,
}

impl Issuer {
    /// The one that all tests share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Issuer> = OnceLock::new();
        SHARED.get_or_init(|| block_on(Self::start))
    }

    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let configuration = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }).to_string();
        let public: PublicKeyComponents<Vec<u8>> = PublicKeyComponents::from(Signer::Issuer.key().public());
        let [n, e] = [public.n, public.e].map(|part| URL_SAFE_NO_PAD.encode(part));
        let keys =
            json!({ "keys": [{ "kty": "RSA", "use": "sig", "kid": KEY_ID, "n": n, "e": e }] }).to_string();
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(async move || configuration))
            .route("/keys", get(async move || keys));
        runtime().spawn(async move { axum::serve(listener, app).await });
        Self { url }
    }

    /// A token that is right in every respect, until told otherwise.
    pub fn token(&self, user: &str) -> Token {
        let now = now();
        Token {
            head: json!({ "alg": "RS256", "typ": "JWT", "kid": KEY_ID }),
            claims: json!({ "iss": self.url, "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + 600 }),
            signer: Signer::Issuer,
        }
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a clock that is set").as_secs()
}

#[derive(Clone, Copy, Debug)]
enum Signer {
    Issuer,
    Forger,
}

impl Signer {
    fn key(self) -> KeyPair {
        let der: &[u8] = match self {
            Self::Issuer => include_bytes!("keys/issuer-key.der"),
            Self::Forger => include_bytes!("keys/forger-key.der"),
        };
        KeyPair::from_pkcs8(der).expect("a key")
    }
}

/// A token that is not signed yet.
#[derive(Clone, Debug)]
pub struct Token {
    head: Value,
    claims: Value,
    signer: Signer,
}

impl Token {
    pub fn claiming(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().expect("claims").remove(name);
        self
    }

    pub fn headed(mut self, name: &str, value: &str) -> Self {
        self.head[name] = value.into();
        self
    }

    /// Signed by the forger under the issuer's name.
    pub fn forged(mut self) -> Self {
        self.signer = Signer::Forger;
        self
    }

    pub fn sign(&self) -> String {
        let [head, claims] = [&self.head, &self.claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{head}.{claims}");
        let key = self.signer.key();
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
