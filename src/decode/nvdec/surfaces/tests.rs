//! Promise: a lent picture stays as it is until its last frame is dropped, and where lending fails pictures are copied, the same ones.

use super::super::nvbuf::{Board, CALLS, Lie, board, sample};
use super::*;
use crate::handover::Lent;
use std::sync::Arc;

const VISIBLE: Rect = Rect { left: 2, top: 4, width: 13, height: 7 };

/// A picture as it was given out.
#[derive(Debug)]
enum Given {
    Lent(Arc<Lent>),
    Copied([(Vec<u8>, usize); 2]),
}

impl Given {
    fn is_lent(&self) -> bool {
        matches!(self, Self::Lent(_))
    }

    /// Whether it is the visible part of that picture, to the last row and column.
    fn shows(&self, picture: u8, visible: Rect) -> bool {
        let planes = match self {
            Self::Lent(lent) => lent.planes(),
            Self::Copied(planes) => planes.each_ref().map(|(bytes, stride)| (&bytes[..], *stride)),
        };
        let (width, height) = (visible.width as usize, visible.height as usize);
        let sizes = [(width, height), (width.div_ceil(2) * 2, height.div_ceil(2))];
        planes.iter().zip(sizes).enumerate().all(|(plane, ((bytes, stride), (width, height)))| {
            let (left, top) = (visible.left as usize, visible.top as usize >> plane);
            let right = |at: usize| sample(picture, plane, at / width + top, at % width + left);
            bytes.len() == stride * height
                && (0..width * height).all(|at| bytes[at / width * stride + at % width] == right(at))
        })
    }
}

fn take(surfaces: &mut Surfaces, visible: Rect) -> Given {
    match surfaces.picture(&Exported::new(-1), visible).expect("a picture") {
        Pixels::Lent(lent) => Given::Lent(Arc::clone(lent)),
        Pixels::Read([luma, chroma, _]) => {
            Given::Copied([luma, chroma].map(|(bytes, stride)| (bytes.to_vec(), stride)))
        }
    }
}

#[test]
fn a_lent_picture_stays_until_it_is_dropped_and_those_beyond_the_ring_are_copied() {
    let mut surfaces = Surfaces::on(CALLS, 2);
    let (first, second) = (take(&mut surfaces, VISIBLE), take(&mut surfaces, VISIBLE));
    assert!(first.is_lent() && second.is_lent());
    let third = take(&mut surfaces, VISIBLE);
    assert!(!third.is_lent() && third.shows(3, VISIBLE), "all are held, so it is copied");
    drop(first);
    let fourth = take(&mut surfaces, VISIBLE);
    assert!(fourth.is_lent() && fourth.shows(4, VISIBLE) && second.shows(2, VISIBLE));
    assert!(!take(&mut surfaces, VISIBLE).is_lent());
    drop((second, fourth));
    for picture in 6..200 {
        let given = take(&mut surfaces, VISIBLE);
        assert!(given.is_lent() && given.shows(picture, VISIBLE));
    }
    // Two that go round, mapped once, and one to copy from.
    assert_eq!(board(|board| (board.allocated, board.mapped, board.images, board.syncs)), (3, 2, 2, 197));
    drop(surfaces);
    assert_eq!(board(|board| (board.destroyed, board.mapped, board.images)), (3, 0, 0));
}

#[test]
fn a_change_of_size_makes_new_surfaces_and_the_old_live_until_their_frames_go() {
    let mut surfaces = Surfaces::on(CALLS, 2);
    let old = take(&mut surfaces, VISIBLE);
    let wider = Rect { width: 40, ..VISIBLE };
    let new = take(&mut surfaces, wider);
    assert!(new.is_lent() && new.shows(2, wider) && old.shows(1, VISIBLE));
    assert_eq!(board(|board| (board.allocated, board.destroyed, board.images)), (4, 1, 3));
    drop(old);
    assert_eq!(board(|board| (board.destroyed, board.images)), (2, 2));
    drop(surfaces);
    assert!(new.shows(2, wider), "a frame outlives the decoder");
    drop(new);
    assert_eq!(board(|board| (board.allocated, board.destroyed, board.mapped, board.images)), (4, 4, 0, 0));
}

#[test]
fn a_gpu_keeps_the_memory_of_a_surface_but_not_its_picture() {
    let mut surfaces = Surfaces::on(CALLS, 1);
    let Given::Lent(lent) = take(&mut surfaces, VISIBLE) else { panic!("not lent") };
    let kept = lent.keep();
    drop(lent);
    assert!(take(&mut surfaces, VISIBLE).is_lent() && !kept.is_last());
    drop(surfaces);
    assert_eq!((kept.is_last(), board(|board| board.destroyed)), (true, 0));
    drop(kept);
    assert_eq!(board(|board| board.destroyed), 1);
}

#[test]
fn where_lending_fails_the_same_pictures_are_copied_and_it_is_not_tried_again() {
    let lies: [Lie; 5] = [
        |params| params.layout = 1,
        |params| params.planes.count = 1,
        |params| params.planes.pitch[0] = 12,
        |params| params.planes.pitch[1] = u32::MAX,
        |params| params.planes.size[1] -= 1,
    ];
    let lies = lies.map(|lie| ("", Some(lie)));
    let fails = ["NvBufSurfaceMap", "NvBufSurfaceMapEglImage", "NvBufSurfaceSyncForCpu"].map(|call| (call, None));
    for (fails, lies) in fails.into_iter().chain(lies) {
        board(|board| *board = Board { fails, lies, ..Board::default() });
        let mut surfaces = Surfaces::on(CALLS, 3);
        for _ in 0..3 {
            let given = take(&mut surfaces, VISIBLE);
            assert!(!given.is_lent() && given.shows(board(|board| board.transforms), VISIBLE), "{fails}");
        }
        let tried = if fails == "NvBufSurfaceSyncForCpu" { 3 } else { 1 };
        assert_eq!(board(|board| (board.allocated, board.destroyed)), (tried + 1, tried), "{fails}");
        drop(surfaces);
        assert_eq!(board(|board| (board.destroyed, board.images)), (tried + 1, 0), "{fails}");
    }
}

#[test]
fn a_picture_that_cannot_be_had_is_a_fault_and_nothing_is_lent_where_nobody_asks() {
    for fails in ["NvBufSurfaceFromFd", "NvBufSurfTransform"] {
        board(|board| *board = Board { fails, ..Board::default() });
        let said = Surfaces::on(CALLS, 2).picture(&Exported::new(-1), VISIBLE).err().map(|fault| fault.to_string());
        assert_eq!(said, Some(format!("{fails} failed: it answered -1")));
    }
    board(|board| *board = Board::default());
    let mut surfaces = Surfaces::on(CALLS, 0);
    let given = take(&mut surfaces, VISIBLE);
    assert!(!given.is_lent() && given.shows(1, VISIBLE));
    assert_eq!(board(|board| (board.allocated, board.mapped)), (1, 0));
}
