//! Sizes after operators that move, repeat, cut or join values, and after those whose operands say the size.

use super::graph::{Node, RANK_MAX, Tensor};
use super::sizes::{Inputs, common, first, input};

/// No side of a tensor is longer: what engines count with 32 bits stays right.
pub(super) const SIDE_MAX: f64 = 2_147_483_647.0;
/// The values of tensors up to this size are followed: they may say how large another tensor is.
const FOLLOWED_MAX: u64 = 1024;

/// The output of one of these operators.
pub(super) fn rearranged(operator: &str, node: &Node, inputs: &Inputs) -> Result<Tensor, String> {
    match operator {
        "Constant" => node.constant().ok_or_else(|| "has no value; allowed: a tensor or numbers".to_owned()),
        "Shape" => shape_of(node, first(inputs)?),
        "ConstantOfShape" => Ok(Tensor::of(sides(&whole(first(inputs)?)?)?)),
        "Expand" => Ok(Tensor::of(common(&first(inputs)?.shape, &sides(&whole(input(inputs, 1)?)?)?)?)),
        "Tile" => tiled(first(inputs)?, &whole(input(inputs, 1)?)?),
        "Reshape" => reshaped(first(inputs)?, &whole(input(inputs, 1)?)?),
        "Flatten" => flattened(node, first(inputs)?),
        "Squeeze" | "Unsqueeze" => squeezed(operator, node, inputs),
        "Transpose" => transposed(node, first(inputs)?),
        "Concat" => joined(node, inputs),
        "Slice" => cut(node, inputs),
        "Gather" => gathered(node, inputs),
        "Pad" => padded(node, inputs),
        "Resize" | "Upsample" => resized(inputs),
        "DepthToSpace" => blocks(node, first(inputs)?, true),
        "SpaceToDepth" => blocks(node, first(inputs)?, false),
        other => Err(format!(
            "got the operator {other:?}; allowed: those of convolutional networks without loops, conditions or sequences; \
             export the network without its post-processing"
        )),
    }
}

/// The values of a tensor that says sizes, as whole numbers.
pub(super) fn whole(tensor: &Tensor) -> Result<Vec<i64>, String> {
    let Some(values) = &tensor.values else {
        return Err(
            "got a size that depends on the picture; allowed: sizes that the file fixes; export with fixed sizes"
                .to_owned(),
        );
    };
    // Exporters write the largest int64 for "to the end"; the conversion below stops at that.
    if values.iter().all(|value| value.fract() == 0.0) {
        Ok(values.iter().map(|value| *value as i64).collect())
    } else {
        Err(format!("got the sizes {values:?}; allowed: whole numbers"))
    }
}

/// An axis, counted from the end where it is below 0.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let counted = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    let fine = counted.and_then(|axis| usize::try_from(axis).ok()).filter(|axis| *axis < rank);
    fine.ok_or_else(|| format!("got the axis {axis}; allowed: one of {rank}"))
}

fn sides(sizes: &[i64]) -> Result<Vec<u64>, String> {
    let fine = |size: &i64| u64::try_from(*size).ok().filter(|size| *size as f64 <= SIDE_MAX);
    let sides: Option<Vec<_>> = sizes.iter().map(fine).collect();
    sides
        .filter(|sides| sides.len() <= RANK_MAX)
        .ok_or_else(|| format!("got the sizes {sizes:?}; allowed: at most {RANK_MAX}, each 0 to {SIDE_MAX}"))
}

/// The tensor with these axes gone, or of size 1.
pub(super) fn without(tensor: &Tensor, axes: &[usize], kept: bool) -> Tensor {
    let sizes = tensor.shape.iter().enumerate().filter_map(|(axis, size)| match (axes.contains(&axis), kept) {
        (false, _) => Some(*size),
        (true, true) => Some(1),
        (true, false) => None,
    });
    Tensor::of(sizes.collect())
}

fn shape_of(node: &Node, tensor: &Tensor) -> Result<Tensor, String> {
    if node.numbers("start").is_some() || node.number("start", 0) != 0 || node.number("end", i64::MAX) != i64::MAX {
        return Err("got start or end; allowed: the whole shape".to_owned());
    }
    let values: Vec<f64> = tensor.shape.iter().map(|size| *size as f64).collect();
    Ok(Tensor { shape: vec![values.len() as u64], values: Some(values) })
}

