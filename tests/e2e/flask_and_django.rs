//! Flask and Django sites, from a folder with a virtual environment and from a zip with
//! packages in it. Both must work the same.

use std::env;
use std::io::Write;
use std::path::Path;

use ring::digest::{Context, SHA256};

use crate::support::{Client, Finished, Response, Start, Target, folder, site};

const THREADS: [&str; 4] = ["-k", "gthread", "--threads", "4"];

#[test]
fn flask_from_a_folder_with_a_venv_beside_it() {
    let dir = folder();
    site::copy_app("flask_site", dir.path());
    std::os::unix::fs::symlink(site::venv("flask_site"), dir.path().join(".venv")).unwrap();
    // Without APP_MODULE: app.py with create_app() is found.
    let server = Start::server([""; 0]).cwd(dir.path()).spawn();
    use_flask(server.target());
}

#[test]
fn flask_from_a_folder_with_a_named_venv() {
    let dir = folder();
    site::copy_app("flask_site", dir.path());
    let server = Start::server(["app:create_app()", "--venv"])
        .args([site::venv("flask_site")])
        .args(["--chdir".as_ref(), dir.path()])
        .spawn();
    use_flask(server.target());
}

#[test]
fn flask_from_a_folder_with_an_activated_venv() {
    let dir = folder();
    site::copy_app("flask_site", dir.path());
    let server = Start::server(["app:create_app()"])
        .env("VIRTUAL_ENV", site::venv("flask_site"))
        .cwd(dir.path())
        .spawn();
    use_flask(server.target());
}

#[test]
fn flask_from_a_zip() {
    let zip = site::zip("flask_site");
    let elsewhere = folder();
    let server = Start::server(["app:create_app()", "--workers", "2", "--app-zip"])
        .args([&zip])
        .cwd(elsewhere.path())
        .spawn();
    use_flask(server.target());
}

#[test]
fn flask_takes_large_uploads_in_both_classes() {
    let dir = folder();
    site::copy_app("flask_site", dir.path());
    for class in [&[][..], &THREADS] {
        let server = Start::server(["--limit-request-body", "0", "--venv"])
            .args([site::venv("flask_site")])
            .args(class)
            .cwd(dir.path())
            .spawn();
        upload(&server.target());
        use_flask(server.target());
    }
}

/// Sends a file of 64 MiB in a form, or of as many MiB as `UPLOAD_MEBIBYTES` says.
fn upload(target: &Target) {
    let blocks = env::var("UPLOAD_MEBIBYTES").map_or(64, |text| text.parse().unwrap());
    let block: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    let head = "--edge\r\nContent-Disposition: form-data; name=\"file\"; \
                filename=\"large.bin\"\r\n\r\n";
    let end = "\r\n--edge--\r\n";
    let length = head.len() + blocks * block.len() + end.len();
    let mut stream = target.connect().unwrap();
    write!(
        stream,
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\
         Content-Type: multipart/form-data; boundary=edge\r\n\r\n{head}"
    )
    .unwrap();
    let mut digest = Context::new(&SHA256);
    for _ in 0..blocks {
        stream.write_all(&block).unwrap();
        digest.update(&block);
    }
    stream.write_all(end.as_bytes()).unwrap();
    let digest: String = digest
        .finish()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let answer = Response::read(&mut *stream, false).unwrap().ok();
    assert_eq!(answer, format!("large.bin {digest}"));
}

