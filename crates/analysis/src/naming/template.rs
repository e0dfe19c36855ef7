//! Templates of URLs: what in a path is an id, a number, a date and so on becomes `{var}`, as a rule for it would be written.
//!
//! The template of a name depends on the name alone, so that all nodes agree on it. It is a guess by form: words stay, what words
//! do not look like goes. A guess that is wrong folds endpoints together that should be apart, which is why it is made for services
//! with too many of them only, unless the operator asks for it.

use super::tree::VAR;

/// So many digits in a row are no word's.
const DIGITS: usize = 4;
/// Hexadecimal digits that with a decimal one among them make a hash; twice as many need none.
const HEX: usize = 8;
/// Random characters that make an id.
const RANDOM: usize = 10;
/// Changes between letters and digits in such.
const CHANGES: usize = 3;
/// The longest ending of a file's name.
const ENDING: usize = 5;
/// Longer than any part of a path that a person has written as such.
const LONG: usize = 64;

/// The template of an endpoint's name: of each part between slashes that does not look like a word, `{var}`; of a query or matrix
/// parameters, one `{var}` for all. `None` where nothing is to be replaced. What stands before the first slash (a method, a protocol)
/// stays, so that a name without slashes, such as a method's, has no template. The template of a template is itself.
pub fn template(name: &str) -> Option<String> {
    let (path, query) = match name.find(['?', '#']) {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    let (head, rest) = path.split_once('/')?;
    let mut text = String::new();
    let mut replaced = false;
    text.push_str(head);
    // `http://shop:8080/…`: the host is as fixed as the protocol.
    let (host, rest) = match rest.strip_prefix('/').filter(|_| head.ends_with(':')) {
        Some(rest) => rest.split_once('/').map(|(host, rest)| (Some(host), rest))?,
        None => (None, rest),
    };
    if let Some(host) = host {
        text.push_str("//");
        text.push_str(host);
    }
    for part in rest.split('/') {
        text.push('/');
        let (word, parameters) = part.split_at(part.find(';').unwrap_or(part.len()));
        let is_variable = is_variable(word);
        text.push_str(if is_variable { VAR } else { word });
        replaced |= is_variable;
        replaced |= replace(parameters, &mut text);
    }
    replaced |= replace(query, &mut text);
    replaced.then_some(text)
}

/// Keeps the mark that a query or parameters begin with, and replaces what is behind it. Answers whether that changed anything.
fn replace(marked: &str, text: &mut String) -> bool {
    let mut chars = marked.chars();
    let Some(mark) = chars.next() else { return false };
    text.push(mark);
    match chars.as_str() {
        "" | VAR => {
            text.push_str(chars.as_str());
            false
        }
        _ => {
            text.push_str(VAR);
            true
        }
    }
}

/// Whether a part of a path is more likely a value than a word.
fn is_variable(part: &str) -> bool {
    // A framework's own template.
    if part.is_empty() || part.starts_with(['{', ':', '<', '*']) || part.contains('{') {
        return false;
    }
    let whole = Shape::of(part.bytes());
    if whole.is_value() {
        return true;
    }
    // What the name of a file ends in would hide what its beginning is.
    match part.rsplit_once('.') {
        Some((stem, ending)) if ending.len() <= ENDING && !stem.is_empty() && !whole.is_version() => {
            Shape::of(stem.bytes()).is_value()
        }
        _ => false,
    }
}

/// What there is in a part of a path, counted in one pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shape {
    length: usize,
    digits: usize,
    /// The most digits in a row.
    run: usize,
    /// Digits at the end.
    tail: usize,
    lower: usize,
    upper: usize,
    /// Of the letters those that are hexadecimal digits.
    hex_letters: usize,
    /// Changes between letters and digits.
    changes: usize,
    /// Changes between small and capital letters, but for one capital letter before small ones.
    case_changes: usize,
    dashes: usize,
    dots: usize,
    /// `:`, `,`, `+` and `~`, as times and lists have.
    marks: usize,
    at: usize,
    /// `%` and spaces: text that had to be escaped, or should have been.
    escapes: usize,
    /// Bytes of characters beyond ASCII.
    other: usize,
    /// Whether the digits at the end stand behind a dash or a dot.
    tail_apart: bool,
    /// The most digits between two dots.
    run_is_short: bool,
}

