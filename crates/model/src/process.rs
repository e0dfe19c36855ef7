//! Processes: what the life row of a process says about it. Its id is a hash, so names are nowhere else.

use std::collections::BTreeMap;

use crate::{Agg, UnixMillis, id};

/// How a process became known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DetectType {
    /// Nobody said.
    #[default]
    Undefined,
    /// On a virtual machine.
    Vm,
    /// In a container of Kubernetes.
    Kubernetes,
    /// At the other end of a connection: nobody looked at the process itself.
    Virtual,
}

impl DetectType {
    /// Every type, by the number that rows have.
    const ALL: [DetectType; 4] = [DetectType::Undefined, DetectType::Vm, DetectType::Kubernetes, DetectType::Virtual];

    /// What clients see.
    pub fn name(self) -> &'static str {
        match self {
            DetectType::Undefined => "UNDEFINED",
            DetectType::Vm => "VM",
            DetectType::Kubernetes => "KUBERNETES",
            DetectType::Virtual => "VIRTUAL",
        }
    }
}

/// A process as reported. What a report leaves empty keeps what earlier ones said, as in the reference (analysis 4.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// The instance it belongs to.
    pub instance_id: String,
    /// The agent that watches it.
    pub agent_id: String,
    /// How it became known.
    pub detect_type: DetectType,
    /// Labels by which profiling tasks choose processes.
    pub labels: Vec<String>,
    /// Whether it can be profiled by eBPF.
    pub can_be_profiled: bool,
}

const NAME: &str = "name";
const INSTANCE: &str = "instance";
const AGENT: &str = "agent";
const DETECT_TYPE: &str = "detect_type";
const LABELS: &str = "labels";
const PROFILING: &str = "profiling";
/// Between labels. It is no part of one: SkyWalking's agent makes labels of words.
const SEPARATOR: char = '\n';

impl Process {
    /// The id of the process.
    pub fn id(&self) -> String {
        id::process(&self.name, &self.instance_id)
    }

    /// The cell [`crate::cell::PROCESS`] of a report at this time.
    pub fn to_cell(&self, at: UnixMillis) -> Agg {
        let number = DetectType::ALL.iter().position(|t| *t == self.detect_type).unwrap_or_default();
        let texts = [
            (NAME, self.name.clone()),
            (INSTANCE, self.instance_id.clone()),
            (AGENT, self.agent_id.clone()),
            (DETECT_TYPE, if number == 0 { String::new() } else { number.to_string() }),
            (LABELS, self.labels.join(&String::from(SEPARATOR))),
            (PROFILING, if self.can_be_profiled { "1".to_owned() } else { String::new() }),
        ];
        let said = texts.into_iter().filter(|(_, text)| !text.is_empty());
        Agg::Texts(said.map(|(key, text)| (key.to_owned(), (at, text))).collect())
    }

    /// Reads the cell; `None` where it is of no process.
    pub fn read(cell: &Agg) -> Option<Self> {
        let Agg::Texts(texts) = cell else { return None };
        let text = |key: &str| texts.get(key).map(|(_, text)| text.as_str());
        let labels = text(LABELS).map(|text| text.split(SEPARATOR).map(str::to_owned).collect());
        Some(Process {
            name: text(NAME)?.to_owned(),
            instance_id: text(INSTANCE)?.to_owned(),
            agent_id: text(AGENT).unwrap_or_default().to_owned(),
            detect_type: detect_type(texts).unwrap_or_default(),
            labels: labels.unwrap_or_default(),
            can_be_profiled: text(PROFILING) == Some("1"),
        })
    }
}

fn detect_type(texts: &BTreeMap<String, (UnixMillis, String)>) -> Option<DetectType> {
    let number: usize = texts.get(DETECT_TYPE)?.1.parse().ok()?;
    DetectType::ALL.get(number).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_comes_back_and_later_reports_override_only_what_they_say() {
        let first = Process {
            name: "app".to_owned(),
            instance_id: "QQ==.1_YTE=".to_owned(),
            agent_id: "agent-1".to_owned(),
            detect_type: DetectType::Vm,
            labels: vec!["web".to_owned(), "blue".to_owned()],
            can_be_profiled: true,
        };
        let mut cell = first.to_cell(UnixMillis(1));
        assert_eq!(Process::read(&cell), Some(first.clone()));
        assert_eq!(first.id(), id::process("app", "QQ==.1_YTE="));
        let later = Process {
            name: first.name.clone(),
            instance_id: first.instance_id.clone(),
            agent_id: "agent-2".to_owned(),
            ..Process::default()
        };
        cell.merge(&later.to_cell(UnixMillis(2)));
        let merged = Process { agent_id: "agent-2".to_owned(), ..first };
        assert_eq!(Process::read(&cell), Some(merged));
    }

    #[test]
    fn what_is_no_process_is_not_read() {
        assert_eq!(Process::read(&Agg::Count(1)), None);
        assert_eq!(Process::read(&Agg::Texts(BTreeMap::new())), None);
        let names: Vec<_> = DetectType::ALL.iter().map(|t| t.name()).collect();
        assert_eq!(names, ["UNDEFINED", "VM", "KUBERNETES", "VIRTUAL"]);
    }
}
