//! A scenario: what was sent to a real SkyWalking server, and what it answered. The format is told in `tests/golden/README.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use bytes::Bytes;
use e2e::server::Server;
use e2e::{file, now, wire};
use model::UnixMillis;
use serde_json::Value;

use crate::normal;

/// One question and the recorded answer.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) name: String,
    query: String,
    variables: Value,
    pub(crate) answer: Value,
}

/// One recording.
#[derive(Debug)]
pub(crate) struct Scenario {
    own: String,
    prime: Vec<Value>,
    input: Vec<Value>,
    pub(crate) questions: Vec<Question>,
}

impl Scenario {
    /// Reads `tests/golden/{name}.json`.
    pub(crate) fn read(name: &str) -> Self {
        let path = file("golden").join(name).with_extension("json");
        let text = fs::read_to_string(&path).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        let list = |key: &str| json[key].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let questions = list("questions");
        let questions = questions.iter().map(|question| Question {
            name: text(&question["name"]),
            query: text(&question["query"]),
            variables: question["variables"].clone(),
            answer: normal::recorded(&question["answer"]),
        });
        Self { own: text(&json["own"]), prime: list("prime"), input: list("input"), questions: questions.collect() }
    }

    /// Sends what teaches the address aliases, as on a server that has run for a while; `false`: there is nothing of the kind.
    /// Its minute is the one before that of the input, or an earlier one.
    pub(crate) async fn send_prime(&self, server: &Server) -> bool {
        send(server, &self.prime, base().plus(-60_000)).await;
        !self.prime.is_empty()
    }

    /// Sends the input; returns its base.
    pub(crate) async fn send_input(&self, server: &Server) -> UnixMillis {
        let base = base();
        send(server, &self.input, base).await;
        base
    }

    /// Asks every question; the answers by name, in normal form.
    pub(crate) async fn ask(&self, server: &Server, base: UnixMillis) -> BTreeMap<&str, Value> {
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
    pub(crate) fn different(&self, answers: &BTreeMap<&str, Value>) -> BTreeSet<String> {
        let differs = |question: &&Question| !normal::equal(&answers[question.name.as_str()], &question.answer);
        self.questions.iter().filter(differs).map(|question| question.name.clone()).collect()
    }
}

/// The whole minute two minutes ago: the data lie in two closed minutes.
fn base() -> UnixMillis {
    let now = now().0;
    UnixMillis(now - now % 60_000 - 120_000)
}

async fn send(server: &Server, calls: &[Value], base: UnixMillis) {
    let grpc = server.grpc();
    for call in calls {
        let (method, message) = (call["method"].as_str().unwrap(), call["message"].as_str().unwrap());
        let bodies = call["bodies"].as_array().unwrap().iter();
        let bodies: Vec<Bytes> = bodies.map(|body| wire::encode(message, &normal::dated(body, base))).collect();
        if call["stream"].as_bool().unwrap() {
            grpc.stream(method, bodies).await.unwrap();
        } else {
            for body in bodies {
                grpc.unary(method, body).await.unwrap();
            }
        }
    }
}
