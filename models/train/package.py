"""Writes what surrounds a trained graph: manifest, card, metadata, licence. Golden cases are recorded afterwards."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from scipy import ndimage

import data
from figures import auc, bootstrap, dice, wilson

VERSION = "1.0.0"
MAKER = "Hilum project"
ROOT = Path(__file__).resolve().parents[2]
SETS = {
    "heldout": "held out, mixed: 3 of 4 PA, 1 of 4 AP bedside, noise 0.6 to 1.8, 1 of 5 MONOCHROME1",
    "noise3": "PA, noise three times the usual",
    "bedside": "AP bedside only",
    "other-vendor": "PA, another maker's CR: softer, noisier, flatter, MONOCHROME1",
}


@dataclass(frozen=True)
class Version:
    """A version of the classifier: its folder, the sets it was made and measured with, and what its card says of them."""

    number: str
    folder: str
    earlier: str | None
    epochs: int
    rate: float
    train: str
    val: str
    sets: dict
    training: str
    shift: str
    change: str


FIRST = Version(
    "1.0.0", "phantom-cxr", None, 6, 4e-3, "train", "val", SETS, "findings in 40 % each",
    """- The operating points were chosen on the mixed set. The rows above show what happens on noisier images, on bedside
  images and on another maker's machine without choosing them again; that is what Hilum is there to notice.""",
    "first version",
)
SECOND = Version(
    "1.1.0", "phantom-cxr-1.1", "phantom-cxr", 6, 2e-3, "train-1.1", "val-1.1",
    {"heldout": SETS["heldout"], "updated": "the same patients after the update of the scanner's software (4.0.0)"},
    "half of them taken after the update of the scanner's software, on from the weights of 1.0.0",
    """- Version 1.0.0 finds few nodules after the update: `hilum demo` plays what follows. The operating points were chosen
  on both kinds of images together.""",
    "trained on images of scanner software 4.0.0 too",
)


