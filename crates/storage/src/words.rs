//! Words: what a text is cut into when it is searched. Every backend cuts alike, so that phrases mean the same in all of them.

/// Longest word in bytes; what is longer is cut, in texts and in phrases alike.
const MAX_WORD: usize = 255;

/// The words of a text, in lower case: runs of letters and digits. Characters of scripts that are written without spaces
/// (Chinese, Japanese, Korean) are a word each, so that any part of a sentence is found as a phrase.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || {
        while rest.next_if(|c| !c.is_alphanumeric()).is_some() {}
        let first = rest.next()?;
        let mut word: String = first.to_lowercase().collect();
        if !stands_alone(first) {
            while let Some(c) = rest.next_if(|&c| c.is_alphanumeric() && !stands_alone(c)) {
                for c in c.to_lowercase() {
                    if word.len() + c.len_utf8() <= MAX_WORD {
                        word.push(c);
                    }
                }
            }
        }
        Some(word)
    })
}

/// Whether a character is a word by itself: ideographs, kana and Hangul.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{11FF}' | '\u{2E80}'..='\u{2FDF}' | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{318F}'
        | '\u{31A0}'..='\u{31FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{A960}'..='\u{A97F}'
        | '\u{AC00}'..='\u{D7FF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF66}'..='\u{FFDC}' | '\u{20000}'..='\u{3FFFD}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(words(text).collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn texts_are_cut_into_words() {
        check("GET /api/Users-v2 failed:", &["get", "api", "users", "v2", "failed"]);
        check(" -- ", &[]);
        check("ÉTAT straße", &["état", "straße"]);
        check("连接db2数据库失败", &["连", "接", "db2", "数", "据", "库", "失", "败"]);
        check("エラー 오류", &["エ", "ラ", "ー", "오", "류"]);
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let word = words(&"é".repeat(1_000)).next().unwrap();
        assert_eq!(word, "é".repeat(127));
    }
}
