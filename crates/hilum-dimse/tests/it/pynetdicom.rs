//! pynetdicom as sender. The interpreter is `HILUM_PYTHON` or `python3`.

use super::recorder::{Recorder, SOON, config, start};
use super::tools::{present, run};
use hilum_dimse::Server;

/// Sends as many C-STORE as there are PDU lengths, over an association with 128 contexts; then C-ECHO.
const SENDER: &str = r#"
import os, sys, traceback
sys.excepthook = lambda *e: (traceback.print_exception(*e), sys.stderr.flush(), os._exit(1))
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, CTImageStorage
from pynetdicom import AE, StoragePresentationContexts
port, length = int(sys.argv[1]), int(sys.argv[2])
ae = AE("PYNETDICOM")
ae.maximum_pdu_size = length
uids = [c.abstract_syntax for c in StoragePresentationContexts if c.abstract_syntax != CTImageStorage]
uids += ["1.2.3.%d" % n for n in range(126 - len(uids))]
for uid in [CTImageStorage, "1.2.840.10008.1.1"] + uids:
    ae.add_requested_context(uid)
association = ae.associate("127.0.0.1", port, ae_title="HILUM", max_pdu=length)
assert association.is_established
assert len(association.accepted_contexts) == 128, len(association.accepted_contexts)
d = Dataset()
d.file_meta = FileMetaDataset()
d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
d.SOPClassUID, d.SOPInstanceUID = CTImageStorage, "2.25.%d" % length
d.PatientName = "Synthetic^Phantom"
d.Rows = d.Columns = 300
d.BitsAllocated = 16
d.PixelData = bytes(range(256)) * 703 + bytes(32)
d["PixelData"].VR = "OW"
for _ in range(3):
    status = association.send_c_store(d)
    assert status.Status == 0, status
assert association.send_c_echo().Status == 0
association.release()
assert association.is_released
"#;

/// Command set in fragments of eight bytes, each in its own PDU; then as items of one PDU.
const FRAGMENTS: &str = r#"
import os, sys, time, traceback
sys.excepthook = lambda *e: (traceback.print_exception(*e), sys.stderr.flush(), os._exit(1))
from pynetdicom import AE
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.dimse_messages import C_ECHO_RQ
from pynetdicom.dimse_primitives import C_ECHO
ae = AE("PYNETDICOM")
ae.add_requested_context("1.2.840.10008.1.1")
association = ae.associate("127.0.0.1", int(sys.argv[1]), ae_title="HILUM")
assert association.is_established
# Its own thread would take the responses.
association._reactor_checkpoint.clear()
while not association._is_paused:
    time.sleep(0.001)
context = association.accepted_contexts[0].context_id
for together in (False, True):
    primitive = C_ECHO()
    primitive.MessageID, primitive.AffectedSOPClassUID = 4711, "1.2.840.10008.1.1"
    message = C_ECHO_RQ()
    message.primitive_to_message(primitive)
    values = [v for p in message.encode_msg(context, 14) for v in p.presentation_data_value_list]
    assert len(values) > 5, len(values)
    for group in [values] if together else [[v] for v in values]:
        p = P_DATA()
        p.presentation_data_value_list = [list(v) for v in group]
        association.dul.send_pdu(p)
    _, response = association.dimse.get_msg(block=True)
    assert response.Status == 0 and response.MessageIDBeingRespondedTo == 4711, response
association._reactor_checkpoint.set()
association.release()
assert association.is_released
"#;

fn python() -> Option<String> {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    present(&python, &["-c", "import pynetdicom"]).then_some(python)
}

async fn script(python: &str, script: &'static str, arguments: Vec<String>) {
    let python = python.to_owned();
    let sender = tokio::task::spawn_blocking(move || {
        let mut all = vec!["-c", script];
        all.extend(arguments.iter().map(String::as_str));
        run(&python, &all);
    });
    tokio::time::timeout(3 * SOON, sender).await.expect("the sender ends").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_over_128_contexts_with_short_and_long_pdus() {
    let Some(python) = python() else { return };
    for length in [4096u32, 16384, 0] {
        let recorder = Recorder::default();
        let mut config = config();
        config.max_pdu_length = length;
        let server = Server::bind(config, recorder.clone()).await.unwrap();
        let port = server.local_addr().port().to_string();
        script(&python, SENDER, vec![port, length.to_string()]).await;
        let stored = recorder.stored();
        assert_eq!(stored.len(), 3);
        for (context, data) in stored {
            assert_eq!(context.sop_instance_uid, format!("2.25.{length}"));
            assert!(180_000 < data.len() && data.ends_with(&[0; 32]));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fragmented_commands_are_put_together() {
    let Some(python) = python() else { return };
    let server = start(&Recorder::default()).await;
    script(&python, FRAGMENTS, vec![server.local_addr().port().to_string()]).await;
    assert_eq!(server.stats().echoes.get(), 2);
}
