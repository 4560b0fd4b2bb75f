"""Alerts on a real mail server and a real HTTP server: what is told, once, together, and again after a failure."""

from __future__ import annotations

import email
import email.policy
import http.server
import json
import socket
import threading
import time

import pytest
from aiosmtpd.controller import Controller

from firnflow.cli import main
from firnflow.models.registry import CHAMPION
from firnflow.monitoring import alerts, channels, wording
from firnflow.project.settings import load_settings
from firnflow.stores.artifacts import ArtifactStore
from firnflow.stores.state import State
from firnflow.stores.state.ledger import NOT_STARTED, DueStatus, Ledger, Planned
from firnflow.stores.state.models import Models, ModelVersion, Promotion
from firnflow.stores.state.outbox import Outbox

CODE = """
import firnflow as ff
from firnflow.monitoring.alerts import alert
from matplotlib.figure import Figure

@ff.task
def fails(word: str) -> int:
    raise ValueError(f"no {word} ``` <b>*here*</b>")

@ff.task
def tells(times: int) -> int:
    figure = Figure()
    figure.subplots().plot([1, 3, 2])
    for n in range(times):
        alert(f"odd usage {n}", "**much** more than yesterday", figure=figure if n == 0 else None)
    return times

@ff.pipeline
def broken():
    fails("luck")

@ff.pipeline
def odd():
    tells(1)
"""


class Mailbox:
    def __init__(self):
        self.messages = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        self.messages.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"


@pytest.fixture
def mail(monkeypatch):
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    monkeypatch.setenv("MAIL_URL", f"mailto://127.0.0.1:{port}/?from=ff@example.org&to=team@example.org&mode=insecure")
    yield box.messages
    controller.stop()


class Hook:
    """A web hook that can be told to fail."""

    def __init__(self):
        self.posts, self.status = [], 200
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.status == 200:
                    hook.posts.append(json.loads(body))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"json://127.0.0.1:{self.server.server_port}/canary-token-1"


@pytest.fixture
def hook(monkeypatch):
    found = Hook()
    monkeypatch.setenv("HOOK_URL", found.url)
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def project(tmp_path, monkeypatch, request):
    monkeypatch.setenv("FIRNFLOW_TRACKING", "none")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module = f"alerting_{abs(hash(request.node.name)) % 10**9}"
    (tmp_path / f"{module}.py").write_text(CODE)

    def write(alerts):
        settings = f'[project]\nname = "shop"\npipelines = ["{module}"]\n[environments.local]\nworkers = 1\n{alerts}'
        (tmp_path / "firnflow.toml").write_text(settings)
        return tmp_path

    return write


BOTH = """
[environments.local.alerts]
every = 0.001
[environments.local.alerts.channels]
team = "env:MAIL_URL"
hook = { url = "env:HOOK_URL", on = ["failure", "promotion", "rejection", "anomaly"] }
"""
ONE = '[environments.local.alerts]\nevery = 0.001\n[environments.local.alerts.channels]\nhook = "env:HOOK_URL"\n'


@pytest.fixture
def deliverer():
    opened = []

    def make(root):
        settings = load_settings(root)
        state = State(settings.state.reveal())
        opened.append(state)
        found = channels.AlertDeliverer(settings, state, ArtifactStore(settings.artifacts, root / "cache"))
        return found, state

    yield make
    for state in opened:
        state.close()


@pytest.fixture
def later(monkeypatch):
    """Return a function that stops the clock so many seconds from now."""

    def stop(seconds):
        moment = time.time() + seconds
        monkeypatch.setattr(time, "time", lambda: moment)

    return stop


def a_version(state, name="credit"):
    new = ModelVersion(name, 0, "registered", "d" * 64, {}, None, None, time.time(), "ann")
    return Models(state).add(new).version


