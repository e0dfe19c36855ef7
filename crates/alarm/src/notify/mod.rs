//! Receivers: settings checked, and a notification rendered into what is sent.
//!
//! Each kind is a file with its settings and a pure `render`. Nothing here connects to anything: [`crate::deliver`] sends.

use std::collections::BTreeMap;

use model::id::hex;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::receiver::ReceiverKind;
use crate::template::{Template, TemplateError};

pub mod answer;
pub mod settings;
pub mod told;

mod alertmanager;
mod chat;
mod dingtalk;
mod discord;
mod email;
mod feishu;
mod grpc;
mod http;
mod opsgenie;
mod pagerduty;
mod slack;
mod sms;
mod teams;
mod telegram;
mod webhook;
mod wechat;
mod welink;

use answer::Answer;
use settings::{Keys, Problem};
use told::{Alarm, Shown};

/// One thing to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// Tells it from the others of its notification, however often it is rendered.
    pub part: String,
    /// The idempotency key: the notification's id, with a number where several go to one place.
    pub key: String,
    /// What is sent.
    pub call: Call,
}

/// How it is sent.
#[derive(Clone, Debug)]
pub enum Call {
    /// Over HTTP.
    Http(Http),
    /// Over SMTP.
    Mail(Mail),
    /// SkyWalking's hook.
    Grpc(Grpc),
}

/// A request over HTTP.
#[derive(Clone, Default)]
pub struct Http {
    /// The method.
    pub method: &'static str,
    /// Where to; may hold secrets.
    pub url: String,
    /// Headers; may hold secrets.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// When the receiver has taken it.
    pub answer: Answer,
    /// What must be asked for first.
    pub token: Option<Box<Token>>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("method", &self.method).field("n_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Http {
    /// A `POST` of JSON.
    pub(crate) fn post(url: &str, body: String) -> Http {
        Http {
            method: "POST",
            url: url.to_owned(),
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body,
            ..Http::default()
        }
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<String>) -> Http {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(key));
        self.headers.push((key.to_owned(), value.into()));
        self
    }

    pub(crate) fn answer(self, answer: Answer) -> Http {
        Http { answer, ..self }
    }
}

/// A token that an answer holds and a header of the request takes.
#[derive(Clone, Debug)]
pub struct Token {
    /// Asks for it.
    pub request: Http,
    /// The key of the answer's JSON.
    pub key: &'static str,
    /// The header.
    pub header: &'static str,
}

/// A mail, ready to be sent.
#[derive(Clone)]
pub struct Mail {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept secret.
    pub tls: MailTls,
    /// User and password.
    pub login: Option<(String, String)>,
    /// The sender's address.
    pub from: String,
    /// All who get it.
    pub to: Vec<String>,
    /// Headers and body.
    pub message: Vec<u8>,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// How a connection to a mail server is kept secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// It begins in plain text and must change to TLS.
    Starttls,
    /// TLS from the beginning.
    Tls,
    /// Not at all.
    None,
}

/// Messages for SkyWalking's hook; one of the two lists is empty.
#[derive(Clone, Debug)]
pub struct Grpc {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What fires.
    pub alarms: Vec<proto::alarm::AlarmMessage>,
    /// What is over.
    pub recoveries: Vec<proto::alarm::AlarmRecoveryMessage>,
}

/// A receiver whose settings were checked.
#[derive(Clone, Debug)]
pub struct Target {
    kind: Kind,
    connection: Connection,
    warnings: Vec<Problem>,
}

/// How HTTP receivers are connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// A proxy's URL.
    pub proxy: Option<String>,
    /// Certificates in PEM that are trusted beside the system's.
    pub ca_certificates: Option<String>,
    /// Our own certificate with its key, in PEM.
    pub client_certificate: Option<String>,
}

