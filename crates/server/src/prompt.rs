//! A stream whose peer must say in time which HTTP it speaks.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The bytes an HTTP/2 connection begins with. A server waits for them before it knows what to expect, and so before any other limit
/// on time begins.
const PREFACE: usize = 24;
/// How long they may take.
const WITHIN: Duration = Duration::from_secs(15);

/// A stream that fails with `TimedOut` when its first [`PREFACE`] bytes do not come in time. A whole request may be shorter than
/// they are: then it is answered, and only waiting for another one fails.
#[derive(Debug)]
pub(crate) struct Prompt<S> {
    stream: S,
    n_read: usize,
    /// There until they have come.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Prompt<S> {
    pub(crate) fn new(stream: S) -> Self {
        Prompt { stream, n_read: 0, deadline: Some(Box::pin(sleep(WITHIN))) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prompt<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let Some(deadline) = &mut this.deadline else { return read };
        if read.is_ready() {
            this.n_read += buf.filled().len() - before;
            if this.n_read >= PREFACE {
                this.deadline = None;
            }
            return read;
        }
        deadline.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prompt<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_begins_and_does_not_go_on_is_given_up() {
        let (mut peer, ours) = duplex(1_024);
        let mut ours = Prompt::new(ours);
        let begun = Instant::now();
        peer.write_all(&[b'P'; PREFACE - 1]).await.unwrap();
        ours.read_exact(&mut [0; PREFACE - 1]).await.unwrap();
        assert_eq!(ours.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), WITHIN);
        ours.write_all(b"bye").await.unwrap();
        peer.read_exact(&mut [0; 3]).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_said_it_may_be_silent_for_as_long_as_others_allow() {
        let (mut peer, ours) = duplex(1_024);
        let mut ours = Prompt::new(ours);
        peer.write_all(&[b'P'; PREFACE]).await.unwrap();
        ours.read_exact(&mut [0; PREFACE]).await.unwrap();
        let later = async {
            tokio::time::sleep(2 * WITHIN).await;
            peer.write_all(b"x").await.unwrap();
        };
        let (read, ()) = tokio::join!(ours.read_u8(), later);
        assert_eq!(read.unwrap(), b'x');
    }
}
