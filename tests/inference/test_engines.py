"""An engine is built once for each GPU, TensorRT, graph and shape, however many builders run.

NVIDIA's programs need a GPU. The tests check the arguments for stand-ins, and what happens with their output.
"""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving.cache import disk_errors
from serving.errors import Stopped
from tests.inference.engine_harness import (
    EngineHarness,
    engine_in,
    make_engine_harness,
    manifest_of,
    sha256,
    until,
)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[EngineHarness]:
    harness = make_engine_harness(tmp_path)
    yield harness
    harness.close()


def names_in(cache: Path, pattern: str) -> set[str]:
    return {path.name for path in cache.glob(pattern)}


def sliced(*profiles: str) -> str:
    """Return how nvidia-smi lists a GPU with these MIG slices."""
    slices = [f"  MIG {profile}     Device  {n}: (UUID: MIG-{n})" for n, profile in enumerate(profiles)]
    return "\n".join(("GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0)", *slices))


def test_every_model_gets_the_engine_of_its_precision(harness: EngineHarness) -> None:
    repository = harness.repository()

    code, _, error = harness.run(repository)

    span, plus = harness.calls()
    assert (code, error) == (0, "")
    assert (Path(span["onnx"]).name, Path(plus["onnx"]).name) == ("half.onnx", "model.onnx")
    assert "noTF32" not in span
    assert "noTF32" in plus
    assert all("stronglyTyped" in call and "fp16" not in call for call in (span, plus))
    assert (span["minShapes"], span["optShapes"], span["maxShapes"]) == (
        "IMAGE:1x3x1x1",
        "IMAGE:4x3x512x512",
        "IMAGE:8x3x512x512",
    )
    assert plus["maxShapes"] == "IMAGE:2x3x256x256"


def test_the_manifest_says_what_each_engine_was_built_from(harness: EngineHarness) -> None:
    repository = harness.repository()

    harness.run(repository)

    entry = manifest_of(repository)["span_x2/1/model.plan"]
    assert entry["sha256"] == sha256(engine_in(repository))
    assert entry["built_from"]["onnx_sha256"] == sha256(repository / "span_x2" / "1" / "half.onnx")
    assert entry["built_from"]["gpu"] == "NVIDIA L4"
    assert entry["built_from"]["compute_capability"] == "8.9"
    assert entry["built_from"]["memory"] == "23034 MiB"
    assert entry["built_from"]["mig"] == ""
    assert entry["built_from"]["tensorrt"] == "10.16.2 b10"
    assert entry["built_from"]["precision"] == "half"


def test_a_second_machine_of_the_same_kind_uses_the_engines_of_the_first(harness: EngineHarness) -> None:
    first, second = harness.repository("first"), harness.repository("second")
    harness.run(first)
    built = len(harness.calls())

    code, _, _ = harness.run(second)

    assert (code, len(harness.calls())) == (0, built)
    assert engine_in(second).read_bytes() == engine_in(first).read_bytes()


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({"tensorrt": "110201"}, ()),
        ({"gpu": "NVIDIA L40S, 8.9, 23034 MiB"}, ()),
        ({"gpu": "NVIDIA L4, 9.0, 23034 MiB"}, ()),
        ({"gpu": "NVIDIA L4, 8.9, 46068 MiB"}, ()),
        ({"slices": sliced("1g.10gb")}, ()),
        ({}, ("--max-batch", "1")),
        ({}, ("--level", "5")),
    ],
)
def test_any_change_that_matters_to_an_engine_builds_another_one(
    harness: EngineHarness, change: dict[str, Any], options: tuple[str, ...]
) -> None:
    repository = harness.repository()
    harness.run(repository)
    harness.set_machine(**change)

    harness.run(repository, *options)

    assert len(harness.calls()) == 4
    harness.set_machine()
    harness.run(repository)
    assert len(harness.calls()) == 4  # the earlier engines are still in the cache


