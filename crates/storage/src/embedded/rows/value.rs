//! Values of rows: a version, the flush sequence, the whole entity id, and the cells.

use model::{Cells, Row};

use crate::codec::{Malformed, Reader, is_wide, put_bytes, put_cells, put_varint};

/// The version of the value's layout.
const VERSION: u8 = 1;

/// What stands before the cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) seq: u64,
    pub(super) entity: &'a str,
    pub(super) cells: Reader<'a>,
}

/// The narrow value of a row, and the wide one where it has wide cells.
pub(super) fn encode(row: &Row) -> Result<(Vec<u8>, Option<Vec<u8>>), Malformed> {
    let mut narrow = Vec::with_capacity(row.key.entity.len() + 8 * row.cells.len() + 8);
    narrow.push(VERSION);
    put_varint(&mut narrow, row.seq);
    put_bytes(&mut narrow, row.key.entity.as_bytes());
    put_cells(&mut narrow, &row.cells, false)?;
    Ok((narrow, wide(&row.cells)?))
}

fn wide(cells: &Cells) -> Result<Option<Vec<u8>>, Malformed> {
    if !cells.iter().any(|(_, agg)| is_wide(agg)) {
        return Ok(None);
    }
    let mut wide = vec![VERSION];
    put_cells(&mut wide, cells, true)?;
    Ok(Some(wide))
}

/// Reads the head of a narrow value.
pub(super) fn head(value: &[u8]) -> Result<Head<'_>, Malformed> {
    let mut reader = wide_cells(value)?;
    let (seq, entity) = (reader.varint()?, reader.text()?);
    Ok(Head { seq, entity, cells: reader })
}

/// The cells of a wide value.
pub(super) fn wide_cells(value: &[u8]) -> Result<Reader<'_>, Malformed> {
    let mut reader = Reader(value);
    if reader.byte()? == VERSION { Ok(reader) } else { Err(Malformed) }
}
