//! Writing batches: documents are encoded a request at a time, and no more requests are under way than the settings allow.

use futures_util::future::try_join_all;
use model::Row;
use model::ledger::Reason;
use model::record::Record;
use tokio::time::Instant;

use super::bulk::{Bulk, send};
use super::records::put_record;
use super::rows::put_row;
use super::{Commits, OpenSearch, Visible};
use crate::StoreError;

/// Documents that are encoded before others may run.
const TOGETHER: usize = 64;
/// What a document weighs beside its body: lines, names, numbers.
const FRAME: usize = 512;

impl OpenSearch {
    pub(super) async fn write_rows(&self, rows: &[Row]) -> Result<Vec<(usize, Reason)>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.columns.map(&self.client, &self.templates, &self.names, rows).await?;
        // A flush is one after the other: there is no second one whose place it could take.
        let mut refused = Vec::new();
        let mut next = 0;
        while next < rows.len() {
            let _turn = self.row_bulks.acquire().await.expect("it is never closed");
            let mut bulk = Bulk::default();
            while next < rows.len() && bulk.bytes() < self.config.bulk_bytes {
                let mut answer = Ok(());
                bulk.add(next, |out| answer = put_row(out, &self.names, &rows[next]));
                if let Err(reason) = answer {
                    bulk.take_back();
                    refused.push((next, reason));
                }
                next += 1;
                if next % TOGETHER == 0 {
                    tokio::task::yield_now().await;
                }
            }
            refused.extend(self.send(bulk, &self.row_commits).await?);
        }
        Ok(refused)
    }

    pub(super) async fn write_records(&self, records: &[Record]) -> Result<Vec<(usize, Reason)>, StoreError> {
        let mut parts = Vec::new();
        let (mut begin, mut bytes) = (0, 0);
        for (i, record) in records.iter().enumerate() {
            let weight = record.body.len() + FRAME;
            if i > begin && bytes + weight > self.config.bulk_bytes {
                parts.push(begin..i);
                (begin, bytes) = (i, 0);
            }
            bytes += weight;
        }
        parts.push(begin..records.len());
        let writes = parts.into_iter().map(|part| async move {
            // Encoded only when it is its turn: what waits takes no memory.
            let _turn = self.record_bulks.acquire().await.expect("it is never closed");
            let mut bulk = Bulk::default();
            for i in part {
                bulk.add(i, |out| put_record(out, &self.names, &records[i]));
                if i % TOGETHER == 0 {
                    tokio::task::yield_now().await;
                }
            }
            self.send(bulk, &self.record_commits).await
        });
        Ok(try_join_all(writes).await?.concat())
    }

    async fn send(&self, bulk: Bulk, commits: &Commits) -> Result<Vec<(usize, Reason)>, StoreError> {
        if bulk.is_empty() {
            return Ok(Vec::new());
        }
        let begun = Instant::now();
        let terms = self.terms(self.visible == Visible::AtOnce);
        // A conflict says that the document is there already, or one with a later total.
        let sent = send(&self.client, bulk, terms, self.chance()).await?;
        commits.add(begun.elapsed());
        Ok(sent.refused)
    }
}
