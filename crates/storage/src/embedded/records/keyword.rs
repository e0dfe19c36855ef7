//! Keywords in the index: numbers of eight bytes instead of texts of a hundred. What is found by them is compared before it is answered.

use std::collections::HashSet;

use model::record::{FieldValue, Record};

use crate::{Condition, Test};

/// Odd constants with as many ones as zeros: digits of the fractions of the square roots of 2, 3 and 5.
const K: [u64; 3] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b];

/// The number that a keyword is indexed under. Part of the format: no library's hash promises to stay. Two keywords may share one.
pub(super) fn term(text: &str) -> u64 {
    let (chunks, rest) = text.as_bytes().as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let start = K[0] ^ (text.len() as u64);
    let hash = chunks.iter().chain([&last]).fold(start, |hash, chunk| fold(hash ^ u64::from_le_bytes(*chunk), K[1]));
    fold(hash, K[2])
}

/// The product of both, its upper half folded onto its lower one, so that every bit depends on all. Zero, which would end all
/// difference, is put aside.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(if a == 0 { K[0] } else { a }) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high
}

/// The keywords that a query asks for: one of each set, in its field.
#[derive(Debug)]
pub(super) struct Wanted<'a>(Vec<(usize, HashSet<&'a str>)>);

impl<'a> Wanted<'a> {
    /// Those of the conditions that include.
    pub(super) fn of(conditions: &'a [Condition]) -> Wanted<'a> {
        let set = |condition: &'a Condition| match &condition.test {
            Test::Equal(FieldValue::Text(text)) => Some((condition.field, HashSet::from([&**text]))),
            Test::OneOf(texts) => Some((condition.field, texts.iter().map(|text| &**text).collect())),
            Test::Equal(_) | Test::Within(..) | Test::Phrase(_) => None,
        };
        Wanted(conditions.iter().filter(|condition| !condition.negate).filter_map(set).collect())
    }

    /// Whether a record that the index found has them.
    pub(super) fn are_in(&self, record: &Record) -> bool {
        self.0.iter().all(|(field, wanted)| match record.fields.get(*field) {
            Some(FieldValue::Text(text)) => wanted.contains(&**text),
            value => value.is_some_and(|value| value.texts().iter().any(|text| wanted.contains(&**text))),
        })
    }
}

#[cfg(test)]
mod tests {
    use model::UnixMillis;
    use model::kinds::{RecordKind, segment};
    use model::record::Format;

    use super::*;

    #[test]
    fn numbers_of_keywords_stay_what_they_are() {
        let terms = ["", "a", "GET", "http.method=GET", "MDVmZTQ3.1"].map(term);
        let expected = [
            2_211_905_581_237_848_581,
            8_764_591_339_465_936_170,
            14_623_838_236_120_987_353,
            14_872_597_390_308_290_723,
            11_197_771_052_472_035_373,
        ];
        assert_eq!(terms, expected);
    }

    #[test]
    fn alike_keywords_have_numbers_that_differ_in_half_of_their_bits() {
        let texts: Vec<String> =
            (0..100_000).map(|n| format!("trace-{n}")).chain((0..100).map(|n| "\0".repeat(n))).collect();
        let terms: Vec<u64> = texts.iter().map(|text| term(text)).collect();
        assert_eq!(terms.iter().collect::<HashSet<_>>().len(), terms.len());
        let differing: u64 = terms.windows(2).map(|pair| u64::from((pair[0] ^ pair[1]).count_ones())).sum();
        let mean = differing / (terms.len() as u64 - 1);
        assert!((31..=32).contains(&mean), "{mean}");
    }

