use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use antiphon_testkit::fuzz::{self, PASSPHRASE, Target, smoke};

use super::*;

/// Counts instead of chance: every draw is another.
struct Counting(u8);

impl Entropy for Counting {
    fn bytes32(&mut self) -> std::io::Result<[u8; 32]> {
        self.0 += 1;
        Ok([self.0; 32])
    }
}

fn room(home: &Path, passphrase: Option<&Passphrase>) -> Keys {
    let root = Root::create(&home.join("root")).unwrap();
    Keys::new(root, passphrase.cloned(), Box::new(Counting(0)))
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.as_bytes().to_vec())).unwrap()
}

fn file_of(keys: &Keys, key: &SigningKey) -> PathBuf {
    keys.path(&file_name(key.verifier().id()))
}

fn names_of(keys: &[SigningKey]) -> Vec<&str> {
    keys.iter().map(|key| key.verifier().name()).collect()
}

#[test]
fn anything_is_a_key_file_or_is_refused_and_the_seeds_of_its_target_are_key_files() {
    smoke(&Target {
        name: "key_file",
        feed: |bytes| {
            fuzz::key_file(bytes, |bytes, text| {
                let passphrase = text.map(|text| Passphrase::new(text.to_vec().into()).unwrap());
                let key = outside::parse(bytes, "fuzz.key".as_ref(), passphrase.as_ref());
                key.map_err(|error| error.code())
            })
        },
    });
}

#[test]
fn the_sealed_seeds_open() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/key_file");
    let with = Passphrase::new(PASSPHRASE.to_vec().into()).unwrap();
    for name in ["sealed", "sealed_log"] {
        let bytes = std::fs::read(seeds.join(name)).unwrap();
        let key = outside::parse(&bytes, name.as_ref(), Some(&with)).unwrap();
        assert!(
            key.verifier().name().starts_with("example.com/log"),
            "{name}"
        );
    }
}

#[test]
fn a_key_that_was_made_is_there_for_its_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    let keys = room(home.path(), None);
    let made = keys.make("here/a").unwrap();
    keys.put(&made).unwrap();
    let found = room(home.path(), None).all().unwrap();
    assert_eq!(names_of(&found), ["here/a"]);
    assert_eq!(found[0].verifier(), made.verifier());
    let bits = std::fs::metadata(file_of(&keys, &made))
        .unwrap()
        .permissions();
    assert_eq!(bits.mode() & 0o7777, 0o600);
    let left = std::fs::read_dir(keys.path("")).unwrap().count();
    assert_eq!(left, 1, "nothing temporary is left");
    keys.remove(made.verifier().id()).unwrap();
    keys.remove(made.verifier().id()).unwrap();
    assert!(keys.all().unwrap().is_empty());
}

#[test]
fn a30_a_key_that_others_may_read_is_refused_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let keys = room(home.path(), None);
    let path = file_of(&keys, &keys.make("here/a").unwrap());
    for mode in [0o640, 0o604, 0o620, 0o777] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = keys.all().unwrap_err();
        assert_eq!(error.code(), "key.loose");
        let hint = format!("chmod go-rwx {}", path.display());
        assert_eq!(error.hint(), Some(hint));
    }
}

#[test]
fn a37_only_a_plain_file_with_one_name_is_a_key() {
    let check = |plant: &dyn Fn(&Path, &Path)| {
        let home = tempfile::tempdir().unwrap();
        let keys = room(home.path(), None);
        let path = file_of(&keys, &keys.make("here/a").unwrap());
        let aside = home.path().join("aside");
        std::fs::rename(&path, &aside).unwrap();
        plant(&path, &aside);
        assert_eq!(keys.all().unwrap_err().code(), "key.unfit");
    };
    check(&|path, aside| std::os::unix::fs::symlink(aside, path).unwrap());
    check(&|path, aside| std::fs::hard_link(aside, path).unwrap());
    check(&|path, _aside| std::fs::create_dir(path).unwrap());
    check(&|path, _aside| {
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    });
    check(&|path, aside| {
        let other = path.with_file_name("00000000.key");
        std::fs::rename(aside, other).unwrap();
    });
    check(&|path, _aside| {
        std::fs::write(path, [b'x'; 5_000]).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    });
}

#[test]
fn another_key_of_the_same_id_is_not_written_over() {
    let home = tempfile::tempdir().unwrap();
    let keys = room(home.path(), None);
    let made = keys.make("here/a").unwrap();
    let other = keys.make("here/b").unwrap();
    std::fs::rename(file_of(&keys, &other), file_of(&keys, &made)).unwrap();
    assert_eq!(keys.put(&made).unwrap_err().code(), "key.unfit");
}

