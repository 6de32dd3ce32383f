"""Unmodified tritonclient against `hilum serve`. Arguments: HTTP address, gRPC address, folder of a golden case.

Prints one line for each thing that held; an assertion that fails ends the script.
"""

import json
import struct
import sys
import tomllib
import urllib.request
from pathlib import Path

import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from tritonclient.utils import InferenceServerException

HTTP, GRPC, CASE = sys.argv[1], sys.argv[2], Path(sys.argv[3])
MODEL, VERSION = "phantom-cxr", "1.0.0"


def read_tensor(path):
    """A tensor file of a golden case (hilum_registry::Tensor)."""
    data = path.read_bytes()
    assert data[:8] == b"HILUMT1\n"
    kind, rank = data[8], data[9]
    shape = struct.unpack(f"<{rank}Q", data[16 : 16 + 8 * rank])
    return np.frombuffer(data[16 + 8 * rank :], {1: "<f4", 2: "u1", 3: "<i8"}[kind]).reshape(shape)


def held(what):
    print("held:", what, flush=True)


def refused(what, call, *words):
    try:
        call()
    except InferenceServerException as error:
        assert all(word in str(error.message()) for word in words), (what, error.message())
        held(what)
        return error
    raise AssertionError(f"{what}: was not refused")


case = tomllib.loads((CASE / "case.toml").read_text())
image = read_tensor(CASE / case["input"][0]["file"])
expected = {raw["tensor"]: read_tensor(CASE / raw["file"]) for raw in case["raw_output"]}
tolerance = dict(rtol=1e-4, atol=1e-4)


def check(result, names, what):
    for name in names:
        found = result.as_numpy(name)
        assert found.dtype == expected[name].dtype, (what, name, found.dtype)
        np.testing.assert_allclose(found, expected[name], err_msg=f"{what} {name}", **tolerance)
    held(what)


def make(module, array=image, name="image", datatype="FP32", **binary):
    tensor = module.InferInput(name, array.shape, datatype)
    tensor.set_data_from_numpy(array, **binary)
    return tensor


# ---- REST ----
http = httpclient.InferenceServerClient(HTTP)
assert http.is_server_live() and http.is_server_ready()
assert http.is_model_ready(MODEL) and http.is_model_ready(MODEL, VERSION)
assert not http.is_model_ready("nobody") and not http.is_model_ready(MODEL, "9")
held("http health")
server = http.get_server_metadata()
assert server["name"] == "hilum" and "binary_tensor_data" in server["extensions"], server
about = http.get_model_metadata(MODEL, VERSION)
assert about["name"] == MODEL and VERSION in about["versions"], about
assert [(t["name"], t["datatype"]) for t in about["inputs"]] == [("image", "FP32")], about
assert {t["name"] for t in about["outputs"]} == set(expected), about
held("http metadata")
index = http.get_model_repository_index()
assert {"name": MODEL, "version": VERSION, "state": "READY", "reason": ""} in index, index
held("http repository index")

check(http.infer(MODEL, [make(httpclient)]), expected, "http binary in, binary out, every output")
wanted = [httpclient.InferRequestedOutput("logits", binary_data=False)]
answer = http.infer(MODEL, [make(httpclient, binary_data=False)], outputs=wanted, request_id="seven")
check(answer, ["logits"], "http JSON in, JSON out")
assert answer.get_response()["id"] == "seven" and answer.get_response()["model_version"] == VERSION
assert [o["name"] for o in answer.get_response()["outputs"]] == ["logits"], "only what was asked for"
mixed = [
    httpclient.InferRequestedOutput("maps", binary_data=True),
    httpclient.InferRequestedOutput("logits", binary_data=False),
]
check(http.infer(MODEL, [make(httpclient)], outputs=mixed, model_version=VERSION), ["maps", "logits"], "http mixed, version path")

refused("http unknown model", lambda: http.infer("nobody", [make(httpclient)]), "nobody")
refused("http unknown version", lambda: http.infer(MODEL, [make(httpclient)], model_version="9"), "9", VERSION)
refused("http wrong shape", lambda: http.infer(MODEL, [make(httpclient, image[:, :, :7])]), "image", "shape")
refused("http wrong type", lambda: http.infer(MODEL, [make(httpclient, image.astype("f8"), datatype="FP64")]), "FP64")
refused("http wrong name", lambda: http.infer(MODEL, [make(httpclient, name="picture")]), "picture", "image")
refused("http missing input", lambda: http.infer(MODEL, []), "image", "missing")
refused(
    "http unknown output",
    lambda: http.infer(MODEL, [make(httpclient)], outputs=[httpclient.InferRequestedOutput("nothing")]),
    "nothing",
)
refused(
    "http compressed request",
    lambda: http.infer(MODEL, [make(httpclient)], request_compression_algorithm="gzip"),
    "Content-Encoding",
)


