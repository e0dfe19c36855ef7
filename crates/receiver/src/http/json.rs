//! JSON: cut into the elements of an array, so that a bad one does not spoil the rest, and each turned into protobuf.

use bytes::{Buf as _, Bytes};
use model::ledger::Reason;
use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};

/// The most objects in one element. Each takes half a kilobyte for a moment, however short it is written, so without a limit
/// 50 MiB of `{"spanId":1}` would become gigabytes. A segment of 10,000 spans with 8 tags each is within it.
const MAX_OBJECTS: usize = 100_000;

/// JSON that is turned into protobuf in one go, at least.
const PIECE: usize = 256 << 10;

/// Why an element or a body cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    Malformed,
    TooMany,
}

impl JsonError {
    /// The reason it is counted under.
    pub(crate) fn reason(self) -> Reason {
        match self {
            JsonError::Malformed => Reason::Malformed,
            JsonError::TooMany => Reason::TooMany,
        }
    }
}

/// The element as a message of that type. Unknown fields are passed over; enums come by name or number, 64-bit numbers as text
/// or number.
pub(crate) fn to_protobuf(descriptor: &MessageDescriptor, json: &[u8]) -> Result<Vec<u8>, JsonError> {
    if structure(json).filter(|&byte| byte == b'{').count() > MAX_OBJECTS {
        return Err(JsonError::TooMany);
    }
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize_with_options(descriptor.clone(), &mut deserializer, &options)
        .map_err(|_| JsonError::Malformed)?;
    deserializer.end().map_err(|_| JsonError::Malformed)?;
    Ok(message.encode_to_vec())
}

/// An element turned into protobuf, or why it cannot be.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// What its JSON weighs.
    pub(crate) json_bytes: usize,
    pub(crate) message: Result<Vec<u8>, JsonError>,
}

/// The next elements as protobuf: [`PIECE`] bytes of JSON and what completes the last of them; none where there are no more. An
/// `Err` is where the body is no array after all; nothing comes after it.
pub(crate) fn decode_some(elements: &mut Elements, descriptor: &MessageDescriptor) -> Vec<Result<Decoded, JsonError>> {
    let mut some = Vec::new();
    let mut bytes = 0;
    while bytes < PIECE
        && let Some(element) = elements.next()
    {
        some.push(element.map(|json| {
            bytes += json.len();
            Decoded { json_bytes: json.len(), message: to_protobuf(descriptor, &json) }
        }));
    }
    some
}

/// The elements of an array, or the one object that a body is. What stands between brackets is not looked at.
#[derive(Clone, Debug)]
pub(crate) struct Elements {
    rest: Bytes,
    array: bool,
    ended: bool,
}

impl Elements {
    /// Fails where the body is neither an array nor an object.
    pub(crate) fn new(body: &Bytes) -> Result<Self, JsonError> {
        match body.trim_ascii() {
            all @ [b'{', ..] => Ok(Elements { rest: body.slice_ref(all), array: false, ended: false }),
            [b'[', inner @ .., b']'] => {
                let rest = inner.trim_ascii();
                Ok(Elements { rest: body.slice_ref(rest), array: true, ended: rest.is_empty() })
            }
            _ => Err(JsonError::Malformed),
        }
    }

    /// Whether the body is an array.
    pub(crate) fn is_array(&self) -> bool {
        self.array
    }
}

impl Iterator for Elements {
    type Item = Result<Bytes, JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        if !self.array {
            self.ended = true;
            return Some(Ok(std::mem::take(&mut self.rest)));
        }
        match end_of_element(&self.rest) {
            Some(end) => {
                let element = self.rest.split_to(end);
                match self.rest.is_empty() {
                    true => self.ended = true,
                    // The comma.
                    false => self.rest.advance(1),
                }
                Some(Ok(element.slice_ref(element.trim_ascii())))
            }
            None => {
                self.ended = true;
                Some(Err(JsonError::Malformed))
            }
        }
    }
}

/// Where the first element ends: at a comma outside of everything, or at the end. `None` where brackets or quotes do not close.
fn end_of_element(json: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut scan = Structure::new(json);
    for (at, byte) in scan.by_ref() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    (depth == 0 && !scan.in_text).then_some(json.len())
}

