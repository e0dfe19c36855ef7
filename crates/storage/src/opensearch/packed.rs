//! Bytes as text, for what a document carries and nobody searches.
//!
//! Base64 would take a third more and hide what the bytes have in common from the cluster's compression. What agents send is mostly
//! plain text, so plain text stays as it is: every byte is one character, printable ASCII itself and the others those from U+0100 on,
//! so that nothing needs escaping in JSON.

/// The first of the characters that stand for a byte that cannot stand for itself.
const BASE: u32 = 0x100;

/// Whether a byte is its own character.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// UTF-8 of each byte's character. The first byte of those that are not plain is never zero.
const CHARACTERS: [[u8; 2]; 256] = {
    let mut table = [[0; 2]; 256];
    let mut byte = 0u8;
    loop {
        table[byte as usize] = if is_plain(byte) { [0, byte] } else { [0xC4 + (byte >> 6), 0x80 | (byte & 0x3F)] };
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// Appends the characters of the bytes.
pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + bytes.len() / 4);
    let mut rest = bytes;
    while !rest.is_empty() {
        let plain = rest.iter().position(|&byte| !is_plain(byte)).unwrap_or(rest.len());
        let (run, others) = rest.split_at(plain);
        out.extend_from_slice(run);
        rest = others;
        while let Some((&byte, others)) = rest.split_first().filter(|(byte, _)| !is_plain(**byte)) {
            out.extend_from_slice(&CHARACTERS[usize::from(byte)]);
            rest = others;
        }
    }
}

/// The bytes of such a text; `None` for a text that is none.
pub(super) fn take(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        let byte = match u8::try_from(character) {
            Ok(byte) => Some(byte).filter(|&byte| is_plain(byte)),
            Err(_) => u8::try_from(u32::from(character).checked_sub(BASE)?).ok().filter(|&byte| !is_plain(byte)),
        };
        bytes.push(byte?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        put(&mut out, bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_byte_comes_back_and_none_needs_escaping() {
        let all: Vec<u8> = (0..=255).collect();
        let text = text(&all);
        assert_eq!(text.chars().count(), 256);
        assert_eq!(take(&text).as_deref(), Some(all.as_slice()));
        assert_eq!(serde_json::to_string(&text).unwrap(), format!("\"{text}\""));
        assert_eq!(text.len(), 256 + (256 - 93));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["\"", "\n", "ÿ", "\u{141}", "\u{200}", "数"] {
            assert_eq!(take(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(take(&text(&bytes)), Some(bytes));
        }
    }
}
