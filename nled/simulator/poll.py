"""One subscribe, from its headers to its end, judged by what came when (protocol a.7.2)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from nled.simulator import rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from nled.simulator.wire import Answer


@frozen
class Limits:
    """Seconds a strict device allows; a bench that overloads itself may allow more.

    Attributes:
        headers: from the request to the headers.
        at_once: a chunk this soon after the headers may be an answer or a push already.
        batch: from the last chunk of a push to the final chunk, at least and at most.
        whole_batch: from the first chunk of a push; between the two the final chunk may come at any time, and
            later it must not.
        margin: the hold ends this long before suspend-time-max.
        slack: how late the end of a hold may be.
        bounce: a hold that ends sooner, with nothing in it, was no hold.
        give_up: for headers that do not come at all.
        answer: for a whole answer that is not chunked.
    """

    headers: float = 1.0
    at_once: float = 0.25
    batch: tuple[float, float] = (2.5, 4.0)
    whole_batch: tuple[float, float] = (9.5, 11.0)
    margin: float = 10.0
    slack: float = 1.0
    bounce: float = 5.0
    give_up: float = 30.0
    answer: float = 7.0


@define(eq=False)
class Poll:
    """Follows one answer to a subscribe as its bytes come.

    Args:
        claims: the timestamp that the device claims for each bucket.
        apply: told each object that came, in order.
        held: told when headers came and nothing with them.
    """

    claims: dict[str, int]
    limits: Limits
    now: Callable[[], float]
    complain: rules.Complain
    apply: Callable[[rules.Sent], None]
    held: Callable[[], None]
    answer: Answer | None = None
    suspend: int = 300
    bounced: bool = False
    _read: int = field(default=0, init=False)

    def heard(self, answer: Answer) -> None:
        """Judge and hand on what came since the last time."""
        if answer.status != 200:  # noqa: PLR2004
            return
        if self.answer is None:
            self.answer = answer
            self._begin(answer)
        for chunk in answer.chunks[self._read :]:
            for sent in rules.read_objects(chunk.data, rules.PUSH, self.complain):
                self._judge(sent)
                self.apply(sent)
        self._read = len(answer.chunks)
        if not answer.chunks and not answer.whole:
            self.held()

    def ended(self, answer: Answer) -> None:
        """Judge when and how the answer ended; it may have been cut off (``whole`` false)."""
        limits = self.limits
        total = round(answer.ended_at - answer.sent_at, 3)
        if total >= self.suspend:
            self.complain(f"the poll was held for {total:.1f} s, suspend-time-max is {self.suspend}")
        if not answer.chunked:
            return
        if answer.chunks:
            self._judge_batch(answer)
            return
        due = self.suspend - limits.margin if self.suspend > limits.margin else self.suspend
        if due + limits.slack < total < self.suspend:
            self.complain(f"the hold ended after {total:.1f} s, {due:.0f} s are due")
        if not answer.whole and abs(total - due) <= limits.slack:
            self.complain("the connection was closed in place of the final chunk")
        self.bounced = answer.whole and total < min(limits.bounce, due - limits.slack)

    def _judge_batch(self, answer: Answer) -> None:
        shortest, longest = self.limits.batch
        moments = [chunk.at for chunk in answer.chunks]
        if any(later - earlier > longest for earlier, later in pairwise(moments)):
            self.complain(f"two chunks of one answer are more than {longest:.0f} s apart")
        pause, first = answer.ended_at - moments[-1], moments[0] - answer.headers_at
        after_answer = first < self.limits.at_once and pause <= self.limits.slack
        # Data that came in one piece with the headers was no push, so nothing is to be batched.
        lasted, (enough, too_long) = answer.ended_at - moments[0], self.limits.whole_batch
        after_push = first > 0 and (0 if lasted >= enough else shortest) <= pause <= longest
        if lasted > too_long:
            self.complain(f"pushes were added to one answer for {lasted:.1f} s, 10 s are the most")
        if answer.whole and not after_answer and not after_push:
            due = "about 3 s are due" if first else "it is due at once when data answers the request"
            self.complain(f"the final chunk came {pause:.1f} s after the last data, {due}")
        if not answer.whole and (after_answer or after_push):
            self.complain("the connection was closed in place of the final chunk")

    def _begin(self, answer: Answer) -> None:
        waited = answer.headers_at - answer.sent_at
        if waited > self.limits.headers:
            self.complain(f"the headers took {waited:.1f} s, the device cannot sleep without them")
        if not answer.chunked:
            self.complain("a chunked subscribe was answered without Transfer-Encoding: chunked")
        if answer.header(b"content-type") != b"application/json":
            self.complain(f"Content-Type is {answer.header(b'content-type')!r}, not application/json")
        self.suspend = rules.transport(answer, self.now(), self.complain)
        answer.expire_in(self.suspend - waited)

    def _judge(self, sent: rules.Sent) -> None:
        claimed = self.claims.get(sent.key, -1)
        if sent.timestamp <= claimed:
            self.complain(f"{sent.key}: sent with timestamp {sent.timestamp}, the device has {claimed}")
        self.claims[sent.key] = max(sent.timestamp, claimed)
