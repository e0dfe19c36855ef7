//! Bulk requests: many documents in one body, and what became of each.

use std::time::Duration;

use bytes::Bytes;
use model::ledger::Reason;
use opensearch::http::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::client::Client;
use super::failure::{Cause, failure};
use super::json::{put, unreadable};
use crate::StoreError;
use crate::chance::Chance;

/// The first pause before documents that the cluster could not take are sent again; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// What an answer without errors begins with, behind what time it took.
const NO_ERRORS: &[u8] = b"\"errors\":false";

/// Documents on their way, one after the other as the cluster reads them.
#[derive(Clone, Debug, Default)]
pub(super) struct Bulk {
    body: Vec<u8>,
    /// Where each ends, and its position in what was handed in.
    ends: Vec<(usize, usize)>,
}

impl Bulk {
    /// Adds a document: `write` appends its lines.
    pub(super) fn add(&mut self, position: usize, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.body);
        self.ends.push((self.body.len(), position));
    }

    /// Adds the deletion of a document, which fails where it was written since it was read with this sequence number and primary term.
    pub(super) fn delete(&mut self, position: usize, index: &str, id: &str, (seq_no, primary_term): (i64, i64)) {
        let action = json!({"delete": {
            "_index": index, "_id": id, "if_seq_no": seq_no, "if_primary_term": primary_term,
        }});
        self.add(position, |out| {
            put(out, &action);
            out.push(b'\n');
        });
    }

    /// Forgets the last document that was added.
    pub(super) fn take_back(&mut self) {
        self.ends.pop();
        self.body.truncate(self.ends.last().map_or(0, |(end, _)| *end));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.body.len()
    }

    /// The bytes of its `i`th document.
    fn document(&self, i: usize) -> &[u8] {
        let begin = i.checked_sub(1).map_or(0, |before| self.ends[before].0);
        &self.body[begin..self.ends[i].0]
    }

    /// Some of its documents.
    fn only(&self, which: impl Iterator<Item = usize>) -> Bulk {
        let mut some = Bulk::default();
        for i in which {
            some.add(self.ends[i].1, |out| out.extend_from_slice(self.document(i)));
        }
        some
    }
}

/// How documents are sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// When what is not stored by then is given up.
    pub(super) deadline: Instant,
    /// Whether searches see them as soon as they are answered.
    pub(super) visible: bool,
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// Stored, or there already, or something newer is.
    Stored,
    /// The cluster has something else there; what that means is the caller's to say.
    Conflict,
    /// Refused for good.
    Refused(String),
    /// The cluster may take it later.
    Later(String),
}

/// What a bulk request ended with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Positions refused for good, and why.
    pub(super) refused: Vec<(usize, Reason)>,
    /// Positions where something else was stored already.
    pub(super) conflicts: Vec<usize>,
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Outcome>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Create(Item),
    Index(Item),
    Update(Item),
    Delete(Item),
}

#[derive(Deserialize)]
struct Item {
    status: u16,
    #[serde(default)]
    error: Option<Cause>,
}

/// Sends the documents until each is stored or refused for good. What the cluster cannot take just now is sent again, with growing
/// pauses, until the deadline: then `Unavailable`, and any of them may have been stored.
pub(super) async fn send(
    client: &Client,
    mut bulk: Bulk,
    terms: Terms,
    mut chance: Chance,
) -> Result<Sent, StoreError> {
    let mut sent = Sent::default();
    let mut pause = PAUSE_MIN;
    while !bulk.is_empty() {
        let Some(fates) = once(client, &mut bulk, terms).await? else { return Ok(sent) };
        let mut later = Vec::new();
        let mut why = String::new();
        for (i, fate) in fates.into_iter().enumerate() {
            match fate {
                Fate::Stored => {}
                Fate::Conflict => sent.conflicts.push(bulk.ends[i].1),
                Fate::Refused(reason) => {
                    if sent.refused.is_empty() {
                        warn!(%reason, "OpenSearch refuses a document for good");
                    }
                    sent.refused.push((bulk.ends[i].1, Reason::Store));
                }
                Fate::Later(reason) => {
                    later.push(i);
                    why = reason;
                }
            }
        }
        if later.is_empty() {
            return Ok(sent);
        }
        let half = u64::try_from(pause.as_micros() / 2).unwrap_or(u64::MAX);
        let rest = pause / 2 + Duration::from_micros(chance.below(half));
        if Instant::now() + rest >= terms.deadline {
            return Err(StoreError::Unavailable(format!("OpenSearch does not take documents: {why}")));
        }
        sleep(rest).await;
        pause = (pause * 2).min(PAUSE_MAX);
        bulk = bulk.only(later.into_iter());
    }
    Ok(sent)
}