pub fn use_flask(target: Target) {
    let mut browser = Client::new(target);
    let welcome = browser.get("/").ok();
    assert!(welcome.contains("<title>Welcome</title>"), "{welcome}");
    assert!(welcome.contains("Who are you?"), "{welcome}");

    let told = browser.post("/name", &[("name", "Ada <Lovelace>")]);
    assert_eq!((told.status, told.header("Location")), (302, Some("/")));
    let welcome = browser.get("/").ok();
    assert!(
        welcome.contains("Good day, Ada &lt;Lovelace&gt;!"),
        "{welcome}"
    );

    let style = browser.get("/static/style.css");
    assert!(style.ok().contains("font-family"));
    assert_eq!(
        style.header("Content-Type"),
        Some("text/css; charset=utf-8")
    );

    let about = browser.get("/about").ok();
    assert!(about.contains(r#""flask":"3.1.3""#), "{about}");
    assert!(about.contains(r#""command":"flask.cli:main""#), "{about}");
    assert!(about.contains(r#""templates""#), "{about}");
    assert_eq!(browser.get("/nowhere").status, 404);
}

#[test]
fn django_from_a_folder_with_a_venv_in_both_classes() {
    for class in [&[][..], &THREADS] {
        let dir = folder();
        site::copy_app("django_site", dir.path());
        let database = dir.path().join("guestbook.sqlite3");
        let venv = site::venv("django_site");
        let manage = |args: &[&str]| {
            Start::new(["--venv"])
                .args([&venv])
                .args(["python", "manage.py"])
                .args(args)
                .cwd(dir.path())
        };
        prepare(manage, &database);
        // Without APP_MODULE: the settings in manage.py lead to the site.
        let server = Start::server(["--venv"])
            .args([&venv])
            .args(class)
            .cwd(dir.path())
            .env("SITE_DATABASE", &database)
            .spawn();
        use_django(server.target());
    }
}

#[test]
fn django_from_a_zip() {
    let zip = site::zip("django_site");
    let dir = folder();
    let database = dir.path().join("guestbook.sqlite3");
    let manage = |args: &[&str]| {
        Start::new(["--app-zip"])
            .args([&zip])
            .args(["python", "manage.py"])
            .args(args)
            .cwd(dir.path())
    };
    prepare(manage, &database);
    let server = Start::server(["mysite.wsgi", "--workers", "2", "--app-zip"])
        .args([&zip])
        .cwd(dir.path())
        .env("SITE_DATABASE", &database)
        .spawn();
    use_django(server.target());
}

/// The first steps with a new site.
pub fn prepare(manage: impl Fn(&[&str]) -> Start, database: &Path) {
    let run = |args: &[&str]| -> Finished {
        manage(args)
            .env("SITE_DATABASE", database)
            .env("DJANGO_SUPERUSER_PASSWORD", "correct horse")
            .run()
            .expect_success()
    };
    let check = run(&["check"]);
    assert!(check.stdout.contains("no issues"), "{}", check.stdout);
    let migrate = run(&["migrate"]);
    assert!(
        migrate
            .stdout
            .contains("Applying guestbook.0001_initial... OK"),
        "{}",
        migrate.stdout
    );
    run(&[
        "createsuperuser",
        "--noinput",
        "--username=ada",
        "--email=ada@example.org",
    ]);
}

pub fn use_django(target: Target) {
    let mut browser = Client::new(target.clone());
    let page = browser.get("/").ok();
    assert!(page.contains("Nobody has written yet."), "{page}");
    let style = browser.get("/static/guestbook/style.css");
    assert!(style.ok().contains("font-family"));
    let admin_style = browser.get("/static/admin/css/base.css");
    assert!(admin_style.ok().len() > 10_000);

    log_in(&mut browser);
    let admin = browser.get("/admin/").ok();
    assert!(admin.contains("Site administration"), "{admin}");
    write_in_the_admin(&mut browser);
    let page = browser.get("/").ok();
    assert!(page.contains("Grace: from the admin"), "{page}");

    let mut german = Client::new(target.clone()).speaking("de");
    let page = german.get("/").ok();
    assert!(page.contains("Willkommen im Gästebuch"), "{page}");
    let login = german.get("/admin/login/").ok();
    assert!(
        login.contains("Passwort"),
        "Django's own translation: {login}"
    );
    let token = csrf_token(&page);
    let form = [
        ("csrfmiddlewaretoken", &*token),
        ("name", "Jörg"),
        ("message", "Grüße!"),
    ];
    assert_eq!(german.post("/", &form).status, 302);
    let page = german.get("/").ok();
    assert!(page.contains("Jörg: Grüße!"), "{page}");

    // A form without the token of the cookie is refused.
    let mut without_cookie = Client::new(target);
    assert_eq!(without_cookie.post("/", &form).status, 403);
}

fn log_in(browser: &mut Client) {
    let login = browser.get("/admin/login/?next=/admin/").ok();
    assert!(browser.cookie("csrftoken").is_some());
    let token = csrf_token(&login);
    let mut form = [
        ("csrfmiddlewaretoken", &*token),
        ("username", "ada"),
        ("password", "wrong"),
        ("next", "/admin/"),
    ];
    let refused = browser.post("/admin/login/", &form).ok();
    assert!(
        refused.contains("Please enter the correct username"),
        "{refused}"
    );
    form[2].1 = "correct horse";
    let welcome = browser.post("/admin/login/", &form);
    assert_eq!(
        (welcome.status, welcome.header("Location")),
        (302, Some("/admin/")),
        "{}",
        welcome.text()
    );
    assert!(browser.cookie("sessionid").is_some());
}

fn write_in_the_admin(browser: &mut Client) {
    let add = browser.get("/admin/guestbook/entry/add/").ok();
    let token = csrf_token(&add);
    let form = [
        ("csrfmiddlewaretoken", &*token),
        ("name", "Grace"),
        ("message", "from the admin"),
        ("_save", "Save"),
    ];
    let saved = browser.post("/admin/guestbook/entry/add/", &form);
    assert_eq!(saved.status, 302, "{}", saved.text());
    let list = browser.get("/admin/guestbook/entry/").ok();
    assert!(list.contains("Grace: from the admin"), "{list}");
}

/// The token in the hidden field of the form.
fn csrf_token(page: &str) -> String {
    let (_, rest) = page
        .split_once("name=\"csrfmiddlewaretoken\" value=\"")
        .expect("a form with a token");
    rest.split('"').next().unwrap().to_owned()
}
