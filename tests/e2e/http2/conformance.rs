//! Every case of the suite, in each worker class, over TLS and in clear text.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;

use super::suite::{self, Case};
use crate::support::certificates::Authority;
use crate::support::http2::{Http2, Origin};
use crate::support::{Process, Start, app, folder, in_all_classes};

const NAME: &str = "one.test";

/// How many cases run at the same time.
const THREADS: usize = 8;

in_all_classes! {
    over_tls,
    in_clear_text,
}

fn over_tls(class: &[&str]) {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("one", &[NAME]);
    let server = Start::server(class)
        .args(["--certfile", &pair.certificate, "--keyfile", &pair.key])
        .cwd(app("mirror"))
        .spawn();
    conforms(&server, &Origin::https(&server.target(), &authority, NAME));
}

fn in_clear_text(class: &[&str]) {
    let server = Start::server(class)
        .args(["--http2-cleartext", "prior-knowledge"])
        .cwd(app("mirror"))
        .spawn();
    conforms(&server, &Origin::http(&server.target()));
}

/// Runs the cases. Afterwards the same worker still serves.
#[track_caller]
fn conforms(server: &Process, origin: &Origin) {
    let failures = failures(origin);
    assert!(
        failures.is_empty(),
        "{} cases fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
    Http2::open(origin).expect_service();
    assert_eq!(server.workers(1).len(), 1);
}

fn failures(origin: &Origin) -> Vec<String> {
    let cases = Mutex::new(suite::cases().into_iter());
    let failures = Mutex::new(Vec::new());
    let next = || cases.lock().unwrap().next();
    let work = || {
        while let Some(case) = next() {
            let run = AssertUnwindSafe(|| (case.run)(origin));
            if let Err(panic) = catch_unwind(run) {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.into()));
                let text = text.unwrap_or_default();
                failures
                    .lock()
                    .unwrap()
                    .push(format!("{}: {text}", case.name));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    failures.into_inner().unwrap()
}

/// The number of cases of h2spec 2.6: 146, and one that it only runs with `--strict`.
const OF_H2SPEC: usize = 147;

#[test]
fn the_cases_of_h2spec_are_in_the_suite() {
    let cases = suite::cases();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let of_h2spec = |case: &Case| !case.h2spec.is_empty();
    let count = cases.iter().filter(|case| of_h2spec(case)).count();
    let ids: BTreeSet<_> = cases
        .iter()
        .map(|case| case.h2spec)
        .filter(|id| !id.is_empty())
        .collect();
    assert_eq!(ids.len(), count, "two cases have one number of h2spec");
    assert_eq!(count, OF_H2SPEC);
}
