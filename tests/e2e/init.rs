//! `rgunicorn init`: new projects that run without changes.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::docker::{self, Image, docker};
use crate::support::{Finished, Start, Target, folder, program, site};

/// A project in a folder whose name most tools do not accept as a name.
struct Project {
    _place: TempDir,
    folder: PathBuf,
}

impl Project {
    fn new(kind: &str) -> Self {
        let place = folder();
        let folder = place.path().join("my-shop 2");
        init(place.path(), &[kind, "my-shop 2"]).expect_success();
        let project = Self {
            _place: place,
            folder,
        };
        let requirements = project.folder.join("requirements.txt");
        if requirements.exists() {
            let venv = site::venv_with(&requirements);
            std::os::unix::fs::symlink(venv, project.folder.join(".venv")).unwrap();
        }
        project
    }

    fn start(&self, args: &[&str]) -> Start {
        Start::new(args).cwd(&self.folder)
    }

    /// Runs its tests, then serves it without further arguments.
    #[track_caller]
    fn is_well(&self, tests: &[&str]) {
        let tested = self.start(&["python"]).args(tests).run();
        let told = tested.expect_success().stderr;
        assert!(told.ends_with("\nOK"), "{told}");
        let server = self.start(&[]).env("PORT", "0").spawn();
        let target = server.target();
        assert!(get(&target, "/").contains(GREETING));
        assert_eq!(get(&target, "/health"), "ok\n");
    }
}

fn init(place: &Path, args: &[&str]) -> Finished {
    Start::new(["init"]).args(args).cwd(place).run()
}

/// Django answers only to its own host names.
fn get(target: &Target, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    target.exchange(request).ok()
}

const GREETING: &str = "Hello from my-shop-2!";

#[test]
fn wsgi() {
    Project::new("wsgi").is_well(&["-m", "unittest"]);
}

#[test]
fn flask() {
    Project::new("flask").is_well(&["-m", "unittest"]);
}

#[test]
fn fastapi() {
    Project::new("fastapi").is_well(&["-m", "unittest"]);
}

#[test]
fn django() {
    Project::new("django").is_well(&["manage.py", "test"]);
}

#[test]
fn what_was_made_and_what_comes_next_is_told() {
    let place = folder();
    let told = init(place.path(), &["flask", "shop"])
        .expect_success()
        .stdout;
    assert!(told.contains("\n  deploy/shop.service\n"), "{told}");
    let end = "\n  cd shop && rgunicorn python -m venv .venv && .venv/bin/pip install -r \
               requirements.txt\n  rgunicorn";
    assert!(told.ends_with(end), "{told}");
    let here = place.path().join("here");
    fs::create_dir(&here).unwrap();
    let told = init(&here, &[]).expect_success().stdout;
    assert!(told.ends_with("Next:\n  rgunicorn"), "{told}");
    assert!(here.join("deploy/here.service").is_file());
}

#[test]
fn nothing_is_overwritten() {
    let place = folder();
    fs::write(place.path().join("app.py"), "mine").unwrap();
    let refused = init(place.path(), &["wsgi", "."]);
    assert_eq!(refused.code, 1);
    let told = refused.stderr.lines().last().unwrap();
    assert!(told.contains("app.py' is there already"), "{told}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn its_files_are_what_their_tools_expect() {
    let project = Project::new("django");
    let deploy = project.folder.join("deploy");

    let parser = folder();
    fs::write(
        parser.path().join("requirements.txt"),
        "kubernetes-validate\n",
    )
    .unwrap();
    let venv = site::venv_with(&parser.path().join("requirements.txt"));
    let code = "import sys, tomllib, yaml
tomllib.load(open('pyproject.toml', 'rb'))
for path in sys.argv[1:]:
    for part in yaml.safe_load_all(open(path)):
        print(part.get('kind', 'Stack'))";
    let files = ["deploy/kubernetes.yaml", "deploy/stack.yaml"];
    let told = Start::program(venv.join("bin/python"), ["-c", code])
        .args(files)
        .cwd(&project.folder)
        .run()
        .expect_success()
        .stdout;
    assert_eq!(told, "Deployment\nService\nHorizontalPodAutoscaler\nStack");
    let strict = ["--strict", "deploy/kubernetes.yaml"];
    Start::program(venv.join("bin/kubernetes-validate"), strict)
        .cwd(&project.folder)
        .run()
        .expect_success();

    let units = folder();
    for unit in ["my-shop-2.service", "my-shop-2.socket"] {
        let text = fs::read_to_string(deploy.join(unit)).unwrap();
        let program = program().display().to_string();
        let text = text.replace("/usr/local/bin/my-shop-2", &program);
        fs::write(units.path().join(unit), text).unwrap();
    }
    if std::process::Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    }
    Start::program("systemd-analyze", ["verify"])
        .args(["my-shop-2.service", "my-shop-2.socket"].map(|unit| units.path().join(unit)))
        .run()
        .expect_success();
}

#[test]
fn docker_builds_its_image() {
    if !docker::is_there() {
        return;
    }
    let project = Project::new("wsgi");
    project.start(&["pack"]).run().expect_success();
    let name = docker::name("built");
    docker(["build", "-t", &name, "."])
        .cwd(&project.folder)
        .run_slowly()
        .expect_success();
    let image = Image { name };
    let quick = ["--health-interval", "1s", "-e", "PORT=0"];
    let container = image.start(&quick, &[]);
    let answer = container.server.target().get("/");
    assert_eq!(answer.ok(), "Hello from my-shop-2!\n");
    // The number in its pyproject.toml.
    container.server.workers(2);
    container.wait_until_it_is("healthy");
}
