use crate::house::{House, multipart, stow_request};
use crate::object::{DX, Object};
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;

async fn store(house: &House, address: &str, files: &[Vec<u8>]) -> (StatusCode, Value) {
    answer(house, stow_request(address, files)).await
}

async fn answer(house: &House, request: Request<Body>) -> (StatusCode, Value) {
    let response = house.send(request).await;
    let (status, kind) = (response.status(), response.headers().get(header::CONTENT_TYPE).cloned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    if status.is_success() {
        assert_eq!(kind.unwrap(), "application/dicom+json");
    }
    (status, serde_json::from_slice(&body).unwrap())
}

fn request(content_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post("/dicom-web/studies")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, content_type)
        .body(body.into())
        .unwrap()
}

const MULTIPART: &str = "multipart/related; type=\"application/dicom\"; boundary=b";

#[tokio::test]
async fn what_was_stored_comes_back_byte_for_byte() {
    let house = House::new().await;
    let objects = [Object::new(1, 1), Object::new(1, 2)];
    let files: Vec<Vec<u8>> = objects.iter().map(Object::file).collect();
    let (status, body) = store(&house, "/dicom-web/studies", &files).await;
    assert_eq!(status, StatusCode::OK);
    let stored = body["00081199"]["Value"].as_array().unwrap();
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[1]["00081155"]["Value"][0], objects[1].instance);
    assert_eq!(stored[1]["00081150"]["Value"][0], DX);
    assert_eq!(body.get("00081198"), None);
    for (object, file) in objects.iter().zip(&files) {
        let (status, bytes) = house.get(&format!("/api/v1/instances/{}/file", object.instance)).await;
        assert_eq!((status, &bytes[..]), (StatusCode::OK, &file[..]));
    }
    let found = house.json("/api/v1/studies?accession_number=A00001").await;
    assert_eq!(found["studies"][0]["n_instances"], 2);
    // The same again is a success and one copy; other bytes under the same identifier are a further version.
    assert_eq!(store(&house, "/dicom-web/studies", &files).await.0, StatusCode::OK);
    let mut other = objects[0].clone();
    other.grey = 9;
    assert_eq!(store(&house, "/dicom-web/studies", &[other.file()]).await.0, StatusCode::OK);
    let address = format!("/api/v1/instances/{}/file", objects[0].instance);
    assert_eq!(house.get(&address).await.1, files[0], "the first version stays current");
    assert_eq!(house.get(&format!("{address}?version=2")).await.1, other.file());
    assert_eq!(house.get(&format!("{address}?version=3")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_same_object_with_other_meta_information_is_a_duplicate() {
    let house = House::new().await;
    let file = Object::new(1, 1).file();
    let mut again = file.clone();
    again[0] = b'X';
    for file in [file, again] {
        assert_eq!(store(&house, "/dicom-web/studies", &[file]).await.0, StatusCode::OK);
    }
    assert_eq!(house.catalog.instance_versions(&Object::new(1, 1).uid()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_instance_of_another_study_is_refused_alone() {
    let house = House::new().await;
    let (own, other) = (Object::new(1, 1), Object::new(2, 1));
    let address = format!("/dicom-web/studies/{}", own.study);
    let (status, body) = store(&house, &address, &[other.file(), own.file()]).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let failed = &body["00081198"]["Value"][0];
    assert_eq!(failed["00081155"]["Value"][0], other.instance);
    assert_eq!(failed["00081197"]["Value"][0], 0xA900);
    assert_eq!(body["00081199"]["Value"].as_array().unwrap().len(), 1);
    assert_eq!(house.get(&format!("/api/v1/instances/{}/file", other.instance)).await.0, StatusCode::NOT_FOUND);
    let (status, _) = store(&house, &address, &[other.file()]).await;
    assert_eq!(status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn what_cannot_be_read_goes_into_quarantine_and_says_so() {
    let house = House::new().await;
    let mut cut = Object::new(1, 1).file();
    cut.truncate(cut.len() - 10);
    let junk = b"not DICOM at all".to_vec();
    let (status, body) = store(&house, "/dicom-web/studies", &[junk, cut, Object::new(3, 1).file(), Vec::new()]).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let failed = body["00081198"]["Value"].as_array().unwrap();
    assert_eq!(failed.iter().map(|f| f["00081197"]["Value"][0].as_u64().unwrap()).collect::<Vec<_>>(), [0xC000; 3]);
    let quarantine = house.json("/api/v1/quarantine").await;
    assert_eq!(quarantine["items"].as_array().unwrap().len(), 2, "an empty part leaves nothing to keep");
    assert_eq!(quarantine["items"][0]["source"], "stow");
}

#[tokio::test]
async fn quarantine_of_one_request_is_bounded() {
    let house = House::with(|state| state.limits.stow_quarantine_max = 3).await;
    let files: Vec<Vec<u8>> = (0..20).map(|i| format!("junk {i}").into_bytes()).collect();
    assert_eq!(store(&house, "/dicom-web/studies", &files).await.0, StatusCode::CONFLICT);
    assert_eq!(house.json("/api/v1/quarantine").await["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn refusals_have_their_status_and_code() {
    let house = House::with(|state| {
        state.limits.stow_instances_max = 2;
        state.limits.stow_body_bytes_max = 100_000;
        state.limits.dicom.file_bytes_max = 60_000;
    })
    .await;
    let small = Object::new(1, 1).file();
    let three = multipart("b", &[small.clone(), small.clone(), small.clone()]);
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("application/dicom", small.clone(), 415, "unsupported-media-type"),
        ("multipart/related; type=\"application/dicom+json\"; boundary=b", vec![], 415, "unsupported-media-type"),
        ("multipart/related; type=\"application/dicom\"", vec![], 400, "malformed-multipart"),
        (MULTIPART, b"no boundary".to_vec(), 400, "malformed-multipart"),
        (MULTIPART, b"--b\r\nContent-Type: application/dicom\r\n\r\ntruncat".to_vec(), 400, "malformed-multipart"),
        (MULTIPART, b"--b--\r\n".to_vec(), 400, "no-instances"),
        (MULTIPART, three, 413, "body-too-large"),
        (MULTIPART, vec![b'x'; 100_001], 413, "body-too-large"),
        (MULTIPART, multipart("b", &[vec![0; 60_001]]), 413, "body-too-large"),
    ];
    for (kind, body, status, code) in cases {
        let (found, answer) = answer(&house, request(kind, body)).await;
        assert_eq!((found.as_u16(), answer["code"].as_str()), (status, Some(code)), "{kind}");
    }
    let mut request = request(MULTIPART, multipart("b", &[small]));
    request.headers_mut().insert(header::ACCEPT, "application/dicom+xml".parse().unwrap());
    assert_eq!(answer(&house, request).await.0, StatusCode::NOT_ACCEPTABLE);
}

/// A body that never ends is refused at the limit, without a declared length and without being held in memory.
#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let house = House::with(|state| {
        state.limits.stow_body_bytes_max = 8 << 20;
        state.limits.dicom.file_bytes_max = 64 << 20;
    })
    .await;
    let head = Bytes::from_static(b"--b\r\nContent-Type: application/dicom\r\n\r\n");
    let chunk = Bytes::from(vec![7u8; 64 << 10]);
    let endless =
        futures::stream::iter(std::iter::once(head).chain(std::iter::repeat(chunk)).map(Ok::<_, std::io::Error>));
    let (status, body) = answer(&house, request(MULTIPART, Body::from_stream(endless))).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::PAYLOAD_TOO_LARGE, Some("body-too-large")));
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing_half_stored() {
    let house = House::new().await;
    let whole = multipart("b", &[Object::new(1, 1).file(), Object::new(1, 2).file()]);
    let first = Ok(Bytes::from(whole[..whole.len() - 300].to_vec()));
    let broken = futures::stream::iter([first, Err(std::io::Error::other("connection reset"))]);
    let (status, body) = answer(&house, request(MULTIPART, Body::from_stream(broken))).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::BAD_REQUEST, Some("malformed-multipart")));
    assert_eq!(
        house.get(&format!("/api/v1/instances/{}/file", Object::new(1, 2).instance)).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(store(&house, "/dicom-web/studies", &[Object::new(1, 1).file()]).await.0, StatusCode::OK);
}
