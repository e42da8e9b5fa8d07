"""``kms init aws``, ``azure`` and ``gcp``: a configuration for a KEK and a store that are there."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import click

from kms_core import ConfigError
from kms_core.cli.init import HEADER, config_path, next_command
from kms_core.cli.new_files import already_there, create_all
from kms_core.cli.session import Session

Answers: TypeAlias = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, or given as an option.

    Attributes:
        option: its name, which is also that of the answer.
        text: what it is, in words.
        kek: the parameter of the KEK that it gives, if any.
        storage: likewise of the storage.
        guess: what it may be, from the answers before it.
        is_optional: whether it may be left out where nothing is asked.
        applies: whether it is asked at all, from the answers before it.
    """

    option: str
    text: str
    kek: str = ""
    storage: str = ""
    guess: Callable[[Answers], str | None] = lambda _: None
    is_optional: bool = False
    applies: Callable[[Answers], bool] = lambda _: True

    def parameters(self) -> Iterator[tuple[str, str]]:
        """Scheme and parameter of each."""
        named = {"kms": self.kek, "storage": self.storage}
        yield from ((scheme, name) for scheme, name in named.items() if name)


def _region_of_key(answers: Answers) -> str | None:
    found = re.match(r"arn:[\w-]+:kms:([\w-]+):", answers.get("key-name", ""))
    return found[1] if found else None


_AUTH_KEY, _NEW, _NONE = "auth-key", "new", "none"
_QUESTIONS = {
    "aws": [
        _Question("key-name", "The KMS key: its ARN, its id or alias/NAME", "keyName"),
        _Question("region", "The region of key and bucket", "region", "region", _region_of_key),
        _Question("bucket", "The S3 bucket for the records", storage="bucket"),
    ],
    "azure": [
        _Question("vault-name", "The name of the key vault or managed HSM", "vaultName"),
        _Question(
            "vault-type", "What its host ends in", "vaultType", guess=lambda _: "vault.azure.net"
        ),
        _Question("key-name", "The name of the key in it", "keyName"),
        _Question(
            _AUTH_KEY,
            f"Its authentication key, which an RSA key needs: {_NEW} has the key wrap one now, "
            f"{_NONE} goes without",
            "authKey",
            guess=lambda _: _NEW,
            is_optional=True,
            applies=lambda answers: not answers["vault-type"].startswith("managedhsm."),
        ),
        _Question("account", "The storage account for the records", storage="account"),
        _Question("container", "The container in it", storage="container"),
    ],
    "gcp": [
        _Question("project-id", "The id of the project", "projectID", "projectID"),
        _Question("location", "The location of the key, such as europe-west3", "location"),
        _Question("key-ring", "The key ring", "keyRing"),
        _Question("key-name", "The key in it", "keyName"),
        _Question("bucket", "The bucket of Cloud Storage for the records", storage="bucket"),
    ],
}
_EXAMPLES = {
    "aws": "--key-name alias/deks --region eu-central-1 --bucket my-deks",
    "azure": "--vault-name my-vault --key-name deks --account mydeks --container deks",
    "gcp": "--project-id my-project --location europe-west3 --key-ring my-ring --key-name deks "
    "--bucket my-deks",
}


def _command(cloud: str) -> click.Command:
    options = [click.Option([f"--{q.option}"], help=f"{q.text}.") for q in _QUESTIONS[cloud]]
    doctor = click.Option(
        ["--doctor/--no-doctor"], default=None, help="Try it by `kms doctor` once it is written."
    )
    return click.Command(
        cloud,
        params=[*options, doctor],
        callback=click.pass_context(partial(_run, cloud=cloud)),
        help="Write a config file for a key and a store that are there.\n\nOn a terminal it asks "
        "for what no option says. Elsewhere nothing is asked. No credential is asked for or "
        "written: the SDK finds them.",
        epilog=f"\b\nExamples:\n  kms init {cloud}\n  kms init {cloud} {_EXAMPLES[cloud]}\n",
    )


