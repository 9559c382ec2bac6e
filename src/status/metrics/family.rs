//! Metrics as data, before they are written in one of the formats.

/// A metric with all its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// The name without the suffixes that the kind adds (`_total`, `_info`).
    pub name: String,
    pub help: String,
    pub kind: Kind,
    pub samples: Vec<Sample>,
}

/// The types of Prometheus and OpenMetrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    /// Labels with the value 1.
    Info,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What follows the family's name, such as `_total` or `_bucket`.
    pub suffix: &'static str,
    pub labels: Labels,
    pub value: f64,
}

/// Names and values, in the order in which they are written.
pub type Labels = Vec<(String, String)>;

impl Family {
    /// A family without samples.
    pub fn new(kind: Kind, name: &str, help: &str) -> Self {
        Self {
            name: name.to_owned(),
            help: help.to_owned(),
            kind,
            samples: Vec::new(),
        }
    }

    /// Adds a sample. It has the suffix that the kind demands.
    pub fn add(&mut self, labels: &[(&str, &str)], value: f64) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.samples.push(Sample {
            suffix: self.kind.suffix(),
            labels: labels.iter().map(owned).collect(),
            value,
        });
    }
}

impl Kind {
    /// The suffix of the kind's samples. Histograms and summaries have several.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram | Self::Summary => "",
        }
    }

    /// All suffixes that samples of the kind can have.
    pub fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter => &["_total"],
            Self::Info => &["_info"],
            Self::Gauge => &[""],
            Self::Histogram => &["_bucket", "_sum", "_count"],
            Self::Summary => &["", "_sum", "_count"],
        }
    }
}
