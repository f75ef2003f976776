"""Starts a training job through SageMaker's own SDK."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from twin.training.sagemaker.request import METRICS

if TYPE_CHECKING:
    import boto3

    from twin.training.sagemaker.request import JobRequest

__all__ = ["submit"]


def submit(session: boto3.Session, request: JobRequest) -> None:
    """Creates the job and does not wait for it.

    Raises:
        botocore.exceptions.ClientError: With AWS's code of what is wrong.
    """
    logging.getLogger("sagemaker").setLevel(logging.CRITICAL)  # what it tells of errors is told by us
    trainer = _trainer(session, request)
    trainer.train(wait=False, logs=False)


def _trainer(session: boto3.Session, request: JobRequest) -> Any:
    from sagemaker.core.helper.session_helper import Session  # 3 s
    from sagemaker.core.training import configs
    from sagemaker.train import ModelTrainer

    class NamedTrainer(ModelTrainer):
        """The SDK puts the time into every job's name. Ours says what the job makes, so that it is found again."""

        def _create_training_job_args(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            return {**super()._create_training_job_args(*args, **kwargs), "training_job_name": request.name}

    bucket = request.output.removeprefix("s3://").partition("/")[0]
    trainer = NamedTrainer(
        sagemaker_session=Session(boto_session=session, default_bucket=bucket),
        training_image=request.image,
        role=request.role,
        base_job_name=request.name,
        hyperparameters=dict(request.hyperparameters),
        input_data_config=[
            configs.InputData(channel_name=name, data_source=url) for name, url in request.channels.items()
        ],
        output_data_config=configs.OutputDataConfig(
            s3_output_path=request.output, kms_key_id=request.kms_key, compression_type="NONE"
        ),
        checkpoint_config=configs.CheckpointConfig(s3_uri=request.checkpoints),
        compute=configs.Compute(
            instance_type=request.instance_type,
            instance_count=1,
            volume_size_in_gb=request.volume_gb,
            volume_kms_key_id=request.kms_key,
            enable_managed_spot_training=request.wait_seconds is not None,
        ),
        stopping_condition=configs.StoppingCondition(
            max_runtime_in_seconds=request.max_seconds, max_wait_time_in_seconds=request.wait_seconds
        ),
        networking=configs.Networking(
            subnets=request.subnets or None,
            security_group_ids=request.security_groups or None,
            enable_network_isolation=request.network_isolation,
        ),
        tags=[configs.Tag(key=key, value=value) for key, value in request.tags.items()],
    )
    return trainer.with_metric_definitions(
        [configs.MetricDefinition(name=name, regex=regex) for name, regex in METRICS.items()]
    )
