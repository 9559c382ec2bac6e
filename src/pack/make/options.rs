//! The options of `rgunicorn pack`, on its command line or under
//! `[tool.rgunicorn.pack]` in the project's `pyproject.toml`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

/// The options of `rgunicorn pack`. In `pyproject.toml` each has the name of its
/// flag.
#[derive(Args, Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    #[serde(skip)]
    pub dir: PathBuf,

    /// What to write: FILE.zip, or an executable of any other name [default: dist/NAME]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write an executable, whatever its name
    #[arg(long)]
    pub exe: bool,
    /// Write a container image, an OCI layout in a tar
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// Pack no site: an image of the program alone, for sites that are mounted at /site
    #[arg(long, requires = "image", conflicts_with_all = ["output", "exe", "app", "check"])]
    #[serde(skip)]
    pub no_site: bool,
    /// The image's name, as in shop:1.2 [default: NAME:VERSION]
    #[arg(long, value_name = "NAME")]
    pub tag: Option<String>,
    /// Write a list of what is inside, in CycloneDX's JSON
    #[arg(long, value_name = "FILE")]
    pub sbom: Option<PathBuf>,
    /// What the site is called [default: the project's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// The app, as on the server's command line
    #[arg(long, value_name = "APP_MODULE")]
    pub app: Option<String>,
    /// A setting to serve with, as in bind=0.0.0.0:8000
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Load the finished pack's app, as a worker would
    #[arg(long)]
    pub check: bool,

    /// Take the dependencies from this file
    #[arg(short, long, value_name = "FILE")]
    pub requirements: Vec<PathBuf>,
    /// Install the extra dependencies of this name, too
    #[arg(long, value_name = "NAME")]
    pub extra: Vec<String>,
    /// Install the dependency group of this name, too
    #[arg(long, value_name = "NAME")]
    pub group: Vec<String>,
    /// Pack no dependencies
    #[arg(long)]
    pub no_dependencies: bool,
    /// Versions that pip may take, as its own option
    #[arg(short, long, value_name = "FILE")]
    pub constraint: Vec<PathBuf>,
    /// A folder or page with packages, as pip's own option
    #[arg(long, value_name = "DIR")]
    pub find_links: Vec<String>,
    /// Ask no index for packages, as pip's own option
    #[arg(long)]
    pub no_index: bool,
    /// The index of packages, as pip's own option
    #[arg(long, value_name = "URL")]
    pub index_url: Option<String>,
    /// A further index of packages, as pip's own option
    #[arg(long, value_name = "URL")]
    pub extra_index_url: Vec<String>,

    /// Files to pack that would be left out, as a pattern of .gitignore
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// Files to leave out, as a pattern of .gitignore
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Leave out the tests and the type stubs of dependencies
    #[arg(long)]
    pub strip: bool,
    /// Do not compile the modules: less to copy, and slower to start
    #[arg(long)]
    pub no_compile: bool,
    /// Do not gather Django's static files
    #[arg(long)]
    pub no_collectstatic: bool,
}

impl Options {
    /// Fills in what these options do not give from those of the project in `folder`.
    /// Lists are joined, except files of requirements: the project's are used only if
    /// these name none.
    pub fn or(self, theirs: Options, folder: &Path) -> Options {
        let path = |path: PathBuf| folder.join(path);
        let paths = |paths: Vec<PathBuf>| paths.into_iter().map(path).collect::<Vec<_>>();
        let joined = |theirs: Vec<String>, ours: Vec<String>| [theirs, ours].concat();
        Options {
            dir: self.dir,
            output: self.output.or(theirs.output.map(path)),
            exe: self.exe || theirs.exe,
            image: self.image.or(theirs.image.map(path)),
            no_site: self.no_site,
            tag: self.tag.or(theirs.tag),
            sbom: self.sbom.or(theirs.sbom.map(path)),
            name: self.name.or(theirs.name),
            app: self.app.or(theirs.app),
            set: joined(theirs.set, self.set),
            check: self.check || theirs.check,
            requirements: match self.requirements.is_empty() {
                true => paths(theirs.requirements),
                false => self.requirements,
            },
            extra: joined(theirs.extra, self.extra),
            group: joined(theirs.group, self.group),
            no_dependencies: self.no_dependencies || theirs.no_dependencies,
            constraint: [paths(theirs.constraint), self.constraint].concat(),
            find_links: joined(theirs.find_links, self.find_links),
            no_index: self.no_index || theirs.no_index,
            index_url: self.index_url.or(theirs.index_url),
            extra_index_url: joined(theirs.extra_index_url, self.extra_index_url),
            include: joined(theirs.include, self.include),
            exclude: joined(theirs.exclude, self.exclude),
            strip: self.strip || theirs.strip,
            no_compile: self.no_compile || theirs.no_compile,
            no_collectstatic: self.no_collectstatic || theirs.no_collectstatic,
        }
    }
}
