//! What one step of the line hands to the next: one type per hand-over, and the two queue shapes.

mod frame;
mod lent;
mod queue;

pub use frame::{Colour, Frame, FramePool, Matrix, PictureSize, PixelFormat, Plane};
pub use lent::{EglImage, Kept, Lent, Surface};
pub use queue::{Line, Offer, Slot, Taken};

use crate::space::InCamera;
use crate::stamp::{Monotonic, Stamp};
use heapless::Vec;

/// Most animals, and most identities, in one scene.
pub const MAX_ANIMALS: usize = 8;
/// Most keypoints of one animal.
pub const MAX_KEYPOINTS: usize = 24;
/// Most zones of one arena.
pub const MAX_ZONES: usize = 32;
/// Most events that one frame can cause; what is beyond is counted in the ledger.
pub const MAX_EVENTS: usize = 64;
/// Most revisions that end with one frame: one of each track, and at the end of the stream one more.
pub const MAX_REVISIONS: usize = 2 * MAX_ANIMALS;
/// Most separate gaps noted before one frame; further ones are merged into the last.
pub const MAX_GAPS: usize = 8;

/// How a picture is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264 (AVC), Annex B.
    H264,
    /// H.265 (HEVC), Annex B.
    H265,
    /// Baseline or progressive JPEG: MJPEG cameras and `.jpg` folders.
    Jpeg,
    /// PNG: folders of stills.
    Png,
    /// Not coded: the pixels as a video device gives them.
    Raw(RawPicture),
}

/// The word for the log, the status and the operator.
impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Jpeg => "Jpeg",
            Self::Png => "Png",
            Self::Raw(raw) => match raw.pixels {
                RawPixels::Yuyv => "YUYV",
                RawPixels::Nv12 => "NV12",
                RawPixels::Grey => "GREY",
            },
        })
    }
}

/// How a picture lies in an access unit that is not coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawPicture {
    /// The order of the samples.
    pub pixels: RawPixels,
    /// Size in pixels.
    pub size: PictureSize,
    /// Bytes from one row to the next, in each plane.
    pub stride: u32,
    /// Colour description; means nothing for `Grey`.
    pub colour: Colour,
}

/// The order of the samples of a picture that is not coded, by the kernel's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RawPixels {
    /// One plane; two pixels are Y, U, Y, V.
    Yuyv,
    /// Two planes: Y, then U and V interleaved at half width and half height.
    Nv12,
    /// One plane of Y.
    Grey,
}

impl RawPicture {
    /// Bytes of a picture, up to the last sample that counts.
    pub fn least_bytes(&self) -> usize {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let pairs = 2 * width.div_ceil(2);
        let (rows, last) = match self.pixels {
            RawPixels::Yuyv => (height, 2 * pairs),
            RawPixels::Nv12 => (height + height.div_ceil(2), pairs),
            RawPixels::Grey => (height, width),
        };
        rows.saturating_sub(1) * self.stride as usize + last
    }
}

/// One coded picture as the camera sent it. Shared and read only.
#[derive(Clone, Debug)]
pub struct AccessUnit {
    /// Annex B (parameter sets before each key picture), one whole JPEG or PNG, or the pixels of one picture.
    pub data: bytes::Bytes,
    /// How it is coded.
    pub codec: Codec,
    /// Decoding can start here. True for each picture that is coded by itself.
    pub key: bool,
    /// Network packets known to be lost since the access unit before; pictures may be missing or damaged.
    pub packets_lost: u32,
    /// A new connection (or file) starts here: nothing before it may be referred to.
    pub restart: bool,
    /// Presentation time, in units of 1/90000 s from any start, rising in display order (not in this order with B-frames).
    pub presentation: i64,
    /// Which and when. Numbered in the order of arrival.
    pub stamp: Stamp,
}

/// Why frame numbers are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The access unit could not be decoded.
    Corrupt,
    /// Decodable, but its references were lost: waiting for the next key picture.
    NoReference,
    /// It did not come in time: the camera lost it, or the line was behind and went on with a newer one.
    Late,
    /// No free frame buffer: sinks hold too many.
    NoBuffer,
    /// The model could not run on it.
    Inference,
    /// Its scene stood, but the disk could not take it; only files have this reason.
    Disk,
}

