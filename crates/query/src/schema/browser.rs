//! Errors in browsers.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};

use super::common::{Duration, Long, Pagination};

/// Queries: errors in browsers.
#[derive(Debug, Default, Clone, Copy)]
pub struct BrowserQuery;

#[Object]
impl BrowserQuery {
    /// Browser errors that match.
    async fn query_browser_error_logs(
        &self,
        condition: Option<BrowserErrorLogQueryCondition>,
    ) -> Option<BrowserErrorLogs> {
        Some(BrowserErrorLogs { logs: Vec::new() })
    }
}

/// One error in a browser.
#[derive(SimpleObject, Debug, Clone)]
pub struct BrowserErrorLog {
    pub category: ErrorCategory,
    pub col: Option<i32>,
    pub error_url: Option<String>,
    pub first_reported_error: bool,
    pub grade: Option<String>,
    pub line: Option<i32>,
    pub message: Option<String>,
    pub page_path: String,
    pub service: String,
    pub service_version: String,
    pub stack: Option<String>,
    pub time: Long,
}

/// A page of browser errors, newest first.
#[derive(SimpleObject, Debug, Clone)]
pub struct BrowserErrorLogs {
    pub logs: Vec<BrowserErrorLog>,
}

/// Which browser errors to list; newest first.
#[derive(InputObject, Debug, Clone)]
pub struct BrowserErrorLogQueryCondition {
    pub category: Option<ErrorCategory>,
    pub page_path_id: Option<ID>,
    pub paging: Pagination,
    pub query_duration: Option<Duration>,
    pub service_id: Option<ID>,
    pub service_version_id: Option<ID>,
}

/// Kind of a browser error; `ALL` in a condition means no filter.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCategory {
    Ajax,
    All,
    Js,
    Promise,
    Resource,
    Unknown,
    Vue,
}