def infer(model, images):
    """Raw outputs for every image, one run each as in Hilum."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    runs = [session.run(None, {"image": image[None, None].astype(np.float32)}) for image in images]
    return {name: np.concatenate([run[i] for run in runs]) for i, name in enumerate(names)}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def temperature(logits, truth):
    """The temperature with the least log loss, by golden-section search."""
    def loss(t):
        z = logits / t
        return np.mean(np.logaddexp(0, z) - truth * z)

    low, high, ratio = 0.2, 8.0, (np.sqrt(5) - 1) / 2
    for _ in range(60):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(round((low + high) / 2, 4))


def youden(score, truth):
    """The score with the largest sensitivity + specificity - 1, half way to the next lower score, three digits."""
    values = np.unique(score)
    best, point = -1.0, 0.5
    for index, value in enumerate(values):
        called = score >= value
        gain = called[truth == 1].mean() - called[truth == 0].mean()
        if gain > best:
            best, point = gain, (value + (values[index - 1] if index else 0)) / 2
    return float(round(point, 3))


def region(values, threshold):
    """Box, in parts of the image, around the largest 8-connected region; None without one."""
    labels, count = ndimage.label(values >= threshold, np.ones((3, 3)))
    if count == 0:
        return None
    sizes = ndimage.sum(labels > 0, labels, range(1, count + 1))
    rows, columns = ndimage.find_objects(labels)[int(np.argmax(sizes))]
    side = values.shape[0]
    return np.array([columns.start, rows.start, columns.stop, rows.stop]) / side


def overlap(a, b):
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return float(width * height / (area(a) + area(b) - width * height))


def overlaps(maps, boxes, chosen, threshold):
    """For each chosen case, the overlap of the predicted with the true box; 0 without a prediction."""
    found = []
    for index in np.flatnonzero(chosen):
        box = region(maps[index], threshold)
        found.append(0.0 if box is None else overlap(box, boxes[index]))
    return np.array(found)


def found_by_size(model, cases, setting, limit_mm=10.0):
    """Nodules called, of how many, below and from a radius on; the field of every set is 512 times 0.72 mm."""
    raw = infer(model, cases["x160"])
    called = sigmoid(raw["logits"][:, 0].astype(float) / setting["temperature"]) >= setting["point"]
    radius = (cases["box"][:, 0, 2] - cases["box"][:, 0, 0]) * 512 * 0.72 / 2
    present = cases["y"][:, 0] == 1
    parts = [present & (radius < limit_mm), present & (radius >= limit_mm)]
    return [(int((called & part).sum()), int(part.sum())) for part in parts]


def interval(low, high):
    return f"{low:.3f} to {high:.3f}"


def classifier_settings(model, val):
    """Temperature, operating point and map threshold of each finding, from the validation set alone."""
    raw = infer(model, val["x160"])
    settings = []
    for index, label in enumerate(data.LABELS):
        truth = val["y"][:, index]
        heat = temperature(raw["logits"][:, index].astype(float), truth)
        score = sigmoid(raw["logits"][:, index].astype(float) / heat)
        maps, boxes = sigmoid(raw["maps"][:, index]), val["box"][:, index]
        grid = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
        threshold = max(grid, key=lambda t: overlaps(maps, boxes, truth == 1, t).mean())
        settings.append(dict(label=label, temperature=heat, point=youden(score, truth), threshold=threshold))
    return settings


def classifier_figures(model, sets, settings, words_of):
    """Rows of the card's table, and the same as data."""
    rows, figures = [], {}
    for name, words in words_of.items():
        raw = infer(model, sets[name]["x160"])
        for index, setting in enumerate(settings):
            truth = sets[name]["y"][:, index].astype(int)
            score = sigmoid(raw["logits"][:, index].astype(float) / setting["temperature"])
            called = score >= setting["point"]
            area = auc(score, truth)
            low, high = bootstrap(auc, score, truth)
            sensitivity = wilson(int(called[truth == 1].sum()), int(truth.sum()))
            specificity = wilson(int((~called)[truth == 0].sum()), int((truth == 0).sum()))
            both = called & (truth == 1)
            found = overlaps(sigmoid(raw["maps"][:, index]), sets[name]["box"][:, index], both, setting["threshold"])
            hit = wilson(int((found >= 0.2).sum()), len(found))
            brier = float(np.mean((score - truth) ** 2))
            figures[f"{name}/{setting['label']}"] = dict(
                n=len(truth), positives=int(truth.sum()), auc=area, auc_low=low, auc_high=high,
                sensitivity=sensitivity, specificity=specificity, located=hit, brier=brier,
            )
            rows.append(
                f"| {words} | {setting['label']} | {len(truth)} ({int(truth.sum())}) | {area:.3f} ({interval(low, high)}) "
                f"| {sensitivity[0]:.3f} ({interval(*sensitivity[1:])}) | {specificity[0]:.3f} ({interval(*specificity[1:])}) "
                f"| {hit[0]:.3f} ({interval(*hit[1:])}), n {len(found)} | {brier:.3f} |"
            )
    return rows, figures


PREPROCESS = """preprocess = [
  {{ op = "modality_lut" }},
  {{ op = "voi", output = [0.0, 1.0] }},
  {{ op = "monochrome2" }},
  {{ op = "resize", rows = {side}, columns = {side}, filter = "triangle" }},
]
"""

COMMON = """schema = 1

[package]
name = "{name}"
version = "{version}"
title = "{title}"
manufacturer = "{maker}"
license = "Apache-2.0"
description = "{description}"

[regulatory]
status = "research-only"

# Trained on phantoms: it takes objects marked as synthetic, and says nothing about patients.
[intended_use]
modality = ["DX", "CR"]
body_part = ["CHEST"]
view = ["PA", "AP"]
age_years_min = 18.0
pixel_spacing_mm_min = 0.1
pixel_spacing_mm_max = 3.0
images_max = 4
synthetic_data = true

[[input]]
tensor = "image"
images = "first"
layout = "NCHW"
channels = 1
dtype = "float32"
{preprocess}
[input.select]
modality = ["DX", "CR"]
body_part = ["CHEST"]

"""

FINDING = """  [[output.finding]]
  label = "{label}"
  concept = {{ value = "{value}", scheme = "SCT", meaning = "{meaning}" }}
  score = {{ take = "index", index = {index} }}
  operating_point = {point}
  calibration = {{ method = "temperature", temperature = {temperature} }}
"""

