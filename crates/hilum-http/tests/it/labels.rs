//! Answers of readers, reports, and what becomes of them.

use crate::house::House;
use crate::object::Object;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use hilum_store::people::new_user;
use hilum_types::Presence;
use http_body_util::BodyExt;
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) async fn reader(house: &House, name: &str, role: &str) -> String {
    let user = new_user(name, "Dr Anna", vec![role.into()], PASSWORD, house.now()).await.unwrap();
    house.catalog.user_add(&user, "user:test").await.unwrap();
    let (status, body) = house.post_json("/api/v1/sessions", json!({ "user": name, "password": PASSWORD })).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    body["token"].as_str().unwrap().to_owned()
}

pub(crate) async fn post(house: &House, address: &str, headers: &[(&str, &str)], body: String) -> Response<Body> {
    let mut request = Request::post(address).header(header::HOST, "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    house.send(request.body(Body::from(body)).unwrap()).await
}

pub(crate) async fn answer(house: &House, token: &str, body: Value) -> (StatusCode, Value) {
    let bearer = format!("Bearer {token}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let response = post(house, "/api/v1/assessments", &headers, body.to_string()).await;
    let (status, bytes) = (response.status(), response.into_body().collect().await.unwrap().to_bytes());
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// A study that `chest` analysed.
pub(crate) async fn analysed(house: &House, state: &str) -> String {
    house.deploy(&[("chest", state)]).await;
    house.stow(&[Object::new(1, 1)]).await;
    house.complete().await;
    let key = house.evaluate(&[("chest", None)]).await;
    house.infer(Presence::Present).await;
    key.to_string()
}

/// AV-19, MV-24: only a reader answers, exposure is derived, and a repetition is one answer.
#[tokio::test]
async fn readers_answer_and_exposure_is_derived() {
    let house = House::new().await;
    let study = analysed(&house, "active").await;
    let (anna, bo) = (reader(&house, "anna", "radiologist").await, reader(&house, "bo", "technical").await);
    let agree = json!({ "study": study, "finding": "nodule", "agreement": "agree", "key": "1", "comment": "Dr X" });
    let (status, body) = house.post_json("/api/v1/assessments", agree.clone()).await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &"not-signed-in".into()));
    let (status, body) = answer(&house, &bo, agree.clone()).await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &"not-permitted".into()));
    let (status, first) = answer(&house, &anna, agree.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    let label = &first["labels"][0];
    assert_eq!(
        (&label["truth"], &label["class"], &label["by"]),
        (&"present".into(), &"directly_exposed".into(), &"user:anna".into())
    );
    assert_eq!(answer(&house, &anna, agree).await.1, first, "the same key again");
    let other = json!({ "study": study, "finding": "nodule", "agreement": "disagree", "key": "1" });
    assert_eq!(answer(&house, &anna, other).await.0, StatusCode::CONFLICT);
    for (bad, wanted) in [
        (json!({ "agreement": "agree" }), "name the study"),
        (json!({ "study": study }), "say what is true"),
        (json!({ "study": study, "agreement": "maybe" }), "one of agree"),
        (json!({ "study": study, "agreement": "disagree" }), "name the finding"),
        (json!({ "study": study, "agreement": "agree", "finding": "unicorn" }), "no finding \"unicorn\""),
        (json!({ "study": study, "agreement": "agree", "comment": "x".repeat(1001) }), "1000 characters"),
    ] {
        let (status, body) = answer(&house, &anna, bad).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(body["message"].as_str().unwrap().contains(wanted), "{body}");
    }
    let unknown = json!({ "result": "1.2.3.4", "agreement": "agree" });
    let (status, body) = answer(&house, &anna, unknown).await;
    assert_eq!((status, body["labels"].as_array().unwrap().len()), (StatusCode::ACCEPTED, 0));
    assert_eq!(house.json("/api/v1/assessments/set-aside").await["items"][0]["target"], "1.2.3.4");
    let labels = house.json(&format!("/api/v1/labels?study={study}&deployment=chest")).await;
    assert_eq!(labels["items"].as_array().unwrap().len(), 1);
    let before = house.json("/api/v1/labels?as_of=2026-11-23T09:00:00Z").await;
    assert_eq!(before["items"].as_array().unwrap().len(), 0, "nothing was known then (MV-27)");
    assert!(!labels.to_string().contains("Dr X"), "remarks stay inside");
}

