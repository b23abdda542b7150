"""Small ONNX models, and what they compute, in NumPy."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, CHANNELS, CLASSES = 8, 3, 4


def weights(seed=0):
    """[8 * 8 * 3, 4] and [4]"""
    random = np.random.default_rng(seed)
    matrix = random.normal(0, 0.1, (SIDE * SIDE * CHANNELS, CLASSES))
    return matrix.astype(np.float32), random.normal(size=4).astype(np.float32)


def save_linear(path, layout, activation="", batch="N", seed=0, **settings):
    """activation(flatten(x) @ W + b); x of 3 channels, 8 x 8."""
    matrix, bias = weights(seed)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
    ]
    if activation:
        nodes.append(helper.make_node(activation, ["logits"], ["scores"]))
    last = nodes[-1].output[0]
    save(
        path,
        nodes,
        {"matrix": matrix, "bias": bias},
        inputs={"x": image_shape(layout, batch)},
        outputs={last: (batch, CLASSES)},
        **settings,
    )


def linear(x, seed=0):
    """Logits of images [N, ...] as the model sees them, in float64."""
    matrix, bias = (part.astype(np.float64) for part in weights(seed))
    return x.reshape(len(x), -1) @ matrix + bias


def image_shape(layout, batch="N", side=SIDE, channels=CHANNELS):
    if layout == "nchw":
        return (batch, channels, side, side)
    return (batch, side, side, channels)


def save(path, nodes, constants, inputs, outputs, type_=TensorProto.FLOAT):
    """Writes a graph; shapes by the names of inputs and outputs."""

    def told(values, kind):
        return [
            helper.make_tensor_value_info(name, kind, shape)
            for name, shape in values.items()
        ]

    graph = helper.make_graph(
        nodes,
        "f",
        told(inputs, type_),
        told(outputs, TensorProto.FLOAT),
        [
            numpy_helper.from_array(value, name)
            for name, value in constants.items()
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))
