//! Real sites. Each is packed from its project's folder by one command, and served in
//! an empty file system.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::asgi_apps::use_fastapi;
use crate::flask_and_django::{prepare, use_django, use_flask};
use crate::support::docker::{self, Image};
use crate::support::{Process, Root, Start, app, folder, site};
use crate::wheels::{EXERCISE, expect_all};

/// A site in each form.
struct Packed {
    _dir: TempDir,
    executable: PathBuf,
    zip: PathBuf,
    /// If there is an engine, it has the image.
    image: Option<Image>,
}

/// Makes a container take a free port.
const FREE_PORT: [&str; 2] = ["-e", "PORT=0"];

/// Packs a copy of one of the sites in `tests/apps`, with these changes of its text.
fn pack(name: &str, changes: &[(&str, &str)]) -> Packed {
    let dir = folder();
    let project = dir.path().join("project");
    copy(&app(name), &project);
    for (file, more) in changes {
        let path = project.join(file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, text + more).unwrap();
    }
    let write = |option, file: &str, tag: &[&str]| {
        let file = dir.path().join(file);
        Start::new(["pack", option])
            .args([&file])
            .args(tag)
            .cwd(&project)
            .run_slowly()
            .expect_success();
        file
    };
    let image = docker::is_there().then(|| {
        let tag = ["--tag", &docker::name("site")];
        Image::load(&write("--image", "site.tar", &tag))
    });
    Packed {
        executable: write("-o", "site", &[]),
        zip: write("-o", "site.zip", &[]),
        image,
        _dir: dir,
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// A root for each form with nothing else in it, and the arguments that serve the form.
fn roots(packed: &Packed) -> Option<[(Root, Vec<&'static str>); 2]> {
    let executable = Root::empty()?.program(&packed.executable);
    let zip = Root::empty()?.put(&packed.zip, "/site.zip");
    Some([(executable, vec![]), (zip, vec!["--app-zip", "/site.zip"])])
}

fn serve_everywhere(packed: &Packed, use_it: impl Fn(&Process)) {
    if let Some(image) = &packed.image {
        use_it(&image.start(&FREE_PORT, &[]).server);
    }
    let Some(roots) = roots(packed) else { return };
    for (root, words) in roots {
        let root = root.with_tmp();
        // The user has no HOME there.
        let server = root.server(&words).args(["--env", "HOME=/tmp"]).spawn();
        use_it(&server);
    }
}

#[test]
fn flask() {
    serve_everywhere(&pack("flask_site", &[]), |server| {
        use_flask(server.target());
    });
}

#[test]
fn fastapi() {
    serve_everywhere(&pack("fastapi_site", &[]), use_fastapi);
}

#[test]
fn django_with_its_static_files_and_its_commands() {
    // Collected static files are served from this folder.
    let settings = "\nSTATIC_ROOT = Path(__file__).parent.parent / 'gathered'\n\
                    WHITENOISE_USE_FINDERS = False\n";
    let packed = pack("django_site", &[("mysite/settings.py", settings)]);
    let code = "import sys, zipfile
names = zipfile.ZipFile(sys.argv[1]).namelist()
print([name in names for name in (
    'gathered/guestbook/style.css', 'gathered/admin/css/base.css', 'manage.py',
    'guestbook/__pycache__/models.cpython-313.pyc',
    'site-packages/django/db/models/__pycache__/base.cpython-313.pyc')])";
    for file in [&packed.executable, &packed.zip] {
        let done = site::python(["-c", code])
            .args([file])
            .run()
            .expect_success();
        assert_eq!(done.stdout, "[True, True, True, True, True]");
    }
    if let Some(image) = &packed.image {
        let data = folder();
        chown(data.path(), Some(docker::USER), Some(docker::USER)).unwrap();
        let volume = format!("{}:/data", data.path().display());
        let variables = [
            "SITE_DATABASE=/data/guestbook.sqlite3",
            "DJANGO_SUPERUSER_PASSWORD=correct horse",
        ];
        let options = [["-v", &volume], FREE_PORT];
        let variables = variables.map(|variable| ["-e", variable]);
        let options = [options.as_flattened(), variables.as_flattened()].concat();
        let manage = |args: &[&str]| {
            let image = image.run(&options, None);
            image.args(["python", "manage.py"]).args(args)
        };
        prepare(manage, data.path());
        use_django(image.start(&options, &[]).server.target());
    }
    let Some(roots) = roots(&packed) else { return };
    for (root, words) in roots {
        let data = folder();
        let root = root.with_tmp().with(data.path(), "/data").read_only();
        let variables = [
            "SITE_DATABASE=/data/guestbook.sqlite3",
            "HOME=/tmp",
            "DJANGO_SUPERUSER_PASSWORD=correct horse",
        ];
        let options: Vec<_> = variables.iter().flat_map(|it| ["--env", it]).collect();
        let options = [options, words].concat();
        let manage = |args: &[&str]| {
            root.start(&options)
                .args(["python", "manage.py"])
                .args(args)
        };
        prepare(manage, data.path());
        let server = root.server(&options).spawn();
        use_django(server.target());
    }
}

#[test]
fn wheels_with_native_code() {
    let packed = pack("wheels", &[("app.py", "application = None\n")]);
    if let Some(image) = &packed.image {
        let done = image.run(&[], None).args(["python", "-c", EXERCISE]);
        expect_all(done.run_slowly(), &["grpc"], "/site/site-packages/");
    }
    let Some(roots) = roots(&packed) else { return };
    for (root, words) in roots {
        // Nothing can be written, or what can be written cannot be executed.
        let root = root.with_tmp().read_only();
        let done = root
            .start(&words)
            .args(["python", "-c", EXERCISE])
            .run_slowly();
        expect_all(done, &[], "/tmp/");
    }
}
