//! Tests of dispatch, through the dispatcher and a store wherever time passes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use model::{Bucket, Scope, UnixMillis, id};
use storage::memory::Memory;
use storage::{ItemQuery, SharedStore, Swapped};

use super::*;
use crate::doc::{self, Stored};
use crate::entity::Entity;
use crate::incident::{Incident, Outcome, State, Transition, What};
use crate::notification::Notification;
use crate::receiver::Receiver;
use crate::route::{MatchOp, Matcher, Routing};
use crate::rule::{Profile, Severity};

mod crash;
mod groups;
mod laws;
mod storms;
mod tables;

/// 2026-11-24 00:00 UTC, a Tuesday.
const T0: UnixMillis = UnixMillis(1_795_478_400_000);

fn service(name: &str) -> Entity {
    Entity::of(Scope::Service, id::service(name, true)).unwrap()
}

fn endpoint(service: &str, name: &str) -> Entity {
    Entity::of(Scope::Endpoint, id::endpoint(&id::service(service, true), name)).unwrap()
}

fn transition(incident: &str, seq: u32, what: What, at: UnixMillis) -> Transition {
    Transition {
        seq,
        what,
        minute: at.minute().unwrap(),
        at,
        uuid: format!("{incident}-{seq}"),
        message: format!("{incident} {seq}"),
        tags: BTreeMap::new(),
        annotations: BTreeMap::new(),
        evidence: Vec::new(),
        incomplete: false,
        reason: None,
        marks: Vec::new(),
        dispatched: false,
    }
}

/// An open incident of `rule`, that fired at `at`.
fn incident(id: &str, rule: &str, entity: Entity, at: UnixMillis) -> Incident {
    Incident {
        id: id.to_owned(),
        rule: rule.to_owned(),
        rule_name: rule.to_owned(),
        expression: String::new(),
        hooks: Vec::new(),
        profile: Profile::Native,
        severity: Severity::Warning,
        shadow: false,
        entity,
        layers: vec!["GENERAL".to_owned()],
        labels: Vec::new(),
        state: State::Firing,
        entered: at.minute().unwrap(),
        silent_until: Bucket(0),
        observed_until: Bucket(0),
        opened: at.minute().unwrap(),
        closed: None,
        transitions: vec![transition(id, 1, What::Fired, at)],
        acknowledged: None,
        assignee: String::new(),
        comments: Vec::new(),
        origin: None,
        change: String::new(),
    }
}

/// The next transition of an incident.
fn follow(incident: &mut Incident, what: What, at: UnixMillis) {
    let seq = incident.transitions.last().unwrap().seq + 1;
    incident.transitions.push(transition(&incident.id, seq, what, at));
    if what == What::Recovered {
        (incident.state, incident.closed) = (State::Recovered, Some(at));
    }
}

fn receiver(name: &str) -> Receiver {
    serde_json::from_value(serde_json::json!({"id": name, "kind": "webhook"})).unwrap()
}

fn matcher(text: &str) -> Matcher {
    let at = text.find(['=', '!']).unwrap();
    let (label, rest) = text.split_at(at);
    let (op, value) = rest.split_at(if rest.starts_with("=~") || rest.starts_with('!') { 2 } else { 1 });
    let op = match op {
        "=" => MatchOp::Equal,
        "!=" => MatchOp::NotEqual,
        "=~" => MatchOp::Matches,
        _ => MatchOp::MatchesNot,
    };
    Matcher { label: label.to_owned(), op, value: value.to_owned() }
}

fn routing(json: serde_json::Value) -> Routing {
    let mut json = json;
    json["id"] = Routing::ID.into();
    serde_json::from_value(json).unwrap()
}

/// A store, a dispatcher, and what is told.
struct World {
    store: SharedStore,
    dispatcher: Dispatcher,
    incidents: BTreeMap<String, Stored<Incident>>,
    known: Known,
    edges: Vec<(String, String)>,
    now: UnixMillis,
    told: Vec<Notification>,
    next: Option<UnixMillis>,
    over: Vec<String>,
}

impl World {
    fn new(known: Known) -> World {
        let store: SharedStore = Arc::new(Memory::new());
        World {
            dispatcher: Dispatcher::new(Arc::clone(&store), 1),
            store,
            incidents: BTreeMap::new(),
            known,
            edges: Vec::new(),
            now: T0,
            told: Vec::new(),
            next: None,
            over: Vec::new(),
        }
    }

