//! What is seen while something takes long: on a terminal a view that is redrawn, elsewhere plain lines. Always on
//! standard error.

use std::io::{IsTerminal, Write};

use rollcage_harness::dev::report::DevReport;

use crate::render;

/// Shows a scenario while it plays.
#[derive(Debug)]
pub struct DevProgress {
    terminal: bool,
    /// Lines of the last drawing, to be drawn over.
    drawn: usize,
    /// Events told so far.
    told: usize,
    /// Plugin states told so far.
    states: Vec<String>,
}

impl DevProgress {
    /// For this process's standard error.
    pub fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            drawn: 0,
            told: 0,
            states: Vec::new(),
        }
    }

    /// Shows the state.
    pub fn show(&mut self, report: &DevReport) {
        if self.terminal {
            self.draw(&render::dev::live(report));
        } else {
            self.tell(report);
        }
    }

    /// Takes the view away, so that the summary stands alone.
    pub fn finish(&mut self) {
        if self.terminal {
            self.draw(&[]);
        }
    }

    fn draw(&mut self, lines: &[String]) {
        let mut frame = String::new();
        if self.drawn > 0 {
            frame.extend(["\u{1b}[", &self.drawn.to_string(), "A"]);
        }
        frame.push_str("\u{1b}[J");
        let columns = terminal_columns();
        for line in lines {
            frame.push_str(&render::clip(line, columns));
            frame.push('\n');
        }
        self.drawn = lines.len();
        // Nobody can be told that the terminal is gone.
        let _ = std::io::stderr().lock().write_all(frame.as_bytes());
    }

    fn tell(&mut self, report: &DevReport) {
        let states: Vec<String> = report.plugins.iter().map(render::dev::plugin_line).collect();
        for state in states.iter().filter(|state| !self.states.contains(state)) {
            anstream::eprintln!("{:>8}  plugin {state}", render::dev::clock(report.virtual_seconds));
        }
        self.states = states;
        for event in report.events.get(self.told..).unwrap_or_default() {
            let at = render::dev::clock(event.at);
            anstream::eprintln!("{at:>8}  {}  {}: {}", event.object, event.reason, event.message);
        }
        self.told = report.events.len();
    }
}

/// Width of the terminal; lines must not wrap, or the view cannot be drawn over.
fn terminal_columns() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .map_or(80, |size| usize::from(size.ws_col))
        .max(20)
}
