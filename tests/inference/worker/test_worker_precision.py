"""A job is computed in the precision that its image or the operator asks for, and its outcome names it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.inference.conftest import FaultyTriton, an_answer, pixels_of
from tests.inference.worker.harness import Harness


class RoundingTriton:
    """Answers in bfloat16, unless a request demands single precision."""

    def __init__(self) -> None:
        self.demands = list[str]()

    async def __call__(self, request: Any, _: Any) -> Any:
        demand = request.parameters["precision"].string_param if "precision" in request.parameters else ""
        self.demands.append(demand)
        response = an_answer(pixels_of(request).repeat(2, axis=2).repeat(2, axis=3))
        name = b"f32" if demand == "exact" else b"bf16"
        response.outputs.add(name="PRECISION", datatype="BYTES", shape=[1, 1])
        response.raw_output_contents.append(len(name).to_bytes(4, "little") + name)
        return response


@pytest.mark.parametrize(
    ("requested", "setting", "demanded", "used"),
    [("auto", "auto", "", "bf16"), ("exact", "auto", "exact", "f32"), ("auto", "exact", "exact", "f32")],
)
async def test_an_outcome_names_the_precision_that_the_image_or_the_operator_demanded(
    harness: Harness, faulty: FaultyTriton, requested: str, setting: str, demanded: str, used: str
) -> None:
    triton = faulty.answer = RoundingTriton()
    harness.worker = replace(harness.worker, precision=setting)
    image = await harness.job(precision=requested)

    await harness.do(image)

    [finished] = await harness.results()
    assert (finished.output.precision, set(triton.demands)) == (used, {demanded})


async def test_without_a_word_from_triton_an_outcome_names_no_precision(
    harness: Harness, faulty: FaultyTriton
) -> None:
    await harness.do(await harness.job())

    [finished] = await harness.results()
    assert finished.output.precision == ""
