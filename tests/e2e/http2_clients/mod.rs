//! HTTP/2 with clients that people use, and behind the proxies that they use, in every
//! worker class, over TLS and in clear text.

mod browser;
mod command_line;
mod libraries;
mod proxies;
mod sites;
mod smuggling;

use tempfile::TempDir;

use crate::support::certificates::Authority;
use crate::support::{Process, Start, Target, app, folder, site};

/// A worker class, and the app for it in `tests/apps/http2_clients`.
#[derive(Clone, Copy)]
pub struct Class {
    args: &'static [&'static str],
    /// The app in `tests/apps` that requires the packages of the class.
    packages: Option<&'static str>,
    /// `wsgi` or `asgi`.
    protocol: &'static str,
    /// False if the class waits for the whole answer of a WSGI app, as Tornado's container
    /// does, which has no trailers either.
    streams: bool,
}

impl Class {
    pub const SYNC: Self = Self::wsgi(&[], None);
    pub const GTHREAD: Self = Self::wsgi(&["--threads", "4"], None);
    pub const GEVENT: Self = Self::wsgi(&["-k", "gevent"], Some("gevent_site"));
    pub const TORNADO: Self = Self {
        streams: false,
        ..Self::wsgi(&["-k", "tornado"], Some("tornado_site"))
    };
    pub const ASGI: Self = Self {
        args: &["-k", "asgi"],
        packages: None,
        protocol: "asgi",
        streams: true,
    };

    const fn wsgi(args: &'static [&'static str], packages: Option<&'static str>) -> Self {
        Self {
            args,
            packages,
            protocol: "wsgi",
            streams: true,
        }
    }

    /// A server of the app for clients. Its connections stay open for longer than a
    /// test may take.
    pub fn start(self, args: &[&str]) -> Start {
        let app_of_class = format!("app:{}", self.protocol);
        let start = Start::new(self.args)
            .args(["--keep-alive", "120", "--access-logfile", "-"])
            .args(args)
            .args([app_of_class])
            .cwd(app("http2_clients"));
        match self.packages {
            Some(name) => start.args(["--venv".as_ref(), site::venv(name).as_os_str()]),
            None => start,
        }
    }
}

/// Makes tests from functions that take a `Class`: one test for each.
macro_rules! in_every_class {
    ($($name:ident,)+) => {
        mod sync {
            $( #[test] fn $name() { super::$name($crate::http2_clients::Class::SYNC); } )+
        }
        mod gthread {
            $( #[test] fn $name() { super::$name($crate::http2_clients::Class::GTHREAD); } )+
        }
        mod asgi {
            $( #[test] fn $name() { super::$name($crate::http2_clients::Class::ASGI); } )+
        }
        mod gevent {
            $( #[test] fn $name() { super::$name($crate::http2_clients::Class::GEVENT); } )+
        }
        mod tornado {
            $( #[test] fn $name() { super::$name($crate::http2_clients::Class::TORNADO); } )+
        }
    };
}

use in_every_class;

/// A server of the app for clients.
pub struct Site {
    pub server: Process,
    pub url: String,
    /// Over TLS, the authority of its certificate.
    pub authority: Option<Authority>,
    pub folder: TempDir,
}

impl Site {
    /// In clear text, by prior knowledge.
    pub fn clear(class: Class) -> Self {
        Self::clear_by(class, "prior-knowledge")
    }

    /// In clear text, with this value of `http2_cleartext`.
    pub fn clear_by(class: Class, way: &str) -> Self {
        let start = class.start(&["--bind", "127.0.0.1:0"]);
        Self::new(start.args(["--http2-cleartext", way]), None, folder())
    }

    /// Over TLS, with the default of `http_protocols`.
    pub fn tls(class: Class) -> Self {
        Self::start_tls(class.start(&["--bind", "127.0.0.1:0"]))
    }

    /// Another server, in clear text by prior knowledge.
    pub fn start_clear(start: Start) -> Self {
        let way = ["--http2-cleartext", "prior-knowledge"];
        Self::new(start.args(way), None, folder())
    }

    /// Another server, over TLS.
    pub fn start_tls(start: Start) -> Self {
        let folder = folder();
        let authority = Authority::new(folder.path());
        let pair = authority.issue("site", &["127.0.0.1"]);
        let tls = ["--certfile", &pair.certificate, "--keyfile", &pair.key];
        Self::new(start.args(tls), Some(authority), folder)
    }

    /// Both.
    pub fn both(class: Class) -> [Self; 2] {
        [Self::clear(class), Self::tls(class)]
    }

    fn new(start: Start, authority: Option<Authority>, folder: TempDir) -> Self {
        let server = start.spawn();
        let scheme = if authority.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", address(&server.target()));
        Self {
            server,
            url,
            authority,
            folder,
        }
    }

    /// What a client prints, which must end well.
    #[track_caller]
    pub fn said_to(&self, client: Start) -> String {
        let run = client.run_slowly();
        let log = self.server.stderr.so_far();
        assert_eq!(run.code, 0, "{}\nThe server: {log}", run.stderr);
        run.stdout
    }

    /// Waits until the access log has this many lines of requests over HTTP/2, and
    /// looks whether the app has raised.
    #[track_caller]
    pub fn expect_lines(&self, count: usize) {
        let counted = |lines: &[String]| {
            let over_http2 = |line: &&String| line.contains(" HTTP/2.0\" ");
            lines.iter().filter(over_http2).count()
        };
        let what = format!("{count} lines of requests over HTTP/2");
        let lines = self
            .server
            .stdout
            .wait_until(|lines| counted(lines) >= count, &what);
        assert_eq!(counted(&lines), count);
        self.expect_no_error();
    }

    #[track_caller]
    pub fn expect_no_error(&self) {
        let log = self.server.stderr.so_far();
        assert!(
            !log.contains("Traceback") && !log.contains("[ERROR]"),
            "{log}"
        );
    }
}

/// The address as proxies and URLs write it.
pub fn address(target: &Target) -> String {
    match target {
        Target::Tcp(address) => address.to_string(),
        Target::Unix(path) => format!("unix@{}", path.display()),
    }
}
