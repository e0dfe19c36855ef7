//! What a child process wrote, line by line, kept for the tests and printed when one fails.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::task::JoinHandle;

/// The lines of one process, all its streams together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Output(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    lines: Mutex<Vec<String>>,
}

impl Output {
    /// Nothing yet, of a process of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Output(Arc::new(Inner { name: name.into(), lines: Mutex::new(Vec::new()) }))
    }

    /// Takes over the lines of a stream until it ends.
    pub fn follow(&self, stream: impl AsyncRead + Send + Unpin + 'static) -> JoinHandle<()> {
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).await.is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                inner.lines.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                line.clear();
            }
        })
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first line for which `pick` has an answer, as that answer.
    pub fn find<T>(&self, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().find_map(|line| pick(line))
    }

    /// Panics when a line has one of these texts.
    pub fn assert_none(&self, forbidden: &[&str]) {
        let found = self.find(|line| forbidden.iter().any(|text| line.contains(text)).then(|| line.to_owned()));
        assert!(found.is_none(), "{} wrote: {}", self.0.name, found.unwrap_or_default());
    }

    /// Shows the end of it when the test has failed. Owners of processes call this when they are dropped.
    #[expect(clippy::print_stderr, reason = "the test harness shows it with the failed test, and only then")]
    pub fn show_if_failed(&self) {
        if std::thread::panicking() {
            let lines = self.lines();
            let skipped = lines.len().saturating_sub(LINES_SHOWN);
            eprintln!("--- {} wrote {} lines, the last of them ---", self.0.name, lines.len());
            lines.iter().skip(skipped).for_each(|line| eprintln!("{line}"));
        }
    }
}

/// How much of a long log is worth reading after a failure.
const LINES_SHOWN: usize = 200;
