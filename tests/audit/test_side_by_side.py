"""Items side by side: answers in order whatever ends first, within memory, and cut short without a trace."""

from __future__ import annotations

import io
import threading

import pytest

from ihaudit.audit.progress import Lines, Stages
from ihaudit.audit.side_by_side import Job, Lanes, free_memory_mb, threads_each
from ihaudit.audit.worker import AttackWorker
from ihaudit.environment import cores
from ihaudit.metrics.threads import one_thread


def test_answers_come_in_the_order_of_the_jobs_and_two_run_at_once() -> None:
    both = threading.Barrier(2, timeout=20)

    def meets(worker: AttackWorker) -> str:
        both.wait()
        return "met"

    jobs = [Job(lambda w: "first", here=True), Job(meets, memory_mb=1.0), Job(meets, memory_mb=2.0)]
    with Lanes(2, 60.0) as lanes:
        assert lanes.run(jobs) == ["first", "met", "met"]


def test_one_job_at_a_time_is_the_order_given() -> None:
    seen: list[int] = []
    jobs = [Job(lambda w, i=i: seen.append(i), here=i % 2 == 1, memory_mb=float(i)) for i in range(5)]  # type: ignore[misc]
    with Lanes(1, 60.0) as lanes:
        lanes.run(jobs)
    assert seen == [0, 1, 2, 3, 4]


def test_what_computes_here_runs_in_the_main_thread() -> None:
    with Lanes(3, 60.0) as lanes:
        where = lanes.run([Job(lambda w: threading.current_thread(), here=True) for _ in range(4)])
    assert set(where) == {threading.main_thread()}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_job_begins_after_the_one_it_waits_for_and_the_main_thread_does_others_meanwhile(count: int) -> None:
    ended: list[str] = []

    def named(name: str) -> Job[str]:
        return Job(lambda w: ended.append(name) or name)  # type: ignore[func-returns-value]

    first, other = named("attacks on a control"), named("another attack")
    games = Job(lambda w: ended.append("its games") or "its games", here=True, after=(first,))  # type: ignore[func-returns-value]
    with Lanes(count, 60.0) as lanes:
        assert lanes.run([first, games, other]) == ["attacks on a control", "its games", "another attack"]
    assert ended.index("attacks on a control") < ended.index("its games")


def test_the_longest_are_begun_first() -> None:
    begun: list[int] = []
    jobs = [Job(lambda w, i=i: begun.append(i), memory_mb=5.0 - i, long=float(i // 2)) for i in range(4)]  # type: ignore[misc]
    with Lanes(2, 60.0, memory_mb=1.0) as lanes:  # one at a time
        lanes.run(jobs)
    assert begun == [2, 3, 0, 1]


def test_jobs_that_do_not_fit_together_wait_for_each_other_and_a_large_one_runs_alone() -> None:
    running, most = [0], [0]
    turn = threading.Lock()

    def counted(worker: AttackWorker) -> None:
        with turn:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.02)
        with turn:
            running[0] -= 1

    with Lanes(4, 60.0, memory_mb=100.0) as lanes:
        lanes.run([Job(counted, memory_mb=m) for m in (60.0, 60.0, 500.0, 60.0)])
    assert most == [1]


def test_the_first_failure_is_raised_and_what_waits_is_not_begun() -> None:
    begun: list[int] = []

    def fails(worker: AttackWorker) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"), Lanes(2, 60.0) as lanes:
        lanes.run([Job(fails, here=True), *(Job(lambda w, i=i: begun.append(i), here=True) for i in range(9))])  # type: ignore[misc]
    assert begun == []


def test_an_interruption_ends_what_runs_elsewhere_and_tells_it_so(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []
    waiting, ended = threading.Event(), threading.Event()
    monkeypatch.setattr(AttackWorker, "end", lambda worker: ended.set())

    def long(worker: AttackWorker) -> None:
        waiting.set()
        ended.wait(20)
        told.append(lanes.stopped)

    def interrupted(worker: AttackWorker) -> None:
        waiting.wait(20)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Lanes(2, 60.0) as lanes:
        lanes.run([Job(long), Job(interrupted, here=True)])
    assert told == [True]


def test_threads_and_memory_are_those_of_the_machine() -> None:
    assert threads_each(1) == cores()
    assert threads_each(10_000) == 1
    assert free_memory_mb() > 10


def test_lines_of_stages_side_by_side_say_whose_they_are() -> None:
    stream = io.StringIO()
    stages = Stages(Lines(stream, interval_s=0.0), 3)
    stages.begin("encode")
    one, two = stages.beside("attack unmix"), stages.beside("game instance")
    two.update("trial 3", 0.5)
    one.done("SSIM 0.8")
    lines = stream.getvalue().splitlines()
    assert lines[:3] == ["[1/3] encode", "[2/3] attack unmix", "[3/3] game instance"]
    assert lines[3].startswith("[3/3] game instance: trial 3, 50%")
    assert lines[4].startswith("[2/3] attack unmix: SSIM 0.8 (")


def test_one_thread_in_two_threads_leaves_torch_as_it_was() -> None:
    import torch

    before = torch.get_num_threads()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_thread():
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(20)
    with one_thread():
        assert torch.get_num_threads() == 1
        leave.set()
        thread.join()
    assert torch.get_num_threads() == before
