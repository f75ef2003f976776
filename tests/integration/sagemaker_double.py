"""A double of SageMaker's control plane over HTTP, which really runs training jobs, for tests and for trying by hand.

boto3 and the `sagemaker` SDK are pointed at it by AWS_ENDPOINT_URL_*. Of each job it lays out `/opt/ml` in a folder of
its own, as the container contract has it, runs the image's `train` as a child process, sends its lines to CloudWatch
Logs and its checkpoints and model to S3. S3 and Logs are moto's. What it does not know it refuses.

    python -m tests.integration.sagemaker_double      # prints the variables that lead to it, and runs until Ctrl-C
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import httpx

from twin.processes import Child

if TYPE_CHECKING:
    from collections.abc import Generator

REGION = "us-east-1"
BUCKET = "twin-training"
ROLE = "arn:aws:iam::123456789012:role/twin-training"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/llm-twin-training:1"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
SYNC_SECONDS = 0.1
RUNNING = ("InProgress", "Stopping")


class Refused(Exception):
    """An answer that is an error, by AWS's code of it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Job:
    """One training job and the machine that it runs on."""

    def __init__(self, request: dict[str, Any], folder: Path) -> None:
        self.request = request
        self.name = request["TrainingJobName"]
        self.folder = folder
        self.status, self.phase, self.reason = "InProgress", "Starting", ""
        self.created, self.ended = time.time(), 0.0
        self.child: Child | None = None
        self.machines = 0
        self.sent: dict[Path, tuple[int, int]] = {}

    def described(self) -> dict[str, Any]:
        """As DescribeTrainingJob answers."""
        kept = ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition", "OutputDataConfig", "RoleArn")
        answer = {name: self.request[name] for name in kept if name in self.request} | {
            "TrainingJobName": self.name,
            "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:123456789012:training-job/{self.name}",
            "TrainingJobStatus": self.status,
            "SecondaryStatus": self.phase,
            "CreationTime": self.created,
        }
        if self.status == "Completed":
            answer["ModelArtifacts"] = {"S3ModelArtifacts": f"{self.output}/model/"}
        if self.reason:
            answer["FailureReason"] = self.reason
        if self.ended:
            answer["BillableTimeInSeconds"] = round(self.ended - self.created) or 1
        return answer

    @property
    def output(self) -> str:
        return f"{self.request['OutputDataConfig']['S3OutputPath']}/{self.name}/output"