/// `ui.md`: one press agrees or disagrees, two correct; without JavaScript.
#[tokio::test]
async fn the_page_takes_answers_in_two_presses() {
    let house = House::new().await;
    let study = analysed(&house, "active").await;
    let address = format!("/studies/{study}");
    reader(&house, "anna", "radiologist").await;
    assert!(house.page(&address).await.contains("Sign in to answer"));
    assert!(house.page(&format!("/sign-in?back={address}")).await.contains("current-password"));
    let form = format!("user=anna&password={}&back={address}", PASSWORD.replace(' ', "+"));
    let response = house.post_form("/sign-in", &form).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()[header::LOCATION], address);
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let page = async || {
        let request = Request::get(&address).header(header::HOST, "localhost").header(header::COOKIE, &cookie);
        let response = house.send(request.body(Body::empty()).unwrap()).await;
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    };
    let text = page().await;
    assert!(text.contains("Answering as Dr Anna") && text.contains(">Disagree</button>"));
    let field = |text: &str, name: &str| {
        let at = text.find(&format!("name=\"{name}\" value=\"")).unwrap() + name.len() + 15;
        text[at..].split('"').next().unwrap().to_owned()
    };
    let form = format!(
        "deployment={}&finding={}&key={}&answer=disagree",
        field(&text, "deployment"),
        field(&text, "finding"),
        field(&text, "key")
    );
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", cookie.as_str())];
    for _ in 0..2 {
        let response = post(&house, &format!("{address}/answers"), &headers, form.clone()).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
    }
    assert!(page().await.contains("you disagreed"));
    let labels = house.json("/api/v1/labels").await;
    assert_eq!(labels["items"].as_array().unwrap().len(), 1, "a double press is one answer");
    assert_eq!(labels["items"][0]["truth"], "absent");
    assert!(!house.page(&address).await.contains("you disagreed"), "nobody else is shown it");
    let cross = [headers[0], headers[1], ("sec-fetch-site", "cross-site")];
    assert_eq!(post(&house, &format!("{address}/answers"), &cross, form).await.status(), StatusCode::FORBIDDEN);
}

/// A shadow result is not shown; what is true can be said all the same, and is unexposed.
#[tokio::test]
async fn a_hidden_result_is_answered_blind() {
    let house = House::new().await;
    let study = analysed(&house, "shadow").await;
    let anna = reader(&house, "anna", "clinical").await;
    let request = Request::get(format!("/studies/{study}"))
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {anna}"));
    let response = house.send(request.body(Body::empty()).unwrap()).await;
    let page = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    assert!(page.contains("What do you see?") && page.contains("value=\"see-present\""));
    assert!(!page.contains("value=\"agree\""));
    let (_, body) = answer(&house, &anna, json!({ "study": study, "finding": "nodule", "truth": "absent" })).await;
    assert_eq!((&body["labels"][0]["class"], &body["labels"][0]["agreement"]), (&"unexposed".into(), &Value::Null));
}

async fn fhir(house: &House, token: &str, resource: Value) -> (StatusCode, Value) {
    let bearer = format!("Bearer {token}");
    let headers = [("content-type", "application/fhir+json"), ("authorization", bearer.as_str())];
    let response = post(house, "/fhir/DiagnosticReport", &headers, resource.to_string()).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/fhir+json; charset=utf-8");
    let (status, bytes) = (response.status(), response.into_body().collect().await.unwrap().to_bytes());
    (status, serde_json::from_slice(&bytes).unwrap())
}

fn diagnostic_report(accession: &str, patient: &str, status: &str, conclusion: &str) -> Value {
    json!({
        "resourceType": "DiagnosticReport", "status": status,
        "code": { "coding": [{ "system": "http://loinc.org", "code": "36643-5" }] },
        "identifier": [
            { "type": { "coding": [{ "code": "ACSN" }] }, "value": accession },
            { "system": "urn:ris", "value": format!("R-{accession}") },
        ],
        "subject": { "identifier": { "value": patient } },
        "issued": "2026-11-23T10:30:00+00:00",
        "conclusion": conclusion,
    })
}

