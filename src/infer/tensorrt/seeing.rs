//! Frames straight to the GPU: loads the kernel, and holds what it makes of two pictures against the CPU's answer before it is trusted.

use super::library::{Fault, Session};
use super::picture::Pictures;
use super::{InferError, NAME};
use crate::handover::{Colour, Frame, PictureSize, PixelFormat};
use crate::model::Contract;
use crate::preprocess::Preprocessor;
use crate::space::Window;
use crate::stamp::Stamp;

/// Largest difference between the two, in steps of 255.
pub(super) const STEPS_MAX: f32 = 1.0;

/// Makes the session ready for pictures in the place of its input's numbers.
pub(super) fn opened(session: &mut dyn Session, input: usize, contract: &Contract) -> Result<Pictures, InferError> {
    let advice = "set model.preprocess = \"cpu\" to fill the model's input on the CPU";
    let failed = |what: String| InferError::Library { engine: NAME, what: format!("{what}; {advice}") };
    session.open_pictures().map_err(|fault| failed(fault.to_string()))?;
    let pictures = Pictures::new(contract);
    let (width, height) = (contract.written.input.width, contract.written.input.height);
    // One to one, and shrunk between bands of padding.
    for size in [(width, height), (width + width / 2 + 1, height + 7)] {
        let steps = apart(session, input, contract, size).map_err(|fault| failed(fault.to_string()))?;
        if steps.is_nan() || steps > STEPS_MAX {
            let (wide, high) = size;
            return Err(failed(format!(
                "a picture of {wide}x{high} on the GPU is up to {steps:.1}/255 off the CPU's; allowed: 1/255"
            )));
        }
    }
    Ok(pictures)
}

/// The largest difference that one picture shows.
fn apart(session: &mut dyn Session, input: usize, contract: &Contract, size: (u32, u32)) -> Result<f32, Fault> {
    let unmade = || Fault::Run("no picture to try".to_owned());
    let frame = busy(size).ok_or_else(unmade)?;
    let (mut here, mut there) = (vec![0.0; contract.input_len()], vec![0.0; contract.input_len()]);
    Preprocessor::new(contract).fill(&frame, &mut here);
    let (picture, _) = Pictures::new(contract).of(&frame, Window::whole(size)).ok_or_else(unmade)?;
    session.put_picture(input, &picture)?;
    session.peek(input, &mut there)?;
    Ok(largest(&here, &there, contract.written.input.scale))
}

/// The largest difference between two inputs, in steps of 255; NaN where there is one. `scale`: of each channel.
pub(super) fn largest(here: &[f32], there: &[f32], scale: [f32; 3]) -> f32 {
    let plane = (here.len() / 3).max(1);
    let mut largest = 0.0f32;
    for ((here, there), scale) in here.chunks(plane).zip(there.chunks(plane)).zip(scale) {
        for (here, there) in here.iter().zip(there) {
            let steps = (here - there).abs() * scale;
            // Above all numbers in this order: NaN.
            if largest.total_cmp(&steps).is_lt() {
                largest = steps;
            }
        }
    }
    largest
}

/// An NV12 picture whose samples take all values.
fn busy((width, height): (u32, u32)) -> Option<Frame> {
    let length = width as usize * height as usize + 2 * width.div_ceil(2) as usize * height.div_ceil(2) as usize;
    let bytes: Vec<u8> = (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    Frame::unpooled(PixelFormat::Nv12, PictureSize { width, height }, Colour::default(), Stamp::default(), &bytes)
}

#[cfg(all(test, feature = "tensorrt"))]
pub(super) mod tests;
