//! The OCI image layout around the layers: a tar with all parts by their hashes, and an
//! index.

use std::collections::HashMap;
use std::io::Write;
use std::str::FromStr;

use anyhow::Result;
use oci_spec::image::{
    ANNOTATION_REF_NAME, Arch, Descriptor, DescriptorBuilder, ImageIndexBuilder,
    ImageManifestBuilder, MediaType, OciLayoutBuilder, Os, PlatformBuilder, SCHEMA_VERSION,
    Sha256Digest,
};
use serde::Serialize;
use serde_json::json;
use tar::{Builder, EntryType};

use super::layer::{self, Blob, ImageLayer};
use super::name::Name;

/// The name of an image for containerd, which prefers it to the name of the
/// specification.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Writes the configuration, the layers, the manifest and the index.
pub fn write(
    config: &impl Serialize,
    layers: &[ImageLayer],
    annotations: HashMap<String, String>,
    name: &Name,
    to: &mut impl Write,
) -> Result<()> {
    let mut tar = Builder::new(to);
    for layer in layers {
        add(&mut tar, &layer.packed.path(), &layer.packed.bytes)?;
    }
    let config = Blob::of(sorted(config)?);
    add(&mut tar, &config.path(), &config.bytes)?;
    let described = layers
        .iter()
        .map(|it| it.packed.described(MediaType::ImageLayerGzip));
    let manifest = ImageManifestBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(config.described(MediaType::ImageConfig)?)
        .layers(described.collect::<Result<Vec<_>>>()?)
        .annotations(annotations)
        .build()?;
    let manifest = Blob::of(sorted(&manifest)?);
    add(&mut tar, &manifest.path(), &manifest.bytes)?;

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
    add(&mut tar, "index.json", &sorted(&index)?)?;
    let version = OciLayoutBuilder::default()
        .image_layout_version("1.0.0")
        .build()?;
    add(&mut tar, "oci-layout", &sorted(&version)?)?;
    // Read by `docker load` of engines before version 25.
    let paths: Vec<_> = layers.iter().map(|layer| layer.packed.path()).collect();
    let list = json!([{"Config": config.path(), "RepoTags": [name.short()], "Layers": paths}]);
    add(&mut tar, "manifest.json", &sorted(&list)?)?;
    Ok(tar.finish()?)
}

fn add(tar: &mut Builder<impl Write>, path: &str, bytes: &[u8]) -> Result<()> {
    let mut header = layer::header(EntryType::Regular, 0o644, bytes);
    Ok(tar.append_data(&mut header, path, bytes)?)
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
            .size(self.bytes.len() as u64)
            .digest(digest)
            .build()?)
    }
}

/// JSON with sorted keys, so that it is always the same.
fn sorted(value: &impl Serialize) -> Result<Vec<u8>> {
    // The types of the specification use hash maps.
    Ok(serde_json::to_vec(&serde_json::to_value(value)?)?)
}
