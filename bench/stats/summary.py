"""summary.py FIGURES.jsonl: medians over rounds, and every Python method over Hilum's."""
import json
import statistics
import sys

figures = {}
for line in open(sys.argv[1]):
    entry = json.loads(line)
    figures.setdefault(entry["bench"], []).append(entry)
median = lambda name, key: statistics.median(entry[key] for entry in figures[name])
print(f"\n{'':32}{'wall s':>10}{'CPU s':>10}")
for name in figures:
    print(f"{name:32}{median(name, 'wall_s'):10.4f}{median(name, 'cpu_s'):10.4f}   n={figures[name][0]['n']}")
print(f"\n{'Python over Hilum':42}{'wall':>8}{'CPU':>8}")
for ours, theirs in [
    ("delong", ["midrank", "midrank-loop", "definition"]),
    ("delong-paired", ["midrank-paired", "midrank-loop-paired", "definition-paired"]),
    ("bootstrap", ["counts", "sklearn"]), ("bootstrap-all-cores", ["counts", "sklearn"]), ("bootstrap-bca", ["sklearn"]),
]:
    for peer in theirs:
        ours_name, peer_name = f"hilum/{ours}", f"python/{peer}"
        if ours_name in figures and peer_name in figures:
            ratio = lambda key: median(peer_name, key) / median(ours_name, key)
            print(f"{ours:20} {peer:20} {ratio('wall_s'):8.1f}{ratio('cpu_s'):8.1f}")
