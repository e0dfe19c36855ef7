//! SkyWalking's gRPC hook.

use proto::alarm::{AlarmMessage, AlarmRecoveryMessage, AlarmTags, KeyStringValuePair};

use super::settings::Keys;
use super::told::{Alarm, Shown};
use super::{Call, Grpc, Out};

#[derive(Clone, Debug)]
pub(super) struct Hook {
    host: String,
    port: u16,
}

impl Hook {
    pub(super) fn read(keys: &Keys<'_>) -> Hook {
        let host = keys.required("target-host");
        if host.contains('/') {
            keys.problem("target-host", "must be a host, not a URL");
        }
        Hook { host, port: keys.port("target-port", None) }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        let (firing, over): (Vec<&Alarm>, Vec<&Alarm>) = shown.alarms.iter().partition(|alarm| alarm.is_firing());
        let alarms: Vec<_> = firing.into_iter().map(message).collect();
        let recoveries: Vec<_> = over.into_iter().map(recovery).collect();
        let place = format!("{}:{}", self.host, self.port);
        for (alarms, recoveries) in [(alarms, Vec::new()), (Vec::new(), recoveries)] {
            if !alarms.is_empty() || !recoveries.is_empty() {
                let call = Grpc { host: self.host.clone(), port: self.port, alarms, recoveries };
                out.push(&place, Call::Grpc(call));
            }
        }
    }
}

fn message(alarm: &Alarm) -> AlarmMessage {
    let (id0, id1) = alarm.entity.ids();
    let pairs = alarm.tags.iter().map(|(key, value)| KeyStringValuePair { key: key.clone(), value: value.clone() });
    AlarmMessage {
        scope_id: i64::from(alarm.entity.scope_id()),
        scope: alarm.scope.to_owned(),
        name: alarm.name.clone(),
        id0,
        id1,
        rule_name: alarm.rule.clone(),
        alarm_message: alarm.message.clone(),
        start_time: alarm.fired.0,
        tags: Some(AlarmTags { data: pairs.collect() }),
        uuid: alarm.uuid.clone(),
    }
}

fn recovery(alarm: &Alarm) -> AlarmRecoveryMessage {
    let AlarmMessage { scope_id, scope, name, id0, id1, rule_name, alarm_message, start_time, tags, uuid } =
        message(alarm);
    let recovery_time = alarm.ended.unwrap_or(alarm.fired).0;
    AlarmRecoveryMessage {
        scope_id,
        scope,
        name,
        id0,
        id1,
        rule_name,
        alarm_message,
        start_time,
        tags,
        uuid,
        recovery_time,
    }
}
