"""Read assessment reports with highdicom and pydicom and compare them with the results they assess."""

import pathlib
import sys

import highdicom as hd
import pydicom
from pydicom.sr._concepts_dict import concepts

FOLDER = pathlib.Path(sys.argv[1])
VERDICTS = ["Accepted", "Modified", "Rejected"]


def check(condition, what):
    if not condition:
        raise SystemExit(f"{NAME}: {what}")


def items(content, meaning):
    return [item for item in content if item.ConceptNameCodeSequence[0].CodeMeaning == meaning]


for path in sorted(FOLDER.glob("*-assessment*.dcm")):
    NAME = path.stem
    index = int(NAME.split("-")[0])
    results = [pydicom.dcmread(p, stop_before_pixels=True) for p in sorted(FOLDER.glob(f"{index}-result*.dcm"))]
    document = hd.sr.EnhancedSR.from_dataset(pydicom.dcmread(path))
    for item in document.ContentSequence:
        code = item.ConceptNameCodeSequence[0]
        if code.CodingSchemeDesignator == "DCM":
            meanings = [e[code.CodeValue][0] for e in concepts["DCM"].values() if code.CodeValue in e]
            check(code.CodeMeaning in meanings, f"{code.CodeValue} means {meanings}")
    check(str(items(document.ContentSequence, "Person Observer Name")[0].PersonName) == "Berger^Anna", "observer")
    (container,) = items(document.ContentSequence, "Assessment of finding")
    (verdict,) = items(container.ContentSequence, "Assessment")
    check(verdict.ConceptCodeSequence[0].CodeMeaning == VERDICTS[index % 3], "verdict")
    tracking = [str(item.UID) for item in items(container.ContentSequence, "Tracking Unique Identifier")]
    check(tracking == ["1.2.77.1", "1.2.77.2"], "tracking")
    named = [item.ReferencedSOPSequence[0] for item in items(container.ContentSequence, "Assessed result")]
    pairs = sorted((str(r.ReferencedSOPClassUID), str(r.ReferencedSOPInstanceUID)) for r in named)
    check(pairs == sorted((str(r.SOPClassUID), str(r.SOPInstanceUID)) for r in results), "objects in the tree")
    listed = {
        (str(study.StudyInstanceUID), str(series.SeriesInstanceUID), str(one.ReferencedSOPInstanceUID))
        for study in document.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    wanted = {(str(r.StudyInstanceUID), str(r.SeriesInstanceUID), str(r.SOPInstanceUID)) for r in results}
    check(listed == wanted, "evidence")
    predecessors = [
        str(one.ReferencedSOPInstanceUID)
        for study in document.get("PredecessorDocumentsSequence", [])
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    ]
    earlier = pydicom.dcmread(FOLDER / f"{index}-assessment0.dcm")
    check(predecessors == ([] if NAME.endswith("0") else [str(earlier.SOPInstanceUID)]), "predecessor")
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate"):
        check(str(document.get(keyword, "absent")) == str(results[0].get(keyword, "absent")), keyword)
    print("ok", NAME, len(named), "objects")
