"""inputs.py FOLDER [ROWS]: seeded CSV files that both sides read: table-{ref,cur}.csv (ROWS x 20) and points-{ref,cur,same}.csv
(2,000 x 512). The distributions are those of the design study: exposures, scores, tube voltages, ages, heavy tails."""
import sys

import numpy as np
import pandas as pd

folder, rows = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
rng = np.random.default_rng(7)


def table(drift):
    c = {}
    for i in range(6):
        c[f"gauss{i}"] = rng.normal(0.05 * i * drift, 1 + 0.05 * i * drift, rows)  # gauss0 never drifts
    for i in range(4):
        c[f"logn{i}"] = rng.lognormal(0.05 * i * drift, 0.6, rows)
    for i in range(3):
        c[f"beta{i}"] = rng.beta(2 + 0.2 * i * drift, 5, rows)
    share = np.array([0.1, 0.2, 0.1, 0.5, 0.1])
    for i in range(3):
        c[f"kvp{i}"] = rng.choice([80, 100, 110, 120, 140.0], rows, p=share + i * drift * np.array([0.02, 0, 0, -0.02, 0]))
    for i in range(2):
        c[f"age{i}"] = np.clip(np.round(rng.normal(58 + 2 * i * drift, 17, rows)), 0, 100)
    for i in range(2):
        c[f"tail{i}"] = rng.standard_t(2, rows) * (1 + 0.1 * i * drift)
    return pd.DataFrame(c)


for name, drift in (("ref", 0), ("cur", 1)):
    table(drift).to_csv(f"{folder}/table-{name}.csv", index=False)
mixing = rng.normal(size=(512, 512)) / np.sqrt(512)
for name, shift in (("ref", 0.0), ("same", 0.0), ("cur", 0.08)):
    points = (rng.normal(shift, 1, (2000, 512)) @ mixing).astype(np.float32)
    pd.DataFrame(points, columns=[f"e{k}" for k in range(512)]).to_csv(f"{folder}/points-{name}.csv", index=False)
