//! `ctl top`: a live screen of a server.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Paragraph, Row, Table, Wrap};

use super::client::{Client, SOON};
use super::find::{self, Found, Server};
use super::status;
use crate::status::report::{Report, ServerState};

/// The time between two looks at the server.
const PAUSE: Duration = Duration::from_secs(1);

/// What the keys do.
const KEYS: &str = "q quit   r reload   + one worker more   - one worker fewer";

/// How long the connection may be lost: after a reload with `preload_app` the
/// master executes its program again.
const LOST_TIME: Duration = Duration::from_secs(15);

/// Shows the server until the user has seen enough. With `socket` it was found at
/// that control socket.
///
/// # Errors
/// There is no terminal, or the server does not answer any more.
pub fn run(mut server: Server, socket: Option<&Path>) -> Result<ExitCode> {
    ensure!(
        io::stdout().is_terminal() && io::stdin().is_terminal(),
        "`ctl top` needs a terminal; `docker exec` gives one with -it. Without one, take `ctl status`"
    );
    let mut terminal = ratatui::try_init().context("The terminal cannot be used")?;
    let shown = show(&mut terminal, &mut server, socket);
    ratatui::restore();
    shown.map(|()| ExitCode::SUCCESS)
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    server: &mut Server,
    socket: Option<&Path>,
) -> Result<()> {
    let mut note = String::new();
    let mut report: Report = server.client.ask_for("status", SOON)?;
    let mut lost: Option<Instant> = None;
    loop {
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
                        code => note = act(&mut server.client, code).unwrap_or(note),
                    }
                }
                // The new size must be filled.
                Event::Resize(..) => {}
                _ => continue,
            }
            terminal.draw(|frame| draw(frame, &report, &note))?;
        }
        match (look(server, socket, lost.is_some()), lost) {
            (Ok(now), _) => {
                report = now;
                if lost.take().is_some() {
                    note = "The server answers again.".to_owned();
                }
            }
            (Err(why), Some(since)) if since.elapsed() > LOST_TIME => return Err(why),
            (Err(_), _) => {
                lost.get_or_insert_with(Instant::now);
                note = "The server does not answer; it is asked again.".to_owned();
            }
        }
    }
}

