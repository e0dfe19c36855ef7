//! WeLink: a robot's message to groups, with a token that is asked for first.

use serde_json::json;

use super::answer::Answer;
use super::settings::Keys;
use super::told::Shown;
use super::{Http, Out, Token, cut};
use crate::template::{Escape, Template};

/// Characters of a message.
const MAX_TEXT: usize = 500;

#[derive(Clone, Debug)]
pub(super) struct Welink {
    template: Template,
    webhooks: Vec<Webhook>,
}

#[derive(Clone, Debug)]
struct Webhook {
    client_id: String,
    client_secret: String,
    access_token_url: String,
    message_url: String,
    group_ids: Vec<String>,
    robot_name: String,
}

impl Welink {
    pub(super) fn read(keys: &Keys<'_>) -> Welink {
        Welink { template: text_template(keys), webhooks: keys.objects("webhooks", Webhook::read) }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        for alarm in &shown.alarms {
            let text = out.alarm_text(&self.template, alarm);
            for webhook in &self.webhooks {
                let content: String = cut(&text, MAX_TEXT);
                let body = json!({
                    "app_service_info": { "app_service_id": "1", "app_service_name": webhook.robot_name },
                    "app_msg_id": alarm.uuid,
                    "group_id": webhook.group_ids,
                    "content": format!("<r>{}</r>", xml_escaped(&content)),
                    "content_type": 0,
                    "client_app_id": "1",
                });
                let credentials = json!({ "client_id": webhook.client_id, "client_secret": webhook.client_secret });
                let token = Token {
                    request: Http::post(&webhook.access_token_url, credentials.to_string()),
                    key: "access_token",
                    header: "x-wlk-Authorization",
                };
                let http = Http::post(&webhook.message_url, body.to_string()).answer(Answer::Code);
                out.http(Http { token: Some(Box::new(token)), ..http });
            }
        }
    }
}

impl Webhook {
    fn read(keys: &Keys<'_>) -> Webhook {
        let ids = keys.texts("group-ids");
        if ids.is_empty() {
            keys.problem("group-ids", "must name one group at least");
        }
        Webhook {
            client_id: keys.required("client-id"),
            client_secret: keys.required("client-secret"),
            access_token_url: keys.required_url("access-token-url"),
            message_url: keys.required_url("message-url"),
            // SkyWalking's file has them in one text.
            group_ids: ids.iter().flat_map(|ids| ids.split(',')).map(|id| id.trim().to_owned()).collect(),
            robot_name: keys.text("robot-name").unwrap_or_else(|| "robot".to_owned()),
        }
    }
}

/// The template of plain text that SkyWalking requires of some; ours where there is none.
pub(super) fn text_template(keys: &Keys<'_>) -> Template {
    let own = || {
        let source = "{% if status == 'resolved' %}[RESOLVED] {% endif %}{{ message }}";
        Template::parse(source, Escape::None).expect("it names what there is")
    };
    keys.template("text-template", Escape::None).filter(|template| !template.is_blank()).unwrap_or_else(own)
}

fn xml_escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