def post(path, body, **headers):
    """A request without any Content-Type, as Triton's clients send it."""
    request = urllib.request.Request(f"http://{HTTP}{path}", data=body, headers=headers, method="POST")
    request.add_unredirected_header("Content-Type", "")
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


INFER = f"/v2/models/{MODEL}/versions/{VERSION}/infer"
status, headers, body = post(INFER, image.tobytes(), **{"Inference-Header-Content-Length": "0"})
length = int({k.lower(): v for k, v in headers.items()}["inference-header-content-length"])
outputs = json.loads(body[:length])["outputs"]
rest = body[length:]
for output in outputs:
    size = output["parameters"]["binary_data_size"]
    found = np.frombuffer(rest[:size], "<f4").reshape(output["shape"])
    np.testing.assert_allclose(found, expected[output["name"]], **tolerance)
    rest = rest[size:]
assert status == 200 and rest == b"" and len(outputs) == len(expected)
held("http raw body")
for what, body, headers in [
    ("header beyond the body", b"{}", {"Inference-Header-Content-Length": "99"}),
    ("header no number", b"{}", {"Inference-Header-Content-Length": "-1"}),
    ("not JSON", b"\xff\xfe", {}),
    ("bytes to spare", b"{}xx", {"Inference-Header-Content-Length": "2"}),
    ("raw body cut short", image.tobytes()[:-3], {"Inference-Header-Content-Length": "0"}),
]:
    status, _, answer = post(INFER, body, **headers)
    assert status == 400 and "error" in json.loads(answer), (what, status, answer)
    held(f"http refuses {what}")
status, _, answer = post("/v2/nothing", b"")
assert status == 404 and "error" in json.loads(answer)
held("http unknown address")

# ---- gRPC ----
grpc = grpcclient.InferenceServerClient(GRPC)
assert grpc.is_server_live() and grpc.is_server_ready()
assert grpc.is_model_ready(MODEL) and grpc.is_model_ready(MODEL, VERSION) and not grpc.is_model_ready("nobody")
assert grpc.get_server_metadata().name == "hilum"
about = grpc.get_model_metadata(MODEL, VERSION)
assert [(t.name, t.datatype, list(t.shape)) for t in about.inputs][0][:2] == ("image", "FP32")
assert {t.name for t in about.outputs} == set(expected) and VERSION in about.versions
assert [(m.name, m.version) for m in grpc.get_model_repository_index().models] == [(MODEL, VERSION)]
held("grpc health and metadata")
answer = grpc.infer(MODEL, [make(grpcclient)], model_version=VERSION, request_id="eight")
check(answer, expected, "grpc every output")
assert answer.get_response().id == "eight" and answer.get_response().model_version == VERSION
only = grpc.infer(MODEL, [make(grpcclient)], outputs=[grpcclient.InferRequestedOutput("logits")])
check(only, ["logits"], "grpc one output")
assert only.as_numpy("maps") is None
refused("grpc unknown model", lambda: grpc.infer("nobody", [make(grpcclient)]), "nobody")
refused("grpc unknown version", lambda: grpc.infer(MODEL, [make(grpcclient)], model_version="9"), "9")
error = refused("grpc wrong shape", lambda: grpc.infer(MODEL, [make(grpcclient, image[:, :, :7])]), "shape")
assert error.status() == "StatusCode.INVALID_ARGUMENT", error.status()
big = np.zeros((1, 1, 4096, 4096), "f4")
error = refused("grpc message over its limit", lambda: grpc.infer(MODEL, [make(grpcclient, big)]))
assert error.status() in ("StatusCode.OUT_OF_RANGE", "StatusCode.RESOURCE_EXHAUSTED"), error.status()
refused("http message over its limit", lambda: http.infer(MODEL, [make(httpclient, big)]), "message_mib_max")

# Typed contents, which tritonclient itself does not send.
from tritonclient.grpc import service_pb2, service_pb2_grpc
import grpc as plain

stub = service_pb2_grpc.GRPCInferenceServiceStub(plain.insecure_channel(GRPC))
request = service_pb2.ModelInferRequest(model_name=MODEL, inputs=[])
tensor = request.inputs.add(name="image", datatype="FP32", shape=image.shape)
tensor.contents.fp32_contents.extend(image.ravel().tolist())
answer = stub.ModelInfer(request)
at = [o.name for o in answer.outputs].index("logits")
np.testing.assert_allclose(np.frombuffer(answer.raw_output_contents[at], "<f4"), expected["logits"].ravel(), **tolerance)
held("grpc typed contents")
request.raw_input_contents.append(image.tobytes())
try:
    stub.ModelInfer(request)
    raise AssertionError("typed and raw contents together were taken")
except plain.RpcError as error:
    assert error.code() == plain.StatusCode.INVALID_ARGUMENT
    held("grpc refuses typed and raw contents together")
print("all held")
