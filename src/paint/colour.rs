//! The colour of single pixels of a frame, and what of it outlasts a change of light.

use crate::handover::{Colour, Frame, Matrix, PixelFormat};
use crate::space::InCamera;

/// Added to the brightness under a pixel's colour difference, so that the dark says nothing of colour; 0 to 255.
const DARK: f32 = 24.0;
/// Where every channel is above this the picture is burnt out.
const BURNT: f32 = 247.0;

/// Blueness, redness and brightness of a pixel: differences of ITU-R BT.601 from grey over the brightness, and the logarithm of the
/// brightness. A change of exposure moves the third alone.
pub type Tint = [f32; 3];

/// Reads single pixels of one frame.
#[derive(Debug)]
pub struct Eye<'a> {
    planes: [(&'a [u8], usize); 3],
    format: PixelFormat,
    width: usize,
    height: usize,
    /// Brightness: scale and offset. Colour differences: what of V goes to red, U and V to green, U to blue.
    luma: (f32, f32),
    red: f32,
    green: (f32, f32),
    blue: f32,
}

impl<'a> Eye<'a> {
    /// For one frame; `None` where pixels have no colour.
    pub fn new(frame: &'a Frame) -> Option<Self> {
        if frame.format() == PixelFormat::Grey {
            return None;
        }
        let Colour { matrix, full_range } = frame.colour();
        let (kr, kb) = match matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        };
        let kg = 1.0 - kr - kb;
        let (scale, offset, chroma) = if full_range { (1.0, 0.0, 1.0) } else { (255.0 / 219.0, 16.0, 255.0 / 224.0) };
        let (red, blue) = (2.0 * (1.0 - kr) * chroma, 2.0 * (1.0 - kb) * chroma);
        let size = frame.size();
        Some(Self {
            planes: std::array::from_fn(|index| frame.plane(index)),
            format: frame.format(),
            width: size.width as usize,
            height: size.height as usize,
            luma: (scale, offset),
            red,
            green: (-kb * blue / kg, -kr * red / kg),
            blue,
        })
    }

    /// Red, green and blue, 0 to 255, of the pixel there; `None` outside the picture.
    pub fn rgb(&self, place: InCamera) -> Option<[f32; 3]> {
        // Written so that NaN is outside too.
        if !(place.x >= -0.5 && place.y >= -0.5) {
            return None;
        }
        let (x, y) = ((place.x + 0.5) as usize, (place.y + 0.5) as usize);
        if x >= self.width || y >= self.height {
            return None;
        }
        let sample = |plane: usize, x: usize, y: usize| {
            let (bytes, stride) = self.planes[plane];
            bytes.get(y * stride + x).map(|byte| f32::from(*byte))
        };
        let (luma, u, v) = match self.format {
            PixelFormat::Grey => return None,
            PixelFormat::Rgb => {
                return Some([sample(0, 3 * x, y)?, sample(0, 3 * x + 1, y)?, sample(0, 3 * x + 2, y)?]);
            }
            PixelFormat::I420 => (sample(0, x, y)?, sample(1, x / 2, y / 2)?, sample(2, x / 2, y / 2)?),
            PixelFormat::Nv12 => {
                let x2 = x / 2 * 2;
                (sample(0, x, y)?, sample(1, x2, y / 2)?, sample(1, x2 + 1, y / 2)?)
            }
        };
        let luma = (luma - self.luma.1) * self.luma.0;
        let (u, v) = (u - 128.0, v - 128.0);
        let rgb = [luma + self.red * v, luma + self.green.0 * u + self.green.1 * v, luma + self.blue * u];
        Some(rgb.map(|value| value.clamp(0.0, 255.0)))
    }

    /// The tint of the pixel there; `None` outside the picture and where it is burnt out.
    pub fn tint(&self, place: InCamera) -> Option<Tint> {
        let rgb = self.rgb(place)?;
        if rgb.iter().all(|value| *value > BURNT) { None } else { Some(tint(rgb)) }
    }
}

/// Red, green and blue, 0 to 255, that have this tint.
pub fn rgb([blueness, redness, brightness]: &Tint) -> [f32; 3] {
    let over = brightness.exp();
    let luma = over - DARK;
    let (blue, red) = (luma + blueness * over / 0.564, luma + redness * over / 0.713);
    [red, (luma - 0.299 * red - 0.114 * blue) / 0.587, blue].map(|value| value.clamp(0.0, 255.0))
}

/// The tint of red, green and blue, 0 to 255.
pub fn tint([red, green, blue]: [f32; 3]) -> Tint {
    let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
    let over = luma + DARK;
    [0.564 * (blue - luma) / over, 0.713 * (red - luma) / over, over.ln()]
}
