//! `rgunicorn pack`: the dependencies of a project.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::support::{Finished, Process, Start, folder, packages, program, site};

/// A project whose app tells which versions it has of the packages one, two and
/// three; and a folder with packages.
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
    /// With this file besides the app.
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
        let hash = Sha256::digest(fs::read(self.index().join(file)).unwrap());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Packs it as `site.zip`, with nothing but the folder of packages.
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

    /// Packs it, and asks the app.
    #[track_caller]
    fn packed(&self, options: &[&str]) -> String {
        self.pack(options).run().expect_success();
        self.versions()
    }

    /// The sentence by which it is refused, without the log's path.
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

/// The files of a zip, in its order.
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
    // Each word of pip's own counts.
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

/// An index may have a stranger's package of that name.
#[test]
fn places_that_only_a_tool_knows_are_not_passed_over() {
    for table in ["uv.sources", "poetry.dependencies"] {
        let text = format!(
            "[project]
name = 'shop'
version = '1'
dependencies = ['one', 'two']
[tool.{table}]
Two = {{path = '../two'}}
"
        );
        let sentence = error(&Project::new("pyproject.toml", &text).pack(&[]).run());
        let place = format!(
            "only {} knows ([tool.{table}])",
            &table[..table.find('.').unwrap()]
        );
        assert!(sentence.contains(&place), "{sentence}");
    }
}

#[test]
fn a_pylock_is_installed_as_it_stands() {
    let project = Project::new("requirements.txt", "one\n");
    let (one, three) = (project.hash("one", "1.0"), project.hash("three", "3.0"));
    let lock = format!(
        "lock-version = '1.0'
created-by = 'test'
extras = ['third']
[[packages]]
name = 'one'
version = '1.0'
wheels = [{{url = 'https://example.org/one-1.0-py3-none-any.whl', hashes = {{sha256 = '{one}'}}}}]
[[packages]]
name = 'three'
version = '3.0'
marker = \"'third' in extras\"
wheels = [{{path = '../index/three-3.0-py3-none-any.whl', hashes = {{sha256 = '{three}'}}}}]
[[packages]]
name = 'two'
version = '3.0'
marker = \"sys_platform == 'win32'\"
"
    );
    let project = project.write("pylock.toml", &lock);
    assert_eq!(project.packed(&[]), "1.0 - -");
    assert_eq!(project.packed(&["--extra", "third"]), "1.0 - 3.0");
    let named = project.path("site/pylock.other.toml");
    fs::rename(project.path("site/pylock.toml"), &named).unwrap();
    assert_eq!(project.packed(&["-r", named.to_str().unwrap()]), "1.0 - -");
}

