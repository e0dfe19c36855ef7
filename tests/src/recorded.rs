//! Recordings of a real SkyWalking server. A scenario: what was sent to a real SkyWalking server, and what it answered. The format is told in `tests/golden/README.md`.

mod normal;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use bytes::Bytes;
use model::UnixMillis;
use serde_json::Value;

use crate::server::Server;
use crate::{file, now, wait_for, wire};

/// One question and the recorded answer.
#[derive(Debug)]
pub struct Question {
    /// What it is called in lists of differences.
    pub name: String,
    query: String,
    variables: Value,
    /// What was answered, in normal form.
    pub answer: Value,
}

/// One recording.
#[derive(Debug)]
pub struct Scenario {
    own: String,
    prime: Vec<Value>,
    input: Vec<Value>,
    /// What was asked.
    pub questions: Vec<Question>,
}

impl Scenario {
    /// Reads `tests/golden/{name}.json`.
    pub fn read(name: &str) -> Self {
        let path = file("golden").join(name).with_extension("json");
        let text = fs::read_to_string(&path).expect("the recording is there");
        let json: Value = serde_json::from_str(&text).expect("recordings are JSON");
        let list = |key: &str| json[key].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().expect("it is a text").to_owned();
        let questions = list("questions");
        let questions = questions.iter().map(|question| Question {
            name: text(&question["name"]),
            query: text(&question["query"]),
            variables: question["variables"].clone(),
            answer: normal::recorded(&question["answer"]),
        });
        Self { own: text(&json["own"]), prime: list("prime"), input: list("input"), questions: questions.collect() }
    }

    /// Sends what teaches the address aliases, as on servers that have run for a while, and waits until each of them knows them.
    /// Its minute is the one before `base`, which is that of the input, or an earlier one.
    pub async fn send_prime(&self, servers: &[Server], base: UnixMillis) {
        send(servers, &self.prime, base.plus(-60_000)).await;
        for server in servers.iter().filter(|_| !self.prime.is_empty()) {
            wait_for("the aliases of the prime", async || match server.metrics().await.count("skylark_aliases", &[]) {
                2.. => Ok(()),
                n => Err(format!("{n} are known")),
            })
            .await;
        }
    }

    /// Sends the input, spread over all servers.
    pub async fn send_input(&self, servers: &[Server], base: UnixMillis) {
        send(servers, &self.input, base).await;
    }

    /// Asks every question; the answers by name, in normal form.
    pub async fn ask(&self, server: &Server, base: UnixMillis) -> BTreeMap<&str, Value> {
        // Of regular expressions the recordings use alternatives and the beginning.
        let own = |name: &str| {
            self.own.split('|').any(|part| match part.strip_prefix('^') {
                Some(beginning) => name.starts_with(beginning),
                None => name.contains(part),
            })
        };
        let mut answers = BTreeMap::new();
        for question in &self.questions {
            let answer = server.graphql(&question.query, normal::asked(&question.variables, base)).await;
            answers.insert(question.name.as_str(), normal::normal(&answer, base, &own));
        }
        assert_eq!(answers.len(), self.questions.len(), "no two questions of a scenario have the same name");
        answers
    }

    /// The questions whose answers differ.
    pub fn different(&self, answers: &BTreeMap<&str, Value>) -> BTreeSet<String> {
        let differs = |question: &&Question| !normal::equal(&answers[question.name.as_str()], &question.answer);
        self.questions.iter().filter(differs).map(|question| question.name.clone()).collect()
    }
}

/// A time for the input of a scenario, the whole minute two minutes ago: the data lie in two closed minutes.
pub fn base() -> UnixMillis {
    let now = now().0;
    UnixMillis(now - now % 60_000 - 120_000)
}

/// Each body goes to the next server, as behind a load balancer.
async fn send(servers: &[Server], calls: &[Value], base: UnixMillis) {
    for (i, call) in calls.iter().enumerate() {
        let text = |field: &str| call[field].as_str().expect("a call has a method and a message");
        let bodies = call["bodies"].as_array().expect("a call has bodies");
        for (nth, server) in servers.iter().enumerate() {
            let turn = |j: usize| (i + j) % servers.len() == nth;
            let own = bodies.iter().enumerate().filter(|(j, _)| turn(*j)).map(|(_, body)| body);
            let own: Vec<Bytes> = own.map(|body| wire::encode(text("message"), &normal::dated(body, base))).collect();
            let grpc = server.grpc();
            if call["stream"] == true {
                if !own.is_empty() {
                    grpc.stream(text("method"), own).await.expect("the server takes the stream");
                }
            } else {
                for body in own {
                    grpc.unary(text("method"), body).await.expect("the server takes the call");
                }
            }
        }
    }
}