fn tiled(tensor: &Tensor, times: &[i64]) -> Result<Tensor, String> {
    if times.len() != tensor.shape.len() {
        return Err(format!("got {} repeats; allowed: {}", times.len(), tensor.shape.len()));
    }
    let times = sides(times)?;
    Ok(Tensor::of(tensor.shape.iter().zip(times).map(|(size, times)| size.saturating_mul(times)).collect()))
}

fn reshaped(tensor: &Tensor, wanted: &[i64]) -> Result<Tensor, String> {
    let wrong = || format!("got {wanted:?} for {:?}; allowed: a shape of as many values", tensor.shape);
    let mut shape = Vec::new();
    for (index, size) in wanted.iter().enumerate() {
        shape.push(match size {
            0 => *tensor.shape.get(index).ok_or_else(wrong)?,
            -1 => 1,
            size => u64::try_from(*size).map_err(|_| wrong())?,
        });
    }
    let known = Tensor::of(shape.clone()).count();
    if let Some(open) = wanted.iter().position(|size| *size == -1) {
        shape[open] = tensor.count().checked_div(known).ok_or_else(wrong)?;
    }
    let made = Tensor { shape, values: tensor.values.clone() };
    if wanted.len() > RANK_MAX
        || made.count() != tensor.count()
        || wanted.iter().filter(|size| **size == -1).count() > 1
    {
        return Err(wrong());
    }
    Ok(made)
}

fn flattened(node: &Node, tensor: &Tensor) -> Result<Tensor, String> {
    let rank = tensor.shape.len();
    let at = match node.number("axis", 1) {
        whole if whole == rank as i64 => rank,
        other => axis(other, rank)?,
    };
    let (before, after) = tensor.shape.split_at(at);
    let count = |sizes: &[u64]| Tensor::of(sizes.to_vec()).count();
    Ok(Tensor::of(vec![count(before), count(after)]))
}

fn squeezed(operator: &str, node: &Node, inputs: &Inputs) -> Result<Tensor, String> {
    let tensor = first(inputs)?;
    let given = match inputs.get(1).copied().flatten() {
        Some(axes) => Some(whole(axes)?),
        None => node.numbers("axes").map(<[i64]>::to_vec),
    };
    let rank = tensor.shape.len();
    let values = tensor.values.clone();
    if operator == "Squeeze" {
        let axes: Vec<usize> = match given {
            Some(axes) => axes.iter().map(|one| axis(*one, rank)).collect::<Result<_, _>>()?,
            None => (0..rank).filter(|axis| tensor.shape[*axis] == 1).collect(),
        };
        if axes.iter().any(|axis| tensor.shape[*axis] != 1) {
            return Err(format!("got the axes {axes:?} of {:?}; allowed: axes of size 1", tensor.shape));
        }
        return Ok(Tensor { values, ..without(tensor, &axes, false) });
    }
    let given = given.ok_or("axes is missing; allowed: where to put axes of size 1")?;
    let rank = rank + given.len();
    let axes: Vec<usize> = given.iter().map(|one| axis(*one, rank)).collect::<Result<_, _>>()?;
    let mut old = tensor.shape.iter();
    let shape = (0..rank).map(|axis| if axes.contains(&axis) { Some(1) } else { old.next().copied() });
    let shape: Option<Vec<_>> = shape.collect();
    match shape {
        Some(shape) if rank <= RANK_MAX && old.next().is_none() => Ok(Tensor { shape, values }),
        _ => Err(format!("got the axes {given:?}; allowed: each once, at most {RANK_MAX} in all")),
    }
}

fn transposed(node: &Node, tensor: &Tensor) -> Result<Tensor, String> {
    let rank = tensor.shape.len();
    let order: Vec<i64> = node.numbers("perm").map_or((0..rank as i64).rev().collect(), <[i64]>::to_vec);
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank as i64) {
        return Err(format!("got perm {order:?}; allowed: each of {rank} axes once"));
    }
    Ok(Tensor::of(order.iter().filter_map(|axis| tensor.shape.get(*axis as usize)).copied().collect()))
}

