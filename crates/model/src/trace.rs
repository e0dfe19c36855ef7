//! Trace assembly: stored segments of one trace become one tree, in the order in which clients show it.

use std::collections::{HashMap, HashSet};

use bytestring::ByteString;

use crate::segment::{Segment, Span};

/// A span in its trace, with where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSpan {
    /// The trace it was reported under.
    pub trace_id: ByteString,
    /// Its segment.
    pub segment_id: ByteString,
    /// Service name as reported.
    pub service: ByteString,
    /// Instance name as reported.
    pub instance: ByteString,
    /// The span.
    pub span: Span,
}

/// Puts the spans of a trace in display order: from each root, by start time, depth first; children in the order in which they
/// were loaded (segments as given, spans as reported), *not* by time (analysis 6.3).
///
/// A span's parent is the span of its **last** reference, else its own segment's `parent_id`. A span whose parent is not there is
/// a root. Spans that only reach each other, in a circle, are shown behind the others instead of vanishing. A segment that was
/// given twice counts once.
pub fn assemble(segments: impl IntoIterator<Item = Segment>) -> Vec<TraceSpan> {
    let spans = flatten(segments);
    let index: HashMap<(ByteString, i32), usize> =
        spans.iter().enumerate().rev().map(|(i, s)| ((s.segment_id.clone(), s.span.id), i)).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    let mut roots = Vec::new();
    for (i, span) in spans.iter().enumerate() {
        match index.get(&parent_key(span)) {
            Some(&parent) if parent != i => children[parent].push(i),
            _ => roots.push(i),
        }
    }
    roots.sort_by_key(|&i| spans[i].span.start);
    let order = depth_first(&roots, &children);
    let mut slots: Vec<Option<TraceSpan>> = spans.into_iter().map(Some).collect();
    order.into_iter().filter_map(|i| slots[i].take()).collect()
}

fn flatten(segments: impl IntoIterator<Item = Segment>) -> Vec<TraceSpan> {
    let mut seen = HashSet::new();
    let mut spans = Vec::new();
    for segment in segments {
        if !seen.insert(segment.segment_id.clone()) {
            continue;
        }
        for span in segment.spans {
            spans.push(TraceSpan {
                trace_id: segment.trace_id.clone(),
                segment_id: segment.segment_id.clone(),
                service: segment.service.clone(),
                instance: segment.instance.clone(),
                span,
            });
        }
    }
    spans
}

fn parent_key(span: &TraceSpan) -> (ByteString, i32) {
    match span.span.refs.last() {
        Some(parent) => (parent.segment_id.clone(), parent.span_id),
        None => (span.segment_id.clone(), span.span.parent_id),
    }
}

/// Pre-order from the roots, then from whatever no root reaches. Iterative: a trace may be as deep as it is long.
fn depth_first(roots: &[usize], children: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(children.len());
    let mut done = vec![false; children.len()];
    for start in roots.iter().copied().chain(0..children.len()) {
        let mut stack = vec![start];
        while let Some(i) = stack.pop() {
            if !std::mem::replace(&mut done[i], true) {
                order.push(i);
                stack.extend(children[i].iter().rev());
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::SpanRef;

    fn span(id: i32, parent_id: i32, start: i64, refs: &[(&'static str, i32)]) -> Span {
        let refs = refs
            .iter()
            .map(|&(segment, span_id)| SpanRef { segment_id: segment.into(), span_id, ..SpanRef::default() })
            .collect();
        Span { id, parent_id, start, refs, ..Span::default() }
    }

    fn segment(id: &'static str, spans: Vec<Span>) -> Segment {
        Segment { segment_id: id.into(), spans, ..Segment::default() }
    }

    fn check(segments: Vec<Segment>, expected: &str) {
        let order: Vec<_> = assemble(segments).iter().map(|s| format!("{}S{}", s.segment_id, s.span.id)).collect();
        assert_eq!(order.join(" "), expected);
    }

    #[test]
    fn the_ordering_vector_of_the_reference() {
        check(
            vec![
                segment("S1", vec![span(1, 0, 20, &[]), span(0, -1, 10, &[])]),
                segment("S2", vec![span(0, -1, 30, &[("S9", 4), ("S1", 1)])]),
                segment("S3", vec![span(0, -1, 5, &[("S7", 0)])]),
            ],
            "S3S0 S1S0 S1S1 S2S0",
        );
    }

    #[test]
    fn circles_and_repeats_lose_nothing() {
        check(
            vec![
                segment("A", vec![span(0, -1, 1, &[("B", 0)])]),
                segment("B", vec![span(0, -1, 2, &[("A", 0)])]),
                segment("A", vec![span(0, -1, 1, &[("B", 0)])]),
                segment("C", vec![span(0, 0, 9, &[])]),
            ],
            "CS0 AS0 BS0",
        );
    }
}
