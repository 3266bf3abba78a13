"""`python -m convert.yolo`: a YOLO-pose network (Ultralytics) becomes a model folder; its decoder is src/pose/yolo.rs."""

import argparse
import ast
import shutil
import sys
import tempfile
from pathlib import Path

from . import contract

ANIMALS_MAX = 8
KEYPOINTS_MAX = 24
# What Ultralytics fills a letterbox with.
PADDING = 114
COLOURS = ("#e2333d", "#2fa84f", "#3568d4", "#e6c229", "#c04ad0", "#27b5b5", "#e8812e", "#8a8a8a")
SIDES = (("L_", "R_"), ("left", "right"), ("Left", "Right"), ("l_", "r_"))


class Refused(Exception):
    """What is wrong with the source, what is allowed, what to do."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m convert.yolo", description=__doc__)
    parser.add_argument("source", type=Path, help="a .pt file, or an .onnx file that ultralytics exported from one")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="a folder that is not there or empty")
    parser.add_argument("--name", help="the model's name (default: the file's)")
    parser.add_argument("--size", metavar="WxH", help="input pixels, multiples of 32 (.pt only; default: what it was trained at)")
    parser.add_argument("--keypoints", metavar="A,B,...", help="names of the keypoints, where the file does not say them")
    parser.add_argument("--score-min", type=float, default=0.25, help="a weaker detection is no animal (default 0.25)")
    parser.add_argument("--overlap-max", type=float, default=0.7, help="boxes that overlap more are one animal (default 0.7)")
    parser.add_argument("--across-classes", action="store_true", help="boxes of two classes can be one animal too")
    return parser.parse_args()


def size_of(text: str) -> tuple[int, int]:
    """Width and height from `WxH`."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 and int(part) % 32 == 0 for part in parts):
        raise Refused(f"--size: got {text!r}; allowed: WIDTHxHEIGHT, multiples of 32, such as 640x480")
    return int(parts[0]), int(parts[1])


def exported(source: Path, size: tuple[int, int] | None, folder: Path) -> Path:
    """The .pt file as ONNX in `folder`, without the suppression of overlapping boxes, which the decoder does."""
    try:
        from ultralytics import YOLO
    except ImportError as error:
        raise Refused(f"{source}: a .pt file needs the package ultralytics ({error}); pip install ultralytics onnx") from error
    copy = Path(shutil.copy(source, folder / "source.pt"))
    try:
        model = YOLO(copy)
    except Exception as error:  # whatever the reader of a damaged file raises
        raise Refused(f"{source}: not a network that ultralytics reads: {' '.join(str(error).split())[:200]}") from error
    if model.task != "pose":
        raise Refused(f"{source}: got a network for {model.task!r}; allowed: one for pose")
    options = {"imgsz": [size[1], size[0]]} if size else {}
    return Path(model.export(format="onnx", dynamic=False, simplify=False, **options))


def said(model, source: Path) -> dict:
    """What ultralytics wrote into the ONNX file, as Python values."""
    words = {entry.key: entry.value for entry in model.metadata_props}
    for key in ("names", "kpt_shape"):
        if key not in words:
            raise Refused(f"{source}: has no metadata {key!r}; allowed: an ONNX file that ultralytics exported from a pose network")
    try:
        return {key: ast.literal_eval(words[key]) for key in ("names", "kpt_shape", "kpt_names", "end2end") if key in words}
    except (ValueError, SyntaxError) as error:
        raise Refused(f"{source}: its metadata cannot be read: {error}; export it again") from error


def fixed(tensor, what: str, source: Path, rank: int) -> list[int]:
    """The shape of an input or output, which must be float32 and fixed."""
    import onnx

    kind = tensor.type.tensor_type
    if kind.elem_type != onnx.TensorProto.FLOAT:
        name = onnx.TensorProto.DataType.Name(kind.elem_type)
        raise Refused(f"{source}: its {what} is {name}; allowed: FLOAT; export it again without half=True or int8=True")
    shape = [dim.dim_value for dim in kind.shape.dim]
    if len(shape) != rank or not all(size > 0 for size in shape) or shape[0] != 1:
        raise Refused(f"{source}: its {what} has the shape {shape}; allowed: {rank} fixed numbers, the first 1; "
                      "export it again with batch=1, dynamic=False")
    return shape


def keypoint_names(told: dict, count: int, given: str | None, source: Path) -> list[str]:
    """Those given, else those in the file, else numbers."""
    names = given.split(",") if given else next(iter(told.get("kpt_names", {}).values()), None)
    names = [str(name).strip() for name in names] if names else [f"point{index}" for index in range(count)]
    if len(names) != count:
        raise Refused(f"{source}: got {len(names)} names of keypoints; allowed: {count}, as many as the network has")
    return names


