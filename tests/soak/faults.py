"""What can go wrong, one function for each: called while writers write and workers publish."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, TypeAlias

from tests.harness.history import rebase, refusing_worker
from tests.harness.killpoints import POINTS
from tests.harness.terminations import terminate_backends
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.soak.stage import Stage

Fault: TypeAlias = "Callable[[Stage], None]"

DEATH_S: Final = 60.0
ADMIN_S: Final = 60.0
BEYOND_THE_SESSION: Final = (6.5, 10.0)


def kill_a_worker(stage: Stage) -> None:
    """SIGKILL at any moment."""
    stage.rng.choice(stage.scene.alive).kill()


def kill_at_a_point(stage: Stage) -> None:
    """SIGKILL at a step of a transaction."""
    victim = stage.scene.mortal(stage.rng.choice(POINTS), nth=stage.rng.randint(1, 4))
    wait_until(lambda: not victim.alive, DEATH_S, "the worker reached its kill point")


def freeze_a_worker(stage: Stage) -> None:
    """SIGSTOP for longer than a session, at any moment."""
    zombie = stage.rng.choice(stage.scene.alive)
    zombie.pause()
    stage.pause(*BEYOND_THE_SESSION)
    zombie.resume()


def freeze_at_a_point(stage: Stage) -> None:
    """SIGSTOP for longer than a session, at a step of a transaction."""
    zombie = stage.scene.mortal(stage.rng.choice(POINTS), "STOP")
    wait_until(lambda: zombie.said("killed"), DEATH_S, "the worker froze")
    stage.pause(*BEYOND_THE_SESSION)
    zombie.resume()


def join_and_leave(stage: Stage) -> None:
    """Workers come and go faster than the group settles."""
    for _ in range(stage.rng.randint(2, 4)):
        stage.start_worker()
        stage.pause(0.0, 1.5)
        stage.rng.choice(stage.ready).terminate()
        stage.pause(0.0, 1.5)


def kill_the_broker(stage: Stage) -> None:
    """SIGKILL and restart."""
    stage.kafka.kill()
    stage.kafka.start()


def stop_the_broker(stage: Stage) -> None:
    """Away for up to half a minute."""
    stage.kafka.stop()
    stage.pause(1.0, 30.0)
    stage.kafka.start()


def freeze_the_broker(stage: Stage) -> None:
    """It neither answers nor closes a connection."""
    stage.kafka.pause()
    stage.pause(1.0, 12.0)
    stage.kafka.resume()


def restart_postgres(stage: Stage) -> None:
    """Immediate shutdown and recovery."""
    stage.pair.primary.restart("immediate")


def end_backends(stage: Stage) -> None:
    """Backends are terminated at random."""
    over = threading.Event()
    threading.Timer(stage.rng.uniform(3.0, 10.0), over.set).start()
    terminate_backends(stage.scene.url, stage.rng, over)


def cut_connections_to_postgres(stage: Stage) -> None:
    """In mid-request, after random numbers of bytes."""
    stage.postgres_proxy.cut_after(200, stage.rng.choice([2_000, 50_000]))
    stage.pause(3.0, 10.0)
    stage.postgres_proxy.heal()


def cut_connections_to_kafka(stage: Stage) -> None:
    """In mid-request, after random numbers of bytes."""
    stage.kafka_proxy.cut_after(200, stage.rng.choice([2_000, 50_000]))
    stage.pause(3.0, 15.0)
    stage.kafka_proxy.heal()


def silence_postgres(stage: Stage) -> None:
    """Connections stay and nothing comes through."""
    stage.postgres_proxy.fall_silent()
    stage.pause(1.0, 10.0)
    stage.postgres_proxy.heal()


def silence_kafka(stage: Stage) -> None:
    """Connections stay and nothing comes through."""
    stage.kafka_proxy.fall_silent()
    stage.pause(1.0, 15.0)
    stage.kafka_proxy.heal()


def slow_kafka(stage: Stage) -> None:
    """Everything takes longer."""
    stage.kafka_proxy.delay(stage.rng.uniform(0.05, 0.5))
    stage.pause(3.0, 10.0)
    stage.kafka_proxy.heal()


def fail_over_in_sync(stage: Stage) -> None:
    """The primary dies under load; the standby has everything that was ever seen."""
    stage.pair.wait_for_standby()
    stage.fail_over()
    stage.scene.await_more(50)
    stage.pair.renew_standby()


def fail_over_with_losses(stage: Stage) -> None:
    """The standby lacks what was published last, and is written to: `rebase` is the way out."""
    scene = stage.scene
    stage.pair.stop_streaming()
    scene.await_new(50)
    for worker in scene.alive:
        worker.kill()
    stage.stop_writing()
    stage.fail_over()
    stage.excuse_losses()
    stage.start_writing()
    rebase(scene, refusing_worker(scene))
    stage.pair.renew_standby()


def forget_the_group(stage: Stage) -> None:
    """After a clean stop Kafka forgets all positions."""
    scene = stage.scene
    scene.stop_all()
    scene.admin.delete_consumer_groups([scene.name])[scene.name].result(ADMIN_S)


FAULTS: Final[tuple[Fault, ...]] = (
    kill_a_worker,
    kill_at_a_point,
    freeze_a_worker,
    freeze_at_a_point,
    join_and_leave,
    kill_the_broker,
    stop_the_broker,
    freeze_the_broker,
    restart_postgres,
    end_backends,
    cut_connections_to_postgres,
    cut_connections_to_kafka,
    silence_postgres,
    silence_kafka,
    slow_kafka,
    fail_over_in_sync,
    fail_over_with_losses,
    forget_the_group,
)