class ControlPlane:
    """The training jobs of an account, and what it may use."""

    def __init__(self, folder: Path, others: str) -> None:
        self.folder = folder
        self.jobs: dict[str, Job] = {}
        self.quotas = {"ml.g5.xlarge": 1.0, "ml.g5.2xlarge": 0.0, "ml.g6.2xlarge": 2.0}
        self._s3 = _client("s3", others)
        self._logs = _client("logs", others)
        self._s3.create_bucket(Bucket=BUCKET)
        self._logs.create_log_group(logGroupName=LOG_GROUP)

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """What an operation answers.

        Raises:
            Refused: With AWS's code.
        """
        operations = {
            "CreateTrainingJob": self._create,
            "DescribeTrainingJob": lambda given: self._job(given).described(),
            "StopTrainingJob": self._stop,
            "ListTrainingJobs": self._list,
            "ListServiceQuotas": self._list_quotas,
        }
        if operation not in operations:
            raise Refused("UnknownOperationException", f"The double does not know {operation}.")
        return operations[operation](given)

    def interrupt(self, name: str) -> None:
        """Takes the machine away, as a spot interruption does; the job goes on on another."""
        job = self.jobs[name]
        job.phase = "Interrupted"
        if job.child:
            job.child.kill()

    def files(self) -> list[str]:
        """What lies directly below the prefix that the tests use."""
        found = self._s3.list_objects_v2(Bucket=BUCKET, Prefix="twin/", Delimiter="/").get("CommonPrefixes", [])
        return [entry["Prefix"].split("/")[1] for entry in found]

    def close(self) -> None:
        for job in self.jobs.values():
            if job.child:
                job.status = "Stopping"
                job.child.kill()

    def _create(self, given: dict[str, Any]) -> dict[str, Any]:
        name, kind = given["TrainingJobName"], given["ResourceConfig"]["InstanceType"]
        if name in self.jobs:
            raise Refused("ResourceInUse", f"Training job names must be unique, and {name} already exists.")
        used = sum(
            job.status in RUNNING and job.request["ResourceConfig"]["InstanceType"] == kind
            for job in self.jobs.values()
        )
        if used >= self.quotas.get(kind, 0):
            raise Refused(
                "ResourceLimitExceeded",
                f"The account-level service limit '{kind} for training job usage' is {self.quotas.get(kind, 0):g} "
                f"Instances, with current utilization of {used} Instances and a request delta of 1 Instances.",
            )
        job = self.jobs[name] = Job(given, self.folder / name)
        threading.Thread(target=self._run, args=(job,), daemon=True).start()
        return {"TrainingJobArn": job.described()["TrainingJobArn"]}

    def _stop(self, given: dict[str, Any]) -> dict[str, Any]:
        job = self._job(given)
        if job.status != "InProgress":
            raise Refused("ValidationException", f"The training job is in status {job.status}.")
        job.status = job.phase = "Stopping"
        if job.child:
            threading.Thread(target=job.child.stop, daemon=True).start()
        return {}

    def _list(self, given: dict[str, Any]) -> dict[str, Any]:
        found = [
            {
                name: job.described()[name]
                for name in ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingJobStatus")
            }
            for job in self.jobs.values()
            if given.get("NameContains", "") in job.name and job.created >= given.get("CreationTimeAfter", 0)
        ]
        return {"TrainingJobSummaries": found}

    def _list_quotas(self, given: dict[str, Any]) -> dict[str, Any]:
        suffix = " for training job usage"
        rows = [
            {"QuotaName": f"{kind}{suffix}", "QuotaCode": f"L-{number}", "Value": value, "ServiceCode": "sagemaker"}
            for number, (kind, value) in enumerate(self.quotas.items())
        ]
        return {"Quotas": rows}

    def _job(self, given: dict[str, Any]) -> Job:
        if given["TrainingJobName"] not in self.jobs:
            raise Refused("ValidationException", "Requested resource not found.")
        return self.jobs[given["TrainingJobName"]]

    def _run(self, job: Job) -> None:
        try:
            code = self._on_a_machine(job)
            while job.phase == "Interrupted":
                code = self._on_a_machine(job)
            self._end(job, code)
        except Exception as error:  # noqa: BLE001 - as SageMaker does: the job fails, the service does not
            job.reason = f"InternalServerError: {error!r}"
            job.status = job.phase = "Failed"
        job.ended = time.time()

    def _on_a_machine(self, job: Job) -> int:
        job.machines += 1
        root = job.folder / f"machine-{job.machines}"
        job.phase = "Downloading"
        for channel in job.request["InputDataConfig"]:
            self._download(channel["DataSource"]["S3DataSource"]["S3Uri"], root / "input/data" / channel["ChannelName"])
        self._download(f"{job.request['CheckpointConfig']['S3Uri']}/", root / "checkpoints")
        job.sent = {path: _stamp(path) for path in _files(root / "checkpoints")}
        (root / "input/config").mkdir(parents=True)
        (root / "input/config/hyperparameters.json").write_text(json.dumps(job.request["HyperParameters"]))
        if job.status == "Stopping":
            return 0
        stream = f"{job.name}/algo-1-{job.machines}"
        self._logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
        job.phase = "Training"
        job.child = Child(
            job.name,
            [sys.executable, "-m", "twin.training.program.sagemaker"],
            env={
                "SM_ROOT": str(root),
                "COMET_API_KEY": "",
                "COMET_URL_OVERRIDE": "",
                **job.request.get("Environment", {}),
            },
            on_line=lambda line: self._say(stream, line),
            grace=120,
        )
        while job.child.poll() is None:
            self._send_checkpoints(job, root)
            time.sleep(SYNC_SECONDS)
        code = job.child.wait()
        if job.phase != "Interrupted":
            self._send_checkpoints(job, root)
        return code

    def _end(self, job: Job, code: int) -> None:
        root = job.folder / f"machine-{job.machines}"
        if job.status == "Stopping":
            job.phase = job.status = "Stopped"
            return
        if code != 0:
            failure = root / "output/failure"
            job.reason = f"AlgorithmError: {failure.read_text() if failure.exists() else ''}, exit code: {code}"
            job.phase = job.status = "Failed"
            return
        job.phase = "Uploading"
        for path in _files(root / "model"):
            self._send(path, f"{job.output}/model/{path.relative_to(root / 'model').as_posix()}")
        job.phase = job.status = "Completed"
        shutil.rmtree(root)

    def _send_checkpoints(self, job: Job, root: Path) -> None:
        for path in _files(root / "checkpoints"):
            with contextlib.suppress(FileNotFoundError):  # rotated away
                stamp = _stamp(path)
                if job.sent.get(path) != stamp:
                    name = path.relative_to(root / "checkpoints").as_posix()
                    self._send(path, f"{job.request['CheckpointConfig']['S3Uri']}/{name}")
                    job.sent[path] = stamp

    def _send(self, path: Path, url: str) -> None:
        place = urlsplit(url)
        self._s3.upload_file(str(path), place.netloc, place.path.lstrip("/"))

    def _download(self, url: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        place = urlsplit(url)
        prefix = place.path.lstrip("/")
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=prefix):
            for entry in page.get("Contents", ()):
                target = folder / entry["Key"].removeprefix(prefix)
                target.parent.mkdir(parents=True, exist_ok=True)
                self._s3.download_file(place.netloc, entry["Key"], str(target))

    def _say(self, stream: str, line: str) -> None:
        if line:
            events = [{"timestamp": round(time.time() * 1000), "message": line}]
            self._logs.put_log_events(logGroupName=LOG_GROUP, logStreamName=stream, logEvents=events)


