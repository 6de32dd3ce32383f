/// Why something could not be signed, opened or verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A public key, signature, salt or sealed key is not in its form.
    #[error("{0} is not in its form; it was changed or cut off")]
    Malformed(&'static str),
    /// The signature does not belong to this content and this key.
    #[error(
        "the signature is broken: content, signer, meaning, role or time were changed after signing, or another key signed"
    )]
    Broken,
    /// The password does not open the key.
    #[error("the password is wrong; `hilum user password NAME` sets a new one")]
    WrongPassword,
    /// The password is too short to protect a key.
    #[error("a password has at least {PASSWORD_CHARS_MIN} characters; choose a longer one")]
    ShortPassword,
    /// Argon2 cannot work with these parameters or this much memory.
    #[error("the password cannot be stretched: {0}")]
    Argon2(String),
    /// The key text is not PEM of an ECDSA key that can be used.
    #[error(
        "not {} key in PEM that can be used; `hilum model key new FILE` makes a pair",
        if *.0 == "private" { "an unencrypted ECDSA P-256 private" } else { "an ECDSA public (P-256, P-384 or P-521)" }
    )]
    NotAKey(&'static str),
    /// Nothing is to be signed.
    #[error("there is no file to sign; a signature over nothing proves nothing")]
    Empty,
    /// A name that leads out of the folder, is absolute, is listed twice or cannot be written down.
    #[error("{0:?} cannot be signed: names are relative, without `..`, and unique")]
    BadName(String),
    /// The file is no signature that this program can check.
    #[error("the signature file cannot be used: {0}")]
    NotASignature(String),
    /// The signature was made with another key, or its contents were changed.
    #[error("the signature was not made with this key, or the signature file was changed")]
    WrongKey,
}

/// Shortest password in characters (NIST SP 800-63B section 5.1.1.1).
pub const PASSWORD_CHARS_MIN: usize = 8;
