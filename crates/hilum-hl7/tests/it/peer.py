"""An ORU^R01 that hl7apy builds and validates, sent by the MLLP client of python-hl7; the answer goes through hl7apy again."""

import sys

from hl7.client import MLLPClient
from hl7apy.core import Message
from hl7apy.parser import parse_message

message = Message("ORU_R01", version="2.5.1")
message.msh.msh_3 = "RIS"
message.msh.msh_9 = "ORU^R01^ORU_R01"
message.msh.msh_10 = "PY1"
message.msh.msh_11 = "P"
message.msh.msh_18 = "UNICODE UTF-8"
result = message.add_group("ORU_R01_PATIENT_RESULT")
patient = result.add_group("ORU_R01_PATIENT").add_segment("PID")
patient.pid_3 = "P1^^^H"
patient.pid_5 = "X^Y"
order = result.add_group("ORU_R01_ORDER_OBSERVATION")
request = order.add_segment("OBR")
request.obr_1 = "1"
request.obr_3 = "F9"
request.obr_4 = "36643-5^Chest^LN"
request.obr_18 = "A1"
request.obr_25 = "F"
observation = order.add_group("ORU_R01_OBSERVATION").add_segment("OBX")
observation.obx_1 = "1"
observation.obx_2 = "TX"
observation.obx_3 = "59776-5^Findings^LN"
observation.obx_5 = "Kein Erguß \\T\\ kein Infiltrat."
observation.obx_11 = "F"
assert message.validate()
with MLLPClient("127.0.0.1", int(sys.argv[1])) as client:
    for text, wanted in [(message.to_er7(), "AA"), (message.to_er7().replace("ORU^R01^ORU_R01", "ADT^A01^ADT_A01"), "AR")]:
        answer = client.send_message(text)
        assert answer.startswith(b"\x0b") and answer.endswith(b"\x1c\r"), answer
        read = parse_message(answer[1:-2].decode("ascii"))
        assert read.validate()
        assert (read.MSA.msa_1.value, read.MSA.msa_2.value) == (wanted, "PY1"), read.to_er7()
