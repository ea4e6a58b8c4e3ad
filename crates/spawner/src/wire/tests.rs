//! Every message survives the wire, and nothing else does.

use super::*;

fn launch() -> Launch {
    let string = |text: &str| CString::new(text).unwrap();
    Launch {
        token: 7,
        programs: vec![string("/bin/true"), string("/usr/bin/true")],
        argv: vec![string("true"), string("")],
        environment: vec![string("A=b"), string("C=")],
        directory: string("/tmp"),
        limits: Limits {
            cpu_seconds: Some(1),
            open_files: Some(64),
            ..Limits::default()
        },
    }
}

fn ended(exit: Exit) -> Ended {
    Ended {
        token: u64::MAX,
        exit,
        exited_before_stop: true,
        duration_ms: 3,
        cpu_ms: 2,
        memory_kib_max: 1,
        processes_killed: 9,
    }
}

fn check<T: PartialEq + std::fmt::Debug>(
    value: &T,
    message: &[u8],
    decode: fn(&[u8]) -> Result<T, WireError>,
) {
    assert_eq!(decode(message).as_ref(), Ok(value));
    for cut in 0..message.len() {
        assert_eq!(
            decode(&message[..cut]),
            Err(WireError::Malformed),
            "cut at {cut}"
        );
    }
    let longer = [message, &[0]].concat();
    assert_eq!(decode(&longer), Err(WireError::Malformed));
}

#[test]
fn every_message_reads_back_and_no_part_or_extension_of_it_is_accepted() {
    for request in [
        KeeperRequest::Launch(launch()),
        KeeperRequest::Stop { grace_ms: 5_000 },
        KeeperRequest::Kill,
    ] {
        check(&request, &request.encode().unwrap(), KeeperRequest::decode);
    }
    let mut answers = vec![
        KeeperAnswer::Started,
        KeeperAnswer::Ended(ended(Exit::Code(-1))),
        KeeperAnswer::Ended(ended(Exit::Signal(9))),
    ];
    answers.extend(Step::ALL.map(|step| KeeperAnswer::NotStarted { step, errno: 2 }));
    for answer in answers {
        check(&answer, &answer.encode(), KeeperAnswer::decode);
    }
    for answer in [
        SpawnerAnswer::Ready {
            instance: "0".repeat(36),
        },
        SpawnerAnswer::Keeper { pid: 5 },
        SpawnerAnswer::NoKeeper { errno: 11 },
        SpawnerAnswer::KeeperLost { pid: 5 },
    ] {
        check(&answer, &answer.encode(), SpawnerAnswer::decode);
    }
}

#[test]
fn a_launch_beyond_a_limit_is_refused_before_it_is_sent() {
    let long = CString::new(vec![b'x'; MESSAGE_BYTES_MAX]).unwrap();
    let large = Launch {
        argv: vec![long],
        ..launch()
    };
    assert_eq!(
        KeeperRequest::Launch(large).encode(),
        Err(WireError::TooLarge)
    );
    let many = vec![CString::default(); STRINGS_MAX as usize + 1];
    let many = Launch {
        argv: many,
        ..launch()
    };
    assert_eq!(
        KeeperRequest::Launch(many).encode(),
        Err(WireError::TooLarge)
    );
}

#[test]
fn a_count_beyond_the_limit_is_refused_before_memory_is_taken() {
    let mut message = vec![1];
    message.extend(7_u64.to_le_bytes());
    message.extend(u32::MAX.to_le_bytes());
    assert_eq!(KeeperRequest::decode(&message), Err(WireError::Malformed));
}
