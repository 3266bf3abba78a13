//! Promise: the engine is built once, kept, refused where it is not the right one, and never another engine in silence.

use super::library::About;
use super::*;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A TensorRT of our own: a plan is its GPU's name, a run answers the input's first value everywhere.
struct StandIn {
    about: About,
    tensors: Vec<Tensor>,
    builds: AtomicUsize,
    refuses: Option<Fault>,
    /// The DLA core of each load.
    loads: Mutex<Vec<Option<u32>>>,
    /// A build waits until something is in it.
    go: Option<Slot<()>>,
}

impl StandIn {
    fn new() -> Self {
        let contract = contract();
        let input = &contract.written.input;
        let tensor = |name: &str, input, shape: [usize; 4]| Tensor {
            name: name.to_owned(),
            input,
            fp32: true,
            shape: shape.iter().map(|size| *size as i64).collect(),
        };
        let mut tensors = vec![tensor(&input.name, true, [1, 3, input.height as usize, input.width as usize])];
        tensors.extend(contract.written.outputs.iter().rev().map(|output| tensor(&output.name, false, output.shape)));
        let about = About { version: 100_300, driver: 12_060, gpu: "Orin".to_owned(), compute: (8, 7), dla_cores: 2 };
        Self { about, tensors, builds: AtomicUsize::new(0), refuses: None, loads: Mutex::default(), go: None }
    }

    fn builds(&self) -> usize {
        self.builds.load(Ordering::SeqCst)
    }
}

impl Library for StandIn {
    fn about(&self) -> &About {
        &self.about
    }

    fn build(&self, _: &[u8], _: BuildOptions, told: &(dyn Fn(Step) + Sync)) -> Result<Vec<u8>, Fault> {
        self.builds.fetch_add(1, Ordering::SeqCst);
        told(Step { phase: "layers".to_owned(), done: 1, of: 4 });
        if let Some(go) = &self.go {
            go.take();
        }
        match &self.refuses {
            Some(fault) => Err(fault.clone()),
            None => Ok(self.about.gpu.clone().into_bytes()),
        }
    }

    fn load(&self, plan: &[u8], dla: Option<u32>) -> Result<Box<dyn Session>, Fault> {
        self.loads.lock().unwrap().push(dla);
        if plan != self.about.gpu.as_bytes() {
            return Err(Fault::Plan("the engine is for another GPU".to_owned()));
        }
        Ok(Box::new(Loaded { tensors: self.tensors.clone(), first: 0.0 }))
    }
}

struct Loaded {
    tensors: Vec<Tensor>,
    first: f32,
}

impl Session for Loaded {
    fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    fn start(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn put(&mut self, tensor: usize, values: &[f32]) -> Result<(), Fault> {
        self.first = values[0];
        if self.tensors[tensor].input { Ok(()) } else { Err(Fault::Run("put: not the input".to_owned())) }
    }

    fn run(&mut self) -> Result<f32, Fault> {
        if self.first < 0.0 { Err(Fault::Run("CUDA error 700".to_owned())) } else { Ok(0.5) }
    }

    fn take(&mut self, tensor: usize, values: &mut [f32]) -> Result<(), Fault> {
        let size: i64 = self.tensors[tensor].shape.iter().product();
        assert_eq!(size, values.len() as i64);
        values.fill(self.first);
        Ok(())
    }
}

fn contract() -> Contract {
    Contract::bundled().unwrap_or_else(|error| panic!("{error}"))
}

const PACE: Pace = Pace { tick: Duration::from_millis(1), still_ticks: u32::MAX };

fn settings(cache: &Path) -> Settings<'_> {
    Settings { folder: None, cache, fp16: true, pictures: false, dla: None, pace: PACE }
}

fn weights(contract: &Contract, precision: Precision) -> &Weights {
    contract.weights(precision).expect("the bundled model has it")
}

/// Opens the INT8 file; the error's words.
fn open(library: &StandIn, cache: &Path) -> Result<TensorRt, String> {
    let contract = contract();
    TensorRt::on(library, &contract, weights(&contract, Precision::Int8), settings(cache), &|_| {})
        .map_err(|error| error.to_string())
}

fn engine_file(folder: &Path) -> PathBuf {
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut engines = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "engine"));
    let first = engines.next().expect("an engine");
    assert_eq!(engines.next(), None, "one file an engine");
    first
}

