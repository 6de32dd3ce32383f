"""A product that is a DICOM node: takes studies by C-STORE, sends results back by C-STORE: a TID 1500 report, a segmentation, a secondary capture.

    black_box_product.py PORT HILUM_PORT FOLDER

FOLDER/control.json says how it behaves, by default and for single accession numbers; FOLDER/log.jsonl gets one line per event. Its score is a
function of the pixels, so that the same images always get the same answer, until `shift` changes it silently. `objects` says which objects it
makes (`sr`, `seg`, `sc`), `spoil` what is wrong with them. With `hold` it does not answer until the file says otherwise.
"""

import json
import os
import sys
import threading
import time
from io import BytesIO

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
from pynetdicom.dimse_primitives import C_STORE
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


def mask_of(image):
    """A square in the middle, a quarter of the image."""
    mask = np.zeros((1, image.Rows, image.Columns), dtype=np.uint8)
    mask[0, image.Rows // 4 : 3 * image.Rows // 4, image.Columns // 4 : 3 * image.Columns // 4] = 1
    return mask


def segmentation(images, how):
    version = how.get("version", "3.1")
    nodule = CodedConcept("27925004", "SCT", "Nodule")
    description = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="nodule",
        segmented_property_category=CodedConcept("49755003", "SCT", "Morphologically abnormal structure"),
        segmented_property_type=nodule,
        algorithm_type="AUTOMATIC",
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="Nodule Box", version=version, family=CodedConcept("123110", "DCM", "Artificial Intelligence")
        ),
    )
    return hd.seg.Segmentation(
        source_images=images[:1],
        pixel_array=mask_of(images[0]),
        segmentation_type="BINARY",
        segment_descriptions=[description],
        series_instance_uid=hd.UID(),
        series_number=902,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="Acme Imaging",
        manufacturer_model_name="NB-1",
        software_versions=version,
        device_serial_number="1",
    )


def capture(images, how):
    made = hd.sc.SCImage.from_ref_dataset(
        ref_dataset=images[0],
        pixel_array=np.repeat(mask_of(images[0])[0, :, :, None] * np.uint8(200), 3, axis=2),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        series_instance_uid=hd.UID(),
        series_number=903,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="Acme Imaging",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    made.ManufacturerModelName = "NB-1"
    made.SoftwareVersions = how.get("version", "3.1")
    return made


makers = {"sr": report, "seg": segmentation, "sc": capture}


def spoil(made, how):
    """Break an object in one way."""
    if how == "cut" and "PixelData" in made:
        made.PixelData = made.PixelData[:10]
    elif how == "no-pixels" and "PixelData" in made:
        del made.PixelData
    elif how == "other-segment" and "SegmentSequence" in made:
        made.SegmentSequence[0].SegmentNumber = 7
    elif how == "other-patient" and "PixelData" in made:
        made.PatientID = "SOMEBODY-ELSE"


def send_cut_off(made):
    """The object under its own identifier, without its last bytes."""
    ae = AE("PRODUCT")
    ae.add_requested_context(made.SOPClassUID, made.file_meta.TransferSyntaxUID)
    association = ae.associate("127.0.0.1", hilum, ae_title="HILUM")
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = made.SOPClassUID, made.SOPInstanceUID
    request.Priority = 2
    syntax = made.file_meta.TransferSyntaxUID
    request.DataSet = BytesIO(encode(made, syntax.is_implicit_VR, syntax.is_little_endian)[:-400])
    context = association.accepted_contexts[0].context_id
    # As `send_c_store` does, or the thread that serves the association takes the answer.
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        time.sleep(0.01)
    association.dimse.send_msg(request, context)
    _, answer = association.dimse.get_msg(True)
    association._reactor_checkpoint.set()
    log(event="sent", accession=str(made.AccessionNumber), statuses=[int(answer.Status) if answer else None])
    association.release()


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
    while control(images[0]).get("hold"):
        time.sleep(0.05)
    time.sleep(how.get("delay", 0.0))
    if how["mode"] == "silent":
        return
    kinds = how.get("objects", ["sr"]) * how.get("reports", 1)
    reports = [makers[kind](images, how) for kind in kinds]
    for made in reports:
        spoil(made, how.get("spoil"))
        log(event="made", accession=accession, kind=str(made.SOPClassUID), data_set=encode(made, False, True).hex())
    if how["mode"] == "cut-off":
        for made in reports:
            send_cut_off(made)
        return
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
