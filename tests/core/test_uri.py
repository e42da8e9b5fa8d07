"""URIs are read as RFC 3986 has them, and no error repeats a secret."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kms_core
from kms_core._config.uri import parse_uri

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("uri", "name", "parameters"),
    [
        ("kms://cluster-kms", "cluster-kms", {}),
        ("kms://local?keyFile=/etc/kek.toml", "local", {"keyFile": "/etc/kek.toml"}),
        ("kms://local/?keyFile=a%20b", "local", {"keyFile": "a b"}),
        ("kms://aws?accessKey=ab+cd%2F%252F&r=x", "aws", {"accessKey": "ab+cd/%2F", "r": "x"}),
        ("kms://cluster-kms?key=AAA%3D&salt=AA==", "cluster-kms", {"key": "AAA=", "salt": "AA=="}),
        ("kms://a-b2-c?x=%C3%A9", "a-b2-c", {"x": "é"}),
    ],
)
def test_well_formed(uri: str, name: str, parameters: dict[str, str]) -> None:
    assert parse_uri(uri, "kms") == (name, parameters)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        SECRET,
        f"kms:{SECRET}",
        f"kms:///{SECRET}",
        f"storage://local?key={SECRET}",
        f"KMS://local?key={SECRET}",
        f"kms://{SECRET}@local",
        f"kms://user:{SECRET}@local",
        f"kms://local:{SECRET}",
        f"kms://[{SECRET}",
        f"kms://local/{SECRET}",
        f"kms://local?key={SECRET}#{SECRET}",
        "kms://local?key=a#",
        f"kms://local?{SECRET}",
        f"kms://local?={SECRET}",
        f"kms://local?key={SECRET}&",
        f"kms://local?key={SECRET}&key={SECRET}",
        f"kms://local?key={SECRET}&%6bey=x",
        f"kms://local?key=%zz{SECRET}",
        f"kms://local?key={SECRET}%",
        f"kms://local?key={SECRET}%ff",
        f"kms://local?key={SECRET} ",
        f"kms://local?key={SECRET}\n",
        "kms://local?key=",
        f"kms://local?key={SECRET}+{SECRET}",
        f"kms://local?{SECRET}+=x",
        "kms://LOCAL?key=x",
        "kms://-local",
    ],
)
def test_malformed(uri: str) -> None:
    with pytest.raises(kms_core.ConfigError) as caught:
        parse_uri(uri, "kms")
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "name"),
    [
        ("kms", "azure"),
        ("kms", "gcp"),
        ("storage", "aws"),
        ("storage", "azure"),
        ("storage", "gcp"),
    ],
)
def test_a_plus_is_refused_where_constellation_writes_one_for_a_space(
    scheme: str, name: str
) -> None:
    with pytest.raises(kms_core.ConfigError, match="write %2B for a plus, %20 for a space"):
        parse_uri(f"{scheme}://{name}?clientSecret=a+b", scheme)
    assert parse_uri(f"{scheme}://{name}?x=a%2Bb%20c", scheme) == (name, {"x": "a+b c"})


text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(text, text))
def test_what_is_escaped_comes_back(parameters: dict[str, str]) -> None:
    query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in parameters.items())
    uri = f"kms://x?{query}" if query else "kms://x"
    assert parse_uri(uri, "kms") == ("x", parameters)


@given(st.text() | st.text().map("kms://{}".format) | st.text().map("kms://local?{}".format))
def test_any_text_is_read_or_refused(uri: str) -> None:
    with suppress(kms_core.ConfigError):
        parse_uri(uri, "kms")


@given(st.text().map("kms://local?{}".format) | st.text().map("kms://cluster-kms?key={}".format))
def test_opening_any_uri_gives_nothing_but_a_kms_error(uri: str) -> None:
    with pytest.raises(kms_core.KmsError):
        kms_core.open_kms(uri, "storage://no-store")
