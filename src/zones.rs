//! Named parts of the picture: which zone holds a point.
//!
//! Zones may lie in each other; the smallest that holds a point is its zone, whatever their order in the configuration. A point
//! on a border is in one of the two zones, and a zone once entered is left only when the point is clearly outside it.

use crate::config::ZoneArea;
use crate::handover::{MAX_ZONES, Zone};
use crate::space::InCamera;

/// What is wrong with the zones.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ZoneError {
    /// More than there is room for.
    #[error("zones: {0} are given; at most {MAX_ZONES} are allowed; leave some out")]
    TooMany(usize),
    /// Fewer than three corners.
    #[error("zone {name}: {corners} corners are given; at least 3 are needed; add corners")]
    TooFewCorners {
        /// Its name.
        name: String,
        /// How many.
        corners: usize,
    },
    /// A corner is NaN, infinite or beyond any picture.
    #[error("zone {name}: corner {corner} is ({x}, {y}); finite pixels are allowed; correct it")]
    BadCorner {
        /// Its name.
        name: String,
        /// Which, counted from 1.
        corner: usize,
        /// What was got.
        x: f32,
        /// What was got.
        y: f32,
    },
    /// All corners lie on a line.
    #[error("zone {name}: its corners enclose no area; give corners in order around the zone")]
    NoArea {
        /// Its name.
        name: String,
    },
    /// Two zones have one name.
    #[error("zone {name}: the name is given twice; each zone needs its own")]
    SameName {
        /// Its name.
        name: String,
    },
}

/// All zones of an arena, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    areas: Vec<Area>,
    /// Indices from the smallest area to the largest.
    by_size: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Area {
    name: String,
    sheltered: bool,
    corners: Vec<InCamera>,
}

/// No picture is as wide: a corner beyond it is a slip of the pen, in pixels.
const WIDEST: f32 = 1e5;

impl Zones {
    /// Checks the polygons (camera pixels). None at all is allowed.
    pub fn new(areas: &[ZoneArea]) -> Result<Self, ZoneError> {
        if areas.len() > MAX_ZONES {
            return Err(ZoneError::TooMany(areas.len()));
        }
        let mut sizes = Vec::new();
        for (index, area) in areas.iter().enumerate() {
            if areas[..index].iter().any(|other| other.name == area.name) {
                return Err(ZoneError::SameName { name: area.name.clone() });
            }
            sizes.push((size(area)?, index as u8));
        }
        sizes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let areas = areas
            .iter()
            .map(|area| Area {
                name: area.name.clone(),
                sheltered: area.sheltered,
                corners: area.corners.iter().map(|&(x, y)| InCamera { x, y }).collect(),
            })
            .collect();
        Ok(Self { areas, by_size: sizes.into_iter().map(|(_, index)| index).collect() })
    }

    /// The zone with that name.
    pub fn find(&self, name: &str) -> Option<Zone> {
        self.areas.iter().position(|area| area.name == name).map(|index| Zone(index as u8))
    }

    /// The zone's name; empty for one that is not there.
    pub fn name(&self, zone: Zone) -> &str {
        self.areas.get(usize::from(zone.0)).map_or("", |area| &area.name)
    }

    /// All names, in the order of the configuration.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.areas.iter().map(|area| area.name.as_str())
    }

    /// Animals may vanish in it.
    pub fn sheltered(&self, zone: Zone) -> bool {
        self.areas.get(usize::from(zone.0)).is_some_and(|area| area.sheltered)
    }

    /// The zone's polygon holds the point, whatever smaller zones do.
    pub fn contains(&self, zone: Zone, at: InCamera) -> bool {
        self.areas.get(usize::from(zone.0)).is_some_and(|area| area.contains(at))
    }

    /// How far the point lies from the zone's border, pixels; infinite for a zone that is not there.
    pub fn border_distance(&self, zone: Zone, at: InCamera) -> f32 {
        self.areas.get(usize::from(zone.0)).map_or(f32::INFINITY, |area| area.border_distance(at))
    }

    /// The smallest zone that holds the point.
    pub fn at(&self, at: InCamera) -> Option<Zone> {
        self.by_size.iter().map(|index| Zone(*index)).find(|zone| self.contains(*zone, at))
    }

    /// The smallest zone that holds the point of something that was in the zone `held` before: it stays there until the point
    /// is in a smaller zone, or outside by `margin_px`.
    pub fn at_held(&self, at: InCamera, held: Option<Zone>, margin_px: f32) -> Option<Zone> {
        let now = self.at(at);
        match held {
            Some(held) if now != Some(held) && !self.contains(held, at) => {
                let smaller = now.is_some_and(|now| self.rank(now) < self.rank(held));
                if smaller || self.border_distance(held, at) >= margin_px { now } else { Some(held) }
            }
            _ => now,
        }
    }

    fn rank(&self, zone: Zone) -> usize {
        self.by_size.iter().position(|index| *index == zone.0).unwrap_or(usize::MAX)
    }
}

impl Area {
    /// Even-odd rule.
    fn contains(&self, at: InCamera) -> bool {
        let mut inside = false;
        for (a, b) in self.edges() {
            if (a.y > at.y) != (b.y > at.y) && at.x < a.x + (at.y - a.y) / (b.y - a.y) * (b.x - a.x) {
                inside = !inside;
            }
        }
        inside
    }

    fn border_distance(&self, at: InCamera) -> f32 {
        self.edges().map(|(a, b)| distance_to_segment(at, a, b)).fold(f32::INFINITY, f32::min)
    }

