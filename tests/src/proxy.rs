//! An HTTP proxy between the server and OpenSearch that does what networks and load balancers do when they fail, and asks for
//! what a cluster with its own security asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{self, HeaderMap};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::authority::{Authority, Issued};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing: it is forwarded, and so is its answer.
    None,
    /// It is forwarded after this time.
    Delay(Duration),
    /// The connection closes before it is forwarded.
    Drop,
    /// It is forwarded, and the connection closes instead of the answer.
    Deaf,
    /// It is forwarded, and half of the answer's body arrives.
    Truncate,
    /// It is answered at once as by a gateway whose time is up, and forwarded when [`Proxy::deliver`] is called.
    Hold,
}

/// A request, as rules look at it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its path without the prefix, and what follows it.
    pub path: String,
    headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Asked {
    /// Whether it writes documents.
    pub fn is_bulk(&self) -> bool {
        self.path.split('?').next().is_some_and(|path| path.ends_with("/_bulk"))
    }

    /// Whether its body has this text.
    pub fn mentions(&self, text: &str) -> bool {
        self.body.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// What a server with this certificate asks of its clients: `clients` signs theirs, and `None` wants none.
///
/// Panics when a file is not what its name says.
pub fn tls(served: &Issued, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(&served.certificate).expect("it is a certificate");
    let key = PrivateKeyDer::from_pem_file(&served.key).expect("it is a key");
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.expect("the provider has the usual versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_file(&authority.certificate).expect("it is a certificate");
            roots.add(root).expect("an authority can be trusted");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("there is an authority"))
        }
    };
    Arc::new(builder.with_single_cert(vec![certificate], key).expect("they belong together"))
}

/// What the proxy asks of its clients.
#[derive(Debug, Clone, Default)]
pub struct Front {
    /// Its certificate, and whose certificates it wants from clients.
    pub tls: Option<Arc<ServerConfig>>,
    /// The value of the header `authorization`, without which the answer is 401.
    pub authorization: Option<String>,
    /// What every path begins with, `/path` or nothing. Others are answered with 404.
    pub prefix: String,
}

/// A running proxy. Dropping it ends it and its connections.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
    /// Where it answers, the prefix with it.
    pub url: String,
}

type Rule = Arc<dyn Fn(&Asked) -> Fault + Send + Sync>;

struct Shared {
    upstream: String,
    front: Front,
    client: reqwest::Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rule: Option<Rule>,
    dealt: BTreeMap<Fault, usize>,
    held: Vec<Asked>,
    /// Requests that were turned away at the front.
    n_turned_away: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("upstream", &self.upstream)
            .field("dealt", &self.state().dealt)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy of the server at `upstream`, `http://host:port`, which does no harm until it is told to.
    pub async fn start(upstream: &str, front: Front) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there is a free port");
        let port = listener.local_addr().expect("it listens").port();
        let scheme = if front.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://127.0.0.1:{port}{}", front.prefix);
        let client = reqwest::Client::builder().build().expect("a client without TLS needs nothing");
        let shared = Shared { upstream: upstream.to_owned(), front, client, state: Mutex::default() };
        let shared = Arc::new(shared);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { shared, accepting, url }
    }

    /// From now on each request meets the fault that `rule` has for it.
    pub fn rule(&self, rule: impl Fn(&Asked) -> Fault + Send + Sync + 'static) {
        self.shared.state().rule = Some(Arc::new(rule));
    }

    /// From now on no request meets a fault. What is held stays held.
    pub fn calm(&self) {
        self.shared.state().rule = None;
    }

    /// How many requests have met this fault.
    pub fn n_dealt(&self, fault: Fault) -> usize {
        self.shared.state().dealt.get(&fault).copied().unwrap_or(0)
    }

    /// How many requests were turned away for what [`Front`] asks.
    pub fn n_turned_away(&self) -> usize {
        self.shared.state().n_turned_away
    }

    /// Forwards what is held, in the order in which it came; the bodies of the answers.
    ///
    /// Panics when the server behind does not answer.
    pub async fn deliver(&self) -> Vec<String> {
        let held = std::mem::take(&mut self.shared.state().held);
        let mut answers = Vec::new();
        for asked in held {
            let answer = self.shared.forward(&asked).await.expect("the server behind the proxy answers");
            answers.push(String::from_utf8_lossy(answer.body()).into_owned());
        }
        answers
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Connections end with this task: it owns them.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            match shared.front.tls.clone() {
                None => serve(stream, shared).await,
                Some(tls) => match TlsAcceptor::from(tls).accept(stream).await {
                    Ok(stream) => serve(stream, shared).await,
                    Err(_) => shared.state().n_turned_away += 1,
                },
            }
        });
        // Those that have ended.
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { shared.answer(request).await }
    });
    // `Err` is a connection that a fault has closed, or the client.
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .unwrap_or_default();
}

