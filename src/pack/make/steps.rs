//! Telling the user how far it is: a bar where there is a terminal, else a line for
//! each step.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};

/// The steps of a longer work.
pub struct Steps(Option<ProgressBar>);

impl Steps {
    /// Of so many steps.
    pub fn new(count: u64) -> Steps {
        if !stderr().is_terminal() {
            return Steps(None);
        }
        let bar = ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:24} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Steps(Some(bar))
    }

    /// Begins the next step.
    pub fn next(&self, what: &str) {
        match &self.0 {
            Some(bar) => bar.inc(1),
            None => eprintln!("{what}"),
        }
        self.now(what);
    }

    /// Tells more about the step, where there is a terminal.
    pub fn now(&self, what: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(what.to_owned());
        }
    }

    /// Writes a line that stays.
    pub fn note(&self, line: &str) {
        match &self.0 {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