fn structure(json: &[u8]) -> impl Iterator<Item = u8> {
    Structure::new(json).map(|(_, byte)| byte)
}

/// The bytes outside of texts, with their positions.
struct Structure<'a> {
    bytes: std::iter::Enumerate<std::slice::Iter<'a, u8>>,
    in_text: bool,
}

impl<'a> Structure<'a> {
    fn new(json: &'a [u8]) -> Self {
        Structure { bytes: json.iter().enumerate(), in_text: false }
    }
}

impl Iterator for Structure<'_> {
    type Item = (usize, u8);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((at, &byte)) = self.bytes.next() {
            match (self.in_text, byte) {
                (false, b'"') => self.in_text = true,
                (false, _) => return Some((at, byte)),
                (true, b'"') => self.in_text = false,
                // What follows a backslash ends no text.
                (true, b'\\') => drop(self.bytes.next()),
                (true, _) => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(body: &str) -> Result<Vec<String>, JsonError> {
        let text = |element: Bytes| String::from_utf8(element.to_vec()).unwrap();
        Elements::new(&Bytes::copy_from_slice(body.as_bytes()))?.map(|element| element.map(text)).collect()
    }

    #[test]
    fn arrays_are_cut_at_their_own_commas_only() {
        let check = |body, expected: &[&str]| assert_eq!(split(body).unwrap(), expected, "{body}");
        check("[]", &[]);
        check(" [ ] ", &[]);
        check("{\"a\": [1,2]}\n", &["{\"a\": [1,2]}"]);
        check("[1, 2]", &["1", "2"]);
        check(r#"[{"a":[1,{"b":2}]} , {"c":"x,]}\",\\"}]"#, &[r#"{"a":[1,{"b":2}]}"#, r#"{"c":"x,]}\",\\"}"#]);
        // An empty element is for the parser to refuse.
        check("[1,]", &["1", ""]);
        check("[,]", &["", ""]);
    }

    #[test]
    fn what_does_not_close_is_no_array() {
        for body in ["", "1", "\"[]\"", "[{]", "[}]", "[\"]", "[[1]", "[{\"a\":\"\\\"}]", "]["] {
            assert!(split(body).is_err(), "{body}");
        }
    }

    #[test]
    fn an_element_of_too_many_objects_is_refused_before_it_takes_memory() {
        let descriptor = proto::pool().get_message_by_name("skywalking.v3.SegmentObject").unwrap();
        let spans = vec![r#"{"operationName":"{{{{{{"}"#; MAX_OBJECTS - 1].join(",");
        let json = format!(r#"{{"spans":[{spans}]}}"#);
        assert!(to_protobuf(&descriptor, json.as_bytes()).is_ok());
        let json = format!(r#"{{"spans":[{spans},{{}}]}}"#);
        assert_eq!(to_protobuf(&descriptor, json.as_bytes()), Err(JsonError::TooMany));
    }

    #[test]
    fn a_long_array_is_turned_piece_by_piece_and_ends_where_it_is_none() {
        let descriptor = proto::pool().get_message_by_name("skywalking.v3.SegmentObject").unwrap();
        let element = format!(r#"{{"traceId":"{}"}}"#, "x".repeat(PIECE / 2));
        let body = Bytes::from(format!("[{element},{element},{element},7,}}]"));
        let mut elements = Elements::new(&body).unwrap();
        let mut piece = || {
            let ok = |decoded: Decoded| (decoded.json_bytes, decoded.message.is_ok());
            decode_some(&mut elements, &descriptor).into_iter().map(|it| it.map(ok)).collect::<Vec<_>>()
        };
        assert_eq!(piece(), [Ok((element.len(), true)), Ok((element.len(), true))]);
        assert_eq!(piece(), [Ok((element.len(), true)), Ok((1, false)), Err(JsonError::Malformed)]);
        assert_eq!(piece(), []);
    }

    #[test]
    fn deep_nesting_in_an_unknown_field_takes_no_stack() {
        let descriptor = proto::pool().get_message_by_name("skywalking.v3.SegmentObject").unwrap();
        let json = format!(r#"{{"unknown":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(to_protobuf(&descriptor, json.as_bytes()), Ok(Vec::new()));
    }
}
