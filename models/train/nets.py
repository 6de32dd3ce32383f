"""Two small networks, written once and run by two back ends: PyTorch to train them, ONNX to write them down.

Only plain operators of ONNX opset 17 are used: Conv (batch normalisation folded in), Relu, Resize (nearest, times 2),
Concat, Add, GlobalAveragePool, Flatten, ReduceMax, Gemm, Reshape, Transpose.
"""

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F


class Layer(nn.Module):
    """Convolution, batch normalisation."""

    def __init__(self, inputs, outputs, stride=1, size=3):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def folded(self):
        """Weights and bias of one convolution that does both."""
        scale = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        weight = self.conv.weight * scale[:, None, None, None]
        bias = self.norm.bias - self.norm.running_mean * scale
        return weight.detach().numpy(), bias.detach().numpy()


class TorchOps:
    """Runs a network in PyTorch."""

    def conv(self, layer, x, relu=True):
        x = layer.norm(layer.conv(x)) if isinstance(layer, Layer) else layer(x)
        return F.relu(x) if relu else x

    def relu(self, x):
        return F.relu(x)

    def add(self, a, b):
        return a + b

    def up(self, x):
        return F.interpolate(x, scale_factor=2, mode="nearest")

    def cat(self, *xs):
        return torch.cat(xs, 1)

    def mean(self, x):
        return x.mean((2, 3))

    def largest(self, x):
        return x.amax((2, 3))

    def linear(self, layer, x):
        return layer(x)

    def shuffle(self, x, side):
        """Four channels on side x side become one on twice the side."""
        n = x.shape[0]
        return x.reshape(n, 2, 2, side, side).permute(0, 3, 1, 4, 2).reshape(n, 1, 2 * side, 2 * side)


