"""What is kept in memory, when it is written, and what is on disk then."""

import errno
import gzip
import os
import stat
from math import inf

import pytest

from failover.decision.effects import EndAsOrphan, Launch, Note, NoteKind, Publish, Stop, StopForGood, Want
from failover.decision.events import Tick, TroubleChanged
from failover.decision.machine import step
from failover.recording import folder, recorder
from failover.recording.codec import RecordingError
from failover.recording.folder import stored, write
from failover.recording.recorder import EVERY, MOST, Recorder
from failover.recording.recording import parse, read
from failover.recording.replay import replay
from failover.recording.schedule import Schedule
from tests import scripted


@pytest.fixture(scope="module")
def story():
    return scripted.failback()


def filled(story, monkeypatch, most, every, count=None):
    """Return a recorder that keeps little, after the first ``count`` events of a story."""
    monkeypatch.setattr(recorder, "MOST", most)
    monkeypatch.setattr(recorder, "EVERY", every)
    state = story.beginning
    kept = Recorder("1.0.0", state)
    for at, event, effects in story.entries[:count]:
        state, _ = step(state, event, at)
        kept.add(at, event, effects, state)
    return kept


# In memory

def test_a_recording_from_the_start_comes_back_from_its_text(story, monkeypatch):
    kept = filled(story, monkeypatch, MOST, EVERY)
    found = parse("\n".join(kept.dump("test", 5.0)))
    assert found.entries == story.entries and found.beginning == story.beginning
    assert found.head.first == 0 and found.head.why == "test" and found.head.wall_offset == 5.0
    assert replay(found) == []


@pytest.mark.parametrize("count", [99, 100, 101, 110, 111, 250, 600])
def test_one_that_has_lost_its_beginning_begins_from_a_state(story, monkeypatch, count):
    recording = filled(story, monkeypatch, 100, 10, count).snapshot("test", 0.0)
    first = recording.head.first
    assert first % 10 == 0 and min(count, 90) <= recording.head.count == len(recording.entries) <= 100
    assert recording.entries == story.entries[first:count] and first + len(recording.entries) == count
    found = parse("\n".join(recording.lines()))
    assert found.beginning == recording.beginning and replay(found) == []


def test_one_can_be_shortened_as_long_as_it_has_states(story, monkeypatch):
    recording = filled(story, monkeypatch, MOST, 10, 100).snapshot("test", 0.0)
    counts = []
    while not counts or recording.head.count != counts[-1]:
        counts.append(recording.head.count)
        assert replay(parse("\n".join(recording.lines()))) == []
        recording = recording.shortened()
    assert counts[:3] == [100, 50, 20] and recording.entries == ()


def test_a_snapshot_does_not_change(story, monkeypatch):
    kept = filled(story, monkeypatch, 100, 10)
    snapshot = kept.snapshot("test", 0.0)
    before = list(snapshot.lines())
    kept.add(inf, Tick(), (), story.beginning)
    assert list(snapshot.lines()) == before


def test_what_is_kept_takes_little_memory(story):
    kept = Recorder("1.0.0", story.beginning)
    for entry in story.entries:
        kept.add(*entry, story.beginning)
    *whole, last = kept.snapshot("test", 0.0).parts
    assert len(last.entries) < EVERY <= len(story.entries)
    assert len(b"".join(whole)) / len(whole) / EVERY < 50  # Bytes an event. As they come, they take 700.


# When it is written

WANT, PUBLISH = Want("controller", None, False), Publish(None, None)


@pytest.mark.parametrize("effect", [WANT, Launch("controller", 1, None), Stop("controller", 1, 1.0), StopForGood(1.0),
                                    EndAsOrphan(1.0), Note(NoteKind.ALERT, "")], ids=lambda one: type(one).__name__)
def test_what_is_worth_a_recording(effect):
    schedule = Schedule().after((PUBLISH, effect), 100.0)
    assert 100.0 < schedule.due < 110.0 and schedule.why


def test_routine_is_not():
    effects = (PUBLISH, Note(NoteKind.INFO, ""), Note(NoteKind.WARNING, ""))
    assert Schedule().after(effects, 100.0) is not None and Schedule().after(effects, 100.0).due == inf


def test_a_burst_is_written_once():
    schedule = Schedule().after((WANT,), 100.0).after((WANT, Launch("controller", 1, None)), 101.0).asked("error", 102.0)
    assert schedule.due == 103.0 and schedule.why == "what is wanted changed, start, error"
    assert schedule.begun(103.0).due == inf


def test_demanded_means_now():
    schedule = Schedule().after((WANT,), 100.0).begun(103.0).demanded("on demand", 104.0)
    assert schedule.due == 104.0 and schedule.why == "on demand"