#[test]
fn the_second_start_takes_the_engine_from_the_cache() {
    let (folder, library) = (tempfile::tempdir().unwrap(), StandIn::new());
    for _ in 0..2 {
        let mut engine = open(&library, &folder.path().join("deep/cache")).unwrap();
        let input = vec![3.0; contract().input_len()];
        let heads = engine.run(&input).unwrap();
        assert!(heads.0.iter().all(|head| head.values.iter().all(|value| *value == 3.0)));
        assert_eq!((engine.name(), engine.precision(), engine.gpu_ms()), ("tensorrt", Precision::Int8, Some(0.5)));
        assert_eq!(engine.ground().as_deref(), Some("TensorRT 10.3.0 on Orin (8.7), CUDA 12.6"));
    }
    assert_eq!(library.builds(), 1);
}

#[test]
fn another_tensorrt_gpu_or_capability_builds_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = StandIn::new().about;
    let others = [
        About { version: 100_700, ..first.clone() },
        About { gpu: "Thor".to_owned(), ..first.clone() },
        About { compute: (11, 0), ..first.clone() },
    ];
    open(&StandIn::new(), folder.path()).unwrap();
    for about in others {
        let library = StandIn { about, ..StandIn::new() };
        open(&library, folder.path()).unwrap();
        open(&library, folder.path()).unwrap();
        assert_eq!(library.builds(), 1, "{:?}", library.about);
    }
}

#[test]
fn a_file_that_is_damaged_cut_off_or_foreign_is_refused_and_built_again() {
    let (folder, library) = (tempfile::tempdir().unwrap(), StandIn::new());
    open(&library, folder.path()).unwrap();
    let file = engine_file(folder.path());
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut long_key = good.clone();
    long_key[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
    let longer = [&good[..], b"x"].concat();
    let cut = (0..good.len()).step_by(7).map(|at| good[..at].to_vec());
    let bad: Vec<_> = cut.chain([flipped, long_key, longer, b"not an engine of arenad at all".to_vec()]).collect();
    for (at, bytes) in bad.iter().enumerate() {
        std::fs::write(&file, bytes).unwrap();
        open(&library, folder.path()).unwrap();
        assert_eq!(library.builds(), at + 2);
        assert_eq!(std::fs::read(&file).unwrap(), good);
    }
}

#[test]
fn a_whole_file_that_tensorrt_does_not_take_is_built_again() {
    let (folder, library, contract) = (tempfile::tempdir().unwrap(), StandIn::new(), contract());
    let weights = weights(&contract, Precision::Int8);
    let options = BuildOptions { fp16: true, int8: true, dla: None, workspace_bytes: WORKSPACE_BYTES };
    let place = Place::new(folder.path(), &weights.bytes, weights.precision, &library.about, options);
    place.write(b"built by a stranger").unwrap();
    open(&library, folder.path()).unwrap();
    assert_eq!(library.builds(), 1);
    assert_eq!(place.read().unwrap(), Found::Plan(b"Orin".to_vec()));
}

#[test]
fn what_is_refused_says_why() {
    let (folder, library) = (tempfile::tempdir().unwrap(), StandIn::new());
    let options = BuildOptions { fp16: true, int8: true, dla: None, workspace_bytes: 1 };
    let place = |about: &About| Place::new(folder.path(), b"onnx", Precision::Int8, about, options);
    assert_eq!(place(&library.about).read().unwrap(), Found::Nothing);
    place(&library.about).write(b"plan").unwrap();
    let newer = About { version: 100_700, ..library.about.clone() };
    let why = "it was built for \"tensorrt 10.3.0\"; wanted: \"tensorrt 10.7.0\"";
    assert_eq!(place(&newer).read().unwrap(), Found::Refused(why.to_owned()));
    std::fs::write(place(&newer).file(), b"arenad en").unwrap();
    assert_eq!(place(&newer).read().unwrap(), Found::Refused("it is cut off".to_owned()));
}

#[test]
fn two_arenas_that_start_at_once_build_once() {
    let folder = tempfile::tempdir().unwrap();
    let library = StandIn { go: Some(Slot::new()), ..StandIn::new() };
    let (contract, building) = (contract(), Slot::<()>::new());
    let weights = weights(&contract, Precision::Int8);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let told = |_: &str| {
                building.put(|_| ());
            };
            TensorRt::on(&library, &contract, weights, settings(folder.path()), &told).map(drop)
        });
        building.take();
        // The second says that it waits; that lets the first go on.
        let heard = Mutex::new(Vec::new());
        let told = |what: &str| {
            heard.lock().unwrap().push(what.to_owned());
            library.go.as_ref().unwrap().put(|_| ());
        };
        TensorRt::on(&library, &contract, weights, settings(folder.path()), &told).map(drop).unwrap();
        first.join().unwrap().unwrap();
        assert_eq!(heard.into_inner().unwrap()[0], "another arena builds the engine of socialbox; waiting for it");
    });
    assert_eq!(library.builds(), 1);
}

