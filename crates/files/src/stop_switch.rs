//! The guard files of the root: `killswitch` stops all work, `maintenance_mode` defers it.
//!
//! In: asking ([`FileStopSwitch`]) and being woken ([`SwitchWatch`]). Out: what follows, which is
//! the engine's gate. Presence is all that counts: what kind of thing bears the name, and what is
//! in it, does not. Whatever cannot be asked counts as engaged, the root's removal included.
//! Source: reliability row A41.

use antiphon_core::guard::Switch;
use antiphon_engine::ports::stop_switch::StopSwitch;
use rustix::fs::inotify::WatchFlags;
use rustix::io::Errno;
use std::ffi::CStr;

use crate::directory_watch::{DirectoryWatch, Notice};
use crate::identity::look;
use crate::root::Root;

const KILLSWITCH: &CStr = c"killswitch";
const MAINTENANCE: &CStr = c"maintenance_mode";

/// Asks the guard files on the held root.
#[derive(Clone, Debug)]
pub struct FileStopSwitch {
    root: Root,
}

/// What both guard files say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwitchState {
    /// Whether work may start.
    pub switch: Switch,
    /// Whether work is deferred.
    pub maintenance: bool,
}

impl FileStopSwitch {
    /// The switch of this root.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self { root }
    }

    /// Both answers.
    #[must_use]
    pub fn look(&self) -> SwitchState {
        SwitchState {
            switch: self.state(),
            maintenance: self.maintenance(),
        }
    }

    /// Begins to watch; must be called within a tokio runtime that drives I/O and time.
    #[must_use]
    pub fn watch(&self) -> SwitchWatch {
        SwitchWatch::new(self.clone())
    }
}

impl StopSwitch for FileStopSwitch {
    fn state(&self) -> Switch {
        match look(self.root.descriptor(), KILLSWITCH) {
            Ok(_) => Switch::Engaged,
            Err(Errno::NOENT) => match self.root.is_in_place() {
                Ok(true) => Switch::Clear,
                Ok(false) | Err(_) => Switch::Unreadable,
            },
            Err(_) => Switch::Unreadable,
        }
    }

    fn maintenance(&self) -> bool {
        !matches!(look(self.root.descriptor(), MAINTENANCE), Err(Errno::NOENT))
    }
}

/// Tells when the guard files change.
///
/// It sleeps until the kernel wakes it; where the kernel gives no watch it looks once a second, and
/// [`SwitchWatch::is_woken`] says so.
#[derive(Debug)]
pub struct SwitchWatch {
    switch: FileStopSwitch,
    watch: DirectoryWatch,
    notices: Vec<Notice>,
    told: Option<SwitchState>,
}

impl SwitchWatch {
    fn new(switch: FileStopSwitch) -> Self {
        let mut watch = DirectoryWatch::new();
        let names = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB
            | WatchFlags::MOVE_SELF;
        watch.add(switch.root.descriptor(), names);
        // A held directory that is removed says nothing itself; its parent does.
        if let Ok(parent) = crate::root::open_parent(&switch.root) {
            watch.add_if_possible(std::os::fd::AsFd::as_fd(&parent), WatchFlags::DELETE);
        }
        Self {
            switch,
            watch,
            notices: Vec::new(),
            told: None,
        }
    }

    /// Whether the kernel wakes us; otherwise a change is seen within a second.
    #[must_use]
    pub fn is_woken(&self) -> bool {
        self.watch.is_woken()
    }

    /// Waits until the files say something else than this last told, and tells it. The first call
    /// answers at once.
    ///
    /// # Cancel safety
    /// No change is missed: the next call compares with what was last told.
    pub async fn changed(&mut self) -> SwitchState {
        loop {
            let state = self.switch.look();
            if self.told != Some(state) {
                self.told = Some(state);
                return state;
            }
            self.notices.clear();
            self.watch.read(&mut self.notices).await;
        }
    }
}

#[cfg(test)]
mod tests;