class Running(NamedTuple):
    """A double that runs."""

    plane: ControlPlane
    env: dict[str, str]
    """The variables that lead to it."""


@contextlib.contextmanager
def running(folder: Path) -> Generator[Running]:
    """A control plane, S3 and Logs that run for the length of a block."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    others = "http://{}:{}".format(*moto.get_host_and_port())
    httpx.post(f"{others}/moto-api/reset")  # its state belongs to the process
    plane = ControlPlane(folder, others)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(plane))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ours = f"http://127.0.0.1:{server.server_address[1]}"
    env = {
        **_KEYS,
        "AWS_ENDPOINT_URL": others,
        "AWS_ENDPOINT_URL_SAGEMAKER": ours,
        "AWS_ENDPOINT_URL_SERVICE_QUOTAS": ours,
        "SAGEMAKER_VALIDATE_ROLE": "false",
        "SAGEMAKER_ROLE": ROLE,
        "SAGEMAKER_TRAINING_IMAGE": IMAGE,
        "SAGEMAKER_BUCKET": f"s3://{BUCKET}/twin",
        "SAGEMAKER_POLL_SECONDS": "0.2",
        "TRAINING_PLACE": "sagemaker",
    }
    try:
        yield Running(plane, env)
    finally:
        plane.close()
        server.shutdown()
        moto.stop()


_KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


def _client(service: str, url: str) -> Any:
    session: Any = boto3.Session("testing", "testing", region_name=REGION)
    return session.client(service, endpoint_url=url)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _handler(plane: ControlPlane) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            try:
                status, answer = 200, plane.answer(self.headers["X-Amz-Target"].rpartition(".")[2], given)
            except Refused as error:
                status, answer = 400, {"__type": error.code, "message": str(error)}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def main() -> None:
    """Runs until Ctrl-C."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as double:
        print("\n".join(f"export {name}={value}" for name, value in double.env.items()), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
