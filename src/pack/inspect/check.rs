//! `rgunicorn inspect --check`: loads the app of a pack as a worker does, then imports
//! all modules of its packages. This happens in child processes that have their own
//! folders, few environment variables and, if possible, no network.
//!
//! An app that does not load is an error. A module that cannot be imported is only
//! reported, because many packages have modules for optional dependencies.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getgid, getuid};
use tempfile::TempDir;

use super::extract_site::extract_site;
use super::pack::{Form, Pack};
use super::packages::{Contents, Package};
use crate::cache::private_folder;
use crate::pack::interrupt::{self, Temporary};
use crate::pack::output;
use crate::pack::text::printable;
use crate::python;

/// The longest time for loading the app or importing one module.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Checks what is in the file, and prints the result.
///
/// # Errors
/// The app does not load; what it wrote is on standard error.
pub fn check(file: &Path, pack: &Pack, contents: &Contents) -> Result<()> {
    if pack.form == Form::Bare {
        bail!(
            "There is no app to check in {}; name a file that 'rgunicorn pack' has made",
            file.display()
        );
    }
    if let Err(error) = leave_network() {
        eprintln!("Note: what is checked has the network, as no namespace can be made ({error})");
    }
    let _watch = interrupt::watch()?;
    let place = Temporary::new(tempfile::tempdir, TempDir::path)
        .context("No folder for temporary files can be made")?;
    let check = Check::prepare(file, pack, place.path())?;
    check.load_app()?;
    output::print(b"\nThe app loads.\n")?;
    let modules: Vec<(&Package, &str)> = contents
        .packages
        .iter()
        .flat_map(|package| package.modules.iter().map(move |name| (package, &**name)))
        .collect();
    let troubles = check.import(&modules)?;
    let mut report = String::new();
    for ((package, module), trouble) in &troubles {
        let (title, trouble) = (package.title(), printable(trouble));
        let _ = writeln!(
            report,
            "Warning: {title}: {module} cannot be imported: {trouble}"
        );
    }
    if !modules.is_empty() {
        let count = modules.len();
        let fine = count - troubles.len();
        let _ = writeln!(
            report,
            "{fine} of {count} modules of packages can be imported."
        );
    }
    output::print(report.as_bytes())
}

/// Leaves the network, for this process and its children. Threads that are about to end
/// may still exist.
fn leave_network() -> io::Result<()> {
    if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
        return Ok(());
    }
    let (user, group) = (getuid(), getgid());
    let is_alone = || fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
    let deadline = Instant::now() + Duration::from_secs(1);
    while !is_alone() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    // So that files still belong to this user (user_namespaces(7)). Not every process
    // may write these.
    let _ = fs::write("/proc/self/setgroups", "deny");
    let _ = fs::write("/proc/self/uid_map", format!("{user} {user} 1"));
    let _ = fs::write("/proc/self/gid_map", format!("{group} {group} 1"));
    Ok(())
}

/// The folders of a check.
struct Check {
    program: PathBuf,
    site: PathBuf,
    place: PathBuf,
}

impl Check {
    fn prepare(file: &Path, pack: &Pack, place: &Path) -> Result<Self> {
        let site = place.join("site");
        for name in ["site", "home", "tmp", "work"] {
            private_folder(&place.join(name))
                .context("The folder for temporary files cannot be written")?;
        }
        let is_this = pack.program.as_ref().is_none_or(|it| it.is_this);
        let extracted = place.join("rgunicorn");
        let program = (!is_this).then_some(&*extracted);
        extract_site(file, pack.form, &site, program, |_| true)
            .map_err(|failed| failed.or(unwritable))?;
        let program = match pack.form {
            _ if is_this => python::executable().to_owned(),
            Form::Image => extracted,
            _ => fs::canonicalize(file)?,
        };
        Ok(Self {
            program,
            site,
            place: place.to_owned(),
        })
    }

