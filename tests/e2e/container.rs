//! A real container with only the executable and the sites: with the engine's default
//! seccomp profile, a user without privileges, and a read-only root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use nix::sys::signal::Signal;

use crate::flask_and_django::{prepare, use_django, use_flask};
use crate::support::docker::{self, Container, Image, USER};
use crate::support::{Root, Start, app, folder, site};

#[test]
fn sites_are_served_in_an_image_from_scratch() {
    let Some(image) = image() else { return };

    let mut hello = image.start(&[], &["--bind", "127.0.0.1:0", "--chdir", "/hello", "app"]);
    assert_eq!(hello.server.target().get("/").ok(), "Hello, world!\n");
    look_into(&hello);
    // It is PID 1, which does not receive signals that it does not handle.
    hello.server.signal(Signal::SIGTERM);
    assert_eq!(
        hello.server.exit_code(),
        0,
        "{}",
        hello.server.stderr.so_far()
    );

    let serve = ["--bind", "127.0.0.1:0", "--workers", "2", "--app-zip"];
    let flask = image.start(&[], &[&serve[..], &["/flask.zip"]].concat());
    use_flask(flask.server.target());
    drop(flask);

    let data = folder();
    chown(data.path(), Some(USER), Some(USER)).unwrap();
    let volume = format!("{}:/data", data.path().display());
    let options = ["-v", &volume, "-e", "SITE_DATABASE=/data/guestbook.sqlite3"];
    let manage = |args: &[&str]| {
        let password = ["-e", "DJANGO_SUPERUSER_PASSWORD=correct horse"];
        let options = [&options[..], &password].concat();
        let command = ["--app-zip", "/django.zip", "python", "manage.py"];
        image.run(&options, None).args(command).args(args)
    };
    prepare(manage, data.path());
    let django = image.start(&options, &[&serve[..], &["/django.zip"]].concat());
    use_django(django.server.target());
}

/// Runs `ctl` in the container, as the server's user and as another.
fn look_into(hello: &Container) {
    let ctl = |args: &[&str]| {
        let args = [&["exec", &hello.name, "/rgunicorn", "ctl"], args].concat();
        Start::program("docker", args).run().expect_success().stdout
    };
    let status: serde_json::Value = serde_json::from_str(&ctl(&["status", "--json"])).unwrap();
    assert_eq!(status["master"]["pid"], 1);
    assert_eq!(status["totals"]["requests"]["GET"]["2xx"], 1);
    let stacks = ctl(&["stacks"]);
    assert!(stacks.contains("it waits for requests"), "{stacks}");
    let added = ctl(&["worker", "add"]);
    assert!(added.contains("2 workers"), "{added}");
    hello.server.workers(2);
    let args = [
        "exec",
        "--user",
        "4242:4242",
        &hello.name,
        "/rgunicorn",
        "ctl",
    ];
    let stranger = Start::program("docker", args).run();
    assert_eq!(stranger.code, 1, "{}", stranger.stdout);
}

/// `None` if no engine runs; the test must return then.
fn image() -> Option<Image> {
    if !docker::is_there() {
        return None;
    }
    // A folder for the content of the image; `Root` puts the program into it.
    let root = Root::empty()?
        .put(app("hello").join("app.py"), "/hello/app.py")
        .put(site::zip("flask_site"), "/flask.zip")
        .put(site::zip("django_site"), "/django.zip");
    for file in ["rgunicorn", "flask.zip", "django.zip", "hello/app.py"] {
        readable(&root.path(file));
    }
    let place = folder();
    let tar = place.path().join("image.tar");
    Start::program("tar", ["-c", "--owner=0", "--group=0", "-f"])
        .args([&tar])
        .args(["-C".as_ref(), root.path("/").as_os_str(), ".".as_ref()])
        .run()
        .expect_success();
    let change = format!("ENTRYPOINT [\"/rgunicorn\"]\nUSER {USER}:{USER}");
    Some(Image::import(&tar, &change))
}

fn readable(path: &Path) {
    let mut permissions = fs::metadata(path).unwrap().permissions();
    permissions.set_mode(permissions.mode() | 0o444);
    fs::set_permissions(path, permissions).unwrap();
}
