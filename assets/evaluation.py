"""What search finds, measured on the twin's own questions and compared with the index before."""

import dagster as dg

from assets.datasets import instruct_dataset
from assets.describe import OWNER, counted, picture, stopwatch, table
from assets.features import vector_index
from resources import ArtifactsResource, EmbedderResource, VectorIndexResource
from twin import datasets
from twin.evaluation import charts, history, retrieval
from twin.evaluation.measurement import measure
from twin.records import utcnow
from twin.retrieval.ranking import open_reranker
from twin.settings import RagSettings, read

__all__ = ["ASSETS", "CHECKS", "EvaluationConfig", "retrieval_evaluation"]

LEAST_RECALL = 0.3


class EvaluationConfig(dg.Config):
    """What a person may decide about one evaluation."""

    accept: bool = False
    """Take the figures as they are, even when retrieval became worse; the next index is compared with these."""


@dg.asset(
    deps=[vector_index, instruct_dataset], group_name="features", kinds={"qdrant"}, owners=[OWNER], code_version="2"
)
def retrieval_evaluation(
    config: EvaluationConfig,
    artifacts: ArtifactsResource,
    embedder: EmbedderResource,
    vector_index: VectorIndexResource,
) -> dg.MaterializeResult:
    """How well the index finds the passages that the held-out instructions were written for, now and before."""
    dataset, reranker = datasets.current(artifacts.store), open_reranker(read(RagSettings).reranker)
    questions = retrieval.held_out_questions(dataset.test)
    with stopwatch() as watch:
        measured = measure(questions, embedder.model, vector_index.client, reranker)
    searched, alone = measured.searched, measured.alone
    evaluations = history.record(
        artifacts.store,
        measured.outcomes,
        at=utcnow(),
        generation=searched.name,
        index_version=searched.data_version,
        dataset_version=dataset.version,
        rivals={name: rival.mrr for name, rival in alone.items()},
        accept=config.accept,
    )
    scores = retrieval.score(measured.outcomes)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{dataset.version}-{scores.mrr:.6f}-{scores.ndcg:.6f}"),
        metadata={
            **scores.as_metadata(),
            **counted(
                generation=searched.name, reranker=reranker.name, left_out=measured.left_out, seconds=watch.seconds
            ),
            "verdict": evaluations[-1].verdict.reason,
            "systems": table([_row("hybrid", scores), *(_row(name, rival) for name, rival in alone.items())]),
            "authors": table([_row(author, own) for author, own in scores.by_author.items()], limit=50),
            "over time": picture(charts.retrieval_over_time(evaluations), "Retrieval over time"),
        },
    )


@dg.asset_check(asset=retrieval_evaluation, blocking=True)
def no_regression(artifacts: ArtifactsResource) -> dg.AssetCheckResult:
    """The index finds no less than the one before it, as far as the questions can tell."""
    evaluations = history.history(artifacts.store)
    if not evaluations:
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.ERROR,
            description="Nothing has been evaluated yet: `llm-twin materialize retrieval_evaluation`.",
        )
    latest = evaluations[-1]
    difference = latest.verdict.difference
    return dg.AssetCheckResult(
        passed=latest.accepted,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=counted(
            generation=latest.generation,
            baseline=latest.verdict.baseline,
            questions=latest.verdict.common,
            difference=difference.mean if difference else None,
            chance=latest.verdict.chance,
        ),
        description=latest.verdict.reason,
    )


@dg.asset_check(asset=retrieval_evaluation)
def finds_the_source(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """The passage behind a held-out instruction is among the first ten for at least 3 in 10 instructions."""
    event = context.instance.get_latest_materialization_event(dg.AssetKey("retrieval_evaluation"))
    metadata = event.asset_materialization.metadata if event and event.asset_materialization else {}
    recall = float(metadata[f"recall@{retrieval.DEPTH}"].value) if metadata else 0.0
    return dg.AssetCheckResult(
        passed=recall >= LEAST_RECALL, severity=dg.AssetCheckSeverity.WARN, metadata={"recall": recall}
    )


def _row(name: str, scores: retrieval.RetrievalScores) -> dict[str, str | int]:
    interval = scores.mrr_interval
    return {
        "of": name,
        "questions": scores.questions,
        **{f"recall@{k}": f"{value:.3f}" for k, value in scores.recall.items()},
        f"nDCG@{retrieval.DEPTH}": f"{scores.ndcg:.3f}",
        f"MRR@{retrieval.DEPTH}": f"{scores.mrr:.3f} ({interval.low:.3f} to {interval.high:.3f})",
    }


ASSETS = [retrieval_evaluation]
CHECKS = [no_regression, finds_the_source]
