//! The paths of the HTTP listener.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use ring::digest::{SHA256, digest};

use super::commands;
use super::http::Answer;
use crate::http::Head;
use crate::status::metrics::Format;
use crate::status::order::Orders;
use crate::status::page;
use crate::status::view::View;

/// What a request asks for.
#[derive(Debug)]
pub enum Route {
    Answer(Answer),
    /// The metrics.
    Metrics(Format),
    /// Events until the client goes.
    Events,
    /// The stacks of the worker with this process id.
    Stacks(i32),
}

/// The token that clients must show, if there is one: its digest, so that the
/// time of a comparison tells nothing.
#[derive(Debug)]
pub struct Token([u8; 32]);

impl Token {
    pub fn new(token: &[u8]) -> Self {
        Self(sum(token))
    }

    /// True if the request shows it: as a bearer token (RFC 6750), or as the
    /// password of basic authentication (RFC 7617).
    fn is_in(&self, head: &Head) -> bool {
        let Some(field) = head.field("authorization") else {
            return false;
        };
        let Some((scheme, value)) = str::from_utf8(field)
            .ok()
            .and_then(|text| text.split_once(' '))
        else {
            return false;
        };
        let value = value.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.0 == sum(value.as_bytes());
        }
        let decoded = STANDARD.decode(value).unwrap_or_default();
        let colon = decoded.iter().position(|byte| *byte == b':');
        scheme.eq_ignore_ascii_case("basic")
            && colon.is_some_and(|colon| self.0 == sum(&decoded[colon + 1..]))
    }
}

/// Finds what a request asks for, and does it where that is a change.
pub fn route(head: &Head, view: &View, token: Option<&Token>, orders: &mut Orders) -> Route {
    let path = str::from_utf8(head.path()).unwrap_or_default();
    let is_read = matches!(head.method(), b"GET" | b"HEAD");
    // Probes have no token, and learn nothing that is secret.
    match path {
        "/live" if is_read => return Route::Answer(Answer::text(200, "alive")),
        "/ready" if is_read => return Route::Answer(readiness(view)),
        _ => {}
    }
    if token.is_some_and(|token| !token.is_in(head)) {
        let answer = Answer::text(401, "Show the token of status_token_file.");
        let basic = r#"Basic realm="rgunicorn, the token as the password", charset="UTF-8""#;
        return Route::Answer(answer.with("WWW-Authenticate", basic));
    }
    if let Some(action) = path.strip_prefix("/control/") {
        return Route::Answer(match head.method() {
            b"POST" => control(action, head, view, token.is_some(), orders),
            _ => not_allowed("POST"),
        });
    }
    if !is_read {
        return Route::Answer(not_allowed("GET, HEAD"));
    }
    let answer = match path {
        "/events" => return Route::Events,
        "/metrics" => return Route::Metrics(Format::accepted(accept(head).as_deref())),
        "/" => html(page::index(&view.report())),
        "/status.json" => json(&view.report()),
        _ => match path.strip_prefix("/stacks/").map(str::parse) {
            Some(Ok(pid)) if view.worker(pid).is_some() => return Route::Stacks(pid),
            Some(_) => Answer::text(404, "There is no worker with this process id."),
            None => match page::file(path) {
                Some((content_type, bytes)) => {
                    Answer::new(200, content_type, bytes).with("X-Content-Type-Options", "nosniff")
                }
                None => Answer::text(
                    404,
                    "There is no such page. There are /, /metrics, /status.json, /live and /ready.",
                ),
            },
        },
    };
    Route::Answer(answer.with("Cache-Control", "no-store"))
}

/// What the client accepts. A list may be in several fields (RFC 9110 section 5.3).
fn accept(head: &Head) -> Option<String> {
    let fields = head.fields();
    let accepted = fields.filter(|(name, _)| name.eq_ignore_ascii_case(b"accept"));
    let texts: Vec<_> = accepted
        .filter_map(|(_, value)| str::from_utf8(value).ok())
        .collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

/// A page for people.
pub fn html(page: String) -> Answer {
    Answer::new(200, "text/html; charset=utf-8", page)
        .with("Content-Security-Policy", page::POLICY)
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
}

/// Data as JSON.
pub fn json(data: &impl serde::Serialize) -> Answer {
    match serde_json::to_vec(data) {
        Ok(body) => Answer::new(200, "application/json", body),
        Err(error) => Answer::text(500, &error.to_string()),
    }
}

fn readiness(view: &View) -> Answer {
    match view.is_ready() {
        true => Answer::text(200, "ready"),
        false => {
            let state = serde_json::to_value(view.state()).unwrap_or_default();
            Answer::text(503, state.as_str().unwrap_or_default())
        }
    }
}

fn not_allowed(methods: &str) -> Answer {
    Answer::text(405, &format!("This page knows only {methods}.")).with("Allow", methods)
}

/// The buttons of the page.
fn control(action: &str, head: &Head, view: &View, has_token: bool, orders: &mut Orders) -> Answer {
    if !view.allows_control {
        return Answer::text(
            403,
            "Set status_allow_control to steer the server from here.",
        );
    }
    if !is_from_own_page(head, has_token) {
        return Answer::text(403, "Only the status page itself may do this.");
    }
    let done = match action {
        "reload" => commands::signal(Signal::SIGHUP),
        "workers/add" => {
            commands::change_workers(view, orders, 1);
            Ok(())
        }
        "workers/remove" => {
            commands::change_workers(view, orders, -1);
            Ok(())
        }
        _ => return Answer::text(404, "There is no such action."),
    };
    match done {
        // The browser asks for the page again.
        Ok(()) => {
            // Relative: a proxy may have the page under another path.
            let up = "../".repeat(1 + action.matches('/').count());
            Answer::text(303, "Done.").with("Location", up)
        }
        Err(why) => Answer::text(500, &why),
    }
}

/// True if a page of this server has sent the request, and not another site's
/// page that the same browser shows. Without a token, the name in the URL must
/// also be one that no other site can have.
fn is_from_own_page(head: &Head, has_token: bool) -> bool {
    let text = |name| {
        head.field(name)
            .and_then(|value| str::from_utf8(value).ok())
    };
    let host = text("host").unwrap_or_default();
    let is_same = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.split_once("://").is_some_and(|(_, it)| it == host),
        (None, None) => true,
    };
    is_same && (has_token || is_local_name(host))
}

/// True for an address in numbers, and for `localhost`.
fn is_local_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let number = name.trim_matches(['[', ']']);
    name.is_empty() || name == "localhost" || number.parse::<std::net::IpAddr>().is_ok()
}

fn sum(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    sum
}
