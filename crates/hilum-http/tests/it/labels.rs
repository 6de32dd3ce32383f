//! Answers of readers, reports, and what becomes of them.

use crate::house::House;
use crate::object::Object;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use hilum_registry::monitoring::ExtractorSpec;
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
        "deployment={}&revision={}&finding={}&key={}&answer=disagree",
        field(&text, "deployment"),
        field(&text, "revision"),
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
    // To agree would copy what the model said into the truth, and tell it to whoever asks.
    let mut told = Vec::new();
    for more in [json!({}), json!({ "truth": "absent" }), json!({ "truth": "present" })] {
        let mut asked = json!({ "study": study, "finding": "nodule", "agreement": "agree" });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, body) = answer(&house, &anna, asked).await;
        assert_eq!(status, StatusCode::CONFLICT, "{body}");
        assert!(body["message"].as_str().unwrap().contains("not shown to you"), "{body}");
        told.push(body);
    }
    assert!(told.iter().all(|body| *body == told[0]), "the refusal says nothing of the output");
    let (_, body) = answer(&house, &anna, json!({ "study": study, "finding": "nodule", "truth": "absent" })).await;
    assert_eq!((&body["labels"][0]["class"], &body["labels"][0]["agreement"]), (&"unexposed".into(), &Value::Null));
    // What anna says of it is told to her, and to whoever oversees, and to nobody else.
    let bo = reader(&house, "bo", "radiologist").await;
    let overseer = reader(&house, "gov", "governance").await;
    for (token, wanted) in [(None, 0), (Some(&bo), 0), (Some(&anna), 1), (Some(&overseer), 1)] {
        assert_eq!(labels_told(&house, token).await, wanted);
    }
}

async fn labels_told(house: &House, token: Option<&String>) -> usize {
    told(house, "/api/v1/labels", token).await.as_array().unwrap().len()
}

/// The items of a list as somebody who is signed in reads them.
async fn told(house: &House, address: &str, token: Option<&String>) -> Value {
    let mut request = Request::get(address).header(header::HOST, "localhost");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = house.send(request.body(Body::empty()).unwrap()).await;
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    body["items"].clone()
}

/// A press says what was seen: after a late image the page is another one.
#[tokio::test]
async fn an_answer_is_about_the_revision_that_was_shown() {
    let house = House::new().await;
    let study = analysed(&house, "active").await;
    let anna = reader(&house, "anna", "radiologist").await;
    let press = |key: &str, revision: Value| {
        let target = json!({ "study": study, "deployment": "chest", "revision": revision });
        let mut asked = json!({ "finding": "nodule", "agreement": "agree", "key": key });
        asked.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
        asked
    };
    let (status, shown) = answer(&house, &anna, press("1", json!(1))).await;
    assert_eq!((status, &shown["labels"][0]["revision"]), (StatusCode::CREATED, &json!(1)), "{shown}");
    let (_, any) = answer(&house, &anna, press("2", Value::Null)).await;
    house.stow(&[Object::new(1, 2)]).await;
    house.complete().await;
    house.evaluate(&[("chest", None)]).await;
    house.infer(Presence::Absent).await;
    assert_eq!(answer(&house, &anna, press("1", json!(1))).await, (StatusCode::CREATED, shown), "the same again");
    assert_eq!(answer(&house, &anna, press("2", Value::Null)).await, (StatusCode::CREATED, any), "the same again");
    let (status, body) = answer(&house, &anna, press("3", json!(1))).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &"conflict".into()), "{body}");
    let (status, body) = answer(&house, &anna, press("3", json!(2))).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert_eq!((&body["labels"][0]["revision"], &body["labels"][0]["truth"]), (&json!(2), &"absent".into()));
}

