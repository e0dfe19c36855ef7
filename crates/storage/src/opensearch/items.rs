//! Items: compare and set on the document's own sequence number, so that no update is lost whatever fails.

use std::collections::HashSet;
use std::time::Duration;

use model::UnixMillis;
use model::item::{Item, Revision};
use model::kinds::ItemKind;
use opensearch::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::Found;
use super::bulk::{Bulk, Terms, send};
use super::client::Client;
use super::find::{SEARCH, all};
use super::ids;
use super::json::{body, put, read, unreadable};
use super::names::Names;
use crate::chance::Chance;
use crate::{ItemQuery, StoreError, Swapped};

/// Items of one page.
const PAGE: usize = 1_000;
/// How often an item is looked at again because somebody changed it between our look and our write.
const LOOKS: usize = 64;

/// An item as a document. Numbers that need 64 bits are texts.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    kind: String,
    id: String,
    revision: u64,
    nonce: String,
    tombstone: bool,
    updated: i64,
    body: String,
}

impl Stored {
    fn of(item: &Item, revision: Revision) -> Stored {
        Stored {
            kind: item.kind.name().to_owned(),
            id: item.id.clone(),
            revision: revision.0,
            nonce: item.nonce.to_string(),
            tombstone: item.tombstone,
            updated: item.updated.0,
            body: item.body.clone(),
        }
    }

    fn item(self, kind: ItemKind) -> Result<Item, StoreError> {
        let nonce = self.nonce.parse().map_err(|_| unreadable(&format!("the nonce of the item {}", self.id)))?;
        let (revision, updated) = (Revision(self.revision), UnixMillis(self.updated));
        Ok(Item { kind, id: self.id, revision, nonce, tombstone: self.tombstone, updated, body: self.body })
    }
}

/// A document as reads by id answer it.
#[derive(Debug, Deserialize)]
struct Document {
    #[serde(rename = "_source", default)]
    source: Option<Stored>,
    #[serde(rename = "_seq_no", default)]
    seq_no: i64,
    #[serde(rename = "_primary_term", default)]
    primary_term: i64,
}

#[derive(Debug, Default, Deserialize)]
struct Documents {
    #[serde(default)]
    docs: Vec<Document>,
}

/// Which version of a document is replaced.
#[derive(Clone, Copy, Debug)]
enum Replaces {
    Nothing,
    Version { seq_no: i64, primary_term: i64 },
}

/// Reads the documents of these items as they are now, whatever searches see.
async fn get(client: &Client, names: &Names, ids: &[String], within: Duration) -> Result<Vec<Document>, StoreError> {
    let path = format!("/{}/_mget?realtime=true", names.items());
    let reply = client.send(Method::Post, &path, Some(body(&json!({"ids": ids}))), within).await?;
    let found: Documents = read(&reply.ok()?)?;
    if found.docs.len() == ids.len() {
        return Ok(found.docs);
    }
    Err(StoreError::Unavailable("OpenSearch answered for fewer items than it was asked for".to_owned()))
}

/// Items of a kind, ascending by id.
pub(super) async fn query(
    client: &Client,
    names: &Names,
    query: &ItemQuery,
    within: Duration,
) -> Result<Vec<Item>, StoreError> {
    let mut items = if query.ids.is_empty() {
        listed(client, names, query.kind).await?
    } else {
        let wanted: HashSet<&String> = query.ids.iter().collect();
        let ids: Vec<_> = wanted.into_iter().map(|id| ids::of_item(query.kind, id)).collect();
        let found = get(client, names, &ids, within).await?;
        found
            .into_iter()
            .filter_map(|document| document.source)
            .map(|stored| stored.item(query.kind))
            .collect::<Result<_, _>>()?
    };
    items.retain(|item| query.tombstones || !item.tombstone);
    items.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(items)
}

#[derive(Debug, Deserialize)]
struct Hit {
    #[serde(rename = "_id", default)]
    id: String,
    #[serde(rename = "_seq_no", default)]
    seq_no: i64,
    #[serde(rename = "_primary_term", default)]
    primary_term: i64,
    #[serde(rename = "_source", default)]
    source: Option<Stored>,
    #[serde(default)]
    sort: Vec<serde_json::Value>,
}

async fn listed(client: &Client, names: &Names, kind: ItemKind) -> Result<Vec<Item>, StoreError> {
    let mut request = json!({
        "query": {"term": {"kind": kind.name()}},
        "size": PAGE,
        "sort": [{"id": "asc"}],
        "track_total_hits": false,
    });
    let path = format!("/{}/_search?{SEARCH}&filter_path=hits.hits._source,hits.hits.sort", names.items());
    let mut items = Vec::new();
    loop {
        let answer: Found<Hit> = read(&client.query(&path, body(&request)).await?)?;
        let hits = answer.hits.hits;
        let is_last = hits.len() < PAGE;
        if let Some(last) = hits.last() {
            request["search_after"] = json!(last.sort);
        }
        for stored in hits.into_iter().filter_map(|hit| hit.source) {
            items.push(stored.item(kind)?);
        }
        if is_last {
            return Ok(items);
        }
    }
}

