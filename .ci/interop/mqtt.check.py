"""Runs arenad against mosquitto and holds what a consumer sees against what docs/asyncapi.yaml promises.

ARENAD names the program (default target/release/arenad), CAMERA one that serves RTSP on the port it is given
(default target/release/examples/camera).
"""
import json, os, queue, shutil, signal, socket, subprocess, sys, tempfile, threading, time
from pathlib import Path

from programs import check, failures, finish, free_port, start, verdict

ARENAD = os.environ.get("ARENAD", "target/release/arenad")
CAMERA = os.environ.get("CAMERA", "target/release/examples/camera")
WORK = Path(tempfile.mkdtemp(prefix="arenad-mqtt-"))


PLAIN, TLS, MUTUAL, RTSP = (free_port() for _ in range(4))


def end(process, sig=signal.SIGTERM, limit=15):
    process.send_signal(sig)
    return process.wait(limit)


def openssl(*words):
    subprocess.run(["openssl", *words], cwd=WORK, check=True, capture_output=True)


def certificates():
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for name in ("ca", "other"):
        openssl("req", "-x509", *curve, "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt",
                "-addext", "basicConstraints=critical,CA:TRUE")
    (WORK / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    for name in ("server", "lab"):
        openssl("req", *curve, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "ext", "-out", f"{name}.crt")


def broker_files():
    subprocess.run(["mosquitto_passwd", "-c", "-b", WORK / "passwd", "lab", "mice"], check=True)
    tls = f"cafile {WORK}/ca.crt\ncertfile {WORK}/server.crt\nkeyfile {WORK}/server.key\n"
    (WORK / "mosquitto.conf").write_text(
        f"allow_anonymous false\npassword_file {WORK}/passwd\nuser root\n"
        f"listener {PLAIN} 127.0.0.1\nlistener {TLS} 127.0.0.1\n{tls}"
        f"listener {MUTUAL} 127.0.0.1\n{tls}require_certificate true\nuse_identity_as_username true\n")
    for name, word in (("password", "mice"), ("wrong", "rats")):
        (WORK / name).write_text(word + "\n")
        (WORK / name).chmod(0o600)


def broker():
    process = start("mosquitto", "-c", WORK / "mosquitto.conf", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_open(PLAIN)
    return process


def wait_open(port, limit=10):
    end_at = time.monotonic() + limit
    while time.monotonic() < end_at:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
    sys.exit(f"nothing listens on port {port}")


class Consumer:
    """mosquitto_sub, started again when the broker goes; hands out (leaf, retained, payload, when)."""

    def __init__(self, port=PLAIN, *login, topic="arenad/#"):
        self.command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), *login, "-q", "1", "-t", topic, "-F", "%t %r %p"]
        self.messages, self.going = queue.Queue(), True
        self.ready = threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while self.going:
            self.process = start(*self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for line in self.process.stdout:
                topic, retained, payload = line.rstrip("\n").split(" ", 2)
                self.messages.put((topic.rsplit("/", 1)[1], retained == "1", json.loads(payload), time.monotonic()))
            self.process.wait()
            time.sleep(0.05)

    def stop(self):
        self.going = False
        self.process.kill()

    def until(self, leaf, fits=lambda payload: True, limit=20):
        """The first fitting message, and every message before it."""
        before, end_at = [], time.monotonic() + limit
        while (left := end_at - time.monotonic()) > 0:
            try:
                message = self.messages.get(timeout=left)
            except queue.Empty:
                break
            before.append(message)
            if message[0] == leaf and fits(message[2]):
                return message, before
        return None, before

    def state(self, state, limit=20):
        return self.until("status", lambda status: status["state"] == state, limit)


LOGIN = ("-u", "lab", "-P", "mice")


def config(name, mqtt):
    # A port of its own for each page, so that daemons can follow each other quickly.
    text = (f'arena = "{name}"\n[camera]\nurl = "rtsp://127.0.0.1:{RTSP}/live"\n[mqtt]\nhost = "127.0.0.1"\n{mqtt}\n'
            f'[web]\nlisten = "127.0.0.1:{free_port()}"\n')
    file = WORK / f"{name}.toml"
    file.write_text(text)
    return file


def daemon(file):
    log = open(file.with_suffix(".log"), "w")
    return start(ARENAD, "run", file, stdout=log, stderr=subprocess.STDOUT)


def said(name, words, limit=15):
    """The log of `name` says so within the limit; how often."""
    end_at = time.monotonic() + limit
    while True:
        count = (WORK / f"{name}.log").read_text().count(words)
        if count or time.monotonic() > end_at:
            return count
        time.sleep(0.1)


def plain(password="password"):
    return f'port = {PLAIN}\nuser = "lab"\npassword_file = "{WORK}/{password}"'


def steady(consumer, frames):
    """That many scenes in a row, and the frame numbers missing among them that no `skipped` tells of."""
    numbers, untold = [], 0
    while len(numbers) < frames:
        message, _ = consumer.until("scene")
        if message is None:
            return len(numbers), untold
        scene = message[2]
        if numbers:
            untold += scene["frame"] - numbers[-1] - 1 - scene["skipped"]
        numbers.append(scene["frame"])
    return len(numbers), untold


def demo():
    port = free_port()
    data = WORK / "demo"
    process = start(ARENAD, "demo", "--seconds", "15", "--mqtt-port", port, "--web-port", "0", "--data", data,
                    stdout=open(WORK / "demo.log", "w"), stderr=subprocess.STDOUT)
    wait_open(port)
    consumers = [Consumer(port, "-V", version) for version in ("mqttv5", "mqttv311")]
    for consumer, version in zip(consumers, ("5", "3.1.1")):
        got, untold = steady(consumer, 150)
        check(f"demo: a consumer over MQTT {version} gets one scene a frame", (got, untold) == (150, 0), f"{got} scenes, {untold} missing")
    for consumer in consumers:
        consumer.going = False
    check("demo: ends with 0", process.wait(60) == 0)


def life():
    """Password, retained status, one scene a frame, the farewell, the last will."""
    consumer = Consumer(PLAIN, *LOGIN)
    process = daemon(config("life", plain()))
    check("status live after the start", consumer.state("live")[0] is not None)
    got, untold = steady(consumer, 300)
    check("one scene a frame for ten seconds", (got, untold) == (300, 0), f"{got} scenes, {untold} missing")
    late = Consumer(PLAIN, *LOGIN, topic="arenad/life/status")
    message, _ = late.state("live")
    check("status is retained", message is not None and message[1])
    check("SIGTERM ends it with 0", end(process) == 0)
    check("status stopped after SIGTERM", late.state("stopped")[0] is not None)
    process = daemon(config("life", plain()))
    late.state("live")
    end(process, signal.SIGKILL)
    message, _ = late.state("offline", 10)
    check("last will after SIGKILL", message is not None)
    for one in (consumer, late):
        one.stop()


def broker_dies(mosquitto, camera):
    """Scenes come again after a restart of the broker, and an event made meanwhile is delivered."""
    consumer = Consumer(PLAIN, *LOGIN)
    process = daemon(config("dies", plain()))
    steady(consumer, 30)
    end(mosquitto, signal.SIGKILL)
    end(camera, signal.SIGKILL)
    check("the broker's death is logged once", said("dies", "mqtt broker") >= 1)
    time.sleep(4)
    mosquitto = broker()
    message, before = consumer.until("event", lambda event: event["kind"] == "camera" and event["state"] == "retrying")
    check("an event made without a broker arrives at the next one", message is not None)
    states = [payload["state"] for leaf, _, payload, _ in before if leaf == "status"]
    check("status retrying while the camera is away", "retrying" in states, " ".join(states))
    camera = start(CAMERA, RTSP, stdout=subprocess.DEVNULL)
    message, _ = consumer.until("scene", limit=30)
    check("scenes come again", message is not None)
    end(process)
    consumer.stop()
    return mosquitto, camera


def broker_freezes(mosquitto):
    consumer = Consumer(PLAIN, *LOGIN)
    process = daemon(config("freezes", plain()))
    steady(consumer, 30)
    mosquitto.send_signal(signal.SIGSTOP)
    frozen = time.monotonic()
    noticed = said("freezes", "silent for", 12)
    check("a frozen broker is noticed", noticed > 0, f"{time.monotonic() - frozen:.1f} s")
    # Long enough for attempts to connect that the frozen broker will find in its queue.
    time.sleep(8)
    mosquitto.send_signal(signal.SIGCONT)
    thawed, clock = time.monotonic(), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    message, _ = consumer.until("scene", lambda scene: scene["captured"] > clock, 15)
    check("scenes captured after the thaw", message is not None, f"{time.monotonic() - thawed:.1f} s")
    # The frozen broker also has the last wills of the attempts made meanwhile; the status must outlive them all.
    time.sleep(3)
    late = Consumer(PLAIN, *LOGIN, topic="arenad/freezes/status")
    message, _ = late.until("status")
    check("status is live after the thaw", message is not None and message[2]["state"] == "live", message and message[2]["state"])
    end(process)
    consumer.stop()
    late.stop()


def tls():
    for name, port, more in (
        ("tls", TLS, 'user = "lab"\npassword_file = "%s/password"\n[mqtt.tls]\nca_file = "%s/ca.crt"' % (WORK, WORK)),
        ("mutual", MUTUAL, '[mqtt.tls]\nca_file = "%s/ca.crt"\nclient_cert_file = "%s/lab.crt"\nclient_key_file = "%s/lab.key"' % ((WORK,) * 3)),
        ("old", TLS, 'version = "3.1.1"\nuser = "lab"\npassword_file = "%s/password"\n[mqtt.tls]\nca_file = "%s/ca.crt"' % (WORK, WORK)),
    ):
        consumer = Consumer(PLAIN, *LOGIN, topic=f"arenad/{name}/#")
        process = daemon(config(name, f"port = {port}\n{more}"))
        got, untold = steady(consumer, 60)
        check(f"{name}: one scene a frame", (got, untold) == (60, 0), f"{got} scenes, {untold} missing")
        check(f"{name}: SIGTERM ends it with 0", end(process) == 0)
        consumer.stop()


def refusals():
    unknown = '[mqtt.tls]\nca_file = "%s/other.crt"' % WORK
    for name, mqtt, words in (
        ("wrongpassword", plain("wrong"), 'refused user "lab" with this password'),
        ("nologin", f"port = {PLAIN}", "refused a connection without user name and password"),
        ("unknownca", f"port = {TLS}\n{unknown}", "the TLS handshake failed: invalid peer certificate: UnknownIssuer"),
        ("noclientcert", f'port = {MUTUAL}\n[mqtt.tls]\nca_file = "{WORK}/ca.crt"', "the TLS handshake failed"),
        ("nobroker", f"port = {free_port()}", "cannot connect: Connection refused"),
        ("tlsport", f"port = {TLS}", "closed the connection without a word"),
    ):
        process = daemon(config(name, mqtt))
        count = said(name, words)
        time.sleep(2)
        again = (WORK / f"{name}.log").read_text().count(words)
        check(f"{name}: said once, and tried on", (count, again) == (1, 1) and process.poll() is None, f"{count}, then {again}")
        leaked = any(word in (WORK / f"{name}.log").read_text() for word in ("rats", "mice"))
        check(f"{name}: no password in the log", not leaked)
        check(f"{name}: SIGTERM ends it with 0", end(process) == 0)


def main():
    certificates()
    broker_files()
    demo()
    mosquitto, camera = broker(), start(CAMERA, RTSP, stdout=subprocess.DEVNULL)
    wait_open(RTSP)
    life()
    mosquitto, camera = broker_dies(mosquitto, camera)
    broker_freezes(mosquitto)
    tls()
    refusals()


try:
    main()
finally:
    finish()
    if failures:
        print(f"logs: {WORK}")
    else:
        shutil.rmtree(WORK)
verdict()
