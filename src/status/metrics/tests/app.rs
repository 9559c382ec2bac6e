//! Files as `prometheus_client` makes them.

use std::fs;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use super::{Format, Metrics, has, report};
use crate::status::metrics::app::{AppMetrics, folder};

/// A metric, a sample, labels as JSON, a value and a time stamp.
type Entry<'a> = (&'a str, &'a str, &'a str, f64, f64);

/// The bytes of a file with these entries, which is longer than what is in use.
fn bytes(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    for (metric, sample, labels, value, timestamp) in entries {
        let key = format!("[\"{metric}\", \"{sample}\", {labels}, \"About {metric}.\"]");
        bytes.extend((key.len() as i32).to_ne_bytes());
        bytes.extend(key.as_bytes());
        let padding = 8 - (key.len() + 4) % 8;
        bytes.extend(
            [b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ']
                .iter()
                .take(padding),
        );
        bytes.extend(value.to_ne_bytes());
        bytes.extend(timestamp.to_ne_bytes());
    }
    let used = bytes.len() as i32;
    bytes[..4].copy_from_slice(&used.to_ne_bytes());
    bytes.resize(bytes.len() + 5000, 0);
    bytes
}

/// The text of a server with an app that has these files.
fn text(files: &[(&str, &[Entry<'_>])]) -> String {
    let folder = TempDir::new().unwrap();
    for (name, entries) in files {
        fs::write(folder.path().join(name), bytes(entries)).unwrap();
    }
    read(folder.path())
}

fn read(folder: &Path) -> String {
    let mut metrics = Metrics::default();
    metrics.configure(|_| Some(folder.into()));
    metrics.text(&report(), Format::Prometheus)
}

#[test]
fn counters_and_summaries_are_added() {
    let text = text(&[
        (
            "counter_1.db",
            &[
                (
                    "made",
                    "made_total",
                    r#"{"b": "x", "a": "\u00e9"}"#,
                    2.0,
                    0.0,
                ),
                ("made", "made_total", "{}", 1.0, 0.0),
            ],
        ),
        (
            "counter_2.db",
            &[("made", "made_total", r#"{"a": "é", "b": "x"}"#, 0.5, 0.0)],
        ),
        (
            "summary_1.db",
            &[
                ("size", "size_count", "{}", 2.0, 0.0),
                ("size", "size_sum", "{}", 7.0, 0.0),
            ],
        ),
        (
            "summary_2.db",
            &[
                ("size", "size_count", "{}", 1.0, 0.0),
                ("size", "size_sum", "{}", 3.0, 0.0),
            ],
        ),
    ]);
    has(
        &text,
        &[
            "# HELP made_total About made.",
            "# TYPE made_total counter",
            r#"made_total{a="é",b="x"} 2.5"#,
            "made_total 1",
            "# TYPE size summary",
            "size_count 3",
            "size_sum 10",
        ],
    );
}

#[test]
fn buckets_of_histograms_are_added_up() {
    let bucket = |le: &'static str, value| ("took", "took_bucket", le, value, 0.0);
    let text = text(&[
        (
            "histogram_1.db",
            &[
                ("took", "took_sum", r#"{"p": "/"}"#, 2.5, 0.0),
                bucket(r#"{"le": "0.1", "p": "/"}"#, 1.0),
                bucket(r#"{"le": "10.0", "p": "/"}"#, 2.0),
                bucket(r#"{"le": "+Inf", "p": "/"}"#, 1.0),
            ],
        ),
        (
            "histogram_2.db",
            &[
                bucket(r#"{"le": "+Inf", "p": "/"}"#, 0.0),
                bucket(r#"{"le": "2.5", "p": "/"}"#, 4.0),
                ("took", "took_sum", r#"{"p": "/"}"#, 1.0, 0.0),
            ],
        ),
    ]);
    let lines: Vec<_> = text.lines().filter(|it| it.starts_with("took")).collect();
    let expected = [
        r#"took_bucket{p="/",le="0.1"} 1"#,
        r#"took_bucket{p="/",le="2.5"} 5"#,
        r#"took_bucket{p="/",le="10.0"} 7"#,
        r#"took_bucket{p="/",le="+Inf"} 8"#,
        r#"took_count{p="/"} 8"#,
        r#"took_sum{p="/"} 3.5"#,
    ];
    assert_eq!(lines, expected);
}

#[test]
fn gauges_follow_their_modes() {
    let mut files = Vec::new();
    let modes = ["all", "min", "max", "sum", "mostrecent"];
    for (pid, value, timestamp) in [(1, 5.0, 200.0), (2, 3.0, 300.0), (3, 4.0, 0.0)] {
        for mode in modes {
            for live in ["", "live"] {
                let file = format!("gauge_{live}{mode}_{pid}.db");
                files.push((file, format!("{live}{mode}"), value, timestamp));
            }
        }
    }
    let entries: Vec<[Entry<'_>; 1]> = files
        .iter()
        .map(|(_, name, value, timestamp)| [(&**name, &**name, "{}", *value, *timestamp)])
        .collect();
    let named: Vec<(&str, &[Entry<'_>])> = files
        .iter()
        .zip(&entries)
        .map(|((file, ..), entries)| (&**file, &entries[..]))
        .collect();
    let text = text(&named);
    for live in ["", "live"] {
        let lines = [
            format!("{live}all{{pid=\"1\"}} 5"),
            format!("{live}all{{pid=\"2\"}} 3"),
            format!("{live}all{{pid=\"3\"}} 4"),
            format!("{live}min 3"),
            format!("{live}max 5"),
            format!("{live}sum 12"),
            format!("{live}mostrecent 3"),
        ];
        has(&text, &lines.each_ref().map(String::as_str));
    }
}

#[test]
fn gauges_of_dead_workers_do_not_live_on() {
    let folder = TempDir::new().unwrap();
    let make = |mode: &str, pid: i32| {
        let name = format!("gauge_{mode}_{pid}.db");
        fs::write(folder.path().join(name), bytes(&[])).unwrap();
    };
    for mode in [
        "liveall",
        "livemin",
        "livemax",
        "livesum",
        "livemostrecent",
        "all",
        "sum",
    ] {
        make(mode, 12);
    }
    make("liveall", 123);
    fs::write(folder.path().join("counter_12.db"), bytes(&[])).unwrap();
    let app = AppMetrics::new(folder.path().into());
    app.forget(12).unwrap();
    app.forget(12).unwrap();
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    let expected = [
        "counter_12.db",
        "gauge_all_12.db",
        "gauge_liveall_123.db",
        "gauge_sum_12.db",
    ];
    assert_eq!(left, expected);
}

#[test]
fn damaged_files_are_left_out() {
    let folder = TempDir::new().unwrap();
    let entry = |name: &'static str| [(name, name, "{}", 1.0, 0.0)];
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    put("gauge_sum_1.db", &bytes(&entry("good")));
    put("gauge_sum_2.db", b"");
    put("gauge_sum_3.db", &[0; 65536]);
    put("gauge_sum_4.db", b"no");
    put("gauge_sum_5.db", &[0xff; 64]);
    let whole = bytes(&entry("bad"));
    put("gauge_sum_6.db", &whole[..whole.len() - 5010]);
    // The key says that it is longer than the file.
    let mut long = whole.clone();
    long[8..12].copy_from_slice(&i32::MAX.to_ne_bytes());
    put("gauge_sum_7.db", &long);
    let mut no_json = whole.clone();
    no_json[12] = b'x';
    put("gauge_sum_8.db", &no_json);
    // The sample has another name than its metric.
    put(
        "gauge_sum_9.db",
        &bytes(&[("bad", "other", "{}", 1.0, 0.0)]),
    );
    put("gauge_other_1.db", &bytes(&entry("bad")));
    put("other_1.db", &bytes(&entry("bad")));
    put("counter.db", &bytes(&entry("bad")));
    mkfifo(&folder.path().join("gauge_sum_10.db"), Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink("gauge_sum_1.db", folder.path().join("gauge_sum_11.db")).unwrap();
    fs::create_dir(folder.path().join("gauge_sum_12.db")).unwrap();
    let text = read(folder.path());
    has(&text, &["good 1"]);
    assert!(!text.contains("bad"), "{text}");
    assert!(!text.lines().any(|it| it.starts_with("other")), "{text}");
}

#[test]
fn no_file_makes_the_text_illegal() {
    let text = text(&[
        (
            "counter_1.db",
            &[
                ("my.own", "my.own_total", r#"{"a b": "x\u0000"}"#, 1.0, 0.0),
                ("two", "two_total", r#"{"a.b": "x", "a_b": "y"}"#, 1.0, 0.0),
                ("1st", "1st_total", "{}", 1.0, 0.0),
                ("", "_total", "{}", 1.0, 0.0),
                ("kind", "kind_total", "{}", 1.0, 0.0),
            ],
        ),
        (
            "gauge_all_1.db",
            &[
                ("kind", "kind", "{}", 1.0, 0.0),
                ("level", "level", r#"{"pid": "0"}"#, 1.0, 0.0),
            ],
        ),
    ]);
    has(
        &text,
        &[
            "my_own_total{a_b=\"x\u{fffd}\"} 1",
            "_1st_total 1",
            "kind_total 1",
            "level{pid=\"1\"} 1",
        ],
    );
    assert!(!text.contains("two"), "{text}");
    assert!(!text.contains("kind{"), "{text}");
}

#[test]
fn the_servers_names_are_the_servers() {
    let text = text(&[
        (
            "counter_1.db",
            &[(
                "process_cpu_seconds",
                "process_cpu_seconds_total",
                "{}",
                9.0,
                0.0,
            )],
        ),
        (
            "gauge_sum_1.db",
            &[
                (
                    "rgunicorn_requests_total",
                    "rgunicorn_requests_total",
                    "{}",
                    9.0,
                    0.0,
                ),
                ("rgunicorn_other", "rgunicorn_other", "{}", 9.0, 0.0),
            ],
        ),
    ]);
    has(
        &text,
        &["process_cpu_seconds_total 0.125", "rgunicorn_other 9"],
    );
    assert!(!text.contains("About process_cpu_seconds."), "{text}");
    assert!(!text.contains("About rgunicorn_requests_total."), "{text}");
}

#[test]
fn the_folder_comes_from_the_environment() {
    let look = |set: &'static [(&str, &str)]| {
        folder(|name| {
            let found = set.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| value.into())
        })
    };
    assert_eq!(look(&[]), None);
    assert_eq!(look(&[("PROMETHEUS_MULTIPROC_DIR", "")]), None);
    assert_eq!(
        look(&[("prometheus_multiproc_dir", "/a")]),
        Some("/a".into())
    );
    let both = &[
        ("prometheus_multiproc_dir", "/a"),
        ("PROMETHEUS_MULTIPROC_DIR", "/b"),
    ];
    assert_eq!(look(both), Some("/b".into()));
    assert!(read("/nowhere/at/all".as_ref()).contains("rgunicorn_ready"));
}
