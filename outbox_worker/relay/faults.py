"""What librdkafka says of a transaction that failed, and what it means for the records in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

if TYPE_CHECKING:
    from confluent_kafka import Producer

STATE_CODES = frozenset(
    {
        KafkaError._PURGE_QUEUE,  # noqa: SLF001  librdkafka's own codes begin with an underscore
        KafkaError._PURGE_INFLIGHT,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001
    }
)
"""Failed deliveries that say nothing about the record: the transaction was given up."""

REJECTING_CODES = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._INVALID_ARG,  # noqa: SLF001
    }
)
"""Failed deliveries that lie in the record or its topic: the same again would fail again."""

GAP_CODES = frozenset({KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError.UNKNOWN_PRODUCER_ID})
"""The producer and a partition disagree about its last record, for example after one was
refused: librdkafka takes a new epoch with the abort, and the same again goes through."""


def cause_of(producer: Producer, fault: KafkaError) -> KafkaError:
    """Why the transaction failed, where a call only says that it came too late for it.

    librdkafka tells the cause to the next call; to begin is the one that changes nothing
    in the middle of a transaction.
    """
    if fault.code() != KafkaError._STATE:  # noqa: SLF001  librdkafka's own code
        return fault
    try:
        producer.begin_transaction()
    except (KafkaException, SystemError) as error:
        return fault_of(error)
    return fault


def fault_of(error: KafkaException | SystemError) -> KafkaError:
    """What went wrong in a call of the producer.

    confluent-kafka raises a fatal error (we are fenced) in the middle of any call that serves
    callbacks, whether or not there is one for errors. It serves further ones with that
    error pending, and the first that calls anything ends in a SystemError that it caused.
    """
    cause = error.__cause__ if isinstance(error, SystemError) else error
    if not isinstance(cause, KafkaException):
        raise error
    fault: KafkaError = cause.args[0]
    return fault