    fn edges(&self) -> impl Iterator<Item = (InCamera, InCamera)> {
        self.corners.iter().copied().zip(self.corners.iter().copied().cycle().skip(1))
    }
}

fn distance_to_segment(at: InCamera, a: InCamera, b: InCamera) -> f32 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length2 = dx * dx + dy * dy;
    let along = if length2 > 0.0 { (((at.x - a.x) * dx + (at.y - a.y) * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
    at.distance(InCamera { x: a.x + along * dx, y: a.y + along * dy })
}

/// Area in square pixels of a polygon that was checked.
fn size(area: &ZoneArea) -> Result<f64, ZoneError> {
    let corners = &area.corners;
    if corners.len() < 3 {
        return Err(ZoneError::TooFewCorners { name: area.name.clone(), corners: corners.len() });
    }
    let bad = |v: f32| v.is_nan() || v.abs() > WIDEST;
    if let Some(index) = corners.iter().position(|&(x, y)| bad(x) || bad(y)) {
        let (x, y) = corners[index];
        return Err(ZoneError::BadCorner { name: area.name.clone(), corner: index + 1, x, y });
    }
    let twice: f64 = corners
        .iter()
        .zip(corners.iter().cycle().skip(1))
        .map(|(a, b)| f64::from(a.0) * f64::from(b.1) - f64::from(b.0) * f64::from(a.1))
        .sum();
    if twice.abs() < 1.0 { Err(ZoneError::NoArea { name: area.name.clone() }) } else { Ok(twice.abs() / 2.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(name: &str, from: f32, to: f32) -> ZoneArea {
        let corners = vec![(from, from), (to, from), (to, to), (from, to)];
        ZoneArea { name: name.into(), sheltered: false, corners }
    }

    fn point(x: f32, y: f32) -> InCamera {
        InCamera { x, y }
    }

    #[test]
    fn the_smallest_zone_wins_whatever_the_order() {
        for areas in [[square("Open", 0.0, 100.0), square("Nest", 10.0, 20.0)], {
            let [a, b] = [square("Open", 0.0, 100.0), square("Nest", 10.0, 20.0)];
            [b, a]
        }] {
            let zones = Zones::new(&areas).unwrap();
            let named = |p| zones.at(p).map(|zone| zones.name(zone).to_owned());
            assert_eq!(named(point(15.0, 15.0)).as_deref(), Some("Nest"));
            assert_eq!(named(point(50.0, 50.0)).as_deref(), Some("Open"));
            assert_eq!(named(point(500.0, 50.0)), None);
        }
    }

    #[test]
    fn a_point_that_trembles_on_a_border_does_not_change_zone() {
        let zones = Zones::new(&[square("Open", 0.0, 100.0), square("Nest", 10.0, 20.0)]).unwrap();
        let mut held = zones.at(point(15.0, 15.0));
        let mut changes = 0;
        for n in 0..100 {
            let now = zones.at_held(point(if n % 2 == 0 { 19.0 } else { 21.0 }, 15.0), held, 2.0);
            changes += usize::from(now != held);
            held = now;
        }
        assert_eq!((changes, zones.name(held.unwrap())), (0, "Nest"));
        assert_eq!(zones.at_held(point(22.5, 15.0), held, 2.0), zones.find("Open"));
        assert_eq!(zones.at_held(point(101.0, 50.0), zones.find("Open"), 2.0), zones.find("Open"));
        assert_eq!(zones.at_held(point(103.0, 50.0), zones.find("Open"), 2.0), None);
    }

    #[test]
    fn a_smaller_zone_is_entered_at_once() {
        let zones = Zones::new(&[square("Open", 0.0, 100.0), square("Nest", 10.0, 20.0)]).unwrap();
        assert_eq!(zones.at_held(point(10.1, 15.0), zones.find("Open"), 2.0), zones.find("Nest"));
    }

    #[test]
    fn a_zone_with_a_dent_does_not_hold_the_dent() {
        let corners = vec![(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (5.0, 2.0), (0.0, 10.0)];
        let zones = Zones::new(&[ZoneArea { name: "S".into(), sheltered: true, corners }]).unwrap();
        assert!(zones.contains(Zone(0), point(1.0, 5.0)) && !zones.contains(Zone(0), point(5.0, 8.0)));
        assert!(zones.sheltered(Zone(0)) && !zones.sheltered(Zone(7)));
    }

    #[test]
    fn each_wrong_zone_is_told_in_words() {
        let told = |areas: &[ZoneArea]| Zones::new(areas).unwrap_err().to_string();
        let with = |corners| ZoneArea { name: "A".into(), sheltered: false, corners };
        assert_eq!(
            told(&[with(vec![(0.0, 0.0), (1.0, 1.0)])]),
            "zone A: 2 corners are given; at least 3 are needed; add corners"
        );
        assert_eq!(
            told(&[with(vec![(0.0, 0.0), (1.0, f32::NAN), (5.0, 5.0)])]),
            "zone A: corner 2 is (1, NaN); finite pixels are allowed; correct it"
        );
        assert_eq!(
            told(&[with(vec![(0.0, 0.0), (10.0, 10.0), (20.0, 20.0)])]),
            "zone A: its corners enclose no area; give corners in order around the zone"
        );
        assert_eq!(
            told(&[square("A", 0.0, 9.0), square("A", 20.0, 30.0)]),
            "zone A: the name is given twice; each zone needs its own"
        );
        let many: Vec<_> = (0..33).map(|n| square(&n.to_string(), 0.0, 9.0)).collect();
        assert_eq!(told(&many), "zones: 33 are given; at most 32 are allowed; leave some out");
    }
}
