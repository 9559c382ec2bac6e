//! The text of a made report, and files of an app as `prometheus_client` makes them.

mod app;
mod promtool;

use super::{Format, Metrics};
use crate::scoreboard::{Counters, Histogram, METHODS};
use crate::status::report::{
    ProcessReport, Report, RequestReport, ServerState, WorkerReport, WorkerState,
};

/// A server with two workers that has answered three requests.
pub fn report() -> Report {
    let mut totals = Counters {
        bytes_sent: 1500,
        ..Counters::default()
    };
    let row = |method| METHODS.iter().position(|it| *it == method).unwrap();
    totals.requests[row("GET")] = [0, 1, 0, 0, 1, 0];
    totals.requests[row("other")] = [0, 0, 0, 1, 0, 0];
    totals.duration = times(&[255, 256]);
    totals.queue = times(&[0, 56]);
    let worker = |age: u64, state| WorkerReport {
        process: ProcessReport {
            pid: 100 + age as i32,
            cpu: 1.5,
            memory: 30_000_000,
            descriptors: Some(9),
            ..ProcessReport::default()
        },
        age,
        generation: 1,
        state,
        silent: (state == WorkerState::Serving).then_some(0.25),
        connections: 3,
        idle: 2,
        capacity: 4,
        ..WorkerReport::default()
    };
    let mut busy = worker(7, WorkerState::Serving);
    busy.requests = [2.5, 9.0, 0.5]
        .map(|age| RequestReport {
            age,
            ..RequestReport::default()
        })
        .into();
    Report {
        version: "1.2\"3".into(),
        python: "3.13.5".into(),
        state: ServerState::Serving,
        started: 1_700_000_000.25,
        master: ProcessReport {
            pid: 99,
            cpu: 0.125,
            memory: 12_345_678,
            threads: 2,
            ..ProcessReport::default()
        },
        target: 2,
        workers: vec![busy, worker(9, WorkerState::Booting)],
        workers_started: 9,
        workers_ended: [("done".to_owned(), 5), ("killed".to_owned(), 2)].into(),
        reloads: 1,
        totals,
        ..Report::default()
    }
}

/// The same with everything that may be unknown.
pub fn full() -> Report {
    let mut full = report();
    full.backlog = Some(3);
    full.master.descriptors = Some(20);
    full.master.max_descriptors = Some(1024);
    full.workers[0].memory_at_start = 1;
    full
}

/// A histogram of these times in microseconds.
fn times(micros: &[u64]) -> Histogram {
    let mut times = Histogram::default();
    for time in micros {
        let ends = |bucket| Histogram::end_of(bucket).is_some_and(|end| end > *time);
        let bucket = (0..).find(|bucket| ends(*bucket)).unwrap();
        times.buckets[bucket] += 1;
        times.sum += time;
    }
    times
}

fn prometheus(report: &Report) -> String {
    Metrics::default().text(report, Format::Prometheus)
}

#[track_caller]
fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|other| other == *line), "{line}\n{text}");
    }
}

