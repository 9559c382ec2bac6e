//! The metrics, as Prometheus and Python's `prometheus_client` understand them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::http::Stream;
use crate::support::prometheus::{self, Prometheus, promtool};
use crate::support::{
    Process, Response, Start, Target, app, folder, in_each_class, site, wait_until,
};
use crate::under_load::is_clean_end;

in_each_class! {
    no_count_is_lost_or_doubled,
    gauges_say_what_a_worker_does,
}

/// The clients that send requests at the same time.
const CLIENTS: usize = 8;

/// What each client sends in a round.
const EXCHANGES: usize = 60;

const APP: &str = "
def answer(path):
    if path == '/broken':
        raise ValueError('on purpose')
    return (200 if path == '/there' else 404), b'x' * 100

def wsgi(environ, start_response):
    environ['wsgi.input'].read()
    status, body = answer(environ['PATH_INFO'])
    start_response(f'{status} Told', [('Content-Length', '100')])
    return [body]

def careful(environ, start_response):
    try:
        return wsgi(environ, start_response)
    except ValueError:
        start_response('500 Broken', [('Content-Length', '0')])
        return []

def of_aiohttp():
    from aiohttp import web

    async def handle(request):
        await request.read()
        status, body = answer(request.path)
        return web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_route('*', '/{path:.*}', handle)
    return app

async def asgi(scope, receive, send):
    assert scope['type'] == 'http'
    while (await receive()).get('more_body'):
        pass
    status, body = answer(scope['path'])
    headers = [(b'content-length', b'100')]
    await send({'type': 'http.response.start', 'status': status, 'headers': headers})
    await send({'type': 'http.response.body', 'body': body})
";

/// Requests, and as what they are counted: method and class.
const REQUESTS: [(&str, &str, &str, &str); 6] = [
    ("GET", "/there", "GET", "2xx"),
    ("POST", "/there", "POST", "2xx"),
    ("GET", "/missing", "GET", "4xx"),
    ("HEAD", "/there", "HEAD", "2xx"),
    ("TRACE", "/there", "other", "2xx"),
    ("GET", "/broken", "GET", "5xx"),
];

/// What the clients have counted.
#[derive(Default)]
struct Counts {
    requests: BTreeMap<(&'static str, &'static str), u64>,
    received: u64,
    sent: u64,
    connections: u64,
}

impl Counts {
    fn all(&self) -> u64 {
        self.requests.values().sum()
    }
}

/// A stream that counts what goes through it.
struct Counted {
    stream: Box<dyn Stream>,
    received: u64,
    sent: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.received += count as u64;
        Ok(count)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.stream.write(bytes)?;
        self.sent += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// One round of all clients. Nothing is in flight when it returns.
fn round(target: &Target, counts: &Mutex<Counts>) {
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            scope.spawn(move || client(number, target, counts));
        }
    });
}

/// Every other client keeps its connections for some requests.
fn client(number: usize, target: &Target, counts: &Mutex<Counts>) {
    let mut done = 0;
    while done < EXCHANGES {
        let mut stream = Counted {
            stream: target.connect().unwrap(),
            received: 0,
            sent: 0,
        };
        for earlier in 0..1 + number % 2 * 4 {
            let (method, path, counted_as, class) = REQUESTS[done % REQUESTS.len()];
            let before = (stream.received, stream.sent);
            let answer = match exchange(&mut stream, method, path) {
                Ok(answer) => answer,
                // The server may close a kept connection between two requests.
                Err(error) if earlier > 0 && is_clean_end(&error) => break,
                Err(error) => panic!("{method} {path}: {error}"),
            };
            assert_eq!(
                answer.status / 100,
                class[..1].parse::<u16>().unwrap(),
                "{path}"
            );
            let mut counts = counts.lock().unwrap();
            *counts.requests.entry((counted_as, class)).or_default() += 1;
            counts.received += stream.received - before.0;
            counts.sent += stream.sent - before.1;
            done += 1;
            let field = answer.header("Connection");
            if done == EXCHANGES || field.is_some_and(|it| it.eq_ignore_ascii_case("close")) {
                break;
            }
        }
        counts.lock().unwrap().connections += 1;
    }
}

fn exchange(stream: &mut Counted, method: &str, path: &str) -> io::Result<Response> {
    let body = if method == "POST" { "a=b" } else { "" };
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes())?;
    Response::read(stream, method == "HEAD")
}