#[test]
fn a_lock_of_uv_is_walked_from_the_project() {
    let project = Project::new("requirements.txt", "one\n");
    let wheel = |name: &str, version: &str| {
        let hash = project.hash(name, version);
        format!(
            "version = '{version}'
source = {{ registry = 'https://pypi.org/simple' }}
wheels = [{{ url = 'https://example.org/{name}-{version}-py3-none-any.whl', hash = 'sha256:{hash}' }}]"
        )
    };
    let (one, two, newer) = (
        wheel("one", "1.0"),
        wheel("two", "2.0"),
        wheel("two", "3.0"),
    );
    let three = wheel("three", "3.0");
    let lock = format!(
        "version = 1
requires-python = '>=3.12'
[[package]]
name = 'one'
{one}
dependencies = [
    {{ name = 'two', version = '2.0', source = {{ registry = 'https://pypi.org/simple' }}, marker = \"sys_platform == 'linux'\" }},
    {{ name = 'two', version = '3.0', source = {{ registry = 'https://pypi.org/simple' }}, marker = \"sys_platform != 'linux'\" }},
]
[[package]]
name = 'shop'
version = '0.1'
source = {{ virtual = '.' }}
dependencies = [{{ name = 'one' }}]
[package.optional-dependencies]
third = [{{ name = 'three' }}]
[package.dev-dependencies]
dev = [{{ name = 'three' }}]
[[package]]
name = 'three'
{three}
[[package]]
name = 'two'
{two}
[[package]]
name = 'two'
{newer}
"
    );
    let project = project.write("uv.lock", &lock);
    assert_eq!(project.packed(&[]), "1.0 2.0 -");
    assert_eq!(project.packed(&["--extra", "third"]), "1.0 2.0 3.0");
    assert_eq!(project.packed(&["--group", "dev"]), "1.0 2.0 3.0");
    let sentence = error(&project.pack(&["--extra", "none"]).run());
    assert!(sentence.ends_with("has no extra 'none' (it has: third)"));
}

#[test]
fn a_lock_of_pipenv_has_a_table_for_development() {
    let project = Project::new("readme", "");
    let (one, three) = (project.hash("one", "1.0"), project.hash("three", "3.0"));
    let lock = format!(
        r#"{{
"_meta": {{"sources": [{{"name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": true}}],
           "requires": {{"python_version": "3.13"}}}},
"default": {{"one": {{"hashes": ["sha256:{one}"], "version": "==1.0"}},
             "two": {{"hashes": ["sha256:00"], "version": "==2.0", "markers": "python_version < '3'"}}}},
"develop": {{"three": {{"hashes": ["sha256:{three}"], "version": "==3.0"}}}}
}}"#
    );
    let project = project.write("Pipfile.lock", &lock);
    assert_eq!(project.packed(&[]), "1.0 - -");
    assert_eq!(project.packed(&["--group", "develop"]), "1.0 - 3.0");
    let older = lock.replace("3.13", "3.12");
    let project = project.write("Pipfile.lock", &older);
    let sentence = error(&project.pack(&[]).run());
    assert!(sentence.contains("is for Python ==3.12.*, and this is 3.13"));
}

#[test]
fn a_lock_of_poetry_has_groups_and_extras() {
    let project = Project::new("readme", "");
    let package = |name: &str, version: &str, more: &str| {
        let hash = project.hash(name, version);
        let file = format!("{name}-{version}-py3-none-any.whl");
        format!(
            "[[package]]
name = '{name}'
version = '{version}'
files = [{{file = '{file}', hash = 'sha256:{hash}'}}]
{more}
"
        )
    };
    let one = package("one", "1.0", "optional = false\ngroups = ['main', 'dev']");
    let extra = "optional = true\ngroups = ['main']\nmarkers = \"extra == 'second'\"";
    let two = package("two", "2.0", extra);
    let three = package("three", "3.0", "optional = false\ngroups = ['dev']");
    let end = "[extras]
second = ['two']
[metadata]
lock-version = '2.1'
python-versions = '>=3.10'
content-hash = '00'
";
    let project = project.write("poetry.lock", &format!("{one}{three}{two}{end}"));
    assert_eq!(project.packed(&[]), "1.0 - -");
    assert_eq!(project.packed(&["--extra", "second"]), "1.0 2.0 -");
    assert_eq!(project.packed(&["--group", "dev"]), "1.0 - 3.0");
}

#[test]
fn refusals_are_one_sentence_with_the_log() {
    let project = Project::new("requirements.txt", "four\n");
    let sentence = project.refused(&[]);
    assert!(
        sentence.starts_with("There is no package four "),
        "{sentence}"
    );

    let project = project.write("requirements.txt", "one==7\n");
    let wanted = "There is no version one==7, but 1.0, 1.1: demand one that is there";
    assert_eq!(project.refused(&[]), wanted);

    let project = project.write("requirements.txt", "one\ntwo==3.0\n");
    let sentence = project.refused(&[]);
    assert!(sentence.contains("one 1.1 depends on two<3"), "{sentence}");

    let hash = project.hash("one", "1.1");
    let project = project.write(
        "requirements.txt",
        &format!("three==3.0 --hash=sha256:{hash}\n"),
    );
    let sentence = project.refused(&[]);
    let start = "The file that was found for three==3.0 is not the one whose hash is locked";
    assert!(sentence.starts_with(start), "{sentence}");

    let project = project.write(
        "requirements.txt",
        &format!("one==1.1 --hash=sha256:{hash}\n"),
    );
    let sentence = project.refused(&[]);
    let start = "Some dependencies have hashes and two has none: ";
    assert!(sentence.starts_with(start), "{sentence}");
}

#[test]
fn where_no_index_answers_it_is_said_so() {
    let project = Project::new("requirements.txt", "one\n");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let url = format!("http://{address}/simple");
    let done = project
        .pack_online(&["--index-url", &url])
        .env("PIP_RETRIES", "0")
        .run();
    let sentence = error(&done);
    let start = "The index of packages cannot be reached, so there is no one: ";
    assert!(sentence.starts_with(start), "{sentence}");
}

#[test]
fn without_a_compiler_what_needs_one_is_named() {
    let project = Project::new("requirements.txt", "./native\n");
    let text = "[build-system]\nrequires = []\nbuild-backend = 'builder'\nbackend-path = ['.']\n";
    let builder = "import subprocess
def build_wheel(folder, settings=None, metadata=None):
    subprocess.run(['cc', 'native.c'], check=True)
";
    let project = project
        .write("native/pyproject.toml", text)
        .write("native/builder.py", builder);
    let empty = project.path("empty");
    let done = project.pack(&[]).env("PATH", &empty).env("CC", "").run();
    let sentence = error(&done);
    assert!(
        sentence.contains("for which there is no compiler: install gcc"),
        "{sentence}"
    );
}

#[test]
fn a_full_disk_is_named_and_nothing_half_made_is_left() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can make a small disk");
        return;
    }
    let project = Project::new("requirements.txt", "five\n");
    let large = "#".repeat(32 << 20);
    packages::wheel_with(&project.index(), "five", "5.0", &[], &[("five.py", &large)]);
    let cache = project.path("cache");
    fs::create_dir(&cache).unwrap();
    // Room for pip itself.
    let script = "mount -t tmpfs -o size=24m none \"$0\" || exit 99
\"$@\"; code=$?; find \"$0\"/rgunicorn/packs -name '*installed*'; exit $code";
    let done = Start::program("unshare", ["-m", "sh", "-c", script])
        .args([&cache])
        .args([program()])
        .args(["pack", "--no-index", "--find-links"])
        .args([project.index(), project.path("site")])
        .args(["--output".as_ref(), project.path("site.zip").as_os_str()])
        .env("XDG_CACHE_HOME", &cache)
        .env("PIP_FIND_LINKS", "")
        .run();
    if done.code == 99 {
        eprintln!("skipped: this root may not mount anything");
        return;
    }
    let sentence = error(&done);
    assert!(sentence.starts_with("The disk is full, "), "{sentence}");
    assert_eq!(done.stdout, "");
    assert!(!project.path("site.zip").exists());
}

