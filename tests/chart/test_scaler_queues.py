"""KEDA counts the jobs of both queues, under the names that workers use."""

from inference.events import Queues
from tests.chart.helm import DEFAULT, release


def test_the_scaler_adds_up_the_lag_of_both_queues() -> None:
    queues = Queues(ack_wait_seconds=30)

    [scaler] = release(DEFAULT, inference={"keda": {"enabled": True, "trigger": "consumer-lag"}}).of(
        "ScaledObject"
    )

    triggers = scaler["spec"]["triggers"]
    counted = {(trigger["metadata"]["stream"], trigger["metadata"]["consumer"]) for trigger in triggers}
    modifiers = scaler["spec"]["advanced"]["scalingModifiers"]
    assert counted == {(queue.stream, queue.durable) for queue in (queues.priority, queues.standard)}
    assert modifiers["formula"].split(" + ") == [trigger["name"] for trigger in triggers]


def test_the_scaler_by_queued_work_reads_one_figure() -> None:
    [scaler] = release(DEFAULT, inference={"keda": {"enabled": True}}).of("ScaledObject")

    assert "advanced" not in scaler["spec"]
    assert len(scaler["spec"]["triggers"]) == 1
