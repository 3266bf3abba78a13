//! How large each operator's outputs are, given its inputs; an operator that is not here is not supported.

use super::graph::{Node, RANK_MAX, Tensor};
use super::layout;

/// A node's inputs; `None` for one that is left out.
pub(super) type Inputs<'t> = [Option<&'t Tensor>];

/// Largest kernel, stride, padding or dilation.
const STEP_MAX: i64 = 1 << 16;

/// The outputs of `node`, or what is wrong with it.
pub(super) fn outputs(node: &Node, inputs: &Inputs) -> Result<Vec<Tensor>, String> {
    let made = match node.operator {
        "Identity" => first(inputs)?.clone(),
        "Cast" => cast(node, first(inputs)?),
        "Relu"
        | "LeakyRelu"
        | "Sigmoid"
        | "HardSigmoid"
        | "HardSwish"
        | "Tanh"
        | "Clip"
        | "Exp"
        | "Log"
        | "Sqrt"
        | "Neg"
        | "Abs"
        | "Floor"
        | "Ceil"
        | "Round"
        | "Erf"
        | "Gelu"
        | "Elu"
        | "Selu"
        | "Softplus"
        | "Softsign"
        | "Mish"
        | "Dropout"
        | "Not"
        | "Reciprocal"
        | "Sign"
        | "Sin"
        | "Cos"
        | "Softmax"
        | "LogSoftmax"
        | "BatchNormalization"
        | "InstanceNormalization"
        | "LayerNormalization"
        | "GroupNormalization"
        | "LpNormalization"
        | "LRN"
        | "QuantizeLinear"
        | "DequantizeLinear" => Tensor::of(first(inputs)?.shape.clone()),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Min" | "Max" | "Sum" | "Mean" | "Where" | "PRelu"
        | "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or" | "Xor" => {
            broadcast(node, inputs)?
        }
        "Conv" => convolution(node, inputs)?,
        "ConvTranspose" => transposed(node, inputs)?,
        "MaxPool" | "AveragePool" => {
            let kernel = steps(node, "kernel_shape", first(inputs)?.shape.len().saturating_sub(2), None)?;
            Tensor::of(windows(node, first(inputs)?, &kernel, channels(first(inputs)?)?)?)
        }
        "GlobalAveragePool" | "GlobalMaxPool" => {
            let shape = &first(inputs)?.shape;
            Tensor::of(shape.iter().enumerate().map(|(axis, size)| if axis < 2 { *size } else { 1 }).collect())
        }
        "MatMul" => product(inputs)?,
        "Gemm" => gemm(node, inputs)?,
        "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceSum" | "ReduceL2" | "ReduceProd" => reduced(node, inputs)?,
        "ArgMax" | "ArgMin" => {
            let axis = layout::axis(node.number("axis", 0), first(inputs)?.shape.len())?;
            layout::without(first(inputs)?, &[axis], node.number("keepdims", 1) != 0)
        }
        "TopK" => {
            let top = layout::top(node, inputs)?;
            return Ok(vec![top; node.outputs.len().min(2)]);
        }
        "Split" => return layout::split(node, inputs),
        operator => layout::rearranged(operator, node, inputs)?,
    };
    // Training forms of some operators have more outputs; Dropout's second is as large as its first.
    match node.outputs.len() {
        1 => Ok(vec![made]),
        2 if node.operator == "Dropout" => Ok(vec![made.clone(), made]),
        count => Err(format!("got {count} outputs; allowed: 1")),
    }
}

/// Only where every engine keeps the values: to float32, int32 or int64.
fn cast(node: &Node, tensor: &Tensor) -> Tensor {
    let keeps = matches!(node.number("to", 0), 1 | 6 | 7);
    let values = tensor.values.clone().filter(|values| keeps && values.iter().all(exact));
    Tensor { shape: tensor.shape.clone(), values }
}

/// A whole number that 32-bit integers and float32 both hold: engines and we compute the same.
fn exact(value: &f64) -> bool {
    value.fract() == 0.0 && value.abs() <= f64::from(1 << 24)
}

/// The first input, which must be there.
pub(super) fn first<'t>(inputs: &Inputs<'t>) -> Result<&'t Tensor, String> {
    input(inputs, 0)
}

