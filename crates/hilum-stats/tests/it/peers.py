"""Upstream answers on seeded inputs with ties: peers.py SECTION prints JSON of inputs beside what the library says of them."""
import json
import sys
import warnings

section = sys.argv[1]
if section == "monai":
    # MONAI needs torch; Debian's build of it, with the numpy it was built against, is a tenth of the other.
    sys.path.insert(0, "/usr/lib/python3/dist-packages")
import numpy as np

warnings.simplefilter("ignore")
rng = np.random.default_rng(20261126)


def scored(n, digits, prevalence=0.3):
    """Labels with two correlated scores; few digits make many ties."""
    y = (rng.random(n) < prevalence).astype(int)
    y[:4] = [0, 1, 0, 1]
    z = rng.normal(size=n)
    squash = lambda shift: np.round(1 / (1 + np.exp(-(z + rng.normal(size=n) + shift * y - 1))), digits)
    return y, squash(1.4), squash(1.0)


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    value = float(value)
    return value if np.isfinite(value) else None


def sklearn_section():
    from sklearn import metrics as m

    for n, digits in [(40, 1), (300, 2), (5000, 2), (1000, 9)]:
        y, s, t = scored(n, digits)
        called = s >= 0.4
        fpr, tpr, thresholds = m.roc_curve(y, s, drop_intermediate=False)
        a, b = rng.integers(0, 4, n), rng.integers(0, 4, n)
        b = np.where(rng.random(n) < 0.6, a, b)
        inside = np.clip(s, 0.001, 0.999)
        yield dict(
            y=y, s=s, t=t, a=a, b=b, inside=inside, auc=m.roc_auc_score(y, s), ap=m.average_precision_score(y, s),
            brier=m.brier_score_loss(y, s), log_loss=m.log_loss(y, inside), mcc=m.matthews_corrcoef(y, called),
            sensitivity=m.recall_score(y, called), ppv=m.precision_score(y, called, zero_division=0),
            specificity=m.recall_score(1 - y, ~called), npv=m.precision_score(1 - y, ~called, zero_division=0),
            lr=m.class_likelihood_ratios(y, called), fpr=fpr[1:], tpr=tpr[1:], thresholds=thresholds[1:],
            kappa=m.cohen_kappa_score(a, b), kappa_linear=m.cohen_kappa_score(a, b, weights="linear"),
            kappa_quadratic=m.cohen_kappa_score(a, b, weights="quadratic"),
        )


def scipy_section():
    from scipy import stats as st

    for n, digits in [(30, 1), (400, 2), (2000, 3)]:
        y, s, t = scored(n, digits)
        u = st.mannwhitneyu(s[y == 1], s[y == 0]).statistic
        k = int(y.sum())
        of = lambda method: list(st.binomtest(k, n).proportion_ci(0.9, method=method))
        wins, losses = int(rng.integers(0, 20)), int(rng.integers(1, 20))
        d = s - t
        skewed = rng.exponential(size=n)
        boot = st.bootstrap((skewed,), np.mean, n_resamples=20000, method="BCa", rng=3, confidence_level=0.95)
        band = st.t.interval(0.95, n - 1, d.mean(), st.sem(d))
        yield dict(
            y=y, s=s, t=t, skewed=skewed, auc=u / (k * (n - k)), wilson=of("wilson"), exact=of("exact"), wins=wins, losses=losses,
            mcnemar=st.binomtest(wins, wins + losses).pvalue, bias=band, bca=list(boot.confidence_interval),
            bca_se=boot.standard_error, slope=st.linregress((s + t) / 2, d).slope,
            slope_se=st.linregress((s + t) / 2, d).stderr,
        )


def statsmodels_section():
    import statsmodels.api as sm
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.inter_rater import cohens_kappa
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

    for k, n in [(3, 60), (4, 500), (5, 4000)]:
        a, b = rng.integers(0, k, n), rng.integers(0, k, n)
        b = np.where(rng.random(n) < 0.7, a, b)
        table = np.zeros((k, k))
        np.add.at(table, (a, b), 1)
        kappas = {}
        for name, weights in [("none", None), ("linear", "linear"), ("quadratic", "quadratic")]:
            r = cohens_kappa(table, wt=weights)
            kappas[name] = [r.kappa, r.kappa_low, r.kappa_upp]
        p = np.round(rng.random(12) ** 3, 3)
        x1, x2, n1, n2 = int(rng.integers(0, 41)), int(rng.integers(0, 61)), 40, 60
        y, s, _ = scored(n, 3)
        inside = np.clip(s, 0.01, 0.99)
        fit = sm.Logit(y, sm.add_constant(np.log(inside / (1 - inside)))).fit(disp=0, tol=1e-14)
        large = sm.GLM(y, np.ones(n), family=sm.families.Binomial(), offset=np.log(inside / (1 - inside))).fit(tol=1e-14)
        discordant = [[20, int(rng.integers(0, 30))], [int(rng.integers(1, 30)), 9]]
        yield dict(
            a=a, b=b, k=k, kappas=kappas, p=p, y=y, inside=inside, slope=fit.params[1], slope_ci=fit.conf_int()[1],
            intercept=fit.params[0], large=large.params[0], large_ci=large.conf_int()[0], table=discordant,
            mcnemar=mcnemar(discordant, exact=True).pvalue, mcnemar_chi2=mcnemar(discordant, exact=False).pvalue,
            x1=x1, x2=x2, newcombe=confint_proportions_2indep(x1, n1, x2, n2, method="newcomb"),
            agresti=proportion_confint(x2, n2, method="agresti_coull"), clopper=proportion_confint(x2, n2, method="beta"),
            **{name: multipletests(p, method=m)[1] for name, m in [("holm", "holm"), ("bh", "fdr_bh"), ("by", "fdr_by")]},
        )


