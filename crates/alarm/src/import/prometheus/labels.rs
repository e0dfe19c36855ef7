//! Values of labels, and durations, as Prometheus writes them.

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// It is the text.
    Equal,
    /// It matches the regular expression as a whole.
    Matches,
}

/// The values that a test is true of: of a regular expression those that it lists with `|`.
pub(super) fn values(test: Test, text: &str) -> Result<Vec<String>, String> {
    if test == Test::Equal {
        return Ok(vec![text.to_owned()]);
    }
    let (mut all, mut value, mut chars) = (Vec::new(), String::new(), text.chars());
    while let Some(c) = chars.next() {
        match c {
            '|' => all.push(std::mem::take(&mut value)),
            '\\' => match chars.next() {
                Some(c) if c.is_ascii_punctuation() => value.push(c),
                _ => {
                    return Err(format!(
                        "of regular expressions only names with | between them are taken over: {text:?}"
                    ));
                }
            },
            '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => {
                return Err(format!("of regular expressions only names with | between them are taken over: {text:?}"));
            }
            c => value.push(c),
        }
    }
    all.push(value);
    Ok(all)
}

/// The seconds of a duration: `5m`, `1h30m`; `None`: it is none, or shorter than a second.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let (mut total, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(letters)?;
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            "y" => 31_536_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = tail;
    }
    Some(total).filter(|total| *total > 0)
}
