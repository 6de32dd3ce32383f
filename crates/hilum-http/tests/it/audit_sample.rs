//! MV-26: the worklist of the audit sample says what is to be answered, and nothing of what the model said before it is.

use crate::house::House;
use crate::labels::{PASSWORD, post, reader};
use crate::object::Object;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use hilum_registry::DeploymentSpec;
use hilum_types::Presence;
use http_body_util::BodyExt;
use serde_json::json;

/// Two studies drawn, of which the model calls one; its results stay inside.
async fn drawn() -> (House, [String; 2]) {
    let house = House::new().await;
    house.deploy(&[("chest", "shadow")]).await;
    let declared = house.catalog.deployment_get("chest").await.unwrap().unwrap().spec;
    let mut spec = serde_json::to_value(&declared).unwrap();
    spec["monitoring"] = json!({ "labels": { "audit_sample": { "seed": "2026", "positive": 1.0, "negative": 1.0 } } });
    let spec: DeploymentSpec = serde_json::from_value(spec).unwrap();
    house.catalog.deployment_apply(&spec, house.package, "user:test", house.now()).await.unwrap();
    let mut keys = Vec::new();
    for (number, presence) in [(1, Presence::Present), (2, Presence::Absent)] {
        house.stow(&[Object::new(number, 1)]).await;
        house.complete().await;
        keys.push(house.evaluate(&[("chest", None)]).await.to_string());
        house.infer(presence).await;
    }
    (house, keys.try_into().unwrap())
}

async fn signed_in(house: &House, name: &str, role: &str) -> String {
    reader(house, name, role).await;
    let form = format!("user={name}&password={}&back=/audit-sample", PASSWORD.replace(' ', "+"));
    let response = house.post_form("/sign-in", &form).await;
    assert_eq!(response.headers()[header::LOCATION], "/audit-sample");
    response.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
}

async fn page(house: &House, cookie: &str, address: &str) -> (StatusCode, String) {
    let request = Request::get(address).header(header::HOST, "localhost").header(header::COOKIE, cookie);
    let response = house.send(request.body(Body::empty()).unwrap()).await;
    let status = response.status();
    (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

/// The row of a study.
fn row<'a>(page: &'a str, study: &str) -> &'a str {
    let at = page.find(&format!("/studies/{study}?blind=true")).unwrap();
    let begin = page[..at].rfind("<tr>").unwrap();
    &page[begin..begin + page[begin..].find("</tr>").unwrap()]
}

#[tokio::test]
async fn cases_are_answered_without_what_the_model_said() {
    let (house, [called, passed]) = drawn().await;
    let (status, _) = house.get("/audit-sample").await;
    assert_eq!(status, StatusCode::SEE_OTHER, "who is not signed in signs in first");
    let bo = signed_in(&house, "bo", "technical").await;
    assert_eq!(page(&house, &bo, "/audit-sample").await.0, StatusCode::FORBIDDEN);
    let anna = signed_in(&house, "anna", "radiologist").await;
    let (_, text) = page(&house, &anna, "/audit-sample").await;
    assert!(text.contains("2 cases wait for an answer") && text.contains("0 of 2 answered"), "{text}");
    assert!(text.contains("Pulmonary nodule") && text.contains("Pleural effusion"));
    // The two rows differ in the case and in nothing else.
    let plain = |study: &str, number: u32| {
        let mut row = row(&text, study).replace(study, "KEY").replace(&format!("A{number:05}"), "ACCESSION");
        while let Some(at) = row.find("<td>") {
            // When it was drawn, which says when the study came.
            let end = at + row[at..].find("</td>").unwrap();
            let cell = if row[at..end].contains("<time") { "" } else { &row[at + 4..end] }.to_owned();
            row.replace_range(at..end + 5, &format!("|{cell}|"));
        }
        row
    };
    assert_eq!(plain(&called, 1), plain(&passed, 2));
    for told in ["0.83", "0.07", "ositive", "egative", "robability", "tratum", "resent</b>"] {
        assert!(!text.contains(told), "{told} gives the answer away in {text}");
    }
    let (_, blind) = page(&house, &anna, &format!("/studies/{called}?blind=true")).await;
    assert!(blind.contains("To be judged without what models said") && blind.contains("A00001"));
    for told in ["nodule", "chest-demo", "analysed", "released", "0.83", "inferred"] {
        assert!(!blind.contains(told), "{told} in {blind}");
    }
    // Tick and save: two actions for all findings of a case.
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", anna.as_str())];
    let case = format!("deployment=chest&revision=1&key=sample:{called}:1:chest");
    let address = format!("/audit-sample/{called}");
    for _ in 0..2 {
        let saved = post(&house, &address, &headers, format!("{case}&there%3Anodule=on&answer=ticked")).await;
        assert_eq!(saved.headers()[header::LOCATION], format!("/audit-sample?answered={called}").as_str());
    }
    let labels = house.catalog.label_list(&Default::default(), 10).await.unwrap();
    let told = labels.iter().map(|l| (l.finding.as_str(), format!("{:?} {:?}", l.truth, l.class())));
    // Both were entered in the same moment, so either may be first.
    let mut told: Vec<_> = told.collect();
    told.sort();
    assert_eq!(
        told,
        [("effusion", "Absent Unexposed".to_owned()), ("nodule", "Present Unexposed".to_owned())],
        "a double press is one answer"
    );
    assert!(labels.iter().all(|label| label.inclusion_probability == Some(1.0)));
    let (_, text) = page(&house, &anna, &format!("/audit-sample?answered={called}")).await;
    assert!(text.contains("1 case waits for an answer") && text.contains("1 of 2 answered"), "{text}");
    assert!(text.contains(&format!("href=\"/studies/{called}\"")) && !text.contains(&format!("{called}?blind")));
    let bad = post(&house, &address, &headers, format!("{case}&answer=perhaps")).await;
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
    // One press where nobody could judge it.
    let other = format!("deployment=chest&revision=1&key=sample:{passed}:1:chest&answer=uncertain");
    post(&house, &format!("/audit-sample/{passed}"), &headers, other).await;
    let (_, text) = page(&house, &anna, "/audit-sample").await;
    assert!(text.contains("No case of the audit sample waits") && text.contains("2 of 2 answered"), "{text}");
}
