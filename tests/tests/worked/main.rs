//! The worked examples of the analysis, E1 to E8: segments on the wire of the built server, and what it answers about them.
//!
//! Each stands where its numbers were worked out, in a minute of its own after a whole hour. That hour is the one that began last (ten
//! minutes ago at least), since what is too old would be refused.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

mod calls;
mod late;
mod peers;
mod rules;
mod traces;
mod world;

use e2e::on_stores;

use calls::{e1_two_services_over_http, e5_ten_calls_and_one_error};
use late::e6_late_data_reach_minute_hour_and_day;
use peers::{e2_a_database_call, e3_a_producer_and_a_consumer, e4_work_in_another_thread_and_a_cache_write};
use rules::e7_small_rules;
use traces::e8_spans_of_a_trace_have_an_order;

on_stores!(e1_two_services_over_http: memory, embedded, opensearch_3, opensearch_2);
on_stores!(e2_a_database_call: memory, embedded, opensearch_3, opensearch_2);
on_stores!(e3_a_producer_and_a_consumer: memory, embedded, opensearch_3, opensearch_2);
on_stores!(e4_work_in_another_thread_and_a_cache_write: memory, embedded, opensearch_3, opensearch_2);
on_stores!(e5_ten_calls_and_one_error: memory, embedded, opensearch_3, opensearch_2);
on_stores!(e6_late_data_reach_minute_hour_and_day: memory, embedded, opensearch_3, opensearch_2);
on_stores!(e7_small_rules: memory, embedded, opensearch_3, opensearch_2);
on_stores!(e8_spans_of_a_trace_have_an_order: memory, embedded, opensearch_3, opensearch_2);
