//! Keys of those who make packages, in PEM, so that other tools read them too: ECDSA on P-256 for signing, and also on
//! P-384 and P-521 for verifying (OpenSSF Model Signing v1.0, algorithm registry).

use crate::SignError;
use crate::person::hex;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use sha2::{Digest as _, Sha256};

/// The secret key of a maker of packages. It cannot be printed.
pub struct MakerKey(SigningKey);

impl MakerKey {
    /// The key of 32 random bytes. About one draw in 2^32 is no scalar of the curve: draw again.
    ///
    /// # Errors
    /// [`SignError::NotAKey`] for those.
    pub fn from_random(bytes: [u8; 32]) -> Result<MakerKey, SignError> {
        SigningKey::from_bytes(&bytes.into()).map(MakerKey).map_err(|_| SignError::NotAKey("private"))
    }

    /// From PEM: PKCS#8 (`PRIVATE KEY`), or SEC1 (`EC PRIVATE KEY`) as `openssl ecparam -genkey` writes it.
    ///
    /// # Errors
    /// [`SignError::NotAKey`] when it is none, of another curve, or encrypted.
    pub fn from_pem(pem: &str) -> Result<MakerKey, SignError> {
        const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----";
        let failed = SignError::NotAKey("private");
        match pem.find(SEC1) {
            Some(start) => match p256::SecretKey::from_sec1_pem(pem[start..].trim_end()) {
                Ok(key) => Ok(MakerKey(key.into())),
                Err(_) => Err(failed),
            },
            None => SigningKey::from_pkcs8_pem(pem).map(MakerKey).map_err(|_| failed),
        }
    }

    /// PKCS#8 in PEM. Whoever has this text can sign.
    ///
    /// # Errors
    /// [`SignError::NotAKey`] never occurs for a key that exists.
    pub fn to_pem(&self) -> Result<String, SignError> {
        let pem = self.0.to_pkcs8_pem(LineEnding::LF).map_err(|_| SignError::NotAKey("private"))?;
        Ok(pem.to_string())
    }

    /// Its public key.
    pub fn public(&self) -> MakerPublicKey {
        MakerPublicKey(Point::P256((*self.0.verifying_key()).into()))
    }

    /// ECDSA with SHA-256 in DER, deterministic (RFC 6979).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.0.sign(message);
        signature.as_bytes().to_vec()
    }
}

impl std::fmt::Debug for MakerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MakerKey(public {:?})", self.public())
    }
}

/// The public key of a maker of packages.
#[derive(Clone, PartialEq, Eq)]
pub struct MakerPublicKey(Point);

/// The point of one of the curves that the standard asks for.
#[derive(Clone, PartialEq, Eq)]
enum Point {
    P256(p256::PublicKey),
    P384(p384::PublicKey),
    P521(p521::PublicKey),
}

impl MakerPublicKey {
    /// From PEM (`PUBLIC KEY`) of a key on P-256, P-384 or P-521.
    ///
    /// # Errors
    /// [`SignError::NotAKey`] when it is none, or of another curve.
    pub fn from_pem(pem: &str) -> Result<MakerPublicKey, SignError> {
        let pem = pem.trim();
        let point = p256::PublicKey::from_public_key_pem(pem).map(Point::P256);
        let point = point.or_else(|_| p384::PublicKey::from_public_key_pem(pem).map(Point::P384));
        let point = point.or_else(|_| p521::PublicKey::from_public_key_pem(pem).map(Point::P521));
        point.map(MakerPublicKey).map_err(|_| SignError::NotAKey("public"))
    }

    /// PEM as other tools write it: 64 characters a line, line feeds, one at the end.
    ///
    /// # Errors
    /// [`SignError::NotAKey`] never occurs for a key that exists.
    pub fn to_pem(&self) -> Result<String, SignError> {
        let pem = match &self.0 {
            Point::P256(key) => key.to_public_key_pem(LineEnding::LF),
            Point::P384(key) => key.to_public_key_pem(LineEnding::LF),
            Point::P521(key) => key.to_public_key_pem(LineEnding::LF),
        };
        pem.map_err(|_| SignError::NotAKey("public"))
    }

    /// SHA-256 of the PEM text, 64 hexadecimal digits: how a signature names the key it was made with.
    ///
    /// # Errors
    /// As [`MakerPublicKey::to_pem`].
    pub fn fingerprint(&self) -> Result<String, SignError> {
        Ok(hex(&Sha256::digest(self.to_pem()?.as_bytes())))
    }

    /// ECDSA in DER with the hash that belongs to the curve: SHA-256, SHA-384 or SHA-512.
    pub(crate) fn verify(&self, message: &[u8], der: &[u8]) -> Result<(), SignError> {
        let verified = match &self.0 {
            Point::P256(key) => p256::ecdsa::Signature::from_der(der)
                .and_then(|signature| p256::ecdsa::VerifyingKey::from(key).verify(message, &signature)),
            Point::P384(key) => p384::ecdsa::Signature::from_der(der)
                .and_then(|signature| p384::ecdsa::VerifyingKey::from(key).verify(message, &signature)),
            Point::P521(key) => p521::ecdsa::Signature::from_der(der).and_then(|signature| {
                p521::ecdsa::VerifyingKey::from_affine(*key.as_affine())?.verify(message, &signature)
            }),
        };
        verified.map_err(|_| SignError::WrongKey)
    }
}

impl std::fmt::Debug for MakerPublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.fingerprint().unwrap_or_default())
    }
}
