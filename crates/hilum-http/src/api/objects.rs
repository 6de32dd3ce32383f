use super::extract::{ApiPath, ApiQuery};
use super::journey::{deployment_journeys, own_first_reads};
use crate::error::or_missing;
use crate::state::AppState;
use crate::words::Status;
use crate::{Problem, ProblemCode};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use hilum_dicom::{Image, Limits, Samples};
use hilum_store::records::{ResultKind, ResultObject};
use hilum_types::Uid;
use serde::Deserialize;
use tokio_util::io::ReaderStream;
use utoipa::IntoParams;

/// Bytes read from the disk at a time.
const READ_BYTES: usize = 256 << 10;
/// Largest key image that is shown.
const PREVIEW_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FileQuery {
    /// Which received version; the current one when left out.
    version: Option<u32>,
}

fn uid(text: &str) -> Result<Uid, Problem> {
    text.parse()
        .map_err(|error| Problem::new(ProblemCode::InvalidParameter, format!("the UID in the address is {error}")))
}

/// The bytes of an instance as they were received.
#[utoipa::path(get, path = "/api/v1/instances/{sop_instance_uid}/file", tag = "studies", operation_id = "get_instance_file",
    params(("sop_instance_uid" = String, Path, description = "SOP Instance UID"), FileQuery),
    responses((status = 200, description = "A DICOM Part 10 file", content_type = "application/dicom", body = String),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_instance_file(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(sop_instance_uid): ApiPath<String>,
    ApiQuery(query): ApiQuery<FileQuery>,
) -> Result<Response, Problem> {
    let versions = state.catalog.instance_versions(&uid(&sop_instance_uid)?).await?;
    let wanted = versions.iter().find(|instance| query.version.is_none_or(|version| version == instance.version));
    let missing = || Problem::new(ProblemCode::InstanceNotFound, "no such instance, or version of it, is held");
    let instance = wanted.ok_or_else(missing)?;
    state.record_access(&headers, &instance.study_key, "file").await?;
    let reader = state.blobs.blob_open(&instance.blob).await?;
    let length = reader.size().to_string();
    // The name is made here, so nothing received can reach a file system through it.
    let disposition = format!("attachment; filename=\"{}.dcm\"", instance.key);
    let told = [
        (header::CONTENT_TYPE, "application/dicom"),
        (header::CONTENT_LENGTH, length.as_str()),
        (header::CONTENT_DISPOSITION, disposition.as_str()),
    ];
    let body = Body::from_stream(ReaderStream::with_capacity(reader, READ_BYTES));
    Ok((told, body).into_response())
}

/// The picture of a released key image.
#[utoipa::path(get, path = "/api/v1/results/{sop_instance_uid}/preview.png", tag = "studies", operation_id = "get_result_preview",
    params(("sop_instance_uid" = String, Path, description = "SOP Instance UID of the result")),
    responses((status = 200, description = "PNG", content_type = "image/png", body = String),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn get_result_preview(
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiPath(sop_instance_uid): ApiPath<String>,
) -> Result<Response, Problem> {
    let result = state.catalog.result_by_uid(&uid(&sop_instance_uid)?).await?;
    let missing = || Problem::new(ProblemCode::ResultNotFound, "no such result is held");
    let result = result.ok_or_else(missing)?;
    if result.retracted_by.is_some() {
        return Err(Problem::new(ProblemCode::ResultRetracted, "the result was retracted"));
    }
    check_shown(&state, &headers, &result).await?;
    if result.kind != ResultKind::KeyImage || PREVIEW_BYTES_MAX < result.size {
        return Err(no_preview());
    }
    state.record_access(&headers, &result.study_key, "key image").await?;
    let bytes = state.blobs.blob_get(&result.blob).await.map_err(or_missing(ProblemCode::ResultNotFound))?;
    let limits = state.limits.dicom;
    let picture = tokio::task::spawn_blocking(move || png_of(&bytes, &limits)).await;
    let picture = picture.ok().flatten().ok_or_else(no_preview)?;
    Ok(([(header::CONTENT_TYPE, "image/png")], picture).into_response())
}

fn no_preview() -> Problem {
    Problem::new(ProblemCode::NoPreview, "the result has no picture that can be shown")
}

/// A result is shown where the journey of the same reader shows it, and nowhere else.
async fn check_shown(state: &AppState, headers: &HeaderMap, result: &ResultObject) -> Result<(), Problem> {
    let refused = || Problem::new(ProblemCode::ResultNotReleased, "the result is not shown to readers");
    let journey = state.catalog.study_journey(&result.study_key).await?.ok_or_else(refused)?;
    let deployments = state.catalog.deployment_list().await?;
    let first_reads = own_first_reads(state, headers, &result.study_key).await?;
    let journeys = deployment_journeys(&journey, &deployments, &first_reads);
    let shown = journeys.iter().any(|d| d.deployment == result.deployment && d.status != Status::Hidden);
    if result.released && shown { Ok(()) } else { Err(refused()) }
}

/// First frame of an object with 8-bit grey or RGB pixels.
fn png_of(bytes: &[u8], limits: &Limits) -> Option<Vec<u8>> {
    let image = Image::open(bytes, None, limits).ok()?;
    let description = image.description.clone();
    let Samples::U8(mut pixels) = image.frame(0).ok()? else { return None };
    let colour = match (description.samples_per_pixel, description.photometric_interpretation.as_str()) {
        (1, "MONOCHROME2") => png::ColorType::Grayscale,
        (1, "MONOCHROME1") => {
            pixels.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
            png::ColorType::Grayscale
        }
        (3, "RGB") => png::ColorType::Rgb,
        _ => return None,
    };
    let mut text = Vec::new();
    let mut encoder = png::Encoder::new(&mut text, description.columns, description.rows);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(text)
}