/// An input that must be there.
pub(super) fn input<'t>(inputs: &Inputs<'t>, index: usize) -> Result<&'t Tensor, String> {
    inputs.get(index).copied().flatten().ok_or_else(|| format!("input {index} is missing; allowed: all that it needs"))
}

fn channels(tensor: &Tensor) -> Result<u64, String> {
    tensor.shape.get(1).copied().ok_or_else(|| format!("got the input {:?}; allowed: batch, channels, …", tensor.shape))
}

/// The common shape of two, each side being equal or 1.
pub(super) fn common(a: &[u64], b: &[u64]) -> Result<Vec<u64>, String> {
    let rank = a.len().max(b.len());
    let size = |shape: &[u64], axis: usize| {
        let missing = rank - shape.len();
        axis.checked_sub(missing).and_then(|axis| shape.get(axis)).copied().unwrap_or(1)
    };
    let fits = |axis| match (size(a, axis), size(b, axis)) {
        (one, other) if one == other || other == 1 => Some(one),
        (1, other) => Some(other),
        _ => None,
    };
    let shape: Option<Vec<_>> = (0..rank).map(fits).collect();
    shape.ok_or_else(|| format!("got inputs {a:?} and {b:?}; allowed: sizes that are equal or 1"))
}

fn broadcast(node: &Node, inputs: &Inputs) -> Result<Tensor, String> {
    let mut shape = first(inputs)?.shape.clone();
    for tensor in inputs.iter().flatten().skip(1) {
        shape = common(&shape, &tensor.shape)?;
    }
    let values = match (node.operator, inputs) {
        ("Add" | "Sub" | "Mul", [Some(a), Some(b)]) => computed(node.operator, a, b),
        _ => None,
    };
    Ok(Tensor { shape, values })
}

/// Arithmetic on the few numbers that sizes are made of.
fn computed(operator: &str, a: &Tensor, b: &Tensor) -> Option<Vec<f64>> {
    let (x, y) = (a.values.as_ref()?, b.values.as_ref()?);
    if !x.iter().chain(y).all(exact) {
        return None;
    }
    let count = match (x.len(), y.len()) {
        (a, b) if a == b || b == 1 => a,
        (1, b) => b,
        _ => return None,
    };
    let at = |list: &[f64], index: usize| list.get(if list.len() == 1 { 0 } else { index }).copied();
    let both = (0..count).map(|index| Some((at(x, index)?, at(y, index)?)));
    let made: Option<Vec<f64>> = both
        .map(|pair| {
            let (x, y) = pair?;
            Some(match operator {
                "Add" => x + y,
                "Sub" => x - y,
                _ => x * y,
            })
        })
        .collect();
    made.filter(|made| made.iter().all(exact))
}

/// Numbers of an attribute, one for each of `count` axes, 1 to `STEP_MAX`.
fn steps(node: &Node, name: &str, count: usize, default: Option<i64>) -> Result<Vec<i64>, String> {
    let steps = match (node.numbers(name), default) {
        (Some(steps), _) => steps.to_vec(),
        (None, Some(default)) => vec![default; count],
        (None, None) => return Err(format!("{name} is missing; allowed: {count} numbers")),
    };
    if steps.len() != count || !steps.iter().all(|step| (1..=STEP_MAX).contains(step)) {
        return Err(format!("got {name} {steps:?}; allowed: {count} numbers of 1 to {STEP_MAX}"));
    }
    Ok(steps)
}

/// Padding before and after each of `count` axes.
fn padding(node: &Node, name: &str, count: usize) -> Result<Vec<i64>, String> {
    let pads = node.numbers(name).map_or(vec![0; count], <[i64]>::to_vec);
    if pads.len() != count || !pads.iter().all(|pad| (0..=STEP_MAX).contains(pad)) {
        return Err(format!("got {name} {pads:?}; allowed: {count} numbers of 0 to {STEP_MAX}"));
    }
    Ok(pads)
}

