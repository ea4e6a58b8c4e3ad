//! Wakes when names in a directory change: inotify, read without blocking.
//!
//! In: watches on held directories, notices in the kernel's order. Out: what a notice means. Where
//! the system gives no inotify (no instance or watch left), it says so once and then tells every
//! second that anything may have changed, so that whoever listens looks again; this is the only
//! polling in the crate. Source: inotify(7).

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// How often to look when the system does not wake us.
const RECHECK: Duration = Duration::from_secs(1);
/// Bytes of notices taken at one time: some two hundred names of usual length.
const BUFFER_BYTES: usize = 8 * 1024;

/// One watched directory, as the kernel numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchId(i32);

/// What happened.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Something happened to `name` in a watched directory, or to the directory itself when there
    /// is no name.
    Happened {
        watch: WatchId,
        what: ReadFlags,
        name: Option<CString>,
    },
    /// Notices were lost, or never come: anything may have changed.
    Lost,
}

/// The watches of one listener.
#[derive(Debug)]
pub(crate) struct DirectoryWatch {
    inotify: Option<AsyncFd<OwnedFd>>,
    recheck_at: Instant,
}

impl DirectoryWatch {
    /// Begins without watches. Must be called within a tokio runtime that drives I/O and time.
    pub(crate) fn new() -> Self {
        let mut watch = Self {
            inotify: None,
            recheck_at: Instant::now() + RECHECK,
        };
        let opened = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(io::Error::from)
            .and_then(driven);
        match opened {
            Ok(inotify) => watch.inotify = Some(inotify),
            Err(error) => watch.give_up(&error),
        }
        watch
    }

    /// Whether the system wakes us; otherwise notices come once a second.
    pub(crate) fn is_woken(&self) -> bool {
        self.inotify.is_some()
    }

    /// Watches the held `directory` itself, wherever its path leads by now.
    pub(crate) fn add(&mut self, directory: BorrowedFd<'_>, what: WatchFlags) -> Option<WatchId> {
        let added = self.try_add(directory, what)?;
        match added {
            Ok(id) => Some(id),
            Err(error) => {
                self.give_up(&error);
                None
            }
        }
    }

    /// As [`DirectoryWatch::add`], where going without is no loss: stays as it is when it fails.
    pub(crate) fn add_if_possible(&mut self, directory: BorrowedFd<'_>, what: WatchFlags) {
        if let Some(Err(error)) = self.try_add(directory, what) {
            tracing::debug!(%error, "a directory is not watched");
        }
    }

    fn try_add(&self, directory: BorrowedFd<'_>, what: WatchFlags) -> Option<io::Result<WatchId>> {
        let inotify = self.inotify.as_ref()?;
        let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
        let what = what | WatchFlags::ONLYDIR;
        Some(
            inotify::add_watch(inotify.get_ref(), path, what)
                .map(WatchId)
                .map_err(Into::into),
        )
    }

    /// Ends a watch; notices of it that wait are still told.
    pub(crate) fn remove(&mut self, watch: WatchId) {
        if let Some(inotify) = &self.inotify
            && let Err(error) = inotify::remove_watch(inotify.get_ref(), watch.0)
        {
            tracing::debug!(%error, "a directory was not watched any more");
        }
    }

    /// Waits for notices and adds them to `notices`, in order.
    ///
    /// # Cancel safety
    /// No notice is taken unless the future resolves.
    pub(crate) async fn read(&mut self, notices: &mut Vec<Notice>) {
        while let Some(inotify) = &self.inotify {
            let result = match inotify.readable().await {
                Ok(mut ready) => match ready.try_io(|fd| take(fd.get_ref(), notices)) {
                    Ok(result) => result,
                    Err(_would_block) => continue,
                },
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => return,
                Err(error) => self.give_up(&error),
            }
        }
        tokio::time::sleep_until(self.recheck_at).await;
        self.recheck_at = Instant::now() + RECHECK;
        notices.push(Notice::Lost);
    }

    fn give_up(&mut self, error: &io::Error) {
        tracing::warn!(
            %error,
            "directories cannot be watched: they are looked at every second instead"
        );
        self.inotify = None;
        self.recheck_at = Instant::now();
    }
}

/// Lets the runtime wake us when `inotify` can be read.
#[allow(
    deprecated,
    reason = "the replacement is unsafe, which only the spawner may be; what it asks of the caller, \
              one open descriptor for as long as it is registered, is what an `OwnedFd` is"
)]
fn driven(inotify: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(inotify)
}

/// Reads once, as much as is there and fits.
fn take(inotify: &OwnedFd, notices: &mut Vec<Notice>) -> io::Result<()> {
    let mut buffer = [MaybeUninit::<u8>::uninit(); BUFFER_BYTES];
    let mut reader = Reader::new(inotify, &mut buffer);
    loop {
        let event = reader.next()?;
        let what = event.events();
        notices.push(if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            Notice::Lost
        } else {
            Notice::Happened {
                watch: WatchId(event.wd()),
                what,
                name: event.file_name().map(CString::from),
            }
        });
        if reader.is_buffer_empty() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn f50_without_inotify_whoever_listens_is_told_to_look_again() {
        let mut watch = DirectoryWatch::new();
        watch.give_up(&io::Error::other("none left"));
        assert!(!watch.is_woken());
        let mut notices = Vec::new();
        for told in 1..=2 {
            watch.read(&mut notices).await;
            assert_eq!(notices.len(), told);
            assert!(matches!(notices.last(), Some(Notice::Lost)));
        }
    }
}
