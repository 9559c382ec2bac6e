//! Builds small images and reads them again.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;

use flate2::read::GzDecoder;
use oci_spec::image::{ImageConfiguration, ImageIndex, ImageManifest};
use serde_json::{Value, json};

use super::{Image, Name, is_closed, write};
use crate::pack::hash::sha256;
use crate::pack::label::Label;
use crate::pack::tree::{Content, PackFile, Tree};

/// The inputs of an image, which the tests change.
struct TestImage {
    label: Label,
    _folder: tempfile::TempDir,
    dependencies: Tree,
    app: Tree,
    created: u64,
}

/// An image's files by their paths.
struct Opened(BTreeMap<String, Vec<u8>>);

impl TestImage {
    fn new() -> Self {
        let label = Label {
            name: Some("Shop".to_owned()),
            version: Some("1.2+local".to_owned()),
            rgunicorn: "0.1.0".to_owned(),
            python: "3.13.5".to_owned(),
            ..Label::default()
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tool"), "tool").unwrap();
        let mut dependencies = Tree::default();
        dependencies.add("site-packages/flask/__init__.py", b"x = 1".to_vec());
        let long = format!("site-packages/{}module.py", "long/".repeat(40));
        dependencies.add(&long, b"y = 1".to_vec());
        let mut app = Tree::default();
        app.add("app.py", b"import flask".to_vec());
        let tool = PackFile {
            content: Content::Disk(folder.path().join("tool")),
            executable: true,
        };
        app.0.insert("bin/tool".to_owned(), tool);
        Self {
            label,
            _folder: folder,
            dependencies,
            app,
            created: 1_700_000_000,
        }
    }

    fn write(&self) -> anyhow::Result<Vec<u8>> {
        let name = Name::usual("Shop", self.label.version.as_deref())?;
        let image = Image {
            label: &self.label,
            executable: b"executable",
            dependencies: &self.dependencies,
            app: &self.app,
            name: &name,
            sbom: Some(b"{}"),
            created: self.created,
        };
        let mut to = Cursor::new(Vec::new());
        write(&image, &mut to)?;
        Ok(to.into_inner())
    }

    fn open(&self) -> Opened {
        let bytes = self.write().unwrap();
        Opened(
            entries(&bytes)
                .into_iter()
                .map(|(path, (_, bytes))| (path, bytes))
                .collect(),
        )
    }
}

impl Opened {
    fn index(&self) -> ImageIndex {
        ImageIndex::from_reader(&self.0["index.json"][..]).unwrap()
    }

    fn manifest(&self) -> ImageManifest {
        let index = self.index();
        let digest = index.manifests()[0].digest();
        ImageManifest::from_reader(self.blob(digest.digest())).unwrap()
    }

    fn config(&self) -> Value {
        let manifest = self.manifest();
        serde_json::from_slice(self.blob(manifest.config().digest().digest())).unwrap()
    }

    fn blob(&self, hash: &str) -> &[u8] {
        &self.0[&format!("blobs/sha256/{hash}")]
    }

    fn layers(&self) -> Vec<BTreeMap<String, (tar::Header, Vec<u8>)>> {
        let manifest = self.manifest();
        let layers = manifest.layers().iter();
        layers
            .map(|it| entries(&unpacked(self.blob(it.digest().digest()))))
            .collect()
    }

    fn layer_hashes(&self) -> Vec<String> {
        let manifest = self.manifest();
        manifest
            .layers()
            .iter()
            .map(|it| it.digest().digest().to_owned())
            .collect()
    }
}

fn entries(tar: &[u8]) -> BTreeMap<String, (tar::Header, Vec<u8>)> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (path, (entry.header().clone(), bytes))
    });
    entries.collect()
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn all_parts_are_what_their_hashes_say() {
    let image = TestImage::new().open();
    let blobs = image
        .0
        .iter()
        .filter_map(|(path, bytes)| Some((path.strip_prefix("blobs/sha256/")?, bytes)));
    let blobs: Vec<_> = blobs.collect();
    assert_eq!(blobs.len(), 5);
    for (name, bytes) in blobs {
        assert_eq!(name, sha256(bytes));
    }
    let manifest = image.manifest();
    for part in manifest.layers().iter().chain([manifest.config()]) {
        let bytes = image.blob(part.digest().digest());
        assert_eq!(bytes.len() as u64, part.size());
    }
    let config: ImageConfiguration = serde_json::from_value(image.config()).unwrap();
    let plain = image.layer_hashes();
    let plain: Vec<_> = plain
        .iter()
        .map(|it| format!("sha256:{}", sha256(&unpacked(image.blob(it)))))
        .collect();
    assert_eq!(config.rootfs().diff_ids(), &plain);
    let list: Value = serde_json::from_slice(&image.0["manifest.json"]).unwrap();
    assert_eq!(list[0]["Layers"].as_array().unwrap().len(), 3);
    assert_eq!(list[0]["RepoTags"], json!(["shop:1.2-local"]));
}

