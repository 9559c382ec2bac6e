//! Trace context (W3C) and the start of requests for monitoring agents.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::support::{Process, Response, Start, app, in_all_classes};

in_all_classes! {
    the_app_and_both_logs_have_the_trace,
    a_trace_of_an_untrusted_client_is_not_passed_on,
    fields_stay_as_they_are_if_not_asked_for,
    clients_are_told_of_the_trace_if_asked_for,
    agents_are_told_when_the_request_arrived,
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNTRUSTED: [&str; 2] = ["--forwarded-allow-ips", "192.0.2.1"];

fn serve(class: &[&str], args: &[&str]) -> Process {
    Start::server(["--access-logfile", "-"])
        .args(args)
        .args(class)
        .cwd(app("mirror"))
        .spawn()
}

fn ask(server: &Process, lines: &str) -> Response {
    server
        .target()
        .exchange(format!("GET /a HTTP/1.1\r\nHost: a\r\n{lines}\r\n"))
}

/// The fields that the app has seen.
#[track_caller]
fn seen(server: &Process, lines: &str) -> Value {
    let page: Value = serde_json::from_str(&ask(server, lines).ok()).unwrap();
    page["fields"].clone()
}

fn sent() -> String {
    format!("Traceparent: {PARENT}\r\nTracestate: a=1\r\nTracestate: b=2\r\n")
}

/// The trace of a valid field.
#[track_caller]
fn trace_of(field: &Value) -> String {
    let field = field.as_str().expect("there is one");
    let parts: Vec<_> = field.split('-').collect();
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    assert_eq!(lengths, [2, 32, 16, 2], "{field}");
    parts[1].to_owned()
}

fn the_app_and_both_logs_have_the_trace(class: &[&str]) {
    let format = ["--access-logformat", "%(trace_id)s/%(span_id)s %(s)s"];
    let mode = ["--trace-context", "accept", "--limit-request-body", "1"];
    let server = serve(class, &[&format[..], &mode].concat());
    let fields = seen(&server, &sent());
    assert_eq!(fields["HTTP_TRACEPARENT"], PARENT);
    assert_eq!(fields["HTTP_TRACESTATE"], "a=1,b=2");
    server
        .stdout
        .wait_for(&format!("{TRACE}/b7ad6b7169203331 200"));
    // What is not valid is not passed on, and none is made.
    for bad in [
        format!("traceparent: {}\r\n", PARENT.to_uppercase()),
        format!("{0}{0}tracestate: a=1\r\n", sent()),
        "tracestate: a=1\r\n".to_owned(),
    ] {
        let fields = seen(&server, &bad);
        assert_eq!(fields["HTTP_TRACEPARENT"], Value::Null, "{bad}");
        assert_eq!(fields["HTTP_TRACESTATE"], Value::Null, "{bad}");
    }
    server.stdout.wait_for("-/- 200");
    // A request that is refused has its trace, too.
    for refused in [
        format!("{}Content-Length: 2\r\n", sent()),
        format!("{}Host: b\r\n", sent()),
    ] {
        let status = ask(&server, &refused).status;
        server
            .stdout
            .wait_for(&format!("{TRACE}/b7ad6b7169203331 {status}"));
    }
    let invalid = format!("Invalid request from ip=127.0.0.1 [trace={TRACE}]: ");
    server.stderr.wait_for(&invalid);

    let json = ["--access-log-json", "--access-log-fields"];
    let fields = ["trace_id,span_id,path", "--trace-context", "--request-id"];
    let server = serve(class, &[&json[..], &fields, &["X-Request-ID"]].concat());
    seen(&server, &sent());
    let line = server.stdout.wait_for("trace_id");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["trace_id"], TRACE);
    assert_eq!(line["span_id"], "b7ad6b7169203331");
    let named = format!("{}X-Request-ID: r1\r\nHost: b\r\n", sent());
    assert_eq!(ask(&server, &named).status, 400);
    server.stderr.wait_for(&format!(" [r1 trace={TRACE}]: "));
}

fn a_trace_of_an_untrusted_client_is_not_passed_on(class: &[&str]) {
    let server = serve(
        class,
        &[&UNTRUSTED[..], &["--trace-context=accept"]].concat(),
    );
    let fields = seen(&server, &sent());
    assert_eq!(fields["HTTP_TRACEPARENT"], Value::Null);
    assert_eq!(fields["HTTP_TRACESTATE"], Value::Null);

    let format = ["--access-logformat", "%(trace_id)s"];
    let made = [&UNTRUSTED[..], &format, &["--trace-context=make"]].concat();
    let server = serve(class, &made);
    let fields = seen(&server, &sent());
    assert_eq!(fields["HTTP_TRACESTATE"], Value::Null);
    let first = trace_of(&fields["HTTP_TRACEPARENT"]);
    assert_ne!(first, TRACE);
    server.stdout.wait_for(&first);
    let second = seen(&server, "");
    assert_ne!(trace_of(&second["HTTP_TRACEPARENT"]), first);
}

fn fields_stay_as_they_are_if_not_asked_for(class: &[&str]) {
    let server = serve(class, &UNTRUSTED);
    let fields = seen(&server, "traceparent: anything\r\nX-Request-Start: t=1\r\n");
    assert_eq!(fields["HTTP_TRACEPARENT"], "anything");
    assert_eq!(fields["HTTP_X_REQUEST_START"], "t=1");
    let fields = seen(&server, "");
    assert_eq!(fields["HTTP_TRACEPARENT"], Value::Null);
    assert_eq!(fields["HTTP_X_REQUEST_START"], Value::Null);
}

fn clients_are_told_of_the_trace_if_asked_for(class: &[&str]) {
    let server = serve(class, &["--trace-context=make", "--trace-in-response"]);
    let answer = ask(&server, &sent());
    assert_eq!(answer.header("traceparent"), Some(PARENT));
    let answer = ask(&server, "");
    let told = answer.header("traceparent").expect("one was made");
    let page: Value = serde_json::from_str(&answer.ok()).unwrap();
    assert_eq!(page["fields"]["HTTP_TRACEPARENT"], told);
    // What the server answers itself.
    let refused = ask(&server, "Host: b\r\n");
    assert_eq!(refused.status, 400);
    assert!(refused.header("traceparent").is_some());

    let server = serve(class, &["--trace-context=make"]);
    assert_eq!(ask(&server, &sent()).header("traceparent"), None);
}

fn agents_are_told_when_the_request_arrived(class: &[&str]) {
    let now = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_millis() as f64 / 1000.0
    };
    #[track_caller]
    fn time(field: &Value) -> f64 {
        let value = field.as_str().and_then(|it| it.strip_prefix("t="));
        let value = value.expect("there is one");
        let (_, millis) = value.split_once('.').expect(value);
        assert_eq!(millis.len(), 3, "{value}");
        value.parse().unwrap()
    }
    let header = "--request-start-header";
    let server = serve(class, &[header]);
    server.target();
    let before = now();
    let sent = seen(&server, "")["HTTP_X_REQUEST_START"].clone();
    let after = now();
    assert!(
        (before..=after).contains(&time(&sent)),
        "{before} {sent} {after}"
    );
    let of_the_proxy = "X-Request-Start: t=1512379167.574\r\n";
    let fields = seen(&server, of_the_proxy);
    assert_eq!(fields["HTTP_X_REQUEST_START"], "t=1512379167.574");

    let server = serve(class, &[&UNTRUSTED[..], &[header]].concat());
    let fields = seen(&server, of_the_proxy);
    assert!(time(&fields["HTTP_X_REQUEST_START"]) >= before);
}
