//! What a physicist does about images: learn what is usual, and see that what is unusual is withheld (MV-04, MV-23).

use crate::acceptance::{import, phantoms};
use crate::program::{PATIENCE, Site, destination, package, wait_for_delivery};
use hilum_testkit::{Acquisition, FindingSpec, Phantom, SimulatedModality, SimulatedPacs, Subject, dx};
use hilum_types::Timestamp;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The rate 0.05 needs 20 cases.
const N_CASES: u64 = 48;

fn text(output: &Output) -> (i32, String) {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&both).into_owned())
}

/// A phantom of the reference set, taken anew.
fn study(n: u64, acquisition: &Acquisition) -> Phantom {
    let subject = Subject::seeded(n / 2, Timestamp::from_micros(1_795_424_400_000_000));
    let findings = if n.is_multiple_of(2) { vec![FindingSpec::effusion()] } else { vec![] };
    dx(n, &subject, acquisition, &findings).unwrap()
}

/// How the study ended for the deployment, with its reason.
fn ended(site: &Site, phantom: &Phantom) -> String {
    let begun = Instant::now();
    loop {
        let path = format!("/api/v1/studies/{}", phantom.study_instance_uid);
        let found = site.get(&path).filter(|(status, _)| *status == 200);
        let journey: serde_json::Value =
            found.map(|(_, body)| serde_json::from_slice(&body).unwrap()).unwrap_or_default();
        let deployment = &journey["deployments"][0];
        if let Some(name) = deployment["disposition"].as_str() {
            // What the gate checked of a study that was analysed is no reason.
            let reason = deployment["reasons"][0]["text"].as_str().filter(|_| name != "analysed");
            return format!("{name} {}", reason.unwrap_or_default());
        }
        assert!(begun.elapsed() < PATIENCE, "no disposition: {journey}\n{}", site.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether a stored file holds the text.
fn is_kept(folder: &Path, wanted: &[u8]) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_kept(&path, wanted);
        }
        std::fs::read(&path).is_ok_and(|bytes| bytes.windows(wanted.len()).any(|window| window == wanted))
    })
}

fn apply(site: &Site, package: &str, plan: &str) {
    let file = site.path("watched.toml");
    let text = format!(
        "[[deployment]]\nname='watched'\n{package}\nstate='active'\ndestinations=['pacs']\n\
         [deployment.monitoring.envelope]\nfalse_withhold_rate=0.05\ngroup_cases=2\n{plan}\n"
    );
    std::fs::write(&file, text).unwrap();
    let (code, said) = self::text(&site.run(&["apply", file.to_str().unwrap()]));
    assert_eq!(code, 0, "{said}");
}

