//! A running inbox: what it holds, what it waits for, and in which order it takes names.
//!
//! In: notices, walks, timers, answers. Out: what is done with one name ([`super::handing`]).

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use antiphon_engine::ports::clock::Clock;
use antiphon_engine::ports::intake::Intake;
use rustix::fs::inotify::{ReadFlags, WatchFlags};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::candidate::may_be_intent;
use super::names::Names;
use super::pace::{Backoff, Bucket};
use super::place::Place;
use super::scan::{Reach, Scan, Step};
use super::submissions::Submissions;
use super::{Inbox, InboxOptions};
use crate::directory_watch::{DirectoryWatch, Notice, WatchId};
use crate::error::is_shortage;
use crate::identity::Identity;
use crate::root::Root;

const INTENTS: &CStr = c"intents";
/// Names looked at before others get their turn on the thread.
const LOOKS_AT_ONCE_MAX: usize = 32;

/// How a name came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was created: a close will follow, unless it is no plain file.
    Created,
    /// It was closed or renamed in: it is complete.
    Complete,
    /// It was found: it may be half-written.
    Found,
}

pub(super) struct Session<'a, I> {
    root: Root,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: InboxOptions,
    walked: watch::Sender<bool>,
    pub(super) intake: &'a I,
    watch: DirectoryWatch,
    notices: Vec<Notice>,
    /// Tells of the inbox directory's own coming and going.
    root_watch: Option<WatchId>,
    /// The inbox directory, while there is one.
    pub(super) place: Option<Arc<Place>>,
    pub(super) submissions: Submissions<'a>,
    /// What was told, in order; more is read only when it is empty, so one read bounds it.
    pub(super) heard: VecDeque<(CString, Heard)>,
    pub(super) scan: Option<Scan>,
    /// Whether anything may have been missed since the present walk began.
    scan_again: bool,
    /// Whether the next name is the walk's, so that neither it nor what is told starves.
    scan_is_next: bool,
    /// Malformed files that wait for a token of the bucket.
    pub(super) malformed: Names,
    pub(super) bucket: Bucket,
    /// Files that may yet become whole.
    pub(super) unsettled: Names,
    /// When to look at them again; `None` while there are none.
    pub(super) unsettled_at: Option<Instant>,
    pub(super) backoff: Backoff,
    /// Until when nothing is taken, because the machine or the system is full.
    paused_until: Option<Instant>,
    pub(super) is_closed: bool,
}

impl<'a, I: Intake> Session<'a, I> {
    pub(super) fn new(inbox: Inbox, intake: &'a I) -> Self {
        let Inbox {
            root,
            clock,
            options,
            walked,
        } = inbox;
        let mut watch = DirectoryWatch::new();
        let names =
            WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO;
        let root_watch = watch.add(root.descriptor(), names);
        let bucket = Bucket::full(options.malformed_per_second, Instant::now());
        Self {
            root,
            clock,
            options,
            walked,
            intake,
            watch,
            notices: Vec::new(),
            root_watch,
            place: None,
            submissions: Submissions::default(),
            heard: VecDeque::new(),
            scan: None,
            scan_again: false,
            scan_is_next: false,
            malformed: Names::default(),
            bucket,
            unsettled: Names::default(),
            unsettled_at: None,
            backoff: Backoff::new(),
            paused_until: None,
            is_closed: false,
        }
    }

    /// Whether the engine has said that it is going.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Holds, watches and walks the directory that is the inbox now, unless it is held already.
    pub(super) fn attach(&mut self) {
        let opened = self.root.open_directory(INTENTS).and_then(|directory| {
            rustix::fs::fstat(&directory).map(|stat| (directory, Identity::of(&stat)))
        });
        let (directory, identity) = match opened {
            Ok(opened) => opened,
            Err(errno) => return self.detach(&errno.into()),
        };
        if self
            .place
            .as_ref()
            .is_some_and(|place| place.identity.is_same_place(&identity))
        {
            return;
        }
        self.let_go();
        let names = WatchFlags::CREATE | WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO;
        let watch = self.watch.add(directory.as_fd(), names);
        self.place = Some(Arc::new(Place {
            directory,
            identity,
            watch,
        }));
        self.walk(Reach::Whole);
    }

    fn detach(&mut self, error: &std::io::Error) {
        if is_shortage(error) {
            return self.pause();
        }
        if self.place.is_some() || !*self.walked.borrow() {
            tracing::error!(%error, "the inbox cannot be opened: waiting for it");
        }
        self.let_go();
        self.walked.send_replace(true);
    }

    /// Forgets the directory and every name in it; what was handed over keeps its own.
    fn let_go(&mut self) {
        if let Some(watch) = self.place.take().and_then(|place| place.watch) {
            self.watch.remove(watch);
        }
        self.submissions.touch_all();
        self.heard.clear();
        self.scan = None;
        self.scan_again = false;
        self.malformed = Names::default();
        self.unsettled = Names::default();
        self.unsettled_at = None;
    }

    /// Takes names while there is room, some at a time.
    pub(super) fn take_some(&mut self) {
        for _ in 0..LOOKS_AT_ONCE_MAX {
            if !self.may_take() {
                return;
            }
            let Some((name, heard)) = self.next_name() else {
                return;
            };
            self.consider(name, heard);
        }
    }

