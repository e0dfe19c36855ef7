//! The bytes of values on disk: variable-length numbers, texts, and the aggregates of rows.
//!
//! Reading never trusts what it reads: every length is checked against what is left, nesting is bounded, and what does not
//! parse is [`Malformed`], never a panic.

use std::collections::BTreeMap;

use model::agg::{Fixed, Statement};
use model::buckets::Buckets;
use model::cell::CellId;
use model::{Agg, Cells, UnixMillis};

/// The bytes are not what this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// How deep labels may hold labels. Metrics nest once; the bound is what keeps garbage from exhausting the stack.
const MAX_DEPTH: u8 = 4;
/// Stands in a row's value for a cell that lies in the wide table.
const ELSEWHERE: u8 = 255;

/// Appends a number, seven bits a byte, lowest first.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: u64) {
    put_varint_128(out, u128::from(value));
}

#[expect(clippy::cast_possible_truncation, reason = "masked to seven bits")]
fn put_varint_128(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number so that small ones of either sign are short.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_signed_128(out, i128::from(value));
}

#[expect(clippy::cast_sign_loss, reason = "zigzag maps signs to the lowest bit")]
fn put_signed_128(out: &mut Vec<u8>, value: i128) {
    put_varint_128(out, ((value << 1) ^ (value >> 127)) as u128);
}

/// Appends bytes behind their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    put_varint_128(out, len as u128);
}

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let (&first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(first)
    }

    fn varint_128(&mut self) -> Result<u128, Malformed> {
        let mut value = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return Err(Malformed);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        u64::try_from(self.varint_128()?).map_err(|_| Malformed)
    }

    #[expect(clippy::cast_possible_wrap, reason = "zigzag maps the lowest bit back to the sign")]
    fn signed_128(&mut self) -> Result<i128, Malformed> {
        let value = self.varint_128()?;
        Ok(((value >> 1) as i128) ^ -((value & 1) as i128))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        i64::try_from(self.signed_128()?).map_err(|_| Malformed)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// How many elements follow. Each takes a byte at least, which keeps a wrong number from reserving memory.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        let count = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        if count <= self.0.len() { Ok(count) } else { Err(Malformed) }
    }
}

/// Histograms up to so many keys lie with the rest of their row: most are that small, and a second value costs more to write than
/// a hundred bytes more cost to read.
const NARROW_KEYS: usize = 32;

/// Whether an aggregate is big enough to lie apart, so that a chart of averages does not read it.
pub(crate) fn is_wide(agg: &Agg) -> bool {
    match agg {
        Agg::Percentile(buckets) | Agg::Histogram(buckets) => buckets.len() > NARROW_KEYS,
        _ => matches!(agg, Agg::Top(_) | Agg::Texts(_) | Agg::Labeled(_)),
    }
}

/// Appends the narrow cells in full and marks where the wide ones are; with `wide`, the wide ones alone.
pub(crate) fn put_cells(out: &mut Vec<u8>, cells: &Cells, wide: bool) -> Result<(), Malformed> {
    let mut last = 0;
    for (id, agg) in cells.iter() {
        let elsewhere = is_wide(agg) != wide;
        if elsewhere && wide {
            continue;
        }
        put_varint(out, u64::from(id.0 - last));
        last = id.0;
        if elsewhere {
            out.push(ELSEWHERE);
        } else {
            put_agg(out, agg, 0)?;
        }
    }
    Ok(())
}

/// Merges the wanted cells (all, where none is named) into `into`. Answers whether one of them lies in the wide table.
pub(crate) fn merge_cells(mut reader: Reader<'_>, want: &[CellId], into: &mut Cells) -> Result<bool, Malformed> {
    let mut elsewhere = false;
    let mut id = 0u16;
    while !reader.is_empty() {
        let delta = u16::try_from(reader.varint()?).map_err(|_| Malformed)?;
        id = id.checked_add(delta).ok_or(Malformed)?;
        let wanted = want.is_empty() || want.contains(&CellId(id));
        let tag = reader.byte()?;
        if tag == ELSEWHERE {
            elsewhere |= wanted;
        } else if !wanted && has_length(tag) {
            reader.bytes()?;
        } else {
            let agg = agg(&mut reader, tag, 0)?;
            if !wanted {
                continue;
            }
            if into.get(CellId(id)).is_some() {
                into.merge_cell(CellId(id), &agg);
            } else {
                into.open(CellId(id), || agg);
            }
        }
    }
    Ok(elsewhere)
}

