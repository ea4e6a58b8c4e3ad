//! Disks that go wrong: ext4 on a loop image, whose power can be cut, and one in memory, whose room
//! can be taken to the last byte.
//!
//! `EXT4_IOC_SHUTDOWN` with `NOLOGFLUSH` stops the file system where it stands: what was not
//! synced is gone after the next mount, as after a power cut. The one call of ioctl is made by
//! Python, so that no unsafe code is needed here. Source: Linux, fs/ext4/ioctl.c.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::{output_of, until};
use crate::tools;

/// Size of the image; sparse.
const IMAGE_BYTES: u64 = 256 * 1024 * 1024;
/// Size of a disk in memory: more than the log of thousands of races takes.
const MEMORY_BYTES: u64 = 384 * 1024 * 1024;
/// How long trees of the dead owner may hold the mount.
const UNMOUNT_MAX: Duration = Duration::from_secs(30);

/// `_IOR('X', 125, __u32)` with flag `EXT4_GOING_FLAGS_NOLOGFLUSH`.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys
descriptor = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(descriptor, 0x8004587d, struct.pack('I', 2))
";

/// A mounted disk.
#[derive(Debug)]
pub(crate) struct Disk {
    /// The image that it is on; none when it is in memory.
    image: Option<PathBuf>,
    mount_point: PathBuf,
}

impl Disk {
    /// Makes and mounts a fresh one on an image in `directory`.
    pub(crate) fn on_image(directory: &Path) -> Result<Self> {
        let image = directory.join("disk.img");
        File::create(&image)?.set_len(IMAGE_BYTES)?;
        output_of(command("mkfs.ext4")?.arg("-q").arg(&image))?;
        Self::create(directory, Some(image))
    }

    /// Makes and mounts a fresh one in memory.
    pub(crate) fn in_memory(directory: &Path) -> Result<Self> {
        Self::create(directory, None)
    }

    fn create(directory: &Path, image: Option<PathBuf>) -> Result<Self> {
        if !tools::is_root() {
            bail!("a disk of its own needs root, to mount it");
        }
        let disk = Self {
            image,
            mount_point: directory.join("disk"),
        };
        std::fs::create_dir(&disk.mount_point)?;
        disk.mount()?;
        Ok(disk)
    }

    pub(crate) fn mount_point(&self) -> &Path {
        &self.mount_point
    }

    /// Cuts the power and gives it back: everything that was not synced is lost.
    pub(crate) fn cut_power(&self) -> Result<()> {
        output_of(
            command("python3")?
                .args(["-c", SHUT_DOWN])
                .arg(&self.mount_point),
        )?;
        until("the dead disk can be unmounted", UNMOUNT_MAX, || {
            Ok(self.try_unmount().then_some(()))
        })?;
        self.mount()
    }

    /// Takes room until so many bytes are left.
    pub(crate) fn fill_to(&self, left_bytes: u64) -> Result<()> {
        let filler = File::options()
            .create(true)
            .append(true)
            .open(self.filler())?;
        let disk = rustix::fs::fstatvfs(&filler)?;
        let free_bytes = disk.f_bavail * disk.f_frsize;
        let (end, mode) = (
            filler.metadata()?.len(),
            rustix::fs::FallocateFlags::empty(),
        );
        match free_bytes.saturating_sub(left_bytes) {
            0 => Ok(()),
            more_bytes => rustix::fs::fallocate(&filler, mode, end, more_bytes)
                .or_else(|error| match error {
                    // Others take room, too.
                    rustix::io::Errno::NOSPC => Ok(()),
                    error => Err(error),
                })
                .context("the disk cannot be filled"),
        }
    }

    /// Gives back what was taken, if anything was.
    pub(crate) fn empty(&self) -> Result<()> {
        match std::fs::remove_file(self.filler()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("the disk cannot be emptied")
            }
            _ => Ok(()),
        }
    }

    fn filler(&self) -> PathBuf {
        self.mount_point.join("filler")
    }

    fn mount(&self) -> Result<()> {
        let mut mount = command("mount")?;
        if let Some(image) = &self.image {
            mount.args(["-o", "loop"]).arg(image);
        } else {
            let size = format!("size={MEMORY_BYTES},mode=0700");
            mount.args(["-t", "tmpfs", "-o", &size, "antiphon-crash"]);
        }
        output_of(mount.arg(&self.mount_point)).context("the disk cannot be mounted")?;
        Ok(())
    }

    fn try_unmount(&self) -> bool {
        command("umount").is_ok_and(|mut umount| {
            umount
                .arg(&self.mount_point)
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let gone = until("the disk can be unmounted", UNMOUNT_MAX, || {
            Ok(self.try_unmount().then_some(()))
        });
        if gone.is_err() {
            eprintln!("left mounted: {}", self.mount_point.display());
        }
    }
}

fn command(program: &str) -> Result<Command> {
    let path = tools::find(program).with_context(|| format!("{program} is not installed"))?;
    Ok(Command::new(path))
}