#[test]
fn the_steps_of_a_build_are_told_on() {
    let (folder, library, contract) = (tempfile::tempdir().unwrap(), StandIn::new(), contract());
    let heard = Mutex::new(Vec::new());
    let told = |what: &str| heard.lock().unwrap().push(what.to_owned());
    TensorRt::on(&library, &contract, weights(&contract, Precision::Int8), settings(folder.path()), &told).unwrap();
    let heard = heard.into_inner().unwrap();
    assert!(heard.contains(&"building the engine of socialbox: layers, 25 %".to_owned()), "{heard:?}");
}

#[test]
fn names_and_shapes_that_differ_are_said_on_both_sides() {
    type Change = fn(&mut Vec<Tensor>);
    let differ = |change: Change| {
        let (folder, mut library) = (tempfile::tempdir().unwrap(), StandIn::new());
        change(&mut library.tensors);
        open(&library, folder.path()).err().unwrap_or_default()
    };
    let cases: [(Change, &str); 7] = [
        (
            |all| all[0].shape = vec![1, 3, 256, 256],
            "input \"image\" has the shape [1, 3, 256, 256]; allowed: [1, 3, 480, 640], as model.toml says",
        ),
        (|all| all[0].shape[0] = -1, "input \"image\" has the shape [-1, 3, 480, 640]; allowed: [1, 3, 480, 640]"),
        (
            |all| all[0].name = "images".to_owned(),
            "has no input \"image\", which model.toml names; got images; export the model again",
        ),
        (
            |all| drop(all.remove(1)),
            "has no output \"identity\", which model.toml names; got parents, offsets, centre, keypoints; export the model again",
        ),
        (|all| all[1].shape = vec![4], "output \"identity\" has the shape [4]; allowed: [1, 4, 60, 80]"),
        (|all| all[1].fp32 = false, "output \"identity\" is not of 32-bit floating point numbers"),
        (|all| all.push(all[0].clone()), "the engine has 2 inputs; allowed: 1, \"image\"; export the model again"),
    ];
    for (change, expected) in cases {
        let said = differ(change);
        assert!(said.contains("model.int8.onnx: ") && said.contains(expected), "{said}");
    }
}

