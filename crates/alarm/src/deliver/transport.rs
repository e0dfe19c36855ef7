//! Sending one request, over HTTP, SMTP or gRPC. Every connection goes through the guard.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use proto::alarm::alarm_service_client::AlarmServiceClient;
use reqwest::Client;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tonic::transport::{Channel, Endpoint, Uri};

use super::Config;
use crate::egress::Guard;
use crate::notify::answer::{MAX_ANSWER, Verdict, judge};
use crate::notify::told::Shown;
use crate::notify::{self, Call, Connection, Grpc, Http, Mail, MailTls, Request};
use crate::receiver::Receiver;
use crate::seal::Key;
use crate::template::TemplateError;

/// Clients that are kept, each with its connections.
const MAX_CLIENTS: usize = 256;
/// How long an attempt may begin further requests: its outcome must be noted before somebody takes it for lost.
const MAX_ATTEMPT: Duration = Duration::from_secs(15);

/// Sends. Shared by all receivers; what one of them does keeps no other waiting.
#[derive(Debug)]
pub struct Transport {
    guard: Guard,
    connect_timeout: Duration,
    timeout: Duration,
    key: Option<Arc<Key>>,
    clients: Mutex<Vec<(Connection, Client)>>,
    /// What sends in simulations: without a network, so that time can be virtual.
    #[cfg(test)]
    pub(crate) wire: Option<Wire>,
}

/// What becomes of a notification that is told instead of being sent.
#[cfg(test)]
pub(crate) type Telling = std::pin::Pin<Box<dyn Future<Output = Sent> + Send>>;

/// What tells it.
#[cfg(test)]
#[derive(Clone)]
pub(crate) struct Wire(pub(crate) Arc<dyn Fn(Shown) -> Telling + Send + Sync>);

#[cfg(test)]
impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

/// What became of all requests of a notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Parts that the receiver has, those that it had before among them.
    pub delivered: Vec<String>,
    /// The status of the answer that decided.
    pub status: Option<u16>,
    /// What keeps it from being delivered as a whole; `None`: nothing.
    pub failed: Option<Verdict>,
    /// Templates that failed; the plain message was sent instead.
    pub fallbacks: Vec<TemplateError>,
    /// A hash of all that the notification says in this attempt; empty: nothing could be rendered.
    pub payload: String,
}

impl Transport {
    /// What sends as configured; `key` opens the secrets of receivers.
    pub fn new(config: &Config, guard: Guard, key: Option<Arc<Key>>) -> Transport {
        Transport {
            guard,
            connect_timeout: Duration::from_millis(config.connect_timeout_ms),
            timeout: Duration::from_millis(config.timeout_ms),
            key,
            clients: Mutex::default(),
            #[cfg(test)]
            wire: None,
        }
    }