fn joined(node: &Node, inputs: &Inputs) -> Result<Tensor, String> {
    let mut shape = first(inputs)?.shape.clone();
    let at = axis(node.number("axis", i64::MAX), shape.len())?;
    shape[at] = 0;
    let mut values = Some(Vec::new());
    for tensor in inputs {
        let tensor = tensor.ok_or("an input is missing; allowed: all that are named")?;
        let fits = |(axis, size): (usize, &u64)| axis == at || tensor.shape.get(axis) == Some(size);
        if tensor.shape.len() != shape.len() || !shape.iter().enumerate().all(fits) {
            return Err(format!("got an input {:?}; allowed: the size of the first but along axis {at}", tensor.shape));
        }
        shape[at] = shape[at].saturating_add(tensor.shape[at]);
        match (&mut values, &tensor.values) {
            (Some(all), Some(more)) if shape.len() == 1 && shape[0] <= FOLLOWED_MAX => all.extend(more),
            _ => values = None,
        }
    }
    Ok(Tensor { shape, values })
}

/// The outputs of `Split`.
pub(super) fn split(node: &Node, inputs: &Inputs) -> Result<Vec<Tensor>, String> {
    let tensor = first(inputs)?;
    let at = axis(node.number("axis", 0), tensor.shape.len())?;
    let parts = node.outputs.len() as u64;
    let given = match inputs.get(1).copied().flatten() {
        Some(sizes) => Some(whole(sizes)?),
        None => node.numbers("split").map(<[i64]>::to_vec),
    };
    let size = tensor.shape[at];
    let sizes = match given {
        Some(sizes) => sides(&sizes)?,
        None => {
            let each = size.div_ceil(parts.max(1));
            (0..parts).map(|part| size.saturating_sub(part * each).min(each)).collect()
        }
    };
    if sizes.len() as u64 != parts || sizes.iter().sum::<u64>() != size {
        return Err(format!("got parts {sizes:?} for {parts} outputs; allowed: {size} in all"));
    }
    let part = |size: u64| {
        let mut shape = tensor.shape.clone();
        shape[at] = size;
        Tensor::of(shape)
    };
    Ok(sizes.into_iter().map(part).collect())
}

fn cut(node: &Node, inputs: &Inputs) -> Result<Tensor, String> {
    let tensor = first(inputs)?;
    let rank = tensor.shape.len();
    let operand = |index: usize, name: &str| match inputs.get(index).copied().flatten() {
        Some(tensor) => whole(tensor).map(Some),
        None => Ok(node.numbers(name).map(<[i64]>::to_vec)),
    };
    let starts = operand(1, "starts")?.ok_or("starts is missing; allowed: where to begin")?;
    let ends = operand(2, "ends")?.ok_or("ends is missing; allowed: where to end")?;
    let axes = operand(3, "axes")?.unwrap_or((0..starts.len() as i64).collect());
    let steps = operand(4, "steps")?.unwrap_or(vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("got lists of different lengths; allowed: one start, end, axis and step each".to_owned());
    }
    let mut shape = tensor.shape.clone();
    let mut values = if rank == 1 { tensor.values.clone() } else { None };
    for (((start, end), at), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let at = axis(*at, rank)?;
        let size = i64::try_from(shape[at]).unwrap_or(i64::MAX);
        if *step == 0 {
            return Err("got the step 0; allowed: another".to_owned());
        }
        let place = |one: i64| if one < 0 { one.saturating_add(size) } else { one };
        let (low, high) = if *step > 0 { (0, size) } else { (-1, size - 1) };
        let (from, to) = (place(*start).clamp(0.max(low), high.max(0)), place(*end).clamp(low, high.max(low)));
        let span = if *step > 0 { to - from } else { from - to }.max(0) as u64;
        shape[at] = span.div_ceil(step.unsigned_abs());
        values = match values {
            Some(all) if *step == 1 => all.get(from as usize..(from as u64 + span) as usize).map(<[f64]>::to_vec),
            _ => None,
        };
    }
    Ok(Tensor { shape, values })
}

fn gathered(node: &Node, inputs: &Inputs) -> Result<Tensor, String> {
    let (tensor, indices) = (first(inputs)?, input(inputs, 1)?);
    let at = axis(node.number("axis", 0), tensor.shape.len())?;
    let mut shape = tensor.shape[..at].to_vec();
    shape.extend(&indices.shape);
    shape.extend(&tensor.shape[at + 1..]);
    let picked = |values: &Vec<f64>| {
        let pick = |index: &f64| {
            if index.fract() != 0.0 {
                return None;
            }
            let index = if *index < 0.0 { *index + values.len() as f64 } else { *index };
            values.get(index as usize).copied()
        };
        indices.values.as_ref()?.iter().map(pick).collect::<Option<Vec<_>>>()
    };
    let values = tensor.values.as_ref().filter(|_| tensor.shape.len() == 1).and_then(picked);
    if shape.len() > RANK_MAX {
        return Err(format!("makes {} axes; allowed: at most {RANK_MAX}", shape.len()));
    }
    Ok(Tensor { shape, values })
}

