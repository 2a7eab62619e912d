"""Who needs an embedding in a frame, and that several threads decide it in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from relaytrack.pipeline.perception.embedding_schedule import APART, FOLLOWED, SETTLED, EmbeddingSchedule
from relaytrack.pipeline.perception.person_crops import Cropper
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.perception.turns import Turns
from relaytrack.pipeline.records import Detections, Floats, Frame
from relaytrack.pipeline.runtime.stage_thread import Worker

RATE = 10.0
ONE = np.ones(1, bool)


def person(x: float, y: float = 100.0) -> list[float]:
    return [x, y, x + 40, y + 100]


def embedded(schedule: EmbeddingSchedule, frames: Sequence[Sequence[Sequence[float]]], rate: float = RATE) -> list[int]:
    """How many people each frame embeds."""
    return [
        int(
            schedule.choose(
                "a", number / rate, np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), bool)
            ).sum()
        )
        for number, boxes in enumerate(frames)
    ]


def test_somebody_in_the_open_is_embedded_now_and_then() -> None:
    found = embedded(EmbeddingSchedule(0.5), [[person(50 + 4 * number)] for number in range(40)])
    settled = round(SETTLED * RATE)
    assert found[:settled] == [1] * settled
    assert sum(found[settled:]) == pytest.approx((40 - settled) / 5, abs=1)


def test_without_an_interval_everybody_is_embedded() -> None:
    assert embedded(EmbeddingSchedule(0.0), [[person(50)]] * 30) == [1] * 30


def test_the_interval_may_change_while_it_works() -> None:
    schedule = EmbeddingSchedule(0.0)
    assert sum(embedded(schedule, [[person(50)]] * 30)) == 30
    schedule.interval = 1.0
    later = [
        schedule.choose("a", 3.0 + number / RATE, np.array([person(50)], np.float32), ONE).sum() for number in range(30)
    ]
    assert sum(later) == 3


def test_with_too_little_time_everybody_is_embedded_half_as_often() -> None:
    schedule = EmbeddingSchedule(0.5)
    schedule.sparing = True
    pair = [person(50), person(80)]
    assert embedded(schedule, [pair] * 30) == [2, 0] * 15, "people who touch"
    schedule = EmbeddingSchedule(0.5)
    schedule.sparing = True
    found = embedded(schedule, [[person(50 + 4 * number)] for number in range(60)])
    settled = round(SETTLED * RATE)
    assert found[:settled] == [1, 0] * (settled // 2)
    assert sum(found[settled:]) == pytest.approx((60 - settled) / 10, abs=1), "in the open"
    schedule.sparing = False
    assert embedded(schedule, [pair] * 4)[1:] == [2, 2, 2]


def test_somebody_new_is_embedded_at_once_also_with_too_little_time() -> None:
    schedule = EmbeddingSchedule(0.5)
    schedule.sparing = True
    assert embedded(schedule, [[person(50)], [person(50), person(300)], [person(50), person(300)]]) == [1, 1, 1]


def test_with_too_little_time_and_frames_too_far_apart_every_second_frame_is_left_out() -> None:
    schedule = EmbeddingSchedule(0.5)
    schedule.sparing = True
    assert embedded(schedule, [[person(50), person(300)]] * 6, rate=1.0) == [2, 0] * 3


def test_people_who_touch_are_embedded_in_every_frame() -> None:
    pair = [person(50), person(80)]
    assert embedded(EmbeddingSchedule(0.5), [pair] * 30) == [2] * 30
    assert sum(embedded(EmbeddingSchedule(0.5), [[person(50), person(300)]] * 30)) < 40


def test_faint_boxes_count_though_they_get_no_embedding() -> None:
    boxes, clear = np.array([person(50), person(80)], np.float32), np.array([True, False])
    schedule = EmbeddingSchedule(0.5)
    for number in range(30):
        assert schedule.choose("a", number / RATE, boxes, clear).tolist() == [True, False]


def test_after_a_meeting_people_are_embedded_for_a_while() -> None:
    frames = [[person(50)]] * 20 + [[person(50), person(85)]] + [[person(50)]] * 8
    assert embedded(EmbeddingSchedule(5.0), frames)[20:] == [2] + [1] * (round(APART * RATE) - 1) + [0] * 5


def test_whoever_jumps_is_somebody_else() -> None:
    frames = [[person(50)]] * 20 + [[person(400)]] * 8
    assert embedded(EmbeddingSchedule(5.0), frames)[20:] == [1] * 8


def test_slow_cameras_embed_everybody() -> None:
    assert embedded(EmbeddingSchedule(0.5), [[person(50)]] * 12, rate=1.0) == [1] * 12
    few = embedded(EmbeddingSchedule(10.0), [[person(50)]] * 12, rate=3.0)
    assert few == [1] * FOLLOWED + [0] * (12 - FOLLOWED) or sum(few) <= FOLLOWED


def test_time_that_stands_still_begins_anew() -> None:
    schedule = EmbeddingSchedule(5.0)
    assert (
        sum(int(schedule.choose("search", 0.0, np.array([person(50)], np.float32), ONE).sum()) for _ in range(20)) == 20
    )


def test_cameras_do_not_mix() -> None:
    schedule = EmbeddingSchedule(5.0)
    for number in range(20):
        schedule.choose("a", number / RATE, np.array([person(50)], np.float32), ONE)
    assert schedule.choose("b", 2.0, np.array([person(50)], np.float32), ONE).all()


def test_turns_come_in_order_though_some_fail() -> None:
    turns, order, failed = Turns(), list[int](), list[int]()

    def work(number: int) -> None:
        try:
            with turns.piece(number) as turn:
                time.sleep(0.02 * (3 - number % 4))
                if number == 2:
                    raise ValueError("fails before its turn")
                turn.wait()
                order.append(number)
                turn.over()
                time.sleep(0.01)
        except ValueError:
            failed.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 3, 4, 5, 6, 7]
    assert failed == [2]


class SlowNowAndThen:
    """A detector that takes its time for every third frame; one person walks."""

    provider = "test"

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        time.sleep(0.02 if frames[0].index % 3 == 0 else 0.0)
        return [Detections(np.array([person(20 + one.index)], np.float32), np.ones(1, np.float32)) for one in frames]


class Brightness:
    """An embedder that counts its crops."""

    input_size = (16, 8)
    dim = 2

    def embed(self, crops: torch.Tensor) -> Floats:
        return np.tile(np.array([[1.0, 0.0]], np.float32), (len(crops), 1))


def test_lanes_embed_what_one_thread_embeds() -> None:
    image = np.zeros((240, 240, 3), np.uint8)
    moments = [[Frame("a", number, number / RATE, image)] for number in range(1, 61)]

    def perception(streams: int) -> Perception:
        return Perception(
            SlowNowAndThen(), Brightness(), Cropper((16, 8)), streams=streams, schedule=EmbeddingSchedule(0.5)
        )

    alone = perception(1)
    expected = [np.isfinite(alone.perceive(moment)[0].embeddings).all() for moment in moments]
    assert 10 < sum(expected) < 30
    several = perception(3)
    worker = Worker("networks", several.perceive_in_turn, enumerate(moments), threads=3).start()
    assert [np.isfinite(seen[0].embeddings).all() for seen in worker] == expected
    assert several.times.crops == sum(expected)