class OnnxOps:
    """Writes a network as an ONNX graph; values are names."""

    def __init__(self):
        self.nodes, self.initializers = [], []

    def _constant(self, array):
        name = f"w{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _node(self, kind, inputs, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def conv(self, layer, x, relu=True):
        if isinstance(layer, Layer):
            weight, bias = layer.folded()
            conv = layer.conv
        else:
            weight, bias, conv = layer.weight.detach().numpy(), layer.bias.detach().numpy(), layer
        size, stride = conv.kernel_size[0], conv.stride[0]
        x = self._node(
            "Conv", [x, self._constant(weight), self._constant(bias)],
            kernel_shape=[size, size], strides=[stride, stride], pads=[size // 2] * 4,
        )
        return self.relu(x) if relu else x

    def relu(self, x):
        return self._node("Relu", [x])

    def add(self, a, b):
        return self._node("Add", [a, b])

    def up(self, x):
        scales = self._constant(np.array([1, 1, 2, 2], np.float32))
        return self._node(
            "Resize", [x, "", scales], mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )

    def cat(self, *xs):
        return self._node("Concat", list(xs), axis=1)

    def mean(self, x):
        return self._node("Flatten", [self._node("GlobalAveragePool", [x])], axis=1)

    def largest(self, x):
        return self._node("ReduceMax", [x], axes=[2, 3], keepdims=0)

    def linear(self, layer, x):
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        return self._node("Gemm", [x, self._constant(weight), self._constant(bias)], transB=1)

    def shuffle(self, x, side):
        apart = self._constant(np.array([1, 2, 2, side, side], np.int64))
        whole = self._constant(np.array([1, 1, 2 * side, 2 * side], np.int64))
        x = self._node("Transpose", [self._node("Reshape", [x, apart])], perm=[0, 3, 1, 4, 2])
        return self._node("Reshape", [x, whole])


class FromOnnx:
    """Reads the weights of an earlier version into a network, in the order in which `OnnxOps` wrote them.

    Batch normalisation was folded into them, so here it does nothing; train further with it frozen.
    """

    def __init__(self, path):
        self.constants = iter([numpy_helper.to_array(one) for one in onnx.load(str(path)).graph.initializer])

    def _next(self):
        return torch.from_numpy(next(self.constants).copy())

    def conv(self, layer, x, relu=True):
        weight, bias = self._next(), self._next()
        if isinstance(layer, Layer):
            layer.conv.weight.data, layer.norm.bias.data = weight, bias
            layer.norm.weight.data.fill_(1)
            layer.norm.running_mean.fill_(0)
            layer.norm.running_var.fill_(1 - layer.norm.eps)
        else:
            layer.weight.data, layer.bias.data = weight, bias

    def linear(self, layer, x):
        layer.weight.data, layer.bias.data = self._next(), self._next()

    def up(self, x):
        next(self.constants)

    def relu(self, x):
        """Nothing to read, as in the rest."""

    def add(self, a, b):
        pass

    def cat(self, *xs):
        pass

    def mean(self, x):
        pass

    def largest(self, x):
        pass


class Classifier(nn.Module):
    """160 x 160 -> logits of the findings, their maps on 40 x 40, and an embedding."""

    SIDE = 160
    OUTPUTS = {"logits": [1, 2], "maps": [1, 2, 40, 40], "embedding": [1, 64]}

    def __init__(self):
        super().__init__()
        self.stem = Layer(1, 12, 2)
        self.c1 = Layer(12, 24, 2)
        self.b1 = Layer(24, 24)
        self.c2 = Layer(24, 40, 2)
        self.b2a, self.b2b = Layer(40, 40), Layer(40, 40)
        self.c3 = Layer(40, 64, 2)
        self.b3a, self.b3b = Layer(64, 64), Layer(64, 64)
        self.c4 = Layer(64, 64, 2)
        self.u3 = Layer(128, 48)
        self.u2 = Layer(88, 32)
        self.u1 = Layer(56, 20)
        self.map = nn.Conv2d(20, 2, 1)
        self.head = nn.Linear(66, 2)
        nn.init.constant_(self.map.bias, -3.0)

    def run(self, ops, x):
        f40 = ops.conv(self.c1, ops.conv(self.stem, x))
        f40 = ops.relu(ops.add(f40, ops.conv(self.b1, f40, relu=False)))
        f20 = ops.conv(self.c2, f40)
        f20 = ops.relu(ops.add(f20, ops.conv(self.b2b, ops.conv(self.b2a, f20), relu=False)))
        f10 = ops.conv(self.c3, f20)
        f10 = ops.relu(ops.add(f10, ops.conv(self.b3b, ops.conv(self.b3a, f10), relu=False)))
        f5 = ops.conv(self.c4, f10)
        up = ops.conv(self.u3, ops.cat(ops.up(f5), f10))
        up = ops.conv(self.u2, ops.cat(ops.up(up), f20))
        up = ops.conv(self.u1, ops.cat(ops.up(up), f40))
        maps = ops.conv(self.map, up, relu=False)
        embedding = ops.mean(f5)
        logits = ops.linear(self.head, ops.cat(embedding, ops.largest(maps)))
        return {"logits": logits, "maps": maps, "embedding": embedding}


class LungUnet(nn.Module):
    """128 x 128 -> logit of lung for each pixel; the last layer gives each pixel of 64 x 64 its four parts."""

    SIDE = 128
    OUTPUTS = {"lungs": [1, 1, 128, 128]}

    def __init__(self):
        super().__init__()
        self.stem = Layer(1, 12, 2)
        self.e0 = Layer(12, 12)
        self.d1 = Layer(12, 20, 2)
        self.e1 = Layer(20, 20)
        self.d2 = Layer(20, 32, 2)
        self.e2 = Layer(32, 32)
        self.d3 = Layer(32, 48, 2)
        self.e3 = Layer(48, 48)
        self.u2 = Layer(80, 32)
        self.u1 = Layer(52, 20)
        self.u0 = Layer(32, 12)
        self.out = nn.Conv2d(12, 4, 3, padding=1)

    def run(self, ops, x):
        f0 = ops.conv(self.e0, ops.conv(self.stem, x))
        f1 = ops.conv(self.e1, ops.conv(self.d1, f0))
        f2 = ops.conv(self.e2, ops.conv(self.d2, f1))
        f3 = ops.conv(self.e3, ops.conv(self.d3, f2))
        up = ops.conv(self.u2, ops.cat(ops.up(f3), f2))
        up = ops.conv(self.u1, ops.cat(ops.up(up), f1))
        up = ops.conv(self.u0, ops.cat(ops.up(up), f0))
        return {"lungs": ops.shuffle(ops.conv(self.out, up, relu=False), 64)}


def to_onnx(net, path):
    """Write the trained network; batch 1, input `image`."""
    net.eval()
    ops = OnnxOps()
    side = net.SIDE
    outputs = net.run(ops, "image")
    for name, value in outputs.items():
        # The last node gives the output its name.
        for node in ops.nodes:
            node.input[:] = [name if i == value else i for i in node.input]
            node.output[:] = [name if o == value else o for o in node.output]
    graph = helper.make_graph(
        ops.nodes, type(net).__name__,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, side, side])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in net.OUTPUTS.items()],
        ops.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="hilum models/train")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
