//! H.264 by `rusty_h264`: keeps watch over what each picture rests on, because the library decodes on whatever it has.
//!
//! A gate decides what is shown. It opens at an IDR picture, or at a recovery point once the refresh that it announces is through,
//! and closes when a reference picture is lost: by the access unit being damaged, by a hole in `frame_num`, or by lost packets that
//! `frame_num` cannot prove harmless. Lost pictures that nothing refers to do not close it.
//!
//! What it cannot see: bytes changed or cut off inside an arithmetic-coded slice, which the library decodes to the end; so a source
//! must not hand on access units with a part missing. A stream of gradual refreshes must begin with an IDR picture.

pub(super) mod head;

use super::order::{DisplayOrder, Turn};
use super::{DecodeError, Decoder, Outcome, Picture, Planes, guarded};
use crate::handover::{AccessUnit, Colour, GapReason, PictureSize, PixelFormat};
use head::{Head, ParameterSets};

const NAME: &str = "h264";

/// Whether pictures rest on what they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// A reference was lost, or there never was one.
    Closed,
    /// A gradual refresh is on its way: right again from this `frame_num` on.
    Refreshing(u32),
    /// All references are right. After a recovery point, pictures counted before it are not.
    Open { leading: Option<i32> },
}

/// A decoded picture that waits for its turn.
struct Held {
    unit: u64,
    planes: [Vec<u8>; 3],
    width: usize,
    crop: (usize, usize),
    size: PictureSize,
    colour: Colour,
}

/// The H.264 decoder.
pub(super) struct H264 {
    library: rusty_h264_decoder::Decoder,
    sets: ParameterSets,
    order: DisplayOrder<Held>,
    gate: Gate,
    /// `frame_num` of the last reference picture.
    reference_num: u32,
    /// The library holds a picture that was never finished and will refuse the next one once.
    unfinished: bool,
    slices: SliceCount,
}

/// How many slices the stream's pictures have, where all have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SliceCount {
    Unknown,
    Always(u32),
    Varying,
}

impl SliceCount {
    fn learn(&mut self, slices: u32) {
        *self = match *self {
            Self::Unknown => Self::Always(slices),
            Self::Always(known) if known == slices => Self::Always(slices),
            _ => Self::Varying,
        };
    }
}

impl H264 {
    pub(super) fn new() -> Self {
        Self {
            library: rusty_h264_decoder::Decoder::new(),
            sets: ParameterSets::default(),
            order: DisplayOrder::new(),
            gate: Gate::Closed,
            reference_num: 0,
            unfinished: false,
            slices: SliceCount::Unknown,
        }
    }

    /// Whether every slice is there. The library would not see a slice missing in the middle, so after a loss the count must be
    /// that of every other picture.
    fn is_whole(&self, head: &Head, lost: u32) -> bool {
        head.first_mb == 0 && (lost == 0 || head.slices == 1 || self.slices == SliceCount::Always(head.slices))
    }

