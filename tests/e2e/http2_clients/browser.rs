//! Headless Chromium: a page with many resources, and a chat over WebSockets.

use serde_json::json;

use super::{Class, Site};
use crate::support::browser::Browser;

fn start(site: &Site) -> Option<Browser> {
    let files = site.folder.path().join("browser");
    Browser::start_with(&files, &["--ignore-certificate-errors"])
}

/// A page of a hundred resources: all come over one connection with HTTP/2.
#[track_caller]
fn loads_a_page(class: Class) {
    let site = Site::tls(class);
    let Some(mut browser) = start(&site) else {
        return;
    };
    browser.open(&format!("{}/page", site.url));
    let entries = "performance.getEntries().filter(e => e.nextHopProtocol !== undefined && e.name.startsWith('https'))";
    browser.wait_for(&format!("{entries}.length === 101"));
    let versions = browser.value(&format!(
        "[...new Set({entries}.map(e => e.nextHopProtocol))]"
    ));
    assert_eq!(versions, json!(["h2"]));
    let sheets =
        browser.value("[...document.styleSheets].filter(s => s.cssRules.length === 1).length");
    assert_eq!(sheets, 50);
    let images =
        browser.value("[...document.images].filter(i => i.complete && i.naturalWidth).length");
    assert_eq!(images, 50);
    site.expect_lines(101);
    let clients = site.server.stdout.so_far();
    assert!(!clients.contains("HTTP/1.1"), "{clients}");
}

#[test]
fn loads_a_page_in_sync() {
    loads_a_page(Class::SYNC);
}

#[test]
fn loads_a_page_in_gthread() {
    loads_a_page(Class::GTHREAD);
}

#[test]
fn loads_a_page_in_asgi() {
    loads_a_page(Class::ASGI);
}

#[test]
fn chats_over_websockets() {
    let site = Site::tls(Class::ASGI);
    let Some(mut browser) = start(&site) else {
        return;
    };
    // A WebSocket uses HTTP/2 only on a connection that is open already (RFC 8441).
    browser.open(&format!("{}/", site.url));
    browser.value(
        "window.heard = {}; window.sockets = ['ada', 'bob'].map(name => {
             heard[name] = [];
             const socket = new WebSocket(location.href.replace('https', 'wss') + 'chat');
             socket.onmessage = event => heard[name].push(event.data);
             socket.onclose = event => heard[name].push(event.code);
             return socket;
         }); 0",
    );
    browser.wait_for("heard.ada.length === 1 && heard.bob.length === 1");
    // The app has put both into its room when each has got its own words back.
    browser.value("sockets.forEach(socket => socket.send('here')); 0");
    browser.wait_for("heard.ada.includes('here') && heard.bob.includes('here')");
    let long = "'long '.repeat(40000)";
    browser.value(&format!(
        "sockets[0].send('hi'); sockets[1].send({long}); 0"
    ));
    for name in ["ada", "bob"] {
        browser.wait_for(&format!(
            "heard.{name}.includes('hi') && heard.{name}.includes({long})"
        ));
        assert_eq!(browser.value(&format!("heard.{name}[0]")), "HTTP/2");
    }
    browser.value("sockets.forEach(socket => socket.close(1000)); 0");
    browser.wait_for("heard.ada.at(-1) === 1000 && heard.bob.at(-1) === 1000");
    let lines = site.server.stdout.wait_until(
        |lines| {
            lines
                .iter()
                .filter(|line| line.contains("/chat HTTP/2.0\" "))
                .count()
                == 2
        },
        "two lines of WebSockets over HTTP/2",
    );
    assert!(!lines.join("\n").contains("HTTP/1.1"), "{lines:?}");
    site.expect_no_error();
}
