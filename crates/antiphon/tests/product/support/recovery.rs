//! Recovery keys for roots that have no log yet, and commands that are killed on their way.

use std::path::{Path, PathBuf};

use antiphon_core::key::{RECOVERY, key_name};
use antiphon_engine::ports::entropy::Entropy;
use antiphon_files::keys::{generate, outside};
use antiphon_files::{Keys, Root};
use antiphon_ledger::key::VerifierKey;

use super::Site;
use super::tools::strace;

/// What changes the names in a folder, or makes them last.
const CHANGES: &str =
    "rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,mkdir,mkdirat,fsync";

/// The same bytes again and again.
#[derive(Debug)]
struct Same(u8);

impl Entropy for Same {
    fn bytes32(&mut self) -> std::io::Result<[u8; 32]> {
        Ok([self.0; 32])
    }
}

/// The file of the recovery key that the log of `site` will have, which has none yet.
pub(crate) fn recovery_key(site: &Site) -> PathBuf {
    let path = site.outside.join("recovery.key");
    let key = write_key(&path, 7);
    let room = Keys::new(Root::open(&site.root).unwrap(), None, Box::new(Same(1)));
    room.put_recovery(&key).unwrap();
    path
}

/// Writes a recovery key of this machine's log to `path`; `seed` tells keys apart.
pub(crate) fn write_key(path: &Path, seed: u8) -> VerifierKey {
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let name = key_name(&format!("{host}/antiphon"), RECOVERY);
    let key = generate(&name, &mut Same(seed)).unwrap();
    outside::write(path, &key, None, &mut Same(seed), Path::new("/nowhere")).unwrap();
    key.verifier().clone()
}

/// A command is killed at its Nth change of a folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KilledAt(usize);

impl KilledAt {
    /// Runs a command on `site`; whether it came to its end before.
    pub(crate) fn run(self, site: &Site, arguments: &[&str]) -> bool {
        let mut tracer = strace();
        let fault = format!("inject={CHANGES}:signal=KILL:when={}", self.0);
        let calls = format!("trace={CHANGES}");
        tracer.args(["-f", "-o", "/dev/null", "-e", &calls, "-e", &fault]);
        let output = site.wrap(tracer, arguments).output().unwrap();
        if output.status.success() {
            return true;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), None, "{said}");
        false
    }
}

/// Lets `act` run a command that is killed at its first change, then at one of each `stride`, until
/// `act` says that it came to its end.
pub(crate) fn kill_at_each_change(stride: usize, mut act: impl FnMut(KilledAt) -> bool) {
    for (kills, at) in (1..2_000).step_by(stride).enumerate() {
        if act(KilledAt(at)) {
            assert!(kills > 2, "it was killed {kills} times only");
            return;
        }
    }
    panic!("it comes to no end");
}
