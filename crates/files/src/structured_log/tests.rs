use std::fs;
use std::path::PathBuf;

use antiphon_core::time::Instant;

use super::*;

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Instant {
        Instant {
            wall_ms: 43_200_000,
            boot_ms: 0,
            boot_id: 0,
        }
    }
}

const LONG: Duration = Duration::from_mins(1);

struct Place {
    _home: tempfile::TempDir,
    root: Root,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = Root::create(&home.path().join("root")).unwrap();
        Self { _home: home, root }
    }

    fn open(&self) -> StructuredLog {
        StructuredLog::open(self.root.clone(), Arc::new(Noon)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

#[test]
fn lines_of_several_writers_are_all_there_and_never_mixed() {
    let place = Place::new();
    let log = place.open();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let mut writer = log.writer();
            scope.spawn(move || {
                for number in 0..500 {
                    write!(writer, "{name}").unwrap();
                    writeln!(writer, "{number}").unwrap();
                }
            });
        }
    });
    assert!(log.close(LONG));
    let text = fs::read_to_string(place.path("structured.jsonl")).unwrap();
    for name in ["a", "b", "c"] {
        let of_one: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .collect();
        let expect: Vec<_> = (0..500).map(|number| number.to_string()).collect();
        assert_eq!(of_one, expect);
    }
    assert_eq!(text.lines().count(), 1_500);
}

#[test]
fn f57_what_does_not_fit_is_dropped_counted_and_said() {
    let shared = Shared {
        queue: Mutex::new(Queue::default()),
        changed: Condvar::new(),
    };
    for _ in 0..LINES_WAITING_MAX + 7 {
        shared.push(b"x\n");
    }
    let (bytes, lines, dropped) = shared.take().unwrap();
    assert_eq!(
        (bytes.len(), lines, dropped),
        (2 * LINES_WAITING_MAX, LINES_WAITING_MAX, 7)
    );

    let place = Place::new();
    let log = place.open();
    let mut writer = log.writer();
    writeln!(writer, "{}", "x".repeat(LINE_BYTES_MAX)).unwrap();
    writeln!(writer, "short").unwrap();
    assert!(log.close(LONG));
    let text = fs::read_to_string(place.path("structured.jsonl")).unwrap();
    let said =
        r#"{"count":1,"event":"log lines dropped","level":"WARN","ts":"1970-01-01T12:00:00.000Z"}"#;
    assert!(text.lines().any(|line| line == said), "{text}");
    assert!(text.lines().any(|line| line == "short"), "{text}");
}

#[test]
fn f57_a_disk_that_takes_nothing_stops_no_writer() {
    let place = Place::new();
    // The file is full and cannot be set aside: every append fails.
    let full = vec![b'\n'; usize::try_from(file::FILE_BYTES_MAX).unwrap()];
    fs::write(place.path("structured.jsonl"), full).unwrap();
    fs::create_dir_all(place.path("structured.jsonl.1/taken")).unwrap();
    let log = place.open();
    let mut writer = log.writer();
    for _ in 0..3 * LINES_WAITING_MAX {
        writeln!(writer, "x").unwrap();
    }
    assert!(!log.close(LONG));
}

#[test]
fn a_full_file_is_set_aside_once_and_replaces_the_one_before() {
    let place = Place::new();
    fs::write(place.path("structured.jsonl.1"), "oldest").unwrap();
    let full = vec![b'\n'; usize::try_from(file::FILE_BYTES_MAX).unwrap()];
    fs::write(place.path("structured.jsonl"), full).unwrap();
    let log = place.open();
    writeln!(log.writer(), "new").unwrap();
    assert!(log.close(LONG));
    assert_eq!(fs::read(place.path("structured.jsonl")).unwrap(), b"new\n");
    let previous = fs::metadata(place.path("structured.jsonl.1")).unwrap();
    assert_eq!(previous.len(), file::FILE_BYTES_MAX);
}

#[test]
fn a_line_that_a_crash_cut_does_not_spoil_the_next() {
    let place = Place::new();
    fs::write(place.path("structured.jsonl"), "{\"cut").unwrap();
    let log = place.open();
    writeln!(log.writer(), "whole").unwrap();
    assert!(log.close(LONG));
    assert_eq!(
        fs::read(place.path("structured.jsonl")).unwrap(),
        b"{\"cut\nwhole\n"
    );
}

#[test]
fn a_log_that_is_a_link_or_a_pipe_is_refused_at_once() {
    let place = Place::new();
    let path = place.path("structured.jsonl");
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    assert!(StructuredLog::open(place.root.clone(), Arc::new(Noon)).is_err());
    fs::remove_file(&path).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, 0o600.into(), 0).unwrap();
    assert!(StructuredLog::open(place.root.clone(), Arc::new(Noon)).is_err());
}
