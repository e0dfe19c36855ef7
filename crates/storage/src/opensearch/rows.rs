//! Rows as documents: the key's parts, the columns of the cells, and all cells as they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use model::cell::CellId;
use model::id::relation_ends;
use model::ledger::Reason;
use model::{Cells, Row, Scope, Step};

use super::ids;
use super::json::put;
use super::names::{Family, LAST_DAY, Names};
use super::states::put_columns;
use crate::codec::{Malformed, Reader, merge_cells, put_bytes, put_cells};

/// The version of the layout of [`cells`].
const VERSION: u8 = 1;
/// Minutes of a day.
const DAY_MINUTES: u32 = 24 * 60;

/// Scope and step as one word, which is what every question about rows asks for first.
pub(super) fn of(scope: Scope, step: Step) -> String {
    format!("{}.{}", scope.code(), step.code())
}

/// A writer as a word: numbers of the cluster have 63 bits.
pub(super) fn writer_word(writer: u64) -> String {
    format!("{writer:016x}")
}

/// The writer of such a word.
pub(super) fn writer_of(word: &str) -> Option<u64> {
    u64::from_str_radix(word, 16).ok()
}

/// Where a row lies: in the index of a day, or with the life rows.
pub(super) fn place(row: &Row) -> Result<Option<u32>, Reason> {
    match (row.key.step, row.key.bucket.0 / DAY_MINUTES) {
        (Step::Life, _) => Ok(None),
        (_, day) if day <= LAST_DAY => Ok(Some(day)),
        _ => Err(Reason::TimeOutOfRange),
    }
}

/// The index of such a place.
pub(super) fn index(names: &Names, place: Option<u32>) -> String {
    place.map_or_else(|| names.life(), |day| names.day(Family::Rows, day))
}

/// Appends the two lines of a row; nothing where no index can hold it.
pub(super) fn put_row(out: &mut Vec<u8>, names: &Names, row: &Row) -> Result<(), Reason> {
    let index = index(names, place(row)?);
    let cells = cells(&row.cells).map_err(|Malformed| Reason::Malformed)?;
    // An older total that comes late is refused by its version, and that is how it should be.
    let version = i64::try_from(row.seq).unwrap_or(i64::MAX);
    let id = ids::of_row(&row.key, row.partial);
    let text = |out: &mut Vec<u8>, name: &str, text: &str| {
        out.extend_from_slice(name.as_bytes());
        put(out, text);
    };
    out.extend_from_slice(b"{\"index\":{\"_index\":\"");
    out.extend_from_slice(index.as_bytes());
    out.extend_from_slice(b"\",\"_id\":\"");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b"\",\"version_type\":\"external_gte\",\"version\":");
    put(out, &version);
    out.extend_from_slice(b"}}\n{\"of\":\"");
    out.extend_from_slice(of(row.key.scope, row.key.step).as_bytes());
    out.extend_from_slice(b"\",\"bucket\":");
    put(out, &row.key.bucket.0);
    text(out, ",\"entity\":", &row.key.entity);
    if let Some((source, dest)) = relation_ends(&row.key.entity) {
        text(out, ",\"source\":", &source);
        text(out, ",\"dest\":", &dest);
    }
    text(out, ",\"writer\":", &writer_word(row.partial.writer));
    out.extend_from_slice(b",\"life\":");
    put(out, &row.partial.life);
    out.extend_from_slice(b",\"seq\":");
    put(out, &version);
    put_columns(out, &row.cells);
    text(out, ",\"cells\":", &STANDARD_NO_PAD.encode(cells));
    out.extend_from_slice(b"}\n");
    Ok(())
}

/// All cells: the narrow ones behind their length, then the wide ones.
fn cells(cells: &Cells) -> Result<Vec<u8>, Malformed> {
    let mut narrow = Vec::with_capacity(8 * cells.len());
    put_cells(&mut narrow, cells, false)?;
    let mut out = Vec::with_capacity(narrow.len() + 4);
    out.push(VERSION);
    put_bytes(&mut out, &narrow);
    put_cells(&mut out, cells, true)?;
    Ok(out)
}

/// Merges the wanted cells (all, where none is named) of a document into `into`.
pub(super) fn merge(text: &str, want: &[CellId], into: &mut Cells) -> Result<(), Malformed> {
    let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| Malformed)?;
    let mut reader = Reader(&bytes);
    if reader.byte()? != VERSION {
        return Err(Malformed);
    }
    let narrow = reader.bytes()?;
    if merge_cells(Reader(narrow), want, into)? {
        merge_cells(reader, want, into)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::{Agg, Bucket, Partial, RowKey, UnixMillis, cell};

    use super::*;

    fn row() -> Row {
        let a = model::id::service("a", true);
        let key = RowKey {
            scope: Scope::ServiceRelation,
            step: Step::Minute,
            bucket: Bucket(28_422_000),
            entity: model::id::relation(&a, &a).into(),
        };
        let cells = [(CellId(64), Agg::Count(3)), (cell::PROPERTIES, Agg::text("k", UnixMillis(1), "v"))];
        Row { key, partial: Partial { writer: 10, life: 2 }, seq: 5, cells: cells.into_iter().collect() }
    }

    #[test]
    fn a_row_is_two_lines() {
        let mut out = Vec::new();
        put_row(&mut out, &Names::new("t"), &row()).unwrap();
        let text = String::from_utf8(out).unwrap();
        expect_test::expect![[r#"
            {"index":{"_index":"t-rows-20240115","_id":"aa9HLO6XIfFqI1ZI8nzwOQ","version_type":"external_gte","version":5}}
            {"of":"4.0","bucket":28422000,"entity":"YQ==.1-YQ==.1","source":"YQ==.1","dest":"YQ==.1","writer":"000000000000000a","life":2,"seq":5,"c64n":3,"cells":"AQUE/zwAAwQOBgEBawIBdg"}
        "#]].assert_eq(&text);
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }

    #[test]
    fn cells_come_back_all_or_those_that_are_wanted() {
        let row = row();
        let text = STANDARD_NO_PAD.encode(cells(&row.cells).unwrap());
        let back = |want: &[CellId]| {
            let mut back = Cells::default();
            merge(&text, want, &mut back).unwrap();
            back
        };
        assert_eq!(back(&[]), row.cells);
        assert_eq!(back(&[CellId(64)]), row.cells.only(&[CellId(64)]));
        assert_eq!(back(&[cell::PROPERTIES]), row.cells.only(&[cell::PROPERTIES]));
        assert_eq!(merge("AA", &[], &mut Cells::default()), Err(Malformed));
        assert_eq!(merge("?", &[], &mut Cells::default()), Err(Malformed));
    }

    #[test]
    fn a_row_that_no_index_can_hold_is_refused() {
        let mut row = row();
        row.key.bucket = Bucket(u32::MAX);
        let mut out = Vec::new();
        assert_eq!(put_row(&mut out, &Names::new("t"), &row), Err(Reason::TimeOutOfRange));
        assert!(out.is_empty());
    }
}
