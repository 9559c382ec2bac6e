//! The files of a container image: an OCI image layout (OCI Image Format Specification
//! 1.1) in a tar. It is read layer by layer; nothing is written.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::bufread::MultiGzDecoder;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType};
use ring::digest::{self, Digest, SHA256, digest};

use super::header_limit::HeaderLimit;
use super::survey::Size;
use crate::cache::hexadecimal;
use crate::pack::check::{HARMLESS, MAX_ENTRIES, MAX_PATH, MAX_RATIO, MAX_UNPACKED};

/// A file in one of the layers.
pub struct ImageFile<'a> {
    pub part: ImagePart<'a>,
    /// Bytes.
    pub size: u64,
    pub executable: bool,
}

/// What a file of an image is part of.
#[derive(Clone, Copy)]
pub enum ImagePart<'a> {
    Program,
    /// The site; the path is below its folder.
    Site(&'a str),
}

/// The sizes of an image's files. A packed size is the file's part of the compressed
/// layer.
#[derive(Debug, Default)]
pub struct Sizes {
    pub program: Size,
    pub site: BTreeMap<String, Size>,
}

/// Called with each file and its content.
pub type Visit<'v> = dyn FnMut(&ImageFile<'_>, &mut dyn Read) -> Result<()> + 'v;

/// Calls `visit` with each file of the site and with the program.
///
/// # Errors
/// `visit` fails, or the file is not such an image, is damaged or is hostile: part of a
/// sentence that says what to do.
pub fn walk(file: &File, visit: &mut Visit<'_>) -> Result<Sizes> {
    let blobs = Blobs::of(file)?;
    let manifest = blobs.manifest()?;
    let config: ImageConfiguration = blobs.json(manifest.config(), "the configuration")?;
    let places = Places::of(&config)?;
    let mut layers = Layers {
        places,
        visit,
        sizes: Sizes::default(),
        unpacked: Cell::new(0),
        packed: file.metadata()?.len(),
        entries: 0,
    };
    for layer in manifest.layers() {
        layers.read(&blobs, layer)?;
    }
    Ok(layers.sizes)
}

/// The files of the layout: their offsets in the tar and their lengths.
struct Blobs<'f> {
    file: &'f File,
    places: BTreeMap<String, (u64, u64)>,
}

/// Larger than any description of an image, in bytes.
const MAX_JSON: u64 = 4 << 20;

impl<'f> Blobs<'f> {
    fn of(mut file: &'f File) -> Result<Self> {
        let damaged = "it is not a whole tar archive; make or copy it again";
        file.rewind()?;
        let length = file.metadata()?.len();
        let mut places = BTreeMap::new();
        let limit = HeaderLimit::new();
        let mut tar = tar::Archive::new(limit.of(file));
        let mut entries = tar.entries_with_seek().context(damaged)?;
        while let Some(entry) = limit.next(&mut entries, damaged)? {
            ensure!(
                places.len() < MAX_ENTRIES,
                "it holds more files than an image would; make it again"
            );
            if entry.header().entry_type().is_file() {
                let end = entry.raw_file_position().checked_add(entry.size());
                ensure!(end.is_some_and(|end| end <= length), damaged);
                let path = name(&entry)?;
                let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
                places.insert(path, (entry.raw_file_position(), entry.size()));
            }
        }
        Ok(Self { file, places })
    }

    /// The manifest of the image for Linux on x86-64.
    fn manifest(&self) -> Result<ImageManifest> {
        let Some(&place) = self.places.get("index.json") else {
            bail!(
                "it is a tar, but no OCI image layout; name one that 'rgunicorn pack --image' made"
            );
        };
        let mut index: ImageIndex = parsed(&self.bytes(place)?, "index.json")?;
        // `docker save` writes another index below the first.
        for _ in 0..2 {
            let mut fitting = index.manifests().iter().filter(|it| is_for_us(it));
            let Some(descriptor) = fitting.next() else {
                break;
            };
            match descriptor.media_type() {
                MediaType::ImageIndex => index = self.json(descriptor, "the index")?,
                _ => return self.json(descriptor, "the manifest"),
            }
        }
        bail!("it holds no image for Linux on x86-64; make it again")
    }

    fn json<T: serde::de::DeserializeOwned>(&self, of: &Descriptor, name: &str) -> Result<T> {
        let bytes = self.bytes(self.place(of)?)?;
        check_hash(of, &digest(&SHA256, &bytes))?;
        parsed(&bytes, name)
    }