/// A body that breaks off after its pieces when the last of them is an error.
type Body = StreamBody<tokio_stream::Iter<std::vec::IntoIter<io::Result<Frame<Bytes>>>>>;

fn whole(body: Bytes) -> Body {
    StreamBody::new(tokio_stream::iter(vec![Ok(Frame::data(body))]))
}

fn short(status: u16) -> Response<Body> {
    Response::builder().status(status).body(whole(Bytes::new())).expect("a status is all it has")
}

impl Shared {
    /// `Err` closes the connection.
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let authorized = match &self.front.authorization {
            None => true,
            Some(wanted) => parts.headers.get(header::AUTHORIZATION).is_some_and(|given| given == wanted),
        };
        let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let path = path.strip_prefix(&self.front.prefix).filter(|path| path.starts_with('/')).map(str::to_owned);
        let path = match (authorized, path) {
            (true, Some(path)) => path,
            (authorized, _) => {
                self.state().n_turned_away += 1;
                return Ok(short(if authorized { 404 } else { 401 }));
            }
        };
        let asked = Asked { method: parts.method, path, headers: parts.headers, body };
        self.meet(asked).await
    }

    async fn meet(&self, asked: Asked) -> io::Result<Response<Body>> {
        let rule = self.state().rule.clone();
        let fault = rule.map_or(Fault::None, |rule| rule(&asked));
        *self.state().dealt.entry(fault).or_default() += 1;
        let closed = || io::Error::other("the connection closes");
        match fault {
            Fault::None => Ok(self.forward(&asked).await?.map(whole)),
            Fault::Delay(time) => {
                sleep(time).await;
                Ok(self.forward(&asked).await?.map(whole))
            }
            Fault::Drop => Err(closed()),
            Fault::Deaf => {
                self.forward(&asked).await?;
                Err(closed())
            }
            Fault::Truncate => {
                let (mut parts, body) = self.forward(&asked).await?.into_parts();
                parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
                let half = body.slice(..body.len() / 2);
                let pieces = vec![Ok(Frame::data(half)), Err(closed())];
                Ok(Response::from_parts(parts, StreamBody::new(tokio_stream::iter(pieces))))
            }
            Fault::Hold => {
                self.state().held.push(asked);
                Ok(short(504))
            }
        }
    }

    async fn forward(&self, asked: &Asked) -> io::Result<Response<Bytes>> {
        let mut request = self.client.request(asked.method.clone(), format!("{}{}", self.upstream, asked.path));
        // Answers come as they are, not compressed, so that tests can read them.
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::ACCEPT] {
            if let Some(value) = asked.headers.get(&name) {
                request = request.header(name, value);
            }
        }
        let answer = request.body(asked.body.clone()).send().await.map_err(io::Error::other)?;
        let mut response = Response::builder().status(answer.status());
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
            if let Some(value) = answer.headers().get(&name) {
                response = response.header(name, value);
            }
        }
        let body = answer.bytes().await.map_err(io::Error::other)?;
        Ok(response.body(body).expect("status and headers were taken from an answer"))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::ClientConfig;
    use tokio_rustls::rustls::pki_types::ServerName;

    use super::*;

    /// A server that keeps the bodies it was sent and answers with `stored` and the body.
    async fn upstream() -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let seen = Arc::clone(&seen);
                let service = service_fn(move |request: Request<Incoming>| {
                    let seen = Arc::clone(&seen);
                    async move {
                        let body = request.into_body().collect().await?.to_bytes();
                        let text = String::from_utf8_lossy(&body).into_owned();
                        seen.lock().unwrap().push(text.clone());
                        Ok::<_, hyper::Error>(Response::new(whole(format!("stored {text}").into())))
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        (url, kept)
    }

    async fn post(url: &str, body: &'static str) -> Result<(u16, String), reqwest::Error> {
        let answer = reqwest::Client::new().post(format!("{url}/_bulk?timeout=1s")).body(body).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    #[tokio::test]
    async fn each_fault_does_what_its_name_says() {
        let (upstream, seen) = upstream().await;
        let proxy = Proxy::start(&upstream, Front::default()).await;
        let seen = || std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(post(&proxy.url, "a").await.unwrap(), (200, "stored a".to_owned()));
        assert_eq!(seen(), ["a"]);

        proxy.rule(|asked| if asked.is_bulk() && asked.mentions("b") { Fault::Drop } else { Fault::None });
        post(&proxy.url, "b").await.unwrap_err();
        post(&proxy.url, "a").await.unwrap();
        assert_eq!(seen(), ["a"]);
        proxy.rule(|_| Fault::Deaf);
        post(&proxy.url, "c").await.unwrap_err();
        assert_eq!(seen(), ["c"]);
        proxy.rule(|_| Fault::Truncate);
        post(&proxy.url, "d").await.unwrap_err();
        assert_eq!(seen(), ["d"]);
        let delay = Fault::Delay(Duration::from_millis(1));
        proxy.rule(move |_| delay);
        assert_eq!(post(&proxy.url, "e").await.unwrap().0, 200);
        assert_eq!((seen(), proxy.n_dealt(delay)), (vec!["e".to_owned()], 1));

        proxy.rule(|_| Fault::Hold);
        assert_eq!(post(&proxy.url, "old").await.unwrap(), (504, String::new()));
        proxy.calm();
        post(&proxy.url, "new").await.unwrap();
        assert_eq!(proxy.deliver().await, ["stored old"]);
        assert_eq!(seen(), ["new", "old"]);
        assert_eq!(proxy.deliver().await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn the_front_lets_in_who_has_all_that_it_asks_for() {
        let (upstream, seen) = upstream().await;
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "own");
        let (served, client) = (authority.issue("proxy"), authority.issue("client"));
        let front = Front {
            tls: Some(tls(&served, Some(&authority))),
            authorization: Some("Basic dTpw".to_owned()),
            prefix: "/cluster".to_owned(),
        };
        let proxy = Proxy::start(&upstream, front).await;
        let ask = async |shown: Option<&Issued>, path: &str, password: &str| {
            let head = format!(
                "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Basic {password}\r\nconnection: close\r\n\r\n"
            );
            let stream = TcpStream::connect(proxy.url.split('/').nth(2).unwrap()).await?;
            let name = ServerName::try_from("127.0.0.1").unwrap();
            let mut stream = TlsConnector::from(client_tls(&authority, shown)).connect(name, stream).await?;
            stream.write_all(head.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, io::Error>(answer.split(' ').nth(1).unwrap_or_default().to_owned())
        };
        assert_eq!(ask(Some(&client), "/cluster/", "dTpw").await.unwrap(), "200");
        assert_eq!(ask(Some(&client), "/cluster/", "guess").await.unwrap(), "401");
        assert_eq!(ask(Some(&client), "/other/", "dTpw").await.unwrap(), "404");
        ask(None, "/cluster/", "dTpw").await.unwrap_err();
        assert_eq!((proxy.n_turned_away(), seen.lock().unwrap().len()), (3, 1));
    }

    fn client_tls(authority: &Authority, shown: Option<&Issued>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&authority.certificate).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let certificate = CertificateDer::from_pem_file(&shown.certificate).unwrap();
                let key = PrivateKeyDer::from_pem_file(&shown.key).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        Arc::new(config)
    }
}
