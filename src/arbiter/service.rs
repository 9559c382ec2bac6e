//! `rgunicorn [OPTIONS] [APP_MODULE]`: where the rooms are joined to a server.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use anyhow::{Context, Error, Result, bail};
use pyo3::prelude::*;

use super::{Inheritance, Origin, Service, WorkerContext};
use crate::carried;
use crate::cli::{self, Command};
use crate::config::{Draft, Settings, WorkerClass, current_folder};
use crate::log;
use crate::net::{Tls, TlsOptions};
use crate::process::{Owner, Program, Title, daemon};
use crate::python::app::{self, AppSource};
use crate::python::{self, Environment, Hooks, logger, time_zone};
use crate::site::Site;
use crate::site::configuration::{self, Configuration};
use crate::worker::{self, Watched};

/// Serves the app, or only checks that it could.
pub fn serve(draft: Draft, line: Vec<OsString>, title: Option<&'static Title>) -> Result<ExitCode> {
    let inheritance = Inheritance::read(|name| env::var_os(name));
    for name in super::VARIABLES {
        remove_variable(name);
    }
    // Apps ask this variable whether they are served, and by whom.
    set_variable(
        "SERVER_SOFTWARE",
        concat!("rgunicorn/", env!("CARGO_PKG_VERSION")),
    );
    let program = Program {
        file: python::executable().to_owned(),
        words: line,
        folder: current_folder(),
        environment: time_zone::variables().collect(),
    };
    let is_second = !inheritance.sockets.is_empty() || !inheritance.workers.is_empty();
    let mut configuration = match configuration::read(draft.clone(), &program.words) {
        Err(error) if is_second => {
            // Where the config file has the logs is not known now.
            let known = draft.finish(|name| env::var_os(name))?;
            log::install(&known.logs())?;
            return Err(give_up(error, &known, &program, &inheritance));
        }
        configuration => configuration?,
    };
    let settings = configuration.settings.clone();
    if settings.debugging.print_config {
        print!("{}", settings.printed());
    }
    if settings.debugging.check_config || settings.debugging.print_config {
        return check(&configuration, program.words);
    }
    if settings.mechanics.daemon && !is_second {
        let has_stderr = daemon::daemonize(settings.logging.enable_stdio_inheritance)?;
        if !has_stderr || settings.logging.errorlog != "-" {
            log::echo_errors_to(|line| {
                daemon::tell(line);
            });
        }
    }
    if !inheritance.is_reexec() {
        let is_set = |name: &str| env::var_os(name).is_some_and(|it| !it.is_empty());
        configuration.warnings.extend(carried::disobeyed(is_set));
    }
    let serving = Serving::prepare(configuration, &program, title).and_then(Serving::preloaded);
    let serving = match serving {
        Err(error) if is_second => {
            return Err(give_up(error, &settings, &program, &inheritance));
        }
        serving => serving?,
    };
    let origin = Origin {
        program: &program,
        inheritance,
        title,
        renew: &|| read_again(&program, title),
    };
    let run = super::run(serving, origin);
    let code = run.inspect_err(|error| log_unseen(error, is_second, &settings))?;
    daemon::report_failure(code);
    Ok(code.into())
}

/// For a process that was started to go on with another's sockets, and cannot:
/// where it has workers, it begins again. Gives what ends it.
fn give_up(
    error: Error,
    settings: &Settings,
    program: &Program,
    inheritance: &Inheritance,
) -> Error {
    if inheritance.workers.is_empty() {
        log_unseen(&error, true, settings);
        return error;
    }
    super::retry_reexec(program, inheritance, error)
}

/// What ends a server is printed; nobody may see that of one that another has
/// started, so it goes to the log, too.
fn log_unseen(error: &Error, is_second: bool, settings: &Settings) {
    if is_second && settings.logging.errorlog != "-" {
        ::log::error!("{error:#}");
    }
}

/// Loads the app as a worker would, and leaves no log files behind.
fn check(configuration: &Configuration, line: Vec<OsString>) -> Result<ExitCode> {
    let settings = &configuration.settings;
    for warning in &configuration.warnings {
        eprintln!("Warning: {warning}");
    }
    enter(settings)?;
    tls(settings)?;
    let (site, app) = find_app(settings)?;
    python::start(&site.serving(line))?;
    app::load(&app)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the settings anew, as if the server were started now.
fn read_again<'a>(program: &'a Program, title: Option<&'static Title>) -> Result<Serving<'a>> {
    restore(program)?;
    let variable = |name: &str| env::var_os(name);
    let words = program.words.iter().skip(1).cloned();
    match cli::parse(words, variable)? {
        Command::Serve(draft) => {
            Serving::prepare(configuration::read(draft, &program.words)?, program, title)
        }
        _ => bail!("The command line does not serve"),
    }
}

/// Undoes what `enter` has done.
fn restore(program: &Program) -> Result<()> {
    for (name, _) in env::vars_os() {
        if !program.environment.contains_key(&name) {
            remove_variable(name);
        }
    }
    for (name, value) in &program.environment {
        set_variable(name, value);
    }
    change_folder(&program.folder)
}

/// One reading of the settings, and the app that they name.
struct Serving<'a> {
    program: &'a Program,
    title: Option<&'static Title>,
    name: String,
    settings: Settings,
    hooks: Hooks,
    /// The settings as Python code sees them, if the master needs Python.
    cfg: Option<Py<PyAny>>,
    /// The variables that the settings and the config file have left behind.
    variables: Vec<(OsString, OsString)>,
    site: Site,
    app: AppSource,
    /// What a worker's interpreter sees.
    environment: Environment,
    preloaded: Option<Py<PyAny>>,
    /// The app's zip, if it is one, as an absolute path.
    zip: Option<PathBuf>,
    tls: Option<Arc<Tls>>,
}

