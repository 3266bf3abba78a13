//! Promise: a model folder that is damaged, hostile or not what its contract says is refused by file, field, got and allowed, before
//! an engine sees it; nothing crashes, hangs or fills the memory.

use arenad::config::{self, EngineChoice, PrecisionChoice};
use arenad::infer;
use arenad::model::{Contract, Precision};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

const CONTRACT: &str = include_str!("data/models/model.toml");

fn fixture(name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models").join(name).with_extension("onnx");
    fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A folder with the contract and files of these precisions and contents.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        let mut contract = CONTRACT.to_owned();
        for (precision, bytes) in files {
            let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            let loss = if *precision == "fp32" { "0.0" } else { "0.5" };
            contract += &format!(
                "[[files]]\nname = \"{precision}.onnx\"\nprecision = \"{precision}\"\nsha256 = \"{hash}\"\nloss_max = {loss}\n"
            );
            fs::write(folder.path().join(precision).with_extension("onnx"), bytes).expect("written");
        }
        fs::write(folder.path().join("model.toml"), contract).expect("written");
        folder
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// The contract's text, changed.
    fn rewrite(&self, from: &str, to: &str) {
        let file = self.path().join("model.toml");
        let text = fs::read_to_string(&file).expect("the contract");
        assert!(text.contains(from), "the contract has no {from}");
        fs::write(file, text.replacen(from, to, 1)).expect("written");
    }

    /// What is said where this folder is named, without the folder's own path: the same with each engine.
    fn said(&self) -> String {
        let open = |engine| {
            let contract = Contract::read(&self.path()).map_err(|error| error.to_string())?;
            let none = Some(self.path().join("no-library.so"));
            let wanted = config::Model { engine, threads: 1, library: none, ..config::Model::default() };
            infer::open(&contract, &wanted).map(|_| ()).map_err(|error| error.to_string())
        };
        let [built_in, onnxruntime] = [EngineChoice::BuiltIn, EngineChoice::OnnxRuntime].map(open);
        assert_eq!(built_in, onnxruntime);
        built_in.expect_err("refused").replace(&format!("{}/", self.path().display()), "")
    }
}

