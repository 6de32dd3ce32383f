//! What protects a server that trusts its loopback address from pages in the same person's browser.

use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// Host names under which requests are answered. Others are refused, so that a page of another site cannot reach
/// Hilum by pointing its own name at the loopback address (DNS rebinding).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// `localhost` and loopback addresses.
    Loopback,
    /// Those, and these names, without port.
    AlsoNamed(Vec<String>),
    /// Development switch: any name.
    Any,
}

impl Hosts {
    fn allows(&self, host: &str) -> bool {
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let loopback =
            name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match self {
            Hosts::Loopback => loopback,
            Hosts::AlsoNamed(names) => loopback || names.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)),
            Hosts::Any => true,
        }
    }
}

/// Sent with every response. Styles and scripts come from `/assets` only, so text from an object can never run.
const HEADERS: [(HeaderName, HeaderValue); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; object-src \
             'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

/// Refuse foreign hosts and cross-site acts; add the headers to whatever is answered.
pub(crate) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = match check(&state.hosts, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    // Pages and answers hold patient data: no cache may keep them. Assets say otherwise themselves.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn check(hosts: &Hosts, request: &Request) -> Result<(), Problem> {
    let host = host_of(request).ok_or_else(|| refuse_host("the request names no host"))?;
    if !hosts.allows(host.host()) {
        return Err(refuse_host("the request names a host under which Hilum does not serve"));
    }
    if !request.method().is_safe() && is_cross_origin(request.headers(), &host) {
        return Err(Problem::new(ProblemCode::CrossOrigin, "the request comes from a page of another site"));
    }
    Ok(())
}

fn refuse_host(message: &str) -> Problem {
    Problem::new(ProblemCode::HostNotAllowed, message)
}

fn host_of(request: &Request) -> Option<Authority> {
    match request.headers().get(header::HOST) {
        Some(host) => host.to_str().ok()?.parse().ok(),
        None => request.uri().authority().cloned(),
    }
}

/// Browsers always say where a request comes from (Fetch Metadata, or Origin on unsafe methods); programs do not.
fn is_cross_origin(headers: &HeaderMap, host: &Authority) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let same = |scheme: &str| origin.as_bytes().strip_prefix(scheme.as_bytes()) == Some(host.as_str().as_bytes());
    !same("http://") && !same("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_are_answered() {
        let named = Hosts::AlsoNamed(vec!["hilum.hospital.example".into()]);
        for (host, loopback, with_name) in [
            ("localhost", true, true),
            ("LOCALHOST", true, true),
            ("127.0.0.1", true, true),
            ("[::1]", true, true),
            ("hilum.hospital.example", false, true),
            ("attacker.example", false, false),
            ("127.0.0.1.attacker.example", false, false),
            ("10.0.0.1", false, false),
            ("", false, false),
        ] {
            assert_eq!((Hosts::Loopback.allows(host), named.allows(host)), (loopback, with_name), "{host}");
        }
    }
}
