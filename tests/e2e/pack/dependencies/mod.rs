//! `rgunicorn pack`: the dependencies of a project.

mod kept;
mod locks;
mod refusals;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use zip::ZipArchive;

use crate::support::{Finished, Process, Start, folder, packages, program, site};

/// A project whose app reports its versions of the packages one, two and three; and a
/// folder with packages.
struct Project {
    dir: tempfile::TempDir,
}

const APP: &str = "def version(name):
    try:
        return __import__(name).VERSION
    except ImportError:
        return '-'
def app(environ, start_response):
    start_response('200 OK', [])
    return [' '.join(map(version, ['one', 'two', 'three'])).encode()]
";

impl Project {
    /// A project with this file besides the app.
    fn new(name: &str, text: &str) -> Self {
        let project = Self { dir: folder() };
        packages::wheel(&project.index(), "one", "1.0", &["Requires-Dist: two<3"]);
        packages::wheel(&project.index(), "one", "1.1", &["Requires-Dist: two<3"]);
        packages::wheel(&project.index(), "two", "2.0", &[]);
        packages::wheel(&project.index(), "two", "3.0", &[]);
        packages::wheel(&project.index(), "three", "3.0", &[]);
        fs::create_dir(project.path("site")).unwrap();
        project.write("app.py", APP).write(name, text)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn index(&self) -> PathBuf {
        self.path("index")
    }

    fn write(self, name: &str, text: &str) -> Self {
        let file = self.path("site").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self
    }

    /// The SHA-256 of a wheel in the folder with packages.
    fn hash(&self, name: &str, version: &str) -> String {
        let file = format!("{name}-{version}-py3-none-any.whl");
        let hash = digest(&SHA256, &fs::read(self.index().join(file)).unwrap());
        hash.as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Packs it as `site.zip`, with packages only from the folder.
    fn pack(&self, options: &[&str]) -> Start {
        self.pack_online(options)
            .args(["--no-index", "--find-links"])
            .args([self.index()])
    }

    fn pack_online(&self, options: &[&str]) -> Start {
        Start::new(["pack", "--output"])
            .args([self.path("site.zip")])
            .args([self.path("site")])
            .args(options)
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("PIP_FIND_LINKS", "")
    }

    fn versions(&self) -> String {
        let server = serve(&self.path("site.zip"));
        server.target().get("/").ok()
    }

    /// Packs it, and returns the answer of the app.
    #[track_caller]
    fn packed(&self, options: &[&str]) -> String {
        self.pack(options).run().expect_success();
        self.versions()
    }

    /// The error sentence, without the path of the log.
    #[track_caller]
    fn refused(&self, options: &[&str]) -> String {
        let sentence = error(&self.pack(options).run());
        assert!(!self.path("site.zip").exists());
        let (sentence, log) = sentence.split_once("; the whole log is in ").unwrap();
        assert!(Path::new(log).is_file(), "{log}");
        sentence.to_owned()
    }
}

#[track_caller]
fn error(done: &Finished) -> String {
    assert_eq!(done.code, 1, "{}\n{}", done.stdout, done.stderr);
    let (_, sentence) = done.stderr.split_once("\nError: ").unwrap();
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
    sentence.to_owned()
}

fn serve(zip: &Path) -> Process {
    Start::server(["--app-zip"]).args([zip]).spawn()
}

/// The files of a zip, in the order of its directory.
fn files(zip: &Path) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(fs::File::open(zip).unwrap()).unwrap();
    let count = zip.len();
    let read = |index| {
        let mut file = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (file.name().to_owned(), bytes)
    };
    (0..count).map(read).collect()
}

#[test]
fn requirements_are_resolved_as_pip_does() {
    let project = Project::new("requirements.txt", "-r more.txt\n").write("more.txt", "one\n");
    assert_eq!(project.packed(&[]), "1.1 2.0 -");
    // Options of pip are obeyed.
    let constraint = project.path("constraint.txt");
    fs::write(&constraint, "one<1.1\n").unwrap();
    let constraint = constraint.to_str().unwrap();
    assert_eq!(project.packed(&["-c", constraint]), "1.0 2.0 -");
    assert_eq!(project.packed(&["--no-dependencies"]), "- - -");
    let other = project.path("other.txt");
    fs::write(&other, "three\n").unwrap();
    assert_eq!(project.packed(&["-r", other.to_str().unwrap()]), "- - 3.0");
}

#[test]
fn without_a_file_that_names_any_there_are_none() {
    let project = Project::new("pyproject.toml", "[tool.black]\n");
    let done = project.pack(&[]).run().expect_success();
    assert!(done.stderr.contains("No dependencies: there is no "));
    assert_eq!(project.versions(), "- - -");
}

#[test]
fn the_projects_own_table_has_extras_and_groups() {
    let text = "[project]
name = 'shop'
version = '1'
dependencies = ['one<1.1', \"three; python_version < '3'\"]
[project.optional-dependencies]
Extra_Three = ['three']
all = ['shop[extra-three]']
[dependency-groups]
newer = ['two==2.0', {include-group = 'third'}]
third = ['three']
";
    let project = Project::new("pyproject.toml", text);
    assert_eq!(project.packed(&[]), "1.0 2.0 -");
    assert_eq!(project.packed(&["--extra", "all"]), "1.0 2.0 3.0");
    assert_eq!(project.packed(&["--group", "newer"]), "1.0 2.0 3.0");
    let sentence = error(&project.pack(&["--extra", "none"]).run());
    assert!(sentence.ends_with("has no extra 'none' (it has: all, extra-three)"));
    let sentence = error(&project.pack(&["--group", "none"]).run());
    assert!(sentence.ends_with("has no group 'none' (it has: newer, third)"));
}

/// As for people who work on the project.
#[test]
fn an_active_virtual_environment_is_left_alone() {
    let project = Project::new("requirements.txt", "one\n");
    let venv = site::small_venv(
        project.dir.path(),
        "pip.py",
        "raise SystemExit('not this one')",
    );
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}/bin:{path}", venv.display());
    project.pack(&[]).env("PATH", path).run().expect_success();
    assert_eq!(project.versions(), "1.1 2.0 -");
}

/// A private index on the loopback interface, and requirements that name it.
#[test]
fn a_private_index_is_asked() {
    let project = Project::new("requirements.txt", "one==1.0\n");
    let pages = project.path("pages");
    for name in ["one", "two"] {
        let folder = pages.join("simple").join(name);
        fs::create_dir_all(&folder).unwrap();
        let file = format!(
            "{name}-{}-py3-none-any.whl",
            if name == "one" { "1.0" } else { "2.0" }
        );
        fs::copy(project.index().join(&file), folder.join(&file)).unwrap();
        let page = format!("<!DOCTYPE html><a href='{file}'>{file}</a>");
        fs::write(folder.join("index.html"), page).unwrap();
    }
    let server = site::python(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"])
        .cwd(&pages)
        .spawn();
    let line = server.stdout.wait_for("http://");
    let (_, url) = line.split_once("http://").unwrap();
    let (url, _) = url.split_once('/').unwrap();
    let url = format!("http://{url}/simple");
    let done = project.pack_online(&["--index-url", &url]).run();
    done.expect_success();
    assert_eq!(project.versions(), "1.0 2.0 -");

    fs::remove_dir_all(project.path("cache")).unwrap();
    let done = project.pack_online(&[]).env("PIP_INDEX_URL", &url).run();
    done.expect_success();
    assert_eq!(project.versions(), "1.0 2.0 -");
}

/// Many tools write this. An editable package is installed, not linked.
#[test]
fn the_project_among_its_requirements_stands_for_what_it_needs() {
    let text = "[project]
name = 'shop'
version = '1'
dependencies = ['one<1.1']
optional-dependencies = {docs = ['three']}
";
    let project =
        Project::new("pyproject.toml", text).write("requirements.txt", "-e .[docs]\n-e ./four\n");
    fs::create_dir(project.path("site/four")).unwrap();
    packages::project(&project.path("site/four"), "four", "4.0");
    assert_eq!(project.packed(&["--exclude", "/four"]), "1.0 2.0 3.0");
    let names = files(&project.path("site.zip"))
        .into_iter()
        .map(|(name, _)| name);
    let of_four: Vec<_> = names.filter(|name| name.contains("four.")).collect();
    assert!(
        of_four.contains(&"site-packages/four.py".to_owned()),
        "{of_four:?}"
    );

    fs::remove_file(project.path("site/pyproject.toml")).unwrap();
    let sentence = error(&project.pack(&[]).run());
    assert!(sentence.contains("names the project itself"), "{sentence}");
}

/// By users with other folders, file masks and caches.
#[test]
fn the_same_requirements_give_the_same_bytes() {
    let packs = ["077", "002"].map(|mask| {
        let project = Project::new("requirements.txt", "one\nthree\n./four\n");
        fs::create_dir(project.path("site/four")).unwrap();
        packages::project(&project.path("site/four"), "four", "4.0");
        let commands = [
            ("three.py", "VERSION = '3.0'\ndef main(): pass\n"),
            (
                "three-3.0.dist-info/entry_points.txt",
                "[console_scripts]\nthree = three:main\n",
            ),
            ("three-3.0.data/data/share/three.txt", "data"),
        ];
        packages::wheel_with(&project.index(), "three", "3.0", &[], &commands);
        Start::program("sh", ["-c", "umask $1; shift; exec \"$@\"", "sh", mask])
            .args([program()])
            .args(["pack", "--exclude", "/four", "--output"])
            .args([project.path("site.zip"), project.path("site")])
            .args(["--no-index", "--find-links"])
            .args([project.index()])
            .env("XDG_CACHE_HOME", project.path("cache"))
            .run()
            .expect_success();
        files(&project.path("site.zip"))
    });
    let names: Vec<_> = packs[0].iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"site-packages/share/three.txt"));
    assert!(names.contains(&"site-packages/four.py"));
    let of_this_machine = ["/bin/", "direct_url.json", "REQUESTED"];
    assert!(
        !names
            .iter()
            .any(|name| of_this_machine.iter().any(|it| name.contains(it)))
    );
    assert!(packs[0] == packs[1]);
}

#[test]
fn tests_and_stubs_of_dependencies_are_left_out_when_asked() {
    let project = Project::new("requirements.txt", "five\n");
    let files = [
        ("five/__init__.py", "VERSION = '5.0'\n"),
        ("five/__init__.pyi", "VERSION: str\n"),
        ("five/py.typed", ""),
        ("five/tests/test_five.py", "def test(): pass\n"),
    ];
    packages::wheel_with(&project.index(), "five", "5.0", &[], &files);
    let done = project.pack(&["--strip"]).run().expect_success();
    assert!(
        done.stderr.contains("of tests and type stubs"),
        "{}",
        done.stderr
    );
    let left = self::files(&project.path("site.zip"));
    let left: Vec<_> = left.iter().map(|(name, _)| name.as_str()).collect();
    assert!(left.contains(&"site-packages/five/py.typed"));
    assert!(
        !left
            .iter()
            .any(|name| name.contains("test_five") || name.ends_with(".pyi"))
    );
}
