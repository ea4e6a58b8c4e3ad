use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::Duration;

use rustix::thread::{CapabilitySet, CapabilitySets};

use super::*;

/// What has not come by then will not come: the test fails instead of hanging.
const HANGS: Duration = Duration::from_secs(30);

struct Place {
    home: tempfile::TempDir,
    path: PathBuf,
    switch: FileStopSwitch,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("parent/root");
        let switch = FileStopSwitch::new(Root::create(&path).unwrap());
        Self { home, path, switch }
    }

    fn killswitch(&self) -> PathBuf {
        self.path.join("killswitch")
    }

    fn empty_root(&self) {
        for entry in fs::read_dir(&self.path).unwrap().flatten() {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

fn check(change: impl FnOnce(&Place), expect: Switch) {
    let place = Place::new();
    assert_eq!(place.switch.state(), Switch::Clear);
    change(&place);
    assert_eq!(place.switch.state(), expect);
}

#[test]
fn the_switch_is_engaged_whatever_bears_its_name() {
    check(
        |place| fs::write(place.killswitch(), "").unwrap(),
        Switch::Engaged,
    );
    check(
        |place| fs::create_dir(place.killswitch()).unwrap(),
        Switch::Engaged,
    );
    check(
        |place| symlink("leads nowhere", place.killswitch()).unwrap(),
        Switch::Engaged,
    );
}

#[test]
fn a_switch_that_was_taken_away_is_clear_again() {
    let place = Place::new();
    fs::write(place.killswitch(), "").unwrap();
    assert_eq!(place.switch.state(), Switch::Engaged);
    fs::remove_file(place.killswitch()).unwrap();
    assert_eq!(place.switch.state(), Switch::Clear);
}

#[test]
fn a41_a_root_that_is_gone_or_replaced_counts_as_engaged() {
    let elsewhere = |place: &Place| place.home.path().join("elsewhere");
    check(
        |place| fs::remove_dir_all(&place.path).unwrap(),
        Switch::Unreadable,
    );
    check(
        |place| fs::rename(&place.path, elsewhere(place)).unwrap(),
        Switch::Unreadable,
    );
    check(
        |place| {
            fs::rename(&place.path, elsewhere(place)).unwrap();
            fs::create_dir(&place.path).unwrap();
        },
        Switch::Unreadable,
    );
    check(
        |place| {
            fs::rename(&place.path, elsewhere(place)).unwrap();
            symlink(&place.path, &place.path).unwrap();
        },
        Switch::Unreadable,
    );
    check(
        |place| {
            let parent = place.path.parent().unwrap();
            fs::rename(parent, elsewhere(place)).unwrap();
            fs::write(parent, "a file").unwrap();
        },
        Switch::Unreadable,
    );
}

#[test]
fn a41_a_root_that_may_not_be_searched_counts_as_engaged() {
    let place = Place::new();
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o000)).unwrap();
    let state = std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            // Capabilities are a thread's own: this one is bound by modes even as root.
            let none = CapabilitySets {
                effective: CapabilitySet::empty(),
                permitted: CapabilitySet::empty(),
                inheritable: CapabilitySet::empty(),
            };
            rustix::thread::set_capabilities(None, none).unwrap();
            (place.switch.state(), place.switch.maintenance())
        });
        asked.join().unwrap()
    });
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(state, (Switch::Unreadable, true));
}

/// Begins to watch, makes `change` while the watch waits, and tells what it said then.
async fn after(place: &Place, change: impl FnOnce()) -> (Switch, bool) {
    let mut watch: SwitchWatch = place.switch.watch();
    assert!(watch.is_woken(), "this machine gives no inotify");
    let first = watch.changed().await;
    let told = tokio::time::timeout(HANGS, watch.changed());
    let (told, ()) = tokio::join!(told, async {
        tokio::task::yield_now().await;
        change();
    });
    let told = told.expect("the watch wakes");
    assert_ne!(first, told);
    (told.switch, told.maintenance)
}

#[tokio::test]
async fn whoever_waits_is_woken_when_a_guard_file_comes_or_goes() {
    let place = Place::new();
    let maintenance = place.path.join("maintenance_mode");
    let told = after(&place, || fs::write(place.killswitch(), "").unwrap()).await;
    assert_eq!(told, (Switch::Engaged, false));
    let told = after(&place, || fs::write(&maintenance, "").unwrap()).await;
    assert_eq!(told, (Switch::Engaged, true));
    let told = after(&place, || fs::remove_file(place.killswitch()).unwrap()).await;
    assert_eq!(told, (Switch::Clear, true));
    let aside = place.path.join("aside");
    let told = after(&place, || fs::rename(&maintenance, &aside).unwrap()).await;
    assert_eq!(told, (Switch::Clear, false));
    let told = after(&place, || fs::rename(&aside, place.killswitch()).unwrap()).await;
    assert_eq!(told, (Switch::Engaged, false));
}

#[tokio::test]
async fn a41_whoever_waits_is_woken_when_the_root_goes() {
    let place = Place::new();
    let elsewhere = place.home.path().join("elsewhere");
    let told = after(&place, || fs::rename(&place.path, elsewhere).unwrap()).await;
    assert_eq!(told, (Switch::Unreadable, false));

    let place = Place::new();
    place.empty_root();
    let told = after(&place, || fs::remove_dir(&place.path).unwrap()).await;
    assert_eq!(told, (Switch::Unreadable, false));
}
