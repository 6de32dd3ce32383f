"""A product that is a DICOM node: takes studies by C-STORE, sends a TID 1500 report back by C-STORE.

    black_box_product.py PORT HILUM_PORT FOLDER

FOLDER/control.json says how it behaves, by default and for single accession numbers; FOLDER/log.jsonl gets one line per event. Its score is a
function of the pixels, so that the same images always get the same answer, until `shift` changes it silently.
"""

import json
import os
import sys
import threading
import time

import highdicom as hd
import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.dsutils import encode

port, hilum, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
studies, lock = {}, threading.Lock()


def control(image):
    with open(os.path.join(folder, "control.json")) as file:
        control = json.load(file)
    return control["by_accession"].get(str(image.AccessionNumber), control["default"])


def log(**event):
    with lock, open(os.path.join(folder, "log.jsonl"), "a") as file:
        file.write(json.dumps(event) + "\n")


def score_of(image):
    pixels = np.frombuffer(image.PixelData, dtype=np.uint16 if image.BitsAllocated == 16 else np.uint8)
    return float(int(pixels.astype(np.uint64).sum()) % 1000) / 2000.0


def report(images, how):
    first = images[0]
    version = how.get("version", "3.1")
    score = min(1.0, score_of(first) + how.get("shift", 0.0))
    device = DeviceObserverIdentifyingAttributes(
        uid=hd.UID(), name="Nodule Box", manufacturer_name="Acme Imaging", model_name="NB-1"
    )
    context = ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )
    present = CodedConcept("52101004", "SCT", "Present")
    absent = CodedConcept("272519000", "SCT", "Absent")
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(hd.UID(), "nodule 1"),
        source_images=[SourceImageForMeasurementGroup.from_source_image(first)],
        finding_type=CodedConcept("27925004", "SCT", "Nodule"),
        algorithm_id=AlgorithmIdentification(name="Nodule Box", version=version),
        measurements=[
            Measurement(
                name=CodedConcept("122157", "DCM", "Probability"), value=round(score, 6), unit=codes.UCUM.NoUnits
            )
        ],
        qualitative_evaluations=[
            QualitativeEvaluation(
                name=CodedConcept("705057003", "SCT", "Presence"), value=present if score >= 0.3 else absent
            )
        ],
    )
    content = MeasurementReport(
        observation_context=context,
        procedure_reported=CodedConcept("43468-8", "LN", "XR unspecified body region"),
        imaging_measurements=[group],
    )
    made = ComprehensiveSR(
        evidence=images,
        content=content,
        series_number=901,
        series_instance_uid=hd.UID(),
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="Acme Imaging",
        manufacturer_model_name="NB-1",
        software_versions=version,
        is_complete=True,
    )
    if how.get("patient_id"):
        made.PatientID = how["patient_id"]
    if how.get("study_uid"):
        made.StudyInstanceUID = how["study_uid"]
    return made


def send(objects):
    ae = AE("PRODUCT")
    for made in objects:
        ae.add_requested_context(made.SOPClassUID, made.file_meta.TransferSyntaxUID)
    association = ae.associate("127.0.0.1", hilum, ae_title="HILUM")
    statuses = []
    if association.is_established:
        for made in objects:
            answer = association.send_c_store(made)
            statuses.append(int(answer.Status) if answer else None)
        association.release()
    log(event="sent", accession=str(objects[0].AccessionNumber), statuses=statuses)


def answer(images):
    how = control(images[0])
    accession = str(images[0].AccessionNumber)
    log(event="study", accession=accession, study=str(images[0].StudyInstanceUID), images=len(images))
    time.sleep(how.get("delay", 0.0))
    if how["mode"] == "silent":
        return
    reports = [report(images, how) for _ in range(how.get("reports", 1))]
    for made in reports:
        log(event="made", accession=accession, data_set=encode(made, False, True).hex())
    send(reports)
    if how["mode"] == "twice":
        send(reports)


def handle_store(event):
    how = control(event.dataset)
    if how["mode"] == "refuse":
        log(event="refused")
        return how["status"]
    image = event.dataset
    image.file_meta = event.file_meta
    with lock:
        studies.setdefault(event.assoc, []).append(image)
    return 0x0000


def handle_end(event):
    with lock:
        images = studies.pop(event.assoc, [])
    if images:
        threading.Thread(target=answer, args=(images,), daemon=True).start()


ae = AE("PRODUCT")
ae.add_supported_context("1.2.840.10008.1.1")
for context in AllStoragePresentationContexts:
    ae.add_supported_context(context.abstract_syntax)
handlers = [(evt.EVT_C_STORE, handle_store), (evt.EVT_RELEASED, handle_end)]
log(event="ready")
ae.start_server(("127.0.0.1", port), block=True, evt_handlers=handlers)
