//! Merges what several processes have counted, by the rules of `prometheus_client`.
//!
//! A server that has run for days has the files of hundreds of processes, with the same
//! keys. So the values are merged by the bytes of their keys first, and each key is only
//! parsed once.

use std::collections::{BTreeMap, HashMap};

use super::file::Entry;
use crate::status::metrics::family::{Family, Kind, Labels, Sample};
use crate::status::metrics::text::number;

/// What the name of a file says of its entries, as far as it matters: files with the
/// same source are merged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    kind: Kind,
    /// Only gauges have one.
    mode: Option<Mode>,
    /// Only gauges of the mode [`Mode::All`] have one.
    pid: Option<String>,
}

/// What the values of a gauge in several processes are together. Modes that begin with
/// `live` follow the same rules: the files of processes that have ended are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    /// Each process's value, with its pid as a label.
    All,
    Min,
    Max,
    Sum,
    /// The value that was set last.
    MostRecent,
}

/// The values so far, by the bytes of their keys.
#[derive(Debug, Default)]
pub struct Merge(BTreeMap<Source, HashMap<Vec<u8>, Value>>);

/// One metric.
#[derive(Debug)]
struct Merged {
    kind: Kind,
    help: String,
    values: BTreeMap<(Labels, &'static str), Value>,
    /// A histogram's buckets: bounds, and how many are in each, not in all up to it.
    buckets: BTreeMap<Labels, Vec<(f64, f64)>>,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    value: f64,
    timestamp: f64,
}

/// The key of an entry.
struct Key {
    metric: String,
    suffix: &'static str,
    labels: Labels,
    help: String,
}

impl Source {
    /// `None` if the file is not one of `prometheus_client`.
    pub fn of_file(name: &str) -> Option<Self> {
        let (kind, rest) = name.strip_suffix(".db")?.split_once('_')?;
        let kind = match kind {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            "summary" => Kind::Summary,
            _ => return None,
        };
        let (mode, pid) = if kind == Kind::Gauge {
            let (mode, pid) = rest.split_once('_')?;
            (Some(Mode::named(mode)?), pid)
        } else {
            (None, rest)
        };
        let pid = (mode == Some(Mode::All)).then(|| pid.to_owned());
        Some(Self { kind, mode, pid })
    }
}

impl Mode {
    fn named(name: &str) -> Option<Self> {
        Some(match name.strip_prefix("live").unwrap_or(name) {
            "all" => Self::All,
            "min" => Self::Min,
            "max" => Self::Max,
            "sum" => Self::Sum,
            "mostrecent" => Self::MostRecent,
            _ => return None,
        })
    }
}

impl Merge {
    /// Adds the entries of one file.
    pub fn add(&mut self, source: Source, entries: &[Entry<'_>]) {
        let mode = source.mode;
        let values = self.0.entry(source).or_default();
        for entry in entries {
            let new = Value {
                value: entry.value,
                timestamp: entry.timestamp,
            };
            match values.get_mut(entry.key) {
                Some(value) => value.merge(mode, new),
                None => drop(values.insert(entry.key.to_vec(), new)),
            }
        }
    }

    /// All metrics, sorted by their names. Entries that no such file can have are left
    /// out, and so are those of a metric that there is as another kind.
    pub fn finish(self) -> Vec<Family> {
        let mut metrics = BTreeMap::new();
        for (source, values) in self.0 {
            for (key, value) in values {
                let Some(key) = Key::parse(&key, source.kind) else {
                    continue;
                };
                let merged = metrics.entry(key.metric).or_insert_with(|| Merged {
                    kind: source.kind,
                    help: key.help,
                    values: BTreeMap::new(),
                    buckets: BTreeMap::new(),
                });
                if merged.kind == source.kind {
                    merged.add(&source, key.labels, key.suffix, value);
                }
            }
        }
        let metrics = metrics.into_iter();
        metrics.map(|(name, merged)| merged.finish(name)).collect()
    }
}

impl Merged {
    fn add(&mut self, source: &Source, mut labels: Labels, suffix: &'static str, new: Value) {
        if self.kind == Kind::Histogram
            && let Some(place) = labels.iter().position(|(name, _)| name == "le")
        {
            let (_, bound) = labels.remove(place);
            let Ok(bound) = bound.parse::<f64>() else {
                return;
            };
            let buckets = self.buckets.entry(labels).or_default();
            match buckets.iter_mut().find(|(other, _)| *other == bound) {
                Some((_, count)) => *count += new.value,
                None => buckets.push((bound, new.value)),
            }
            return;
        }
        if let Some(pid) = &source.pid {
            labels.retain(|(name, _)| name != "pid");
            labels.push(("pid".to_owned(), pid.clone()));
        }
        // A gauge of this mode that was never set has no time stamp.
        if source.mode == Some(Mode::MostRecent) && new.timestamp <= 0.0 {
            return;
        }
        self.values
            .entry((labels, suffix))
            .and_modify(|sum| sum.merge(source.mode, new))
            .or_insert(new);
    }

    fn finish(self, name: String) -> Family {
        let mut samples = Vec::new();
        for (labels, mut buckets) in self.buckets {
            buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            let mut sum = 0.0;
            for (bound, count) in buckets {
                sum += count;
                let mut labels = labels.clone();
                labels.push(("le".to_owned(), number(bound)));
                samples.push(Sample {
                    suffix: "_bucket",
                    labels,
                    value: sum,
                });
            }
            samples.push(Sample {
                suffix: "_count",
                labels,
                value: sum,
            });
        }
        let values = self.values.into_iter();
        samples.extend(values.map(|((labels, suffix), sum)| Sample {
            suffix,
            labels,
            value: sum.value,
        }));
        Family {
            name,
            help: self.help,
            kind: self.kind,
            samples,
        }
    }
}

impl Value {
    fn merge(&mut self, mode: Option<Mode>, new: Self) {
        match mode {
            Some(Mode::All) => *self = new,
            Some(Mode::Min) if new.value < self.value => *self = new,
            Some(Mode::Max) if new.value > self.value => *self = new,
            Some(Mode::MostRecent) if new.timestamp > self.timestamp => *self = new,
            Some(Mode::Min | Mode::Max | Mode::MostRecent) => {}
            Some(Mode::Sum) | None => self.value += new.value,
        }
    }
}

impl Key {
    /// `None` if it is no key of such a file.
    fn parse(json: &[u8], kind: Kind) -> Option<Self> {
        let (metric, sample, labels, help): (String, String, BTreeMap<String, String>, String) =
            serde_json::from_slice(json).ok()?;
        let suffix = sample.strip_prefix(&metric)?;
        let mut suffixes = kind.suffixes().iter();
        let suffix = suffixes.find(|known| **known == suffix)?;
        let count = labels.len();
        let labels = labels.into_iter();
        let labels = labels.map(|(name, value)| Some((legal(name, false)?, value)));
        let labels: BTreeMap<_, _> = labels.collect::<Option<_>>()?;
        // Two names that became one would make the whole text illegal.
        (labels.len() == count).then_some(())?;
        Some(Self {
            metric: legal(metric, true)?,
            suffix,
            labels: labels.into_iter().collect(),
            help,
        })
    }
}

/// The name with `_` for each letter that names in these formats cannot have. `None`
/// for an empty name. A colon may only be in the names of metrics.
fn legal(name: String, colon: bool) -> Option<String> {
    let first = name.chars().next()?;
    let is_legal =
        |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || colon && letter == ':';
    if first.is_ascii_digit() {
        return legal(format!("_{name}"), colon);
    }
    Some(name.replace(|letter| !is_legal(letter), "_"))
}