#[test]
fn each_layer_has_what_changes_as_often() {
    let made = TestImage::new();
    let layers = made.open().layers();
    let facts = |nth: usize, path: &str| {
        let (header, bytes) = &layers[nth][path];
        let text = String::from_utf8_lossy(bytes).into_owned();
        (header.mode().unwrap(), header.uid().unwrap(), text)
    };
    assert_eq!(facts(0, "rgunicorn"), (0o755, 0, "executable".to_owned()));
    assert_eq!(facts(0, "tmp/").0, 0o1777);
    assert_eq!(facts(0, "cache/"), (0o700, 65534, String::new()));
    assert!(facts(0, "etc/passwd").2.contains(":65534:65534:"));
    let module = facts(1, "site/site-packages/flask/__init__.py");
    assert_eq!(module, (0o644, 0, "x = 1".to_owned()));
    let long = format!("site/site-packages/{}module.py", "long/".repeat(40));
    assert!(layers[1].contains_key(&long));
    assert_eq!(
        facts(2, "site/app.py"),
        (0o644, 0, "import flask".to_owned())
    );
    assert_eq!(facts(2, "site/bin/tool").0, 0o755);
    assert_eq!(facts(2, "site/sbom.cdx.json").2, "{}");
    let label: Label = serde_json::from_str(&facts(2, "site/rgunicorn.json").2).unwrap();
    assert_eq!(label, made.label);
    assert!(!layers[2].keys().any(|path| path.contains("site-packages")));
}

#[test]
fn another_version_is_another_last_layer() {
    let mut made = TestImage::new();
    let time = |made: &TestImage| made.open().layers()[2]["site/app.py"].0.mtime().unwrap();
    let was = time(&made);
    assert_eq!(made.write().unwrap(), made.write().unwrap());
    let before = made.open().layer_hashes();
    made.app.add("app.py", b"import flask # again".to_vec());
    made.label.version = Some("1.3".to_owned());
    made.created += 1000;
    let after = made.open().layer_hashes();
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2], after[2]);
    // By its time a browser sees that its copy is old.
    assert_ne!(time(&made), was);
}

#[test]
fn without_dependencies_there_is_no_layer_for_them() {
    let made = TestImage {
        dependencies: Tree::default(),
        ..TestImage::new()
    };
    assert_eq!(made.open().layers().len(), 2);
}

#[test]
fn the_address_is_the_packed_one() {
    let mut made = TestImage::new();
    let facts = |made: &TestImage| {
        let config = made.open().config();
        let config = &config["config"];
        let port = config["Env"]
            .as_array()
            .unwrap()
            .contains(&json!("PORT=8000"));
        (config["ExposedPorts"].clone(), port)
    };
    assert_eq!(facts(&made), (json!({"8000/tcp": {}}), true));
    assert!(!is_closed(&made.label));
    for (bind, ports, closed) in [
        (json!("0.0.0.0:80"), json!({"80/tcp": {}}), false),
        (
            json!([":81", "[::1]:82", "unix:/s"]),
            json!({"81/tcp": {}, "82/tcp": {}}),
            false,
        ),
        (json!(["fd://3"]), json!({}), false),
        (
            json!(["localhost:83", "127.0.0.1:84"]),
            json!({"83/tcp": {}, "84/tcp": {}}),
            true,
        ),
    ] {
        made.label.settings.insert("bind".to_owned(), bind);
        assert_eq!(facts(&made), (ports, false));
        assert_eq!(is_closed(&made.label), closed);
    }
}

#[test]
fn the_image_says_what_it_is() {
    let image = TestImage::new().open();
    let config = image.config();
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    assert_eq!(
        config["config"]["Labels"]["org.opencontainers.image.version"],
        "1.2+local"
    );
    assert_eq!(config["config"]["User"], "65534:65534");
    assert_eq!(config["config"]["Healthcheck"]["Test"][1], "/rgunicorn");
    let history: Vec<_> = config["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["created_by"])
        .collect();
    assert_eq!(
        history,
        [
            "The executable: rgunicorn 0.1.0, Python 3.13.5",
            "The dependencies",
            "The app: Shop 1.2+local"
        ]
    );
    let index = image.index();
    let names = index.manifests()[0].annotations().as_ref().unwrap();
    assert_eq!(names["org.opencontainers.image.ref.name"], "shop:1.2-local");
    assert_eq!(
        names["io.containerd.image.name"],
        "docker.io/library/shop:1.2-local"
    );
}

#[test]
fn a_name_is_one_that_engines_take() {
    for (tag, name) in [
        ("shop:1", "shop:1"),
        ("shop", "shop:latest"),
        ("localhost:5000/a/shop", "localhost:5000/a/shop:latest"),
    ] {
        assert_eq!(Name::parse(tag).unwrap().short(), name);
    }
    let digest = format!("shop@sha256:{}", "0".repeat(64));
    for wrong in ["Shop:1", "a b", "", "shop:", &digest] {
        let error = Name::parse(wrong).err().unwrap().to_string();
        assert!(error.contains("shop:1.2"), "{error}");
    }
    for (project, version, name) in [
        ("My_Shop 2", None, "my_shop-2:latest"),
        ("-läden", Some("1.2+local"), "l-den:1.2-local"),
    ] {
        assert_eq!(Name::usual(project, version).unwrap().short(), name);
    }
    let error = Name::usual("店", None).err().unwrap().to_string();
    assert!(error.contains("--tag"), "{error}");
}

#[test]
fn a_file_that_is_gone_is_named() {
    let mut made = TestImage::new();
    let gone = PackFile {
        content: Content::Disk(Path::new("/nowhere/a.py").to_owned()),
        executable: false,
    };
    made.app.0.insert("a.py".to_owned(), gone);
    let error = format!("{:#}", made.write().unwrap_err());
    assert!(error.contains("/nowhere/a.py"), "{error}");
}
