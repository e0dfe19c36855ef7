//! Something between a store and its cluster: it can hang, refuse what is large, and speak TLS as a cluster with security does.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, copy_buf,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

/// A proxy of one request for each connection.
pub(crate) struct Proxy {
    port: u16,
    rules: Arc<Rules>,
    scheme: &'static str,
    files: tempfile::TempDir,
    tasks: JoinSet<()>,
}

struct Rules {
    cluster: String,
    hangs: AtomicBool,
    limit: AtomicUsize,
    /// What paths must begin with, and is taken away.
    path: String,
    /// What must be sent as `authorization`.
    authorization: Option<String>,
}

impl Proxy {
    pub(crate) async fn plain(cluster: &str) -> Proxy {
        Proxy::start(cluster, "/", None, tempfile::tempdir().unwrap()).await
    }

    /// Asks for a certificate of its own authority, the user `user` with the password `pass: wörd`, and a path.
    pub(crate) async fn secured(cluster: &str, path: &str) -> Proxy {
        let files = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let signed = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
            (params.signed_by(&key, &authority).unwrap(), key)
        };
        let (client, client_key) = signed("client");
        let write = |name: &str, pem: String| std::fs::write(files.path().join(name), pem).unwrap();
        write("ca.pem", authority.pem());
        write("client.pem", client.pem());
        write("client.key", client_key.serialize_pem());

        let (server, server_key) = signed("localhost");
        let provider = Arc::new(crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![server.der().clone()], server_key.serialize_der().try_into().unwrap())
            .unwrap();
        Proxy::start(cluster, path, Some(TlsAcceptor::from(Arc::new(config))), files).await
    }

    async fn start(cluster: &str, path: &str, tls: Option<TlsAcceptor>, files: tempfile::TempDir) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let rules = Arc::new(Rules {
            cluster: cluster.trim_start_matches("http://").to_owned(),
            hangs: AtomicBool::new(false),
            limit: AtomicUsize::new(usize::MAX),
            path: path.to_owned(),
            authorization: tls.as_ref().map(|_| format!("Basic {}", STANDARD.encode("user:pass: wörd"))),
        });
        let mut tasks = JoinSet::new();
        let shared = rules.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, rules) = (tls.clone(), shared.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, &rules).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &rules).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Proxy { port, rules, scheme, files, tasks }
    }

    pub(crate) fn url(&self) -> String {
        assert_eq!(self.tasks.len(), 1);
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Takes requests and never answers.
    pub(crate) fn hang(&self, hangs: bool) {
        self.rules.hangs.store(hangs, Ordering::Relaxed);
    }

    /// Refuses larger bodies.
    pub(crate) fn limit(&self, bytes: usize) {
        self.rules.limit.store(bytes, Ordering::Relaxed);
    }
}

/// Reads one request, has it answered and ends the connection. `None`: the other end went away.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, rules: &Rules) -> Option<()> {
    let mut request = Vec::new();
    let head = loop {
        let read = stream.read_buf(&mut request).await.ok()?;
        match request.windows(4).position(|end| end == b"\r\n\r\n") {
            Some(end) => break end + 4,
            None if read == 0 => return None,
            None => {}
        }
    };
    let text = String::from_utf8(request[..head].to_vec()).unwrap();
    let header = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    while request.len() < head + length {
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
    if rules.hangs.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    let mut refuse = async |status: &str| {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
        stream.write_all(answer.as_bytes()).await.ok()?;
        stream.shutdown().await.ok()
    };
    if length > rules.limit.load(Ordering::Relaxed) {
        return refuse("413 Content Too Large").await;
    }
    if rules.authorization.is_some() && header("authorization") != rules.authorization {
        return refuse("401 Unauthorized").await;
    }
    let (line, headers) = text.split_once("\r\n").unwrap();
    if !line.contains(&format!(" {}", rules.path)) {
        return refuse("404 Not Found").await;
    }
    let line = line.replacen(&format!(" {}", rules.path), " /", 1);
    let mut cluster = TcpStream::connect(&rules.cluster).await.ok()?;
    cluster.write_all(format!("{line}\r\nconnection: close\r\n{headers}").as_bytes()).await.ok()?;
    cluster.write_all(&request[head..]).await.ok()?;
    // The cluster closes and does not say so, and whoever asked would ask again on the same connection.
    let mut answer = BufReader::new(cluster);
    let mut status = String::new();
    answer.read_line(&mut status).await.ok()?;
    stream.write_all(format!("{status}connection: close\r\n").as_bytes()).await.ok()?;
    copy_buf(&mut answer, &mut stream).await.ok()?;
    stream.shutdown().await.ok()
}
