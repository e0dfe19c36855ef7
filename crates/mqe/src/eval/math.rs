//! Each value for itself, and each value with the one some buckets earlier.

use std::rc::Rc;

use super::value::Value;
use crate::ast::{MathFunction, Trend};

/// `abs(e)`, `ceil(e)`, `floor(e)`, `round(e, places)`.
pub(super) fn math(function: MathFunction, mut value: Value) -> Value {
    if let MathFunction::Round(_) = function {
        value.rows.iter_mut().for_each(|row| row.values_mut().keep(f64::is_finite));
    }
    value.map(|number| match function {
        MathFunction::Abs => number.abs(),
        MathFunction::Ceil => number.ceil(),
        MathFunction::Floor => number.floor(),
        MathFunction::Round(places) => round(number, places),
    })
}

/// Rounds the decimal digits as they are shown, a half away from 0: 1.005 to two places is 1.01, though its binary value is a
/// little less.
fn round(number: f64, places: u32) -> f64 {
    let text = number.to_string();
    let Some((whole, fraction)) = text.split_once('.') else { return number };
    let places = usize::try_from(places).unwrap_or(usize::MAX);
    if fraction.len() <= places {
        return number;
    }
    let digits: String = whole.chars().filter(char::is_ascii_digit).chain(fraction.chars().take(places)).collect();
    let up = fraction.chars().nth(places).is_some_and(|digit| digit >= '5');
    let digits = if up { incremented(&digits) } else { digits };
    let sign = if whole.starts_with('-') { "-" } else { "" };
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{sign}{whole}.{fraction}0").parse().unwrap_or(number)
}

/// A string of decimal digits, plus one.
fn incremented(digits: &str) -> String {
    let kept = digits.trim_end_matches('9');
    let nines = digits.len() - kept.len();
    let mut next: String = kept.to_owned();
    let last = next.pop().unwrap_or('0');
    next.push(char::from_digit(last.to_digit(10).unwrap_or_default() + 1, 10).unwrap_or('0'));
    next.push_str(&"0".repeat(nines));
    next
}

/// `increase` and `rate` of a series that begins `range` buckets early: the result has `range` fewer.
pub(super) fn trend(trend: Trend, mut value: Value, range: u32, step_seconds: u32) -> Value {
    let back = usize::try_from(range).unwrap_or(usize::MAX);
    let seconds = match trend {
        Trend::Increase => 1.0,
        Trend::Rate => f64::from(range) * f64::from(step_seconds),
    };
    for row in &mut value.rows {
        let mut later = row.values.skip(back);
        let mut earlier = (*row.values).clone();
        earlier.resize(later.n_buckets());
        later.zip(&earlier, |now, then| (now - then) / seconds);
        row.values = Rc::new(later);
        row.marks = row.marks.iter().skip(back).cloned().collect();
    }
    value
}
