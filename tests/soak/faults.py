"""What can go wrong, one function for each: called while writers write and workers publish."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, TypeAlias

from tests.harness.killpoints import POINTS
from tests.harness.lost_history import rebase, refusing_worker
from tests.harness.terminations import terminate_backends
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.soak.soak_cluster import SoakCluster

Fault: TypeAlias = "Callable[[SoakCluster], None]"

DEATH_S: Final = 60.0
ADMIN_S: Final = 60.0
BEYOND_THE_SESSION: Final = (6.5, 10.0)


def kill_a_worker(soak: SoakCluster) -> None:
    """SIGKILL at any moment."""
    soak.rng.choice(soak.cluster.alive).kill()


def kill_at_a_point(soak: SoakCluster) -> None:
    """SIGKILL at a step of a transaction."""
    victim = soak.cluster.worker_dying_at(soak.rng.choice(POINTS), nth=soak.rng.randint(1, 4))
    wait_until(lambda: not victim.alive, DEATH_S, "the worker reached its kill point")


def freeze_a_worker(soak: SoakCluster) -> None:
    """SIGSTOP for longer than a session, at any moment."""
    zombie = soak.rng.choice(soak.cluster.alive)
    zombie.pause()
    soak.pause(*BEYOND_THE_SESSION)
    zombie.resume()


def freeze_at_a_point(soak: SoakCluster) -> None:
    """SIGSTOP for longer than a session, at a step of a transaction."""
    zombie = soak.cluster.worker_dying_at(soak.rng.choice(POINTS), "STOP")
    wait_until(lambda: zombie.said("killed"), DEATH_S, "the worker froze")
    soak.pause(*BEYOND_THE_SESSION)
    zombie.resume()


def join_and_leave(soak: SoakCluster) -> None:
    """Workers come and go faster than the group settles."""
    for _ in range(soak.rng.randint(2, 4)):
        soak.start_worker()
        soak.pause(0.0, 1.5)
        soak.rng.choice(soak.ready).terminate()
        soak.pause(0.0, 1.5)


def kill_the_broker(soak: SoakCluster) -> None:
    """SIGKILL and restart."""
    soak.kafka.kill()
    soak.kafka.start()


def stop_the_broker(soak: SoakCluster) -> None:
    """Away for up to half a minute."""
    soak.kafka.stop()
    soak.pause(1.0, 30.0)
    soak.kafka.start()


def freeze_the_broker(soak: SoakCluster) -> None:
    """It neither answers nor closes a connection."""
    soak.kafka.pause()
    soak.pause(1.0, 12.0)
    soak.kafka.resume()


def restart_postgres(soak: SoakCluster) -> None:
    """Immediate shutdown and recovery."""
    soak.pair.primary.restart("immediate")


def end_backends(soak: SoakCluster) -> None:
    """Backends are terminated at random."""
    over = threading.Event()
    threading.Timer(soak.rng.uniform(3.0, 10.0), over.set).start()
    terminate_backends(soak.cluster.url, soak.rng, over)


def cut_connections_to_postgres(soak: SoakCluster) -> None:
    """In mid-request, after random numbers of bytes."""
    soak.postgres_proxy.cut_after(200, soak.rng.choice([2_000, 50_000]))
    soak.pause(3.0, 10.0)
    soak.postgres_proxy.heal()


def cut_connections_to_kafka(soak: SoakCluster) -> None:
    """In mid-request, after random numbers of bytes."""
    soak.kafka_proxy.cut_after(200, soak.rng.choice([2_000, 50_000]))
    soak.pause(3.0, 15.0)
    soak.kafka_proxy.heal()


def silence_postgres(soak: SoakCluster) -> None:
    """Connections stay and nothing comes through."""
    soak.postgres_proxy.fall_silent()
    soak.pause(1.0, 10.0)
    soak.postgres_proxy.heal()


def silence_kafka(soak: SoakCluster) -> None:
    """Connections stay and nothing comes through."""
    soak.kafka_proxy.fall_silent()
    soak.pause(1.0, 15.0)
    soak.kafka_proxy.heal()


def slow_kafka(soak: SoakCluster) -> None:
    """Everything takes longer."""
    soak.kafka_proxy.delay(soak.rng.uniform(0.05, 0.5))
    soak.pause(3.0, 10.0)
    soak.kafka_proxy.heal()


def fail_over_in_sync(soak: SoakCluster) -> None:
    """The primary dies under load; the standby has everything that was ever seen."""
    soak.pair.wait_for_standby()
    soak.fail_over()
    soak.cluster.await_more(50)
    soak.pair.renew_standby()


def fail_over_with_losses(soak: SoakCluster) -> None:
    """The standby lacks what was published last, and is written to: `rebase` mends it."""
    cluster = soak.cluster
    soak.pair.stop_streaming()
    cluster.await_new(50)
    for worker in cluster.alive:
        worker.kill()
    soak.stop_writing()
    soak.fail_over()
    soak.excuse_losses()
    soak.start_writing()
    rebase(cluster, refusing_worker(cluster))
    soak.pair.renew_standby()


def forget_the_group(soak: SoakCluster) -> None:
    """After a clean stop Kafka forgets all positions."""
    cluster = soak.cluster
    cluster.stop_all()
    cluster.admin.delete_consumer_groups([cluster.name])[cluster.name].result(ADMIN_S)


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
