//! Lists of traces with one row each: which traces is asked of segments or of whole traces, what they come to is read from their
//! summaries, and completed from the segments that no summary has yet.

use model::{
    ByteString, UnixMillis, id,
    summary::{Numbers, Service, Summary},
};
use storage::traces;

use crate::{
    Error,
    app::{App, given, given_id},
    page::Page,
    schema::{
        common::Long,
        trace::{self as wire, TraceQueryCondition},
    },
    trace,
};

/// Most traces that are looked at for one page of whole traces.
const MAX_LOOKED_AT: usize = 5_000;

/// A page of traces, in the order of their first segment that matches, or in their own where the condition is about whole traces.
///
/// # Errors
/// When an id or the duration is malformed, or the condition names what is not known of whole traces.
pub(crate) async fn list(
    app: &App,
    condition: &TraceQueryCondition,
    of: wire::SummaryOf,
) -> Result<wire::TraceSummaryList, Error> {
    let window = trace::window(app, condition)?;
    let page = Page::of(&condition.paging);
    let (trace_ids, mut summaries) = match (of, given(condition.trace_id.as_deref())) {
        (wire::SummaryOf::Segment, id) => {
            // A trace that is asked for by its id is found wherever it lies.
            let within = if id.is_some() { None } else { Some(window) };
            let trace_ids = trace::matching_traces(app, condition, within, page).await?;
            let summaries = traces::of_traces(&*app.read().await, &trace_ids).await?;
            (trace_ids, summaries)
        }
        (wire::SummaryOf::Trace, id) => whole_traces(app, condition, id, window, page).await?,
    };
    traces::complete(&*app.read().await, &trace_ids, &mut summaries, numbers).await?;
    let row = |id: &ByteString| summaries.get(id).map(|summary| row(id, summary));
    let retrieved_time_range = wire::RetrievedTimeRange { start_time: Long(window.0.0), end_time: Long(window.1.0) };
    Ok(wire::TraceSummaryList { traces: trace_ids.iter().filter_map(row).collect(), retrieved_time_range })
}

/// What a stored segment says beside its fields; nothing where its body cannot be read.
fn numbers(record: &model::record::Record) -> Numbers {
    trace::decode(record).map_or(Numbers::default(), |segment| Numbers::of(&segment))
}

/// The page's traces that as a whole are as they are asked for, as far as their summaries are written.
async fn whole_traces(
    app: &App,
    condition: &TraceQueryCondition,
    trace_id: Option<&str>,
    window: (UnixMillis, UnixMillis),
    page: Page,
) -> Result<(Vec<ByteString>, traces::Summaries), Error> {
    let tagged = condition.tags.iter().flatten().any(|tag| !tag.key.trim().is_empty());
    let finer = [&condition.service_instance_id, &condition.endpoint_id];
    if tagged || finer.iter().any(|id| given_id(id.as_ref()).is_some()) {
        return Err(Error::Request(
            "instances, endpoints and tags are known of segments, not of whole traces".to_owned(),
        ));
    }
    let by_duration = condition.query_order == wire::QueryOrder::ByDuration;
    let store = app.read().await;
    let mut summaries = match trace_id {
        Some(id) => traces::of_traces(&*store, &[id.into()]).await?,
        None => {
            let by = if by_duration { traces::By::Duration } else { traces::By::Start };
            traces::of_range(&*store, window, &filter(condition)?, by, MAX_LOOKED_AT).await?
        }
    };
    drop(store);
    summaries.retain(|_, summary| {
        is_wanted(summary, condition) && (trace_id.is_some() || (window.0..=window.1).contains(&summary.time()))
    });
    let mut order: Vec<_> =
        summaries.iter().map(|(id, summary)| (sort_key(summary, by_duration), id.clone())).collect();
    order.sort_by(|(a, a_id), (b, b_id)| b.cmp(a).then_with(|| a_id.cmp(b_id)));
    let trace_ids = page.cut(order.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
    summaries.retain(|id, _| trace_ids.contains(id));
    Ok((trace_ids, summaries))
}

fn sort_key(summary: &Summary, by_duration: bool) -> i64 {
    if by_duration { summary.duration_ms() } else { summary.start }
}

/// What must hold for a partial of a trace that is wanted: of several, one has the service and one has failed.
fn filter(condition: &TraceQueryCondition) -> Result<traces::Filter, Error> {
    let service = given_id(condition.service_id.as_ref());
    service.map(id::parse_service).transpose()?;
    let is_error = match condition.trace_state {
        wire::TraceState::All => None,
        wire::TraceState::Error => Some(true),
        wire::TraceState::Success => Some(false),
    };
    Ok(traces::Filter { service: service.map(ByteString::from), is_error })
}

/// Whether a whole trace is as it is asked for.
fn is_wanted(summary: &Summary, condition: &TraceQueryCondition) -> bool {
    let bound = |bound: Option<i32>| bound.filter(|bound| *bound != 0).map(i64::from);
    let service = given_id(condition.service_id.as_ref());
    let state = match condition.trace_state {
        wire::TraceState::All => true,
        wire::TraceState::Error => summary.is_error,
        wire::TraceState::Success => !summary.is_error,
    };
    state
        && bound(condition.min_trace_duration).is_none_or(|least| summary.duration_ms() >= least)
        && bound(condition.max_trace_duration).is_none_or(|most| summary.duration_ms() <= most)
        && service.is_none_or(|service| summary.services.iter().any(|known| &*known.id == service))
}

fn row(trace_id: &ByteString, summary: &Summary) -> wire::TraceSummary {
    let name = |service: &str| id::parse_service(service).map_or_else(|_| service.to_owned(), |(name, _)| name);
    let count = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
    let root = &summary.root;
    let service = |service: &Service| wire::TraceSummaryService {
        name: name(&service.id),
        segments: count(service.segments.len() as u64),
        spans: count(service.spans()),
        error_spans: count(service.errors()),
    };
    let mut services: Vec<_> = summary.services.iter().map(service).collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    wire::TraceSummary {
        trace_id: trace_id.to_string(),
        start: Long(summary.start),
        duration: Long(summary.duration_ms()),
        is_error: summary.is_error,
        root_service: name(&root.service),
        root_endpoint: id::parse_endpoint(&root.endpoint).ok().map(|(_, name)| name),
        has_root: !root.is_called,
        segments: count(summary.segments() as u64),
        spans: count(summary.spans()),
        error_spans: count(summary.errors()),
        orphan_segments: count(summary.orphans() as u64),
        services,
        is_complete: !summary.is_cut,
    }
}