#[test]
fn each_fault_says_what_to_do_and_leaves_no_engine() {
    for (fault, expected) in [
        (
            Fault::Library("libnvonnxparser.so.10: cannot open shared object file".to_owned()),
            "engine tensorrt: libnvonnxparser.so.10: cannot open shared object file; install TensorRT with its ONNX parser (JetPack: \
             apt install tensorrt), or name the folder of its libraries in model.tensorrt_folder, or use another engine",
        ),
        (
            Fault::Device("cuInit: CUDA error 100, no device".to_owned()),
            "engine tensorrt: cuInit: CUDA error 100, no device; TensorRT needs an NVIDIA GPU, its driver and the right to use both \
             (groups video and render), or use another engine",
        ),
        (
            Fault::Model("ONNX: no importer for Foo".to_owned()),
            "TensorRT does not take it: ONNX: no importer for Foo; export the model again",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let library = StandIn { refuses: Some(fault), ..StandIn::new() };
        let said = open(&library, folder.path()).err().unwrap_or_default();
        assert!(said.ends_with(expected), "{said}");
        // A second start is not held up by the first one's lock, and finds nothing.
        assert_eq!(open(&library, folder.path()).err().unwrap_or_default(), said);
        assert_eq!(library.builds(), 2);
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_an_error_that_names_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let said = open(&StandIn::new(), &file.join("cache")).err().unwrap_or_default();
    assert!(said.starts_with("engine tensorrt: engine cache "), "{said}");
    assert!(said.ends_with("set model.engine_cache to a folder that can be written"), "{said}");
}

#[test]
fn fp16_needs_a_tensorrt_that_chooses_numbers_itself() {
    let (folder, contract) = (tempfile::tempdir().unwrap(), contract());
    let fp32 = weights(&contract, Precision::Fp32);
    let mut library = StandIn::new();
    let start = |library: &StandIn| TensorRt::on(library, &contract, fp32, settings(folder.path()), &|_| {}).map(drop);
    start(&library).unwrap();
    library.about.version = 110_400;
    let said = start(&library).err().map(|error| error.to_string()).unwrap_or_default();
    let expected = "fp16 was asked for, but TensorRT 11.4.0 takes numbers as the file has them; allowed: int8 or fp32; set model.precision";
    assert!(said.ends_with(expected), "{said}");
    open(&library, folder.path()).unwrap();
}

#[test]
fn a_gpu_that_takes_no_pictures_is_an_error_that_names_its_key() {
    let (folder, contract) = (tempfile::tempdir().unwrap(), contract());
    let settings = Settings { pictures: true, ..settings(folder.path()) };
    let opened =
        TensorRt::on(&StandIn::new(), &contract, weights(&contract, Precision::Int8), settings, &|_| {}).map(drop);
    assert_eq!(
        opened.err().map(|error| error.to_string()).unwrap_or_default(),
        "engine tensorrt: it takes numbers alone; set model.preprocess = \"cpu\" to fill the model's input on the CPU"
    );
}

#[test]
fn a_dla_core_has_an_engine_of_its_own_and_reads_it() {
    let (folder, contract, library) = (tempfile::tempdir().unwrap(), contract(), StandIn::new());
    let start = |dla| {
        let settings = Settings { dla, ..settings(folder.path()) };
        TensorRt::on(&library, &contract, weights(&contract, Precision::Int8), settings, &|_| {}).map(drop).unwrap();
    };
    for dla in [None, Some(0), Some(1), Some(0), None] {
        start(dla);
    }
    assert_eq!(library.builds(), 3);
    assert_eq!(*library.loads.lock().unwrap(), [None, Some(0), Some(1), Some(0), None]);
}

#[test]
fn a_dla_core_that_is_not_there_is_an_error_in_the_boards_own_numbers() {
    let (folder, contract) = (tempfile::tempdir().unwrap(), contract());
    let said = |about: About, precision, fp16| {
        let library = StandIn { about, ..StandIn::new() };
        let settings = Settings { dla: Some(2), fp16, ..settings(folder.path()) };
        let error = TensorRt::on(&library, &contract, weights(&contract, precision), settings, &|_| {}).err().unwrap();
        assert_eq!(library.builds(), 0);
        error.to_string()
    };
    let about = StandIn::new().about;
    assert_eq!(
        said(about.clone(), Precision::Int8, true),
        "engine tensorrt: model.dla: got core 2, but TensorRT 10.3.0 has 2 on Orin; allowed: 0 to 1; change model.dla or leave it out"
    );
    assert_eq!(
        said(
            About { version: 101_600, gpu: "Orin Nano".to_owned(), dla_cores: 0, ..about.clone() },
            Precision::Int8,
            true
        ),
        "engine tensorrt: model.dla: got core 2, but TensorRT 10.16.0 has 0 on Orin Nano; allowed: none; change model.dla or leave it out"
    );
    assert_eq!(
        said(About { dla_cores: 3, ..about }, Precision::Fp32, false),
        "engine tensorrt: model.dla: a DLA core computes with int8 and fp16, but fp32 was asked for; set model.precision or leave model.dla out"
    );
}

#[test]
fn a_run_that_fails_is_told_in_the_librarys_words() {
    let (folder, library) = (tempfile::tempdir().unwrap(), StandIn::new());
    let mut engine = open(&library, folder.path()).unwrap();
    let input = vec![-1.0; contract().input_len()];
    let said = engine.run(&input).err().map(|error| error.to_string());
    assert_eq!(said.as_deref(), Some("engine tensorrt: the model did not run: CUDA error 700"));
}

#[cfg(not(feature = "tensorrt"))]
#[test]
fn a_program_without_the_feature_says_so() {
    let wanted =
        crate::config::Model { engine: crate::config::EngineChoice::TensorRt, ..crate::config::Model::default() };
    let said = crate::infer::open(&contract(), &wanted).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(
        said.starts_with("engine tensorrt: this program was built without it (cargo build --features tensorrt)"),
        "{said}"
    );
}
