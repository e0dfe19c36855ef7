//! Listeners: accept, agree on TLS, serve HTTP/1 and HTTP/2, and end when told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::Service as _;
use tracing::{debug, warn};

use crate::tls::Tls;

/// Connections one listener keeps open; those beyond wait in the kernel's backlog.
pub const MAX_CONNECTIONS: usize = 16_384;
/// Streams of one HTTP/2 connection at a time.
const MAX_STREAMS: u32 = 256;
/// What an HTTP/2 stream may send before it was read; times the connections it bounds what waits outside the byte budget.
const STREAM_WINDOW: u32 = 128 * 1024;
/// The same for a whole connection.
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// How long a TLS handshake or the head of an HTTP/1 request may take.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// A connection is asked whether it lives after this silence, and has as long to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long open connections may go on after the stop: the answers on their way are sent, endless streams are cut.
const LINGER: Duration = Duration::from_secs(2);

/// Serves `router` on `listener` until `stop` turns true; then takes no more connections, lets requests finish for two seconds and
/// cuts what is left. Only then does it drop the router, and with it what the router holds.
pub async fn serve(listener: TcpListener, tls: Option<Tls>, router: Router, mut stop: watch::Receiver<bool>) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    loop {
        let permit = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            permit = Arc::clone(&connections).acquire_owned() => permit.expect("nobody closes this semaphore"),
        };
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (tls, router, watcher) = (tls.clone(), router.clone(), graceful.watcher());
                tasks.spawn(async move {
                    connection(stream, peer, tls, router, watcher).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: the connection waits in the backlog until others close.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(LINGER, graceful.shutdown()).await.is_err() {
        debug!("connections still open after the stop are cut");
    }
    tasks.shutdown().await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Tls>,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, %peer, "cannot set TCP_NODELAY");
    }
    // Boxed, so that a connection weighs what it is and not what the largest kind of connection would be.
    match tls {
        None => Box::pin(http(stream, peer, router, watcher)).await,
        Some(tls) => match Box::pin(tokio::time::timeout(HANDSHAKE, tls.accept(stream))).await {
            Ok(Ok(stream)) => Box::pin(http(stream, peer, router, watcher)).await,
            Ok(Err(error)) => debug!(%error, %peer, "TLS handshake failed"),
            Err(_) => debug!(%peer, "TLS handshake took too long"),
        },
    }
}

async fn http<S>(stream: S, peer: SocketAddr, router: Router, watcher: hyper_util::server::graceful::Watcher)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut make = router.into_make_service_with_connect_info::<SocketAddr>();
    let service = match make.call(peer).await {
        Ok(service) => TowerToHyperService::new(service),
        Err(never) => match never {},
    };
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        debug!(%error, %peer, "connection ended");
    }
}

/// The peer of a request, where the listener has put it.
pub type Peer = ConnectInfo<SocketAddr>;
