//! The bounds of a rollout, from outside (MV-18): a version on trial that fails, or is slow, is stopped by itself, and the
//! one in use goes on. The version on trial is a product, because its maker decides when it fails.

use crate::oip::python;
use crate::product::{self, Product};
use crate::program::{PATIENCE, Site, destination, package, wait_for_delivery};
use crate::rollout::{apply, delivered, ended, import, runtime, send, stdout};
use hilum_testkit::{Acquisition, FindingSpec, Phantom, SimulatedPacs, Subject, dx};
use hilum_types::Timestamp;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A radiograph under an accession number that the product's behaviour goes by.
fn radiograph(seed: u64, accession: &str) -> Phantom {
    let mut subject = Subject::seeded(seed, Timestamp::from_micros(1_795_424_400_000_000));
    subject.accession = accession.to_owned();
    dx(seed, &subject, &Acquisition::radiograph(), &[FindingSpec::nodule()]).unwrap()
}

struct Trial {
    site: Site,
    product: Product,
    runtime: Runtime,
    pacs: SimulatedPacs,
}

impl Trial {
    /// A model of this site in use, and a product that answers for all patients in its place, within bounds.
    fn begin(python: &str, bounds: &str) -> Trial {
        let runtime = runtime();
        let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
        let site = Site::new(&format!("[delivery]\nretry_seconds_first = 1\n{}", destination(&pacs)));
        let product = Product::start(python, site.dimse);
        let champion = import(&site, &package("phantom-cxr"));
        stdout(&apply(&site, "cxr", &champion, "state='active'\ndestinations=['pacs']"));
        let line = product::import(&site, "nodule-box", product.address, "");
        let on_trial = format!(
            "state='limited'\nchampion='cxr'\ndestinations=['pacs']\n[deployment.rollout]\nshare=1.0\n{bounds}\n"
        );
        stdout(&apply(&site, "box", line.split('"').nth(1).unwrap(), &on_trial));
        Trial { site, product, runtime, pacs }
    }

    /// What became of a study of that accession number: for the version on trial, then for the one in use.
    fn study(&self, seed: u64, accession: &str) -> (Value, Value) {
        let study = radiograph(seed, accession);
        send(&self.site, &self.runtime, &study);
        (ended(&self.site, &study, "box"), ended(&self.site, &study, "cxr"))
    }

    /// A study that the version on trial answers.
    fn answered(&self, seed: u64, accession: &str) {
        let (trial, in_use) = self.study(seed, accession);
        assert!(trial["disposition"] == "analysed" && delivered(&trial), "{trial}");
        assert!(in_use["disposition"] == "analysed" && !delivered(&in_use), "{in_use}");
    }

    /// A study that the version in use answers; what became of it for the one on trial.
    fn taken_back(&self, seed: u64, accession: &str) -> Value {
        let (trial, in_use) = self.study(seed, accession);
        assert!(!delivered(&trial), "{trial}");
        assert!(in_use["disposition"] == "analysed" && delivered(&in_use), "{in_use}\n{trial}");
        trial
    }

