//! Guards: what may stop work from being admitted or started.

use serde::{Deserialize, Serialize};

/// What the operator allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Signals are accepted, work starts.
    #[default]
    Normal,
    /// Signals are accepted, running work finishes, nothing new starts.
    Drain,
    /// As drain, and the operator means to come back: what waits goes on after a resume.
    Pause,
    /// Nothing starts and what runs is killed.
    Kill,
}

impl Mode {
    /// Whether new work may start.
    #[must_use]
    pub fn starts_work(self) -> bool {
        matches!(self, Mode::Normal)
    }

    /// The word for it, as in the API and in `antiphon stop`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Normal => "normal",
            Mode::Drain => "drain",
            Mode::Pause => "pause",
            Mode::Kill => "kill",
        }
    }
}

/// What the stop switch in the data root says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// No `killswitch` file, and the directory could be asked.
    #[default]
    Clear,
    /// The file is there: nothing starts.
    Engaged,
    /// It could not be asked: as engaged.
    Unreadable,
}

/// Every guard that stands over the whole machine; a part of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guards {
    /// `maintenance_mode` is there: work is deferred, nothing is dropped.
    pub maintenance: bool,
    /// What the operator allows.
    pub mode: Mode,
    /// What the stop switch says.
    pub switch: Switch,
}

impl Guards {
    /// Whether new work may start.
    #[must_use]
    pub fn start_work(&self) -> bool {
        self.mode.starts_work() && !self.maintenance && matches!(self.switch, Switch::Clear)
    }

    /// Whether what runs must be killed.
    #[must_use]
    pub fn kill_work(&self) -> bool {
        matches!(self.mode, Mode::Kill) || !matches!(self.switch, Switch::Clear)
    }

    /// Why work does not start, or `None` when it does.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match (self.switch, self.mode, self.maintenance) {
            (Switch::Engaged, _, _) => Some("the killswitch file is there"),
            (Switch::Unreadable, _, _) => Some("the killswitch cannot be read"),
            (Switch::Clear, Mode::Kill, _) => Some("stopped by `stop kill`"),
            (Switch::Clear, Mode::Pause, _) => Some("paused by `stop pause`"),
            (Switch::Clear, Mode::Drain, _) => Some("draining by `stop drain`"),
            (Switch::Clear, Mode::Normal, true) => Some("maintenance_mode is there"),
            (Switch::Clear, Mode::Normal, false) => None,
        }
    }
}
