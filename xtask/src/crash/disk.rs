//! A disk whose power can be cut: ext4 on a loop image.
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
/// How long trees of the dead owner may hold the mount.
const UNMOUNT_MAX: Duration = Duration::from_secs(30);

/// `_IOR('X', 125, __u32)` with flag `EXT4_GOING_FLAGS_NOLOGFLUSH`.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys
descriptor = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(descriptor, 0x8004587d, struct.pack('I', 2))
";

/// A mounted image.
#[derive(Debug)]
pub(crate) struct Disk {
    image: PathBuf,
    mount_point: PathBuf,
}

impl Disk {
    /// Makes and mounts a fresh one in `directory`.
    pub(crate) fn create(directory: &Path) -> Result<Self> {
        if !tools::is_root() {
            bail!("a power cut needs root, to mount an image");
        }
        let disk = Self {
            image: directory.join("disk.img"),
            mount_point: directory.join("disk"),
        };
        File::create(&disk.image)?.set_len(IMAGE_BYTES)?;
        std::fs::create_dir(&disk.mount_point)?;
        output_of(command("mkfs.ext4")?.arg("-q").arg(&disk.image))?;
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

    fn mount(&self) -> Result<()> {
        output_of(
            command("mount")?
                .args(["-o", "loop"])
                .arg(&self.image)
                .arg(&self.mount_point),
        )
        .context("the image cannot be mounted")?;
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
