//! Promise: an engine gives the same heads for a frame that goes straight to the GPU as for one that the CPU made its input of.

use super::super::ffi::tests::stand_in;
use super::super::library::{Library, Session, Tensor};
use super::super::picture::Picture;
use super::super::{Pace, Settings, TensorRt};
use super::*;
use crate::infer::Engine;
use crate::model::Precision;
use std::path::Path;

/// The bundled contract, cut to the stand-in's input of 2x2 and its output of six numbers.
pub fn contract() -> Contract {
    let mut contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
    let written = &mut contract.written;
    (written.input.width, written.input.height) = (2, 2);
    written.outputs.truncate(1);
    (written.outputs[0].name, written.outputs[0].shape) = ("heat".to_owned(), [1, 6, 1, 1]);
    contract
}

pub fn engine(contract: &Contract, cache: &Path, pictures: bool) -> TensorRt {
    let weights = contract.weights(Precision::Int8).expect("the bundled model has it");
    let settings = Settings { folder: None, cache, fp16: true, pictures, dla: None, pace: Pace::default() };
    TensorRt::on(&stand_in("/").unwrap(), contract, weights, settings, &|_| {})
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn heads_are_the_same_by_gpu_and_by_cpu_for_frames_and_windows() {
    let (contract, folder) = (contract(), tempfile::tempdir().unwrap());
    let (mut gpu, mut cpu) = (engine(&contract, folder.path(), true), engine(&contract, folder.path(), false));
    let (mut preprocessor, mut input) = (Preprocessor::new(&contract), vec![0.0; contract.input_len()]);
    for (size, window) in [
        ((2, 2), Window::whole((2, 2))),
        ((13, 7), Window::whole((13, 7))),
        ((64, 48), Window { x: 31, y: 17, width: 9, height: 9 }),
    ] {
        let frame = busy(size).unwrap();
        let letterbox = preprocessor.fill_window(&frame, window, &mut input);
        assert_eq!(gpu.see(&frame, window).unwrap(), Some(letterbox), "{size:?}");
        let (ours, theirs) = (gpu.run_seen().unwrap(), cpu.run(&input).unwrap());
        for (ours, theirs) in ours.0[0].values.iter().zip(&theirs.0[0].values[..]) {
            // The stand-in's network doubles.
            assert!((ours - theirs).abs() <= 2.0 / 255.0, "{size:?}: {ours} for {theirs}");
        }
    }
}

#[test]
fn a_frame_that_the_gpu_does_not_read_and_an_engine_without_pictures_want_numbers() {
    let (contract, folder) = (contract(), tempfile::tempdir().unwrap());
    let size = PictureSize { width: 2, height: 2 };
    let grey = Frame::unpooled(PixelFormat::Grey, size, Colour::default(), Stamp::default(), &[7; 4]).unwrap();
    let whole = Window::whole((2, 2));
    assert_eq!(engine(&contract, folder.path(), true).see(&grey, whole).unwrap(), None);
    assert_eq!(engine(&contract, folder.path(), false).see(&busy((2, 2)).unwrap(), whole).unwrap(), None);
}

/// A GPU that errs in one number.
struct Errs(Box<dyn Session>, f32);

impl Session for Errs {
    fn tensors(&self) -> &[Tensor] {
        self.0.tensors()
    }
    fn start(&mut self) -> Result<(), Fault> {
        self.0.start()
    }
    fn put(&mut self, tensor: usize, values: &[f32]) -> Result<(), Fault> {
        self.0.put(tensor, values)
    }
    fn run(&mut self) -> Result<f32, Fault> {
        self.0.run()
    }
    fn take(&mut self, tensor: usize, values: &mut [f32]) -> Result<(), Fault> {
        self.0.take(tensor, values)
    }
    fn open_pictures(&mut self) -> Result<(), Fault> {
        self.0.open_pictures()
    }
    fn put_picture(&mut self, tensor: usize, picture: &Picture<'_>) -> Result<(), Fault> {
        self.0.put_picture(tensor, picture)
    }
    fn peek(&mut self, tensor: usize, values: &mut [f32]) -> Result<(), Fault> {
        self.0.peek(tensor, values)?;
        values[5] += self.1;
        Ok(())
    }
}

#[test]
fn a_gpu_whose_first_pictures_are_wrong_is_refused() {
    let contract = contract();
    let scale = contract.written.input.scale[1];
    for (error, said) in [(0.9, None), (1.6, Some("up to 1.6/255")), (f32::NAN, Some("up to NaN/255"))] {
        let library = stand_in("/").unwrap();
        let options = super::super::BuildOptions { fp16: true, int8: true, dla: None, workspace_bytes: 1 };
        let plan = library.build(b"onnx", options, &|_| {}).unwrap();
        let mut session = Errs(library.load(&plan, None).unwrap(), error / scale);
        session.start().unwrap();
        let refused = opened(&mut session, 0, &contract).err().map(|error| error.to_string());
        match said {
            None => assert_eq!(refused, None),
            Some(said) => {
                let refused = refused.unwrap_or_default();
                assert!(
                    refused.contains(said) && refused.contains("allowed: 1/255; set model.preprocess"),
                    "{refused}"
                );
            }
        }
    }
}