    /// The version on trial is stopped by that rule, with an alarm; the one in use is not, and answers from now on.
    fn is_over(&self, rule: &str, text: &str) {
        let (said, begun) = (|| stdout(&self.site.run(&["deployments"])), Instant::now());
        while !said().contains("stopped by") {
            // The bound is looked at after the run has ended.
            assert!(begun.elapsed() < PATIENCE, "{}\n{}", said(), self.site.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        let said = said();
        let line = |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(line("box ").contains("suspended") && line("cxr ").contains("active"), "{said}");
        assert!(said.contains(&format!("stopped by stop-rule:{rule}")) && said.contains(text), "{said}");
        // The alarm is raised once the stop holds.
        let begun = Instant::now();
        let told = loop {
            let mut told = self.site.json("/api/v1/alarms")["items"].as_array().cloned().unwrap_or_default();
            told.retain(|alarm| alarm["code"] == "rollout-bound");
            if !told.is_empty() {
                break told;
            }
            assert!(begun.elapsed() < PATIENCE, "nobody is told of the stop: {}", self.site.log());
            std::thread::sleep(Duration::from_millis(50));
        };
        assert!(told.len() == 1 && told[0]["text"].as_str().unwrap().contains(text), "{told:?}");

        let n_asked = self.product.events("study", "").len();
        let trial = self.taken_back(900, "AFTER");
        assert_eq!(trial["disposition"], "withheld", "{trial}");
        assert!(trial["reasons"].to_string().contains("suspended"), "{trial}");
        assert_eq!(self.product.events("study", "").len(), n_asked, "a stopped product was asked");
    }

    /// Results of the product in the archive.
    fn of_the_product(&self) -> usize {
        let from_maker = |data_set: &[u8]| data_set.windows(12).any(|text| text == b"Acme Imaging");
        self.pacs.received().iter().filter(|object| from_maker(object.data_set.as_ref().unwrap())).count()
    }
}

#[test]
fn a_version_on_trial_that_fails_is_suspended_and_the_one_in_use_goes_on() {
    let Some(python) = python("pynetdicom, highdicom, pydicom, numpy") else { return };
    let trial = Trial::begin(&python, "error_rate_max=0.3\nruns_min=4");
    let running = trial.site.serve("info");
    trial.product.behave(json!({ "mode": "normal" }), json!({ "FAILS": { "mode": "refuse", "status": 0x0122 } }));
    // One failure of three is beyond the bound, and too few to say so; one of four is within it.
    trial.answered(1, "ONE");
    trial.answered(2, "TWO");
    let failed = trial.taken_back(3, "FAILS");
    assert!(failed["disposition"] == "failed" && failed.to_string().contains("product.refused"), "{failed}");
    trial.answered(4, "FOUR");
    assert!(!stdout(&trial.site.run(&["deployments"])).contains("stopped by"));
    // Two of five.
    trial.taken_back(5, "FAILS");
    trial.is_over("rollout.error-rate", "2 of the last 5 runs failed; the bound is a rate of 0.3");
    wait_for_delivery(&trial.site);
    running.stop();
    assert_eq!(trial.of_the_product(), 3);
    assert!(stdout(&trial.site.run(&["audit", "verify"])).contains("whole"));
}

#[test]
fn a_version_on_trial_that_is_slow_is_suspended_and_the_one_in_use_goes_on() {
    let Some(python) = python("pynetdicom, highdicom, pydicom, numpy") else { return };
    let trial = Trial::begin(&python, "run_seconds_p95_max=5.0\nruns_min=3\nruns_window=3");
    let running = trial.site.serve("info");
    trial.product.behave(json!({ "mode": "normal" }), json!({ "SLOW": { "mode": "normal", "delay": 6 } }));
    trial.answered(11, "ONE");
    trial.answered(12, "TWO");
    assert!(!stdout(&trial.site.run(&["deployments"])).contains("stopped by"));
    // The stop comes while its answer is on its way: that has left, or the version in use answers instead, never both.
    let study = radiograph(13, "SLOW");
    send(&trial.site, &trial.runtime, &study);
    trial.is_over("rollout.run-seconds", "95 % of the last 3 runs took up to ");
    let sent = |deployment: &str| {
        let outcome = ended(&trial.site, &study, deployment);
        let deliveries = outcome["deliveries"].as_array().cloned().unwrap_or_default();
        deliveries.iter().filter(|delivery| delivery["state"] == "delivered").count()
    };
    let begun = Instant::now();
    while sent("box") + sent("cxr") == 0 {
        let both = [ended(&trial.site, &study, "box"), ended(&trial.site, &study, "cxr")];
        assert!(begun.elapsed() < PATIENCE, "nobody answers for the study: {both:?}\n{}", trial.site.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    wait_for_delivery(&trial.site);
    assert!((sent("box") == 0) != (sent("cxr") == 0), "two answers for one study");
    let by_trial = sent("box");
    running.stop();
    assert_eq!(trial.of_the_product(), 2 + by_trial);
}
