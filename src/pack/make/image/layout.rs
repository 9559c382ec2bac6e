//! The tar around an image: its parts by their hashes, and what leads to them.

use std::collections::HashMap;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::str::FromStr;

use anyhow::Result;
use oci_spec::image::{
    ANNOTATION_REF_NAME, Arch, Descriptor, DescriptorBuilder, ImageIndexBuilder,
    ImageManifestBuilder, MediaType, OciLayoutBuilder, Os, PlatformBuilder, SCHEMA_VERSION,
    Sha256Digest,
};
use serde::Serialize;
use serde_json::json;
use tar::EntryType;

use super::layer::{self, Blob, Contents, Hashing, Layer};
use super::name::Name;
use crate::pack::make::FIRST_TIME;

/// The name of an image for containerd, which reads it before the one that the
/// specification has.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// What a tar is counted in.
const BLOCK: u64 = 512;

/// A layout that is being written.
pub struct Layout<'a, W> {
    to: &'a mut W,
}

impl<'a, W: Write + Seek> Layout<'a, W> {
    pub fn new(to: &'a mut W) -> Self {
        Self { to }
    }

    /// Writes a layer at once, and its head, which has its length and hash,
    /// afterwards.
    pub fn layer(
        &mut self,
        title: &str,
        fill: impl FnOnce(&mut Contents<'_>) -> Result<()>,
    ) -> Result<Layer> {
        let start = self.to.stream_position()?;
        self.to.write_all(&[0; BLOCK as usize])?;
        let mut buffer = BufWriter::with_capacity(1 << 20, &mut *self.to);
        let layer = layer::write(title, fill, &mut buffer)?;
        buffer.flush()?;
        drop(buffer);
        self.pad(layer.blob.length)?;
        let end = self.to.stream_position()?;
        self.to.seek(SeekFrom::Start(start))?;
        self.head(&layer.blob.path(), layer.blob.length)?;
        self.to.seek(SeekFrom::Start(end))?;
        Ok(layer)
    }

    /// Writes the rest: what describes the image, and what leads to that.
    pub fn finish(
        mut self,
        config: &impl Serialize,
        layers: &[Layer],
        annotations: HashMap<String, String>,
        name: &Name,
    ) -> Result<()> {
        let config = self.json_blob(config)?;
        let described = layers
            .iter()
            .map(|it| it.blob.described(MediaType::ImageLayerGzip));
        let manifest = ImageManifestBuilder::default()
            .schema_version(SCHEMA_VERSION)
            .media_type(MediaType::ImageManifest)
            .config(config.described(MediaType::ImageConfig)?)
            .layers(described.collect::<Result<Vec<_>>>()?)
            .annotations(annotations)
            .build()?;
        let manifest = self.json_blob(&manifest)?;

        let mut entry = manifest.described(MediaType::ImageManifest)?;
        let platform = PlatformBuilder::default();
        entry.set_platform(Some(
            platform.architecture(Arch::Amd64).os(Os::Linux).build()?,
        ));
        let names = [
            (ANNOTATION_REF_NAME, name.short().to_owned()),
            (CONTAINERD_NAME, name.whole()),
        ];
        let names = names.map(|(key, name)| (key.to_owned(), name));
        entry.set_annotations(Some(names.into()));
        let index = ImageIndexBuilder::default()
            .schema_version(SCHEMA_VERSION)
            .media_type(MediaType::ImageIndex)
            .manifests(vec![entry])
            .build()?;
        self.json("index.json", &index)?;
        let version = OciLayoutBuilder::default()
            .image_layout_version("1.0.0")
            .build()?;
        self.json("oci-layout", &version)?;
        // What `docker load` of an engine before 25 reads.
        let paths: Vec<_> = layers.iter().map(|layer| layer.blob.path()).collect();
        let list = json!([{"Config": config.path(), "RepoTags": [name.short()], "Layers": paths}]);
        self.json("manifest.json", &list)?;
        // The end of a tar.
        self.to.write_all(&[0; 2 * BLOCK as usize])?;
        Ok(self.to.flush()?)
    }

    fn json_blob(&mut self, value: &impl Serialize) -> Result<Blob> {
        let bytes = sorted(value)?;
        let mut hashing = Hashing::new(std::io::sink());
        hashing.write_all(&bytes)?;
        let (_, blob) = hashing.finish();
        self.file(&blob.path(), &bytes)?;
        Ok(blob)
    }

    fn json(&mut self, path: &str, value: &impl Serialize) -> Result<()> {
        self.file(path, &sorted(value)?)
    }

    fn file(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        self.head(path, bytes.len() as u64)?;
        self.to.write_all(bytes)?;
        self.pad(bytes.len() as u64)
    }

    fn head(&mut self, path: &str, length: u64) -> Result<()> {
        let mut header = layer::header(EntryType::Regular, 0o644, length, FIRST_TIME);
        header.set_path(path)?;
        header.set_cksum();
        Ok(self.to.write_all(header.as_bytes())?)
    }

    /// Fills the last block of so many bytes.
    fn pad(&mut self, length: u64) -> Result<()> {
        let missing = length.next_multiple_of(BLOCK) - length;
        Ok(self.to.write_all(&vec![0; missing as usize])?)
    }
}

impl Blob {
    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.hash)
    }

    fn described(&self, kind: MediaType) -> Result<Descriptor> {
        let digest = Sha256Digest::from_str(&self.hash)?;
        let descriptor = DescriptorBuilder::default();
        Ok(descriptor
            .media_type(kind)
            .size(self.length)
            .digest(digest)
            .build()?)
    }
}

/// JSON whose keys are in order, so that it is always the same.
fn sorted(value: &impl Serialize) -> Result<Vec<u8>> {
    // The specification's types keep them in hash maps.
    Ok(serde_json::to_vec(&serde_json::to_value(value)?)?)
}
