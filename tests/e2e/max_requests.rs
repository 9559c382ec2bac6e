//! Workers that are replaced after a number of requests.

use crate::support::{Start, app};

#[test]
fn a_worker_is_replaced_after_its_requests_and_no_request_is_lost() {
    for class in [&[][..], &["--threads", "2"]] {
        let server = Start::server(["--max-requests", "5", "app"])
            .args(class)
            .cwd(app("hello"))
            .spawn();
        let target = server.target();
        let first = target.get("/pid").ok();
        while target.get("/pid").ok() == first {}
        server
            .stderr
            .wait_for("Autorestarting worker after current request.");
        let gone = format!("Worker exiting (pid: {first})");
        server.stderr.wait_for(&gone);
        assert_ne!(target.get("/pid").ok(), first);
    }
}
