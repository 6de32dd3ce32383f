"""alibi_values.py: what Alibi Detect says of our samples, into crates/hilum-stats/tests/it/reference/alibi.json."""
import importlib.metadata
import warnings

import numpy as np
import torch
from alibi_detect.cd import ChiSquareDrift, CVMDrift, KSDrift, MMDDrift

import samples

warnings.simplefilter("ignore")
PERMUTATIONS = 2000


def answer(detector, current):
    """Distances and p-values of the features (Alibi Detect keeps them in 32 bits), and whether it calls the whole drift."""
    said = detector.predict(current)["data"]
    return said["distance"], said["p_val"], said["is_drift"]


def test(detector, current):
    distance, p, _ = answer(detector, current)
    return [distance[0], p[0]]


def numbers():
    for name, reference, current in samples.numbers():
        yield dict(
            name=name, reference=reference, current=current,
            ks=test(KSDrift(reference[:, None]), current[:, None]),
            cramer_von_mises=test(CVMDrift(reference[:, None]), current[:, None]),
        )


def categories():
    for name, reference, current in samples.categories():
        of = lambda counts: np.repeat(np.arange(len(counts)), counts)[:, None]
        yield dict(name=name, reference=reference, current=current, chi_squared=test(ChiSquareDrift(of(reference)), of(current)))


def tables():
    """Tables of several features, of which some drift: the verdicts on the whole."""
    rng = np.random.default_rng(20261129)
    for name, shifts in [
        ("none of eight", [0.0] * 8), ("one of eight, clearly", [0.0] * 7 + [0.8]), ("six of eight, a little", [0.3] * 6 + [0.0] * 2),
    ]:
        reference = np.round(rng.normal(size=(120, 8)), 2)
        current = np.round(rng.normal(size=(90, 8)) + shifts, 2)
        distance, p, bonferroni = answer(KSDrift(reference, p_val=0.05, correction="bonferroni"), current)
        fdr = answer(KSDrift(reference, p_val=0.05, correction="fdr"), current)[2]
        yield dict(name=name, reference=reference.T, current=current.T, ks=distance, p=p, bonferroni=bonferroni, fdr=fdr)


def points():
    """MMD squared: a bandwidth that is given, several, the one it finds, 32 bits, and samples that nothing connects."""
    rng = np.random.default_rng(20261130)

    def pair(n, m, d, shift, digits):
        return np.round(rng.normal(size=(n, d)), digits), np.round(rng.normal(size=(m, d)) + shift, digits)

    for name, (reference, current), sigma, dtype in [
        ("given bandwidth", pair(60, 45, 4, 0.4, 2), [1.5], np.float64),
        ("several bandwidths", pair(50, 70, 3, 0.0, 2), [0.5, 1.0, 3.0], np.float64),
        ("found, odd number of pairs", pair(150, 100, 5, 0.2, 2), None, np.float64),
        ("found, even number of pairs", pair(40, 60, 2, 0.1, 2), None, np.float64),
        ("32 bits", pair(700, 500, 2, 0.15, 2), [1.0], np.float32),
        ("far apart", pair(30, 20, 2, 40.0, 2), [2.0], np.float64),
    ]:
        torch.manual_seed(0)
        reference_rows, current_rows = reference.astype(dtype), current.astype(dtype)
        given = {} if sigma is None else dict(sigma=np.array(sigma, dtype=dtype))
        detector = MMDDrift(reference_rows, backend="pytorch", n_permutations=PERMUTATIONS, device="cpu", **given)
        said = detector.predict(current_rows)["data"]
        inside = detector._detector
        yield dict(
            name=name, dimensions=reference.shape[1], reference=reference.ravel(), current=current.ravel(), permutations=PERMUTATIONS,
            # As it computes with them, which is in 32 bits where it finds them.
            sigmas=inside.kernel.sigma.double().numpy(), mmd2=said["distance"], p=said["p_val"],
        )


def kernel():
    """The whole kernel matrix of a few points, the reference first."""
    rng = np.random.default_rng(20261201)
    reference, current = np.round(rng.normal(size=(6, 3)), 2), np.round(rng.normal(size=(5, 3)) + 0.7, 2)
    detector = MMDDrift(reference, backend="pytorch", sigma=np.array([1.2]), n_permutations=PERMUTATIONS, device="cpu")
    torch.manual_seed(0)
    said = detector.predict(current)["data"]
    matrix = detector._detector.kernel_matrix(torch.from_numpy(reference), torch.from_numpy(current)).numpy()
    return dict(
        dimensions=3, reference=reference.ravel(), current=current.ravel(), sigma=1.2, matrix=matrix, mmd2=said["distance"], p=said["p_val"],
    )


samples.write(
    "alibi", {name: importlib.metadata.version(name) for name in ["alibi-detect", "numpy", "scipy"]} | {"torch": torch.__version__},
    numbers=list(numbers()), categories=list(categories()), tables=list(tables()), points=list(points()), kernel=kernel(),
)
