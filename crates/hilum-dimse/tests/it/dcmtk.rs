//! Unmodified DCMTK programs as senders and as receiver.

use super::recorder::{Recorder, SOON, Script, start, until};
use super::tools::{Background, dump, present, reserved_port, run, write_file};
use hilum_dimse::uids::{EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION};
use hilum_dimse::{
    Association, AssociationOptions, ClientError, DataSet, Outcome, ProposedContext, Status, StoreRequest, Timeouts,
    echo,
};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The instance of [`CT_DUMP`].
const INSTANCE: &str = "1.2.276.0.7230010.3.1.4.8323329.1";

/// A CT image in DCMTK's text form: private elements, nested sequences, 16-bit pixels.
const CT_DUMP: &str = "\
(0008,0016) UI 1.2.840.10008.5.1.4.1.1.2
(0008,0018) UI 1.2.276.0.7230010.3.1.4.8323329.1
(0008,0060) CS CT
(0008,1140) SQ
(fffe,e000) na
(0008,1150) UI 1.2.840.10008.5.1.4.1.1.2
(0008,1155) UI 1.2.276.0.7230010.3.1.4.8323329.9
(fffe,e00d) na
(fffe,e0dd) na
(0009,0010) LO VENDOR
(0009,1001) LO private value
(0010,0010) PN Synthetic^Phantom
(0010,0020) LO SYN-1
(0020,000d) UI 1.2.276.0.7230010.3.1.2.8323329.2
(0020,000e) UI 1.2.276.0.7230010.3.1.3.8323329.3
(0028,0002) US 1
(0028,0004) CS MONOCHROME2
(0028,0010) US 4
(0028,0011) US 4
(0028,0100) US 16
(0028,0101) US 12
(0028,0102) US 11
(0028,0103) US 0
(7fe0,0010) OW 0001\\0002\\0003\\0004\\0005\\0006\\0007\\0008\\0009\\000a\\000b\\000c\\000d\\000e\\000f\\0fff
";

/// The CT image in every syntax DCMTK can write: file, transfer syntax, option that makes `storescu` propose it.
fn objects(folder: &Path) -> Vec<(PathBuf, &'static str, &'static str)> {
    let text = folder.join("ct.dump");
    std::fs::write(&text, CT_DUMP).unwrap();
    let path = |name: &str| folder.join(format!("{name}.dcm"));
    let base = path("explicit");
    run("dump2dcm", &["+te", text.to_str().unwrap(), base.to_str().unwrap()]);
    let convert = |program: &str, options: &[&str], name: &str| {
        let file = path(name);
        let arguments = [options, &[base.to_str().unwrap(), file.to_str().unwrap()]].concat();
        run(program, &arguments);
        file
    };
    vec![
        (base.clone(), "1.2.840.10008.1.2.1", "-xe"),
        (convert("dcmconv", &["+ti"], "implicit"), "1.2.840.10008.1.2", "-xi"),
        (convert("dcmconv", &["+tb"], "big"), "1.2.840.10008.1.2.2", "-xb"),
        (convert("dcmconv", &["+td"], "deflated"), "1.2.840.10008.1.2.1.99", "-xd"),
        (convert("dcmcrle", &["+ua"], "rle"), "1.2.840.10008.1.2.5", "-xr"),
        (convert("dcmcjpeg", &["+e1", "+ua"], "jpeg"), "1.2.840.10008.1.2.4.70", "-xs"),
        (convert("dcmcjpls", &["+el", "+ua"], "jpegls"), "1.2.840.10008.1.2.4.80", "-xt"),
    ]
}

fn dcmtk() -> bool {
    ["echoscu", "storescu", "dcmsend", "storescp", "dump2dcm", "dcmconv", "dcmcrle", "dcmcjpeg", "dcmcjpls", "dcmdump"]
        .iter()
        .all(|program| present(program, &["--version"]))
}

