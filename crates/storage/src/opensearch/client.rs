//! Requests to the cluster: which node, how long, and what an answer means.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use opensearch::auth::{ClientCertificate, Credentials};
use opensearch::cert::{Certificate, CertificateValidation};
use opensearch::http::headers::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use opensearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use opensearch::http::{Method, Url};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::failure::failure;
use super::settings::Config;
use crate::StoreError;

/// A node that did not answer is left alone for so long, unless all are like that.
const AILING: Duration = Duration::from_secs(5);
/// One node is asked twice: the connection that was kept from the last request may just have been closed at its other end.
const LEAST_TRIES: usize = 2;
/// How often a query is asked again when the cluster says that it cannot just now, as it does while an index is being made.
const QUERY_TRIES: u32 = 4;
/// The first pause before that; each further one is twice as long.
const QUERY_PAUSE: Duration = Duration::from_millis(50);

/// The cluster.
#[derive(Debug)]
pub(super) struct Client {
    nodes: Vec<Node>,
    turn: AtomicUsize,
    queries: Semaphore,
    query_timeout: Duration,
}

#[derive(Debug)]
struct Node {
    url: String,
    transport: Transport,
    ailing_until: Mutex<Option<Instant>>,
}

/// An answer, whatever it says.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of a good answer.
    pub(super) fn ok(self) -> Result<Bytes, StoreError> {
        if self.is_ok() { Ok(self.body) } else { Err(failure(self.status, &self.body)) }
    }

    /// Whether the same question may be answered in a moment.
    fn is_passing(&self) -> bool {
        matches!(self.status, 429 | 502 | 503 | 504)
    }
}

impl Client {
    /// Reads the files that the settings name. `Damaged`: one of them is not what it should be.
    pub(super) fn new(config: &Config) -> Result<Client, StoreError> {
        let nodes = config.urls.iter().map(|url| node(config, url)).collect::<Result<_, _>>()?;
        Ok(Client {
            nodes,
            turn: AtomicUsize::default(),
            queries: Semaphore::new(config.queries_in_flight),
            query_timeout: config.query_timeout(),
        })
    }

    /// Where the cluster is, for people.
    pub(super) fn places(&self) -> String {
        self.nodes.iter().map(|node| node.url.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Sends one request to a node that answers. A node that cannot be reached is passed over; a request that was not answered in time
    /// is not sent twice, since its time is over.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        within: Duration,
    ) -> Result<Reply, StoreError> {
        let deadline = Instant::now() + within;
        let mut last = None;
        for _ in 0..self.nodes.len().max(LEAST_TRIES) {
            let node = self.pick();
            match timeout(within, node.send(method, path, body.clone(), within)).await {
                Ok(Ok(reply)) => {
                    node.set_ailing(None);
                    return Ok(reply);
                }
                Ok(Err(error)) if Instant::now() < deadline => last = Some(unreachable(node, &error)),
                Ok(Err(_)) | Err(_) => {
                    node.set_ailing(Some(Instant::now() + AILING));
                    return Err(StoreError::Unavailable(format!("{} did not answer within {within:?}", node.url)));
                }
            }
            node.set_ailing(Some(Instant::now() + AILING));
        }
        Err(last.unwrap_or_else(|| StoreError::Unavailable("no node is configured".to_owned())))
    }

    /// Asks and answers the body. Waits for its turn; all of it within the time of a query, so that a slow cluster makes queries
    /// fail and not pile up.
    pub(super) async fn query(&self, path: &str, body: Bytes) -> Result<Bytes, StoreError> {
        let asking = async {
            let _turn = self.queries.acquire().await.expect("it is never closed");
            let mut pause = QUERY_PAUSE;
            for left in (0..QUERY_TRIES).rev() {
                let reply = self.send(Method::Post, path, Some(body.clone()), self.query_timeout).await?;
                if left == 0 || !reply.is_passing() {
                    return reply.ok();
                }
                sleep(pause).await;
                pause *= 2;
            }
            Err(StoreError::Unavailable("the cluster does not answer queries".to_owned()))
        };
        timeout(self.query_timeout, asking).await.unwrap_or_else(|_| {
            let within = self.query_timeout;
            Err(StoreError::Unavailable(format!("a query was not answered within {within:?}")))
        })
    }

    /// The next node in turn that is not known to be ailing; the next in turn where all are.
    fn pick(&self) -> &Node {
        let n = self.nodes.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = || (0..n).map(|i| &self.nodes[turn.wrapping_add(i) % n]);
        let now = Instant::now();
        in_turn().find(|node| !node.is_ailing(now)).unwrap_or(&self.nodes[turn % n])
    }
}

impl Node {
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        within: Duration,
    ) -> Result<Reply, opensearch::Error> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = self.transport.send(method, path, headers, None::<&()>, body, Some(within)).await?;
        let status = response.status_code().as_u16();
        Ok(Reply { status, body: response.bytes().await? })
    }

    fn is_ailing(&self, now: Instant) -> bool {
        self.ailing_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| now < until)
    }

    fn set_ailing(&self, until: Option<Instant>) {
        *self.ailing_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// The error with its cause: the outermost one says only that a request failed.
fn unreachable(node: &Node, error: &opensearch::Error) -> StoreError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    StoreError::Unavailable(format!("{} cannot be reached: {cause}", node.url))
}

fn node(config: &Config, url: &str) -> Result<Node, StoreError> {
    let parsed = Url::parse(url).map_err(|error| StoreError::Damaged(format!("{url}: {error}")))?;
    // Environment variables may name a proxy for the outside world; the store lies inside.
    let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(parsed)).disable_proxy();
    if !config.username.is_empty() {
        // As a header, because the library takes a user or a certificate, not both.
        let pair = STANDARD.encode(format!("{}:{}", config.username, config.password.reveal()));
        let mut value = HeaderValue::from_str(&format!("Basic {pair}")).expect("base64 is visible ASCII");
        value.set_sensitive(true);
        builder = builder.header(AUTHORIZATION, value);
    }
    if !config.ca_file.as_os_str().is_empty() {
        let pem = read(&config.ca_file)?;
        let authorities = Certificate::from_pem(&pem).map_err(|error| {
            StoreError::Damaged(format!("{} is no PEM file of certificates: {error}", config.ca_file.display()))
        })?;
        builder = builder.cert_validation(CertificateValidation::Full(authorities));
    }
    if !config.client_certificate.as_os_str().is_empty() {
        let pem = [read(&config.client_certificate)?, b"\n".to_vec(), read(&config.client_key)?].concat();
        builder = builder.auth(Credentials::Certificate(ClientCertificate::Pem(pem)));
    }
    let transport = builder.build().map_err(|error| {
        StoreError::Damaged(format!("certificates or keys of storage.opensearch cannot be used: {error}"))
    })?;
    Ok(Node { url: url.to_owned(), transport, ailing_until: Mutex::default() })
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, StoreError> {
    std::fs::read(path).map_err(|error| StoreError::Damaged(format!("{}: {error}", path.display())))
}
