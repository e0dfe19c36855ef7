//! Servers that other processes run: where they may listen, and whether they answer.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// Longer than any answer takes that is worth waiting for before the next look.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Below those that the system gives to connections.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// Whether a GET of this path answers 200.
pub(crate) fn answers(address: SocketAddr, path: &str) -> bool {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    says(address, request.as_bytes(), b"HTTP/1.1 200")
}

/// Whether the answer to these bytes begins with those.
pub(crate) fn says(address: SocketAddr, asked: &[u8], expected: &[u8]) -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        stream.write_all(asked)?;
        let mut start = vec![0; expected.len()];
        stream.read_exact(&mut start)?;
        Ok(start)
    };
    ask().is_ok_and(|start| start == expected)
}

/// Addresses that nobody listened on a moment ago; all three are held at once, so they differ.
pub(crate) fn free_addresses() -> anyhow::Result<[SocketAddr; 3]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let held = [bind()?, bind()?, bind()?];
    let [first, second, third] = held.each_ref().map(TcpListener::local_addr);
    Ok([first?, second?, third?])
}

/// Ports that nobody listens on, below those that the system gives to connections, so that nobody gets one of them while its
/// server is stopped. Where the search begins depends on the process, so that two that start at once seldom meet.
pub(crate) fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let n_ports = u32::from(PORTS.end - PORTS.start);
    let begin = u16::try_from(std::process::id().wrapping_mul(7) % n_ports).expect("it is below the number of ports");
    let ports = (PORTS.start + begin..PORTS.end).chain(PORTS.start..PORTS.start + begin);
    let free = ports.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    let found: Vec<u16> = free.take(N).collect();
    found.try_into().ok().with_context(|| format!("not {N} ports of {PORTS:?} are free"))
}

/// The time, for measurements and deadlines.
#[expect(clippy::disallowed_methods, reason = "this is about real processes; there is no runtime to pause here")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::thread;

    use super::*;

    #[test]
    fn only_200_is_an_answer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        for (answer, expected) in [("HTTP/1.1 200 OK\r\n\r\n", true), ("HTTP/1.1 503 \r\n\r\n", false), ("", false)] {
            thread::scope(|scope| {
                scope.spawn(|| {
                    let (mut stream, _) = listener.accept().unwrap();
                    // Closing with the request unread would reset the connection.
                    let mut lines = BufReader::new(&stream).lines();
                    while !lines.next().unwrap().unwrap().is_empty() {}
                    stream.write_all(answer.as_bytes()).unwrap();
                });
                assert_eq!(answers(address, "/healthcheck"), expected, "{answer:?}");
            });
        }
        drop(listener);
        assert!(!answers(address, "/healthcheck"));
    }

    #[test]
    fn free_addresses_differ() {
        let [first, second, third] = free_addresses().unwrap();
        assert!(first != second && second != third && first != third);
    }

    #[test]
    fn ports_are_free_and_differ() {
        let [first, second] = free_ports().unwrap();
        assert_ne!(first, second);
        assert!(PORTS.contains(&first) && PORTS.contains(&second));
    }
}
