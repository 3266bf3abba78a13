"""Makes a tiny model in three precisions and models that no engine should be given: `pip install onnx==1.23.2 && python make.py`."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent


def constant(name, values, kind=np.float32):
    return numpy_helper.from_array(np.asarray(values, kind), name)


def node(operator, inputs, outputs, **attributes):
    if operator == "Conv":
        # Exporters write both always; engines differ in what holds without them.
        attributes = {"kernel_shape": [1, 1], "strides": [1, 1], **attributes}
    return helper.make_node(operator, inputs, outputs, name=outputs[0] if outputs else operator, **attributes)


def save(name, nodes, constants, **changes):
    """A model with the tiny contract's input and outputs; `changes` are other graph inputs, outputs or sizes."""
    tensor = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    shapes = {"image": [1, 3, 32, 32], "keypoints": [1, 1, 8, 8], "centre": [1, 1, 4, 4], "offsets": [1, 2, 4, 4], "parents": [1, 2, 4, 4], **changes}
    made = ("keypoints", "centre", "offsets", "parents")
    outputs = [tensor(name, shapes[name]) for name in made]
    inputs = [tensor(name, shape) for name, shape in shapes.items() if name not in made and shape]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("lab.own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


def tiny(taken="centre_logits", before=(), seed=1):
    """Four strided convolutions; `before` turns "centre_logits" into `taken`, which becomes the output."""
    nodes = [
        node("Conv", ["image", "w4"], ["quarter_raw"], strides=[4, 4], kernel_shape=[4, 4]),
        node("Relu", ["quarter_raw"], ["quarter"]),
        node("Conv", ["quarter", "wk"], ["keypoint_logits"]),
        node("Sigmoid", ["keypoint_logits"], ["keypoints"]),
        node("Conv", ["quarter", "w8"], ["eighth"], strides=[2, 2], kernel_shape=[2, 2]),
        node("Conv", ["eighth", "wc"], ["centre_logits"]),
        *before,
        node("Sigmoid", [taken], ["centre"]),
        node("Conv", ["eighth", "wp"], ["parents"]),
        node("Conv", ["eighth", "wo"], ["offsets"]),
    ]
    shapes = {"w4": (4, 3, 4, 4), "wk": (1, 4, 1, 1), "w8": (4, 4, 2, 2), "wc": (1, 4, 1, 1), "wp": (2, 4, 1, 1), "wo": (2, 4, 1, 1)}
    # The same in every file; rather above 0, so that the ReLU lets something through.
    dice = np.random.default_rng(seed)
    return nodes, [constant(name, dice.normal(0.05, 0.2, shape)) for name, shape in shapes.items()]


def quantised(name, kind, zero):
    """Activations and weights through QuantizeLinear and DequantizeLinear; weights are signed and have a scale a channel."""
    nodes, constants = tiny()
    plain = {one.name: numpy_helper.to_array(one) for one in constants}
    made, kept = [], [constant("scale", 1 / 64), constant("zero", zero, kind)]
    for key, values in plain.items():
        scale = np.abs(values).max((1, 2, 3)) / 127
        stored = np.round(values / scale[:, None, None, None]).astype(np.int8)
        kept += [constant(f"{key}_q", stored, np.int8), constant(f"{key}_s", scale), constant(f"{key}_z", np.zeros(len(scale)), np.int8)]
        made.append(helper.make_node("DequantizeLinear", [f"{key}_q", f"{key}_s", f"{key}_z"], [key], axis=0))
    for one in nodes:
        if one.op_type == "Conv":
            source = one.input[0]
            if f"{source}_dq" not in {out for other in made for out in other.output}:
                made.append(helper.make_node("QuantizeLinear", [source, "scale", "zero"], [f"{source}_q"]))
                made.append(helper.make_node("DequantizeLinear", [f"{source}_q", "scale", "zero"], [f"{source}_dq"]))
            one.input[0] = f"{source}_dq"
        made.append(one)
    save(name, made, kept)


def grown(name, operator, *operands, **attributes):
    """The tiny model whose centre passes through one operator more, then back to its size by a mean."""
    extra = [node(operator, ["centre_logits", *(one.name if hasattr(one, "name") else one for one in operands)], ["grown"], **attributes)]
    extra += [node("ReduceMean", ["grown"], ["mean"], keepdims=0), node("Add", ["centre_logits", "mean"], ["taken"])]
    nodes, constants = tiny("taken", extra)
    save(name, nodes, constants + [one for one in operands if hasattr(one, "name")])


def main():
    save("fp32", *tiny())
    save("other", *tiny(seed=2))
    quantised("int8", np.int8, 0)
    quantised("u8", np.uint8, 128)
    ints = lambda *values: constant("operand", values, np.int64)
    grown("expand", "Expand", ints(1, 1 << 20, 1 << 10, 4, 4))
    grown("tile", "Tile", ints(1, 1, 1 << 15, 1 << 15))
    grown("pad", "Pad", ints(0, 0, 0, 0, 0, 0, 1 << 20, 1 << 20))
    grown("resize_scales", "Resize", "", constant("operand", [1, 1, 1e5, 1e5]))
    grown("resize_sizes", "Resize", "", "", ints(1, 1, 1 << 30, 1 << 30))
    grown("transposed", "ConvTranspose", constant("operand", np.ones((1, 1, 1, 1))), strides=[30000, 30000], kernel_shape=[1, 1])
    # Fits into memory, but a run would take a day.
    nodes, constants = tiny("taken", [
        node("ConstantOfShape", ["operand"], ["ones"]), node("Conv", ["centre_logits", "ones"], ["grown"], pads=[8000] * 4, kernel_shape=[8000, 8000]),
        node("ReduceMean", ["grown"], ["mean"], keepdims=0), node("Add", ["centre_logits", "mean"], ["taken"])])
    save("kernel", nodes, [*constants, ints(1, 1, 8000, 8000)])
    nodes, constants = tiny("taken", [
        node("ConstantOfShape", ["operand"], ["filled"]), node("ReduceMean", ["filled"], ["mean"], keepdims=0),
        node("Add", ["centre_logits", "mean"], ["taken"])])
    save("constant_of_shape", nodes, [*constants, ints(1 << 22, 1 << 22)])
    # A file of one kilobyte that doubles a tensor forty times.
    double = [helper.make_node("Concat", [f"d{i}"] * 2, [f"d{i + 1}"], name=f"double_{i}", axis=0) for i in range(40)]
    nodes, constants = tiny("taken", [
        node("Identity", ["centre_logits"], ["d0"]), *double, node("ReduceMean", ["d40"], ["mean"], keepdims=0),
        node("Add", ["centre_logits", "mean"], ["taken"])])
    save("doubled", nodes, constants)
    # A column and a row, each of 2^15 repeated values, make a square.
    nodes, constants = tiny("taken", [
        node("Tile", ["centre_logits", "rows"], ["high"]), node("Tile", ["centre_logits", "columns"], ["wide"]),
        node("MatMul", ["high", "wide"], ["square"]), node("ReduceMean", ["square"], ["mean"], keepdims=0),
        node("Add", ["centre_logits", "mean"], ["taken"])])
    save("square", nodes, [*constants, constant("rows", [1, 1, 1 << 15, 1], np.int64), constant("columns", [1, 1, 1, 1 << 15], np.int64)])
    # What the picture shows decides how large a tensor becomes.
    nodes, constants = tiny("taken", [
        node("ReduceMean", ["centre_logits"], ["level"], keepdims=0), helper.make_node("Cast", ["level"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["whole", "operand"], ["size"]), node("Expand", ["centre_logits", "size"], ["grown"]),
        helper.make_node("ReduceMean", ["grown"], ["mean"], keepdims=0), node("Add", ["centre_logits", "mean"], ["taken"])])
    save("depends", nodes, [*constants, ints(0)])
    nodes, constants = tiny()
    short = TensorProto(name="wo", data_type=TensorProto.FLOAT, dims=[2, 4, 1 << 20, 1 << 20], raw_data=bytes(32))
    save("initializer", nodes, [*constants[:-1], short])
    outside = TensorProto(name="wo", data_type=TensorProto.FLOAT, dims=[2, 4, 1, 1], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="../../../etc/passwd")
    save("external", nodes, [*constants[:-1], outside])
    body = helper.make_graph([helper.make_node("Identity", ["on"], ["still"])], "body", [
        helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, [])])
    nodes, constants = tiny()
    save("loop", [*nodes, node("Loop", ["", "on"], [], body=body)], [*constants, constant("on", True, np.bool_)])
    save("operator", [*nodes, node("NonZero", ["centre_logits"], ["places"])], constants)
    save("domain", [*nodes, helper.make_node("Find", ["centre_logits"], ["places"], domain="lab.own")], constants)
    save("input_shape", nodes, constants, image=[1, 3, 64, 64])
    save("input_name", [helper.make_node("Identity", ["picture"], ["image"]), *nodes], constants, image=None, picture=[1, 3, 32, 32])
    save("second_input", [*nodes, node("Identity", ["more"], ["less"])], constants, more=[1])
    save("output_shape", [*nodes[:-1], node("Conv", ["quarter", "wo"], ["offsets"])], constants, offsets=[1, 2, 8, 8])
    save("order", [nodes[-1], *nodes[:-1]], constants)


if __name__ == "__main__":
    main()
    print(sum(file.stat().st_size for file in HERE.glob("*.onnx")), "bytes")
