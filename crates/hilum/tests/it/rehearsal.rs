//! Rehearsal from outside: recorded days through candidate rules with nothing written and nothing sent, and faults (MV-45,
//! UX-15).

use crate::acceptance::{digest as digest_of, import as import_words, phantoms, protocol, validate};
use crate::monitoring::received_at;
use crate::oip::python;
use crate::program::{Site, destination, have, package};
use crate::rollout::{apply, ended, import, phantom, runtime, send};
use hilum_testkit::SimulatedPacs;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const NAME: &str = "cxr";

/// In force: a rule about findings that are there, of which nobody says anything below.
const IN_FORCE: &str = "state='active'\ndestinations=['pacs']\n[deployment.monitoring]\nreviewed_by='physics'\nreview_days=7\n\
    [[deployment.monitoring.rule]]\nname='found'\nmetric='sensitivity'\nfinding='nodule'\nbelow=0.9\nmargin=0.02\n\
    false_stops_per_year=0.1\nevents_per_day=6\naction='suspend'\n";

const N_STUDIES: u64 = 10;

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The whole content of the catalog as SQL text.
fn dump(python: &str, database: &Path) -> String {
    let script = "import sqlite3, sys\nfor line in sqlite3.connect(sys.argv[1]).iterdump(): print(line)";
    let output = Command::new(python).args(["-c", script]).arg(database).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn recorded_days_are_replayed_with_nothing_written_and_nothing_sent() {
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    for (name, role) in [("root", "governance"), ("anna", "clinical")] {
        site.person(name, role);
    }
    let digest = import(&site, &package("phantom-cxr"));
    assert!(apply(&site, NAME, &digest, IN_FORCE).status.success());
    let running = site.serve("warn");
    for seed in 1..=N_STUDIES {
        send(&site, &runtime, &phantom(seed, 0));
    }
    for seed in 1..=N_STUDIES {
        assert_eq!(ended(&site, &phantom(seed, 0), NAME)["disposition"], "analysed");
    }
    let received: Vec<String> = (1..=N_STUDIES).map(|seed| received_at(&site, seed)).collect();
    running.stop();
    for (seed, decided_at) in (1..=N_STUDIES).zip(&received) {
        let (accession, of) =
            (format!("ACC{seed}"), ["--deployment", NAME, "--finding", "nodule", "--truth", "absent"]);
        let mut arguments = vec!["label", "add", &accession];
        arguments.extend(of);
        arguments.extend(["--by", "anna", "--decided-at", decided_at, "--json"]);
        site.done(&arguments);
    }

    let window = "2020-01-01..2100-01-01";
    let told = value(&site.done(&["rehearse", "--deployment", NAME, "--replay", window, "--json"]));
    assert_eq!((&told["n_studies"], &told["n_labels"]), (&N_STUDIES.into(), &N_STUDIES.into()));
    assert_eq!(told["signals"], Value::Array(Vec::new()), "the rules in force see no finding that is there");

    // A candidate, which is not in force.
    let rule = "name='calls'\nmetric='specificity'\nfinding='nodule'\nbelow=0.9\nconfidence=0.95\naction='suspend'\n";
    let candidate = site.path("candidate.toml");
    let text = format!(
        "[[deployment]]\nname='{NAME}'\npackage='{digest}'\n[deployment.monitoring]\nreviewed_by='physics'\nreview_days=7\n\
         [[deployment.monitoring.rule]]\n{rule}"
    );
    std::fs::write(&candidate, text).unwrap();
    let candidate = candidate.to_str().unwrap();
    let arguments = ["rehearse", "--deployment", NAME, "--replay", window, "--rules", candidate];
    let people = site.done(&arguments);
    assert!(
        people.contains("specificity for nodule is below 0.9") && people.contains("Nothing was written"),
        "{people}"
    );

    let database = site.path("data/catalog.sqlite");
    let python = python("sqlite3");
    let before = python.as_ref().map(|python| dump(python, &database));
    let objects = pacs.received().len();
    let mut command = site.command(&arguments);
    let log = site.path("calls.log");
    if have("strace") {
        let program = command.get_program().to_owned();
        let rest: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "trace=%network", "-o"]).arg(&log).arg(program).args(rest).arg("--json");
    } else {
        command.arg("--json");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = value(&String::from_utf8(output.stdout).unwrap());
    let signal = &told["signals"][0];
    assert_eq!((&signal["rule"], &signal["severity"]), (&"calls".into(), &"stop".into()));
    assert!(
        signal["n"].as_u64().unwrap() <= N_STUDIES && signal["studies"].as_array().is_some_and(|all| !all.is_empty())
    );
    assert!(told["first_stop_at"].is_string());
    if let Some(python) = &python {
        assert_eq!(dump(python, &database), before.unwrap(), "something was written");
    }
    assert_eq!(pacs.received().len(), objects, "something was sent");
    if have("strace") {
        // Processes may talk to themselves; nothing may go out by the internet.
        let calls = std::fs::read_to_string(&log).unwrap();
        let outside: Vec<&str> = calls.lines().filter(|line| line.contains("AF_INET")).collect();
        assert_eq!(outside, Vec::<&str>::new());
    }
    assert_eq!(value(&site.done(&["deploy", "history", NAME, "--json"]))["changes"].as_array().unwrap().len(), 1);
}

