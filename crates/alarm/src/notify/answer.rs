//! What an answer means: taken, to be tried again, or refused for good.
//!
//! The chats of China answer 200 whatever they think, and say it in the body.

use std::time::Duration;

use serde_json::Value;

/// Bytes of an answer that are read and shown.
pub const MAX_ANSWER: usize = 4 * 1024;
/// Characters of an answer that are kept with an attempt.
const KEPT: usize = 300;
/// The longest `Retry-After` that is heeded.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// How a receiver says that it has taken a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// By a status from 200 to 299.
    #[default]
    Status,
    /// And by `errcode` 0: DingTalk, WeCom.
    Errcode,
    /// And by `code` 0: Feishu, WeLink.
    Code,
    /// And by `ok`: Telegram.
    Ok,
    /// And by `Code` `OK`: short messages of Alibaba Cloud.
    Aliyun,
    /// And by no `Response.Error`: short messages of Tencent Cloud.
    Tencent,
    /// And by `messages[].status` 0: Vonage.
    Vonage,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Taken,
    /// Try again, after so long where the receiver says so.
    Again {
        /// What went wrong.
        error: String,
        /// How long the receiver wants to be left alone.
        after: Option<Duration>,
    },
    /// It would be refused again.
    Refused {
        /// Why.
        error: String,
    },
}

/// Codes in bodies that mean that it may work later: too many requests (DingTalk, WeCom, Feishu), or busy.
const LATER: [i64; 8] = [-1, 45_009, 45_033, 130_101, 410_100, 9_499, 11_232, 99_991_400];

/// What an answer means.
pub fn judge(answer: Answer, status: u16, retry_after: Option<&str>, body: &str) -> Verdict {
    if !(200..300).contains(&status) {
        let error = format!("{status} {}", excerpt(body)).trim_end().to_owned();
        return match status {
            408 | 425 | 429 | 500.. => Verdict::Again { error, after: retry_after.and_then(seconds) },
            // A redirect that was not followed, and all that says that the request is wrong.
            _ => Verdict::Refused { error },
        };
    }
    let Ok(json) = serde_json::from_str::<Value>(body) else { return Verdict::Taken };
    match complaint(answer, &json) {
        None => Verdict::Taken,
        Some(is_later) => {
            let error = excerpt(body);
            if is_later { Verdict::Again { error, after: None } } else { Verdict::Refused { error } }
        }
    }
}

/// Whether a body complains, and whether it may work later.
fn complaint(answer: Answer, json: &Value) -> Option<bool> {
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let code = |key: &str| {
        let code = json.get(key).and_then(number)?;
        (code != 0).then(|| LATER.contains(&code))
    };
    match answer {
        Answer::Status => None,
        Answer::Errcode => code("errcode"),
        Answer::Code => code("code"),
        Answer::Ok => (json.get("ok") == Some(&Value::Bool(false))).then_some(false),
        Answer::Aliyun => {
            let code = json.get("Code")?.as_str()?;
            (code != "OK").then(|| code.contains("LIMIT_CONTROL") || code.contains("Throttling"))
        }
        Answer::Tencent => {
            let response = json.get("Response")?;
            let codes = response.get("SendStatusSet").and_then(Value::as_array).into_iter().flatten();
            let failed = codes.filter_map(|one| one.get("Code")?.as_str()).find(|code| *code != "Ok");
            let error = response.pointer("/Error/Code").and_then(Value::as_str).or(failed)?;
            Some(error.contains("LimitExceeded") || error.contains("InternalError"))
        }
        Answer::Vonage => {
            let all = json.get("messages")?.as_array()?;
            let failed = all.iter().filter_map(|one| one.get("status").and_then(number)).find(|status| *status != 0)?;
            // 1: throttled; 5: their own error.
            Some(matches!(failed, 1 | 5))
        }
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// The beginning of an answer, on one line.
pub fn excerpt(body: &str) -> String {
    body.chars().map(|c| if c.is_control() { ' ' } else { c }).take(KEPT).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_bodies_are_understood() {
        use Answer::*;
        let taken = |answer, status, body| assert_eq!(judge(answer, status, None, body), Verdict::Taken, "{body}");
        let again = |answer, status, body| {
            assert!(matches!(judge(answer, status, None, body), Verdict::Again { .. }), "{status} {body}");
        };
        let refused = |answer, status, body| {
            assert!(matches!(judge(answer, status, None, body), Verdict::Refused { .. }), "{status} {body}");
        };
        for status in [200, 202, 204] {
            taken(Status, status, "");
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            again(Status, status, "no");
        }
        for status in [301, 400, 401, 403, 404, 410, 413, 422] {
            refused(Status, status, "no");
        }
        taken(Errcode, 200, r#"{"errcode":0,"errmsg":"ok"}"#);
        taken(Errcode, 200, "not JSON");
        refused(Errcode, 200, r#"{"errcode":310000,"errmsg":"sign not match"}"#);
        again(Errcode, 200, r#"{"errcode":130101,"errmsg":"send too fast"}"#);
        taken(Code, 200, r#"{"StatusCode":0}"#);
        refused(Code, 200, r#"{"code":19021,"msg":"sign match fail"}"#);
        again(Code, 200, r#"{"code":"9499"}"#);
        refused(Ok, 200, r#"{"ok":false}"#);
        taken(Aliyun, 200, r#"{"Code":"OK"}"#);
        again(Aliyun, 200, r#"{"Code":"isv.BUSINESS_LIMIT_CONTROL"}"#);
        refused(Aliyun, 200, r#"{"Code":"isv.SMS_TEMPLATE_ILLEGAL"}"#);
        refused(Tencent, 200, r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureFailure"}}}"#);
        taken(Tencent, 200, r#"{"Response":{"SendStatusSet":[{"Code":"Ok"}]}}"#);
        again(Tencent, 200, r#"{"Response":{"SendStatusSet":[{"Code":"LimitExceeded.PhoneNumberDailyLimit"}]}}"#);
        refused(Vonage, 200, r#"{"messages":[{"status":"4"}]}"#);
        again(Vonage, 200, r#"{"messages":[{"status":"1"}]}"#);
    }

    #[test]
    fn retry_after_is_heeded_within_reason() {
        let after = |text| match judge(Answer::Status, 429, Some(text), "") {
            Verdict::Again { after, .. } => after.map(|after| after.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(after("7"), Some(7));
        assert_eq!(after("999999"), Some(3_600));
        assert_eq!(after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
