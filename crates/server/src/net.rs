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

use crate::prompt::Prompt;
use crate::tls::Tls;

/// Streams of one HTTP/2 connection at a time.
const MAX_STREAMS: u32 = 256;
/// What an HTTP/2 stream may send before it was read; times the connections it bounds what waits outside the byte budget.
const STREAM_WINDOW: u32 = 128 * 1024;
/// The same for a whole connection.
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// How long a connection may take for each of these: to say something, to shake hands for TLS, to say which HTTP it speaks, to send the
/// head of an HTTP/1 request.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// A connection is asked whether it lives after this silence, and has as long to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long open connections may go on after the stop: the answers on their way are sent, endless streams are cut.
const LINGER: Duration = Duration::from_secs(2);

/// The places for connections of one listener. Clones share them.
#[derive(Clone, Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    all: usize,
}

impl Places {
    /// For so many connections.
    pub fn new(all: usize) -> Places {
        Places { free: Arc::new(Semaphore::new(all)), all }
    }

    /// How many connections are open.
    pub fn taken(&self) -> usize {
        self.all - self.free.available_permits()
    }
}

/// Serves `router` on `listener` until `stop` turns true; then takes no more connections, lets requests finish for two seconds and
/// cuts what is left. Only then does it drop the router, and with it what the router holds.
///
/// While no place is free, connections wait in the kernel's backlog, and when that is full are not made.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    places: Places,
    mut stop: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    loop {
        let permit = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            permit = Arc::clone(&places.free).acquire_owned() => permit.expect("nobody closes this semaphore"),
        };
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (tls, router, watcher, stop) = (tls.clone(), router.clone(), graceful.watcher(), stop.clone());
                tasks.spawn(async move {
                    if speaks(&stream, peer, stop).await {
                        // Boxed, so that a connection that says nothing weighs next to nothing.
                        Box::pin(connection(stream, peer, tls, router, watcher)).await;
                    }
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

/// Whether the peer says something in time, before the server stops.
async fn speaks(stream: &TcpStream, peer: SocketAddr, mut stop: watch::Receiver<bool>) -> bool {
    let mut first = [0];
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => false,
        said = tokio::time::timeout(HANDSHAKE, stream.peek(&mut first)) => {
            let speaks = matches!(said, Ok(Ok(1..)));
            if !speaks {
                debug!(%peer, "connection says nothing");
            }
            speaks
        }
    }
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
    let connection = builder.serve_connection(TokioIo::new(Prompt::new(stream)), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        debug!(%error, %peer, "connection ended");
    }
}

/// The peer of a request, where the listener has put it.
pub type Peer = ConnectInfo<SocketAddr>;

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    /// A request that leaves the connection open, and the end of its answer.
    async fn ask(client: &mut TcpStream) -> String {
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        answer(client).await
    }

    async fn is_waiting(future: impl Future<Output = String>) -> bool {
        tokio::select! {
            biased;
            _ = future => false,
            () = std::future::ready(()) => true,
        }
    }

    async fn answer(client: &mut TcpStream) -> String {
        let mut read = Vec::new();
        while !read.ends_with(b"hello") {
            read.push(client.read_u8().await.unwrap());
        }
        String::from_utf8(read).unwrap()
    }

    #[tokio::test]
    async fn a_connection_without_a_place_waits_until_another_closes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let places = Places::new(1);
        let router = Router::new().route("/", get(async || "hello"));
        let serving = tokio::spawn(serve(listener, None, router, places.clone(), stopped));

        let mut first = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut first).await.starts_with("HTTP/1.1 200"));
        let mut second = TcpStream::connect(address).await.unwrap();
        let mut asked = Box::pin(ask(&mut second));
        assert!(is_waiting(&mut asked).await);
        for _ in 0..10 {
            assert!(ask(&mut first).await.starts_with("HTTP/1.1 200"));
            assert!(is_waiting(&mut asked).await);
        }
        assert_eq!(places.taken(), 1);
        drop(first);
        assert!(asked.await.starts_with("HTTP/1.1 200"));

        stop.send_replace(true);
        drop(second);
        serving.await.unwrap();
        assert_eq!(places.taken(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_connects_and_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let begun = Instant::now();
        assert!(!speaks(&stream, peer, stopped.clone()).await);
        assert_eq!(begun.elapsed().as_secs(), HANDSHAKE.as_secs());

        stop.send_replace(true);
        assert!(!speaks(&stream, peer, stopped).await, "it holds up no stop");
        assert_eq!(begun.elapsed().as_secs(), HANDSHAKE.as_secs());

        client.write_all(b"G").await.unwrap();
        let (_going, goes_on) = watch::channel(false);
        assert!(speaks(&stream, peer, goes_on).await);
    }
}