    fn place(&self, of: &Descriptor) -> Result<(u64, u64)> {
        let digest = of.as_digest_sha256().with_context(|| {
            format!(
                "it names a part by {:?}, which is no SHA-256; make it again",
                of.digest()
            )
        })?;
        let place = self.places.get(&format!("blobs/sha256/{digest}"));
        place.copied().with_context(|| {
            format!("its part blobs/sha256/{digest} is missing; make or copy it again")
        })
    }

    fn bytes(&self, (start, length): (u64, u64)) -> Result<Vec<u8>> {
        ensure!(
            length <= MAX_JSON,
            "its description is of {length} bytes, as no image's would be; make it again"
        );
        let mut bytes = Vec::new();
        self.reader((start, length))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn reader(&self, (start, length): (u64, u64)) -> io::Result<Take<&'f File>> {
        let mut file = self.file;
        file.seek(SeekFrom::Start(start))?;
        Ok(file.take(length))
    }
}

fn parsed<T: serde::de::DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| anyhow::anyhow!("{name} of the image is damaged ({error}); make it again"))
}

fn check_hash(of: &Descriptor, hash: &Digest) -> Result<()> {
    ensure!(
        of.as_digest_sha256() == Some(&*hexadecimal(hash.as_ref())),
        "its part {} is damaged; make or copy it again",
        of.digest()
    );
    Ok(())
}

fn is_for_us(descriptor: &Descriptor) -> bool {
    descriptor.platform().as_ref().is_none_or(|platform| {
        platform.os().to_string() == "linux" && platform.architecture().to_string() == "amd64"
    })
}

/// The paths of the program and of the site in the image, without the first `/`.
struct Places {
    program: String,
    site: String,
}

impl Places {
    /// The image runs the program, and an environment variable names the site.
    fn of(config: &ImageConfiguration) -> Result<Self> {
        const SITE: &str = "RGUNICORN_APP_ZIP=";
        let config = config.config().as_ref();
        let entry = config.and_then(|it| it.entrypoint().as_ref()?.first());
        let variables = config.and_then(|it| it.env().as_ref());
        let site = variables.and_then(|all| all.iter().find_map(|it| it.strip_prefix(SITE)));
        match (entry.map(|it| within(it)), site.map(within)) {
            (Some(Some(program)), Some(Some(site))) => Ok(Self { program, site }),
            _ => bail!(
                "it is a container image, but none of rgunicorn's; name one that \
                 'rgunicorn pack --image' made"
            ),
        }
    }

    fn find<'a>(&self, path: &'a str) -> Option<ImagePart<'a>> {
        if path == self.program {
            return Some(ImagePart::Program);
        }
        let path = path.strip_prefix(&self.site)?.strip_prefix('/')?;
        Some(ImagePart::Site(path))
    }

    /// Whether a file in a layer removes the program or files of the site from the
    /// layers below (OCI Image Format Specification, layer.md, "Whiteouts").
    fn is_removed_by(&self, path: &str) -> bool {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(hidden) = name.strip_prefix(".wh.") else {
            return false;
        };
        let hidden = match hidden {
            ".wh..opq" => Path::new(folder).to_owned(),
            hidden => Path::new(folder).join(hidden),
        };
        [&self.program, &self.site]
            .iter()
            .any(|ours| hidden.starts_with(ours) || Path::new(ours).starts_with(&hidden))
    }
}

/// The path of an entry.
fn name<R: Read>(entry: &tar::Entry<'_, R>) -> Result<String> {
    let path = entry.path_bytes();
    ensure!(
        path.len() <= MAX_PATH,
        "it holds a path of {} bytes, which is too long; make it again",
        path.len()
    );
    Ok(String::from_utf8_lossy(&path).into_owned())
}

/// A path without empty parts and `.`; `None` if it is empty or has `..`.
fn within(path: &str) -> Option<String> {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    let parts: Vec<&str> = parts.collect();
    (!parts.is_empty() && !parts.contains(&"..")).then(|| parts.join("/"))
}

/// Reads the layers one after the other.
struct Layers<'v, 'w> {
    places: Places,
    visit: &'v mut Visit<'w>,
    sizes: Sizes,
    /// Unpacked bytes so far.
    unpacked: Cell<u64>,
    /// Bytes of the whole image.
    packed: u64,
    entries: usize,
}

