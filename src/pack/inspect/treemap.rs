//! Shows sizes as areas: divides a rectangle into rectangles that are nearly squares
//! (Bruls, Huizing and van Wijk, "Squarified Treemaps", 2000).

/// A rectangle. The caller chooses the unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    /// The area inside these margins.
    pub fn within(self, top: f64, others: f64) -> Self {
        Self {
            x: self.x + others,
            y: self.y + top,
            width: (self.width - 2.0 * others).max(0.0),
            height: (self.height - top - others).max(0.0),
        }
    }
}

/// Divides `area` in proportion to sizes, which are in descending order. Returns one
/// part for each size, in the same order.
pub fn cut(sizes: &[u64], area: Area) -> Vec<Area> {
    let mut parts = Vec::with_capacity(sizes.len());
    let mut left = area;
    let mut rest = sizes;
    let mut total: f64 = sizes.iter().map(|&size| size as f64).sum();
    while let Some(&first) = rest.first() {
        let scale = left.width * left.height / total.max(1.0);
        let side = left.width.min(left.height);
        let mut sum = first as f64;
        let mut count = 1;
        while let Some(&next) = rest.get(count) {
            let longer = sum + next as f64;
            let before = worst(first, rest[count - 1], sum, scale, side);
            if worst(first, next, longer, scale, side) > before {
                break;
            }
            sum = longer;
            count += 1;
        }
        let (row, others) = rest.split_at(count);
        left = lay(row, scale, left, &mut parts);
        rest = others;
        total -= sum;
    }
    parts
}

/// The largest ratio of the sides of a rectangle in a row. The row has sizes from
/// `first` to `last`, has this sum, and lies along a side of this length. Either the
/// first or the last rectangle has the largest ratio.
fn worst(first: u64, last: u64, sum: f64, scale: f64, side: f64) -> f64 {
    let thickness = at_least(sum * scale / at_least(side));
    let farthest = |size: u64| {
        let ratio = at_least(size as f64 * scale / thickness / thickness);
        ratio.max(1.0 / ratio)
    };
    farthest(first).max(farthest(last))
}

/// Avoids a division by zero.
fn at_least(value: f64) -> f64 {
    value.max(1e-9)
}

/// Places a row along the shorter side. Returns the area that is left.
fn lay(row: &[u64], scale: f64, area: Area, parts: &mut Vec<Area>) -> Area {
    let sum: f64 = row.iter().map(|&size| size as f64 * scale).sum();
    let upright = area.width >= area.height;
    let side = if upright { area.height } else { area.width };
    let thickness = sum / at_least(side);
    let mut along = 0.0;
    for &size in row {
        let length = size as f64 * scale / at_least(thickness);
        let (x, y, width, height) = match upright {
            true => (0.0, along, thickness, length),
            false => (along, 0.0, length, thickness),
        };
        let (x, y) = (area.x + x, area.y + y);
        parts.push(Area {
            x,
            y,
            width,
            height,
        });
        along += length;
    }
    let (x, y) = match upright {
        true => (thickness, 0.0),
        false => (0.0, thickness),
    };
    Area {
        x: area.x + x,
        y: area.y + y,
        width: (area.width - x).max(0.0),
        height: (area.height - y).max(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Area = Area {
        x: 10.0,
        y: 20.0,
        width: 600.0,
        height: 400.0,
    };

    #[test]
    fn the_parts_are_as_large_as_the_sizes() {
        let sizes = [6, 6, 4, 3, 2, 2, 1];
        let parts = cut(&sizes, AREA);
        assert_eq!(parts.len(), sizes.len());
        for (part, size) in parts.iter().zip(sizes) {
            let share = part.width * part.height / (600.0 * 400.0);
            assert!((share - size as f64 / 24.0).abs() < 1e-9, "{part:?}");
            let ratio = part.width / part.height;
            assert!((0.3..3.4).contains(&ratio), "{part:?}");
            assert!(part.x >= 10.0 && part.x + part.width < 610.0 + 1e-6);
            assert!(part.y >= 20.0 && part.y + part.height < 420.0 + 1e-6);
        }
    }

    #[test]
    fn nothing_and_the_very_large_have_their_parts() {
        for sizes in [&[0, 0][..], &[u64::MAX, 1, 0], &[], &[0; 100_000]] {
            let parts = cut(sizes, AREA);
            assert_eq!(parts.len(), sizes.len());
            for part in parts {
                assert!(
                    part.width.is_finite() && part.height.is_finite(),
                    "{part:?}"
                );
            }
        }
    }
}
