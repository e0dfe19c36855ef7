//! What random bytes are fed to: by the fuzzer (`fuzz/`), and in small by the test here.

use crate::oal;

/// Any bytes as a file of metrics. Panics where reading does, or where a mistake does not lie in the file.
pub fn oal(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Err(errors) = oal::read([("fuzz.oal", text)]) else { return };
    assert!(!errors.is_empty(), "refused for nothing: {text}");
    let n_lines = text.split('\n').count();
    for error in errors {
        let line = usize::try_from(error.at.line).expect("32 bits fit");
        assert!((1..=n_lines).contains(&line), "{error} lies outside of {text:?}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_as_a_file_of_metrics(
            data in vec(any::<u8>(), 0..100),
            text in "([a-z_]{1,3} ?= ?from\\((Service|Endpoint|All|X)\\.(latency|status|\\*)\\)\\.[a-z]{1,4}\\([a-z =<>0-9\"]{0,12}\\);?\n?){0,4}",
        ) {
            oal(&data);
            oal(text.as_bytes());
        }
    }
}