impl GapReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Corrupt, Self::NoReference, Self::Late, Self::NoBuffer, Self::Inference, Self::Disk];

    /// The word on the wire and in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::NoReference => "no-reference",
            Self::Late => "late",
            Self::NoBuffer => "no-buffer",
            Self::Inference => "inference",
            Self::Disk => "disk",
        }
    }
}

/// Frame numbers that will never become scenes, first and last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// First missing frame number.
    pub first: u64,
    /// Last missing frame number.
    pub last: u64,
    /// Why.
    pub reason: GapReason,
}

impl Gap {
    /// How many frames are missing.
    pub fn frames(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// The gaps noted before one frame, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps(Vec<Gap, MAX_GAPS>);

impl Gaps {
    /// Notes a gap. One that continues the last with the same reason lengthens it; when the list is full the last one grows.
    pub fn note(&mut self, gap: Gap) {
        if let Some(last) = self.0.last_mut()
            && (last.last.checked_add(1) == Some(gap.first) && last.reason == gap.reason)
        {
            last.last = gap.last;
            return;
        }
        if let Err(gap) = self.0.push(gap)
            && let Some(last) = self.0.last_mut()
        {
            last.first = last.first.min(gap.first);
            last.last = last.last.max(gap.last);
        }
    }

    /// Notes one missing frame.
    pub fn note_one(&mut self, frame: u64, reason: GapReason) {
        self.note(Gap { first: frame, last: frame, reason });
    }

    /// Notes all of `later`.
    pub fn extend(&mut self, later: &Gaps) {
        for gap in &later.0 {
            self.note(*gap);
        }
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Gap> {
        self.0.iter()
    }

    /// How many frames are missing in all.
    pub fn frames(&self) -> u64 {
        self.0.iter().map(Gap::frames).sum()
    }

    /// None noted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// One body part where the model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Keypoint {
    /// Where, camera pixels.
    pub at: InCamera,
    /// How sure the model is, 0 to 1.
    pub score: f32,
}

/// The body parts of one animal; `None` is missing. Indexed as `keypoints` in `model.toml`.
pub type Keypoints = [Option<Keypoint>; MAX_KEYPOINTS];

/// Some of the keypoints, by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KeypointSet(u32);

// Each index has its bit.
const _: () = assert!(MAX_KEYPOINTS <= u32::BITS as usize);

impl KeypointSet {
    /// Those that are not missing.
    pub fn present(keypoints: &Keypoints) -> Self {
        keypoints.iter().enumerate().filter(|(_, keypoint)| keypoint.is_some()).map(|(index, _)| index).collect()
    }

    /// Adds one; an index beyond `MAX_KEYPOINTS` is no keypoint's and changes nothing.
    pub fn insert(&mut self, index: usize) {
        if index < MAX_KEYPOINTS {
            self.0 |= 1 << index;
        }
    }

    /// Whether this one is among them.
    pub fn contains(self, index: usize) -> bool {
        index < MAX_KEYPOINTS && self.0 >> index & 1 == 1
    }

    /// None is.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }
}

impl FromIterator<usize> for KeypointSet {
    fn from_iter<I: IntoIterator<Item = usize>>(indexes: I) -> Self {
        indexes.into_iter().fold(Self::default(), |mut set, index| {
            set.insert(index);
            set
        })
    }
}

/// How likely each of the arena's animals shows the colour seen around each keypoint: 0 to 1, summing to 1 for a keypoint; all 0 where
/// nothing is known.
pub type Coats = [[f32; MAX_ANIMALS]; MAX_KEYPOINTS];

/// The keypoints of one animal in one frame, not yet anybody's.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Pose {
    /// Body parts, camera pixels.
    pub keypoints: Keypoints,
    /// Whose coat each of them lies on.
    pub coats: Coats,
    /// Where the body is, camera pixels; always given.
    pub centre: InCamera,
    /// Likelihood of each of the arena's animals given this picture, each 0 to 1, summing to 1; all equal when unknown. As the reader of
    /// heads gives it, over the model's identities: `paint` turns these into the arena's.
    pub identity: [f32; MAX_ANIMALS],
    /// How sure the model is that this is an animal, 0 to 1.
    pub score: f32,
}

/// The poses of one frame, best score first.
pub type Poses = Vec<Pose, MAX_ANIMALS>;

/// Index into the model's identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(pub u8);

/// Index into the configured zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(pub u8);

/// An unbroken run of poses of one animal. Numbered from 1, never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u32);

/// How an animal's place in a scene is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A pose of this frame.
    Seen,
    /// No pose in this frame; the place is the motion model's, for a short while.
    Predicted,
    /// Out of sight; the place is where it vanished.
    Hidden,
    /// Never seen since the start.
    Unseen,
}

impl State {
    /// The word on the wire and in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Predicted => "predicted",
            Self::Hidden => "hidden",
            Self::Unseen => "unseen",
        }
    }
}

