//! What a pack is written as: a zip, an executable or a container image.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::image::{Image, Name};
use super::project::Project;
use super::times::Times;
use super::{Parts, archive, executable, image};
use crate::pack::output::Output;
use crate::pack::text;
use crate::pack::{self, Label};

/// One of the forms, and the file to write.
pub enum Form {
    Zip(PathBuf),
    Executable(PathBuf),
    Image { path: PathBuf, name: Name },
}

impl Form {
    /// Those that the options ask for.
    ///
    /// # Errors
    /// The image cannot have the name.
    pub fn all(project: &Project) -> Result<Vec<Form>> {
        let options = &project.options;
        let mut forms = Vec::new();
        if let Some(path) = &options.image {
            let version = project.label.version.as_deref();
            let name = match &options.tag {
                Some(tag) => Name::parse(tag)?,
                None => Name::usual(&project.file_name()?, version)?,
            };
            let path = path.clone();
            forms.push(Form::Image { path, name });
        }
        if options.output.is_some() || options.exe || forms.is_empty() {
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
            forms.push(match is_zip && !options.exe {
                true => Form::Zip(path),
                false => Form::Executable(path),
            });
        }
        Ok(forms)
    }

    pub fn path(&self) -> &Path {
        match self {
            Form::Zip(path) | Form::Executable(path) | Form::Image { path, .. } => path,
        }
    }

    /// Whether the program is in it.
    pub fn has_program(&self) -> bool {
        !matches!(self, Form::Zip(_))
    }

    /// What is to be warned of.
    pub fn warning(&self, label: &Label) -> Option<String> {
        let is_closed = matches!(self, Form::Image { .. }) && image::is_closed(label);
        is_closed.then(|| {
            "bind, as it is packed, is an address that is reached from inside the container \
             only; pack the image with --set bind=0.0.0.0:8000"
                .to_owned()
        })
    }

    /// Writes it, and gives a sentence about it: what it is, and how it is used.
    /// `contents` is the list of what is inside.
    ///
    /// # Errors
    /// A file cannot be read, or the form not be written.
    pub fn write(
        &self,
        mut output: Output,
        label: &Label,
        parts: &Parts,
        contents: &[u8],
        times: Times,
    ) -> Result<String> {
        let mut writer = output.writer();
        let path = quoted(self.path());
        let use_it = match self {
            Form::Zip(_) | Form::Executable(_) => {
                if let Form::Executable(_) = self {
                    writer.write_all(&executable::program(true)?)?;
                }
                let trees = [&parts.app, &parts.dependencies];
                writer = archive::write(writer, label, &trees, times)?;
                match self {
                    Form::Executable(file) => format!("Serve it: {}", quoted(&command(file))),
                    _ => format!("Serve it: rgunicorn --app-zip {path}"),
                }
            }
            Form::Image { name, .. } => {
                let image = Image {
                    label,
                    executable: &executable::program(false)?,
                    dependencies: &parts.dependencies,
                    app: &parts.app,
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
        if !matches!(self, Form::Image { .. }) {
            // What would not be served is not made.
            pack::check_whole(self.path(), output.file())?;
        }
        let size = output.finish(matches!(self, Form::Executable(_)))?;
        Ok(format!("Made {path} ({}). {use_it}", text::size(size)))
    }
}

/// A path as a shell reads it, without what would move a terminal's cursor.
fn quoted(path: &Path) -> String {
    let path = text::shown(&path.to_string_lossy());
    match shlex::try_quote(&path) {
        Ok(quoted) => quoted.into_owned(),
        Err(_) => path,
    }
}

/// How a shell calls this file.
fn command(path: &Path) -> PathBuf {
    let is_bare = path.parent().is_some_and(|it| it.as_os_str().is_empty());
    if is_bare {
        Path::new(".").join(path)
    } else {
        path.to_owned()
    }
}