/// The kernel of a convolution from its weights, whose data is in the file or was made by nodes before.
fn kernel(node: &Node, inputs: &Inputs) -> Result<Vec<i64>, String> {
    let (picture, weights) = (first(inputs)?, input(inputs, 1)?);
    let axes = picture.shape.len();
    if !(3..=RANK_MAX).contains(&axes) || weights.shape.len() != axes {
        return Err(format!(
            "got inputs {:?} and weights {:?}; allowed: one rank of 3 or more",
            picture.shape, weights.shape
        ));
    }
    let kernel: Vec<i64> = weights.shape[2..].iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect();
    if node.numbers("kernel_shape").is_some_and(|stated| stated != kernel) {
        let stated = node.numbers("kernel_shape");
        return Err(format!("got kernel_shape {stated:?}; allowed: {kernel:?}, as its weights have it"));
    }
    if !kernel.iter().all(|size| (1..=STEP_MAX).contains(size)) {
        return Err(format!("got a kernel of {kernel:?}; allowed: 1 to {STEP_MAX}"));
    }
    Ok(kernel)
}

fn convolution(node: &Node, inputs: &Inputs) -> Result<Tensor, String> {
    let kernel = kernel(node, inputs)?;
    let (picture, weights) = (first(inputs)?, input(inputs, 1)?);
    let groups = u64::try_from(node.number("group", 1)).ok().filter(|groups| *groups > 0);
    if groups.and_then(|groups| weights.shape[1].checked_mul(groups)) != Some(picture.shape[1]) {
        let (got, allowed) = (&weights.shape, picture.shape[1]);
        return Err(format!("got weights {got:?}; allowed: those for {allowed} channels"));
    }
    Ok(Tensor::of(windows(node, picture, &kernel, weights.shape[0])?))
}

/// Sizes after a window of `kernel` went over the picture.
fn windows(node: &Node, picture: &Tensor, kernel: &[i64], channels: u64) -> Result<Vec<u64>, String> {
    let axes = kernel.len();
    if axes == 0 || picture.shape.len() != axes + 2 {
        return Err(format!("got the input {:?}; allowed: batch, channels and {axes} axes", picture.shape));
    }
    let strides = steps(node, "strides", axes, Some(1))?;
    let dilations = steps(node, "dilations", axes, Some(1))?;
    let pads = padding(node, "pads", 2 * axes)?;
    let auto = node.word("auto_pad").unwrap_or(b"NOTSET");
    let mut shape = vec![picture.shape[0], channels];
    for axis in 0..axes {
        let size = i64::try_from(picture.shape[axis + 2]).unwrap_or(i64::MAX);
        let span = dilations[axis] * (kernel[axis] - 1) + 1;
        let room = match auto {
            b"SAME_UPPER" | b"SAME_LOWER" => {
                shape.push((size as u64).div_ceil(strides[axis] as u64));
                continue;
            }
            b"VALID" => size - span,
            _ => size.saturating_add(pads[axis] + pads[axis + axes]) - span,
        };
        if room < 0 {
            return Err(format!("got a kernel that spans {span} of {size} cells; allowed: no more than there are"));
        }
        let up = node.number("ceil_mode", 0) != 0;
        let moves = if up { (room as u64).div_ceil(strides[axis] as u64) } else { (room / strides[axis]) as u64 };
        shape.push(moves + 1);
    }
    Ok(shape)
}

fn transposed(node: &Node, inputs: &Inputs) -> Result<Tensor, String> {
    let kernel = kernel(node, inputs)?;
    let (picture, weights) = (first(inputs)?, input(inputs, 1)?);
    let axes = kernel.len();
    if weights.shape[0] != picture.shape[1]
        || node.numbers("output_shape").is_some()
        || node.word("auto_pad").is_some_and(|word| word != b"NOTSET")
    {
        return Err("got other channels, output_shape or auto_pad; allowed: matching weights and pads".to_owned());
    }
    let strides = steps(node, "strides", axes, Some(1))?;
    let dilations = steps(node, "dilations", axes, Some(1))?;
    let (pads, more) = (padding(node, "pads", 2 * axes)?, padding(node, "output_padding", axes)?);
    let groups = u64::try_from(node.number("group", 1)).unwrap_or(u64::MAX);
    let mut shape = vec![picture.shape[0], weights.shape[1].saturating_mul(groups)];
    for axis in 0..axes {
        let size = i128::from(picture.shape[axis + 2]);
        let span = i128::from(dilations[axis] * (kernel[axis] - 1) + 1 + more[axis]);
        let out = (size - 1) * i128::from(strides[axis]) + span - i128::from(pads[axis] + pads[axis + axes]);
        shape.push(u64::try_from(out).map_err(|_| format!("got pads {pads:?}; allowed: less than there is"))?);
    }
    Ok(Tensor::of(shape))
}

