"""Upstream answers for outliers, calibration and counts on seeded inputs: control.py SECTION prints JSON."""
import json
import sys

import numpy as np

rng = np.random.default_rng(20261127)
section = sys.argv[1]


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    return float(value)


def outlier():
    from scipy import stats as st
    from sklearn.covariance import LedoitWolf
    from sklearn.neighbors import NearestNeighbors

    for n, d in [(12, 3), (40, 60), (300, 9)]:
        x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)
        new = rng.normal(size=(5, d)) * 4
        shrunk = LedoitWolf().fit(x)
        plain_cov = np.cov(x.T) if d < n else None
        inverse = np.linalg.inv(plain_cov) if d < n else None
        centred = new - x.mean(0)
        yield dict(
            d=d, x=x.ravel(), new=new, shrinkage=shrunk.shrinkage_, shrunk=shrunk.mahalanobis(new),
            unshrunk=np.einsum("ij,jk,ik->i", centred, inverse, centred) if d < n else [],
            third=NearestNeighbors(n_neighbors=3).fit(x).kneighbors(new)[0][:, 2],
        )


def counts():
    from scipy import stats as st

    for k, n, calibration, share in [
        (3, 50, 199, 0.99), (0, 10, 99, 0.99), (40, 1000, 5000, 0.99), (7, 7, 400, 0.95), (900, 20000, 999, 0.95),
        # Far fewer than the mean of 2,000, where the probability of exactly so many is below 1e-308.
        (10, 20000, 9999, 0.9),
    ]:
        r = int(np.floor((1 - share) * (calibration + 1) + 1e-9))
        yield dict(
            k=k, n=n, calibration=calibration, share=share,
            binomial=st.binomtest(k, n, 1 - share, alternative="greater").pvalue,
            beta_binomial=st.betabinom(n, r, calibration + 1 - r).sf(k - 1),
        )


def isotonic():
    from sklearn.isotonic import IsotonicRegression

    for n, digits in [(1, 1), (30, 1), (400, 2), (3000, 6)]:
        s = np.round(rng.random(n) * 3 - 1, digits)
        y = rng.random(n) < np.clip((s + 1) / 3, 0, 1)
        at = np.r_[s, rng.random(50) * 4 - 1.5]
        yield dict(y=y, s=s, at=at, p=IsotonicRegression(out_of_bounds="clip").fit(s, y).predict(at))


print(json.dumps([plain(case) for case in globals()[section]()]))
