"""No parameter answers a mistake with a pattern, which few can read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args, get_type_hints

import msgspec
import pytest

from kms_aws.config import AwsKekConfig, AwsStorageConfig
from kms_azure.config import AzureKekConfig, AzureStorageConfig
from kms_core.backend import BackendConfig
from kms_gcp.config import GcpKekConfig, GcpStorageConfig

CONFIGS = [
    *(AwsKekConfig, AwsStorageConfig, AzureKekConfig, AzureStorageConfig),
    *(GcpKekConfig, GcpStorageConfig),
]


def constraints(hint: object) -> Iterator[msgspec.Meta]:
    for part in get_args(hint):
        if isinstance(part, msgspec.Meta):
            yield part
        yield from constraints(part)


@pytest.mark.parametrize("config", CONFIGS)
def test_each_pattern_has_words(config: type[BackendConfig]) -> None:
    hints = get_type_hints(config, include_extras=True)
    found = {name: [*constraints(hint)] for name, hint in hints.items()}
    patterns = {name for name, metas in found.items() for meta in metas if meta.pattern}
    assert patterns
    assert [n for n in patterns if not any(meta.description for meta in found[n])] == []
