//! The time zone in `TZ`, on hosts that have no files of time zones, or not of this
//! one.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::support::{Finished, Root, Start, folder, site};

/// Reports the time zone of Python and of the C library.
const TELL: &str = "import datetime, os, time
summer = datetime.datetime(2026, 7, 1).astimezone().utcoffset()
print(time.tzname, summer, time.strftime('%Z', time.localtime(0)), os.environ.get('TZ'))";

/// The time zone of Berlin had no summer time in these years.
const HISTORY: &str = "import datetime
print(datetime.datetime(1975, 7, 1).astimezone().utcoffset())";

#[test]
fn python_knows_zones_that_the_host_does_not_have() {
    let Some(root) = Root::empty() else { return };
    check_python(root.with_tmp().read_only(), "1:00:00");
}

#[test]
fn python_knows_them_where_nothing_can_be_written() {
    let Some(root) = Root::empty() else { return };
    check_python(root.read_only(), "2:00:00");
}

/// An empty root, with or without a writable place for the zones.
fn root(writable: bool) -> Option<Root> {
    let root = Root::empty()?;
    Some(if writable { root.with_tmp() } else { root })
}

fn check_python(root: Root, in_1975: &str) {
    let tell = |zone: &str, code: &str| {
        let zone = format!("TZ={zone}");
        let told = root.start(["--env", &zone, "python", "-c", code]).run();
        told.expect_success().stdout
    };
    for (zone, told) in [
        ("Europe/Berlin", "('CET', 'CEST') 2:00:00 CET"),
        (":Europe/Berlin", "('CET', 'CEST') 2:00:00 CET"),
        ("US/Eastern", "('EST', 'EDT') -1 day, 20:00:00 EST"),
        ("Asia/Kolkata", "('IST', 'IST') 5:30:00 IST"),
        ("America/St_Johns", "('NST', 'NDT') -1 day, 21:30:00 NST"),
        ("Etc/UTC", "('UTC', 'UTC') 0:00:00 UTC"),
        ("UTC", "('UTC', 'UTC') 0:00:00 UTC"),
        ("XYZ-3", "('XYZ', 'XYZ') 3:00:00 XYZ"),
    ] {
        assert_eq!(tell(zone, TELL), format!("{told} {zone}"));
    }
    assert_eq!(tell("Europe/Berlin", HISTORY), in_1975);
}

#[test]
fn the_variable_of_the_start_counts_too_and_children_see_it() {
    let Some(root) = Root::empty() else { return };
    let root = root.with_tmp().variable("TZ", "Asia/Kolkata").read_only();
    let code = format!(
        "import subprocess, sys
subprocess.run([sys.executable, '-c', {TELL:?}], check=True)
import os; assert os.path.isfile(os.environ['TZDIR'] + '/Asia/Kolkata')"
    );
    let told = root.start(["python", "-c", &code]).run().expect_success();
    assert_eq!(told.stdout, "('IST', 'IST') 5:30:00 IST Asia/Kolkata");
}

#[test]
fn an_app_may_change_it() {
    for writable in [true, false] {
        let Some(root) = root(writable) else {
            return;
        };
        let code = format!(
            "import os, time
def tell():
    exec({TELL:?}, {{}})
os.environ['TZ'] = 'Europe/Berlin'
time.strftime('%Z')  # The C library looks for it before it is told of our zones.
time.tzset()
tell()
os.environ['TZ'] = 'Asia/Kolkata'
time.tzset()
tell()
time.tzset()
tell()
del os.environ['TZ']
time.tzset()
tell()"
        );
        let kolkata = "('IST', 'IST') 5:30:00 IST Asia/Kolkata";
        let told = root.read_only().start(["python", "-c", &code]).run();
        assert_eq!(
            told.expect_success().stdout,
            format!(
                "('CET', 'CEST') 2:00:00 CET Europe/Berlin\n{kolkata}\n{kolkata}\n\
                 ('UTC', 'UTC') 0:00:00 UTC None"
            )
        );
    }
}

const APP: &str = "import os, time
def app(environ, start_response):
    start_response('200 OK', [])
    return [f'{time.tzname[0]} {os.environ.get(\"TZ\")} {os.environ.get(\"TZDIR\")}'.encode()]
";

#[test]
fn the_logs_and_the_workers_go_by_it() {
    let start: &[&str] = &[];
    let setting: &[&str] = &["--env", "TZ=Asia/Kolkata"];
    let file: &[&str] = &["-c", "/conf/gunicorn.conf.py"];
    for (way, writable) in [(start, true), (setting, false), (file, true), (file, false)] {
        let Some(mut root) = root(writable) else {
            return;
        };
        root = root.write("/site/app.py", APP).write(
            "/conf/gunicorn.conf.py",
            "import os\nos.environ['TZ'] = 'Asia/Kolkata'\n",
        );
        if way == start {
            root = root.variable("TZ", "Asia/Kolkata");
        }
        let root = root.read_only();
        let mut server = root
            .server(["--chdir", "/site", "--access-logfile", "-", "app:app"])
            .args(way)
            .spawn();
        let page = server.target().get("/").ok();
        let expected = if writable {
            "Asia/Kolkata /tmp/rgunicorn-0/zoneinfo/"
        } else {
            "Asia/Kolkata None"
        };
        assert!(page.contains(expected), "{way:?}: {page}");
        if way != file {
            // The config file has not called time.tzset(), which Python needs.
            assert!(page.starts_with("IST "), "{way:?}: {page}");
        }
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0);
        let log = server.stderr.whole();
        for line in log.lines().filter(|line| line.starts_with('[')) {
            assert!(line.contains(" +0530] ["), "{way:?}: {line}\n{log}");
        }
        assert!(log.contains("Booting worker"), "{log}");
        let access = server.stdout.whole();
        assert!(access.contains(" +0530] \"GET / "), "{access}");
    }
}

