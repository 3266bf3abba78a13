//! The parts of an ONNX file that decide how much memory it asks for: nodes, their attributes, and tensors that are held to their data.

use super::wire::{CUT_SHORT, Value, fields};

/// Nodes, and likewise constants, inputs and outputs, of one graph; the largest networks for animals have a few hundred.
const NODES_MAX: usize = 20_000;
/// Inputs, outputs or attributes of one node, and numbers of one attribute.
const EDGES_MAX: usize = 1024;
/// Dimensions of one tensor.
pub(super) const RANK_MAX: usize = 8;
/// The values of tensors up to this size are kept: they may say how large another tensor is.
const KEPT_MAX: usize = 1024;

/// A tensor's size, and its values where they are few and known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<u64>,
    pub(super) values: Option<Vec<f64>>,
}

impl Tensor {
    pub(super) fn of(shape: Vec<u64>) -> Self {
        Self { shape, values: None }
    }

    /// How many values it holds.
    pub(super) fn count(&self) -> u64 {
        self.shape.iter().fold(1, |count: u64, size| count.saturating_mul(*size))
    }
}

/// One operation.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub(super) operator: &'a str,
    pub(super) name: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    attributes: Vec<(&'a str, Attribute<'a>)>,
}

#[derive(Debug, Default)]
struct Attribute<'a> {
    number: Option<i64>,
    numbers: Vec<i64>,
    floats: Vec<f32>,
    text: Option<&'a [u8]>,
    tensor: Option<Tensor>,
}

/// A name and, where the file fixes it, a shape; `None` for a dimension that it leaves open.
pub(super) type Port<'a> = (&'a str, Option<Vec<Option<u64>>>);

/// The whole graph.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) constants: Vec<(&'a str, Tensor)>,
    pub(super) inputs: Vec<Port<'a>>,
    pub(super) outputs: Vec<&'a str>,
}

impl Node<'_> {
    fn attribute(&self, name: &str) -> Option<&Attribute<'_>> {
        self.attributes.iter().rev().find(|(known, _)| *known == name).map(|(_, attribute)| attribute)
    }

    /// A whole number, or what holds where it is not given.
    pub(super) fn number(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).and_then(|attribute| attribute.number).unwrap_or(default)
    }

    /// Whole numbers, where they are given.
    pub(super) fn numbers(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.numbers.as_slice()).filter(|numbers| !numbers.is_empty())
    }

    /// A word.
    pub(super) fn word(&self, name: &str) -> Option<&[u8]> {
        self.attribute(name).and_then(|attribute| attribute.text)
    }

    /// What the attributes of a `Constant` make.
    pub(super) fn constant(&self) -> Option<Tensor> {
        let (name, one) = self.attributes.last()?;
        let list = |values: Vec<f64>| Tensor { shape: vec![values.len() as u64], values: Some(values) };
        match *name {
            "value" => one.tensor.clone(),
            "value_int" => Some(Tensor { shape: vec![], values: Some(vec![one.number? as f64]) }),
            "value_float" => Some(Tensor::of(vec![])),
            "value_ints" => Some(list(one.numbers.iter().map(|number| *number as f64).collect())),
            "value_floats" => Some(list(one.floats.iter().map(|number| f64::from(*number)).collect())),
            _ => None,
        }
    }
}

/// Reads the graph of an ONNX file.
pub(super) fn read(file: &[u8]) -> Result<Graph<'_>, String> {
    let mut graph = None;
    for field in fields(file) {
        match field? {
            (7, value) if graph.is_none() => graph = Some(read_graph(value.bytes()?)?),
            (7, _) => return Err("holds two graphs; allowed: one".to_owned()),
            (20, _) => return Err("holds training steps; allowed: a graph for inference".to_owned()),
            (25, _) => return Err("holds functions; allowed: operators of ONNX itself".to_owned()),
            _ => {}
        }
    }
    graph.ok_or_else(|| format!("holds no graph: {CUT_SHORT}"))
}

