//! Pictures that the GPU reads where a decoder left them: the surfaces that it knows, and whether it reads there what the CPU reads.
//!
//! A surface is made known to CUDA once, since that takes milliseconds. What the GPU reads of it is held against the CPU's answer at its
//! first pictures: at the second one, too, memory that the GPU remembers wrongly would show. Where anything is amiss, pictures are copied
//! from then on.

use super::library::Session;
use super::picture::Picture;
use super::seeing::{STEPS_MAX, largest};
use crate::handover::{EglImage, Frame, Kept, Lent};
use crate::model::Contract;
use crate::preprocess::Preprocessor;
use crate::space::Window;
use std::sync::Arc;

/// Pictures of each surface that are held against the CPU's answer.
const TRIED: u8 = 2;
/// Room for surfaces: more than a decoder lends.
const SURFACES: usize = 64;

/// One surface that the session knows. Its memory is kept as long.
struct Known {
    image: EglImage,
    kept: Kept,
    tried: u8,
}

/// What is known of surfaces.
pub(super) struct InPlace {
    known: Vec<Known>,
    /// The GPU may still read it.
    read: Option<Arc<Lent>>,
    preprocessor: Preprocessor,
    scale: [f32; 3],
    here: Vec<f32>,
    there: Vec<f32>,
    refused: bool,
}

impl InPlace {
    /// Nothing yet, for one model.
    pub(super) fn new(contract: &Contract) -> Self {
        let numbers = || vec![0.0; contract.input_len()];
        Self {
            known: Vec::with_capacity(SURFACES),
            read: None,
            preprocessor: Preprocessor::new(contract),
            scale: contract.written.input.scale,
            here: numbers(),
            there: numbers(),
            refused: false,
        }
    }

    /// Pictures are copied from now on.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Has the session read the picture, a window of the frame, in the frame's surface; `false` where it must be copied.
    pub(super) fn put(
        &mut self,
        session: &mut dyn Session,
        input: usize,
        (frame, window): (&Frame, Window),
        picture: &Picture<'_>,
    ) -> bool {
        let Some(lent) = frame.lent().filter(|_| !self.refused) else { return false };
        let read = self.read_from(session, input, (frame, window), picture, lent);
        if let Err(what) = read {
            tracing::warn!("pictures are copied for the GPU, none are read in place: {what}");
            self.refused = true;
            self.known.drain(..).for_each(|known| session.forget(known.image));
            return false;
        }
        self.read = Some(Arc::clone(lent));
        true
    }

    fn read_from(
        &mut self,
        session: &mut dyn Session,
        input: usize,
        (frame, window): (&Frame, Window),
        picture: &Picture<'_>,
        lent: &Lent,
    ) -> Result<(), String> {
        let at = self.known(session, lent);
        session.put_in_place(input, picture, lent).map_err(|fault| fault.to_string())?;
        let Some(known) = self.known.get_mut(at).filter(|known| known.tried < TRIED) else { return Ok(()) };
        known.tried += 1;
        session.peek(input, &mut self.there).map_err(|fault| fault.to_string())?;
        self.preprocessor.fill_window(frame, window, &mut self.here);
        let steps = largest(&self.here, &self.there, self.scale);
        if steps.is_nan() || steps > STEPS_MAX {
            return Err(format!(
                "what the GPU reads there is up to {steps:.1}/255 off what the CPU reads; allowed: 1/255"
            ));
        }
        Ok(())
    }

    /// Where the surface stands among the known ones. Before a new one is noted, those that nobody else has are forgotten.
    fn known(&mut self, session: &mut dyn Session, lent: &Lent) -> usize {
        let image = lent.image();
        if let Some(at) = self.known.iter().position(|known| known.image == image) {
            return at;
        }
        self.known.retain(|known| {
            let gone = known.kept.is_last();
            if gone {
                session.forget(known.image);
            }
            !gone
        });
        self.known.push(Known { image, kept: lent.keep(), tried: 0 });
        self.known.len() - 1
    }

    /// The run is over: the decoder may have the surface back.
    pub(super) fn done(&mut self) {
        self.read = None;
    }
}

#[cfg(all(test, feature = "tensorrt"))]
mod tests;