def test_another_graph_gets_another_engine(harness: EngineHarness) -> None:
    harness.run(harness.repository("first"))

    code, _, _ = harness.run(harness.repository("second", graph=b"changed"))

    assert (code, len(harness.calls())) == (0, 4)


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "undescribed", "garbled"])
def test_a_broken_engine_is_built_again(harness: EngineHarness, damage: str) -> None:
    harness.run(harness.repository("first"), "--models", "span_x2")
    (engine,) = harness.cache.glob("*.plan")
    whole, description = engine.read_bytes(), engine.with_suffix(".json")
    if damage == "gone":
        engine.unlink()
    elif damage == "undescribed":
        description.unlink()
    elif damage == "garbled":
        description.write_text("{")
    else:
        engine.write_bytes(whole[:-4] if damage == "cut" else whole[::-1])
    second = harness.repository("second")

    code, _, _ = harness.run(second, "--models", "span_x2")

    assert (code, len(harness.calls())) == (0, 2)
    assert engine_in(second).read_bytes() == engine.read_bytes() == whole


def test_a_broken_copy_is_replaced_from_the_cache(harness: EngineHarness) -> None:
    repository = harness.repository()
    harness.run(repository)
    whole = engine_in(repository).read_bytes()
    engine_in(repository).write_bytes(b"half of it")

    harness.run(repository)

    assert engine_in(repository).read_bytes() == whole
    assert len(harness.calls()) == 2


def test_builders_at_the_same_time_build_once(harness: EngineHarness) -> None:
    harness.pause.touch()
    repositories = [harness.repository(str(number)) for number in range(4)]
    builders = [harness.start(repository, "--models", "span_x2") for repository in repositories]
    until(harness.calls, "one of them builds")
    waiting = {builder for builder in builders if builder.poll() is None}
    assert len(waiting) == 4

    harness.pause.unlink()
    outputs = [builder.communicate(timeout=60) for builder in builders]

    assert [builder.returncode for builder in builders] == [0] * 4, outputs
    assert len(harness.calls()) == 1
    assert len({engine_in(repository).read_bytes() for repository in repositories}) == 1


def test_a_builder_waits_while_trtexec_of_a_killed_builder_still_runs(harness: EngineHarness) -> None:
    harness.pause.touch()
    killed = harness.start(harness.repository("first"), "--models", "span_x2")
    until(harness.calls, "it builds")
    killed.kill()
    killed.communicate()
    repository = harness.repository("second")
    second = harness.start(repository, "--models", "span_x2")
    assert second.stdout
    assert "waits for another builder" in second.stdout.readline()

    harness.pause.unlink()
    second.communicate(timeout=60)

    assert second.returncode == 0
    assert len(harness.calls()) == 2
    assert engine_in(repository).read_text().endswith("whole")
    assert names_in(harness.cache, "*.tmp") == set()


def test_a_stopped_builder_stops_trtexec(harness: EngineHarness) -> None:
    harness.pause.touch()
    builder = harness.start(harness.repository(), "--models", "span_x2")
    until(harness.calls, "it builds")
    trtexec = harness.calls()[0]["pid"]

    builder.terminate()
    builder.communicate(timeout=60)

    assert builder.returncode == 128 + signal.SIGTERM
    assert not psutil.pid_exists(trtexec)
    assert names_in(harness.cache, "*.plan") == set()


def test_the_batch_is_halved_until_it_fits_the_memory(harness: EngineHarness) -> None:
    repository = harness.repository()
    harness.set_machine(largest=2)

    code, out, _ = harness.run(repository, "--models", "span_x2")

    tried_shapes = [call["maxShapes"] for call in harness.calls()]
    assert (code, tried_shapes) == (0, [f"IMAGE:{batch}x3x512x512" for batch in (8, 4, 2)])
    assert "tries a batch of 2" in out
    config = (repository / "span_x2" / "config.pbtxt").read_text()
    assert "max_batch_size: 2" in config
    assert "batch_size: 4" not in config


def test_an_engine_that_was_too_large_is_tried_again_only_on_request(harness: EngineHarness) -> None:
    harness.set_machine(largest=4)
    harness.run(harness.repository("first"), "--models", "span_x2")
    harness.set_machine()

    harness.run(harness.repository("second"), "--models", "span_x2")
    assert len(harness.calls()) == 2
    harness.run(harness.repository("third"), "--models", "span_x2", "--retry")

    assert harness.calls()[2]["maxShapes"] == "IMAGE:8x3x512x512"


