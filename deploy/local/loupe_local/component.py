"""Keep one process running: start it again when it dies, with a longer delay each time.

A component does all its work in its own task. Callers request a start or a stop, and wait until it is done.
"""

import asyncio
import signal
from collections import deque
from collections.abc import Callable

from loupe_local.log import Sink
from loupe_local.process import Child, Process

FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0
STEADY_SECONDS = 10.0
"""After a run longer than this, the delay is the first one again."""
ATTEMPTS = 3
PROBE_SECONDS, PROBE_TIMEOUT = 0.05, 5.0
CHECK_SECONDS = 1.0


class NotReady(Exception):
    """A process did not start. The message holds the last lines of its output."""


class Component:
    """A process, its restarts, and whether it is ready."""

    def __init__(
        self,
        process: Process,
        sink: Sink,
        changed: Callable[[], None],
        report: Sink = lambda name, line: None,
    ) -> None:
        """`report` receives what happens to the process. `sink` receives that too, and the output."""
        self.process = process
        self.child: Child | None = None
        self.is_ready = False
        self.restarts = 0
        self._sink = sink
        self._changed = changed
        self._report = report
        self._last_lines: deque[str] = deque(maxlen=15)
        self._halt: asyncio.Future[signal.Signals] | None = None
        self._settled: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once the process is ready. Raise `NotReady` if it keeps dying or takes too long."""
        if self._task and not self._task.done():
            return
        loop = asyncio.get_running_loop()
        self._halt, self._settled = loop.create_future(), loop.create_future()
        self._task = asyncio.create_task(self._run(self._halt, self._settled))
        await asyncio.wait({self._settled}, timeout=self.process.ready_seconds)
        if not self._settled.done():
            await self.stop()
            raise self._not_ready(f"not ready after {self.process.ready_seconds:g} s")
        self._settled.result()

    async def stop(self, number: signal.Signals | None = None) -> None:
        """Stop the process until the next start."""
        if self._halt and self._task:
            if not self._halt.done():
                self._halt.set_result(number or self.process.stop_signal)
            await asyncio.wait({self._task})
            self._task.result()

    async def _run(self, halt: asyncio.Future[signal.Signals], settled: asyncio.Future[None]) -> None:
        try:
            await self._keep_alive(halt, settled)
        finally:
            if not settled.done():
                settled.set_exception(self._not_ready("stopped before it was ready"))
                settled.exception()  # mark it as read: the caller of start() may be gone

    async def _keep_alive(self, halt: asyncio.Future[signal.Signals], settled: asyncio.Future[None]) -> None:
        delay, deaths = FIRST_DELAY, 0
        loop = asyncio.get_running_loop()
        while True:
            started_at = loop.time()
            status = await self._run_once(halt, settled)
            if halt.done():
                return
            deaths += 1
            if not settled.done() and deaths == ATTEMPTS:
                settled.set_exception(self._not_ready(f"exited with status {status}, {ATTEMPTS} times"))
                return
            if loop.time() - started_at > STEADY_SECONDS:
                delay = FIRST_DELAY
            self._announce(f"exited with status {status}; starts again in {delay:g} s")
            await asyncio.wait({halt}, timeout=delay)
            if halt.done():
                return
            delay = min(2 * delay, LONGEST_DELAY)
            self.restarts += 1

    async def _run_once(self, halt: asyncio.Future[signal.Signals], settled: asyncio.Future[None]) -> int:
        """Run the program once, and return its exit status after all its descendants are gone."""
        child = self.child = Child(self.process, self._emit)
        self._changed()
        probing = asyncio.create_task(self._probe(settled))
        exited = asyncio.create_task(child.exited())
        must_restart = asyncio.create_task(self._until_restart_is_needed(child.pid))
        try:
            await asyncio.wait({exited, must_restart, halt}, return_when=asyncio.FIRST_COMPLETED)
            losses = 0 if exited.done() else self._count_losses(child.pid)
            if losses:
                self._announce(f"{losses} of its processes died, and it cannot stop by itself; killed")
                child.signal(signal.SIGKILL)
            elif not exited.done():
                if not halt.done():
                    self._announce("it is stuck, and is stopped")
                await self._stop(child, exited, halt.result() if halt.done() else self.process.stop_signal)
            probing.cancel()
            must_restart.cancel()
            self.is_ready = False
            return await child.wait_for_end(seconds=0 if losses else 2)
        finally:
            self.child = None
            self._clean_up()
            self._changed()

    def _clean_up(self) -> None:
        try:
            self.process.clean_up()
        except OSError as error:  # a broken disk must not end the supervision
            self._emit(f"files that it left behind could not be removed: {error}")

    async def _stop(self, child: Child, exited: asyncio.Task[None], number: signal.Signals) -> None:
        child.signal(number)
        await asyncio.wait({exited}, timeout=self.process.stop_seconds)
        if not exited.done():
            self._announce(f"still running {self.process.stop_seconds:g} s after {number.name}; killed")
            child.signal(signal.SIGKILL)

    async def _until_restart_is_needed(self, pid: int) -> None:
        """Return once the program is stuck, or has lost too many of its processes to go on."""
        while self._count_losses(pid) < self.process.most_losses and not self.process.is_stuck():
            await asyncio.sleep(CHECK_SECONDS)

    def _count_losses(self, pid: int) -> int:
        return self.process.count_losses(pid) if self.process.count_losses else 0

    async def _probe(self, settled: asyncio.Future[None]) -> None:
        while not await self._answers():
            await asyncio.sleep(PROBE_SECONDS)
        self.is_ready = True
        if settled.done():
            self._announce("ready again")
        self._changed()
        if not settled.done():
            settled.set_result(None)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                return await self.process.ready()
        except TimeoutError:
            return False
        except Exception as error:  # noqa: BLE001 (a probe that fails means "not ready"; the log says why)
            self._emit(f"the readiness probe failed and is repeated: {error!r}")
            return False

    def _announce(self, line: str) -> None:
        self._emit(line)
        self._report(self.process.name, line)

    def _emit(self, line: str) -> None:
        self._last_lines.append(line)
        self._sink(self.process.name, line)

    def _not_ready(self, why: str) -> NotReady:
        return NotReady("\n  ".join([f"{self.process.name}: {why}", *self._last_lines]))