def writings(schedule, every, until):
    """Return when it is written if something worth it happens so often."""
    now, times = 0.0, []
    while now < until:
        schedule = schedule.asked("stop", now)
        if schedule.due <= now:
            times.append(now)
            schedule = schedule.begun(now)
        now += every
    return times, schedule


def test_what_goes_on_without_end_is_written_ever_more_rarely_but_without_gaps():
    times, schedule = writings(Schedule(), 1.0, 40000.0)
    pauses = [later - earlier for earlier, later in zip(times, times[1:])]
    assert pauses[0] >= 10.0 and sorted(pauses) == pauses and 1400.0 <= pauses[-1] <= 1600.0
    calm = times[-1] + 7000.0
    assert schedule.begun(times[-1]).asked("stop", calm).due == calm + 3.0
    assert schedule.begun(times[-1]).asked("stop", calm).begun(calm).asked("stop", calm).due < calm + 30.0


def test_single_takeovers_are_written_at_once():
    schedule = Schedule()
    for now in range(0, 4000, 400):
        schedule = schedule.asked("start", now)
        assert schedule.due == now + 3.0
        schedule = schedule.begun(now + 3.0)


# On disk

def test_it_is_written_for_the_owner_alone_and_can_be_read(story, tmp_path):
    path = write(story, tmp_path / "recordings")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and os.listdir(path.parent) == [path.name]
    assert read(path).entries == story.entries
    assert path.name == "recording-00001-s0000000-0-{}.jsonl.gz".format(len(story.entries))


def part(story, monkeypatch, count, start="aaaa"):
    recording = filled(story, monkeypatch, 100, 10, count).snapshot("test", 0.0)
    setup = recording.head.setup._replace(boot_id=start)
    return recording._replace(head=recording.head._replace(setup=setup))


def spans(path):
    return [(one.start, one.first, one.last) for one in stored(path)]


def test_a_file_goes_when_others_hold_all_of_it(story, monkeypatch, tmp_path):
    for count in (50, 80, 100):
        write(part(story, monkeypatch, count), tmp_path)
    assert spans(tmp_path) == [("aaaa", 0, 100)]
    for count in range(110, 250, 10):
        write(part(story, monkeypatch, count), tmp_path)
    found = spans(tmp_path)
    assert found[0][1] == 0 and found[-1][2] == 240 and len(found) <= 5
    assert all(later[1] <= earlier[2] for earlier, later in zip(found, found[1:]))  # Nothing is lost between them.
    write(part(story, monkeypatch, 240, "bbbb"), tmp_path)
    assert spans(tmp_path) == found + [("bbbb", 140, 240)]


def test_there_are_not_more_than_so_many_files(story, monkeypatch, tmp_path):
    for start in "abcdefg":
        write(part(story, monkeypatch, 50, start), tmp_path)
    assert [one.start for one in stored(tmp_path)] == list("cdefg") and [one.number for one in stored(tmp_path)][-1] == 7


def test_all_together_are_not_larger_than_the_bound(story, monkeypatch, tmp_path):
    size = write(part(story, monkeypatch, 100, "a"), tmp_path).stat().st_size
    for start in "bcde":
        write(part(story, monkeypatch, 100, start), tmp_path, most_bytes=3 * size + 100)
    assert [one.start for one in stored(tmp_path)] == list("cde")


def test_one_that_is_too_large_loses_its_beginning(story, monkeypatch, tmp_path):
    recording = part(story, monkeypatch, 100)
    size = write(recording, tmp_path).stat().st_size
    short = read(write(recording, tmp_path, most_bytes=int(1.5 * size)))
    assert short.head.first > 0 and short.entries == recording.entries[short.head.first:] and replay(short) == []
    with pytest.raises(OSError) as error:
        write(recording, tmp_path, most_bytes=100)
    assert error.value.errno == errno.EFBIG


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_costs_the_recording_and_nothing_else(story, monkeypatch, tmp_path, call):
    path = write(story, tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(folder.os, call, full)
    with pytest.raises(OSError):
        write(story, tmp_path)
    assert os.listdir(tmp_path) == [path.name] and read(path).entries == story.entries


def test_what_a_killed_process_left_is_removed_and_what_others_put_there_is_not(story, tmp_path):
    (tmp_path / "recording-abc.new").write_text("half")
    (tmp_path / "lease.json").write_text("{}")
    path = write(story, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["lease.json", path.name]


def test_a_file_that_is_damaged_says_so(story, tmp_path):
    path = write(story, tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(RecordingError, match="its compression is damaged"):
        read(path)
    path.write_bytes(gzip.compress(b"\xff"))
    with pytest.raises(RecordingError, match="it is not text"):
        read(path)


def test_long_texts_are_no_obstacle(tmp_path):
    script = scripted.both()
    script.secondary.post(TroubleChanged("x" * 100000))
    script.run(5.0)
    assert replay(read(write(script.secondary.recording(), tmp_path))) == []