    /// Waits until something is to be done, and does it; breaks at shutdown.
    pub(super) async fn wait(&mut self, shutdown: &CancellationToken) -> ControlFlow<()> {
        let has_more = self.has_more();
        let listens = self.may_take() && self.heard.is_empty();
        let alarm = self.alarm();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return ControlFlow::Break(()),
            answered = self.submissions.answered() => self.let_leave(answered),
            () = self.watch.read(&mut self.notices), if listens => self.hear(),
            () = at(alarm) => self.ring(),
            () = tokio::task::yield_now(), if has_more => {}
        }
        ControlFlow::Continue(())
    }

    /// Waits for the answers that are owed.
    pub(super) async fn finish(&mut self) {
        while !self.submissions.is_empty() {
            let answered = self.submissions.answered().await;
            self.let_leave(answered);
        }
    }

    /// Leaves the machine alone for a while; then the whole directory is walked again.
    pub(super) fn pause(&mut self) {
        if self.paused_until.is_none() {
            self.paused_until = Some(Instant::now() + self.backoff.next());
        }
    }

    /// Ends a walk that has found as many malformed files as may wait.
    pub(super) fn end_malformed_walk(&mut self) {
        self.scan.take_if(|scan| scan.reach == Reach::Malformed);
    }

    fn may_take(&self) -> bool {
        self.paused_until.is_none() && self.submissions.has_room()
    }

    fn malformed_is_due(&self) -> bool {
        !self.malformed.is_empty() && self.bucket.next_at() <= Instant::now()
    }

    fn has_more(&self) -> bool {
        self.may_take()
            && (!self.heard.is_empty() || self.scan.is_some() || self.malformed_is_due())
    }

    fn next_name(&mut self) -> Option<(CString, Heard)> {
        if self.malformed_is_due()
            && let Some(name) = self.malformed.pop()
        {
            // It was found malformed once: it had its time to become whole.
            return Some((name, Heard::Complete));
        }
        if self.malformed.is_empty() && self.scan.is_none() && self.malformed.take_left() {
            self.walk(Reach::Malformed);
        }
        self.scan_is_next = !self.scan_is_next;
        if self.scan_is_next {
            self.walk_on().or_else(|| self.heard.pop_front())
        } else {
            self.heard.pop_front().or_else(|| self.walk_on())
        }
    }

    /// Begins to walk the directory, or notes that it must be walked again after the present walk.
    fn walk(&mut self, reach: Reach) {
        let Some(place) = &self.place else { return };
        if self
            .scan
            .as_ref()
            .is_some_and(|scan| scan.reach == Reach::Whole)
        {
            self.scan_again |= reach == Reach::Whole;
            return;
        }
        match Scan::begin(place.descriptor(), reach) {
            Ok(scan) => self.scan = Some(scan),
            Err(error) => {
                tracing::warn!(%error, "the inbox cannot be walked");
                self.pause();
            }
        }
    }

    fn walk_on(&mut self) -> Option<(CString, Heard)> {
        let scan = self.scan.as_mut()?;
        match scan.step() {
            Ok(Step::Name(name)) => return Some((name, Heard::Found)),
            Ok(Step::Nothing) => {}
            Ok(Step::End) => {
                let reach = scan.reach;
                self.scan = None;
                if std::mem::take(&mut self.scan_again) {
                    self.walk(Reach::Whole);
                } else if reach == Reach::Whole {
                    self.walked.send_replace(true);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the inbox cannot be walked to its end");
                self.scan = None;
                self.pause();
            }
        }
        None
    }

    fn hear(&mut self) {
        let mut notices = std::mem::take(&mut self.notices);
        for notice in notices.drain(..) {
            match notice {
                Notice::Lost => {
                    self.attach();
                    self.walk(Reach::Whole);
                }
                Notice::Happened { watch, name, .. } if Some(watch) == self.root_watch => {
                    if name.is_none_or(|name| name.as_c_str() == INTENTS) {
                        self.attach();
                    }
                }
                Notice::Happened { watch, what, name } => {
                    if self
                        .place
                        .as_ref()
                        .is_some_and(|place| place.watch == Some(watch))
                    {
                        self.hear_name(what, name);
                    }
                }
            }
        }
        self.notices = notices;
    }

    fn hear_name(&mut self, what: ReadFlags, name: Option<CString>) {
        if what.intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT) {
            self.let_go();
            return self.attach();
        }
        let Some(name) = name.filter(|name| may_be_intent(name)) else {
            return;
        };
        let is_complete = what.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO);
        let heard = if is_complete {
            Heard::Complete
        } else {
            Heard::Created
        };
        // Written and closed before we woke: one look will do.
        self.heard
            .pop_back_if(|(last, how)| *how == Heard::Created && *last == name);
        self.heard.push_back((name, heard));
    }

    fn alarm(&self) -> Option<Instant> {
        if self.paused_until.is_some() {
            return self.paused_until;
        }
        let malformed_at = (!self.malformed.is_empty() && self.submissions.has_room())
            .then(|| self.bucket.next_at());
        [self.unsettled_at, malformed_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn ring(&mut self) {
        let now = Instant::now();
        if self.paused_until.take_if(|until| *until <= now).is_some() {
            self.attach();
            self.walk(Reach::Whole);
        }
        if self.unsettled_at.take_if(|at| *at <= now).is_some() {
            while let Some(name) = self.unsettled.pop() {
                self.heard.push_back((name, Heard::Found));
            }
            if self.unsettled.take_left() {
                self.walk(Reach::Whole);
            }
        }
    }
}

/// Waits until then; for ever without a time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
