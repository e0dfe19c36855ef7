//! Ids of documents: hashes, since a key may be longer than the 512 bytes that an id may have.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::kinds::{ItemKind, RecordKind};
use model::{Partial, RowKey};
use sha2::{Digest as _, Sha256};

/// Bytes of the hash that are kept: no two keys of a store will share 128 bits, by chance or on purpose.
const KEPT: usize = 16;

/// An id of 22 letters that URLs and JSON take as they are.
fn id(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..KEPT])
}

/// The document of a partial row.
pub(super) fn of_row(key: &RowKey, partial: Partial) -> String {
    let mut fixed = [0; 18];
    fixed[0] = key.scope.code();
    fixed[1] = key.step.code();
    fixed[2..6].copy_from_slice(&key.bucket.0.to_be_bytes());
    fixed[6..14].copy_from_slice(&partial.writer.to_be_bytes());
    fixed[14..].copy_from_slice(&partial.life.to_be_bytes());
    id(&[&fixed, key.entity.as_bytes()])
}

/// The document of a record.
pub(super) fn of_record(kind: RecordKind, record: &str) -> String {
    id(&[kind.def().name.as_bytes(), record.as_bytes()])
}

/// The document of an item.
pub(super) fn of_item(kind: ItemKind, item: &str) -> String {
    id(&[kind.name().as_bytes(), item.as_bytes()])
}

#[cfg(test)]
mod tests {
    use model::{Bucket, Scope, Step};

    use super::*;

    #[test]
    fn ids_are_what_they_were() {
        let key = RowKey { scope: Scope::Service, step: Step::Minute, bucket: Bucket(28_422_000), entity: "s".into() };
        let row = of_row(&key, Partial { writer: 1, life: 2 });
        let ids = [row, of_record(RecordKind::Segment, "s"), of_item(ItemKind::Lease, "s")];
        expect_test::expect![[r#"
            [
                "ICT9TQapUvNAXcIlD0a1Ww",
                "U3SRIXXNn08xRb4kNyWdMg",
                "hINKUCW0gDmgzZ4ojA8A8g",
            ]
        "#]]
        .assert_debug_eq(&ids);
        assert!(ids.iter().all(|id| id.len() == 22));
        assert_ne!(of_record(RecordKind::Segment, "s"), of_record(RecordKind::Log, "s"));
        assert_ne!(of_row(&key, Partial { writer: 1, life: 3 }), ids[0]);
    }
}