/// MV-26: the worklist does not say what the model said before somebody has said what is true.
#[tokio::test]
async fn the_worklist_is_blind() {
    let house = House::new().await;
    house.deploy(&[("chest", "active")]).await;
    let mut spec = house.catalog.deployment_get("chest").await.unwrap().unwrap().spec;
    let sample = json!({ "seed": "2026", "positive": 1.0, "negative": 1.0 });
    spec.monitoring = Some(serde_json::from_value(json!({ "labels": { "audit_sample": sample } })).unwrap());
    house.catalog.deployment_apply(&spec, house.package, "user:test", house.now()).await.unwrap();
    house.stow(&[Object::new(1, 1)]).await;
    house.complete().await;
    let study = house.evaluate(&[("chest", None)]).await.to_string();
    house.infer(Presence::Present).await;
    let anna = reader(&house, "anna", "radiologist").await;
    let cases = async || house.json("/api/v1/deployments/chest/audit-sample").await["items"][0].clone();
    let open = cases().await;
    assert_eq!((&open["study"], &open["adjudicated_at"]), (&study.as_str().into(), &Value::Null));
    assert_eq!((&open["stratum"], &open["probability"]), (&Value::Null, &Value::Null));
    // Who oversees may read studies too, and answer this one.
    let auditor = reader(&house, "rita", "auditor").await;
    let told_open = told(&house, "/api/v1/deployments/chest/audit-sample", Some(&auditor)).await;
    assert_eq!((&told_open[0]["stratum"], &told_open[0]["probability"]), (&Value::Null, &Value::Null));
    let (status, body) = answer(&house, &anna, json!({ "study": study, "finding": "nodule", "truth": "absent" })).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let done = cases().await;
    // Another finding, or another reader of the same case, may still be to come.
    assert_eq!((&done["stratum"], &done["probability"]), (&Value::Null, &Value::Null));
    assert_ne!(done["adjudicated_at"], Value::Null);
    assert_eq!(told(&house, "/api/v1/labels", Some(&anna)).await[0]["inclusion_probability"], Value::Null);
    let cases = told(&house, "/api/v1/deployments/chest/audit-sample", Some(&auditor)).await;
    assert_eq!((&cases[0]["stratum"], &cases[0]["probability"]), (&"positive".into(), &json!(1.0)));
    assert_eq!(told(&house, "/api/v1/labels", Some(&auditor)).await[0]["inclusion_probability"], json!(1.0));
    assert_eq!(labels_told(&house, None).await, 0, "the next who adjudicates is not told");
    assert_eq!(labels_told(&house, Some(&anna)).await, 1);
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

/// A house whose deployment `chest` reads `nodule` out of reports, with one study that it analysed.
async fn reading_house(present: &[&str]) -> (House, Object) {
    let house = House::with(|state| state.report_token = Some(hilum_types::Digest::of(b"secret"))).await;
    house.deploy(&[("chest", "active")]).await;
    declare_extractor(&house, present).await;
    let object = Object::new(1, 1);
    house.stow(std::slice::from_ref(&object)).await;
    house.complete().await;
    house.evaluate(&[("chest", None)]).await;
    house.infer(Presence::Present).await;
    house.pass(3_600_000 * 3);
    (house, object)
}

async fn declare_extractor(house: &House, present: &[&str]) -> ExtractorSpec {
    let mut spec = house.catalog.deployment_get("chest").await.unwrap().unwrap().spec;
    let declared = json!({ "finding": "nodule", "name": "pneu", "version": "1", "present": present });
    spec.monitoring = Some(serde_json::from_value(json!({ "labels": { "extractor": [declared.clone()] } })).unwrap());
    house.catalog.deployment_apply(&spec, house.package, "user:test", house.now()).await.unwrap();
    serde_json::from_value(declared).unwrap()
}

/// MV-28: the error that was measured is that of one declaration; one phrase more is another program.
#[tokio::test]
async fn an_extractor_is_measured_as_it_is_declared() {
    let (house, object) = reading_house(&["nodule*"]).await;
    let spec = declare_extractor(&house, &["nodule*"]).await;
    let record = hilum_sign::NewRecord {
        kind: hilum_sign::RecordKind::ExtractorError,
        subject: hilum_store::reports::extractor_subject(&spec),
        body: json!({ "format": 1, "declaration": hilum_monitor::report::declaration_digest(&spec) }),
        author: "user:anna".into(),
    };
    house.catalog.record_add(&record, house.now()).await.unwrap();
    let of = |text: &str| diagnostic_report(&object.accession, &object.patient_id, "final", text);
    fhir(&house, "secret", of("No nodule.")).await;
    let measured = async || {
        let labels = house.json("/api/v1/labels").await;
        let told = labels["items"].as_array().unwrap();
        told.iter().map(|label| label["extractor_measured"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(measured().await, [true]);
    declare_extractor(&house, &["nodule*", "round lesion*"]).await;
    house.pass(1000);
    fhir(&house, "secret", of("No nodule at all.")).await;
    assert_eq!(measured().await, [false, true], "newest first");
}

/// AV-20: one report whose text cannot be read does not keep the others back.
#[tokio::test]
async fn one_unreadable_report_does_not_stop_the_others() {
    let (house, first) = reading_house(&["nodule*"]).await;
    let second = Object::new(2, 1);
    let of = |object: &Object, text: &str| {
        let mut report = diagnostic_report(&object.accession, &object.patient_id, "final", text);
        report["identifier"][1]["value"] = text.into();
        report
    };
    // The study of both comes later, so that they are kept first and read afterwards.
    let late = Object { accession: "LATE".into(), ..second.clone() };
    fhir(&house, "secret", of(&late, "A nodule, unreadable.")).await;
    let kept = house.catalog.report_list(&hilum_store::labels::ReportFilter::default(), 1).await.unwrap().remove(0);
    let name = kept.blob.to_string();
    let path = house.folder.path().join("blobs").join(&name[..2]).join(&name);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    house.stow(&[late]).await;
    house.complete().await;
    house.evaluate(&[("chest", None)]).await;
    house.infer(Presence::Present).await;
    fhir(&house, "secret", of(&first, "No nodule.")).await;
    let labels = house.json("/api/v1/labels").await;
    assert_eq!((labels["items"].as_array().unwrap().len(), &labels["items"][0]["truth"]), (1, &"absent".into()));
    // One that is gone for good is told of, and is not tried again.
    std::fs::remove_dir(&path).unwrap();
    let read = async || hilum_store::reports::read_reports(&*house.catalog, &*house.state.blobs, house.now()).await;
    assert_eq!(read().await.unwrap(), 0);
    let alarms = house.catalog.alarm_list(true, 10).await.unwrap();
    assert!(alarms.iter().any(|alarm| alarm.code == "report-unreadable"), "{alarms:?}");
}