def test_later_builds_reuse_the_timings_of_earlier_ones(harness: EngineHarness) -> None:
    harness.run(harness.repository())

    assert [call["known_timings"] for call in harness.calls()] == ["", "timed "]


def test_two_slices_of_a_gpu_have_engines_of_their_own(harness: EngineHarness) -> None:
    for profile in ("1g.10gb", "3g.40gb"):
        harness.set_machine(gpu="NVIDIA H100, 9.0, 81559 MiB", slices=sliced(profile, profile))
        harness.run(harness.repository(profile), "--models", "span_x2", "--prune")

    profiles = [
        manifest_of(harness.folder / each)["span_x2/1/model.plan"]["built_from"]["mig"]
        for each in ("1g.10gb", "3g.40gb")
    ]

    assert profiles == ["1g.10gb", "3g.40gb"]
    assert len(names_in(harness.cache, "*.plan")) == 2


def test_pruning_keeps_used_engines_and_those_of_other_gpus(harness: EngineHarness) -> None:
    harness.set_machine(gpu="NVIDIA H100, 9.0, 81559 MiB")
    harness.run(harness.repository("other"), "--models", "span_x2")
    harness.set_machine(tensorrt="100300")
    harness.run(harness.repository("older"), "--models", "span_x2")
    before = names_in(harness.cache, "*.plan")
    harness.set_machine()

    harness.run(harness.repository("now"), "--models", "span_x2", "--prune")

    left = names_in(harness.cache, "*.plan")
    assert (len(before), len(before & left), len(left)) == (2, 1, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gpu": "NVIDIA-SMI has failed", "smi_exit": 9}, "no GPU: nvidia-smi says: NVIDIA-SMI has failed"),
        ({"gpu": ""}, "no GPU"),
        (
            {"gpu": "NVIDIA L4, 8.9, 1 MiB\nNVIDIA T4, 7.5, 1 MiB"},
            "GPUs of different kinds (NVIDIA L4, 8.9, 1 MiB; NVIDIA T4, 7.5, 1 MiB)",
        ),
        ({"gpu": "NVIDIA L4"}, "instead of a name, a compute capability and a memory"),
        (
            {"slices": sliced("1g.10gb", "2g.20gb")},
            "MIG slices of different sizes (1g.10gb; 2g.20gb): give it one",
        ),
        ({"tensorrt": "8601"}, "TensorRT 8.6.1 is too old"),
        ({"tensorrt": "?"}, "does not name its TensorRT"),
        ({"largest": 0}, "the memory of NVIDIA L4 does not suffice for one tile"),
        (
            {"failure": "[I] fine\n[E] [TRT] no such layer\n&&&& FAILED"},
            "span_x2: trtexec failed (1): [E] [TRT] no such",
        ),
        ({"failure": "write: No space left on device"}, "the disk is full"),
        ({"silent": True}, "trtexec failed (0)"),
    ],
)
def test_the_error_is_one_line_that_says_why_there_is_no_engine(
    harness: EngineHarness, change: dict[str, Any], message: str
) -> None:
    harness.set_machine(**change)
    repository = harness.repository()

    code, _, error = harness.run(repository)

    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith("no engines: ")
    assert message in error
    assert not engine_in(repository).exists()


@pytest.mark.parametrize(("program", "message"), [("nvidia-smi", "no GPU"), ("trtexec", "no trtexec")])
def test_the_error_is_one_line_that_names_a_missing_program(
    harness: EngineHarness, program: str, message: str
) -> None:
    (harness.folder / "bin" / program).unlink()

    code, _, error = harness.run(harness.repository())

    assert (code, error.count("\n")) == (1, 1)
    assert message in error


def test_the_error_names_a_folder_that_is_no_repository(harness: EngineHarness) -> None:
    code, _, error = harness.run(harness.folder / "nothing")

    assert (code, error.count("\n")) == (1, 1)
    assert "nothing is no model repository" in error


def test_the_error_names_a_missing_model(harness: EngineHarness) -> None:
    code, _, error = harness.run(harness.repository(), "--models", "span_x3")

    assert (code, error.endswith("has no model span_x3\n")) == (1, True)


def test_the_error_names_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="the disk is full"), disk_errors(tmp_path):
        Path("/dev/full").write_bytes(b"engine")
