"""Plugins as strangers write them: a good one, and the same with one mistake each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GOOD_KEK = """\
from kms_core import KekInfo
from kms_core.backend import KekSpec, WrappedDek, hookimpl
from kms_core.backend import BackendConfig


class Plugin(KekSpec):
    class Config(BackendConfig):
        pass

    def __init__(self, config):
        pass

    @hookimpl
    def wrap_dek(self, dek, context):
        return WrappedDek(dek[::-1], "mirror", "1", "backwards")

    @hookimpl
    def unwrap_dek(self, wrapped, context):
        return wrapped.ciphertext[::-1]

    @hookimpl
    def describe_kek(self):
        return KekInfo("mirror", "1", "backwards")

    @hookimpl
    def close(self):
        pass
"""

GOOD_STORAGE = """\
from kms_core.builtin.memory import MemoryStorage
from kms_core.backend import hookimpl


class Plugin(MemoryStorage):
    @hookimpl
    def load_record(self, dek_id):
        return super().load_record(dek_id)
"""


@dataclass(frozen=True)
class Stranger:
    """A plugin, what core must raise when it is used, and what the message must say.

    The plugin is the good one with one text replaced; replacing nothing adds to the top.
    """

    name: str
    error: str
    says: tuple[str, ...]
    replace: str = ""
    by: str = ""
    group: str = "kms.kek"
    attribute: str = "Plugin"
    requires: tuple[str, ...] = ()

    @property
    def distribution(self) -> str:
        return f"stranger-{self.name}"

    @property
    def source(self) -> str:
        good = GOOD_STORAGE if self.group == "kms.storage" else GOOD_KEK
        assert self.replace in good, f"{self.name}: nothing to replace"
        return good.replace(self.replace, self.by, 1)

    def install(self, site: Path) -> None:
        """Lay out what an installer would, so that importlib.metadata finds a real distribution."""
        module = self.distribution.replace("-", "_")
        (site / f"{module}.py").write_text(self.source)
        metadata = site / f"{module}-7.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {self.distribution}\nVersion: 7.0\n"
            + "".join(f"Requires-Dist: {requirement}\n" for requirement in self.requires)
        )
        (metadata / "entry_points.txt").write_text(
            f"[{self.group}]\n{self.name} = {module}:{self.attribute}\n"
        )


REPORT = "report it to the plugin's author"
REINSTALL = "pip install --force-reinstall"
WRAP = "    @hookimpl\n    def wrap_dek(self, dek, context):\n"

CONTRACT_BREAKERS = [
    Stranger(
        "drops-context",
        "BackendContractError",
        ("wrap_dek leaves out context", REPORT),
        "def wrap_dek(self, dek, context)",
        "def wrap_dek(self, dek)",
    ),
    Stranger(
        "defaults-context",
        "BackendContractError",
        ("wrap_dek leaves out context", REPORT),
        "def wrap_dek(self, dek, context)",
        "def wrap_dek(self, dek, context=None)",
    ),
    Stranger(
        "wants-more",
        "BackendContractError",
        ("wrap_dek", "'region'", REPORT),
        "def wrap_dek(self, dek, context)",
        "def wrap_dek(self, dek, context, region)",
    ),
    Stranger(
        "forgets-mark",
        "BackendContractError",
        ("unwrap_dek lacks the @hookimpl decorator", REPORT),
        "@hookimpl\n    def unwrap_dek",
        "def unwrap_dek",
    ),
    Stranger(
        "lacks-hook",
        "BackendContractError",
        ("does not implement describe_kek", REPORT),
        "@hookimpl\n    def describe_kek",
        "def _describe",
    ),
    Stranger(
        "misspells",
        "BackendContractError",
        ("unwarp_dek", REPORT),
        "    @hookimpl\n    def close",
        "    @hookimpl\n    def unwarp_dek(self, wrapped, context):\n        return b''\n\n"
        "    @hookimpl\n    def close",
    ),
    Stranger(
        "wraps-the-call",
        "BackendContractError",
        ("wrap_dek is a wrapper", REPORT),
        f"{WRAP}        return WrappedDek",
        f"{WRAP.replace('hookimpl', 'hookimpl(wrapper=True)')}        yield WrappedDek",
    ),
    Stranger(
        "listens-in",
        "BackendContractError",
        ("wrap_dek", REPORT),
        "    @hookimpl\n    def close",
        '    @hookimpl(wrapper=True, specname="wrap_dek")\n    def spy(self, dek, context):\n'
        "        return (yield)\n\n"
        "    @hookimpl\n    def close",
    ),
    Stranger(
        "answers-twice",
        "BackendContractError",
        ("wrap_dek", REPORT),
        "    @hookimpl\n    def close",
        '    @hookimpl(specname="wrap_dek")\n    def again(self, dek, context):\n'
        '        return WrappedDek(dek, "mirror", "1", "none")\n\n'
        "    @hookimpl\n    def close",
    ),
    Stranger(
        "has-no-config",
        "BackendContractError",
        ("has no Config", REPORT),
        "    class Config(BackendConfig):\n        pass\n",
    ),
    Stranger(
        "fails-to-open",
        "BackendContractError",
        ("raised RuntimeError when opened", REPORT),
        "__init__(self, config):\n        pass",
        "__init__(self, config):\n        raise RuntimeError('the service said no')",
    ),
    Stranger(
        "wraps-to-none",
        "BackendContractError",
        ("wrap_dek returned NoneType instead of WrappedDek", REPORT),
        'return WrappedDek(dek[::-1], "mirror", "1", "backwards")',
        "pass",
    ),
    Stranger(
        "loads-none",
        "BackendContractError",
        ("load_record returned NoneType instead of StoredRecord", REPORT),
        "return super().load_record(dek_id)",
        "pass",
        group="kms.storage",
    ),
    Stranger(
        "fails-to-close",
        "BackendContractError",
        ("raised RuntimeError, which is not a KmsError", REPORT),
        "    def close(self):\n        pass",
        "    def close(self):\n        raise RuntimeError('the line is dead')",
    ),
    Stranger(
        "fails-in-its-config",
        "BackendContractError",
        ("RuntimeError", REPORT),
        "    class Config(BackendConfig):\n        pass",
        "    class Config(BackendConfig):\n"
        "        def __post_init__(self):\n"
        "            raise RuntimeError('the profile is missing')",
    ),
    Stranger(
        "leaks-its-own-error",
        "BackendContractError",
        ("raised LookupError, which is not a KmsError", REPORT),
        'return WrappedDek(dek[::-1], "mirror", "1", "backwards")',
        "raise LookupError(dek.hex())",
    ),
]


def _at_import(name: str, statement: str, says: str) -> Stranger:
    return Stranger(name, "BackendLoadError", (says, REINSTALL), by=f"{statement}\n")


UNLOADABLE = [
    _at_import("raises", "raise OSError('bad day')", "OSError: bad day"),
    _at_import("asserts", "assert False", "AssertionError"),
    _at_import("exits", "raise SystemExit(3)", "SystemExit"),
    _at_import("is-no-python", "def def", "SyntaxError"),
    _at_import("lacks-its-sdk", "import vendor_sdk", "No module named 'vendor_sdk'"),
    Stranger("names-nothing", "BackendLoadError", ("Gone", REINSTALL), attribute="Gone"),
    Stranger(
        "names-a-function", "BackendLoadError", ("not a class", REINSTALL), attribute="hookimpl"
    ),
]


def _made_for(name: str, requirement: str, says: str) -> Stranger:
    """It fails when it is imported, which it must not be."""
    cure = f"run: pip install --upgrade stranger-{name} kms-core"
    return Stranger(
        name,
        "BackendVersionError",
        (f"it was made for kms-core{says}, and this is kms-core ", cure),
        by="raise SystemExit(4)\n",
        requires=("pluggy>=1", requirement),
    )


OF_ANOTHER_TIME = [
    _made_for("of-yesterday", "kms-core<0.1,>=0.0.3", "<0.1,>=0.0.3"),
    _made_for("of-tomorrow", "KMS_Core[aws]>=97; python_version >= '3'", ">=97"),
]

FINE = Stranger(
    "fine",
    "",
    (),
    requires=("kms-core<1,>=0.1", "kms-core[testing]<0.1; extra == 'test'", "not / a requirement"),
)


@dataclass(frozen=True)
class Twin(Stranger):
    """A second distribution that claims the name of the first."""

    @property
    def distribution(self) -> str:
        return f"other-{self.name}"


CLAIMED_TWICE = Stranger(
    "claimed-twice",
    "BackendAmbiguousError",
    ("stranger-claimed-twice 7.0", "other-claimed-twice 7.0", "uninstall all but one"),
)
TWIN = Twin(CLAIMED_TWICE.name, CLAIMED_TWICE.error, CLAIMED_TWICE.says)
