//! `ctl top`: a live screen of a server.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Paragraph, Row, Table};

use super::client::{Client, SOON};
use super::status;
use crate::status::report::{Report, ServerState};

/// The time between two looks at the server.
const PAUSE: Duration = Duration::from_secs(1);

/// What the keys do.
const KEYS: &str = "q quit   r reload   + one worker more   - one worker fewer";

/// Shows the server until the user has seen enough.
///
/// # Errors
/// There is no terminal, or the server does not answer any more.
pub fn run(mut client: Client) -> Result<ExitCode> {
    ensure!(
        io::stdout().is_terminal() && io::stdin().is_terminal(),
        "`ctl top` needs a terminal; `docker exec` gives one with -it. Without one, take `ctl status`"
    );
    let mut terminal = ratatui::try_init().context("The terminal cannot be used")?;
    let shown = show(&mut terminal, &mut client);
    ratatui::restore();
    shown.map(|()| ExitCode::SUCCESS)
}

fn show(terminal: &mut ratatui::DefaultTerminal, client: &mut Client) -> Result<()> {
    let mut note = String::new();
    loop {
        let report: Report = client.ask_for("status", SOON)?;
        terminal.draw(|frame| draw(frame, &report, &note))?;
        let next = Instant::now() + PAUSE;
        while let left = next.saturating_duration_since(Instant::now())
            && !left.is_zero()
        {
            if !event::poll(left)? {
                continue;
            }
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => {
                    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
                    match key.code {
                        KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                        KeyCode::Char('c') if is_control => return Ok(()),
                        code => note = act(client, code).unwrap_or(note),
                    }
                }
                // The new size must be filled.
                Event::Resize(..) => {}
                _ => continue,
            }
            terminal.draw(|frame| draw(frame, &report, &note))?;
        }
    }
}

/// Does what a key says. Gives a note for the user.
fn act(client: &mut Client, code: KeyCode) -> Option<String> {
    let (command, args, done): (_, &[&str], _) = match code {
        KeyCode::Char('r') => ("reload", &[], "The settings are read again."),
        KeyCode::Char('+') => ("worker", &["add"], "There will be one worker more."),
        KeyCode::Char('-') => ("worker", &["remove"], "There will be one worker fewer."),
        _ => return None,
    };
    Some(match client.ask(command, args, SOON) {
        Ok(_) => done.to_owned(),
        Err(error) => error.to_string(),
    })
}

fn draw(frame: &mut Frame<'_>, report: &Report, note: &str) {
    let workers = status::workers(report);
    let parts = Layout::vertical([
        Constraint::Length(4),
        Constraint::Length(workers.len() as u16 + 2),
        Constraint::Min(3),
        Constraint::Length(1),
    ]);
    let [head, middle, rest, foot] = parts.areas(frame.area());
    let mut lines: Vec<Line<'_>> = status::head(report).into_iter().map(Line::from).collect();
    let is_well = report.state == ServerState::Serving;
    lines[0].style = match is_well {
        true => Style::new().bold(),
        false => Style::new().bold().reversed(),
    };
    frame.render_widget(Paragraph::new(Text::from(lines)), head);
    let widths = [7, 9, 14, 9, 9, 5, 7, 7, 9, 9, 9].map(Constraint::Length);
    frame.render_widget(table(&workers, &widths, "Workers"), middle);
    let widths = [
        Constraint::Length(14),
        Constraint::Length(7),
        Constraint::Length(15),
        Constraint::Fill(3),
        Constraint::Fill(1),
    ];
    let requests = status::requests(report);
    let title = "Requests that the app has, the slowest first";
    frame.render_widget(table(&requests, &widths, title), rest);
    let foot_line = match note {
        "" => Line::from(KEYS),
        note => Line::from(format!("{KEYS}   {note}")),
    };
    frame.render_widget(foot_line.dim(), foot);
}

fn table<'a, const N: usize>(
    rows: &'a [[String; N]],
    widths: &[Constraint; N],
    title: &'a str,
) -> Table<'a> {
    let row = |cells: &'a [String; N]| Row::new(cells.iter().map(String::as_str));
    let (head, rest) = rows.split_first().expect("there is a head");
    Table::new(rest.iter().map(row), *widths)
        .header(row(head).style(Style::new().bold()))
        .block(Block::bordered().title(title))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::report::{RequestReport, WorkerReport};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    #[test]
    fn workers_and_requests_are_shown() {
        let mut report = Report {
            name: "shop".to_owned(),
            state: ServerState::Serving,
            ..Report::default()
        };
        let mut worker = WorkerReport::default();
        worker.process.pid = 4711;
        worker.requests.push(RequestReport {
            method: "GET".to_owned(),
            target: "/slow".to_owned(),
            age: 3.0,
            ..RequestReport::default()
        });
        report.workers.push(worker);
        let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
        terminal
            .draw(|frame| draw(frame, &report, "Done."))
            .unwrap();
        let screen = terminal.backend().to_string();
        for text in [
            "shop is serving",
            "4711",
            "GET /slow",
            "3.0 s",
            "q quit",
            "Done.",
        ] {
            assert!(screen.contains(text), "{text} in\n{screen}");
        }
    }
}
