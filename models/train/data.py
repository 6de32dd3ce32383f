"""Phantoms from the Rust generator, prepared exactly as `hilum/package.toml` declares."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image

LABELS = ["nodule", "effusion"]


def generate(generator, folder, **options):
    """Run the phantom generator unless the folder is complete already."""
    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    words = [w for key, value in options.items() for w in ([f"--{key}"] if value is True else [f"--{key}", str(value)])]
    subprocess.run([*generator, str(folder), *words], check=True)
    (folder / "done").touch()


def stored_to_display(dataset):
    """Steps `voi` (output 0 to 1, LINEAR of PS3.3 section C.11.2.1.2.1) and `monochrome2`."""
    stored = dataset.pixel_array.astype(np.float32)
    centre, width = float(dataset.WindowCenter), float(dataset.WindowWidth)
    image = np.clip((stored - np.float32(centre - 0.5)) / np.float32(width - 1) + np.float32(0.5), 0, 1)
    return 1 - image if dataset.PhotometricInterpretation == "MONOCHROME1" else image


def resize(image, side):
    """Step `resize` with filter `triangle`."""
    return np.asarray(Image.fromarray(image.astype(np.float32)).resize((side, side), Image.BILINEAR), np.float32)


def load(folder, sides):
    """Images at each side, labels, boxes in parts of the image (NaN when absent), lung masks as stored."""
    cache = folder / "cache.npz"
    if cache.exists():
        return dict(np.load(cache, allow_pickle=True))
    rows = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
    data = {f"x{side}": np.zeros((len(rows), side, side), np.float32) for side in sides}
    data["y"] = np.zeros((len(rows), len(LABELS)), np.float32)
    data["box"] = np.full((len(rows), len(LABELS), 4), np.nan, np.float32)
    masks = []
    for index, row in enumerate(rows):
        image = stored_to_display(pydicom.dcmread(folder / row["file"]))
        for side in sides:
            data[f"x{side}"][index] = resize(image, side)
        mask = np.fromfile(folder / row["mask"], np.uint8).reshape(image.shape)
        masks.append(np.packbits(mask))
        for finding in row["findings"]:
            if finding["label"] in LABELS:
                label = LABELS.index(finding["label"])
                data["y"][index, label] = 1
                data["box"][index, label] = np.array(finding["box"]) / row["columns"]
    data["mask"] = np.stack(masks)
    data["mask_side"] = np.array(image.shape[0])
    np.savez(cache, **data)
    return data


def mask_of(data, index):
    """The lung mask of one image at the size it was made."""
    side = int(data["mask_side"])
    return np.unpackbits(data["mask"][index])[: side * side].reshape(side, side)
