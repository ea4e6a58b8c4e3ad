//! Whole messages with descriptors over a `SOCK_SEQPACKET` socket.
//!
//! In: bytes and descriptors. Out: their meaning, which is [`crate::wire`]'s.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// Most descriptors that go with one message: standard input, output and error.
pub const DESCRIPTORS_MAX: usize = 3;

/// Whether a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until it can be done.
    Block,
    /// Not at all: `WouldBlock` instead.
    Never,
}

/// A message that was received.
#[derive(Debug)]
pub struct Received {
    /// Its bytes in the buffer; 0 is the end: the other side is gone.
    pub length: usize,
    /// What was passed with it, close-on-exec.
    pub descriptors: Vec<OwnedFd>,
    /// Whether descriptors were lost because this process may have no more.
    pub descriptors_lost: bool,
}

/// Sends one message with `descriptors`, at most [`DESCRIPTORS_MAX`].
///
/// # Errors
/// The system's error; `BrokenPipe` when the other side is gone. Nothing was sent.
pub fn send(
    socket: impl AsFd,
    message: &[u8],
    descriptors: &[BorrowedFd<'_>],
    wait: Wait,
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut flags = SendFlags::NOSIGNAL;
    flags.set(SendFlags::DONTWAIT, wait == Wait::Never);
    let parts = [IoSlice::new(message)];
    rustix::io::retry_on_intr(|| rustix::net::sendmsg(&socket, &parts, &mut ancillary, flags))?;
    Ok(())
}

/// Receives one message into `buffer`.
///
/// # Errors
/// The system's error; `InvalidData` when the message is larger than the buffer.
pub fn receive(socket: impl AsFd, buffer: &mut [u8], wait: Wait) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut flags = RecvFlags::CMSG_CLOEXEC;
    flags.set(RecvFlags::DONTWAIT, wait == Wait::Never);
    let message = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(
            &socket,
            &mut [IoSliceMut::new(buffer)],
            &mut ancillary,
            flags,
        )
    })?;
    if message.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    let mut descriptors = Vec::new();
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = part {
            descriptors.extend(passed);
        }
    }
    let descriptors_lost = message.flags.contains(ReturnFlags::CTRUNC);
    Ok(Received {
        length: message.bytes,
        descriptors,
        descriptors_lost,
    })
}
