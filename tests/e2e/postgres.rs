//! Django under gevent, with psycopg waiting for a real PostgreSQL.

use std::io::Write;

use crate::flask_and_django::{prepare, use_django};
use crate::support::{Client, Response, Start, folder, postgres, site, wait_until};

#[test]
fn djangos_admin_under_gevent() {
    let Some(database) = postgres::start() else {
        return;
    };
    let zip = site::zip_with("postgres_site", Some("django_site"));
    let elsewhere = folder();
    let start = |start: Start| {
        let start = start.env("DJANGO_SETTINGS_MODULE", "on_postgres");
        let variables = database.variables().into_iter();
        variables
            .fold(start, |start, (name, value)| start.env(name, value))
            .cwd(elsewhere.path())
    };
    let manage = |args: &[&str]| {
        start(
            Start::new(["--app-zip"])
                .args([&zip])
                .args(["python", "manage.py"])
                .args(args),
        )
    };
    prepare(manage, "not used".as_ref());
    let server = Start::server(["mysite.wsgi", "-k", "gevent", "--app-zip"]).args([&zip]);
    let server = start(server).spawn();
    let target = server.target();
    use_django(target.clone());

    // One worker, and many requests that wait for the database at the same time.
    let lock = database.session("SELECT pg_advisory_lock(7)");
    let mut waiting: Vec<_> = (0..10)
        .map(|_| {
            let mut stream = target.connect().unwrap();
            let request = "GET /wait HTTP/1.1\r\nHost: testserver\r\n\r\n";
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    let mut browser = Client::new(target.clone());
    wait_until("all of them wait", || browser.get("/waiting").ok() == "10");
    assert!(browser.get("/").ok().contains("from the admin"));
    drop(lock);
    for stream in &mut waiting {
        assert_eq!(Response::read(stream, false).unwrap().ok(), "waited");
    }
    assert!(!server.stderr.so_far().contains("Traceback"));
}
