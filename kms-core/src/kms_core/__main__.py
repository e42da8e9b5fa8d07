"""Runs the command ``kms`` as ``python -m kms_core``, where scripts are not installed."""

from kms_core.cli.main import main

main()