@pytest.mark.slow
def test_a_failed_run_is_told_once_on_each_channel(project, mail, hook, capfd):
    project(BOTH)
    assert main(["run", "broken", "-q"]) == 1
    for _ in range(2):
        main(["send"])
    deadline = time.monotonic() + 30
    while (len(mail), len(hook.posts)) != (1, 1) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert (len(mail), len(hook.posts)) == (1, 1)
    (post,) = hook.posts
    assert post["title"] == "broken failed"
    assert "ValueError: no luck ˋˋˋ <b>*here*</b>" in post["message"]
    assert "in fails\n    raise ValueError" in post["message"]  # the traceback begins and ends in the user's function
    assert "firnflow resume broken-" in post["message"]
    (message,) = mail
    assert message["Subject"] == "broken failed"
    assert message["To"] == "team@example.org"
    html = message.get_body(("html",)).get_content()
    assert "<b>*here*" not in html
    assert "canary-token-1" not in capfd.readouterr().out


def test_who_was_not_told_is_said_where_another_scheduler_runs_the_tasks(project, hook, mail, capfd, monkeypatch):
    """The finalizer waits for the process that tells; one channel is down."""
    project(BOTH)
    monkeypatch.setenv("HOOK_URL", "json://127.0.0.1:1/")
    assert main(["show", "broken", "--format", "json", "--output", "graph.json"]) == 0
    execute = ["exec", "--graph", "graph.json", "--run", "r1", "--task"]
    assert main([*execute, "fails"]) == 1
    assert main([*execute, "finalizer"]) == 1
    said = capfd.readouterr()
    assert [message["Subject"] for message in mail] == ["broken failed"]
    assert "alert not sent, it is tried again by the next run or by: firnflow send. hook: not taken: " in said.err


@pytest.mark.slow
def test_what_a_task_raises_comes_with_its_picture(project, mail):
    project('[environments.local.alerts.channels]\nteam = "env:MAIL_URL"\n')
    assert main(["run", "odd", "-q"]) == 0
    main(["send"])
    deadline = time.monotonic() + 30
    while not mail and time.monotonic() < deadline:
        time.sleep(0.2)
    (message,) = mail
    assert message["Subject"] == "odd usage 0"
    assert "<strong>much</strong>" in message.get_body(("html",)).get_content()
    (picture,) = list(message.iter_attachments())
    assert picture.get_content_type() == "image/png"
    assert picture.get_content().startswith(b"\x89PNG")


def test_promotions_and_rejections_are_told_from_the_audit(project, hook, deliverer):
    sender, state = deliverer(project(ONE))
    models = Models(state)
    version = a_version(state)
    models.move(Promotion("credit", CHAMPION, "promote", None, version, "ann", "all *rules* passed"))
    verdict = {"results": [{"passed": False, "reason": "auc is 0.6"}, {"passed": True, "reason": "fine"}]}
    models.note(Promotion("credit", CHAMPION, "reject", version, a_version(state), "bob", "no", verdict))
    sender.deliver()
    sender.deliver()
    first, second = hook.posts
    assert first["title"] == "credit/1 is champion now"
    assert "all \\*rules\\* passed" in first["message"]
    assert "firnflow models rollback credit" in first["message"]
    assert second["title"] == "credit/2 was rejected"
    assert "✗ auc is 0.6" in second["message"]
    assert "fine" not in second["message"]


def test_what_could_not_start_is_told_once(project, hook, deliverer):
    sender, state = deliverer(project(ONE))
    ledger = Ledger(state, "local")
    ledger.trigger("odd", Planned(1_800_000_000.0, "r1", "2026-01-05"), [])
    (due,) = ledger.open()
    ledger.settle(due, DueStatus.ENDED, f"{NOT_STARTED}: no module named `nowhere`", time.time())
    sender.deliver()
    sender.deliver()
    (post,) = hook.posts
    assert post["title"] == "odd could not start"
    assert "no module named ˋnowhereˋ" in post["message"] or "no module named `nowhere`" in post["message"]
    assert "for `2026-01-05`" in post["message"]


