//! Items: what an operator or a lease holder edits, written by compare-and-set.

use crate::UnixMillis;
use crate::kinds::ItemKind;

/// The number of a stored version of an item: 1 when it was created, one more with each change. 0: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// One item. Its body belongs to whoever owns the kind; stores do not look inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its kind.
    pub kind: ItemKind,
    /// Unique within the kind.
    pub id: String,
    /// The stored version; a store sets it, a writer's is ignored.
    pub revision: Revision,
    /// Random, drawn by the writer: a conflict with one's own nonce is success whose answer was lost.
    pub nonce: u64,
    /// Deleted: kept for a day so that readers of changes see it go.
    pub tombstone: bool,
    /// When it was written, by the writer's clock.
    pub updated: UnixMillis,
    /// JSON.
    pub body: String,
}