/// Writes each item whose stored revision is the expected one, and answers for each.
pub(super) async fn swap_many(
    client: &Client,
    names: &Names,
    items: &[(Item, Revision)],
    terms: Terms,
    mut chance: Chance,
) -> Result<Vec<Swapped>, StoreError> {
    let mut answers: Vec<Option<Swapped>> = items.iter().map(|_| None).collect();
    for _ in 0..LOOKS {
        let round = round(items, &answers);
        if round.is_empty() {
            return Ok(answers.into_iter().flatten().collect());
        }
        swap_round(client, names, items, &round, terms, Chance::new(chance.bits()), &mut answers).await?;
    }
    Err(StoreError::Unavailable("others keep changing the same items".to_owned()))
}

/// Those that are not answered yet, of several changes of one item the first: the next ones come after it.
fn round(items: &[(Item, Revision)], answers: &[Option<Swapped>]) -> Vec<usize> {
    let mut taken = HashSet::new();
    let open = items.iter().zip(answers).enumerate().filter(|(_, (_, answer))| answer.is_none());
    open.filter(|(_, ((item, _), _))| taken.insert((item.kind, &item.id))).map(|(i, _)| i).collect()
}

async fn swap_round(
    client: &Client,
    names: &Names,
    items: &[(Item, Revision)],
    round: &[usize],
    terms: Terms,
    chance: Chance,
    answers: &mut [Option<Swapped>],
) -> Result<(), StoreError> {
    let ids: Vec<_> = round.iter().map(|&i| ids::of_item(items[i].0.kind, &items[i].0.id)).collect();
    let within = terms.deadline.saturating_duration_since(tokio::time::Instant::now());
    let found = get(client, names, &ids, within).await?;
    let mut bulk = Bulk::default();
    for ((&i, id), document) in round.iter().zip(&ids).zip(found) {
        let (item, expected) = &items[i];
        let replaces = match &document.source {
            None => Replaces::Nothing,
            Some(_) => Replaces::Version { seq_no: document.seq_no, primary_term: document.primary_term },
        };
        let stored = document.source.map(|stored| stored.item(item.kind)).transpose()?;
        if stored.as_ref().map_or(Revision(0), |stored| stored.revision) == *expected {
            let stored = Stored::of(item, Revision(expected.0 + 1));
            bulk.add(i, |out| put_item(out, names, id, replaces, &stored));
            continue;
        }
        answers[i] = Some(match stored {
            // The answer to a swap of ours was lost.
            Some(stored) if stored.nonce == item.nonce => Swapped::Done(stored.revision),
            stored => Swapped::Conflict(stored),
        });
    }
    if bulk.is_empty() {
        return Ok(());
    }
    let written: Vec<usize> = round.iter().copied().filter(|&i| answers[i].is_none()).collect();
    let sent = send(client, bulk, terms, chance).await?;
    if let Some((i, _)) = sent.refused.first() {
        let id = &items[*i].0.id;
        return Err(StoreError::Query(format!("OpenSearch refuses the item {id}")));
    }
    for i in written {
        // Where somebody came between, the next round looks again.
        if !sent.conflicts.contains(&i) {
            answers[i] = Some(Swapped::Done(Revision(items[i].1.0 + 1)));
        }
    }
    Ok(())
}

fn put_item(out: &mut Vec<u8>, names: &Names, id: &str, replaces: Replaces, stored: &Stored) {
    let index = names.items();
    match replaces {
        Replaces::Nothing => put(out, &json!({"create": {"_index": index, "_id": id}})),
        Replaces::Version { seq_no, primary_term } => {
            let action = json!({"_index": index, "_id": id, "if_seq_no": seq_no, "if_primary_term": primary_term});
            put(out, &json!({"index": action}));
        }
    }
    out.push(b'\n');
    put(out, stored);
    out.push(b'\n');
}

/// Removes tombstones that were written before `cut`; answers how many.
pub(super) async fn expire(
    client: &Client,
    names: &Names,
    cut: UnixMillis,
    terms: Terms,
    chance: Chance,
) -> Result<usize, StoreError> {
    let request = json!({
        "query": all(vec![json!({"term": {"tombstone": true}}), json!({"range": {"updated": {"lt": cut.0}}})]),
        "size": PAGE,
        "seq_no_primary_term": true,
        "_source": false,
        "track_total_hits": false,
    });
    let path = format!(
        "/{}/_search?{SEARCH}&filter_path=hits.hits._id,hits.hits._seq_no,hits.hits._primary_term",
        names.items()
    );
    let mut removed = 0;
    loop {
        let answer: Found<Hit> = read(&client.query(&path, body(&request)).await?)?;
        let hits = answer.hits.hits;
        let mut bulk = Bulk::default();
        for (i, hit) in hits.iter().enumerate() {
            bulk.delete(i, &names.items(), &hit.id, (hit.seq_no, hit.primary_term));
        }
        let terms = Terms { visible: true, ..terms };
        let sent = send(client, bulk, terms, Chance::new(chance.clone().bits())).await?;
        removed += hits.len() - sent.conflicts.len();
        if hits.len() < PAGE {
            return Ok(removed);
        }
    }
}
