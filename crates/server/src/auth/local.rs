//! Whether a request was made by somebody on this machine, and neither brought by a proxy nor caused by a page in a browser.

use std::net::IpAddr;
use std::str::FromStr as _;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};

/// Headers that only who passes a request on adds, beside `x-forwarded-*`.
const OF_PROXIES: [&str; 3] = ["forwarded", "via", "x-real-ip"];

/// `Ok` when all of this holds: the peer is a loopback address; nothing says that the request was passed on; the content type is
/// JSON, which a page of another site cannot make a browser send without asking; and whoever sent it, and a browser's page if one
/// caused it, calls this machine by a loopback name, so that no name of a foreign site can stand for it. `Err`: what does not hold, as
/// the end of a sentence.
pub(super) fn check(peer: Option<IpAddr>, uri: &Uri, headers: &HeaderMap) -> Result<(), String> {
    match peer {
        Some(peer) if peer.to_canonical().is_loopback() => {}
        Some(peer) => return Err(format!("this request comes from {peer}")),
        None => return Err("it is not known where this request comes from".to_owned()),
    }
    let passed_on = |name: &&str| name.starts_with("x-forwarded-") || OF_PROXIES.contains(name);
    if let Some(name) = headers.keys().map(header::HeaderName::as_str).find(passed_on) {
        return Err(format!("this request came through a proxy, which set {name}"));
    }
    if !is_json(headers) {
        return Err("a change must have the content type application/json, which this request has not".to_owned());
    }
    let hosts = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let hosts: Vec<&str> = uri.authority().map(Authority::as_str).into_iter().chain(hosts).collect();
    if hosts.is_empty() {
        return Err("this request does not say which host it is for".to_owned());
    }
    if let Some(host) = hosts.iter().find(|host| !is_loopback(host)) {
        return Err(format!("this request is for the host {host:?}, and localhost is meant"));
    }
    let origins = headers.get_all(header::ORIGIN).iter().map(|origin| origin.to_str().unwrap_or_default());
    for origin in origins {
        if !origin.split_once("://").is_some_and(|(_, host)| is_loopback(host)) {
            return Err(format!("a page of {origin:?} made this request"));
        }
    }
    Ok(())
}

/// Whether `host`, with or without a port, names this machine's loopback.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = Authority::from_str(host) else { return false };
    if host.contains('@') {
        return false;
    }
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether the content type is JSON, one of its dialects among it.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = query::content_type(headers).to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn told(peer: &str, uri: &str, headers: &[(&'static str, &'static str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        match check(peer.parse().ok(), &uri.parse().unwrap(), &map) {
            Ok(()) => "taken".to_owned(),
            Err(why) => why,
        }
    }

    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

    #[test]
    fn this_machine_is_known_by_all_its_names() {
        for host in ["localhost", "LocalHost:12800", "127.0.0.1:1", "127.9.9.9", "[::1]:12800", "[::ffff:127.0.0.1]"] {
            for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.1.2.3"] {
                assert_eq!(told(peer, "/graphql", &[JSON, ("host", host)]), "taken", "{host} {peer}");
            }
        }
        assert_eq!(told("::1", "http://localhost:1/graphql", &[JSON]), "taken", "HTTP/2 names the host in the URI");
        let page = ("origin", "http://localhost:8080");
        assert_eq!(told("::1", "/", &[JSON, ("host", "localhost"), page]), "taken");
        assert_eq!(
            told("::1", "/", &[("content-type", "application/merge-patch+json"), ("host", "localhost")]),
            "taken"
        );
    }

    const NO_JSON: &str = "a change must have the content type application/json, which this request has not";

    #[test]
    fn each_part_of_the_definition_is_needed() {
        let local = ("host", "localhost:12800");
        for (peer, uri, headers, why) in [
            ("10.0.0.7", "/", vec![JSON, local], "this request comes from 10.0.0.7"),
            ("::ffff:10.0.0.7", "/", vec![JSON, local], "this request comes from ::ffff:10.0.0.7"),
            ("nowhere", "/", vec![JSON, local], "it is not known where this request comes from"),
            (
                "127.0.0.1",
                "/",
                vec![JSON, local, ("forwarded", "for=10.0.0.7")],
                "this request came through a proxy, which set forwarded",
            ),
            (
                "127.0.0.1",
                "/",
                vec![JSON, local, ("x-forwarded-for", "127.0.0.1")],
                "this request came through a proxy, which set x-forwarded-for",
            ),
            (
                "127.0.0.1",
                "/",
                vec![JSON, local, ("x-forwarded-anything", "")],
                "this request came through a proxy, which set x-forwarded-anything",
            ),
            ("127.0.0.1", "/", vec![("content-type", "application/x-www-form-urlencoded"), local], NO_JSON),
            ("127.0.0.1", "/", vec![("content-type", "text/plain; application/json"), local], NO_JSON),
            ("127.0.0.1", "/", vec![JSON], "this request does not say which host it is for"),
        ] {
            assert_eq!(told(peer, uri, &headers), why);
        }
    }
    #[test]
    fn no_name_of_a_foreign_site_stands_for_this_machine() {
        let local = ("host", "localhost:12800");
        for (peer, uri, headers, why) in [
            (
                "127.0.0.1",
                "/",
                vec![JSON, ("host", "rebound.example:12800")],
                "this request is for the host \"rebound.example:12800\", and localhost is meant",
            ),
            (
                "127.0.0.1",
                "/",
                vec![JSON, ("host", "localhost.example")],
                "this request is for the host \"localhost.example\", and localhost is meant",
            ),
            (
                "127.0.0.1",
                "/",
                vec![JSON, ("host", "evil@localhost")],
                "this request is for the host \"evil@localhost\", and localhost is meant",
            ),
            (
                "127.0.0.1",
                "/",
                vec![JSON, local, ("host", "rebound.example")],
                "this request is for the host \"rebound.example\", and localhost is meant",
            ),
            (
                "127.0.0.1",
                "http://rebound.example/",
                vec![JSON, local],
                "this request is for the host \"rebound.example\", and localhost is meant",
            ),
            (
                "127.0.0.1",
                "/",
                vec![JSON, local, ("origin", "https://evil.example")],
                "a page of \"https://evil.example\" made this request",
            ),
            ("127.0.0.1", "/", vec![JSON, local, ("origin", "null")], "a page of \"null\" made this request"),
        ] {
            assert_eq!(told(peer, uri, &headers), why);
        }
    }
}