def pingouin_section():
    import pandas as pd
    import pingouin as pg

    pg.options["round.column.CI95"] = None  # else two digits
    for n, k, bias in [(6, 3, 0.0), (30, 2, 0.8), (25, 5, 0.3), (200, 4, 2.0), (12, 2, 5.0)]:
        truth = rng.normal(10, 2, n)
        x = np.round(truth[:, None] + rng.normal(0, 1, (n, k)) + bias * np.arange(k), 2)
        long = pd.DataFrame(dict(case=np.repeat(np.arange(n), k), reader=np.tile(np.arange(k), n), value=x.ravel()))
        answer = pg.intraclass_corr(long, targets="case", raters="reader", ratings="value")
        rows = {row.Type: [row.ICC, *np.asarray(row.CI95)] for _, row in answer.iterrows()}
        yield dict(x=x.T, rows=rows)


def blob(shape, fill):
    """A random lump: thresholded smooth noise, so that it has holes, islands and touches the border."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(rng.normal(size=shape), 1.6)
    return noise > np.quantile(noise, 1 - fill)


def monai_section():
    import torch
    from monai import metrics as m

    shapes = [(24, 30), (40, 17), (9, 20, 14), (16, 16, 16), (5, 31, 22), (30, 8, 9)]
    for shape in shapes:
        for fill in (0.05, 0.3):
            spacing = [float(v) for v in np.round(rng.uniform(0.3, 5.0, len(shape)), 2)]
            truth = blob(shape, fill)
            # Half of the noise is shared, so that the masks overlap as a prediction would.
            predicted = np.roll(truth, 1, axis=0) ^ (blob(shape, 0.03))
            if not predicted.any():
                continue
            t = lambda mask: torch.tensor(mask)[None, None].float()
            pair, kw = (t(predicted), t(truth)), dict(spacing=spacing)
            one = lambda metric, **more: metric(*pair, **more).squeeze()
            yield dict(
                shape=shape, spacing=spacing, truth=truth.ravel(), predicted=predicted.ravel(),
                dice=one(m.DiceMetric()), iou=one(m.MeanIoU()),
                hd=one(m.HausdorffDistanceMetric(include_background=True), **kw),
                hd95=one(m.HausdorffDistanceMetric(include_background=True, percentile=95), **kw),
                assd=one(m.SurfaceDistanceMetric(include_background=True, symmetric=True), **kw),
                nsd=one(m.SurfaceDiceMetric(class_thresholds=[1.7], include_background=True), **kw),
            )


def froc_section():
    from monai.metrics import compute_froc_curve_data, compute_froc_score

    for n_images, digits in [(5, 1), (40, 2)]:
        lesions = rng.integers(0, 4, n_images)
        lesions[0] = 2
        marks, tp, fp = [], [], []
        for image, n in enumerate(lesions):
            for _ in range(rng.integers(0, 6)):
                score = float(np.round(rng.random() * 0.7, digits))
                fp.append(score)
                marks.append([image, score, -1])
            for lesion in range(n):
                if rng.random() < 0.8:
                    score = float(np.round(rng.random(), digits))
                    tp.append(score)
                    marks.append([image, score, lesion])
        x, y = compute_froc_curve_data(np.array(fp), np.array(tp), int(lesions.sum()), n_images)
        # Their curve lacks its last corner, so scores are compared where it has one.
        at = [v for v in (0.125, 0.25, 0.5, 1, 2, 4, 8) if v < x[0]]
        yield dict(lesions=lesions, marks=marks, x=x, y=y, score=compute_froc_score(x, y, at), at=at)


sections = dict(
    sklearn=sklearn_section, scipy=scipy_section, statsmodels=statsmodels_section, pingouin=pingouin_section,
    monai=lambda: [dict(masks=list(monai_section()), froc=list(froc_section()))],
)
# What libraries say while they load goes to the other stream.
answer, sys.stdout = sys.stdout, sys.stderr
json.dump([plain(case) for case in sections[section]()], answer)
