//! Guesses where the app is if there is no APP_MODULE, from the names of files.

use super::app::AppSource;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// The usual names of modules with an app, the likeliest first: for an app of
/// either kind, and for an ASGI app.
const MODULES: [&str; 4] = ["wsgi", "app", "main", "asgi"];
const ASGI_MODULES: [&str; 3] = ["asgi", "app", "main"];

/// The endings of a module's file: also of a compiled one, and of a native one
/// as in Python's `importlib.machinery.EXTENSION_SUFFIXES`.
fn endings() -> [String; 5] {
    let native = format!(".{}-x86_64-linux-gnu.so", super::cache_tag());
    [".py", ".pyc", &native, ".abi3.so", ".so"].map(str::to_owned)
}

/// The text after `Error:` if nothing was found.
#[derive(Debug, thiserror::Error)]
#[error(
    "No application module specified.\n\
     Looked in {} for a wsgi_app in gunicorn.conf.py, for {} (with application, app, \
     create_app() or make_app() in them) and for Django's manage.py. Name the app as APP_MODULE, such as \
     'module:name'.",
    .root.display(),
    .modules.iter().map(|module| format!("{module}.py")).collect::<Vec<_>>().join(", ")
)]
pub struct NoApp {
    root: PathBuf,
    modules: &'static [&'static str],
}

/// Searches `root`, a folder or a zip, for files with the usual names of apps;
/// with `asgi`, of ASGI apps.
pub fn discover(root: &Path, asgi: bool) -> Result<AppSource, NoApp> {
    let mut files = Files::open(root);
    let usual: &[&str] = match asgi {
        true => &ASGI_MODULES,
        false => &MODULES,
    };
    let mut modules: Vec<String> = usual
        .iter()
        .filter(|module| files.has_module(module))
        .map(|module| (*module).to_owned())
        .collect();
    let mut django_settings = None;
    if let Some(settings) = files.read("manage.py").as_deref().and_then(settings_module) {
        // The project's wsgi.py and asgi.py are in the same package as its
        // settings.
        let dots = settings.match_indices('.').rev();
        let packages: Vec<&str> = dots.map(|(dot, _)| &settings[..dot]).collect();
        let mut module = |name: &str| {
            let mut modules = packages.iter().map(|package| format!("{package}.{name}"));
            modules.find(|module| files.has_module(module))
        };
        modules.extend(match asgi {
            true => module("asgi"),
            false => module("wsgi").or_else(|| module("asgi")),
        });
        django_settings = Some(settings.to_owned());
    }
    if modules.is_empty() && django_settings.is_none() {
        return Err(NoApp {
            root: root.to_owned(),
            modules: usual,
        });
    }
    Ok(AppSource::Conventional {
        modules,
        django_settings,
        asgi,
    })
}

/// The text of a file in `root`, a folder or a zip.
pub fn read(root: &Path, path: &str) -> Option<String> {
    Files::open(root).read(path)
}

enum Files<'a> {
    Folder(&'a Path),
    Zip(ZipArchive<File>),
}