impl<'a> Serving<'a> {
    /// Finds the app, and changes this process so that it can be served.
    fn prepare(
        configuration: Configuration,
        program: &'a Program,
        title: Option<&'static Title>,
    ) -> Result<Self> {
        let Configuration {
            settings,
            hooks,
            cfg,
            warnings,
        } = configuration;
        enter(&settings)?;
        // Before the site's folder is entered: it may be one of the cache.
        log::install(&settings.logs())?;
        log_by_python(&settings, cfg.as_ref())?;
        hooks.check_class()?;
        give_logs_away(&settings);
        for warning in warnings {
            ::log::warn!("{warning}");
        }
        if ::log::log_enabled!(::log::Level::Debug) {
            ::log::debug!("{}", settings.listed());
        }
        if settings.debugging.reload && settings.mechanics.preload_app {
            ::log::warn!("The app is preloaded, so reload does nothing; leave out one of the two");
        }
        let zip = settings
            .application
            .app_zip
            .as_ref()
            .map(std::path::absolute);
        let zip = zip.transpose().context("The current folder is gone")?;
        let tls = tls(&settings)?;
        let (site, app) = find_app(&settings)?;
        if let Some(unread) = site.unread() {
            ::log::warn!("{unread}");
        }
        Ok(Self {
            tls,
            zip,
            environment: site.serving(program.words.clone()),
            name: name(&settings, &app),
            program,
            title,
            settings,
            hooks,
            cfg,
            variables: time_zone::variables().collect(),
            site,
            app,
            preloaded: None,
        })
    }

    /// Loads the app for all workers, if the settings say so.
    fn preloaded(mut self) -> Result<Self> {
        if self.settings.mechanics.preload_app {
            python::start(&self.environment)?;
            if !logger::is_installed() {
                log_by_python(&self.settings, self.cfg.as_ref())?;
            }
            worker::show_signals()?;
            let app = python::load_to_share(|| app::load(&self.app))?;
            self.preloaded = Some(app);
        }
        Ok(self)
    }
}

impl Service for Serving<'_> {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn enter(&self) -> Result<()> {
        restore(self.program)?;
        enter(&self.settings)?;
        self.set_variables();
        log::install(&self.settings.logs())?;
        log_by_python(&self.settings, self.cfg.as_ref())?;
        change_folder(&self.site.folder)
    }

    fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    fn reopen_logs(&self) {
        log::reopen();
        give_logs_away(&self.settings);
    }

    fn work(&self, context: WorkerContext) -> i32 {
        if let Some(title) = self.title {
            title.set(&format!("gunicorn: worker [{}]", self.name));
        }
        let watched = self.watched();
        // The zip may be another one by now.
        let renewed = watched.as_ref().and(self.zip.as_ref()).and_then(|_| {
            self.find_app_again()
                .inspect_err(|error| ::log::error!("Serving what was there before: {error:#}"))
                .ok()
        });
        let environment = renewed
            .as_ref()
            .map(|(site, _)| site.serving(self.program.words.clone()));
        let settings = &self.settings;
        let app = renewed.map_or_else(|| self.app.clone(), |(_, app)| app);
        let preloaded = self.preloaded.as_ref();
        let preloaded = preloaded.map(|app| Python::attach(|py| app.clone_ref(py)));
        worker::run(worker::Boot {
            settings: settings.clone(),
            environment: environment.unwrap_or_else(|| self.environment.clone()),
            app,
            watched,
            preloaded,
            owner: owner(settings),
            listeners: context.listeners,
            tls: self.tls.clone(),
            access_log: log::access(),
            heartbeat: context.heartbeat,
            parent: context.master,
            hooks: self.hooks.clone(),
            master: context.facts,
            age: context.age,
            max_requests: OnceLock::new(),
        })
    }
}

