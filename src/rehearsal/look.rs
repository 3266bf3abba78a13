//! How one arena looks: everything about the paint, the floor, the light and the camera that differs between arenas.

use super::dice::Dice;

/// The paint of one coat as it was put on.
#[derive(Clone, Debug)]
pub struct Paint {
    /// Display colour at full light, 0–255.
    pub colour: [f32; 3],
    /// How far down the body from the nose the paint begins, as a share of the body.
    pub starts: f32,
    /// Over what share of the body it fades in.
    pub edge: f32,
    /// How ragged its edge and how many its bare patches are, 0 none to 1.
    pub patchy: f32,
    /// How much fur shines through everywhere, 0 none to 1.
    pub faded: f32,
}

/// The appearance of one arena and its camera.
#[derive(Clone, Debug)]
pub struct Look {
    /// Seeds the fixed textures (bedding, fur, paint edge).
    pub texture: u64,
    /// One paint per identity, R G B Y.
    pub paints: [Paint; 4],
    /// Light on the animals; 1 is the demo's.
    pub light: f32,
    /// Light on floor and furniture; 1 is the demo's.
    pub floor_light: f32,
    /// Strength of the bedding's grain; 0 is the bare floor.
    pub bedding: f32,
    /// Bright specks in the bedding; 1 is the demo's.
    pub specks: f32,
    /// Brightness of the furniture against the floor.
    pub furniture: f32,
    /// Whether the shelter has a lid; without one only its frame stands.
    pub lid: bool,
    /// Whether the S-shaped wall stands.
    pub wall: bool,
    /// Pale fur's tint, 0–255.
    pub fur: [f32; 3],
    /// Channel gains of the white balance.
    pub balance: [f32; 3],
    /// Exponent on the display values; 1 leaves them.
    pub gamma: f32,
    /// Darkening at the corners, 0 to 1.
    pub vignette: f32,
    /// How much exposure and white balance wander over time (a share).
    pub drift: f32,
    /// Below 0 blurred, above 0 sharpened.
    pub sharpness: f32,
    /// Sensor noise in the dark, in display levels.
    pub noise: f32,
    /// How much a bright pixel is noisier than a dark one.
    pub shot: f32,
    /// Share of the frame time during which the shutter is open.
    pub shutter: f32,
    /// Camera pixels by which the camera is moved from its nominal place.
    pub shift: [f32; 2],
    /// Rotation of the camera in radians.
    pub roll: f32,
    /// Zoom; 1 is nominal.
    pub zoom: f32,
    /// Radial distortion at the image corner as a share of the radius.
    pub bulge: f32,
    /// Size of all animals against the nominal one.
    pub size: f32,
    /// Depth of the soft shadow around an animal, 0 to 1.
    pub shadow: f32,
    /// Direction of the light over the arena, each about -1 to 1.
    pub sun: [f32; 2],
}

/// Coat colours under the demo's light: set by eye and by marks in stills, R G B Y.
const COATS: [[f32; 3]; 4] = [[228.0, 24.0, 42.0], [112.0, 204.0, 166.0], [92.0, 176.0, 222.0], [242.0, 220.0, 98.0]];

impl Look {
    /// The look of `arenad demo`: the arena as it was on an ordinary day.
    pub fn typical() -> Self {
        let paint = |i: usize, starts, patchy, faded| Paint { colour: COATS[i], starts, edge: 0.12, patchy, faded };
        Self {
            texture: 7,
            paints: [
                paint(0, 0.15, 0.3, 0.05),
                paint(1, 0.2, 0.3, 0.06),
                paint(2, 0.13, 0.3, 0.05),
                paint(3, 0.1, 0.3, 0.05),
            ],
            light: 0.95,
            floor_light: 1.0,
            bedding: 1.0,
            specks: 1.0,
            furniture: 1.0,
            lid: true,
            wall: true,
            fur: [214.0, 202.0, 192.0],
            balance: [1.0; 3],
            gamma: 1.0,
            vignette: 0.15,
            drift: 0.02,
            sharpness: 0.1,
            noise: 1.2,
            shot: 0.5,
            shutter: 0.5,
            shift: [0.0; 2],
            roll: 0.0,
            zoom: 1.0,
            bulge: 0.01,
            size: 0.97,
            shadow: 0.5,
            sun: [0.2, -0.5],
        }
    }

    /// A look from a wide range: brightness varies a lot, hue little, so that no coat turns into another.
    pub fn random(dice: &mut Dice) -> Self {
        let light = dice.between(0.6, 1.35);
        Self {
            texture: u64::from(dice.bits()),
            paints: std::array::from_fn(|i| random_paint(i, dice)),
            light,
            floor_light: dice.between(0.6, 1.6) * (0.5 + 0.5 * light),
            bedding: if dice.chance(0.2) { dice.between(0.0, 0.5) } else { dice.between(0.6, 1.5) },
            specks: dice.between(0.0, 2.0),
            furniture: dice.between(0.6, 1.4),
            lid: dice.chance(0.6),
            wall: dice.chance(0.92),
            fur: {
                let warm = dice.between(-6.0, 12.0);
                let base = dice.between(190.0, 232.0);
                [base + warm, base - 4.0, base - 6.0 - warm]
            },
            balance: [dice.between(0.93, 1.07), 1.0, dice.between(0.92, 1.08)],
            gamma: dice.between(0.85, 1.2),
            vignette: dice.between(0.0, 0.4),
            drift: dice.between(0.0, 0.05),
            sharpness: dice.between(-0.7, 0.6),
            noise: dice.between(0.3, 3.0),
            shot: dice.between(0.1, 1.3),
            shutter: dice.between(0.1, 0.9),
            shift: [dice.between(-12.0, 12.0), dice.between(-14.0, 12.0)],
            roll: dice.between(-0.04, 0.04),
            zoom: dice.between(0.93, 1.07),
            bulge: dice.between(-0.03, 0.05),
            size: dice.between(0.84, 1.12),
            shadow: dice.between(0.2, 0.8),
            sun: [dice.between(-1.0, 1.0), dice.between(-1.0, 1.0)],
        }
    }
}

fn random_paint(identity: usize, dice: &mut Dice) -> Paint {
    let mut base = COATS[identity];
    if identity == 2 {
        // The lab's blue leans to cyan on some days, never as far as the mint.
        base[1] += dice.between(-4.0, 14.0);
    }
    let light = dice.between(0.72, 1.12);
    // Red has less room: a pale red turns pink, a rich yellow turns orange.
    let richer = match identity {
        0 => dice.between(-0.1, 0.1),
        3 => dice.between(-0.15, 0.5),
        _ => dice.between(-0.22, 0.3),
    };
    let grey = (base[0] + base[1] + base[2]) / 3.0;
    let colour = base.map(|c| ((grey + (c - grey) * (1.0 + richer)) * light + dice.normal() * 4.0).clamp(4.0, 255.0));
    Paint {
        colour,
        starts: if dice.chance(0.4) { dice.between(-0.02, 0.1) } else { dice.between(0.08, 0.3) },
        edge: dice.between(0.04, 0.22),
        patchy: dice.between(0.0, 0.9),
        faded: dice.between(0.0, 0.25),
    }
}
