//! Keys of rows: the step and bucket first, so that what is written together lies together and a range of time is a range of keys.

use model::{Bucket, Partial, RowKey, Scope, Step};

/// Bytes of a row's key.
pub(super) const KEY: usize = 30;
/// Bytes of a key of the list of changes.
pub(super) const CHANGE: usize = 33;

/// Where an entity's rows lie within a bucket: a hash of its service's part and one of its whole id. Two entities may share a
/// place, so values hold the id and reads compare it.
pub(super) type Place = (u32, u64);

/// The place of an entity.
pub(super) fn place(entity: &str) -> Place {
    ((hash(service_part(entity)) >> 32) as u32, hash(entity))
}

/// The first half of the place of every entity whose id starts with `prefix`, where the prefix settles it.
pub(super) fn group_of_prefix(prefix: &str) -> Option<u32> {
    (service_part(prefix).len() < prefix.len()).then(|| place(prefix).0)
}

/// The service at the beginning of an id, in relations the calling one's. Base64 has neither `_` nor `-`.
fn service_part(entity: &str) -> &str {
    entity.split(['_', '-']).next().unwrap_or(entity)
}

/// FNV-1a with a finish that spreads it over all bits. It is part of the format: no library's hash promises to stay.
fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

/// Appends fields, most significant byte first, into an array of exactly their length.
fn joined<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut key = [0; N];
    let mut rest = key.as_mut_slice();
    for part in parts {
        let (head, tail) = rest.split_at_mut(part.len());
        head.copy_from_slice(part);
        rest = tail;
    }
    debug_assert!(rest.is_empty(), "the parts fill the key");
    key
}

/// The key of one partial of an entity at `place`.
pub(super) fn of(key: &RowKey, place: Place, partial: Partial) -> [u8; KEY] {
    full(key.step, key.bucket, key.scope, place, partial)
}

fn full(step: Step, bucket: Bucket, scope: Scope, (group, hash): Place, partial: Partial) -> [u8; KEY] {
    joined(&[
        &[step.code()],
        &bucket.0.to_be_bytes(),
        &[scope.code()],
        &group.to_be_bytes(),
        &hash.to_be_bytes(),
        &partial.writer.to_be_bytes(),
        &partial.life.to_be_bytes(),
    ])
}

/// The first and last key a bucket may have between two places, both included.
pub(super) fn between(step: Step, bucket: Bucket, scope: Scope, from: Place, to: Place) -> ([u8; KEY], [u8; KEY]) {
    let last = Partial { writer: u64::MAX, life: u32::MAX };
    (full(step, bucket, scope, from, Partial::default()), full(step, bucket, scope, to, last))
}

fn number<const N: usize>(key: &[u8], at: usize) -> [u8; N] {
    key.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

/// The bucket in a key.
pub(super) fn bucket(key: &[u8; KEY]) -> Bucket {
    Bucket(u32::from_be_bytes(number(key, 1)))
}

/// The scope's number in a key.
pub(super) fn scope_code(key: &[u8; KEY]) -> u8 {
    key[5]
}

/// The place in a key.
pub(super) fn place_of(key: &[u8; KEY]) -> Place {
    (u32::from_be_bytes(number(key, 6)), u64::from_be_bytes(number(key, 10)))
}

/// The writer in a key.
pub(super) fn writer(key: &[u8; KEY]) -> u64 {
    u64::from_be_bytes(number(key, 18))
}

/// The entry in the list of changes for a life row: scope, writer, sequence, and then the rest of the row's key.
pub(super) fn change(key: &[u8; KEY], seq: u64) -> [u8; CHANGE] {
    joined(&[
        &[scope_code(key)],
        &number::<8>(key, 18),
        &seq.to_be_bytes(),
        &number::<12>(key, 6),
        &number::<4>(key, 26),
    ])
}

/// The first or last change of a writer from a sequence on.
pub(super) fn change_bound(scope: Scope, writer: u64, seq: u64, fill: u8) -> [u8; CHANGE] {
    joined(&[&[scope.code()], &writer.to_be_bytes(), &seq.to_be_bytes(), &[fill; 16]])
}

/// Writer, sequence and place of a change.
pub(super) fn change_parts(key: &[u8; CHANGE]) -> (u64, u64, Place) {
    let place = (u32::from_be_bytes(number(key, 17)), u64::from_be_bytes(number(key, 21)));
    (u64::from_be_bytes(number(key, 1)), u64::from_be_bytes(number(key, 9)), place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_give_back_what_they_are_made_of() {
        let row = RowKey { scope: Scope::Endpoint, step: Step::Hour, bucket: Bucket(77), entity: "QQ==.1_YQ==".into() };
        let key = of(&row, place(&row.entity), Partial { writer: 5, life: 6 });
        assert_eq!((bucket(&key), scope_code(&key), writer(&key)), (Bucket(77), 3, 5));
        assert_eq!(place_of(&key), place("QQ==.1_YQ=="));
        assert_eq!(change_parts(&change(&key, 9)), (5, 9, place("QQ==.1_YQ==")));
        let (from, to) = between(Step::Hour, Bucket(77), Scope::Endpoint, place_of(&key), place_of(&key));
        assert!(from <= key && key <= to);
    }

    #[test]
    fn a_prefix_settles_the_group_when_it_holds_the_whole_service() {
        assert_eq!(group_of_prefix("QQ==.1_"), Some(place("QQ==.1_YQ==").0));
        assert_eq!(group_of_prefix("QQ==.1-Qg==.1"), Some(place("QQ==.1-YQ==").0));
        assert_eq!(group_of_prefix("QQ=="), None);
        assert_ne!(place("QQ==.1_YQ==").1, place("QQ==.1_Yg==").1);
    }

    #[test]
    fn the_hash_stays_what_it_is_on_disk() {
        assert_eq!(place("QQ==.1_YQ=="), (3267449436, 6144467720780565176));
    }
}
