//! The one place that asks the operating system for the time; tests hand in a clock of their own.

use std::fmt;
use std::sync::Arc;

use crate::UnixMillis;

/// Tells the wall-clock time. Cheap to clone.
///
/// [`Clock::system`] reads the machine; a test builds one from a function, so that hours pass in a moment.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> UnixMillis + Send + Sync>);

impl Clock {
    /// The machine's wall clock. A time before 1970 reads as 0.
    pub fn system() -> Self {
        Clock(Arc::new(|| {
            #[expect(clippy::disallowed_methods, reason = "this is the one reader of the machine's clock")]
            let now = std::time::SystemTime::now();
            let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        }))
    }

    /// A clock that answers what `now` answers.
    pub fn from_fn(now: impl Fn() -> UnixMillis + Send + Sync + 'static) -> Self {
        Clock(Arc::new(now))
    }

    /// The time now.
    pub fn now(&self) -> UnixMillis {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