impl Shape {
    fn of(bytes: impl Iterator<Item = u8>) -> Shape {
        let mut shape = Shape { run_is_short: true, ..Shape::default() };
        let (mut before, mut before_that) = (0u8, 0u8);
        for byte in bytes {
            shape.length += 1;
            let was_digit = before.is_ascii_digit();
            if byte.is_ascii_digit() {
                shape.digits += 1;
                if !was_digit {
                    shape.tail_apart = matches!(before, b'-' | b'_' | b'.');
                }
                shape.tail += 1;
                shape.run = shape.run.max(shape.tail);
                shape.run_is_short &= shape.tail <= 2;
                shape.changes += usize::from(before.is_ascii_alphabetic());
            } else {
                shape.tail = 0;
                shape.changes += usize::from(was_digit && byte.is_ascii_alphabetic());
                match byte {
                    b'a'..=b'z' => {
                        shape.lower += 1;
                        // `Abc` is a word's beginning, `ABc` is none.
                        let in_word = !before_that.is_ascii_alphanumeric();
                        shape.case_changes += usize::from(before.is_ascii_uppercase() && !in_word);
                    }
                    b'A'..=b'Z' => {
                        shape.upper += 1;
                        shape.case_changes += usize::from(before.is_ascii_lowercase());
                    }
                    b'-' | b'_' => shape.dashes += 1,
                    b'.' => shape.dots += 1,
                    b':' | b',' | b'+' | b'~' => shape.marks += 1,
                    b'@' => shape.at += 1,
                    b'%' | b' ' => shape.escapes += 1,
                    128.. => shape.other += 1,
                    _ => {}
                }
                shape.hex_letters += usize::from(matches!(byte, b'a'..=b'f' | b'A'..=b'F'));
            }
            (before_that, before) = (before, byte);
        }
        shape
    }

    fn letters(&self) -> usize {
        self.lower + self.upper
    }

    /// `1.0`, `2.1.3`: what interfaces are numbered with, not their callers' data.
    fn is_version(&self) -> bool {
        self.digits + self.dots == self.length && (1..=2).contains(&self.dots) && self.run_is_short
    }

    fn is_value(&self) -> bool {
        self.is_number() || self.is_hash() || self.is_random() || self.is_text() || self.has_number()
    }

    /// Numbers, dates, times, addresses of networks, lists of such: digits and what stands between them.
    fn is_number(&self) -> bool {
        let between = self.dashes + self.dots + self.marks;
        // The T and the Z of a time.
        let letters = if self.digits >= 8 { 2 } else { 0 };
        self.digits > 0
            && self.letters() <= letters
            && self.digits + between + self.letters() == self.length
            && !self.is_version()
    }

    /// Hashes and UUIDs: hexadecimal digits, in groups or not.
    fn is_hash(&self) -> bool {
        let hex = self.digits + self.hex_letters;
        let only = self.hex_letters == self.letters() && hex + self.dashes == self.length;
        only && ((hex >= HEX && self.digits > 0) || (hex >= 2 * HEX && self.dashes == 0))
    }

    /// Ids drawn from letters of both sizes and digits, and names that count: `ORD-17`.
    fn is_random(&self) -> bool {
        let drawn = self.letters() + self.digits + self.dashes == self.length && self.length >= RANDOM;
        let mixed = self.changes >= CHANGES || (self.digits > 0 && self.changes > 0 && self.case_changes >= CHANGES);
        drawn && mixed
    }

    /// Addresses of people, and texts that somebody typed.
    fn is_text(&self) -> bool {
        (self.at > 0 && self.at < self.length) || self.escapes > 0 || self.other > 0 || self.length > LONG
    }