/// AV-20, MV-28: a report becomes a label; another patient is listed; what is unmeasured says so.
#[tokio::test]
async fn a_diagnostic_report_becomes_a_label() {
    let house = House::with(|state| state.report_token = Some(hilum_types::Digest::of(b"secret"))).await;
    house.deploy(&[("chest", "active")]).await;
    let mut spec = house.catalog.deployment_get("chest").await.unwrap().unwrap().spec;
    let plan = json!({ "labels": { "extractor": [
        { "finding": "nodule", "name": "pneu", "version": "1", "present": ["nodule*"] } ] } });
    spec.monitoring = Some(serde_json::from_value(plan).unwrap());
    house.catalog.deployment_apply(&spec, house.package, "user:test", house.now()).await.unwrap();
    let object = Object::new(1, 1);
    house.stow(std::slice::from_ref(&object)).await;
    house.complete().await;
    house.evaluate(&[("chest", None)]).await;
    house.infer(Presence::Present).await;
    house.pass(3_600_000 * 3);
    let (accession, patient) = (object.accession.as_str(), object.patient_id.as_str());
    let of = |status: &str, text: &str| diagnostic_report(accession, patient, status, text);
    for wrong in ["wrong", "", " "] {
        assert_eq!(fhir(&house, wrong, of("final", "x")).await.0, StatusCode::UNAUTHORIZED, "{wrong:?}");
    }
    let (status, told) = fhir(&house, "secret", of("final", "No nodule.")).await;
    assert_eq!((status, &told["issue"][0]["severity"]), (StatusCode::CREATED, &"information".into()), "{told}");
    assert_eq!(fhir(&house, "secret", of("final", "No nodule.")).await.0, StatusCode::OK, "the same again");
    let labels = house.json("/api/v1/labels").await;
    let label = &labels["items"][0];
    assert_eq!(
        (&label["truth"], &label["source"], &label["extractor"]),
        (&"absent".into(), &"report".into(), &"pneu@1".into())
    );
    assert_eq!((&label["class"], &label["extractor_measured"]), (&"indirectly_exposed".into(), &false.into()));
    house.pass(1000);
    fhir(&house, "secret", of("corrected", "Nodule on the left.")).await;
    let labels = house.json("/api/v1/labels").await;
    assert_eq!((&labels["items"][0]["truth"], labels["items"].as_array().unwrap().len()), (&"present".into(), 2));
    let (status, told) = fhir(&house, "secret", diagnostic_report(accession, "SOMEBODY", "final", "x")).await;
    assert_eq!((status, &told["issue"][0]["severity"]), (StatusCode::CREATED, &"warning".into()));
    let unlinked = house.json("/api/v1/reports?linked=false").await;
    assert_eq!(unlinked["items"][0]["code"], "report.patient-mismatch");
    for bad in [json!([]), json!({ "resourceType": "Patient" }), json!({ "resourceType": "DiagnosticReport" })] {
        let (status, told) = fhir(&house, "secret", bad).await;
        assert_eq!((status, &told["resourceType"]), (StatusCode::BAD_REQUEST, &"OperationOutcome".into()));
    }
}

/// An empty token is none that could be known: nobody gets in by it.
#[tokio::test]
async fn an_empty_token_opens_nothing() {
    let house = House::with(|state| state.report_token = Some(hilum_types::Digest::of(b""))).await;
    let report = diagnostic_report("A1", "P1", "final", "x");
    assert_eq!(fhir(&house, "", report.clone()).await.0, StatusCode::UNAUTHORIZED);
    let response = post(&house, "/fhir/DiagnosticReport", &[], report.to_string()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

/// FHIR R4, base64Binary: white space may stand in it.
#[tokio::test]
async fn a_form_in_base64_may_be_broken_into_lines() {
    let house = House::new().await;
    let mut report = diagnostic_report("A1", "P1", "final", "");
    report["presentedForm"] = json!([{ "contentType": "text/plain", "data": "Tm8g\r\n bm9k\tdWxlLg==\n" }]);
    let (status, told) = fhir(&house, "", report.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{told}");
    let kept = house.catalog.report_list(&hilum_store::labels::ReportFilter::default(), 1).await.unwrap();
    assert_eq!(house.state.blobs.blob_get(&kept[0].blob).await.unwrap(), "No nodule.".as_bytes());
    report["presentedForm"][0]["data"] = json!("Tm8g*");
    assert_eq!(fhir(&house, "", report).await.0, StatusCode::BAD_REQUEST);
}
