//! Messages on the wire: proto3 JSON to protobuf, and gRPC calls of any method with bytes as they are.

use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use prost::Message as _;
use prost_reflect::DynamicMessage;
use serde_json::Value;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// The protobuf of a message in proto3 JSON. `message` is its full name.
///
/// Panics where the JSON does not fit.
pub fn encode(message: &str, json: &Value) -> Bytes {
    let descriptor = proto::pool().get_message_by_name(message).unwrap_or_else(|| panic!("no message {message}"));
    match DynamicMessage::deserialize(descriptor, json) {
        Ok(message) => message.encode_to_vec().into(),
        Err(error) => panic!("not a {message}: {error}: {json}"),
    }
}

/// A gRPC client that sends bytes as they are, be they a message or not.
#[derive(Debug, Clone)]
pub struct Grpc(Channel);

impl Grpc {
    /// A client of `host:port`; connects at the first call.
    pub fn new(address: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("host and port make a URL");
        Grpc(endpoint.connect_timeout(Duration::from_secs(30)).timeout(Duration::from_secs(60)).connect_lazy())
    }

    async fn ready(&self) -> Result<tonic::client::Grpc<Channel>, Status> {
        let mut client = tonic::client::Grpc::new(self.0.clone());
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(client)
    }

    /// One client stream of all bodies to a method with a single answer.
    pub async fn stream(&self, method: &str, bodies: Vec<Bytes>) -> Result<Bytes, Status> {
        let request = Request::new(tokio_stream::iter(bodies));
        let answer = self.ready().await?.client_streaming(request, path(method), Raw).await;
        answer.map(tonic::Response::into_inner)
    }

    /// One call with one body.
    pub async fn unary(&self, method: &str, body: Bytes) -> Result<Bytes, Status> {
        let answer = self.ready().await?.unary(Request::new(body), path(method), Raw).await;
        answer.map(tonic::Response::into_inner)
    }
}

fn path(method: &str) -> PathAndQuery {
    method.parse().unwrap_or_else(|error| panic!("{method} is no path: {error}"))
}

/// Bytes in, bytes out.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }
}