    /// A number within a name: a long one, or one that is set apart at the end of it.
    fn has_number(&self) -> bool {
        self.run >= DIGITS || (self.tail > 0 && self.tail_apart && self.letters() > 0 && self.dots == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(template(name).as_deref().unwrap_or(name), expected);
    }

    #[test]
    fn values_are_replaced() {
        // Numbers.
        check("/orders/17", "/orders/{var}");
        check("/orders/17/lines/3", "/orders/{var}/lines/{var}");
        check("GET:/orders/17", "GET:/orders/{var}");
        check("{GET}/orders/17", "{GET}/orders/{var}");
        check("http://shop:8080/orders/17", "http://shop:8080/orders/{var}");
        check("/orders/-5", "/orders/{var}");
        check("/at/52.5200,13.4050", "/at/{var}");
        check("/hosts/10.120.3.4", "/hosts/{var}");
        check("/orders/17/", "/orders/{var}/");
        // UUIDs and hashes.
        check("/u/550e8400-e29b-41d4-a716-446655440000/x", "/u/{var}/x");
        check("/u/550E8400-E29B-41D4-A716-446655440000", "/u/{var}");
        check("/blobs/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/blobs/{var}");
        check("/c/3f2a9c1b", "/c/{var}");
        check("/c/abcdefabcdefabcd", "/c/{var}");
        // Ids drawn at random.
        check("/ulid/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/ulid/{var}");
        check("/watch/dQw4w9WgXcQ", "/watch/{var}");
        check("/doc/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms", "/doc/{var}");
        // Names that count.
        check("/orders/ORD-17", "/orders/{var}");
        check("/orders/order_17", "/orders/{var}");
        check("/users/user10423", "/users/{var}");
        check("/files/report-2024-01.pdf", "/files/{var}");
        check("/files/12345.json", "/files/{var}");
        check("/img/3f2a9c1b.png", "/img/{var}");
        // Dates and times.
        check("/days/2024-01-15", "/days/{var}");
        check("/days/20240115", "/days/{var}");
        check("/days/2024-01-15T12:00:00Z", "/days/{var}");
        check("/days/2024-01-15T12:00:00.123+01:00", "/days/{var}");
        check("/days/15-Jan-2024", "/days/{var}");
        // E-mail, and what people type.
        check("/users/ann@example.org", "/users/{var}");
        check("/users/ann%40example.org/cart", "/users/{var}/cart");
        check("/search/red%20shoes", "/search/{var}");
        check("/search/größe", "/search/{var}");
        check("/q?term=shoes&page=2", "/q?{var}");
        check("/q?a=/b/c", "/q?{var}");
        check("/cart;jsessionid=AF31/lines", "/cart;{var}/lines");
        check(&format!("/x/{}", "word-".repeat(14)), "/x/{var}");
    }

    #[test]
    fn words_stay() {
        for name in [
            "/",
            "",
            "//",
            "/orders",
            "/api/v1/orders",
            "/api/v2.1/orders",
            "/api/1.0/orders",
            "/api/2.1.3/orders",
            "/login/oauth2/code",
            "/digest/sha256",
            "/codec/base64",
            "/feed/facade/decade",
            "/shop/OrderService/placeOrder",
            "/shop/HTTPServer/getURLOfXMLDoc",
            "/users/me",
            "/users/{id}",
            "/users/:id/orders",
            "/users/<int:id>",
            "/static/*",
            "/favicon.ico",
            "/js/app.min.js",
            "/a-long-name-that-somebody-chose",
            "/snake_case_names_are_words",
            "/q?",
            "/q?{var}",
            "/{var}/x",
            "Mysql/JDBC/PreparedStatement/executeQuery",
            "Kafka/orders/Consumer",
            "com.example.Job42.run(12345)",
            "order-12345",
            "/iso/utf8/x509",
        ] {
            assert_eq!(template(name), None, "{name}");
        }
    }

    /// Parts of all sorts, values among them.
    fn name() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            "[a-z]{1,8}",
            "[0-9]{1,12}",
            "[0-9a-f]{6,40}",
            "[A-Za-z0-9_.@%;?#{}-]{0,30}",
            "\\PC{0,12}",
            Just("{var}".to_owned()),
        ];
        prop::collection::vec(part, 0..7).prop_map(|parts| parts.join("/"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_template_of_a_template_is_itself(name in name()) {
            if let Some(template) = template(&name) {
                prop_assert_ne!(&template, &name);
                prop_assert_eq!(super::template(&template), None);
            }
        }

        /// As many parts, the same ones but for those replaced, and never more than a `{var}` longer for each of them.
        #[test]
        fn a_template_keeps_the_parts(name in name()) {
            let Some(template) = template(&name) else { return Ok(()) };
            let path = |text: &str| text.split(['?', '#']).next().unwrap_or_default().to_owned();
            let (was, is) = (path(&name), path(&template));
            prop_assert_eq!(was.split('/').count(), is.split('/').count());
            for (was, is) in was.split('/').zip(is.split('/')) {
                prop_assert!(was == is || is.starts_with(VAR) || is.ends_with(VAR));
            }
        }

        /// Counted, not timed: every byte of a part is looked at once.
        #[test]
        fn every_byte_is_looked_at_once(part in "\\PC{0,400}") {
            let looks = Cell::new(0);
            let shape = Shape::of(part.bytes().inspect(|_| looks.set(looks.get() + 1)));
            prop_assert_eq!((looks.get(), shape.length), (part.len(), part.len()));
        }
    }
}