/// Whether any of the cells lies in the wide table.
pub(crate) fn is_any_elsewhere(mut reader: Reader<'_>) -> Result<bool, Malformed> {
    while !reader.is_empty() {
        reader.varint()?;
        match reader.byte()? {
            ELSEWHERE => return Ok(true),
            tag if has_length(tag) => drop(reader.bytes()?),
            tag => drop(agg(&mut reader, tag, 0)?),
        }
    }
    Ok(false)
}

/// Kinds from here on carry their length, so that they can be passed over.
fn has_length(tag: u8) -> bool {
    tag >= 10
}

fn put_agg(out: &mut Vec<u8>, agg: &Agg, depth: u8) -> Result<(), Malformed> {
    match agg {
        Agg::Count(n) => put_fields(out, 0, &[], &[*n]),
        Agg::Sum(v) => put_fields(out, 1, &[*v], &[]),
        Agg::Max(v) => put_fields(out, 2, &[*v], &[]),
        Agg::Min(v) => put_fields(out, 3, &[*v], &[]),
        Agg::Latest { at, value } => put_fields(out, 4, &[at.0, *value], &[]),
        Agg::Avg { sum, count } => put_fields(out, 5, &[*sum], &[*count]),
        Agg::AvgF { sum, count } => {
            out.push(6);
            put_signed_128(out, sum.units());
            put_varint(out, *count);
        }
        Agg::Percent { matched, total } => put_fields(out, 7, &[], &[*matched, *total]),
        Agg::Rate { numerator, denominator } => put_fields(out, 8, &[], &[*numerator, *denominator]),
        Agg::Apdex { satisfied, tolerated, total } => put_fields(out, 9, &[], &[*satisfied, *tolerated, *total]),
        _ => {
            // Tag and length are known afterwards. Nearly all lengths take one byte; what stands behind a longer one is moved.
            let tag = out.len();
            out.extend([0, 0]);
            let begin = out.len();
            out[tag] = put_long(out, agg, depth)?;
            let len = out.len() - begin;
            match u8::try_from(len) {
                Ok(len) if len < 0x80 => out[tag + 1] = len,
                _ => {
                    let inner = out.split_off(begin);
                    out.truncate(tag + 1);
                    put_bytes(out, &inner);
                }
            }
        }
    }
    Ok(())
}

fn put_fields(out: &mut Vec<u8>, tag: u8, signed: &[i64], unsigned: &[u64]) {
    out.push(tag);
    signed.iter().for_each(|&v| put_signed(out, v));
    unsigned.iter().for_each(|&v| put_varint(out, v));
}

/// Writes an aggregate of many parts and answers its tag.
fn put_long(out: &mut Vec<u8>, agg: &Agg, depth: u8) -> Result<u8, Malformed> {
    match agg {
        Agg::Percentile(buckets) | Agg::Histogram(buckets) => {
            put_len(out, buckets.len());
            let mut last = 0;
            for (key, n) in buckets.iter() {
                put_signed(out, i64::from(key) - last);
                put_varint(out, n);
                last = i64::from(key);
            }
            Ok(if matches!(agg, Agg::Percentile(_)) { 10 } else { 11 })
        }
        Agg::Top(statements) => {
            put_len(out, statements.len());
            for s in statements {
                put_signed(out, s.latency);
                put_signed(out, s.at.0);
                [&s.id, &s.statement, &s.trace_id].iter().for_each(|text| put_bytes(out, text.as_bytes()));
            }
            Ok(12)
        }
        Agg::Ids(ids) => {
            put_len(out, ids.len());
            ids.iter().for_each(|&id| put_signed(out, i64::from(id)));
            Ok(13)
        }
        Agg::Texts(texts) => {
            put_len(out, texts.len());
            for (key, (at, text)) in texts {
                put_bytes(out, key.as_bytes());
                put_signed(out, at.0);
                put_bytes(out, text.as_bytes());
            }
            Ok(14)
        }
        Agg::Labeled(labels) if depth < MAX_DEPTH => {
            put_len(out, labels.len());
            for (label, cell) in labels {
                put_bytes(out, label.as_bytes());
                put_agg(out, cell, depth + 1)?;
            }
            Ok(15)
        }
        _ => Err(Malformed),
    }
}

