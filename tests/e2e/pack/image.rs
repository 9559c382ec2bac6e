//! `rgunicorn pack --image`: images that engines and tools accept.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::certificates::Authority;
use crate::support::docker::{self, Container, Image, docker};
use crate::support::{Finished, Start, folder};

const APP: &str = "
import os

def app(environ, start_response):
    broken = environ['PATH_INFO'] == '/broken'
    start_response('500 Broken' if broken else '200 OK', [])
    return [f'{os.getcwd()} {os.getuid()}'.encode()]
";

/// The health check of an image.
const HEALTHY: [&str; 3] = ["-I", "-m", "_rgunicorn.healthy"];

struct Project(TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(folder());
        project.write("app.py", APP);
        project.write(
            "pyproject.toml",
            "[project]\nname = 'Shop'\nversion = '1'\n",
        );
        project
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.0.path().join(path), text).unwrap();
    }

    /// Packs it as an image, in a folder of its own.
    fn pack(&self, args: &[&str]) -> (TempDir, PathBuf, Finished) {
        let place = folder();
        let tar = place.path().join("image.tar");
        let done = Start::new(["pack", "--image"])
            .args([&tar])
            .args(args)
            .cwd(self.0.path())
            .run();
        (place, tar, done)
    }
}

fn entries(tar: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(File::open(tar).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    });
    entries.collect()
}

/// The hashes of the layers, from the bottom.
fn layers(tar: &Path) -> Vec<String> {
    let entries = entries(tar);
    let json = |path: &str| -> Value { serde_json::from_slice(&entries[path]).unwrap() };
    let index = json("index.json");
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let manifest = json(&format!("blobs/{}", digest.replace(':', "/")));
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.map(|it| it["digest"].to_string()).collect()
}

#[test]
fn docker_loads_it_and_finds_it_healthy() {
    if !docker::is_there() {
        return;
    }
    let name = format!("{}:1", docker::name("image"));
    let (_place, tar, done) = Project::new().pack(&["--tag", &name]);
    let told = done.expect_success().stdout;
    assert!(
        told.contains(&format!("docker run -p 8000:8000 {name}")),
        "{told}"
    );
    let image = Image::load(&tar);
    assert_eq!(image.name, name);
    let history = docker(["history", "--no-trunc", "--format", "{{.CreatedBy}}", &name]).run();
    let history: Vec<_> = history.stdout.lines().map(str::to_owned).collect();
    assert_eq!(history[0], "The app: Shop 1");
    assert!(
        history[1].starts_with("The executable: rgunicorn"),
        "{history:?}"
    );

    let tight = ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
    let quick = ["--health-interval", "1s", "-e", "PORT=0"];
    let mut container = image.start(&[&tight[..], &quick].concat(), &[]);
    let target = container.server.target();
    assert_eq!(target.get("/").ok(), "/site 65534");
    container.wait_until_it_is("healthy");

    // The address is read from the system, and not guessed.
    let ask = |path| container.exec(&[&HEALTHY[..], &[path]].concat());
    let told = ask("/").expect_success().stdout;
    assert!(told.contains("answers with 200"), "{told}");
    let failed = ask("/broken");
    assert_eq!(failed.code, 1);
    assert!(
        failed.stdout.contains("answers with 500"),
        "{}",
        failed.stdout
    );

    container.server.signal(Signal::SIGTERM);
    assert_eq!(container.server.exit_code(), 0);
}

