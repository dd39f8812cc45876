//! The development issuer's RSA key: made once and kept for the next start. No other system trusts it.

use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};

use super::claims::Claims;

/// Room for a 2048-bit key as PKCS #8.
const LARGEST_KEY: usize = 4096;

#[derive(Debug)]
pub(super) struct SigningKey {
    pair: KeyPair,
    id: String,
}

impl SigningKey {
    /// The key kept in this file, or a new one, kept there from now on.
    pub(super) async fn open(file: PathBuf) -> Result<Self, String> {
        // Finding primes takes a second. On a processor that is too old, the library panics, which ends this task alone.
        let opened = tokio::task::spawn_blocking(move || read_or_make(&file));
        let der = opened.await.map_err(|_| {
            "No RSA key can be made on this processor: name an issuer, or a key set (--jwks)".to_owned()
        })??;
        Self::parse(&der)
    }

    fn parse(der: &[u8]) -> Result<Self, String> {
        let pair = KeyPair::from_pkcs8(der).map_err(|error| format!("The key is unusable: {error}"))?;
        let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, thumbprint_input(&pair).as_bytes()));
        Ok(Self { pair, id })
    }

    /// The public key as an entry of a key set.
    pub(super) fn public(&self) -> Value {
        let (n, e) = components(&self.pair);
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": n, "e": e })
    }

    /// The claims as a signed token.
    pub(super) fn sign(&self, claims: &Claims) -> Result<String, ring::error::Unspecified> {
        let head = json!({ "alg": "RS256", "kid": self.id, "typ": "JWT" }).to_string();
        let claims = Value::Object(claims.clone()).to_string();
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn components(pair: &KeyPair) -> (String, String) {
    let public: PublicKeyComponents<Vec<u8>> = PublicKeyComponents::from(pair.public());
    (URL_SAFE_NO_PAD.encode(public.n), URL_SAFE_NO_PAD.encode(public.e))
}

/// [RFC 7638](https://www.rfc-editor.org/rfc/rfc7638) sets the fields and their order.
fn thumbprint_input(pair: &KeyPair) -> String {
    let (n, e) = components(pair);
    format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
}

fn read_or_make(file: &Path) -> Result<Vec<u8>, String> {
    if let Some(kept) = read(file)? {
        return Ok(kept);
    }
    let der = make()?;
    match keep(file, &der) {
        Ok(()) => Ok(der),
        // Another gateway was faster; both go on with its key.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(read(file)?.unwrap_or(der)),
        Err(error) => {
            tracing::warn!("{}: {error}: tokens will not survive a restart", file.display());
            Ok(der)
        }
    }
}

fn read(file: &Path) -> Result<Option<Vec<u8>>, String> {
    match std::fs::read(file) {
        Ok(der) if KeyPair::from_pkcs8(&der).is_ok() => Ok(Some(der)),
        Ok(_) => Err(format!("{} holds no RSA key: remove it, and a new one is made", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", file.display())),
    }
}

/// `ring`, which signs and verifies, makes no RSA keys, and the platform's authorizer takes no others. `graviola` is
/// one crate that is fast even without optimization; `rsa` brings two dozen and has had an advisory about its timing
/// (RUSTSEC-2023-0071) since 2023.
fn make() -> Result<Vec<u8>, String> {
    use graviola::signing::rsa;
    let mut der = [0; LARGEST_KEY];
    let key = rsa::SigningKey::generate(rsa::KeySize::Rsa2048);
    let der = key.and_then(|key| key.to_pkcs8_der(&mut der).map(<[u8]>::to_vec));
    der.map_err(|error| format!("No RSA key can be made: {error}"))
}

/// Writes the file whole or not at all, readable by its owner alone.
fn keep(file: &Path, der: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let draft = file.with_extension(uuid::Uuid::new_v4().to_string());
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(&draft)?.write_all(der)?;
        std::fs::hard_link(&draft, file)
    };
    let result = write();
    let _ = std::fs::remove_file(&draft);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn a_key_is_made_once_and_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("deep/key.der");
        let (first, second) = tokio::join!(SigningKey::open(file.clone()), SigningKey::open(file.clone()));
        let third = SigningKey::open(file.clone()).await.expect("kept");
        assert_eq!(first.expect("made").id, third.id);
        assert_eq!(second.expect("made").id, third.id);
        let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path().join("deep")).expect("a folder").count(), 1);

        std::fs::write(&file, "rubbish").expect("written");
        let error = SigningKey::open(file).await.expect_err("refused");
        assert!(error.contains("key.der holds no RSA key"), "{error}");
    }

    #[tokio::test]
    async fn without_a_place_to_keep_it_there_is_a_key_all_the_same() {
        let nowhere = PathBuf::from("/proc/nowhere/key.der");
        assert!(SigningKey::open(nowhere.clone()).await.is_ok());
        assert!(!nowhere.exists());
    }
}
