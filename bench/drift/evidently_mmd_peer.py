"""evidently_mmd_peer.py REF.csv CUR.csv: Evidently's embeddings MMD with its bootstrap threshold."""
import json
import os
import sys
import time

os.environ["DO_NOT_TRACK"] = "1"
import numpy as np
import pandas as pd
from evidently.legacy.metrics.data_drift.embedding_drift_methods import mmd

ref, cur = (pd.read_csv(path, dtype=np.float32) for path in sys.argv[1:])
np.random.seed(0)
cpu, wall = sum(os.times()[:2]), time.perf_counter()
score, drift, _ = mmd(threshold=0.015, bootstrap=True, quantile_probability=0.95, pca_components=None)(ref, cur)
print(json.dumps(dict(
    compute_cpu_s=sum(os.times()[:2]) - cpu, compute_wall_s=time.perf_counter() - wall, score=float(score), drift=bool(drift),
)))