#[test]
fn models_that_ask_for_too_much_or_reach_outside_are_refused() {
    let mut wrong = Vec::new();
    for (name, words) in [
        (
            "constant_of_shape",
            "node ConstantOfShape \"filled\": makes [[4194304, 4194304]]: got 17592186044842 values held at once; allowed: at most 268435456; use a smaller network or input",
        ),
        ("expand", "node Expand \"grown\": makes [[1, 1048576, 1024, 4, 4]]: got 17179"),
        ("tile", "node Tile \"grown\": makes [[1, 1, 131072, 131072]]: got "),
        ("pad", "node Pad \"grown\": makes [[1, 1, 1048580, 1048580]]: got "),
        ("resize_scales", "node Resize \"grown\": makes [[1, 1, 400000, 400000]]: got "),
        ("resize_sizes", "node Resize \"grown\": makes [[1, 1, 1073741824, 1073741824]]: got "),
        ("transposed", "node ConvTranspose \"grown\": makes [[1, 1, 90001, 90001]]: got "),
        ("kernel", "node Conv \"grown\": makes [[1, 1, 8005, 8005]]: got 4101121"),
        ("doubled", "node Concat \"double_23\": makes [[16777216, 1, 4, 4]]: got "),
        ("square", "node MatMul \"square\": makes [[1, 1, 131072, 131072]]: got "),
        (
            "depends",
            "node Expand \"grown\": got a size that depends on the picture; allowed: sizes that the file fixes; export with fixed sizes",
        ),
        (
            "initializer",
            "graph: tensor \"wo\" has the shape [2, 4, 1048576, 1048576] and 8 values; allowed: 8796093022208 values for it",
        ),
        ("external", "graph: tensor \"wo\" lies in another file; allowed: weights inside the ONNX file"),
        ("loop", "graph: attribute \"body\" holds a graph or a list; allowed: numbers, words and one tensor"),
        (
            "operator",
            "node NonZero \"places\": got the operator \"NonZero\"; allowed: those of convolutional networks without loops, conditions or sequences; export the network without its post-processing",
        ),
        ("domain", "graph: got an operator of \"lab.own\"; allowed: operators of ONNX itself"),
        ("input_shape", "input \"image\": has the shape [1, 3, 64, 64]; allowed: [1, 3, 32, 32], as model.toml says"),
        ("input_name", "input: has no input \"image\", which model.toml names; got picture; export the model again"),
        ("second_input", "input \"more\": is not filled; allowed: \"image\" alone"),
        ("output_shape", "output \"offsets\": has the shape [1, 2, 8, 8]; allowed: [1, 2, 4, 4], as model.toml says"),
        ("order", "node Conv \"offsets\": takes \"eighth\"; allowed: what inputs, constants and nodes before it make"),
    ] {
        let folder = Folder::new(&[("fp32", &fixture(name))]);
        let said = folder.said();
        if !said.starts_with(&format!("model fp32.onnx: {words}")) {
            wrong.push(format!("{name}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One field of a protobuf message: its number and its bytes.
fn field(number: usize, bytes: &[u8]) -> Vec<u8> {
    let mut made = Vec::new();
    for mut head in [number << 3 | 2, bytes.len()] {
        while head >= 0x80 {
            made.push(head as u8 | 0x80);
            head >>= 7;
        }
        made.push(head as u8);
    }
    made.extend(bytes);
    made
}

#[test]
fn nesting_and_crowds_that_would_break_a_reader_are_refused() {
    let graph = |inside: &[u8]| field(7, inside);
    // A list of lists of lists, as the type of a value: each reader that descends into it runs out of stack.
    let nested =
        (0..100_000).fold(Vec::new(), |inner, level| if level < 1000 { field(4, &field(1, &inner)) } else { inner });
    let listed = graph(&field(13, &field(2, &nested)));
    let crowd = graph(&field(1, &field(4, b"Relu")).repeat(20_001));
    let two = [graph(b""), graph(b"")].concat();
    for (bytes, words) in [
        (listed, "graph: \"\" is a list or a table; allowed: tensors"),
        (crowd, "graph: holds more than 20000 nodes; allowed: at most that"),
        (two, "graph: holds two graphs; allowed: one"),
        (field(25, b""), "graph: holds functions; allowed: operators of ONNX itself"),
        (b"not an ONNX file".to_vec(), "graph: the file is cut short or damaged; export the model again"),
        (Vec::new(), "graph: holds no graph: the file is cut short or damaged; export the model again"),
    ] {
        assert_eq!(Folder::new(&[("fp32", &bytes)]).said(), format!("model fp32.onnx: {words}"));
    }
}

#[test]
fn a_file_cut_at_any_byte_or_with_any_byte_changed_is_read_or_refused() {
    let whole = fixture("fp32");
    let folder = Folder::new(&[("fp32", &whole)]);
    let written = Contract::read(&folder.path()).expect("the tiny model").written;
    for length in 0..whole.len() {
        let cut = arenad::model::onnx::check(&whole[..length], &written);
        // The last fields of a file (its opset) are not the graph's.
        assert!(cut.is_err() || length + 40 > whole.len(), "{length} of {} bytes were taken", whole.len());
    }
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 0xff;
        let _fine_or_not = arenad::model::onnx::check(&changed, &written);
    }
}

#[test]
fn files_that_break_the_contract_are_named_with_their_field() {
    let whole = fixture("fp32");
    for (from, to, words) in [
        (
            "precision = \"fp32\"",
            "precision = \"fp16\"",
            "unknown variant `fp16`, expected one of `fp32`, `int8`, `u8`",
        ),
        (
            "precision = \"fp32\"",
            "precision = \"int8\"",
            "model model.toml: files.precision: none of fp32.onnx is fp32; allowed: exactly one",
        ),
        (
            "name = \"fp32.onnx\"",
            "name = \"../fp32.onnx\"",
            "model model.toml: files.name: got \"../fp32.onnx\"; allowed: letters, digits, - _ and . (not first), at most 100, no folder",
        ),
        ("name = \"fp32.onnx\"", "name = \"\"", "model model.toml: files.name: got \"\"; allowed: letters"),
        (
            "name = \"fp32.onnx\"",
            "name = \"other.onnx\"",
            "model other.onnx: No such file or directory (os error 2); give a folder that holds model.toml and model.onnx",
        ),
        (
            "loss_max = 0.0",
            "loss_max = 0.1",
            "model model.toml: files.loss_max: fp32.onnx has 0.1; allowed: 0 for fp32",
        ),
        ("loss_max = 0.0\n", "", "missing field `loss_max`"),
        ("sha256 = \"", "sha256 = \"Z", "model model.toml: files.sha256: fp32.onnx has \"Z"),
        (
            "stride = 8",
            "stride = 16",
            "model model.toml: outputs.centre: got the shape [1, 1, 4, 4]; allowed: [1, 1, 2, 2] at stride 16",
        ),
    ] {
        let folder = Folder::new(&[("fp32", &whole)]);
        folder.rewrite(from, to);
        let said = folder.said();
        assert!(said.contains(words), "{to}: {said}");
    }
    let folder = Folder::new(&[("fp32", &whole), ("int8", &fixture("int8"))]);
    folder.rewrite("precision = \"int8\"", "precision = \"fp32\"");
    folder.rewrite("loss_max = 0.5", "loss_max = 0.0");
    assert_eq!(folder.said(), "model model.toml: files.precision: 2 files are fp32; allowed: at most one");
    let folder = Folder::new(&[("fp32", &whole), ("int8", &fixture("int8"))]);
    folder.rewrite("loss_max = 0.5", "loss_max = 1.5");
    assert_eq!(folder.said(), "model model.toml: files.loss_max: int8.onnx has 1.5; allowed: 0 to 1");
    let folder = Folder::new(&[("fp32", &whole), ("u8", &fixture("u8"))]);
    folder.rewrite("name = \"u8.onnx\"", "name = \"fp32.onnx\"");
    assert_eq!(folder.said(), "model model.toml: files.name: \"fp32.onnx\" stands twice; allowed: each name once");
}

fn wanted(precision: PrecisionChoice) -> config::Model {
    config::Model { engine: EngineChoice::BuiltIn, precision, threads: 1, ..config::Model::default() }
}

#[test]
fn the_file_that_is_asked_for_runs_and_gives_nearly_what_fp32_gives() {
    let files = ["fp32", "int8", "u8"].map(fixture);
    let folder = Folder::new(&[("fp32", &files[0]), ("int8", &files[1]), ("u8", &files[2])]);
    let contract = Contract::read(&folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let picture: Vec<f32> = (0..contract.input_len()).map(|index| (index % 97) as f32 / 97.0).collect();
    let mut fp32 = Vec::new();
    for (choice, expected) in [
        (PrecisionChoice::Auto, Precision::Fp32),
        (PrecisionChoice::Fp32, Precision::Fp32),
        (PrecisionChoice::Int8, Precision::Int8),
        (PrecisionChoice::U8, Precision::U8),
    ] {
        let mut engine = infer::open(&contract, &wanted(choice)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((engine.name(), engine.precision()), ("built-in", expected));
        let heads = engine.run(&picture).expect("heads");
        let values: Vec<f32> = heads.0.iter().flat_map(|head| head.values.iter().copied()).collect();
        if fp32.is_empty() {
            fp32 = values.clone();
        }
        let away = values.iter().zip(&fp32).map(|(got, fp32)| (got - fp32).abs()).fold(0.0, f32::max);
        assert!(away <= if expected == Precision::Fp32 { 0.0 } else { 0.1 }, "{expected}: {away}");
        assert!(expected == Precision::Fp32 || away > 0.0, "{expected} is not another file");
    }
}

#[test]
fn a_file_that_the_folder_lacks_is_an_error_that_says_which_there_are() {
    let folder = Folder::new(&[("fp32", &fixture("fp32")), ("u8", &fixture("u8"))]);
    let contract = Contract::read(&folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let error = infer::open(&contract, &wanted(PrecisionChoice::Int8)).err().map(|error| error.to_string());
    let file = folder.path().join("model.toml");
    let words = "files: none is int8; allowed: auto, fp32 (fp32.onnx), u8 (u8.onnx); choose one that is there";
    assert_eq!(error, Some(format!("model {}: {words}", file.display())));
}

#[test]
fn a_bundled_model_is_found_by_name_unless_a_folder_has_it() {
    let contract = Contract::find(Some(Path::new("socialbox"))).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(contract.folder, Path::new("(bundled)/socialbox"));
    let error = Contract::find(Some(Path::new("nobody"))).expect_err("no such model").to_string();
    assert!(error.starts_with("model nobody/model.toml: No such file or directory"), "{error}");
}