fn read_graph(message: &[u8]) -> Result<Graph<'_>, String> {
    let mut graph = Graph::default();
    for field in fields(message) {
        match field? {
            (1, value) => push(&mut graph.nodes, read_node(value.bytes()?)?, NODES_MAX, "nodes")?,
            (5, value) => push(&mut graph.constants, read_tensor(value.bytes()?)?, NODES_MAX, "constants")?,
            (11, value) => push(&mut graph.inputs, read_port(value.bytes()?)?, NODES_MAX, "inputs")?,
            (12, value) => push(&mut graph.outputs, read_port(value.bytes()?)?.0, NODES_MAX, "outputs")?,
            (13, value) => drop(read_port(value.bytes()?)?),
            (15, _) => return Err("holds sparse tensors; allowed: dense ones".to_owned()),
            _ => {}
        }
    }
    Ok(graph)
}

/// Another one, unless there are `most` already: what a file lists must not fill the memory.
fn push<T>(list: &mut Vec<T>, item: T, most: usize, what: &str) -> Result<(), String> {
    if list.len() == most {
        return Err(format!("holds more than {most} {what}; allowed: at most that"));
    }
    list.push(item);
    Ok(())
}

fn read_node(message: &[u8]) -> Result<Node<'_>, String> {
    let mut node = Node::default();
    for field in fields(message) {
        match field? {
            (1, value) => push(&mut node.inputs, value.text()?, EDGES_MAX, "inputs of one node")?,
            (2, value) => push(&mut node.outputs, value.text()?, EDGES_MAX, "outputs of one node")?,
            (3, value) => node.name = value.text()?,
            (4, value) => node.operator = value.text()?,
            (5, value) => {
                push(&mut node.attributes, read_attribute(value.bytes()?)?, EDGES_MAX, "attributes of one node")?;
            }
            (7, value) if !matches!(value.text()?, "" | "ai.onnx") => {
                return Err(format!("got an operator of {:?}; allowed: operators of ONNX itself", value.text()?));
            }
            _ => {}
        }
    }
    Ok(node)
}

fn read_attribute(message: &[u8]) -> Result<(&str, Attribute<'_>), String> {
    let (mut name, mut attribute) = ("", Attribute::default());
    let mut held = 0;
    for field in fields(message) {
        match field? {
            (1, value) => name = value.text()?,
            (3, value) => attribute.number = Some(value.number()? as i64),
            (4, value) => attribute.text = Some(value.bytes()?),
            (5, value) if attribute.tensor.is_none() => attribute.tensor = Some(read_tensor(value.bytes()?)?.1),
            (7, value) => held += value.floats(&mut attribute.floats, EDGES_MAX)?,
            (8, value) => held += value.numbers(&mut attribute.numbers, EDGES_MAX)?,
            (5 | 6 | 10 | 11 | 14 | 15 | 22 | 23, _) => {
                return Err(format!(
                    "attribute {name:?} holds a graph or a list; allowed: numbers, words and one tensor"
                ));
            }
            _ => {}
        }
    }
    if held > EDGES_MAX {
        return Err(format!("attribute {name:?} holds {held} numbers; allowed: at most {EDGES_MAX}"));
    }
    Ok((name, attribute))
}

