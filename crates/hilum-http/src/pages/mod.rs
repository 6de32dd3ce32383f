//! Pages for people, written by the server. They work without scripts, and the address never names a patient.

mod answers;
mod audit_sample;
mod deployment;
mod operations;
mod overview;
mod reader;
mod record;
mod study;
pub(crate) mod view;

use crate::state::AppState;
use crate::{Problem, ProblemCode, assets};
use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use std::convert::Infallible;

use crate::api::extract::ApiForm;

pub(crate) fn router() -> Router<AppState> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/find", post(overview::find))
        .route("/studies/{study}", get(study::study))
        .route("/studies/{study}/answers", post(answers::answer))
        .route("/audit-sample", get(audit_sample::audit_sample))
        .route("/audit-sample/{study}", post(audit_sample::adjudicate))
        .route("/sign-in", get(answers::sign_in_page).post(answers::sign_in))
        .route("/sign-out", post(answers::sign_out))
        .route("/deployments", get(operations::deployments))
        .route("/deployments/{name}", get(deployment::deployment))
        .route("/deployments/{name}/suspend", post(operations::suspend))
        .route("/deployments/{name}/resume", post(operations::resume))
        .route("/deliveries", get(operations::deliveries))
        .route("/deliveries/{id}/retry", post(operations::retry))
        .route("/system", get(operations::system))
        .route("/alarms/{key}/acknowledge", post(operations::acknowledge))
        .route("/alarms/{key}/assign", post(deployment::assign))
        .route("/alarms/{key}/close", post(deployment::close))
        .route("/theme", post(set_theme))
        .route("/assets/{name}", get(assets::get_asset))
}

/// What every page has around it.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    /// `auto`, `dark` or `light`.
    theme: &'static str,
    /// This address, to come back to.
    here: String,
}

impl Shell {
    fn style(&self) -> String {
        assets::style()
    }

    fn script(&self) -> String {
        assets::script()
    }

    fn icon(&self) -> String {
        assets::icon()
    }

    fn is_at(&self, section: &str) -> bool {
        self.here.split('?').next() == Some(section)
    }

    /// The theme that the button turns to, and its word.
    fn other_themes(&self) -> Vec<(&'static str, &'static str)> {
        [("auto", "System"), ("dark", "Dark"), ("light", "Light")]
            .into_iter()
            .filter(|(name, _)| *name != self.theme)
            .collect()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Shell {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Shell, Infallible> {
        Ok(Shell::of(&parts.headers, parts.uri.path_and_query().map_or("/", |here| here.as_str())))
    }
}

impl Shell {
    fn of(headers: &HeaderMap, here: &str) -> Shell {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let chosen = pairs.find(|(name, _)| *name == "hilum_theme").map(|(_, value)| value);
        Shell { theme: theme(chosen.unwrap_or_default()), here: local(here).to_owned() }
    }
}

fn theme(name: &str) -> &'static str {
    match name {
        "dark" => "dark",
        "light" => "light",
        _ => "auto",
    }
}

/// An address on this server; anything else becomes the overview.
fn local(address: &str) -> &str {
    let own = address.starts_with('/') && !address.starts_with("//") && !address.contains('\\');
    if own && address.bytes().all(|b| (b'!'..=b'~').contains(&b)) { address } else { "/" }
}

#[derive(Deserialize)]
struct ThemeForm {
    theme: String,
    #[serde(default)]
    back: String,
}

async fn set_theme(ApiForm(form): ApiForm<ThemeForm>) -> Response {
    let cookie = match theme(&form.theme) {
        "dark" => "hilum_theme=dark; Path=/; Max-Age=31536000; SameSite=Strict; HttpOnly",
        "light" => "hilum_theme=light; Path=/; Max-Age=31536000; SameSite=Strict; HttpOnly",
        _ => "hilum_theme=; Path=/; Max-Age=0; SameSite=Strict; HttpOnly",
    };
    ([(header::SET_COOKIE, cookie)], Redirect::to(local(&form.back))).into_response()
}

fn page(template: &impl Template) -> Result<Response, Problem> {
    let text = template.render().map_err(|_| Problem::new(ProblemCode::Internal, "the page could not be written"))?;
    Ok(Html(text).into_response())
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    shell: Shell,
    status: u16,
    message: String,
    remedy: &'static str,
    code: &'static str,
}

/// A browser that asks for a page gets a page, also when something went wrong.
pub(crate) async fn problems_as_pages(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let wants_page = !path.starts_with("/api/") && !path.starts_with("/dicom-web/") && path != "/metrics" && {
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        accept.is_some_and(|accept| accept.contains("text/html"))
    };
    let shell = Shell::of(request.headers(), "/");
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>().filter(|_| wants_page) else { return response };
    let code = problem.code;
    let body = ProblemPage {
        shell,
        status: code.status().as_u16(),
        message: crate::words::sentence(&problem.message),
        remedy: code.remedy(),
        code: code.code(),
    };
    let Ok(text) = body.render() else { return response };
    let mut page = (code.status(), Html(text)).into_response();
    if let Some(allow) = response.headers().get(header::ALLOW).cloned() {
        page.headers_mut().insert(header::ALLOW, allow);
    }
    page.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_addresses_are_gone_back_to() {
        for (address, wanted) in [
            ("/studies/abc?x=1", "/studies/abc?x=1"),
            ("//attacker.example", "/"),
            ("/\\attacker.example", "/"),
            ("https://attacker.example", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
            ("", "/"),
        ] {
            assert_eq!(local(address), wanted);
        }
    }
}
