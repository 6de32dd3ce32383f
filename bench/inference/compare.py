"""Values of hilum-infer against Python; exits with an error when a limit is missed."""
import csv
import glob
import sys

import numpy as np

from packages import OBJECTS, SHARED, SLICES, package, prepared, read_tensor, results, session, tool

MISSED = []


def bar(what, value, good):
    print(f"{'ok  ' if good else 'MISS'} {what}: {value}")
    if not good:
        MISSED.append(what)


def auc(scores, labels):
    """Area under the ROC curve, ties counted half."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    difference = positive[:, None] - negative[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def chest(work):
    for name in ("cxr-pneumonia-v2", "cxr-pneumonia-v1", "cxr-pneumonia-squeezenet"):
        folder = package(work, name)
        tool("make_golden", folder, *OBJECTS)
        python = session(name)
        outputs = [output.name for output in python.get_outputs()]
        raw_worst = tensor_worst = own_worst = 0.0
        same = 0
        for n, source in enumerate(OBJECTS, 1):
            case = folder / f"hilum/golden/case-{n}"
            tensor = read_tensor(case / "input-1.tensor")
            text = (case / "case.toml").read_text()
            answers = dict(zip(outputs, python.run(None, {"image": tensor})))
            for block in text.split("[[raw_output]]")[1:]:
                tensor_name = block.split('tensor = "')[1].split('"')[0]
                file = block.split('file = "')[1].split('"')[0]
                found = read_tensor(case / file)
                raw_worst = max(raw_worst, float(np.abs(found - answers[tensor_name]).max()))
                if tensor_name == "probabilities":
                    own = python.run(["probabilities"], {"image": prepared(source, 224)})[0]
                    own_worst = max(own_worst, float(np.abs(found - own).max()))
            mine = prepared(source, 224)
            tensor_worst = max(tensor_worst, float(np.abs(tensor - mine).max()))
            same += bool((tensor == mine).all())
        bar(f"{name}: raw outputs on the same tensors, largest difference", f"{raw_worst:.2e}", raw_worst <= 1e-4)
        print(f"     {name}: prepared tensors equal to pydicom + Pillow: {same} of {len(OBJECTS)}, largest difference {tensor_worst}")
        print(f"     {name}: probabilities against Python's own preprocessing: {own_worst:.2e}")
        for extra in folder.glob("hilum/golden/case-*"):
            if int(extra.name.split("-")[1]) > 3:
                for file in extra.iterdir():
                    file.unlink()
                extra.rmdir()
        for flags in ([], ["--tract"]):
            out = f"{work}/out"
            tool("score", folder, out, *flags, *OBJECTS)
            rows = {row["file"]: row for row in csv.DictReader(open(SHARED / "data/models" / name / "expected_scores.csv"))}
            worst, scores, labels = 0.0, [], []
            for result in results(out):
                row = rows["kermany-test/" + result["file"].rsplit("/", 1)[1]]
                columns = ("p_pneumonia", "p_bacterial", "p_viral")
                for finding, column in zip(result["output"]["findings"], columns):
                    worst = max(worst, abs(finding["score"] - float(row[column])))
                scores.append(result["output"]["findings"][0]["score"])
                labels.append(int(row["pneumonia"]))
            engine = "tract" if flags else "onnxruntime"
            # The uncalibrated SqueezeNet turns the last bit of another JPEG decoder into more than the other two.
            limit = 1e-2 if name == "cxr-pneumonia-squeezenet" else 5e-3
            bar(f"{name} on {engine}: against expected_scores.csv, n = {len(scores)}", f"{worst:.6f}", worst <= limit)
            area = auc(np.array(scores), np.array(labels))
            wanted = {"cxr-pneumonia-v2": 0.9585, "cxr-pneumonia-v1": 0.8791, "cxr-pneumonia-squeezenet": 0.8986}[name]
            bar(f"{name} on {engine}: ROC area, card {wanted}", f"{area:.5f}", abs(area - wanted) <= 1e-3)


def lungs(work):
    from PIL import Image

    folder = package(work, "lung-unet")
    tool("make_golden", folder, *OBJECTS[:3])
    expected = {row["file"]: row for row in csv.DictReader(open(SHARED / "data/models/lung-unet/expected_dice.csv"))}
    for flags in ([], ["--tract"]):
        out = f"{work}/lungs"
        tool("score", folder, out, *flags, *OBJECTS)
        dices, worst = [], 0.0
        for source in OBJECTS:
            truth_path = source.with_suffix(".lungs.png")
            if not truth_path.exists():
                continue
            truth = np.asarray(Image.open(truth_path).convert("L")) > 0
            mask = np.fromfile(f"{out}/{source.stem}.lungs.raw", np.uint8).reshape(truth.shape) > 0
            dice = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
            dices.append(dice)
            worst = max(worst, abs(dice - float(expected[f"kermany-test/{source.name}"]["dice"])))
        engine = "tract" if flags else "onnxruntime"
        mean = float(np.mean(dices))
        bar(f"lung-unet on {engine}: mean Dice, n = {len(dices)}", f"{mean:.5f}", abs(mean - 0.955) <= 0.002)
        print(f"     largest difference of one Dice from expected_dice.csv: {worst:.5f}")


def brain(work):
    import pydicom

    name = "brain-gwm-20ch"
    folder = package(work, name)
    tool("make_golden", folder, "--noise", "volume", "1,1,24,20,22")
    out = f"{work}/brain"
    tool("score", folder, out, "--volume", *SLICES)
    timings = results(out)[0]["timings"]
    print(f"     times of the volume in ms: { {key: round(value / 1000) for key, value in timings.items()} }")
    slices = sorted((pydicom.dcmread(path) for path in SLICES), key=lambda s: -float(s.ImagePositionPatient[1]))
    # Coronal slices from posterior to anterior; rows run to inferior, columns to the left: (z, y, x) of LIA.
    volume = np.stack([s.pixel_array for s in slices]).astype(np.float32).transpose(2, 1, 0)
    padded = np.zeros(256**3, np.float32)
    padded[: volume.size] = volume.ravel()
    low, high = np.quantile(padded, [0.05, 0.95])
    tensor = ((volume - low) / (high - low)).astype(np.float32)[None, None]
    logits = session(name, threads=2).run(["logits"], {"volume": tensor})[0][0]
    labels = logits.argmax(0)
    order = {s.SOPInstanceUID: k for k, s in enumerate(slices)}
    for label, segment in ((1, "white-matter"), (2, "grey-matter")):
        raw = np.fromfile(f"{out}/volume.{segment}.raw", np.uint8).reshape(len(SLICES), 176, 176)
        found = np.zeros(labels.shape, bool)
        for path, mask in zip(SLICES, raw):
            z = order[pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID]
            found[:, :, z] = mask.T > 0
        truth = labels == label
        dice = 2 * (found & truth).sum() / (found.sum() + truth.sum())
        bar(f"{name}: {segment} against Python onnxruntime, Dice (q05 {low}, q95 {high})", f"{dice:.6f}", dice >= 0.99)


{"chest": chest, "lungs": lungs, "brain": brain}[sys.argv[1]](sys.argv[2])
sys.exit(f"missed: {MISSED}" if MISSED else 0)
