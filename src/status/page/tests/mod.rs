use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::status::report::{Lately, ProcessReport, RequestReport};

const HOSTILE: &str = "</pre><script>alert(1)</script>\"' onload=x {{log}} \u{1b}[2J\0\u{202e}";

/// What is left of [`HOSTILE`] in a page.
const HARMLESS: &str = "&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27; onload=x \
     {{log}} \\x1b[2J\\x00\\u{202e}";

fn request(age: f64, target: &str) -> RequestReport {
    RequestReport {
        worker: 11,
        method: "GET".to_owned(),
        target: target.to_owned(),
        client: "192.0.2.1".to_owned(),
        id: String::new(),
        age,
    }
}

fn report() -> Report {
    let worker = WorkerReport {
        process: ProcessReport {
            pid: 11,
            memory: 30 << 20,
            ..ProcessReport::default()
        },
        age: 1,
        state: WorkerState::Serving,
        busy: 1,
        capacity: 4,
        memory_at_start: 20 << 20,
        requests: vec![request(0.5, "/quick"), request(70.0, "/slow?a=b")],
        ..WorkerReport::default()
    };
    Report {
        version: "1.2.3".to_owned(),
        name: "site:app".to_owned(),
        target: 1,
        state: ServerState::Serving,
        workers: vec![worker],
        lately: Lately {
            requests_per_second: 1234.0,
            median: Some(0.0042),
            ..Lately::default()
        },
        settings: BTreeMap::from([("threads".to_owned(), "4".to_owned())]),
        log: vec!["[INFO] one".to_owned(), "[INFO] two".to_owned()],
        ..Report::default()
    }
}

#[test]
fn the_page_says_what_the_report_says() {
    let page = index(&report());
    for part in [
        "<title>site:app – rgunicorn</title>",
        ">1\u{202f}234</dd>",
        ">4.2 ms</dd>",
        ">1 of 1</dd>",
        "<a href=\"stacks/11\" data-stacks>11</a>",
        "1 of 4<svg",
        "<rect width=\"25.0\"",
        ">30.0 MiB<",
        ">+10.0 MiB<",
        ">192.0.2.1<",
        "[INFO] one\n[INFO] two</pre>",
        "<th scope=\"row\">threads</th><td class=\"long\"><bdi>4</bdi>",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let slow = page.find("/slow?a=b").unwrap();
    assert!(
        slow < page.find("/quick").unwrap(),
        "the slowest comes first"
    );
    assert!(page.contains("<td class=\"n slow\">1 min 10 s</td>"));
    assert!(!page.contains("<form method=\"post\""), "it may not steer");
    assert!(!page.contains("{{"), "{page}");
}

#[test]
fn an_empty_server_has_a_page() {
    let page = index(&Report::default());
    for part in [
        "There are no workers.",
        "No request is in the app.",
        "All settings have their defaults.",
        "Nothing was logged yet.",
        "<dd id=\"median\">–</dd>",
        "class=\"state starting\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn buttons_are_there_only_if_they_do_something() {
    let mut report = report();
    report.allows_control = true;
    let page = index(&report);
    for action in ["reload", "workers/add", "workers/remove"] {
        let form = format!("<form method=\"post\" action=\"control/{action}\">");
        assert!(page.contains(&form), "{action}");
    }
}

#[test]
fn what_hangs_is_named() {
    let mut report = report();
    let worker = &mut report.workers[0];
    worker.state = WorkerState::Hanging;
    worker.silent = Some(12.0);
    worker.requests.remove(0);
    let page = index(&report);
    let notice = "<p>Worker 11 has not shown that it is alive for 12 s. \
         It has had GET /slow?a=b for 1 min 10 s.</p>";
    assert!(page.contains(notice), "{page}");
    assert!(page.contains("<span class=\"state hanging\">hanging</span> for 12 s"));
}

#[test]
fn no_text_becomes_markup() {
    let mut report = report();
    let hostile = || HOSTILE.to_owned();
    report.name = hostile();
    report.version = hostile();
    report.python = hostile();
    report.worker_class = hostile();
    report.listeners = vec![hostile()];
    report.log = vec![hostile()];
    report.settings = BTreeMap::from([(hostile(), hostile())]);
    report.workers_ended = BTreeMap::from([(hostile(), 1)]);
    let worker = &mut report.workers[0];
    worker.state = WorkerState::Stopped;
    worker.requests = vec![RequestReport {
        method: hostile(),
        target: hostile(),
        client: hostile(),
        id: hostile(),
        ..request(1.0, "")
    }];
    let page = index(&report);
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    assert!(!page.contains("\" onload"), "{page}");
    assert!(!page.contains(['\0', '\u{1b}', '\u{202e}']));
    // Twice the name, three words about it, a notice of two, a request of four, a
    // setting of two and its key, a reason, a log line.
    assert_eq!(page.matches(HARMLESS).count(), 17, "{page}");
}

#[test]
fn stacks_are_shown_and_cannot_become_markup() {
    let frame = json!({"file": HOSTILE, "line": 7, "function": HOSTILE, "source": HOSTILE});
    let request = json!({"method": HOSTILE, "target": HOSTILE, "id": HOSTILE, "age": 1.5});
    let stack = json!({
        "name": HOSTILE, "request": request, "awaiting": HOSTILE, "frames": [frame]
    });
    let idle = json!({"name": "idle", "request": null, "frames": []});
    let page = stacks(
        11,
        &json!({"threads": [idle], "tasks": [stack], "greenlets": [stack], "complete": true}),
    );
    assert!(page.contains("<h1>Stacks of process 11</h1>"));
    assert!(!page.contains("<script"), "{page}");
    assert_eq!(page.matches(HARMLESS).count(), 16, "{page}");
    assert!(page.contains("</bdi> for 1.5 s</p>"), "{page}");
    assert!(page.contains("</bdi>:7</span>"), "{page}");
    let idle = "<h2>Thread <bdi>idle</bdi></h2><p class=\"quiet\">It runs no Python.";
    let served = page.find("<h2>Task").unwrap();
    assert!(
        served < page.find(idle).unwrap(),
        "those that serve come first"
    );
    assert!(!page.contains("release the GIL"), "{page}");
    let partly = json!({"threads": [{"name": ""}], "complete": false});
    assert!(stacks(1, &partly).contains("release the GIL"));
    let text = stacks(1, &json!({"threads": [], "text": "File <b>"}));
    assert!(text.contains("File &lt;b&gt;</pre>"), "{text}");
    assert!(stacks(1, &json!({"error": "<b>"})).contains("<p>&lt;b&gt;</p>"));
    assert!(stacks(1, &json!(null)).contains("The worker has not answered."));
}

#[test]
fn pages_load_only_files_that_are_there() {
    for page in [index(&report()), stacks(1, &json!({}))] {
        let parts = page.split("href=\"").chain(page.split("src=\""));
        let files = parts.filter_map(|part| {
            let (name, _) = part.split_once('"')?;
            let name = name.trim_start_matches("../");
            ["css", "js", "svg"]
                .contains(&name.rsplit_once('.')?.1)
                .then_some(name)
        });
        for name in files {
            assert!(file(&format!("/{name}")).is_some(), "{name}");
        }
        assert!(!page.contains("style=\"") && !page.contains("<style"));
    }
    assert_eq!(file("/page.css").unwrap().0, "text/css; charset=utf-8");
    for other in [
        "/index.html",
        "/",
        "/page",
        "page.css",
        "/../mod.rs",
        "/x.css",
    ] {
        assert!(file(other).is_none(), "{other}");
    }
}
