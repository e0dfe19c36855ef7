//! Cells: the numbered slots of a row. Numbers below 64 are structure, fixed here; metrics get theirs from the catalogue item.

use serde::{Deserialize, Serialize};

/// A slot of a row: which metric, or which piece of structure, an aggregate belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CellId(pub u16);

/// `Min` of the minute in which the entity was first seen (minutes since 1970).
pub const FIRST_SEEN: CellId = CellId(1);
/// `Max` of the last minute in which the entity was seen.
pub const LAST_PING: CellId = CellId(2);
/// `Ids`: ordinals of the layers. In service life rows all that were reported; in minute, hour and day rows of services and
/// endpoints those of the traffic, of which the lowest is the row's `attr0`.
pub const LAYERS: CellId = CellId(3);
/// `Texts`: an instance's properties.
pub const PROPERTIES: CellId = CellId(4);
/// `Texts` with the one key `""`: what stands behind an address, as `service id` TAB `instance id`.
pub const ALIAS: CellId = CellId(5);
/// `Ids`: components seen at the calling side of a relation. Present exactly when the client reported the call.
pub const CLIENT_COMPONENTS: CellId = CellId(6);
/// `Ids`: components seen at the called side of a relation. Present exactly when the server reported the call.
pub const SERVER_COMPONENTS: CellId = CellId(7);
/// `Texts`: values of a tag key; the values are the keys of the map.
pub const VALUES: CellId = CellId(8);
/// `Top` of a database's service row: its slow statements.
pub const SLOW_DATABASE: CellId = CellId(9);
/// `Top` of a service row: the slow statements that the service sent to databases.
pub const SLOW_SERVICE_DATABASE: CellId = CellId(10);
/// `Top` of a cache's service row: its slow reads.
pub const SLOW_CACHE_READ: CellId = CellId(11);
/// `Top` of a cache's service row: its slow writes.
pub const SLOW_CACHE_WRITE: CellId = CellId(12);
/// `Texts` of a process's life row: who it is, as [`crate::process`] has it.
pub const PROCESS: CellId = CellId(13);
/// `Texts` of a process relation with the one key `""`: the id of the instance that reported the call at its calling side.
pub const CLIENT_INSTANCE: CellId = CellId(14);
/// The same at its called side.
pub const SERVER_INSTANCE: CellId = CellId(15);

/// Slow statements by the name they are asked for, and the cell of service rows that holds them.
pub const SLOW: [(&str, CellId); 4] = [
    ("top_n_database_statement", SLOW_DATABASE),
    ("top_n_service_database_statement", SLOW_SERVICE_DATABASE),
    ("top_n_cache_read_command", SLOW_CACHE_READ),
    ("top_n_cache_write_command", SLOW_CACHE_WRITE),
];

/// The first number that a metric may have.
pub const FIRST_METRIC: u16 = 64;
