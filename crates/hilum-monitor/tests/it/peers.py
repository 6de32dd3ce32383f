"""The formulas of the image features in numpy and scipy, written from their definitions; Ledoit-Wolf of scikit-learn.

Reads a request from standard input and prints the answer, both JSON. With `--time`: how long a radiograph of 3 megapixels takes.
"""
import json
import sys

import numpy as np
from scipy.ndimage import convolve

BINS, BLOCKS, SIDE = 4096, 16, 16


def margins(lows, highs, span):
    def constant(lo, hi):
        spread = np.maximum.accumulate(hi) - np.minimum.accumulate(lo)
        wide = np.flatnonzero(spread > np.float32(0.02) * span)
        return int(wide[0]) if len(wide) else len(lo)

    before, after = constant(lows, highs), constant(lows[::-1], highs[::-1])
    return before, max(len(lows) - after, before)


def features(values, slope, intercept):
    image = np.asarray(values, np.float32)
    rows, columns = image.shape
    low, high = image.min(), image.max()
    span = high - low
    top, bottom = margins(image.min(1), image.max(1), span)
    left, right = margins(image.min(0), image.max(0), span)
    if span == 0 or bottom - top < SIDE or right - left < SIDE:
        top, bottom, left, right = 0, rows, 0, columns
    area = rows * columns
    inner32 = image[top:bottom, left:right]
    inner = inner32.astype(np.float64)
    h, w = inner.shape

    scale = np.float32(BINS - 1) / span if span > 0 else np.float32(0)
    bins = np.rint((inner32 - low) * scale).astype(np.int64)
    counts = np.bincount(bins.ravel(), minlength=BINS).astype(np.float64)
    clear = (inner32 != low) & (inner32 != high)
    n_foreground = int(clear.sum())
    chosen = inner[clear] if n_foreground else inner.ravel()
    kept = counts.copy()
    if n_foreground:
        kept[0] -= (inner32 == low).sum()
        kept[-1] -= (inner32 == high).sum()
    cumulated = np.cumsum(kept)

    def quantile(q):
        q = 1 - q if slope < 0 else q
        target = q * kept.sum()
        at = int(np.flatnonzero((cumulated >= target) & (kept > 0))[0])
        part = (target - (cumulated[at] - kept[at])) / kept[at]
        value = float(low) + (at - 0.5 + part) * (float(high) - float(low)) / (BINS - 1)
        return slope * min(max(value, float(low)), float(high)) + intercept

    shares = counts.reshape(256, -1).sum(1) / inner.size
    shares = shares[shares > 0]

    stride = -(-h // 1024)
    some = [row - 1 for row in range(1, h - 1) if row % stride == 0]

    def differences(lag):
        along, down = (inner[:, lag:] - inner[:, :-lag])[::stride], (inner[lag:] - inner[:-lag])[::stride]
        return ((along**2).sum() + (down**2).sum()) / (along.size + down.size)

    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
    response = convolve(inner, kernel)[1:-1, 1:-1][some]
    noise = np.sqrt(np.pi / 2) * np.abs(response).sum() / (6 * response.size)
    laplacian = convolve(inner, np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float64))[1:-1, 1:-1][some]

    band = np.minimum(np.arange(h) * BLOCKS // h, BLOCKS - 1)
    edges = [k * w // BLOCKS for k in range(BLOCKS + 1)]
    means = np.array([[inner[band == r, edges[c]:edges[c + 1]].mean() for c in range(BLOCKS)] for r in range(BLOCKS)])
    sd = means.std()
    r, c = np.mgrid[0:BLOCKS, 0:BLOCKS]
    middle = lambda x: (4 <= x) & (x < 12)
    between = lambda x, a, b: (a <= x) & (x < b)
    rim = lambda x: (x < 2) | (x >= 14)
    sign = 1.0 if slope >= 0 else -1.0

    def brightness(a, b):
        return 0.0 if sd <= 1e-9 * abs(means.mean()) else sign * (means[a].mean() - means[b].mean()) / sd

    p1, p10, p50, p90, p99 = map(quantile, (0.01, 0.1, 0.5, 0.9, 0.99))
    clipped = [float((image == low).sum()) / area, float((image == high).sum()) / area]
    if slope < 0:
        clipped.reverse()
    variance = chosen.var()
    ratio = lambda a, b: a / b if b > 0 else 0.0
    d1, d2, d4 = differences(1), differences(2), differences(4)
    sym = lambda a, b, n: n - 2 * min(a, n - b)
    border = 1.0 if span == 0 else 1 - h * w / area
    padding = 1.0 if span == 0 else 1 - sym(top, bottom, rows) * sym(left, right, columns) / area
    return {
        "mean": slope * chosen.mean() + intercept, "sd": abs(slope) * np.sqrt(variance), "p1": p1, "p50": p50, "p99": p99,
        "noise": abs(slope) * noise, "sharpness": ratio(laplacian.var(), variance),
        "frequency_1_4": ratio(d1, d4), "frequency_2_4": ratio(d2, d4), "contrast": ratio(p90 - p10, p99 - p1),
        "entropy": float(-(shares * np.log2(shares)).sum()), "clipped_low": clipped[0], "clipped_high": clipped[1],
        "border": border, "padding": padding, "coverage": n_foreground / area,
        "rows": rows, "columns": columns, "aspect": columns / rows,
        "brightness_centre": brightness(middle(r) & middle(c), rim(r) | rim(c)),
        "brightness_midline": brightness(middle(r) & between(c, 7, 9), middle(r) & (between(c, 3, 6) | between(c, 10, 13))),
        "brightness_side": brightness(between(r, 8, 14) & between(c, 9, 12), between(r, 8, 14) & between(c, 4, 7)),
        "brightness_lower": brightness(r >= 10, r < 6),
    }


def answer(request):
    if "images" in request:
        images = [
            features(np.array(one["values"], np.float32).reshape(one["rows"], one["columns"]), *one["rescale"])
            for one in request["images"]
        ]
        return {"images": [{name: float(value) for name, value in sorted(image.items())} for image in images]}
    if "vectors" in request:
        from sklearn.decomposition import PCA

        vectors = np.array(request["vectors"])
        found = PCA(request["k"], svd_solver="full").fit(vectors)
        projected = found.transform(vectors)
        rest = np.linalg.norm(vectors - found.inverse_transform(projected), axis=1)
        return {"components": found.components_.tolist(), "variances": found.explained_variance_.tolist(),
                "projected": projected.tolist(), "rest": rest.tolist()}
    from sklearn.covariance import ledoit_wolf

    covariance, weight = ledoit_wolf(np.array(request["covariance"]), assume_centered=True)
    return {"covariance": covariance.ravel().tolist(), "weight": float(weight)}


def time():
    from timeit import default_timer

    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:2048, 0:1536]
    y, x = y / 2048 - 0.5, x / 1536 - 0.5
    film = 2500 - 6000 * (x * x + y * y) + 800 * np.sin(12 * x) * np.cos(9 * y) + rng.normal(0, 25, x.shape)
    film = np.clip(film, 0, 4095).round().astype(np.float32)
    taken = []
    for _ in range(7):
        begun = default_timer()
        features(film, 1.0, 0.0)
        taken.append(1000 * (default_timer() - begun))
    taken.sort()
    print(f"rows,columns,n,fastest_ms,median_ms\n2048,1536,{len(taken)},{taken[0]:.1f},{taken[3]:.1f}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--time"]:
        time()
    else:
        print(json.dumps(answer(json.load(sys.stdin))))