fn product(inputs: &Inputs) -> Result<Tensor, String> {
    let (a, b) = (&first(inputs)?.shape, &input(inputs, 1)?.shape);
    let wrong = || format!("got inputs {a:?} and {b:?}; allowed: matrices that fit");
    let ([before_a @ .., rows, inner], [before_b @ .., other, columns]) = (a.as_slice(), b.as_slice()) else {
        return Err(wrong());
    };
    if inner != other {
        return Err(wrong());
    }
    let mut shape = common(before_a, before_b)?;
    shape.extend([*rows, *columns]);
    Ok(Tensor::of(shape))
}

fn gemm(node: &Node, inputs: &Inputs) -> Result<Tensor, String> {
    let (a, b) = (&first(inputs)?.shape, &input(inputs, 1)?.shape);
    let ([a0, a1], [b0, b1]) = (a.as_slice(), b.as_slice()) else {
        return Err(format!("got inputs {a:?} and {b:?}; allowed: two matrices"));
    };
    let (rows, inner) = if node.number("transA", 0) != 0 { (a1, a0) } else { (a0, a1) };
    let (columns, other) = if node.number("transB", 0) != 0 { (b0, b1) } else { (b1, b0) };
    if inner != other {
        return Err(format!("got inputs {a:?} and {b:?}; allowed: matrices that fit"));
    }
    Ok(Tensor::of(vec![*rows, *columns]))
}

fn reduced(node: &Node, inputs: &Inputs) -> Result<Tensor, String> {
    let tensor = first(inputs)?;
    let given = match inputs.get(1).copied().flatten() {
        Some(axes) => Some(layout::whole(axes)?),
        None => node.numbers("axes").map(<[i64]>::to_vec),
    };
    let rank = tensor.shape.len();
    let axes: Vec<usize> = match given {
        Some(axes) if !axes.is_empty() => axes.iter().map(|one| layout::axis(*one, rank)).collect::<Result<_, _>>()?,
        _ if node.number("noop_with_empty_axes", 0) != 0 => vec![],
        _ => (0..rank).collect(),
    };
    Ok(layout::without(tensor, &axes, node.number("keepdims", 1) != 0))
}

/// Multiplications of a node, where it has many for each value; a hostile kernel would keep an engine busy for days.
pub(super) fn work(node: &Node, inputs: &Inputs, outputs: &[Tensor]) -> u64 {
    let count = |tensor: Option<&Option<&Tensor>>| tensor.copied().flatten().map_or(0, Tensor::count);
    let side = |tensor: Option<&Option<&Tensor>>, axis: usize| {
        tensor.copied().flatten().and_then(|tensor| tensor.shape.get(axis)).copied().unwrap_or(1).max(1)
    };
    let made = outputs.first().map_or(0, Tensor::count);
    match node.operator {
        "Conv" => made.saturating_mul(count(inputs.get(1)) / side(inputs.get(1), 0)),
        "ConvTranspose" => count(inputs.first()).saturating_mul(count(inputs.get(1)) / side(inputs.get(1), 0)),
        "MatMul" | "Gemm" => {
            let inner = inputs.first().copied().flatten().and_then(|a| a.shape.iter().rev().take(2).max()).copied();
            made.saturating_mul(inner.unwrap_or(1))
        }
        "MaxPool" | "AveragePool" => {
            let kernel = node.numbers("kernel_shape").unwrap_or(&[]);
            kernel.iter().fold(made, |work, side| work.saturating_mul(side.unsigned_abs()))
        }
        _ => 0,
    }
}

/// Values that a node needs beside its outputs: engines unroll a transposed convolution before they add it up.
pub(super) fn scratch(node: &Node, inputs: &Inputs) -> u64 {
    match (node.operator, inputs) {
        ("ConvTranspose", [Some(picture), Some(weights), ..]) => {
            let cells = picture.shape.iter().skip(2).fold(1, |cells: u64, side| cells.saturating_mul(*side));
            cells.saturating_mul(weights.count() / weights.shape.first().copied().unwrap_or(1).max(1))
        }
        _ => 0,
    }
}
