"""Read SR, SEG and key image with highdicom and pydicom and compare them with what went into the encoder."""

import json
import pathlib
import sys

import highdicom as hd
import numpy as np
import pydicom
from pydicom.sr._concepts_dict import concepts

PRESENCE = {"present": "52101004", "absent": "272519000", "indeterminate": "82334004"}


def check(condition, what):
    if not condition:
        raise SystemExit(f"{NAME}: {what}")


def presence_of(group):
    found = [e for e in group.get_qualitative_evaluations() if e.name.value == "705057003"]
    check(len(found) == 1, "one presence in each group")
    return found[0].value.value


def read_report(path, manifest, segment_uids):
    sr = hd.sr.srread(path)
    check(isinstance(sr, hd.sr.Comprehensive3DSR), "Comprehensive 3D SR")
    content = sr.content
    check(isinstance(content, hd.sr.MeasurementReport), "TID 1500")
    check(sr.VerificationFlag == "UNVERIFIED" and sr.CompletionFlag == "COMPLETE", "flags")
    planar = content.get_planar_roi_measurement_groups()
    volumetric = content.get_volumetric_roi_measurement_groups()
    images = content.get_image_measurement_groups()
    groups = [*planar, *volumetric, *images]
    n_expected = len(manifest["findings"]) + sum(s["n_groups"] for s in manifest["segments"])
    check(len(groups) == n_expected, f"{len(groups)} groups instead of {n_expected}")
    check(all(g.tracking_uid and g.tracking_identifier for g in groups), "tracking UIDs")
    for group in groups:
        children = group[0].ContentSequence
        names = [e for e in children if e.name.value in ("111001", "111003", "111002")]
        check(names[0].value == "chest-findings" and names[1].value == "1.2.0", "TID 4019")
        check(len(names) == 4, "parameters and package digest")
    for finding in manifest["findings"]:
        same = [
            g
            for g in (planar if finding["box"] else images)
            if g.finding_type.value == finding["code"] and presence_of(g) == PRESENCE[finding["presence"]]
        ]
        check(len(same) == 1, f"finding {finding['code']} {finding['presence']}: {len(same)} groups")
        score = [m for m in same[0].get_measurements() if m.name.value == "122157"]
        check(score[0].value == finding["score"], f"score {score[0].value}")
        check(score[0].unit.value == "1", "unit of the score")
        if finding["box"]:
            region = same[0].roi
            check(region.graphic_type.value == "POLYLINE", "polyline")
            left, top, right, bottom = finding["box"]
            outline = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
            check(np.allclose(region.value, outline, atol=1e-3), "outline of the box")
    referenced = [str(g.referenced_segmentation_frame.referenced_sop_instance_uid) for g in planar if g.reference_type.value == "121214"]
    referenced += [str(g.referenced_segment.referenced_sop_instance_uid) for g in volumetric]
    check(set(referenced) <= segment_uids, "references to segmentations")
    return sr


def check_meanings(dataset):
    """Codes of scheme DCM have the meaning that PS3.16 gives them, in pydicom's copy of the dictionary."""
    for element in dataset.iterall():
        for item in element.value if element.VR == "SQ" else []:
            if item.get("CodingSchemeDesignator") == "DCM" and "CodeValue" in item:
                entries = [e[item.CodeValue][0] for e in concepts["DCM"].values() if item.CodeValue in e]
                meant = item.CodeMeaning.lower() in [entry.lower() for entry in entries]
                check(meant, f"{item.CodeValue} means {entries}, not {item.CodeMeaning}")


def read_masks(seg, manifest, folder, seen):
    sources = {str(uid[2]) for uid in seg.get_source_image_uids()}
    for mask in manifest["masks"]:
        if mask["instance"] not in sources:
            continue
        labels = {seg.get_segment_description(n).segment_label: n for n in seg.segment_numbers}
        expected = np.fromfile(folder / mask["file"], dtype=np.uint8).reshape(mask["rows"], mask["columns"])
        number = labels[mask["segment"]]
        if mask["frame"] is None:
            got = seg.get_pixels_by_source_instance(
                [mask["instance"]], segment_numbers=[number], ignore_spatial_locations=True,
                assert_missing_frames_are_empty=True,
            )
        else:
            got = seg.get_pixels_by_source_frame(
                mask["instance"], [mask["frame"]], segment_numbers=[number], ignore_spatial_locations=True,
                assert_missing_frames_are_empty=True,
            )
        check(np.array_equal(got[0, ..., 0], expected), f"voxels of {mask['segment']}")
        seen.append(mask["file"])


def read_identity(dataset, manifest):
    for keyword, value in manifest["identity"]:
        check(str(dataset.get(keyword, "absent")) == value, f"{keyword}")
    source = pydicom.dcmread(FOLDER / "source0.dcm", stop_before_pixels=True)
    for keyword in ("StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName"):
        if keyword in ("StudyDate", "StudyTime") and not dict(manifest["identity"])["PatientID"]:
            continue
        check(str(dataset.get(keyword)) == str(source.get(keyword, "")), keyword)


for argument in sys.argv[1:]:
    FOLDER = pathlib.Path(argument)
    manifest = json.loads((FOLDER / "manifest.json").read_text())
    NAME = manifest["name"]
    results = [FOLDER / f"result{i}.dcm" for i in range(len(manifest["kinds"]))]
    segmentations = [hd.seg.segread(p) for p, kind in zip(results, manifest["kinds"]) if kind == "segmentation"]
    for segment in manifest["segments"]:
        segment["n_groups"] = sum(
            any(s.get_segment_description(n).segment_label == segment["label"] for n in s.segment_numbers)
            for s in segmentations
        )
    seen = []
    for segmentation in segmentations:
        check(segmentation.SegmentationType == "BINARY", "BINARY")
        read_masks(segmentation, manifest, FOLDER, seen)
    not_empty = {m["file"] for m in manifest["masks"] if np.fromfile(FOLDER / m["file"], dtype=np.uint8).any()}
    check(not_empty <= set(seen), "every mask that is not empty is in a segmentation")
    read_report(results[0], manifest, {str(s.SOPInstanceUID) for s in segmentations})
    key = pydicom.dcmread(results[-1])
    pixels = key.pixel_array
    check(pixels.shape == (key.Rows, key.Columns, 3) and max(pixels.shape) <= 1024, "size of the key image")
    amber = (pixels == np.array([255, 191, 0], dtype=np.uint8)).all(axis=2)
    check(amber.sum() > 50, "amber outline and text")
    for path in results:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        read_identity(dataset, manifest)
        check_meanings(dataset)
    print("ok", NAME, len(seen), "masks")