/// As people have it who work on the project.
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

/// One installs them, and the other waits for it.
#[test]
fn two_packs_at_once_do_not_disturb_each_other() {
    let project = Project::new("requirements.txt", "./four\none\n");
    fs::create_dir(project.path("site/four")).unwrap();
    packages::project(&project.path("site/four"), "four", "4.0");
    let start = |zip: &str| {
        let options = ["--exclude", "/four"];
        let pack = project.pack(&options).args(["--no-collectstatic"]);
        // The last one counts.
        pack.args(["--output".as_ref(), project.path(zip).as_os_str()])
            .spawn()
    };
    let mut packs = ["a.zip", "b.zip"].map(start);
    for pack in &mut packs {
        assert_eq!(pack.exit_code(), 0, "{}", pack.stderr.whole());
    }
    let [a, b] = ["a.zip", "b.zip"].map(|zip| files(&project.path(zip)));
    assert!(a == b && a.iter().any(|(name, _)| name == "site-packages/four.py"));
}

#[test]
fn lock_files_stand_alone_and_are_not_passed_over() {
    let project = Project::new("Pipfile", "[packages]\none = '*'\n");
    let sentence = error(&project.pack(&[]).run());
    assert_eq!(
        sentence,
        "There is a Pipfile and no Pipfile.lock: run `pipenv lock`"
    );
    let project = project
        .write("uv.lock", "")
        .write("requirements.txt", "one\n");
    let [lock, plain] = ["site/uv.lock", "site/requirements.txt"].map(|it| project.path(it));
    let files = ["-r", lock.to_str().unwrap(), "-r", plain.to_str().unwrap()];
    let sentence = error(&project.pack(&files).run());
    assert!(
        sentence.contains("leave out the other files of -r"),
        "{sentence}"
    );
    let sentence = error(
        &project
            .pack(&["-r", plain.to_str().unwrap(), "--extra", "x"])
            .run(),
    );
    assert!(
        sentence.starts_with("requirements.txt has no extras; "),
        "{sentence}"
    );
    let sentence = error(&project.pack(&[]).run());
    assert!(
        sentence.contains("uv.lock is not what its name says"),
        "{sentence}"
    );
    let sentence = error(&project.pack(&["-r", "/nowhere.txt"]).run());
    assert!(sentence.starts_with("The requirements file '/nowhere.txt' cannot be read"));
}

#[test]
fn lines_of_requirements_cannot_be_smuggled_into_lock_files() {
    let pylock = |name: &str, version: &str| {
        format!(
            "lock-version = '1.0'\ncreated-by = 'test'\n[[packages]]\nname = \"{name}\"\n\
             version = \"{version}\"\nwheels = [{{url = 'https://example.org/one.whl', \
             hashes = {{sha256 = '00'}}}}]\n"
        )
    };
    let pipfile = r#"{"_meta": {"sources": [{"name": "a", "url": "http://a\n-r b.txt"}]},
        "default": {"one": {"version": "==1.0", "hashes": ["sha256:00"]}}}"#;
    for (name, text) in [
        ("pylock.toml", &*pylock("one", r"1.0\n--index-url http://a")),
        ("pylock.toml", &pylock(r"two\rone", "1.0")),
        ("pylock.toml", &pylock("one", r"1.0\u2028three")),
        ("Pipfile.lock", pipfile),
    ] {
        let project = Project::new(name, text);
        let sentence = error(&project.pack(&[]).run());
        assert!(
            sentence.contains(&format!("{name} has a control character in ")),
            "{sentence}"
        );
        assert!(!project.path("site.zip").exists());
    }
}

