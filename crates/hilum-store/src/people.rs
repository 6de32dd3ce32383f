//! What people do with their password: prove who they are, sign a record, enter others.
//!
//! The catalog never sees a password: it opens the person's sealed key here, and what is entered is the signature.

use crate::governance::User;
use crate::{Catalog, StoreError};
use hilum_audit::{AuditAction, AuditEvent, AuditOutcome, AuditSubject, SubjectKind};
use hilum_sign::{PersonKey, SealRandom, SignError, Signature, SignatureMeaning, ToSign};
use hilum_types::{Digest, Timestamp};
use serde_json::json;

/// The role that enters other people and changes what they may do.
pub const GOVERNANCE: &str = "governance";

/// A person who has just proven who they are. Their key is open as long as this lives.
#[derive(Debug)]
pub struct SignedIn {
    /// The person.
    pub user: User,
    key: PersonKey,
}

impl SignedIn {
    /// How the audit chain names them.
    pub fn actor(&self) -> String {
        format!("user:{}", self.user.name)
    }

    /// Sign a record and enter the signature.
    ///
    /// `role` is the one they sign in; left out, it is the one that the meaning needs, or else their first.
    ///
    /// # Errors
    /// As [`signature_add`](crate::Governance::signature_add).
    pub async fn sign(
        &self,
        catalog: &dyn Catalog,
        record: Digest,
        meaning: SignatureMeaning,
        role: Option<&str>,
        now: Timestamp,
    ) -> Result<Signature, StoreError> {
        let role = role.or(meaning.required_role()).or(self.user.roles.first().map(String::as_str));
        let role = role.unwrap_or_default().to_owned();
        let signature =
            self.key.sign(&ToSign { record, meaning, signer: self.user.name.clone(), role, signed_at: now });
        catalog.signature_add(&signature, now).await?;
        Ok(signature)
    }

    /// Set another password for themselves. The key stays, so that their signatures go on as before.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the password is too short.
    pub async fn change_password(
        &self,
        catalog: &dyn Catalog,
        password: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let user = sealed(self.user.clone(), self.key.clone(), password.to_owned()).await?;
        catalog.user_change(&user, &self.actor(), now).await
    }
}

/// Open the key of a user with their password. Takes about a tenth of a second on purpose.
///
/// A wrong password is entered in the audit chain; an unknown name takes as long and is answered alike.
///
/// # Errors
/// [`StoreError::NotSignedIn`]; what the catalog says.
pub async fn sign_in(
    catalog: &dyn Catalog,
    name: &str,
    password: &str,
    now: Timestamp,
) -> Result<SignedIn, StoreError> {
    let user = catalog.user_get(name).await?;
    let (known, secret) = (user.clone(), password.to_owned());
    let opened = slow(move || match known {
        Some(user) => hilum_sign::open_key(&user.sealed_key, &user.name, &user.public_key, &secret),
        None => Err(hilum_sign::open_nothing(&secret)),
    });
    match (opened.await?, user) {
        (Ok(key), Some(user)) if user.active => Ok(SignedIn { user, key }),
        (Err(error @ SignError::Malformed(_)), Some(_)) => Err(refused("open the key of a user", &error)),
        (_, user) => {
            // A name that is no user may be anything, a password in the wrong field included: it is not written down.
            let who = user.map_or(String::new(), |user| user.name);
            let event = AuditEvent::new(
                now,
                "system:sign-in",
                AuditAction::SecurityAlert,
                AuditSubject::new(SubjectKind::User, who),
            );
            let event = event.outcome(AuditOutcome::MinorFailure).detail(&json!({ "what": "sign-in refused" }));
            catalog.audit_append(event).await?;
            Err(StoreError::NotSignedIn)
        }
    }
}

/// A user with a fresh key under this password. Nothing is entered yet.
///
/// # Errors
/// [`StoreError::Refused`] when the password is too short.
pub async fn new_user(
    name: &str,
    display_name: &str,
    roles: Vec<String>,
    password: &str,
    now: Timestamp,
) -> Result<User, StoreError> {
    let user = User {
        name: name.to_owned(),
        display_name: display_name.to_owned(),
        roles,
        password_hash: String::new(),
        public_key: String::new(),
        sealed_key: String::new(),
        active: true,
        created_at: now,
    };
    with_new_key(user, password).await
}

/// The same user with a fresh key under this password, for somebody whose password is lost. What they signed before
/// stays valid; the earlier key signs nothing more.
///
/// # Errors
/// [`StoreError::Refused`] when the password is too short.
pub async fn with_new_key(user: User, password: &str) -> Result<User, StoreError> {
    sealed(user, PersonKey::from_seed(rand::random()), password.to_owned()).await
}

async fn sealed(mut user: User, key: PersonKey, password: String) -> Result<User, StoreError> {
    let random = SealRandom { seal_salt: rand::random(), nonce: rand::random() };
    user.public_key = key.public_key();
    user.password_hash.clear();
    let name = user.name.clone();
    let made = slow(move || hilum_sign::seal_key(&key, &name, &password, &random));
    user.sealed_key = made.await?.map_err(|error| refused("set a password", &error))?;
    Ok(user)
}

/// Argon2 takes memory and time; it must not hold up what else this process does.
async fn slow<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SignError> + Send + 'static,
) -> Result<Result<T, SignError>, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_panicked| StoreError::Misuse("the password work ended by a defect".to_owned()))
}

fn refused(what: &'static str, error: &SignError) -> StoreError {
    StoreError::Refused { what, why: error.to_string() }
}