    /// A receiver's settings with its secrets, checked. Errors with a sentence.
    pub fn target(&self, receiver: &Receiver) -> Result<notify::Target, String> {
        let mut secrets = std::collections::BTreeMap::new();
        for (path, sealed) in &receiver.secrets {
            let key = self.key.as_ref().ok_or(crate::seal::SealError::NoKey).map_err(|error| error.to_string())?;
            let opened = key.open(&receiver.id, sealed).map_err(|error| format!("secret {path}: {error}"))?;
            secrets.insert(path.clone(), opened);
        }
        let settings = notify::settings::join(&receiver.settings, &secrets);
        notify::check(receiver.kind, &settings)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    /// Sends what a notification tells to a receiver, but for the parts that it has. Every part is tried, in order; the worst of what
    /// went wrong is answered. Also how a receiver is tested.
    pub async fn send(&self, receiver: &Receiver, shown: &Shown, delivered: &[String]) -> Sent {
        #[cfg(test)]
        if let Some(wire) = &self.wire {
            return (wire.0)(shown.clone()).await;
        }
        let target = match self.target(receiver) {
            Ok(target) => target,
            // The settings or the key may be mended while it waits.
            Err(error) => return Sent { failed: Some(Verdict::Again { error, after: None }), ..Sent::default() },
        };
        let rendered = target.render(shown);
        let has: BTreeSet<&String> = delivered.iter().collect();
        let payload = payload(&rendered.requests);
        let mut sent =
            Sent { delivered: delivered.to_vec(), fallbacks: rendered.fallbacks, payload, ..Sent::default() };
        let begun = Instant::now();
        for request in rendered.requests.iter().filter(|request| !has.contains(&request.part)) {
            if begun.elapsed() > MAX_ATTEMPT {
                let error = "not all of it could be sent in one attempt".to_owned();
                sent.failed.get_or_insert(Verdict::Again { error, after: None });
                break;
            }
            let (verdict, status) = self.call(target.connection(), request).await;
            if verdict == Verdict::Taken {
                sent.delivered.push(request.part.clone());
                sent.status = sent.status.or(status);
            } else if !matches!(sent.failed, Some(Verdict::Again { .. })) {
                // What may yet succeed goes before what will not, so that it is tried again.
                sent.status = status;
                sent.failed = Some(verdict);
            }
        }
        sent
    }

    async fn call(&self, connection: &Connection, request: &Request) -> (Verdict, Option<u16>) {
        let sending = async {
            match &request.call {
                Call::Http(http) => self.http(connection, http).await,
                Call::Mail(mail) => self.mail(mail).await,
                Call::Grpc(grpc) => (self.grpc(grpc, &request.key).await, None),
            }
        };
        let limit = self.timeout;
        timeout(limit, sending).await.unwrap_or_else(|_| (again(format!("no answer within {limit:?}")), None))
    }

    async fn http(&self, connection: &Connection, http: &Http) -> (Verdict, Option<u16>) {
        let client = match self.client(connection) {
            Ok(client) => client,
            Err(error) => return (refused(error), None),
        };
        let mut token = None;
        if let Some(first) = &http.token {
            let (status, retry_after, body) = match self.exchange(&client, &first.request, None).await {
                Ok(answer) => answer,
                Err(verdict) => return (verdict, None),
            };
            let found = serde_json::from_str::<serde_json::Value>(&body)
                .ok()
                .and_then(|json| Some(json.get(first.key)?.as_str()?.to_owned()));
            match (judge(first.request.answer, status, retry_after.as_deref(), &body), found) {
                (Verdict::Taken, Some(found)) => token = Some((first.header, found)),
                (Verdict::Taken, None) => {
                    return (refused(format!("the answer holds no {}", first.key)), Some(status));
                }
                (other, _) => return (other, Some(status)),
            }
        }
        match self.exchange(&client, http, token).await {
            Ok((status, retry_after, body)) => {
                (judge(http.answer, status, retry_after.as_deref(), &body), Some(status))
            }
            Err(verdict) => (verdict, None),
        }
    }

    async fn exchange(
        &self,
        client: &Client,
        http: &Http,
        token: Option<(&str, String)>,
    ) -> Result<(u16, Option<String>, String), Verdict> {
        let url = self.guard.check_url(&http.url).map_err(|error| refused(error.to_string()))?;
        let method = reqwest::Method::from_bytes(http.method.as_bytes()).map_err(|error| refused(error.to_string()))?;
        let mut request = client.request(method, url).body(http.body.clone());
        for (key, value) in &http.headers {
            request = request.header(key, value);
        }
        if let Some((key, value)) = token {
            request = request.header(key, value);
        }
        let mut answer = request.send().await.map_err(told)?;
        let retry_after = answer.headers().get("retry-after").and_then(|value| Some(value.to_str().ok()?.to_owned()));
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while body.len() < MAX_ANSWER {
            match answer.chunk().await.map_err(told)? {
                Some(chunk) => body.extend_from_slice(&chunk),
                None => break,
            }
        }
        body.truncate(MAX_ANSWER);
        Ok((status, retry_after, String::from_utf8_lossy(&body).into_owned()))
    }

    fn client(&self, connection: &Connection) -> Result<Client, String> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(known, _)| known == connection) {
            return Ok(client.clone());
        }
        let client =
            self.new_client(connection).map_err(|error| format!("proxy or certificates: {}", chain(&error)))?;
        if clients.len() >= MAX_CLIENTS {
            clients.remove(0);
        }
        clients.push((connection.clone(), client.clone()));
        Ok(client)
    }

    fn new_client(&self, connection: &Connection) -> Result<Client, reqwest::Error> {
        let mut builder = Client::builder()
            .user_agent("skylark")
            .dns_resolver(Arc::new(self.guard.clone()))
            .redirect(self.guard.redirects())
            .connect_timeout(self.connect_timeout)
            .timeout(self.timeout)
            // Only what the receiver's settings name: the environment is read by nobody else either.
            .no_proxy();
        if let Some(proxy) = &connection.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy)?);
        }
        if let Some(pem) = &connection.ca_certificates {
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem.as_bytes())?);
        }
        if let Some(pem) = &connection.client_certificate {
            builder = builder.identity(reqwest::Identity::from_pem(pem.as_bytes())?);
        }
        builder.build()
    }

    async fn mail(&self, mail: &Mail) -> (Verdict, Option<u16>) {
        let address = match self.guard.resolve(&mail.host, mail.port).await {
            Ok(addresses) => addresses.first().map(|address| address.ip().to_string()).unwrap_or_default(),
            Err(error) => return (unreachable(&error), None),
        };
        let parameters = match TlsParameters::new(mail.host.clone()) {
            Ok(parameters) => parameters,
            Err(error) => return (refused(chain(&error)), None),
        };
        // The address that was checked is connected to; the certificate is the name's.
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address)
            .port(mail.port)
            .timeout(Some(self.connect_timeout))
            .tls(match mail.tls {
                MailTls::Starttls => Tls::Required(parameters),
                MailTls::Tls => Tls::Wrapper(parameters),
                MailTls::None => Tls::None,
            });
        if let Some((user, password)) = &mail.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        let addresses = mail.to.iter().filter_map(|to| to.parse().ok()).collect();
        let envelope = match Envelope::new(mail.from.parse().ok(), addresses) {
            Ok(envelope) => envelope,
            Err(error) => return (refused(error.to_string()), None),
        };
        match builder.build().send_raw(&envelope, &mail.message).await {
            Ok(_) => (Verdict::Taken, None),
            Err(error) => {
                let status = error.status().map(u16::from);
                let text = chain(&error);
                (if error.is_permanent() { refused(text) } else { again(text) }, status)
            }
        }
    }

    async fn grpc(&self, grpc: &Grpc, key: &str) -> Verdict {
        let channel = match self.channel(grpc).await {
            Ok(channel) => channel,
            Err(verdict) => return verdict,
        };
        let mut client = AlarmServiceClient::new(channel);
        let answer = if grpc.recoveries.is_empty() {
            let mut request = tonic::Request::new(tokio_stream::iter(grpc.alarms.clone()));
            with_key(&mut request, key);
            client.do_alarm(request).await
        } else {
            let mut request = tonic::Request::new(tokio_stream::iter(grpc.recoveries.clone()));
            with_key(&mut request, key);
            client.do_alarm_recovery(request).await
        };
        use tonic::Code::{InvalidArgument, NotFound, OutOfRange, PermissionDenied, Unauthenticated, Unimplemented};
        match answer {
            Ok(_) => Verdict::Taken,
            Err(status) => {
                let error = format!("{:?} {}", status.code(), status.message());
                match status.code() {
                    InvalidArgument | NotFound | OutOfRange | PermissionDenied | Unauthenticated | Unimplemented => {
                        refused(error)
                    }
                    _ => again(error),
                }
            }
        }
    }

    async fn channel(&self, grpc: &Grpc) -> Result<Channel, Verdict> {
        let endpoint = Endpoint::from_shared(format!("http://{}:{}", grpc.host, grpc.port))
            .map_err(|error| refused(chain(&error)))?
            .timeout(self.timeout);
        let addresses = self.guard.resolve(&grpc.host, grpc.port).await.map_err(|error| unreachable(&error))?;
        let addresses = Arc::new(addresses);
        let connect = tower::service_fn(move |_: Uri| {
            let addresses = Arc::clone(&addresses);
            async move { TcpStream::connect(addresses.as_slice()).await.map(TokioIo::new) }
        });
        let connecting = endpoint.connect_with_connector(connect);
        match timeout(self.connect_timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| again(chain(&error))),
            Err(_) => Err(again(format!("no connection within {:?}", self.connect_timeout))),
        }
    }
}

