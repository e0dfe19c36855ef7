//! What an answer that is no success means for whoever asked.

use serde::Deserialize;

use crate::StoreError;

#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Option<Cause>,
}

/// Why the cluster refused something.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Cause {
    /// As the cluster writes it.
    Full {
        /// Its name for the error.
        #[serde(rename = "type", default)]
        ty: String,
        /// A sentence.
        #[serde(default)]
        reason: Option<String>,
        /// What was at the bottom of it.
        #[serde(default)]
        root_cause: Vec<Cause>,
        /// What led to it.
        #[serde(default)]
        caused_by: Option<Box<Cause>>,
    },
    /// As some proxies and old answers write it.
    Plain(String),
}

impl Cause {
    /// The cluster's name for the error, `""` where it has none.
    pub(super) fn ty(&self) -> &str {
        match self {
            Cause::Full { ty, .. } => ty,
            Cause::Plain(_) => "",
        }
    }

    /// A sentence that says most: of what was at the bottom of it.
    pub(super) fn sentence(&self) -> String {
        match self {
            Cause::Plain(text) => text.clone(),
            Cause::Full { ty, reason, root_cause, caused_by } => {
                let deeper = root_cause.first().or(caused_by.as_deref());
                match deeper {
                    Some(cause) if !cause.sentence().is_empty() => cause.sentence(),
                    _ => format!("{ty}: {}", reason.as_deref().unwrap_or("no reason given")),
                }
            }
        }
    }
}

/// The error of an answer. What the cluster may take later is `Unavailable`: also a wrong password or a block, which somebody may
/// lift without a restart of ours, and until then nothing is lost.
pub(super) fn failure(status: u16, body: &[u8]) -> StoreError {
    let cause = serde_json::from_slice::<Body>(body).ok().and_then(|body| body.error);
    let sentence = cause.as_ref().map_or_else(
        || String::from_utf8_lossy(body).chars().take(200).collect::<String>().trim().to_owned(),
        Cause::sentence,
    );
    let what = format!("OpenSearch answered {status}: {sentence}");
    // Refused because the cluster has as many shards as it may: nothing is wrong with the request.
    let is_full = cause.is_some_and(|cause| cause.ty() == "validation_exception");
    match status {
        400 if !is_full => StoreError::Query(what),
        _ => StoreError::Unavailable(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, expected: &StoreError) {
        assert_eq!(failure(status, body.as_bytes()), *expected);
    }

    #[test]
    fn answers_are_classified_by_what_can_be_done() {
        let unavailable = |what: &str| StoreError::Unavailable(format!("OpenSearch answered {what}"));
        check(
            403,
            r#"{"error":{"type":"cluster_block_exception","reason":"index [x] blocked by: [FORBIDDEN/5/index read-only (api)];"},"status":403}"#,
            &unavailable("403: cluster_block_exception: index [x] blocked by: [FORBIDDEN/5/index read-only (api)];"),
        );
        check(503, "<html>no backend</html>", &unavailable("503: <html>no backend</html>"));
        check(401, "Unauthorized", &unavailable("401: Unauthorized"));
        check(
            400,
            r#"{"error":{"type":"validation_exception","reason":"this action would add [2] shards"}}"#,
            &unavailable("400: validation_exception: this action would add [2] shards"),
        );
        check(
            400,
            r#"{"error":{"root_cause":[{"type":"parsing_exception","reason":"unknown query [x]"}],"type":"x","reason":"all shards failed"}}"#,
            &StoreError::Query("OpenSearch answered 400: parsing_exception: unknown query [x]".to_owned()),
        );
        check(405, r#"{"error":"Incorrect HTTP method"}"#, &unavailable("405: Incorrect HTTP method"));
    }
}
