//! The configuration of an image: how an engine runs it.

use std::collections::HashMap;
use std::net::IpAddr;

use anyhow::{Context, Result};
use oci_spec::image::{
    ANNOTATION_CREATED, ANNOTATION_TITLE, ANNOTATION_VERSION, Arch, ConfigBuilder, History,
    HistoryBuilder, ImageConfigurationBuilder, Os, RootFsBuilder,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::input::{CACHE, Image, NOBODY, SITE};
use super::layer::ImageLayer;
use crate::net::Address;
use crate::pack::label::Label;

/// The default port.
const PORT: u16 = 8000;
/// A second, in the unit of engines (nanoseconds).
const SECOND: u64 = 1_000_000_000;

/// The image's configuration.
pub fn of(image: &Image<'_>, layers: &[ImageLayer]) -> Result<Value> {
    let created = time(image.created)?;
    let diffs = layers
        .iter()
        .map(|it| format!("sha256:{}", it.uncompressed));
    let files = RootFsBuilder::default()
        .typ("layers")
        .diff_ids(diffs.collect::<Vec<_>>());
    let history = layers.iter().map(|layer| -> Result<History> {
        let entry = HistoryBuilder::default();
        let entry = entry
            .created(created.clone())
            .created_by(layer.title.clone());
        Ok(entry.build()?)
    });
    let config = ConfigBuilder::default()
        .user(format!("{NOBODY}:{NOBODY}"))
        .entrypoint(vec!["/rgunicorn".to_owned()])
        .env(environment(image.label))
        .exposed_ports(
            ports(image.label)
                .map(|port| format!("{port}/tcp"))
                .collect::<Vec<_>>(),
        )
        .working_dir(format!("/{SITE}"))
        .stop_signal("SIGTERM")
        .labels(annotations(image)?)
        .build()?;
    let whole = ImageConfigurationBuilder::default()
        .created(created.clone())
        .architecture(Arch::Amd64)
        .os(Os::Linux)
        .config(config)
        .rootfs(files.build()?)
        .history(history.collect::<Result<Vec<_>>>()?)
        .build()?;
    let mut whole = serde_json::to_value(whole)?;
    // Docker's own field: the specification does not have it.
    whole["config"]["Healthcheck"] = json!({
        "Test": ["CMD", "/rgunicorn", "-I", "-m", "_rgunicorn.healthy"],
        "Interval": 10 * SECOND,
        "Timeout": 5 * SECOND,
        "StartPeriod": 30 * SECOND,
        "StartInterval": SECOND,
        "Retries": 3,
    });
    Ok(whole)
}

/// What the image says about itself, with the names of the specification.
pub fn annotations(image: &Image<'_>) -> Result<HashMap<String, String>> {
    let label = image.label;
    let known = [
        (ANNOTATION_CREATED, Some(time(image.created)?)),
        (ANNOTATION_TITLE, label.name.clone()),
        (ANNOTATION_VERSION, label.version.clone()),
    ];
    let known = known
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Ok(known.collect())
}

fn environment(label: &Label) -> Vec<String> {
    let mut variables = vec![
        // So that `docker exec NAME rgunicorn python` finds it.
        "PATH=/".to_owned(),
        format!("RGUNICORN_APP_ZIP=/{SITE}"),
        format!("XDG_CACHE_HOME=/{CACHE}"),
    ];
    if !label.settings.contains_key("bind") {
        // With this variable, the default of `bind` is all addresses.
        variables.push(format!("PORT={PORT}"));
    }
    variables
}

/// The ports that an image with this label listens on.
pub fn ports(label: &Label) -> impl Iterator<Item = u16> {
    addresses(label).into_iter().filter_map(|it| match it {
        Address::Tcp { port, .. } => Some(port),
        _ => None,
    })
}

/// Whether it can be reached only from inside its own container.
pub fn is_closed(label: &Label) -> bool {
    let is_own = |it: &Address| match it {
        Address::Tcp { host, .. } => {
            let number: Option<IpAddr> = host.parse().ok();
            host == "localhost" || number.is_some_and(|it| it.is_loopback())
        }
        _ => false,
    };
    addresses(label).iter().all(is_own)
}

fn addresses(label: &Label) -> Vec<Address> {
    match label.settings.get("bind") {
        None => vec![Address::Tcp {
            host: String::new(),
            port: PORT,
        }],
        Some(Value::Array(several)) => several.iter().filter_map(address).collect(),
        Some(one) => address(one).into_iter().collect(),
    }
}

fn address(value: &Value) -> Option<Address> {
    Address::parse(value.as_str()?).ok()
}

fn time(seconds: u64) -> Result<String> {
    let time = OffsetDateTime::from_unix_timestamp(seconds.try_into()?)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok());
    time.with_context(|| format!("{seconds} is no time that an image can have"))
}
