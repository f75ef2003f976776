"""The jobs: the whole graph, and its three parts that run on their own."""

import dagster as dg

__all__ = ["JOBS", "deploy", "everything", "ingest", "monitor", "train"]

ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets("vector_index").upstream(),
    description="Documents in, through to the live index.",
)
train = dg.define_asset_job(
    "train",
    selection=dg.AssetSelection.assets(
        "instruct_dataset",
        "feedback_dataset",
        "preference_dataset",
        "retrieval_evaluation",
        "fine_tuned_model",
        "model_evaluation",
        "registered_model",
    ),
    description="From passages to a model that awaits review. Trains only when data, code or recipe changed.",
)
deploy = dg.define_asset_job(
    "deploy",
    selection=dg.AssetSelection.assets("inference_endpoint"),
    description="Serves the newest approved model. Does nothing while none is approved.",
)
everything = dg.define_asset_job(
    "everything", selection=dg.AssetSelection.all(), description="The whole graph. Never waits for a person."
)
monitor = dg.define_asset_job(
    "monitor",
    selection=dg.AssetSelection.assets("monitoring_report"),
    description="How questions and answers are beside how they were when the served version began.",
)
JOBS = [ingest, train, deploy, monitor, everything]