/// The address at which the server tells how it is.
fn status(server: &Process) -> SocketAddr {
    let line = server.stderr.wait_for("Status at: http://");
    line.rsplit("http://").next().unwrap().parse().unwrap()
}

fn requests(prometheus: &Prometheus) -> u64 {
    let sum = prometheus.value("sum(rgunicorn_requests_total)");
    sum.unwrap_or_default() as u64
}

/// Waits until Prometheus has seen all requests, and checks that it sees no more.
#[track_caller]
fn expect_all(prometheus: &Prometheus, counts: &Mutex<Counts>) {
    let expected = counts.lock().unwrap().all();
    // A worker counts how long a request took shortly after its client has the answer.
    wait_until("all requests are counted", || {
        let times = "rgunicorn_request_duration_seconds_count";
        let times = prometheus.value(times).unwrap_or_default() as u64;
        requests(prometheus).min(times) >= expected
    });
    prometheus.wait_for_scrapes();
    assert_eq!(requests(prometheus), expected);
}

fn ended(prometheus: &Prometheus, reason: &str) -> u64 {
    let query = format!("rgunicorn_workers_ended_total{{reason=\"{reason}\"}}");
    prometheus.value(&query).unwrap_or_default() as u64
}

fn no_count_is_lost_or_doubled(class: &[&str]) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(["--workers", "2", "--status-bind", "127.0.0.1:0"])
        .args(["--max-requests", "150", "--max-requests-jitter", "20"])
        .args(class)
        .cwd(dir.path())
        .spawn();
    let target = server.target();
    let Some(prometheus) = prometheus::start(dir.path(), status(&server)) else {
        return;
    };
    let counts = Mutex::new(Counts::default());
    // Workers are replaced after their requests.
    round(&target, &counts);
    expect_all(&prometheus, &counts);
    wait_until("workers were replaced", || ended(&prometheus, "done") > 0);

    // All workers are replaced under load.
    thread::scope(|scope| {
        let rounds = scope.spawn(|| round(&target, &counts));
        while !rounds.is_finished() {
            server.signal(Signal::SIGHUP);
            let before = prometheus.value("rgunicorn_reloads_total");
            wait_until("the reload is done", || {
                prometheus.value("rgunicorn_reloads_total") > before || rounds.is_finished()
            });
        }
    });
    expect_all(&prometheus, &counts);

    // Each idle worker is killed.
    wait_until("only the new workers are there", || {
        prometheus.value("sum(rgunicorn_workers)") == Some(2.0)
            && prometheus.value("rgunicorn_workers{state=\"serving\"}") == Some(2.0)
    });
    for (labels, _) in prometheus.query("rgunicorn_worker_info") {
        let pid = labels["pid"].as_str().unwrap().parse().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    wait_until("the killed workers are counted", || {
        ended(&prometheus, "killed") == 2
    });
    expect_all(&prometheus, &counts);
    round(&target, &counts);
    expect_all(&prometheus, &counts);

    let counts = counts.lock().unwrap();
    let counted = prometheus.query("sum by (method, status) (rgunicorn_requests_total) > 0");
    let counted: BTreeMap<_, _> = counted
        .iter()
        .map(|(labels, value)| {
            let label = |name: &str| labels[name].as_str().unwrap();
            ((label("method"), label("status")), *value as u64)
        })
        .collect();
    assert_eq!(counted, counts.requests);
    let value = |query: &str| prometheus.value(query).unwrap() as u64;
    assert_eq!(value("rgunicorn_sent_bytes_total"), counts.received);
    assert_eq!(value("rgunicorn_received_bytes_total"), counts.sent);
    assert_eq!(value("rgunicorn_connections_total"), counts.connections);
    for histogram in ["duration", "queue"] {
        let all = value(&format!("rgunicorn_request_{histogram}_seconds_count"));
        assert_eq!(all, counts.all(), "{histogram}");
    }
    for counter in [
        "rgunicorn_requests_total",
        "rgunicorn_sent_bytes_total",
        "rgunicorn_reloads_total",
        "rgunicorn_workers_started_total",
        "rgunicorn_request_duration_seconds_bucket",
    ] {
        let resets = prometheus.value(&format!("sum(resets({counter}[1h]))"));
        assert_eq!(resets, Some(0.0), "{counter} has become smaller");
    }
    assert_eq!(prometheus.value("min_over_time(up[1h])"), Some(1.0));
    assert!(value("rgunicorn_reloads_total") > 0);
    // The places of workers are few, however many have come and gone.
    let places =
        prometheus.value("count(count by (worker) (last_over_time(rgunicorn_worker_info[1h])))");
    assert!(places.unwrap() <= 6.0, "{places:?}");
    let log = prometheus.log();
    assert!(
        !log.contains("level=warn") && !log.contains("level=error"),
        "{log}"
    );
}

