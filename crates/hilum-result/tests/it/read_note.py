"""Read rejection notes with highdicom and pydicom and compare them with the objects they reject."""

import pathlib
import sys

import highdicom as hd
import pydicom
from pydicom.sr._concepts_dict import concepts

FOLDER = pathlib.Path(sys.argv[1])
TITLES = ["113001", "113037", "113038", "113039"]


def check(condition, what):
    if not condition:
        raise SystemExit(f"{NAME}: {what}")


for path in sorted(FOLDER.glob("*-note.dcm")):
    NAME = path.stem
    index = NAME.split("-")[0]
    results = [pydicom.dcmread(p, stop_before_pixels=True) for p in sorted(FOLDER.glob(f"{index}-result*.dcm"))]
    document = hd.ko.KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(path))
    check(document.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.59", "SOP class")
    title = document.ConceptNameCodeSequence[0]
    check(title.CodeValue == TITLES[int(index) % 4], f"title {title.CodeValue}")
    meanings = [e[title.CodeValue][0] for e in concepts["DCM"].values() if title.CodeValue in e]
    check(title.CodeMeaning in meanings, f"{title.CodeValue} means {meanings}")
    references = document.content.get_references()
    named = [(str(r.referenced_sop_class_uid), str(r.referenced_sop_instance_uid)) for r in references]
    check(sorted(named) == sorted((str(r.SOPClassUID), str(r.SOPInstanceUID)) for r in results), "objects in the tree")
    for result in results:
        study, series, instance = document.resolve_reference(result.SOPInstanceUID)
        check((study, series, instance) == (result.StudyInstanceUID, result.SeriesInstanceUID, result.SOPInstanceUID), "evidence")
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate"):
        check(str(document.get(keyword, "absent")) == str(results[0].get(keyword, "absent")), keyword)
    text = [item.TextValue for item in document.ContentSequence if item.ValueType == "TEXT"]
    check(len(text) == 1 and "sides were swapped" in text[0], "description")
    print("ok", NAME, len(named), "objects")
