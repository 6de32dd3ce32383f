"""Trains the demo models on phantoms from a seed and writes their packages.

    python models/train/train.py --work DIR [--only cxr|cxr-1.1|lung-seg]

Needs the packages listed in README.md and, through cargo, this repository's phantom generator.
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import data
import package
from nets import Classifier, FromOnnx, LungUnet, TorchOps, to_onnx

ROOT = Path(__file__).resolve().parents[2]

# Name: seed, number of radiographs, matrix, further options. Seeds differ, so no phantom is in two sets.
SETS = {
    "train": dict(seed=7001, dx=3000, size=256, vary=True),
    "val": dict(seed=7002, dx=700, size=256, vary=True),
    "heldout": dict(seed=7003, dx=500, size=512, vary=True),
    "noise3": dict(seed=7004, dx=200, size=512, noise=3),
    "bedside": dict(seed=7005, dx=200, size=512, preset="ap"),
    "other-vendor": dict(seed=7006, dx=200, size=512, preset="other-vendor"),
}

# What version 1.1 of the classifier sees: the same patients, half of them after the update of the scanner's software.
SETS_1_1 = {
    "train-1.1": dict(seed=7001, dx=3000, size=256, vary=True, updated=0.5),
    "val-1.1": dict(seed=7002, dx=700, size=256, vary=True, updated=0.5),
    "heldout": SETS["heldout"],
    "updated": dict(seed=7003, dx=500, size=512, vary=True, updated=1),
}


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)


def varied(x, targets, rng):
    """Shift by multiples of 8 pixels, change gamma, offset and noise: the same for no two epochs."""
    side = x.shape[-1]
    for index in range(len(x)):
        dy, dx = (int(v) * 8 for v in rng.integers(-1, 2, 2))
        if dy or dx:
            x[index] = shifted(x[index], dy, dx)
            for target in targets:
                step = side // target.shape[-1]
                target[index] = shifted(target[index], dy // step, dx // step)
    n = len(x)
    gamma = torch.from_numpy(rng.uniform(0.8, 1.25, (n, 1, 1, 1)).astype(np.float32))
    offset = torch.from_numpy(rng.uniform(-0.04, 0.04, (n, 1, 1, 1)).astype(np.float32))
    sigma = torch.from_numpy(rng.uniform(0.0, 0.012, (n, 1, 1, 1)).astype(np.float32))
    noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
    return (x.clamp(0, 1) ** gamma + offset + sigma * noise).clamp(0, 1)


def shifted(image, dy, dx):
    image = F.pad(image[None], (max(dx, 0), max(-dx, 0), max(dy, 0), max(-dy, 0)), mode="replicate")[0]
    h, w = image.shape[-2] - abs(dy), image.shape[-1] - abs(dx)
    top, left = max(-dy, 0), max(-dx, 0)
    return image[..., top : top + h, left : left + w]


def fit(net, x, targets, loss, epochs, batch, rate, seed, frozen=False):
    """Train with AdamW and a one-cycle rate; `frozen` leaves the normalisation as it is."""
    rng = np.random.default_rng(seed)
    net.to(memory_format=torch.channels_last).train(not frozen)
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-3)
    steps = epochs * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps, pct_start=0.25)
    ops, begun = TorchOps(), time.time()
    for epoch in range(epochs):
        order, total = rng.permutation(len(x)), 0.0
        for start in range(0, len(x) - batch + 1, batch):
            pick = order[start : start + batch]
            chosen = [torch.from_numpy(t[pick].copy()) for t in targets]
            image = varied(torch.from_numpy(x[pick].astype(np.float32))[:, None], [t for t in chosen if t.dim() == 4], rng)
            out = net.run(ops, image.contiguous(memory_format=torch.channels_last))
            value = loss(out, *chosen)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            schedule.step()
            total += float(value.detach())
        print(f"epoch {epoch + 1}/{epochs}: loss {total / (len(x) // batch):.4f}, {time.time() - begun:.0f} s", flush=True)
    net.eval()


def maps_of(sets, side):
    """Target maps: an ellipse within the box of a nodule, the whole box of an effusion."""
    boxes = sets["box"]
    maps = np.zeros((len(boxes), 2, side, side), np.float32)
    y, x = np.mgrid[0:side, 0:side] + 0.5
    for index, pair in enumerate(boxes * side):
        for label, (left, top, right, bottom) in enumerate(pair):
            if np.isnan(left):
                continue
            u = (x - (left + right) / 2) / max((right - left) / 2, 1)
            v = (y - (top + bottom) / 2) / max((bottom - top) / 2, 1)
            inside = u * u + v * v <= 1 if label == 0 else (abs(u) <= 1) & (abs(v) <= 1)
            maps[index, label] = inside
    return maps


def train_classifier(train, epochs, rate, earlier=None):
    """From nothing, or from the graph of an earlier version."""
    seed_everything(11)
    net = Classifier()
    if earlier:
        net.run(FromOnnx(earlier), None)
    weight = torch.tensor([8.0, 1.0]).view(1, 2, 1, 1)

    def loss(out, labels, maps):
        places = F.binary_cross_entropy_with_logits(out["maps"], maps, pos_weight=weight)
        return F.binary_cross_entropy_with_logits(out["logits"], labels) + 3.0 * places

    fit(net, train["x160"], [train["y"], maps_of(train, 40)], loss, epochs, 32, rate, 12, frozen=earlier is not None)
    return net


def train_unet(sets, epochs, cases):
    seed_everything(21)
    net = LungUnet()

    def loss(out, masks):
        p = torch.sigmoid(out["lungs"])
        overlap = 1 - (2 * (p * masks).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + masks.sum((1, 2, 3)) + 1)
        return F.binary_cross_entropy_with_logits(out["lungs"], masks) + overlap.mean()

    train = sets["train"]
    masks = np.stack([data.resize(data.mask_of(train, i), 128) for i in range(cases)])[:, None]
    fit(net, train["x128"][:cases], [masks], loss, epochs, 16, 6e-3, 22)
    return net


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--work", type=Path, required=True, help="folder for phantoms, may be large")
    words.add_argument("--only", choices=["cxr", "cxr-1.1", "lung-seg"])
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--generator", nargs="+", default=[
        "cargo", "run", "--release", "--manifest-path", str(ROOT / "Cargo.toml"), "-p", "hilum-testkit", "--example", "phantom", "--",
    ])
    words.add_argument("--evaluate-only", action="store_true", help="keep the graph, write card and manifest again")
    given = words.parse_args()
    torch.set_num_threads(given.threads)
    wanted = {"cxr": SETS, "cxr-1.1": SETS_1_1, "lung-seg": SETS}.get(given.only, SETS | SETS_1_1)
    sets = {}
    for name, options in wanted.items():
        data.generate(given.generator, given.work / name, **options)
        sets[name] = data.load(given.work / name, [160, 128])
    for only, version in [("cxr", package.FIRST), ("cxr-1.1", package.SECOND)]:
        if given.only in (None, only):
            folder = ROOT / "models" / version.folder
            if not given.evaluate_only:
                earlier = ROOT / "models" / version.earlier / "models" / "model.onnx" if version.earlier else None
                net = train_classifier(sets[version.train], version.epochs, version.rate, earlier)
                to_onnx(net, folder / "models" / "model.onnx")
            package.write_classifier(folder, sets, version)
    if given.only in (None, "lung-seg"):
        folder = ROOT / "models" / "phantom-lung-seg"
        if not given.evaluate_only:
            to_onnx(train_unet(sets, 5, 1500), folder / "models" / "model.onnx")
        package.write_unet(folder, sets)


if __name__ == "__main__":
    main()