/// A hash of what requests say. Neither addresses nor headers are in it: they may hold secrets.
fn payload(requests: &[Request]) -> String {
    let mut hash = Sha256::new();
    for request in requests {
        match &request.call {
            Call::Http(http) => hash.update(&http.body),
            Call::Mail(mail) => hash.update(&mail.message),
            Call::Grpc(grpc) => hash.update(format!("{:?}{:?}", grpc.alarms, grpc.recoveries)),
        }
    }
    model::id::hex(&hash.finalize())
}

fn with_key<T>(request: &mut tonic::Request<T>, key: &str) {
    if let Ok(key) = key.parse() {
        request.metadata_mut().insert("idempotency-key", key);
    }
}

fn again(error: String) -> Verdict {
    Verdict::Again { error, after: None }
}

fn refused(error: String) -> Verdict {
    Verdict::Refused { error }
}

/// What the guard refuses is refused again; a name that has no address may have one later.
fn unreachable(error: &std::io::Error) -> Verdict {
    let text = error.to_string();
    if is_guarded(&text) { refused(text) } else { again(text) }
}

fn is_guarded(text: &str) -> bool {
    text.contains("(alarm.egress)")
}

/// An error of reqwest without the URL, which may hold secrets.
fn told(error: reqwest::Error) -> Verdict {
    let is_for_good = error.is_builder() || error.is_redirect();
    let text = chain(&error.without_url());
    if is_for_good || is_guarded(&text) { refused(text) } else { again(text) }
}

/// An error with all that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _written = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
