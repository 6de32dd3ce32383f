"""summary.py FIGURES.jsonl: medians over rounds, every peer over Hilum, and whether the values agree."""
import json
import statistics
import sys

runs = {}
for line in open(sys.argv[1]):
    entry = json.loads(line)
    runs.setdefault(entry["bench"], []).append(entry)
median = lambda name, key: statistics.median(entry[key] for entry in runs[name])
alone = lambda name, key: statistics.median(entry["said"][-1].get(key, float("nan")) for entry in runs[name])
print(f"\n{'whole process, from CSV files':32}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}{'computing alone, CPU s':>25}")
for name in runs:
    print(f"{name:32}{median(name, 'wall_s'):9.2f}{median(name, 'cpu_s'):9.2f}{median(name, 'peak_mib'):10.0f}{alone(name, 'compute_cpu_s'):25.2f}")
print(f"\n{'peer over Hilum':32}{'wall':>9}{'CPU':>9}{'memory':>9}{'their computing alone over our whole, CPU':>44}")
for name in runs:
    tool, what = name.split("/")
    ours = f"hilum/{what}"
    if tool == "hilum" or ours not in runs:
        continue
    ratio = lambda key: median(name, key) / median(ours, key)
    print(f"{name:32}{ratio('wall_s'):9.1f}{ratio('cpu_s'):9.1f}{ratio('peak_mib'):9.1f}{alone(name, 'compute_cpu_s') / median(ours, 'cpu_s'):44.1f}")
print()
values = lambda name: {line["column"]: line for line in runs[name][0]["said"]}
if "alibi/ks" in runs:
    theirs = runs["alibi/ks"][0]["said"][-1]["values"]
    apart = max(abs(line["value"] - v) for line, v in zip(runs["hilum/ks"][0]["said"], theirs))
    print(f"KS, largest difference from Alibi Detect (which computes in 32 bits): {apart:.2e}")
if "evidently/wasserstein" in runs:
    theirs = runs["evidently/wasserstein"][0]["said"][-1]["values"]
    ours = values("hilum/wasserstein")
    # They divide by the plain standard deviation, we by that of winsorised values; the heavy tails differ.
    apart = max(abs(ours[c]["standardised"] - v) / max(v, 0.01) for c, v in theirs.items() if not c.startswith("tail"))
    print(f"Wasserstein in standard deviations, largest relative difference from Evidently without heavy tails: {apart:.2e}")
for current in ("same", "cur"):
    if f"alibi/mmd-{current}" in runs:
        a, b = runs[f"hilum/mmd-{current}"][0]["said"][-1], runs[f"alibi/mmd-{current}"][0]["said"][-1]
        print(f"MMD squared {current}: {a['value']:.7f} (p {a['p']:.4f}) here, {b['mmd2']:.7f} (p {b['p']:.4f}) there")
