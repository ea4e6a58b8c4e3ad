//! The owner's Unix socket in the data root, reached whatever the length of the root's path.
//!
//! A socket's address has room for 107 bytes. A longer path is reached through the descriptor of
//! its directory, as `/proc/self/fd/N/antiphon.sock`. Source: unix(7).

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// The socket's name in the root.
pub(crate) const FILE: &str = "antiphon.sock";
/// Bytes of a path that every socket address holds, its end included.
const ADDRESS_BYTES_MAX: usize = 107;

/// Listens on the socket of `root`, for this user only. The caller holds the root's lock: a socket
/// that is there was left by an owner that is gone.
///
/// # Errors
/// The system's error.
pub(crate) fn listen(root: &Path) -> io::Result<UnixListener> {
    reach(root, |path| {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    })
}

/// Connects to the socket of `root`; `None` when nobody listens there. Needs a runtime.
///
/// # Errors
/// The system's error.
pub(crate) fn connect(root: &Path) -> io::Result<Option<UnixStream>> {
    let connected = reach(root, |path| std::os::unix::net::UnixStream::connect(path));
    match connected {
        Ok(stream) => {
            stream.set_nonblocking(true)?;
            UnixStream::from_std(stream).map(Some)
        }
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
            _ => Err(error),
        },
    }
}

/// Whether somebody listens on the socket of `root`.
pub(crate) fn is_served(root: &Path) -> bool {
    reach(root, |path| std::os::unix::net::UnixStream::connect(path)).is_ok()
}

/// Gives `act` a path to the socket that fits its address.
fn reach<T>(root: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = root.join(FILE);
    if path.as_os_str().len() <= ADDRESS_BYTES_MAX {
        return act(&path);
    }
    let directory = std::fs::File::open(root)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}/{FILE}", directory.as_raw_fd()));
    act(&short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(root: &Path) {
        assert!(connect(root).unwrap().is_none(), "nobody listens yet");
        assert!(!is_served(root));
        let listener = listen(root).unwrap();
        assert!(is_served(root));
        assert!(connect(root).unwrap().is_some());
        drop(listener);
        assert!(
            connect(root).unwrap().is_none(),
            "what is left answers nobody"
        );
        let again = listen(root).unwrap();
        assert!(connect(root).unwrap().is_some());
        let mode = std::fs::metadata(root.join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(again);
    }

    #[tokio::test]
    async fn a_socket_is_reached_by_a_short_path_and_by_a_long_one() {
        let root = tempfile::tempdir().unwrap();
        check(root.path());
        let long = root.path().join("d".repeat(120));
        std::fs::create_dir(&long).unwrap();
        check(&long);
    }
}
