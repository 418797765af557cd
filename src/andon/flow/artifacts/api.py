"""The API of artifacts."""

from __future__ import annotations

import re
from typing import Annotated

from litestar.params import Parameter
from litestar.response import File

from andon.flow.artifacts.contract import Artifact, ArtifactMissing, Digest
from andon.flow.artifacts.service import ArtifactService
from andon.flow.artifacts.views import ArtifactList, ArtifactShape
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.db import Reading
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_Limit = Annotated[int, Parameter(ge=1, le=100)]


def artifact_routes(artifacts: ArtifactService) -> Handlers:
    def seen(reading: Reading, principal: Principal, digest: str) -> Artifact:
        """Two services may have published the same bytes: whoever may see one of them may see these."""
        known = artifacts.publications(reading, digest) if _DIGEST.fullmatch(digest) else ()
        found = next((one for one in known if principal.may(Permission.READ, one.service)), None)
        if found is None:
            raise ArtifactMissing("There is no such package that you may see.", remedy="List them: andon artifacts")
        return found

    @api.get("/artifacts")
    def list_artifacts(
        call: Call,
        service: str | None = None,
        commit: str | None = None,
        before: str | None = None,
        limit: _Limit = 20,
    ) -> ArtifactList:
        """Packages, newest first; `before` is `next` of the page before."""
        call.principal.require_reading()
        if service is not None:
            call.principal.require_sight(service)
        with call.database.reading() as reading:
            found = artifacts.list(
                reading,
                services=call.principal.visible_services(),
                service=None if service is None else Service(service),
                commit=commit,
                before=before,
                limit=limit + 1,
            )
        shown = found[:limit]
        return ArtifactList(
            artifacts=[ArtifactShape.of(one) for one in shown], next=shown[-1].run if len(found) > limit else None
        )

    @api.get("/artifacts/{digest:str}")
    def show_artifact(call: Call, digest: str) -> ArtifactShape:
        """A package by its digest (at least eight characters): from what, by what and how it was built."""
        with call.database.reading() as reading:
            return ArtifactShape.of(seen(reading, call.principal, digest))

    @api.get("/artifacts/{digest:str}/content", media_type="application/gzip")
    def download_artifact(call: Call, digest: str) -> File:
        """The package's bytes, a gzip-compressed tar file whose SHA-256 is the digest."""
        with call.database.reading() as reading:
            found = seen(reading, call.principal, digest)
        return File(
            path=artifacts.file(Digest(found.digest)),
            filename=f"{found.service}-{found.commit[:12]}.tar.gz",
            media_type="application/gzip",
            content_disposition_type="attachment",
        )

    return [list_artifacts, show_artifact, download_artifact]
