//! Final reports from outside: HL7 v2 over MLLP into the running program, in frames as a network cuts them, until what a report
//! says is a label (AV-20, MV-28).

use crate::program::{PATIENCE, Site, destination, free_port, package};
use crate::rollout::{apply, ended, import, phantom, runtime, send};
use hilum_testkit::{SimulatedPacs, Subject};
use hilum_types::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const NAME: &str = "cxr";

/// In use, and reads nodules out of reports.
const READS: &str = "state='active'\ndestinations=['pacs']\n[[deployment.monitoring.labels.extractor]]\nfinding='nodule'\n\
    name='nodules'\nversion='1'\npresent=['nodule']\n";

/// A final report as a RIS writes it.
fn oru(control: &str, accession: &str, patient: &str, text: &str) -> String {
    format!(
        "MSH|^~\\&|RIS|H|HILUM||20261123||ORU^R01^ORU_R01|{control}|P|2.5.1|||||DE|UNICODE UTF-8\rPID|1||{patient}^^^H\r\
         OBR|1||F{control}|||||||||||||||{accession}|||||||F\rOBX|1|TX|||{text}||||||F\r"
    )
}

fn framed(message: &str) -> Vec<u8> {
    [&b"\x0b"[..], message.as_bytes(), &b"\x1c\r"[..]].concat()
}

/// A connection that stays open from one report to the next.
struct Sender(TcpStream);

impl Sender {
    fn connect(address: SocketAddr) -> Sender {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Sender(stream)
    }

    /// Each part in a packet of its own: what is written at once may arrive at once.
    fn write(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.0.write_all(part).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Code and message of the next answers, such as `AA 1`.
    fn answers(&mut self, n: usize) -> Vec<String> {
        (0..n).map(|_| self.answer()).collect()
    }

    fn answer(&mut self) -> String {
        let (mut frame, mut byte) = (Vec::new(), [0]);
        while !frame.ends_with(b"\x1c\r") {
            self.0.read_exact(&mut byte).unwrap();
            frame.push(byte[0]);
        }
        let text = String::from_utf8(frame).unwrap();
        assert!(text.starts_with("\x0bMSH|"), "{text:?}");
        let fields = text.split('\r').find_map(|line| line.strip_prefix("MSA|")).unwrap_or_else(|| panic!("{text:?}"));
        fields.split('|').take(2).collect::<Vec<_>>().join(" ")
    }
}

/// Labels by the accession number of their study, once there are as many.
fn labels(site: &Site, accessions: &[&str]) -> BTreeMap<String, Value> {
    let begun = Instant::now();
    let items = loop {
        let items = site.json(&format!("/api/v1/labels?deployment={NAME}"))["items"].as_array().cloned();
        match items {
            Some(items) if accessions.len() <= items.len() => break items,
            items => assert!(begun.elapsed() < PATIENCE, "{items:?}\n{}", site.log()),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(items.len(), accessions.len(), "{items:?}");
    let of = |accession: &&str| {
        let studies = site.json(&format!("/api/v1/studies?accession_number={accession}"));
        let label = items.iter().find(|label| label["study"] == studies["studies"][0]["key"]);
        ((*accession).to_owned(), label.unwrap_or_else(|| panic!("no label of {accession}: {items:?}")).clone())
    };
    accessions.iter().map(of).collect()
}

/// AV-20, MV-28: several frames in one packet, one frame over several, a bad message between good ones: each is answered by
/// itself, in order, and every report that was taken is tied to its study and read.
#[test]
fn reports_become_labels_however_their_frames_arrive() {
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let listen = free_port();
    let hl7 = format!("[hl7]\nlisten = '{listen}'\n[[hl7.peer]]\nname = 'ris'\naddress = '127.0.0.1'\n");
    let site = Site::new(&(destination(&pacs) + &hl7));
    let digest = import(&site, &package("phantom-cxr"));
    assert!(apply(&site, NAME, &digest, READS).status.success());
    let running = site.serve("info");
    for seed in 1..=3 {
        send(&site, &runtime, &phantom(seed, 0));
    }
    for seed in 1..=3 {
        assert_eq!(ended(&site, &phantom(seed, 0), NAME)["disposition"], "analysed");
    }
    let patient = |seed: u64| Subject::seeded(seed, Timestamp::from_micros(1_795_424_400_000_000)).patient_id;
    let report = |control: &str, seed: u64, text: &str| oru(control, &format!("ACC{seed}"), &patient(seed), text);
    let mut ris = Sender::connect(listen);

    // A message without a report between two good ones, all three in one packet.
    let good = [framed(&report("1", 1, "A nodule on the left.")), framed(&report("3", 2, "No nodule."))];
    let bad = framed(&report("2", 3, "A nodule.").replace("OBR|", "ZZZ|"));
    ris.write(&[&[good[0].as_slice(), &bad, &good[1]].concat()]);
    assert_eq!(ris.answers(3), ["AA 1", "AE 2", "AA 3"]);

    // A frame over five packets, the last of which begins the next frame; the end of the first is cut in its middle.
    let (third, astray) = (framed(&report("4", 3, "Nodule.")), framed(&oru("5", "NOWHERE", "P", "A nodule.")));
    let (body, return_byte) = third.split_at(third.len() - 1);
    let (begin, rest) = body.split_at(1);
    let (head, tail) = rest.split_at(rest.len() / 2);
    let (next, last) = astray.split_at(astray.len() / 3);
    ris.write(&[begin, head, tail, &[return_byte, next].concat(), last]);
    assert_eq!(ris.answers(2), ["AA 4", "AA 5"]);
    // What was taken and is sent again is one report.
    ris.write(&[&good[0]]);
    assert_eq!(ris.answers(1), ["AA 1"]);

    let labels = labels(&site, &["ACC1", "ACC2", "ACC3"]);
    let truths: Vec<&str> = labels.values().filter_map(|label| label["truth"].as_str()).collect();
    assert_eq!(truths, ["present", "absent", "present"]);
    for label in labels.values() {
        let said = ["source", "extractor", "class"].map(|name| label[name].as_str().unwrap_or_default());
        assert_eq!(said, ["report", "nodules@1", "indirectly_exposed"], "{label}");
    }
    let evidence = site.json(&format!("/api/v1/deployments/{NAME}/evidence"));
    assert_eq!((&evidence["n_observations"], &evidence["n_labels"]), (&3.into(), &3.into()), "{evidence}");
    // Nobody measured how often the extractor is wrong, so what it read clears nothing.
    let rests_on_reports = |figure: &&Value| figure["label_classes"] == serde_json::json!(["indirectly_exposed"]);
    let figures: Vec<&Value> = evidence["figures"].as_array().unwrap().iter().filter(rests_on_reports).collect();
    assert!(!figures.is_empty() && figures.iter().all(|figure| figure["validated"] == false), "{evidence}");

    // What belongs to no study that is here is kept, and says so.
    let unlinked = site.json("/api/v1/reports?linked=false");
    let told: Vec<&str> = unlinked["items"].as_array().unwrap().iter().filter_map(|one| one["code"].as_str()).collect();
    assert_eq!(told, ["report.no-study"], "{unlinked}");
    drop(ris);
    running.stop();
    site.done(&["audit", "verify"]);
}
