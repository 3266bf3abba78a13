//! Reads an ONNX file before an engine does, and refuses what would ask for absurd memory, reach outside the file or loop.
//!
//! Engines allocate what a graph asks for, and a process that asks for too much is aborted: no error reaches us. So every
//! tensor's size is worked out from the contract's input first. What cannot be worked out is not supported.

mod graph;
mod layout;
mod sizes;
mod wire;

use super::Written;
use graph::{Graph, Node, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// Values that may be alive at once while the network runs: 1 GiB of float32. A ResNet-50 on 1280x960 needs a quarter.
const ALIVE_MAX: u64 = 1 << 28;

/// Multiplications of one run: minutes of a CPU. A ResNet-50 on 1280x960 needs a fortieth.
const WORK_MAX: u64 = 1 << 42;

/// Where in the file, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The node, tensor or part.
    pub field: String,
    /// What was got, what is allowed, what to do.
    pub what: String,
}

fn fault(field: impl Into<String>, what: impl Into<String>) -> Fault {
    Fault { field: field.into(), what: what.into() }
}

/// Holds an ONNX file to its contract: inputs, outputs, operators, and the memory and work that a run takes.
pub fn check(file: &[u8], written: &Written) -> Result<(), Fault> {
    let graph = graph::read(file).map_err(|what| fault("graph", what))?;
    let mut known: BTreeMap<&str, Tensor> = BTreeMap::new();
    for (name, tensor) in &graph.constants {
        if known.insert(name, tensor.clone()).is_some() {
            return Err(fault(format!("constant {name:?}"), "stands twice; allowed: each name once"));
        }
    }
    let mut alive: u64 = known.values().map(Tensor::count).fold(0, u64::saturating_add);
    // Engines compute what rests on constants alone when they load the file, and keep it.
    let mut fixed: BTreeSet<&str> = known.keys().copied().collect();
    take_input(&graph, written, &mut known)?;
    let (ends, shown) = (last_uses(&graph), graph.outputs.iter().copied().collect::<BTreeSet<_>>());
    let mut work = 0_u64;
    for (index, node) in graph.nodes.iter().enumerate() {
        let cost = run(node, &mut known)?;
        work = work.saturating_add(cost.work);
        alive = alive.saturating_add(cost.values);
        within(node, "values held at once", alive.saturating_add(cost.scratch), ALIVE_MAX, &known)?;
        within(node, "multiplications so far", work, WORK_MAX, &known)?;
        if node.inputs.iter().all(|name| name.is_empty() || fixed.contains(name)) {
            fixed.extend(&node.outputs);
        }
        let done: BTreeSet<&str> = node.inputs.iter().chain(&node.outputs).copied().collect();
        for name in done {
            let over = ends.get(name).is_none_or(|end| *end <= index);
            if over && !shown.contains(name) && !fixed.contains(name) && name != written.input.name {
                alive = alive.saturating_sub(known.get(name).map_or(0, Tensor::count));
            }
        }
    }
    outputs(&graph, written, &known)
}

fn within(node: &Node, what: &str, got: u64, most: u64, known: &BTreeMap<&str, Tensor>) -> Result<(), Fault> {
    if got <= most {
        return Ok(());
    }
    let shapes: Vec<_> = node.outputs.iter().filter_map(|name| known.get(name)).map(|one| &one.shape).collect();
    let what = format!("makes {shapes:?}: got {got} {what}; allowed: at most {most}; use a smaller network or input");
    Err(fault(place(node), what))
}

/// A node as people find it in a viewer.
fn place(node: &Node) -> String {
    let name = if node.name.is_empty() { node.outputs.first().copied().unwrap_or_default() } else { node.name };
    format!("node {} {name:?}", node.operator)
}