/// Runs a sender without blocking the runtime the server needs.
async fn send(program: &'static str, arguments: Vec<String>) {
    let sender = tokio::task::spawn_blocking(move || {
        run(program, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    });
    tokio::time::timeout(SOON, sender).await.expect("the sender ends").unwrap();
}

fn arguments(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn echoscu_is_answered() {
    if !dcmtk() {
        return;
    }
    let server = start(&Recorder::default()).await;
    let port = server.local_addr().port().to_string();
    send("echoscu", arguments(&["-aec", "HILUM", "--repeat", "3", "127.0.0.1", &port])).await;
    assert_eq!(server.stats().echoes.get(), 3);
    // 128 contexts with 38 transfer syntaxes each make DCMTK's longest request.
    let many = ["-aec", "HILUM", "--propose-ts", "38", "--propose-pc", "128", "127.0.0.1", &port];
    send("echoscu", arguments(&many)).await;
    assert_eq!(server.stats().echoes.get(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_storescu_and_dcmsend_send_is_kept_in_every_transfer_syntax() {
    if !dcmtk() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    let server = start(&recorder).await;
    let port = server.local_addr().port().to_string();
    let mut sent = Vec::new();
    for (file, syntax, option) in objects(folder.path()) {
        let name = file.to_str().unwrap().to_owned();
        send("storescu", arguments(&["-aec", "HILUM", option, "127.0.0.1", &port, &name])).await;
        sent.push((file.clone(), syntax));
        send("dcmsend", arguments(&["-aec", "HILUM", "-dn", "127.0.0.1", &port, &name])).await;
        // dcmsend offers uncompressed syntaxes together, and we prefer Explicit VR Little Endian.
        let chosen = if ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2"].contains(&syntax) {
            EXPLICIT_VR_LITTLE_ENDIAN
        } else {
            syntax
        };
        sent.push((file, chosen));
    }
    let stored = recorder.stored();
    assert_eq!(stored.len(), sent.len());
    for ((file, syntax), (context, data)) in sent.iter().zip(&stored) {
        assert_eq!(&context.transfer_syntax, syntax, "{}", file.display());
        assert_eq!(context.sop_class_uid, "1.2.840.10008.5.1.4.1.1.2");
        let received = folder.path().join("received.dcm");
        write_file(&received, syntax, data);
        assert_eq!(dump(&received), dump(file), "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storescu_with_short_pdus_repeats_and_aborts() {
    if !dcmtk() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    let server = start(&recorder).await;
    let port = server.local_addr().port().to_string();
    let file = objects(folder.path()).remove(0).0.to_str().unwrap().to_owned();
    for pdu in ["4096", "16384", "131072"] {
        let base = ["-aec", "HILUM", "-pdu", pdu, "--max-send-pdu", pdu, "--repeat", "3"];
        send("storescu", arguments(&[&base[..], &["127.0.0.1", &port, &file]].concat())).await;
        send("storescu", arguments(&[&base[..], &["--abort", "127.0.0.1", &port, &file]].concat())).await;
    }
    assert!(recorder.stored().len() >= 18, "{} stored", recorder.stored().len());
    assert_eq!(recorder.unfinished(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storescu_is_told_that_resources_are_out() {
    if !dcmtk() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let full = Outcome::from(Status::OUT_OF_RESOURCES);
    let server = start(&Recorder::scripted(Script { begin: Some(full), ..Script::default() })).await;
    let port = server.local_addr().port().to_string();
    let file = objects(folder.path()).remove(0).0;
    let run = move || Command::new("storescu").args(["-v", "-aec", "HILUM", "127.0.0.1", &port]).arg(file).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Out of resources") || said.contains("OutOfResources"), "{said}");
    // The sender may be gone before the server has counted how it left.
    let stats = server.stats();
    until("the end is counted", || stats.associations_released.get() + stats.associations_lost.get() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storescp_keeps_what_our_client_sends() {
    if !dcmtk() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let received = folder.path().join("received");
    std::fs::create_dir(&received).unwrap();
    let (_reserved, addr) = reserved_port();
    let port = addr.port().to_string();
    let options = ["-aet", "STORESCP", "+xa", "-od", received.to_str().unwrap(), "+B", &port];
    let _storescp = Background::start("storescp", &options);
    let (us, them) = ("HILUM".parse().unwrap(), "STORESCP".parse().unwrap());
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        match echo(addr, &us, &them, &Timeouts::default()).await {
            Ok(status) => break assert_eq!(status, Status::SUCCESS),
            Err(ClientError::Connect(_)) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            Err(error) => panic!("storescp does not answer: {error}"),
        }
    }
    let ct = "1.2.840.10008.5.1.4.1.1.2";
    let objects = objects(folder.path());
    let mut contexts: Vec<_> = objects.iter().map(|(_, syntax, _)| ProposedContext::new(ct, *syntax)).collect();
    contexts.push(ProposedContext::new(VERIFICATION, EXPLICIT_VR_LITTLE_ENDIAN));
    let options = AssociationOptions::new(us, them, contexts);
    let mut association = Association::connect(addr, &options).await.unwrap();
    for (file, syntax, _) in &objects {
        let bytes = std::fs::read(file).unwrap();
        let data = &bytes[data_set_start(&bytes)..];
        let mut stream = data;
        for data in [DataSet::Bytes(data), DataSet::Stream(&mut stream)] {
            let (sop_instance_uid, transfer_syntax) = (INSTANCE, *syntax);
            let request = StoreRequest { sop_class_uid: ct, sop_instance_uid, transfer_syntax, data };
            let response = association.store(request).await.unwrap();
            assert!(response.status.is_stored(), "{} {syntax}", response.status);
        }
        let kept = received.join(format!("CT.{INSTANCE}"));
        assert_eq!(dump(&kept), dump(file), "{syntax}");
    }
    association.release().await.unwrap();
}

/// Where the data set of a DICOM file begins: after preamble, prefix and group 0002, whose length comes first.
fn data_set_start(file: &[u8]) -> usize {
    let length = u32::from_le_bytes(file[140..144].try_into().unwrap());
    144 + length as usize
}
