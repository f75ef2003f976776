"""The resources of a run are views of one deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from resources import CacheResource, EndpointResource, all_resources

if TYPE_CHECKING:
    from pathlib import Path


def test_the_resources_of_a_run_share_one_deployment(home: Path, tmp_path: Path) -> None:
    @dg.op
    def shared(cache: CacheResource, endpoint: EndpointResource) -> bool:
        return cache.deployment.clients is endpoint.deployment.clients

    @dg.op
    def folder(cache: CacheResource) -> str:
        return str(cache.folder("collection"))

    @dg.job(resource_defs=all_resources())
    def asks() -> None:
        shared()
        folder()

    elsewhere = tmp_path / "another"
    config = {"resources": {"deployment": {"config": {"home": str(elsewhere)}}}}
    result = asks.execute_in_process(run_config=config)
    assert result.output_for_node("shared")
    assert result.output_for_node("folder") == str(elsewhere / "cache" / "collection")