/// MV-45: faults through the rules of a deployment, kept as a record that people sign; bad files are told with their remedy.
#[test]
fn faults_are_rehearsed_and_the_result_is_signed() {
    let site = Site::new("");
    for (name, role) in [("root", "governance"), ("anna", "clinical"), ("bo", "technical")] {
        site.person(name, role);
    }
    let digest = import(&site, &package("phantom-cxr"));
    assert!(
        apply(&site, NAME, &digest, &IN_FORCE.replace("state='active'\ndestinations=['pacs']\n", "")).status.success()
    );
    let file = site.path("faults.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let file_name = file.to_str().unwrap().to_owned();
    let arguments = ["rehearse", "--deployment", NAME, "--faults", &file_name, "--runs", "3", "--seed", "5"];

    write("[scenario]\nstudies_per_day=[9,9,9,9,9,0,0]\nfinding={nodule={prevalence=0.3}}\n");
    let said = site.refused(&arguments);
    assert!(said.contains("no validation of this package says the sensitivity for nodule"), "{said}");
    let scenario = "[scenario]\nstudies_per_day=[9,9,9,9,9,0,0]\n\
        finding={nodule={prevalence=0.3, sensitivity=0.95, specificity=0.9}}\n";
    write(scenario);
    let said = site.refused(&arguments);
    assert!(said.contains("rule found rests on labels of class unexposed"), "{said}");
    let labels = "[[scenario.labels]]\nsource='follow_up'\nclass='unexposed'\ncoverage=1.0\ndelay_days_median=1\n";
    let fault = "[[fault]]\nname='drop'\nkind='sensitivity_drop'\nsize=0.7\nfound_within_days=60\n";
    write(&format!("{scenario}{labels}{fault}"));

    let output = site.run(&[&arguments[..], &["--json", "--record"]].concat());
    let told = value(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(told["faults"][0]["first"][0]["rule"], "found", "{told}");
    for figure in [&told["in_control"]["false_stops_per_year"], &told["faults"][0]["found"]] {
        for part in ["value", "lower", "upper", "n", "method", "label_classes", "as_of"] {
            assert!(!figure[part].is_null(), "{part} is missing: {figure}");
        }
    }
    // Three years cannot show one false stop in ten.
    assert_eq!((told["verdict"].as_str(), output.status.code()), (Some("not_shown"), Some(4)));
    let records = value(&site.done(&["record", "list", "--kind", "rehearsal", "--subject", NAME, "--json"]));
    let record = records[0]["digest"].as_str().unwrap().to_owned();
    assert_eq!(records[0]["body"]["verdict"], "not_shown");
    assert!(site.sign(&record, "anna", "approved_clinical").status.success());
    assert!(site.sign(&record, "bo", "approved_technical").status.success());
    site.done(&["audit", "verify"]);
}

/// MV-01, MV-45: where the plan asks for it, a rehearsal of exactly the declared rules that two people signed is missing before
/// results reach readers, and the refusal says how to make one.
#[test]
fn a_required_rehearsal_is_missing_until_it_is_signed() {
    let site = Site::new("");
    for (name, role) in [("root", "governance"), ("anna", "clinical"), ("bo", "technical")] {
        site.person(name, role);
    }
    let digest = import(&site, &package("phantom-cxr"));
    let declare = |in_a_row: u32| {
        let plan = format!(
            "purpose='clinical'\n[deployment.monitoring]\nrehearsal='required'\n[[deployment.monitoring.rule]]\n\
             name='foreign'\nmetric='outside_envelope'\nconsecutive={in_a_row}\naction='suspend'\n"
        );
        let applied = apply(&site, NAME, &digest, &plan);
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    };
    let lacks = || {
        let output = site.run(&["deploy", "ready", NAME, "--to", "active", "--json"]);
        let told = value(&String::from_utf8(output.stdout).unwrap());
        let missing = told["missing"].as_array().unwrap();
        let found = missing.iter().find(|one| one["requirement"] == "rehearsal");
        found.map(|one| format!("{}: {}", one["text"], one["remedy"]))
    };
    declare(5);
    let said = lacks().unwrap();
    assert!(said.contains("were not rehearsed") && said.contains("hilum rehearse --deployment cxr --faults"), "{said}");
    assert!(site.refused(&["deploy", "promote", NAME, "--to", "active"]).contains("were not rehearsed"));

    let file = site.path("faults.toml");
    let faults = "[scenario]\nstudies_per_day=[9,9,9,9,9,0,0]\n\
        finding={nodule={prevalence=0.3, sensitivity=0.95, specificity=0.9}}\n\
        [[fault]]\nname='inverted'\nkind='inverted_photometric'\nsize=8\nfound_within_days=30\n";
    std::fs::write(&file, faults).unwrap();
    let told = site.done(&[
        "rehearse",
        "--deployment",
        NAME,
        "--faults",
        file.to_str().unwrap(),
        "--runs",
        "80",
        "--record",
        "--json",
    ]);
    assert_eq!(value(&told)["verdict"], "kept", "{told}");
    let records = value(&site.done(&["record", "list", "--kind", "rehearsal", "--subject", NAME, "--json"]));
    let record = records[0]["digest"].as_str().unwrap().to_owned();
    assert!(lacks().unwrap().contains("lacks approval in the clinical role"));
    for (name, meaning) in [("anna", "approved_clinical"), ("bo", "approved_technical")] {
        assert!(site.sign(&record, name, meaning).status.success());
    }
    assert_eq!(lacks(), None);
    declare(6);
    assert!(lacks().unwrap().contains("tried other rules than those that are declared"));
}

/// The shipped example is read, and holds every kind of fault.
#[test]
fn the_shipped_faults_are_sound() {
    let site = Site::new("");
    let digest = import(&site, &package("phantom-cxr"));
    assert!(
        apply(&site, NAME, &digest, &IN_FORCE.replace("state='active'\ndestinations=['pacs']\n", "")).status.success()
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let example = root.join("docs/guides/examples/faults.toml");
    let text = std::fs::read_to_string(&example).unwrap();
    let guide = std::fs::read_to_string(root.join("docs/guides/rehearsal.md")).unwrap();
    let kinds: Vec<&str> =
        guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|line| line.0).collect();
    let faults: Vec<&str> = kinds.iter().copied().filter(|kind| text.contains(&format!("kind = \"{kind}\""))).collect();
    assert_eq!(faults.len(), 14, "every kind is in the guide and in the example: {faults:?}");
    let output =
        site.run(&["rehearse", "--deployment", NAME, "--faults", example.to_str().unwrap(), "--runs", "1", "--json"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        value(&told)["faults"].as_array().map(Vec::len),
        Some(14),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// MV-45: what faults do is measured on the images of a reference set, by the way every study takes, and nothing is entered.
#[test]
fn what_faults_do_is_measured_on_images() {
    const N_CASES: u64 = 24;
    let site = Site::new("");
    let digest = import(&site, &package("phantom-cxr"));
    import(&site, &package("phantom-cxr-1.1"));
    let (folder, table) = phantoms(&site, "cases", 0..N_CASES);
    let set = digest_of(&site.done(&import_words(&folder, &table)), "reference_set");
    let plan = "[deployment.monitoring]\nreviewed_by='physics'\nreview_days=7\n\
        [deployment.monitoring.envelope]\nfalse_withhold_rate=0.05\n\
        [[deployment.monitoring.rule]]\nname='foreign'\nmetric='outside_envelope'\nconsecutive=5\naction='suspend'\n";
    let applied = apply(&site, NAME, &digest, plan);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let learn = ["monitor", "envelope", "--reference", "phantoms", "--model", "phantom-cxr@1.0.0"];
    site.done(&[&learn[..], &["--deployment", NAME]].concat());

    let file = site.path("faults.toml");
    let scenario = "[scenario]\nstudies_per_day=[9,9,9,9,9,0,0]\n\
        finding={effusion={prevalence=0.3, sensitivity=0.95, specificity=0.9}}\n";
    let faults = "[[fault]]\nname='noisy'\nkind='noise'\nsize=8\nfound_within_days=14\n\
        [[fault]]\nname='inverted'\nkind='inverted_photometric'\nfound_within_days=14\n\
        [[fault]]\nname='other'\nkind='model_swap'\npackage='phantom-cxr@1.1.0'\nfound_within_days=14\n\
        [[fault]]\nname='known'\nkind='kernel'\nfound_within_days=14\neffect={sensitivity_loss=0.5}\n\
        [[fault]]\nname='more'\nkind='prevalence'\nfound_within_days=14\n";
    let write = |labels: &str| std::fs::write(&file, format!("{scenario}{labels}{faults}")).unwrap();
    let file_name = file.to_str().unwrap().to_owned();
    let arguments = ["rehearse", "--deployment", NAME, "--faults", &file_name, "--runs", "2", "--seed", "5"];
    let imaged = [&arguments[..], &["--images", "phantoms"]].concat();
    let told = |arguments: &[&str]| {
        let output = site.run(&[arguments, &["--json"]].concat());
        assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        value(&String::from_utf8(output.stdout).unwrap())
    };
    let sources = |told: &Value| -> Vec<String> {
        let faults = told["faults"].as_array().unwrap();
        faults.iter().map(|fault| fault["effect_source"].as_str().unwrap().to_owned()).collect()
    };

    // Without a word about labels, or with labels that the set does not have, nothing is run.
    write("");
    let plain = told(&arguments);
    assert_eq!(sources(&plain), ["assumed", "assumed", "assumed", "stated", "assumed"]);
    assert!(plain["faults"][0]["measured"].is_null(), "{plain}");
    let said = site.refused(&imaged);
    assert!(said.contains("write [images] with finding, positive and negative"), "{said}");
    write("[images]\nfinding='effusion'\npositive=['fluid']\nnegative=['clear']\n");
    let said = site.refused(&imaged);
    assert!(said.contains("no case of \"phantoms\" has a label of fluid"), "{said}");

    write("[images]\nfinding='effusion'\npositive=['effusion']\nnegative=['clear']\n");
    let database = site.path("data/catalog.sqlite");
    let python = python("sqlite3");
    let before = python.as_ref().map(|python| dump(python, &database));
    let measured = told(&imaged);
    assert_eq!(sources(&measured), ["measured", "measured", "measured", "stated", "assumed"]);
    assert_eq!(measured["in_control"]["n_studies"], plain["in_control"]["n_studies"]);
    let [noisy, inverted, other, known, more] =
        [0, 1, 2, 3, 4].map(|place: usize| &measured["faults"][place]["measured"]);
    assert!(more.is_null());
    for (field, wanted) in [("reference_set", set.as_str()), ("package", digest.as_str()), ("finding", "effusion")] {
        assert_eq!(noisy[field], wanted);
    }
    assert_eq!((&noisy["seed"], &noisy["n_cases"]), (&Value::from(5), &Value::from(N_CASES)));
    let number = |value: &Value| value["value"].as_f64().unwrap_or_else(|| panic!("{measured}"));
    assert!(2.0 < number(&noisy["features"]["noise"]), "{noisy}");
    assert!(number(&noisy["outside_untouched"]) <= 0.2 && 0.8 < number(&noisy["outside_envelope"]), "{noisy}");
    assert!(noisy["sensitivity_loss"]["n"] == N_CASES / 2 && noisy["specificity_loss"]["n"] == N_CASES / 2, "{noisy}");
    // What is white becomes black: the middle of the chest shows it, and so do the answers or the envelope.
    let lost = number(&inverted["sensitivity_loss"]).max(number(&inverted["specificity_loss"]));
    assert!(0.0 < lost || 0.8 < number(&inverted["outside_envelope"]), "{inverted}");
    assert!(1.0 < number(&inverted["features"]["brightness_midline"]).abs(), "{inverted}");
    // The other package reads the same images.
    assert_eq!((number(&other["features"]["noise"]), other["change"].as_str().unwrap().contains("1.1.0")), (0.0, true));
    assert!(1.0 < number(&known["features"]["sharpness"]), "{known}");
    assert_eq!(measured["faults"][3]["effect"]["sensitivity_loss"], 0.5, "what is stated wins");
    if let Some(python) = &python {
        assert_eq!(dump(python, &database), before.unwrap(), "something was written");
    }

    // The same seed gives the same figures, on however many cores; and people read them.
    let again = told(&imaged);
    assert_eq!(again["faults"][0]["measured"]["features"]["noise"]["value"], noisy["features"]["noise"]["value"]);
    let people = site.run(&imaged);
    let people = String::from_utf8_lossy(&people.stdout);
    for part in ["effect measured", "effect stated", "effect assumed", "on 24 cases of set", "8 times the noise"] {
        assert!(people.contains(part), "{part} is not in {people}");
    }
    // Where the file does not say what the labels mean, the newest validation of the package does.
    write("");
    let (code, said) = validate(&site, &protocol(&site, "effusion.toml", &set, 1, 0.5, 10), "report");
    assert_ne!(code, 1, "{said}");
    assert_eq!(told(&imaged)["faults"][0]["measured"]["finding"], "effusion");
}
