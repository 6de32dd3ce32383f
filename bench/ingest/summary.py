#!/usr/bin/env python3
"""Medians and ratios of run.sh's lines: summary.py FILE..."""
import collections
import json
import statistics
import sys

rates = collections.defaultdict(list)
cpu = collections.defaultdict(list)
for path in sys.argv[1:]:
    for line in open(path):
        row = json.loads(line)
        if row["success"] != row["files"] or row["stored"] < row["files"]:
            print("left out, not everything was stored:", line.strip())
            continue
        key = (row["nodelay"], row["associations"], row["peer"])
        rates[key].append(row["objects_per_s"])
        cpu[key].append(row["server_cpu_ms_per_object"])
for nodelay, width in sorted({key[:2] for key in rates}, reverse=True):
    ours = statistics.median(rates[nodelay, width, "hilum"])
    words = [f"TCP_NODELAY={nodelay} {width} associations: hilum {ours:.0f}/s, {statistics.median(cpu[nodelay, width, 'hilum']):.2f} ms CPU"]
    for peer in ("orthanc", "storescp"):
        if rates[nodelay, width, peer]:
            theirs = statistics.median(rates[nodelay, width, peer])
            words.append(f"{peer} {theirs:.0f}/s, ratio {ours / theirs:.2f}")
    print("; ".join(words))