#[test]
fn a_passphrase_seals_what_is_written_and_what_lay_there_plain() {
    let home = tempfile::tempdir().unwrap();
    let plain = room(home.path(), None);
    let old = plain.make("here/old").unwrap();
    let secret = passphrase("correct horse");
    let keys = room(home.path(), Some(&secret));
    keys.make("here/new").unwrap();
    assert_eq!(keys.all().unwrap().len(), 2);
    for found in Keys::survey(&keys.root).unwrap() {
        let (key, form) = found.found.unwrap();
        assert_eq!(form, Form::Sealed, "{key}");
        let text = std::fs::read_to_string(found.path).unwrap();
        assert!(!text.contains("PRIVATE"), "{text}");
    }
    assert_eq!(plain.all().unwrap_err().code(), "key.locked");
    let wrong = room(home.path(), Some(&passphrase("wrong")));
    assert_eq!(wrong.all().unwrap_err().code(), "key.passphrase");
    let again = room(home.path(), Some(&secret)).all().unwrap();
    assert_eq!(keys.unseal().unwrap(), 2);
    assert_eq!(keys.unseal().unwrap(), 0);
    assert_eq!(plain.all().unwrap().len(), 2);
    assert!(again.iter().any(|key| key.verifier() == old.verifier()));
}

#[test]
fn a_sealed_key_that_claims_to_be_another_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let secret = passphrase("p");
    let keys = room(home.path(), Some(&secret));
    let made = keys.make("here/a").unwrap();
    let other = keys.make("here/b").unwrap();
    let read = |key| std::fs::read_to_string(file_of(&keys, key)).unwrap();
    let line = |text: &str| text.lines().nth(1).unwrap().to_owned();
    let (text, foreign) = (read(&made), read(&other));
    let forged = text.replace(&line(&text), &line(&foreign));
    std::fs::write(file_of(&keys, &made), forged).unwrap();
    assert_eq!(keys.all().unwrap_err().code(), "key.passphrase");
}

#[test]
fn a_survey_says_of_each_file_what_it_is() {
    let home = tempfile::tempdir().unwrap();
    let keys = room(home.path(), None);
    let made = keys.make("here/a").unwrap();
    let broken = keys.path("ffffffff.key");
    std::fs::write(&broken, "nothing").unwrap();
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(keys.path("notes.txt"), "no key").unwrap();
    let found = Keys::survey(&keys.root).unwrap();
    assert_eq!(found.len(), 2);
    let (key, form) = found[0].found.as_ref().unwrap();
    assert_eq!((key, *form), (made.verifier(), Form::Plain));
    let error = found[1].found.as_ref().unwrap_err();
    assert_eq!(error.code(), "key.malformed");
    assert!(error.to_string().contains("ffffffff.key"));
}

#[test]
fn a_recovery_key_waits_in_public() {
    let home = tempfile::tempdir().unwrap();
    let keys = room(home.path(), None);
    assert!(keys.recovery().unwrap().is_none());
    let recovery = generate("here/recovery", &mut Counting(9)).unwrap();
    keys.put_recovery(recovery.verifier()).unwrap();
    assert_eq!(keys.recovery().unwrap().as_ref(), Some(recovery.verifier()));
    assert!(
        keys.all().unwrap().is_empty(),
        "it is no key of the owner's"
    );
}

#[test]
fn a_key_outside_is_never_written_over_nor_into_the_root() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    Root::create(&root).unwrap();
    let key = generate("here/recovery", &mut Counting(0)).unwrap();
    let write = |path: &Path, passphrase: Option<&Passphrase>| {
        outside::write(path, &key, passphrase, &mut Counting(1), &root)
    };
    let path = home.path().join("recovery.key");
    write(&path, None).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let read = outside::read(&path, None).unwrap();
    assert_eq!(read.verifier(), key.verifier());
    assert_eq!(write(&path, None).unwrap_err().code(), "key.exists");
    std::os::unix::fs::symlink(&root, home.path().join("door")).unwrap();
    for inside in ["root/r.key", "root/keys/r.key", "door/r.key"] {
        let error = write(&home.path().join(inside), None).unwrap_err();
        assert_eq!(error.code(), "key.inside_root", "{inside}");
        assert!(!home.path().join(inside).exists());
    }
    let sealed = home.path().join("sealed.key");
    let secret = passphrase("p");
    write(&sealed, Some(&secret)).unwrap();
    assert_eq!(
        outside::read(&sealed, None).unwrap_err().code(),
        "key.locked"
    );
    let read = outside::read(&sealed, Some(&secret)).unwrap();
    assert_eq!(read.verifier(), key.verifier());
}
