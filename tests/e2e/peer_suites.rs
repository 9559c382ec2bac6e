//! The functional tests of waitress, from its source package, against us.

use std::path::Path;

use crate::support::{program, site};

#[test]
fn waitress() {
    let source = site::source("waitress", "3.0.2");
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/waitress.py");
    let run = site::python([suite.to_str().unwrap()])
        .args([source, program()])
        .args(["--workers", "4"])
        .run()
        .expect_success();
    assert_eq!(run.stdout, "38 tests of waitress ran", "{}", run.stderr);
}
