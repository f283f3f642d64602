//! Colours by meaning.

use std::fmt::Display;

use rollcage_api::analysis::AnalysisPhase;

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const YELLOW: &str = "\u{1b}[33m";
const BLUE: &str = "\u{1b}[36m";
const DIM: &str = "\u{1b}[2m";
const BOLD: &str = "\u{1b}[1m";
const END: &str = "\u{1b}[0m";

pub fn good(text: impl Display) -> String {
    format!("{GREEN}{text}{END}")
}

pub fn bad(text: impl Display) -> String {
    format!("{RED}{text}{END}")
}

pub fn odd(text: impl Display) -> String {
    format!("{YELLOW}{text}{END}")
}

pub fn busy(text: impl Display) -> String {
    format!("{BLUE}{text}{END}")
}

pub fn faint(text: impl Display) -> String {
    format!("{DIM}{text}{END}")
}

pub fn strong(text: impl Display) -> String {
    format!("{BOLD}{text}{END}")
}

/// A phase in the colour of its meaning.
pub fn phase(phase: AnalysisPhase) -> String {
    match phase {
        AnalysisPhase::Unset => faint("-"),
        AnalysisPhase::Pending | AnalysisPhase::Running => busy(phase),
        AnalysisPhase::Successful => good(phase),
        AnalysisPhase::Failed | AnalysisPhase::Error => bad(phase),
        AnalysisPhase::Inconclusive => odd(phase),
    }
}

/// A plugin's state in the colour of its meaning.
pub fn state(state: &str) -> String {
    match state {
        "Ready" => good(state),
        "Degraded" => odd(state),
        "Unavailable" => bad(state),
        _ => busy(state),
    }
}
