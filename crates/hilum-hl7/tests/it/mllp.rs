use hilum_hl7::{Frame, FrameReader, Hl7Config, Hl7Peer, Hl7Server};
use hilum_store::labels::ReportFilter;
use hilum_store::{BlobOptions, BlobStore, Catalog, CatalogOptions, LocalBlobs};
use hilum_types::{Clock, Timestamp};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_795_425_161_000_000)
    }
}

pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) blobs: LocalBlobs,
    pub(crate) stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

pub(crate) async fn house(peer: &str) -> House {
    let folder = tempfile::tempdir().unwrap();
    let blobs = LocalBlobs::open(folder.path(), &BlobOptions { reserve_bytes: 0 }).unwrap();
    let url = format!("sqlite:{}", folder.path().join("catalog.sqlite").display());
    let catalog = hilum_store::open(&url, &CatalogOptions::default()).await.unwrap();
    let mut config = Hl7Config::new("127.0.0.1:0".parse().unwrap());
    config.peers = vec![Hl7Peer { name: "ris".into(), address: Some(peer.parse().unwrap()) }];
    config.message_bytes_max = 10_000;
    let kept = Arc::new(blobs.clone());
    let server = Hl7Server::bind(config, catalog.clone(), kept, Arc::new(StandingClock)).await.unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(server.run(stopped));
    House { address, catalog, blobs, stop, _folder: folder }
}

/// Send frames on one connection; the MSA segments that come back.
async fn send(house: &House, frames: &[&[u8]]) -> Vec<String> {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let mut answers = Vec::new();
    for frame in frames {
        if stream.write_all(&[b"\x0b", *frame, b"\x1c\r"].concat()).await.is_err() {
            break;
        }
        let Ok(Frame::Message(answer)) = FrameReader::new(&mut stream, 10_000).next().await else { break };
        let text = String::from_utf8(answer).unwrap();
        answers.push(text.split('\r').find(|line| line.starts_with("MSA")).unwrap().to_owned());
    }
    answers
}

fn oru(control: &str, status: &str, text: &str) -> String {
    format!(
        "MSH|^~\\&|RIS|H|HILUM||20261123||ORU^R01^ORU_R01|{control}|P|2.5.1|||||DE|UNICODE UTF-8\rPID|1||P1^^^H\r\
         OBR|1||F1|||||||||||||||A1|||||||{status}\rOBX|1|TX|||{text}||||||F\r"
    )
}

/// AV-20: durable, then acknowledged; a repetition is one report; what is wrong is told with its reason.
#[tokio::test]
async fn reports_are_kept_then_acknowledged() {
    let house = house("127.0.0.1").await;
    let (first, other) = (oru("1", "F", "Kein Erguß."), oru("1", "C", "Erguß."));
    let nothing = oru("2", "F", "x").replace("OBR|", "ZZZ|");
    let adt = oru("3", "F", "x").replace("ORU^R01^ORU_R01", "ADT^A01");
    let latin =
        [b"MSH|^~\\&|RIS||||2026||ORU^R01|4|P|2.3||||||UNICODE UTF-8\rOBR|1||F\rOBX|1|TX|||\xdf||||||F".as_slice()];
    let large = [b"MSH|^~\\&|RIS||||2026||ORU^R01|5|P|2.3\r".to_vec(), vec![b'x'; 20_000]].concat();
    let sent: Vec<&[u8]> = vec![
        first.as_bytes(),
        first.as_bytes(),
        other.as_bytes(),
        nothing.as_bytes(),
        adt.as_bytes(),
        latin[0],
        b"what",
        &large,
    ];
    let answers = send(&house, &sent).await;
    let codes: Vec<&str> = answers.iter().map(|answer| answer.get(4..8).unwrap()).collect();
    assert_eq!(codes, ["AA|1", "AA|1", "AE|1", "AE|2", "AR|3", "AE|4", "AR||", "AR|5"], "{answers:?}");
    let kept = house.catalog.report_list(&ReportFilter::default(), 10).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(house.blobs.blob_get(&kept[0].blob).await.unwrap(), "Kein Erguß.".as_bytes());
    assert_eq!(kept[0].reason.as_ref().unwrap().code, "report.no-study");
    // The whole chain holds no word of the report and no identifier.
    let audit = format!("{:?}", house.catalog.audit_page(0, 100).await.unwrap());
    assert!(!audit.contains("Erguß") && !audit.contains("A1"), "{audit}");
    house.stop.send_replace(true);
}

#[tokio::test]
async fn who_is_not_listed_is_refused() {
    let house = house("192.0.2.1").await;
    assert!(send(&house, &[oru("1", "F", "x").as_bytes()]).await.is_empty());
    assert!(house.catalog.report_list(&ReportFilter::default(), 10).await.unwrap().is_empty());
    let audit = house.catalog.audit_page(0, 10).await.unwrap();
    assert!(audit.iter().any(|entry| entry.event.action == hilum_audit::AuditAction::PeerRefused));
}
