//! Records over HTTP: shown with what their signatures are worth, and signed by password (GV-02).

use crate::house::House;
use axum::http::StatusCode;
use hilum_sign::{NewRecord, RecordKind};
use hilum_store::people::new_user;
use serde_json::json;

#[tokio::test]
async fn a_record_is_signed_by_two_people() {
    let house = House::new().await;
    for (name, role) in [("anna", "clinical"), ("bo", "technical")] {
        let user = new_user(name, "Dr. Person", vec![role.into()], "correct horse", house.now()).await.unwrap();
        assert_eq!(user.password_hash, "", "of the password nothing is kept but the key that it seals");
        house.catalog.user_add(&user, "user:root").await.unwrap();
    }
    let record = NewRecord {
        kind: RecordKind::Validation,
        subject: "chest".into(),
        body: json!({ "format": 1, "verdict": "pass" }),
        author: "user:anna".into(),
    };
    let digest = house.catalog.record_add(&record, house.now()).await.unwrap().record.digest.to_string();
    let listed = house.json("/api/v1/records?kind=validation&subject=chest").await;
    assert_eq!((&listed["items"][0]["digest"], &listed["items"][0]["intact"]), (&json!(digest), &json!(true)));
    assert_eq!(house.json("/api/v1/records?kind=recall").await["items"], json!([]));
    assert_eq!(house.get("/api/v1/records?kind=no").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(house.get("/api/v1/records/000000000000").await.0, StatusCode::NOT_FOUND);

    let address = format!("/api/v1/records/{}/signatures", &digest[..12]);
    let sign =
        |user: &str, password: &str, meaning: &str| json!({ "user": user, "password": password, "meaning": meaning });
    for (user, password) in [("anna", "wrong horse"), ("nobody", "correct horse")] {
        let (status, body) = house.post_json(&address, sign(user, password, "approved_clinical")).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("not-signed-in")));
        assert!(!body.to_string().contains("horse"));
    }
    let (status, body) = house.post_json(&address, sign("anna", "correct horse", "approved_clinical")).await;
    assert_eq!((status, &body["approved_clinical"]), (StatusCode::OK, &json!("anna")), "{body}");
    assert_eq!(body["missing"], json!(["approval in the technical role"]));
    let (status, body) = house.post_json(&address, sign("anna", "correct horse", "approved_technical")).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("conflict")), "anna does not hold that role");
    let (status, body) = house.post_json(&address, sign("bo", "correct horse", "approved_technical")).await;
    assert_eq!((status, &body["missing"]), (StatusCode::OK, &json!([])));
    assert!(body["signatures"].as_array().unwrap().iter().all(|signature| signature["holds"] == true));
    assert_eq!(house.post_json(&address, sign("bo", "correct horse", "maybe")).await.0, StatusCode::BAD_REQUEST);

    // A program that guesses is stopped, and it is in the audit record, without what was tried.
    for _ in 0..18 {
        house.post_json(&address, sign("nobody", "guess", "reviewed")).await;
    }
    let (status, body) = house.post_json(&address, sign("anna", "correct horse", "reviewed")).await;
    assert_eq!((status, &body["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("too-many-attempts")));
    house.pass(900_000);
    assert_eq!(house.post_json(&address, sign("anna", "correct horse", "reviewed")).await.0, StatusCode::OK);
    let audit = house.json("/api/v1/audit?limit=1000").await.to_string();
    assert!(audit.contains("sign-in refused") && !audit.contains("guess") && !audit.contains("nobody"));
    assert_eq!(house.json("/api/v1/audit/verify").await["intact"], true);
}
