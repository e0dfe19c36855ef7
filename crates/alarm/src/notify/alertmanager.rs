//! Alertmanager: alarms pushed to its API of version 2.

use super::settings::Keys;
use super::told::Shown;
use super::{Http, Out};
use crate::payload;

const PATH: &str = "/api/v2/alerts";

#[derive(Clone, Debug)]
pub(super) struct Alertmanager {
    urls: Vec<String>,
    headers: Vec<(String, String)>,
}

impl Alertmanager {
    pub(super) fn read(keys: &Keys<'_>) -> Alertmanager {
        let urls = keys.required_urls("urls");
        let urls = urls.iter().map(|url| url.trim_end_matches('/')).map(|url| match url.strip_suffix(PATH) {
            Some(base) => format!("{base}{PATH}"),
            None => format!("{url}{PATH}"),
        });
        Alertmanager { urls: urls.collect(), headers: keys.headers("headers") }
    }

    pub(super) fn render(&self, shown: &Shown, out: &mut Out<'_>) {
        for url in &self.urls {
            let mut http = Http::post(url, payload::alertmanager_alerts(shown));
            for (key, value) in &self.headers {
                http = http.with(key, value);
            }
            out.http(http);
        }
    }
}