fn agg(reader: &mut Reader<'_>, tag: u8, depth: u8) -> Result<Agg, Malformed> {
    let r = reader;
    Ok(match tag {
        0 => Agg::Count(r.varint()?),
        1 => Agg::Sum(r.signed()?),
        2 => Agg::Max(r.signed()?),
        3 => Agg::Min(r.signed()?),
        4 => Agg::Latest { at: UnixMillis(r.signed()?), value: r.signed()? },
        5 => Agg::Avg { sum: r.signed()?, count: r.varint()? },
        6 => Agg::AvgF { sum: Fixed::new(r.signed_128()?), count: r.varint()? },
        7 => Agg::Percent { matched: r.varint()?, total: r.varint()? },
        8 => Agg::Rate { numerator: r.varint()?, denominator: r.varint()? },
        9 => Agg::Apdex { satisfied: r.varint()?, tolerated: r.varint()?, total: r.varint()? },
        _ => {
            let mut inner = Reader(r.bytes()?);
            let agg = long_agg(&mut inner, tag, depth)?;
            if !inner.is_empty() {
                return Err(Malformed);
            }
            agg
        }
    })
}

fn long_agg(r: &mut Reader<'_>, tag: u8, depth: u8) -> Result<Agg, Malformed> {
    let n = r.count()?;
    Ok(match tag {
        10 => Agg::Percentile(buckets(r, n)?),
        11 => Agg::Histogram(buckets(r, n)?),
        12 => Agg::Top((0..n).map(|_| statement(r)).collect::<Result<_, _>>()?),
        13 => Agg::Ids((0..n).map(|_| small(r.signed()?)).collect::<Result<_, _>>()?),
        14 => {
            let text = |r: &mut Reader<'_>| Ok((r.text()?.to_owned(), (UnixMillis(r.signed()?), r.text()?.to_owned())));
            Agg::Texts((0..n).map(|_| text(r)).collect::<Result<BTreeMap<_, _>, _>>()?)
        }
        15 if depth < MAX_DEPTH => {
            let label = |r: &mut Reader<'_>| {
                let label = r.text()?.to_owned();
                let tag = r.byte()?;
                Ok((label, agg(r, tag, depth + 1)?))
            };
            Agg::Labeled((0..n).map(|_| label(r)).collect::<Result<BTreeMap<_, _>, _>>()?)
        }
        _ => return Err(Malformed),
    })
}

fn small(value: i64) -> Result<i32, Malformed> {
    i32::try_from(value).map_err(|_| Malformed)
}

fn buckets(r: &mut Reader<'_>, n: usize) -> Result<Buckets, Malformed> {
    let mut buckets = Buckets::default();
    let mut key = 0i64;
    for _ in 0..n {
        key = key.checked_add(r.signed()?).ok_or(Malformed)?;
        buckets.add(small(key)?, r.varint()?);
    }
    Ok(buckets)
}

