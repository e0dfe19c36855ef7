//! JVM samples: metrics of an instance, and nothing else.

use model::ledger::Reason;
use model::telemetry::{Jvm, Signal};
use model::{Scope, id};

use crate::derive::Out;
use crate::source::{Source, SourceKind};

/// Most memories, pools and collections of one sample; a JVM has two, eight and two.
const MAX_PARTS: usize = 64;

/// Derives a sample into the row of its minute.
pub(crate) fn derive(jvm: &Jvm, out: &mut Out<'_>) {
    let Some(minute) = out.minute(jvm.time) else { return out.refuse(Signal::Jvm, Reason::TimeOutOfRange) };
    if jvm.service.trim().is_empty() || jvm.instance.trim().is_empty() {
        return out.refuse(Signal::Jvm, Reason::MissingName);
    }
    let service_id = id::service(out.names().service(&jvm.service), true);
    let instance_id = id::instance(&service_id, out.names().instance(&jvm.instance));
    let mut see = |kind, source| {
        out.observe((kind, Scope::ServiceInstance), (minute, &instance_id), &source, None);
    };
    // Less than one per cent reads as one (analysis 7.1); `max` also makes one of what is no number.
    see(SourceKind::JvmCpu, Source::JvmCpu(jvm.cpu_usage_percent.max(1.0)));
    jvm.memory.iter().take(MAX_PARTS).for_each(|&memory| see(SourceKind::JvmMemory, Source::JvmMemory(memory)));
    jvm.pools.iter().take(MAX_PARTS).for_each(|&pool| see(SourceKind::JvmPool, Source::JvmPool(pool)));
    jvm.gc.iter().take(MAX_PARTS).for_each(|&gc| see(SourceKind::JvmGc, Source::JvmGc(gc)));
    see(SourceKind::JvmThread, Source::JvmThread(jvm.threads));
    see(SourceKind::JvmClass, Source::JvmClass(jvm.classes));
    let parts = [jvm.memory.len(), jvm.pools.len(), jvm.gc.len()];
    let left_out: usize = parts.iter().map(|n| n.saturating_sub(MAX_PARTS)).sum();
    out.refuse_pieces(Reason::TooMany, left_out as u64);
    out.delta.count(Signal::Jvm);
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use model::telemetry::{Jvm, JvmClasses, JvmGc, JvmMemory, JvmPool, JvmThreads, Telemetry};

    use crate::testing::{Bench, T0};

    fn sample(cpu: f64, young: i64) -> Telemetry {
        let memory = |is_heap, used| JvmMemory { is_heap, max: used * 4, used, ..JvmMemory::default() };
        Telemetry::Jvm(Box::new(Jvm {
            service: "A".into(),
            instance: "a1".into(),
            time: T0 + 61_000,
            cpu_usage_percent: cpu,
            memory: vec![memory(true, 100), memory(false, 10)],
            pools: (0..11).map(|pool| JvmPool { pool, used: i64::from(pool) + 1, ..JvmPool::default() }).collect(),
            gc: vec![
                JvmGc { phase: 0, count: young, time: 7 },
                JvmGc { phase: 1, count: 1, time: 50 },
                JvmGc { phase: 2, count: 4, time: 9 },
            ],
            threads: JvmThreads {
                live: 40,
                daemon: 30,
                peak: 41,
                runnable: 9,
                blocked: 1,
                waiting: 20,
                timed_waiting: 10,
            },
            classes: JvmClasses { loaded: 9_000, total_unloaded: 3, total_loaded: 9_003 },
        }))
    }

    #[test]
    fn two_samples_of_a_minute_are_one_row() {
        expect![[r#"
            202401151201
            ServiceInstance
            QQ==.1_YTE=:
            instance_jvm_class_loaded_class_count=9000
            instance_jvm_class_total_loaded_class_count=9003
            instance_jvm_class_total_unloaded_class_count=3
            instance_jvm_cpu=2.0
            instance_jvm_memory_heap=100
            instance_jvm_memory_heap_max=400
            instance_jvm_memory_noheap=10
            instance_jvm_memory_noheap_max=40
            instance_jvm_memory_pool_code_cache=1
            instance_jvm_memory_pool_codeheap_non_nmethods=9
            instance_jvm_memory_pool_codeheap_non_profiled_nmethods=11
            instance_jvm_memory_pool_codeheap_profiled_nmethods=10
            instance_jvm_memory_pool_compressed_class_space=8
            instance_jvm_memory_pool_metaspace=6
            instance_jvm_memory_pool_newgen=2
            instance_jvm_memory_pool_oldgen=3
            instance_jvm_memory_pool_permgen=5
            instance_jvm_memory_pool_survivor=4
            instance_jvm_memory_pool_zheap=7
            instance_jvm_normal_gc_count=8
            instance_jvm_normal_gc_time=18
            instance_jvm_old_gc_count=2
            instance_jvm_old_gc_time=100
            instance_jvm_thread_blocked_state_thread_count=1
            instance_jvm_thread_daemon_count=30
            instance_jvm_thread_live_count=40
            instance_jvm_thread_peak_count=41
            instance_jvm_thread_runnable_state_thread_count=9
            instance_jvm_thread_timed_waiting_state_thread_count=10
            instance_jvm_thread_waiting_state_thread_count=20
            instance_jvm_young_gc_count=5
            instance_jvm_young_gc_time=14
            elements
            jvm:
            2
        "#]]
        .assert_eq(&Bench::new().derive(sample(0.2, 2)).derive(sample(3.0, 3)).show().replace(' ', "\n"));
    }

    #[test]
    fn what_the_agent_left_out_counts_as_zero() {
        let bare = |time, instance: &str| {
            Telemetry::Jvm(Box::new(Jvm { service: "A".into(), instance: instance.into(), time, ..Jvm::default() }))
        };
        let bench = Bench::new().derive(bare(T0, "a1")).derive(bare(-1, "a1")).derive(bare(T0, ""));
        expect![[r#"
            202401151200 ServiceInstance QQ==.1_YTE=: instance_jvm_class_loaded_class_count=0 instance_jvm_class_total_loaded_class_count=0 instance_jvm_class_total_unloaded_class_count=0 instance_jvm_cpu=1.0 instance_jvm_thread_blocked_state_thread_count=0 instance_jvm_thread_daemon_count=0 instance_jvm_thread_live_count=0 instance_jvm_thread_peak_count=0 instance_jvm_thread_runnable_state_thread_count=0 instance_jvm_thread_timed_waiting_state_thread_count=0 instance_jvm_thread_waiting_state_thread_count=0
            refused derive jvm time_out_of_range: 1
            refused derive jvm missing_name: 1
            elements jvm: 1
        "#]].assert_eq(&bench.show());
    }
}