def test_a_channel_that_is_down_is_tried_again_and_holds_up_no_other(project, hook, mail, deliverer, later):
    sender, state = deliverer(project(BOTH))
    Models(state).move(Promotion("credit", CHAMPION, "promote", None, a_version(state), "ann", "good"))
    hook.status = 503
    with pytest.raises(Exception, match=r"hook: not taken"):
        sender.deliver()
    assert len(mail) == 1
    assert sender.waiting() == []  # not due before a while
    (message,) = Outbox(state, alerts.TOPIC).waiting()
    assert (message.payload["channel"], message.tries) == ("hook", 1)
    assert "canary-token-1" not in message.error
    hook.status = 200
    later(60)
    sender.deliver()
    assert [post["title"] for post in hook.posts] == ["credit/1 is champion now"]
    assert len(mail) == 1


def test_many_of_one_kind_are_told_together_and_not_at_once(project, hook, deliverer, later):
    sender, state = deliverer(project(ONE.replace("0.001", '"10m"')))
    now = time.time()
    for version in range(1, 4):
        a_version(state)
        before = version - 1 or None
        Models(state).move(
            Promotion("credit", CHAMPION, "promote", before, version, "ann", "better", at=now + version / 1000)
        )
    sender.deliver()
    assert [post["title"] for post in hook.posts] == ["credit/3 is champion now (and 2 more)"]
    a_version(state)
    Models(state).move(Promotion("credit", CHAMPION, "promote", 3, 4, "ann", "better"))
    sender.deliver()
    assert len(hook.posts) == 1
    later(700)
    sender.deliver()
    assert [post["title"] for post in hook.posts][1:] == ["credit/4 is champion now"]


def test_a_channel_hears_only_what_it_wants(project, hook, mail, deliverer):
    sender, state = deliverer(
        project(BOTH.replace('on = ["failure", "promotion", "rejection", "anomaly"]', 'on = ["failure"]'))
    )
    Models(state).move(Promotion("credit", CHAMPION, "promote", None, a_version(state), "ann", "good"))
    sender.deliver()
    assert (len(mail), hook.posts) == (1, [])


def test_old_news_are_not_told(project, hook, deliverer):
    sender, state = deliverer(project(ONE))
    old = time.time() - alerts.RECENT - 60
    Models(state).move(Promotion("credit", CHAMPION, "promote", None, a_version(state), "ann", "good", at=old))
    sender.deliver()
    assert hook.posts == []


def test_an_alert_that_nobody_takes_is_given_up(project, hook, deliverer, later):
    sender, state = deliverer(project(ONE))
    Models(state).move(Promotion("credit", CHAMPION, "promote", None, a_version(state), "ann", "good"))
    hook.status = 500
    sender.waiting()
    later(channels.GIVE_UP + 60)
    with pytest.raises(Exception, match="not taken"):
        sender.deliver()
    assert Outbox(state, alerts.TOPIC).waiting() == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            '[environments.local.alerts.channels]\nteam = "slack://a/b/c"\n',
            "write a reference, 'env:NAME' or 'file:PATH'",
        ),
        ('[environments.local.alerts.channels]\nteam = { url = "env:X", on = ["failures"] }\n', "failure"),
        ("[environments.local.alerts]\nchanels = {}\n", "channels"),
    ],
)
def test_wrong_settings_are_named(project, capsys, settings, message):
    project(settings)
    assert main(["runs"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_an_address_that_is_none_fails_no_run(project, hook, later, monkeypatch, deliverer):
    monkeypatch.setenv("HOOK_URL", "nonsense")
    root = project(ONE)
    assert main(["run", "odd", "-q"]) == 0
    sender, _ = deliverer(root)
    later(7200)
    with pytest.raises(Exception, match=r"env:HOOK_URL stands for no address that apprise knows"):
        sender.deliver()


def test_outside_a_run_nothing_is_told():
    with pytest.raises(Exception, match="alert works in a run only"):
        alerts.alert("x")


@pytest.mark.parametrize("text", ["a`b", "```", "<script>", "[x](javascript:y)", "line\nline", "| a |"])
def test_text_from_outside_stays_text(text):
    markdown = pytest.importorskip("markdown")
    for shown in (wording.escaped(text), wording.code(text), wording.fenced(text)):
        html = markdown.markdown(shown, extensions=["fenced_code"])
        assert "<script" not in html
        assert "<a " not in html
