# Leaves processes behind, each in its own way. argv: the way, a mark that names the processes.
import os, signal, sys, time

way, mark = sys.argv[1], sys.argv[2]
home = os.environ["HOME"]


def rest():
    while True:
        time.sleep(1000)


def child(act):
    """Forks a child that acts; returns once it says that it is up."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        act(lambda: os.write(writer, b"."))
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 1) == b"."


def double_fork(up):
    os.setsid()
    if os.fork() == 0:
        up()
        rest()


def new_session(up):
    os.setsid()
    up()
    rest()


def closes_all(up):
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    up()
    os.closerange(0, 256)
    # Nothing of the environment, not even the nonce.
    os.execve("/bin/sh", ["sh", "-c", "while :; do sleep 1000; done", mark], {})


def writes_on(up):
    os.setsid()
    with open(home + "/written", "a") as file:
        up()
        while True:
            file.write("more\n")
            file.flush()
            sys.stdout.write("more\n")


def storm(up, left=50):
    if os.fork() == 0:
        if left > 1:
            storm(up, left - 1)
        else:
            up()
    rest()


def announce():
    open(home + "/up", "w").close()


def fork_on_term(number, frame):
    if os.fork() == 0:
        os.setsid()
    rest()


if way == "double_fork":
    child(double_fork)
elif way in ("new_session", "holds_pipe"):
    child(new_session)
elif way == "closes_all":
    child(closes_all)
elif way == "writes_on":
    child(writes_on)
elif way == "fork_storm":
    child(storm)
elif way == "double_fork_and_stay":
    child(double_fork)
    announce()
    rest()
elif way == "ignores_term":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child(new_session)
    announce()
    rest()
elif way == "stops_itself":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    announce()
    while True:
        os.kill(os.getpid(), signal.SIGSTOP)
elif way == "forks_on_term":
    signal.signal(signal.SIGTERM, fork_on_term)
    announce()
    rest()
else:
    sys.exit("no such way: " + way)
os._exit(0)