/// Where and when a hidden animal was last seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vanished {
    /// Body centre when last seen, camera pixels.
    pub at: InCamera,
    /// Frame number when last seen.
    pub frame: u64,
    /// The zone it was in.
    pub zone: Option<Zone>,
}

/// One identity in one scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Animal {
    /// Which animal. Each stands at most once in a scene; `None` is a track whose name is withheld.
    pub identity: Option<Identity>,
    /// Probability that the track is this identity, 0 to 1; hidden: that it is still out of sight, fading; 0 for `Unseen`.
    pub p: f32,
    /// The track that carries it, when seen or predicted.
    pub track: Option<TrackId>,
    /// Seen, predicted, hidden or never seen.
    pub state: State,
    /// Body centre, camera pixels; `None` only for `Unseen`.
    pub centre: Option<InCamera>,
    /// The zone that holds the body centre.
    pub zone: Option<Zone>,
    /// Body parts, camera pixels; all `None` unless seen or predicted.
    pub keypoints: Keypoints,
    /// Which of them were not seen in this frame: their places follow from the frames before. All, when predicted.
    pub predicted: KeypointSet,
    /// Where it vanished, when hidden.
    pub vanished: Option<Vanished>,
}

/// What is known at one frame: every identity in the model's order, then tracks whose name is withheld.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Scene {
    /// Which frame and when.
    pub stamp: Stamp,
    /// Frames missing since the scene before this one.
    pub gaps: Gaps,
    /// The animals.
    pub animals: Vec<Animal, MAX_ANIMALS>,
}

/// Something worth a message of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// An identity's body centre entered a zone.
    ZoneEntered {
        /// Who.
        identity: Identity,
        /// Where.
        zone: Zone,
    },
    /// An identity's body centre left a zone.
    ZoneLeft {
        /// Who.
        identity: Identity,
        /// Where.
        zone: Zone,
    },
    /// An identity went out of sight.
    Vanished {
        /// Who.
        identity: Identity,
        /// Where and when last seen.
        last: Vanished,
    },
    /// A hidden or new identity came into sight.
    Appeared {
        /// Who.
        identity: Identity,
        /// Where, camera pixels.
        at: InCamera,
    },
    /// A rule fired.
    Triggered {
        /// Index of the rule in the configuration.
        rule: u8,
        /// Who set it off.
        identity: Identity,
        /// From the arrival of the access unit to the pin being set, nanoseconds.
        latency_ns: u64,
    },
    /// Frames are missing.
    Gap(Gap),
    /// Two bodies touch.
    ContactBegan {
        /// One, the first in the model's order.
        a: Identity,
        /// The other.
        b: Identity,
    },
    /// Two bodies that touched are apart.
    ContactEnded {
        /// One, the first in the model's order.
        a: Identity,
        /// The other.
        b: Identity,
    },
    /// A name that was published live turned out to be another's.
    IdentityRevised(Revision),
}

