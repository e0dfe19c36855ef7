//! The stores that suites run on: each scenario is written once and its tests are named after the stores, as in
//! `one_request_is_a_trace::opensearch_3`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::opensearch;
use crate::server::Settings;

/// Makes a test of a scenario, an `async fn(Store)`, on each of the named stores: `on_stores!(scenario: memory, opensearch_3)`.
#[macro_export]
macro_rules! on_stores {
    ($scenario:ident: $($store:ident),+ $(,)?) => {
        mod $scenario {
            $(
                #[tokio::test]
                async fn $store() {
                    if let Some(store) = $crate::store::Store::$store() {
                        super::$scenario(store).await;
                    }
                }
            )+
        }
    };
}

/// An empty store for one test. Dropping it removes its data.
#[derive(Debug)]
pub struct Store {
    settings: Settings,
    data: Data,
}

#[derive(Debug)]
enum Data {
    OfTheProcess,
    Folder { _folder: TempDir },
    Indices(Indices),
}

impl Store {
    /// The store in memory.
    pub fn memory() -> Option<Self> {
        Some(Self { settings: Settings::memory(), data: Data::OfTheProcess })
    }

    /// The embedded store in a folder of its own.
    pub fn embedded() -> Option<Self> {
        let folder = tempfile::tempdir().expect("the machine has room for temporary folders");
        Some(Self { settings: Settings::embedded(folder.path()), data: Data::Folder { _folder: folder } })
    }

    /// OpenSearch 3 with a prefix of its own; `None` where there is none, which is said.
    pub fn opensearch_3() -> Option<Self> {
        opensearch::shared("3.").map(|url| Self::opensearch(&url))
    }

    /// OpenSearch 2 with a prefix of its own; `None` where there is none, which is said.
    pub fn opensearch_2() -> Option<Self> {
        opensearch::shared("2.").map(|url| Self::opensearch(&url))
    }

    /// The OpenSearch that answers there, with a prefix of its own.
    pub fn opensearch(url: &str) -> Self {
        let indices = Indices { url: url.to_owned(), prefix: new_prefix() };
        Self { settings: Settings::opensearch(url, &indices.prefix), data: Data::Indices(indices) }
    }

    /// The settings of a server on it. All servers with these settings share the store, where the store can be shared.
    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// What the names of its indices begin with; `None` where it has no indices.
    pub fn prefix(&self) -> Option<&str> {
        match &self.data {
            Data::Indices(indices) => Some(&indices.prefix),
            Data::OfTheProcess | Data::Folder { .. } => None,
        }
    }

    /// Whether what was stored is there after the server has gone.
    pub fn outlives_the_server(&self) -> bool {
        !matches!(self.data, Data::OfTheProcess)
    }
}

/// A prefix that no other test has: tests are processes side by side, and threads in them.
fn new_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// All that lies on OpenSearch under a prefix.
#[derive(Debug)]
struct Indices {
    url: String,
    prefix: String,
}

impl Drop for Indices {
    fn drop(&mut self) {
        for path in ["", "_index_template/"] {
            // An OpenSearch that has gone has taken them with it.
            request(&self.url, "DELETE", &format!("/{path}{}-*", self.prefix)).unwrap_or_default();
        }
    }
}

/// The body of an answer, asked for without a runtime: destructors have none.
pub(crate) fn request(url: &str, method: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(crate::DEADLINE))?;
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}
