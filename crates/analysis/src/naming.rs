//! Names as they enter ids: cut to what SkyWalking keeps of them.

/// Most UTF-16 units of a service's or an instance's name.
pub const MAX_SERVICE_UNITS: usize = 70;
/// Most UTF-16 units of an instance's name.
pub const MAX_INSTANCE_UNITS: usize = 70;
/// Most UTF-16 units of an endpoint's name.
pub const MAX_ENDPOINT_UNITS: usize = 150;

/// A service's name as it enters ids.
pub fn service(name: &str) -> &str {
    cut(name, MAX_SERVICE_UNITS)
}

/// An instance's name as it enters ids.
pub fn instance(name: &str) -> &str {
    cut(name, MAX_INSTANCE_UNITS)
}

/// An endpoint's name as it enters ids.
pub fn endpoint(name: &str) -> &str {
    cut(name, MAX_ENDPOINT_UNITS)
}

/// The longest beginning of `text` that has at most `limit` UTF-16 units, which is how Java counts. A pair of surrogates is
/// never split: half of one is no character, and no id can hold it.
pub fn cut(text: &str, limit: usize) -> &str {
    // A character has at least as many bytes as UTF-16 units.
    if text.len() <= limit {
        return text;
    }
    let mut units = 0;
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if units > limit {
            return text.get(..at).expect("char_indices answers character boundaries");
        }
    }
    text
}

/// Whether `text` has at most `limit` UTF-16 units.
pub fn fits(text: &str, limit: usize) -> bool {
    cut(text, limit).len() == text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_by_utf16_units() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc");
        assert_eq!(cut("äöüß", 3), "äöü");
        assert_eq!(cut("語語語", 3), "語語語");
        assert_eq!(cut("a😀b", 3), "a😀");
        assert_eq!(cut("ab😀", 3), "ab");
        assert_eq!(service(&"x".repeat(80)).len(), 70);
        assert!(fits("語語語", 3) && !fits("😀😀", 3));
    }
}