/// A run of frames in which a track's settled name differs from the live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Which track.
    pub track: TrackId,
    /// The first frame of the run.
    pub first: u64,
    /// The last frame of the run.
    pub last: u64,
    /// The live name.
    pub from: Identity,
    /// The settled name; `None` when it is withheld.
    pub to: Option<Identity>,
    /// Why.
    pub why: RevisionReason,
}

/// Why a live name was revised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisionReason {
    /// The track may have exchanged its animal with another; who that was, where its name is known.
    Contact(Option<Identity>),
    /// The track was new and little was known of it.
    NewTrack,
    /// What came later says otherwise.
    LaterEvidence,
}

impl RevisionReason {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Contact(_) => "contact",
            Self::NewTrack => "new-track",
            Self::LaterEvidence => "later-evidence",
        }
    }
}

/// When each step was done with a frame, monotonic. Zero where a step did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Steps {
    /// The decoder gave the picture out.
    pub decoded: Monotonic,
    /// The tracking thread took the frame.
    pub taken: Monotonic,
    /// The model's input was filled.
    pub preprocessed: Monotonic,
    /// The model had run.
    pub inferred: Monotonic,
    /// Poses were read from the heads.
    pub posed: Monotonic,
    /// The scene stood.
    pub tracked: Monotonic,
    /// Rules were decided and pins set.
    pub acted: Monotonic,
}

/// What every sink is offered for each scene. Cheap to clone: the frame is shared.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The scene.
    pub scene: Scene,
    /// What happened in it.
    pub events: Vec<Event, MAX_EVENTS>,
    /// When each step was done with it.
    pub steps: Steps,
    /// The picture, for sinks that show it. Holding it long starves the pool, so a sink takes it and drops it at once.
    pub frame: Option<Frame>,
}

/// The name that an animal of a scene had when the scene went out live.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct LiveName {
    /// The name; `None` when it was withheld, or when the animal stood elsewhere.
    pub identity: Option<Identity>,
    /// How probable it was, 0 to 1; `None` where the scene had nothing like it.
    pub p: Option<f32>,
}

/// A frame seen again with what came after it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Settled {
    /// The scene with settled names. Its gaps are those of the live scene.
    pub scene: Scene,
    /// The live name of each animal of the scene, in its order.
    pub live: Vec<LiveName, MAX_ANIMALS>,
    /// Revisions of names that end with this frame or just before it.
    pub events: Vec<Event, MAX_REVISIONS>,
}

impl Settled {
    /// A scene that is settled as it went out live.
    pub fn as_live(scene: Scene) -> Self {
        let live =
            scene.animals.iter().map(|animal| LiveName { identity: animal.identity, p: Some(animal.p) }).collect();
        Self { scene, live, events: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_no_index_beyond_the_last() {
        let set: KeypointSet = [0, MAX_KEYPOINTS - 1, MAX_KEYPOINTS, usize::MAX].into_iter().collect();
        let inside: std::vec::Vec<_> = (0..100).filter(|index| set.contains(*index)).collect();
        assert_eq!(inside, [0, MAX_KEYPOINTS - 1]);
        assert!(KeypointSet::present(&[None; MAX_KEYPOINTS]).is_empty() && !set.is_empty());
    }

    #[test]
    fn gaps_that_continue_each_other_are_one() {
        let mut gaps = Gaps::default();
        gaps.note_one(3, GapReason::Late);
        gaps.note_one(4, GapReason::Late);
        gaps.note_one(5, GapReason::Corrupt);
        let noted: std::vec::Vec<_> = gaps.iter().copied().collect();
        assert_eq!(
            noted,
            [Gap { first: 3, last: 4, reason: GapReason::Late }, Gap { first: 5, last: 5, reason: GapReason::Corrupt }]
        );
        assert_eq!(gaps.frames(), 3);
    }

    #[test]
    fn a_full_list_of_gaps_still_covers_every_frame() {
        let mut gaps = Gaps::default();
        for n in 0..20 {
            gaps.note_one(n, if n % 2 == 0 { GapReason::Late } else { GapReason::Corrupt });
        }
        assert_eq!(gaps.frames(), 20);
    }
}
