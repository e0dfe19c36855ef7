//! Connections that behave as no agent does.

use std::io;

use bytes::{BufMut as _, BytesMut};
use e2e::load;
use e2e::server::Server;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

/// Ways to keep a connection open without being of use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rude {
    /// Connects to the gRPC port and says nothing.
    Silent,
    /// Begins an HTTP/1 request and never finishes its head.
    HalfHead,
    /// Announces a gRPC message of a megabyte and sends a few bytes of it.
    HalfFrame,
    /// Asks for much and reads nothing of it.
    NeverReads,
}

impl Rude {
    pub(crate) const ALL: [Rude; 4] = [Rude::Silent, Rude::HalfHead, Rude::HalfFrame, Rude::NeverReads];

    /// Opens such a connection. It lasts until it is dropped or the server has had enough.
    pub(crate) async fn open(self, server: &Server) -> io::Result<TcpStream> {
        let (address, bytes) = match self {
            Rude::Silent => (&server.grpc, BytesMut::new()),
            Rude::HalfHead => (&server.http, BytesMut::from("POST /v3/segments HTTP/1.1\r\nHost: x\r\nContent-")),
            Rude::HalfFrame => (&server.grpc, call_of_one_frame(1 << 20, b"half a frame")),
            Rude::NeverReads => {
                (&server.http, BytesMut::from("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100).as_str()))
            }
        };
        let socket = TcpSocket::new_v4()?;
        // So small that answers soon wait on the server's side.
        socket.set_recv_buffer_size(4_096)?;
        let mut stream = socket.connect(address.parse().expect("the server tells its addresses as numbers")).await?;
        stream.write_all(&bytes).await?;
        Ok(stream)
    }
}

/// An HTTP/2 connection with one call to the segment service, whose only message is announced to have `length` bytes and has
/// these (RFC 9113 frames, RFC 7541 literals without indexing).
pub(crate) fn call_of_one_frame(length: u32, message: &[u8]) -> BytesMut {
    let mut headers = BytesMut::new();
    // `:method: POST` and `:scheme: http` stand in the static table whole, the other names stand there alone.
    headers.put_slice(&[0x83, 0x86]);
    let mut header = |name: &[u8], value: &str| {
        headers.put_slice(name);
        headers.put_u8(u8::try_from(value.len()).expect("values are short"));
        headers.put_slice(value.as_bytes());
    };
    header(&[0x04], load::COLLECT);
    header(&[0x01], "localhost");
    header(&[0x0f, 31 - 15], "application/grpc");
    header(b"\x00\x02te", "trailers");

    let mut data = BytesMut::new();
    data.put_u8(0);
    data.put_u32(length);
    data.put_slice(message);

    let mut bytes = BytesMut::from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let (settings, headers_frame, data_frame, end_headers) = (4, 1, 0, 4);
    frame(&mut bytes, settings, 0, 0, b"");
    frame(&mut bytes, headers_frame, end_headers, 1, &headers);
    frame(&mut bytes, data_frame, 0, 1, &data);
    bytes
}

fn frame(bytes: &mut BytesMut, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.put_uint(payload.len() as u64, 3);
    bytes.put_u8(kind);
    bytes.put_u8(flags);
    bytes.put_u32(stream);
    bytes.put_slice(payload);
}
