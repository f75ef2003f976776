"""Everything Dagster sees: assets, checks, jobs, sensors and resources, wired."""

import dagster as dg

import assets
import sensors
from llm_twin_dagster.executor import in_process
from llm_twin_dagster.jobs import JOBS
from llm_twin_dagster.progress import console_logger
from llm_twin_dagster.schedules import schedules
from resources import all_resources

__all__ = ["defs"]


@dg.definitions
def defs() -> dg.Definitions:
    """The platform."""
    return dg.Definitions(
        assets=assets.ALL_ASSETS,
        asset_checks=assets.ALL_CHECKS,
        jobs=JOBS,
        sensors=sensors.ALL_SENSORS,
        schedules=schedules(),
        resources=all_resources(),
        loggers={"console": console_logger},
        executor=in_process,  # 0.2 s a step instead of 3.4; what needs a process of its own starts one
    )
