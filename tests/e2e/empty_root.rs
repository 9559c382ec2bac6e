//! Sites in a file system with only the program: no C library, no loader, no shell, and
//! none of a system's folders.

use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::flask_and_django::{prepare, use_django, use_flask};
use crate::support::certificates::Authority;
use crate::support::{Root, Start, app, folder, python_script, site};

#[test]
fn sites_are_served_without_proc() {
    let Some(root) = Root::empty() else { return };
    serve_all(root, "");
}

#[test]
fn sites_are_served_with_proc() {
    let Some(root) = Root::empty() else { return };
    serve_all(root.with_proc(), "");
}

#[test]
fn sites_are_served_from_a_read_only_root_with_a_tmp_that_nothing_runs_from() {
    let Some(root) = Root::empty() else { return };
    let data = folder();
    let root = root.with_tmp().with(data.path(), "/data").read_only();
    serve_all(root, "/data");
}

#[test]
fn sites_are_served_on_musls_root() {
    let Some(root) = Root::empty() else { return };
    let Some(musl) = musl() else { return };
    let root = root.with(&musl.join("lib"), "/lib");
    // The C library there is not glibc, but works.
    let child = "import subprocess; \
                 p = subprocess.run(['/lib/ld-musl-x86_64.so.1'], capture_output=True, text=True); \
                 print(p.stderr.splitlines()[0])";
    let said = root.start(["python", "-c", child]).run().expect_success();
    assert!(said.stdout.starts_with("musl libc"), "{}", said.stdout);
    serve_all(root, "");
}

/// The hello site from a folder, Flask and Django from zips.
fn serve_all(root: Root, writable: &str) {
    let root = root
        .put(app("hello").join("app.py"), "/hello/app.py")
        .put(site::zip("flask_site"), "/flask.zip")
        .put(site::zip("django_site"), "/django.zip");

    let mut server = root.server(["--chdir", "/hello", "app"]).spawn();
    assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0, "{}", server.stderr.so_far());

    let server = root
        .server(["--app-zip", "/flask.zip", "--workers", "2"])
        .spawn();
    use_flask(server.target());
    drop(server);

    let database = format!("{writable}/guestbook.sqlite3");
    let variable = format!("SITE_DATABASE={database}");
    // Without /etc/passwd no user has a home.
    let home = format!("HOME={writable}/");
    let password = "DJANGO_SUPERUSER_PASSWORD=correct horse";
    let variables = [&*variable, &*home, password];
    let options = variables.into_iter().flat_map(|it| ["--env", it]);
    let options: Vec<_> = options.chain(["--app-zip", "/django.zip"]).collect();
    let manage = |args: &[&str]| {
        root.start(&options)
            .args(["python", "manage.py"])
            .args(args)
    };
    prepare(manage, database.as_ref());
    let server = root.server(&options).spawn();
    use_django(server.target());
}

#[test]
fn a_zip_is_served_where_nothing_at_all_can_be_written() {
    let Some(root) = Root::empty() else { return };
    let root = root.put(site::zip("demo"), "/site.zip").read_only();
    let server = root.server(["--app-zip", "/site.zip"]).spawn();
    let page = server.target().get("/").ok();
    assert!(page.contains("<h1>It runs.</h1>"), "{page}");
    assert!(page.contains("/site.zip/demo/page.py"), "{page}");
}

#[test]
fn python_knows_where_it_is_without_proc() {
    let Some(root) = Root::empty() else { return };
    // A child process is started through a link.
    let code = "import os, subprocess, sys
tell = 'import sys; print(sys._base_executable, sys.base_prefix)'
exec(tell)
print(os.path.exists('/proc'), os.path.islink(sys.executable), flush=True)
subprocess.run([sys.executable, '-c', tell], check=True)";
    let said = root.start(["python", "-c", code]).run().expect_success();
    let it = "/rgunicorn /rgunicorn";
    assert_eq!(said.stdout, format!("{it}\nFalse True\n{it}"));
}

#[test]
fn every_way_to_ask_for_authorities_finds_ours() {
    let Some(root) = Root::empty() else { return };
    let dir = folder();
    let authority = Authority::new(dir.path());
    authority.issue("it", &["localhost"]);
    root.put(python_script("trusted_by_default.py"), "/script.py")
        .put(authority.file(), "/tls/authority.pem")
        .put(dir.path().join("it.crt"), "/tls/it.crt")
        .put(dir.path().join("it.key"), "/tls/it.key")
        .start(["python", "/script.py", "/tls/authority.pem", "/tls"])
        .run()
        .expect_success();
}

/// musl from Debian, unpacked; `None` if it cannot be downloaded.
fn musl() -> Option<PathBuf> {
    let scratch = folder();
    let fetched = Start::program("apt-get", ["download", "-qq", "musl"])
        .cwd(scratch.path())
        .run();
    let package = std::fs::read_dir(scratch.path()).ok()?.flatten().next();
    let Some(package) = package.filter(|_| fetched.code == 0) else {
        eprintln!("skipped: Debian's musl package cannot be fetched");
        return None;
    };
    Some(site::once("musl", &[], |dir| {
        Start::program("dpkg-deb", ["-x"])
            .args([package.path().as_path(), dir])
            .run()
            .expect_success();
    }))
}