impl Serving<'_> {
    /// What `reload` watches; nothing without it.
    fn watched(&self) -> Option<Watched> {
        let settings = &self.settings;
        (settings.debugging.reload && !settings.mechanics.preload_app).then(|| Watched {
            since: SystemTime::now(),
            files: self.zip.iter().cloned().collect(),
            patterns: settings.debugging.reload_extra_files.clone(),
        })
    }

    fn find_app_again(&self) -> Result<(Site, AppSource)> {
        restore(self.program)?;
        enter(&self.settings)?;
        self.set_variables();
        find_app(&self.settings)
    }

    fn set_variables(&self) {
        for (name, value) in &self.variables {
            set_variable(name, value);
        }
        time_zone::provide();
    }
}

/// Who the workers are to be, if somebody else than the master.
fn owner(settings: &Settings) -> Option<Owner> {
    Owner::asked_for(
        settings.mechanics.user,
        settings.mechanics.group,
        settings.mechanics.initgroups,
    )
}

/// Brings both logs to Python's `logging`, if the settings say so and there is an
/// interpreter. Without one, each worker does it.
fn log_by_python(settings: &Settings, cfg: Option<&Py<PyAny>>) -> Result<()> {
    if !python::is_started() {
        return Ok(());
    }
    let done = match settings.log_by_python() {
        true => settings.install_logger(cfg),
        false => logger::settle(cfg),
    };
    done.map_err(Error::msg)
}

/// Lets the workers open the log files anew.
fn give_logs_away(settings: &Settings) {
    let Some(owner) = owner(settings) else { return };
    let files = settings
        .logging
        .accesslog
        .iter()
        .chain([&settings.logging.errorlog]);
    for file in files.map(Path::new).filter(|it| it.is_file()) {
        if let Err(error) = owner.take(file) {
            let file = file.display();
            ::log::warn!("The log file '{file}' cannot be given to the workers' user: {error}");
        }
    }
}

/// The name that `ps` shows: as set, or the app's.
fn name(settings: &Settings, app: &AppSource) -> String {
    match (&settings.naming.proc_name, app) {
        (Some(name), _) => name.clone(),
        (None, AppSource::Named(uri)) => uri.clone(),
        (None, AppSource::Conventional { .. }) => settings.naming.default_proc_name.clone(),
    }
}

/// The certificates of the settings, if they want TLS.
fn tls(settings: &Settings) -> Result<Option<Arc<Tls>>> {
    let Some(certfile) = settings.ssl.certfile.clone() else {
        if settings.ssl.keyfile.is_some() {
            bail!("keyfile is set and certfile is not; name the certificate's file as certfile");
        }
        return Ok(None);
    };
    let tls = Tls::load(TlsOptions {
        certfile,
        keyfile: settings.ssl.keyfile.clone(),
        key_password_file: settings.ssl.key_password_file.clone(),
        ca_certs: settings.ssl.ca_certs.clone(),
        cert_reqs: settings.ssl.cert_reqs,
        ciphers: settings.ssl.ciphers.clone(),
    })?;
    Ok(Some(Arc::new(tls)))
}

/// Enters the site's folder and finds out what the app in it is.
fn find_app(settings: &Settings) -> Result<(Site, AppSource)> {
    let site = Site::find(settings)?;
    for note in site.notes() {
        ::log::warn!("{note}");
    }
    change_folder(&site.folder)?;
    let app = match &settings.sources.wsgi_app {
        Some(uri) => AppSource::Named(uri.clone()),
        None => {
            let asgi = settings.workers.worker_class == WorkerClass::Asgi;
            python::discover::discover(&site.root, asgi)?
        }
    };
    Ok((site, app))
}

/// Takes over what the settings say of this process: its folder, its libraries
/// and its environment.
pub fn enter(settings: &Settings) -> Result<()> {
    if let Some(folder) = &settings.mechanics.chdir {
        change_folder(folder)?;
    }
    if settings.application.host_libraries {
        rgunicorn_loader::allow_host_libraries();
        // What this process starts of itself goes by the variable.
        set_variable("RGUNICORN_HOST_LIBRARIES", "1");
    }
    // What it starts may be in another folder.
    for (name, path) in [
        ("RGUNICORN_APP_ZIP", &settings.application.app_zip),
        (
            "RGUNICORN_APP_CACHE_DIR",
            &settings.application.app_cache_dir,
        ),
    ] {
        if let (Some(_), Some(path)) = (env::var_os(name), path) {
            set_variable(name, path);
        }
    }
    for (name, value) in settings.variables() {
        set_variable(name, value);
    }
    // The config file may have set it, too.
    time_zone::provide();
    Ok(())
}

/// Makes this the current folder.
pub fn change_folder(folder: &Path) -> Result<()> {
    env::set_current_dir(folder)
        .with_context(|| format!("The folder '{}' cannot be entered", folder.display()))
}

fn remove_variable(name: impl AsRef<OsStr>) {
    // SAFETY: as in `set_variable`.
    unsafe { env::remove_var(name) };
}

fn set_variable(name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
    // SAFETY: this process has one thread that uses the environment: before
    // the interpreter starts it has no other, and Python's threads, should the
    // config file have started any, keep a copy of their own.
    unsafe { env::set_var(name, value) };
}
