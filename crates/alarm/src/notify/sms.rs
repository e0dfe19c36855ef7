//! Gateways of short messages: Twilio, Vonage, Alibaba Cloud, Tencent Cloud.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::id::hex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::answer::Answer;
use super::http::{fill, plain_text};
use super::settings::Keys;
use super::told::{Alarm, Shown};
use super::{Call, Http, Out, cut, hmac, url_encoded};
use crate::payload::rfc3339;
use crate::template::{Escape, Json, Template};

/// Characters of a short message: Twilio's limit, which makes ten parts of it.
const MAX_TEXT: usize = 1_600;
/// Characters of a value in an approved template of the Chinese clouds.
const MAX_PARAM: usize = 100;

#[derive(Clone, Debug)]
pub(super) struct Sms {
    to: Vec<String>,
    text: Option<Template>,
    api_url: String,
    gateway: Gateway,
}

#[derive(Clone, Debug)]
enum Gateway {
    Twilio {
        account: String,
        token: String,
        from: String,
    },
    Vonage {
        key: String,
        secret: String,
        from: String,
    },
    Aliyun {
        key: String,
        secret: String,
        sign_name: String,
        template_code: String,
        params: Json,
    },
    Tencent {
        id: String,
        key: String,
        app_id: String,
        sign_name: String,
        template_id: String,
        region: String,
        params: Json,
    },
}

impl Sms {
    pub(super) fn read(preset: &str, keys: &Keys<'_>) -> Sms {
        let (gateway, api_url) = match preset {
            "twilio" => {
                let account = keys.required("account-sid");
                let url = format!("https://api.twilio.com/2010-04-01/Accounts/{}/Messages.json", url_encoded(&account));
                (Gateway::Twilio { account, token: keys.required("auth-token"), from: keys.required("from") }, url)
            }
            "vonage" => (
                Gateway::Vonage {
                    key: keys.required("api-key"),
                    secret: keys.required("api-secret"),
                    from: keys.required("from"),
                },
                "https://rest.nexmo.com/sms/json".to_owned(),
            ),
            "aliyun" => (
                Gateway::Aliyun {
                    key: keys.required("access-key-id"),
                    secret: keys.required("access-key-secret"),
                    sign_name: keys.required("sign-name"),
                    template_code: keys.required("template-code"),
                    params: params(keys, &json!({ "message": "%s" })),
                },
                "https://dysmsapi.aliyuncs.com/".to_owned(),
            ),
            _ => (
                Gateway::Tencent {
                    id: keys.required("secret-id"),
                    key: keys.required("secret-key"),
                    app_id: keys.required("sdk-app-id"),
                    sign_name: keys.required("sign-name"),
                    template_id: keys.required("template-id"),
                    region: keys.text("region").unwrap_or_else(|| "ap-guangzhou".to_owned()),
                    params: params(keys, &json!(["%s"])),
                },
                "https://sms.tencentcloudapi.com/".to_owned(),
            ),
        };
        Sms {
            to: keys.required_texts("to"),
            text: keys.template("text-template", Escape::None),
            api_url: keys.url_or("api-url", &api_url),
            gateway,
        }
    }

    pub(super) fn render(&self, alarm: Option<&Alarm>, shown: &Shown, out: &mut Out<'_>) {
        let text = match &self.text {
            Some(template) => out.or_plain(fill(template, alarm, shown), || plain_text(alarm, shown)),
            None => plain_text(alarm, shown),
        };
        let text = cut(&text, MAX_TEXT);
        match &self.gateway {
            Gateway::Twilio { account, token, from } => {
                for to in &self.to {
                    let form = form(&[("To", to), ("From", from), ("Body", &text)]);
                    let login = STANDARD.encode(format!("{account}:{token}"));
                    let http = Http::post(&self.api_url, form)
                        .with("Content-Type", "application/x-www-form-urlencoded")
                        .with("Authorization", format!("Basic {login}"));
                    out.push(&format!("sms {to}"), Call::Http(http));
                }
            }
            Gateway::Vonage { key, secret, from } => {
                for to in &self.to {
                    let body = json!({ "api_key": key, "api_secret": secret, "from": from, "to": to, "text": text, "type": "unicode" });
                    let http = Http::post(&self.api_url, body.to_string()).answer(Answer::Vonage);
                    out.push(&format!("sms {to}"), Call::Http(http));
                }
            }
            Gateway::Aliyun { params, .. } | Gateway::Tencent { params, .. } => {
                let filled = params.fill(&|template| Ok(cut(&fill(template, alarm, shown)?, MAX_PARAM)));
                let filled = out.or_plain(filled, || plain_params(params, &cut(&text, MAX_PARAM)));
                let http = self.cloud(&filled, shown);
                out.push("sms", Call::Http(http));
            }
        }
    }

