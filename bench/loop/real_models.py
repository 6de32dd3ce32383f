#!/usr/bin/env python3
"""Real models on real data through the whole loop: dcmsend -> Hilum -> DCMTK storescp, and what arrived is compared.

    SHARED=../shared HILUM=target/release/hilum python3 bench/loop/real_models.py [chest] [lungs] [brain]

Reads the delivered SR and SEG with highdicom. Needs DCMTK, and Python with highdicom, pydicom, pillow, scikit-learn,
nibabel and onnxruntime. Exits with 1 when a limit is missed.
"""
import csv
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import highdicom
import numpy as np
import pydicom
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("SHARED", ROOT / "../shared")).resolve()
HILUM = os.environ.get("HILUM", str(ROOT / "target/release/hilum"))
os.environ["SHARED"] = str(SHARED)
sys.path.insert(0, str(ROOT / "bench/inference"))
import packages as bench  # noqa: E402

CHEST = sorted((SHARED / "data/cxr/kermany-test").glob("*.dcm"))
MR = sorted((SHARED / "data/mr/t1-brain/dicom").glob("*.dcm"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Loop:
    """Hilum and an archive in a temporary folder."""

    def __init__(self, work, deployments):
        self.work, self.archive = pathlib.Path(work), pathlib.Path(work) / "archive"
        self.archive.mkdir()
        self.dimse, self.http, pacs = free_port(), free_port(), free_port()
        self.config = self.work / "hilum.toml"
        self.config.write_text(
            f'data_dir = "data"\n[dimse]\nlisten = "127.0.0.1:{self.dimse}"\naccept_any_peer = true\n'
            f'[http]\nlisten = "127.0.0.1:{self.http}"\n[study]\nquiet_seconds = 2\n'
            f'[[destination]]\nname = "pacs"\nhost = "127.0.0.1"\nport = {pacs}\nae_title = "ARCHIVE"\n'
        )
        self.storescp = subprocess.Popen(["storescp", "--fork", "-od", str(self.archive), "-aet", "ARCHIVE", str(pacs)])
        for name, folder in deployments.items():
            said = self.hilum("model", "import", str(folder))
            digest = next(line for line in said.splitlines() if line.startswith("package = "))
            file = self.work / f"{name}.toml"
            file.write_text(f'[[deployment]]\nname = "{name}"\n{digest}\nstate = "active"\ndestinations = ["pacs"]\n')
            self.hilum("apply", str(file))
        self.server = subprocess.Popen([HILUM, "serve", "--config", str(self.config)], stderr=open(self.work / "log", "w"))
        self.wait(lambda: self.get("/api/v1/health/ready") is not None, 60)

    def hilum(self, *arguments):
        done = subprocess.run([HILUM, *arguments, "--config", str(self.config)], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"hilum {' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done.stdout

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=30) as answer:
                return json.load(answer)
        except OSError:
            return None

    def wait(self, condition, seconds):
        end = time.monotonic() + seconds
        while not condition():
            if end < time.monotonic():
                raise SystemExit("gave up waiting; log:\n" + (self.work / "log").read_text()[-3000:])
            time.sleep(0.2)

    def send(self, files, n_studies):
        """Send, wait until every study has ended and every result is delivered; seconds from the last response."""
        folder = self.work / "send"
        folder.mkdir()
        for file in files:
            (folder / file.name).symlink_to(file)
        environment = {**os.environ, "TCP_NODELAY": "1"}
        subprocess.run(["dcmsend", "-q", "+sd", "-aec", "HILUM", "127.0.0.1", str(self.dimse), str(folder)], check=True, env=environment)
        sent = time.monotonic()

        def ended():
            lines = self.get("/api/v1/books")["books"]
            closed = sum(line["arrived"] - line["open"] for line in lines)
            return n_studies <= closed and all(line["open"] == 0 for line in lines)

        self.wait(ended, 1800)
        self.wait(lambda: not self.get("/api/v1/deliveries?state=queued")["items"], 300)
        self.books = self.get("/api/v1/books")["books"]
        return time.monotonic() - sent

    def delivered(self):
        return [pydicom.dcmread(path) for path in sorted(self.archive.iterdir())]

    def close(self):
        self.server.terminate()
        self.server.wait()
        self.storescp.terminate()


def recorded(work, name, *inputs):
    """A package with golden cases recorded from these inputs."""
    folder = bench.package(work, name)
    bench.tool("make_golden", folder, *inputs)
    return folder


def probability(report):
    """(122157, DCM) Probability of each measurement group by its tracking identifier."""
    found = {}
    for group in highdicom.sr.Comprehensive3DSR.from_dataset(report).content.get_planar_roi_measurement_groups() + \
            highdicom.sr.Comprehensive3DSR.from_dataset(report).content.get_image_measurement_groups():
        for item in group.get_measurements():
            if item.name.value == "122157":
                found[str(group.tracking_identifier)] = float(item.value)
    return found


def main():
    parts = sys.argv[1:] or ["chest", "lungs", "brain"]
    failed = False
    for part in parts:
        with tempfile.TemporaryDirectory() as work:
            failed |= not {"chest": chest, "lungs": lungs, "brain": brain}[part](work)
    sys.exit(failed)


def verdict(name, value, holds, limit):
    print(f"{'ok    ' if holds else 'MISSED'} {name}: {value} (limit {limit})")
    return holds


def chest(work):
    loop = Loop(work, {"cxr-pneumonia-v2": recorded(work, "cxr-pneumonia-v2", *CHEST[:3])})
    seconds = loop.send(CHEST, len({pydicom.dcmread(f, stop_before_pixels=True).StudyInstanceUID for f in CHEST}))
    expected = {row["file"].split("/")[-1]: row for row in csv.DictReader(open(SHARED / "data/models/cxr-pneumonia-v2/expected_scores.csv"))}
    labels = {row["file"].split("/")[-1]: int(row["pneumonia"]) for row in csv.DictReader(open(SHARED / "data/cxr/labels.csv")) if row["pneumonia"] != ""}
    names = {pydicom.dcmread(f, stop_before_pixels=True).SOPInstanceUID: f.name for f in CHEST}
    scores, worst = {}, 0.0
    for report in (d for d in loop.delivered() if d.Modality == "SR"):
        uid = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        values = probability(report)
        scores[names[uid]] = next(value for key, value in values.items() if "pneumonia" in key.lower())
    worst = max(abs(score - float(expected[name]["p_pneumonia"])) for name, score in scores.items())
    from sklearn.metrics import roc_auc_score
    order = sorted(scores)
    auc = roc_auc_score([labels[n] for n in order], [scores[n] for n in order])
    loop.close()
    print(f"chest: {len(scores)} reports delivered, {seconds:.1f} s from the last response, books {loop.books}")
    return all([verdict("reports", len(scores), len(scores) == len(CHEST), len(CHEST)),
                verdict("largest difference to expected_scores.csv", f"{worst:.2e}", worst <= 5e-3, "5e-3"),
                verdict("AUC of pneumonia", f"{auc:.4f}", abs(auc - 0.959) <= 0.001, "0.959 +- 0.001")])


def lungs(work):
    loop = Loop(work, {"lung-unet": recorded(work, "lung-unet", *CHEST[:3])})
    masks = {f: f.with_name(f.stem + ".lungs.png") for f in CHEST if f.with_name(f.stem + ".lungs.png").exists()}
    seconds = loop.send(list(masks), len(masks))
    names = {pydicom.dcmread(f, stop_before_pixels=True).SOPInstanceUID: f for f in masks}
    dice = []
    for seg in (d for d in loop.delivered() if d.Modality == "SEG"):
        image = highdicom.seg.Segmentation.from_dataset(seg)
        uid = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
        truth = np.array(Image.open(masks[names[uid]])) > 0
        mask = image.get_pixels_by_source_instance([uid], combine_segments=False)[0].max(-1) > 0
        dice.append(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
    loop.close()
    print(f"lungs: {len(dice)} segmentations delivered, {seconds:.1f} s from the last response")
    return all([verdict("segmentations", len(dice), len(dice) == len(masks), len(masks)),
                verdict("mean Dice", f"{np.mean(dice):.4f}", abs(np.mean(dice) - 0.955) <= 0.002, "0.955 +- 0.002")])


def brain_labels():
    """Labels by Python onnxruntime on the volume, in the order of MR: [slice, row, column]."""
    slices = sorted(map(pydicom.dcmread, MR), key=lambda s: -float(s.ImagePositionPatient[1]))
    # Coronal slices from posterior to anterior; rows run to inferior, columns to the left: (z, y, x) of LIA.
    volume = np.stack([s.pixel_array for s in slices]).astype(np.float32).transpose(2, 1, 0)
    padded = np.zeros(256**3, np.float32)
    padded[: volume.size] = volume.ravel()
    low, high = np.quantile(padded, [0.05, 0.95])
    tensor = ((volume - low) / (high - low)).astype(np.float32)[None, None]
    labels = bench.session("brain-gwm-20ch", threads=2).run(["logits"], {"volume": tensor})[0][0].argmax(0)
    by_uid = {s.SOPInstanceUID: labels[:, :, z].T for z, s in enumerate(slices)}
    return np.stack([by_uid[pydicom.dcmread(f, stop_before_pixels=True).SOPInstanceUID] for f in MR])


def brain(work):
    """The delivered label volume against Python onnxruntime on the same volume."""
    loop = Loop(work, {"brain-gwm-20ch": recorded(work, "brain-gwm-20ch", "--noise", "volume", "1,1,24,20,22")})
    seconds = loop.send(MR, 1)
    segmentations = [d for d in loop.delivered() if d.Modality == "SEG"]
    loop.close()
    truth = brain_labels()
    image = highdicom.seg.Segmentation.from_dataset(segmentations[0])
    uids = [pydicom.dcmread(f, stop_before_pixels=True).SOPInstanceUID for f in MR]
    masks = image.get_pixels_by_source_instance(uids, combine_segments=False, assert_missing_frames_are_empty=True)
    print(f"brain: {len(segmentations)} segmentation delivered, {seconds:.1f} s from the last response")
    good = []
    for number in range(1, masks.shape[-1] + 1):
        ours, theirs = masks[..., number - 1] > 0, truth == number
        value = 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum())
        good.append(verdict(f"Dice of segment {number}", f"{value:.5f}", value >= 0.99, "0.99"))
    return all(good)


if __name__ == "__main__":
    main()
