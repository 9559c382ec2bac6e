//! All settings as text, in Gunicorn's two forms.

use super::settings::{Settings, TABLE};

impl Settings {
    /// What `print_config` prints: one setting a line, sorted by name.
    pub fn printed(&self) -> String {
        let width = TABLE.iter().map(|setting| setting.name.len()).max();
        let width = width.unwrap_or_default();
        let mut rows: Vec<_> = TABLE.iter().collect();
        rows.sort_by_key(|setting| setting.name);
        let rows = rows.iter().map(|setting| {
            let value = self.get(setting).plain();
            format!("{:width$} = {value}\n", setting.name)
        });
        rows.collect()
    }

    /// What the log tells at `debug`.
    pub fn listed(&self) -> String {
        let rows = TABLE.iter().map(|setting| {
            let value = self.get(setting).plain();
            format!("\n  {}: {value}", setting.name)
        });
        format!("Current configuration:{}", rows.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_printed_as_gunicorn_prints_them() {
        let text = Settings::default().printed();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.is_sorted() && lines.len() == TABLE.len());
        for line in [
            format!("{:34} = None", "accesslog"),
            format!("{:34} = ['127.0.0.1:8000']", "bind"),
            format!("{:34} = -", "errorlog"),
        ] {
            assert!(lines.contains(&line.as_str()), "{line}");
        }
    }

    #[test]
    fn settings_are_listed_in_the_order_of_the_table() {
        let text = Settings::default().listed();
        assert!(text.starts_with("Current configuration:\n  config: ./gunicorn.conf.py\n"));
        assert_eq!(text.lines().count(), TABLE.len() + 1);
    }
}
