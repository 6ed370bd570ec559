"""Numbered, forward-only migrations: ``migrations/NNNN_verb_noun.sql``, each applied once and never edited.

A statement ends with a semicolon at the end of a line and must be repeatable (``IF NOT EXISTS``), since a
migration that was cut short is run again from its beginning.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from spanwise_collector.errors import Conflict
from spanwise_collector.store.connection import Engine
from spanwise_collector.store.statements import statement, without_comments

_NAME = re.compile(r"^(?P<version>\d{4})_(?P<name>[a-z]+(?:_[a-z0-9]+)+)\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name and its text."""

    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """The checksum of the file as it is."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self, *, is_replicated: bool, is_embedded: bool = False) -> list[str]:
        """Split into statements, with what depends on the engine filled in."""
        source = Template(without_comments(self.text)).substitute(
            replicated="Replicated" if is_replicated else "",
            # See the configuration in ``embedded``; a server of someone else's has LZ4 as its default.
            text_codec="Default" if is_embedded else "ZSTD(3)",
        )
        return [part.strip() for part in re.split(r";[ \t]*(?:\n|$)", source) if part.strip()]


def read_migrations() -> list[Migration]:
    """Read the folder, in order.

    Raises:
        Conflict: A file's name is not ``NNNN_verb_noun.sql``, or a number occurs twice.
    """
    found: dict[int, Migration] = {}
    entries = files(__package__).joinpath("migrations").iterdir()
    for entry in sorted(entries, key=lambda item: item.name):
        if not entry.name.endswith(".sql"):
            continue
        match = _NAME.match(entry.name)
        if match is None:
            raise Conflict(f"migration {entry.name} is not named NNNN_verb_noun.sql", fix="rename the file")
        version = int(match["version"])
        if version in found:
            raise Conflict(
                f"migrations {found[version].name} and {match['name']} share the number {version}",
                fix="give the newer one the next number",
            )
        found[version] = Migration(version, match["name"], entry.read_text("utf-8"))
    return list(found.values())


def migrate(engine: Engine, migrations: list[Migration] | None = None) -> list[int]:
    """Apply what is missing and return its numbers.

    Raises:
        Conflict: An applied migration's file has changed, or the database is newer than this program.
        Unavailable: The engine failed; what was applied stays applied and the rest is tried again next time.
    """
    wanted = read_migrations() if migrations is None else migrations
    engine.command(statement("create_schema_migrations").text(replicated=_prefix(engine)), "migrate")
    applied = {
        version: (name, sha256) for version, name, sha256 in engine.read(statement("applied_migrations"), {})
    }
    _check_applied(wanted, applied)
    missing = [migration for migration in wanted if migration.version not in applied]
    for migration in missing:
        for text in migration.statements(
            is_replicated=engine.settings.is_replicated, is_embedded=engine.connections.is_embedded
        ):
            engine.command(text, "migrate")
        engine.write(
            statement("record_migration"),
            {"version": migration.version, "name": migration.name, "sha256": migration.sha256},
        )
    return [migration.version for migration in missing]


def _prefix(engine: Engine) -> str:
    return "Replicated" if engine.settings.is_replicated else ""


def _check_applied(wanted: list[Migration], applied: dict[int, tuple[str, str]]) -> None:
    known = {migration.version: migration for migration in wanted}
    for version, (name, sha256) in applied.items():
        if version not in known:
            raise Conflict(
                f"the database has migration {version:04d}_{name}, which this version does not know",
                fix="upgrade spanwise to at least the version that wrote this database",
            )
        if known[version].sha256 != sha256:
            raise Conflict(
                f"migration {version:04d}_{name} was changed after it was applied",
                fix="restore the file and put the change into a new migration",
            )
