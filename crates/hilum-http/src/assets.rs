//! Files that the pages need, embedded in the program, under names that change with their contents.

use crate::{Problem, ProblemCode};
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hilum_types::Digest;
use std::sync::LazyLock;

struct Asset {
    name: String,
    kind: &'static str,
    bytes: &'static [u8],
}

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| asset("hilum", "css", "text/css; charset=utf-8", include_bytes!("../assets/hilum.css")));
static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| asset("hilum", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/hilum.js")));
static ICON: LazyLock<Asset> =
    LazyLock::new(|| asset("hilum", "svg", "image/svg+xml", include_bytes!("../assets/hilum.svg")));

fn asset(stem: &str, extension: &str, kind: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { name: format!("{stem}-{}.{extension}", Digest::of(bytes).short()), kind, bytes }
}

/// Address of the style sheet.
pub(crate) fn style() -> String {
    format!("/assets/{}", STYLE.name)
}

/// Address of the script.
pub(crate) fn script() -> String {
    format!("/assets/{}", SCRIPT.name)
}

/// Address of the icon.
pub(crate) fn icon() -> String {
    format!("/assets/{}", ICON.name)
}

pub(crate) async fn get_asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let assets: [&Asset; 3] = [&STYLE, &SCRIPT, &ICON];
    let found = assets.into_iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(|| Problem::new(ProblemCode::NoSuchAddress, "there is no such file"))?;
    let headers = [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, asset.bytes).into_response())
}