impl Layers<'_, '_> {
    fn read(&mut self, blobs: &Blobs<'_>, layer: &Descriptor) -> Result<()> {
        let hasher = RefCell::new(digest::Context::new(&SHA256));
        let consumed = Cell::new(0);
        let mut source = HashedReader {
            inner: BufReader::new(blobs.reader(blobs.place(layer)?)?),
            hasher: &hasher,
            consumed: &consumed,
        };
        let unpacked = &Cell::new(self.unpacked.get());
        let limits = (self.packed, unpacked);
        let is_packed = match layer.media_type() {
            MediaType::ImageLayer => false,
            MediaType::ImageLayerGzip => true,
            // Docker's name for it.
            MediaType::Other(name) if name.ends_with(".tar.gzip") => true,
            other => bail!("it has a layer of the kind {other}; make it with gzip"),
        };
        if is_packed {
            self.files(
                &mut BoundedReader(MultiGzDecoder::new(&mut source), limits),
                &consumed,
            )?;
        } else {
            self.files(&mut BoundedReader(&mut source, limits), &consumed)?;
        }
        self.unpacked.set(unpacked.get());
        io::copy(&mut source, &mut io::sink())?;
        check_hash(layer, &hasher.into_inner().finish())
    }

    fn files(&mut self, content: &mut dyn Read, consumed: &Cell<u64>) -> Result<()> {
        let damaged = "one of its layers cannot be read; make or copy it again";
        let limit = HeaderLimit::new();
        let mut tar = tar::Archive::new(limit.of(content));
        let mut entries = tar.entries().context(damaged)?;
        while let Some(mut entry) = limit.next(&mut entries, damaged)? {
            self.entries += 1;
            ensure!(
                self.entries <= MAX_ENTRIES,
                "it holds more than {MAX_ENTRIES} files; leave out what the app does not need"
            );
            let before = consumed.get();
            let found = self.visit_entry(&mut entry)?;
            io::copy(&mut entry, &mut io::sink()).context(damaged)?;
            let size = Size {
                packed: consumed.get() - before,
                unpacked: entry.size(),
            };
            match found.as_deref().and_then(|path| self.places.find(path)) {
                None => {}
                Some(ImagePart::Program) => self.sizes.program = size,
                Some(ImagePart::Site(path)) => {
                    self.sizes.site.insert(path.to_owned(), size);
                }
            }
        }
        io::copy(&mut tar.into_inner(), &mut io::sink()).context(damaged)?;
        Ok(())
    }

    /// Calls `visit` with an entry of a layer if it is a file of the site or the
    /// program. Returns its path then.
    fn visit_entry<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<Option<String>> {
        let name = name(entry)?;
        let kind = entry.header().entry_type();
        // The size of a sparse file's content is not limited by the size of the tar.
        ensure!(
            !kind.is_gnu_sparse(),
            "its layers hold {name:?} as a sparse file; make it again"
        );
        let Some(path) = within(&name) else {
            ensure!(
                kind.is_dir() && !name.contains(".."),
                "its layers hold {name:?}, which climbs out; make it again"
            );
            return Ok(None);
        };
        ensure!(
            !self.places.is_removed_by(&path),
            "its layer removes files of the site by {name:?}; make it in one go, without them"
        );
        let Some(part) = self.places.find(&path) else {
            return Ok(None);
        };
        if kind.is_dir() {
            return Ok(None);
        }
        ensure!(
            kind.is_file(),
            "its file {name:?} is a link or a special file; put the file itself in its place"
        );
        let found = ImageFile {
            part,
            size: entry.size(),
            executable: entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0),
        };
        (self.visit)(&found, entry)?;
        Ok(Some(path))
    }
}

/// Reads a layer from the file, and hashes and counts the bytes that were read.
struct HashedReader<'c, R> {
    inner: BufReader<R>,
    hasher: &'c RefCell<digest::Context>,
    consumed: &'c Cell<u64>,
}

impl<R: Read> BufRead for HashedReader<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        let used = &self.inner.buffer()[..count];
        self.hasher.borrow_mut().update(used);
        self.consumed.set(self.consumed.get() + count as u64);
        self.inner.consume(count);
    }
}

impl<R: Read> Read for HashedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

/// Limits how much is unpacked: the size of the image, and the bytes that were unpacked
/// so far.
struct BoundedReader<'c, R>(R, (u64, &'c Cell<u64>));

impl<R: Read> Read for BoundedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self(inner, (packed, unpacked)) = self;
        let count = inner.read(buffer)?;
        let sum = unpacked.get() + count as u64;
        unpacked.set(sum);
        if sum > MAX_UNPACKED || (sum > HARMLESS && sum / (*packed).max(1) > MAX_RATIO) {
            return Err(io::Error::other("it unpacks to more than a site would"));
        }
        Ok(count)
    }
}
