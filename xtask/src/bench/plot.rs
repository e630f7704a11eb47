//! Pictures for the page: bars and lines as SVG, with axes, units, and colours for light and dark.

mod bars;
mod lines;
mod scale;
mod svg;

pub(crate) use self::bars::{Bar, bars};
pub(crate) use self::lines::{Axis, Line, lines};
