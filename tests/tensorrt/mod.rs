//! A TensorRT of our own for the tests: its engine has the model's tensors and answers zeros.

#![allow(dead_code)] // Each test file uses its own part.

use arenad::handover::Slot;
use arenad::infer::InferError;
use arenad::infer::tensorrt::library::{About, BuildOptions, Fault, Library, Session, Step, Tensor};
use arenad::infer::tensorrt::{Pace, Settings, TensorRt};
use arenad::model::Contract;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub struct StandIn {
    about: About,
    tensors: Vec<Tensor>,
    /// A build does its next step when something is in it.
    go: Option<Slot<()>>,
    /// A build ends with an error.
    pub refuses: AtomicBool,
}

impl StandIn {
    /// Builds at once.
    pub fn new(contract: &Contract) -> Self {
        let about = About { version: 100_300, driver: 12_060, gpu: "Orin".to_owned(), compute: (8, 7), dla_cores: 2 };
        let written = &contract.written;
        let tensor = |name: &str, input, shape: [usize; 4]| Tensor {
            name: name.to_owned(),
            input,
            fp32: true,
            shape: shape.iter().map(|size| *size as i64).collect(),
        };
        let size = [1, 3, written.input.height as usize, written.input.width as usize];
        let mut tensors = vec![tensor(&written.input.name, true, size)];
        tensors.extend(written.outputs.iter().map(|output| tensor(&output.name, false, output.shape)));
        Self { about, tensors, go: None, refuses: AtomicBool::new(false) }
    }

    /// Builds in three steps, and waits for [`StandIn::go_on`] after each.
    pub fn slow(contract: &Contract) -> Self {
        Self { go: Some(Slot::new()), ..Self::new(contract) }
    }

    /// Lets a slow build do its next step.
    pub fn go_on(&self) {
        if let Some(go) = &self.go {
            go.put(|_| ());
        }
    }

    /// The engine of the model's first file, built or read from `cache`.
    pub fn open(&self, contract: &Contract, cache: &Path, told: &dyn Fn(&str)) -> Result<TensorRt, InferError> {
        let pace = Pace { tick: Duration::from_millis(10), still_ticks: u32::MAX };
        let settings = Settings { folder: None, cache, fp16: true, pictures: false, dla: None, pace };
        TensorRt::on(self, contract, &contract.weights[0], settings, told)
    }
}

impl Library for StandIn {
    fn about(&self) -> &About {
        &self.about
    }

    fn build(&self, _: &[u8], _: BuildOptions, told: &(dyn Fn(Step) + Sync)) -> Result<Vec<u8>, Fault> {
        for done in 1..=3 {
            told(Step { phase: "layers".to_owned(), done, of: 4 });
            if let Some(go) = &self.go {
                go.take();
            }
        }
        match self.refuses.load(Ordering::SeqCst) {
            true => Err(Fault::Model("the parser does not know Foo".to_owned())),
            false => Ok(b"plan".to_vec()),
        }
    }

    fn load(&self, _: &[u8], _: Option<u32>) -> Result<Box<dyn Session>, Fault> {
        Ok(Box::new(Answers(self.tensors.clone())))
    }
}

struct Answers(Vec<Tensor>);

impl Session for Answers {
    fn tensors(&self) -> &[Tensor] {
        &self.0
    }

    fn start(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn put(&mut self, _: usize, _: &[f32]) -> Result<(), Fault> {
        Ok(())
    }

    fn run(&mut self) -> Result<f32, Fault> {
        Ok(1.0)
    }

    fn take(&mut self, _: usize, values: &mut [f32]) -> Result<(), Fault> {
        values.fill(0.0);
        Ok(())
    }
}