impl Files<'_> {
    /// A file that is not a zip counts as an empty folder.
    fn open(root: &Path) -> Files<'_> {
        let archive = File::open(root)
            .ok()
            .and_then(|file| ZipArchive::new(file).ok());
        archive.map_or(Files::Folder(root), Files::Zip)
    }

    fn has_module(&mut self, module: &str) -> bool {
        let path = module.replace('.', "/");
        let forms = [path.clone(), format!("{path}/__init__")];
        endings().iter().any(|ending| {
            forms
                .iter()
                .any(|form| self.has(&format!("{form}{ending}")))
        })
    }

    fn has(&mut self, path: &str) -> bool {
        match self {
            Files::Folder(root) => root.join(path).is_file(),
            Files::Zip(archive) => archive.index_for_name(path).is_some(),
        }
    }

    fn read(&mut self, path: &str) -> Option<String> {
        let bytes = match self {
            Files::Folder(root) => fs::read(root.join(path)).ok()?,
            Files::Zip(archive) => read_entry(archive, path).ok()?,
        };
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn read_entry(archive: &mut ZipArchive<File>, path: &str) -> io::Result<Vec<u8>> {
    /// More than any manage.py has. It limits a zip bomb.
    const MOST: u64 = 1 << 20;
    let mut bytes = Vec::new();
    let entry = archive.by_name(path).map_err(io::Error::other)?;
    entry.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The value of DJANGO_SETTINGS_MODULE in the text of a manage.py.
pub fn settings_module(manage: &str) -> Option<&str> {
    const NAME: &str = "DJANGO_SETTINGS_MODULE";
    let after = &manage[manage.find(NAME)? + NAME.len()..];
    // The quote that ends the name, a comma, then the quoted value.
    let value = after.split(['"', '\'']).nth(2)?;
    let is_name =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    value.split('.').all(is_name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyo3::prelude::*;
    use std::io::Write;
    use zip::write::{SimpleFileOptions, ZipWriter};

    const MANAGE: &str = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', \"shop.settings.dev\")";

    /// The result for these files, which is the same in a folder and in a zip.
    fn found(files: &[(&str, &str)]) -> Result<(Vec<String>, Option<String>), String> {
        found_of_kind(files, false)
    }

    fn found_of_kind(
        files: &[(&str, &str)],
        asgi: bool,
    ) -> Result<(Vec<String>, Option<String>), String> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("site");
        let zip_path = folder.path().join("site.zip");
        let mut zip = ZipWriter::new(File::create(&zip_path).unwrap());
        fs::create_dir(&root).unwrap();
        for (name, text) in files {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), text).unwrap();
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        let result = |root: &Path| match discover(root, asgi) {
            Ok(AppSource::Conventional {
                modules,
                django_settings,
                ..
            }) => Ok((modules, django_settings)),
            Ok(AppSource::Named(name)) => panic!("{name}"),
            Err(error) => Err(error
                .to_string()
                .replace(&root.display().to_string(), "ROOT")),
        };
        assert_eq!(result(&root), result(&zip_path));
        result(&root)
    }

    #[test]
    fn by_convention() {
        let modules = |files: &[(&str, &str)]| found(files).unwrap().0;
        assert_eq!(modules(&[("app.py", ""), ("wsgi.py", "")]), ["wsgi", "app"]);
        assert_eq!(modules(&[("main/__init__.py", "")]), ["main"]);
    }

    #[test]
    fn compiled_and_native_modules() {
        for ending in endings() {
            for name in ["main", "main/__init__"] {
                let file = format!("{name}{ending}");
                let modules = found(&[(&file, "")]).unwrap().0;
                assert_eq!(modules, ["main"], "{file}");
            }
        }
        assert!(found(&[("__pycache__/main.cpython-313.pyc", "")]).is_err());
        assert!(found(&[("main.cpython-38-x86_64-linux-gnu.so", "")]).is_err());
        let django = [("manage.py", MANAGE), ("shop/wsgi.pyc", "")];
        assert_eq!(found(&django).unwrap().0, ["shop.wsgi"]);
    }

    #[test]
    fn native_modules_end_as_python_says() {
        crate::python::start_once();
        let endings: Vec<String> = Python::attach(|py| {
            let module = py.import("importlib.machinery").unwrap();
            module
                .getattr("EXTENSION_SUFFIXES")
                .unwrap()
                .extract()
                .unwrap()
        });
        assert_eq!(super::endings()[2..], endings);
    }

    #[test]
    fn django() {
        let settings = Some("shop.settings.dev".to_owned());
        assert_eq!(
            found(&[("manage.py", MANAGE)]),
            Ok((vec![], settings.clone()))
        );
        assert_eq!(
            found(&[("manage.py", MANAGE), ("shop/wsgi.py", "")]),
            Ok((vec!["shop.wsgi".to_owned()], settings))
        );
        assert!(found(&[("manage.py", "print('hello')")]).is_err());
    }

    #[test]
    fn asgi() {
        let modules = |files: &[(&str, &str)], asgi| found_of_kind(files, asgi).unwrap().0;
        let both = [("asgi.py", ""), ("main.py", ""), ("wsgi.py", "")];
        assert_eq!(modules(&both, false), ["wsgi", "main", "asgi"]);
        assert_eq!(modules(&both, true), ["asgi", "main"]);
        let django = [
            ("manage.py", MANAGE),
            ("shop/wsgi.py", ""),
            ("shop/asgi.py", ""),
        ];
        assert_eq!(modules(&django, false), ["shop.wsgi"]);
        assert_eq!(modules(&django, true), ["shop.asgi"]);
        assert_eq!(modules(&django[..1], true), [""; 0]);
    }

    #[test]
    fn nothing() {
        let error = found(&[("other.py", "")]).unwrap_err();
        assert!(
            error.starts_with("No application module specified.\nLooked in ROOT for a wsgi_app in")
        );
    }
}