/// How the server is now. If the connection `is_lost`, there is first a new one.
fn look(server: &mut Server, socket: Option<&Path>, is_lost: bool) -> Result<Report> {
    if is_lost {
        let pid = socket.is_none().then_some(server.pid);
        match find::server(pid, socket)? {
            Found::One(again) => *server = again,
            Found::Several(_) => bail!("There are several servers with this process id"),
        }
    }
    server.client.ask_for("status", SOON)
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
    let width = frame.area().width;
    let texts = status::head(report);
    // A line that is too long goes on in the next.
    let lines = |text: &String| text.chars().count().div_ceil(width.max(1).into());
    let head_lines: usize = texts.iter().map(lines).sum();
    let workers = status::workers(report);
    let parts = Layout::vertical([
        Constraint::Length(head_lines as u16 + 1),
        Constraint::Length(workers.len() as u16 + 2),
        Constraint::Min(3),
        Constraint::Length(1),
    ]);
    let [head, middle, rest, foot] = parts.areas(frame.area());
    let mut texts: Vec<Line<'_>> = texts.into_iter().map(Line::from).collect();
    let is_well = report.state == ServerState::Serving;
    texts[0].style = match is_well {
        true => Style::new().bold(),
        false => Style::new().bold().reversed(),
    };
    let texts = Paragraph::new(Text::from(texts)).wrap(Wrap { trim: true });
    frame.render_widget(texts, head);
    let columns = fitting(&WORKER_COLUMNS, width);
    frame.render_widget(table(&workers, &columns, "Workers"), middle);
    let requests = status::requests(report);
    let mut columns = fitting(&REQUEST_COLUMNS, width);
    columns.retain(|column| column.number != ID || has_ids(&requests));
    let title = "Requests that the app has, the slowest first";
    frame.render_widget(table(&requests, &columns, title), rest);
    let foot_line = match note {
        "" => Line::from(KEYS),
        note => Line::from(format!("{note}   {KEYS}")),
    };
    frame.render_widget(foot_line.dim(), foot);
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Column {
    /// Its place in the rows.
    number: usize,
    width: u16,
    /// Whether it takes the width that is left.
    grows: bool,
    /// Of the columns that do not fit, those with the highest number go first.
    goes: u8,
}

const fn column(number: usize, width: u16, goes: u8) -> Column {
    let grows = false;
    Column {
        number,
        width,
        grows,
        goes,
    }
}

/// Those of [`status::workers`].
const WORKER_COLUMNS: [Column; 11] = [
    column(0, 7, 0),
    column(1, 8, 0),
    column(2, 11, 9),
    column(3, 9, 3),
    column(4, 10, 6),
    column(5, 5, 7),
    column(6, 9, 1),
    column(7, 7, 2),
    column(8, 9, 8),
    column(9, 7, 4),
    column(10, 8, 5),
];

/// Those of [`status::requests`].
const REQUEST_COLUMNS: [Column; 5] = [
    column(0, 11, 0),
    column(1, 7, 1),
    column(2, 15, 2),
    Column {
        grows: true,
        ..column(3, 20, 0)
    },
    column(ID, 36, 3),
];

/// The column with the ids of requests.
const ID: usize = 4;

fn has_ids(requests: &[[String; 5]]) -> bool {
    requests.iter().skip(1).any(|row| !row[ID].is_empty())
}

/// The columns that fit into a frame of this width.
fn fitting(all: &[Column], width: u16) -> Vec<Column> {
    let mut columns = all.to_vec();
    // One more between two columns, and the frame.
    let needed = |columns: &[Column]| columns.iter().map(|it| it.width + 1).sum::<u16>() + 1;
    while needed(&columns) > width
        && let Some(first) = columns.iter().map(|it| it.goes).max().filter(|it| *it > 0)
    {
        columns.retain(|it| it.goes != first);
    }
    columns
}

fn table<'a, const N: usize>(
    rows: &'a [[String; N]],
    columns: &[Column],
    title: &'a str,
) -> Table<'a> {
    let row = |cells: &'a [String; N]| Row::new(columns.iter().map(|it| &*cells[it.number]));
    let (head, rest) = rows.split_first().expect("there is a head");
    let widths = columns.iter().map(|column| match column.grows {
        true => Constraint::Fill(1),
        false => Constraint::Length(column.width),
    });
    Table::new(rest.iter().map(row), widths)
        .header(row(head).style(Style::new().bold()))
        .block(Block::bordered().title(title))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::report::{RequestReport, WorkerReport};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn report() -> Report {
        let mut report = Report {
            name: "shop".to_owned(),
            state: ServerState::Serving,
            ..Report::default()
        };
        let mut worker = WorkerReport::default();
        worker.process.pid = 4711;
        worker.lately.p99 = Some(0.025);
        worker.requests.push(RequestReport {
            method: "GET".to_owned(),
            target: "/slow".to_owned(),
            client: "127.0.0.1".to_owned(),
            id: "an-id-of-a-request".to_owned(),
            age: 3.0,
            ..RequestReport::default()
        });
        report.workers.push(worker);
        report
    }

    fn screen(report: &Report, width: u16, note: &str) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, 24)).unwrap();
        terminal.draw(|frame| draw(frame, report, note)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn workers_and_requests_are_shown() {
        let screen = screen(&report(), 120, "Done.");
        for text in [
            "shop is serving",
            "4711",
            "REQUESTS",
            "GET /slow",
            "3.0 s",
            "an-id-of-a-request",
            "q quit",
            "Done.",
        ] {
            assert!(screen.contains(text), "{text} in\n{screen}");
        }
    }

    #[test]
    fn a_narrow_screen_has_fewer_columns_but_whole_ones() {
        let mut report = report();
        report.lately.requests_per_second = 12345.6;
        report.lately.p99 = Some(0.0123);
        let narrow = screen(&report, 80, "");
        for text in [
            "MEMORY",
            "GREW",
            "WAITING",
            "25.0 ms",
            "GET /slow",
            "\"ms  ",
        ] {
            assert!(narrow.contains(text), "{text} in\n{narrow}");
        }
        for text in ["UP", "REQUESTS", "an-id"] {
            assert!(!narrow.contains(text), "{text} in\n{narrow}");
        }
        let narrowest = screen(&report, 20, "");
        assert!(narrowest.contains("4711"), "{narrowest}");
    }
}
