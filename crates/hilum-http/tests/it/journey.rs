use crate::house::{House, not_eligible};
use crate::object::Object;
use axum::http::StatusCode;
use hilum_store::records::DeliveryOutcome;
use hilum_types::Presence;
use serde_json::Value;

fn deployment<'a>(journey: &'a Value, name: &str) -> &'a Value {
    let all = journey["deployments"].as_array().unwrap();
    all.iter().find(|d| d["deployment"] == name).unwrap_or_else(|| panic!("{name} is on the journey"))
}

/// GV-11, UX-01: one address tells what arrived, what each model decided on which value, what ran and where it is.
#[tokio::test]
async fn the_journey_of_one_study() {
    let house = House::new().await;
    house.deploy(&[("chest", "active"), ("hand", "active"), ("trial", "shadow")]).await;
    house.stow(&[Object::new(1, 1), Object::new(1, 2)]).await;
    let uid = Object::new(1, 1).study;
    let receiving = house.json(&format!("/api/v1/studies/{uid}")).await;
    assert_eq!(receiving["state"], "receiving");
    house.complete().await;
    let key = house.evaluate(&[("chest", None), ("hand", Some(not_eligible())), ("trial", None)]).await;
    let waiting = house.json(&format!("/api/v1/studies/{uid}")).await;
    assert_eq!(deployment(&waiting, "chest")["status"], "waiting");
    assert_eq!(deployment(&waiting, "chest")["disposition"], Value::Null);
    let running = house.lease(hilum_store::JobKind::Infer).await.unwrap();
    let name = running.deployment.clone().unwrap();
    assert_eq!(deployment(&house.json(&format!("/api/v1/studies/{uid}")).await, &name)["status"], "running");
    house.catalog.job_retry(&running.lease(), house.now(), "again", house.now()).await.unwrap();
    for _ in 0..2 {
        house.infer(Presence::Present).await;
    }
    while house.deliver(DeliveryOutcome::Delivered).await {}

    let journey = house.json(&format!("/api/v1/studies/{uid}")).await;
    assert_eq!(journey, house.json(&format!("/api/v1/studies/{key}")).await, "by key and by UID");
    assert_eq!(journey["instances"].as_array().unwrap().len(), 2);
    assert_eq!(journey["revisions"][0]["n_instances"], 2);
    let chest = deployment(&journey, "chest");
    assert_eq!((&chest["status"], &chest["disposition"]), (&"finding".into(), &"analysed".into()));
    assert_eq!(chest["inference"]["engine"], "tract 0.23");
    assert_eq!(chest["inference"]["duration_ms"], 840.0);
    assert_eq!(chest["inference"]["findings"][0]["score"], 0.83);
    let stages: Vec<&str> =
        chest["decisions"].as_array().unwrap().iter().map(|d| d["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["before_inference", "before_release"]);
    let step = &chest["decisions"][0]["steps"][3];
    assert_eq!(
        (&step["step"], &step["outcome"], &step["reason"]["value"]),
        (&"intended_use".into(), &"passed".into(), &"DX".into())
    );
    assert_eq!(chest["results"].as_array().unwrap().len(), 2);
    assert!(chest["deliveries"].as_array().unwrap().iter().all(|d| d["state"] == "delivered"));
    let hand = deployment(&journey, "hand");
    assert_eq!((&hand["status"], &hand["disposition"]), (&"not_eligible".into(), &"not_eligible".into()));
    assert_eq!(hand["reasons"][0]["value"], "HAND");
    assert_eq!(hand["decisions"][0]["steps"][3]["outcome"], "stopped");
    assert!(!journey["events"].as_array().unwrap().is_empty());

    // MV-16: what ran in shadow is said, what it found is not.
    let trial = deployment(&journey, "trial");
    assert_eq!((&trial["status"], &trial["disposition"]), (&"hidden".into(), &"analysed".into()));
    assert_eq!(trial["inference"]["findings"].as_array().unwrap().len(), 0);
    let hidden = trial["results"].as_array().unwrap().iter().find(|r| r["kind"] == "key_image").unwrap();
    let (status, body) =
        house.get(&format!("/api/v1/results/{}/preview.png", hidden["sop_instance_uid"].as_str().unwrap())).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{}", String::from_utf8_lossy(&body));
    let page = house.page(&format!("/studies/{key}")).await;
    assert!(page.contains("not shown to readers"));

    // The pages say the same in words.
    assert!(page.contains("Pulmonary nodule"), "{page}");
    assert!(page.contains("Body part is HAND, the model takes CHEST"));
    let list = house.page("/").await;
    assert!(list.contains("1 study today, all analysed"), "{list}");
    assert!(list.contains("Not eligible"));

    // MV-20: the books balance.
    let books = house.json("/api/v1/books").await;
    assert_eq!((&books["balanced"], books["books"].as_array().unwrap().len()), (&true.into(), 3));
    assert_eq!(books["books"][1]["dispositions"]["not_eligible"], 1);
}

/// The decoded picture is the one that was encoded.
#[tokio::test]
async fn key_image_as_png() {
    let house = House::new().await;
    house.deploy(&[("chest", "active")]).await;
    house.stow(&[Object::new(1, 1)]).await;
    house.complete().await;
    house.evaluate(&[("chest", None)]).await;
    let uid = house.infer(Presence::Present).await;
    let (status, bytes) = house.get(&format!("/api/v1/results/{uid}/preview.png")).await;
    assert_eq!(status, StatusCode::OK);
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((frame.width, frame.height, frame.color_type), (256, 256, png::ColorType::Rgb));
    let at = |x: usize, y: usize| &pixels[(y * 256 + x) * 3..][..3];
    assert_eq!((at(60, 100), at(85, 115)), (&[255, 210, 74][..], &[170, 170, 170][..]));
}

#[tokio::test]
async fn lists_filters_and_pages() {
    let house = House::new().await;
    house.deploy(&[("chest", "active")]).await;
    for study in 1..=3 {
        house.stow(&[Object::new(study, 1)]).await;
        house.pass(10);
    }
    let first = house.json("/api/v1/studies?limit=2").await;
    assert_eq!(first["studies"][0]["accession_number"], "A00003");
    let next = first["next"].as_str().unwrap();
    let second = house.json(&format!("/api/v1/studies?limit=2&before={next}")).await;
    assert_eq!((second["studies"].as_array().unwrap().len(), &second["next"]), (1, &Value::Null));
    assert_eq!(house.json("/api/v1/studies?state=complete").await["studies"].as_array().unwrap().len(), 0);
    for (address, code) in [
        ("/api/v1/studies?limit=0", "invalid-parameter"),
        ("/api/v1/studies?state=lost", "invalid-parameter"),
        ("/api/v1/studies?accession=1", "invalid-parameter"),
        ("/api/v1/studies/1.2.3", "study-not-found"),
        ("/api/v1/studies/..%2Fetc", "invalid-parameter"),
        ("/api/v1/books?from=2026-02-30", "invalid-parameter"),
        ("/api/v1/books?from=2026-11-24&to=2026-11-23", "invalid-parameter"),
        ("/api/v1/models/zzz", "invalid-parameter"),
        ("/api/v1/models/000000000000", "model-not-found"),
        ("/api/v1/deployments/none", "deployment-not-found"),
        ("/api/v1/instances/1.2/file", "instance-not-found"),
        ("/api/v1/results/1.2/preview.png", "result-not-found"),
        ("/api/v1/nothing", "no-such-address"),
    ] {
        let (status, body) = house.get(address).await;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert!(status.is_client_error() && problem["code"] == code, "{address}: {status} {problem}");
        assert!(!problem["remedy"].as_str().unwrap().is_empty());
    }
    for address in ["/", "/deployments", "/deliveries", "/system?verify=true", "/?state=receiving&modality=DX"] {
        assert!(house.page(address).await.contains("<h1"), "{address}");
    }
}
