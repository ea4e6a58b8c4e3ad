//! A loop that starts a program for each file that is renamed into a folder, at once, and stores
//! nothing.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};

/// The file that ends the loop.
pub(in super::super) const END: &str = "end";

/// A loop that watches already.
pub(in super::super) struct Loop {
    events: OwnedFd,
}

impl Loop {
    /// Watches `folder`.
    pub(in super::super) fn watch(folder: &Path) -> io::Result<Self> {
        let events = init(CreateFlags::CLOEXEC)?;
        add_watch(&events, folder, WatchFlags::MOVED_TO)?;
        Ok(Self { events })
    }

    /// Runs `handler OUTPUT NAME` for each file until the one called [`END`] comes; returns when all
    /// of them have ended.
    pub(in super::super) fn run(self, handler: &Path, output: &Path) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 4_096];
        let mut events = Reader::new(self.events, &mut buffer);
        let mut running: Vec<Child> = Vec::new();
        loop {
            let event = events.next()?;
            let name = event.file_name().map_or(&[][..], std::ffi::CStr::to_bytes);
            if name == END.as_bytes() {
                break;
            }
            let child = Command::new(handler)
                .arg(output)
                .arg(OsStr::from_bytes(name))
                .env_clear()
                .stdin(Stdio::null())
                .spawn()?;
            running.push(child);
            let mut still = Vec::new();
            for mut child in running {
                if child.try_wait()?.is_none() {
                    still.push(child);
                }
            }
            running = still;
        }
        running
            .into_iter()
            .try_for_each(|mut child| child.wait().map(drop))
    }
}
