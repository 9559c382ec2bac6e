//! What packages know about themselves when their zip cannot be unpacked and is
//! imported in memory: the same as on a disk.

use std::path::Path;
use std::thread;

use nix::sys::signal::Signal;

use crate::support::{Root, app, folder, site};

/// A root with the zip, once where it can be unpacked and once where it cannot.
fn both(zip: &Path) -> Option<[Root; 2]> {
    let root = || Root::empty().map(|root| root.put(zip, "/site.zip"));
    Some([root()?.with_tmp().read_only(), root()?.read_only()])
}

#[test]
fn packages_find_one_another() {
    let Some(roots) = both(&site::zip("plugins")) else {
        return;
    };
    for root in roots {
        let look = ["--app-zip", "/site.zip", "python", "-c", "import look"];
        let told = root.start(look).run().expect_success();
        assert_eq!(told.stdout, "all found");
    }
}

#[test]
fn pytest_finds_its_plugins_and_flask_its_commands() {
    let Some(roots) = both(&site::zip("plugins")) else {
        return;
    };
    for root in roots {
        let root = root
            .with("/dev/null".as_ref(), "/dev/null")
            .with(&app("plugins"), "/tests");
        let run = |words: &[&str]| {
            let zip = ["--app-zip", "/site.zip", "python", "-m"];
            root.start(zip).args(words).run().expect_success().stdout
        };
        let test = "/tests/test_plugin.py";
        // There is no folder for the output that pytest captures.
        let told = run(&["pytest", "-p", "no:cacheprovider", "-s", test]);
        assert!(told.contains("plugins: anyio-4.16.0"), "{told}");
        assert!(told.contains("1 passed"), "{told}");
        let told = run(&["flask", "--version"]);
        assert!(told.contains("Flask 3.1.3\nWerkzeug 3.1.9"), "{told}");
    }
}

/// Reads what the master found.
const READER: &str = "
import importlib.resources
import words, space.part
found = [importlib.resources.files(words), importlib.resources.files(space.part)]

def app(environ, start_response):
    wrong = 0
    for number in list(range(40)) * 20:
        for folder in found:
            text = (folder / f'{number}.txt').read_text()
            wrong += text != f'{number} ' * 20000
    start_response('200 OK', [])
    return [b'%d wrong' % wrong]
";

#[test]
fn workers_read_one_zip_at_the_same_time() {
    let dir = folder();
    let texts: Vec<(String, String)> = ["words", "space/part"]
        .iter()
        .flat_map(|folder| (0..40).map(move |number| (folder, number)))
        .map(|(folder, number)| {
            let name = format!("{folder}/{number}.txt");
            (name, format!("{number} ").repeat(20000))
        })
        .collect();
    let mut files = vec![("app.py", READER), ("words/__init__.py", "")];
    files.extend(texts.iter().map(|(name, text)| (&**name, &**text)));
    let zip = site::small_zip(dir.path(), &files);
    let Some(roots) = both(&zip) else { return };
    for root in roots {
        let server = root
            .server(["--app-zip", "/site.zip", "--preload", "--workers", "3"])
            .spawn();
        let target = server.target();
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| assert_eq!(target.get("/").ok(), "0 wrong"));
            }
        });
    }
}

const APP: &str = "
import importlib.metadata, sys
import by_name, by_line

def app(environ, start_response):
    start_response('200 OK', [])
    version = importlib.metadata.version('Some.Package')
    [plugin] = importlib.metadata.entry_points(group='plugins')
    text = ' '.join([version, plugin.load(), by_name.TEXT, by_line.TEXT, *sys.told])
    return [text.encode()]
";

/// Paths in the zip, lines of code, comments, and paths that do not exist.
const PTH: &str = "# a comment\r
\r
libs/deep\r
import sys; sys.told = [sys._getframe(1).f_locals['sitedir'].rpartition('/')[2]]\r
nowhere\r
../more
import sys; sys.told.append(str(any('nowhere' in path for path in sys.path)))
";

#[test]
fn workers_obey_pth_files_and_know_versions() {
    let dir = folder();
    let zip = site::small_zip(
        dir.path(),
        &[
            ("app.py", APP),
            ("more/by_line.py", "TEXT = 'by a line'"),
            ("site-packages/libs/deep/by_name.py", "TEXT = 'by a name'"),
            ("site-packages/some.pth", PTH),
            ("site-packages/.hidden.pth", "import no_such_module"),
            (
                "site-packages/broken.pth",
                "import no_such_module\nimport sys; sys.exit('went on')\n",
            ),
            ("site-packages/plugin.py", "text = 'a plugin'"),
            (
                "site-packages/some_package-1.2.dist-info/METADATA",
                "Metadata-Version: 2.1\nName: some-package\nVersion: 1.2\n",
            ),
            (
                "site-packages/some_package-1.2.dist-info/entry_points.txt",
                "[plugins]\none = plugin:text\n",
            ),
        ],
    );
    let Some(roots) = both(&zip) else { return };
    for root in roots {
        for how in [&[][..], &["--preload", "--workers", "2"]] {
            let mut server = root
                .server(["--app-zip", "/site.zip", "app:app"])
                .args(how)
                .spawn();
            let target = server.target();
            for _ in 0..10 {
                assert_eq!(
                    target.get("/").ok(),
                    "1.2 a plugin by a name by a line site-packages False"
                );
            }
            server.signal(Signal::SIGTERM);
            assert_eq!(server.exit_code(), 0);
            let log = server.stderr.whole();
            let line = "Error processing line 1 of /";
            assert!(log.contains(line), "{log}");
            assert!(log.contains("No module named 'no_such_module'"), "{log}");
            assert!(log.contains("Remainder of file ignored"), "{log}");
        }
    }
}