#[test]
fn its_health_is_seen_over_tls_and_unix_sockets_and_with_no_server() {
    if !docker::is_there() {
        return;
    }
    let (_place, tar, done) = Project::new().pack(&["--tag", &docker::name("image")]);
    done.expect_success();
    let image = Image::load(&tar);

    let none = image.run(&[], None).args(HEALTHY).run();
    assert_eq!(none.code, 1);
    let told = "The server does not answer: nothing listens in this container";
    assert_eq!(none.stderr.trim(), told);

    let healthy = |container: &Container| {
        let told = container.exec(&HEALTHY).expect_success().stdout;
        assert!(told.contains("answers with 200"), "{told}");
    };
    let keys = folder();
    let pair = Authority::new(keys.path()).issue("server", &["localhost"]);
    let volume = format!("{0}:{0}", keys.path().display());
    let files = ["--certfile", &pair.certificate, "--keyfile", &pair.key];
    let encrypted = image.start(&["-v", &volume, "-e", "PORT=0"], &files);
    encrypted.server.stderr.wait_for("Listening at: https:");
    healthy(&encrypted);

    let unix = ["--tmpfs", "/run:mode=1777"];
    let container = image.start(&unix, &["--bind", "unix:/run/a b.sock"]);
    container.server.stderr.wait_for("Listening at: unix:");
    healthy(&container);
}

#[test]
fn a_new_version_is_a_new_last_layer() {
    let project = Project::new();
    project.write("requirements.txt", "itsdangerous==2.2.0\n");
    let (_first, first, done) = project.pack(&[]);
    done.expect_success();
    let (_again, again, done) = project.pack(&[]);
    assert!(!done.expect_success().stderr.contains("Warning"));
    assert!(fs::read(&first).unwrap() == fs::read(again).unwrap());
    project.write("more.py", "x = 1\n");
    let about =
        "[project]\nname = 'Shop'\nversion = '2'\n[tool.rgunicorn]\nbind = 'localhost:80'\n";
    project.write("pyproject.toml", about);
    let (_second, second, done) = project.pack(&[]);
    let done = done.expect_success();
    let told = &done.stdout;
    assert!(told.contains("docker run -p 80:80 shop:2"), "{told}");
    let warned = &done.stderr;
    assert!(
        warned.contains("Warning: bind, as it is packed"),
        "{warned}"
    );
    let [before, after] = [first, second].map(|tar| layers(&tar));
    assert_eq!(before.len(), 3);
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2], after[2]);
}

#[test]
fn a_wrong_name_is_refused_and_leaves_nothing() {
    let (place, _, done) = Project::new().pack(&["--tag", "Shop:1"]);
    assert_eq!(done.code, 1);
    let told = done.stderr.lines().last().unwrap();
    assert!(
        told.contains("'Shop:1' cannot be an image's name"),
        "{told}"
    );
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn tools_for_images_take_it() {
    let (place, tar, done) = Project::new().pack(&["--tag", "shop:1"]);
    done.expect_success();
    let is_there = |tool: &str| {
        let found = std::process::Command::new(tool).arg("--version").output();
        let found = found.is_ok_and(|told| told.status.success());
        if !found {
            eprintln!("skipped: {tool} is not installed");
        }
        found
    };
    if !is_there("skopeo") {
        return;
    }
    let archive = format!("oci-archive:{}", tar.display());
    let told = Start::program("skopeo", ["inspect", &archive]).run();
    let told: Value = serde_json::from_str(&told.expect_success().stdout).unwrap();
    assert_eq!(told["Layers"].as_array().unwrap().len(), 2);
    assert_eq!(told["Labels"]["org.opencontainers.image.title"], "Shop");
    let layout = place.path().join("layout");
    let copy = format!("oci:{}:shop", layout.display());
    // skopeo reads all layers and compares their hashes.
    Start::program("skopeo", ["copy", &archive, &copy])
        .run()
        .expect_success();
    if !is_there("umoci") {
        return;
    }
    let image = format!("{}:shop", layout.display());
    Start::program(
        "umoci",
        ["unpack", "--rootless", "--image", &image, "bundle"],
    )
    .cwd(place.path())
    .run()
    .expect_success();
    let root = place.path().join("bundle/rootfs");
    assert_eq!(fs::read_to_string(root.join("site/app.py")).unwrap(), APP);
    assert!(root.join("site/rgunicorn.json").is_file());
}
