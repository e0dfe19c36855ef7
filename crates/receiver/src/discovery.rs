//! Configuration discovery: what a service's agents are told to change while they run.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use model::id::hex;
use prost::Message;
use proto::v3::{Command, Commands, ConfigurationSyncRequest, KeyStringValuePair};
use sha2::{Digest, Sha256, Sha512};

use crate::config::Config;

/// The command that carries a configuration.
const COMMAND: &str = "ConfigurationDiscoveryCommand";
/// What the digest of a service without configuration is made of.
const NOTHING: &str = "EMPTY";

/// The configured services, each with its digest. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Discovery(Arc<Inner>);

struct Inner {
    services: BTreeMap<String, Told>,
    unknown: Told,
    always: bool,
}

struct Told {
    digest: String,
    pairs: Vec<(String, String)>,
}

impl Discovery {
    pub(crate) fn new(config: &Config) -> Self {
        let told = |pairs: &Vec<(String, String)>| {
            let text: String = pairs.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            Told { digest: hex(&Sha512::digest(text)), pairs: pairs.clone() }
        };
        Discovery(Arc::new(Inner {
            services: config.agent_configurations.iter().map(|(name, pairs)| (name.clone(), told(&pairs.0))).collect(),
            unknown: Told { digest: hex(&Sha512::digest(NOTHING)), pairs: Vec::new() },
            always: config.always_send_configurations,
        }))
    }

    /// The encoded `Commands` that answer an encoded `ConfigurationSyncRequest`; `None` where it is none.
    pub(crate) fn answer(&self, request: &[u8]) -> Option<Vec<u8>> {
        let request = ConfigurationSyncRequest::decode(request).ok()?;
        Some(self.commands(&request).encode_to_vec())
    }

    fn commands(&self, request: &ConfigurationSyncRequest) -> Commands {
        let told = self.0.services.get(&request.service).unwrap_or(&self.0.unknown);
        if request.uuid == told.digest && !self.0.always {
            return Commands::default();
        }
        let pair = |key: &str, value: &str| KeyStringValuePair { key: key.to_owned(), value: value.to_owned() };
        let mut args = vec![pair("SerialNumber", &serial_number()), pair("UUID", &told.digest)];
        args.extend(told.pairs.iter().map(|(key, value)| pair(key, value)));
        Commands { commands: vec![Command { command: COMMAND.to_owned(), args }] }
    }
}

/// A number no other command has, in the shape of a random UUID: agents drop a command whose number they have seen.
fn serial_number() -> String {
    // Every `RandomState` is keyed anew: the process' random keys and a counter.
    let halves = [0u8, 1].map(|half| RandomState::new().hash_one(half).to_be_bytes()).concat();
    let text = hex(&Sha256::digest(halves));
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::AgentConfiguration;

    /// SHA-512 of `EMPTY`, as agents in the field hold it.
    const EMPTY_DIGEST: &str = "410bb567794fe14362a2fb5912af7331eba74877614b82f36f3861fe86201c614f53423e896e5036509c0a815c7f444f20aefbc2bbe66545b382200299aced16";

    fn ask(config: &Config, service: &str, uuid: &str) -> Vec<(String, String)> {
        let request = ConfigurationSyncRequest { service: service.to_owned(), uuid: uuid.to_owned() };
        let answer = Discovery::new(config).answer(&request.encode_to_vec()).unwrap();
        let commands = Commands::decode(answer.as_slice()).unwrap().commands;
        assert!(commands.len() <= 1);
        commands
            .into_iter()
            .flat_map(|command| {
                assert_eq!(command.command, COMMAND);
                command.args.into_iter().map(|pair| (pair.key, pair.value))
            })
            .collect()
    }

    fn configured() -> Config {
        let pairs = [("trace.sample_rate", "5"), ("agent.level", "x")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let mut config = Config::default();
        config.agent_configurations.insert("shop".to_owned(), AgentConfiguration(pairs.into()));
        config
    }

    #[test]
    fn an_unknown_service_gets_a_command_without_pairs_once() {
        let args = ask(&configured(), "other", "");
        assert_eq!(args.len(), 2);
        assert_eq!(args[0].0, "SerialNumber");
        assert_eq!(args[1], ("UUID".to_owned(), EMPTY_DIGEST.to_owned()));
        assert!(ask(&configured(), "other", EMPTY_DIGEST).is_empty());
    }

    #[test]
    fn a_known_service_gets_its_pairs_in_order_until_it_has_them() {
        let args = ask(&configured(), "shop", EMPTY_DIGEST);
        let digest = hex(&Sha512::digest("trace.sample_rate:5agent.level:x"));
        assert_eq!(args[1], ("UUID".to_owned(), digest.clone()));
        let keys: Vec<_> = args.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["SerialNumber", "UUID", "trace.sample_rate", "agent.level"]);
        assert!(ask(&configured(), "shop", &digest).is_empty());
        let always = Config { always_send_configurations: true, ..configured() };
        assert_eq!(ask(&always, "shop", &digest).len(), 4);
    }

    #[test]
    fn serial_numbers_look_like_uuids_and_do_not_repeat() {
        let numbers: HashSet<String> = (0..1_000).map(|_| serial_number()).collect();
        assert_eq!(numbers.len(), 1_000);
        for number in &numbers {
            let lengths: Vec<_> = number.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{number}");
        }
    }
}
