//! A webhook that notes what it is told.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One request.
#[derive(Debug, Clone)]
pub struct Told {
    /// The path of the URL.
    pub path: String,
    /// The header that is the same for every attempt to say the same.
    pub key: String,
    /// Its content type.
    pub content_type: String,
    /// The body.
    pub body: Value,
}

/// A webhook. Dropping it ends it.
#[derive(Debug)]
pub struct Hook {
    /// `http://127.0.0.1:port`.
    pub url: String,
    told: Arc<Mutex<Vec<Told>>>,
    serving: JoinHandle<()>,
}

impl Hook {
    /// Starts one that takes everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let told = Arc::new(Mutex::new(Vec::new()));
        let serving = tokio::spawn(serve(listener, Arc::clone(&told)));
        Hook { url, told, serving }
    }

    /// All that was told, in order.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The alarms in all bodies that went to a path, in order, each with its request's key.
    pub fn alarms(&self, path: &str) -> Vec<(String, Value)> {
        let told = self.told().into_iter().filter(|told| told.path == path);
        told.flat_map(|told| {
            let alarms = told.body.as_array().cloned().unwrap_or_default();
            alarms.into_iter().map(move |alarm| (told.key.clone(), alarm))
        })
        .collect()
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, told: Arc<Mutex<Vec<Told>>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let told = Arc::clone(&told);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let told = Arc::clone(&told);
                async move { note(request, &told).await }
            });
            let served = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            // Clients that are killed break off.
            served.unwrap_or_default();
        });
    }
}

async fn note(request: Request<Incoming>, told: &Mutex<Vec<Told>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (path, key, content_type) =
        (request.uri().path().to_owned(), header("idempotency-key"), header("content-type"));
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(answer(StatusCode::BAD_REQUEST)),
    };
    let body = serde_json::from_slice(&body).unwrap_or_default();
    told.lock().unwrap_or_else(PoisonError::into_inner).push(Told { path, key, content_type, body });
    Ok(answer(StatusCode::OK))
}

fn answer(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