#[test]
fn the_text_says_what_the_report_says() {
    has(
        &prometheus(&report()),
        &[
            "# TYPE rgunicorn_build_info gauge",
            r#"rgunicorn_build_info{version="1.2\"3",python="3.13.5"} 1"#,
            "# TYPE rgunicorn_requests_total counter",
            r#"rgunicorn_requests_total{method="GET",status="2xx"} 1"#,
            r#"rgunicorn_requests_total{method="GET",status="5xx"} 1"#,
            r#"rgunicorn_requests_total{method="other",status="4xx"} 1"#,
            r#"rgunicorn_requests_total{method="POST",status="2xx"} 0"#,
            "# TYPE rgunicorn_request_duration_seconds histogram",
            r#"rgunicorn_request_duration_seconds_bucket{le="0.000256"} 1"#,
            r#"rgunicorn_request_duration_seconds_bucket{le="0.000512"} 2"#,
            r#"rgunicorn_request_duration_seconds_bucket{le="67.108864"} 2"#,
            r#"rgunicorn_request_duration_seconds_bucket{le="+Inf"} 2"#,
            "rgunicorn_request_duration_seconds_count 2",
            "rgunicorn_request_duration_seconds_sum 0.000511",
            "rgunicorn_request_queue_seconds_sum 5.6e-05",
            "rgunicorn_app_seconds_total 0.000455",
            "rgunicorn_sent_bytes_total 1500",
            "rgunicorn_ready 1",
            "rgunicorn_draining 0",
            r#"rgunicorn_workers{state="serving"} 1"#,
            r#"rgunicorn_workers{state="hanging"} 0"#,
            r#"rgunicorn_workers_ended_total{reason="killed"} 2"#,
            r#"rgunicorn_workers_ended_total{reason="error"} 0"#,
            r#"rgunicorn_worker_info{worker="1",pid="107",age="7",generation="1"} 1"#,
            r#"rgunicorn_worker_info{worker="2",pid="109",age="9",generation="1"} 1"#,
            r#"rgunicorn_worker_oldest_request_seconds{worker="1"} 9"#,
            r#"rgunicorn_worker_oldest_request_seconds{worker="2"} 0"#,
            r#"rgunicorn_worker_silence_seconds{worker="1"} 0.25"#,
            r#"rgunicorn_worker_cpu_seconds_total{worker="2"} 1.5"#,
            "process_resident_memory_bytes 12345678",
            "process_start_time_seconds 1.70000000025e+09",
        ],
    );
}

#[test]
fn what_is_not_known_is_left_out() {
    let text = prometheus(&report());
    assert!(!text.contains("rgunicorn_backlog_connections"), "{text}");
    assert!(!text.contains("process_open_fds"), "{text}");
    let silences = text.matches("rgunicorn_worker_silence_seconds{").count();
    assert_eq!(silences, 1, "{text}");
    has(&prometheus(&full()), &["rgunicorn_backlog_connections 3"]);
}

#[test]
fn openmetrics_has_other_names_of_families_and_an_end() {
    let text = Metrics::default().text(&report(), Format::OpenMetrics);
    has(
        &text,
        &[
            "# TYPE rgunicorn_requests counter",
            r#"rgunicorn_requests_total{method="GET",status="2xx"} 1"#,
            "# TYPE rgunicorn_build info",
            "# TYPE process_cpu_seconds counter",
            "process_cpu_seconds_total 0.125",
        ],
    );
    assert!(text.ends_with("\n# EOF\n"));
    assert!(!prometheus(&report()).contains("EOF"));
}

#[test]
fn a_successor_has_the_label_of_the_worker_before_it() {
    let mut metrics = Metrics::default();
    let mut report = report();
    metrics.text(&report, Format::Prometheus);
    report.workers.remove(0);
    report.workers.push(WorkerReport {
        age: 10,
        connections: 77,
        ..WorkerReport::default()
    });
    let text = metrics.text(&report, Format::Prometheus);
    has(&text, &[r#"rgunicorn_worker_connections{worker="1"} 77"#]);
}

/// Each metric is explained in the guide.
#[test]
fn the_guide_names_every_metric() {
    let guide = include_str!("../../../../docs/guide/observability.md");
    let text = prometheus(&full());
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for name in names.filter_map(|line| line.split(' ').next()) {
        let quoted = format!("`{name}`");
        assert!(guide.contains(&quoted), "{name}");
    }
}

/// The dashboard and the alert rules use no metric that does not exist.
#[test]
fn dashboard_and_alerts_only_use_metrics_that_exist() {
    let texts = [
        include_str!("../../../../docs/guide/observability/dashboard.json"),
        include_str!("../../../../docs/guide/observability/alerts.yml"),
        include_str!("../../../../docs/guide/observability.md"),
    ];
    let text = prometheus(&full());
    let samples: Vec<_> = text
        .lines()
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let mut used = 0;
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    for name in texts.iter().flat_map(|text| text.split(|it| !is_name(it))) {
        let is_metric = name.starts_with("rgunicorn_") && name != "rgunicorn_";
        if is_metric && !text.contains(&format!("# TYPE {name} ")) {
            assert!(samples.contains(&name), "{name}");
        }
        used += usize::from(is_metric);
    }
    assert!(used > 100, "{used}");
}
