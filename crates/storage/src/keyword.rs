//! Keywords: what is looked up as a whole.

use std::borrow::Cow;

use model::ByteString;

/// The longest keyword that is indexed as it is. Of longer ones this much and a hash.
const MAX_TERM: usize = 1_024;

/// A keyword as it is indexed. Indices take no term over 32 or 64 KB; long ones are therefore shortened, with a hash
/// that keeps them apart, wherever they are written or asked for.
pub(crate) fn term_text(text: &ByteString) -> Cow<'_, str> {
    if text.len() <= MAX_TERM {
        return Cow::Borrowed(text);
    }
    let cut = text.floor_char_boundary(MAX_TERM);
    let start = text.get(..cut).unwrap_or_default();
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    Cow::Owned(format!("{start}\u{1}{hash:016x}"))
}

/// Whether an indexed keyword is the text itself, and not what a long one was shortened to.
pub(crate) fn is_whole(term: &str) -> bool {
    term.len() <= MAX_TERM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keywords_are_shortened_and_stay_apart() {
        let long = |last: &str| ByteString::from("é".repeat(5_000) + last);
        let (a, b) = (long("a"), long("b"));
        assert!(term_text(&a).len() < 1_100 && !is_whole(&term_text(&a)));
        assert_ne!(term_text(&a), term_text(&b));
        assert_eq!(term_text(&ByteString::from_static("short")), "short");
    }
}
