//! A log and nothing else: producers hand messages to a writer over a channel, the writer puts all
//! that wait into a preallocated segment with one write, syncs once, and answers.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::sync::{MESSAGE_BYTES, SEGMENT_BYTES, segment, write_at};
use crate::commands::bench::place::written;
use crate::commands::bench::samples::Samples;
use crate::failure::Failure;
use crate::wire;

/// Messages of one group at most.
const GROUP_MAX: usize = 512;

/// A message and who waits for it.
struct Message {
    bytes: Vec<u8>,
    durable: oneshot::Sender<()>,
}

/// Lets `producers` write for so long, each with one message in flight.
pub(in super::super) fn run(
    folder: &Path,
    producers: u32,
    longest: Duration,
) -> Result<Samples, Failure> {
    let path = folder.join("segment");
    let file = segment(&path).map_err(|source| written(&path, source))?;
    wire::runtime()?.block_on(async {
        let (sender, receiver) = mpsc::channel(4 * GROUP_MAX);
        let writer = tokio::spawn(write(file, receiver));
        let started = Instant::now();
        let mut load = JoinSet::new();
        for _producer in 0..producers {
            load.spawn(produce(sender.clone(), started + longest));
        }
        drop(sender);
        let mut samples = Samples::default();
        while let Some(produced) = load.join_next().await {
            samples.append(produced.unwrap_or_default());
        }
        let took = started.elapsed();
        match writer.await {
            Ok(Ok(())) => Ok(samples.end(took)),
            Ok(Err(source)) => Err(written(&path, source)),
            Err(panicked) => Err(Failure::Bug {
                what: "the writer of a floor panicked".to_owned(),
                source: Some(Box::new(panicked)),
            }),
        }
    })
}

async fn produce(writer: mpsc::Sender<Message>, end: Instant) -> Samples {
    let mut samples = Samples::default();
    loop {
        let begun = Instant::now();
        if begun >= end {
            return samples;
        }
        let (durable, answered) = oneshot::channel();
        let bytes = vec![b'x'; MESSAGE_BYTES];
        if writer.send(Message { bytes, durable }).await.is_err() || answered.await.is_err() {
            return samples;
        }
        samples.add(begun.elapsed());
    }
}

async fn write(file: File, mut messages: mpsc::Receiver<Message>) -> std::io::Result<()> {
    let (mut group, mut bytes, mut place) = (Vec::new(), Vec::new(), 0);
    while messages.recv_many(&mut group, GROUP_MAX).await > 0 {
        bytes.clear();
        for message in &group {
            bytes.extend_from_slice(&message.bytes);
        }
        if place + bytes.len() > SEGMENT_BYTES {
            place = 0;
        }
        write_at(&file, &bytes, place)?;
        file.sync_data()?;
        place += bytes.len();
        for message in group.drain(..) {
            // A producer whose time is over does not wait.
            message.durable.send(()).ok();
        }
    }
    Ok(())
}