    /// With these receivers, the first of which is the default, and this routing.
    fn with(receivers: &[&str], json: Option<serde_json::Value>) -> World {
        let mut receivers: Vec<Receiver> = receivers.iter().map(|name| receiver(name)).collect();
        receivers[0].is_default = true;
        let (known, problems) = Known::new(json.map(routing).as_ref(), &receivers, &[]);
        assert_eq!(problems, []);
        World::new(known)
    }

    async fn put(&mut self, incident: Incident) {
        let revision = self.incidents.get(&incident.id).map_or(model::item::Revision(0), |stored| stored.revision);
        let swapped = self.store.swap_many(&[(doc::write(&incident), revision)]).await.unwrap();
        let Swapped::Done(revision) = swapped[0] else { panic!("{swapped:?}") };
        self.incidents.insert(incident.id.clone(), Stored { doc: incident, revision, updated: self.now });
    }

    async fn change(&mut self, id: &str, change: impl FnOnce(&mut Incident)) {
        let mut incident = self.incidents[id].doc.clone();
        change(&mut incident);
        self.put(incident).await;
    }

    async fn fire(&mut self, id: &str, rule: &str, entity: Entity) {
        self.put(incident(id, rule, entity, self.now)).await;
    }

    async fn follow(&mut self, id: &str, what: What) {
        let now = self.now;
        self.change(id, |incident| follow(incident, what, now)).await;
    }

    /// A pass at `seconds`, and what it told.
    async fn at(&mut self, seconds: i64) -> String {
        self.now = T0.plus(seconds * 1_000);
        self.pass().await
    }

    async fn pass(&mut self) -> String {
        let now = self.now;
        let done = self.dispatcher.run(&mut self.incidents, &self.known, &self.edges, now, &|| true).await.unwrap();
        (self.next, self.over) = (done.next, done.over);
        let query = ItemQuery { kind: Notification::KIND, ids: done.notifications.clone(), tombstones: false };
        let items = if query.ids.is_empty() { Vec::new() } else { self.store.items(&query).await.unwrap() };
        let mut made: Vec<Notification> = items.iter().map(|item| doc::read(item).unwrap().doc).collect();
        made.sort_by(|a, b| (&a.receiver, &a.labels, a.sequence).cmp(&(&b.receiver, &b.labels, b.sequence)));
        let shown = made.iter().map(show).collect::<Vec<_>>().join("; ");
        self.told.extend(made);
        // As the engine forgets them.
        self.incidents.retain(|_, stored| {
            let recent = stored.doc.closed.is_none_or(|closed| closed > now.plus(-flap::WINDOW_MS));
            recent || stored.doc.transitions.iter().any(|t| !t.dispatched)
        });
        shown
    }

    /// What became of the transitions of an incident.
    fn marks(&self, id: &str) -> String {
        let mut shown = String::new();
        for transition in &self.incidents[id].doc.transitions {
            let marks: Vec<_> = transition.marks.iter().map(|mark| format!("{:?}", mark.outcome)).collect();
            let open = if transition.dispatched { "" } else { "…" };
            write!(shown, "{}:{}{open} ", transition.seq, marks.join("+")).unwrap();
        }
        shown.trim_end().to_owned()
    }

    async fn groups(&self) -> Vec<crate::notification::Group> {
        let query = ItemQuery { kind: crate::notification::Group::KIND, ids: Vec::new(), tombstones: false };
        let items = self.store.items(&query).await.unwrap();
        items.iter().map(|item| doc::read(item).unwrap().doc).collect()
    }
}

use crate::doc::Doc as _;

/// `receiver: F a, R b +omitted`.
fn show(notification: &Notification) -> String {
    let lines: Vec<_> = notification
        .told
        .iter()
        .map(|line| {
            let what = match line.what {
                What::Fired => "F",
                What::FiredAgain => "A",
                What::Recovered => "R",
            };
            format!("{what} {}{}", line.incident, if line.flapping { "~" } else { "" })
        })
        .collect();
    let mut shown = format!("{}: {}", notification.receiver, lines.join(", "));
    if notification.omitted > 0 {
        write!(shown, " +{}", notification.omitted).unwrap();
    }
    if notification.folded > 0 {
        write!(shown, " <{}", notification.folded).unwrap();
    }
    if notification.repeated {
        shown.push_str(" again");
    }
    shown
}

fn outcomes(incident: &Incident, group: &str) -> Vec<Option<Outcome>> {
    incident.transitions.iter().map(|t| t.mark(group).map(|mark| mark.outcome)).collect()
}
