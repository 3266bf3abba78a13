//! What the kernel that fills the model's input is told of a frame: planes, window, letterbox, colour, normalisation.

use crate::handover::{Colour, Frame, Matrix, PictureSize, PixelFormat};
use crate::model::Contract;
use crate::preprocess::{Normalisation, Placement};
use crate::space::{Letterbox, Window};

/// `ArenadPicture` of picture.h behind its pointers, field by field.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numbers {
    y_pitch: i32,
    chroma_pitch: i32,
    chroma_step: i32,
    left: i32,
    odd: i32,
    width: i32,
    height: i32,
    input_width: i32,
    input_height: i32,
    taps: i32,
    scale: f32,
    pad_left: f32,
    pad_top: f32,
    y_bias: i32,
    y_gain: i32,
    v_red: i32,
    u_blue: i32,
    v_green: i32,
    u_green: i32,
    factor: [f32; 3],
    shift: [f32; 3],
    padding: f32,
}

/// A window of a YUV frame. The planes have the rows that the window needs and no byte less than `numbers` says.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'f> {
    planes: [&'f [u8]; 3],
    numbers: Numbers,
}

impl<'f> Picture<'f> {
    /// Y, U and V, each from the first needed row on; V of an interleaved plane begins at its second byte.
    pub fn planes(&self) -> [&'f [u8]; 3] {
        self.planes
    }

    /// How they are read.
    pub fn numbers(&self) -> Numbers {
        self.numbers
    }
}

/// Tells the kernel of frames, for one model.
#[derive(Clone, Copy, Debug)]
pub struct Pictures {
    model: (u32, u32),
    norm: Normalisation,
}

impl Pictures {
    /// For the input that the contract says.
    pub fn new(contract: &Contract) -> Self {
        let input = &contract.written.input;
        Self { model: (input.width, input.height), norm: Normalisation::new(contract) }
    }

    /// A window of the frame and where it then lies in the input; `None` for a frame that is not YUV.
    pub fn of<'f>(&self, frame: &'f Frame, window: Window) -> Option<(Picture<'f>, Letterbox)> {
        let PictureSize { width, height } = frame.size();
        let chroma_step = match frame.format() {
            PixelFormat::Nv12 => 2,
            PixelFormat::I420 => 1,
            PixelFormat::Rgb | PixelFormat::Grey => return None,
        };
        let placement = Placement::new((width, height), window, self.model);
        let Placement { window, inner, taps } = placement;
        let odd = window.y % 2;
        let (luma, y_pitch) = rows(frame, 0, (window.y, window.height), width)?;
        let shared_rows = (window.y / 2, (odd + window.height).div_ceil(2));
        let shared = |plane| rows(frame, plane, shared_rows, width.div_ceil(2).checked_mul(chroma_step as u32)?);
        let (u, chroma_pitch) = shared(1)?;
        let v = if chroma_step == 2 { u.get(1..)? } else { shared(2).filter(|(_, pitch)| *pitch == chroma_pitch)?.0 };
        let size = |size: u32| i32::try_from(size).ok();
        let gains = Gains::new(frame.colour());
        let numbers = Numbers {
            y_pitch,
            chroma_pitch,
            chroma_step,
            left: size(window.x)?,
            odd: size(odd)?,
            width: size(window.width)?,
            height: size(window.height)?,
            input_width: size(self.model.0)?,
            input_height: size(self.model.1)?,
            taps: i32::try_from(taps).ok()?,
            scale: inner.scale,
            pad_left: inner.left,
            pad_top: inner.top,
            y_bias: gains.bias,
            y_gain: gains.y,
            v_red: gains.v_red,
            u_blue: gains.u_blue,
            v_green: gains.v_green,
            u_green: gains.u_green,
            factor: self.norm.factor,
            shift: self.norm.shift,
            padding: self.norm.padding.into(),
        };
        Some((Picture { planes: [luma, u, v], numbers }, placement.letterbox(self.model)))
    }
}

/// So many rows of a plane from the first on, each of `least` bytes or more, and its pitch; `None` where the plane does not have them.
/// The kernel counts bytes in `i32`.
fn rows(frame: &Frame, plane: usize, (first, count): (u32, u32), least: u32) -> Option<(&[u8], i32)> {
    let (bytes, pitch) = frame.plane(plane);
    if pitch < least as usize {
        return None;
    }
    let row = |row: u32| pitch.checked_mul(row as usize);
    let bytes = bytes.get(row(first)?..row(first.checked_add(count)?)?).filter(|bytes| !bytes.is_empty())?;
    i32::try_from(bytes.len()).ok()?;
    Some((bytes, i32::try_from(pitch).ok()?))
}

/// From YUV to RGB in 1/8192.
struct Gains {
    bias: i32,
    y: i32,
    v_red: i32,
    u_blue: i32,
    v_green: i32,
    u_green: i32,
}

impl Gains {
    /// By ITU-R BT.601, BT.709 and BT.2020; limited range is 16 to 235 for Y and 16 to 240 for U and V.
    fn new(Colour { matrix, full_range }: Colour) -> Self {
        let (red, blue) = match matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        };
        let green = 1.0 - red - blue;
        let (bias, luma, chroma) = if full_range { (0, 1.0, 1.0) } else { (16, 255.0 / 219.0, 255.0 / 224.0) };
        let fixed = |gain: f64| (gain * 8192.0).round() as i32;
        Self {
            bias,
            y: fixed(luma),
            v_red: fixed(2.0 * (1.0 - red) * chroma),
            u_blue: fixed(2.0 * (1.0 - blue) * chroma),
            v_green: fixed(2.0 * (1.0 - red) * red / green * chroma),
            u_green: fixed(2.0 * (1.0 - blue) * blue / green * chroma),
        }
    }
}
