//! Receivers.

use crate::notify::settings::MASK;
use crate::receiver::Receiver;
use crate::settings::secrets;

use super::{Checked, MAX_NAME};

/// Bytes that the settings of a receiver may take as JSON.
const MAX_SETTINGS: usize = 256 << 10;

/// Checks a receiver whose secrets are sealed already; what its kind says of its settings was asked before, with the secrets.
pub fn receiver(receiver: &Receiver) -> Checked {
    let mut checked = Checked::default();
    let kind =
        serde_json::to_value(receiver.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
    let is_name = |name: &str| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    if !receiver.id.strip_prefix(&kind).and_then(|rest| rest.strip_prefix('.')).is_some_and(is_name) {
        let what = format!("it is {kind}.NAME, NAME being a text without spaces, and this is {:?}", receiver.id);
        checked.error("bad_name", "id", what);
    }
    checked.length("id", &receiver.id, MAX_NAME);
    let size = serde_json::to_string(&receiver.settings).map_or(0, |json| json.len());
    if size > MAX_SETTINGS {
        checked.error("too_long", "settings", format!("they have {size} bytes, at most {MAX_SETTINGS} are allowed"));
    }
    for place in secrets::places(&receiver.settings).iter().filter(|place| !receiver.secrets.contains_key(*place)) {
        let what = format!("{place} is {} and there is no secret to leave as it is: write it", MASK);
        checked.error("missing_secret", "settings", what);
    }
    checked
}
