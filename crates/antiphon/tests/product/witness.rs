//! The witness as a process: it survives being killed at any instant without stepping back, and an
//! owner and its witness find each other.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use antiphon_ledger::checkpoint::Checkpoint;
use antiphon_ledger::hash::leaf_hash;
use antiphon_ledger::key::{Algorithm, SigningKey};
use antiphon_ledger::proof::Prover;
use antiphon_ledger::tree::Tree;
use antiphon_ledger::witness::{AddCheckpoint, parse_size};
use antiphon_ledger::{Hash, TreeHead};

use super::support::{Site, until};

const ORIGIN: &str = "log.example/killed";
/// Kills of the witness.
const KILLS: u64 = 25;

/// `antiphon ledger witness serve`; killed when the test ends.
struct Witness {
    child: Child,
    address: String,
}

impl Witness {
    fn start(site: &Site) -> Self {
        let mut command = site.command(&["ledger", "witness", "serve"]);
        let mut child = on_folder(&mut command, site)
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.map(Result::unwrap);
        let ready = ready.filter_map(|line| line.strip_prefix("ready: http://").map(str::to_owned));
        let address = ready
            .take(1)
            .next()
            .expect("the witness says where it listens");
        Self { child, address }
    }

    /// Status and body; nothing when it died meanwhile.
    fn ask(&self, body: &str) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let head = format!(
            "POST /add-checkpoint HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let status = answer.get(9..12)?;
        let status = std::str::from_utf8(status).ok()?.parse().ok()?;
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        Some((status, answer[end + 4..].to_vec()))
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn on_folder<'a>(command: &'a mut Command, site: &Site) -> &'a mut Command {
    let folder = site.outside.join("witness");
    let key = site.outside.join("witness.key");
    command.arg("--dir").arg(folder).arg("--key").arg(key)
}

/// Makes the key of a witness; gives its verifier key.
fn generate(site: &Site) -> String {
    let key = site.outside.join("witness.key");
    let key = key.to_str().unwrap();
    let made = site.ask_one(&[
        "ledger",
        "witness",
        "generate",
        "witness.example/w",
        "--key",
        key,
    ]);
    made["key"].as_str().unwrap().to_owned()
}

fn add_log(site: &Site, origin: &str, key: &str) {
    let folder = site.outside.join("witness");
    let folder = folder.to_str().unwrap();
    site.run(&["ledger", "witness", "add-log", origin, key, "--dir", folder])
        .must(0);
}

/// The body that asks for the first `size` of `leaves`.
fn request(key: &SigningKey, leaves: &[Hash], old_size: u64, size: u64) -> String {
    let mut tree = Tree::new();
    let end = usize::try_from(size).unwrap();
    leaves[..end].iter().for_each(|leaf| tree.push(leaf));
    let mut prover = Prover::new(|level, index| {
        let start = usize::try_from(index * 256).unwrap();
        let tile = &leaves[start..leaves.len().min(start + 256)];
        Ok::<_, Infallible>((level == 0).then(|| tile.concat()))
    });
    let head = TreeHead {
        size,
        root: tree.root(),
    };
    let note = Checkpoint::new(ORIGIN, head).unwrap().sign(key).unwrap();
    let proof = prover.consistency(old_size, size).unwrap();
    AddCheckpoint::new(old_size, proof, note)
        .unwrap()
        .to_string()
}

#[test]
fn a35_f2_a_witness_that_is_killed_at_any_instant_never_steps_back() {
    let site = Site::new("");
    generate(&site);
    let key = SigningKey::new(ORIGIN, Algorithm::Ed25519, &[5; 32]).unwrap();
    add_log(&site, ORIGIN, &key.verifier().to_string());
    let leaves: Vec<Hash> = (0..2_000_u32)
        .map(|place| leaf_hash(&place.to_be_bytes()))
        .collect();
    let (mut answered, mut asked) = (0, 0);
    for kill in 0..KILLS {
        let mut witness = Witness::start(&site);
        // What it has seen: whatever was answered, or one more that was not answered any more.
        let (status, body) = witness.ask(&request(&key, &leaves, 2_000, 2_000)).unwrap();
        assert_eq!(status, 409, "kill {kill}");
        let mut seen = parse_size(&body).unwrap();
        assert!(
            (answered..=asked).contains(&seen),
            "{answered} to {asked}: {seen}"
        );
        let pid = witness.child.id();
        let killer = std::thread::spawn(move || {
            let (_held, nothing) = std::sync::mpsc::channel::<()>();
            let patience = std::time::Duration::from_micros(300 + kill * 1_700);
            nothing.recv_timeout(patience).unwrap_err();
            let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        });
        loop {
            asked = seen + 1;
            match witness.ask(&request(&key, &leaves, seen, asked)) {
                Some((200, _)) => (answered, seen) = (asked, asked),
                Some((status, body)) => panic!("{status}: {body:?}"),
                None => break,
            }
        }
        killer.join().unwrap();
        witness.child.wait().unwrap();
    }
    assert!(
        answered > KILLS,
        "{answered}: it was asked between the kills"
    );
}

#[test]
fn f21_an_owner_is_cosigned_by_its_witness_and_says_so() {
    let site = Site::new("");
    let key = generate(&site);
    let owner = site.serve();
    let created = owner.get("/api/v1/records/0")["body"].clone();
    owner.stop();
    let keys = created["keys"].as_array().unwrap().iter();
    let log = keys.clone().find(|key| key["agent"] == "log").unwrap();
    let (origin, log_key) = (&created["origin"], &log["key"]);
    add_log(&site, origin.as_str().unwrap(), log_key.as_str().unwrap());
    let witness = Witness::start(&site);
    let url = format!("http://{}", witness.address);
    site.run(&["ledger", "witness", "add", "VEGA", &url, &key])
        .must(0);
    let owner = site.serve();
    owner.emit("Q_NOTE", &serde_json::json!({}));
    until("the newest checkpoint is cosigned", || {
        let status = owner.status();
        (status["checkpoint"] == status["records"] && status["cosigned"] == status["checkpoint"])
            .then_some(())
    });
    let shown = site.ask_one(&["ledger", "witness", "status"]);
    assert_eq!(shown["current"], serde_json::json!(true), "{shown}");
    owner.stop();
}
