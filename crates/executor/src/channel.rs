//! The owner's end of a socket to the spawner or to a keeper.
//!
//! Out: the bytes of messages (`antiphon_spawner::wire`).

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram as BlockingSocket;

use antiphon_spawner::channel::{self, Received, Wait};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// One socket. Tokio knows no `SOCK_SEQPACKET`; its datagram socket is used for waking only, every
/// byte goes through `antiphon_spawner::channel`.
#[derive(Debug)]
pub(crate) struct Channel(UnixDatagram);

impl Channel {
    /// A channel over `socket`. Must be called within a runtime.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        let socket = BlockingSocket::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self(UnixDatagram::from_std(socket)?))
    }

    /// Sends a message; never waits.
    pub(crate) fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        channel::send(self.0.as_fd(), message, descriptors, Wait::Never)
    }

    /// Receives a message into `buffer`.
    ///
    /// # Errors
    /// The system's error; `UnexpectedEof` when the other side is gone.
    ///
    /// # Cancel safety
    /// No message is lost.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        loop {
            self.0.readable().await?;
            let received = self.0.try_io(Interest::READABLE, || {
                channel::receive(self.0.as_fd(), buffer, Wait::Never)
            });
            match received {
                Ok(Received { length: 0, .. }) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
        }
    }

    /// Says that nothing more will be sent, which the other side takes as the end.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.0.shutdown(std::net::Shutdown::Write)
    }
}
