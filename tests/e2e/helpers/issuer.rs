//! An issuer of tokens that gateways of this process trust, and a forger whom they do not.

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Whom tokens are meant for.
pub(crate) const AUDIENCE: &str = "app";
const KEY_ID: &str = "throw-away";

/// Publishes its keys over HTTP.
#[derive(Debug)]
pub(crate) struct Issuer {
    pub(crate) url: String,
}

impl Issuer {
    /// Serves until the runtime ends.
    pub(super) fn start(runtime: &Runtime) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let configuration = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }).to_string();
        let public: PublicKeyComponents<Vec<u8>> = PublicKeyComponents::from(Signer::Issuer.key().public());
        let [n, e] = [public.n, public.e].map(|part| URL_SAFE_NO_PAD.encode(part));
        let keys =
            json!({ "keys": [{ "kty": "RSA", "use": "sig", "kid": KEY_ID, "n": n, "e": e }] }).to_string();
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(async move || configuration))
            .route("/keys", get(async move || keys));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { url }
    }

    /// A token that is right in every respect, until told otherwise.
    pub(crate) fn token(&self, user: &str) -> Token {
        let now = now();
        Token {
            head: json!({ "alg": "RS256", "typ": "JWT", "kid": KEY_ID }),
            claims: json!({ "iss": self.url, "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + 600 }),
            signer: Signer::Issuer,
        }
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
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
            Self::Issuer => include_bytes!("../../fixtures/issuer-key.der"),
            Self::Forger => include_bytes!("../../fixtures/forger-key.der"),
        };
        KeyPair::from_pkcs8(der).expect("a key")
    }
}

/// A token that is being made out.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    head: Value,
    claims: Value,
    signer: Signer,
}

impl Token {
    pub(crate) fn claiming(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().expect("claims").remove(name);
        self
    }

    pub(crate) fn headed(mut self, name: &str, value: &str) -> Self {
        self.head[name] = value.into();
        self
    }

    /// Signed by somebody else, who says it was the issuer.
    pub(crate) fn forged(mut self) -> Self {
        self.signer = Signer::Forger;
        self
    }

    pub(crate) fn sign(&self) -> String {
        let [head, claims] = [&self.head, &self.claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{head}.{claims}");
        let key = self.signer.key();
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
