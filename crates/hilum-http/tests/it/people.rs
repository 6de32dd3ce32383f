//! Who acted, looked and is signed in: proven by a session, or only typed.

use crate::house::House;
use crate::labels::{analysed, post, reader};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
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
