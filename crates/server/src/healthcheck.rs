//! `skylark healthcheck`: asks the server that runs with the same settings on this machine whether it is well.
//!
//! It is what a container's health check runs, so that an image needs no other program for it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::config::ListenConfig;

/// How long the whole question may take. Whoever asks again and again wants to hear soon.
const DEADLINE: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// HTTP/1.0, so that the answer comes in one piece and the connection ends with it.
const REQUEST: &[u8] = b"GET /healthcheck HTTP/1.0\r\n\r\n";

/// What the server on the HTTP listener `http` says about itself.
///
/// `Ok` holds its words when it is well. `Err` says why it is not, or that nobody answered within five seconds.
pub async fn ask(http: &ListenConfig) -> anyhow::Result<String> {
    let address = format!("{}:{}", reachable(&http.host), http.port);
    let asked = tokio::time::timeout(DEADLINE, answer(http, &address)).await;
    let answer = asked.with_context(|| format!("no answer from {address} within {DEADLINE:?}"))??;
    let (status, words) = read(&answer).with_context(|| format!("{address} does not answer as a server of Skylark"))?;
    if status != 200 {
        bail!("{status}: {words}");
    }
    Ok(words)
}

async fn answer(http: &ListenConfig, address: &str) -> anyhow::Result<Vec<u8>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("nobody listens on {address}"))?;
    match &http.tls {
        None => exchange(stream).await,
        Some(tls) => {
            let stream = tls.connect(stream).await.with_context(|| format!("no TLS with {address}"))?;
            exchange(stream).await
        }
    }
    .with_context(|| format!("{address} broke off"))
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<Vec<u8>> {
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Where a listener of this machine is reached.
fn reachable(host: &str) -> &str {
    match host {
        "0.0.0.0" => "127.0.0.1",
        "::" | "[::]" => "[::1]",
        host => host,
    }
}

/// The status of an HTTP answer, and its detail, or else its whole body.
fn read(answer: &[u8]) -> Option<(u16, String)> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()?;
    let body = body.trim();
    let detail = serde_json::from_str::<serde_json::Value>(body).ok().and_then(|told| {
        let detail = told.get("detail")?.as_str()?;
        Some(detail.to_owned())
    });
    Some((status, detail.unwrap_or_else(|| body.to_owned())))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What is made of a server that sends `answer`.
    async fn told(answer: &'static str) -> Result<String, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = ListenConfig { host: "0.0.0.0".to_owned(), port: listener.local_addr().unwrap().port(), tls: None };
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; REQUEST.len()];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            request
        });
        let told = ask(&http).await.map_err(|error| format!("{error:#}"));
        assert_eq!(server.await.unwrap(), REQUEST);
        told
    }

    #[tokio::test]
    async fn a_server_that_is_well_is_told_apart_from_one_that_is_not() {
        let well = "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"ok\":true,\"detail\":\"memory\"}";
        assert_eq!(told(well).await.unwrap(), "memory");
        let unwell = "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"ok\":false,\"detail\":\"the disk is full\"}";
        assert_eq!(told(unwell).await.unwrap_err(), "503: the disk is full");
        let between = "HTTP/1.1 502 Bad Gateway\r\n\r\n<html>no</html>\n";
        assert_eq!(told(between).await.unwrap_err(), "502: <html>no</html>");
    }

    #[tokio::test]
    async fn what_is_no_server_of_ours_is_not_well() {
        for answer in ["", "220 mail.example ESMTP\r\n", "HTTP/1.1 fine\r\n\r\n"] {
            let error = told(answer).await.unwrap_err();
            assert!(error.contains("does not answer as a server of Skylark"), "{answer:?}: {error}");
        }
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let http = ListenConfig { host: "127.0.0.1".to_owned(), port: free, tls: None };
        let error = format!("{:#}", ask(&http).await.unwrap_err());
        assert!(error.contains("nobody listens"), "{error}");
    }
}
