#!/usr/bin/env python3
"""What faults do to real chest radiographs and to a real model, and how soon rules find them: prints Markdown.

    SHARED=../shared HILUM=target/release/hilum python3 bench/rehearsal/real_faults.py [RUNS=200] [SEED=17]

The pneumonia model answers the 371 films of the children's test set untouched and with each fault on their pixels
(`hilum rehearse --images`); the rehearsal then draws a site of about twenty studies a day with the rules of
`crates/hilum-monitor/examples/rehearsal_bars/site.toml` and with what was measured. The offset of stored values is
not of the bars. Needs Python 3.11 with numpy, ONNX Runtime as
`.ci/environment` finds it, and `cargo build --release --examples -p hilum-infer`.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("SHARED", ROOT / "../shared")).resolve()
HILUM = os.environ.get("HILUM", str(ROOT / "target/release/hilum"))
os.environ["SHARED"] = str(SHARED)
sys.path.insert(0, str(ROOT / "bench/inference"))
import packages  # noqa: E402

RUNS, SEED = (sys.argv[1:] + ["200", "17"][len(sys.argv) - 1 :])[:2]
MODEL = "cxr-pneumonia-v2"
SITE = tomllib.loads((ROOT / "crates/hilum-monitor/examples/rehearsal_bars/site.toml").read_text())

# Name, kind, size, days in which it has to be found.
FAULTS = [
    ("blurred by 1 px", "kernel", -1.0, 14),
    ("sharpened once", "kernel", 1.0, 14),
    ("as much noise again", "noise", 1.0, 14),
    ("three times the noise", "noise", 3.0, 14),
    ("values times 0.7", "gain", 0.3, 14),
    ("values up by 0.5 SD", "offset", 0.5, 14),
    ("left and right exchanged", "laterality_swap", None, 7),
    ("black and white exchanged", "inverted_photometric", None, 7),
]


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def main():
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        config = work / "hilum.toml"
        config.write_text('data_dir = "data"\n[dimse]\naccept_any_peer = true\n')

        def hilum(*words, codes=(0,)):
            done = subprocess.run([HILUM, *words, "--config", str(config)], cwd=work, stdout=subprocess.PIPE, text=True)
            assert done.returncode in codes, f"hilum {' '.join(words)} ended with {done.returncode}"
            return done.stdout

        folder = packages.package(work, MODEL)
        packages.tool("make_golden", folder, *packages.OBJECTS[:3])
        package = re.search('package = "(.*)"', hilum("model", "import", str(folder)))[1]
        labels = SHARED / "data/cxr/labels.csv"
        hilum("reference", "import", str(SHARED / "data/cxr"), "--labels", str(labels), "--name", "films",
              "--where", "dataset=kermany-test", "--label-source", "data set", "--exposure", "unexposed",
              "--labelled-at", "2018-01-01", "--ignore-unlisted")
        declare = work / "deployment.toml"
        begin = f'[[deployment]]\nname = "cxr"\npackage = "{package}"\nstate = "draft"\n'
        envelope = "[deployment.monitoring.envelope]\nfalse_withhold_rate = 0.03\n"
        declare.write_text(begin + envelope)
        hilum("apply", str(declare))
        learnt = json.loads(hilum("monitor", "envelope", "--reference", "films", "--model", f"{MODEL}@2.0.0",
                                  "--deployment", "cxr", "--json"))
        rules = [dict(rule) for rule in SITE["monitoring"]["rule"] if rule.get("feature") != "score:nodule"]
        for rule in rules:
            if "feature" in rule:
                rule["quantiles"] = learnt["quantiles"][rule["feature"]]["quantiles"]
            if "finding" in rule:
                rule["finding"] = "pneumonia"
        text = "".join(
            "[[deployment.monitoring.rule]]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in rule.items())
            for rule in rules
        )
        declare.write_text(begin + envelope + text)
        hilum("apply", str(declare))
        scenario = SITE["scenario"]
        # Rules and envelope come from these films alone, and no more of theirs are outside it than was declared.
        scenario |= {"reference_studies": 371, "outside_envelope": 0.03}
        scenario["finding"] = {"pneumonia": next(iter(scenario["finding"].values()))}
        faults = [
            {"name": name, "kind": kind, "start_day": 14, "found_within_days": days} | ({} if size is None else {"size": size})
            for name, kind, size, days in FAULTS
        ]
        images = {"finding": "pneumonia", "positive": ["bacterial", "viral"], "negative": ["normal"]}
        file = work / "faults.toml"
        file.write_text(f"scenario = {toml(scenario)}\nimages = {toml(images)}\nfault = {toml(faults)}\n")
        told = json.loads(hilum("rehearse", "--deployment", "cxr", "--faults", str(file), "--images", "films",
                                "--runs", RUNS, "--seed", SEED, "--json", codes=(0, 3, 4)))
    calm = told["in_control"]
    print(f"{RUNS} runs, seed {SEED}; {calm['false_stops_per_year']['n']} stops and "
          f"{calm['false_alarms_per_year']['n']} alarms in {calm['years']} years without a fault\n")
    print("| fault on pixels | moves most, SD | outside (untouched) | sensitivity loses | specificity loses | declared days "
          "| found (95 %) | median days, p90 | spoke first |")
    print("|---|---|---|---|---|---|---|---|---|")
    for fault in told["faults"]:
        measured, delay = fault["measured"], fault["delay"]["days"]
        moved = sorted(measured["features"].items(), key=lambda one: -abs(one[1]["value"]))[:3]
        side = [one for one in measured["features"].items() if one[0] == "brightness_side" and one not in moved]
        moved = ", ".join(f"{name} {figure['value']:+.1f}" for name, figure in moved + side)

        def share(name):
            figure = measured.get(name)
            return "-" if figure is None else f"{figure['value']:.3f} ({figure['lower']:.3f} to {figure['upper']:.3f}), n = {figure['n']}"

        found, told_of = fault["found"], fault["fault"]
        median = delay.get("median")
        days = "never" if median is None else f"{median['value']:.1f}"
        p90 = "never" if delay.get("p90") is None else f"{delay['p90']:.1f}"
        first = ", ".join(f"{one['rule']} {one['n_runs']}" for one in fault["first"][:2])
        outside = f"{measured['outside_envelope']['value']:.3f} ({measured['outside_untouched']['value']:.3f})"
        print(f"| {told_of['name']} | {moved} | {outside} | {share('sensitivity_loss')} | {share('specificity_loss')} "
              f"| {told_of['found_within_days']} | {found['value']:.3f} ({found['lower']:.3f} to {found['upper']:.3f}) "
              f"| {days}, {p90} | {first} |")


if __name__ == "__main__":
    main()
