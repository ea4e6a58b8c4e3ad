use super::*;

fn root() -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::open(directory.path(), "run-1").unwrap();
    (directory, root)
}

#[test]
fn e44_path_outside_the_root_is_refused() {
    let (directory, root) = root();
    let check = |text: &str, expect: Option<&str>| {
        assert_eq!(
            root.locate(text).ok().as_deref(),
            expect.map(Path::new),
            "{text:?}"
        );
    };
    check("src/audio", Some("src/audio"));
    check("./src//audio/", Some("src/audio"));
    check(&format!("{}/src", root.path.display()), Some("src"));
    for text in [
        "",
        ".",
        "/",
        "/etc",
        "../x",
        "src/../../x",
        "src/\0",
        "a/..",
    ] {
        check(text, None);
    }
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.py"), b"secret").unwrap();
    std::os::unix::fs::symlink(outside.path(), directory.path().join("link")).unwrap();
    let link = root.locate("link").unwrap();
    assert!(matches!(
        root.is_directory(&link),
        Err(Error::Outside { .. })
    ));
    assert!(root.read(&link.join("secret.py"), 100).is_err());
    assert!(root.create(&link.join("__init__.py"), b"").is_err());
    assert!(root.replace(&link.join("secret.py"), b"").is_err());
    assert_eq!(
        std::fs::read(outside.path().join("secret.py")).unwrap(),
        b"secret"
    );
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn a_link_a_directory_and_a_fifo_are_no_files() {
    let (directory, root) = root();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("real"), b"x").unwrap();
    std::os::unix::fs::symlink("real", at("link")).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    fs::mknodat(fs::CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    for name in ["link", "folder", "fifo"] {
        assert!(root.read(Path::new(name), 10).is_err(), "{name}");
    }
    assert_eq!(
        root.read(Path::new("real"), 10).unwrap().as_deref(),
        Some(&b"x"[..])
    );
    assert!(root.read(Path::new("absent"), 10).unwrap().is_none());
    assert!(matches!(
        root.read(Path::new("real"), 0),
        Err(Error::TooLong { .. })
    ));
}

#[test]
fn a_file_is_replaced_whole_and_created_only_once() {
    let (directory, root) = root();
    let path = Path::new("a/b/c.json");
    assert!(root.create(path, b"one").unwrap());
    assert!(!root.create(path, b"two").unwrap());
    assert_eq!(root.read(path, 9).unwrap().unwrap(), b"one");
    root.replace(path, b"three").unwrap();
    assert_eq!(root.read(path, 9).unwrap().unwrap(), b"three");
    assert_eq!(
        std::fs::read_dir(directory.path().join("a/b"))
            .unwrap()
            .count(),
        1
    );
}
