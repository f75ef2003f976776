"""Comet's model registry, or the console's stand-in for it; only the URL differs.

Writing goes through the `comet_ml` SDK. Reading goes straight to the REST endpoints that the SDK itself reads from,
because importing the SDK takes 2 to 4 s and a sensor asks every half minute.

What a review is, in Comet's terms: the version is registered with the status `Development` and a *status configuration*
`{"status": "Production", "is_review_required": true}`, which is a request to a person. Their decision shows in the
version's history (`MODEL_VERSION_STATUS_REQUEST_...`) and in its status. On Comet a person decides on the registry's
page; locally, on the console's review page (`twin.registry.review`).
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from twin import http_clients
from twin.errors import NotAuthorized, RegistryUnavailable, UnknownName
from twin.records import ModelVersion
from twin.registry.contract import DEVELOPMENT, PRODUCTION, version_key
from twin.registry.experiments import REACH_SECONDS, experiment, reachable, root_of, unreachable
from twin.registry.history import Happening, about_production, at_comet, decisions_in, happenings
from twin.registry.manifests import MANIFEST_FILE, decode, encode, is_same_base, manifest_fingerprint, numbers
from twin.registry.policy import ONE_APPROVAL, Policy, Standing, standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twin.registry.signatures import ReviewKey

__all__ = ["CometRegistry"]

READ_SECONDS = 10.0
REGISTER_SECONDS = 60.0
READERS = 8
REVIEW_REQUEST: dict[str, Any] = {
    "status": PRODUCTION,
    "is_review_required": True,
    "status_configuration_items": [],
    "comment": "Registered by the pipeline; a person decides.",
}


class CometRegistry:
    """A model registry at Comet. `url` is what COMET_URL_OVERRIDE would be; making one connects to nothing.

    Without a workspace it is the key's own default one. With a `review_key` a decision counts only when it was signed
    with that key: this is for the console's stand-in. On Comet itself its own accounts say who may decide, and each
    decision there is one vote of the account's owner. How many votes an approval takes is the `policy`'s.

    Every method raises RegistryUnavailable when the registry does not answer, NotAuthorized when it refuses the key.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        workspace: str | None = None,
        *,
        project: str = "llm-twin",
        review_key: ReviewKey | None = None,
        policy: Policy = ONE_APPROVAL,
    ) -> None:
        self.url = url
        self._workspace = workspace
        self.project = project
        self._api_key = api_key
        self._http = http_clients.client(
            self.url,
            base_url=root_of(self.url) + "/api/rest/v2/",
            headers={"Authorization": api_key},
            timeout=httpx.Timeout(READ_SECONDS, connect=REACH_SECONDS),
            follow_redirects=True,
        )
        self._review_key = review_key
        self._policy = policy
        self._manifests: dict[tuple[str, str], bytes] = {}

    @property
    def workspace(self) -> str:
        """The workspace that owns the registry; asked for once where it was not given."""
        if self._workspace is None:
            self._workspace = str(self._call("GET", "account-details").json()["defaultWorkspaceName"])
        return self._workspace

    def register(self, name: str, manifest: dict[str, Any]) -> ModelVersion:
        """The version of this manifest: the existing one, or a new one at `Development` whose review is requested.

        Manifests with equal IDENTITY_KEYS are of the same version.

        Raises:
            InputError: The manifest is not JSON or not small.
        """
        content = encode(manifest)
        fingerprint_tag = f"manifest-{manifest_fingerprint(manifest)[:16]}"
        if not reachable(self.url):
            raise RegistryUnavailable(unreachable(self.url) + " Nothing was registered.")
        existing = self._list(name, tag=fingerprint_tag)
        if existing:
            return self._with_review(name, existing[0])
        versions = self._list(name)
        newest = decode(self._manifest(name, versions[0])) if versions else {}
        version = next_version(versions, same_base=is_same_base(newest, manifest))
        self._register(name, version, manifest, content, fingerprint_tag)
        if version not in self._list(name, tag=fingerprint_tag):
            raise RegistryUnavailable(
                f"Version {version} of {name!r} did not arrive in the registry at {self.url}. "
                "Look at the messages of COMET above, and run this step again."
            )
        return self._with_review(name, version)

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions, newest first; none for a model that nobody registered."""
        versions = self._list(name)
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(lambda version: self.get(name, version), versions))

    def get(self, name: str, version: str) -> ModelVersion:
        """One version.

        Raises:
            UnknownName: There is no such version.
        """
        details = self._get("registry-model/item/details", modelName=name, version=version)
        manifest = self._manifest(name, version)
        review = self._review(name, version, details, manifest)
        return ModelVersion(
            name=name,
            version=version,
            status=details["status"],
            tags=details["tags"],
            review=review.state,
            approved_by=list(review.approved_by),
            waived=review.waived,
            manifest=decode(manifest),
            created_at=datetime.fromtimestamp(details["createdAt"] / 1_000, UTC),
        )

    def in_production(self, name: str) -> list[ModelVersion]:
        """The versions whose status is Production, newest first, also those that no verified approval stands behind."""
        return [self.get(name, version) for version in self._list(name, status=PRODUCTION)]

    def approved(self, name: str) -> ModelVersion | None:
        """The newest version in Production that is approved, or None."""
        return next((version for version in self.in_production(name) if version.review == "approved"), None)

    def history(self, name: str, version: str) -> list[Happening]:
        """What happened to a version, the oldest first: comparisons, votes, statuses. Raises UnknownName."""
        return happenings(self._events(self._item(name, version)))

    def tag(self, name: str, version: str, tag: str) -> None:
        """Gives a version a tag; nothing changes when it has it. Raises UnknownName."""
        self._tag("stage", name, version, tag)

    def untag(self, name: str, version: str, tag: str) -> None:
        """Takes a tag from a version, if it has it. Raises UnknownName."""
        self._tag("stage/delete", name, version, tag)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _register(self, name: str, version: str, manifest: Mapping[str, Any], content: bytes, tag: str) -> None:
        run = experiment(
            f"register {name} {version}",
            url=self.url,
            api_key=self._api_key,
            workspace=self.workspace,
            project=self.project,
        )
        with tempfile.TemporaryDirectory() as folder, run as logged:
            file = Path(folder) / MANIFEST_FILE
            file.write_bytes(content)
            logged.log_parameters(manifest.get("hyperparameters") or {})
            logged.log_metrics(numbers(manifest.get("scores") or {}))
            logged.log_model(name, str(file), file_name=MANIFEST_FILE)
            logged.register_model(
                name,
                version=version,
                tags=[tag],
                status=DEVELOPMENT,
                status_configuration=REVIEW_REQUEST,
                sync=True,
                timeout=REGISTER_SECONDS,
            )

    def _tag(self, endpoint: str, name: str, version: str, tag: str) -> None:
        params = {"modelItemId": self._item(name, version), "stage": tag}
        self._call("GET", f"write/registry-model/item/{endpoint}", params=params)

    def _item(self, name: str, version: str) -> str:
        details = self._get("registry-model/item/details", modelName=name, version=version)
        return str(details["registryModelItemId"])

    def _with_review(self, name: str, version: str) -> ModelVersion:
        """The version, its review requested even where the process that registered it died before asking."""
        found = self.get(name, version)
        if found.review != "none" or found.status != DEVELOPMENT:
            return found
        request = {"status": PRODUCTION, "isReviewRequired": True, "statusConfiguration": []}
        where = f"write/registry-model/item/{self._item(name, version)}/status-configuration"
        self._call("POST", where, json=request)
        return self.get(name, version)

    def _review(self, name: str, version: str, details: Mapping[str, Any], manifest: bytes) -> Standing:
        events = self._events(details["registryModelItemId"])
        about = about_production(events)
        if self._review_key is None:
            return at_comet(about, details["status"], self._policy)
        try:
            decisions = decisions_in(events)
        except msgspec.ValidationError:
            return Standing(state="unverified")
        return standing(
            self._review_key,
            policy=self._policy,
            name=name,
            version=version,
            status=details["status"],
            manifest=manifest,
            requested=bool(about),
            decisions=decisions,
        )

    def _events(self, item: str) -> list[dict[str, Any]]:
        """What happened to a version, the newest first."""
        body = {"registryModelItemId": item, "groupedBy": "DAY"}
        days = self._call("POST", "registry-model/history/item", json=body).json()
        return list(chain.from_iterable(days.values()))

    def _manifest(self, name: str, version: str) -> bytes:
        """The manifest's file; nothing where there is none. One that signatures are compared with is read each time."""
        known = self._manifests.get((name, version))
        if known is not None and self._review_key is None:
            return known
        files = self._get("registry-model/item/download-instructions", modelName=name, version=version)
        for file in files["versions"][0]["assets"]:
            if file["fileName"] == MANIFEST_FILE:
                wanted = {"experimentKey": file["experimentKey"], "assetId": file["assetId"]}
                content = self._call("GET", "experiment/asset/get-asset", params=wanted).content
                self._manifests[name, version] = content
                return content
        return b""

    def _list(self, name: str, **only: str) -> list[str]:
        """Version strings, newest first."""
        try:
            items = self._get("registry-model/items", modelName=name, versionPrefix="", **only)["items"]
        except UnknownName:
            return []
        return sorted((item["version"] for item in items), key=version_key, reverse=True)

    def _get(self, endpoint: str, **params: str) -> dict[str, Any]:
        return self._call("GET", endpoint, params={"workspaceName": self.workspace, **params}).json()

    def _call(self, method: str, endpoint: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, endpoint, **request)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(unreachable(self.url), detail=f"{endpoint}: {error!r}") from error
        if response.is_success:
            return response
        message = message_of(response)
        if response.status_code in (401, 403):
            raise NotAuthorized(f"The model registry at {self.url} refuses the key: {message} See COMET_API_KEY.")
        if response.status_code in (400, 404):
            raise UnknownName(message)
        raise RegistryUnavailable(f"The model registry at {self.url} failed: {message} Try again later.")


def next_version(versions: list[str], *, same_base: bool = True) -> str:
    """The version after the newest (first) one: the next minor, or the next major for another base model."""
    if not versions:
        return "1.0.0"
    major, minor, _ = version_key(versions[0])
    return f"{major}.{minor + 1}.0" if same_base else f"{major + 1}.0.0"


def message_of(response: httpx.Response) -> str:
    """What the server says went wrong."""
    try:
        body = response.json()
        return str(body.get("msg") or body["message"])
    except (ValueError, AttributeError, KeyError):
        return f"HTTP {response.status_code}."
