//! Display colours as the standard wants them.

/// CIELab of an sRGB colour under D50, scaled to 16 bits (PS3.3 section C.10.7.1.1).
pub(super) fn cielab(rgb: [u8; 3]) -> [u16; 3] {
    let [r, g, b] = rgb.map(|channel| {
        let v = f64::from(channel) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    // sRGB to XYZ adapted to D50 (IEC 61966-2-1 with the Bradford transform), relative to the D50 white.
    let x = (0.436_074_7 * r + 0.385_064_9 * g + 0.143_080_4 * b) / 0.964_22;
    let y = 0.222_504_5 * r + 0.716_878_6 * g + 0.060_616_9 * b;
    let z = (0.013_932_2 * r + 0.097_104_5 * g + 0.714_173_3 * b) / 0.825_21;
    let f = |t: f64| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 };
    let lightness = 116.0 * f(y) - 16.0;
    let (a, b) = (500.0 * (f(x) - f(y)), 200.0 * (f(y) - f(z)));
    let scale =
        |value: f64, least: f64, range: f64| ((value - least) / range * 65535.0).round().clamp(0.0, 65535.0) as u16;
    [scale(lightness, 0.0, 100.0), scale(a, -128.0, 255.0), scale(b, -128.0, 255.0)]
}

#[cfg(test)]
mod tests {
    use super::cielab;

    /// Against Lindbloom's published L*a*b* (D50) of the sRGB primaries: red 54.29 80.81 69.89, green 87.82 -79.27 80.99.
    #[test]
    fn primaries_agree_with_published_values() {
        for (rgb, lab) in [
            ([255, 0, 0], [54.29, 80.81, 69.89]),
            ([0, 255, 0], [87.82, -79.27, 80.99]),
            ([255, 255, 255], [100.0, 0.0, 0.0]),
            ([0, 0, 0], [0.0, 0.0, 0.0]),
        ] {
            let [l, a, b] = cielab(rgb).map(f64::from);
            let got = [l / 65535.0 * 100.0, a / 65535.0 * 255.0 - 128.0, b / 65535.0 * 255.0 - 128.0];
            for (got, want) in got.iter().zip(lab) {
                assert!((got - want).abs() < 0.05, "{rgb:?}: {got} instead of {want}");
            }
        }
    }
}
