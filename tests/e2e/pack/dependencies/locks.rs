//! Lock files of other tools, and pylock.toml.

use std::fs;
use std::path::Path;

use super::{Project, error};
use crate::support::{Start, packages};

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
    // Together with packages that have hashes; a commit has none.
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
    // A commit never changes.
    fs::remove_dir_all(repository).unwrap();
    assert_eq!(project.packed(&[]), "1.0 - 7.0");
}