    fn cloud(&self, params: &Value, shown: &Shown) -> Http {
        match &self.gateway {
            Gateway::Tencent { id, key, app_id, sign_name, template_id, region, .. } => {
                let body = json!({
                    "PhoneNumberSet": self.to,
                    "SmsSdkAppId": app_id,
                    "SignName": sign_name,
                    "TemplateId": template_id,
                    "TemplateParamSet": params,
                });
                tencent(&self.api_url, body.to_string(), (id, key), region, shown)
            }
            Gateway::Aliyun { key, secret, sign_name, template_code, .. } => {
                let query = [
                    ("PhoneNumbers", self.to.join(",")),
                    ("SignName", sign_name.clone()),
                    ("TemplateCode", template_code.clone()),
                    ("TemplateParam", params.to_string()),
                ];
                aliyun(&self.api_url, &query, (key, secret), shown)
            }
            Gateway::Twilio { .. } | Gateway::Vonage { .. } => Http::default(),
        }
    }
}

fn params(keys: &Keys<'_>, default: &Value) -> Json {
    let value = keys.value("template-params").unwrap_or(default);
    Json::parse(value).unwrap_or_else(|error| {
        keys.problem("template-params", format!("is no template: {error}"));
        Json::Value(Value::Null)
    })
}

/// The same shape with the plain message in every place.
fn plain_params(params: &Json, text: &str) -> Value {
    params.fill(&|_| Ok(text.to_owned())).unwrap_or_default()
}

fn form(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{}={}", url_encoded(key), url_encoded(value))).collect();
    pairs.join("&")
}

/// The host of a URL, with its port where it has one.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default().to_owned()
}

fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// Alibaba Cloud's signature of version 3: the values are in the query, the body is empty.
fn aliyun(url: &str, query: &[(&str, String)], (key, secret): (&str, &str), shown: &Shown) -> Http {
    let mut pairs: Vec<String> =
        query.iter().map(|(key, value)| format!("{}={}", url_encoded(key), url_encoded(value))).collect();
    pairs.sort_unstable();
    let query = pairs.join("&");
    let empty = sha256_hex("");
    // Whole seconds; the nonce is another at every attempt, for a used one is refused.
    let date = rfc3339(shown.now).split('.').next().map(|seconds| format!("{seconds}Z")).unwrap_or_default();
    let nonce = format!("{}-{}", shown.id, shown.now.0);
    let headers = [
        ("host", host(url)),
        ("x-acs-action", "SendSms".to_owned()),
        ("x-acs-content-sha256", empty.clone()),
        ("x-acs-date", date),
        ("x-acs-signature-nonce", nonce),
        ("x-acs-version", "2017-05-25".to_owned()),
    ];
    let canonical_headers: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let signed = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let canonical = format!("POST\n/\n{query}\n{canonical_headers}\n{signed}\n{empty}");
    let signature = hex(&hmac(secret.as_bytes(), format!("ACS3-HMAC-SHA256\n{}", sha256_hex(&canonical)).as_bytes()));
    let authorization = format!("ACS3-HMAC-SHA256 Credential={key},SignedHeaders={signed},Signature={signature}");
    let url = format!("{}?{query}", url.trim_end_matches('?'));
    let http = Http { method: "POST", url, answer: Answer::Aliyun, ..Http::default() };
    headers
        .into_iter()
        .filter(|(name, _)| *name != "host")
        .fold(http, |http, (name, value)| http.with(name, value))
        .with("Authorization", authorization)
}

/// Tencent Cloud's signature TC3.
fn tencent(url: &str, body: String, (id, key): (&str, &str), region: &str, shown: &Shown) -> Http {
    let seconds = shown.now.0 / 1_000;
    let date: String = rfc3339(shown.now).chars().take(10).collect();
    let content_type = "application/json; charset=utf-8";
    let canonical_headers = format!("content-type:{content_type}\nhost:{}\n", host(url));
    let canonical = format!("POST\n/\n\n{canonical_headers}\ncontent-type;host\n{}", sha256_hex(&body));
    let scope = format!("{date}/sms/tc3_request");
    let to_sign = format!("TC3-HMAC-SHA256\n{seconds}\n{scope}\n{}", sha256_hex(&canonical));
    let by_date = hmac(format!("TC3{key}").as_bytes(), date.as_bytes());
    let by_service = hmac(&by_date, b"sms");
    let signature = hex(&hmac(&hmac(&by_service, b"tc3_request"), to_sign.as_bytes()));
    Http::post(url, body)
        .answer(Answer::Tencent)
        .with("Content-Type", content_type)
        .with("X-TC-Action", "SendSms")
        .with("X-TC-Version", "2021-01-11")
        .with("X-TC-Timestamp", seconds.to_string())
        .with("X-TC-Region", region)
        .with(
            "Authorization",
            format!("TC3-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders=content-type;host, Signature={signature}"),
        )
}
