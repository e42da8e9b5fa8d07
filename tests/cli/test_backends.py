from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.running import Done, Kms, install, run_command


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of plugins that are broken in different ways, and one that is not."""
    site = tmp_path / "site"
    good = "from kms_core.builtin.local.kek import LocalKek as Good\n"
    install(site, "good", "[kms.kek]\ngood = good_mod:Good\n", good_mod=good)
    install(site, "gone", "[kms.kek]\ngone = gone_mod:Kek\n")
    install(
        site,
        "raises",
        "[kms.kek]\nraises = raises_mod:Kek\n",
        raises_mod="open(__file__ + '.imported', 'w').close()\nraise RuntimeError('at\\nimport')\n",
    )
    install(site, "exits", "[kms.kek]\nexits = exits_mod:Kek\n", exits_mod="raise SystemExit(0)\n")
    install(site, "lacks", "[kms.kek]\nlacks = good_mod:Missing\n")
    install(
        site,
        "careless",
        "[kms.storage]\ncareless = careless_mod:Store\n",
        careless_mod="class Store:\n    pass\n",
    )
    install(
        site,
        "odd-config",
        "[kms.kek]\nodd-config = odd_config_mod:Kek\n",
        odd_config_mod=f"{good}class Kek(Good):\n    Config = dict\n",
    )
    install(site, "twin-one", "[kms.kek]\ntwin = good_mod:Good\n")
    install(site, "twin-two", "[kms.kek]\ntwin = good_mod:Good\n")
    install(site, "yesterday", "[kms.kek]\nyesterday = raises_mod:Kek\n")
    with (site / "yesterday-7.dist-info" / "METADATA").open("a") as metadata:
        metadata.write("Requires-Dist: kms-core<0.1\n")
    install(site, "unreadable", "[kms.kek]\nunreadable = 1 2 3\n")
    return site


def table(done: Done) -> dict[tuple[str, str], str]:
    header, *lines = done.output.splitlines()
    columns = [match.start() for match in re.finditer(r"\S+", header)]
    assert header.split() == ["BACKEND", "DISTRIBUTION", "STATUS"]
    rows = {}
    for line in lines:
        backend, distribution = line[: columns[1]], line[columns[1] : columns[2]]
        rows[backend.rstrip(), distribution.rstrip()] = line[columns[2] :]
    return rows


def test_what_is_installed(kms: Kms) -> None:
    done = kms("backends")
    assert (done.code, done.errors) == (0, "")
    rows = table(done)
    core, cluster = (f"{name} {version(name)}" for name in ("kms-core", "kms-cluster"))
    assert rows["kms://cluster-kms", cluster] == "installed"
    assert {backend for backend, distribution in rows if distribution == core} == {
        "kms://local",
        "storage://file",
        "storage://memory",
        "storage://no-store",
        "observer://audit",
        "observer://log",
        "observer://otel",
    }


def test_what_is_installed_passes_the_check(kms: Kms) -> None:
    done = kms("backends", "--check")
    assert (done.code, done.errors) == (0, "")
    assert set(table(done).values()) == {"ok"}


def test_metadata_alone_shows_what_is_broken(site: Path) -> None:
    done = run_command("backends", PYTHONPATH=str(site))
    assert (done.code, done.errors) == (0, "")
    rows = table(done)
    assert rows["kms://gone", "gone 7"] == "broken: module gone_mod is not there; reinstall gone 7"
    one, two = rows["kms://twin", "twin-one 7"], rows["kms://twin", "twin-two 7"]
    assert one == "broken: also provided by twin-two 7; uninstall all but one"
    assert two == "broken: also provided by twin-one 7; uninstall all but one"
    assert rows["kms://unreadable", "unreadable 7"] == (
        "broken: MODULE:CLASS in the entry point '1 2 3' is not there; reinstall unreadable 7"
    )
    assert rows["kms://yesterday", "yesterday 7"] == (
        f"broken: it was made for kms-core<0.1, and this is kms-core {version('kms-core')}; "
        "run: pip install --upgrade yesterday kms-core"
    )
    assert rows["kms://raises", "raises 7"] == "installed"
    assert rows["kms://good", "good 7"] == "installed"
    assert not list(site.glob("*.imported"))


NO_GROUP = "but kms.kek, kms.storage, kms.observer; report it to the plugin's author"


def test_misspelt_groups_are_named(tmp_path: Path) -> None:
    groups = "kms.keks", "kms_kek", "KMS.kek", "kms.storages", "kms_core.storage", "kms.observers"
    for group in groups:
        install(tmp_path, f"of-{group}", f"[{group}]\nacme = gone_mod:Kek\n")
    done = run_command("backends", "--check", PYTHONPATH=str(tmp_path))
    rows = table(done)
    for group in groups:
        status = rows[f"{group}://acme", f"of-{group} 7"]
        assert status == f"broken: core reads no group {group!r}, {NO_GROUP}"
    assert done.code == 1


def test_a_plugin_in_a_misspelt_group_is_looked_for(tmp_path: Path) -> None:
    install(tmp_path, "astray", "[kms.keks]\nacme = gone_mod:Kek\n")
    done = run_command("plugin", "check", "kms://acme", PYTHONPATH=str(tmp_path))
    assert done.code == 2
    assert "astray 7 has 'acme', but core reads no group 'kms.keks'" in done.error


def test_a_group_of_another_program_is_none_of_ours(tmp_path: Path) -> None:
    install(tmp_path, "other", "[kms.plugins]\nacme = a:B\n[drm.kms]\nacme = a:B\n")
    assert "other 7" not in run_command("backends", PYTHONPATH=str(tmp_path)).output
    with (tmp_path / "other-7.dist-info" / "METADATA").open("a") as metadata:
        metadata.write("Requires-Dist: kms-core\n")  # so the group was meant for core
    shown = run_command("backends", PYTHONPATH=str(tmp_path)).output
    assert re.findall(r"^(\S+) +other 7 ", shown, re.MULTILINE) == ["kms.plugins://acme"]


def test_a_name_that_no_uri_takes_is_broken(tmp_path: Path, kms: Kms) -> None:
    names = "My_KEK", "a.b", "9lives", "a--b", "a" * 31, "a b"
    install(tmp_path, "good", "[kms.kek]\n" + "".join(f"{n} = gone_mod:Kek\n" for n in names))
    rows = table(run_command("backends", PYTHONPATH=str(tmp_path)))
    for name in names:
        assert rows[f"kms://{name}", "good 7"].startswith(
            "broken: no URI takes this name; it should have "
        )
        assert kms("plugin", "new", name, "--kind", "kek").code == 2


def test_the_check_imports_each_and_hides_none(site: Path) -> None:
    done = run_command("backends", "--check", PYTHONPATH=str(site))
    assert (done.code, done.errors) == (1, "")
    rows = table(done)
    assert "(RuntimeError: at import)" in rows["kms://raises", "raises 7"]
    assert "(SystemExit: 0)" in rows["kms://exits", "exits 7"]
    assert "Missing" in rows["kms://lacks", "lacks 7"]
    assert "breaks the hookspec" in rows["storage://careless", "careless 7"]
    broken = {backend for (backend, _), status in rows.items() if status.startswith("broken: ")}
    assert broken == {
        "kms://gone",
        "kms://raises",
        "kms://exits",
        "kms://lacks",
        "storage://careless",
        "kms://odd-config",
        "kms://twin",
        "kms://unreadable",
        "kms://yesterday",
    }
    assert "has no Config" in rows["kms://odd-config", "odd-config 7"]
    assert {status for (backend, _), status in rows.items() if backend not in broken} == {"ok"}
    assert list(site.glob("*.imported"))


def test_config_show_names_a_broken_plugin(site: Path) -> None:
    done = run_command("--kek", "kms://odd-config", "config", "show", PYTHONPATH=str(site))
    assert done.code == 2
    assert "kms://odd-config of odd-config 7 breaks the hookspec" in done.error


def test_a_broken_plugin_stops_no_other(site: Path) -> None:
    assert run_command("init", PYTHONPATH=str(site)).code == 0
    assert run_command("dek", "get", "--create", "a", PYTHONPATH=str(site)).code == 0
    done = run_command("--kek", "kms://raises", "dek", "get", "--create", "a", PYTHONPATH=str(site))
    assert done.code == 2
    assert done.error.startswith("kms://raises of raises 7 cannot be loaded (RuntimeError:")
