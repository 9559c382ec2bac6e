//! The forms that a pack is written in: a zip, an executable or a container image.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::image::{Image, Name};
use super::project::Project;
use super::site_files::SiteFiles;
use super::times::Times;
use super::{archive, executable, image};
use crate::pack::Label;
use crate::pack::check::check_pack;
use crate::pack::output::Output;
use crate::pack::text;

/// A form, and the file to write.
pub enum Target {
    Zip(PathBuf),
    Executable(PathBuf),
    Image { path: PathBuf, name: Name },
}

impl Target {
    /// The targets that the options ask for.
    ///
    /// # Errors
    /// The image cannot have the name.
    pub fn all(project: &Project) -> Result<Vec<Target>> {
        let options = &project.options;
        let mut targets = Vec::new();
        if let Some(path) = &options.image {
            let version = project.label.version.as_deref();
            let name = match &options.tag {
                Some(tag) => Name::parse(tag)?,
                None => Name::usual(&project.file_name()?, version)?,
            };
            let path = path.clone();
            targets.push(Target::Image { path, name });
        }
        if options.output.is_some() || options.exe || targets.is_empty() {
            let path = match &options.output {
                Some(path) => path.clone(),
                None => Path::new("dist").join(project.file_name()?),
            };
            let is_zip = path
                .extension()
                .is_some_and(|it| it.eq_ignore_ascii_case("zip"));
            if !options.exe && path.extension().is_some_and(|it| it == "tar") {
                bail!(
                    "'{}' would be an executable; name an image by --image",
                    path.display()
                );
            }
            targets.push(match is_zip && !options.exe {
                true => Target::Zip(path),
                false => Target::Executable(path),
            });
        }
        Ok(targets)
    }

    pub fn path(&self) -> &Path {
        match self {
            Target::Zip(path) | Target::Executable(path) | Target::Image { path, .. } => path,
        }
    }

    /// Whether the program is in it.
    pub fn has_program(&self) -> bool {
        !matches!(self, Target::Zip(_))
    }

    /// A warning about settings that do not fit the form.
    pub fn warning(&self, label: &Label) -> Option<String> {
        let is_closed = matches!(self, Target::Image { .. }) && image::is_closed(label);
        is_closed.then(|| {
            "bind, as it is packed, is an address that is reached from inside the container \
             only; pack the image with --set bind=0.0.0.0:8000"
                .to_owned()
        })
    }

    /// Writes the pack. Returns a sentence about what it is and how to use it.
    /// `contents` is the list of what is inside.
    ///
    /// # Errors
    /// A file cannot be read, or the pack cannot be written.
    pub fn write(
        &self,
        mut output: Output,
        label: &Label,
        files: &SiteFiles,
        contents: &[u8],
        times: Times,
    ) -> Result<String> {
        let mut writer = output.writer();
        let path = quoted(self.path());
        let use_it = match self {
            Target::Zip(_) | Target::Executable(_) => {
                if let Target::Executable(_) = self {
                    writer.write_all(&executable::program(true)?)?;
                }
                let trees = [&files.app, &files.dependencies];
                writer = archive::write(writer, label, &trees, times)?;
                match self {
                    Target::Executable(file) => format!("Serve it: {}", quoted(&command(file))),
                    _ => format!("Serve it: rgunicorn --app-zip {path}"),
                }
            }
            Target::Image { name, .. } => {
                let image = Image {
                    label,
                    executable: &executable::program(false)?,
                    dependencies: &files.dependencies,
                    app: &files.app,
                    name,
                    sbom: Some(contents),
                    created: times.made(),
                };
                image::write(&image, &mut writer)?;
                let ports = image::ports(label).map(|port| format!("-p {port}:{port} "));
                let ports: String = ports.collect();
                let run = format!("docker run {ports}{}", name.short());
                format!("Serve it: docker load < {path} && {run}")
            }
        };
        writer.flush().context("The pack cannot be written")?;
        drop(writer);
        if !matches!(self, Target::Image { .. }) {
            // A pack that could not be served is not made.
            check_pack(self.path(), output.file())?;
        }
        let size = output.finish(matches!(self, Target::Executable(_)))?;
        Ok(format!("Made {path} ({}). {use_it}", text::size(size)))
    }
}

/// A path for a shell, without characters that control a terminal.
fn quoted(path: &Path) -> String {
    let path = text::printable(&path.to_string_lossy());
    match shlex::try_quote(&path) {
        Ok(quoted) => quoted.into_owned(),
        Err(_) => path,
    }
}

/// How a shell runs this file.
fn command(path: &Path) -> PathBuf {
    match path.parent().is_some_and(|it| it.as_os_str().is_empty()) {
        true => Path::new(".").join(path),
        false => path.to_owned(),
    }
}
