//! Who is signed in at this process: a random token in a cookie or header, the name behind it, and its end.

use crate::error::Problem;
use crate::state::AppState;
use crate::{ProblemCode, sign_ins::SignIns};
use axum::http::HeaderMap;
use axum::http::header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hilum_store::governance::User;
use hilum_store::people::{SignedIn, sign_in};
use hilum_store::{ErrorKind, StoreError};
use hilum_types::{Digest, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A working day with its overtime; nobody is asked twice in a shift.
const SESSION_SECONDS: i64 = 12 * 3600;
/// Sessions of one process; the oldest goes first.
const SESSIONS_MAX: usize = 2000;
pub(crate) const COOKIE: &str = "hilum_session";

/// Sessions of this process. They end with it. Clones share them. Only digests of the tokens are kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<Digest, Session>>>);

#[derive(Debug, Clone)]
struct Session {
    user: String,
    /// Digest of their sealed key: it changes with the password, and the session ends.
    sealed: Digest,
    until: Timestamp,
}

impl Sessions {
    /// Begin a session; says its token and its end.
    pub(crate) fn begin(&self, user: &User, now: Timestamp) -> (String, Timestamp) {
        let token = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let until = now.plus_seconds(SESSION_SECONDS);
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| now < session.until);
        if SESSIONS_MAX <= sessions.len()
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.until).map(|(key, _)| *key)
        {
            sessions.remove(&oldest);
        }
        let sealed = Digest::of(user.sealed_key.as_bytes());
        sessions.insert(Digest::of(token.as_bytes()), Session { user: user.name.clone(), sealed, until });
        (token, until)
    }

    pub(crate) fn end(&self, token: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&Digest::of(token.as_bytes()));
    }

    fn get(&self, token: &str, now: Timestamp) -> Option<Session> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&Digest::of(token.as_bytes())).filter(|session| now < session.until).cloned()
    }
}

/// The token of a session that a browser or a program sends.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    if let Some(bearer) = authorization(headers).and_then(|value| value.strip_prefix("Bearer ")) {
        return Some(bearer.trim());
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
}

/// Who sends the request, by session or by name and password (HTTP Basic); `None` when it does not say.
///
/// # Errors
/// [`ProblemCode::NotSignedIn`] when what it says does not hold.
pub(crate) async fn person(state: &AppState, headers: &HeaderMap) -> Result<Option<User>, Problem> {
    if let Some(basic) = authorization(headers).and_then(|value| value.strip_prefix("Basic ")) {
        let decoded = STANDARD.decode(basic.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded.as_deref().and_then(|text| text.split_once(':')).ok_or_else(not_signed_in)?;
        return Ok(Some(prove(state, pair.0, pair.1).await?.user));
    }
    Ok(session_person(state, headers).await?)
}

/// Whose session the request carries; `None` when it carries none that holds. Reads ask this one: it tries no password.
pub(crate) async fn session_person(state: &AppState, headers: &HeaderMap) -> Result<Option<User>, StoreError> {
    let Some(token) = token(headers) else { return Ok(None) };
    let Some(session) = state.sessions.get(token, state.now()) else { return Ok(None) };
    let user = state.catalog.user_get(&session.user).await?;
    Ok(user.filter(|user| user.active && Digest::of(user.sealed_key.as_bytes()) == session.sealed))
}

/// How the audit record names a person who has proven who they are.
pub(crate) fn proven(user: &User) -> String {
    format!("user:{}", user.name)
}

/// How it names somebody who only typed a name.
pub(crate) fn unproven(name: &str) -> String {
    format!("unproven:{name}")
}

/// Who sends the request, who must hold one of `roles`.
///
/// # Errors
/// [`ProblemCode::NotSignedIn`], [`ProblemCode::NotPermitted`].
pub(crate) async fn person_in(state: &AppState, headers: &HeaderMap, roles: &[&str]) -> Result<User, Problem> {
    permitted(person(state, headers).await?.ok_or_else(not_signed_in)?, roles)
}

/// The same person, when they hold one of `roles`.
pub(crate) fn permitted(user: User, roles: &[&str]) -> Result<User, Problem> {
    if user.roles.iter().any(|role| roles.contains(&role.as_str())) {
        return Ok(user);
    }
    let message = format!("this needs one of the roles {}", roles.join(", "));
    Err(Problem::new(ProblemCode::NotPermitted, message))
}

/// Name and password, tried one at a time: opening a key takes memory and time on purpose.
pub(crate) async fn prove(state: &AppState, user: &str, password: &str) -> Result<SignedIn, Problem> {
    let turn = state.sign_ins.turn(state.now()).await.map_err(|()| too_many())?;
    let person = sign_in(&*state.catalog, user, password, state.now()).await;
    drop(turn);
    person.map_err(|error| refused(&state.sign_ins, state, error))
}

fn not_signed_in() -> Problem {
    Problem::new(ProblemCode::NotSignedIn, "nobody is signed in, or the session has ended")
}

fn refused(sign_ins: &SignIns, state: &AppState, error: StoreError) -> Problem {
    if error.kind() == ErrorKind::Denied {
        sign_ins.failed(state.now());
    }
    error.into()
}

fn too_many() -> Problem {
    Problem::new(ProblemCode::TooManyAttempts, "too many sign-ins were refused in the last 15 minutes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end() {
        let (sessions, at) = (Sessions::default(), |seconds| Timestamp::from_micros(0).plus_seconds(seconds));
        let user = User {
            name: "anna".into(),
            display_name: "Anna".into(),
            roles: Vec::new(),
            password_hash: String::new(),
            public_key: String::new(),
            sealed_key: "sealed".into(),
            active: true,
            created_at: at(0),
        };
        let (token, until) = sessions.begin(&user, at(0));
        let named = |token: &str, now| sessions.get(token, now).map(|session| session.user);
        assert_eq!((named(&token, at(1)).as_deref(), until), (Some("anna"), at(SESSION_SECONDS)));
        assert_eq!(named(&token, at(SESSION_SECONDS)), None);
        sessions.end(&token);
        assert_eq!((named(&token, at(1)), named("", at(1))), (None, None));
    }
}
