//! Spans on the wire: what the protocol's own package decodes, and what happens when nobody listens.

use hilum_telemetry::{Attribute, Name, Span, Spans, TelemetryOptions, TraceId, start};
use hilum_types::Timestamp;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

fn span(trace: TraceId, name: Name, parent: Option<Name>) -> Span {
    Span {
        trace,
        id: trace.span(name, "cxr"),
        parent: parent.map(|parent| trace.span(parent, "cxr")),
        name,
        begun_at: Timestamp::from_micros(1_000_000),
        ended_at: Timestamp::from_micros(2_500_000),
        failed: name == Name::Infer,
        attributes: vec![Attribute::Deployment("cxr".into()), Attribute::Revision(2), Attribute::Attempt(1)],
    }
}

fn options(endpoint: String) -> TelemetryOptions {
    // As the program does at its start; a second call changes nothing.
    let _already_chosen = rustls::crypto::ring::default_provider().install_default();
    TelemetryOptions { endpoint, instance: "host:1".to_owned() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_package_of_the_protocol_reads_what_was_sent() {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let needed = "import opentelemetry.proto.collector.trace.v1.trace_service_pb2";
    let there = Command::new(&python).args(["-c", needed]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        let text = "opentelemetry-proto is not importable; name an interpreter that has it in HILUM_PYTHON";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("skipped: {text}");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/collector.py");
    let mut collector = Command::new(python).arg(script).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(collector.stdout.take().unwrap()).lines();
    let port = lines.next().unwrap().unwrap();
    let (spans, exporter) = start(options(format!("http://127.0.0.1:{port}/")));
    let trace = TraceId::of_study("01abc", 2);
    assert_eq!(trace, TraceId::of_study("01abc", 2));
    assert_ne!(trace, TraceId::of_study("01abc", 3));
    spans.add(span(trace, Name::Evaluate, None));
    spans.add(span(trace, Name::Infer, Some(Name::Evaluate)));
    let mut asked = span(TraceId::random(), Name::Request, None);
    let route = Attribute::Route("/api/v1/studies/{uid}".into());
    asked.attributes = vec![Attribute::Method("GET"), route, Attribute::Status(404)];
    // The clock was set back.
    asked.ended_at = Timestamp::from_micros(0);
    spans.add(asked);
    exporter.finished(Duration::from_secs(30)).await;
    let seen: Vec<Value> = (0..3).map(|_| serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()).collect();
    collector.kill().unwrap();
    collector.wait().unwrap();

    let resource = json!({ "service.name": "hilum", "service.version": env!("CARGO_PKG_VERSION"), "service.instance.id": "host:1" });
    assert!(seen.iter().all(|one| one["resource"] == resource), "{seen:?}");
    let names: Vec<&str> = seen.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["evaluate", "infer", "request"]);
    assert_eq!((&seen[0]["parent"], &seen[1]["parent"]), (&json!(""), &seen[0]["span"]));
    assert!(seen[0]["trace"] == seen[1]["trace"] && seen[0]["trace"] != seen[2]["trace"]);
    assert_eq!((seen[0]["trace"].as_str().unwrap().len(), seen[0]["span"].as_str().unwrap().len()), (32, 16));
    let told = json!({ "hilum.deployment": "cxr", "hilum.study.revision": 2, "hilum.job.attempt": 1 });
    assert_eq!(seen[1]["attributes"], told);
    assert_eq!((&seen[1]["status"], &seen[0]["status"]), (&json!("STATUS_CODE_ERROR"), &json!("STATUS_CODE_UNSET")));
    assert_eq!((&seen[1]["kind"], &seen[2]["kind"]), (&json!("SPAN_KIND_INTERNAL"), &json!("SPAN_KIND_SERVER")));
    assert_eq!((&seen[0]["start"], &seen[0]["end"]), (&json!(1_000_000_000), &json!(2_500_000_000_u64)));
    assert_eq!(seen[2]["start"], seen[2]["end"]);
    let told = json!({ "http.request.method": "GET", "http.route": "/api/v1/studies/{uid}", "http.response.status_code": 404 });
    assert_eq!(seen[2]["attributes"], told);
}

/// A collector that takes connections and never answers, and one that is not there: nobody waits for either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_down_slows_nothing() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // Bound, and not listening: connections are refused, and nobody else gets the port.
    let gone = TcpSocket::new_v4().unwrap();
    gone.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    for address in [silent.local_addr().unwrap(), gone.local_addr().unwrap()] {
        let (spans, exporter) = start(options(format!("http://{address}")));
        let begun = Instant::now();
        for _ in 0..100_000 {
            spans.add(span(TraceId::of_study("01abc", 1), Name::Deliver, None));
        }
        // Whoever waited for answers would wait 10 s for every 512 spans.
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
        exporter.finished(Duration::from_millis(100)).await;
    }
}

#[test]
fn off_by_default() {
    let spans = Spans::default();
    assert!(!spans.is_on());
    spans.add(span(TraceId::random(), Name::Request, None));
}