#[derive(Clone, Debug)]
enum Kind {
    Webhook(webhook::Webhook),
    Grpc(grpc::Hook),
    Slack(slack::Slack),
    Wechat(wechat::Wechat),
    Dingtalk(dingtalk::Dingtalk),
    Feishu(feishu::Feishu),
    Welink(welink::Welink),
    Pagerduty(pagerduty::Pagerduty),
    Discord(discord::Discord),
    Email(Box<email::Email>),
    Teams(teams::Teams),
    Telegram(telegram::Telegram),
    Opsgenie(opsgenie::Opsgenie),
    Http(http::Gateway),
    Alertmanager(alertmanager::Alertmanager),
}

/// What was rendered.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// To be sent in this order.
    pub requests: Vec<Request>,
    /// Templates that failed: the plain message is told instead.
    pub fallbacks: Vec<TemplateError>,
}

/// Checks the settings of a receiver, its secrets among them ([`settings::join`]). Errors with all that is wrong.
pub fn check(kind: ReceiverKind, settings: &Map<String, Value>) -> Result<Target, Vec<Problem>> {
    let report = settings::Report::default();
    let keys = Keys::new(settings, &report);
    let read = match kind {
        ReceiverKind::Webhook => Kind::Webhook(webhook::Webhook::read(&keys)),
        ReceiverKind::Grpc => Kind::Grpc(grpc::Hook::read(&keys)),
        ReceiverKind::Slack => Kind::Slack(slack::Slack::read(&keys)),
        ReceiverKind::Wechat => Kind::Wechat(wechat::Wechat::read(&keys)),
        ReceiverKind::Dingtalk => Kind::Dingtalk(dingtalk::Dingtalk::read(&keys)),
        ReceiverKind::Feishu => Kind::Feishu(feishu::Feishu::read(&keys)),
        ReceiverKind::Welink => Kind::Welink(welink::Welink::read(&keys)),
        ReceiverKind::Pagerduty => Kind::Pagerduty(pagerduty::Pagerduty::read(&keys)),
        ReceiverKind::Discord => Kind::Discord(discord::Discord::read(&keys)),
        ReceiverKind::Email => Kind::Email(Box::new(email::Email::read(&keys))),
        ReceiverKind::Teams => Kind::Teams(teams::Teams::read(&keys)),
        ReceiverKind::Telegram => Kind::Telegram(telegram::Telegram::read(&keys)),
        ReceiverKind::Opsgenie => Kind::Opsgenie(opsgenie::Opsgenie::read(&keys)),
        ReceiverKind::Http => Kind::Http(http::Gateway::read(&keys)),
        ReceiverKind::Alertmanager => Kind::Alertmanager(alertmanager::Alertmanager::read(&keys)),
    };
    let connection = match kind {
        ReceiverKind::Grpc | ReceiverKind::Email => Connection::default(),
        _ => connection(&keys),
    };
    keys.finish();
    let (problems, warnings) = report.take();
    if problems.is_empty() { Ok(Target { kind: read, connection, warnings }) } else { Err(problems) }
}

fn connection(keys: &Keys<'_>) -> Connection {
    let proxy = keys.url("proxy");
    let certificates = |key| {
        let pem = keys.text(key)?;
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            keys.problem(key, "is no certificate in PEM");
        }
        Some(pem)
    };
    let ca_certificates = certificates("ca-certificates");
    let own = certificates("client-certificate");
    let key = keys.text("client-key");
    if own.is_some() != key.is_some() {
        keys.problem("client-key", "and client-certificate go together");
    }
    let client_certificate = own.zip(key).map(|(own, key)| format!("{own}\n{key}"));
    Connection { proxy, ca_certificates, client_certificate }
}

