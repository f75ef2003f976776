"""Executes the steps of a launched run one after another in one process, and records which process that is."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor

from sensors import history

__all__ = ["in_process"]


class _Recorded(InProcessExecutor):
    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        instance, run_id = plan_context.instance, plan_context.run_id
        with history.executing(instance, run_id):
            instance.add_run_tags(run_id, history.process_tags())
            yield from super().execute(plan_context, execution_plan)


@dg.executor(name="in_process")
def in_process(_context: dg.InitExecutorContext) -> InProcessExecutor:
    """Dagster's own `in_process_executor`, whose runs can be told from those of a process that was killed."""
    return _Recorded(RetryMode.ENABLED)