fn statement(r: &mut Reader<'_>) -> Result<Statement, Malformed> {
    let (latency, at) = (r.signed()?, UnixMillis(r.signed()?));
    let (id, statement, trace_id) = (r.text()?.into(), r.text()?.into(), r.text()?.into());
    Ok(Statement { latency, id, statement, trace_id, at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaf() -> impl Strategy<Value = Agg> {
        let text = "\\PC{0,12}";
        let at = any::<i64>().prop_map(UnixMillis);
        let statement =
            (any::<i64>(), text, text, text, at.clone()).prop_map(|(latency, id, statement, trace_id, at)| Statement {
                latency,
                id: id.into(),
                statement: statement.into(),
                trace_id: trace_id.into(),
                at,
            });
        let counts = || prop::collection::vec((any::<i32>(), any::<u64>()), 0..2 * NARROW_KEYS);
        prop_oneof![
            any::<u64>().prop_map(Agg::Count),
            any::<i64>().prop_map(Agg::Sum),
            any::<i64>().prop_map(Agg::Max),
            any::<i64>().prop_map(Agg::Min),
            (at.clone(), any::<i64>()).prop_map(|(at, value)| Agg::Latest { at, value }),
            (any::<i64>(), any::<u64>()).prop_map(|(sum, count)| Agg::Avg { sum, count }),
            (any::<i128>(), any::<u64>()).prop_map(|(sum, count)| Agg::AvgF { sum: Fixed::new(sum), count }),
            (any::<u64>(), any::<u64>()).prop_map(|(matched, total)| Agg::Percent { matched, total }),
            (any::<u64>(), any::<u64>()).prop_map(|(numerator, denominator)| Agg::Rate { numerator, denominator }),
            (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(satisfied, tolerated, total)| Agg::Apdex {
                satisfied,
                tolerated,
                total
            }),
            counts().prop_map(|v| Agg::Percentile(v.into_iter().collect())),
            counts().prop_map(|v| Agg::Histogram(v.into_iter().collect())),
            prop::collection::vec(statement, 0..5).prop_map(Agg::Top),
            prop::collection::vec(any::<i32>(), 0..9).prop_map(|ids| Agg::Ids(ids.into())),
            prop::collection::btree_map(text, (at, text), 0..5).prop_map(Agg::Texts),
        ]
    }

    fn cells() -> impl Strategy<Value = Cells> {
        let labels = prop::collection::btree_map("\\PC{0,8}", leaf(), 0..4).prop_map(Agg::Labeled);
        let agg = prop_oneof![4 => leaf(), 1 => labels];
        prop::collection::btree_map(any::<u16>().prop_map(CellId), agg, 0..12).prop_map(|m| m.into_iter().collect())
    }

    fn encoded(cells: &Cells, wide: bool) -> Vec<u8> {
        let mut out = Vec::new();
        put_cells(&mut out, cells, wide).unwrap();
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn cells_come_back_as_they_were(cells in cells()) {
            let mut back = Cells::default();
            let elsewhere = merge_cells(Reader(&encoded(&cells, false)), &[], &mut back).unwrap();
            prop_assert_eq!(elsewhere, cells.iter().any(|(_, agg)| is_wide(agg)));
            prop_assert_eq!(is_any_elsewhere(Reader(&encoded(&cells, false))), Ok(elsewhere));
            prop_assert!(back.iter().all(|(_, agg)| !is_wide(agg)));
            merge_cells(Reader(&encoded(&cells, true)), &[], &mut back).unwrap();
            prop_assert_eq!(back, cells);
        }

        #[test]
        fn only_wanted_cells_are_read(cells in cells(), pick in any::<prop::sample::Index>()) {
            prop_assume!(!cells.is_empty());
            let want = [pick.get(&cells.iter().map(|(id, _)| id).collect::<Vec<_>>()).to_owned()];
            let mut back = Cells::default();
            merge_cells(Reader(&encoded(&cells, false)), &want, &mut back).unwrap();
            merge_cells(Reader(&encoded(&cells, true)), &want, &mut back).unwrap();
            prop_assert_eq!(back, cells.only(&want));
        }

        #[test]
        fn garbage_is_an_error_and_never_a_panic(
            cells in cells(), noise in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4), cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = encoded(&cells, false);
            bytes.extend(encoded(&cells, true));
            for (at, byte) in noise {
                let len = bytes.len().max(1);
                if let Some(slot) = bytes.get_mut(at.index(len)) {
                    *slot = byte;
                }
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            let _result = merge_cells(Reader(&bytes), &[], &mut Cells::default());
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _result = merge_cells(Reader(&bytes), &[], &mut Cells::default());
        }

        #[test]
        fn numbers_come_back(signed: i64, unsigned: u64, wide: i128) {
            let mut out = Vec::new();
            put_signed(&mut out, signed);
            put_varint(&mut out, unsigned);
            put_signed_128(&mut out, wide);
            let mut reader = Reader(&out);
            prop_assert_eq!((reader.signed(), reader.varint(), reader.signed_128()), (Ok(signed), Ok(unsigned), Ok(wide)));
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn deep_nesting_is_refused_both_ways() {
        let mut agg = Agg::Count(1);
        for _ in 0..100 {
            agg = Agg::Labeled(BTreeMap::from([("l".to_owned(), agg)]));
        }
        let cells = [(CellId(64), agg)].into_iter().collect();
        assert_eq!(put_cells(&mut Vec::new(), &cells, true), Err(Malformed));
    }
}
