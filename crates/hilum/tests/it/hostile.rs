//! Hostile bytes by C-STORE and STOW-RS (R9): no exit, no hang, no growth, and a good object right after is stored.

use crate::program::{PATIENCE, Site};
use hilum_testkit::{Acquisition, PhantomInstance, SimulatedModality, Subject, dx};
use hilum_types::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Every object is done with within this processor time, and whoever sent it is not kept waiting beyond [`PATIENCE`].
const WORK_MAX: Duration = Duration::from_secs(5);

/// Resident memory may grow by this much.
const GROWTH_MIB_MAX: u64 = 256;

fn good(seed: u64) -> PhantomInstance {
    let at = Timestamp::from_micros(1_795_424_400_000_000);
    let acquisition = Acquisition::radiograph().with_matrix(48, 48);
    dx(seed, &Subject::seeded(seed, at), &acquisition, &[]).unwrap().instances.remove(0)
}

/// `depth` nested sequences of undefined length in explicit VR little endian.
fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(depth * 20);
    for _ in 0..depth {
        bytes.extend_from_slice(&[0x40, 0x00, 0x75, 0x02, b'S', b'Q', 0, 0, 0xff, 0xff, 0xff, 0xff]);
        bytes.extend_from_slice(&[0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff]);
    }
    bytes
}

/// What breaks readers: depth, lengths, cuts, noise. Each is a Part 10 file built on a good one.
fn hostile_files() -> Vec<(String, Vec<u8>)> {
    let file = good(1).part10().to_vec();
    let data_set = file.len() - good(1).data_set().len();
    let with = |tail: &[u8]| [&file[..data_set], tail].concat();
    let mut files = Vec::new();
    for depth in [100, 1_000, 10_000, 100_000] {
        files.push((format!("{depth} nested sequences"), with(&nested(depth))));
    }
    for length in [0xffff_fffe_u32, 0x7fff_ffff, 0xffff_ffff, 3] {
        let mut element = vec![0x10, 0x00, 0x20, 0x00, b'O', b'B', 0, 0];
        element.extend_from_slice(&length.to_le_bytes());
        files.push((format!("a length of {length:#x}"), with(&element)));
    }
    for cut in (1..file.len()).step_by(file.len() / 40) {
        files.push((format!("cut after {cut} bytes"), file[..cut].to_vec()));
    }
    for seed in 0..60usize {
        // A multiplicative generator is noise enough here, and the same everywhere.
        let mut noisy = file.clone();
        let mut state = seed as u64 * 2 + 1;
        for _ in 0..20 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let place = (state >> 33) as usize % noisy.len().min(2000);
            noisy[place] = state as u8;
        }
        files.push((format!("noise {seed}"), noisy));
    }
    files
}

#[test]
fn hostile_objects_cost_one_answer_each() {
    let site = Site::new("");
    let mut server = site.serve("error");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let modality = SimulatedModality::new("EVIL".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
    let before = server.resident_mib();
    for (number, (what, file)) in hostile_files().into_iter().enumerate() {
        let (begun, worked) = (Instant::now(), server.processor_time());
        let body = [b"--b\r\nContent-Type: application/dicom\r\n\r\n", file.as_slice(), b"\r\n--b--\r\n"].concat();
        let kind = "Content-Type: multipart/related; type=\"application/dicom\"; boundary=b\r\n";
        let answer = site.request("POST", "/dicom-web/studies", kind, &body);
        assert!(answer.is_some(), "{what}: no answer by STOW-RS");
        // C-STORE carries the data set; what cannot be read as a file cannot be sent by an honest client.
        if let Ok(instance) = PhantomInstance::from_part10(file) {
            runtime.block_on(modality.send(Arc::<[_]>::from(vec![instance])));
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: took {:?}", begun.elapsed());
        assert!(!server.has_ended(), "{what}: the server ended");
        let work = server.processor_time().saturating_sub(worked);
        assert!(work < WORK_MAX, "{what}: took {work:?} of processor time");
        if number % 20 == 0 {
            let ledger = runtime.block_on(modality.send(Arc::<[_]>::from(vec![good(1000 + number as u64)])));
            assert_eq!(ledger.failures().count(), 0, "a good object after {what} was not stored");
        }
    }
    let grown = server.resident_mib().saturating_sub(before);
    assert!(grown < GROWTH_MIB_MAX, "memory grew by {grown} MiB");
    println!("resident memory grew by {grown} MiB");
}

/// The same bytes by C-STORE with a client that does not care: the data set is sent as it is.
#[test]
fn hostile_data_sets_by_c_store_are_answered() {
    let site = Site::new("");
    let mut server = site.serve("error");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let instance = good(2);
    for (what, data_set) in [("1,000,000 nested sequences", nested(1_000_000)), ("nothing but zeros", vec![0; 100_000])]
    {
        let worked = server.processor_time();
        let answer = runtime.block_on(async {
            use hilum_dimse::{Association, AssociationOptions, DataSet, ProposedContext, StoreRequest};
            let (class, syntax) = (instance.sop_class_uid.as_str(), "1.2.840.10008.1.2.1");
            let contexts = vec![ProposedContext::new(class, syntax)];
            let options = AssociationOptions::new("EVIL".parse().unwrap(), "HILUM".parse().unwrap(), contexts);
            let mut association = Association::connect(site.dimse, &options).await.unwrap();
            let request = StoreRequest {
                sop_class_uid: class,
                sop_instance_uid: instance.sop_instance_uid.as_str(),
                transfer_syntax: syntax,
                data: DataSet::Bytes(&data_set),
            };
            tokio::time::timeout(PATIENCE, association.store(request)).await
        });
        let status = answer.expect("an answer in time").expect("an answer").status;
        assert!(!status.is_stored(), "{what}: {status}");
        assert!(!server.has_ended(), "{what}: the server ended");
        let work = server.processor_time().saturating_sub(worked);
        assert!(work < WORK_MAX, "{what}: took {work:?} of processor time");
    }
    let quarantined = site.json("/api/v1/quarantine");
    assert_eq!(quarantined["items"].as_array().map(Vec::len), Some(2), "{quarantined}");
}
