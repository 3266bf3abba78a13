//! Promise: the GPU reads a lent picture where it is, nobody fills it anew meanwhile, and whatever is amiss ends in a copy and the same heads.

use super::super::TensorRt;
use super::super::ffi::{Memory, PITCH, SIZE, driver, egl};
use super::super::seeing::tests::{contract, engine};
use super::*;
use crate::handover::{Colour, Surface};
use crate::infer::Engine;
use crate::stamp::Stamp;

fn lend(memory: &Arc<Memory>) -> Arc<Lent> {
    let surface: Arc<dyn Surface> = memory.clone();
    Arc::new(Lent::new(surface))
}

fn frame(lent: &Arc<Lent>) -> Frame {
    Frame::of_lent(Arc::clone(lent), SIZE, Colour::default(), Stamp::default())
}

/// The same pixels in a frame of their own.
fn copy(frame: &Frame) -> Frame {
    let (luma, chroma) = (frame.plane(0).0.chunks(PITCH), frame.plane(1).0.chunks(PITCH));
    let bytes: Vec<u8> = luma.flat_map(|row| &row[..13]).chain(chroma.flat_map(|row| &row[..14])).copied().collect();
    Frame::unpooled(frame.format(), SIZE, Colour::default(), Stamp::default(), &bytes).unwrap()
}

/// Heads of a frame by this engine.
fn heads(engine: &mut TensorRt, frame: &Frame, window: Window) -> Vec<f32> {
    assert!(engine.see(frame, window).unwrap().is_some());
    engine.run_seen().unwrap().0[0].values.to_vec()
}

fn opened() -> TensorRt {
    engine(&contract(), tempfile::tempdir().unwrap().path(), true)
}

#[test]
fn heads_are_those_of_a_copy_and_nothing_is_copied() {
    driver(true);
    let (mut place, mut copying, memory) = (opened(), opened(), Memory::new(false));
    let lent = lend(&memory);
    assert!(place.reads_in_place());
    for (seed, window) in [
        (1, Window::whole((13, 7))),
        (2, Window { x: 3, y: 3, width: 5, height: 4 }),
        (3, Window { x: 2, y: 2, width: 9, height: 5 }),
        (4, Window::whole((13, 7))),
    ] {
        memory.fill(seed);
        let (frame, before) = (frame(&lent), driver(true));
        let ours = heads(&mut place, &frame, window);
        assert_eq!(driver(true), before, "a copy would need memory of the driver's");
        assert_eq!(ours, heads(&mut copying, &copy(&frame), window), "{seed}");
    }
    // Made known to CUDA once, and forgotten at the end.
    assert_eq!((egl(0), place.reads_in_place()), (1, true));
    drop(place);
    assert_eq!(egl(0), 0);
}

#[test]
fn a_surface_is_held_until_the_run_on_it_is_over() {
    driver(true);
    let (mut engine, memory) = (opened(), Memory::new(false));
    let mut lent = lend(&memory);
    let frame = frame(&lent);
    engine.see(&frame, Window::whole((13, 7))).unwrap();
    drop(frame);
    assert!(Arc::get_mut(&mut lent).is_none(), "the frame is gone, but the GPU may still read its picture");
    engine.run_seen().unwrap();
    assert!(Arc::get_mut(&mut lent).is_some());
}

#[test]
fn surfaces_that_no_picture_will_come_in_are_forgotten_when_another_comes() {
    driver(true);
    let mut engine = opened();
    let mut see = |memory: &Arc<Memory>| heads(&mut engine, &frame(&lend(memory)), Window::whole((13, 7)));
    let (old, other) = (Memory::new(false), Memory::new(false));
    let kept = Arc::downgrade(&old);
    see(&old);
    drop(old);
    assert!(kept.upgrade().is_some(), "CUDA still knows its memory");
    see(&other);
    assert_eq!((kept.upgrade().is_none(), egl(0)), (true, 1));
}

#[test]
fn where_anything_is_amiss_pictures_are_copied_from_then_on() {
    driver(true);
    let whole = Window::whole((13, 7));
    let tall = Memory::new(false);
    // An image that is not registered; one of another pitch; memory that is not what the CPU reads.
    for (refuses, memory) in [(1, Memory::new(false)), (2, Memory::new(false)), (0, Memory::new(true))] {
        egl(refuses);
        let (mut engine, mut copying) = (opened(), opened());
        for (seed, memory) in [(1, &memory), (2, &tall)] {
            memory.fill(seed);
            let frame = frame(&lend(memory));
            assert_eq!(
                heads(&mut engine, &frame, whole),
                heads(&mut copying, &copy(&frame), whole),
                "{refuses} {seed}"
            );
            assert!(!engine.reads_in_place());
        }
        assert_eq!(egl(0), 0, "what was registered is forgotten");
    }
}

#[test]
fn a_gpu_that_remembers_what_stood_there_before_is_found_out() {
    driver(true);
    let (mut engine, memory) = (opened(), Memory::new(true));
    let lent = lend(&memory);
    let whole = Window::whole((13, 7));
    // The first picture is what the GPU's memory holds.
    heads(&mut engine, &frame(&lent), whole);
    assert!(engine.reads_in_place());
    memory.fill(2);
    let frame = frame(&lent);
    assert_eq!(heads(&mut engine, &frame, whole), heads(&mut opened(), &copy(&frame), whole));
    assert!(!engine.reads_in_place());
}

#[test]
fn a_gpu_with_memory_of_its_own_has_pictures_copied() {
    driver(false);
    let (mut engine, memory) = (opened(), Memory::new(false));
    assert!(!engine.reads_in_place());
    memory.fill(1);
    let frame = frame(&lend(&memory));
    assert_eq!(
        heads(&mut engine, &frame, Window::whole((13, 7))),
        heads(&mut opened(), &copy(&frame), Window::whole((13, 7)))
    );
}
