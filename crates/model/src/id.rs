//! Entity ids, as SkyWalking writes them and its clients compute them (analysis: ids are standard base64 with padding, so the
//! separators `.`, `_` and `-` never occur inside a part).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The name of the caller that no agent reported.
pub const USER: &str = "User";
/// Stands for a blank name.
pub const BLANK: &str = "_blank";

/// An id that does not have the shape it should have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what} id {id:?}")]
pub struct BadId {
    /// What was expected: `service`, `instance`, `endpoint` …
    pub what: &'static str,
    /// What was given.
    pub id: String,
}

fn named(name: &str) -> &str {
    if name.trim().is_empty() { BLANK } else { name }
}

/// Standard base64 of the text, with padding.
pub fn b64(text: &str) -> String {
    STANDARD.encode(text)
}

/// `b64(name).1` for a service that an agent reported, `.0` for a conjectured one.
pub fn service(name: &str, normal: bool) -> String {
    let mut id = String::with_capacity(name.len().div_ceil(3) * 4 + 2);
    STANDARD.encode_string(named(name), &mut id);
    id.push_str(if normal { ".1" } else { ".0" });
    id
}

/// `serviceId_b64(instance)`.
pub fn instance(service_id: &str, name: &str) -> String {
    child(service_id, name)
}

/// `serviceId_b64(endpoint)`.
pub fn endpoint(service_id: &str, name: &str) -> String {
    child(service_id, name)
}

fn child(service_id: &str, name: &str) -> String {
    let mut id = String::with_capacity(service_id.len() + 1 + name.len().div_ceil(3) * 4);
    id.push_str(service_id);
    id.push('_');
    STANDARD.encode_string(named(name), &mut id);
    id
}

/// `source-dest` of services, instances or processes.
pub fn relation(source: &str, dest: &str) -> String {
    let mut id = String::with_capacity(source.len() + dest.len() + 1);
    id.push_str(source);
    id.push('-');
    id.push_str(dest);
    id
}

/// `sourceService-b64(endpoint)-destService-b64(endpoint)`. Blank names are not replaced here.
pub fn endpoint_relation(source_service: &str, source: &str, dest_service: &str, dest: &str) -> String {
    let names = source.len().div_ceil(3) * 4 + dest.len().div_ceil(3) * 4;
    let mut id = String::with_capacity(source_service.len() + dest_service.len() + names + 3);
    id.push_str(source_service);
    id.push('-');
    STANDARD.encode_string(source, &mut id);
    id.push('-');
    id.push_str(dest_service);
    id.push('-');
    STANDARD.encode_string(dest, &mut id);
    id
}

/// Lower-case hex SHA-256 of `name_instanceId`.
pub fn process(name: &str, instance_id: &str) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha256::digest(format!("{name}_{instance_id}")))
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    use std::fmt::Write as _;
    let bytes = bytes.into_iter();
    let text = String::with_capacity(2 * bytes.size_hint().0);
    bytes.fold(text, |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

fn decode(what: &'static str, id: &str, part: &str) -> Result<String, BadId> {
    let bad = || BadId { what, id: id.to_owned() };
    String::from_utf8(STANDARD.decode(part).map_err(|_| bad())?).map_err(|_| bad())
}

/// Name and whether it is normal, of a service id.
pub fn parse_service(id: &str) -> Result<(String, bool), BadId> {
    let bad = || BadId { what: "service", id: id.to_owned() };
    let (name, normal) = id.split_once('.').ok_or_else(bad)?;
    let normal = match normal {
        "1" => true,
        "0" => false,
        _ => return Err(bad()),
    };
    Ok((decode("service", id, name)?, normal))
}

/// Service id and own name, of an instance id.
pub fn parse_instance(id: &str) -> Result<(String, String), BadId> {
    parse_child("instance", id)
}

/// Service id and own name, of an endpoint id.
pub fn parse_endpoint(id: &str) -> Result<(String, String), BadId> {
    parse_child("endpoint", id)
}

fn parse_child(what: &'static str, id: &str) -> Result<(String, String), BadId> {
    let (service_id, name) = id.split_once('_').ok_or_else(|| BadId { what, id: id.to_owned() })?;
    parse_service(service_id).map_err(|_| BadId { what, id: id.to_owned() })?;
    Ok((service_id.to_owned(), decode(what, id, name)?))
}

/// The two ends of a relation id as ids of their scope: services, instances or processes split at the one `-`; an endpoint
/// relation's four parts are joined to two endpoint ids again (so both ends start with their service's id). `None`: not a relation.
pub fn relation_ends(id: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = id.split('-').collect();
    match parts[..] {
        [source, dest] => Some((source.to_owned(), dest.to_owned())),
        [ss, se, ds, de] => Some((format!("{ss}_{se}"), format!("{ds}_{de}"))),
        _ => None,
    }
}

/// The service part of any id below a service: everything before the first `_`.
pub fn service_of(id: &str) -> &str {
    id.split('_').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_those_that_clients_compute() {
        assert_eq!(service(USER, false), "VXNlcg==.0");
        assert_eq!(service("A", true), "QQ==.1");
        assert_eq!(service(" ", true), "X2JsYW5r.1");
        assert_eq!(instance("QQ==.1", "a1"), "QQ==.1_YTE=");
        assert_eq!(endpoint_relation("QQ==.1", "/a", "Qg==.1", "/b"), "QQ==.1-L2E=-Qg==.1-L2I=");
        assert_eq!(
            relation_ends("QQ==.1-L2E=-Qg==.1-L2I="),
            Some(("QQ==.1_L2E=".to_owned(), "Qg==.1_L2I=".to_owned()))
        );
        assert_eq!(process("p", "i").len(), 64);
    }

    #[test]
    fn malformed_ids_are_errors() {
        for bad in ["", "QQ==", "QQ==.2", "?.1", "/////w==.1"] {
            assert!(parse_service(bad).is_err(), "{bad}");
            assert!(parse_instance(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn ids_round_trip(name in "\\PC{1,40}", child in "\\PC{1,40}", normal: bool) {
            prop_assume!(!name.trim().is_empty() && !child.trim().is_empty());
            let id = service(&name, normal);
            prop_assert_eq!(parse_service(&id).unwrap(), (name.clone(), normal));
            prop_assert_eq!(parse_endpoint(&endpoint(&id, &child)).unwrap(), (id.clone(), child.clone()));
            let relation = endpoint_relation(&id, &child, &id, &name);
            prop_assert_eq!(relation_ends(&relation).unwrap(), (endpoint(&id, &child), endpoint(&id, &name)));
        }
    }
}
