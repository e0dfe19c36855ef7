//! What agents report beside segments: log lines and JVM samples.

use bytes::Bytes;
use prost::Message as _;
use proto::v3::log_data_body::Content;
use proto::v3::{
    Class, Cpu, Gc, GcPhase, JvmMetric, JvmMetricCollection, KeyStringValuePair, LogData, LogDataBody, LogTags, Memory,
    MemoryPool, PoolType, TextLog, Thread, TraceContext,
};

use crate::traffic::{Latest, Traffic};
use crate::world::World;

/// A log line of the newest trace's first segment, encoded; `n` counts the lines. One in twenty is a warning.
pub(crate) fn log(traffic: &Traffic, n: u64, now_ms: i64) -> Bytes {
    let world = traffic.world();
    let level = if n.is_multiple_of(20) { "WARN" } else { "INFO" };
    let (service, instance, endpoint, trace_context) = match traffic.latest() {
        Some(Latest { root, instance, trace_id, segment_id }) => {
            let service = world.service(root.service);
            let context = TraceContext { trace_id: trace_id.clone(), trace_segment_id: segment_id.clone(), span_id: 0 };
            (&service.name, &service.instances[*instance].name, world.endpoint(*root).name.clone(), Some(context))
        }
        None => {
            let service = world.service(0);
            (&service.name, &service.instances[0].name, String::new(), None)
        }
    };
    let text = format!("{level} [http-nio-8080-exec-{}] shop.ArticleController : {n} articles found", n % 200);
    let tags = vec![KeyStringValuePair { key: "level".to_owned(), value: level.to_owned() }];
    let log = LogData {
        timestamp: now_ms,
        service: service.clone(),
        service_instance: instance.clone(),
        endpoint,
        body: Some(LogDataBody { r#type: "TEXT".to_owned(), content: Some(Content::Text(TextLog { text })) }),
        trace_context,
        tags: Some(LogTags { data: tags }),
        layer: String::new(),
    };
    log.encode_to_vec().into()
}

/// A JVM sample, encoded: each of another instance, all in turn; `n` counts the samples.
pub(crate) fn jvm(world: &World, n: u64, now_ms: i64) -> Bytes {
    let size = world.size();
    let n_all = (size.n_services * size.n_instances) as u64;
    let number = usize::try_from(n % n_all).expect("less than a usize");
    let service = world.service(number / size.n_instances);
    // Wanders, so that no two samples are the same.
    let wave = i64::try_from(n * 37 % 100).unwrap_or(0);
    let used = (200 + wave) << 20;
    let memory = |is_heap, used| Memory { is_heap, init: 256 << 20, max: 1 << 30, used, committed: 512 << 20 };
    let pool = |pool: PoolType, used| MemoryPool {
        r#type: pool.into(),
        init: 64 << 20,
        max: 512 << 20,
        used,
        committed: 256 << 20,
    };
    #[expect(clippy::cast_precision_loss, reason = "below 100")]
    let usage_percent = wave as f64 / 2.0;
    let metric = JvmMetric {
        time: now_ms,
        cpu: Some(Cpu { usage_percent }),
        memory: vec![memory(true, used), memory(false, 90 << 20)],
        memory_pool: vec![
            pool(PoolType::NewgenUsage, used / 4),
            pool(PoolType::OldgenUsage, used / 2),
            pool(PoolType::SurvivorUsage, used / 16),
            pool(PoolType::MetaspaceUsage, 70 << 20),
            pool(PoolType::CodeCacheUsage, 20 << 20),
        ],
        gc: vec![
            Gc { phase: GcPhase::New.into(), count: wave % 3, time: wave % 20 },
            Gc { phase: GcPhase::Old.into(), count: 0, time: 0 },
        ],
        thread: Some(Thread {
            live_count: 60 + wave,
            daemon_count: 40,
            peak_count: 160,
            runnable_state_thread_count: 10 + wave % 10,
            blocked_state_thread_count: wave % 2,
            waiting_state_thread_count: 20,
            timed_waiting_state_thread_count: 15,
        }),
        clazz: Some(Class {
            loaded_class_count: 12_000,
            total_unloaded_class_count: 12,
            total_loaded_class_count: 12_012,
        }),
    };
    let service_instance = service.instances[number % size.n_instances].name.clone();
    let samples = JvmMetricCollection { metrics: vec![metric], service: service.name.clone(), service_instance };
    samples.encode_to_vec().into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proto::v3::SegmentObject;

    use super::*;
    use crate::traffic::Manners;
    use crate::world::Size;

    fn traffic() -> Traffic {
        let size = Size { n_services: 4, n_instances: 3, n_endpoints: 2, n_segments: 2 };
        Traffic::new(World::new(size, 1), Manners { n_spans: 2, error_share: 0.0, slow_share: 0.0 }, 1)
    }

    #[test]
    fn a_log_line_belongs_to_the_newest_trace() {
        let mut traffic = traffic();
        let early = LogData::decode(log(&traffic, 0, 5)).unwrap();
        assert!(!early.service.is_empty() && early.trace_context.is_none());

        let _last = traffic.next(1_790_000_000_000);
        let first = SegmentObject::decode(traffic.next(1_790_000_000_000)).unwrap();
        let line = LogData::decode(log(&traffic, 1, 5)).unwrap();
        let context = line.trace_context.unwrap();
        assert_eq!((&context.trace_id, &context.trace_segment_id), (&first.trace_id, &first.trace_segment_id));
        assert_eq!((&line.service, &line.service_instance), (&first.service, &first.service_instance));
        assert_eq!(line.endpoint, first.spans.last().unwrap().operation_name);
        assert_eq!(line.timestamp, 5);
    }

    #[test]
    fn every_instance_reports_its_jvm_in_turn() {
        let traffic = traffic();
        let samples = (0..24).map(|n| JvmMetricCollection::decode(jvm(traffic.world(), n, 7)).unwrap());
        let who: Vec<_> = samples.map(|sample| (sample.service, sample.service_instance)).collect();
        assert_eq!(who[..12], who[12..]);
        assert_eq!(who.iter().collect::<HashSet<_>>().len(), 12);
    }
}