#[test]
fn mv_04_mv_23_unusual_images_and_new_machines_are_withheld_until_they_have_passed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    let imported = text(&site.run(&["model", "import", &package("phantom-cxr")])).1;
    let package = imported.lines().find(|line| line.starts_with("package = ")).unwrap().to_owned();
    let (folder, table) = phantoms(&site, "cases", 0..N_CASES);
    let (code, said) = text(&site.run(&import(&folder, &table)));
    assert_eq!(code, 0, "{said}");
    apply(&site, &package, "");
    let running = site.serve("info");
    let send = |phantom: &Phantom| {
        let modality = SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
        let ledger = runtime.block_on(modality.send(Arc::<[_]>::from(phantom.instances.clone())));
        assert_eq!(ledger.failures().count(), 0);
        ended(&site, phantom)
    };
    let usual = Acquisition::radiograph();

    // An envelope is declared and none is on file: nothing is taken for usual.
    let told = send(&study(1, &usual));
    assert!(
        told.starts_with("withheld ") && told.contains("none is on file") && told.contains("hilum monitor envelope"),
        "{told}"
    );

    // A set that is too small for the rate says what it lacks, and leaves nothing behind.
    let learn = ["monitor", "envelope", "--reference", "phantoms", "--model", "phantom-cxr@1.0.0"];
    let (code, said) = text(&site.run(&learn));
    assert!(
        code == 4 && said.contains("needs at least 99 measured cases") && said.contains("it has 48"),
        "{code} {said}"
    );
    let (code, said) = text(&site.run(&[&learn[..], &["--deployment", "watched"]].concat()));
    assert!(code == 0 && said.contains("learned from 48 cases of 1 acquisition groups"), "{code} {said}");
    let (_, again) = text(&site.run(&[&learn[..], &["--rate", "0.05", "--json"]].concat()));
    let again: serde_json::Value = serde_json::from_str(again.trim()).unwrap();
    assert_eq!((again["is_new"].as_bool(), again["n_cases"].as_u64()), (Some(false), Some(N_CASES)));
    // What a rule about a feature is filled in with.
    let noise = &again["quantiles"]["noise"];
    let deciles: Vec<f64> = noise["quantiles"].as_array().unwrap().iter().filter_map(|one| one.as_f64()).collect();
    assert_eq!((noise["n"].as_u64(), deciles.len()), (Some(N_CASES), 9), "{noise}");
    assert!(deciles.is_sorted() && deciles[0] < deciles[8], "{noise}");
    // The package exposes an embedding; 48 cases carry four components.
    let names: Vec<&String> =
        again["bounds"].as_object().unwrap().keys().filter(|k| k.starts_with("embedding")).collect();
    let wanted = ["embedding_1", "embedding_2", "embedding_3", "embedding_4", "embedding_rest"];
    assert_eq!((names, again["embedding_left_out"].is_null()), (wanted.map(String::from).each_ref().to_vec(), true));

    // What is usual goes out; what is noisy does not, and the reason names the value that decided.
    assert_eq!(send(&study(2, &usual)), "analysed ");
    let told = send(&study(4, &Acquisition { noise: 15.0, ..usual.clone() }));
    assert!(
        told.starts_with("withheld outside the acquisition envelope of record ") && told.contains("noise "),
        "{told}"
    );
    wait_for_delivery(&site);
    let n_kept = pacs.kept_uids().len();

    // Other software is another group: its first two studies are held, then it has passed.
    let updated = Acquisition { software: "3.3.0".into(), ..usual.clone() };
    for n_before in 0..2u64 {
        let told = send(&study(6 + 2 * n_before, &updated));
        let wanted = format!("a new acquisition group: {n_before} of the 2 studies it needs");
        assert!(told.starts_with("withheld ") && told.contains(&wanted) && told.contains("software 3.3.0"), "{told}");
    }
    let (_, groups) = text(&site.run(&["monitor", "groups", "watched"]));
    assert!(
        groups.contains("known from 48 reference cases") && groups.contains("passed; 2 of 2 studies inside"),
        "{groups}"
    );
    assert_eq!(pacs.kept_uids().len(), n_kept, "a held result left");
    assert_eq!(send(&study(12, &updated)), "analysed ");
    let listed = site.json("/api/v1/deployments/watched/groups");
    let standing: Vec<&str> =
        listed["items"].as_array().unwrap().iter().filter_map(|g| g["standing"].as_str()).collect();
    assert_eq!(standing, ["passed", "reference"], "{listed}");
    assert_eq!(site.get("/api/v1/deployments/nobody/groups").map(|(status, _)| status), Some(404));

    // Where it is marked instead, the result leaves and says so itself.
    assert!(!is_kept(site.folder.path(), b"CAUTION: outside the acquisition envelope"));
    apply(&site, &package, "outside='mark'\nnew_group='mark'");
    assert_eq!(send(&study(14, &Acquisition { noise: 15.0, ..usual })), "analysed ");
    assert!(is_kept(site.folder.path(), b"CAUTION: outside the acquisition envelope"));
    running.stop();
    assert!(text(&site.run(&["audit", "verify"])).1.contains("whole"));
}