/// One request, or several where one is too large for the cluster. `None`: all were stored.
async fn once(client: &Client, bulk: &mut Bulk, terms: Terms) -> Result<Option<Vec<Fate>>, StoreError> {
    let left = terms.deadline.saturating_duration_since(Instant::now());
    // The cluster gives up before we do, so that an answer says why.
    let seconds = (left.as_secs() * 3 / 4).max(1);
    let refresh = if terms.visible { "&refresh=true" } else { "" };
    let path = format!("/_bulk?timeout={seconds}s&filter_path=errors,items.*.status,items.*.error{refresh}");
    // Lent to the request, and back without a copy.
    let body = Bytes::from(std::mem::take(&mut bulk.body));
    let reply = client.send(Method::Post, &path, Some(body.clone()), left).await?;
    bulk.body = Vec::from(body);
    if reply.status == 413 {
        return halves(client, bulk, terms).await.map(Some);
    }
    if !reply.is_ok() {
        return Err(failure(reply.status, &reply.body));
    }
    let beginning = &reply.body[..reply.body.len().min(64)];
    if beginning.windows(NO_ERRORS.len()).any(|text| text == NO_ERRORS) {
        return Ok(None);
    }
    let answer: Answer = serde_json::from_slice(&reply.body).map_err(|error| unreadable(&error.to_string()))?;
    if answer.items.len() != bulk.ends.len() {
        return Err(StoreError::Unavailable(format!(
            "OpenSearch answered for {} of {} documents",
            answer.items.len(),
            bulk.ends.len()
        )));
    }
    Ok(Some(answer.items.into_iter().map(fate).collect()))
}

/// The cluster takes less in one request than it was given.
async fn halves(client: &Client, bulk: &Bulk, terms: Terms) -> Result<Vec<Fate>, StoreError> {
    let n = bulk.ends.len();
    if n == 1 {
        return Ok(vec![Fate::Refused(format!("a document of {} bytes is too large for the cluster", bulk.bytes()))]);
    }
    let mut fates = Vec::with_capacity(n);
    for range in [0..n / 2, n / 2..n] {
        let mut part = bulk.only(range.clone());
        let answer = Box::pin(once(client, &mut part, terms)).await?;
        fates.extend(answer.unwrap_or_else(|| vec![Fate::Stored; range.len()]));
    }
    Ok(fates)
}

fn fate(outcome: Outcome) -> Fate {
    let (Outcome::Create(item) | Outcome::Index(item) | Outcome::Update(item) | Outcome::Delete(item)) = outcome;
    let sentence = || item.error.as_ref().map_or_else(|| item.status.to_string(), Cause::sentence);
    let ty = item.error.as_ref().map_or("", Cause::ty);
    match item.status {
        200..300 => Fate::Stored,
        // A deletion of what is not there.
        404 if item.error.is_none() => Fate::Stored,
        409 => Fate::Conflict,
        // Of all that the cluster answers with 400, these are about the document itself.
        400 if ["mapper_parsing_exception", "illegal_argument_exception", "parsing_exception"].contains(&ty) => {
            Fate::Refused(sentence())
        }
        _ => Fate::Later(sentence()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(item: &str, expected: &Fate) {
        assert_eq!(fate(serde_json::from_str(item).unwrap()), *expected, "{item}");
    }

    #[test]
    fn each_document_has_a_fate_of_its_own() {
        check(r#"{"create":{"status":201}}"#, &Fate::Stored);
        check(r#"{"delete":{"status":404}}"#, &Fate::Stored);
        let conflict = r#"{"index":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"r"}}}"#;
        check(conflict, &Fate::Conflict);
        check(
            r#"{"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse","caused_by":{"type":"illegal_argument_exception","reason":"not a number"}}}}"#,
            &Fate::Refused("illegal_argument_exception: not a number".to_owned()),
        );
        for later in [
            r#"{"index":{"status":429,"error":{"type":"rejected_execution_exception","reason":"full"}}}"#,
            r#"{"index":{"status":403,"error":{"type":"cluster_block_exception","reason":"read-only"}}}"#,
            r#"{"index":{"status":400,"error":{"type":"validation_exception","reason":"maximum shards open"}}}"#,
            r#"{"index":{"status":503,"error":{"type":"unavailable_shards_exception","reason":"primary"}}}"#,
        ] {
            assert!(matches!(fate(serde_json::from_str(later).unwrap()), Fate::Later(_)), "{later}");
        }
    }

    #[test]
    fn some_documents_of_a_bulk_keep_their_bytes_and_positions() {
        let mut bulk = Bulk::default();
        for (position, text) in [(7, "aa"), (3, "b"), (9, "cccc")] {
            bulk.add(position, |out| out.extend_from_slice(text.as_bytes()));
        }
        let some = bulk.only([0, 2].into_iter());
        assert_eq!((some.body.as_slice(), some.ends.as_slice()), (b"aacccc".as_slice(), [(2, 7), (6, 9)].as_slice()));
        assert_eq!(bulk.document(1), b"b");
    }
}
