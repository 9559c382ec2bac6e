//! `reload`: workers are replaced when the code changes.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::support::{Process, Start, Target, folder, site, wait_until};

/// An app that answers with this text.
fn app(text: &str) -> String {
    format!(
        "def app(environ, start_response):\n    \
         start_response('200 OK', [('Content-Type', 'text/plain')])\n    \
         return [{text:?}.encode()]\n"
    )
}

fn serve(dir: &Path, more: &[&str]) -> Process {
    Start::server(["app:app", "--reload", "--chdir"])
        .args([dir])
        .args(more)
        .spawn()
}

#[track_caller]
fn answers_with(target: &Target, text: &str) {
    wait_until(&format!("an answer with {text:?}"), || {
        target.get("/").text().contains(text)
    });
}

#[test]
fn a_changed_module_is_served_with_either_engine() {
    for engine in ["inotify", "poll"] {
        let dir = folder();
        let file = dir.path().join("words.py");
        fs::write(
            dir.path().join("app.py"),
            format!("import words\n{}", app("?").replace("\"?\"", "words.TEXT")),
        )
        .unwrap();
        fs::write(&file, "TEXT = 'one'").unwrap();
        // A file that is younger than the server would count as changed.
        wait_until("old files", || {
            let written = fs::metadata(&file).unwrap().modified().unwrap();
            written.elapsed().is_ok_and(|age| age.as_millis() > 50)
        });
        let server = serve(dir.path(), &["--reload-engine", engine, "--workers", "2"]);
        let target = server.target();
        answers_with(&target, "one");
        // As editors do it: a new file replaces the old one.
        fs::write(dir.path().join("new"), "TEXT = 'twice'").unwrap();
        fs::rename(dir.path().join("new"), &file).unwrap();
        answers_with(&target, "twice");
        let line = format!("Worker reloading: {} modified", file.display());
        server.stderr.wait_for(&line);
    }
}

#[test]
fn a_module_that_is_there_in_compiled_form_only_is_watched() {
    let dir = folder();
    let compile = |text: &str| {
        let aside = folder();
        fs::write(aside.path().join("app.py"), app(text)).unwrap();
        site::python(["-m", "compileall", "-q", "-b", "app.py"])
            .cwd(aside.path())
            .run()
            .expect_success();
        fs::copy(aside.path().join("app.pyc"), dir.path().join("new")).unwrap();
        fs::rename(dir.path().join("new"), dir.path().join("app.pyc")).unwrap();
    };
    compile("one");
    let server = serve(dir.path(), &[]);
    let target = server.target();
    answers_with(&target, "one");
    compile("twice");
    answers_with(&target, "twice");
}

#[test]
fn an_app_that_is_broken_for_a_while_says_so_to_the_browser() {
    let dir = folder();
    let file = dir.path().join("app.py");
    fs::write(&file, "def app(:\n").unwrap();
    let server = serve(dir.path(), &[]);
    let target = server.target();
    let page = target.get("/");
    assert_eq!(page.status, 500);
    assert!(page.text().contains("SyntaxError: "), "{}", page.text());
    assert!(
        page.text().contains(file.to_str().unwrap()),
        "{}",
        page.text()
    );
    server.stderr.wait_for("SyntaxError: ");

    // Fixed, but it imports a module that does not exist yet.
    fs::write(&file, format!("import late\n{}", app("mended"))).unwrap();
    answers_with(&target, "No module named 'late'");
    fs::write(dir.path().join("late.py"), "").unwrap();
    answers_with(&target, "mended");
    fs::write(&file, format!("{}raise ValueError('again')", app("broken"))).unwrap();
    answers_with(&target, "ValueError: again");
    fs::write(&file, app("mended twice")).unwrap();
    answers_with(&target, "mended twice");
}

#[test]
fn a_replaced_zip_is_served() {
    let dir = folder();
    site::small_zip(dir.path(), &[("app.py", &app("one"))]);
    let cache = dir.path().join("cache");
    let server = Start::server([
        "app:app",
        "--reload",
        "--app-zip",
        "site.zip",
        "--app-cache-dir",
    ])
    .args([&cache])
    .cwd(dir.path())
    .spawn();
    let target = server.target();
    answers_with(&target, "one");
    let replace = |text: &str| {
        let aside = dir.path().join("aside");
        fs::create_dir_all(&aside).unwrap();
        let new = site::small_zip(&aside, &[("app.py", text)]);
        fs::rename(new, dir.path().join("site.zip")).unwrap();
    };
    replace(&app("twice"));
    answers_with(&target, "twice");
    // An incomplete zip changes nothing.
    let half = fs::read(dir.path().join("site.zip")).unwrap();
    fs::write(dir.path().join("site.zip"), &half[..half.len() / 2]).unwrap();
    server.stderr.wait_for("Serving what was there before: ");
    assert_eq!(target.get("/").status, 200);
    replace(&app("three times"));
    answers_with(&target, "three times");
}

#[test]
fn other_files_are_watched_by_name_and_by_pattern() {
    let dir = folder();
    fs::create_dir_all(dir.path().join("pages/deep")).unwrap();
    fs::write(dir.path().join("words.txt"), "one").unwrap();
    let reads = "import glob\nTEXT = open('words.txt').read() + \
                 str(len(glob.glob('pages/**/*.html', recursive=True)))\n";
    fs::write(
        dir.path().join("app.py"),
        format!("{reads}{}", app("?").replace("\"?\"", "TEXT")),
    )
    .unwrap();
    // Relative to the folder in which the program starts.
    let server = Start::server(["app:app", "--reload", "--reload-extra-file", "words.txt"])
        .args(["--reload-extra-file", "pages/**/*.html"])
        .cwd(dir.path())
        .spawn();
    let target = server.target();
    answers_with(&target, "one0");
    fs::write(dir.path().join("words.txt"), "twice").unwrap();
    answers_with(&target, "twice0");
    fs::write(dir.path().join("pages/deep/new.html"), "").unwrap();
    answers_with(&target, "twice1");
}

#[test]
fn a_preloaded_app_is_not_watched() {
    let dir = folder();
    fs::write(dir.path().join("app.py"), app("one")).unwrap();
    let server = serve(dir.path(), &["--preload"]);
    server
        .stderr
        .wait_for("The app is preloaded, so reload does nothing");
    assert_eq!(server.target().get("/").ok(), "one");
}

#[test]
fn workers_with_hooks_end_while_their_files_are_looked_at() {
    let dir = folder();
    let slow = "import sys, time, types\n\n\n\
                class Slow(types.ModuleType):\n    @property\n    def __file__(self):\n        \
                time.sleep(1)\n        raise AttributeError\n\n\n\
                sys.modules['slow'] = Slow('slow')\n\n\n";
    fs::write(dir.path().join("app.py"), slow.to_owned() + &app("here")).unwrap();
    let hook = "def post_worker_init(worker):\n    pass\n";
    fs::write(dir.path().join("gunicorn.conf.py"), hook).unwrap();
    let mut server = serve(dir.path(), &["--workers", "4"]);
    answers_with(&server.target(), "here");
    server.workers(4);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert_eq!(log.matches("Worker exiting").count(), 4, "{log}");
}
