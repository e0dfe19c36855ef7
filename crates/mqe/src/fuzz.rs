//! What random bytes are fed to: by the fuzzer (`fuzz/`), and in small by the test here.

use crate::{evaluate, parse, parse_whole};

/// Any bytes as an expression. Panics where parsing, printing or evaluating does, or where what was printed is not read as the same.
pub fn expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(expr) = parse(text) else { return };
    let printed = expr.to_string();
    // Printing writes brackets where the reader needs none, so the longest texts and the deepest trees may not fit again.
    if let Ok(again) = parse_whole(&printed) {
        assert_eq!(again, expr, "{text}: {printed}");
    }
    drop((expr.needs(), evaluate(&expr, &[], 60)));
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_as_an_expression(
            data in vec(any::<u8>(), 0..100),
            text in "[a-z_]{1,4}(\\{[a-z]{1,2}='[0-9a-z,]{0,5}'\\})?([-+*/><=!& ]{1,2}[a-z0-9.()]{1,6}){0,8}",
        ) {
            expression(&data);
            expression(text.as_bytes());
        }
    }
}
