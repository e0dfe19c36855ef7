//! Mail: one for each notification, with text and HTML.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use super::settings::Keys;
use super::told::Shown;
use super::{Call, Mail, MailTls, Out, cut};
use crate::template::{Escape, Template};

/// Characters of a subject.
const MAX_SUBJECT: usize = 200;

#[derive(Clone, Debug)]
pub(super) struct Email {
    host: String,
    port: u16,
    tls: MailTls,
    login: Option<(String, String)>,
    from: Option<Mailbox>,
    to: Vec<Mailbox>,
    cc: Vec<Mailbox>,
    bcc: Vec<Mailbox>,
    subject: Option<Template>,
    text: Option<Template>,
    html: Option<Template>,
}

/// The HTML where the settings have none.
const HTML: &str = r#"<!doctype html><html><body style="font-family:sans-serif">
{% if test %}<p><b>This is a test.</b></p>{% endif %}
{% for a in alarms %}<h3 style="color:{{ '#2a7d2a' if a.status == 'resolved' else '#b00020' }}">{{ a.status }}: {{ a.message }}</h3>
<table cellpadding="3">
<tr><td>rule</td><td>{{ a.rule }} ({{ a.severity }})</td></tr>
<tr><td>{{ a.scope }}</td><td>{{ a.name }}</td></tr>
<tr><td>expression</td><td><code>{{ a.expression }}</code></td></tr>
{% for metric, value in a.values|items %}<tr><td>{{ metric }}</td><td>{{ value }}</td></tr>
{% endfor %}{% for key, value in a.tags|items %}<tr><td>{{ key }}</td><td>{{ value }}</td></tr>
{% endfor %}{% for key, value in a.annotations|items %}<tr><td>{{ key }}</td><td>{{ value }}</td></tr>
{% endfor %}{% if a.links.incident %}<tr><td>incident</td><td><a href="{{ a.links.incident }}">{{ a.incident }}</a></td></tr>
{% endif %}</table>
{% endfor %}{% if omitted %}<p>and {{ omitted }} more</p>{% endif %}{% if folded %}<p>This explains {{ folded }} other open alarms.</p>{% endif %}
</body></html>
"#;

impl Email {
    pub(super) fn read(keys: &Keys<'_>) -> Email {
        let tls = match keys.choice("tls", &["starttls", "tls", "none"]) {
            "tls" => MailTls::Tls,
            "none" => MailTls::None,
            _ => MailTls::Starttls,
        };
        let default = match tls {
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        };
        let (user, password) = (keys.text("user"), keys.text("password"));
        if user.is_some() != password.is_some() {
            keys.problem("password", "and user go together");
        }
        if user.is_some() && tls == MailTls::None {
            keys.warning("tls", "is none: the password is sent unencrypted");
        }
        let from = mailboxes(keys, "from");
        if from.len() != 1 {
            keys.problem("from", "must be one address");
        }
        let to = mailboxes(keys, "to");
        if to.is_empty() {
            keys.problem("to", "must have one address at least");
        }
        Email {
            host: keys.required("host"),
            port: keys.port("port", Some(default)),
            tls,
            login: user.zip(password),
            from: from.into_iter().next(),
            to,
            cc: mailboxes(keys, "cc"),
            bcc: mailboxes(keys, "bcc"),
            subject: keys.template("subject", Escape::None),
            text: keys.template("text", Escape::None),
            html: keys
                .template("html", Escape::Html)
                .or_else(|| Some(Template::parse(HTML, Escape::Html).expect("it names what there is"))),
        }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        let Some(from) = &self.from else { return };
        let subject = match &self.subject {
            Some(template) => out.or_plain(template.notification(shown), || shown.headline()),
            None => shown.headline(),
        };
        // A header is one line.
        let subject = cut(&subject.replace(['\r', '\n'], " "), MAX_SUBJECT);
        let text = match &self.text {
            Some(template) => out.or_plain(template.notification(shown), || shown.plain()),
            None => own_text(shown),
        };
        let html = self.html.as_ref().filter(|template| !template.is_blank());
        let html = html.and_then(|template| {
            let html = template.notification(shown).map(Some);
            out.or_plain(html, || None)
        });
        let mut to: Vec<String> =
            [&self.to, &self.cc, &self.bcc].into_iter().flatten().map(|one| one.email.to_string()).collect();
        to.dedup();
        match self.message(from, &subject, text, html, shown) {
            Ok(message) => {
                let mail = Mail {
                    host: self.host.clone(),
                    port: self.port,
                    tls: self.tls,
                    login: self.login.clone(),
                    from: from.email.to_string(),
                    to,
                    message,
                };
                out.push(&format!("{}:{}", self.host, self.port), Call::Mail(mail));
            }
            Err(error) => {
                let error = crate::template::TemplateError { line: 0, what: error.to_string() };
                out.or_plain(Err(error), || ());
            }
        }
    }

    fn message(
        &self,
        from: &Mailbox,
        subject: &str,
        text: String,
        html: Option<String>,
        shown: &Shown,
    ) -> Result<Vec<u8>, lettre::error::Error> {
        let date = UNIX_EPOCH + Duration::from_millis(u64::try_from(shown.made.0).unwrap_or_default());
        // The same at every attempt: mail programs show a repetition once.
        let mut message = Message::builder()
            .message_id(Some(format!("<{}@skylark>", shown.id)))
            .references(format!("<{}@skylark>", shown.group))
            .date(date)
            .from(from.clone())
            .subject(subject);
        for to in &self.to {
            message = message.to(to.clone());
        }
        for cc in &self.cc {
            message = message.cc(cc.clone());
        }
        let message = match html {
            None => message.header(ContentType::TEXT_PLAIN).body(text)?,
            Some(html) => message.multipart(
                MultiPart::alternative()
                    .boundary(format!("skylark-{}", shown.id))
                    .singlepart(SinglePart::plain(text))
                    .singlepart(SinglePart::html(html)),
            )?,
        };
        Ok(message.formatted())
    }
}

fn own_text(shown: &Shown) -> String {
    let links: Vec<&str> =
        shown.alarms.iter().filter_map(|alarm| alarm.links.get("incident")).map(String::as_str).collect();
    let mut text = shown.plain();
    if !links.is_empty() {
        text.push_str("\n\n");
        text.push_str(&links.join("\n"));
    }
    text.push('\n');
    text
}

fn mailboxes(keys: &Keys<'_>, key: &str) -> Vec<Mailbox> {
    let texts = keys.texts(key);
    let read = texts.iter().filter_map(|text| {
        let mailbox = text.parse::<Mailbox>().ok().or_else(|| Some(Mailbox::new(None, text.parse::<Address>().ok()?)));
        if mailbox.is_none() {
            keys.problem(key, format!("has {text:?}, which is no mail address"));
        }
        mailbox
    });
    read.collect()
}