#[test]
fn pipes_and_devices_are_no_requirements() {
    let project = Project::new("more.txt", "-r pipe.txt\n")
        .write("bounds.txt", "-c pipe.txt\n")
        .write("requirements.txt", "one\n");
    for name in ["pipe.txt", "uv.lock"] {
        nix::unistd::mkfifo(
            &project.path("site").join(name),
            nix::sys::stat::Mode::S_IRWXU,
        )
        .unwrap();
    }
    let refused = |start: Start| {
        let sentence = error(&start.run());
        assert!(
            sentence.contains("is not a file; write it to one"),
            "{sentence}"
        );
    };
    for name in ["more.txt", "bounds.txt", "pipe.txt", "uv.lock"] {
        let file = project.path("site").join(name);
        refused(project.pack(&["-r", file.to_str().unwrap()]));
    }
    refused(project.pack(&["-r", "/dev/zero"]));
    let pipe = project.path("site/pipe.txt");
    refused(project.pack(&["--constraint", pipe.to_str().unwrap()]));
}

/// A private index on the loopback, and requirements that name it.
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

/// The folder with packages is empty when they are wanted again.
#[test]
fn what_is_pinned_by_hashes_is_kept_for_ever() {
    let project = Project::new("requirements.txt", "three");
    let pin = format!("three==3.0 --hash=sha256:{}", project.hash("three", "3.0"));
    let project = project.write("requirements.txt", &pin);
    assert_eq!(project.packed(&[]), "- - 3.0");
    fs::remove_dir_all(project.index()).unwrap();
    fs::create_dir(project.index()).unwrap();
    assert_eq!(project.packed(&[]), "- - 3.0");
    // What has been cleaned away is installed anew.
    let cache = project.path("cache/rgunicorn/packs");
    let kept = fs::read_dir(cache).unwrap().next().unwrap().unwrap();
    fs::remove_file(kept.path().join("installed/site-packages/three.py")).unwrap();
    fs::remove_file(project.path("site.zip")).unwrap();
    project.refused(&[]);
}

#[test]
fn what_is_not_pinned_follows_the_folder_with_packages() {
    let project = Project::new("requirements.txt", "one");
    assert_eq!(project.packed(&[]), "1.1 2.0 -");
    packages::wheel(&project.index(), "two", "2.1", &[]);
    assert_eq!(project.packed(&[]), "1.1 2.1 -");
}

#[test]
fn a_library_in_a_folder_is_installed_each_time() {
    let project = Project::new("requirements.txt", "./three\n");
    fs::create_dir(project.path("site/three")).unwrap();
    packages::project(&project.path("site/three"), "three", "7.0");
    let options = ["--exclude", "/three"];
    assert_eq!(project.packed(&options), "- - 7.0");
    packages::wheel(
        &project.path("site/three/built"),
        "three",
        "7.0",
        &["Summary: new"],
    );
    let file = "three.py";
    let changed = [(file, "VERSION = '7.0 changed'\n")];
    let built = project.path("site/three/built");
    packages::wheel_with(&built, "three", "7.0", &[], &changed);
    assert_eq!(project.packed(&options), "- - 7.0 changed");
}

/// As many tools write it. What would be a link to a folder is installed.
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

#[test]
fn a_locked_commit_is_installed() {
    let git = |folder: &Path, words: &[&str]| {
        let as_somebody = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
        let start = Start::program("git", as_somebody).args(words).cwd(folder);
        start.run().expect_success().stdout
    };
    if std::process::Command::new("git")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("skipped: there is no git");
        return;
    }
    let project = Project::new("readme", "");
    let repository = project.path("repository");
    fs::create_dir(&repository).unwrap();
    packages::project(&repository, "three", "7.0");
    git(&repository, &["init", "--quiet"]);
    git(&repository, &["add", "--all", "--force"]);
    git(&repository, &["commit", "--quiet", "--message", "one"]);
    let commit = git(&repository, &["rev-parse", "HEAD"]);
    // Among packages that have hashes, which a commit has not.
    let hash = project.hash("one", "1.0");
    let lock = format!(
        "lock-version = '1.0'
created-by = 'test'
[[packages]]
name = 'one'
version = '1.0'
sdist = {{url = 'https://example.org/one-1.0.tar.gz', hashes = {{sha256 = '{hash}'}}}}
[[packages]]
name = 'three'
vcs = {{type = 'git', path = '../repository', commit-id = '{commit}'}}
"
    );
    let project = project.write("pylock.toml", &lock);
    assert_eq!(project.packed(&[]), "1.0 - 7.0");
    // It is the same for ever.
    fs::remove_dir_all(repository).unwrap();
    assert_eq!(project.packed(&[]), "1.0 - 7.0");
}

/// By users with other folders, masks and caches.
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
