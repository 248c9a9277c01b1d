"""Recordings as tests: the present code does what it did, and tells what happened.

Beside each recording in ``tests/traces``, a text has lines that its story must contain, in this order. A recording of a
case in the field can be put there as it is.
"""

import gzip
import os
import random
import subprocess
import sys

import pytest

from failover.command import main
from failover.command.asking import NoAnswer
from failover.command.recordings import latest_below
from failover.decision.effects import SaveRecord
from failover.decision.events import (
    EndAsked,
    Ended,
    HearingProven,
    HeartbeatReceived,
    PauseAsked,
    PlatformSeen,
    Reconfigured,
    Subscribed,
    SwitchoverAsked,
)
from failover.decision.vocabulary import AgentState, Path
from failover.recording.folder import write
from failover.recording.parts import Part
from failover.recording.recording import parse, read
from failover.recording.replay import replay
from failover.recording.trace import trace
from tests import scripted
from tests.scripted import TRACES, Script
from tests.testbed.pair import REPOSITORY

FILES = sorted(path for path in TRACES.iterdir() if path.suffix != ".txt")


def story_of(path):
    return path.with_name(path.name.split(".")[0] + ".txt")


def test_there_are_recordings():
    assert FILES and {story_of(path) for path in FILES} == set(TRACES.glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_present_code_does_the_same(path):
    assert [str(one) for one in replay(read(path))] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_its_story_is_told(path):
    lines = iter(trace(read(path)))
    for wanted in story_of(path).read_text().splitlines():
        assert any(wanted in line for line in lines), "not told, or not in this order: " + wanted


def test_a_difference_is_found():
    story = scripted.takeover()
    at, event, effects = story.entries[100]
    changed = effects + (SaveRecord(story.head.record),)
    entries = story.entries[:100] + ((at, event, changed),) + story.entries[101:]
    [found] = replay(story._replace(parts=(Part(story.beginning, entries),)))
    assert (found.index, found.at, found.event, found.expected, found.found) == (100, at, event, changed, effects)
    assert "missing: SaveRecord" in str(found)


# Why it does not start

def ending(side):
    """Return what the last lines say."""
    lines = trace(parse("\n".join(side.recording().lines())))
    lines = lines[lines.index("at the end of the recording:") + 1:]
    return [line.partition(" ")[2] for line in lines[:next(n for n, line in enumerate(lines) if line.startswith("last "))]]


def test_the_silence_is_not_complete():
    script = scripted.both()
    script.primary.end()
    script.run(14.5)
    assert ending(script.secondary) == [
        "controller is stopped here, and not started, because the silence of the primary is complete only at 03:10:51.43: "
        "it counts from 03:10:30.01, and must last 21.4 s (timeout 10 + heartbeat_period 1 + stop_grace 10 s, x 1.0202)"]


def test_vc_has_lapsed():
    script = scripted.both()
    script.primary.end()
    script.run(5.0)
    script.cut(secondary=False)
    script.run(20.0)
    first, *others = ending(script.secondary)
    assert first.endswith("because the lease needs a renewal, and the full silence of the primary:")
    assert others[0] == "  no renewal came in the last 10 s: VC last answered the question of 03:10:35.00"
    assert others[1].startswith("  the silence of the primary does not count, because VC's answers lapsed at 03:10:37.00")


@pytest.mark.parametrize("passes, longer", [
    (5.0, "03:10:47.02 takeover waits longer, until 03:11:08.42: the silence of the primary counts from 03:10:47.00, "
          "because VC answers only since then, and must last 21.4 s"),
    (15.0, "03:10:57.02 takeover waits longer, until 03:11:18.42 instead of 03:10:51.43: the silence of the primary counts "
           "from 03:10:57.00, because VC answers only since then")])
def test_a_takeover_waits_longer_because_vc_was_gone(passes, longer):
    script = scripted.both()
    script.primary.end()
    script.run(passes)
    script.cut(secondary=False)
    script.run(10.0)
    script.cut(secondary=True)
    script.run(30.0)
    lines = trace(script.secondary.recording())
    broken = "takeover waits longer: silence of the primary broken after {:.1f} s of 21.4 s: VC's answers have lapsed"
    assert any(broken.format(passes + 2.0) in line for line in lines) and any(line.startswith(longer) for line in lines)
    assert "silence counts from here, because VC answers only since then" in "\n".join(lines[-9:])


def test_a_takeover_waits_ten_times_as_long_for_a_peer_that_is_not_known():
    script = Script()
    script.secondary.start()
    script.run(20.0)
    text = "x 10 because the peer's times are not known"
    assert text in ending(script.secondary)[0]
    assert any("takeover due at 03:13:34.24" in line and text in line for line in trace(script.secondary.recording()))


def gone_amid_a_pause(lasts, seconds):
    """The pair is paused for so long, and the primary ends five seconds later; so many seconds pass then."""
    script = scripted.both()
    script.secondary.post(PauseAsked(lasts))
    script.run(5.0)
    script.primary.end()
    script.run(seconds)
    return script


def test_a_pause_keeps_it_from_starting():
    script = gone_amid_a_pause(60.0, 30.0)
    assert ending(script.secondary) == [
        "controller is stopped here, and not started, because the pair is paused until 03:11:30.00"]
    text = "\n".join(trace(script.secondary.recording()))
    assert "and its VCP did not answer; but the pair is paused until 03:11:30.00" in text and "takeover due" not in text


def hung(script):
    """The primary's failover agent hangs; its platform, and VCP there, live on."""
    script.primary.post = lambda event: None


def test_a_takeover_waits_for_the_end_of_a_pause():
    script = scripted.both()
    script.secondary.post(PauseAsked(40.0))
    script.run(1.0)
    hung(script)
    script.primary.agent = AgentState.STOPPED
    script.run(60.0)
    [row] = [line for line in trace(script.secondary.recording())[-9:] if "lease obtained" in line]
    assert row.startswith("  03:11:10.") and row.endswith("lease obtained: the pause is over")


def test_a_takeover_waits_for_a_question_to_vcp_when_a_pause_ends():
    script = gone_amid_a_pause(30.0, 40.0)
    assert ("03:11:00.00 takeover waits longer: the VCP of node-a, asked at 03:10:56.93, has not answered yet"
            in trace(script.secondary.recording()))


def test_a_takeover_waits_because_this_side_had_lost_its_subscription():
    script = scripted.both()
    hung(script)
    script.primary.agent = AgentState.STOPPED
    script.run(12.0)
    script.secondary.post(HearingProven(script.secondary.now, False))
    script.run(8.0)
    script.secondary.post(Subscribed())
    script.run(30.0)
    lines = trace(script.secondary.recording())
    assert any("silence of the primary complete; takeover waits longer: it is unknown whether the primary is up" in line
               for line in lines)
    listens, complete, down, obtained = lines[-7:-3]
    assert listens == "  03:10:50.00   +20.0 s  this side listens to the primary from here on"
    assert "silence complete" in complete and down == "  03:11:00.01    +8.6 s  primary down (timeout 10 s)"
    assert obtained.endswith("lease obtained: the local bus confirmed only then that this side is still subscribed")


def test_a_takeover_waits_until_vcp_says_no_more_that_it_runs_there():
    script = scripted.both()
    hung(script)
    script.run(60.0)
    script.primary.agent = AgentState.STOPPED
    script.run(30.0)
    lines = trace(script.secondary.recording())
    assert any(line.endswith("takeover waits longer: silence of the primary broken after 2.1 s of 21.4 s: its VCP says that "
                             "controller runs there") for line in lines)
    assert any("takeover waits longer, until 03:11:50" in line
               and "because until then controller may have been running there" in line for line in lines)
    start = next(line for line in lines if line.startswith("last start"))
    assert "and its VCP said that controller does not run there" in start


def test_vcp_says_that_it_runs_there():
    script = scripted.both()
    hung(script)
    script.run(60.0)
    assert "VCP of node-a says that controller runs there" in "\n".join(trace(script.secondary.recording()))
    assert ending(script.secondary) == [
        "controller is stopped here, and not started, because the primary is up: its VCP said at 03:11:29.05 that "
        "controller runs there; last heard at 03:10:30.01"]


def test_the_peer_is_up():
    assert ending(scripted.both().secondary) == [
        "controller is stopped here, and not started, because the primary is up: last heard at 03:10:29.01"]


def test_a_primary_waits_for_the_secondary_to_stop():
    script = Script()
    script.secondary.start()
    script.run(230.0)  # It takes as long where the peer's times are not known.
    script.primary.start()
    script.run(0.05)
    assert ("  no release notice of the secondary: it says that controller may be running there (last heard at 03:13:50.01)"
            in ending(script.primary))


def test_a_simple_primary_waits_for_the_secondary_to_stop():
    script = Script(mode="simple")
    script.secondary.start()
    script.run(20.0)
    script.primary.start()
    script.run(0.05)
    assert any(line.startswith("  not started yet because the secondary has until 03:10:3")
               for line in ending(script.primary))


def test_why_it_stopped_when_its_failover_agent_was_stopped():
    script = scripted.both()
    script.primary.post(EndAsked())
    script.run(1.0)
    assert trace(script.primary.recording())[-1] == "last stop: 03:10:30.00, because this failover agent ends; not done yet"
    script.primary.post(Ended(True))
    assert trace(script.primary.recording())[-1] == (
        "last stop: 03:10:30.00, because this failover agent ends; done at 03:10:31.00")
    script.run(3.0)
    assert "farewell of the primary: lease obtained" in "\n".join(trace(script.secondary.recording())[-5:])


def test_a_longer_timeout_is_stored():
    script = scripted.both()
    settings = script.secondary.state.setup.settings
    script.secondary.post(Reconfigured(settings._replace(timing=settings.timing._replace(timeout=20.0))))
    script.run(5.0)
    text = "\n".join(trace(script.secondary.recording()))
    assert "other settings are stored: timeout 20 s, heartbeat_period 1 s, stop_grace 10 s" in text
    assert "times that hold: timeout 20 s, heartbeat_period 1 s, stop_grace 10 s" in text


def test_a_stop_in_a_switchover():
    script = scripted.both()
    script.secondary.post(SwitchoverAsked("secondary"))
    script.run(2.0)
    assert trace(script.primary.recording())[-1] == (
        "last stop: 03:10:30.03, because this side acts as the secondary now; done at 03:10:30.33")


def test_nothing_is_known_of_it():
    script = scripted.both()
    script.primary._look = lambda start: None
    script.run(20.0)
    text = "\n".join(trace(script.primary.recording()))
    assert ("this side cannot hear the secondary, which counts as no silence: control of the local platform last answered"
            in text)
    assert "whether controller runs is not known any more" in text


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("mode", ["simple", "standard"])
def test_whatever_happens_can_be_told_and_replayed(mode, seed):
    chance = random.Random(seed)
    script = scripted.both(mode=mode)
    for _ in range(12):
        side = chance.choice([script.primary, script.secondary])
        chance.choice([
            lambda: script.cut(direct=chance.random() < 0.5), lambda: script.cut(primary=chance.random() < 0.5),
            lambda: script.cut(secondary=chance.random() < 0.5), side.end, lambda: side.lives or side.start(),
            lambda: side.post(HearingProven(side.now, False)), lambda: side.post(PlatformSeen(False)),
            lambda: side.post(EndAsked()), lambda: side.post(HeartbeatReceived(Path.DIRECT, None, "old", side.other.role,
                                                                               mode))])()
        script.run(chance.choice([0.05, 3.0, 30.0]))
    for side in (script.primary, script.secondary):
        recording = parse("\n".join(side.recording().lines()))
        assert replay(recording) == []
        lines = trace(recording)
        assert not any("the present code" in line for line in lines) and ending(side)


# The commands

@pytest.fixture
def path(tmp_path):
    return write(scripted.takeover(), tmp_path / "agents" / "failover" / "data" / "recordings")


def test_trace_takes_a_file_or_a_folder(path, capsys):
    outputs = []
    for argument in (path, path.parent):
        assert main(["trace", str(argument)]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] and "lease verified: the primary has been silent" in outputs[0]


def test_without_a_platform_trace_takes_the_last_recording_below_its_home(path, tmp_path):
    done = subprocess.run([sys.executable, "-m", "failover", "trace", "--last", "1m"], cwd=REPOSITORY, capture_output=True,
                          text=True, timeout=60, env=dict(os.environ, VOLTTRON_HOME=str(tmp_path)))
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()[:2]
    assert first == "recording {}".format(path) and second.startswith("the failover agent was not asked for a new one: no p")
    assert "lease verified" in done.stdout


def test_what_is_no_folder_of_recordings_is_passed_over(path, tmp_path):
    other = tmp_path / "agents" / "other" / "recordings"
    other.parent.mkdir()
    other.write_text("no folder")
    assert latest_below(tmp_path) == path
    path.unlink()
    with pytest.raises(NoAnswer, match="there is no recording of a failover agent below"):
        latest_below(tmp_path)


@pytest.mark.parametrize("offset", [float("nan"), float("inf"), 1e300])
def test_a_recording_without_a_time_of_day_is_told(offset):
    story = scripted.takeover()
    lines = trace(story._replace(head=story.head._replace(wall_offset=offset)))
    assert "times are UTC, on never" in lines


def test_trace_can_be_limited_to_the_end(path, capsys):
    assert main(["trace", "--last", "0.2m", str(path)]) == 0
    output = capsys.readouterr().out
    assert "lease verified" in output and "primary node-a heard" not in output and "03:11:00.00 controller runs" in output


def test_replay_of_what_is_the_same_and_of_what_differs(path, capsys):
    assert main(["replay", str(path), str(path)]) == 0
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_text(text.replace('"Launch",{"agent":"controller"', '"Launch",{"agent":"another"'))
    assert main(["replay", str(path)]) == 1
    assert "missing: Launch(agent='another'" in capsys.readouterr().out


@pytest.mark.parametrize("content, wrong", [(b"", "it is empty"), (b"\x1f\x8b", "damaged"), (b"{}", "no recording"),
                                            (b"\xff\xfe", "it is not text")])
def test_what_cannot_be_read_is_told_in_one_line(tmp_path, capsys, content, wrong):
    path = tmp_path / "x"
    path.write_bytes(content)
    assert main(["trace", str(path)]) == 2 and main(["replay", str(path)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == second and first.startswith(str(path)) and wrong in first


def test_no_recording_and_no_folder(tmp_path, capsys):
    assert main(["trace", str(tmp_path)]) == 2
    assert "there is no recording in this folder" in capsys.readouterr().err
    assert main(["trace", str(tmp_path / "none")]) == 2
    assert main(["replay", str(tmp_path / "none")]) == 2


@pytest.mark.parametrize("arguments", [["trace", "--last", "soon"], ["trace", "--what"], ["trace", "a", "b"], ["replay"]])
def test_wrong_usage(arguments):
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == 64
