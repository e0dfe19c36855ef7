//! Random ids that nobody must guess or repeat. No secret depends on them.

use storage::chance::random;

/// A random UUID (version 4).
pub(crate) fn uuid() -> String {
    let bits = (u128::from(random()) << 64) | u128::from(random());
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).expect("32 digits of ASCII");
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_form_and_never_repeats() {
        let (a, b) = (uuid(), uuid());
        assert_ne!(a, b);
        let parts: Vec<usize> = a.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(a.chars().nth(14), Some('4'));
        assert!(a.chars().nth(19).is_some_and(|digit| "89ab".contains(digit)));
    }
}
