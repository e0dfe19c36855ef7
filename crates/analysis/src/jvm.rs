//! JVM samples: metrics of an instance, and nothing else.

use model::ledger::Reason;
use model::telemetry::{Jvm, Signal};
use model::{Scope, id};

use crate::derive::Out;
use crate::naming;
use crate::source::{Source, SourceKind};

/// Most memories, pools and collections of one sample; a JVM has two, eight and two.
const MAX_PARTS: usize = 64;

/// Derives a sample into the row of its minute.
pub(crate) fn derive(jvm: &Jvm, out: &mut Out<'_>) {
    let Some(minute) = out.minute(jvm.time) else { return out.refuse(Signal::Jvm, Reason::TimeOutOfRange) };
    if jvm.service.trim().is_empty() || jvm.instance.trim().is_empty() {
        return out.refuse(Signal::Jvm, Reason::MissingName);
    }
    let service_id = id::service(naming::service(&jvm.service), true);
    let instance_id = id::instance(&service_id, naming::instance(&jvm.instance));
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