CONCEPTS = {"nodule": ("427359005", "Solitary nodule of lung"), "effusion": ("60046008", "Pleural effusion")}


def write_common(folder, title, task, description, card, number=VERSION, change="first version"):
    for part in ["docs", "configs", "hilum"]:
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "LICENSE").write_text((Path(__file__).parent / "LICENSE-2.0.txt").read_text())
    metadata = {
        "version": number, "task": task, "description": description, "authors": MAKER,
        "copyright": "Copyright the Hilum authors", "intended_use": "Demonstration and tests on phantoms; not for patients",
        "changelog": {number: change},
    }
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
    (folder / "docs" / "README.md").write_text(card)


def write_classifier(folder, sets, version):
    model = folder / "models" / "model.onnx"
    settings = classifier_settings(model, sets[version.val])
    rows, figures = classifier_figures(model, sets, settings, version.sets)
    description = "Looks for a solitary nodule and a pleural effusion on a frontal chest radiograph phantom and outlines them."
    findings = "\n".join(
        FINDING.format(label=s["label"], index=i, value=CONCEPTS[s["label"]][0], meaning=CONCEPTS[s["label"]][1], **{k: s[k] for k in ("point", "temperature")})
        for i, s in enumerate(settings)
    )
    heatmaps = "\n".join(
        f'[[output]]\nkind = "heatmap"\ntensor = "maps"\nfinding = "{s["label"]}"\nchannel = {i}\nactivation = "sigmoid"\nthreshold = {s["threshold"]}\n'
        for i, s in enumerate(settings)
    )
    manifest = COMMON.format(
        name="phantom-cxr", version=version.number, title="Phantom chest radiograph findings", maker=MAKER,
        description=description, preprocess=PREPROCESS.format(side=160),
    ) + (
        f'[[output]]\nkind = "classification"\ntensor = "logits"\nactivation = "sigmoid"\n\n{findings}\n{heatmaps}\n'
        '[[output]]\nkind = "embedding"\ntensor = "embedding"\n\n[resources]\nmemory_mb = 256\ndeadline_seconds = 20\nthreads = 1\n'
    )
    small, large = found_by_size(model, sets["heldout"], settings[0])
    table = "\n".join(rows)
    points = "\n".join(
        f"| {s['label']} | {s['temperature']} | {s['point']} | {s['threshold']} |" for s in settings
    )
    card = f"""# Phantom chest radiograph findings {version.number}

{description}

**Not for patients.** It was trained on computed phantoms (`hilum-testkit`), so that the whole of Hilum can be tried and
tested with a real model and a known truth. What it does on a patient's radiograph is unknown and certainly wrong.

| | |
|---|---|
| Findings | `nodule` (radius 6 to 16 mm), `effusion` (10 to 50 % of the lung's height), each with a calibrated probability and a box |
| Input | one frontal radiograph; window of the object, large values white, 160 x 160 (triangle filter), 0 to 1 |
| Outputs | `logits` [1, 2], `maps` [1, 2, 40, 40] (logits of place), `embedding` [1, 64] |
| Network | {model.stat().st_size // 1024} KiB, plain ONNX opset 17 |
| Training | 3,000 phantoms of 256 x 256 pixels (seed 7001), {version.training}; `models/train/train.py` |
| Validation | 700 phantoms (seed 7002): temperature by log loss, operating point by Youden's index, map threshold by overlap |

| finding | temperature | operating point | map threshold |
|---|---|---|---|
{points}

## How well it does

Phantoms of other seeds than training and validation, 512 x 512 pixels. 95 % intervals: AUC by 2,000 bootstrap draws over
cases, proportions by Wilson. "Located" is the part of the true positives whose predicted box overlaps the true one with
at least 0.2 (intersection over union). Truth is what the generator placed, whether or not it can be seen.

| set | finding | n (with finding) | AUC | sensitivity | specificity | located | Brier |
|---|---|---|---|---|---|---|---|
{table}

## Where it fails

- Small nodules: of those below 10 mm radius in the held-out set it called {small[0]} of {small[1]}, of the larger ones
  {large[0]} of {large[1]}.
{version.shift}
- Lateral views, children and anything that is not a frontal chest are outside the intended use.
- Only one nodule and one effusion occur in a training image; a second one is not outlined.
"""
    write_common(
        folder, "Phantom chest radiograph findings", "Detection of findings on chest radiograph phantoms", description, card,
        version.number, version.change,
    )
    (folder / "hilum" / "package.toml").write_text(manifest)
    (folder / "configs" / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(table)


def dices(model, cases):
    """Dice of the mask on the source grid, for every case."""
    probability = sigmoid(infer(model, cases["x128"])["lungs"][:, 0])
    values = []
    for index, p in enumerate(probability):
        truth = data.mask_of(cases, index)
        full = np.asarray(Image.fromarray(p.astype(np.float32)).resize(truth.shape[::-1], Image.BILINEAR))
        values.append(dice(full > 0.5, truth.astype(bool)))
    return np.array(values)


def write_unet(folder, sets):
    model = folder / "models" / "model.onnx"
    description = "Segments the aerated lung fields on a frontal chest radiograph phantom and states their projected area."
    rows, figures = [], {}
    for name, words in SETS.items():
        values = dices(model, sets[name])
        low, high = bootstrap(np.mean, values)
        p5 = float(np.quantile(values, 0.05))
        p5_low, p5_high = bootstrap(lambda v: np.quantile(v, 0.05), values)
        figures[name] = dict(n=len(values), mean=float(values.mean()), low=low, high=high, p5=p5, p5_low=p5_low, p5_high=p5_high, worst=float(values.min()))
        rows.append(f"| {words} | {len(values)} | {values.mean():.4f} ({low:.4f} to {high:.4f}) | {p5:.4f} ({p5_low:.4f} to {p5_high:.4f}) | {values.min():.4f} |")
    manifest = COMMON.format(
        name="phantom-lung-seg", version=VERSION, title="Phantom lung segmentation", maker=MAKER,
        description=description, preprocess=PREPROCESS.format(side=128),
    ) + """[[output]]
kind = "segmentation"
tensor = "lungs"
activation = "sigmoid"
threshold = 0.5
resize = "linear"

  [[output.segment]]
  label = "lungs"
  channel = 0
  category = { value = "123037004", scheme = "SCT", meaning = "Anatomical Structure" }
  property_type = { value = "39607008", scheme = "SCT", meaning = "Lung" }
  display_rgb = [92, 184, 230]
  measurement = "area"

[resources]
memory_mb = 256
deadline_seconds = 20
threads = 1
"""
    table = "\n".join(rows)
    card = f"""# Phantom lung segmentation {VERSION}

{description}

**Not for patients.** It was trained on computed phantoms (`hilum-testkit`), so that the whole of Hilum can be tried and
tested with a real model and a known truth. What it does on a patient's radiograph is unknown and certainly wrong.

| | |
|---|---|
| Segment | `lungs`: lung fields without heart, mediastinum and fluid; a nodule counts as lung |
| Input | one frontal radiograph; window of the object, large values white, 128 x 128 (triangle filter), 0 to 1 |
| Output | `lungs` [1, 1, 128, 128], logit of lung; brought to the image's own grid by linear interpolation, threshold 0.5 |
| Network | {model.stat().st_size // 1024} KiB, plain ONNX opset 17 |
| Training | 1,500 phantoms of 256 x 256 pixels (seed 7001); `models/train/train.py` |

## How well it does

Phantoms of other seeds than training, 512 x 512 pixels, Dice on that grid. 95 % intervals by 2,000 bootstrap draws.

| set | n | Dice, mean | Dice, 5th percentile | worst |
|---|---|---|---|---|
{table}

## Where it fails

- The edge is as coarse as 128 x 128 allows: narrow costophrenic angles are rounded.
- Above an effusion the meniscus is a soft gradient; the mask may end a few millimetres too high or low.
- Lateral views, children and anything that is not a frontal chest are outside the intended use.
"""
    write_common(folder, "Phantom lung segmentation", "Segmentation of lungs on chest radiograph phantoms", description, card)
    (folder / "hilum" / "package.toml").write_text(manifest)
    (folder / "configs" / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(table)
