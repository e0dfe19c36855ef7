//! The sender against real servers that the tests start: HTTP, SMTP, gRPC.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicI64;

use model::id::hex;
use model::item::Revision;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use storage::Swapped;
use storage::lease::Lease;
use storage::memory::Memory;
use storage::snapshot::{Editor, follow};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::trial::note_attempt;
use super::*;
use crate::Doc;
use crate::egress::{self, Guard};
use crate::notify::samples;
use crate::receiver::{ReceiverKind, Sealed};
use crate::seal::Key;

#[derive(Clone, Debug)]
struct Heard {
    path: String,
    query: String,
    headers: HashMap<String, String>,
    body: String,
}

mod kinds;
mod wires;

/// A status, and a header with its value.
type Answered = (u16, &'static str, String);

/// A server that records what it is asked and answers as it is told: 200 where it is told nothing, never at `/hole`, and with a token at `/auth`.
#[derive(Clone, Default)]
struct Recorder {
    heard: Arc<Mutex<Vec<Heard>>>,
    answers: Arc<Mutex<VecDeque<Answered>>>,
}

impl Recorder {
    async fn start() -> (Recorder, String) {
        let recorder = Recorder::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(recorder.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (recorder, url)
    }

    fn answers(&self, all: &[(u16, &'static str, &str)]) {
        let all = all.iter().map(|(status, key, value)| (*status, *key, (*value).to_owned()));
        self.answers.lock().unwrap().extend(all);
    }

    fn heard(&self, path: &str) -> Vec<Heard> {
        self.heard.lock().unwrap().iter().filter(|heard| heard.path == path).cloned().collect()
    }
}

async fn answer(
    axum::extract::State(recorder): axum::extract::State<Recorder>,
    request: axum::extract::Request,
) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let headers = parts.headers.iter().map(|(key, value)| (key.to_string(), value.to_str().unwrap().to_owned()));
    let heard = Heard {
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let (is_hole, is_auth) = (heard.path == "/hole", heard.path == "/auth");
    recorder.heard.lock().unwrap().push(heard);
    if is_hole {
        std::future::pending::<()>().await;
    }
    if is_auth {
        return axum::response::Response::new(r#"{"access_token":"token"}"#.into());
    }
    let (status, key, value) = recorder.answers.lock().unwrap().pop_front().unwrap_or((200, "x-none", String::new()));
    axum::response::Response::builder().status(status).header(key, value).body("answered".into()).unwrap()
}

/// A sender over a store in memory, with a clock that is set by hand.
struct Rig {
    store: SharedStore,
    editor: Editor,
    now: Arc<AtomicI64>,
    outbox: Outbox,
    key: Arc<Key>,
    counters: Arc<Counters>,
    snapshots: Snapshots,
    stops: Vec<oneshot::Sender<()>>,
}

/// There is nothing to protect: each term counts as fenced when it begins.
fn fence(tenure: &Tenure) -> watch::Receiver<Option<Term>> {
    let (told, fenced) = watch::channel(None);
    let mut tenure = tenure.clone();
    tokio::spawn(async move {
        loop {
            told.send_replace(Some(tenure.held().await));
            sleep(NAP).await;
        }
    });
    fenced
}

async fn stopped(stop: oneshot::Receiver<()>) {
    // Dropped or sent, it is over.
    let _over = stop.await;
}

impl Rig {
    async fn start() -> Rig {
        let store: SharedStore = Arc::new(Memory::new());
        let now = Arc::new(AtomicI64::new(samples::NOON.0));
        let clock = Clock::from_fn({
            let now = Arc::clone(&now);
            move || UnixMillis(now.load(Ordering::SeqCst))
        });
        let (lease, tenure) = Lease::new(Arc::clone(&store), clock.clone(), "alarm", "node".into(), 1);
        let kinds: &'static [ItemKind] = &[ItemKind::AlarmReceiver];
        let (follower, snapshots, editor) =
            follow(Arc::clone(&store), clock.clone(), kinds, Duration::from_millis(20), 2);
        let key = Arc::new(Key::of_setting(&"07".repeat(32)).unwrap());
        let config = Config::default();
        let guard = Guard::new(&egress::Config::default());
        let (outbox, counters) = (Outbox::default(), Arc::new(Counters::default()));
        let sender = Sender {
            store: Arc::clone(&store),
            clock,
            tenure: tenure.clone(),
            snapshots: snapshots.clone(),
            transport: Arc::new(Transport::new(&config, guard, Some(Arc::clone(&key)))),
            about: samples::about(),
            config,
            outbox: outbox.clone(),
            counters: Arc::clone(&counters),
            fenced: fence(&tenure),
            seed: 3,
        };
        let (stops, waits): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel()).unzip();
        let mut waits = waits.into_iter();
        let mut wait = || stopped(waits.next().unwrap());
        tokio::spawn(lease.run(wait()));
        tokio::spawn(follower.run(wait()));
        tokio::spawn(run(sender, wait()));
        Rig { store, editor, now, outbox, key, counters, snapshots, stops }
    }

    /// Waits until the sender's node knows a receiver.
    async fn known(&self, id: &str) {
        let mut snapshots = self.snapshots.clone();
        loop {
            let snapshot = snapshots.now();
            let receivers = snapshot.of(ItemKind::AlarmReceiver);
            if receivers.is_some_and(|all| all.iter().any(|item| item.id == id)) {
                return;
            }
            snapshots.changed().await;
        }
    }

    fn pass(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::SeqCst);
    }

    async fn create(&self, item: model::item::Item) {
        let swapped = self.editor.swap_many(vec![(item, Revision(0))]).await.unwrap();
        assert!(matches!(swapped[0], Swapped::Done(_)), "{swapped:?}");
    }

    async fn receiver(&self, id: &str, kind: ReceiverKind, settings: serde_json::Value) {
        let (settings, secrets) = crate::notify::settings::split(kind, settings.as_object().unwrap());
        let secrets: BTreeMap<String, Sealed> =
            secrets.into_iter().map(|(path, secret)| (path, self.key.seal(id, &secret).unwrap())).collect();
        let receiver = Receiver {
            id: id.to_owned(),
            kind,
            is_default: false,
            send_resolved: true,
            settings,
            secrets,
            change: String::new(),
        };
        self.create(doc::write(&receiver)).await;
        self.known(id).await;
    }

    /// Stores an incident and a notification of it, and hands that over.
    async fn tell(&self, id: &str, receiver: &str, incident: &str, is_over: bool) {
        let mut stored = samples::incident(samples::entities().remove(0), is_over);
        stored.id = incident.to_owned();
        let mut notification = samples::notification(receiver, &[stored.clone()]);
        notification.id = id.to_owned();
        notification.sequence = if is_over { 2 } else { 1 };
        notification.group = format!("g-{incident}");
        // Another one may have stored the incident.
        let _stored = self.store.swap_many(&[(doc::write(&stored), Revision(0))]).await.unwrap();
        self.store.swap_many(&[(doc::write(&notification), Revision(0))]).await.unwrap();
        self.outbox.offer([id.to_owned()]);
    }

    async fn stored(&self, id: &str) -> Stored<Notification> {
        let query = ItemQuery { kind: Notification::KIND, ids: vec![id.to_owned()], tombstones: false };
        doc::read(&self.store.items(&query).await.unwrap()[0]).unwrap()
    }

    /// Waits for a notification to be as `wanted` says.
    async fn until(&self, id: &str, wanted: impl Fn(&Notification) -> bool) -> Notification {
        let mut last = None;
        for _ in 0..6_000 {
            let stored = self.stored(id).await.doc;
            if wanted(&stored) {
                return stored;
            }
            last = Some(stored);
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{id} stayed {last:?}");
    }

    async fn stop(mut self) {
        self.stops.clear();
        drop(self);
    }
}

fn failed_once(notification: &Notification) -> bool {
    notification.status == Status::Waiting && notification.n_attempts == 1
}

/// HMAC-SHA256 from its definition.
fn hmac(key: &[u8], data: &[u8]) -> String {
    let pad = |with: u8| -> Vec<u8> { (0..64).map(|n| key.get(n).copied().unwrap_or(0) ^ with).collect() };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(data).finalize();
    hex(&Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize())
}

#[tokio::test]
async fn a_failure_is_tried_again_with_the_same_key_and_a_signature_that_holds() {
    let (recorder, url) = Recorder::start().await;
    let rig = Rig::start().await;
    recorder.answers(&[(500, "x-a", "")]);
    rig.receiver("webhook.a", ReceiverKind::Webhook, json!({"urls": [format!("{url}/a")], "secret": "hush"})).await;
    rig.tell("n1", "webhook.a", "i1", false).await;

    let failed = rig.until("n1", failed_once).await;
    assert_eq!((failed.attempts[0].status, &*failed.attempts[0].error), (Some(500), "500 answered"));
    assert!(failed.next.0 > samples::NOON.0 && failed.next.0 <= samples::NOON.0 + 1_000, "{:?}", failed.next);
    rig.pass(1_000);
    let sent = rig.until("n1", |n| n.status == Status::Sent).await;
    assert_eq!((sent.n_attempts, sent.finished), (2, Some(UnixMillis(samples::NOON.0 + 1_000))));

    let heard = recorder.heard("/a");
    assert_eq!(heard.len(), 2);
    for one in &heard {
        assert_eq!(one.headers["idempotency-key"], "n1");
        let signature = one.headers["x-skylark-signature"].strip_prefix("t=").unwrap();
        let (time, signature) = signature.split_once(",v1=").unwrap();
        assert_eq!(signature, hmac(b"hush", format!("{time}.{}", one.body).as_bytes()));
    }
    assert_eq!(heard[0].body, heard[1].body);
    assert_eq!((rig.counters.sent.load(Ordering::Relaxed), rig.counters.failed.load(Ordering::Relaxed)), (1, 1));
    rig.stop().await;
}

#[tokio::test]
async fn too_many_requests_is_tried_again_when_the_receiver_says() {
    let (recorder, url) = Recorder::start().await;
    let rig = Rig::start().await;
    recorder.answers(&[(429, "retry-after", "60")]);
    let (other, other_url) = Recorder::start().await;
    rig.receiver("webhook.b", ReceiverKind::Webhook, json!({"urls": [format!("{other_url}/b")]})).await;
    rig.receiver("webhook.a", ReceiverKind::Webhook, json!({"urls": [format!("{url}/a")]})).await;
    rig.tell("n1", "webhook.a", "i1", false).await;
    let failed = rig.until("n1", failed_once).await;
    assert_eq!(failed.next, UnixMillis(samples::NOON.0 + 60_000));

    // What comes meanwhile waits as well: the limit is the receiver's, not the notification's.
    rig.pass(59_000);
    rig.tell("n2", "webhook.a", "i2", false).await;
    rig.tell("n3", "webhook.b", "i3", false).await;
    rig.until("n3", |n| n.status == Status::Sent).await;
    assert_eq!((recorder.heard("/a").len(), other.heard("/b").len()), (1, 1));

    rig.pass(1_000);
    for id in ["n1", "n2"] {
        rig.until(id, |n| n.status == Status::Sent).await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn what_is_refused_for_good_is_dead_until_somebody_sends_it_again() {
    let (recorder, url) = Recorder::start().await;
    let rig = Rig::start().await;
    recorder.answers(&[(404, "x-a", "")]);
    rig.receiver("webhook.a", ReceiverKind::Webhook, json!({"urls": [format!("{url}/a")]})).await;
    rig.tell("n1", "webhook.a", "i1", false).await;
    let dead = rig.until("n1", |n| n.status == Status::Dead).await;
    assert_eq!((dead.n_attempts, dead.attempts[0].status), (1, Some(404)));

    // Long after; its time begins anew.
    rig.pass(48 * 3_600_000);
    let stored = rig.stored("n1").await;
    let again = redriven(&stored.doc, UnixMillis(rig.now.load(Ordering::SeqCst))).unwrap();
    rig.editor.swap_many(vec![(doc::write(&again), stored.revision)]).await.unwrap();
    let sent = rig.until("n1", |n| n.status == Status::Sent).await;
    assert_eq!(sent.attempts.len(), 2);
    let keys: Vec<_> = recorder.heard("/a").iter().map(|heard| heard.headers["idempotency-key"].clone()).collect();
    assert_eq!(keys, ["n1", "n1"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_black_hole_keeps_no_other_receiver_waiting() {
    let (recorder, url) = Recorder::start().await;
    let rig = Rig::start().await;
    rig.receiver("webhook.hole", ReceiverKind::Webhook, json!({"urls": [format!("{url}/hole")]})).await;
    rig.receiver("webhook.good", ReceiverKind::Webhook, json!({"urls": [format!("{url}/good")]})).await;
    for n in 0..10 {
        rig.tell(&format!("hole{n}"), "webhook.hole", &format!("h{n}"), false).await;
    }
    rig.until("hole0", |n| n.status == Status::Sending).await;
    for n in 0..5 {
        rig.tell(&format!("good{n}"), "webhook.good", &format!("g{n}"), false).await;
        rig.until(&format!("good{n}"), |n| n.status == Status::Sent).await;
    }
    // No more than its own share is under way to the hole.
    assert!(recorder.heard("/hole").len() <= Config::default().concurrency);
    assert_eq!(recorder.heard("/good").len(), 5);
    rig.stop().await;
}

#[tokio::test]
async fn a_recovery_never_overtakes_its_firing() {
    let (recorder, url) = Recorder::start().await;
    let rig = Rig::start().await;
    recorder.answers(&[(503, "x-a", "")]);
    let urls = json!({"urls": [format!("{url}/f")], "recovery-urls": [format!("{url}/r")]});
    rig.receiver("webhook.a", ReceiverKind::Webhook, urls).await;
    rig.tell("n1", "webhook.a", "i1", false).await;
    rig.until("n1", failed_once).await;
    rig.tell("n2", "webhook.a", "i1", true).await;
    rig.tell("n3", "webhook.a", "i3", false).await;
    rig.until("n3", |n| n.status == Status::Sent).await;
    assert_eq!(rig.stored("n2").await.doc.n_attempts, 0);
    rig.pass(1_000);
    rig.until("n2", |n| n.status == Status::Sent).await;
    let heard: Vec<_> =
        recorder.heard.lock().unwrap().iter().map(|heard| heard.headers["idempotency-key"].clone()).collect();
    assert_eq!(heard, ["n1", "n3", "n1", "n2"]);
    rig.stop().await;
}

#[tokio::test]
async fn an_attempt_without_an_outcome_is_made_again_after_half_a_minute() {
    let (recorder, url) = Recorder::start().await;
    let rig = Rig::start().await;
    rig.receiver("webhook.a", ReceiverKind::Webhook, json!({"urls": [format!("{url}/a")]})).await;
    let mut lost = samples::notification("webhook.a", &[samples::incident(samples::entities().remove(0), false)]);
    note_attempt(&mut lost, samples::NOON);
    rig.create(doc::write(&lost)).await;
    rig.tell("n2", "webhook.a", "other", false).await;
    rig.until("n2", |n| n.status == Status::Sent).await;
    assert_eq!(rig.stored("n1").await.doc, lost);
    rig.pass(UNKNOWN_AFTER_MS);
    let sent = rig.until("n1", |n| n.status == Status::Sent).await;
    assert_eq!((sent.attempts[0].took_ms, sent.n_attempts), (None, 2));
    assert_eq!(recorder.heard("/a").last().unwrap().headers["idempotency-key"], "n1");
    rig.stop().await;
}

#[tokio::test]
async fn only_what_failed_of_several_requests_is_sent_again() {
    let (recorder, url) = Recorder::start().await;
    let rig = Rig::start().await;
    recorder.answers(&[(200, "x-a", ""), (500, "x-a", "")]);
    let urls = json!({"urls": [format!("{url}/1"), format!("{url}/2"), format!("{url}/3")]});
    rig.receiver("webhook.a", ReceiverKind::Webhook, urls).await;
    rig.tell("n1", "webhook.a", "i1", false).await;
    rig.until("n1", failed_once).await;
    rig.pass(1_000);
    rig.until("n1", |n| n.status == Status::Sent).await;
    assert_eq!(["/1", "/2", "/3"].map(|path| recorder.heard(path).len()), [1, 2, 1]);
    rig.stop().await;
}

#[tokio::test]
async fn it_is_given_up_after_a_day() {
    let rig = Rig::start().await;
    // Nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    rig.receiver("webhook.a", ReceiverKind::Webhook, json!({"urls": [format!("http://127.0.0.1:{port}/")]})).await;
    rig.tell("n1", "webhook.a", "i1", false).await;
    rig.until("n1", failed_once).await;
    rig.pass(24 * 3_600_000 + 1);
    let dead = rig.until("n1", |n| n.status == Status::Dead).await;
    assert_eq!(dead.n_attempts, 1);
    assert!(!dead.attempts[0].error.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn redirects_and_addresses_that_are_refused_are_not_connected_to() {
    let (recorder, url) = Recorder::start().await;
    let rig = Rig::start().await;
    recorder.answers(&[(307, "location", "http://169.254.169.254/latest/meta-data")]);
    rig.receiver("webhook.a", ReceiverKind::Webhook, json!({"urls": [format!("{url}/a")]})).await;
    rig.receiver("webhook.b", ReceiverKind::Webhook, json!({"urls": ["http://[fe80::1]/"]})).await;
    rig.receiver("gRPC.c", ReceiverKind::Grpc, json!({"target-host": "169.254.169.254", "target-port": 80})).await;
    let mail = json!({"host": "169.254.169.254", "from": "a@b.c", "to": "d@e.f", "tls": "none"});
    rig.receiver("email.d", ReceiverKind::Email, mail).await;
    for (id, receiver) in [("n1", "webhook.a"), ("n2", "webhook.b"), ("n3", "gRPC.c"), ("n4", "email.d")] {
        rig.tell(id, receiver, id, false).await;
        let dead = rig.until(id, |n| n.status == Status::Dead).await;
        assert!(dead.attempts[0].error.contains("alarm.egress"), "{receiver}: {}", dead.attempts[0].error);
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_or_whose_secrets_stay_shut_says_so() {
    let rig = Rig::start().await;
    let mut receiver = Receiver {
        id: "slack.a".to_owned(),
        kind: ReceiverKind::Slack,
        is_default: false,
        send_resolved: true,
        settings: json!({"webhooks": ["***"]}).as_object().unwrap().clone(),
        secrets: BTreeMap::new(),
        change: String::new(),
    };
    let other = Key::of_setting(&"08".repeat(32)).unwrap();
    receiver.secrets.insert("webhooks.0".to_owned(), other.seal("slack.a", "https://s").unwrap());
    rig.create(doc::write(&receiver)).await;
    rig.known("slack.a").await;
    rig.tell("n1", "slack.a", "i1", false).await;
    let failed = rig.until("n1", failed_once).await;
    assert!(failed.attempts[0].error.contains("security.secret_key"), "{}", failed.attempts[0].error);
    rig.tell("n2", "slack.gone", "i2", false).await;
    rig.until("n2", failed_once).await;
    rig.pass(60_000);
    let dead = rig.until("n2", |n| n.status == Status::Dead).await;
    assert_eq!(dead.attempts[1].error, "there is no receiver slack.gone");
    rig.stop().await;
}

#[tokio::test]
async fn welink_s_token_is_asked_for_first() {
    let (recorder, url) = Recorder::start().await;
    let rig = Rig::start().await;
    let settings = json!({"webhooks": [{
        "client-id": "id",
        "client-secret": "secret",
        "access-token-url": format!("{url}/token"),
        "message-url": format!("{url}/send"),
        "group-ids": "1",
    }]});
    rig.receiver("welink.a", ReceiverKind::Welink, settings).await;
    rig.tell("n1", "welink.a", "i1", false).await;
    // The recorder answers no token.
    let dead = rig.until("n1", |n| n.status == Status::Dead).await;
    assert_eq!(dead.attempts[0].error, "the answer holds no access_token");
    assert_eq!((recorder.heard("/token").len(), recorder.heard("/send").len()), (1, 0));
    assert_eq!(recorder.heard("/token")[0].body, r#"{"client_id":"id","client_secret":"secret"}"#);
    rig.stop().await;
}

#[tokio::test]
async fn another_holder_s_touch_stops_the_one_before() {
    let (_, url) = Recorder::start().await;
    let rig = Rig::start().await;
    rig.receiver("webhook.hole", ReceiverKind::Webhook, json!({"urls": [format!("{url}/hole")]})).await;
    rig.tell("n1", "webhook.hole", "i1", false).await;
    let before = rig.until("n1", |n| n.status == Status::Sending).await;
    // As a new holder does: the outcome of the attempt that is under way is not written any more.
    let mut chance = Chance::new(9);
    let touched = storage::lease::touch(&*rig.store, ItemKind::AlarmNotification, |_| true, &mut chance, samples::NOON);
    assert_eq!(touched.await.unwrap(), 1);
    let after = rig.stored("n1").await;
    assert_eq!((after.doc, after.revision), (before, Revision(3)));
    rig.stop().await;
}

#[tokio::test]
async fn a_slow_answer_is_read_no_further_than_it_must_be() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 16 * 1024];
        let _n = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 no\r\ncontent-length: 100000000\r\n\r\n").await.unwrap();
        // It never sends all that it promises.
        stream.write_all("x".repeat(64 * 1024).as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let rig = Rig::start().await;
    rig.receiver("webhook.a", ReceiverKind::Webhook, json!({"urls": [url]})).await;
    rig.tell("n1", "webhook.a", "i1", false).await;
    let dead = rig.until("n1", |n| n.status == Status::Dead).await;
    assert!(dead.attempts[0].error.len() < 400, "{}", dead.attempts[0].error.len());
    rig.stop().await;
}
