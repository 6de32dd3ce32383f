//! Who acted, looked and is signed in: proven by a session, or only typed.

use crate::house::House;
use crate::labels::{PASSWORD, analysed, answer, post, reader};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use hilum_registry::ReadingMode;
use hilum_store::people::sign_in;
use http_body_util::BodyExt;
use serde_json::{Value, json};

async fn get_as(house: &House, token: &str, address: &str) -> (StatusCode, Vec<u8>) {
    let request = Request::get(address)
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let response = house.send(request.body(Body::empty()).unwrap()).await;
    (response.status(), response.into_body().collect().await.unwrap().to_bytes().to_vec())
}

async fn actors(house: &House, action: &str) -> Vec<String> {
    let audit = house.json("/api/v1/audit?limit=1000").await;
    let entries = audit["items"].as_array().unwrap().iter().filter(|entry| entry["action"] == action);
    let mut actors: Vec<String> = entries.map(|entry| entry["actor"].as_str().unwrap().to_owned()).collect();
    actors.sort();
    actors
}

/// Who is signed in acts under that name, whatever is typed.
#[tokio::test]
async fn a_session_says_who_acts() {
    let house = House::new().await;
    house.deploy(&[("chest", "active")]).await;
    let bearer = format!("Bearer {}", reader(&house, "anna", "clinical").await);
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let act = json!({ "reason": "false alarms", "by": "Somebody Else" }).to_string();
    let response = post(&house, "/api/v1/deployments/chest/suspend", &headers, act).await;
    assert_eq!(response.status(), StatusCode::OK);
    let body: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(body["suspension"]["by"], "user:anna");
    assert!(house.page("/deployments").await.contains("Suspended by anna: false alarms"));
}

/// GV-02: each person who looks at a study has an entry, and looking again soon has none.
#[tokio::test]
async fn everybody_who_looks_is_entered() {
    let house = House::new().await;
    let study = analysed(&house, "active").await;
    let (anna, bo) = (reader(&house, "anna", "clinical").await, reader(&house, "bo", "technical").await);
    let address = format!("/api/v1/studies/{study}");
    for _ in 0..2 {
        house.json(&address).await;
        assert_eq!(get_as(&house, &anna, &address).await.0, StatusCode::OK);
        assert_eq!(get_as(&house, &bo, &format!("/studies/{study}")).await.0, StatusCode::OK);
    }
    assert_eq!(actors(&house, "study_accessed").await, ["unproven:local", "user:anna", "user:bo"]);
}

/// Whoever has saved a first impression sees the result and its picture; nobody else does.
#[tokio::test]
async fn a_first_impression_shows_the_key_image_too() {
    let house = House::new().await;
    house.deploy(&[("chest", "active")]).await;
    let mut spec = house.catalog.deployment_get("chest").await.unwrap().unwrap().spec;
    spec.reading_mode = ReadingMode::AfterFirstRead;
    house.catalog.deployment_apply(&spec, house.package, "user:test", house.now()).await.unwrap();
    house.stow(&[crate::object::Object::new(1, 1)]).await;
    house.complete().await;
    let study = house.evaluate(&[("chest", None)]).await.to_string();
    let uid = house.infer(hilum_types::Presence::Present).await;
    let (anna, bo) = (reader(&house, "anna", "radiologist").await, reader(&house, "bo", "radiologist").await);
    let (picture, journey) = (format!("/api/v1/results/{uid}/preview.png"), format!("/api/v1/studies/{study}"));
    let status = async |token: &str| {
        let (_, body) = get_as(&house, token, &journey).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["deployments"][0]["status"].clone()
    };
    assert_eq!(get_as(&house, &anna, &picture).await.0, StatusCode::FORBIDDEN);
    assert_eq!(status(&anna).await, "hidden");
    let (entered, body) =
        answer(&house, &anna, json!({ "study": study, "finding": "nodule", "truth": "absent" })).await;
    assert_eq!(entered, StatusCode::CREATED, "{body}");
    let (shown, bytes) = get_as(&house, &anna, &picture).await;
    assert!(shown == StatusCode::OK && bytes.starts_with(b"\x89PNG"), "{shown}");
    assert_eq!((status(&anna).await, status(&bo).await), (json!("finding"), json!("hidden")));
    assert_eq!(get_as(&house, &bo, &picture).await.0, StatusCode::FORBIDDEN);
    assert_eq!(house.get(&picture).await.0, StatusCode::FORBIDDEN);
}

/// A new password ends the sessions that the old one began.
#[tokio::test]
async fn a_session_ends_with_the_password() {
    let house = House::new().await;
    let study = analysed(&house, "active").await;
    let anna = reader(&house, "anna", "radiologist").await;
    let agree = |key: &str| json!({ "study": study, "finding": "nodule", "agreement": "agree", "key": key });
    assert_eq!(answer(&house, &anna, agree("1")).await.0, StatusCode::CREATED);
    let person = sign_in(&*house.catalog, "anna", PASSWORD, house.now()).await.unwrap();
    person.change_password(&*house.catalog, "another horse battery", house.now()).await.unwrap();
    let (status, body) = answer(&house, &anna, agree("2")).await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &"not-signed-in".into()));
}
