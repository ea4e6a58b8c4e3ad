//! Reads the result that an attempt has left.
//!
//! The file is the attempt's to write, so nothing about it is trusted: no link is followed, nothing
//! but a regular file with one name is opened, and no more than the limit is read.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::BorrowedFd;

use antiphon_core::limits::INLINE_OUTPUT_BYTES_MAX;
use antiphon_core::report::ResultFile;
use antiphon_core::signal::Facts;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The name of the result in an attempt's folder.
pub(crate) const RESULT_FILE: &str = "result.json";
/// Bytes that are read of a result, white space included.
const RESULT_BYTES_MAX: u64 = 256 * 1024;

/// The result in the folder of `token` beneath `run`.
pub(crate) fn read(run: BorrowedFd<'_>, token: u64) -> ResultFile {
    let path = format!("{token}/{RESULT_FILE}");
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(run, path, flags, Mode::empty(), within) {
        Ok(file) => read_file(File::from(file)),
        Err(Errno::NOENT) => ResultFile::Absent,
        Err(Errno::LOOP) => invalid("a symbolic link, which is not followed"),
        Err(error) => ResultFile::Invalid(format!("cannot be opened: {error}")),
    }
}

fn read_file(file: File) -> ResultFile {
    let stat = match rustix::fs::fstat(&file) {
        Ok(stat) => stat,
        Err(error) => return ResultFile::Invalid(format!("cannot be read: {error}")),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return invalid("not a regular file");
    }
    if stat.st_nlink != 1 {
        return invalid("has another name elsewhere");
    }
    let mut bytes = Vec::new();
    match file
        .take(RESULT_BYTES_MAX.saturating_add(1))
        .read_to_end(&mut bytes)
    {
        Err(error) => ResultFile::Invalid(format!("cannot be read: {error}")),
        Ok(0) => ResultFile::Absent,
        Ok(read) if u64::try_from(read).is_ok_and(|read| read > RESULT_BYTES_MAX) => {
            ResultFile::Invalid(format!("larger than {RESULT_BYTES_MAX} bytes"))
        }
        Ok(_) => parse(&bytes),
    }
}

fn parse(bytes: &[u8]) -> ResultFile {
    match Facts::parse(bytes) {
        Err(error) => ResultFile::Invalid(error.to_string()),
        Ok(facts) if facts.text().len() > INLINE_OUTPUT_BYTES_MAX => ResultFile::Invalid(format!(
            "{} bytes of JSON; a result has at most {INLINE_OUTPUT_BYTES_MAX}, \
             more belongs on standard output or in a file",
            facts.text().len()
        )),
        Ok(facts) => ResultFile::Valid(facts),
    }
}

fn invalid(why: &str) -> ResultFile {
    ResultFile::Invalid(why.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    fn check(make: impl FnOnce(&Path), expect: &str) {
        let run = tempfile::tempdir().unwrap();
        let folder = run.path().join("7");
        std::fs::create_dir(&folder).unwrap();
        make(&folder.join(RESULT_FILE));
        let handle = File::open(run.path()).unwrap();
        let found = format!("{:?}", read(handle.as_fd(), 7));
        assert!(found.starts_with(expect), "{found} instead of {expect}");
    }

    #[test]
    fn only_a_small_regular_json_object_is_a_result() {
        let write = |bytes: Vec<u8>| move |path: &Path| std::fs::write(path, bytes).unwrap();
        check(|_| {}, "Absent");
        check(write(vec![]), "Absent");
        check(write(b"{\"a\": 1}".to_vec()), "Valid");
        check(write(b"[1]".to_vec()), "Invalid");
        check(write(b"{\"a\":".to_vec()), "Invalid");
        let string = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length)).into_bytes();
        check(write(string(INLINE_OUTPUT_BYTES_MAX - 8)), "Valid");
        check(
            write(string(INLINE_OUTPUT_BYTES_MAX)),
            "Invalid(\"16392 bytes of JSON",
        );
        check(
            write(vec![b' '; 300_000]),
            "Invalid(\"larger than 262144 bytes",
        );
    }

    #[test]
    fn a7_a_result_that_is_a_link_or_no_file_is_never_read() {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&secret, "{\"secret\": 1}").unwrap();
        check(
            |path| symlink(&secret, path).unwrap(),
            "Invalid(\"a symbolic link",
        );
        check(
            |path| std::fs::create_dir(path).unwrap(),
            "Invalid(\"not a regular file",
        );
        let fifo = |path: &Path| {
            let kind = FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, path, kind, Mode::RWXU, 0).unwrap();
        };
        check(fifo, "Invalid(\"not a regular file");
        let linked = tempfile::tempdir().unwrap();
        let elsewhere = linked.path().join("elsewhere");
        let hard_link = |path: &Path| {
            std::fs::write(path, "{}").unwrap();
            std::fs::hard_link(path, &elsewhere).unwrap();
        };
        check(hard_link, "Invalid(\"has another name");
    }

    #[test]
    fn a7_a_folder_that_was_swapped_for_a_link_is_not_entered() {
        let run = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::write(elsewhere.path().join(RESULT_FILE), "{}").unwrap();
        symlink(elsewhere.path(), run.path().join("7")).unwrap();
        let handle = File::open(run.path()).unwrap();
        assert_eq!(
            read(handle.as_fd(), 7),
            ResultFile::Invalid("a symbolic link, which is not followed".to_owned())
        );
    }
}
