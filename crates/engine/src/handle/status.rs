//! How an owner stands, and what is known of it outside the loop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use antiphon_core::guard::Guards;
use antiphon_core::id::{Digest, Id};
use antiphon_core::state::Changes;
use antiphon_core::time::LogTime;
use tokio::sync::Notify;

/// How the owner stands, for `status`, health and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The log's id.
    pub log: Id,
    /// The fencing epoch.
    pub epoch: u64,
    /// The sequence number of the next record.
    pub next_seq: u64,
    /// Where the log stands in time.
    pub time: LogTime,
    /// Below this record bodies were pruned; 0 when none was.
    pub pruned_to: u64,
    /// The guards.
    pub guards: Guards,
    /// The last records that changed what may run.
    pub changes: Changes,
    /// The policy in force.
    pub policy: Digest,
    /// Why the last reload was refused, if it was.
    pub reload_error: Option<String>,
    /// Whether signals are taken; the code of why not otherwise.
    pub admission: Result<(), &'static str>,
    /// Attempts that may run at one time here.
    pub slots: u32,
    /// Runs that wait.
    pub runs_planned: u64,
    /// Runs whose attempt holds a lease.
    pub runs_leased: u64,
    /// Runs whose attempt was told to stop.
    pub runs_stopping: u64,
    /// Dead letters that are kept.
    pub letters: u64,
    /// The last record that changed them.
    pub letters_seq: u64,
    /// Asks that wait for an answer.
    pub asks: Vec<OpenAsk>,
    /// Tasks that were enabled or disabled over the configuration.
    pub task_overrides: Vec<(String, bool)>,
    /// Monitors whose last look failed, and why.
    pub monitors_failing: Vec<(String, String)>,
    /// What a human must look at, though work goes on.
    pub alarms: Vec<Alarm>,
    /// Signals answered as duplicates since the owner started.
    pub duplicates: u64,
    /// Inputs refused since the owner started.
    pub refusals: u64,
}

impl Status {
    /// What is shown before the first turn.
    pub(crate) fn unknown() -> Self {
        Self {
            log: Id::from_bytes([0; 16]),
            epoch: 0,
            next_seq: 0,
            time: LogTime::default(),
            pruned_to: 0,
            guards: Guards::default(),
            changes: Changes::default(),
            policy: Digest([0; 32]),
            reload_error: None,
            admission: Ok(()),
            slots: 0,
            runs_planned: 0,
            runs_leased: 0,
            runs_stopping: 0,
            letters: 0,
            letters_seq: 0,
            asks: Vec::new(),
            task_overrides: Vec::new(),
            monitors_failing: Vec::new(),
            alarms: Vec::new(),
            duplicates: 0,
            refusals: 0,
        }
    }
}

/// Something that stands until it is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Its stable code, as in `docs/errors/`.
    pub code: &'static str,
    /// What it is about, when there may be several of one code: the name of a witness, a key.
    pub subject: String,
    /// What is wrong, in words.
    pub detail: String,
}

/// An ask that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAsk {
    /// Its id.
    pub id: Id,
    /// The rule that asks.
    pub rule: String,
    /// Who is asked.
    pub asks: String,
    /// The signal that it is about.
    pub signal: Id,
    /// ms of elapsed time at which it counts as denied.
    pub deadline_ms: u64,
}

/// What is known outside the loop and shown with its status.
#[derive(Debug, Default)]
pub struct Notes {
    inner: Mutex<NotesInner>,
    changed: AtomicBool,
    /// Wakes the loop, which shows them.
    wake: Notify,
}

#[derive(Debug, Default)]
struct NotesInner {
    monitors_failing: BTreeMap<String, String>,
    reload_error: Option<String>,
    alarms: BTreeMap<(&'static str, String), String>,
    /// The code of why signals are not taken, besides a full disk.
    refuses_signals: Option<&'static str>,
}

impl Notes {
    /// A look of `monitor` failed, or succeeded again.
    pub(crate) fn monitor(&self, monitor: &str, failure: Option<String>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match failure {
            Some(text) => inner
                .monitors_failing
                .insert(monitor.to_owned(), text)
                .is_none(),
            None => inner.monitors_failing.remove(monitor).is_some(),
        };
        if before {
            self.note_change();
        }
    }

    pub(crate) fn set_reload_error(&self, error: Option<String>) {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reload_error = error;
        self.note_change();
    }

    /// The alarm `code` about `subject` stands, with these words, or is over.
    pub(crate) fn set_alarm(&self, code: &'static str, subject: &str, detail: Option<String>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (code, subject.to_owned());
        let is_changed = match detail {
            Some(detail) if inner.alarms.get(&key) == Some(&detail) => false,
            Some(detail) => {
                tracing::error!(error.code = code, alarm.subject = subject, error.detail = %detail, "alarm");
                inner.alarms.insert(key, detail);
                true
            }
            None => inner.alarms.remove(&key).is_some(),
        };
        if is_changed {
            self.note_change();
        }
    }

    /// Whether the alarm `code` about `subject` stands.
    pub(crate) fn has_alarm(&self, code: &'static str, subject: &str) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.alarms.contains_key(&(code, subject.to_owned()))
    }

    pub(crate) fn alarms(&self) -> Vec<Alarm> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let alarms = inner.alarms.iter();
        alarms
            .map(|((code, subject), detail)| Alarm {
                code,
                subject: subject.clone(),
                detail: detail.clone(),
            })
            .collect()
    }

    /// Signals are refused with this code, or are taken again.
    pub(crate) fn refuse_signals(&self, code: Option<&'static str>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut inner.refuses_signals, code) != code {
            self.note_change();
        }
    }

    /// The code of why signals are refused, besides a full disk.
    pub(crate) fn refuses_signals(&self) -> Option<&'static str> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.refuses_signals
    }

    fn note_change(&self) {
        self.changed.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    /// Waits until something was noted since this last returned.
    ///
    /// # Cancel safety
    /// No change is missed.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn monitors_failing(&self) -> Vec<(String, String)> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .monitors_failing
            .iter()
            .map(|(name, why)| (name.clone(), why.clone()))
            .collect()
    }

    pub(crate) fn reload_error(&self) -> Option<String> {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reload_error
            .clone()
    }

    pub(crate) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::SeqCst)
    }
}
