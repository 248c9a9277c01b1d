"""Steps the decision by hand: evidence goes in by name, at times that the test makes up.

A command that is given is under way until the test ends it. Paths take a heartbeat when the test asks for one. Questions are
answered at once, as the fields say.
"""

from typing import NamedTuple, Optional

from failover.decision import effects as does
from failover.decision import events as happens
from failover.decision.decision import Decision
from failover.decision.heartbeat import Heartbeat
from failover.decision.machine import deadline, initial, step
from failover.decision.setup import Record, Setup
from failover.decision.view import view
from failover.decision.vocabulary import AgentState, Command, Path, Timing

__all__ = ["AGENT", "Core", "PERIOD", "TIMEOUT", "GRACE", "TIMING", "heartbeat"]

AGENT = "platform.driver"
PERIOD, TIMEOUT, GRACE = 1.0, 10.0, 5.0
TIMING = Timing(TIMEOUT, PERIOD, GRACE)


def heartbeat(sequence=1, boot_id="boot-there", agent_id="primary", agent_vip_identity=AGENT, may_run=True, mode="simple"):
    return Heartbeat("there", "failover", agent_vip_identity, agent_id, mode, TIMEOUT, PERIOD, GRACE, boot_id,
                     sequence, None, None, may_run)


class Decided(NamedTuple):
    """A decision, and the command that is under way."""

    decision: Decision
    command: Optional[Command]

    def __getattr__(self, name):
        return getattr(self.decision, name)


class Core:
    """One side.

    :ivar state: of the decision.
    :ivar effects: all that have come of the steps, but for heartbeats.
    :ivar log: those of each step that had any.
    :ivar proves: whether the local bus says that the subscription stands; None if it says nothing.
    :ivar vcp: whether VCP says that the agent runs; None if it says nothing, "unanswered" if not even that is known.
    :ivar saves: whether the disk takes what is to be saved; "unanswered" while it is busy.
    """

    def __init__(self, role="secondary", mode="simple", now=0.0, timing=TIMING, name="here", boot_id="boot-here",
                 record=Record(), subscribed=True, **setup):
        beat_every = timing.heartbeat_period if mode == "simple" else min(timing.heartbeat_period, timing.timeout / 3)
        self.setup = Setup(mode, role, timing, beat_every, name, "failover", (AGENT,), boot_id, timing.timeout / 2)._replace(
            **setup)
        self.state = initial(self.setup, record, now)
        self.now, self.proves, self.vcp, self.saves = now, True, None, True
        self.effects, self.log, self._published = [], [], {}
        if subscribed:
            self.post(happens.Subscribed())

    def post(self, event, now=None):
        """Take in an event, and return the effects."""
        self.now = now = self.now if now is None else max(self.now, now)
        self.state, effects = step(self.state, event, now)
        if effects:
            self.log.append(effects)
        for effect in effects:
            if isinstance(effect, does.Publish):
                self._published[effect.path] = effect.heartbeat
                continue
            self.effects.append(effect)
            if isinstance(effect, does.ProveHearing) and self.proves != "unanswered":
                self.post(happens.HearingProven(now, self.proves))
            elif isinstance(effect, does.AskVcp) and self.vcp != "unanswered":
                self.post(happens.VcpAnswered(now, self.vcp))
            elif isinstance(effect, does.SaveRecord) and self.saves != "unanswered":
                self.post(happens.RecordSaved(effect.record, self.saves))
        return effects

    def given(self, kind):
        """Return the effects of a kind so far."""
        return [one for one in self.effects if isinstance(one, kind)]

    @property
    def notes(self):
        """What was worth an alert, and what was worth a line in the log."""
        return [one.text for one in self.given(does.Note)]

    @property
    def news(self):
        """What was worth an alert."""
        return [one.text for one in self.given(does.Note) if one.kind is does.NoteKind.ALERT]

    # What can be read

    @property
    def agent(self):
        return self.state.agents[0]

    @property
    def peer(self):
        return self.state.peer

    @property
    def lease(self):
        return self.state.policy

    @property
    def record(self):
        """What the next start would know."""
        from failover.decision.saving import to_remember

        return to_remember(self.state)

    def view(self, now=None):
        return view(self.state, self.now if now is None else now)

    def until_change(self):
        return deadline(self.state) - self.state.now

    # Evidence

    def decide(self, now):
        """Let time pass, and return the decision."""
        self.post(happens.Tick(), now)
        return Decided(self.state.decision, self.agent.pending)

    def hear(self, one, now, path=Path.DIRECT, **fields):
        """Hear a heartbeat, and return why it does not count, or None. One of None is empty, by the topic of the peer."""
        other = "primary" if self.setup.role == "secondary" else "secondary"
        topic = (other, self.setup.mode) if one is None else (one.agent_id, one.mode)
        if path is Path.VC:
            topic = (None, None)
        before, peer = len(self.given(does.Note)), self.state.peer
        self.post(happens.HeartbeatReceived(path, one, "somebody", *topic, None if one is None else one.agent_vip_identity
                                            )._replace(**fields), now)
        warnings = [one.text for one in self.given(does.Note)[before:] if one.kind is does.NoteKind.WARNING]
        return warnings[0] if warnings else "not newer" if self.state.peer == peer else None

    def observe(self, state, asked_at, now=None, **fields):
        """Control says how the managed agent is."""
        return self.post(happens.AgentObserved(AGENT, state, asked_at)._replace(**fields),
                         asked_at if now is None else now)

    def end_command(self, now, succeeded=True, is_gone=False):
        """The command that is under way ends."""
        agent = self.agent
        return self.post(happens.CommandEnded(AGENT, agent.number, agent.pending, succeeded, is_gone), now)

    def ready(self, now):
        """What the start needs has been looked up; returns what follows."""
        return self.post(happens.ReadyToStart(AGENT, self.agent.number), now)

    # Heartbeats

    def beat(self, now, path=Path.DIRECT):
        """Return the heartbeat that goes out on a path that is free from now on, or None."""
        if path not in self._published:
            self.post(happens.LinkFree(path), now)
        if path not in self._published:
            outbox = self.state.outbox
            self.state = self.state._replace(outbox=outbox.free(path, False))
        return self._published.pop(path, None)

    def refuse(self, one, path=Path.DIRECT):
        """The heartbeat did not go out."""
        self.post(happens.PublishRefused(path, one.sequence))

    def vc_answers(self, one, now):
        """VC answers the question that went with a heartbeat, which comes back from its bus."""
        self.hear(one, now, Path.VC, is_signed=True)
        self.post(happens.VcAnswered(one.sequence), now)

    def ask_vc(self, now):
        """A heartbeat goes to VC's bus if one is due, and its question is answered at once."""
        one = self.beat(now, Path.VC)
        if one is not None:
            self.vc_answers(one, now)
        return one


def run(core, until, since=0.0, state=AgentState.STOPPED, every=0.5):
    """Decide every so often, with a platform that answers, up to and including `until`."""
    now, decision = since, None
    while now <= until:
        core.observe(state, now)
        decision = core.decide(now)
        now += every
    return decision