impl Target {
    /// What is odd about the settings, and yet taken.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// How it is connected to.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What is to be sent. Nothing, where the settings say so: SkyWalking's blank templates.
    pub fn render(&self, shown: &Shown) -> Rendered {
        let mut out = Out { shown, rendered: Rendered::default(), places: BTreeMap::new() };
        match &self.kind {
            Kind::Webhook(kind) => kind.render(shown, &mut out),
            Kind::Grpc(kind) => kind.render(shown, &mut out),
            Kind::Slack(kind) => kind.render(shown, &mut out),
            Kind::Wechat(kind) => kind.render(shown, &mut out),
            Kind::Dingtalk(kind) => kind.render(shown, &mut out),
            Kind::Feishu(kind) => kind.render(shown, &mut out),
            Kind::Welink(kind) => kind.render(shown, &mut out),
            Kind::Pagerduty(kind) => kind.render(shown, &mut out),
            Kind::Discord(kind) => kind.render(shown, &mut out),
            Kind::Email(kind) => kind.render(shown, &mut out),
            Kind::Teams(kind) => kind.render(shown, &mut out),
            Kind::Telegram(kind) => kind.render(shown, &mut out),
            Kind::Opsgenie(kind) => kind.render(shown, &mut out),
            Kind::Http(kind) => kind.render(shown, &mut out),
            Kind::Alertmanager(kind) => kind.render(shown, &mut out),
        }
        out.rendered
    }
}

/// Takes what a kind renders.
struct Out<'a> {
    shown: &'a Shown,
    rendered: Rendered,
    places: BTreeMap<String, usize>,
}

impl Out<'_> {
    /// A request to a place: those to one place are told apart by their number.
    fn push(&mut self, place: &str, call: Call) {
        let n = self.places.entry(place.to_owned()).and_modify(|n| *n += 1).or_insert(1);
        let id = &self.shown.id;
        let key = if *n == 1 { id.clone() } else { format!("{id}-{n}") };
        let hash = Sha256::digest(format!("{place}\n{n}"));
        let part = hex(&hash).chars().take(12).collect();
        let call = match call {
            Call::Http(http) => Call::Http(http.with("Idempotency-Key", key.clone())),
            other => other,
        };
        self.rendered.requests.push(Request { part, key, call });
    }

    fn http(&mut self, http: Http) {
        let place = http.url.split(['?', '#']).next().unwrap_or_default().to_owned();
        self.push(&place, Call::Http(http));
    }

    /// What a template says of an alarm; the plain text where it fails.
    fn alarm_text(&mut self, template: &Template, alarm: &Alarm) -> String {
        let text = template.alarm(alarm, self.shown);
        self.or_plain(text, || plain(alarm, self.shown))
    }

    /// What was rendered; what stands for it where it failed, which is counted.
    fn or_plain<T>(&mut self, rendered: Result<T, TemplateError>, plain: impl FnOnce() -> T) -> T {
        rendered.unwrap_or_else(|error| {
            self.rendered.fallbacks.push(error);
            plain()
        })
    }
}

/// An alarm in plain words.
fn plain(alarm: &Alarm, shown: &Shown) -> String {
    let is_marked = alarm.message.starts_with(told::TEST);
    if shown.test && !is_marked { format!("{}{}", told::TEST, alarm.message) } else { alarm.message.clone() }
}

/// The beginning of a text, of so many characters at most.
fn cut(text: &str, n: usize) -> String {
    if text.chars().count() <= n {
        return text.to_owned();
    }
    text.chars().take(n.saturating_sub(1)).chain(['…']).collect()
}

/// A text as it stands in a URL or a form.
fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// HMAC-SHA256.
fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    ring::hmac::sign(&key, data).as_ref().to_vec()
}

/// The header by which a receiver knows that a request is ours, and of now: `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>">`.
fn signed(http: Http, secret: Option<&String>, shown: &Shown) -> Http {
    let Some(secret) = secret else { return http };
    let seconds = shown.now.0 / 1_000;
    let signature = hex(&hmac(secret.as_bytes(), format!("{seconds}.{}", http.body).as_bytes()));
    http.with("X-Skylark-Signature", format!("t={seconds},v1={signature}"))
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
