"""evidently_peer.py REF.csv CUR.csv ks|wasserstein|psi|js: the preset on all columns; prints values, and what the computation alone
took (without imports and reading)."""
import json
import os
import sys
import time

os.environ["DO_NOT_TRACK"] = "1"
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

reference, current, method = sys.argv[1:]
ref, cur = pd.read_csv(reference), pd.read_csv(current)
cpu, wall = sum(os.times()[:2]), time.perf_counter()
definition = DataDefinition(numerical_columns=list(ref.columns))
a, b = Dataset.from_pandas(ref, definition), Dataset.from_pandas(cur, definition)
name = dict(ks="ks", wasserstein="wasserstein", psi="psi", js="jensenshannon")[method]
report = Report([DataDriftPreset(num_method=name)]).run(b, a).dict()
values = {m["config"]["column"]: float(m["value"]) for m in report["metrics"] if "column" in m.get("config", {})}
print(json.dumps(dict(compute_cpu_s=sum(os.times()[:2]) - cpu, compute_wall_s=time.perf_counter() - wall, values=values)))