    /// A command that runs the program with the site.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--app-zip")
            .arg(&self.site)
            .current_dir(self.place.join("work"))
            .env_clear()
            .envs(env::vars_os().filter(|(name, _)| is_passed_on(name)))
            .env("HOME", self.place.join("home"))
            .env("TMPDIR", self.place.join("tmp"))
            .env("RGUNICORN_APP_CACHE_DIR", self.place.join("cache"))
            .process_group(0);
        command
    }

    fn load_app(&self) -> Result<()> {
        // Its output must not mix with ours.
        let output = io::stderr().as_fd().try_clone_to_owned()?;
        let mut command = self.command();
        command.arg("--check-config");
        command.stdin(Stdio::null()).stdout(output);
        let mut child = ChildGroup::start(command)?;
        let deadline = Instant::now() + TIME_LIMIT;
        let status = loop {
            if let Some(status) = child.0.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                bail!("The app does not load: it takes more than {}", seconds());
            }
            thread::sleep(Duration::from_millis(20));
        };
        if status.success() {
            return Ok(());
        }
        bail!(
            "The app does not load ({}; what it says is above); it sees few of your variables: \
             those that it needs, and its name, are given as in \
             GUNICORN_CMD_ARGS='mysite:app --env NAME=VALUE'",
            described(status)
        )
    }

    /// Imports modules. Returns those that cannot be imported, each with the reason.
    fn import<'m>(
        &self,
        modules: &[(&'m Package, &'m str)],
    ) -> Result<Vec<((&'m Package, &'m str), String)>> {
        let mut troubles = Vec::new();
        let mut done = 0;
        while done < modules.len() {
            let names: Vec<&str> = modules[done..].iter().map(|(_, name)| *name).collect();
            let end = self.import_in_child(&names, &mut |trouble| {
                troubles.extend(trouble.map(|trouble| (modules[done], trouble)));
                done += 1;
            })?;
            // The child ended at this module; the others are tried without it.
            if let Some(&module) = modules.get(done) {
                troubles.push((module, end));
                done += 1;
            }
        }
        Ok(troubles)
    }

    /// Imports modules in a child, which reports on each module. Returns the reason why
    /// it did not go on.
    fn import_in_child(
        &self,
        names: &[&str],
        tell: &mut dyn FnMut(Option<String>),
    ) -> Result<String> {
        const CODE: &str = "from _rgunicorn.importing import main; main()";
        let mut command = self.command();
        command.args(["python", "-c", CODE]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let mut child = ChildGroup::start(command)?;
        let (input, output) = (child.0.stdin.take(), child.0.stdout.take());
        // If the child has ended, its status says more than this error.
        let _ = input
            .context("a pipe")?
            .write_all(&serde_json::to_vec(names)?);
        let lines = BufReader::new(output.context("a pipe")?).lines();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        for _ in names {
            match receiver.recv_timeout(TIME_LIMIT) {
                Ok(line) => match serde_json::from_str(&line) {
                    Ok(trouble) => tell(trouble),
                    Err(_) => return Ok(format!("it writes {line:?} in between")),
                },
                Err(RecvTimeoutError::Timeout) => {
                    return Ok(format!("it takes more than {}", seconds()));
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(format!(
            "it ends the process ({})",
            described(child.0.wait()?)
        ))
    }
}

/// Whether a check gets this environment variable. It does not get the app's own
/// variables, as they may hold keys to services that are in use.
fn is_passed_on(name: &OsString) -> bool {
    const NAMES: [&str; 4] = ["PATH", "LANG", "TZ", "LC_ALL"];
    const BEGINNINGS: [&str; 4] = ["GUNICORN_", "RGUNICORN_", "DJANGO_", "FLASK_"];
    name.to_str().is_some_and(|name| {
        NAMES.contains(&name) || BEGINNINGS.iter().any(|it| name.starts_with(it))
    })
}

fn seconds() -> String {
    format!("{} seconds", TIME_LIMIT.as_secs())
}

fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => signal.to_string(),
            Err(_) => format!("signal {number}"),
        },
        (None, None) => "no exit code".to_owned(),
    }
}

/// A child and all processes that it started; they are killed when this is dropped.
struct ChildGroup(Child);

impl ChildGroup {
    fn start(mut command: Command) -> Result<Self> {
        let child = interrupt::start(&mut command).with_context(|| {
            let program = command.get_program().display();
            format!("{program} cannot be executed; check its permissions")
        })?;
        Ok(Self(child))
    }
}

impl Drop for ChildGroup {
    fn drop(&mut self) {
        if let Ok(id) = self.0.id().try_into() {
            // They may have ended already.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
        let _ = self.0.wait();
    }
}

fn unwritable(error: io::Error) -> anyhow::Error {
    anyhow!("The site cannot be unpacked for the check ({error}); name a larger place in TMPDIR")
}
