//! Keys that a password protects: Argon2id (RFC 9106) of the password, ChaCha20-Poly1305 (RFC 8439) around the key.
//!
//! No hash of the password is kept: it is the right one when it opens the key.

use crate::SignError;
use crate::error::PASSWORD_CHARS_MIN;
use crate::person::PersonKey;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};

/// Memory in KiB, passes, lanes: the second recommended setting of RFC 9106 section 4 (64 MiB, 3, 4).
const MEMORY_KIB: u32 = 65_536;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// Random bytes that sealing needs. The caller draws them afresh each time.
#[derive(Clone, Copy)]
pub struct SealRandom {
    /// Salt of the key that protects the secret key.
    pub seal_salt: [u8; 16],
    /// Nonce of the encryption.
    pub nonce: [u8; 12],
}

fn argon2(memory_kib: u32, passes: u32, lanes: u32) -> Result<Argon2<'static>, SignError> {
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(|e| SignError::Argon2(e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Seal a person's key under their password: text `1$m$t$p$salt$nonce$box`, the last three in base64.
///
/// The box is ChaCha20-Poly1305 of the 32 bytes of the seed under the Argon2id key; user name and public key are
/// authenticated with it, so that a sealed key cannot be given to somebody else.
///
/// # Errors
/// [`SignError::ShortPassword`].
pub fn seal_key(key: &PersonKey, user: &str, password: &str, random: &SealRandom) -> Result<String, SignError> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(SignError::ShortPassword);
    }
    let cipher = cipher(password, &random.seal_salt, (MEMORY_KIB, PASSES, LANES))?;
    let about = about(user, &key.public_key());
    let boxed = cipher
        .encrypt(Nonce::from_slice(&random.nonce), Payload { msg: &key.seed(), aad: about.as_bytes() })
        .map_err(|_| SignError::Malformed("the key to seal"))?;
    let [salt, nonce, boxed] = [&random.seal_salt[..], &random.nonce[..], &boxed].map(|b| STANDARD_NO_PAD.encode(b));
    Ok(format!("1${MEMORY_KIB}${PASSES}${LANES}${salt}${nonce}${boxed}"))
}

/// Open what [`seal_key`] closed.
///
/// # Errors
/// [`SignError::WrongPassword`], also when text, user or public key were changed; [`SignError::Malformed`].
pub fn open_key(sealed: &str, user: &str, public_key: &str, password: &str) -> Result<PersonKey, SignError> {
    const WHAT: SignError = SignError::Malformed("the sealed key");
    let parts: Vec<&str> = sealed.split('$').collect();
    let [version, memory, passes, lanes, salt, nonce, boxed] = parts.as_slice() else { return Err(WHAT) };
    let number = |text: &str| text.parse::<u32>().map_err(|_| WHAT);
    let cost = (number(memory)?, number(passes)?, number(lanes)?);
    // Whoever can write the catalog must not be able to make a login take all memory.
    if *version != "1" || 4 * MEMORY_KIB < cost.0 || 4 * PASSES < cost.1 || 4 * LANES < cost.2 {
        return Err(WHAT);
    }
    let bytes = |text: &str| STANDARD_NO_PAD.decode(text).map_err(|_| WHAT);
    let (salt, nonce, boxed) = (bytes(salt)?, bytes(nonce)?, bytes(boxed)?);
    let salt: [u8; 16] = salt.try_into().map_err(|_| WHAT)?;
    let nonce: [u8; 12] = nonce.try_into().map_err(|_| WHAT)?;
    let about = about(user, public_key);
    let payload = Payload { msg: &boxed, aad: about.as_bytes() };
    let seed = cipher(password, &salt, cost)?
        .decrypt(Nonce::from_slice(&nonce), payload)
        .map_err(|_| SignError::WrongPassword)?;
    let key = PersonKey::from_seed(seed.try_into().map_err(|_| WHAT)?);
    if key.public_key() != public_key {
        return Err(WHAT);
    }
    Ok(key)
}

/// The answer about a key that does not exist, after the work that [`open_key`] does for one that does: how long it takes tells
/// nobody which names are users.
pub fn open_nothing(password: &str) -> SignError {
    match cipher(password, &[0; 16], (MEMORY_KIB, PASSES, LANES)) {
        Ok(_) => SignError::WrongPassword,
        Err(error) => error,
    }
}

fn about(user: &str, public_key: &str) -> String {
    format!("hilum user key 1\n{user}\n{public_key}")
}

fn cipher(password: &str, salt: &[u8; 16], cost: (u32, u32, u32)) -> Result<ChaCha20Poly1305, SignError> {
    let mut key = Key::default();
    argon2(cost.0, cost.1, cost.2)?
        .hash_password_into(password.as_bytes(), salt, &mut key)
        .map_err(|e| SignError::Argon2(e.to_string()))?;
    Ok(ChaCha20Poly1305::new(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: SealRandom = SealRandom { seal_salt: [1; 16], nonce: [2; 12] };

    #[test]
    fn only_the_password_opens_the_key() {
        let key = PersonKey::from_seed([9; 32]);
        let public = key.public_key();
        let sealed = seal_key(&key, "anna", "correct horse", &RANDOM).unwrap();
        assert_eq!(open_key(&sealed, "anna", &public, "correct horse").unwrap().seed(), [9; 32]);
        let fails = |sealed: &str, user: &str, password: &str| open_key(sealed, user, &public, password).err();
        assert_eq!(fails(&sealed, "anna", "correct house"), Some(SignError::WrongPassword));
        assert_eq!(fails(&sealed, "bo", "correct horse"), Some(SignError::WrongPassword), "it is anna's");
        let cut = &sealed[..sealed.len() - 4];
        assert_eq!(fails(cut, "anna", "correct horse"), Some(SignError::WrongPassword));
        let costly = sealed.replace("$65536$", "$4294967295$");
        assert_eq!(fails(&costly, "anna", "correct horse"), Some(SignError::Malformed("the sealed key")));
        assert_eq!(fails("", "anna", "correct horse"), Some(SignError::Malformed("the sealed key")));
        assert_eq!(seal_key(&key, "anna", "short", &RANDOM), Err(SignError::ShortPassword));
    }

    #[test]
    fn a_key_that_is_not_there_takes_as_long() {
        let timed = |work: &dyn Fn() -> Option<SignError>| {
            let start = std::time::Instant::now();
            assert_eq!(work(), Some(SignError::WrongPassword));
            start.elapsed().as_secs_f64()
        };
        let key = PersonKey::from_seed([9; 32]);
        let sealed = seal_key(&key, "anna", "correct horse", &RANDOM).unwrap();
        let public = key.public_key();
        let (mut there, mut not_there) = (f64::MAX, f64::MAX);
        // In turns, so that what else the machine does falls on both.
        for _ in 0..5 {
            there = there.min(timed(&|| open_key(&sealed, "anna", &public, "x").err()));
            not_there = not_there.min(timed(&|| Some(open_nothing("x"))));
        }
        // Without the work it would be a hundred thousand times shorter; a busy machine makes it a few times longer.
        assert!(there < 10.0 * not_there, "{not_there} s and {there} s");
    }
}
