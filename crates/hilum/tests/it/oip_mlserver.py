"""A model of MLServer that runs an ONNX graph, so that Hilum's client meets a server that Hilum did not write.

Settings of the test: `parameters.uri` is the graph; inputs and outputs are the graph's own names.
"""

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxGraph(MLModel):
    async def load(self) -> bool:
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        inputs = {i.name: NumpyCodec.decode_input(i).astype(np.float32) for i in payload.inputs}
        wanted = [o.name for o in payload.outputs or []] or [o.name for o in self.session.get_outputs()]
        found = self.session.run(wanted, inputs)
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output(name, value) for name, value in zip(wanted, found)],
        )
