//! The table.

use std::{fmt, fs};

use serde::Serialize;

/// Rows as they came, and the machine that they are of.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Table {
    machine: String,
    /// Whether the original was there to be measured.
    with_original: bool,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    what: String,
    unit: &'static str,
    original: Option<f64>,
    ours: f64,
    /// How many times ours is better than the original.
    ratio: Option<f64>,
    budget: Budget,
    /// Whether the budget is held; nothing when it cannot be told.
    held: Option<bool>,
}

/// What a figure must be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Budget {
    /// At most this, in the figure's unit.
    AtMost(f64),
    /// This many times better than the original.
    Times(f64),
    /// None: it is there to be known.
    None,
}

/// A figure and the unit that it is shown in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure(pub(crate) f64, pub(crate) &'static str);

impl Table {
    pub(crate) fn new(with_original: bool) -> Self {
        Self {
            machine: machine(),
            with_original,
            rows: Vec::new(),
        }
    }

    /// Adds a row. `ratio` is how many times ours is better than the original.
    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        original: Option<Figure>,
        ours: Figure,
        ratio: Option<f64>,
        budget: Budget,
    ) {
        let held = match (budget, ratio) {
            (Budget::AtMost(most), _) => Some(ours.0 <= most),
            (Budget::Times(least), Some(ratio)) => Some(ratio >= least),
            _ => None,
        };
        self.rows.push(Row {
            what: what.into(),
            unit: ours.1,
            original: original.map(|figure| figure.0),
            ours: ours.0,
            ratio,
            budget,
            held,
        });
    }

    /// Adds a row for "less is better".
    pub(crate) fn less(&mut self, what: impl Into<String>, original: Option<Figure>, ours: Figure, budget: Budget) {
        // Nothing against nothing is no ratio.
        let ratio = original
            .map(|original| original.0 / ours.0)
            .filter(|ratio| !ratio.is_nan());
        self.add(what, original, ours, ratio, budget);
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let none = || "-".to_owned();
        let figure = |figure| Figure(figure, self.unit).to_string();
        [
            self.what.clone(),
            self.original.map_or_else(none, figure),
            figure(self.ours),
            self.ratio.map_or_else(none, times),
            match self.budget {
                Budget::AtMost(most) => format!("<= {}", figure(most)),
                Budget::Times(least) => format!(">= {}", times(least)),
                Budget::None => none(),
            },
            match self.held {
                Some(true) => "met".into(),
                Some(false) => "MISSED".into(),
                None if matches!(self.budget, Budget::None) => none(),
                None => "unknown".into(),
            },
        ]
    }
}

/// Goals near 1 need two digits.
fn times(ratio: f64) -> String {
    let digits = if ratio < 3.0 { 2 } else { 1 };
    format!("{ratio:.digits$} x")
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.0.abs() {
            value if value >= 100.0 => 0,
            value if value >= 10.0 => 1,
            _ => 2,
        };
        write!(f, "{:.digits$} {}", self.0, self.1)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.machine)?;
        let head = ["What", "Original", "Ours", "Ratio", "Budget", "Verdict"].map(str::to_owned);
        let lines: Vec<_> = std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let mut widths = [0; 6];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for (index, line) in lines.iter().enumerate() {
            write!(f, "|")?;
            for (cell, width) in line.iter().zip(widths) {
                write!(f, " {cell:width$} |")?;
            }
            writeln!(f)?;
            if index == 0 {
                let rules = widths.map(|width| "-".repeat(width + 2));
                writeln!(f, "|{}|", rules.join("|"))?;
            }
        }
        if !self.with_original {
            writeln!(
                f,
                "\nThe original was not measured: Go, which builds it, is not installed."
            )?;
        }
        Ok(())
    }
}

/// Processor, cores, kernel, and how busy it was before.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = read("/proc/loadavg");
    format!(
        "{}, {cores} cores, Linux {}, load {}",
        model.map_or("unknown processor", |(_, model)| model.trim()),
        read("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or_default()
    )
}
