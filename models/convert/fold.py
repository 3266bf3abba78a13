"""Works out beforehand what a graph computes from nothing but numbers in the file, such as sizes: the line takes only sizes that are fixed."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

# Quantised weights stay quantised.
KEPT = ("QuantizeLinear", "DequantizeLinear")
# Larger results stay computed.
VALUES_MAX = 1 << 20
ROUNDS_MAX = 8


def fold(path: Path) -> None:
    """Rewrites the ONNX file at `path` where anything could be worked out; inputs, outputs and answers stay the same."""
    model, folded = onnx.load(path), False
    for _ in range(ROUNDS_MAX):
        count = len(model.graph.node)
        # Each round knows the shapes that the round before made fixed.
        model = one_round(model)
        if len(model.graph.node) == count:
            break
        folded = True
    if folded:
        del model.graph.value_info[:]
        onnx.checker.check_model(model)
        onnx.save(model, path)


def one_round(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the nodes whose inputs are all known."""
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    graph = model.graph
    shapes = {one.name: fixed(one) for one in [*graph.input, *graph.value_info, *graph.output]}
    stored = {one.name for one in graph.initializer}
    values = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    versions = {one.domain: one.version for one in model.opset_import}
    kept, told = [], {one.name for one in graph.output}
    for node in graph.node:
        results = None if told & set(node.output) else results_of(node, values, shapes, versions)
        if results is None:
            kept.append(node)
        else:
            values.update(zip(node.output, results))
    needed = {name for node in kept for name in node.input}
    del graph.node[:]
    graph.node.extend(kept)
    new = [name for name in values if name in needed and name not in stored]
    graph.initializer.extend(numpy_helper.from_array(values[name].copy(), name) for name in new)
    for one in [one for one in graph.initializer if one.name not in needed]:
        graph.initializer.remove(one)
    return model


def fixed(one: onnx.ValueInfoProto) -> list[int] | None:
    """A tensor's shape, where all of it is fixed."""
    tensor = one.type.tensor_type
    if not tensor.HasField("shape") or not all(dim.HasField("dim_value") for dim in tensor.shape.dim):
        return None
    return [dim.dim_value for dim in tensor.shape.dim]


def results_of(node: onnx.NodeProto, values: dict, shapes: dict, versions: dict) -> list[np.ndarray] | None:
    """What a node gives, where that is known."""
    if node.op_type == "Shape" and shapes.get(node.input[0]) is not None:
        bounds = {one.name: one.i for one in node.attribute}
        return [np.array(shapes[node.input[0]][bounds.get("start", 0) : bounds.get("end")], np.int64)]
    given = [name for name in node.input if name]
    random = node.op_type.startswith("Random") or node.op_type in ("Bernoulli", "Multinomial", "Dropout")
    if random or node.op_type in KEPT or node.domain or any(name not in values for name in given):
        return None
    wide = any(one.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for one in node.attribute)
    if wide or sum(values[name].size for name in given) > VALUES_MAX:
        return None
    results = ReferenceEvaluator(node, opsets=versions).run(None, {name: values[name] for name in given})
    results = [np.asarray(one) for one in results]
    return results if sum(one.size for one in results) <= VALUES_MAX else None
