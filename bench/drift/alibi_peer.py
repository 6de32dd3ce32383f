"""alibi_peer.py REF.csv CUR.csv ks|mmd: Alibi Detect with its own defaults (MMD: 100 permutations, PyTorch on the CPU)."""
import json
import os
import sys
import time

import numpy as np
import pandas as pd
import torch
from alibi_detect.cd import KSDrift, MMDDrift

reference, current, method = sys.argv[1:]
ref, cur = (pd.read_csv(path, dtype=np.float32).to_numpy() for path in (reference, current))
np.random.seed(0)
torch.manual_seed(0)
cpu, wall = sum(os.times()[:2]), time.perf_counter()
if method == "mmd":
    answer = MMDDrift(ref, backend="pytorch", p_val=0.05, n_permutations=100, device="cpu").predict(cur)["data"]
    said = dict(mmd2=float(answer["distance"]), p=float(answer["p_val"]))
else:
    answer = KSDrift(ref, p_val=0.05, correction="bonferroni").predict(cur)["data"]
    said = dict(values=[float(v) for v in answer["distance"]])
print(json.dumps(dict(compute_cpu_s=sum(os.times()[:2]) - cpu, compute_wall_s=time.perf_counter() - wall, **said)))
