//! Where floor and furniture are: as built, or moved, turned and left out for training.

use super::floor::{Barrier, NEST, PARTITIONS, Point, SHELTER, WALL, polygon_distance};
use super::mouse::Den;

/// A movement of one piece of furniture: mirrored left to right and turned about a point, then shifted. Arena pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Move {
    /// What it is turned about.
    pub about: Point,
    /// Left and right change sides first.
    pub mirrored: bool,
    /// Radians; a quarter turn brings what was at the right to the bottom.
    pub turn: f32,
    /// Added last.
    pub shift: Point,
}

impl Move {
    /// Where a point of the piece as built is.
    fn forth(&self, p: Point) -> Point {
        let x = if self.mirrored { self.about[0] - p[0] } else { p[0] - self.about[0] };
        let y = p[1] - self.about[1];
        let (s, c) = self.turn.sin_cos();
        [x * c - y * s + self.about[0] + self.shift[0], x * s + y * c + self.about[1] + self.shift[1]]
    }

    /// Which point of the piece as built is at `p`.
    fn back(&self, p: Point) -> Point {
        let (x, y) = (p[0] - self.shift[0] - self.about[0], p[1] - self.shift[1] - self.about[1]);
        let (s, c) = self.turn.sin_cos();
        let (x, y) = (x * c + y * s, y * c - x * s);
        [if self.mirrored { self.about[0] - x } else { self.about[0] + x }, y + self.about[1]]
    }
}

/// One piece of furniture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Piece {
    /// Not there.
    Missing,
    /// Where it was built.
    Built,
    /// Somewhere else.
    Moved(Move),
}

impl Piece {
    /// Where the point `p` of the piece as built is; `None` without the piece.
    pub fn place(&self, p: Point) -> Option<Point> {
        match self {
            Self::Missing => None,
            Self::Built => Some(p),
            Self::Moved(by) => Some(by.forth(p)),
        }
    }

    /// Which point of the piece as built is at the arena point `p`; `None` without the piece.
    pub fn own(&self, p: Point) -> Option<Point> {
        match self {
            Self::Missing => None,
            Self::Built => Some(p),
            Self::Moved(by) => Some(by.back(p)),
        }
    }

    /// Signed distance of `p` to a polygon of the piece; far away without the piece.
    pub fn distance(&self, polygon: &[Point], p: Point) -> f32 {
        self.own(p).map_or(f32::MAX, |p| polygon_distance(polygon, p))
    }

    fn walls(&self, built: &[Barrier]) -> Vec<Barrier> {
        built.iter().filter_map(|[a, b]| Some([self.place(*a)?, self.place(*b)?])).collect()
    }
}

/// The arena's plan. Arena pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// The floor: left, top, right, bottom.
    pub room: [f32; 4],
    /// Where a body's centre may be: left, top, right, bottom.
    pub bounds: [f32; 4],
    /// Radius of the floor's corners.
    pub corner: f32,
    /// The grey ramp with the nest under it.
    pub nest: Piece,
    /// The shelter, with a lid or as a frame.
    pub shelter: Piece,
    /// Whether the shelter has a lid; without one only its frame stands.
    pub lid: bool,
    /// The S-shaped wall.
    pub wall: Piece,
    /// The ramps at the left and at the right.
    pub ramps: [Piece; 2],
    /// Feeders, water and their screws.
    pub trifles: Piece,
}

impl Layout {
    /// The arena as it was built.
    pub fn built() -> Self {
        Self {
            room: [127.0, 32.0, 512.0, 433.0],
            bounds: [134.0, 42.0, 506.0, 424.0],
            corner: 14.0,
            nest: Piece::Built,
            shelter: Piece::Built,
            lid: true,
            wall: Piece::Built,
            ramps: [Piece::Built; 2],
            trifles: Piece::Built,
        }
    }

    /// A bare floor.
    pub fn open(room: [f32; 4], corner: f32) -> Self {
        let [l, t, r, b] = room;
        Self {
            room,
            bounds: [l + 9.0, t + 9.0, r - 9.0, b - 9.0],
            corner,
            nest: Piece::Missing,
            shelter: Piece::Missing,
            lid: false,
            wall: Piece::Missing,
            ramps: [Piece::Missing; 2],
            trifles: Piece::Missing,
        }
    }

    /// The piece that a den is in.
    pub fn piece(&self, den: Den) -> Piece {
        match den {
            Den::Nest => self.nest,
            Den::Shelter => self.shelter,
        }
    }

    /// Where a place of a den as built is; without the den, the place itself.
    pub fn den(&self, den: Den, p: Point) -> Point {
        self.piece(den).place(p).unwrap_or(p)
    }

    /// Every wall that stands; the nest's come right after the S-shaped one.
    pub fn barriers(&self) -> Vec<Barrier> {
        let wall: Vec<Barrier> = WALL.windows(2).map(|pair| [pair[0], pair[1]]).collect();
        let (nest, shelter) = PARTITIONS.split_at(4);
        let mut all = self.wall.walls(&wall);
        all.extend(self.nest.walls(nest));
        if self.lid {
            all.extend(self.shelter.walls(shelter));
        }
        all
    }

    /// Whether an arena point lies under an opaque roof.
    pub fn roofed(&self, p: Point) -> bool {
        self.nest.distance(&NEST, p) < 0.0 || (self.lid && self.shelter.distance(&SHELTER, p) < 0.0)
    }

    /// Whether `p` is well outside nest and shelter.
    pub fn is_free(&self, p: Point) -> bool {
        self.nest.distance(&NEST, p) > 22.0 && self.shelter.distance(&SHELTER, p) > 18.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_piece_knows_its_own_points() {
        for (mirrored, turn) in [(false, 0.0), (true, 0.7), (false, -2.0), (true, 3.0)] {
            let piece = Piece::Moved(Move { about: [320.0, 240.0], mirrored, turn, shift: [12.0, -30.0] });
            let p = [281.0, 44.0];
            let there = piece.place(p).expect("not missing");
            let again = piece.own(there).expect("not missing");
            assert!((again[0] - p[0]).hypot(again[1] - p[1]) < 0.01, "{mirrored} {turn}: {again:?}");
            assert!(piece.distance(&NEST, there) < 0.0 && polygon_distance(&NEST, p) < 0.0);
        }
        assert_eq!(Piece::Missing.place([1.0, 2.0]), None);
    }

    #[test]
    fn what_is_not_there_has_neither_walls_nor_roof() {
        assert!(Layout::open([20.0, 20.0, 620.0, 460.0], 10.0).barriers().is_empty());
        assert!(!Layout::open([20.0, 20.0, 620.0, 460.0], 10.0).roofed([281.0, 44.0]));
        let mut built = Layout::built();
        assert_eq!(built.barriers().len(), 14);
        assert!(built.roofed([281.0, 44.0]) && built.roofed([483.0, 394.0]));
        built.lid = false;
        assert_eq!(built.barriers().len(), 9);
        assert!(!built.roofed([483.0, 394.0]));
    }
}