/// The values and the indexes of `TopK`.
pub(super) fn top(node: &Node, inputs: &Inputs) -> Result<Tensor, String> {
    let mut shape = first(inputs)?.shape.clone();
    let count = match inputs.get(1).copied().flatten() {
        Some(count) => whole(count)?,
        None => vec![node.number("k", 0)],
    };
    let at = axis(node.number("axis", -1), shape.len())?;
    match sides(&count)?.as_slice() {
        [count] if *count <= shape[at] => shape[at] = *count,
        _ => return Err(format!("got k {count:?}; allowed: 0 to {}", shape[at])),
    }
    Ok(Tensor::of(shape))
}

fn padded(node: &Node, inputs: &Inputs) -> Result<Tensor, String> {
    let tensor = first(inputs)?;
    let rank = tensor.shape.len();
    let pads = match inputs.get(1).copied().flatten() {
        Some(pads) => whole(pads)?,
        None => node.numbers("pads").map(<[i64]>::to_vec).unwrap_or_default(),
    };
    if inputs.get(3).copied().flatten().is_some() || pads.len() != 2 * rank {
        return Err(format!("got pads {pads:?} or axes; allowed: {} numbers", 2 * rank));
    }
    let grown = |axis: usize| {
        let size = i128::from(tensor.shape[axis]) + i128::from(pads[axis]) + i128::from(pads[axis + rank]);
        u64::try_from(size)
            .map_err(|_| format!("got pads {pads:?} for {:?}; allowed: sizes of 0 and more", tensor.shape))
    };
    Ok(Tensor::of((0..rank).map(grown).collect::<Result<_, _>>()?))
}

/// `Resize` since version 11: picture, region, scales, sizes; before it, and `Upsample`: picture, scales.
fn resized(inputs: &Inputs) -> Result<Tensor, String> {
    let tensor = first(inputs)?;
    let rank = tensor.shape.len();
    let given = |index: usize| inputs.get(index).copied().flatten().filter(|tensor| tensor.count() > 0);
    if let Some(sizes) = given(3) {
        let shape = sides(&whole(sizes)?)?;
        let right = shape.len() == rank;
        return if right {
            Ok(Tensor::of(shape))
        } else {
            Err(format!("got the sizes {shape:?}; allowed: {rank} of them"))
        };
    }
    let scales = given(2).or(if inputs.len() == 2 { given(1) } else { None }).and_then(|scales| scales.values.as_ref());
    let Some(scales) = scales.filter(|scales| scales.len() == rank) else {
        return Err(format!(
            "got no {rank} scales that the file fixes; allowed: scales or sizes; export with fixed sizes"
        ));
    };
    let grown = |(size, scale): (&u64, &f64)| {
        let side = (*size as f64 * scale).floor();
        (0.0..=SIDE_MAX).contains(&side).then_some(side as u64)
    };
    let shape: Option<Vec<_>> = tensor.shape.iter().zip(scales).map(grown).collect();
    shape.map(Tensor::of).ok_or_else(|| format!("got scales {scales:?}; allowed: sides of at most {SIDE_MAX}"))
}

fn blocks(node: &Node, tensor: &Tensor, to_space: bool) -> Result<Tensor, String> {
    let side = u64::try_from(node.number("blocksize", 0)).ok().filter(|side| (1..=1024).contains(side));
    let ([batch, channels, rows, columns], Some(side)) = (tensor.shape.as_slice(), side) else {
        return Err(format!("got {:?} or its blocksize; allowed: four axes, blocks of 1 to 1024", tensor.shape));
    };
    let area = side * side;
    let (fits, shape) = if to_space {
        (channels % area == 0, vec![*batch, channels / area, rows * side, columns * side])
    } else {
        (rows % side == 0 && columns % side == 0, vec![*batch, channels * area, rows / side, columns / side])
    };
    if fits {
        Ok(Tensor::of(shape))
    } else {
        Err(format!("got {:?} in blocks of {side}; allowed: whole blocks", tensor.shape))
    }
}
