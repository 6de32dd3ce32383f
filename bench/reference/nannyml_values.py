"""nannyml_values.py: what NannyML says of our samples, into crates/hilum-stats/tests/it/reference/nannyml.json."""
import importlib.metadata
import os
import warnings

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.simplefilter("ignore")
import nannyml
import numpy as np
import pandas as pd
from nannyml.performance_estimation.confidence_based.metrics import estimate_roc_auc

import samples

CONTINUOUS = ["kolmogorov_smirnov", "wasserstein", "jensen_shannon", "hellinger"]
CATEGORICAL = ["chi2", "jensen_shannon", "hellinger", "l_infinity"]
FIGURES = ["roc_auc", "accuracy", "recall", "specificity", "precision", "f1"]
CELLS = ["true_positive", "false_positive", "false_negative", "true_negative"]


def drift(reference, current, continuous=(), categorical=()):
    """The calculator's values of one column, the current sample being one chunk; and the edges of its bins, where it has some."""
    frames = [pd.DataFrame(dict(column=column)) for column in (reference, current)]
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=["column"], treat_as_categorical=["column"] if categorical else None, chunk_size=len(current),
        continuous_methods=list(continuous) or ["wasserstein"], categorical_methods=list(categorical) or ["chi2"],
    )
    row = calculator.fit(frames[0]).calculate(frames[1]).filter(period="analysis").to_df().iloc[-1]
    values = {method: row[("column", method, "value")] for method in continuous or categorical}
    if continuous:
        of_column = calculator._column_to_models_mapping["column"]
        edges = [method._bins for method in of_column if method.column_name == "jensen_shannon"]
        values["edges"] = edges[0]
    return values


def numbers():
    for name, reference, current in samples.numbers():
        yield dict(name=name, reference=reference, current=current, **drift(reference, current, continuous=CONTINUOUS))


def categories():
    for name, reference, current in samples.categories():
        of = lambda counts: np.repeat([f"category {i}" for i in range(len(counts))], counts)
        yield dict(name=name, reference=reference, current=current, **drift(of(reference), of(current), categorical=CATEGORICAL))


def corrupt():
    """From 10,000 reference rows on everything is binned over the range of the reference. The rows are a recipe, not a sample:
    an even spread, with one corrupt value."""
    reference = (np.arange(10_000) * 7919 % 10_007) / 100
    current = (np.arange(2_000) * 7919 % 10_007) / 100 + 25
    spoilt = np.r_[1e9, reference[1:]]
    recipe = "(i * 7919 % 10007) / 100 for i from 0 to 9,999; current to 1,999 and 25 more; spoilt with 1e9 for i = 0"
    of = lambda rows: {k: v for k, v in drift(rows, current, continuous=CONTINUOUS).items() if k != "edges"}
    return dict(recipe=recipe, clean=of(reference), spoilt=of(spoilt))


def score_cases(rng, n, prevalence, digits, distort):
    """Labels, and scores that are distinct where they have many decimals. With `distort` 1 a score is the probability."""
    label = rng.random(n) < prevalence
    logit = 1.8 * (1.8 * label + rng.normal(size=n)) - 1.62 + np.log(prevalence / (1 - prevalence))
    score = np.round(1 / (1 + np.exp(-distort * logit)), digits)
    if digits > 3:
        _, first = np.unique(score, return_index=True)
        label, score = label[np.sort(first)], score[np.sort(first)]
    return pd.DataFrame(dict(label=label.astype(int), score=score))


def performance():
    for seed, name, n, m, prevalence, shifted, digits, distort, threshold in [
        (1, "overconfident", 900, 500, 0.3, 0.45, 6, 2.0, 0.5), (2, "rare finding", 800, 400, 0.06, 0.06, 6, 0.5, 0.2),
        (6, "calibrated", 500, 400, 0.25, 0.25, 5, 1.0, 0.4), (4, "tied scores", 500, 300, 0.35, 0.35, 1, 0.6, 0.5),
    ]:
        rng = np.random.default_rng([20261202, seed])
        reference, current = score_cases(rng, n, prevalence, digits, distort), score_cases(rng, m, shifted, digits, distort)
        for rows in (reference, current):
            rows["call"] = (rows.score >= threshold).astype(int)
        estimator = nannyml.CBPE(
            metrics=FIGURES + ["confusion_matrix"], y_pred="call", y_pred_proba="score", y_true="label",
            problem_type="classification_binary", chunk_size=len(current),
        ).fit(reference)
        row = estimator.estimate(current.drop(columns="label")).filter(period="analysis").to_df().iloc[-1]
        yield dict(
            name=name, labels=reference.label, reference=reference.score, current=current.score, threshold=threshold,
            needs_calibration=bool(estimator.needs_calibration), **{figure: row[(figure, "value")] for figure in FIGURES + CELLS},
        )


def ties():
    """Equal scores whose probabilities differ, which one calibrator for all never gives: the area depends on the order of the rows."""
    score = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.2, 0.2, 0.1])
    chance = np.array([0.95, 0.9, 0.1, 0.7, 0.2, 0.6, 0.1, 0.05])
    of = lambda order: estimate_roc_auc(chance[order], score[order])
    order = np.arange(len(score))
    return dict(score=score, chance=chance, roc_auc=of(order), roc_auc_of_reversed_rows=of(order[::-1]))


samples.write(
    "nannyml", {name: importlib.metadata.version(name) for name in ["nannyml", "numpy", "pandas", "scikit-learn", "scipy"]},
    numbers=list(numbers()), categories=list(categories()), corrupt=corrupt(), performance=list(performance()), ties=ties(),
)
