//! httpx and h2 of Python, and the module `http2` of Node.js.

use super::{Class, Site, in_every_class};
use crate::clients::installed;
use crate::support::{Start, app, site};

in_every_class! {
    httpx_and_h2,
    node,
}

fn httpx_and_h2(class: Class) {
    for site in Site::both(class) {
        let python = site::venv("http2_clients").join("bin/python");
        is_content(&site, class, Start::program(python, ["use.py"]));
    }
}

fn node(class: Class) {
    for site in Site::both(class) {
        if let Some(node) = installed("node", ["use.js"]) {
            is_content(&site, class, node);
        }
    }
}

/// Runs a script that uses the whole site.
#[track_caller]
fn is_content(site: &Site, class: Class, script: Start) {
    let authority = site.authority.as_ref().map(|authority| authority.file());
    let how = if class.streams { "streams" } else { "waits" };
    let script = script.args([&site.url, how]);
    let said = site.said_to(script.args(authority).cwd(app("http2_clients")));
    assert_eq!(said, "all is well");
    site.expect_no_error();
}