#[test]
fn a_reload_may_bring_another() {
    for writable in [true, false] {
        let Some(root) = root(writable) else {
            return;
        };
        let conf = |zone: &str| format!("raw_env = ['TZ={zone}']\n");
        let root = root
            .write("/app.py", APP)
            .write("/gunicorn.conf.py", &conf("Asia/Kolkata"))
            .read_only();
        let server = root.server(["--chdir", "/", "app:app"]).spawn();
        let target = server.target();
        let page = target.get("/").ok();
        assert!(page.starts_with("IST Asia/Kolkata "), "{page}");
        fs::write(root.path("/gunicorn.conf.py"), conf("Asia/Kathmandu")).unwrap();
        server.signal(Signal::SIGHUP);
        server.workers(2);
        let line = server.stderr.wait_for("Worker exiting");
        assert!(line.contains(" +0530] ["), "{line}");
        let page = target.get("/").ok();
        assert!(page.starts_with("+0545 Asia/Kathmandu "), "{page}");
        let log = server.stderr.so_far();
        let mut booting = log.lines().filter(|line| line.contains("Booting worker"));
        assert!(
            booting.next_back().unwrap().contains(" +0545] ["),
            "{writable}: {log}"
        );
    }
}

/// What Django does when its settings are read. A child process reports what the C
/// library of this process uses.
const DJANGO: &str = "import os, subprocess, sys, time
first = time.tzname
os.environ['TZ'] = 'Asia/Kathmandu'
time.tzset()
def app(environ, start_response):
    start_response('200 OK', [])
    child = [sys.executable, '-c', 'import os; print(os.environ[\"TZDIR\"])']
    told = subprocess.run(child, capture_output=True, text=True, check=True).stdout
    return [f'{first} {time.tzname[0]} {told}'.encode()]
";

#[test]
fn workers_of_another_user_have_zones_of_their_own() {
    for how in [&[][..], &["--preload"]] {
        let Some(root) = Root::empty() else { return };
        let root = root
            .with_tmp()
            .variable("TZ", "Europe/Berlin")
            .write("/site/app.py", DJANGO)
            .read_only();
        let server = root
            .server(["--chdir", "/site", "--user", "65534", "app:app"])
            .args(how)
            .spawn();
        let page = server.target().get("/").ok();
        let begins = "('CET', 'CEST') +0545 /tmp/rgunicorn-65534/zoneinfo/";
        assert!(page.starts_with(begins), "{how:?}: {page}");
    }
}

#[test]
fn djangos_setting_is_obeyed() {
    let zip = site::zip("django_site");
    for writable in [true, false] {
        let Some(root) = root(writable) else {
            return;
        };
        let code = format!(
            "from django.conf import settings
assert settings.TIME_ZONE == 'Europe/Berlin'
{TELL}"
        );
        let told = root
            .put(&zip, "/site.zip")
            .variable("DJANGO_SETTINGS_MODULE", "mysite.settings")
            .variable("HOME", "/")
            .read_only()
            .start(["--app-zip", "/site.zip", "python", "-c", &code])
            .run()
            .expect_success();
        assert_eq!(told.stdout, "('CET', 'CEST') 2:00:00 CET Europe/Berlin");
    }
}

#[test]
fn a_host_that_has_the_zone_is_left_alone() {
    let dir = folder();
    let zones = dir.path().join("zones");
    fs::create_dir_all(zones.join("Europe")).unwrap();
    let code = "import importlib.resources, pathlib, sys
zone = importlib.resources.files('tzdata') / 'zoneinfo/Asia/Kolkata'
pathlib.Path(sys.argv[1]).write_bytes(zone.read_bytes())";
    site::python(["-c", code])
        .args([zones.join("Europe/Berlin")])
        .run()
        .expect_success();
    let cache = dir.path().join("cache");
    let tell = |zone: &str| -> Finished {
        Start::new(["python", "-c", TELL, "x"])
            .env("XDG_CACHE_HOME", &cache)
            .env("TZDIR", &zones)
            .env("TZ", zone)
            .run()
            .expect_success()
    };
    // The host's file is used, although it is wrong.
    assert_eq!(
        tell("Europe/Berlin").stdout,
        "('IST', 'IST') 5:30:00 IST Europe/Berlin"
    );
    assert_eq!(tell("UTC").stdout, "('UTC', 'UTC') 0:00:00 UTC UTC");
    assert!(!cache.join("rgunicorn/zoneinfo").exists());
    // The host does not have this one.
    let told = "('EST', 'EDT') -1 day, 20:00:00 EST US/Eastern";
    assert_eq!(tell("US/Eastern").stdout, told);
    let laid_out = fs::read_dir(cache.join("rgunicorn/zoneinfo")).unwrap();
    let [folder] = &laid_out.map(Result::unwrap).collect::<Vec<_>>()[..] else {
        panic!("one folder");
    };
    // Deleted files are put back.
    let zone = |name: &str| {
        let zones = folder.path().join("lib/fallback/tzdata/zoneinfo");
        zones.join(Path::new(name))
    };
    fs::remove_file(zone("US/Eastern")).unwrap();
    fs::write(zone("Asia/Tokyo"), "").unwrap();
    assert_eq!(tell("US/Eastern").stdout, told);
    assert!(zone("US/Eastern").is_file() && fs::read(zone("Asia/Tokyo")).unwrap().len() > 100);
}
