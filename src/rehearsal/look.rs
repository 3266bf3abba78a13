//! How one arena looks: everything about the paint, the floor, the light and the camera that differs between arenas.

use super::layout::Layout;

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
    /// How much of it has come off in patches, 0 none to 1 half of it.
    pub worn: f32,
    /// Where down the body it ends, as a share of the body; above 1 the rump is painted too.
    pub ends: f32,
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
    /// Where floor and furniture are.
    pub layout: Layout,
    /// The floor's tint, about 1 in each channel.
    pub tint: [f32; 3],
    /// Brightness of what lies outside the floor; 1 is the demo's.
    pub walls: f32,
    /// The painted animals' fur, 0–255.
    pub fur: [f32; 3],
    /// The fur of each animal without paint, 0–255.
    pub plain_furs: [[f32; 3]; 4],
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
    /// How much smaller the picture's right side and its bottom are, being further away, as a share.
    pub tilt: [f32; 2],
    /// Radial distortion at the image corner as a share of the radius.
    pub bulge: f32,
    /// Size of all animals against the nominal one.
    pub size: f32,
    /// How much their builds differ beyond the ordinary, as a share.
    pub spread: f32,
    /// Depth of the soft shadow around an animal, 0 to 1.
    pub shadow: f32,
    /// Too much light leaves a coat its hue, as a camera that guards its highlights does.
    pub guarded: bool,
    /// Direction of the light over the arena, each about -1 to 1.
    pub sun: [f32; 2],
}

/// Coat colours under the demo's light: set by eye and by marks in stills, R G B Y.
pub const COATS: [[f32; 3]; 4] =
    [[228.0, 24.0, 42.0], [112.0, 204.0, 166.0], [92.0, 176.0, 222.0], [242.0, 220.0, 98.0]];

impl Look {
    /// The look of `arenad demo`: the arena as it was on an ordinary day.
    pub fn typical() -> Self {
        let paint = |i: usize, starts, patchy, faded| Paint {
            colour: COATS[i],
            starts,
            edge: 0.12,
            patchy,
            faded,
            worn: 0.0,
            ends: 2.0,
        };
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
            layout: Layout::built(),
            tint: [1.12, 0.98, 0.9],
            walls: 1.0,
            fur: [214.0, 202.0, 192.0],
            plain_furs: [[214.0, 202.0, 192.0]; 4],
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
            tilt: [0.0; 2],
            bulge: 0.01,
            size: 0.97,
            spread: 0.0,
            shadow: 0.5,
            guarded: false,
            sun: [0.2, -0.5],
        }
    }
}