/// A tensor's name and size, which must be what its data fills.
fn read_tensor(message: &[u8]) -> Result<(&str, Tensor), String> {
    let (mut name, mut kind, mut shape) = ("", 0, Vec::new());
    let (mut raw, mut ints, mut floats) = (None, Vec::new(), Vec::new());
    let (mut single, mut narrow, mut wide, mut double, mut rank) = (0, 0, 0, 0, 0);
    for field in fields(message) {
        match field? {
            (1, value) => rank += value.numbers(&mut shape, RANK_MAX)?,
            (2, value) => kind = value.number()?,
            (4, value) => single += value.floats(&mut floats, KEPT_MAX)?,
            (5, value) => narrow += value.numbers(&mut ints, KEPT_MAX)?,
            (7, value) => wide += value.numbers(&mut ints, KEPT_MAX)?,
            (8, value) => name = value.text()?,
            (9, value) => raw = Some(value.bytes()?),
            (10, value) => double += value.bytes()?.len() / 8,
            (3 | 6 | 11, _) => return Err(format!("tensor {name:?} holds words or parts; allowed: numbers")),
            // Elsewhere on the disk: a model reads nothing outside its folder.
            (13, _) | (14, Value::Number(1..)) => {
                return Err(format!("tensor {name:?} lies in another file; allowed: weights inside the ONNX file"));
            }
            _ => {}
        }
    }
    let Some((bytes, decode)) = element(kind) else {
        return Err(format!(
            "tensor {name:?} has the type {kind}; allowed: float32, float16, float64, int8, uint8, int32, int64, bool"
        ));
    };
    if rank > RANK_MAX {
        return Err(format!("tensor {name:?} has {rank} dimensions; allowed: at most {RANK_MAX}"));
    }
    let tensor = Tensor::of(sizes(name, &shape)?);
    // Each type has its own field; where two are filled, engines differ in which they take.
    let typed = match kind {
        1 => single,
        7 => wide,
        11 => double,
        _ => narrow,
    };
    let held = match raw {
        None if typed == single + narrow + wide + double => typed,
        Some(raw) if raw.len() % bytes == 0 && single + narrow + wide + double == 0 => raw.len() / bytes,
        _ => return Err(format!("tensor {name:?} has values of another type or length; allowed: those of its type")),
    };
    if tensor.count() != held as u64 {
        let wanted = tensor.count();
        return Err(format!(
            "tensor {name:?} has the shape {shape:?} and {held} values; allowed: {wanted} values for it"
        ));
    }
    let values = decode.filter(|_| held <= KEPT_MAX).map(|decode| match raw {
        Some(raw) => raw.chunks_exact(bytes).map(decode).collect(),
        None if kind == 1 => floats.iter().map(|number| f64::from(*number)).collect(),
        None => ints.iter().map(|number| *number as f64).collect(),
    });
    Ok((name, Tensor { values, ..tensor }))
}

fn sizes(name: &str, shape: &[i64]) -> Result<Vec<u64>, String> {
    let fine = |size: &i64| u64::try_from(*size).ok().filter(|size| *size < 1 << 31);
    let sizes: Option<Vec<_>> = shape.iter().map(fine).collect();
    sizes.ok_or_else(|| format!("tensor {name:?} has the shape {shape:?}; allowed: sizes of 0 to 2147483647"))
}

/// Reads one element of a tensor.
type Decode = fn(&[u8]) -> f64;

/// Bytes of one element, and how one reads where such numbers may say a size.
fn element(kind: u64) -> Option<(usize, Option<Decode>)> {
    Some(match kind {
        1 => (4, Some(|raw| raw.try_into().map_or(f64::NAN, |raw| f64::from(f32::from_le_bytes(raw))))),
        6 => (4, Some(|raw| raw.try_into().map_or(f64::NAN, |raw| f64::from(i32::from_le_bytes(raw))))),
        7 => (8, Some(|raw| raw.try_into().map_or(f64::NAN, |raw| i64::from_le_bytes(raw) as f64))),
        2 | 3 | 9 => (1, None),
        10 => (2, None),
        11 => (8, None),
        _ => return None,
    })
}

/// A graph's input or output: only tensors, whose types do not nest.
fn read_port(message: &[u8]) -> Result<Port<'_>, String> {
    let (mut name, mut shape) = ("", None);
    for field in fields(message) {
        match field? {
            (1, value) => name = value.text()?,
            (2, value) => {
                for field in fields(value.bytes()?) {
                    match field? {
                        (1, tensor) => shape = read_shape(tensor.bytes()?)?,
                        (6, _) => {}
                        _ => return Err(format!("{name:?} is a list or a table; allowed: tensors")),
                    }
                }
            }
            _ => {}
        }
    }
    Ok((name, shape))
}

fn read_shape(tensor: &[u8]) -> Result<Option<Vec<Option<u64>>>, String> {
    let mut shape = None;
    for field in fields(tensor) {
        let (2, value) = field? else { continue };
        let mut sizes = Vec::new();
        for field in fields(value.bytes()?) {
            let (1, size) = field? else { continue };
            if sizes.len() == RANK_MAX {
                return Err(format!("has more than {RANK_MAX} dimensions; allowed: at most that"));
            }
            let mut fixed = None;
            for field in fields(size.bytes()?) {
                if let (1, number) = field? {
                    fixed = Some(number.number()?);
                }
            }
            sizes.push(fixed);
        }
        shape = Some(sizes);
    }
    Ok(shape)
}
