//! The newest wheels with native code, each used in an empty root.

use crate::support::{Finished, Root, site};

pub const EXERCISE: &str = "import exercise, sys; sys.exit(exercise.main())";

#[test]
fn wheels_work_from_a_folder() {
    let Some(root) = Root::empty() else { return };
    let done = root
        .with("/dev/urandom".as_ref(), "/dev/urandom")
        .with(&site::wheels(), "/site")
        .read_only()
        .start([
            "--pythonpath",
            "/site/site-packages,/site",
            "python",
            "-c",
            EXERCISE,
        ])
        .run_slowly();
    expect_all(done, &["grpc"], "/site/site-packages/");
}

#[test]
fn wheels_work_straight_from_a_zip() {
    let Some(root) = Root::empty() else { return };
    let done = root
        .put(site::wheels_zip(), "/site.zip")
        .read_only()
        .start(["--app-zip", "/site.zip", "python", "-c", EXERCISE])
        .run_slowly();
    expect_all(done, &[], "/site.zip/site-packages/");
}

/// As in containers: a read-only root and a /tmp mounted `noexec`.
#[test]
fn wheels_work_from_a_zip_unpacked_where_nothing_may_be_executed() {
    let Some(root) = Root::empty() else { return };
    let done = root
        .with_tmp()
        .put(site::wheels_zip(), "/site.zip")
        .read_only()
        .start(["--app-zip", "/site.zip", "python", "-c", EXERCISE])
        .run_slowly();
    expect_all(done, &[], "/tmp/");
}

#[test]
fn a_spawned_child_imports_from_the_zip_too() {
    let Some(root) = Root::empty() else { return };
    let code = "if __name__ == '__main__':
        import concurrent.futures, multiprocessing, orjson
        spawn = multiprocessing.get_context('spawn')
        with concurrent.futures.ProcessPoolExecutor(1, spawn) as pool:
            print(pool.submit(orjson.dumps, [1]).result(), orjson.orjson.__file__)";
    let done = root
        .with_tmp() // for the pool's semaphores
        .with("/dev/shm".as_ref(), "/dev/shm")
        .put(site::wheels_zip(), "/site.zip")
        .read_only()
        .start([
            "--pythonpath",
            "/site.zip/site-packages",
            "python",
            "-c",
            code,
        ])
        .run()
        .expect_success();
    assert!(
        done.stdout.starts_with("b'[1]' /site.zip/"),
        "{}",
        done.stdout
    );
}

#[track_caller]
pub fn expect_all(done: Finished, more: &[&str], place: &str) {
    print!("{}", done.stdout);
    let done = done.expect_success();
    let worked = done.stdout.matches("works: ").count();
    assert_eq!(worked, 21 + more.len(), "{}", done.stdout);
    let from = format!("from: {place}");
    assert!(done.stdout.contains(&from), "{}", done.stdout);
    for name in more {
        assert!(done.stdout.contains(&format!("works: {name}")), "{name}");
    }
}
