"""peers.py: what scipy, numpy and scikit-learn say of seeded samples, as JSON, inputs beside answers."""
import json
import sys
import warnings

import numpy as np
from scipy import stats as st
from scipy.spatial.distance import jensenshannon

warnings.simplefilter("ignore")
rng = np.random.default_rng(20261127)


def sample(n, m, digits, shift=0.0, spread=1.0, kind="normal"):
    draw = dict(normal=lambda k: rng.normal(size=k), heavy=lambda k: rng.standard_t(2, size=k), skewed=lambda k: rng.exponential(size=k))[kind]
    return np.round(draw(n), digits), np.round(shift + spread * draw(m), digits)


def numbers():
    for n, m, digits, shift, spread, kind in [
        (3, 4, 1, 0.5, 1.0, "normal"), (8, 8, 6, 0.0, 1.0, "normal"), (30, 25, 1, 0.3, 1.0, "normal"), (20, 24, 6, 1.0, 1.5, "skewed"),
        (200, 150, 2, 0.1, 1.0, "heavy"), (500, 500, 0, 0.4, 1.0, "normal"), (1500, 900, 9, 0.03, 1.1, "skewed"),
        (5000, 300, 3, 0.05, 1.0, "heavy"), (40000, 60000, 9, 0.002, 1.0, "normal"), (300, 300, 9, 5.0, 1.0, "normal"),
    ]:
        a, b = sample(n, m, digits, shift, spread, kind)
        # scipy's exact p of large samples takes minutes.
        small = n * m <= 40_000
        exact = st.ks_2samp(a, b, method="exact") if small else None
        asymptotic = st.ks_2samp(a, b, method="asymp")
        cramer = st.cramervonmises_2samp(a, b, method="asymptotic")
        ranks = st.mannwhitneyu(a, b, method="asymptotic")
        welch = st.ttest_ind(a, b, equal_var=False)
        anderson = st.anderson_ksamp([a, b])
        epps = st.epps_singleton_2samp(a, b) if min(n, m) >= 5 else None
        pair = lambda test: [test.statistic, test.pvalue] if test is not None else None
        yield dict(
            a=a, b=b, ks=pair(asymptotic), ks_exact=pair(exact), wasserstein=st.wasserstein_distance(a, b),
            energy=st.energy_distance(a, b), cramer=pair(cramer), ranks=pair(ranks), welch=pair(welch),
            anderson=[anderson.statistic, anderson.pvalue], epps=pair(epps),
        )


def shares():
    for cells, n, m, tilt in [(2, 80, 60, 0.0), (4, 500, 100, 0.4), (12, 3000, 3000, 0.1), (200, 100000, 50000, 0.02)]:
        p = rng.dirichlet(np.full(cells, 2.0))
        q = p * np.exp(tilt * rng.normal(size=cells))
        a, b = rng.multinomial(n, p), rng.multinomial(m, q / q.sum())
        seen = a + b > 0
        a, b = a[seen], b[seen]
        chi2 = st.chi2_contingency([a, b], correction=False)
        g = st.chi2_contingency([a, b], correction=False, lambda_="log-likelihood")
        x, y = a / a.sum(), b / b.sum()
        # As Evidently fills empty cells.
        fx, fy = np.where(x == 0, 1e-4, x), np.where(y == 0, 1e-4, y)
        yield dict(
            a=a, b=b, chi2=[chi2[0], chi2[1]], g=[g[0], g[1]], js2=jensenshannon(x, y, 2), js=jensenshannon(x, y),
            psi=np.sum((fy - fx) * np.log(fy / fx)), kl=st.entropy(y, x), tv=abs(x - y).sum() / 2,
            hellinger=np.sqrt(np.sum((np.sqrt(x) - np.sqrt(y)) ** 2) / 2),
        )


def squared(a, b):
    from scipy.spatial.distance import cdist

    return cdist(a, b, "sqeuclidean")


def points():
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.preprocessing import StandardScaler

    for n, m, d, shift in [(40, 25, 3, 0.0), (60, 60, 8, 0.6), (700, 500, 16, 0.25)]:
        x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d)) + shift * (np.arange(d) < 2)
        z = np.concatenate([x, y])
        apart = squared(z, z)
        sigma2 = np.median(apart[np.triu_indices(n + m, 1)])

        kernel = np.exp(-apart / (2 * sigma2))
        np.fill_diagonal(kernel, 0)

        def mmd(order):
            k = kernel[np.ix_(order, order)]
            return k[:n, :n].sum() / (n * (n - 1)) + k[n:, n:].sum() / (m * (m - 1)) - 2 * k[:n, n:].mean()

        value = mmd(np.arange(n + m))
        reached = sum(mmd(rng.permutation(n + m)) >= value for _ in range(400))
        far = np.sqrt(apart)
        energy = 2 * far[:n, n:].mean() - far[:n, :n].mean() - far[n:, n:].mean()
        labels = np.r_[np.zeros(n), np.ones(m)]
        scaled = StandardScaler().fit_transform(z)
        scores = cross_val_predict(
            LogisticRegression(C=0.01), scaled, labels, cv=StratifiedKFold(5, shuffle=True, random_state=1), method="decision_function",
        )
        yield dict(
            x=x.ravel(), y=y.ravel(), d=d, sigma2=sigma2, mmd=value, p=(1 + reached) / 401, energy=energy, auroc=roc_auc_score(labels, scores),
        )


def plain(value):
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    return None if value is None else float(value)


answer = dict(numbers=list(numbers()), shares=list(shares()), points=list(points()))
json.dump(plain(answer), sys.stdout)
