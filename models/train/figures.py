"""Figures with 95 % intervals."""

import numpy as np


def auc(score, truth):
    """Area under the ROC curve as the Mann-Whitney statistic; ties count half."""
    order = np.argsort(score, kind="stable")
    ranks = np.empty(len(score))
    values = score[order]
    start = 0
    for end in range(1, len(values) + 1):
        if end == len(values) or values[end] != values[start]:
            ranks[order[start:end]] = (start + end + 1) / 2
            start = end
    positives = truth.sum()
    return (ranks[truth == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(truth) - positives))


def bootstrap(statistic, *arrays, draws=2000, seed=1):
    """Percentile interval over resampled cases."""
    rng = np.random.default_rng(seed)
    n = len(arrays[0])
    values = []
    for _ in range(draws):
        pick = rng.integers(0, n, n)
        values.append(statistic(*(a[pick] for a in arrays)))
    return float(np.nanquantile(values, 0.025)), float(np.nanquantile(values, 0.975))


def wilson(successes, trials, z=1.959964):
    """Wilson score interval."""
    if trials == 0:
        return float("nan"), float("nan"), float("nan")
    p = successes / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return float(p), float(centre - half), float(centre + half)


def dice(a, b):
    """Dice coefficient of two masks; 1 when both are empty."""
    total = a.sum() + b.sum()
    return 1.0 if total == 0 else 2.0 * (a & b).sum() / total
