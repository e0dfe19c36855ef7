//! Items: each in one value of the file that never rolls, swapped in durable transactions.

use model::UnixMillis;
use model::item::{Item, Revision};
use model::kinds::ItemKind;
use redb::{ReadableDatabase, ReadableTable};

use super::faults::Faults;
use super::rows::{DbFile, ITEMS, failure};
use crate::codec::{Malformed, Reader, put_bytes, put_signed, put_varint};
use crate::{ItemQuery, StoreError, Swapped};

/// The version of the value's layout.
const VERSION: u8 = 1;

fn key(kind: ItemKind, id: &str) -> Vec<u8> {
    [kind.name().as_bytes(), &[0], id.as_bytes()].concat()
}

fn encode(item: &Item) -> Vec<u8> {
    let mut out = vec![VERSION, u8::from(item.tombstone)];
    put_varint(&mut out, item.revision.0);
    put_varint(&mut out, item.nonce);
    put_signed(&mut out, item.updated.0);
    put_bytes(&mut out, item.body.as_bytes());
    out
}

fn decode(kind: ItemKind, id: &str, value: &[u8]) -> Result<Item, Malformed> {
    let mut reader = Reader(value);
    if reader.byte()? != VERSION {
        return Err(Malformed);
    }
    let tombstone = reader.byte()? == 1;
    let (revision, nonce) = (Revision(reader.varint()?), reader.varint()?);
    let (updated, body) = (UnixMillis(reader.signed()?), reader.text()?.to_owned());
    Ok(Item { kind, id: id.to_owned(), revision, nonce, tombstone, updated, body })
}

fn read(kind: ItemKind, id: &str, value: &[u8]) -> Result<Item, StoreError> {
    decode(kind, id, value).map_err(|_| StoreError::Damaged(format!("the item {} {id:?} is not readable", kind.name())))
}

/// Items of a kind, ascending by id.
pub(super) fn query(file: &DbFile, query: &ItemQuery) -> Result<Vec<Item>, StoreError> {
    let txn = file.db()?.begin_read().map_err(failure)?;
    let table = txn.open_table(ITEMS).map_err(failure)?;
    let mut items = Vec::new();
    if query.ids.is_empty() {
        let (from, to) = (key(query.kind, ""), [query.kind.name().as_bytes(), &[1]].concat());
        for entry in table.range(from.as_slice()..to.as_slice()).map_err(failure)? {
            let (key, value) = entry.map_err(failure)?;
            let id = key.value().get(from.len()..).and_then(|id| str::from_utf8(id).ok()).unwrap_or_default();
            items.push(read(query.kind, id, value.value())?);
        }
    } else {
        let mut ids: Vec<&String> = query.ids.iter().collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            if let Some(value) = table.get(key(query.kind, id).as_slice()).map_err(failure)? {
                items.push(read(query.kind, id, value.value())?);
            }
        }
    }
    items.retain(|item| query.tombstones || !item.tombstone);
    Ok(items)
}

/// Swaps each item in one transaction.
pub(super) fn swap_many(
    file: &DbFile,
    items: &[(Item, Revision)],
    faults: &Faults,
) -> Result<Vec<Swapped>, StoreError> {
    let swapped = file.write(
        |txn| {
            let mut table = txn.open_table(ITEMS).map_err(failure)?;
            items.iter().map(|(item, expected)| swap(&mut table, item, *expected)).collect::<Result<Vec<_>, _>>()
        },
        || faults.at("items.commit"),
    )?;
    faults.at("items.committed")?;
    Ok(swapped)
}

fn swap(
    table: &mut redb::Table<'_, &'static [u8], &'static [u8]>,
    item: &Item,
    expected: Revision,
) -> Result<Swapped, StoreError> {
    let key = key(item.kind, &item.id);
    let stored = match table.get(key.as_slice()).map_err(failure)? {
        Some(value) => Some(read(item.kind, &item.id, value.value())?),
        None => None,
    };
    if stored.as_ref().map_or(Revision(0), |stored| stored.revision) != expected {
        return Ok(match stored {
            Some(stored) if stored.nonce == item.nonce => Swapped::Done(stored.revision),
            stored => Swapped::Conflict(stored),
        });
    }
    let revision = Revision(expected.0 + 1);
    let value = encode(&Item { revision, ..item.clone() });
    table.insert(key.as_slice(), value.as_slice()).map_err(failure)?;
    Ok(Swapped::Done(revision))
}

/// Removes tombstones written before `cut`; answers how many.
pub(super) fn expire(file: &DbFile, cut: UnixMillis, faults: &Faults) -> Result<usize, StoreError> {
    let old = |key: &[u8], value: &[u8]| {
        let item = decode(ItemKind::Meta, "", value);
        !key.is_empty() && item.is_ok_and(|item| item.tombstone && item.updated < cut)
    };
    let none = {
        let txn = file.db()?.begin_read().map_err(failure)?;
        let table = txn.open_table(ITEMS).map_err(failure)?;
        let mut none = true;
        for entry in table.iter().map_err(failure)? {
            let (key, value) = entry.map_err(failure)?;
            none &= !old(key.value(), value.value());
        }
        none
    };
    if none {
        return Ok(0);
    }
    file.write(
        |txn| {
            let mut table = txn.open_table(ITEMS).map_err(failure)?;
            let mut n = 0;
            table
                .retain(|key, value| {
                    let gone = old(key, value);
                    n += usize::from(gone);
                    !gone
                })
                .map_err(failure)?;
            Ok(n)
        },
        || faults.at("expire"),
    )
}