    /// Moves the gate for a whole picture that is about to be decoded.
    fn watch(&mut self, head: &Head, lost: u32, out: &mut dyn FnMut(Outcome<'_>)) {
        if head.idr {
            self.gate = Gate::Open { leading: None };
            self.reference_num = 0;
            self.order.begin(&mut |turn| tell(turn, out));
            self.order.set_rule(head.sps.reorder);
            return;
        }
        if self.gate != Gate::Closed && !self.references_are_there(head, lost) {
            self.gate = Gate::Closed;
        }
        if self.gate == Gate::Closed
            && let Some(refresh) = head.recovery
        {
            self.gate = match refresh {
                0 if head.intra => Gate::Open { leading: Some(i32::MAX) },
                _ => Gate::Refreshing((head.frame_num + refresh) % head.max_frame_num()),
            };
            self.reference_num = head.frame_num;
            self.order.begin(&mut |turn| tell(turn, out));
            self.order.set_rule(head.sps.reorder);
        }
        if self.gate == Gate::Refreshing(head.frame_num) {
            self.gate = Gate::Open { leading: None };
        }
    }

    /// `frame_num` rises by one after each reference picture, so a hole shows a lost one. It cannot show a hole where gaps are
    /// allowed, nor after so many lost packets that it may have come round or that an IDR picture may be among them.
    fn references_are_there(&self, head: &Head, lost: u32) -> bool {
        let max = head.max_frame_num();
        if head.sps.gaps_allowed {
            return lost == 0;
        }
        let step = (head.frame_num + max - self.reference_num) % max;
        step <= 1 && (lost == 0 || lost < max && lost <= self.reference_num)
    }

    /// The decoded picture of one access unit.
    fn run(&mut self, unit: &AccessUnit, head: &Head) -> Result<Held, DecodeError> {
        let again = std::mem::replace(&mut self.unfinished, true);
        let mut result = guarded(|| self.library.decode(&unit.data));
        if again && matches!(result, Some(Err(_))) {
            result = guarded(|| self.library.decode(&unit.data));
        }
        let frame = match result {
            Some(Ok(Some(frame))) => frame,
            Some(Ok(None)) => return Err(DecodeError::corrupt(NAME, "a part of it is missing")),
            Some(Err(error)) => return Err(DecodeError::corrupt(NAME, error.to_string())),
            None => {
                self.library = rusty_h264_decoder::Decoder::new();
                self.gate = Gate::Closed;
                return Err(DecodeError::corrupt(NAME, "the decoder gave up on it and starts anew"));
            }
        };
        self.unfinished = false;
        let (crop, size) = (head.sps.crop, head.sps.size);
        if frame.width < crop.0 + size.width as usize || frame.height < crop.1 + size.height as usize {
            return Err(DecodeError::corrupt(NAME, "its size is not what the parameter set says"));
        }
        let (width, planes) = (frame.width, [frame.y, frame.u, frame.v]);
        Ok(Held { unit: unit.stamp.frame, planes, width, crop, size, colour: head.sps.colour })
    }

    /// Whether a decoded picture rests on lost ones.
    fn is_wrong(&mut self, head: &Head, poc: i32) -> bool {
        match &mut self.gate {
            Gate::Closed | Gate::Refreshing(_) => true,
            Gate::Open { leading: None } => false,
            Gate::Open { leading: Some(point) } if head.recovery.is_some() => {
                *point = poc;
                false
            }
            Gate::Open { leading: Some(point) } if poc < *point => true,
            Gate::Open { leading } => {
                *leading = None;
                false
            }
        }
    }

    fn is_leading(&self, head: &Head) -> bool {
        head.b_frame && matches!(self.gate, Gate::Open { leading: Some(_) })
    }
}

impl Decoder for H264 {
    fn name(&self) -> &'static str {
        "rusty_h264"
    }

    fn decode(&mut self, unit: &AccessUnit, lost: u32, out: &mut dyn FnMut(Outcome<'_>)) -> Result<(), DecodeError> {
        let lose = Outcome::Lost { unit: unit.stamp.frame, reason: GapReason::NoReference };
        let head = match self.sets.read(&unit.data) {
            Ok(Some(head)) => head,
            // Its parameter sets are not here: nothing could be decoded yet, or they were lost.
            Ok(None) => {
                self.gate = Gate::Closed;
                out(lose);
                return Ok(());
            }
            Err(error) => {
                if !matches!(error, DecodeError::Corrupt { .. }) {
                    self.gate = Gate::Closed;
                }
                return Err(error);
            }
        };
        if !self.is_whole(&head, lost) {
            if head.reference || self.gate != (Gate::Open { leading: None }) {
                self.gate = Gate::Closed;
            }
            return Err(DecodeError::corrupt(NAME, "packets of it were lost"));
        }
        self.watch(&head, lost, out);
        if self.gate == Gate::Closed {
            out(lose);
            return Ok(());
        }
        // What is not shown anyway may fail for want of its references.
        let may_fail = self.is_leading(&head) || matches!(self.gate, Gate::Refreshing(_));
        let held = match self.run(unit, &head) {
            Ok(held) => held,
            Err(error) => {
                if head.reference && !self.is_leading(&head) {
                    self.gate = Gate::Closed;
                }
                if !may_fail {
                    return Err(error);
                }
                out(lose);
                return Ok(());
            }
        };
        if lost == 0 {
            self.slices.learn(head.slices);
        }
        if head.reference {
            self.reference_num = head.frame_num;
        }
        let poc = self.library.last_poc();
        if self.is_wrong(&head, poc) {
            out(lose);
        } else {
            self.order.push(poc, head.b_frame, held, &mut |turn| tell(turn, out));
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut dyn FnMut(Outcome<'_>)) {
        self.order.begin(&mut |turn| tell(turn, out));
        self.gate = Gate::Closed;
    }
}

fn tell(turn: Turn<Held>, out: &mut dyn FnMut(Outcome<'_>)) {
    let held = match turn {
        Turn::Now(held) => held,
        Turn::Late(held) => return out(Outcome::Lost { unit: held.unit, reason: GapReason::Late }),
    };
    let (left, top) = held.crop;
    let from = |plane: usize, left: usize, top: usize, stride: usize| {
        (held.planes[plane].get(top * stride + left..).unwrap_or(&[]), stride)
    };
    let half = held.width / 2;
    let planes = [from(0, left, top, held.width), from(1, left / 2, top / 2, half), from(2, left / 2, top / 2, half)];
    out(Outcome::Shown(&Picture {
        unit: held.unit,
        format: PixelFormat::I420,
        size: held.size,
        colour: held.colour,
        planes: Planes::Bytes(planes),
    }));
}