/// The picture is the only input; older files list their constants as inputs too.
fn take_input<'g>(
    graph: &'g Graph<'g>,
    written: &'g Written,
    known: &mut BTreeMap<&'g str, Tensor>,
) -> Result<(), Fault> {
    let input = &written.input;
    let shape = vec![1, 3, u64::from(input.height), u64::from(input.width)];
    let open: Vec<_> = graph.inputs.iter().filter(|(name, _)| !known.contains_key(name)).collect();
    let names: Vec<_> = open.iter().map(|(name, _)| *name).collect();
    let Some((name, stated)) = open.iter().find(|(name, _)| *name == input.name) else {
        let what = format!(
            "has no input {:?}, which model.toml names; got {}; export the model again",
            input.name,
            names.join(", ")
        );
        return Err(fault("input", what));
    };
    if let Some(other) = names.iter().find(|other| **other != input.name) {
        return Err(fault(format!("input {other:?}"), format!("is not filled; allowed: {:?} alone", input.name)));
    }
    if let Some(stated) = stated {
        let fits = |(stated, wanted): (&Option<u64>, &u64)| stated.is_none_or(|stated| stated == *wanted);
        if stated.len() != shape.len() || !stated.iter().zip(&shape).all(fits) {
            let stated: Vec<_> = stated.iter().map(|one| one.map_or("?".to_owned(), |one| one.to_string())).collect();
            let what = format!("has the shape [{}]; allowed: {shape:?}, as model.toml says", stated.join(", "));
            return Err(fault(format!("input {name:?}"), what));
        }
    }
    known.insert(name, Tensor::of(shape));
    Ok(())
}

/// What one node takes.
struct Cost {
    /// Values of its outputs.
    values: u64,
    /// Values that it needs only while it runs.
    scratch: u64,
    /// Multiplications.
    work: u64,
}

/// Adds a node's outputs to what is known.
fn run<'g>(node: &'g Node<'g>, known: &mut BTreeMap<&'g str, Tensor>) -> Result<Cost, Fault> {
    let wrong = |what: String| fault(place(node), what);
    let mut inputs = Vec::new();
    for name in &node.inputs {
        match known.get(name) {
            Some(tensor) => inputs.push(Some(tensor)),
            None if name.is_empty() => inputs.push(None),
            None => {
                return Err(wrong(format!("takes {name:?}; allowed: what inputs, constants and nodes before it make")));
            }
        }
    }
    let made = sizes::outputs(node, &inputs).map_err(wrong)?;
    let sides = made.iter().flat_map(|tensor| &tensor.shape);
    if let Some(side) = sides.copied().find(|side| *side as f64 > layout::SIDE_MAX) {
        return Err(wrong(format!("makes a side of {side}; allowed: at most {}", layout::SIDE_MAX)));
    }
    let cost = Cost {
        values: made.iter().map(Tensor::count).fold(0, u64::saturating_add),
        scratch: sizes::scratch(node, &inputs),
        work: sizes::work(node, &inputs, &made),
    };
    for (name, tensor) in node.outputs.iter().zip(made).filter(|(name, _)| !name.is_empty()) {
        if known.insert(name, tensor).is_some() {
            return Err(wrong(format!("makes {name:?}, which is there already; allowed: a new name")));
        }
    }
    Ok(cost)
}

/// The last node that takes each name.
fn last_uses<'g>(graph: &'g Graph<'g>) -> BTreeMap<&'g str, usize> {
    let uses = graph.nodes.iter().enumerate();
    uses.flat_map(|(index, node)| node.inputs.iter().map(move |name| (*name, index))).collect()
}

/// The contract's outputs must be there and as large as it says.
fn outputs(graph: &Graph, written: &Written, known: &BTreeMap<&str, Tensor>) -> Result<(), Fault> {
    for output in &written.outputs {
        let made = known.get(output.name.as_str()).filter(|_| graph.outputs.contains(&output.name.as_str()));
        let Some(made) = made else {
            let got = graph.outputs.join(", ");
            let what =
                format!("has no output {:?}, which model.toml names; got {got}; export the model again", output.name);
            return Err(fault("output", what));
        };
        if !made.shape.iter().copied().eq(output.shape.iter().map(|size| *size as u64)) {
            let what = format!("has the shape {:?}; allowed: {:?}, as model.toml says", made.shape, output.shape);
            return Err(fault(format!("output {:?}", output.name), what));
        }
    }
    Ok(())
}
