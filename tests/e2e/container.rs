//! A real container whose image is the file and the sites, and nothing else:
//! the engine's default seccomp profile, a user without rights, and a root
//! that is read-only.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::Signal;

use crate::flask_and_django::{prepare, use_django, use_flask};
use crate::support::{Process, Root, Start, app, folder, site};

/// The user that the containers run as, which no file names.
const USER: u32 = 65534;

#[test]
fn sites_are_served_in_an_image_from_scratch() {
    let Some(image) = Image::new() else { return };

    let mut hello = image.start(&[], &["--bind", "127.0.0.1:0", "--chdir", "/hello", "app"]);
    assert_eq!(hello.server.target().get("/").ok(), "Hello, world!\n");
    // As PID 1, which the kernel sends no signal that it does not handle.
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

/// An image of the test's own, gone with this value.
struct Image {
    name: String,
    containers: AtomicU32,
}

/// A container, removed with this value.
struct Container {
    name: String,
    server: Process,
}

impl Image {
    /// Nothing where no engine runs; the test is to be left then.
    fn new() -> Option<Self> {
        let engine = std::process::Command::new("docker").arg("info").output();
        if !engine.is_ok_and(|told| told.status.success()) {
            eprintln!("skipped: no Docker engine runs here");
            return None;
        }
        // A folder with what goes in; the program is put there by the root.
        let root = Root::empty()?
            .put(app("hello").join("app.py"), "/hello/app.py")
            .put(site::zip("flask_site"), "/flask.zip")
            .put(site::zip("django_site"), "/django.zip");
        for file in ["rgunicorn", "flask.zip", "django.zip", "hello/app.py"] {
            readable(&root.path(file));
        }
        let tar = folder();
        let tar = tar.path().join("image.tar");
        Start::program("tar", ["-c", "--owner=0", "--group=0", "-f"])
            .args([&tar])
            .args(["-C".as_ref(), root.path("/").as_os_str(), ".".as_ref()])
            .run()
            .expect_success();
        let name = format!("rgunicorn-test-{}", std::process::id());
        let image = Self {
            name: name.clone(),
            containers: AtomicU32::new(0),
        };
        let change = "ENTRYPOINT [\"/rgunicorn\"]";
        Start::program("docker", ["import", "--change", change])
            .args([tar.as_os_str(), name.as_ref()])
            .run_slowly()
            .expect_success();
        Some(image)
    }

    /// The engine's command, to which the program's own words are added.
    fn run(&self, options: &[&str], name: Option<&str>) -> Start {
        let user = format!("{USER}:{USER}");
        let name = name.map(|name| ["--name", name]);
        Start::program(
            "docker",
            ["run", "--rm", "--read-only", "--network", "host", "--user"],
        )
        .args([&user])
        .args(name.iter().flatten())
        .args(options)
        .args([&self.name])
    }

    fn start(&self, options: &[&str], args: &[&str]) -> Container {
        let nth = self.containers.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{nth}", self.name);
        let server = self.run(options, Some(&name)).args(args).spawn();
        Container { name, server }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        Start::program("docker", ["rmi", "-f", &self.name]).run();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // It may be gone already.
        Start::program("docker", ["rm", "-f", &self.name]).run();
    }
}

fn readable(path: &Path) {
    let mut permissions = fs::metadata(path).unwrap().permissions();
    permissions.set_mode(permissions.mode() | 0o444);
    fs::set_permissions(path, permissions).unwrap();
}
