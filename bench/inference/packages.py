"""Packages around the shared models, put together in a working folder."""
import json
import os
import pathlib
import shutil
import struct
import subprocess

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ["SHARED"]).resolve()
EXAMPLES = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "examples"
OBJECTS = sorted((SHARED / "data/cxr/kermany-test").glob("*.dcm"))
SLICES = sorted((SHARED / "data/mr/t1-brain/dicom").glob("*.dcm"))


def package(work, name):
    """A package without golden cases."""
    folder = pathlib.Path(work) / name
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("docs", "configs", "models", "hilum"):
        (folder / part).mkdir(parents=True)
    (folder / "LICENSE").write_text("as the weights\n")
    (folder / "docs/README.md").write_text("# Benchmark package\n")
    keys = ("version", "task", "description", "authors", "copyright")
    (folder / "configs/metadata.json").write_text(json.dumps({key: "benchmark" for key in keys}))
    shutil.copy(SHARED / "data/models" / name / "model.onnx", folder / "models/model.onnx")
    shutil.copy(ROOT / "crates/hilum-infer/tests/packages" / name / "package.toml", folder / "hilum/package.toml")
    return folder


def tool(name, *arguments, core=None):
    """Run an example program; with `core`, on that core only."""
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    done = subprocess.run([*pinned, str(EXAMPLES / name), *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def read_tensor(path):
    """A tensor file, as hilum_registry::Tensor documents it."""
    data = pathlib.Path(path).read_bytes()
    assert data[:8] == b"HILUMT1\n"
    rank = data[9]
    shape = struct.unpack_from(f"<{rank}Q", data, 16)
    kind = {1: "<f4", 2: "u1", 3: "<i8"}[data[8]]
    return np.frombuffer(data, kind, offset=16 + 8 * rank).reshape(shape)


def results(out):
    with open(pathlib.Path(out) / "results.jsonl") as file:
        return [json.loads(line) for line in file]


def session(name, threads=1):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    path = str(SHARED / "data/models" / name / "model.onnx")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def prepared(source, side, with_size=False):
    """The same preprocessing in Python: decode, window of 8-bit data is the identity, resize with Pillow."""
    import pydicom
    from PIL import Image

    pixels = pydicom.dcmread(source).pixel_array
    small = Image.fromarray(pixels).resize((side, side), Image.BILINEAR)
    tensor = np.asarray(small, np.float32)[None, None]
    return (tensor, pixels.shape[::-1]) if with_size else tensor
