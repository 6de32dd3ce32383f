"""scores.py OUT.csv [N [DECIMALS]]: seeded labels (one in ten positive) with two correlated scores, of four decimals, so with ties."""
import sys

import numpy as np

n = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
decimals = int(sys.argv[3]) if len(sys.argv) > 3 else 4
rng = np.random.default_rng(7)
y = rng.random(n) < 0.10
shared = rng.normal(size=n) * 0.7
columns = [y.astype(int)]
for shift in (1.6, 1.5):
    columns.append(np.round(1 / (1 + np.exp(-(rng.normal(size=n) * 0.7 + shared + y * shift))), decimals))
np.savetxt(sys.argv[1], np.column_stack(columns), delimiter=",", header="label,score,score2", comments="", fmt=["%d"] + 2 * [f"%.{decimals}f"])
