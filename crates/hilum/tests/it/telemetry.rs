//! One study as a trace collector sees it, on the protocol's own Python package.

use crate::oip::python;
use crate::program::{CANARIES, Site, deploy, destination, send_canary, wait_for_delivery};
use hilum_testkit::SimulatedPacs;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Everything a span or its resource may say.
const ALLOWED: [&str; 9] = [
    "service.name",
    "service.version",
    "service.instance.id",
    "hilum.deployment",
    "hilum.study.revision",
    "hilum.job.attempt",
    "http.request.method",
    "http.route",
    "http.response.status_code",
];

#[test]
fn a_collector_sees_the_steps_of_a_study_and_no_patient() {
    let Some(python) = python("opentelemetry.proto.collector.trace.v1.trace_service_pb2") else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../hilum-telemetry/tests/it/collector.py");
    let mut collector = Command::new(python).arg(script).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(collector.stdout.take().unwrap()).lines();
    let port = lines.next().unwrap().unwrap();

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let more = format!("{}\n[telemetry]\notlp_endpoint = 'http://127.0.0.1:{port}'\n", destination(&pacs));
    let site = Site::new(&more);
    deploy(&site, "phantom-cxr", "active");
    let running = site.serve("info");
    let uids = send_canary(&site, &runtime);
    wait_for_delivery(&site);
    site.get(&format!("/api/v1/studies/{}?accession_number=CANARYACC1", uids[0])).unwrap();
    running.stop();
    collector.kill().unwrap();
    collector.wait().unwrap();
    let text: Vec<String> = lines.map_while(Result::ok).collect();

    for canary in CANARIES.iter().copied().chain(uids.iter().map(String::as_str)) {
        assert!(text.iter().all(|line| !line.contains(canary)), "a span holds {canary}");
    }
    let spans: Vec<Value> = text.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: BTreeSet<&str> = spans
        .iter()
        .flat_map(|span| [&span["resource"], &span["attributes"]])
        .flat_map(|attributes| attributes.as_object().unwrap().keys().map(String::as_str))
        .collect();
    assert!(said.iter().all(|key| ALLOWED.contains(key)), "{said:?}");
    let routes: BTreeSet<&str> = spans.iter().filter_map(|span| span["attributes"]["http.route"].as_str()).collect();
    assert!(routes.iter().any(|route| route.contains('{')), "requests are told by their route: {routes:?}");

    // study -> evaluate -> infer -> release -> deliver, in one trace.
    let study = spans.iter().find(|span| span["name"] == "study").expect("the study is a span");
    let steps: Vec<&Value> = spans.iter().filter(|span| span["trace"] == study["trace"]).collect();
    let by_id: BTreeMap<&str, &Value> = steps.iter().map(|span| (span["span"].as_str().unwrap(), *span)).collect();
    let mut chain = Vec::new();
    let mut at = steps.iter().copied().find(|span| span["name"] == "deliver").expect("a delivery is a span");
    loop {
        chain.push(at["name"].as_str().unwrap());
        let parent = at["parent"].as_str().unwrap();
        if parent.is_empty() {
            break;
        }
        at = by_id.get(parent).copied().expect("a parent is a span of the trace");
    }
    assert_eq!(chain, ["deliver", "release", "infer", "evaluate", "study"]);
    assert!(steps.iter().all(|span| span["status"] == "STATUS_CODE_UNSET"));
}
