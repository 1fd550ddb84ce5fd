"""What is checked, and decided once, before anything costly begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from ihaudit import environment, registry
from ihaudit.audit import config
from ihaudit.audit.folder import output_folder
from ihaudit.audit.options import RunOptions
from ihaudit.audit.profiles import Profile, get_profile
from ihaudit.audit.progress import Reporter
from ihaudit.audit.seal import secret_file, user_secret
from ihaudit.audit.store import NETWORKS, FolderStore
from ihaudit.contracts.context import Context
from ihaudit.engines.parts import cluster
from ihaudit.errors import UsageError
from ihaudit.report.formats import pdf
from ihaudit.results import Environment


@dataclass(frozen=True)
class Setup:
    """Where a run works, and with what.

    Attributes:
        options: as given.
        profile: the cost preset.
        folder: of results and reports.
        finished: it holds a complete audit that --resume asks to go on with.
        started: when the run began.
    """

    options: RunOptions
    profile: Profile
    folder: Path
    finished: bool
    started: datetime

    @cached_property
    def device(self) -> str:
        """``cpu`` or ``cuda``; asking loads torch, where the options leave it open."""
        return environment.resolve_device(self.options.device)

    def confirm(self) -> None:
        """Check what loads large libraries to be checked: the device, a cluster, and the formats of reports.

        Raises:
            UsageError: a device that is not there, a scheduler that does not answer, an unknown format, or one whose
                libraries are missing.
        """
        for format_ in self.options.formats:
            registry.get("format", format_)
        if "pdf" in self.options.formats and (problem := pdf.check()):
            raise UsageError(f"{problem}; or leave the PDF out with --format html")
        if self.options.scheduler is not None:
            with cluster(self.options.scheduler):
                pass
        assert self.device

    def context(self, reporter: Reporter) -> Context:
        """The context that those of attacks, games and scoring are children of."""
        return Context(
            seed=self.options.seed,
            device=self.device,
            profile=self.profile.name,
            progress=reporter.update,
            options=self.options.training(),
            store=FolderStore(self.folder / NETWORKS),
            scheduler=self.options.scheduler,
        )

    def hidden(self) -> list[Path]:
        """What a scheme may not read: this run's folder, earlier reports, and the file that may hold the seed."""
        return [self.folder, *hidden()]

    def environment(self) -> Environment:
        """What is needed to repeat the run, which has come to its end."""
        from ihaudit.nn.weights import digests

        env = environment.describe(self.device, self.options.command, self.started.isoformat(timespec="seconds"))
        env.finished, env.weights = datetime.now(UTC).isoformat(timespec="seconds"), digests()
        return env


def hidden() -> list[Path]:
    """What no scheme may read, whatever is run: earlier reports, what seals them, and a file with a seed."""
    user_secret()  # drawn before any scheme runs, so that there is a folder to hide
    found = config.find(Path.cwd())
    return [p for p in (Path("reports"), secret_file().parent, found and found[0]) if p and p.exists()]


def prepare(options: RunOptions, name: str) -> Setup:
    """Check what can be checked at once; `name` is that of the folder where --out is not given.

    Raises:
        UsageError: an unknown profile, device or price, or a folder that holds what must not be replaced.
    """
    started = datetime.now(UTC)
    profile = get_profile(options.profile)
    environment.check_device(options.device)
    options.prices()
    folder, finished = output_folder(options, name)
    return Setup(options, profile, folder, finished, started)