fn gauges_say_what_a_worker_does(class: &[&str]) {
    let dir = folder();
    let text = "
import asyncio, os, time

def wsgi(environ, start_response):
    while not os.path.exists('gate'):
        time.sleep(0.01)
    start_response('200 OK', [('Content-Length', '2')])
    return [b'ok']

async def asgi(scope, receive, send):
    assert scope['type'] == 'http'
    while not os.path.exists('gate'):
        await asyncio.sleep(0.01)
    headers = [(b'content-length', b'2')]
    await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
    await send({'type': 'http.response.body', 'body': b'ok'})
";
    fs::write(dir.path().join("app.py"), text).unwrap();
    let server = Start::server(["--keep-alive", "75", "--status-bind", "127.0.0.1:0"])
        .args(class)
        .cwd(dir.path())
        .spawn();
    let target = server.target();
    let status = Target::Tcp(status(&server));
    let gauge = |name: &str| {
        let text = status.get("/metrics").ok();
        let start = format!("rgunicorn_worker_{name}{{worker=\"1\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.map(|value| value.parse::<f64>().unwrap())
    };
    wait_until("the worker serves", || {
        let text = status.get("/metrics").ok();
        text.contains("rgunicorn_workers{state=\"serving\"} 1")
    });
    assert_eq!(gauge("connections"), Some(0.0));
    assert_eq!(gauge("oldest_request_seconds"), Some(0.0));
    let capacity = gauge("capacity_requests");
    let expected = match class {
        ["--threads", count, _] => Some(count.parse().unwrap()),
        [_] => Some(1.0),
        _ => None,
    };
    assert_eq!(capacity, expected);

    const REQUESTS: usize = 6;
    let mut clients: Vec<_> = (0..REQUESTS).map(|_| target.connect().unwrap()).collect();
    for client in &mut clients {
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
    }
    let busy = capacity.unwrap_or(REQUESTS as f64);
    wait_until("the app has what it can have", || {
        gauge("busy_requests") == Some(busy)
    });
    wait_until("the oldest request has an age", || {
        gauge("oldest_request_seconds") > Some(0.0)
    });
    // The thread of a `sync` worker does not look at its connections meanwhile.
    if class.len() > 1 {
        let waiting = REQUESTS as f64 - busy;
        wait_until("the others wait", || {
            gauge("waiting_requests") == Some(waiting)
        });
        wait_until("all are connected", || {
            gauge("connections") == Some(REQUESTS as f64)
        });
        assert_eq!(gauge("idle_connections"), Some(0.0));
    }
    fs::write(dir.path().join("gate"), "").unwrap();
    for client in &mut clients {
        assert_eq!(Response::read(&mut **client, false).unwrap().ok(), "ok");
    }
    for (name, value) in [
        ("busy_requests", 0.0),
        ("waiting_requests", 0.0),
        ("oldest_request_seconds", 0.0),
        ("connections", REQUESTS as f64),
        ("idle_connections", REQUESTS as f64),
    ] {
        wait_until(name, || gauge(name) == Some(value));
    }
    drop(clients);
    wait_until("the clients have gone", || {
        gauge("connections") == Some(0.0)
    });
}

/// The same with a worker class of a package.
fn no_count_is_lost_with(name: &str, class: &str, app: &str) {
    let venv = site::venv(name);
    no_count_is_lost_or_doubled(&["-k", class, "--venv", venv.to_str().unwrap(), app]);
}

#[test]
fn no_count_is_lost_or_doubled_in_gevent() {
    no_count_is_lost_with("gevent_site", "gevent", "app:wsgi");
}

#[test]
fn no_count_is_lost_or_doubled_in_tornado() {
    // Tornado's container of WSGI apps does not answer if the app raises an exception.
    no_count_is_lost_with("tornado_site", "tornado", "app:careful");
}

#[test]
fn no_count_is_lost_or_doubled_in_aiohttp() {
    no_count_is_lost_with(
        "aiohttp_site",
        "aiohttp.GunicornWebWorker",
        "app:of_aiohttp()",
    );
}

/// HUP lets the master execute itself again then.
#[test]
fn no_count_is_lost_or_doubled_with_a_preloaded_app() {
    no_count_is_lost_or_doubled(&["--preload", "app:wsgi"]);
}

#[test]
fn the_apps_own_metrics_are_those_that_its_package_collects() {
    let dir = folder();
    let server = Start::server(["--workers", "2", "--status-bind", "127.0.0.1:0", "app:app"])
        .args(["--venv".as_ref(), site::venv("prometheus_site").as_os_str()])
        .args([
            "--env",
            &format!("PROMETHEUS_MULTIPROC_DIR={}", dir.path().display()),
        ])
        .cwd(app("prometheus_site"))
        .spawn();
    let target = server.target();
    let status = Target::Tcp(status(&server));
    let mut pids = BTreeSet::new();
    for number in (0..8).cycle() {
        pids.insert(target.get(&format!("/count/{number}")).ok());
        if pids.len() == 2 && number == 7 {
            break;
        }
    }
    let compare = || {
        let expected = target.get("/collected").ok();
        let told = status.get("/metrics").ok();
        let (_, told) = told.split_at(told.find("# HELP level_all").unwrap());
        assert_eq!(lines(told), lines(&expected), "{told}\n{expected}");
        told.to_owned()
    };
    let told = compare();
    let first = pids.first().unwrap();
    let live = format!("level_liveall{{of=\"water\",pid=\"{first}\"}}");
    assert!(told.contains(&live), "{told}");
    assert!(
        told.contains("orders_total{by=\"é\\\"\\\\\\n\",kind=\"book\"}"),
        "{told}"
    );

    // Gauges of the dead are forgotten, counts are not.
    let killed: i32 = first.parse().unwrap();
    kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap();
    server.workers(3);
    let told = compare();
    assert!(!told.contains(&live), "{told}");
    assert!(told.contains(&live.replace("liveall", "all")), "{told}");

    // The package's own parser, which is strict, understands all of it.
    let request = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                   Accept: application/openmetrics-text\r\n\r\n";
    let text = dir.path().join("text");
    fs::write(&text, status.exchange(request).ok()).unwrap();
    let program = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
        print(len(list(parse(open(sys.argv[1]).read()))))";
    let python = site::venv("prometheus_site").join("bin/python");
    let done = Start::program(python, ["-c", program]).args([&text]).run();
    let families: usize = done.expect_success().stdout.trim().parse().unwrap();
    assert!(families > 40, "{families}");
}

/// The lines of a text, without differences that mean nothing: the order of lines and
/// labels, and how numbers are written.
fn lines(text: &str) -> BTreeSet<String> {
    let line = |line: &str| {
        if line.starts_with('#') {
            return line.to_owned();
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let mut labels: Vec<_> = labels.trim_end_matches('}').split("\",").collect();
        labels.sort_by_key(|label| label.trim_end_matches('"').to_owned());
        let labels: Vec<_> = labels.iter().map(|it| it.trim_end_matches('"')).collect();
        let value: f64 = value.parse().unwrap();
        format!("{name} {labels:?} {value:.9}")
    };
    text.lines().map(line).collect()
}

#[test]
fn the_alert_rules_fire_when_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = "docs/guide/observability/alerts.yml";
    for args in [
        ["check", "rules", rules],
        ["test", "rules", "tests/alerts/tests.yml"],
    ] {
        let Some(done) = promtool(folder, &args) else {
            return;
        };
        done.expect_success();
    }
}

#[test]
fn the_dashboards_queries_are_answered() {
    let dir = folder();
    let server = Start::server(["--status-bind", "127.0.0.1:0", "app"])
        .cwd(app("hello"))
        .spawn();
    let target = server.target();
    let Some(prometheus) = prometheus::start(dir.path(), status(&server)) else {
        return;
    };
    target.get("/").ok();
    prometheus.wait_for_scrapes();
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/observability/dashboard.json");
    let dashboard: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut panels = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = panel.get("targets").and_then(|it| it.as_array());
        let mut answers = 0;
        for target in targets.into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            let query = query
                .replace("$__rate_interval", "1m")
                .replace("$job", "rgunicorn")
                .replace("$instance", ".*");
            answers += prometheus.query(&query).len();
        }
        if panel["type"] != "row" {
            panels += 1;
            assert!(answers > 0, "{panel}");
        }
    }
    assert!(panels > 15, "{panels}");
}