    #[test]
    fn only_what_has_the_keyword_is_let_through() {
        let mut fields = vec![FieldValue::Absent; RecordKind::Segment.def().fields.len()];
        fields[segment::TRACE_ID] = FieldValue::Text("t".into());
        fields[segment::TAGS] = FieldValue::Texts(vec!["a=1".into(), "b=2".into()]);
        let record = Record {
            kind: RecordKind::Segment,
            id: "s".into(),
            time: UnixMillis(0),
            fields,
            format: Format::Segment,
            body: bytes::Bytes::new(),
        };
        let check = |field, test, negate| Wanted::of(&[Condition { field, test, negate }]).are_in(&record);
        let equal = |text: &'static str| Test::Equal(FieldValue::Text(text.into()));
        assert!(check(segment::TRACE_ID, equal("t"), false) && !check(segment::TRACE_ID, equal("u"), false));
        assert!(check(segment::TRACE_ID, equal("t"), true), "the index left out what it should not have found");
        assert!(check(segment::TAGS, equal("b=2"), false) && !check(segment::TAGS, equal("b=1"), false));
        let one_of = |texts: [&'static str; 2]| Test::OneOf(texts.map(Into::into).to_vec());
        assert!(check(segment::TAGS, one_of(["x", "a=1"]), false) && !check(segment::TAGS, one_of(["x", "y"]), false));
        assert!(!check(segment::SERVICE, equal("t"), false), "absent");
        assert!(check(segment::LATENCY, Test::Within(1, 2), false), "numbers are exact in the index");
    }

    /// Two texts with one number.
    fn twins() -> [String; 2] {
        let half = |text: &str| u64::from_le_bytes(text.as_bytes().try_into().unwrap());
        let after = |first: &str| fold(K[0] ^ 16 ^ half(first), K[1]);
        let ours = after("trace-id");
        let twin = (0..10_000_000u32).find_map(|n| {
            let first = format!("{n:08}");
            let second = (half("-of-ours") ^ ours ^ after(&first)).to_le_bytes();
            second.iter().all(u8::is_ascii_graphic).then(|| first + std::str::from_utf8(&second).unwrap())
        });
        ["trace-id-of-ours".to_owned(), twin.unwrap()]
    }

    #[tokio::test]
    async fn records_of_two_keywords_with_one_number_are_told_apart() {
        use model::{Clock, Zone};

        use crate::embedded::{Embedded, Options};
        use crate::{Batch, RecordQuery, Store};

        let twins = twins();
        assert!(twins[0] != twins[1] && term(&twins[0]) == term(&twins[1]), "{twins:?}");
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(folder.path(), Options::default(), &Zone::utc(), Clock::system()).unwrap();
        let record = |n: i64| {
            let mut fields = vec![FieldValue::Absent; RecordKind::Segment.def().fields.len()];
            // One of ours comes behind three of the twin.
            fields[segment::TRACE_ID] = FieldValue::Text(twins[usize::from(n % 4 != 0)].as_str().into());
            let (format, body) = (Format::Segment, bytes::Bytes::new());
            let time = UnixMillis(store_time() + n);
            Record { kind: RecordKind::Segment, id: format!("s{n:02}").into(), time, fields, format, body }
        };
        store.write(&Batch { rows: Vec::new(), records: (0..20).map(record).collect() }).await.unwrap();
        let found = async |twin: &str, limit| {
            let test = Test::Equal(FieldValue::Text(twin.into()));
            let conditions = vec![Condition { field: segment::TRACE_ID, test, negate: false }];
            let query = RecordQuery { conditions, ..RecordQuery::oldest(RecordKind::Segment, limit) };
            let page = store.records(&query).await.unwrap();
            page.records.iter().map(|record| record.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(found(&twins[0], 3).await, ["s00", "s04", "s08"]);
        assert_eq!(found(&twins[0], 30).await, ["s00", "s04", "s08", "s12", "s16"]);
        assert_eq!(found(&twins[1], 4).await, ["s01", "s02", "s03", "s05"]);
        store.close().await.unwrap();
    }

    /// Noon of a day in 2024.
    fn store_time() -> i64 {
        1_705_320_000_000
    }
}