def mirrored(names: list[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ only by side."""
    pairs = [(name, name.replace(left, right)) for left, right in SIDES for name in names if left in name]
    return [pair for pair in pairs if pair[1] in names]


def convert(source: Path, out: Path, args: argparse.Namespace, shown: Path) -> None:
    """Writes `out`/model.onnx and model.toml from an ONNX file; `shown` is what messages call it."""
    import onnx

    try:
        model = onnx.load(source)
    except Exception as error:  # the reader of protocol buffers has its own kinds of errors
        raise Refused(f"{shown}: not an ONNX file: {' '.join(str(error).split())[:200]}") from error
    told = said(model, shown)
    graph = model.graph
    if len(graph.input) != 1 or len(graph.output) != 1:
        raise Refused(f"{shown}: has {len(graph.input)} inputs and {len(graph.output)} outputs; allowed: one of each")
    _, channels, height, width = fixed(graph.input[0], "input", shown, 4)
    _, values, boxes = fixed(graph.output[0], "output", shown, 3)
    count, dims = told["kpt_shape"]
    classes = [str(told["names"][key]) for key in sorted(told["names"])]
    wanted = 4 + len(classes) + count * dims
    if values != wanted:
        final = told.get("end2end") or boxes == 6 + count * dims
        why = "it holds finished detections: export it again without nms=True and without its NMS-free head" if final else "export it again"
        raise Refused(f"{shown}: its output has {values} values a box; allowed: {wanted} (4, {len(classes)} classes, {count} x {dims}); {why}")
    for what, got, most in (("classes", len(classes), ANIMALS_MAX), ("keypoints", count, KEYPOINTS_MAX)):
        if not 1 <= got <= most:
            raise Refused(f"{shown}: has {got} {what}; allowed: 1 to {most}")
    if channels != 3 or dims not in (2, 3):
        raise Refused(f"{shown}: has {channels} channels and {dims} values a keypoint; allowed: 3 channels, 2 or 3 values")
    if args.size and size_of(args.size) != (width, height):
        raise Refused(f"--size: got {args.size}, but {shown} was exported at {width}x{height}; give its .pt file to have another size")
    widen(model)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        reason = " ".join(str(error).split())[:200]
        raise Refused(f"{shown}: breaks the rules of ONNX: {reason}; export it again without half=True or quantize") from error
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(model, out / "model.onnx")
    names = keypoint_names(told, count, args.keypoints, shown)
    contract.write(out, contract.Contract(
        name=args.name or shown.stem,
        about=f"A YOLO-pose network with {len(classes)} class(es), imported from {shown.name}.",
        keypoints=names,
        skeleton=[],
        left_right=mirrored(names),
        # One class says what an animal is, not which.
        identities=list(zip(classes, COLOURS)) if len(classes) > 1 else [],
        width=width,
        height=height,
        decoder={"kind": "yolo-pose", "score_min": args.score_min, "overlap_max": args.overlap_max,
                 "across_classes": args.across_classes, "visibility": dims == 3},
        outputs=[contract.Output("detections", "detections", (1, values, 1, boxes), 1)],
        files=[contract.File("model.onnx", "fp32", 0.0)],
        training=contract.Training(f"imported by convert.yolo from {shown.name}", 0, "not told by the source", "not measured"),
        input_name=graph.input[0].name,
        padding=PADDING,
    ))


def widen(model) -> None:
    """Gives the output (1, values, boxes) a row, so that it has four axes as every output of a contract."""
    from onnx import TensorProto, helper, numpy_helper
    import numpy as np

    graph, old = model.graph, model.graph.output[0]
    shape = [dim.dim_value for dim in old.type.tensor_type.shape.dim]
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset >= 13:
        graph.initializer.append(numpy_helper.from_array(np.array([2], dtype=np.int64), "detections_axis"))
        node = helper.make_node("Unsqueeze", [old.name, "detections_axis"], ["detections"])
    else:
        node = helper.make_node("Unsqueeze", [old.name], ["detections"], axes=[2])
    graph.node.append(node)
    graph.output.remove(old)
    graph.output.append(helper.make_tensor_value_info("detections", TensorProto.FLOAT, [shape[0], shape[1], 1, shape[2]]))


def run(args: argparse.Namespace) -> None:
    """Exports where needed, converts, says where the result is."""
    if args.source.suffix not in (".pt", ".onnx") or not args.source.is_file():
        raise Refused(f"{args.source}: allowed: a .pt or .onnx file that is there")
    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise Refused(f"{args.out}: is there and not empty; allowed: a folder that is not there or empty")
    if not (0 <= args.score_min < 1 and 0 <= args.overlap_max < 1):
        raise Refused(f"--score-min, --overlap-max: got {args.score_min} and {args.overlap_max}; allowed: 0 to below 1")
    with tempfile.TemporaryDirectory() as folder:
        file = args.source
        if file.suffix == ".pt":
            file = exported(file, size_of(args.size) if args.size else None, Path(folder))
        convert(file, args.out, args, args.source)
    print(f"{args.out}: model.toml, model.onnx")


def main() -> None:
    """The command; exit code 2 and one line where the source cannot be used."""
    try:
        run(arguments())
    except Refused as error:
        print(f"convert.yolo: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
