//! One study as a trace collector sees it, on the protocol's own Python package.

use crate::oip::python;
use crate::program::{CANARIES, PATIENCE, Site, deploy, destination, send_canary, wait_for_delivery};
use crate::recall::Killed;
use hilum_testkit::SimulatedPacs;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;

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

/// The way of a study, from its last step back.
const STEPS: [&str; 5] = ["deliver", "release", "infer", "evaluate", "study"];

#[test]
fn a_collector_sees_the_steps_of_a_study_and_no_patient() {
    let Some(python) = python("opentelemetry.proto.collector.trace.v1.trace_service_pb2") else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../hilum-telemetry/tests/it/collector.py");
    let mut collector = Command::new(python).arg(script).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(collector.stdout.take().unwrap()).lines();
    let collector = Killed(collector);
    let port = lines.next().unwrap().unwrap();
    // Taken as they come: a collector that waits until somebody takes its lines answers nobody.
    let (sender, lines_of_spans) = mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).all(|line| sender.send(line).is_ok()));

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let more = format!("{}\n[telemetry]\notlp_endpoint = 'http://127.0.0.1:{port}'\n", destination(&pacs));
    let site = Site::new(&more);
    deploy(&site, "phantom-cxr", "active");
    let running = site.serve("info");
    let uids = send_canary(&site, &runtime);
    wait_for_delivery(&site);
    site.get(&format!("/api/v1/studies/{}?accession_number=CANARYACC1", uids[0])).unwrap();
    // All of it is told before the end, when only a moment is left for what waits.
    let mut text: Vec<String> = Vec::new();
    let (mut awaited, mut is_routed) = (BTreeSet::from(STEPS), false);
    while !awaited.is_empty() || !is_routed {
        let line = lines_of_spans.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("{awaited:?} are not told: {text:?}\n{}", site.log()));
        let span: Value = serde_json::from_str(&line).unwrap();
        awaited.remove(span["name"].as_str().unwrap());
        is_routed |= span["attributes"]["http.route"].as_str().is_some_and(|route| route.contains('{'));
        text.push(line);
    }
    running.stop();
    drop(collector);
    text.extend(lines_of_spans);

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
    assert_eq!(chain, STEPS);
    assert!(steps.iter().all(|span| span["status"] == "STATUS_CODE_UNSET"));
}