def _run(context: click.Context, *, cloud: str, doctor: bool | None, **given: str | None) -> None:
    from kms_core._config.choices import ChosenBackend
    from kms_core._plugins.prepared import prepare

    session: Session = context.obj
    config = config_path(session)
    if os.path.lexists(config):
        raise ConfigError(already_there(str(config)))  # before anything is asked
    named = {name.replace("_", "-"): value for name, value in given.items() if value is not None}
    answers, asked = _answer(cloud, named)
    if answers.get(_AUTH_KEY) == _NEW:
        answers[_AUTH_KEY] = _make_auth_key(_parameters(cloud, "kms", answers))
    tables = {scheme: _parameters(cloud, scheme, answers) for scheme in ("kms", "storage")}
    for scheme, parameters in tables.items():
        prepare(ChosenBackend(scheme, cloud, parameters))
    kek, storage = (_table(cloud, parameters) for parameters in tables.values())
    create_all([(config, f"{HEADER}[kek]\n{kek}\n[storage]\n{storage}")], private=True)
    if doctor is None and asked:
        doctor = click.confirm("Try it now by `kms doctor`?", default=True, err=True)
    if doctor:
        from kms_core.cli.doctor import doctor as try_it

        session.options = {"config": str(config)}
        context.invoke(try_it)
    else:
        click.echo(f"kms: now try: {next_command(config, 'doctor')}", err=True)


def _answer(cloud: str, named: Answers) -> tuple[Answers, bool]:
    """All answers, and whether any was asked for."""
    answers: Answers = {}
    for question in _QUESTIONS[cloud]:
        answer = named.get(question.option)
        if not question.is_optional:
            answer = answer or question.guess(answers)
        if answer:
            answers[question.option] = answer
    needed = (q.option for q in _QUESTIONS[cloud] if not q.is_optional)
    missing = [f"--{option}" for option in needed if option not in answers]
    if missing and not sys.stdin.isatty():
        raise click.UsageError(
            f"give {', '.join(missing)}, or run it on a terminal, where it asks; nothing is written"
        )
    if missing:
        for question in _QUESTIONS[cloud]:
            if question.option not in named and question.applies(answers):
                answers[question.option] = _ask(question, cloud, answers)
    return answers, bool(missing)


def _ask(question: _Question, cloud: str, answers: Answers) -> str:
    """Ask until the answer is one that the backend takes."""
    while True:
        guess = question.guess(answers)
        answer = str(click.prompt(question.text, default=guess, err=True)).strip()
        problem = next(_problems(question, cloud, answer), None)
        if problem is None:
            return answer
        click.echo(f"kms: {problem}", err=True)


def _make_auth_key(parameters: Answers) -> str:
    """Have the key wrap an authentication key."""
    from kms_core import open_kek
    from kms_core.backend.auth_key import make_auth_key

    with open_kek({"backend": "azure", **parameters}) as kek:
        return make_auth_key(kek.wrap)


def _problems(question: _Question, cloud: str, answer: str) -> Iterator[str]:
    from kms_core._config.choices import ChosenBackend
    from kms_core._plugins.prepared import find_mistakes

    for scheme, name in question.parameters():
        if question.is_optional and answer in {_NEW, _NONE}:
            return
        for wrong, problem in find_mistakes(ChosenBackend(scheme, cloud, {name: answer})):
            if wrong == name:
                yield problem


def _parameters(cloud: str, scheme: str, answers: Answers) -> Answers:
    return {
        name: answers[question.option]
        for question in _QUESTIONS[cloud]
        for asked, name in question.parameters()
        if asked == scheme and answers.get(question.option, _NONE) not in {_NEW, _NONE}
    }


def _table(cloud: str, parameters: Answers) -> str:
    pairs = {"backend": cloud, **parameters}.items()
    return "".join(f"{name} = {json.dumps(text, ensure_ascii=False)}\n" for name, text in pairs)


aws, azure, gcp = map(_command, _QUESTIONS)
