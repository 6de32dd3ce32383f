"""peer.py FILE METHOD RESAMPLES REPEATS: the same statistic the ways it is done in Python; prints one JSON line like the bench.

sklearn          roc_auc_score on each of the resamples, drawn with numpy: what scripts do
counts           cases counted per distinct score, no sort per resample: as fast as numpy gets
midrank          DeLong from midranks in numpy (vectorised form of Sun & Xu 2014)
midrank-loop     DeLong with the midrank of the script that is copied most (a while loop per score; Sun & Xu's algorithm)
definition       DeLong by its definition: every positive compared with every negative, in blocks
"""
import json
import sys
import time

import numpy as np

path, method, resamples, repeats = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
table = np.loadtxt(path, delimiter=",", skiprows=1)
y, s, t = table[:, 0].astype(np.int64), table[:, 1].copy(), table[:, 2].copy()


def midrank(x):
    order = np.argsort(x, kind="stable")
    z = x[order]
    edges = np.r_[0, np.flatnonzero(np.diff(z)) + 1, len(z)]
    ranks = np.repeat((edges[:-1] + edges[1:] - 1) / 2 + 1, np.diff(edges))
    out = np.empty(len(x))
    out[order] = ranks
    return out


def midrank_loop(x):
    order = np.argsort(x)
    z, n, i = x[order], len(x), 0
    ranks = np.zeros(n)
    while i < n:
        j = i
        while j < n and z[j] == z[i]:
            j += 1
        ranks[i:j] = 0.5 * (i + j - 1)
        i = j
    out = np.empty(n)
    out[order] = ranks + 1
    return out


def placements(score, rank):
    x, v = score[y == 1], score[y == 0]
    m, n = len(x), len(v)
    both, of_x, of_v = rank(np.r_[x, v]), rank(x), rank(v)
    return (both[:m] - of_x) / n, 1 - (both[m:] - of_v) / m


def placements_by_definition(score):
    x, v = score[y == 1], score[y == 0]
    of_x, of_v = np.empty(len(x)), np.zeros(len(v))
    for start in range(0, len(x), 500):
        block = x[start:start + 500, None]
        psi = (block > v) + 0.5 * (block == v)
        of_x[start:start + 500] = psi.mean(1)
        of_v += psi.sum(0)
    return of_x, of_v / len(x)


def delong(of, *scores):
    of_positives, of_negatives = zip(*(of(score) for score in scores))
    auc = [p.mean() for p in of_positives]
    covariance = np.atleast_2d(np.cov(of_positives)) / len(of_positives[0])
    covariance = covariance + np.atleast_2d(np.cov(of_negatives)) / len(of_negatives[0])
    half = 1.959963984540054 * np.sqrt(covariance[0, 0])
    answer = dict(auc=auc, lower=auc[0] - half, upper=auc[0] + half)
    if len(scores) == 2:
        answer["z"] = (auc[0] - auc[1]) / np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return answer


def sklearn_bootstrap():
    from sklearn.metrics import roc_auc_score

    rng, values = np.random.default_rng(0), []
    for _ in range(resamples):
        drawn = rng.integers(0, len(y), len(y))
        values.append(roc_auc_score(y[drawn], s[drawn]))
    return dict(lower=np.quantile(values, 0.025), upper=np.quantile(values, 0.975))


def counted_bootstrap():
    distinct, place = np.unique(s, return_inverse=True)
    cell, n = place * 2 + y, len(distinct)
    rng, values = np.random.default_rng(0), []
    for _ in range(resamples):
        counts = np.bincount(cell[rng.integers(0, len(y), len(y))], minlength=2 * n).reshape(n, 2)
        below = np.cumsum(counts[:, 0]) - counts[:, 0]
        values.append(float(counts[:, 1] @ (below + counts[:, 0] / 2)) / (counts[:, 0].sum() * counts[:, 1].sum()))
    return dict(lower=np.quantile(values, 0.025), upper=np.quantile(values, 0.975))


def with_ranks(rank):
    return lambda score: placements(score, rank)


methods = {
    "sklearn": sklearn_bootstrap,
    "counts": counted_bootstrap,
    "midrank": lambda: delong(with_ranks(midrank), s),
    "midrank-paired": lambda: delong(with_ranks(midrank), s, t),
    "midrank-loop": lambda: delong(with_ranks(midrank_loop), s),
    "midrank-loop-paired": lambda: delong(with_ranks(midrank_loop), s, t),
    "definition": lambda: delong(placements_by_definition, s),
    "definition-paired": lambda: delong(placements_by_definition, s, t),
}
if method == "sklearn":
    import sklearn.metrics  # loading it is not what is timed
walls, cpu = [], time.process_time()
for _ in range(repeats):
    begun = time.perf_counter()
    result = methods[method]()
    walls.append(time.perf_counter() - begun)
cpu = (time.process_time() - cpu) / repeats
figures = dict(bench=f"python/{method}", n=len(y), wall_s=sorted(walls)[repeats // 2], cpu_s=cpu, result=result)
print(json.dumps(figures, default=lambda v: np.asarray(v).tolist()))
